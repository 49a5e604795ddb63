//! Strategy `igniter` against the plans that the iGniter artifact's own code makes.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small positive numbers become integers that sort"
)]

use crate::common;
use igniter::domain::{ModelName, Plan, Workload, WorkloadName};
use igniter::fit::fit_igniter;
use igniter::plan::{PlanRequest, Violation, check_plan, strategy};
use igniter::predictor::igniter::IgniterPredictor;
use igniter::profile;
use igniter::units::{Milliseconds, RequestsPerSecond};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    name: String,
    workloads: Vec<ReferenceWorkload>,
    gpus: Vec<Vec<ReferencePlacement>>,
}

#[derive(Deserialize)]
struct ReferenceWorkload {
    model: ModelName,
    slo_ms: f64,
    rate_rps: f64,
}

#[derive(Deserialize)]
struct ReferencePlacement {
    model: String,
    sm_pct: f64,
    batch: u32,
    slo_half_ms: f64,
    rate_rps: f64,
}

/// (model, SM % × 10, batch, SLO in µs, rate × 1000): a placement as integers that sort.
type Key = (String, u64, u32, u64, u64);

fn thousandths(v: f64) -> u64 {
    (v * 1000.0).round() as u64
}

fn workloads(reference: &Reference) -> Vec<Workload> {
    let workload = |(i, w): (usize, &ReferenceWorkload)| Workload {
        name: WorkloadName::new(&format!("W{}", i + 1)).unwrap(),
        model: w.model.clone(),
        slo: Milliseconds::new(w.slo_ms).unwrap(),
        rate: RequestsPerSecond::new(w.rate_rps).unwrap(),
    };
    reference.workloads.iter().enumerate().map(workload).collect()
}

fn ours(plan: &Plan, workloads: &[Workload]) -> Vec<Vec<Key>> {
    let key = |p: &igniter::domain::Placement| {
        let w = workloads.iter().find(|w| w.name == p.workload).unwrap();
        let sm = f64::from(p.sm.get()) * 2.5;
        let (slo, rate) = (thousandths(w.slo.get()), thousandths(w.rate.get()));
        (p.model.to_string(), thousandths(sm), p.batch.get(), slo, rate)
    };
    sorted(plan.gpus.iter().map(|gpu| gpu.placements.iter().map(key).collect()).collect())
}

fn theirs(reference: &Reference) -> Vec<Vec<Key>> {
    let key = |p: &ReferencePlacement| {
        let (slo, rate) = (thousandths(p.slo_half_ms * 2.0), thousandths(p.rate_rps));
        (p.model.clone(), thousandths(p.sm_pct), p.batch, slo, rate)
    };
    sorted(reference.gpus.iter().map(|gpu| gpu.iter().map(key).collect()).collect())
}

fn sorted(mut gpus: Vec<Vec<Key>>) -> Vec<Vec<Key>> {
    for gpu in &mut gpus {
        gpu.sort();
    }
    gpus.sort();
    gpus
}

/// Sets whose plan differs from the artifact's, and the defect of the artifact that is the reason.
const CHANGED: &[(&str, &str)] = &[(
    "random-18",
    "the artifact gives the first workload of a GPU its closed-form share without looking at power: \
     vgg19 (33 ms, 431 requests/s) alone exceeds the power cap at 77.5 %, runs below full clock, and \
     misses its budget; it needs 80 %",
)];

fn each_reference(mut check: impl FnMut(&Reference, &IgniterPredictor)) {
    let Some(folder) = common::reference_data() else { return };
    let text = std::fs::read_to_string(folder.join("reference_plans.json")).unwrap();
    let references: Vec<Reference> = serde_json::from_str(&text).unwrap();
    assert_eq!(references.len(), 32);
    let predictor = fit_igniter(&profile::load("v100").unwrap()).unwrap().0;
    for reference in &references {
        check(reference, &predictor);
    }
}

#[test]
fn plans_equal_the_artifacts() {
    let mut changed = Vec::new();
    each_reference(|reference, predictor| {
        let workloads = workloads(reference);
        let request = PlanRequest::new(&workloads, predictor).unwrap();
        let plan = strategy("igniter").unwrap().plan(&request);
        assert!(plan.infeasible.is_empty(), "{}", reference.name);
        if ours(&plan, &workloads) != theirs(reference) {
            changed.push(reference.name.clone());
        }
    });
    if common::reference_data().is_some() {
        let expected: Vec<&str> = CHANGED.iter().map(|(name, _)| *name).collect();
        assert_eq!(changed, expected, "plans that differ from the artifact's");
    }
}

#[test]
fn igniter_plans_are_legal_and_ffd_plans_only_slow() {
    each_reference(|reference, predictor| {
        let workloads = workloads(reference);
        let request = PlanRequest::new(&workloads, predictor).unwrap();
        let plan = strategy("igniter").unwrap().plan(&request);
        assert_eq!(check_plan(&plan, &request), [], "{}", reference.name);
        let plan = strategy("ffd").unwrap().plan(&request);
        for violation in check_plan(&plan, &request) {
            let slow = matches!(
                violation,
                Violation::TooSlow { .. } | Violation::TooLittleThroughput { .. }
            );
            assert!(slow, "{}: {violation}", reference.name);
        }
    });
}

#[test]
fn ffd_puts_the_papers_twelve_on_five_gpus_with_nine_over_budget() {
    each_reference(|reference, predictor| {
        if reference.name == "paper-12" {
            let workloads = workloads(reference);
            let request = PlanRequest::new(&workloads, predictor).unwrap();
            let plan = strategy("ffd").unwrap().plan(&request);
            assert_eq!(plan.gpus.len(), 5);
            let over: Vec<f64> = check_plan(&plan, &request)
                .iter()
                .filter_map(|v| match v {
                    Violation::TooSlow { predicted_ms, budget_ms, .. } => {
                        Some((predicted_ms / budget_ms - 1.0) * 100.0)
                    }
                    _ => None,
                })
                .collect();
            // By 0.1 % (W8) to 10.1 % (W2).
            assert_eq!(over.len(), 9);
            assert!(over.iter().all(|pct| (0.1..10.1).contains(pct)), "{over:?}");
        }
    });
}
