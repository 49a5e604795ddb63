//! What the host adds, when a server starts, and the link that copies share.

use super::super::fake::{Everything, FakeScenario};
use super::super::{EngineSpec, Interference, Noise, PcieLink, ServerSpec, SimError, simulate};
use super::{model, ms, ns, of, run, scenario, serial};

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
            let mean = igniter_model::stats::mean(values).unwrap();
            (mean, igniter_model::stats::standard_deviation(values).unwrap() / mean)
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
fn each_request_of_a_batch_has_its_own_way_back() {
    // Batches of four, all of whose requests leave the GPU at once.
    let mut scenario = scenario(&[model(0.0, 40.0, 0.0)], 100.0);
    scenario.plan.gpus[0].placements[0].batch = igniter_model::units::BatchSize::new(4).unwrap();
    scenario.workloads[0].server =
        ServerSpec { request_overhead: ms(3.0), request_overhead_cv: 0.5, ..ServerSpec::default() };
    let records = of(&run(&scenario, serial(), 2_000.0), 0);
    let full: Vec<_> =
        records.chunk_by(|a, b| a.batch == b.batch).filter(|b| b.len() == 4).collect();
    assert!(full.len() > 40);
    for batch in full {
        assert!(batch.iter().all(|r| r.exec_end == batch[0].exec_end));
        assert!((1..4).all(|i| batch[i].done != batch[i - 1].done), "{batch:?}");
    }
}

#[test]
fn answers_of_a_batch_leave_one_after_the_other() {
    // Batches of four execute 40 ms; each answer keeps the path 3 ms, and takes 1 ms more that keeps nobody waiting.
    let mut scenario = scenario(&[model(0.0, 40.0, 0.0)], 100.0);
    scenario.plan.gpus[0].placements[0].batch = igniter_model::units::BatchSize::new(4).unwrap();
    scenario.workloads[0].server =
        ServerSpec { request_overhead: ms(1.0), request_serial: ms(3.0), ..ServerSpec::default() };
    let records = of(&run(&scenario, serial(), 2_000.0), 0);
    let full: Vec<_> =
        records.chunk_by(|a, b| a.batch == b.batch).filter(|b| b.len() == 4).collect();
    assert!(full.len() > 40);
    for batch in full {
        let waits: Vec<_> = batch.iter().map(|r| (r.done - r.exec_end).as_ms()).collect();
        assert_eq!(waits, [4.0, 7.0, 10.0, 13.0]);
    }
    // Where a batch takes less time than its answers, those of the batches before are still on their way.
    scenario.workloads[0].server.request_serial = ms(20.0);
    let records = of(&run(&scenario, serial(), 2_000.0), 0);
    let waits: Vec<_> = records.iter().map(|r| (r.done - r.exec_end).as_ms()).collect();
    assert!(waits.windows(2).all(|w| w[1] > w[0] - 40.0 - 1e-6), "{waits:?}");
    assert!(records.windows(2).all(|r| r[1].done >= r[0].done + ns(20.0)));
}

/// Two requests at once on two instances of a server with 50 % of the SMs, where the time is in inverse proportion
/// to the share: 4 ms alone.
#[test]
fn instances_divide_the_sms_or_take_turns() {
    let took = |instance_slowdown, interference| {
        let mut scenario = scenario(&[model(0.0, 2.0, 0.0)], 1_000.0);
        scenario.predictor.by_share = true;
        scenario.plan.gpus[0].placements[0].sm = igniter_model::units::SmUnits::new(50);
        scenario.workloads[0].batching.instances = 2;
        scenario.workloads[0].server.instance_slowdown = instance_slowdown;
        // 1 000 requests/s are far more than it can serve: both execute from 1 ms on.
        let records = of(&run(&scenario, EngineSpec { interference, ..serial() }, 100.0), 0);
        let r = records[records.len() / 2];
        (r.exec_end - r.exec_start).as_ms()
    };
    for interference in [Interference::Dynamic, Interference::Static, Interference::None] {
        let cases = [(None, 8.0), (Some(1.0), 4.0), (Some(2.0), 8.0), (Some(2.25), 9.0)];
        for (slowdown, expected) in cases {
            let ms = took(slowdown, interference);
            assert!((ms - expected).abs() < 1e-5, "{interference:?} {slowdown:?}: {ms}");
        }
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
