//! Every strategy against every rule that plans obey, and the planners of ours against the proven optimum.

use crate::common::instances;

use igniter::domain::{BoundMethod, Plan, Workload, WorkloadName};
use igniter::fit::{FitData, fit_predictor};
use igniter::plan::{
    Margin, PlanError, PlanOptions, PlanRequest, Replicas, STRATEGIES, Violation, check_plan,
    explain, lower_bound, strategy,
};
use igniter::predictor::igniter::{IgniterPredictor, ModelCoefficients};
use igniter::predictor::{Member, Predictor};
use igniter::units::{Bytes, Milliseconds, RequestsPerSecond, SmUnits};

/// Strategies that look at interference and so keep every promise as predicted.
const AWARE: [&str; 5] = ["igniter", "dedicated", "greedy", "exact", "optimal"];

fn plan(name: &str, request: &PlanRequest<'_>) -> Plan {
    strategy(name).unwrap().plan(request)
}

fn units(plan: &Plan) -> u32 {
    plan.gpus.iter().map(|gpu| gpu.total_sm().get()).sum()
}

/// Checks what holds of every plan, and of those that look at interference; returns how many are slow.
fn check(name: &str, plan: &Plan, request: &PlanRequest<'_>) -> usize {
    let violations = check_plan(plan, request);
    for violation in &violations {
        let slow =
            matches!(violation, Violation::TooSlow { .. } | Violation::TooLittleThroughput { .. });
        assert!(slow && !AWARE.contains(&name), "{name}: {violation}");
    }
    if let Some(bound) = &plan.bound {
        assert!(bound.gpus <= plan.gpus.len(), "{name}: {bound:?}");
    }
    assert!(plan.gpus.iter().all(|gpu| !gpu.placements.is_empty()), "{name}: an empty GPU");
    violations.len()
}

#[test]
fn every_strategy_obeys_every_rule() {
    let predictor = instances::v100();
    for seed in 0..6 {
        let count = [3, 14, 30][usize::try_from(seed % 3).unwrap()];
        let workloads = instances::paper_range(seed, count, &predictor);
        for replicas in [Replicas::Forbidden, Replicas::Allowed] {
            for process_limit in [1, 2, 48] {
                let options = PlanOptions {
                    replicas,
                    process_limit,
                    search_rounds: 2_000,
                    ..PlanOptions::default()
                };
                let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
                for name in STRATEGIES {
                    let first = plan(name, &request);
                    check(name, &first, &request);
                    assert_eq!(first, plan(name, &request), "{name} is not deterministic");
                }
            }
        }
    }
}

#[test]
fn more_members_than_a_gpu_has_units_are_divided() {
    // All 48 fit the process limit and the time of one V100, which has 40 units of 2.5 %.
    let predictor = instances::v100();
    let one = instances::paper_12().remove(0);
    let slow = |i: u32| Workload {
        name: WorkloadName::new(&format!("W{i}")).unwrap(),
        slo: Milliseconds::new(3000.0).unwrap(),
        rate: RequestsPerSecond::new(1.0).unwrap(),
        ..one.clone()
    };
    let workloads: Vec<Workload> = (0..48).map(slow).collect();
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    for name in STRATEGIES {
        check(name, &plan(name, &request), &request);
    }
}

#[test]
fn every_strategy_knows_what_memory_a_gpu_has() {
    let fitted = instances::v100();
    let with_memory = |gib: u64| {
        let known = Some(Bytes::new(gib << 30));
        let models = fitted.coefficients().iter();
        let models = models.map(|m| ModelCoefficients { memory_bytes: known, ..m.clone() });
        IgniterPredictor::new(fitted.kind().clone(), *fitted.hardware(), models.collect())
    };
    let workloads = instances::paper_range(1, 14, &fitted);
    // Of the 16160 MiB of a V100: two processes, one, none.
    for (gib, fits) in [(7, 2), (9, 1), (16, 0)] {
        let predictor = with_memory(gib);
        for replicas in [Replicas::Forbidden, Replicas::Allowed] {
            let options = PlanOptions { replicas, search_rounds: 500, ..PlanOptions::default() };
            let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
            for name in STRATEGIES {
                let plan = plan(name, &request);
                check(name, &plan, &request);
                assert!(plan.gpus.iter().all(|gpu| gpu.placements.len() <= fits), "{name}");
                assert_eq!(plan.gpus.is_empty(), fits == 0, "{name}");
            }
        }
    }
}

#[test]
fn optimal_equals_exact_and_bounds_hold_on_thirty_instances() {
    let predictor = instances::v100();
    for (number, workloads) in instances::thirty(&predictor).iter().enumerate() {
        let request = PlanRequest::new(workloads, &predictor).unwrap();
        let exact = plan("exact", &request);
        let bound = exact.bound.as_ref().unwrap();
        assert_eq!((bound.method, bound.gpus), (BoundMethod::Exhaustive, exact.gpus.len()));
        assert_eq!(bound.least_total_sm, Some(SmUnits::new(units(&exact))));
        assert!(lower_bound(&request).gpus <= exact.gpus.len(), "instance {number}");
        for name in STRATEGIES {
            let other = plan(name, &request);
            let slow = check(name, &other, &request);
            // `queueing` does not go by half of the SLO, which a workload of little load may exceed.
            let by_rule = *name != "queueing";
            assert!(
                !by_rule || slow > 0 || other.gpus.len() >= exact.gpus.len(),
                "{number}: {name}"
            );
            if *name == "optimal" {
                assert_eq!((other.gpus.len(), units(&other)), (exact.gpus.len(), units(&exact)));
            }
        }
    }
}

#[test]
fn the_large_search_is_as_good_as_the_exhaustive_one() {
    // 15 workloads are one more than the exhaustive search takes; the LP's bound must not exceed the plan.
    let predictor = instances::v100();
    for seed in 0..4 {
        let workloads = instances::noisy(seed, 40, Some(4));
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let best = plan("optimal", &request);
        check("optimal", &best, &request);
        let bound = best.bound.as_ref().unwrap();
        assert!(best.gpus.len() <= bound.gpus + 1, "{} GPUs, {bound:?}", best.gpus.len());
        assert!(best.gpus.len() <= plan("igniter", &request).gpus.len());
    }
}

#[test]
fn the_papers_twelve_need_six_gpus_and_five_with_a_replica() {
    let (predictor, workloads) = (instances::v100(), instances::paper_12());
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let best = plan("optimal", &request);
    check("optimal", &best, &request);
    // 465.0 % of a GPU are 186 units of 2.5 %.
    assert_eq!((best.gpus.len(), units(&best)), (6, 186));
    assert_eq!(best.bound.as_ref().unwrap().gpus, 6);

    let options = PlanOptions { replicas: Replicas::Allowed, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    let divided = plan("optimal", &request);
    check("optimal", &divided, &request);
    assert_eq!(divided.gpus.len(), 5);
    assert_eq!(divided.bound.as_ref().unwrap().gpus, 5);
    assert_eq!(divided.placements().filter(|(_, p)| p.served.is_some()).count(), 2);
}

#[test]
fn a_margin_leaves_room_and_never_costs_less() {
    let (predictor, workloads) = (instances::v100(), instances::paper_12());
    let mut before = 0;
    for margin_pct in [0.0, 5.0, 10.0] {
        let options = PlanOptions { margin: Margin::Percent(margin_pct), ..PlanOptions::default() };
        let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
        for name in ["igniter", "optimal"] {
            let plan = plan(name, &request);
            check(name, &plan, &request);
            for (_, placement) in plan.placements() {
                let workload = workloads.iter().find(|w| w.name == placement.workload).unwrap();
                let allowed = workload.slo.get() / 2.0 * (1.0 - margin_pct / 100.0);
                assert!(placement.predicted.unwrap().latency.get() <= allowed + 1e-9);
            }
            if name == "optimal" {
                assert!(plan.gpus.len() >= before);
                before = plan.gpus.len();
            }
        }
    }
}

#[test]
fn the_predictors_own_margin_leaves_room_for_its_error() {
    let profile = igniter::profile::load("v100").unwrap();
    let contention = fit_predictor("contention", &FitData::of(&profile)).unwrap().0;
    let contention = contention.as_ref();
    let workloads = instances::paper_12();
    let options = PlanOptions { margin: Margin::Predictor, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, contention, options).unwrap();
    let plain = PlanRequest::new(&workloads, contention).unwrap();
    for name in ["igniter", "greedy", "optimal"] {
        let guarded = plan(name, &request);
        check(name, &guarded, &request);
        assert!(guarded.gpus.len() >= plan(name, &plain).gpus.len());
        for gpu in &guarded.gpus {
            let members: Vec<Member> = (gpu.placements.iter())
                .map(|p| Member {
                    model: contention.model_id(&p.model).unwrap(),
                    batch: p.batch,
                    sm: p.sm.to_percent(contention.kind().units).unwrap(),
                })
                .collect();
            let margin = contention.uncertainty(&members, 0).unwrap().one_sided_pct;
            assert!(margin > 1.0, "{margin}");
            for placement in &gpu.placements {
                let workload = workloads.iter().find(|w| w.name == placement.workload).unwrap();
                let predicted = placement.predicted.unwrap();
                let worst = predicted.latency.get() * (1.0 + margin / 100.0);
                assert!(worst <= workload.slo.get() / 2.0 + 1e-9, "{name}: {worst}");
                let least = workload.rate.get() * (1.0 + margin / 100.0);
                assert!(predicted.throughput.get() >= least * (1.0 - 1e-6), "{name}");
            }
        }
    }
    // A predictor that says nothing of its error has no margin to give.
    let igniter = instances::v100();
    let error = PlanRequest::with_options(&workloads, &igniter, options).unwrap_err();
    assert!(matches!(error, PlanError::NoUncertainty { predictor: "igniter" }), "{error}");
}

#[test]
fn a_time_limit_ends_the_search() {
    let predictor = instances::v100();
    let workloads = instances::noisy(3, 300, None);
    let options = PlanOptions { time_limit_s: Some(0.05), ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    let limited = plan("optimal", &request);
    check("optimal", &limited, &request);
    assert!(limited.gpus.len() <= plan("greedy", &request).gpus.len());
}

#[test]
fn every_placement_is_explained() {
    let (predictor, workloads) = (instances::v100(), instances::paper_12());
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let plan = plan("igniter", &request);
    let explained = explain(&plan, &request);
    assert_eq!(explained.len(), 12);
    for (of, (gpu, placement)) in explained.iter().zip(plan.placements()) {
        assert_eq!((of.workload.as_str(), of.gpu), (placement.workload.as_str(), gpu));
        assert!((of.latency_ms - placement.predicted.unwrap().latency.get()).abs() < 1e-9);
        assert!(of.latency_ms <= of.budget_ms && of.throughput_ratio >= 1.0 - 1e-9);
        // Theorem 1's batch, and neighbours that only ever cost.
        assert_eq!(of.batch, of.theorem_1_batch);
        assert!(of.alone_pct.unwrap() <= of.sm_pct && of.slowdown_pct >= 0.0);
        assert_eq!(of.elsewhere.len(), plan.gpus.len() - 1);
    }
    // W12 fills its GPU but for 7.5 %: no other GPU has room for it.
    let w12 = explained.iter().find(|of| of.workload == "W12").unwrap();
    assert!(w12.elsewhere.iter().all(|(_, needed)| needed.is_none()));
    assert!(w12.to_string().contains("GPUs 1, 2, 3, 4, 5 have no room for it"), "{w12}");
}

#[test]
fn headroom_raises_throughput() {
    let (predictor, workloads) = (instances::v100(), instances::paper_12());
    let options = PlanOptions { throughput_headroom_pct: 10.0, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    let plan = plan("optimal", &request);
    for (_, placement) in plan.placements() {
        let workload = workloads.iter().find(|w| w.name == placement.workload).unwrap();
        let needed = workload.rate.get() * 1.1;
        assert!(placement.predicted.unwrap().throughput.get() >= needed * (1.0 - 1e-6));
    }
}

#[test]
fn bad_input_is_answered_in_words() {
    let predictor = instances::v100();
    let none: Vec<Workload> = Vec::new();
    let request = PlanRequest::new(&none, &predictor).unwrap();
    for name in STRATEGIES {
        let plan = plan(name, &request);
        assert!(plan.gpus.is_empty() && plan.infeasible.is_empty(), "{name}");
    }
    // Nothing can be served: 0.1 ms is shorter than any batch.
    let mut hopeless = instances::paper_12();
    for workload in &mut hopeless {
        workload.slo = Milliseconds::new(0.1).unwrap();
    }
    let request = PlanRequest::new(&hopeless, &predictor).unwrap();
    for name in STRATEGIES {
        let plan = plan(name, &request);
        assert!(plan.gpus.is_empty(), "{name}");
        assert_eq!(plan.infeasible.len(), 12, "{name}");
        assert!(check_plan(&plan, &request).is_empty(), "{name}");
    }
    let workloads = instances::paper_12();
    for (options, word) in [
        (PlanOptions { margin: Margin::Percent(100.0), ..PlanOptions::default() }, "margin"),
        (PlanOptions { margin: Margin::Percent(f64::NAN), ..PlanOptions::default() }, "margin"),
        (PlanOptions { throughput_headroom_pct: -1.0, ..PlanOptions::default() }, "headroom"),
        (PlanOptions { process_limit: 0, ..PlanOptions::default() }, "process limit"),
        (PlanOptions { time_limit_s: Some(0.0), ..PlanOptions::default() }, "time limit"),
    ] {
        let error = PlanRequest::with_options(&workloads, &predictor, options).unwrap_err();
        assert!(matches!(error, PlanError::Option { .. }));
        assert!(error.to_string().contains(word), "{error}");
    }
    let many = instances::noisy(1, 15, None);
    let request = PlanRequest::new(&many, &predictor).unwrap();
    let refused = plan("exact", &request);
    assert!(refused.infeasible[0].reason.contains("use optimal"));
}

#[test]
fn a_rate_beyond_one_gpu_is_divided_only_where_allowed() {
    let predictor = instances::v100();
    let mut workloads = instances::paper_12();
    workloads[2].rate = RequestsPerSecond::new(3_000.0).unwrap();
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    assert_eq!(plan("optimal", &request).infeasible.len(), 1);
    let options = PlanOptions { replicas: Replicas::Allowed, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    for name in ["optimal", "gpulets", "infless", "nexus"] {
        let plan = plan(name, &request);
        assert!(plan.infeasible.is_empty(), "{name}");
        check(name, &plan, &request);
        assert!(plan.placements().filter(|(_, p)| p.workload.as_str() == "W3").count() > 1);
    }
}
