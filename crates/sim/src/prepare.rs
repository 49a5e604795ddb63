//! Checks a run and opens its arrivals. Both engines start from the result.
//!
//! A workload may have several placements, each with the part of the rate that it serves. Its requests are then divided
//! among them in that proportion ([`Turns`](crate::arrivals::Turns)), or its clients are.

use super::batcher_rules::BatcherRules;
use super::draw::{HostDraw, Race, WorkDraw};
use super::engine::{MAX_REQUESTS, SimInput, SimWorkload};
use super::fast::SharedStates;
use super::features::FullFeatures;
use super::source::ServerArrivals;
use super::speed::{PlannedServer, Speeds};
use super::timeline::{Dealt, GpuTimeline, LostArrivals, deal, first_setting, of_gpu};
use super::{BatchingSpec, LoadOverlap, ServiceTime, SimError};
use crate::arrivals::{ArrivalCount, Purpose, Stream, TraceFault, stream};
use igniter_model::domain::{CoLocation, GpuId, TimelineServer, WorkloadId, WorkloadName};
use igniter_model::predictor::Predictor;
use igniter_model::units::{Milliseconds, Nanoseconds, RequestsPerSecond};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The settings that all servers of a GPU share.
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
    /// The cached states, which GPUs with the same servers share.
    pub(super) states: Arc<SharedStates<'a>>,
    /// The features that only the full engine supports, if any are used.
    pub(super) features: Option<FullFeatures>,
    /// The changes on this GPU, where plans follow each other.
    pub(super) timeline: Option<GpuTimeline>,
    /// Requests that no server took, to be reported on this GPU.
    pub(super) lost: Vec<LostArrivals>,
}

/// One server before its first event.
#[derive(Debug)]
pub(super) struct ServerRun {
    pub(super) workload: WorkloadId,
    pub(super) arrivals: ServerArrivals,
    pub(super) rules: BatcherRules,
    /// The slots of its instances.
    pub(super) slots: Range<usize>,
    /// The source of the work of its batches.
    pub(super) work: WorkDraw,
    /// The source of completion races, where they are simulated.
    pub(super) race: Option<Race>,
    /// The source of its varying host times.
    pub(super) host: HostDraw,
    /// Host time of each request outside of the instances.
    pub(super) request_overhead: Nanoseconds,
    /// The time for which each request occupies the path between clients and server.
    pub(super) request_serial: Nanoseconds,
    /// The time at which its instances start to accept work.
    pub(super) startup: Nanoseconds,
    /// Servers with the same time slot serve one batch at a time.
    pub(super) time_slot: Option<u32>,
}

/// A checked run before its first event.
#[derive(Debug)]
pub(super) struct PreparedRun<'a> {
    /// The GPUs, in the order of the plan.
    pub(super) gpus: Vec<GpuRun<'a>>,
    /// Workloads that the plan does not place.
    pub(super) unserved: Vec<WorkloadId>,
    /// Errors of the arrivals that may occur during the run, by workload.
    pub(super) faults: Vec<(WorkloadName, TraceFault)>,
    /// Statistics of the arrivals, available after the run, where they are requested.
    pub(super) counts: Vec<(WorkloadId, ArrivalCount)>,
}

/// Checks the complete input and opens all arrivals. Where plans follow each other, the plan must hold all servers of
/// the timeline ([`Timeline::plan`](igniter_model::domain::Timeline::plan)).
pub(super) fn prepare<'a>(input: &SimInput<'a>) -> Result<PreparedRun<'a>, SimError> {
    let workloads = index_workloads(input.workloads)?;
    let replicas = check_placements(input, &workloads)?;
    check_size(input, &replicas)?;
    let mut counts = Vec::new();
    let lives = lives(input);
    let mut dealt = None;
    if let Some(lives) = &lives {
        let of = |replicas: &Vec<PreparedReplica>| {
            replicas.iter().map(|r| lives[r.gpu][r.place]).collect()
        };
        let all = deal(input, &replicas.iter().map(of).collect::<Vec<Vec<_>>>())?;
        for (index, dealt) in all.iter().enumerate() {
            let count = dealt.count.map(|count| Arc::new(OnceLock::from(count)));
            counts.extend(count.map(|count| (WorkloadId::new(index), count)));
        }
        dealt = Some(all);
    }
    let mut gpus = (input.plan.gpus.iter().enumerate())
        .map(|(gpu, co)| {
            let lives = lives.as_ref().map(|lives| lives[gpu].as_slice());
            let follow = lives.zip(dealt.as_mut());
            prepare_gpu(input, &workloads, &replicas, (gpu, co), follow, &mut counts)
        })
        .collect::<Result<Vec<_>, _>>()?;
    share_states(&mut gpus);
    let named = |server: &ServerRun| {
        let name = &input.workloads[server.workload.index()].workload.name;
        server.arrivals.faults().into_iter().map(|fault| (name.clone(), fault)).collect::<Vec<_>>()
    };
    let faults = gpus.iter().flat_map(|gpu| &gpu.servers).flat_map(named).collect();
    let unplaced = replicas.iter().enumerate().filter(|(_, replicas)| replicas.is_empty());
    let unserved = unplaced.map(|(i, _)| WorkloadId::new(i)).collect();
    Ok(PreparedRun { gpus, unserved, faults, counts })
}

/// The largest number of tables of states that outlive their GPU, for each thread.
const SHARED: usize = 64;

/// Lets GPUs with the same servers share the states that they compute.
fn share_states(gpus: &mut [GpuRun<'_>]) {
    let mut kinds: Vec<usize> = Vec::new();
    for gpu in 0..gpus.len() {
        let same = |&&kind: &&usize| gpus[kind].speeds.are_those_of(&gpus[gpu].speeds);
        match kinds.iter().find(same) {
            Some(&kind) => gpus[gpu].states = Arc::clone(&gpus[kind].states),
            None if kinds.len() < SHARED => kinds.push(gpu),
            None => {}
        }
    }
}

/// Returns the servers of each GPU, in the order of its placements, where plans follow each other.
fn lives<'a>(input: &SimInput<'a>) -> Option<Vec<Vec<&'a TimelineServer>>> {
    let timeline = input.timeline?;
    let mut lives = vec![Vec::new(); timeline.gpus.len()];
    for server in &timeline.servers {
        lives[server.gpu.index()].push(server);
    }
    Some(lives)
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

/// One placement of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PreparedReplica {
    gpu: usize,
    /// Its position among the placements of the GPU.
    place: usize,
    /// The part of the workload's requests that it gets, in proportion to the other replicas.
    served: Option<RequestsPerSecond>,
}

/// Checks the placements of the plan, and returns the placements of each workload.
fn check_placements(
    input: &SimInput<'_>,
    workloads: &WorkloadIndex<'_>,
) -> Result<Vec<Vec<PreparedReplica>>, SimError> {
    let mut replicas: Vec<Vec<PreparedReplica>> = vec![Vec::new(); input.workloads.len()];
    for (gpu, co) in input.plan.gpus.iter().enumerate() {
        predictor_of(input, gpu, co)?;
        for (place, placement) in co.placements.iter().enumerate() {
            let workload = placement.workload.clone();
            let Some(&index) = workloads.get(&workload) else {
                return Err(SimError::UnknownWorkload { workload, gpu });
            };
            let replica = PreparedReplica { gpu, place, served: placement.served };
            let whole = |r: &&PreparedReplica| r.served.is_none() || replica.served.is_none();
            let first = replicas[index].iter().find(whole).filter(|_| input.timeline.is_none());
            if let Some(first) = first {
                return Err(SimError::PlacedTwice { workload, first: first.gpu, second: gpu });
            }
            replicas[index].push(replica);
            let model = &input.workloads[index].workload.model;
            if placement.model != *model {
                let (planned, model) = (placement.model.clone(), model.clone());
                return Err(SimError::WrongModel { workload, planned, model });
            }
        }
    }
    Ok(replicas)
}

/// Returns the performance model of a GPU.
fn predictor_of<'a>(
    input: &SimInput<'a>,
    gpu: usize,
    co_location: &CoLocation,
) -> Result<&'a dyn Predictor, SimError> {
    input.predictors().find(|p| p.kind().name == co_location.kind).ok_or_else(|| {
        let known: Vec<&str> = input.predictors().map(|p| p.kind().name.as_str()).collect();
        SimError::WrongGpuKind { gpu, planned: co_location.kind.clone(), known: known.join(", ") }
    })
}

fn check_size(input: &SimInput<'_>, replicas: &[Vec<PreparedReplica>]) -> Result<(), SimError> {
    let placed = input.workloads.iter().zip(replicas).filter(|(_, replicas)| !replicas.is_empty());
    let of = |entry: &SimWorkload| entry.arrival.expected(entry.workload.rate, input.duration);
    let expected: f64 = placed.map(|(entry, _)| of(entry)).sum();
    if expected > MAX_REQUESTS {
        let duration_s = input.duration.as_seconds();
        return Err(SimError::TooManyRequests { expected, limit: MAX_REQUESTS, duration_s });
    }
    Ok(())
}

/// Prepares the servers of one GPU.
fn prepare_gpu<'a>(
    input: &SimInput<'a>,
    workloads: &WorkloadIndex<'_>,
    replicas: &[Vec<PreparedReplica>],
    (gpu, co_location): (usize, &CoLocation),
    mut follow: Option<(&[&TimelineServer], &mut Vec<Dealt>)>,
    counts: &mut Vec<(WorkloadId, ArrivalCount)>,
) -> Result<GpuRun<'a>, SimError> {
    let predictor = predictor_of(input, gpu, co_location)?;
    let mut servers = Vec::new();
    let mut planned = Vec::new();
    let mut settings = Vec::new();
    let mut slots = 0;
    for (place, placement) in co_location.placements.iter().enumerate() {
        let index = workloads[&placement.workload];
        let entry = &input.workloads[index];
        let SimWorkload { workload, batching, server, .. } = entry;
        let name = &workload.name;
        // A server that takes turns waits for its turn, and then takes the requests that have arrived.
        let max_queue_delay = match placement.time_slot {
            Some(_) => Milliseconds::ZERO,
            None => batching.max_queue_delay,
        };
        let batching = BatchingSpec { max_queue_delay, ..batching.clone() };
        let rules_of = |batch| {
            BatcherRules::new(&batching, batch)
                .map_err(|source| SimError::Batching { workload: name.clone(), source })
        };
        let mut batch = placement.batch;
        if let Some((lives, _)) = &follow {
            let life = lives[place];
            batch = life.settings[first_setting(life)].batch;
            let all = life.settings.iter().map(|setting| rules_of(setting.batch));
            settings.push((life, server.startup, all.collect::<Result<Vec<_>, _>>()?));
        }
        let rules = rules_of(batch)?;
        let model = predictor.model_id(&workload.model).ok_or_else(|| {
            let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
            SimError::UnknownModel {
                workload: name.clone(),
                model: workload.model.clone(),
                known: known.join(", "),
            }
        })?;
        let share = placement
            .sm
            .to_percent(predictor.kind().units)
            .ok_or_else(|| SimError::NoShare { workload: name.clone() })?;
        let own = replicas[index].iter().position(|r| (r.gpu, r.place) == (gpu, place));
        let own = own.expect("every placement is listed");
        let arrivals = if let Some((_, dealt)) = &mut follow {
            dealt[index].servers[own].take().expect("each server takes its arrivals once")
        } else {
            let rates: Vec<RequestsPerSecond> =
                replicas[index].iter().filter_map(|replica| replica.served).collect();
            let (arrivals, count) = ServerArrivals::new(entry, &rates, own, input)?;
            counts.extend(count.map(|count| (WorkloadId::new(index), count)));
            arrivals
        };
        // Each replica draws from a part of the stream that no other replica reaches.
        let random = |purpose| {
            let mut random: Stream = stream(input.seed, name, purpose);
            (0..own).for_each(|_| random.jump());
            random
        };
        let service = match input.spec.service {
            ServiceTime::Deterministic => None,
            ServiceTime::Exponential => Some(random(Purpose::Service)),
        };
        let noise_cv = server.noise.cv(predictor.kind(), &placement.model).ok_or_else(|| {
            SimError::NoNoise {
                workload: name.clone(),
                model: placement.model.clone(),
                kind: predictor.kind().name.clone(),
            }
        })?;
        let varying = |cv: f64, purpose| (cv > 0.0).then(|| (cv, random(purpose)));
        let noise = varying(noise_cv, Purpose::Noise);
        let host = HostDraw::new(
            varying(server.batch_overhead_cv, Purpose::BatchOverhead),
            varying(server.request_overhead_cv, Purpose::RequestOverhead),
        );
        let race = rules.completion_race().map(|q| Race::new(q, random(Purpose::Race)));
        planned.push(PlannedServer {
            model,
            batch,
            share,
            instances: rules.instances(),
            max_batch: rules.max_batch(),
            batch_overhead_ms: server.batch_overhead.get(),
            row_overhead_ms: server.row_overhead.get(),
            instance_slowdown: server.instance_slowdown,
            time_slot: placement.time_slot,
        });
        let first = slots;
        slots += rules.instances() as usize;
        servers.push(ServerRun {
            workload: WorkloadId::new(index),
            arrivals,
            rules,
            slots: first..slots,
            work: WorkDraw::new(service, noise),
            race,
            host,
            request_overhead: server.request_overhead.to_nanoseconds(),
            request_serial: server.request_serial.to_nanoseconds(),
            startup: match &follow {
                Some((lives, _)) => lives[place].ready.max(server.startup),
                None => server.startup,
            },
            time_slot: placement.time_slot,
        });
    }
    let mut speeds = Speeds::new(predictor, input.spec.interference, planned);
    let features = FullFeatures::new(input, gpu, &servers)?;
    if features.as_ref().is_some_and(|features| features.overlap) {
        speeds.allow_overlap();
    }
    let (mut timeline, mut lost) = (None, Vec::new());
    if let (Some(of), Some((_, dealt))) = (input.timeline, follow) {
        let changes = of_gpu(&of.gpus[gpu].rented, &settings, input.duration);
        if !changes.changes.is_empty() {
            speeds.allow_hand_over();
        }
        timeline = Some(changes);
        for dealt in dealt {
            let here = dealt.lost.extract_if(.., |(by, _)| by.index() == gpu);
            lost.extend(here.map(|(_, lost)| lost));
        }
    }
    let states = Arc::default();
    Ok(GpuRun { servers, speeds, states, features, timeline, lost })
}
