//! The fast engine against the reference engine: the same records and intervals, in the same order and to
//! the last bit, on thousands of random cases and on the shipped scenarios.

use crate::common::cases;
use crate::common::engine_cases::{any_models, any_spec};
use crate::common::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::{ArrivalSpec, ClosedLoopSpec, Thinking};
use igniter::domain::{GpuInterval, Workload, WorkloadId};
use igniter::fit::fit_igniter;
use igniter::plan::{PlanRequest, STRATEGIES, strategy};
use igniter::scenario::Scenario;
use igniter::sim::{
    BatchingSpec, EngineSpec, LoadOverlap, Noise, ServerSpec, ServiceTime, SimInput, SimOutcome,
    TritonRelease, full, simulate,
};
use igniter::units::{BatchSize, Milliseconds, Nanoseconds};
use proptest::prelude::*;
use proptest::sample::select;
use std::path::Path;

/// An interval with its floats as bits.
fn bits(i: &GpuInterval) -> (Nanoseconds, Nanoseconds, u32, [u64; 3]) {
    let floats = [i.busy_sm_pct, i.power_w, i.clock_mhz].map(f64::to_bits);
    (i.start, i.end, i.running, floats)
}

/// Runs both engines; `Err` says where they differ first.
fn compare(input: &SimInput<'_>) -> Result<u64, String> {
    let fast = simulate(input, |_| Everything::default());
    let clear = full::simulate(input, |_| Everything::default());
    let (fast, clear): (SimOutcome<_>, SimOutcome<_>) = match (fast, clear) {
        (Ok(fast), Ok(clear)) => (fast, clear),
        (Err(fast), Err(clear)) if fast.to_string() == clear.to_string() => return Ok(0),
        (fast, clear) => return Err(format!("{:?}\n{:?}", fast.err(), clear.err())),
    };
    let mut records = 0;
    if fast.unserved != clear.unserved || fast.gpus.len() != clear.gpus.len() {
        return Err("different GPUs or workloads".into());
    }
    for (f, c) in fast.gpus.iter().zip(&clear.gpus) {
        for (i, (f, c)) in f.sink.records.iter().zip(&c.sink.records).enumerate() {
            if f != c {
                return Err(format!("record {i}\n{f:?}\n{c:?}"));
            }
        }
        for (i, (f, c)) in f.sink.intervals.iter().zip(&c.sink.intervals).enumerate() {
            if bits(f) != bits(c) {
                return Err(format!("interval {i}\n{f:?}\n{c:?}"));
            }
        }
        let counts = |sink: &Everything| (sink.records.len(), sink.intervals.len());
        if counts(&f.sink) != counts(&c.sink) {
            return Err(format!(
                "{:?} and {:?} records and intervals",
                counts(&f.sink),
                counts(&c.sink)
            ));
        }
        if (f.gpu, &f.servers, f.end) != (c.gpu, &c.servers, c.end) {
            return Err(format!("{:?}\n{:?}", f.servers, c.servers));
        }
        records += f.sink.records.len() as u64;
    }
    Ok(records)
}

fn any_batching() -> impl Strategy<Value = (u32, BatchingSpec)> {
    let delay = prop_oneof![
        4 => Just(0.0),
        1 => select(vec![0.5, 1.0, 4.0]),
        1 => 0.0..20.0_f64,
    ];
    let preferred = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(1..=9_u32, 1..3)];
    let max = prop_oneof![Just(None), (1..=9_u32).prop_map(Some)];
    let instances = prop_oneof![3 => Just(1), 1 => 2..4_u32];
    let race = prop_oneof![2 => Just(0.0), 1 => select(vec![0.2, 0.7, 1.0])];
    let release = prop_oneof![3 => Just(TritonRelease::Current), 1 => Just(TritonRelease::Frozen)];
    let threads = (race, release);
    (1..=9_u32, delay, preferred, max, instances, any::<bool>(), threads).prop_map(
        |(planned, delay, preferred, max, instances, variable_shape, threads)| {
            let (completion_race, release) = threads;
            let size = |size: u32| BatchSize::new(size).unwrap();
            let largest = max.unwrap_or(planned);
            let spec = BatchingSpec {
                max_queue_delay: Milliseconds::new(delay).unwrap(),
                max_batch: max.map(size),
                preferred: preferred.into_iter().map(|p| size(p.min(largest))).collect(),
                instances,
                variable_shape,
                completion_race,
                release,
                ..BatchingSpec::default()
            };
            (planned, spec)
        },
    )
}

/// Noise, overheads and start-up, most often none.
fn any_costs() -> impl Strategy<Value = ServerSpec> {
    let ms = || prop_oneof![3 => Just(0.0), 1 => select(vec![0.5, 1.0]), 1 => 0.0..1.0_f64];
    let startup = prop_oneof![4 => Just(0), 1 => 0..60_000_000_u64];
    let noise = prop_oneof![3 => Just(0.0), 1 => 0.01..0.5_f64];
    let slowdown = prop_oneof![3 => Just(None), 1 => (1.0..3.0_f64).prop_map(Some)];
    let times = (startup, slowdown);
    (noise, ms(), ms(), ms(), times).prop_map(|(noise_cv, batch, row, request, times)| {
        let (startup, instance_slowdown) = times;
        let ms = |ms| Milliseconds::new(ms).unwrap();
        ServerSpec {
            noise: Noise::Cv(noise_cv),
            batch_overhead: ms(batch),
            row_overhead: ms(row / 4.0),
            request_overhead: ms(request),
            startup: Nanoseconds::new(startup),
            instance_slowdown,
            ..ServerSpec::default()
        }
    })
}

/// Clients whose think times are of the same grid as the times of models, or any. They think, as models may take no
/// time at all.
fn any_clients() -> impl Strategy<Value = ArrivalSpec> {
    let think = prop_oneof![select(vec![1_000_000, 4_000_000]), 500_000..20_000_000_u64];
    let thinking = select(Thinking::ALL.to_vec());
    (1..20_u32, think, thinking).prop_map(|(clients, think, thinking)| {
        let think = Nanoseconds::new(think);
        ArrivalSpec::ClosedLoop(ClosedLoopSpec { clients, think, thinking })
    })
}

fn any_server() -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![
        2 => Just(ArrivalSpec::Constant),
        2 => Just(ArrivalSpec::Poisson),
        // From cv = 3 on, many requests arrive in the same nanosecond.
        1 => (0.2..5.0_f64).prop_map(|cv| ArrivalSpec::Gamma { cv }),
        2 => any_clients(),
    ];
    let rate = prop_oneof![select(vec![250.0, 500.0, 1000.0, 2000.0]), 1.0..3000.0_f64];
    (0..3_usize, any_batching(), 1..100_u32, rate, arrival, any_costs()).prop_map(
        |(model, (batch, batching), share, rate, arrival, server)| FakeServer {
            server,
            model,
            batch,
            share,
            rate,
            arrival,
            batching,
        },
    )
}

fn any_scenario() -> impl Strategy<Value = FakeScenario> {
    let slowdown = prop_oneof![Just(0.0), Just(0.5), 0.0..1.0_f64];
    let gpus = prop::collection::vec(prop::collection::vec(any_server(), 0..5), 1..3);
    let parts = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(select(vec![0.0, 1.0, 75.0, 225.0, 33.3]), 1..4),
    ];
    (any_models(), slowdown, any::<bool>(), gpus, parts).prop_map(
        |(models, slowdown, by_share, gpus, parts)| {
            let mut predictor = FakePredictor::new(models, slowdown);
            predictor.by_share = by_share;
            let mut scenario = FakeScenario::new(predictor, &gpus);
            scenario.replicate_first(&parts);
            scenario
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(4096)))]

    #[test]
    fn both_engines_agree_record_for_record(
        scenario in any_scenario(), spec in any_spec(), seed: u64,
    ) {
        let input = scenario.input(spec, 0.1, seed);
        if let Err(difference) = compare(&input) {
            prop_assert!(false, "{difference}");
        }
    }
}

/// Long enough for many blocks of arrivals, a backlog, and every kind of batcher on one GPU.
#[test]
fn both_engines_agree_on_long_runs() {
    let model =
        |load, fixed, per_request, feedback| FakeModel { load, fixed, per_request, feedback };
    let models =
        vec![model(0.2, 1.0, 0.5, 0.1), model(0.1, 2.0, 0.3, 0.0), model(0.0, 0.5, 1.0, 0.3)];
    let server = |i: usize| {
        let rate = [900.0, 1400.0, 300.0, 5000.0, 200.0][i];
        let mut server = FakeServer::new(i % 3, 8, rate, ArrivalSpec::Poisson);
        server.batching.instances = [1, 2, 1, 3, 1][i];
        server.batching.max_queue_delay = Milliseconds::new([0.0, 0.0, 5.0, 0.0, 2.0][i]).unwrap();
        server
    };
    let scenario =
        FakeScenario::new(FakePredictor::new(models.clone(), 0.1), &[(0..5).map(server).collect()]);
    let closed = |i: usize| {
        let think = Nanoseconds::new([0, 5_000_000, 0, 30_000_000, 0][i]);
        let thinking = Thinking::ALL[i / 3];
        let spec = ClosedLoopSpec { clients: [1, 100, 20, 600, 3][i], think, thinking };
        let arrival = if i == 4 { ArrivalSpec::Poisson } else { ArrivalSpec::ClosedLoop(spec) };
        FakeServer { arrival, ..server(i) }
    };
    let closed =
        FakeScenario::new(FakePredictor::new(models, 0.1), &[(0..5).map(closed).collect()]);
    for overlap in [LoadOverlap::Overlapped, LoadOverlap::Serial] {
        let spec = EngineSpec { overlap, ..EngineSpec::default() };
        assert!(compare(&scenario.input(spec, 4.0, 1)).unwrap() > 20_000);
        assert!(compare(&closed.input(spec, 4.0, 1)).unwrap() > 10_000);
    }
}

#[test]
fn both_engines_agree_on_the_shipped_scenarios() {
    let predictor = fit_igniter(&igniter::profile::load("v100").unwrap()).unwrap().0;
    for name in ["motivating-3", "paper-12", "paper-12-poisson", "paper-12-bursty"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
        let scenario = Scenario::load(&path).unwrap();
        let workloads: Vec<Workload> =
            scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        let sim_workloads = scenario.sim_workloads();
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        for strategy_name in STRATEGIES {
            let input = SimInput {
                plan: &strategy(strategy_name).unwrap().plan(&request),
                timeline: None,
                workloads: &sim_workloads,
                predictor: &predictor,
                more_predictors: &[],
                spec: scenario.engine,
                control: None,
                duration: scenario.duration.min(Nanoseconds::new(12_000_000_000)),
                seed: scenario.seed,
                count_arrivals: false,
            };
            let records =
                compare(&input).unwrap_or_else(|d| panic!("{name}, {strategy_name}: {d}"));
            assert!(records > 5_000, "{name}, {strategy_name}: {records} records");
        }
    }
}

/// One client, batches of one in 1 + 2 + 1 ms and 6 ms of thinking: a request each 10 ms. With a hundred clients that
/// do not think, all batches are full, and the longest latency is that of a hundred requests before and with one's own.
#[test]
fn clients_wait_for_their_answers() {
    let model = FakeModel { load: 1.0, fixed: 2.0, per_request: 0.0, feedback: 1.0 };
    let run = |clients: u32, think_ms: u64, batch: u32| {
        let think = Nanoseconds::new(think_ms * 1_000_000);
        let spec = ClosedLoopSpec { clients, think, thinking: Thinking::Constant };
        let server = FakeServer::new(0, batch, 1.0, ArrivalSpec::ClosedLoop(spec));
        let scenario = FakeScenario::new(FakePredictor::new(vec![model], 0.0), &[vec![server]]);
        let input = scenario.input(EngineSpec::default(), 1.0, 1);
        compare(&input).unwrap();
        let mut outcome = simulate(&input, |_| Everything::default()).unwrap();
        let gpu = outcome.gpus.remove(0);
        let sent = gpu.servers[0].sent.unwrap();
        assert_eq!(sent.requests, gpu.servers[0].arrived);
        (gpu.sink.records, sent)
    };
    let (one, sent) = run(1, 6, 1);
    let arrivals: Vec<u64> = one.iter().map(|r| r.arrival.get()).collect();
    assert_eq!(arrivals, (0..100).map(|i| i * 10_000_000).collect::<Vec<u64>>());
    assert_eq!((sent.rate_rps, sent.gap_cv, sent.longest_gap_s), (100.0, Some(0.0), Some(0.01)));
    let (many, sent) = run(100, 0, 4);
    // A batch of 4 each 3 ms (execution and feedback), loads overlapped: 1333 requests/s, and a request waits for the
    // 24 other batches: 25 · 3 ms.
    assert!((sent.rate_rps - 1333.3).abs() < 101.0, "{sent:?}");
    let settled = many.iter().filter(|r| (200..800).contains(&(r.arrival.get() / 1_000_000)));
    assert!(settled.clone().count() > 700);
    for record in settled {
        assert_eq!(record.batch_size, 4);
        assert!((record.latency().as_ms() - 75.0).abs() < 0.01, "{record:?}");
    }
}

/// A workload on three servers of two GPUs: its requests are dealt out in proportion to what each serves,
/// and none is lost or served twice.
#[test]
fn replicas_share_the_requests_of_their_workload() {
    let model = FakeModel { load: 0.1, fixed: 1.0, per_request: 0.2, feedback: 0.1 };
    let mut poisson = FakeServer::new(0, 8, 1000.0, ArrivalSpec::Poisson);
    poisson.share = 20;
    let other = FakeServer { rate: 300.0, ..poisson.clone() };
    let predictor = FakePredictor::new(vec![model], 0.1);
    let mut scenario = FakeScenario::new(predictor, &[vec![poisson, other.clone()], vec![other]]);
    let spec = EngineSpec { service: ServiceTime::Exponential, ..EngineSpec::default() };
    let arrivals = |scenario: &FakeScenario, gpu: Option<usize>| {
        let input = scenario.input(spec, 5.0, 7);
        assert!(compare(&input).unwrap() > 5_000);
        let outcome = simulate(&input, |_| Everything::default()).unwrap();
        let records = outcome.gpus.iter().enumerate().filter(|(i, _)| gpu.is_none_or(|g| g == *i));
        let mut arrivals: Vec<Nanoseconds> = records
            .flat_map(|(_, gpu)| &gpu.sink.records)
            .filter(|record| record.workload == WorkloadId::new(0))
            .map(|record| record.arrival)
            .collect();
        arrivals.sort();
        arrivals
    };
    let alone = arrivals(&scenario, None);
    // Parts of 500, 250 and 250 requests/s: the first on GPU 0, the second there too, the third on GPU 1.
    scenario.replicate_first(&[500.0, 250.0, 250.0]);
    assert_eq!(arrivals(&scenario, None), alone);
    let elsewhere = arrivals(&scenario, Some(1));
    // Every fourth request, always the same ones.
    let fourths: Vec<Nanoseconds> = alone.iter().skip(2).step_by(4).copied().collect();
    assert_eq!(elsewhere, fourths);
}
