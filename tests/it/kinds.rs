//! Plans over several GPU kinds: the cheapest is found, legal, and simulated with the predictor of each kind.

use crate::common::instances;

use igniter::domain::{BoundMethod, GpuKind, Plan};
use igniter::fit::fit_igniter;
use igniter::plan::{
    PlanOptions, PlanRequest, Violation, check_plan_on_kinds, plan_on_kinds, strategy,
};
use igniter::predictor::Predictor;
use igniter::predictor::igniter::IgniterPredictor;
use igniter::profile;
use igniter::run::{Overrides, Study};
use std::path::Path;

fn synthetic() -> IgniterPredictor {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/kinds/t4-scaled");
    fit_igniter(&profile::load(folder).unwrap()).unwrap().0
}

fn cost(plan: &Plan, kinds: &[&GpuKind]) -> f64 {
    plan.cost_per_hour(kinds).get() + 1e6 * plan.infeasible.len() as f64
}

#[test]
fn the_cheapest_mix_is_legal_and_no_dearer_than_any_kind_alone() {
    let (v100, t4) = (instances::v100(), synthetic());
    let predictors: [&dyn Predictor; 2] = [&v100, &t4];
    let kinds = [v100.kind(), t4.kind()];
    let options = PlanOptions { search_rounds: 2_000, ..PlanOptions::default() };
    for workloads in [instances::paper_12(), instances::noisy(2, 40, None)] {
        let mut exact = f64::INFINITY;
        for name in ["optimal", "igniter", "greedy", "infless"] {
            let strategy = strategy(name).unwrap();
            let plans = plan_on_kinds(strategy.as_ref(), &workloads, &predictors, options).unwrap();
            let best = cost(&plans.best, &kinds);
            assert_eq!(plans.alone.len(), 2);
            for alone in &plans.alone {
                assert!(best <= cost(alone, &kinds) + 1e-6, "{name}");
            }
            let violations = check_plan_on_kinds(&plans.best, &workloads, &predictors, &options);
            let aware = name != "infless";
            assert!(violations.iter().all(|v| !aware && !v.is_structural()), "{violations:?}");
            let bound = plans.best.bound.as_ref().unwrap();
            let least = bound.least_cost_per_hour.unwrap().get();
            assert!(least <= best + 1e-6, "{name}: {bound:?}");
            if name == "optimal" && workloads.len() <= 14 {
                assert_eq!(bound.method, BoundMethod::Exhaustive);
                assert!((least - best).abs() < 1e-9);
                exact = best;
            }
            // Nothing that meets every demand is cheaper than the proven optimum.
            assert!(!aware || workloads.len() > 14 || best >= exact - 1e-6, "{name}");
            assert_eq!(
                plans,
                plan_on_kinds(strategy.as_ref(), &workloads, &predictors, options).unwrap(),
                "{name} is not deterministic"
            );
        }
    }
}

#[test]
fn one_kind_among_equals_is_as_good_as_one_kind() {
    // A second kind that is the first at twice the price is of no use.
    let profile = profile::load("v100").unwrap();
    let mut dear = profile.clone();
    dear.kind.name = igniter::domain::GpuKindName::new("dear").unwrap();
    dear.kind.price_per_hour = igniter::units::Dollars::new(6.12).unwrap();
    let (cheap, dear) = (fit_igniter(&profile).unwrap().0, fit_igniter(&dear).unwrap().0);
    let predictors: [&dyn Predictor; 2] = [&dear, &cheap];
    let workloads = instances::paper_12();
    let options = PlanOptions::default();
    let optimal = strategy("optimal").unwrap();
    let plans = plan_on_kinds(optimal.as_ref(), &workloads, &predictors, options).unwrap();
    let request = PlanRequest::new(&workloads, &cheap).unwrap();
    assert_eq!(plans.best.gpus.len(), optimal.plan(&request).gpus.len());
    assert!(plans.best.gpus.iter().all(|gpu| gpu.kind == cheap.kind().name));
}

#[test]
fn the_engine_runs_each_gpu_with_its_own_predictor() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/two-kinds.toml");
    let mut scenario = igniter::scenario::Scenario::load(&path).unwrap();
    scenario.duration = igniter::units::Nanoseconds::from_seconds(25.0).unwrap();
    let study = Study::new(scenario, &Overrides::default()).unwrap();
    assert!(study.request().is_none());
    let plan = study.plan(strategy("optimal").unwrap().as_ref());
    let used: Vec<&str> = plan.gpus.iter().map(|gpu| gpu.kind.as_str()).collect();
    assert!(used.contains(&"v100") && used.contains(&"t4-scaled"), "{used:?}");
    assert_eq!(study.check(&plan), Vec::<Violation>::new());
    let result = study.simulate(&plan).unwrap();
    assert_eq!((result.misses(), result.predicted_violations), (0, 0));
    for gpu in &result.gpus {
        // The cap of the synthetic kind is 70 W, that of a V100 300 W.
        let cap = if gpu.kind.as_str() == "v100" { 300.0 } else { 70.0 };
        assert!(gpu.peak_power_w <= cap + 1e-9, "{gpu:?}");
    }
}
