//! The engine against Triton's rules written down literally: the same batches, one by one, on 10,000 random
//! cases with every option of the batcher.

mod model;

use crate::common::cases;
use crate::common::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::{
    ArrivalSpec, ClosedLoopSpec, GeneratedArrivals, Purpose, Thinking, stream,
};
use igniter::domain::{Failure, WorkloadName};
use igniter::sim::{BatchingSpec, EngineSpec, LoadOverlap, TimeoutAction, TritonRelease, simulate};
use igniter::units::{BatchSize, Milliseconds, Nanoseconds};
use model::{Config, Model, Request};
use proptest::prelude::*;
use proptest::sample::select;
use rand::RngExt;

/// One model, one server, a short run.
#[derive(Debug, Clone)]
struct Case {
    batching: BatchingSpec,
    max_batch: u32,
    rate: f64,
    arrival: ArrivalSpec,
    fixed_ms: f64,
    per_request_ms: f64,
    seconds: f64,
    seed: u64,
}

/// What became of the requests, as times: batches in order of their start, and failures in order.
#[derive(Debug, Default, PartialEq)]
struct Fate {
    batches: Vec<(u64, Vec<u64>)>,
    failed: Vec<(u64, u64, Failure)>,
}

impl Case {
    fn scenario(&self) -> FakeScenario {
        let model = FakeModel {
            fixed: self.fixed_ms,
            per_request: self.per_request_ms,
            ..FakeModel::default()
        };
        let server = FakeServer {
            batching: self.batching.clone(),
            ..FakeServer::new(0, self.max_batch, self.rate, self.arrival.clone())
        };
        FakeScenario::new(FakePredictor::new(vec![model], 0.0), &[vec![server]])
    }

    /// The engine's answer.
    fn engine(&self) -> Fate {
        let scenario = self.scenario();
        let spec = EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() };
        let input = scenario.input(spec, self.seconds, self.seed);
        let sink = simulate(&input, |_| Everything::default()).unwrap().gpus.remove(0).sink;
        let mut fate = Fate::default();
        let mut records: Vec<_> = sink.records.iter().collect();
        records.sort_by_key(|record| (record.batch, record.arrival));
        for record in records {
            if usize::try_from(record.batch).unwrap() == fate.batches.len() {
                fate.batches.push((record.load_start.get(), Vec::new()));
            }
            fate.batches.last_mut().unwrap().1.push(record.arrival.get());
        }
        fate.failed =
            sink.failed.iter().map(|f| (f.at.get(), f.arrival.get(), f.failure)).collect();
        fate
    }

    /// The answer of the rules.
    fn rules(&self) -> Fate {
        let scenario = self.scenario();
        let workload = &scenario.workloads[0];
        let duration = Nanoseconds::from_seconds(self.seconds).unwrap();
        let (name, rate) = (&workload.workload.name, workload.workload.rate);
        let mut process = self.arrival.build(name, rate, duration, self.seed).unwrap();
        let arrivals = GeneratedArrivals::collect(process.as_mut(), duration).times;
        let mut arrivals = arrivals.iter().map(|time| time.get()).enumerate().peekable();
        let mut race = stream(self.seed, &WorkloadName::new("W0").unwrap(), Purpose::Race);
        let mut model = Model::new(self.config());
        let mut fate = Fate::default();
        // Ends of executions, in order of time and then of start.
        let mut ends: Vec<(u64, usize)> = Vec::new();
        let mut in_flight = 0;
        loop {
            let arrival = arrivals.peek().map_or(u64::MAX, |&(_, time)| time);
            let end = ends.iter().min().copied().unwrap_or((u64::MAX, 0));
            let waiting = model.unfinished();
            if arrival == u64::MAX && end.0 == u64::MAX && waiting == 0 {
                return fate;
            }
            let now = arrival.min(end.0).min(model.deadline());
            if now == arrival {
                let (id, batcher_start) = arrivals.next().unwrap();
                model.enqueue(Request { id, batcher_start });
            } else if now == end.0 {
                ends.retain(|other| *other != end);
                let q = self.batching.completion_race;
                let batcher_first = q > 0.0 && race.random_bool(q);
                model.completed(now, batcher_first);
            } else {
                model.deadline_passed(now);
            }
            let times = |batch: Vec<Request>| {
                let mut times: Vec<u64> = batch.iter().map(|r| r.batcher_start).collect();
                times.sort_unstable();
                times
            };
            for batch in model.taken.drain(..) {
                let ms = self.fixed_ms + self.per_request_ms * batch.len() as f64;
                ends.push((now + Nanoseconds::from_f64(ms * 1e6).get(), in_flight));
                in_flight += 1;
                fate.batches.push((now, times(batch)));
            }
            for request in model.refused.drain(..) {
                fate.failed.push((now, request.batcher_start, Failure::Rejected));
            }
            for request in model.expired.drain(..) {
                fate.failed.push((now, request.batcher_start, Failure::TimedOut));
            }
        }
    }

    fn config(&self) -> Config {
        let BatchingSpec { max_batch, preferred, .. } = &self.batching;
        let max_batch = max_batch.map_or(self.max_batch, BatchSize::get) as usize;
        let mut preferred: Vec<usize> = preferred.iter().map(|size| size.get() as usize).collect();
        if preferred.is_empty() {
            preferred.push(max_batch);
        }
        Config {
            max_batch,
            preferred,
            delay: self.batching.max_queue_delay.to_nanoseconds().get(),
            instances: self.batching.instances as usize,
            equal_shapes_enforced: self.batching.variable_shape,
            max_queue_size: self.batching.max_queue_size as usize,
            timeout: self.batching.timeout.to_nanoseconds().get(),
            delays: self.batching.timeout_action == TimeoutAction::Delay,
            freezes: self.batching.release == TritonRelease::Frozen,
        }
    }
}

fn ms(ms: f64) -> Milliseconds {
    Milliseconds::new(ms).unwrap()
}

fn any_batching() -> impl Strategy<Value = (u32, BatchingSpec)> {
    let delay = prop_oneof![1 => Just(0.0), 2 => 0.0..20.0_f64, 1 => 0.0..0.01_f64];
    let preferred = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(1..=8_u32, 1..4)];
    let queue = prop_oneof![2 => Just(0), 1 => 1..12_u32];
    let timeout = prop_oneof![2 => Just(0.0), 1 => 0.1..30.0_f64, 1 => 0.0..0.01_f64];
    let race = prop_oneof![2 => Just(0.0), 1 => select(vec![0.2, 0.5, 1.0])];
    let release = prop_oneof![3 => Just(TritonRelease::Current), 1 => Just(TritonRelease::Frozen)];
    let policy = (queue, timeout, any::<bool>(), race, release);
    (1..=8_u32, delay, preferred, 1..4_u32, any::<bool>(), policy).prop_map(
        |(
            max,
            delay,
            preferred,
            instances,
            variable_shape,
            (queue, timeout, delays, race, release),
        )| {
            let size = |n: u32| BatchSize::new(n.min(max)).unwrap();
            let batching = BatchingSpec {
                max_queue_delay: ms(delay),
                max_batch: None,
                preferred: preferred.into_iter().map(size).collect(),
                instances,
                shared_thread: false,
                variable_shape,
                max_queue_size: queue,
                timeout: ms(timeout),
                timeout_action: if delays { TimeoutAction::Delay } else { TimeoutAction::Reject },
                completion_race: race,
                release,
            };
            (max, batching)
        },
    )
}

fn any_case() -> impl Strategy<Value = Case> {
    // Random gaps: two events of different kinds fall on one nanosecond only where rules make them.
    let arrival = prop_oneof![
        3 => Just(ArrivalSpec::Poisson),
        1 => (0.3..2.5_f64).prop_map(|cv| ArrivalSpec::Gamma { cv }),
    ];
    // Loads from a few percent to well above what the server can do; most runs are short, and some
    // last for several of the looks that the batcher takes every 500 ms.
    let runs = prop_oneof![
        6 => (50.0..3000.0_f64).prop_map(|rate| (rate, 80.0 / rate)),
        1 => (10.0..60.0_f64).prop_map(|rate| (rate, 2.5)),
    ];
    (any_batching(), runs, arrival, 0.0..8.0_f64, 0.0..4.0_f64, any::<u64>()).prop_map(
        |((max_batch, batching), (rate, seconds), arrival, fixed_ms, per_request_ms, seed)| Case {
            batching,
            max_batch,
            rate,
            arrival,
            fixed_ms: fixed_ms + 0.01,
            per_request_ms,
            seconds,
            seed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10_000)))]

    #[test]
    fn the_engine_forms_the_batches_of_the_rules(case in any_case()) {
        let (engine, rules) = (case.engine(), case.rules());
        for (i, (e, r)) in engine.batches.iter().zip(&rules.batches).enumerate() {
            prop_assert_eq!(e, r, "batch {}", i);
        }
        for (i, (e, r)) in engine.failed.iter().zip(&rules.failed).enumerate() {
            prop_assert_eq!(e, r, "failure {}", i);
        }
        prop_assert_eq!(engine.batches.len(), rules.batches.len());
        prop_assert_eq!(engine.failed.len(), rules.failed.len());
    }
}

fn case(batching: BatchingSpec, rate: f64) -> Case {
    Case {
        batching,
        max_batch: 4,
        rate,
        arrival: ArrivalSpec::Poisson,
        fixed_ms: 4.0,
        per_request_ms: 1.0,
        seconds: 2.0,
        seed: 3,
    }
}

/// Both arms could agree because nothing happens: each option must make a difference.
#[test]
fn every_option_shows() {
    let plain = BatchingSpec { max_queue_delay: ms(5.0), ..BatchingSpec::default() };
    let fate = |spec: &BatchingSpec| {
        let case = case(spec.clone(), 450.0);
        let fate = case.engine();
        assert_eq!(fate, case.rules());
        fate
    };
    let base = fate(&plain);
    assert!(base.failed.is_empty() && base.batches.len() > 100);
    let race = BatchingSpec { completion_race: 0.5, ..plain.clone() };
    assert_ne!(fate(&race).batches, base.batches);
    let frozen = BatchingSpec { release: TritonRelease::Frozen, ..plain.clone() };
    assert_ne!(fate(&frozen).batches, base.batches);
    let shapes = BatchingSpec { variable_shape: true, ..plain.clone() };
    assert_ne!(fate(&shapes).batches, base.batches);
    let full = fate(&BatchingSpec { max_queue_size: 6, ..plain.clone() });
    assert!(full.failed.iter().any(|(_, _, failure)| *failure == Failure::Rejected));
    let strict = BatchingSpec { timeout: ms(12.0), ..plain.clone() };
    let late = fate(&strict);
    assert!(late.failed.iter().any(|(_, _, failure)| *failure == Failure::TimedOut));
    // Nobody fails where expired requests are delayed, but younger ones overtake them.
    let delayed = fate(&BatchingSpec { timeout_action: TimeoutAction::Delay, ..strict });
    assert!(delayed.failed.is_empty());
    let firsts: Vec<u64> = delayed.batches.iter().map(|(_, batch)| batch[0]).collect();
    assert!(!firsts.is_sorted() && base.batches.iter().map(|(_, batch)| batch[0]).is_sorted());
}

/// With N instances and C clients, releases that freeze batches run N, hold 2N, and gather the rest in one: the mean
/// batch is about C / (3N + a little), where today's releases have C / 2N. Measured on real batchers with one
/// instance (this table, a think time of 5 ms): 2.00 and 8.05 requests a batch in 21.12, 4.00 and 16.0 in 22.02.
#[test]
fn frozen_batches_are_small_in_a_closed_loop() {
    for (clients, release, measured) in [
        (8, TritonRelease::Frozen, 2.0),
        (32, TritonRelease::Frozen, 8.05),
        (8, TritonRelease::Current, 4.0),
        (32, TritonRelease::Current, 16.0),
    ] {
        let model = FakeModel { fixed: 5.2, per_request: 1.1, ..FakeModel::default() };
        let think = Nanoseconds::new(5_000_000);
        let spec = ClosedLoopSpec { clients, think, thinking: Thinking::Constant };
        let mut server = FakeServer::new(0, 64, 1.0, ArrivalSpec::ClosedLoop(spec));
        server.batching.release = release;
        let scenario = FakeScenario::new(FakePredictor::new(vec![model], 0.0), &[vec![server]]);
        let spec = EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() };
        let input = scenario.input(spec, 20.0, 1);
        let outcome = simulate(&input, |_| Everything::default()).unwrap();
        let server = outcome.gpus[0].servers[0];
        let mean = server.completed as f64 / server.batches as f64;
        assert!((mean / measured - 1.0).abs() < 0.1, "{clients} {release:?}: {mean}");
    }
}

/// A batcher that wakes before its instance is parked misses it and sleeps on: bursts end in pauses of up to
/// half a second, as they do with a queue policy on a real server.
#[test]
fn a_lost_wake_up_stalls_a_server_with_a_queue_policy() {
    let stalls = |race: f64| {
        let spec =
            BatchingSpec { max_queue_size: 1000, completion_race: race, ..BatchingSpec::default() };
        let mut case = case(spec, 100.0);
        case.arrival = ArrivalSpec::Gamma { cv: 10.0 };
        case.seconds = 20.0;
        let fate = case.engine();
        assert_eq!(fate, case.rules());
        // How long the one instance was idle although somebody waited.
        let mut idle_since = 0;
        let mut idle = Vec::new();
        for (start, batch) in &fate.batches {
            idle.push(start - batch[0].max(idle_since).min(*start));
            let ms = case.fixed_ms + case.per_request_ms * batch.len() as f64;
            idle_since = start + Nanoseconds::from_f64(ms * 1e6).get();
        }
        idle.iter().filter(|idle| **idle > 100_000_000).count()
    };
    assert_eq!(stalls(0.0), 0);
    assert!(stalls(1.0) > 10, "{}", stalls(1.0));
}
