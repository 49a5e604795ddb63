//! The lane of the common case against the other two engines: the same records and states, to the last bit.

use super::engine::run_gpus;
use super::engine_cases::{any_models, any_spec};
use super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer, seen};
use super::fast::{GpuEngine, LeanEngine};
use super::prepare::{GpuRun, prepare};
use super::{EngineSpec, Noise, full};
use crate::arrivals::ArrivalSpec;
use igniter_model::units::Milliseconds;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

fn server() -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![
        Just(ArrivalSpec::Constant),
        Just(ArrivalSpec::Poisson),
        (0.2..5.0_f64).prop_map(|cv| ArrivalSpec::Gamma { cv }),
    ];
    let rate = prop_oneof![select(vec![250.0, 500.0, 1000.0, 2000.0]), 1.0..3000.0_f64];
    let noise = prop_oneof![3 => Just(0.0), 1 => 0.01..0.5_f64];
    let overhead = prop_oneof![3 => Just(0.0), 1 => select(vec![0.5, 1.0])];
    (0..3_usize, 1..=9_u32, 1..7_u32, rate, arrival, (noise, overhead)).prop_map(
        |(model, batch, share, rate, arrival, (noise, overhead))| {
            let mut server = FakeServer { share, ..FakeServer::new(model, batch, rate, arrival) };
            server.server.noise = Noise::Cv(noise);
            server.server.batch_overhead = Milliseconds::new(overhead).unwrap();
            server.server.request_overhead = Milliseconds::new(overhead).unwrap();
            server
        },
    )
}

fn cases() -> u32 {
    if std::env::var_os("IGNITER_FULL_TESTS").is_some() { 10_000 } else { 256 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn all_three_engines_agree(
        models in any_models(),
        slowdown in prop_oneof![Just(0.0), Just(0.5), 0.0..1.0_f64],
        servers in prop::collection::vec(server(), 0..=16),
        gpus in prop_oneof![3 => Just(1_usize), 1 => Just(4)],
        spec in any_spec(),
        seed: u64,
    ) {
        let gpus = vec![servers; gpus];
        let scenario = FakeScenario::new(FakePredictor::new(models, slowdown), &gpus);
        let input = scenario.input(spec, 0.1, seed);
        let sink = Everything::default;
        let lean = run_gpus(&input, |_| sink(), |setting, run, sink| {
            assert!(LeanEngine::<Everything>::takes(&setting, &run));
            LeanEngine::new(setting, run, sink).and_then(LeanEngine::finish).map_err(|bad| *bad)
        });
        let fast = run_gpus(&input, |_| sink(), |setting, run, sink| {
            let gpu = GpuEngine::new(setting, run, sink).and_then(GpuEngine::finish);
            gpu.map(Some).map_err(|bad| *bad)
        });
        let full = full::simulate(&input, |_| sink());
        let (lean, fast, full) = (lean.unwrap(), fast.unwrap(), full.unwrap());
        for ((lean, fast), full) in lean.gpus.iter().zip(&fast.gpus).zip(&full.gpus) {
            prop_assert_eq!(seen(lean), seen(fast));
            prop_assert_eq!(seen(lean), seen(full));
        }
    }
}

/// Of six GPUs, the second and fifth have the servers of the first.
#[test]
fn only_gpus_with_the_same_servers_share_states() {
    let of = |model, batch, share| FakeServer {
        share,
        ..FakeServer::new(model, batch, 100.0, ArrivalSpec::Poisson)
    };
    let (one, two) = (of(0, 4, 30), of(1, 4, 30));
    let gpus = [
        vec![one.clone(), two.clone()],
        vec![one.clone(), two.clone()],
        vec![two.clone(), one.clone()],
        vec![one.clone(), of(1, 4, 31)],
        vec![one.clone(), two],
        vec![one, of(1, 5, 30)],
    ];
    let models = vec![FakeModel { fixed: 1.0, ..FakeModel::default() }; 2];
    let scenario = FakeScenario::new(FakePredictor::new(models, 0.5), &gpus);
    let gpus = prepare(&scenario.input(EngineSpec::default(), 1.0, 1)).unwrap().gpus;
    let states: Vec<_> = gpus.iter().map(|gpu| Arc::as_ptr(&gpu.states)).collect();
    let shared: Vec<bool> = states.iter().map(|&of| of == states[0]).collect();
    assert_eq!(shared, [true, true, false, false, true, false]);
}

/// What a server of the common case must not have.
#[test]
fn only_the_common_case_takes_the_short_way() {
    let of = |change: fn(&mut FakeServer)| {
        let mut server = FakeServer::new(0, 4, 100.0, ArrivalSpec::Poisson);
        change(&mut server);
        let predictor = FakePredictor::new(vec![FakeModel::default()], 0.0);
        let scenario = FakeScenario::new(predictor, &[vec![server]]);
        let input = scenario.input(EngineSpec::default(), 0.1, 1);
        let taken = std::sync::Mutex::new(false);
        let run_gpu = |setting, run: GpuRun<'_>, sink| {
            *taken.lock().unwrap() = LeanEngine::<Everything>::takes(&setting, &run);
            full::run_gpu(setting, run, sink).map(Some)
        };
        run_gpus(&input, |_| Everything::default(), run_gpu).unwrap();
        taken.into_inner().unwrap()
    };
    assert!(of(|_| {}));
    assert!(!of(|server| server.batching.instances = 2));
    assert!(!of(|server| server.batching.max_queue_size = 5));
    assert!(!of(|server| server.batching.max_queue_delay = Milliseconds::new(1.0).unwrap()));
    assert!(!of(|server| server.server.startup = igniter_model::units::Nanoseconds::new(1)));
}
