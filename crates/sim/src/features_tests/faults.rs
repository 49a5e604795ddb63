//! Workloads that crash, GPUs that fail or slow down.

use super::super::fake::Everything;
use super::super::{
    Control, ControllerSpec, EngineSpec, Fault, FaultKind, FaultyGpu, PcieLink, SimError, SimInput,
    simulate,
};
use super::{fault, model, ns, of, run_with, scenario, serial};
use igniter_model::domain::{ActionKind, Failure, WorkloadId, WorkloadName};

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
