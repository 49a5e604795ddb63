//! Random timelines, through both engines.

use super::{Life, MS, RUN, input, ns, rent, timeline};
use crate::arrivals::ArrivalSpec;
use crate::engine::run_gpus;
use crate::engine_cases::{any_models, any_spec};
use crate::fake::{Everything, FakePredictor, FakeScenario, FakeServer, fixed, seen};
use crate::fast::LeanEngine;
use crate::{
    BatchingSpec, EngineSpec, Noise, SimError, SimInput, SimOutcome, TimeoutAction, full, simulate,
};
use igniter_model::domain::{
    GpuId, ServerSetting, Timeline, TimelineGpu, TimelineServer, WorkloadId,
};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds, RequestsPerSecond};
use proptest::prelude::*;
use proptest::sample::select;

fn cases() -> u32 {
    if std::env::var_os("IGNITER_FULL_TESTS").is_some() { 10_000 } else { 256 }
}

fn any_time() -> impl Strategy<Value = u64> {
    // From a grid, so that many things happen at once.
    prop_oneof![3 => (0..20_u64).prop_map(|at| at * 5 * MS), 1 => 0..RUN, 1 => Just(0)]
}

fn any_while() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 2 => (0..8_u64).prop_map(|at| at * 5 * MS), 1 => 0..50 * MS]
}

fn any_life(workloads: usize) -> impl Strategy<Value = Life> {
    let rate = prop_oneof![select(vec![0.0, 1.0, 2.0]), 0.0..5.0_f64];
    let settings = prop::collection::vec((any_while(), 1..=9_u32, rate), 1..4);
    let until = prop_oneof![1 => Just(None), 3 => any_time().prop_map(Some)];
    let times = (any_time(), any_while(), any_while(), until);
    (0..workloads, 0..2_usize, 1..60_u32, times, settings).prop_map(
        |(workload, gpu, share, times, settings)| Life { workload, gpu, share, times, settings },
    )
}

/// Seldom more at once than the fast engine can have.
fn any_lives() -> impl Strategy<Value = Vec<Life>> {
    let lives = |count| prop::collection::vec(any_life(3), count);
    prop_oneof![9 => lives(1..14), 1 => lives(30..60)]
}

/// Any time of a run, and some that are long after it.
fn any_odd_time() -> impl Strategy<Value = Nanoseconds> {
    prop_oneof![4 => any_time(), 1 => RUN - 2..RUN + 3, 1 => any::<u64>()].prop_map(ns)
}

/// A server about which everything may be wrong.
#[derive(Debug, Clone)]
struct OddServer {
    workload: usize,
    gpu: usize,
    times: [Nanoseconds; 3],
    until: Option<Nanoseconds>,
    settings: Vec<(Nanoseconds, u32, f64)>,
}

fn any_odd_server() -> impl Strategy<Value = OddServer> {
    let times = [any_odd_time(), any_odd_time(), any_odd_time()];
    let setting = || (any_odd_time(), 1..=9_u32, 0.0..5.0_f64);
    let gpu = prop_oneof![9 => 0..2_usize, 1 => 2..4_usize];
    let until = prop::option::of(any_odd_time());
    let settings = prop_oneof![
        9 => prop::collection::vec(setting(), 1..4),
        1 => prop::collection::vec(setting(), 0..2)
    ];
    (0..3_usize, gpu, times, until, settings).prop_map(|(workload, gpu, times, until, settings)| {
        OddServer { workload, gpu, times, until, settings }
    })
}

impl OddServer {
    fn server(self, scenario: &FakeScenario) -> TimelineServer {
        let placements = &scenario.plan.gpus[0].placements;
        let [ordered, takes_from, ready] = self.times;
        let setting = |(from, batch, served): (Nanoseconds, u32, f64)| ServerSetting {
            from,
            batch: BatchSize::new(batch).unwrap(),
            served: RequestsPerSecond::new(served).unwrap(),
        };
        TimelineServer {
            gpu: GpuId::new(self.gpu),
            placement: placements[self.workload % placements.len()].clone(),
            ordered,
            ready,
            takes_from,
            takes_until: self.until,
            settings: self.settings.into_iter().map(setting).collect(),
        }
    }
}

/// Makes a server sound.
fn put_in_order(server: &mut TimelineServer) {
    server.ready = server.ready.max(server.ordered);
    server.takes_from = server.takes_from.max(server.ordered);
    server.takes_until = server.takes_until.map(|until| until.max(server.takes_from));
    let setting = ServerSetting {
        from: ns(0),
        batch: server.placement.batch,
        served: RequestsPerSecond::new(1.0).unwrap(),
    };
    server.settings.push(setting);
    server.settings.sort_by_key(|setting| setting.from);
}

fn any_server() -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![
        Just(ArrivalSpec::Constant),
        Just(ArrivalSpec::Poisson),
        (0.2..5.0_f64).prop_map(|cv| ArrivalSpec::Gamma { cv }),
    ];
    let rate = prop_oneof![select(vec![200.0, 500.0, 1000.0]), 1.0..3000.0_f64];
    let noise = prop_oneof![3 => Just(0.0), 1 => 0.01..0.5_f64];
    let overhead = prop_oneof![3 => Just(0.0), 1 => select(vec![0.5, 1.0])];
    (0..3_usize, rate, arrival, noise, overhead).prop_map(
        |(model, rate, arrival, noise, overhead)| {
            let mut server = FakeServer::new(model, 4, rate, arrival);
            server.server.noise = Noise::Cv(noise);
            server.server.batch_overhead = Milliseconds::new(overhead).unwrap();
            server.server.request_overhead = Milliseconds::new(overhead).unwrap();
            server
        },
    )
}

prop_compose! {
    /// Workloads, and a predictor that lets everything depend on who else is there.
    fn any_workloads()(
        models in any_models(),
        slowdown in prop_oneof![Just(0.0), 0.0..1.0_f64],
        load_slowdown in prop_oneof![Just(0.0), 0.0..1.0_f64],
        by_share: bool,
        servers in prop::collection::vec(any_server(), 1..4),
    ) -> FakeScenario {
        let mut predictor = FakePredictor::new(models, slowdown);
        predictor.load_slowdown = load_slowdown;
        predictor.by_share = by_share;
        FakeScenario::new(predictor, &[servers])
    }
}

/// Every request of a workload that is ever served is answered once, or reported once as failed.
fn check_conserved(
    input: &SimInput<'_>,
    outcome: &SimOutcome<Everything>,
) -> Result<(), TestCaseError> {
    for (index, entry) in input.workloads.iter().enumerate() {
        let id = WorkloadId::new(index);
        let mut seen = Vec::new();
        for gpu in &outcome.gpus {
            let records = gpu.sink.records.iter().filter(|record| record.workload == id);
            seen.extend(records.map(|record| record.arrival));
            let failed = gpu.sink.failed.iter().filter(|failed| failed.workload == id);
            seen.extend(failed.map(|failed| failed.arrival));
        }
        seen.sort_unstable();
        let mut process = entry
            .arrival
            .build(&entry.workload.name, entry.workload.rate, input.duration, input.seed)
            .unwrap();
        let all: Vec<_> = std::iter::from_fn(|| process.next_arrival()).collect();
        if outcome.unserved.contains(&id) {
            prop_assert!(seen.is_empty());
        } else {
            prop_assert_eq!(seen, all);
        }
    }
    Ok(())
}

/// What holds in any run.
fn check_sound(timeline: &Timeline, outcome: &SimOutcome<Everything>) -> Result<(), TestCaseError> {
    for gpu in &outcome.gpus {
        // Intervals cover the rented times, without gaps.
        let mut covered = Vec::new();
        for interval in &gpu.sink.intervals {
            match covered.last_mut() {
                Some((_, end)) if *end == interval.start => *end = interval.end,
                _ => covered.push((interval.start, interval.end)),
            }
        }
        let mut rented: Vec<(Nanoseconds, Nanoseconds)> = Vec::new();
        for &(from, until) in gpu.rented.iter().filter(|(from, until)| from < until) {
            match rented.last_mut() {
                Some((_, end)) if *end == from => *end = until,
                _ => rented.push((from, until)),
            }
        }
        prop_assert_eq!(covered, rented);
        let lives = timeline.servers.iter().filter(|server| server.gpu == gpu.gpu);
        for (life, server) in lives.zip(&gpu.servers) {
            prop_assert_eq!(server.arrived, server.completed + server.failed);
            let leaves = life.takes_until.filter(|until| *until < ns(RUN));
            // One that never takes a request does not come; nor does one that comes after the run, if nobody waits for it.
            let never = leaves.is_some_and(|until| until <= life.takes_from);
            if life.ready < ns(RUN) || server.completed > 0 {
                prop_assert_eq!(server.left.is_some(), leaves.is_some() && !never);
                prop_assert!(server.left >= leaves || never);
            }
        }
        for record in &gpu.sink.records {
            // Whoever answers it was there, and was dealt it.
            let fits = |life: &&TimelineServer| {
                life.gpu == record.gpu
                    && life.takes_from <= record.arrival
                    && life.takes_until.is_none_or(|until| record.arrival < until)
                    && life.ready <= record.load_start
            };
            prop_assert!(timeline.servers.iter().any(|life| fits(&life)), "{:?}", record);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn both_engines_follow_any_timeline_in_the_same_way(
        scenario in any_workloads(),
        lives in any_lives(),
        spec in any_spec(),
        seed: u64,
    ) {
        let lives: Vec<Life> =
            lives.into_iter().filter(|life| life.workload < scenario.workloads.len()).collect();
        let timeline = timeline(&scenario, &lives);
        let input = input(&scenario, &timeline, spec, seed);
        let fast = run_gpus(&input, |_| Everything::default(), |setting, run, sink| {
            assert!(LeanEngine::<Everything>::takes(&setting, &run));
            LeanEngine::new(setting, run, sink).and_then(LeanEngine::finish).map_err(|bad| *bad)
        });
        let clear = full::simulate(&input, |_| Everything::default());
        // Very many servers at once may draw more power than a clock can go down for.
        prop_assert_eq!(fast.is_err(), clear.is_err());
        let (Ok(fast), Ok(clear)) = (fast, clear) else { return Ok(()) };
        prop_assert_eq!(&fast.gaps, &clear.gaps);
        for (fast, clear) in fast.gpus.iter().zip(&clear.gpus) {
            prop_assert_eq!(seen(fast), seen(clear));
        }
        check_conserved(&input, &fast)?;
        check_sound(&timeline, &fast)?;
    }

    #[test]
    fn no_batching_rule_loses_a_request_or_answers_it_twice(
        mut scenario in any_workloads(),
        lives in prop::collection::vec(any_life(3), 1..14),
        spec in any_spec(),
        options in prop::collection::vec(
            (select(vec![0.0, 1.0, 7.0]), 1..4_u32, select(vec![0, 0, 5]), select(vec![0.0, 9.0]), any::<bool>()),
            3,
        ),
        seed: u64,
    ) {
        for (entry, (delay, instances, queue, timeout, delays)) in scenario.workloads.iter_mut().zip(options) {
            entry.batching = BatchingSpec {
                max_queue_delay: Milliseconds::new(delay).unwrap(),
                instances,
                max_queue_size: queue,
                timeout: Milliseconds::new(timeout).unwrap(),
                timeout_action: if delays { TimeoutAction::Delay } else { TimeoutAction::Reject },
                ..BatchingSpec::default()
            };
        }
        let lives: Vec<Life> =
            lives.into_iter().filter(|life| life.workload < scenario.workloads.len()).collect();
        let timeline = timeline(&scenario, &lives);
        let input = input(&scenario, &timeline, spec, seed);
        let outcome = simulate(&input, |_| Everything::default()).unwrap();
        check_conserved(&input, &outcome)?;
        check_sound(&timeline, &outcome)?;
    }

    /// Whatever a timeline says, it is refused by name or followed.
    #[test]
    fn no_timeline_makes_an_engine_fail(
        scenario in any_workloads(),
        servers in prop::collection::vec(any_odd_server(), 0..8),
        rented in prop::collection::vec(
            prop::collection::vec((any_odd_time(), prop::option::of(any_odd_time())), 0..3),
            2,
        ),
        sound in any::<[bool; 3]>(),
        seed: u64,
    ) {
        let kind = scenario.plan.gpus[0].kind.clone();
        let mut servers: Vec<_> = servers.into_iter().map(|odd| odd.server(&scenario)).collect();
        if sound[0] {
            servers.iter_mut().for_each(put_in_order);
        }
        let mut gpus: Vec<_> =
            rented.into_iter().map(|rented| TimelineGpu { kind: kind.clone(), rented }).collect();
        if sound[1] {
            for (gpu, of) in gpus.iter_mut().enumerate() {
                of.rented = rent(&servers, gpu);
            }
        }
        if sound[2] {
            servers.retain(|server| server.gpu.index() < 2);
        }
        let timeline = Timeline { gpus, servers };
        let input = input(&scenario, &timeline, EngineSpec::default(), seed);
        match simulate(&input, |_| Everything::default()) {
            Ok(outcome) => {
                check_conserved(&input, &outcome)?;
                let clear = full::simulate(&input, |_| Everything::default()).unwrap();
                for (fast, clear) in outcome.gpus.iter().zip(&clear.gpus) {
                    prop_assert_eq!(seen(fast), seen(clear));
                }
            }
            Err(SimError::Timeline(error)) => {
                prop_assert!(!sound.iter().all(|sound| *sound), "{}", error);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn one_plan_for_the_whole_run_is_a_static_plan(
        mut scenario in any_workloads(),
        parts in prop_oneof![Just(vec![]), prop::collection::vec(1.0..9.0_f64, 2..4)],
        delay in select(vec![0.0, 0.0, 3.0]),
        spec in any_spec(),
        seed: u64,
    ) {
        for entry in &mut scenario.workloads {
            entry.batching.max_queue_delay = Milliseconds::new(delay).unwrap();
        }
        scenario.replicate_first(&parts);
        let timeline = fixed(&scenario.plan);
        let mut input = input(&scenario, &timeline, spec, seed);
        let followed = simulate(&input, |_| Everything::default()).unwrap();
        input.timeline = None;
        let fixed = simulate(&input, |_| Everything::default()).unwrap();
        for (followed, fixed) in followed.gpus.iter().zip(&fixed.gpus) {
            prop_assert_eq!(seen(followed), seen(fixed));
        }
        prop_assert!(followed.gaps.is_empty());
    }
}
