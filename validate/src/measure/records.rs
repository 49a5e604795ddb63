//! Turns rows into the records that the simulator also emits.

use super::{MeasuredRequest, batches};
use igniter::domain::{GpuId, Plan, RecordSink, RequestRecord, Workload, WorkloadId};
use igniter::metrics::{Collectors, Percentiles, RunMetrics, Window, summarise};
use igniter::units::Nanoseconds;

/// One arm of a comparison: its records in order of completion, and their statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Every completed request.
    pub records: Vec<RequestRecord>,
    /// Their statistics.
    pub metrics: RunMetrics,
}

impl Arm {
    /// Computes the statistics of records. `unfinished` are requests that were not answered, with the GPU
    /// that they were sent to.
    ///
    /// # Panics
    /// When a record belongs to a GPU or workload that the plan lacks.
    #[must_use]
    pub fn new(
        plan: &Plan,
        workloads: &[Workload],
        window: Window,
        mut records: Vec<RequestRecord>,
        unfinished: &[(WorkloadId, GpuId, Nanoseconds)],
    ) -> Self {
        records.sort_by_key(|record| (record.done, record.workload, record.arrival));
        let stopped = records.last().map_or(window.duration(), |last| last.done);
        let gpus = (0..plan.gpus.len()).map(GpuId::new);
        let empty = Collectors::new(workloads, window, Percentiles::Exact);
        let collectors = gpus.map(|gpu| {
            let mut collector = empty.of(gpu);
            for record in records.iter().filter(|record| record.gpu == gpu) {
                collector.request(record);
            }
            for (workload, _, arrival) in unfinished.iter().filter(|(_, on, _)| *on == gpu) {
                collector.unfinished(*workload, *arrival, stopped.max(window.duration()));
            }
            collector
        });
        let collectors = collectors.collect();
        let metrics = summarise(plan, workloads, window, collectors);
        Self { records, metrics }
    }

    /// Returns the latencies of one workload in the order of arrival: arrival time, and ms.
    #[must_use]
    pub fn latencies(&self, workload: usize) -> Vec<(Nanoseconds, f64)> {
        let of = self.records.iter().filter(|record| record.workload.index() == workload);
        let mut all: Vec<_> = of.map(|r| (r.arrival, r.latency().as_ms())).collect();
        all.sort_by_key(|(arrival, _)| *arrival);
        all
    }
}

/// Returns the GPUs that serve a workload, in the order of its placements.
fn gpus_of(plan: &Plan, workload: &Workload) -> Vec<GpuId> {
    let own = plan.placements().filter(|(_, p)| p.workload == workload.name);
    own.map(|(gpu, _)| GpuId::new(gpu)).collect()
}

/// Builds the measured arm. Latency counts from the intended send time.
///
/// Load, execution and feedback are Triton's compute input, compute infer, and the time from the outputs
/// being ready to the answer being read. Rows without a trace count as executing from their send time.
#[must_use]
pub fn measured_arm(
    plan: &Plan,
    workloads: &[Workload],
    window: Window,
    rows: &[MeasuredRequest],
) -> Arm {
    let (mut records, mut unfinished) = (Vec::new(), Vec::new());
    for (index, workload) in workloads.iter().enumerate() {
        let id = WorkloadId::new(index);
        let own: Vec<MeasuredRequest> =
            rows.iter().filter(|row| row.workload == workload.name).cloned().collect();
        let gpus = gpus_of(plan, workload);
        if gpus.is_empty() {
            continue;
        }
        let mut batch_of = vec![None; own.len()];
        for (number, batch) in batches(&own).into_iter().enumerate() {
            for &row in &batch.rows {
                batch_of[row] = Some((number as u64, batch.clone()));
            }
        }
        for (row, batch) in own.iter().zip(batch_of) {
            let arrival = Nanoseconds::new(row.intended_ns);
            // A standby is on the same GPU as the server that it stands by for.
            let gpu = gpus[usize::from(row.server) % gpus.len()];
            if row.error.is_some() {
                unfinished.push((id, gpu, arrival));
                continue;
            }
            let done = Nanoseconds::new(row.done_ns).max(arrival);
            // All timestamps are from the same clock, but none may run backwards.
            let at = |ns: u64| Nanoseconds::new(ns).max(arrival).min(done);
            let (number, size, times) = match &batch {
                Some((number, b)) => (
                    *number,
                    u32::try_from(b.size()).unwrap_or(u32::MAX),
                    [b.start_ns, b.input_end_ns, b.output_start_ns],
                ),
                None => (u64::from(row.request), 1, [row.sent_ns, row.sent_ns, row.done_ns]),
            };
            let [start, input_end, output_start] = times.map(at);
            records.push(RequestRecord {
                workload: id,
                gpu,
                batch: number,
                batch_size: size,
                arrival,
                load_start: start,
                load_end: input_end.max(start),
                exec_start: input_end.max(start),
                exec_end: output_start.max(input_end),
                done,
            });
        }
    }
    Arm::new(plan, workloads, window, records, &unfinished)
}

/// Returns by how many percent the largest of some means exceeds the smallest.
#[must_use]
pub fn spread_pct(means: &[f64]) -> Option<f64> {
    let low = means.iter().copied().reduce(f64::min)?;
    let high = means.iter().copied().reduce(f64::max)?;
    (low > 0.0).then(|| (high / low - 1.0) * 100.0)
}
