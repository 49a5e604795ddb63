//! The sink of one GPU, and the merge of the sinks of all GPUs.

use super::detail::Detail;
use super::gpu_account::{GpuAccount, StateSums};
use super::latencies::{Latencies, Percentiles};
use super::latency_series::{BatchCount, BatchHistogram, LatencySeries};
use super::series::SeriesBuilder;
use super::summary::{CdfPoint, GpuSummary, LatencyCdf, RunMetrics, Verdict, WorkloadSummary};
use super::tally::RequestTally;
use super::window::Window;
use igniter_model::domain::{
    BatchRecord, FailedRequest, GpuId, GpuInterval, Plan, RecordSink, RequestRecord, Workload,
    WorkloadId, WorkloadName,
};
use igniter_model::stats::nearest_rank;
use igniter_model::units::Nanoseconds;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The quantiles of a summary: P50, P90, P95, P99, P99.9 and the maximum.
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 1.0];

/// Collects the records and intervals of one GPU.
#[derive(Debug, Clone)]
pub struct GpuCollector {
    gpu: GpuId,
    window: Window,
    slos: Arc<[Nanoseconds]>,
    /// A likely upper limit on the number of requests of each workload in the window.
    expected: Arc<[usize]>,
    percentiles: Percentiles,
    /// Whether each workload is served by a single GPU, where that is known.
    alone: Option<Arc<[bool]>>,
    detail: Detail,
    /// The tallies of the workloads, in the order of their first records. A GPU serves few of the workloads of a large
    /// scenario.
    tallies: Vec<WorkloadMemory>,
    /// The position in `tallies` where a workload was last found, by the workload's number modulo [`PLACES`].
    places: [u32; PLACES],
    account: GpuAccount,
    series: SeriesBuilder,
    /// The part of the window in the current bin of the series; most intervals lie entirely inside it.
    inside: (Nanoseconds, Nanoseconds),
    /// The sums over the intervals inside it, which are not yet in `account` and `series`.
    sums: StateSums,
}

const PLACES: usize = 16;

/// The data kept for one workload.
#[derive(Debug, Clone)]
struct WorkloadMemory {
    workload: WorkloadId,
    slo: Nanoseconds,
    tally: RequestTally,
}

/// The collectors of a run, one for each GPU.
#[derive(Debug, Clone)]
pub struct Collectors {
    slos: Arc<[Nanoseconds]>,
    expected: Arc<[usize]>,
    window: Window,
    percentiles: Percentiles,
    alone: Option<Arc<[bool]>>,
}

impl Collectors {
    /// Creates the collectors of a run. `workloads` are those of the scenario, in the order of [`WorkloadId`].
    #[must_use]
    pub fn new(workloads: &[Workload], window: Window, percentiles: Percentiles) -> Self {
        let slos = workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect();
        let expected = workloads.iter().map(|workload| likely(workload, window)).collect();
        Self { slos, expected, window, percentiles, alone: None }
    }

    /// Adapts the collectors to the GPUs of a plan (the plan of all servers, where servers come and go): for a workload
    /// that only one GPU serves, single latencies are dropped at the end of that GPU's run. `workloads` are those of
    /// [`Collectors::new`].
    #[must_use]
    pub fn of_plan(self, plan: &Plan, workloads: &[Workload]) -> Self {
        let ids: BTreeMap<&WorkloadName, usize> =
            workloads.iter().enumerate().map(|(id, workload)| (&workload.name, id)).collect();
        let mut served_on = vec![None; workloads.len()];
        let mut alone = vec![true; workloads.len()];
        for (gpu, placement) in plan.placements() {
            let Some(&id) = ids.get(&placement.workload) else { continue };
            alone[id] &= *served_on[id].get_or_insert(gpu) == gpu;
        }
        Self { alone: Some(alone.into()), ..self }
    }

    /// Creates an empty collector for a GPU.
    #[must_use]
    pub fn of(&self, gpu: GpuId) -> GpuCollector {
        let detail = Detail::of(self.slos.len());
        GpuCollector {
            gpu,
            window: self.window,
            slos: Arc::clone(&self.slos),
            expected: Arc::clone(&self.expected),
            percentiles: self.percentiles,
            alone: self.alone.clone(),
            tallies: Vec::new(),
            places: [0; PLACES],
            account: GpuAccount::default(),
            detail,
            series: SeriesBuilder::new(self.window.duration(), detail.gpu_bins),
            inside: (Nanoseconds::ZERO, Nanoseconds::ZERO),
            sums: StateSums::default(),
        }
    }
}

/// Returns a likely upper limit on the number of requests of a workload in a window, if they arrive at the rate of the
/// workload: four standard deviations of Poisson arrivals above the mean. It only saves copies and does not affect
/// results.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn likely(workload: &Workload, window: Window) -> usize {
    let mean = workload.rate.get() * window.length().as_seconds();
    (mean + 4.0 * mean.sqrt()) as usize
}

impl GpuCollector {
    /// Creates a single empty collector; [`Collectors`] creates those of many GPUs. `workloads` are those of the
    /// scenario, in the order of [`WorkloadId`].
    #[must_use]
    pub fn new(gpu: GpuId, workloads: &[Workload], window: Window) -> Self {
        Collectors::new(workloads, window, Percentiles::Exact).of(gpu)
    }

    /// Returns the same collector, which must be unused, with another way to store latencies.
    #[must_use]
    pub fn with_percentiles(self, percentiles: Percentiles) -> Self {
        Self { percentiles, ..self }
    }

    /// Records a request that was still not completed when the run stopped. It counts as a request, and as a violation
    /// if it had already waited longer than its SLO.
    ///
    /// # Panics
    /// Panics if the workload is not one of those given to [`GpuCollector::new`].
    pub fn unfinished(&mut self, workload: WorkloadId, arrival: Nanoseconds, stopped: Nanoseconds) {
        let (tally, slo, window) = self.tally(workload);
        tally.unfinished(arrival, stopped, window, slo);
    }

    /// Returns the tally of a workload, its SLO, and the window.
    #[inline(always)]
    fn tally(&mut self, workload: WorkloadId) -> (&mut RequestTally, Nanoseconds, &Window) {
        let place = self.places[workload.index() % PLACES] as usize;
        let position = match self.tallies.get(place) {
            Some(served) if served.workload == workload => place,
            _ => self.find_tally(workload),
        };
        let WorkloadMemory { tally, slo, .. } = &mut self.tallies[position];
        (tally, *slo, &self.window)
    }

    #[cold]
    #[inline(never)]
    fn find_tally(&mut self, workload: WorkloadId) -> usize {
        let known = self.tallies.iter().position(|served| served.workload == workload);
        let position = known.unwrap_or_else(|| {
            let slo = self.slos[workload.index()];
            let mut tally = RequestTally::new(self.percentiles, self.detail.latency_bins);
            if self.alone.as_ref().is_some_and(|alone| alone[workload.index()]) {
                tally.latencies.reserve(self.expected[workload.index()]);
            }
            self.tallies.push(WorkloadMemory { workload, slo, tally });
            self.tallies.len() - 1
        });
        self.places[workload.index() % PLACES] =
            u32::try_from(position).expect("fewer than 2^32 workloads");
        position
    }

    /// Adds the intervals in the current bin to the totals.
    fn settle(&mut self) {
        let sums = std::mem::take(&mut self.sums);
        self.account.sums.merge(&sums);
        self.series.add(&sums);
    }

    /// Adds an interval that is not inside both the current bin and the window. It is passed by value: as its address
    /// is not taken, the usual case does not write it to memory.
    #[inline(never)]
    fn interval_at_an_edge(&mut self, interval: GpuInterval) {
        let interval = &interval;
        self.settle();
        let inside = self.window.overlap(interval.start, interval.end);
        if inside > Nanoseconds::ZERO {
            self.account.sums.add(interval, inside);
            self.account.extremes(interval);
        }
        self.series.interval(interval);
        let (from, to) = self.series.bin();
        self.inside = (from.max(self.window.start()), to.min(self.window.end()));
    }
}

impl RecordSink for GpuCollector {
    fn request(&mut self, record: &RequestRecord) {
        let (tally, slo, window) = self.tally(record.workload);
        tally.request(record, window, slo);
    }

    /// Not inlined, for the sake of its registers.
    #[inline(never)]
    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        let (tally, slo, window) = self.tally(batch.workload);
        tally.batch(batch, arrivals, window, slo);
    }

    fn failed(&mut self, request: &FailedRequest) {
        let (tally, _, window) = self.tally(request.workload);
        tally.failed(request, window);
    }

    #[inline(always)]
    fn gpu_interval(&mut self, interval: &GpuInterval) {
        let GpuInterval { start, end, .. } = *interval;
        let (from, to) = self.inside;
        if from <= start && start < end && end <= to {
            self.sums.add(interval, end - start);
            self.account.extremes(interval);
        } else {
            self.interval_at_an_edge(*interval);
        }
    }

    fn end(&mut self) {
        let Some(alone) = &self.alone else { return };
        for WorkloadMemory { workload, tally, .. } in &mut self.tallies {
            if alone[workload.index()] {
                let positions = positions(tally.latencies.count(), self.detail.cdf_points);
                tally.latencies.pick(&positions);
            }
        }
    }
}

/// Merges the collectors of all GPUs, in GPU order, into the summaries of the run.
///
/// `plan` gives the GPUs on which each of `workloads` (those of the scenario, in order) is served.
///
/// # Panics
/// Panics if a collector belongs to a GPU that the plan lacks, or was created for other workloads.
#[must_use]
pub fn summarise(
    plan: &Plan,
    workloads: &[Workload],
    window: Window,
    mut collectors: Vec<GpuCollector>,
) -> RunMetrics {
    collectors.sort_by_key(|collector| collector.gpu);
    let detail = Detail::of(workloads.len());
    let mut tallies =
        vec![RequestTally::new(Percentiles::Exact, detail.latency_bins); workloads.len()];
    let (mut gpus, mut series) = (Vec::new(), Vec::new());
    for mut collector in collectors {
        collector.settle();
        let gpu = collector.gpu.index();
        gpus.push(gpu_summary(plan, gpu, &collector.account));
        series.push(collector.series.finish(gpu));
        assert_eq!(collector.slos.len(), tallies.len(), "a collector of these workloads");
        for WorkloadMemory { workload, tally, .. } in collector.tallies {
            tallies[workload.index()].merge(tally);
        }
    }
    let mut served_on: BTreeMap<&WorkloadName, usize> = BTreeMap::new();
    for (gpu, placement) in plan.placements() {
        served_on.entry(&placement.workload).or_insert(gpu);
    }
    let mut summaries = Vec::with_capacity(workloads.len());
    let mut cdf = Vec::with_capacity(workloads.len());
    let mut latency_series = Vec::with_capacity(workloads.len());
    let mut batches = Vec::with_capacity(workloads.len());
    for (workload, tally) in workloads.iter().zip(tallies) {
        let (percentiles_ms, points) = distribution(&tally.latencies, detail.cdf_points);
        let gpu = served_on.get(&workload.name).copied();
        summaries.push(workload_summary(gpu, workload, window, &tally, percentiles_ms));
        cdf.push(LatencyCdf { workload: workload.name.clone(), points });
        let bins = tally.over_time.finish(window.duration());
        latency_series.push(LatencySeries { workload: workload.name.clone(), bins });
        let counts = tally.by_batch_size.iter();
        let counts = counts.map(|(batch_size, requests)| BatchCount { batch_size, requests });
        batches.push(BatchHistogram { workload: workload.name.clone(), counts: counts.collect() });
    }
    RunMetrics { workloads: summaries, gpus, series, cdf, latency_series, batches }
}

fn gpu_summary(plan: &Plan, gpu: usize, account: &GpuAccount) -> GpuSummary {
    let colocation = &plan.gpus[gpu];
    GpuSummary {
        gpu,
        kind: colocation.kind.clone(),
        placements: colocation.placements.len(),
        observed_s: account.observed_s(),
        utilisation: account.utilisation(),
        sm_utilisation_pct: account.busy_sm_pct(),
        power_w: account.power_w(),
        peak_power_w: account.peak_power_w(),
        energy_j: account.energy_j(),
        clock_mhz: account.clock_mhz(),
        min_clock_mhz: account.min_clock_mhz(),
    }
}

fn workload_summary(
    gpu: Option<usize>,
    workload: &Workload,
    window: Window,
    tally: &RequestTally,
    percentiles_ms: [Option<f64>; QUANTILES.len()],
) -> WorkloadSummary {
    let completed = tally.latencies.count() as u64;
    let requests = completed + tally.unfinished + tally.failed.total();
    let mean_ms = |sum_ns: u128| (completed > 0).then(|| sum_ns as f64 / completed as f64 / 1e6);
    let [p50_ms, p90_ms, p95_ms, p99_ms, p999_ms, max_ms] = percentiles_ms;
    let verdict = if gpu.is_none() {
        Verdict::NotServed
    } else if requests == 0 {
        Verdict::NoRequests
    } else if tally.violations * 100 > requests {
        Verdict::Missed
    } else {
        Verdict::Met
    };
    WorkloadSummary {
        workload: workload.name.clone(),
        model: workload.model.clone(),
        gpu,
        served: gpu.is_some(),
        slo_ms: workload.slo.get(),
        rate_rps: workload.rate.get(),
        requests,
        completed,
        failed: (tally.failed.total() > 0).then_some(tally.failed),
        throughput_rps: tally.done_in_window as f64 / window.length().as_seconds(),
        mean_ms: mean_ms(tally.latency_ns),
        p50_ms,
        p90_ms,
        p95_ms,
        p99_ms,
        p999_ms,
        max_ms,
        slo_violation_pct: (requests > 0)
            .then(|| 100.0 * tally.violations as f64 / requests as f64),
        queue_ms: mean_ms(tally.queue_ns()),
        load_ms: mean_ms(tally.load_ns),
        exec_ms: mean_ms(tally.exec_ns),
        feedback_ms: mean_ms(tally.feedback_ns),
        mean_batch: tally.mean_batch(),
        verdict,
    }
}

/// Returns the percentiles of a summary, in ms, and the points of a distribution: all latencies if there are few,
/// otherwise evenly spaced quantiles from minimum to maximum.
fn distribution(
    latencies: &Latencies,
    most_points: usize,
) -> ([Option<f64>; QUANTILES.len()], Vec<CdfPoint>) {
    let n = latencies.count();
    if n == 0 {
        return ([None; QUANTILES.len()], Vec::new());
    }
    let positions = positions(n, most_points);
    let values = latencies.at(&positions);
    let ms = |latency: u64| Nanoseconds::new(latency).as_ms();
    let quantiles = std::array::from_fn(|i| Some(ms(values[i])));
    let points = positions.iter().zip(values).skip(QUANTILES.len());
    let points = points.map(|(&position, latency)| CdfPoint {
        fraction: (position + 1) as f64 / n as f64,
        latency_ms: ms(latency),
    });
    (quantiles, points.collect())
}

/// Returns the positions of the quantiles of a summary and of the points of a distribution among `n` sorted latencies.
fn positions(n: usize, most_points: usize) -> Vec<usize> {
    let points = n.min(most_points);
    let last = points.saturating_sub(1).max(1);
    let quantiles = QUANTILES.iter().filter_map(|&q| nearest_rank(n, q));
    let spaced = (0..points).map(|i| if points == n { i } else { i * (n - 1) / last });
    quantiles.chain(spaced).collect()
}

#[cfg(test)]
mod tests;
