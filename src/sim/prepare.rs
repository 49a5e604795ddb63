//! Checks a run and opens its arrivals: what both engines start from.

use super::batcher_rules::BatcherRules;
use super::engine::{MAX_REQUESTS, SimInput, SimWorkload};
use super::speed::{PlannedServer, Speeds};
use super::{LoadOverlap, ServiceTime, SimError};
use crate::domain::{CoLocation, GpuId, WorkloadId, WorkloadName};
use crate::units::Nanoseconds;
use crate::workload::{ArrivalProcess, Fault, Purpose, Stream, stream};
use std::collections::BTreeMap;
use std::ops::Range;

/// What all servers of a GPU share.
#[derive(Debug, Clone, Copy)]
pub(super) struct GpuSetting {
    pub(super) gpu: GpuId,
    pub(super) overlap: LoadOverlap,
    pub(super) duration: Nanoseconds,
}

/// One GPU before its first event.
#[derive(Debug)]
pub(super) struct GpuRun<'a> {
    /// In the order of the plan.
    pub(super) servers: Vec<ServerRun>,
    pub(super) speeds: Speeds<'a>,
}

/// One server before its first event.
#[derive(Debug)]
pub(super) struct ServerRun {
    pub(super) workload: WorkloadId,
    pub(super) arrivals: Box<dyn ArrivalProcess>,
    pub(super) rules: BatcherRules,
    /// The slots of its instances.
    pub(super) slots: Range<usize>,
    /// Execution times are exponential, drawn from here; `None`: exactly the predicted ones.
    pub(super) service: Option<Stream>,
}

/// A checked run before its first event.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    /// The GPUs, in the order of the plan.
    pub(super) gpus: Vec<GpuRun<'a>>,
    /// Workloads that the plan does not place.
    pub(super) unserved: Vec<WorkloadId>,
    /// What may go wrong with the arrivals while the run goes on.
    pub(super) faults: Vec<(WorkloadName, Fault)>,
}

/// Checks the whole input and opens all arrivals.
pub(super) fn prepare<'a>(input: &SimInput<'a>) -> Result<Prepared<'a>, SimError> {
    let workloads = index_workloads(input.workloads)?;
    let placed_on = check_placements(input, &workloads)?;
    check_size(input, &placed_on)?;
    let gpus = (input.plan.gpus.iter())
        .map(|co_location| prepare_gpu(input, &workloads, co_location))
        .collect::<Result<Vec<_>, _>>()?;
    let named = |server: &ServerRun| {
        let name = &input.workloads[server.workload.index()].workload.name;
        server.arrivals.faults().into_iter().map(|fault| (name.clone(), fault)).collect::<Vec<_>>()
    };
    let faults = gpus.iter().flat_map(|gpu| &gpu.servers).flat_map(named).collect();
    let unplaced = placed_on.iter().enumerate().filter(|(_, gpu)| gpu.is_none());
    Ok(Prepared { gpus, unserved: unplaced.map(|(i, _)| WorkloadId::new(i)).collect(), faults })
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
        gpu.is_some() && !entry.arrival.has_own_rate()
    });
    let rate: f64 = rates.map(|(entry, _)| entry.workload.rate.get()).sum();
    let expected = rate * input.duration.as_seconds();
    if expected > MAX_REQUESTS {
        let duration_s = input.duration.as_seconds();
        return Err(SimError::TooManyRequests { expected, limit: MAX_REQUESTS, rate, duration_s });
    }
    Ok(())
}

/// Makes the servers of one GPU.
fn prepare_gpu<'a>(
    input: &SimInput<'a>,
    workloads: &WorkloadIndex<'_>,
    co_location: &CoLocation,
) -> Result<GpuRun<'a>, SimError> {
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
        servers.push(ServerRun {
            workload: WorkloadId::new(index),
            arrivals,
            rules,
            slots: first..slots,
            service,
        });
    }
    let speeds = Speeds::new(input.predictor, input.spec.interference, planned);
    Ok(GpuRun { servers, speeds })
}
