//! From a plan and its workloads to the outcome of every GPU.

use super::batcher::Batcher;
use super::batcher_rules::BatcherRules;
use super::gpu::GpuSimulation;
use super::server::Server;
use super::speed::{BadPrediction, PlannedServer, SpeedTable};
use super::{BatchingSpec, EngineSpec, ServiceTime, SimError};
use crate::domain::{CoLocation, GpuId, Plan, RecordSink, Workload, WorkloadId, WorkloadName};
use crate::predictor::Predictor;
use crate::units::Nanoseconds;
use crate::workload::{ArrivalSpec, Purpose, stream};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A run may expect at most this many requests: 2³². Each may have to wait in memory.
pub const MAX_REQUESTS: f64 = 4_294_967_296.0;

/// A workload with its arrivals and the options of its server.
#[derive(Debug, Clone, PartialEq)]
pub struct SimWorkload {
    /// Model, SLO and rate.
    pub workload: Workload,
    /// How its requests arrive.
    pub arrival: ArrivalSpec,
    /// The options of its batcher.
    pub batching: BatchingSpec,
}

/// All that a run depends on.
#[derive(Debug, Clone, Copy)]
pub struct SimInput<'a> {
    /// Who runs where.
    pub plan: &'a Plan,
    /// The workloads, in the order of [`WorkloadId`].
    pub workloads: &'a [SimWorkload],
    /// The performance model of the plan's GPU kind.
    pub predictor: &'a dyn Predictor,
    /// Options of the engine.
    pub spec: EngineSpec,
    /// Requests arrive before this; those that are still there then are completed after it.
    pub duration: Nanoseconds,
    /// The seed of all streams.
    pub seed: u64,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SimOutcome<S> {
    /// One entry for each GPU of the plan.
    pub gpus: Vec<GpuOutcome<S>>,
    /// Workloads that the plan does not place. None of their requests is served or recorded.
    pub unserved: Vec<WorkloadId>,
}

/// What became of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuOutcome<S> {
    /// Which GPU.
    pub gpu: GpuId,
    /// The sink that took its records.
    pub sink: S,
    /// One entry for each placement, in the order of the plan.
    pub servers: Vec<ServerOutcome>,
    /// How many events the engine went through.
    pub events: u64,
    /// The later of the duration and the last completion; GPU intervals cover 0 to here.
    pub end: Nanoseconds,
}

/// Counters of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOutcome {
    /// The workload that it serves.
    pub workload: WorkloadId,
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that were completed: all of them, at the end of a run.
    pub completed: u64,
    /// Batches that were formed.
    pub batches: u64,
}

impl ServerOutcome {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            workload: server.workload,
            arrived: server.arrived,
            completed: server.completed,
            batches: server.batches,
        }
    }
}

/// Runs a plan. `make_sink` makes the sink of each GPU, which comes back filled.
///
/// GPUs do not interact, so they are simulated in parallel on the ambient rayon pool; the outcome
/// does not depend on its size. Everything is checked before the first event.
///
/// # Errors
/// When plan, workloads and predictor do not fit together, arrivals cannot be made, or the predictor
/// gives a number that is no time (outside its range of validity).
pub fn simulate<S, F>(input: &SimInput<'_>, make_sink: F) -> Result<SimOutcome<S>, SimError>
where
    S: RecordSink + Send,
    F: Fn(GpuId) -> S + Sync,
{
    let Prepared { gpus, unserved } = prepare(input)?;
    let run = |(gpu, (servers, speeds))| {
        let (gpu, overlap) = (GpuId::new(gpu), input.spec.overlap);
        GpuSimulation::new(gpu, overlap, input.duration, servers, speeds, make_sink(gpu))
            .and_then(GpuSimulation::finish)
            .map_err(|bad| name_prediction(input, gpu, bad))
    };
    let gpus: Vec<Result<GpuOutcome<S>, SimError>> =
        gpus.into_par_iter().enumerate().with_max_len(1).map(run).collect();
    // In order, so that of several errors the same one is reported each time.
    Ok(SimOutcome { gpus: gpus.into_iter().collect::<Result<_, _>>()?, unserved })
}

/// A checked run before its first event.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    /// The servers of each GPU with the table of their speeds.
    pub(super) gpus: Vec<(Vec<Server>, SpeedTable<'a>)>,
    /// Workloads that the plan does not place.
    pub(super) unserved: Vec<WorkloadId>,
}

/// Checks the whole input and opens all arrivals.
pub(super) fn prepare<'a>(input: &SimInput<'a>) -> Result<Prepared<'a>, SimError> {
    let workloads = index_workloads(input.workloads)?;
    let placed_on = check_placements(input, &workloads)?;
    check_size(input, &placed_on)?;
    let gpus = (input.plan.gpus.iter())
        .map(|co_location| prepare_gpu(input, &workloads, co_location))
        .collect::<Result<_, _>>()?;
    let unplaced = placed_on.iter().enumerate().filter(|(_, gpu)| gpu.is_none());
    Ok(Prepared { gpus, unserved: unplaced.map(|(i, _)| WorkloadId::new(i)).collect() })
}

type WorkloadIndex<'a> = BTreeMap<&'a WorkloadName, usize>;

fn index_workloads(workloads: &[SimWorkload]) -> Result<WorkloadIndex<'_>, SimError> {
    let mut index = BTreeMap::new();
    for (i, entry) in workloads.iter().enumerate() {
        let name = &entry.workload.name;
        if index.insert(name, i).is_some() {
            return Err(SimError::DuplicateWorkload { workload: name.clone() });
        }
    }
    Ok(index)
}

/// Checks who is placed where; returns the GPU of each workload.
fn check_placements(
    input: &SimInput<'_>,
    workloads: &WorkloadIndex<'_>,
) -> Result<Vec<Option<usize>>, SimError> {
    let kind = &input.predictor.kind().name;
    if let Some((gpu, co)) = input.plan.gpus.iter().enumerate().find(|(_, co)| co.kind != *kind) {
        let (planned, predictor) = (co.kind.clone(), kind.clone());
        return Err(SimError::WrongGpuKind { gpu, planned, predictor });
    }
    let mut placed_on = vec![None; input.workloads.len()];
    for (gpu, placement) in input.plan.placements() {
        let workload = placement.workload.clone();
        let Some(&index) = workloads.get(&workload) else {
            return Err(SimError::UnknownWorkload { workload, gpu });
        };
        if let Some(first) = placed_on[index].replace(gpu) {
            return Err(SimError::PlacedTwice { workload, first, second: gpu });
        }
        let model = &input.workloads[index].workload.model;
        if placement.model != *model {
            let (planned, model) = (placement.model.clone(), model.clone());
            return Err(SimError::WrongModel { workload, planned, model });
        }
    }
    Ok(placed_on)
}

fn check_size(input: &SimInput<'_>, placed_on: &[Option<usize>]) -> Result<(), SimError> {
    let rates = input.workloads.iter().zip(placed_on).filter(|(entry, gpu)| {
        // A trace is as long as it is; its rate only serves planning.
        gpu.is_some() && !matches!(entry.arrival, ArrivalSpec::Trace { .. })
    });
    let rate: f64 = rates.map(|(entry, _)| entry.workload.rate.get()).sum();
    let expected = rate * input.duration.as_seconds();
    if expected > MAX_REQUESTS {
        let duration_s = input.duration.as_seconds();
        return Err(SimError::TooManyRequests { expected, limit: MAX_REQUESTS, rate, duration_s });
    }
    Ok(())
}

/// Makes the servers of one GPU and the table of their speeds.
fn prepare_gpu<'a>(
    input: &SimInput<'a>,
    workloads: &WorkloadIndex<'_>,
    co_location: &CoLocation,
) -> Result<(Vec<Server>, SpeedTable<'a>), SimError> {
    let mut servers = Vec::new();
    let mut planned = Vec::new();
    let mut slots = 0;
    for placement in &co_location.placements {
        let index = workloads[&placement.workload];
        let SimWorkload { workload, arrival, batching } = &input.workloads[index];
        let name = &workload.name;
        let rules = BatcherRules::new(batching, placement.batch)
            .map_err(|source| SimError::Batching { workload: name.clone(), source })?;
        let model = input.predictor.model_id(&workload.model).ok_or_else(|| {
            let known: Vec<&str> = input.predictor.models().iter().map(|m| m.as_str()).collect();
            SimError::UnknownModel {
                workload: name.clone(),
                model: workload.model.clone(),
                known: known.join(", "),
            }
        })?;
        let share = placement
            .sm
            .to_percent(input.predictor.kind().units)
            .ok_or_else(|| SimError::NoShare { workload: name.clone() })?;
        let arrivals = arrival.build(name, workload.rate, input.duration, input.seed)?;
        let service = match input.spec.service {
            ServiceTime::Deterministic => None,
            ServiceTime::Exponential => Some(stream(input.seed, name, Purpose::Service)),
        };
        planned.push(PlannedServer {
            model,
            batch: placement.batch,
            share,
            instances: rules.instances(),
            max_batch: rules.max_batch(),
        });
        let first = slots;
        slots += rules.instances() as usize;
        let id = WorkloadId::new(index);
        servers.push(Server::new(id, arrivals, Batcher::new(rules), first..slots, service));
    }
    Ok((servers, SpeedTable::new(input.predictor, input.spec.interference, planned)))
}

/// Adds the names to a number that the predictor should not have given.
fn name_prediction(input: &SimInput<'_>, gpu: GpuId, bad: BadPrediction) -> SimError {
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
