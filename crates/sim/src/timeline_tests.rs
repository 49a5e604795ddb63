//! Plans that follow each other: both engines agree, nobody's request is lost or answered twice, and what can be had with one
//! plan comes out the same.

use super::engine::run_gpus;
use super::engine_cases::{any_models, any_spec};
use super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::fast::LeanEngine;
use super::{
    BatchingSpec, EngineSpec, GpuOutcome, Noise, SimError, SimInput, SimOutcome, TimelineError,
    TimeoutAction, full, simulate,
};
use crate::arrivals::{ArrivalSpec, ClosedLoopSpec, Thinking};
use igniter_model::domain::{
    Failure, GpuId, ServerSetting, Timeline, TimelineGpu, TimelineServer, WorkloadId,
};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds, RequestsPerSecond, SmUnits};
use proptest::prelude::*;
use proptest::sample::select;

const MS: u64 = 1_000_000;
/// The length of random runs.
const RUN: u64 = 100 * MS;

fn ns(ns: u64) -> Nanoseconds {
    Nanoseconds::new(ns)
}

fn cases() -> u32 {
    if std::env::var_os("IGNITER_FULL_TESTS").is_some() { 10_000 } else { 256 }
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

/// What an engine makes of a GPU, with floats as bits.
fn seen(gpu: &GpuOutcome<Everything>) -> impl PartialEq + std::fmt::Debug {
    let intervals: Vec<_> = (gpu.sink.intervals.iter())
        .map(|i| {
            let floats = [i.busy_sm_pct, i.power_w, i.clock_mhz].map(f64::to_bits);
            (i.start, i.end, i.running, floats)
        })
        .collect();
    let Everything { records, failed, .. } = gpu.sink.clone();
    (records, failed, intervals, gpu.servers.clone(), gpu.end, gpu.rented.clone())
}

fn input<'a>(
    scenario: &'a FakeScenario,
    timeline: &'a Timeline,
    spec: EngineSpec,
    seed: u64,
) -> SimInput<'a> {
    SimInput { timeline: Some(timeline), ..scenario.input(spec, RUN as f64 / 1e9, seed) }
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
        let timeline = of_plan(&scenario);
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

/// The plan of a scenario, for the whole run.
fn of_plan(scenario: &FakeScenario) -> Timeline {
    let gpus = scenario.plan.gpus.iter();
    let gpus = gpus
        .map(|gpu| TimelineGpu { kind: gpu.kind.clone(), rented: vec![(Nanoseconds::ZERO, None)] });
    let servers = scenario.plan.placements().map(|(gpu, placement)| {
        let rate = RequestsPerSecond::new(1.0).unwrap();
        let served = placement.served.unwrap_or(rate);
        TimelineServer {
            gpu: GpuId::new(gpu),
            placement: placement.clone(),
            ordered: Nanoseconds::ZERO,
            ready: Nanoseconds::ZERO,
            takes_from: Nanoseconds::ZERO,
            takes_until: None,
            settings: vec![ServerSetting {
                from: Nanoseconds::ZERO,
                batch: placement.batch,
                served,
            }],
        }
    });
    Timeline { gpus: gpus.collect(), servers: servers.collect() }
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

fn latencies(outcome: &SimOutcome<Everything>) -> Vec<(u64, usize, f64)> {
    let all = outcome.gpus.iter().flat_map(|gpu| &gpu.sink.records);
    let mut all: Vec<_> =
        all.map(|r| (r.arrival.get() / MS, r.gpu.index(), (r.done - r.arrival).as_ms())).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn a_hand_over_by_hand() {
    // A request each 10 ms, which takes 4 ms on half of the SMs. The second server is ready at 45 ms.
    let scenario = one(100.0);
    let lives = [life(0, (0, 0, 0), Some(45)), life(1, (20, 45, 45), None)];
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    let expected: Vec<_> = (0..10).map(|i| (10 * i, usize::from(i > 4), 4.0)).collect();
    assert_eq!(latencies(&outcome), expected);
    let [first, second] = [&outcome.gpus[0], &outcome.gpus[1]];
    // The last request of the first server came at 40 ms, so it is idle when it need not take more.
    assert_eq!((first.servers[0].left, second.servers[0].left), (Some(ns(45 * MS)), None));
    assert_eq!(first.rented, [(ns(0), ns(45 * MS))]);
    assert_eq!(second.rented, [(ns(20 * MS), ns(100 * MS))]);
    assert!(outcome.gaps.is_empty());
}

#[test]
fn in_a_gap_requests_wait_for_the_new_server_and_the_old_one_ends_its_queue() {
    // The old server goes at 40.5 ms, while the request of 40 ms executes; the new one on the same GPU is ready at 65 ms.
    let scenario = one(100.0);
    let mut lives = [life(0, (0, 0, 0), Some(40)), life(0, (40, 40, 65), None)];
    lives[0].times.3 = Some(40 * MS + MS / 2);
    lives[1].times = (40 * MS + MS / 2, 0, 24 * MS + MS / 2, None);
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    // At 65 ms those of 50 and 60 ms wait: they are done at 69 and 73 ms, that of 70 ms at 77, of 80 at 84 ms.
    let times: Vec<f64> = latencies(&outcome).iter().map(|(_, _, ms)| *ms).collect();
    assert_eq!(times, [4.0, 4.0, 4.0, 4.0, 4.0, 19.0, 13.0, 7.0, 4.0, 4.0]);
    assert_eq!(outcome.gpus[0].servers[0].left, Some(ns(44 * MS)));
    assert_eq!(outcome.gpus[0].servers[1].arrived, 5);
}

#[test]
fn old_and_new_slow_each_other_and_shares_above_the_whole_are_scaled_down() {
    // Both have 100 % of the SMs, and execute for 2 ms alone. The request of 40 ms starts at the old one; another one comes
    // at 40.5 ms to the new one. Together they have 50 % each.
    let mut scenario = one(100.0);
    scenario.workloads[0].arrival = ArrivalSpec::Times([40 * MS, 40 * MS + MS / 2].map(ns).into());
    let mut lives = [life(0, (0, 0, 0), Some(40)), life(0, (10, 40, 40), None)];
    lives[0].times.3 = Some(40 * MS + MS / 2);
    lives[1].times = (10 * MS, 30 * MS + MS / 2, 30 * MS, None);
    lives.iter_mut().for_each(|life| life.share = 100);
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    // Of the first, 1.5 of 2 ms are left at 40.5 ms: 3 ms, to 43.5. Of the second, half a ms is left then.
    let times: Vec<f64> = latencies(&outcome).iter().map(|(_, _, ms)| *ms).collect();
    assert_eq!(times, [3.5, 3.5]);
    let busiest = outcome.gpus[0].sink.intervals.iter().map(|i| i.busy_sm_pct);
    assert!((busiest.fold(0.0, f64::max) - 100.0).abs() < 1e-9);
    assert_eq!(outcome.gpus[0].servers[0].left, Some(ns(43 * MS + MS / 2)));
}

#[test]
fn more_servers_than_the_fast_engine_has_places_for_are_no_problem() {
    let scenario = one(2000.0);
    // One by one, until there are twelve; of these the first six take their last request at once.
    let until = |i: u64| (i < 6).then_some(70);
    let lives: Vec<Life> = (0..12).map(|i| life(0, (0, 5 * i, 5 * i), until(i))).collect();
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let fast = simulate(&input, |_| Everything::default()).unwrap();
    let clear = full::simulate(&input, |_| Everything::default()).unwrap();
    assert_eq!(seen(&fast.gpus[0]), seen(&clear.gpus[0]));
    assert_eq!(fast.gpus[0].sink.records.len(), 200);
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let scenario = one(900.0);
    let lives = [
        life(0, (0, 0, 0), Some(45)),
        life(1, (20, 45, 50), Some(150)),
        life(0, (30, 70, 65), None),
        life(1, (100, 160, 160), None),
    ];
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| simulate(&input, |_| Everything::default())).unwrap()
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn requests_that_nobody_takes_are_reported() {
    let scenario = one(100.0);
    let lives = [life(0, (0, 15, 15), Some(45)), life(1, (60, 72, 72), Some(90))];
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    let failed = |gpu: usize| -> Vec<u64> {
        let failed = outcome.gpus[gpu].sink.failed.iter();
        assert!(failed.clone().all(|f| f.failure == Failure::Lost && f.at == f.arrival));
        failed.map(|failed| failed.arrival.get() / MS).collect()
    };
    // Before the first server, the first one reports; afterwards, the one before.
    assert_eq!(failed(0), [0, 10, 50, 60, 70]);
    assert_eq!(failed(1), [90]);
    let gaps: Vec<_> = outcome.gaps.iter().map(|gap| (gap.from.get() / MS, gap.requests)).collect();
    assert_eq!(gaps, [(0, 2), (45, 3), (90, 1)]);
    assert_eq!(latencies(&outcome).len(), 4);
}

/// Without load times, plans that follow each other are as good as each on its own, where no queue is carried over.
#[test]
fn plans_without_hand_over_are_those_of_each_epoch_by_itself() {
    let model = FakeModel { load: 0.2, fixed: 1.0, per_request: 0.4, feedback: 0.1 };
    let predictor = || {
        let mut predictor = FakePredictor::new(vec![model; 3], 0.2);
        predictor.by_share = true;
        predictor
    };
    // Requests in the first 150 ms of each of three epochs of 200 ms.
    let times: Vec<Vec<Nanoseconds>> = (0..3_u64)
        .map(|w| {
            let epoch =
                |e: u64| (0..60).map(move |i| ns(e * 200 * MS + i * (2 + (e + w) % 3) * MS / 2));
            (0..3).flat_map(epoch).collect()
        })
        .collect();
    let servers = times
        .iter()
        .map(|times| FakeServer::new(0, 4, 100.0, ArrivalSpec::Times(times.as_slice().into())));
    let scenario = FakeScenario::new(predictor(), &[servers.collect(), vec![]]);
    // Who is where in each epoch, with share and batch.
    let places = [
        [(0, 30, 4), (0, 30, 4), (1, 50, 2)],
        [(1, 40, 4), (0, 30, 8), (1, 50, 3)],
        [(0, 60, 1), (0, 30, 2), (1, 50, 4)],
    ];
    let mut lives: Vec<Life> = Vec::new();
    let mut present: [Option<usize>; 3] = [None; 3];
    for (epoch, places) in places.iter().enumerate() {
        let start = epoch as u64 * 200 * MS;
        for (workload, &(gpu, share, batch)) in places.iter().enumerate() {
            let stays =
                present[workload].filter(|&at| (lives[at].gpu, lives[at].share) == (gpu, share));
            if let Some(at) = stays {
                let since: u64 = lives[at].settings.iter().map(|(after, ..)| after).sum();
                let after = start - lives[at].times.0 - since;
                lives[at].settings.push((after, batch, 1.0));
                continue;
            }
            if let Some(at) = present[workload] {
                lives[at].times.3 = Some(start - lives[at].times.0);
            }
            present[workload] = Some(lives.len());
            let settings = vec![(0, batch, 1.0)];
            lives.push(Life { workload, gpu, share, times: (start, 0, 0, None), settings });
        }
    }
    let timeline = timeline(&scenario, &lives);
    let whole =
        SimInput { timeline: Some(&timeline), ..scenario.input(EngineSpec::default(), 0.6, 1) };
    let whole = simulate(&whole, |_| Everything::default()).unwrap();
    let key = |records: &mut Vec<(WorkloadId, u64, u64, u32)>| records.sort_unstable();
    let mut followed: Vec<_> = whole
        .gpus
        .iter()
        .flat_map(|gpu| &gpu.sink.records)
        .map(|r| (r.workload, r.arrival.get(), r.latency().get(), r.batch_size))
        .collect();
    key(&mut followed);
    let mut apart = Vec::new();
    for (epoch, places) in places.iter().enumerate() {
        let start = epoch as u64 * 200 * MS;
        let mut scenario = FakeScenario {
            plan: scenario.plan.clone(),
            workloads: scenario.workloads.clone(),
            predictor: predictor(),
        };
        let placements = std::mem::take(&mut scenario.plan.gpus[0].placements);
        for ((mut placement, entry), &(gpu, share, batch)) in
            placements.into_iter().zip(&mut scenario.workloads).zip(places)
        {
            placement.sm = SmUnits::new(share);
            placement.batch = BatchSize::new(batch).unwrap();
            scenario.plan.gpus[gpu].placements.push(placement);
            if let ArrivalSpec::Times(times) = &entry.arrival {
                let inside =
                    times.iter().filter(|t| start <= t.get() && t.get() < start + 200 * MS);
                entry.arrival = ArrivalSpec::Times(inside.map(|t| ns(t.get() - start)).collect());
            }
        }
        let outcome =
            simulate(&scenario.input(EngineSpec::default(), 0.2, 1), |_| Everything::default())
                .unwrap();
        apart.extend(
            outcome
                .gpus
                .iter()
                .flat_map(|gpu| &gpu.sink.records)
                .map(|r| (r.workload, r.arrival.get() + start, r.latency().get(), r.batch_size)),
        );
    }
    key(&mut apart);
    assert_eq!(followed.len(), 540);
    // Floats of ends are rounded at other moments: a nanosecond, at the most.
    for (followed, apart) in followed.iter().zip(&apart) {
        assert_eq!((followed.0, followed.1, followed.3), (apart.0, apart.1, apart.3));
        assert!(followed.2.abs_diff(apart.2) <= 1, "{followed:?} {apart:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_named() {
    let scenario = one(100.0);
    let good = || timeline(&scenario, &[life(0, (0, 0, 0), Some(45)), life(1, (20, 45, 45), None)]);
    let said = |change: &dyn Fn(&mut Timeline)| {
        let mut timeline = good();
        change(&mut timeline);
        let input = input(&scenario, &timeline, EngineSpec::default(), 1);
        let fast = simulate(&input, |_| Everything::default()).unwrap_err();
        assert!(matches!(fast, SimError::Timeline(_)), "{fast}");
        assert_eq!(super::check_run(&input).unwrap_err().to_string(), fast.to_string());
        fast.to_string()
    };
    let second = "server 1 of the timeline (W0 on GPU 1)";
    for (change, expected) in [
        (
            &(|t: &mut Timeline| t.servers[1].settings.clear()) as &dyn Fn(&mut Timeline),
            " has no settings",
        ),
        (
            &|t: &mut Timeline| t.servers[1].settings[0].from = ns(50 * MS),
            ": its first setting holds from 0.05 s, after the 0.045 s",
        ),
        (
            &|t: &mut Timeline| {
                let mut early = t.servers[1].settings[0];
                early.from = ns(MS);
                t.servers[1].settings.push(early);
            },
            ": its settings are not in order",
        ),
        (
            &|t: &mut Timeline| t.servers[1].ready = ns(MS),
            " is ready at 0.001 s, before it is ordered at 0.02 s",
        ),
        (
            &|t: &mut Timeline| {
                t.servers[1].takes_from = ns(MS);
                t.servers[1].settings[0].from = ns(0);
            },
            " takes requests at 0.001 s, before it is ordered",
        ),
        (
            &|t: &mut Timeline| t.servers[1].takes_until = Some(ns(MS)),
            " takes its last request at 0.001 s, before its first at 0.045 s",
        ),
        (
            &|t: &mut Timeline| t.gpus[1].rented[0].0 = ns(30 * MS),
            " is there from 0.02 s to the end, but its GPU is not rented",
        ),
        (&|t: &mut Timeline| t.servers[1].placement.time_slot = Some(1), " takes turns"),
    ] {
        let said = said(change);
        assert!(said.starts_with(&format!("{second}{expected}")), "{said}");
    }
    let lost = said(&|t| t.servers[1].gpu = GpuId::new(7));
    assert!(
        lost.contains("on GPU 7) is on a GPU that the timeline does not have: it has 2"),
        "{lost}"
    );
    let rents = said(&|t| t.gpus[0].rented = vec![(ns(5), None), (ns(9), None)]);
    assert!(rents.starts_with("GPU 0 of the timeline: "), "{rents}");
    // What the plan is checked for holds for a timeline as well.
    let mut other = good();
    other.gpus[1].kind = igniter_model::domain::GpuKindName::new("other").unwrap();
    let wrong = input(&scenario, &other, EngineSpec::default(), 1);
    assert!(matches!(
        simulate(&wrong, |_| Everything::default()),
        Err(SimError::WrongGpuKind { .. })
    ));
    let mut clients = one(100.0);
    let spec = ClosedLoopSpec { clients: 2, think: ns(MS), thinking: Thinking::default() };
    clients.workloads[0].arrival = ArrivalSpec::ClosedLoop(spec);
    let closed = input(&clients, &other, EngineSpec::default(), 1);
    let said = simulate(&closed, |_| Everything::default()).unwrap_err();
    assert!(matches!(said, SimError::Timeline(TimelineError::ClosedLoop { .. })), "{said}");
}
