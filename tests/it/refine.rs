//! Plans that are corrected by simulation.

use igniter::plan::Replicas;
use igniter::run::{Overrides, PlanOverrides, RunError, Study};
use igniter::scenario::Scenario;
use igniter::units::Nanoseconds;
use std::path::Path;

/// Three workloads on V100s; `arrival` and the rates decide how hard they are.
fn study(arrival: &str, replicas: Option<Replicas>) -> Study {
    let mut text = "version = 1\nduration_s = 6\n[[gpu]]\nkind = \"v100\"\n".to_owned();
    for (name, model, slo, rate) in
        [("A", "alexnet", 20, 200), ("B", "resnet50", 60, 100), ("C", "alexnet", 30, 100)]
    {
        text += &format!(
            "[[workload]]\nname = \"{name}\"\nmodel = \"{model}\"\nslo_ms = {slo}\nrate_rps = {rate}\n\
             arrival = {{ {arrival} }}\n"
        );
    }
    let scenario = Scenario::parse(&text, Path::new("refined.toml")).unwrap();
    assert_eq!(scenario.duration, Nanoseconds::from_seconds(6.0).unwrap());
    let plan = PlanOverrides { replicas, ..PlanOverrides::default() };
    Study::new(scenario, &Overrides { plan, ..Overrides::default() }).unwrap()
}

#[test]
fn a_refined_plan_reaches_the_target_where_the_rule_does_not() {
    let study = study("process = \"poisson\"", None);
    let igniter = igniter::plan::strategy("igniter").unwrap();
    let by_rule = study.simulate(&study.plan(igniter.as_ref())).unwrap();
    assert!(by_rule.misses() > 0, "half of the SLO is enough here, so nothing is tested");
    let refined = study.refine(99.0).unwrap();
    assert!(refined.met && refined.plan.infeasible.is_empty());
    assert_eq!(refined.result.misses(), 0);
    assert_eq!(study.simulate(&refined.plan).unwrap(), refined.result);
    assert_eq!(refined.needs.len(), 3);
    for need in &refined.needs {
        assert!(
            need.attained_pct >= 99.0 && need.load < 1.0 && need.latency_part < 1.0,
            "{need:?}"
        );
    }
    // What half of the SLO proves does not apply: the bound is of least shares that were simulated.
    let bound = refined.plan.bound.as_ref().unwrap();
    assert!(bound.gpus >= 1 && bound.gpus <= refined.plan.gpus.len(), "{bound:?}");
    assert!(bound.note.contains("99 % of its requests are in time in simulated runs"), "{bound:?}");
    // The same seed gives the same plan, on any number of threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| study.refine(99.0)).unwrap().plan, refined.plan);
}

#[test]
fn what_cannot_be_reached_is_said() {
    // Bursts of dozens of requests within 20 ms: too many for any share of one GPU.
    let bursty = "process = \"gamma\", cv = 12";
    let refined = study(bursty, Some(Replicas::Forbidden)).refine(99.9).unwrap();
    assert!(!refined.plan.infeasible.is_empty());
    let reason = &refined.plan.infeasible[0].reason;
    assert!(
        reason.contains("out of reach for 99.9 %: at best") && reason.contains("a whole GPU"),
        "{reason}"
    );
    assert!(refined.needs.len() + refined.plan.infeasible.len() == 3);
    // Several GPUs together serve at least as many of them.
    let divided = study(bursty, Some(Replicas::Allowed)).refine(99.9).unwrap();
    assert!(divided.plan.infeasible.len() <= refined.plan.infeasible.len());
    let bound = divided.plan.bound.as_ref().unwrap();
    assert!(
        bound.gpus <= divided.plan.gpus.len() && bound.covers.contains("equal replicas"),
        "{bound:?}"
    );
    for (_, placement) in divided.plan.placements() {
        let parts = divided.plan.placements().filter(|(_, p)| p.workload == placement.workload);
        assert_eq!(parts.count() > 1, placement.served.is_some());
    }
}

#[test]
fn a_target_that_makes_no_sense_is_refused() {
    let study = study("process = \"constant\"", None);
    for target in [0.0, 100.0, f64::NAN, -1.0] {
        assert!(matches!(study.refine(target), Err(RunError::RefineTarget { .. })));
    }
}
