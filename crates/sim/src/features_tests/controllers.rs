//! Standbys and GSLICE's tuning: what they do, when, and that shares never exceed a GPU.

use super::super::fake::{Everything, FakePredictor, FakeScenario, FakeServer};
use super::super::{Control, ControllerSpec, GpuOutcome, GsliceSpec, Oversubscription, ShadowSpec};
use super::{model, ns, run_with, scenario, serial};
use crate::arrivals::{ArrivalPhase, ArrivalSpec};
use igniter_model::domain::{ActionKind, RequestRecord};

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
    assert!((most_shared(&outcome, &[50.0, 35.0]) - 100.0).abs() < 1e-9);

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
