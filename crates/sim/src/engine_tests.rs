//! The engine against hand arithmetic, and its invariants on random scenarios.

use super::engine_cases::any_spec;
use super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::full::GpuSimulation;
use super::prepare::{GpuSetting, PreparedRun, prepare};
use super::{
    BatchingSpec, EngineSpec, Interference, LoadOverlap, ServerSpec, ServiceTime, SimError,
    SimOutcome, simulate,
};
use crate::arrivals::{ArrivalPart, ArrivalSpec, RateShape, TraceSpec};
use igniter_model::domain::{GpuId, ModelName, RequestRecord, WorkloadId, WorkloadName};
use igniter_model::units::{Milliseconds, Nanoseconds, SmUnits};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn model(load: f64, fixed: f64, per_request: f64, feedback: f64) -> FakeModel {
    FakeModel { load, fixed, per_request, feedback }
}

fn spec(interference: Interference, overlap: LoadOverlap) -> EngineSpec {
    EngineSpec { interference, overlap, ..EngineSpec::default() }
}

fn run(scenario: &FakeScenario, spec: EngineSpec, seconds: f64) -> SimOutcome<Everything> {
    simulate(&scenario.input(spec, seconds, 1), |_| Everything::default()).unwrap()
}

fn of(outcome: &SimOutcome<Everything>, workload: usize) -> Vec<RequestRecord> {
    let records = outcome.gpus.iter().flat_map(|gpu| &gpu.sink.records);
    records.filter(|record| record.workload == WorkloadId::new(workload)).copied().collect()
}

/// One request of each of two models at time 0: A executes for 10 ms; B loads for 4 ms and executes
/// for 4 ms. Two at once run 1.5 times slower.
fn two_overlapping() -> FakeScenario {
    let models = vec![model(0.0, 0.0, 10.0, 0.0), model(4.0, 0.0, 4.0, 0.0)];
    let servers = [0, 1].map(|m| FakeServer::new(m, 1, 1.0, ArrivalSpec::Constant)).to_vec();
    FakeScenario::new(FakePredictor::new(models, 0.5), &[servers])
}

#[test]
fn work_is_rescaled_when_a_batch_starts_or_ends() {
    // A is alone until 4 ms: 6 of its 10 ms of work are left. From 4 on both are 1.5 times slower:
    // B ends at 4 + 4 · 1.5 = 10. A has done 6 / 1.5 = 4 ms of work by then, and does the other 2
    // alone: it ends at 12.
    let outcome = run(&two_overlapping(), EngineSpec::default(), 0.02);
    let (a, b) = (of(&outcome, 0), of(&outcome, 1));
    assert_eq!((a[0].exec_start.get(), a[0].exec_end.get()), (0, 12 * MS));
    assert_eq!((b[0].exec_start.get(), b[0].exec_end.get()), (4 * MS, 10 * MS));
    let intervals: Vec<_> = (outcome.gpus[0].sink.intervals.iter())
        .map(|i| (i.start.get() / MS, i.end.get() / MS, i.running, i.busy_sm_pct, i.power_w))
        .collect();
    assert_eq!(
        intervals,
        [
            (0, 4, 1, 25.0, 90.0),
            (4, 10, 2, 50.0, 130.0),
            (10, 12, 1, 25.0, 90.0),
            (12, 20, 0, 0.0, 50.0)
        ]
    );
}

#[test]
fn static_interference_assumes_everybody_always_runs_and_none_nobody() {
    // Static: A takes 10 · 1.5 = 15 ms, B ends at 4 + 6 = 10 ms. None: 10 ms, and 4 + 4 = 8 ms.
    for (interference, a_end, b_end) in
        [(Interference::Static, 15, 10), (Interference::None, 10, 8)]
    {
        let spec = spec(interference, LoadOverlap::Overlapped);
        let outcome = run(&two_overlapping(), spec, 0.02);
        assert_eq!(of(&outcome, 0)[0].exec_end.get(), a_end * MS);
        assert_eq!(of(&outcome, 1)[0].exec_end.get(), b_end * MS);
    }
}

#[test]
fn two_servers_that_are_always_busy() {
    // Batches of 4: A 2 + 4·1 = 6 ms, B 3 + 4·1 = 7 ms alone; always two at once: 9 and 10.5 ms.
    // So A serves 4 / 9 ms = 444.4/s and B 4 / 10.5 ms = 380.95/s. Both get 1000/s.
    let models = vec![model(0.5, 2.0, 1.0, 0.0), model(0.5, 3.0, 1.0, 0.0)];
    let servers = [0, 1].map(|m| FakeServer::new(m, 4, 1000.0, ArrivalSpec::Constant)).to_vec();
    let scenario = FakeScenario::new(FakePredictor::new(models, 0.5), &[servers]);
    let outcome = run(&scenario, EngineSpec::default(), 1.0);
    for (workload, exec) in [(0, 9_000_000_i64), (1, 10_500_000)] {
        let mut batches = of(&outcome, workload);
        batches.dedup_by_key(|record| record.batch);
        // The first batches are smaller, and A is done first in the end.
        for pair in batches[5..70].windows(2) {
            assert_eq!(pair[1].batch_size, 4);
            assert_eq!(pair[1].exec_start, pair[0].exec_end);
            // Each of the other's ends may move this end by one rounding.
            let took = i64::try_from(pair[1].exec().get()).unwrap();
            assert!((took - exec).abs() <= 2, "{took}");
        }
    }
}

#[test]
fn overlapped_loading_hides_the_load_and_serial_does_not() {
    // Load 2, execution 3, feedback 1 ms, batches of 1, always busy. Overlapped: the second batch is
    // taken when the first begins to execute (2), loaded at 4, and executes when the first is done
    // (2 + 3 + 1 = 6): one batch each 4 ms = t_gpu + t_feedback. Serial: one each 6 ms.
    let scenario = |arrivals| {
        let models = vec![model(2.0, 0.0, 3.0, 1.0)];
        FakeScenario::new(
            FakePredictor::new(models, 0.0),
            &[vec![FakeServer::new(0, 1, arrivals, ArrivalSpec::Constant)]],
        )
    };
    for (overlap, expected) in [
        (LoadOverlap::Overlapped, [[0, 2, 2, 5, 6], [2, 4, 6, 9, 10], [6, 8, 10, 13, 14]]),
        (LoadOverlap::Serial, [[0, 2, 2, 5, 6], [6, 8, 8, 11, 12], [12, 14, 14, 17, 18]]),
    ] {
        let outcome = run(&scenario(1000.0), spec(Interference::Dynamic, overlap), 0.003);
        let times: Vec<[u64; 5]> = of(&outcome, 0)
            .iter()
            .map(|r| {
                [r.load_start, r.load_end, r.exec_start, r.exec_end, r.done].map(|t| t.get() / MS)
            })
            .collect();
        assert_eq!(times, expected);
    }
}

#[test]
fn instances_of_one_server_share_its_sms() {
    // 50 % share, 5 ms at 100 %: 10 ms for one, and with two at once, 25 % each, 20 ms. Requests at
    // 0 and 5 ms, both instances: the first does 5 of its 10 ms alone, then both run at half speed:
    // the first ends at 5 + 10 = 15, when the second has done 5 of 10; it ends at 15 + 5 = 20.
    let mut predictor = FakePredictor::new(vec![model(0.0, 5.0, 0.0, 0.0)], 0.0);
    predictor.by_share = true;
    let mut server = FakeServer::new(0, 1, 200.0, ArrivalSpec::Constant);
    server.share = 50;
    server.batching.instances = 2;
    let scenario = FakeScenario::new(predictor, &[vec![server]]);
    for (interference, ends) in [
        (Interference::Dynamic, [15, 20]),
        (Interference::None, [15, 20]),
        // The plan has both instances running all the time: 20 ms each.
        (Interference::Static, [20, 25]),
    ] {
        let outcome = run(&scenario, spec(interference, LoadOverlap::Overlapped), 0.01);
        let records = of(&outcome, 0);
        assert_eq!([0, 1].map(|i| records[i].done.get() / MS), ends, "{interference:?}");
        assert!(outcome.gpus[0].sink.intervals.iter().all(|i| i.busy_sm_pct <= 50.0));
    }
}

#[test]
fn equal_times_are_served_in_the_order_of_the_plan() {
    let models = vec![model(1.0, 2.0, 0.0, 1.0)];
    let servers = vec![FakeServer::new(0, 4, 10.0, ArrivalSpec::Constant); 3];
    let scenario = FakeScenario::new(FakePredictor::new(models, 0.0), &[servers]);
    let outcome = run(&scenario, EngineSpec::default(), 1.0);
    let order: Vec<_> = outcome.gpus[0].sink.records.iter().map(|r| r.workload.index()).collect();
    assert_eq!(order, [0, 1, 2].repeat(10));
}

/// Three GPUs with ten random-arrival servers of three models.
fn busy_scenario(extra: bool) -> FakeScenario {
    let models =
        vec![model(0.2, 1.0, 0.5, 0.1), model(0.1, 2.0, 0.3, 0.0), model(0.0, 0.5, 1.0, 0.3)];
    let gpu = |count: usize| {
        let server = |i: usize| {
            let rate = 100.0 + 30.0 * i as f64;
            FakeServer::new(i % 3, 8, rate, ArrivalSpec::Gamma { cv: 1.5 })
        };
        (0..count).map(server).collect::<Vec<_>>()
    };
    let gpus = [gpu(4), gpu(3), gpu(if extra { 4 } else { 3 })];
    FakeScenario::new(FakePredictor::new(models, 0.2), &gpus)
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let spec = EngineSpec { service: ServiceTime::Exponential, ..EngineSpec::default() };
        pool.install(|| run(&busy_scenario(false), spec, 2.0))
    };
    let one = on(1);
    assert!(one.gpus.iter().all(|gpu| gpu.sink.records.len() > 500));
    assert_eq!(one, on(8));
}

#[test]
fn another_workload_changes_nobody_elses_arrivals() {
    let (without, with) = (busy_scenario(false), busy_scenario(true));
    let [without, with] = [&without, &with].map(|s| run(s, EngineSpec::default(), 2.0));
    for workload in 0..10 {
        let arrivals =
            |outcome| of(outcome, workload).iter().map(|r| r.arrival).collect::<Vec<_>>();
        assert_eq!(arrivals(&without), arrivals(&with));
    }
    assert!(!of(&with, 10).is_empty());
    // Nor anything else on other GPUs.
    assert_eq!(without.gpus[..2], with.gpus[..2]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let fail = |change: &dyn Fn(&mut FakeScenario)| {
        let mut scenario = busy_scenario(false);
        change(&mut scenario);
        let input = scenario.input(EngineSpec::default(), 1.0, 1);
        simulate(&input, |_| Everything::default()).unwrap_err()
    };
    let name = |text: &str| WorkloadName::new(text).unwrap();
    type E = SimError;
    let e = fail(&|s| s.plan.gpus[1].placements[0].workload = name("x"));
    assert!(matches!(e, E::UnknownWorkload { gpu: 1, .. }), "{e}");
    let e = fail(&|s| s.plan.gpus[1].placements[0] = s.plan.gpus[0].placements[0].clone());
    assert!(matches!(e, E::PlacedTwice { first: 0, second: 1, .. }), "{e}");
    let e = fail(&|s| s.workloads[1].workload.name = name("W0"));
    assert!(matches!(e, E::DuplicateWorkload { .. }), "{e}");
    let e = fail(&|s| s.plan.gpus[0].placements[0].model = ModelName::new("m1").unwrap());
    assert!(matches!(e, E::WrongModel { .. }), "{e}");
    let e = fail(&|s| s.plan.gpus[2].kind = igniter_model::domain::GpuKindName::new("t4").unwrap());
    assert!(matches!(e, E::WrongGpuKind { gpu: 2, .. }), "{e}");
    let e = fail(&|s| {
        let model = ModelName::new("bert").unwrap();
        s.plan.gpus[0].placements[0].model = model.clone();
        s.workloads[0].workload.model = model;
    });
    assert_eq!(e.to_string(), "workload W0: the profile has no model bert; it has: m0, m1, m2");
    let e = fail(&|s| s.plan.gpus[0].placements[0].sm = SmUnits::new(0));
    assert!(matches!(e, E::NoShare { .. }), "{e}");
    let e = fail(&|s| s.workloads[0].batching.instances = 0);
    assert!(matches!(e, E::Batching { .. }), "{e}");
    let e = fail(&|s| {
        s.workloads[0].workload.rate = igniter_model::units::RequestsPerSecond::new(0.0).unwrap()
    });
    assert!(matches!(e, E::Arrival(_)), "{e}");
    let e = fail(&|s| {
        s.workloads[0].workload.rate = igniter_model::units::RequestsPerSecond::new(1e10).unwrap()
    });
    assert!(matches!(e, E::TooManyRequests { .. }), "{e}");
    // So is what a shape makes of the rate, and what else a sum with a trace holds.
    let spike = |s: &mut FakeScenario| {
        let (start, end) = (Nanoseconds::ZERO, Nanoseconds::new(1_000 * MS));
        let shape = RateShape::Spike { start, end, factor: 1e9 };
        let gaps = Box::new(ArrivalSpec::Poisson);
        s.workloads[0].arrival = ArrivalSpec::Shaped { gaps, shape };
    };
    let e = fail(&spike);
    assert!(matches!(e, E::TooManyRequests { .. }), "{e}");
    let e = fail(&|s| {
        spike(s);
        let shaped = s.workloads[0].arrival.clone();
        let trace = ArrivalSpec::Trace(TraceSpec::new("a.csv", "t"));
        let part = |arrival| ArrivalPart { share: 1.0, arrival };
        s.workloads[0].arrival = ArrivalSpec::Sum { parts: vec![part(trace), part(shaped)] };
    });
    assert!(matches!(e, E::TooManyRequests { .. }), "{e}");
    let e = fail(&|s| s.predictor.slowdown = -5.0);
    assert!(matches!(e, E::BadPrediction { what: "gpu_ms", .. }), "{e}");
    assert!(e.to_string().contains("that is outside the range"), "{e}");
}

#[test]
fn a_workload_without_a_placement_is_listed() {
    let mut scenario = busy_scenario(false);
    scenario.plan.gpus[1].placements.remove(0);
    scenario.plan.gpus[2].placements.clear();
    let outcome = run(&scenario, EngineSpec::default(), 0.5);
    assert_eq!(outcome.unserved, [4, 7, 8, 9].map(WorkloadId::new));
    // The empty GPU idles for the whole run.
    let idle = &outcome.gpus[2].sink.intervals;
    assert_eq!((idle.len(), idle[0].end), (1, Nanoseconds::new(500 * MS)));
}

fn any_model() -> impl Strategy<Value = FakeModel> {
    let time = || prop_oneof![1 => Just(0.0), 4 => 0.0..3.0_f64];
    (time(), time(), time(), time())
        .prop_map(|(load, fixed, per, feedback)| model(load, fixed, per, feedback))
}

fn any_server(max_batch: u32) -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![
        Just(ArrivalSpec::Constant),
        Just(ArrivalSpec::Poisson),
        (0.2..4.0_f64).prop_map(|cv| ArrivalSpec::Gamma { cv }),
    ];
    let delay = prop_oneof![2 => Just(0.0), 1 => 0.0..20.0_f64];
    let batching =
        (delay, 1..4_u32, any::<bool>()).prop_map(|(delay, instances, variable_shape)| {
            let max_queue_delay = Milliseconds::new(delay).unwrap();
            BatchingSpec { max_queue_delay, instances, variable_shape, ..BatchingSpec::default() }
        });
    (0..3_usize, 1..=max_batch, 1..100_u32, 1.0..2000.0_f64, arrival, batching).prop_map(
        |(model, batch, share, rate, arrival, batching)| FakeServer {
            model,
            batch,
            share,
            rate,
            arrival,
            batching,
            server: ServerSpec::default(),
        },
    )
}

fn any_scenario(max_batch: u32) -> impl Strategy<Value = FakeScenario> {
    let models = prop::collection::vec(any_model(), 3);
    let gpu = prop::collection::vec(any_server(max_batch), 0..4);
    (models, 0.0..1.0_f64, any::<bool>(), prop::collection::vec(gpu, 1..3)).prop_map(
        |(models, slowdown, by_share, gpus)| {
            let mut predictor = FakePredictor::new(models, slowdown);
            predictor.by_share = by_share;
            FakeScenario::new(predictor, &gpus)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn causality_conservation_and_gapless_intervals(
        scenario in any_scenario(8), spec in any_spec(), seed: u64,
    ) {
        let input = scenario.input(spec, 0.1, seed);
        let outcome = simulate(&input, |_| Everything::default()).unwrap();
        for gpu in &outcome.gpus {
            for r in &gpu.sink.records {
                let times = [r.arrival, r.load_start, r.load_end, r.exec_start, r.exec_end, r.done];
                prop_assert!(times.is_sorted(), "{:?}", r);
                prop_assert!(r.arrival < input.duration && r.done <= gpu.end);
                let parts = [r.queue(), r.load(), r.exec(), r.feedback()];
                let sum = parts.into_iter().fold(Nanoseconds::ZERO, |a, b| a + b);
                prop_assert_eq!(sum, r.latency());
            }
            prop_assert!(gpu.sink.records.is_sorted_by_key(|r| r.done));
            for server in &gpu.servers {
                let records = || gpu.sink.records.iter().filter(|r| r.workload == server.workload);
                prop_assert_eq!(server.arrived, server.completed);
                prop_assert_eq!(records().count() as u64, server.completed);
                let rows: f64 = records().map(|r| 1.0 / f64::from(r.batch_size)).sum();
                prop_assert!((rows - server.batches as f64).abs() < 1e-6);
            }
            let intervals = &gpu.sink.intervals;
            prop_assert_eq!(intervals[0].start, Nanoseconds::ZERO);
            prop_assert_eq!(intervals.last().unwrap().end, gpu.end);
            for pair in intervals.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
            prop_assert!(intervals.iter().all(|i| i.start < i.end && i.power_w >= 50.0));
        }
    }

    #[test]
    fn at_any_moment_every_request_is_somewhere(
        scenario in any_scenario(8), spec in any_spec(), seed: u64,
        mut stops in prop::collection::vec(0..200 * MS, 1..8),
    ) {
        stops.sort_unstable();
        let input = scenario.input(spec, 0.1, seed);
        let PreparedRun { gpus, .. } = prepare(&input).unwrap();
        for (gpu, run) in gpus.into_iter().enumerate() {
            let setting =
                GpuSetting { gpu: GpuId::new(gpu), overlap: spec.overlap, duration: input.duration };
            let mut simulation = GpuSimulation::new(setting, run, Everything::default()).unwrap();
            for stop in &stops {
                simulation.run_until(Nanoseconds::new(*stop)).unwrap();
                for server in simulation.servers() {
                    let inside = server.batcher.waiting() + server.in_pipeline();
                    prop_assert_eq!(server.arrived, server.completed + inside as u64);
                }
            }
            // Stopping in between changes nothing.
            let stopped = simulation.finish().unwrap();
            let whole = super::full::simulate(&input, |_| Everything::default()).unwrap();
            prop_assert_eq!(&stopped, &whole.gpus[gpu]);
        }
    }

    /// For single requests (larger batches may form differently, and then a slower start can even
    /// help a later request) no request is later under the dynamic rule than under the static one.
    #[test]
    fn the_static_rule_is_the_worst_case(mut scenario in any_scenario(1), seed: u64) {
        for entry in &mut scenario.workloads {
            entry.batching = BatchingSpec::default();
        }
        let latencies = |interference| {
            let spec = spec(interference, LoadOverlap::Overlapped);
            let input = scenario.input(spec, 0.1, seed);
            let outcome = simulate(&input, |_| Everything::default()).unwrap();
            let all = |w| of(&outcome, w).iter().map(RequestRecord::latency).collect::<Vec<_>>();
            (0..scenario.workloads.len()).flat_map(all).collect::<Vec<_>>()
        };
        let [none, dynamic, worst] =
            [Interference::None, Interference::Dynamic, Interference::Static].map(latencies);
        // Each re-scaling rounds to whole ns; a busy period has fewer than 1000 of them.
        let slack = Nanoseconds::new(1_000);
        prop_assert!(dynamic.iter().zip(&worst).all(|(d, w)| *d <= *w + slack));
        prop_assert!(none.iter().zip(&dynamic).all(|(n, d)| *n <= *d + slack));
    }
}
