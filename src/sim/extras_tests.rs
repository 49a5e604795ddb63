//! Overheads, start-up, a shared link, faults and controllers: against hand arithmetic, and their invariants
//! on random scenarios.

use super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::{
    BatchingSpec, Control, ControllerSpec, EngineSpec, Fault, FaultKind, FaultyGpu, GpuOutcome,
    GsliceSpec, Interference, LoadOverlap, Noise, Oversubscription, PcieLink, ServerSpec,
    ServiceTime, ShadowSpec, SimError, SimInput, TimeoutAction, simulate,
};
use crate::domain::{ActionKind, Failure, RequestRecord, WorkloadId, WorkloadName};
use crate::units::{Milliseconds, Nanoseconds};
use crate::workload::{ArrivalPhase, ArrivalSpec};
use proptest::prelude::*;
use proptest::sample::select;

fn ns(ms: f64) -> Nanoseconds {
    Nanoseconds::from_f64(ms * 1e6)
}

fn ms(ms: f64) -> Milliseconds {
    Milliseconds::new(ms).unwrap()
}

fn model(load: f64, fixed: f64, feedback: f64) -> FakeModel {
    FakeModel { load, fixed, per_request: 0.0, feedback }
}

/// Servers of batch 1 on one GPU, one for each model; evenly spaced requests from 0 on.
fn scenario(models: &[FakeModel], rate: f64) -> FakeScenario {
    let server = |m| FakeServer::new(m, 1, rate, ArrivalSpec::Constant);
    let servers = (0..models.len()).map(server).collect();
    FakeScenario::new(FakePredictor::new(models.to_vec(), 0.0), &[servers])
}

fn run(scenario: &FakeScenario, spec: EngineSpec, ms: f64) -> GpuOutcome<Everything> {
    run_with(scenario, spec, ms, &Control::default())
}

fn run_with(
    scenario: &FakeScenario,
    spec: EngineSpec,
    ms: f64,
    control: &Control,
) -> GpuOutcome<Everything> {
    let input = SimInput { control: Some(control), ..scenario.input(spec, ms / 1e3, 1) };
    simulate(&input, |_| Everything::default()).unwrap().gpus.remove(0)
}

fn of(outcome: &GpuOutcome<Everything>, workload: usize) -> Vec<RequestRecord> {
    let records = outcome.sink.records.iter();
    records.filter(|record| record.workload == WorkloadId::new(workload)).copied().collect()
}

fn fault(at: f64, lasts: f64, what: FaultKind) -> Control {
    let fault = Fault { at: ns(at), lasts: Some(ns(lasts)), what };
    Control { controller: ControllerSpec::None, faults: vec![fault] }
}

fn serial() -> EngineSpec {
    EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() }
}

#[test]
fn host_time_and_start_up_by_hand() {
    // The server starts at 5. Host 1 + 0.5 for the one request, copy 3: on the GPU at 9.5; execution 4:
    // 13.5; copy back 1: 14.5; the answer takes 2 more: 16.5, which keeps no instance.
    let mut scenario = scenario(&[model(3.0, 4.0, 1.0)], 1.0);
    scenario.workloads[0].server = ServerSpec {
        batch_overhead: ms(1.0),
        row_overhead: ms(0.5),
        request_overhead: ms(2.0),
        startup: ns(5.0),
        ..ServerSpec::default()
    };
    for pcie in [PcieLink::Private, PcieLink::Shared] {
        let outcome = run(&scenario, EngineSpec { pcie, ..serial() }, 10.0);
        let r = of(&outcome, 0)[0];
        let times = [r.load_start, r.load_end, r.exec_start, r.exec_end, r.done];
        assert_eq!(times, [5.0, 9.5, 9.5, 13.5, 16.5].map(ns));
        assert_eq!(outcome.end, ns(14.5));
    }
}

#[test]
fn host_times_vary_around_their_means_and_copies_do_not() {
    // Requests 50 ms apart, alone on their way: host 2 + 0.5, copy 3, execution 4, copy back 1, answer 3.
    let server = ServerSpec {
        batch_overhead: ms(2.0),
        row_overhead: ms(0.5),
        request_overhead: ms(3.0),
        batch_overhead_cv: 0.5,
        request_overhead_cv: 1.0,
        ..ServerSpec::default()
    };
    let mut varying = scenario(&[model(3.0, 4.0, 1.0)], 20.0);
    varying.workloads[0].server = server;
    let mut fixed = scenario(&[model(3.0, 4.0, 1.0)], 20.0);
    fixed.workloads[0].server =
        ServerSpec { batch_overhead_cv: 0.0, request_overhead_cv: 0.0, ..server };
    for pcie in [PcieLink::Private, PcieLink::Shared] {
        let spec = EngineSpec { pcie, ..serial() };
        let records = of(&run(&varying, spec, 200_000.0), 0);
        assert_eq!(records, of(&run(&varying, spec, 200_000.0), 0), "drawn from the seed");
        let host: Vec<f64> =
            records.iter().map(|r| (r.load_end - r.load_start).as_ms() - 3.0).collect();
        let answer: Vec<f64> =
            records.iter().map(|r| (r.done - r.exec_end).as_ms() - 1.0).collect();
        let statistics = |values: &[f64]| {
            let mean = crate::stats::mean(values).unwrap();
            (mean, crate::stats::standard_deviation(values).unwrap() / mean)
        };
        // 4000 requests: a mean within four standard errors, 4 · cv/√4000 = 3 % and 6 %, and the cv within a tenth
        // and a fifth, as its tail is long.
        assert_eq!(records.len(), 4000);
        let ((mean, cv), (mean_answer, cv_answer)) = (statistics(&host), statistics(&answer));
        assert!((mean / 2.5 - 1.0).abs() < 0.03 && (cv / 0.5 - 1.0).abs() < 0.1, "{mean} {cv}");
        assert!((mean_answer / 3.0 - 1.0).abs() < 0.06, "{mean_answer}");
        assert!((cv_answer - 1.0).abs() < 0.2, "{cv_answer}");
        assert!(host.iter().chain(&answer).all(|&ms| ms > 0.0));
        assert!(records.iter().all(|r| r.exec_end - r.exec_start == ns(4.0)));
        let fixed = of(&run(&fixed, spec, 1_000.0), 0);
        assert!(fixed.iter().all(|r| r.load_end - r.load_start == ns(5.5)));
        assert!(fixed.iter().all(|r| r.done - r.exec_end == ns(4.0)));
    }
}

#[test]
fn host_times_of_one_workload_change_no_other() {
    let ran = |cv: f64| {
        let mut two = scenario(&[model(1.0, 4.0, 1.0), model(1.0, 5.0, 1.0)], 50.0);
        two.workloads[0].server =
            ServerSpec { batch_overhead: ms(1.0), batch_overhead_cv: cv, ..ServerSpec::default() };
        two.workloads[1].server.noise = Noise::Cv(0.2);
        run(&two, EngineSpec { interference: Interference::None, ..serial() }, 1_000.0)
    };
    let (quiet, varying) = (ran(0.0), ran(0.8));
    assert_eq!(of(&quiet, 1), of(&varying, 1));
    assert_ne!(of(&quiet, 0), of(&varying, 0));
}

#[test]
fn noise_of_the_profile_is_that_of_the_model_on_the_kind() {
    let with = |noise: [Noise; 2], measured: &[(usize, f64)]| {
        let mut scenario = scenario(&[model(1.0, 4.0, 1.0), model(1.0, 5.0, 1.0)], 50.0);
        for (workload, noise) in scenario.workloads.iter_mut().zip(noise) {
            workload.server.noise = noise;
        }
        for (model, cv) in measured {
            scenario.predictor.measured_noise(*model, *cv);
        }
        scenario
    };
    let ran = |scenario: &FakeScenario| run(scenario, serial(), 500.0).sink;
    let measured = [(0, 0.1), (1, 0.3)];
    let of_profile = ran(&with([Noise::Profile; 2], &measured));
    assert_eq!(of_profile, ran(&with([Noise::Cv(0.1), Noise::Cv(0.3)], &[])));
    assert_ne!(of_profile, ran(&with([Noise::Cv(0.3), Noise::Cv(0.1)], &measured)));
    // What was measured means nothing to those who do not ask for it.
    assert_eq!(ran(&with([Noise::NONE; 2], &measured)), ran(&with([Noise::NONE; 2], &[])));
    let missing = with([Noise::Profile; 2], &measured[..1]);
    let input = missing.input(serial(), 0.5, 1);
    let error = simulate(&input, |_| Everything::default()).unwrap_err();
    assert!(matches!(error, SimError::NoNoise { .. }), "{error}");
    assert!(error.to_string().contains("W1") && error.to_string().contains("m1"), "{error}");
}

#[test]
fn copies_share_the_link_but_not_with_those_in_the_other_direction() {
    // A and B both copy 4 ms in from 0: 8 each. Both execute 1 ms and copy 2 ms back at once: 9 + 4.
    let both = scenario(&[model(4.0, 1.0, 2.0), model(4.0, 1.0, 2.0)], 1.0);
    let shared = EngineSpec { pcie: PcieLink::Shared, ..serial() };
    let outcome = run(&both, shared, 10.0);
    for workload in [0, 1] {
        let r = of(&outcome, workload)[0];
        assert_eq!([r.load_end, r.exec_end, r.done], [8.0, 9.0, 13.0].map(ns));
    }
    // B's host needs 2 ms first: A copies alone until 2, then shares: 2 + 2 · 2 = 6. B has 2 of its 4 ms
    // left then, and ends at 8. A copies back from 7 on while B copies in: 7 + 2 = 9. B from 9 on: 11.
    let mut late = both;
    late.workloads[1].server.batch_overhead = ms(2.0);
    let outcome = run(&late, shared, 10.0);
    let (a, b) = (of(&outcome, 0)[0], of(&outcome, 1)[0]);
    assert_eq!([a.load_end, a.exec_end, a.done], [6.0, 7.0, 9.0].map(ns));
    assert_eq!([b.load_end, b.exec_end, b.done], [8.0, 9.0, 11.0].map(ns));
}

#[test]
fn a_crash_loses_who_is_there_and_who_comes_until_the_restart() {
    // Requests at 0, 10, 20, 30, 40, each executes 10 ms. From 5 to 15 the server is down: that of 0 is
    // lost at 5, that of 10 when it arrives.
    let scenario = scenario(&[model(0.0, 10.0, 0.0)], 100.0);
    let name = WorkloadName::new("W0").unwrap();
    let control = fault(5.0, 10.0, FaultKind::WorkloadCrashes(name));
    let outcome = run_with(&scenario, serial(), 50.0, &control);
    let failed: Vec<_> = outcome.sink.failed.iter().map(|f| (f.arrival, f.at, f.failure)).collect();
    let lost = Failure::Lost;
    assert_eq!(failed, [(ns(0.0), ns(5.0), lost), (ns(10.0), ns(10.0), lost)]);
    let done: Vec<_> = of(&outcome, 0).iter().map(|r| (r.arrival, r.done)).collect();
    assert_eq!(done, [(20.0, 30.0), (30.0, 40.0), (40.0, 50.0)].map(|(a, d)| (ns(a), ns(d))));
    let server = outcome.servers[0];
    assert_eq!((server.arrived, server.completed, server.failed), (5, 3, 2));
    let actions: Vec<_> = outcome.actions.iter().map(|a| (a.effective, a.kind, a.to)).collect();
    let expected = [(ns(5.0), ActionKind::Down, Some(1.0)), (ns(15.0), ActionKind::Up, None)];
    assert_eq!(actions, expected);
    let busy: Vec<_> = outcome.sink.intervals.iter().map(|i| (i.start, i.running)).collect();
    assert_eq!(busy[..3], [(ns(0.0), 1), (ns(5.0), 0), (ns(20.0), 1)]);
}

#[test]
fn a_crash_before_the_start_makes_no_server_start_early() {
    // Instances accept work from 50 ms on; requests come at 0, 25, 50 and 75, and those that come while the server
    // is down are lost. After a crash from 10 to 20, that of 25 waits until 50. After one until 55, none waits.
    let mut scenario = scenario(&[model(0.0, 1.0, 0.0)], 40.0);
    scenario.workloads[0].server.startup = ns(50.0);
    let crash = |at: f64, lasts: f64| Fault {
        at: ns(at),
        lasts: Some(ns(lasts)),
        what: FaultKind::WorkloadCrashes(WorkloadName::new("W0").unwrap()),
    };
    for (faults, first, failed) in [
        (vec![crash(10.0, 10.0)], 50.0, 1),
        (vec![crash(10.0, 10.0), crash(22.0, 8.0)], 50.0, 2),
        (vec![crash(10.0, 45.0)], 75.0, 3),
    ] {
        let control = Control { controller: ControllerSpec::None, faults };
        let outcome = run_with(&scenario, serial(), 100.0, &control);
        assert_eq!(of(&outcome, 0)[0].exec_start, ns(first));
        assert_eq!(outcome.servers[0].failed, failed);
    }
}

#[test]
fn a_slow_gpu_keeps_the_work_that_was_done() {
    // 10 ms from 0 on. From 5 to 9 at half the speed: 2 of the 5 ms that are left; 3 more: 12.
    let scenario = scenario(&[model(0.0, 10.0, 0.0)], 1.0);
    let slows = FaultKind::GpuSlows { gpu: FaultyGpu::Number(0), factor: 2.0 };
    let outcome = run_with(&scenario, serial(), 20.0, &fault(5.0, 4.0, slows));
    assert_eq!(of(&outcome, 0)[0].exec_end, ns(12.0));
    let factors: Vec<_> = outcome.actions.iter().map(|a| (a.from, a.to)).collect();
    assert_eq!(factors, [(Some(1.0), Some(2.0)), (Some(2.0), Some(1.0))]);
}

#[test]
fn a_gpu_that_fails_takes_all_its_servers_with_it() {
    let scenario = scenario(&[model(0.0, 10.0, 0.0), model(9.0, 1.0, 5.0)], 10.0);
    let name = WorkloadName::new("W1").unwrap();
    for pcie in [PcieLink::Private, PcieLink::Shared] {
        let fails = FaultKind::GpuFails(FaultyGpu::Of(name.clone()));
        let spec = EngineSpec { pcie, ..serial() };
        let outcome = run_with(&scenario, spec, 150.0, &fault(5.0, 20.0, fails));
        let failed: Vec<_> = outcome.sink.failed.iter().map(|f| (f.workload, f.at)).collect();
        assert_eq!(failed, [0, 1].map(|w| (WorkloadId::new(w), ns(5.0))));
        assert_eq!(outcome.actions[0].to, Some(2.0));
        assert_eq!(outcome.sink.records.len(), 2, "those of 100 ms");
    }
}

#[test]
fn a_standby_drains_the_queue_that_made_it_take_over() {
    // 4 ms with 25 % serve 250 requests/s of 300: after 1 s the oldest waits for 0.2 s > SLO 0.1 s. With
    // 35 % a request takes 2.86 ms, 350/s: the queue is gone after one more second.
    let mut scenario = scenario(&[model(0.0, 1.0, 0.0)], 300.0);
    scenario.predictor.by_share = true;
    let control =
        Control { controller: ControllerSpec::Shadow(ShadowSpec::default()), faults: Vec::new() };
    let outcome = run_with(&scenario, serial(), 5000.0, &control);
    let [action] = &outcome.actions[..] else { panic!("{:?}", outcome.actions) };
    let times = (action.decided, action.effective, action.kind);
    assert_eq!(times, (ns(1000.0), ns(1000.0), ActionKind::Standby));
    assert_eq!((action.from, action.to), (Some(25.0), Some(35.0)));
    let p99: Vec<f64> = outcome.windows.iter().map(|w| w.p99.unwrap().as_ms()).collect();
    assert!(p99[0] > 150.0 && p99[1] > 100.0 && p99[3] < 4.0 && p99.len() == 5, "{p99:?}");
    let completed: u64 = outcome.windows.iter().map(|w| w.completed).sum();
    assert!(completed <= outcome.servers[0].completed && completed > 1490);
}

#[test]
fn a_share_change_pauses_its_server_for_as_long_as_it_takes() {
    // GSLICE starts fresh: batch 1 and 30 %. 4 ms · 100/30 = 13.3 ms of a budget of 50: batches grow to 4,
    // then the share follows. While it changes, for 5 ms, no batch begins.
    let mut scenario = scenario(&[model(0.0, 1.0, 0.0)], 200.0);
    scenario.predictor.by_share = true;
    let gslice = GsliceSpec {
        period: ns(200.0),
        reconfigure: ns(5.0),
        fresh_start: true,
        ..GsliceSpec::default()
    };
    let control = Control { controller: ControllerSpec::Gslice(gslice), faults: Vec::new() };
    let outcome = run_with(&scenario, serial(), 3000.0, &control);
    let shares: Vec<_> = outcome.actions.iter().filter(|a| a.kind == ActionKind::Share).collect();
    assert!(shares.len() > 1);
    assert_eq!((shares[0].effective, shares[0].to), (ns(0.0), Some(30.0)));
    for action in &shares[1..] {
        assert_eq!(action.effective - action.decided, ns(5.0));
        let begins =
            |r: &RequestRecord| action.decided < r.load_start && r.load_start < action.effective;
        assert!(!outcome.sink.records.iter().any(begins), "{action:?}");
    }
}

/// The most that the shares of all servers add up to after any action, in percent.
fn most_shared(outcome: &GpuOutcome<Everything>, start: &[f64]) -> f64 {
    let mut shares = start.to_vec();
    let mut most: f64 = shares.iter().sum();
    let mut actions = outcome.actions.iter().filter(|a| a.kind != ActionKind::Batch).peekable();
    while let Some(action) = actions.next() {
        let server = action.workload.unwrap().index();
        assert_eq!(action.from, Some(shares[server]), "{action:?}");
        shares[server] = action.to.unwrap();
        // Changes of one instant belong together.
        if actions.peek().is_none_or(|next| next.effective > action.effective) {
            most = most.max(shares.iter().sum());
        }
    }
    most
}

#[test]
fn changes_that_take_longer_than_a_period_are_asked_for_once() {
    // A request takes 1 ms · 100/share. W0 is late in the first window, W1 (whose requests
    // begin later) in the second, while the standby of W0 is under way: 50 and 35 % leave 15 % for both.
    let phases = |first| {
        let arrival = || ArrivalSpec::Constant;
        let phase =
            |rate_scale| ArrivalPhase { duration: ns(1000.0), rate_scale, arrival: arrival() };
        ArrivalSpec::Phases { phases: vec![phase(first), phase(1.0)] }
    };
    let server = |model, share, rate, first| FakeServer {
        share,
        ..FakeServer::new(model, 1, rate, phases(first))
    };
    let models = vec![model(0.0, 1.0, 0.0); 2];
    let servers = vec![server(0, 50, 900.0, 1.0), server(1, 35, 600.0, 0.01)];
    let mut scenario = FakeScenario::new(FakePredictor::new(models, 0.0), &[servers]);
    scenario.predictor.by_share = true;
    let shadow = ShadowSpec { period: ns(1000.0), extra_pct: 10.0, switch: ns(1500.0) };
    let control = Control { controller: ControllerSpec::Shadow(shadow), faults: Vec::new() };
    let outcome = run_with(&scenario, serial(), 6000.0, &control);
    let shares: Vec<_> = outcome.actions.iter().map(|a| (a.effective, a.to)).collect();
    assert_eq!(shares, [(ns(2500.0), Some(60.0)), (ns(3500.0), Some(40.0))]);
    assert_eq!(most_shared(&outcome, &[50.0, 35.0]), 100.0);

    for oversubscription in [Oversubscription::Scale, Oversubscription::Overlap] {
        let gslice = GsliceSpec {
            period: ns(100.0),
            reconfigure: ns(250.0),
            oversubscription,
            fresh_start: false,
        };
        let control = Control { controller: ControllerSpec::Gslice(gslice), faults: Vec::new() };
        let outcome = run_with(&scenario, serial(), 6000.0, &control);
        let shares: Vec<_> =
            outcome.actions.iter().filter(|a| a.kind == ActionKind::Share).collect();
        assert!(!shares.is_empty());
        assert!(shares.iter().all(|a| a.from != a.to), "{shares:?}");
        if oversubscription == Oversubscription::Scale {
            assert!(most_shared(&outcome, &[50.0, 35.0]) <= 100.0 + 1e-9);
        }
        // Until the last of several changes is done, no batch begins.
        for action in shares {
            let begins = |r: &RequestRecord| {
                let own = Some(r.workload) == action.workload;
                own && action.decided < r.load_start && r.load_start < action.effective
            };
            assert!(!outcome.sink.records.iter().any(begins), "{action:?}");
        }
    }
}

#[test]
fn overlapping_shares_get_their_part_while_they_execute_together() {
    // Fresh start with four servers: 30 % each is 120 %. Overlap: alone 1 ms · 100/30; all four at once
    // get 25 % each: 4 ms.
    let mut scenario = scenario(&[model(0.0, 1.0, 0.0); 4], 1.0);
    scenario.predictor.by_share = true;
    for (oversubscription, expected) in
        [(Oversubscription::Overlap, 4.0), (Oversubscription::Scale, 4.0)]
    {
        let gslice = GsliceSpec { oversubscription, fresh_start: true, ..GsliceSpec::default() };
        let control = Control { controller: ControllerSpec::Gslice(gslice), faults: Vec::new() };
        let outcome = run_with(&scenario, serial(), 10.0, &control);
        assert!(outcome.sink.records.iter().all(|r| r.exec_end == ns(expected)));
        assert!(outcome.sink.intervals.iter().all(|i| i.busy_sm_pct <= 100.0 + 1e-9));
        let shares: Vec<_> = outcome.actions.iter().filter_map(|a| a.to).collect();
        let share = if oversubscription == Oversubscription::Overlap { 30.0 } else { 25.0 };
        assert!(shares.iter().all(|s| (s - share).abs() < 1e-9), "{shares:?}");
    }
}

#[test]
fn a_fault_of_nobody_is_refused() {
    let scenario = scenario(&[model(0.0, 1.0, 0.0)], 1.0);
    let refused = |what| {
        let control = fault(0.0, 1.0, what);
        let input = SimInput { control: Some(&control), ..scenario.input(serial(), 1.0, 1) };
        simulate(&input, |_| Everything::default()).unwrap_err()
    };
    let error = refused(FaultKind::GpuFails(FaultyGpu::Number(1)));
    assert!(matches!(error, SimError::NoSuchGpu { gpu: 1, gpus: 1 }), "{error}");
    let nobody = WorkloadName::new("nobody").unwrap();
    let error = refused(FaultKind::WorkloadCrashes(nobody));
    assert!(error.to_string().contains("nobody"), "{error}");
}

fn any_server() -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![Just(ArrivalSpec::Constant), Just(ArrivalSpec::Poisson)];
    let delay = prop_oneof![Just(0.0), 0.0..10.0_f64];
    let policy = (0..8_u32, prop_oneof![Just(0.0), 0.0..10.0_f64], any::<bool>(), 0.0..=1.0_f64);
    let batching = (delay, policy, 1..3_u32).prop_map(
        |(delay, (max_queue_size, timeout, delays, completion_race), instances)| BatchingSpec {
            max_queue_delay: ms(delay),
            instances,
            max_queue_size,
            timeout: ms(timeout),
            timeout_action: if delays { TimeoutAction::Delay } else { TimeoutAction::Reject },
            completion_race,
            ..BatchingSpec::default()
        },
    );
    let costs =
        (0.0..0.5_f64, 0.0..1.0_f64, 0.0..50.0_f64).prop_map(|(cv, host, startup)| ServerSpec {
            noise: Noise::Cv(cv),
            batch_overhead: ms(host),
            batch_overhead_cv: host / 2.0,
            request_overhead: ms(host),
            request_overhead_cv: cv,
            startup: ns(startup),
            ..ServerSpec::default()
        });
    (0..2_usize, 1..8_u32, 1..60_u32, 10.0..1500.0_f64, arrival, batching, costs).prop_map(
        |(model, batch, share, rate, arrival, batching, server)| FakeServer {
            model,
            batch,
            share,
            rate,
            arrival,
            batching,
            server,
        },
    )
}

fn any_control(servers: usize) -> impl Strategy<Value = Control> {
    let period = || (5.0..60.0_f64).prop_map(ns);
    let controller =
        prop_oneof![
            Just(ControllerSpec::None),
            (period(), 0.0..20.0_f64).prop_map(|(period, switch)| ControllerSpec::Shadow(
                ShadowSpec { period, extra_pct: 10.0, switch: ns(switch) }
            )),
            (period(), 0.0..20.0_f64, any::<bool>(), any::<bool>()).prop_map(
                |(period, reconfigure, overlap, fresh_start)| ControllerSpec::Gslice(GsliceSpec {
                    period,
                    reconfigure: ns(reconfigure),
                    oversubscription: if overlap {
                        Oversubscription::Overlap
                    } else {
                        Oversubscription::Scale
                    },
                    fresh_start,
                })
            ),
        ];
    let name = move |i: usize| WorkloadName::new(&format!("W{}", i % servers)).unwrap();
    let what =
        (0..3_usize, any::<usize>(), 0.3..3.0_f64).prop_map(move |(kind, i, factor)| match kind {
            0 => FaultKind::GpuFails(FaultyGpu::Number(0)),
            1 => FaultKind::GpuSlows { gpu: FaultyGpu::Of(name(i)), factor },
            _ => FaultKind::WorkloadCrashes(name(i)),
        });
    let lasts = prop_oneof![4 => (0.1..60.0_f64).prop_map(|t| Some(ns(t))), 1 => Just(None)];
    let fault = (0.0..100.0_f64, lasts, what).prop_map(|(at, lasts, what)| Fault {
        at: ns(at),
        lasts,
        what,
    });
    (controller, prop::collection::vec(fault, 0..5))
        .prop_map(|(controller, faults)| Control { controller, faults })
}

fn any_run() -> impl Strategy<Value = (FakeScenario, EngineSpec, Control)> {
    let models = prop::collection::vec(
        (0.0..2.0_f64, 0.1..4.0_f64, 0.0..1.0_f64).prop_map(|(l, f, b)| model(l, f, b)),
        2,
    );
    let servers = prop::collection::vec(any_server(), 1..4);
    let spec = (
        select(vec![LoadOverlap::Overlapped, LoadOverlap::Serial]),
        select(vec![PcieLink::Private, PcieLink::Shared]),
        select(vec![Interference::Dynamic, Interference::Static]),
    )
        .prop_map(|(overlap, pcie, interference)| EngineSpec {
            interference,
            overlap,
            service: ServiceTime::Deterministic,
            pcie,
        });
    (models, servers, spec).prop_flat_map(|(models, servers, spec)| {
        any_control(servers.len()).prop_map(move |control| {
            let mut predictor = FakePredictor::new(models.clone(), 0.2);
            predictor.by_share = true;
            (FakeScenario::new(predictor, std::slice::from_ref(&servers)), spec, control)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_request_is_accounted_for_whatever_happens(
        (scenario, spec, control) in any_run(), seed: u64,
    ) {
        let input = SimInput { control: Some(&control), ..scenario.input(spec, 0.1, seed) };
        let run = || simulate(&input, |_| Everything::default()).unwrap().gpus.remove(0);
        let gpu = run();
        prop_assert_eq!(&gpu, &run(), "the same twice");
        for r in &gpu.sink.records {
            let times = [r.arrival, r.load_start, r.load_end, r.exec_start, r.exec_end, r.done];
            prop_assert!(times.is_sorted(), "{:?}", r);
        }
        prop_assert!(gpu.sink.failed.iter().all(|f| f.arrival <= f.at));
        let of = |id| {
            let done = gpu.sink.records.iter().filter(|r| r.workload == id).count() as u64;
            (done, gpu.sink.failed.iter().filter(|f| f.workload == id).count() as u64)
        };
        for server in &gpu.servers {
            prop_assert_eq!(of(server.workload), (server.completed, server.failed));
            prop_assert_eq!(server.arrived, server.completed + server.failed);
        }
        let mut end = Nanoseconds::ZERO;
        for interval in &gpu.sink.intervals {
            prop_assert_eq!(interval.start, end);
            prop_assert!(interval.end > interval.start);
            end = interval.end;
        }
        prop_assert_eq!(end, gpu.end);
        prop_assert!(gpu.actions.iter().all(|a| a.decided <= a.effective));
        prop_assert!(gpu.actions.is_sorted_by_key(|a| a.effective));
    }
}
