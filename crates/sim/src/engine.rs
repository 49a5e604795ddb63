//! The entry points of the engine: they take a plan and its workloads, and return the outcome of every GPU.

use super::fast::{GpuEngine, LeanEngine};
use super::full;
use super::prepare::{GpuRun, GpuSetting, PreparedRun, prepare};
use super::speed::BadNumber;
use super::timeline::{self, LostArrivals};
use super::{BatchingSpec, Control, EngineSpec, ServerSpec, SimError};
use crate::arrivals::{ArrivalError, ArrivalSpec, ArrivalStatistics};
use igniter_model::domain::{
    Action, FailedRequest, Failure, GpuId, Plan, RecordSink, ServerWindow, Timeline, Workload,
    WorkloadId,
};
use igniter_model::predictor::Predictor;
use igniter_model::units::Nanoseconds;
use rayon::prelude::*;
use std::sync::Mutex;

/// The largest number of requests that a run may expect: 2³². Each may have to wait in memory.
pub const MAX_REQUESTS: f64 = 4_294_967_296.0;

/// A workload with its arrivals and the options of its server.
#[derive(Debug, Clone, PartialEq)]
pub struct SimWorkload {
    /// Model, SLO and rate.
    pub workload: Workload,
    /// The arrival process of its requests.
    pub arrival: ArrivalSpec,
    /// The options of its batcher.
    pub batching: BatchingSpec,
    /// Costs of its server beyond those that the predictor gives.
    pub server: ServerSpec,
}

/// The complete input of a run.
#[derive(Debug, Clone, Copy)]
pub struct SimInput<'a> {
    /// The placement of workloads on GPUs.
    pub plan: &'a Plan,
    /// The placements over time, used in place of the plan.
    pub timeline: Option<&'a Timeline>,
    /// The workloads, in the order of [`WorkloadId`].
    pub workloads: &'a [SimWorkload],
    /// The performance model of the plan's GPU kind.
    pub predictor: &'a dyn Predictor,
    /// The performance models of further GPU kinds, where a plan mixes kinds.
    pub more_predictors: &'a [&'a dyn Predictor],
    /// Options of the engine.
    pub spec: EngineSpec,
    /// A controller and faults, if any.
    pub control: Option<&'a Control>,
    /// The end of arrivals: every request arrives before this time. Requests that are still pending then are completed
    /// after it.
    pub duration: Nanoseconds,
    /// The seed of all random streams.
    pub seed: u64,
    /// Whether arrivals are counted as they occur, which takes a few nanoseconds for each.
    pub count_arrivals: bool,
}

impl<'a> SimInput<'a> {
    /// The performance models, one for each GPU kind.
    pub(super) fn predictors(&self) -> impl Iterator<Item = &'a dyn Predictor> {
        std::iter::once(self.predictor).chain(self.more_predictors.iter().copied())
    }
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SimOutcome<S> {
    /// One entry for each GPU of the plan.
    pub gpus: Vec<GpuOutcome<S>>,
    /// Workloads that the plan does not place. None of their requests is served or recorded.
    pub unserved: Vec<WorkloadId>,
    /// Statistics of the arrivals, if they were requested: one entry for each placed workload, except for workloads in
    /// a closed loop.
    pub arrived: Vec<(WorkloadId, ArrivalStatistics)>,
    /// Where plans follow each other: the times in which no server of a workload took requests, although it has servers
    /// at other times. Requests that arrived in a gap are reported as lost, on the GPU of the preceding server.
    pub gaps: Vec<ServiceGap>,
}

/// A time in which no server took the requests of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceGap {
    /// The workload concerned.
    pub workload: WorkloadId,
    /// Start, inclusive.
    pub from: Nanoseconds,
    /// End, exclusive.
    pub until: Nanoseconds,
    /// Number of requests that arrived in the gap.
    pub requests: u64,
}

/// The outcome of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuOutcome<S> {
    /// The GPU concerned.
    pub gpu: GpuId,
    /// The sink that took its records.
    pub sink: S,
    /// One entry for each placement, in the order of the plan (or of the timeline).
    pub servers: Vec<ServerOutcome>,
    /// Number of events that the engine processed.
    pub events: u64,
    /// The later of the duration and the last completion on the GPU.
    pub end: Nanoseconds,
    /// The intervals in which the GPU was rented: from 0 to `end`, unless plans follow each other. A rental ends as
    /// soon as the last server has answered its requests, which may be later than the timeline says. GPU intervals
    /// cover these times.
    pub rented: Vec<(Nanoseconds, Nanoseconds)>,
    /// The actions of a controller and the failures, in the order in which they took effect.
    pub actions: Vec<Action>,
    /// The figures of each server in each window, where there is a controller or a fault.
    pub windows: Vec<ServerWindow>,
}

/// Counters of one server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerOutcome {
    /// The workload that the server serves.
    pub workload: WorkloadId,
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that were completed: at the end of a run, all that did not fail.
    pub completed: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Batches that were formed.
    pub batches: u64,
    /// The time at which the server had answered all its requests and left. `None` where plans do not follow each other
    /// or the server does not leave.
    pub left: Option<Nanoseconds>,
    /// Statistics of the requests that its clients sent, for clients in a closed loop; other arrivals are known without
    /// a run.
    pub sent: Option<ArrivalStatistics>,
}

/// Checks whether [`simulate`] would begin a run: makes the same checks of plan, arrivals, controller and faults, and
/// does nothing else. Files of arrivals are read.
///
/// # Errors
/// Fails as [`simulate`] does before the first event.
pub fn check_run(input: &SimInput<'_>) -> Result<(), SimError> {
    let whole = whole_plan(input)?;
    prepare(&SimInput { plan: whole.as_ref().unwrap_or(input.plan), ..*input }).map(drop)
}

/// Returns all servers of the timeline as one plan, or `None` where there is no timeline.
fn whole_plan(input: &SimInput<'_>) -> Result<Option<Plan>, SimError> {
    let Some(timeline) = input.timeline else { return Ok(None) };
    timeline::check(timeline, input)?;
    Ok(Some(timeline.plan(&input.plan.strategy)))
}

/// Runs a plan. `make_sink` creates the sink of each GPU, which the outcome returns filled.
///
/// A GPU with queue policies, varying host times, a serial path for requests, a shared PCIe link, servers that take
/// turns, a controller or faults is simulated by the engine of [`full`](mod@full), and so are some GPUs on which plans
/// follow each other. Every other GPU is simulated by a faster engine that gives the same records.
///
/// GPUs do not interact, so they are simulated in parallel on the ambient rayon pool; the outcome does not depend on
/// the size of the pool. All checks are made before the first event.
///
/// # Errors
/// Fails if plan, workloads and predictor do not fit together, if arrivals cannot be generated, or if the predictor
/// gives a value that is not a valid time (outside its range of validity).
pub fn simulate<S, F>(input: &SimInput<'_>, make_sink: F) -> Result<SimOutcome<S>, SimError>
where
    S: RecordSink + Send,
    F: Fn(GpuId) -> S + Sync,
{
    run_gpus(input, make_sink, |setting, run, sink| {
        if run.features.is_some() {
            return full::run_gpu(setting, run, sink).map(Some);
        }
        if LeanEngine::<S>::takes(&setting, &run) {
            return LeanEngine::new(setting, run, sink)
                .and_then(LeanEngine::finish)
                .map_err(|bad| *bad);
        }
        if run.timeline.is_some() {
            return full::run_gpu(setting, run, sink).map(Some);
        }
        GpuEngine::new(setting, run, sink).and_then(GpuEngine::finish).map(Some).map_err(|bad| *bad)
    })
}

/// Checks a run and simulates its GPUs with `run_gpu`; a GPU for which that returns `None` runs on the full engine.
pub(super) fn run_gpus<S, M, F>(
    input: &SimInput<'_>,
    make_sink: M,
    run_gpu: F,
) -> Result<SimOutcome<S>, SimError>
where
    S: RecordSink + Send,
    M: Fn(GpuId) -> S + Sync,
    F: Fn(GpuSetting, GpuRun<'_>, S) -> Result<Option<GpuOutcome<S>>, BadNumber> + Sync,
{
    let whole = whole_plan(input)?;
    let input = &SimInput { plan: whole.as_ref().unwrap_or(input.plan), ..*input };
    let PreparedRun { gpus, unserved, faults, counts } = prepare(input)?;
    let run = |gpu: usize, mut run: GpuRun<'_>| {
        let gpu = GpuId::new(gpu);
        let setting = GpuSetting { gpu, overlap: input.spec.overlap, duration: input.duration };
        let name = |bad| name_prediction(input, gpu, bad);
        let mut sink = make_sink(gpu);
        let mut gaps = report_lost(&mut run, gpu, &mut sink);
        let mut outcome = match run_gpu(setting, run, sink).map_err(name)? {
            Some(outcome) => outcome,
            None => {
                let mut run = prepare(input)?.gpus.swap_remove(gpu.index());
                let mut sink = make_sink(gpu);
                gaps = report_lost(&mut run, gpu, &mut sink);
                full::run_gpu(setting, run, sink).map_err(name)?
            }
        };
        outcome.sink.end();
        Ok((outcome, gaps))
    };
    let gpus: Vec<Result<_, SimError>> = in_parallel(gpus, run);
    for (workload, fault) in faults {
        if let Some(source) = fault.get() {
            let what = source.to_string();
            return Err(ArrivalError::Interrupted { workload, what }.into());
        }
    }
    // Collect in order, so that the same one of several errors is reported each time.
    let gpus = gpus.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (gpus, gaps): (Vec<_>, Vec<_>) = gpus.into_iter().unzip();
    let arrived = counts.into_iter().filter_map(|(id, count)| Some((id, *count.get()?))).collect();
    Ok(SimOutcome { gpus, unserved, arrived, gaps: in_order(gaps) })
}

/// Maps each item through `run` on the ambient pool. The results are in the order of the items.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, run: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(Some).map(Mutex::new).collect();
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::default()).collect();
    each_in_parallel(items.len(), &|index| {
        let item = items[index].lock().ok().and_then(|mut item| item.take());
        let result = run(index, item.expect("each item is taken once"));
        results[index].lock().expect("nobody holds it who may panic").replace(result);
    });
    let results = results.into_iter().map(|result| result.into_inner().ok().flatten());
    results.map(|result| result.expect("a result of each item")).collect()
}

/// Separate from the generic code, so that the code of the pool is compiled once.
fn each_in_parallel(count: usize, run: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().with_max_len(1).for_each(run);
}

fn in_order(gaps: Vec<Vec<ServiceGap>>) -> Vec<ServiceGap> {
    let mut gaps = gaps.concat();
    gaps.sort_by_key(|gap| (gap.workload, gap.from));
    gaps
}

/// Reports the requests that no server took to the sink, and returns the gaps in which they arrived.
fn report_lost<S: RecordSink>(run: &mut GpuRun<'_>, gpu: GpuId, sink: &mut S) -> Vec<ServiceGap> {
    let mut gaps = Vec::new();
    for mut lost in std::mem::take(&mut run.lost) {
        let LostArrivals { workload, from, until, .. } = lost;
        let mut requests = 0;
        while let Some(arrival) = lost.arrivals.next_arrival() {
            requests += 1;
            let failure = Failure::Lost;
            sink.failed(&FailedRequest { workload, gpu, arrival, at: arrival, failure });
        }
        gaps.push(ServiceGap { workload, from, until, requests });
    }
    gaps
}

/// Adds the names of server and model to an invalid value from the predictor.
fn name_prediction(input: &SimInput<'_>, gpu: GpuId, bad: BadNumber) -> SimError {
    let placements = &input.plan.gpus[gpu.index()].placements;
    SimError::BadPrediction {
        gpu: gpu.index(),
        member: bad.server.map_or_else(
            || "the co-location".to_owned(),
            |server| {
                let placement = &placements[server];
                format!("{} ({}, batch {})", placement.workload, placement.model, bad.batch)
            },
        ),
        what: bad.what,
        value: bad.value,
    }
}
