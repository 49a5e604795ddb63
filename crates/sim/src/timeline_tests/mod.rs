//! Plans that follow each other: both engines agree, nobody's request is lost or answered twice, and what can be had with one
//! plan comes out the same.

mod by_hand;
mod errors;
mod random;

use super::fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::{EngineSpec, SimInput};
use crate::arrivals::ArrivalSpec;
use igniter_model::domain::{GpuId, ServerSetting, Timeline, TimelineGpu, TimelineServer};
use igniter_model::units::{BatchSize, Nanoseconds, RequestsPerSecond, SmUnits};

const MS: u64 = 1_000_000;

/// The length of random runs.
const RUN: u64 = 100 * MS;

fn ns(ns: u64) -> Nanoseconds {
    Nanoseconds::new(ns)
}

/// A server of a timeline, before it is known what it serves.
#[derive(Debug, Clone)]
struct Life {
    workload: usize,
    gpu: usize,
    share: u32,
    /// `ordered`, `takes_from` after it, `ready` after that (or before), and how long it takes requests.
    times: (u64, u64, u64, Option<u64>),
    /// How long after `takes_from` each setting begins, with batch and rate.
    settings: Vec<(u64, u32, f64)>,
}

fn server_of(scenario: &FakeScenario, life: &Life) -> TimelineServer {
    let Life { workload, gpu, share, times, settings } = life;
    let (ordered, takes, ready, lasts) = *times;
    let takes_from = ns(ordered + takes);
    let mut placement = scenario.plan.gpus[0].placements[*workload].clone();
    placement.sm = SmUnits::new(*share);
    let mut from = 0;
    let settings = settings.iter().enumerate().map(|(i, (after, batch, served))| {
        from += if i == 0 { 0 } else { *after };
        ServerSetting {
            from: takes_from + ns(from),
            batch: BatchSize::new(*batch).unwrap(),
            served: RequestsPerSecond::new(*served).unwrap(),
        }
    });
    TimelineServer {
        gpu: GpuId::new(*gpu),
        settings: settings.collect(),
        placement,
        ordered: ns(ordered),
        ready: ns(ordered + ready),
        takes_from,
        takes_until: lasts.map(|lasts| takes_from + ns(lasts)),
    }
}

/// GPUs are rented while servers are on them.
fn rent(servers: &[TimelineServer], gpu: usize) -> Vec<(Nanoseconds, Option<Nanoseconds>)> {
    let on = servers.iter().filter(|server| server.gpu.index() == gpu);
    let mut spans: Vec<_> = on.map(|server| (server.ordered, server.takes_until)).collect();
    spans.sort();
    let mut rented: Vec<(Nanoseconds, Option<Nanoseconds>)> = Vec::new();
    for (from, until) in spans {
        match rented.last_mut() {
            Some((_, last)) if last.is_none_or(|last| from < last) => {
                *last = last.zip(until).map(|(a, b)| a.max(b));
            }
            _ => rented.push((from, until)),
        }
    }
    rented
}

fn timeline(scenario: &FakeScenario, lives: &[Life]) -> Timeline {
    let servers: Vec<_> = lives.iter().map(|life| server_of(scenario, life)).collect();
    let kind = &scenario.plan.gpus[0].kind;
    let gpus = (0..2).map(|gpu| TimelineGpu { kind: kind.clone(), rented: rent(&servers, gpu) });
    Timeline { gpus: gpus.collect(), servers }
}

fn input<'a>(
    scenario: &'a FakeScenario,
    timeline: &'a Timeline,
    spec: EngineSpec,
    seed: u64,
) -> SimInput<'a> {
    SimInput { timeline: Some(timeline), ..scenario.input(spec, RUN as f64 / 1e9, seed) }
}

/// One workload with evenly spaced requests, batches of one, no copies, and 4 ms of execution with all SMs: half with twice.
fn one(rate: f64) -> FakeScenario {
    let model = FakeModel { fixed: 2.0, ..FakeModel::default() };
    let mut predictor = FakePredictor::new(vec![model], 0.0);
    predictor.by_share = true;
    let server = FakeServer { share: 50, ..FakeServer::new(0, 1, rate, ArrivalSpec::Constant) };
    FakeScenario::new(predictor, &[vec![server]])
}

fn life(gpu: usize, times: (u64, u64, u64), until: Option<u64>) -> Life {
    let (ordered, takes, ready) = times;
    let lasts = until.map(|until| (until - takes) * MS);
    let times = (ordered * MS, (takes - ordered) * MS, (ready - ordered) * MS, lasts);
    Life { workload: 0, gpu, share: 50, times, settings: vec![(0, 1, 1.0)] }
}
