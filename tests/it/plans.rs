//! Plans as files, and the judgement of plans that others made.

use crate::common;
use crate::common::igniter;
use igniter::domain::{Plan, Workload};
use igniter::fit::fit_igniter;
use igniter::plan::{
    PlanRequest, Violation, check_plan, parse_igniter_plan, plan_json, read_plan, strategy,
    write_igniter_plan,
};
use igniter::predictor::Predictor;
use igniter::predictor::igniter::{IgniterPredictor, ModelCoefficients};
use igniter::profile;
use igniter::scenario::Scenario;
use igniter::units::{BatchSize, Bytes, SmUnits};
use std::path::Path;

fn predictor() -> IgniterPredictor {
    fit_igniter(&profile::load("v100").unwrap()).unwrap().0
}

fn workloads(scenario: &str) -> Vec<Workload> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    Scenario::load(&path).unwrap().workloads.into_iter().map(|w| w.workload).collect()
}

fn planned(workloads: &[Workload], predictor: &dyn Predictor) -> Plan {
    strategy("igniter").unwrap().plan(&PlanRequest::new(workloads, predictor).unwrap())
}

#[test]
fn a_written_plan_reads_back_equal() {
    let (predictor, workloads) = (predictor(), workloads("paper-12.toml"));
    let plan = planned(&workloads, &predictor);
    let root = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&plan_json(&plan, &[predictor.kind()])).unwrap();
    let path = common::file(root.path(), "plan.json", text);
    assert_eq!(read_plan(&path, &[predictor.kind()], &workloads).unwrap(), plan);
}

#[test]
fn plans_whose_workloads_take_turns_read_back_and_go_into_no_other_format() {
    let (predictor, workloads) = (predictor(), workloads("paper-12.toml"));
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let plan = strategy("nexus").unwrap().plan(&request);
    assert!(plan.gpus.iter().any(|gpu| gpu.takes_turns() && gpu.placements.len() > 1));
    assert!(plan.gpus.iter().all(|gpu| gpu.total_sm() == predictor.kind().units));
    assert!(check_plan(&plan, &request).is_empty());
    let root = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&plan_json(&plan, &[predictor.kind()])).unwrap();
    let path = common::file(root.path(), "plan.json", text);
    assert_eq!(read_plan(&path, &[predictor.kind()], &workloads).unwrap(), plan);
    for format in ["igniter", "compose", "kubernetes"] {
        let arguments =
            ["plan", "scenarios/paper-12.toml", "--strategy", "nexus", "--format", format];
        let refused = igniter().args(arguments).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(
            said.contains(&format!("--format {format}")) && said.contains("time_slot"),
            "{said}"
        );
    }
    // Evenly spaced requests: all that wait are taken at each turn, so nobody waits for longer than a round.
    igniter().args(["simulate", "scenarios/paper-12.toml", "--strategy", "nexus"]).assert().code(0);
    // Who takes turns has the same SMs.
    let mut wrong = plan.clone();
    let gpu = wrong.gpus.iter_mut().find(|gpu| gpu.placements.len() > 1).unwrap();
    gpu.placements[1].sm = SmUnits::new(20);
    let found = check_plan(&wrong, &request);
    let unequal = |v: &Violation| matches!(v, Violation::UnequalShares { .. }) && v.is_structural();
    assert!(found.iter().any(unequal), "{found:?}");
    // A round that is too long for one of them.
    let mut late = plan.clone();
    for placement in late.gpus.iter_mut().flat_map(|gpu| &mut gpu.placements) {
        placement.batch = BatchSize::new(32).unwrap();
    }
    let found = check_plan(&late, &request);
    assert!(found.iter().any(|v| matches!(v, Violation::MissesSlo { .. })), "{found:?}");
}

#[test]
fn the_artifacts_format_keeps_everything_but_the_predictions() {
    let (predictor, workloads) = (predictor(), workloads("paper-12.toml"));
    let plan = planned(&workloads, &predictor);
    let text = write_igniter_plan(&plan, &[predictor.kind()], &workloads).join("\n");
    // `slos` holds half of each: 27.5 for the 55 ms of W12.
    assert!(text.starts_with(
        r#"{"models":["ssd_dynamic"],"rates":[300.0],"slos":[27.5],"resources":[92.5],"batches":[8]}"#
    ));
    let read = parse_igniter_plan(&text, predictor.kind(), &workloads).unwrap();
    let bare = |plan: &Plan| {
        let mut gpus = plan.gpus.clone();
        gpus.iter_mut().flat_map(|g| &mut g.placements).for_each(|p| p.predicted = None);
        gpus
    };
    assert_eq!(bare(&read), bare(&plan));
}

#[test]
fn the_artifacts_folder_of_files_is_a_plan_too() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("plan");
    let plan = ["plan", "scenarios/paper-12.toml", "--format", "igniter", "-o"];
    igniter().args(plan).arg(&folder).assert().code(0);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 6);
    let simulate = ["simulate", "scenarios/paper-12.toml", "--json", "--plan"];
    let run = igniter().args(simulate).arg(&folder).assert().code(0);
    let result: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(result["gpu_count"], 6);
    assert_eq!(result["workloads"].as_array().unwrap().len(), 12);
}

/// What the check says of the motivating example's plan after a change.
fn violations(change: impl FnOnce(&mut Plan)) -> Vec<Violation> {
    let (predictor, workloads) = (predictor(), workloads("motivating-3.toml"));
    let mut plan = planned(&workloads, &predictor);
    change(&mut plan);
    check_plan(&plan, &PlanRequest::new(&workloads, &predictor).unwrap())
}

#[test]
fn every_kind_of_violation_is_found() {
    assert_eq!(violations(|_| {}), []);
    let one = |change: fn(&mut Plan)| {
        let found = violations(change);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    };
    // Placements are W3 vgg19 37.5 % b6, W2 resnet50 30 % b8, W1 alexnet 10 % b4.
    let missing = one(|p| {
        p.gpus[0].placements.remove(2);
    });
    assert_eq!(missing, Violation::NotPlaced { workload: "W1".into() });
    let wide = violations(|p| p.gpus[0].placements[0].sm = SmUnits::new(35));
    assert!(matches!(wide[0], Violation::TooManySms { gpu: 0, total_pct } if total_pct > 127.0));
    let large = violations(|p| p.gpus[0].placements[2].batch = BatchSize::new(33).unwrap());
    assert!(large.contains(&Violation::BatchNotMeasured {
        workload: "W1".into(),
        batch: 33,
        max: 32
    }));
    // W2 needs 12 units; with 11 it exceeds the 20 ms that are half of its SLO.
    let slow = violations(|p| p.gpus[0].placements[1].sm = SmUnits::new(11));
    assert!(
        slow.iter().any(|v| matches!(v, Violation::TooSlow { workload, predicted_ms, budget_ms }
            if workload == "W2" && *predicted_ms > *budget_ms && *budget_ms > 19.9)),
        "{slow:?}"
    );
    // Batches of 1 are quick, but 10 % of the SMs then serve less than 500 requests/s.
    let thin = one(|p| p.gpus[0].placements[2].batch = BatchSize::ONE);
    assert!(matches!(thin, Violation::TooLittleThroughput { rate_rps, .. } if rate_rps > 499.0));
    let twice = violations(|p| {
        let again = p.gpus[0].clone();
        p.gpus.push(again);
    });
    let count = twice.iter().filter(|v| matches!(v, Violation::PlacedTwice { .. })).count();
    assert_eq!(count, 3);
    let none = violations(|p| p.gpus[0].placements[0].sm = SmUnits::new(0));
    assert!(none.contains(&Violation::NoShare { workload: "W3".into() }));
}

#[test]
fn memory_is_checked_where_it_is_known() {
    let fitted = predictor();
    let models: Vec<ModelCoefficients> = fitted
        .coefficients()
        .iter()
        .map(|m| ModelCoefficients { memory_bytes: Some(Bytes::new(6 << 30)), ..m.clone() })
        .collect();
    let predictor = IgniterPredictor::new(fitted.kind().clone(), *fitted.hardware(), models);
    let workloads = workloads("motivating-3.toml");
    let plan = planned(&workloads, &fitted);
    // Three processes of 6 GiB are more than the 16160 MiB of the GPU.
    let found = check_plan(&plan, &PlanRequest::new(&workloads, &predictor).unwrap());
    let expected =
        Violation::TooMuchMemory { gpu: 0, needed: 18 << 30, available: 16160 * 1024 * 1024 };
    assert_eq!(found, [expected]);
}

#[test]
fn infeasible_workloads_are_named_and_the_others_planned() {
    let root = tempfile::tempdir().unwrap();
    let text = common::SHORT.replace("slo_ms = 60", "slo_ms = 5");
    let scenario = common::file(root.path(), "s.toml", text);
    let run = igniter().args(["plan", "--json"]).arg(&scenario).assert().code(1);
    let plan: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(plan["infeasible"][0]["workload"], "W3");
    let reason = plan["infeasible"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("even a batch of 1 on a whole v100 takes"), "{reason}");
    let slo = plan["infeasible"][0]["feasible_slo_ms"].as_f64().unwrap();
    assert!((6.0..8.0).contains(&slo), "{slo}");
    assert_eq!(plan["gpu_count"], 1);
    assert_eq!(plan["gpus"][0]["placements"].as_array().unwrap().len(), 2);
    // A comparison goes on, too, and says so by its exit code.
    igniter().arg("compare").arg(&scenario).args(["--quiet"]).assert().code(1).stdout("");
}
