//! Servers that take turns, against hand arithmetic.

use super::super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::super::{
    Control, ControllerSpec, EngineSpec, FaultKind, GsliceSpec, Interference, SimError, SimInput,
    simulate,
};
use super::{fault, model, ns, of, run, run_with, serial};
use crate::arrivals::ArrivalSpec;
use igniter_model::domain::WorkloadName;

/// Servers that take turns in the given slots of one GPU.
fn turns(models: &[FakeModel], of: &[(u32, f64, Option<u32>)], slowdown: f64) -> FakeScenario {
    let server = |(m, &(batch, rate, _))| FakeServer::new(m, batch, rate, ArrivalSpec::Constant);
    let servers: Vec<FakeServer> = of.iter().enumerate().map(server).collect();
    let mut scenario = FakeScenario::new(FakePredictor::new(models.to_vec(), slowdown), &[servers]);
    for (placement, (_, _, slot)) in scenario.plan.gpus[0].placements.iter_mut().zip(of) {
        placement.time_slot = *slot;
    }
    scenario
}

/// Load, execution and feedback of 1, 4 and 2 ms.
const SEVEN: FakeModel = FakeModel { load: 1.0, fixed: 4.0, per_request: 0.0, feedback: 2.0 };

#[test]
fn one_batch_at_a_time_copies_included() {
    // Both get a request at 0. W0 has the turn until 7 ms, then W1 until 14; alone on its SMs, neither is slowed.
    let slot = Some(0);
    let scenario = turns(&[SEVEN, SEVEN], &[(1, 10.0, slot), (1, 10.0, slot)], 1.0);
    for spec in [EngineSpec::default(), serial()] {
        let outcome = run(&scenario, spec, 50.0);
        let (a, b) = (of(&outcome, 0), of(&outcome, 1));
        assert_eq!((a[0].load_start, a[0].exec_end, a[0].done), (ns(0.0), ns(5.0), ns(7.0)));
        assert_eq!((b[0].load_start, b[0].exec_end, b[0].done), (ns(7.0), ns(12.0), ns(14.0)));
    }
}

#[test]
fn who_comes_after_the_last_is_asked_first_and_takes_what_has_come() {
    // Turns of 10 ms. W0 has a request every 4 ms and batches of 4: it has the turn at 0. At 10 ms W1 has its turn, then W2,
    // though W0 waits with 2 and at 20 ms with 5; at 30 ms it takes 4 of 7 (those of 4 to 16 ms).
    let ten = model(0.0, 10.0, 0.0);
    let slot = Some(3);
    let scenario = turns(&[ten; 3], &[(4, 250.0, slot), (1, 10.0, slot), (1, 10.0, slot)], 0.0);
    let outcome = run(&scenario, EngineSpec::default(), 100.0);
    let starts = |w| -> Vec<u64> {
        let mut starts: Vec<u64> =
            of(&outcome, w).iter().map(|r| r.load_start.get() / 1_000_000).collect();
        starts.dedup();
        starts
    };
    assert_eq!((starts(1)[0], starts(2)[0]), (10, 20));
    assert_eq!(starts(0)[..2], [0, 30]);
    let second: Vec<_> = of(&outcome, 0).into_iter().filter(|r| r.batch == 1).collect();
    assert_eq!(
        second.iter().map(|r| r.arrival).collect::<Vec<_>>(),
        [4.0, 8.0, 12.0, 16.0].map(ns)
    );
}

#[test]
fn a_turn_is_not_kept_for_who_has_nothing() {
    // W1 gets its first requests at 0 and 100 ms: between them all turns are W0's.
    let ten = model(0.0, 10.0, 0.0);
    let scenario = turns(&[ten; 2], &[(1, 100.0, Some(0)), (1, 10.0, Some(0))], 0.0);
    let outcome = run(&scenario, EngineSpec::default(), 100.0);
    let starts: Vec<_> = of(&outcome, 0).iter().map(|r| r.load_start).take(4).collect();
    assert_eq!(starts, [0.0, 20.0, 30.0, 40.0].map(ns));
}

#[test]
fn nobody_waits_for_a_batch_to_fill() {
    // A batch of 8 would fill in 80 ms, and may wait for 100: in a slot, the first request is served at once.
    let ten = model(0.0, 10.0, 0.0);
    let mut scenario = turns(&[ten; 2], &[(8, 100.0, Some(0)), (8, 100.0, Some(0))], 0.0);
    for workload in &mut scenario.workloads {
        workload.batching.max_queue_delay = super::ms(100.0);
    }
    let outcome = run(&scenario, EngineSpec::default(), 100.0);
    assert_eq!(of(&outcome, 0)[0].done, ns(10.0));
    assert_eq!(of(&outcome, 1)[0].done, ns(20.0));
    assert!(of(&outcome, 1).iter().all(|r| r.latency() <= ns(30.0)));
}

#[test]
fn slots_run_side_by_side_and_slow_each_other() {
    // Each slot has a member that executes from 0 to 20 ms: 10 ms, twice as long beside one other.
    let ten = model(0.0, 10.0, 0.0);
    let of_slots = [(1, 1.0, Some(0)), (1, 1.0, Some(0)), (1, 1.0, Some(1))];
    let scenario = turns(&[ten; 3], &of_slots, 1.0);
    let outcome = run(&scenario, EngineSpec::default(), 50.0);
    assert_eq!(of(&outcome, 0)[0].exec_end, ns(20.0));
    assert_eq!(of(&outcome, 2)[0].exec_end, ns(20.0));
    assert_eq!((of(&outcome, 1)[0].exec_start, of(&outcome, 1)[0].exec_end), (ns(20.0), ns(30.0)));
    // The static worst case knows of one neighbour, not of two.
    let spec = EngineSpec { interference: Interference::Static, ..EngineSpec::default() };
    let outcome = run(&scenario, spec, 50.0);
    assert_eq!(of(&outcome, 1)[0].exec_end, ns(40.0));
}

#[test]
fn a_crash_gives_the_turn_to_the_next() {
    let ten = model(0.0, 10.0, 0.0);
    let scenario = turns(&[ten; 2], &[(1, 10.0, Some(0)), (1, 10.0, Some(0))], 0.0);
    let crash = FaultKind::WorkloadCrashes(WorkloadName::new("W0").unwrap());
    let outcome = run_with(&scenario, EngineSpec::default(), 150.0, &fault(4.0, 50.0, crash));
    assert_eq!(of(&outcome, 1)[0].load_start, ns(4.0));
    // The request of 100 ms is served again by both.
    assert_eq!(of(&outcome, 0)[0].load_start, ns(100.0));
    assert_eq!(of(&outcome, 1)[1].done, ns(120.0));
}

#[test]
fn a_controller_is_refused() {
    let scenario = turns(&[SEVEN], &[(1, 10.0, Some(0))], 0.0);
    let controller = ControllerSpec::Gslice(GsliceSpec::default());
    let control = Control { controller, faults: Vec::new() };
    let input =
        SimInput { control: Some(&control), ..scenario.input(EngineSpec::default(), 1.0, 1) };
    let error = simulate(&input, |_| Everything::default()).unwrap_err();
    assert!(matches!(error, SimError::ControlledTurns { gpu: 0 }));
    assert!(error.to_string().contains("time_slot"), "{error}");
}
