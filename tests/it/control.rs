//! The shipped scenarios with controllers and faults show what their README says.

use crate::common;
use crate::common::igniter;
use igniter::plan::strategy;
use igniter::results::{ActionRow, StrategyResult, WindowRow};
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::sim::Control;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"))
}

/// Simulates iGniter's plan of a scenario, with its controller and faults or without.
fn simulate(name: &str, overrides: &Overrides, controlled: bool) -> StrategyResult {
    let mut scenario = Scenario::load(&path(name)).unwrap();
    if !controlled {
        scenario.control = Control::default();
    }
    let study = Study::new(scenario, overrides).unwrap();
    study.simulate(&study.plan(strategy("igniter").unwrap().as_ref())).unwrap()
}

fn windows<'a>(result: &'a StrategyResult, workload: &str) -> Vec<&'a WindowRow> {
    result.details.adaptation.iter().filter(|row| row.workload.as_str() == workload).collect()
}

fn of<'a>(result: &'a StrategyResult, workload: &str) -> Vec<&'a ActionRow> {
    let whose = |row: &&ActionRow| row.workload.as_ref().is_some_and(|w| w.as_str() == workload);
    result.actions.iter().filter(whose).collect()
}

/// Where the GPUs are not as predicted, standbys mend SLOs that the plan alone misses; where they are, there
/// is nothing to do.
#[test]
fn shadows_mend_what_a_misprediction_breaks() {
    let right = Overrides::default();
    assert!(simulate("shadow", &right, true).actions.is_empty());

    let wrong = Overrides {
        truth: Some("contention".into()),
        prediction_error: true,
        ..Overrides::default()
    };
    let (without, with) = (simulate("shadow", &wrong, false), simulate("shadow", &wrong, true));
    assert!(without.actions.is_empty() && without.details.adaptation.is_empty());
    assert!(with.misses() < without.misses(), "{} and {}", with.misses(), without.misses());
    assert!(!with.actions.is_empty());
    for action in &with.actions {
        let (from, to) = (action.from.unwrap(), action.to.unwrap());
        assert!(action.action == "standby" && from < to && to <= from + 10.0 + 1e-9, "{action:?}");
    }
    // No GPU hands out more than it has.
    let end = with.details.adaptation.iter().map(|row| row.end_s).fold(0.0, f64::max);
    for gpu in 0..with.gpu_count {
        let last = with.details.adaptation.iter().filter(|row| row.gpu == gpu && row.end_s >= end);
        assert!(last.map(|row| row.sm_pct).sum::<f64>() <= 100.0 + 1e-9);
    }
}

/// From 30 % for everybody, reactive tuning comes near to what iGniter planned in the first place; but it
/// serves too little until then, and the queues of that time stay.
#[test]
fn gslice_finds_the_shares_too_late() {
    let result = simulate("gslice", &Overrides::default(), true);
    let planned = simulate("gslice", &Overrides::default(), false);
    assert_eq!(planned.misses(), 0);
    assert!(result.misses() > 6, "{}", result.misses());
    let w12 = windows(&result, "W12");
    assert!((w12[0].sm_pct - 30.0).abs() < 1e-9 && w12[0].batch == 1, "{:?}", w12[0]);
    let last = w12.last().unwrap();
    let plan = result.plan.iter().find(|row| row.workload.as_str() == "W12").unwrap();
    assert!((last.sm_pct - plan.sm_pct).abs() < 5.1, "{last:?}");
    assert!(last.batch.abs_diff(plan.batch) <= 1, "{last:?}");
    // A queue that grew at the start is still there a minute later, and shrinks.
    let p99 = |row: &WindowRow| row.p99_ms.unwrap();
    assert!(p99(last) > 10.0 * plan.slo_ms && p99(last) < p99(w12[9]));
}

/// Requests are lost while a server or its GPU is down, and only then; a slow GPU loses none.
#[test]
fn faults_cost_what_they_cost() {
    let result = simulate("faults", &Overrides::default(), true);
    let lost = |workload: &str| {
        let summary = result.workloads.iter().find(|w| w.workload.as_str() == workload).unwrap();
        let failed = summary.failed.unwrap_or_default();
        assert_eq!((failed.rejected, failed.timed_out), (0, 0));
        assert_eq!(summary.requests, summary.completed + failed.lost);
        failed.lost
    };
    // 1200/s for 2 s and 300/s for 3 s, and the few that were there.
    assert!((2400..2440).contains(&lost("W1")), "{}", lost("W1"));
    assert!((900..960).contains(&lost("W12")), "{}", lost("W12"));
    assert_eq!(lost("W2"), 0);
    let [down, up] = of(&result, "W1")[..] else { panic!() };
    assert_eq!((down.action.as_str(), up.action.as_str()), ("down", "up"));
    assert!((up.effective_s - down.effective_s - 2.0).abs() < 1e-9);
    // W2's GPU is slow from 25 to 30 s: P99 is higher then than before, and without the fault.
    let w2 = windows(&result, "W2");
    let p99 = |second: usize| w2[second].p99_ms.unwrap();
    assert!(p99(28) > 2.0 * p99(20), "{} and {}", p99(28), p99(20));
    let without = simulate("faults", &Overrides::default(), false);
    assert_eq!(without.misses(), 0);
    assert!(without.workloads.iter().all(|w| w.failed.is_none()));
}

/// Every output that has a place for them shows actions and failures.
#[test]
fn actions_and_failures_are_in_every_output() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let command = igniter()
        .args(["simulate", "scenarios/faults.toml", "--json", "-o"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(command.status.code(), Some(1), "SLOs are missed");
    let document: serde_json::Value = serde_json::from_slice(&command.stdout).unwrap();
    let actions = document["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 6);
    assert_eq!((&actions[0]["action"], &actions[0]["workload"]), (&"down".into(), &"W1".into()));
    assert!(document["workloads"][0]["failed"]["lost"].as_u64().unwrap() > 2000);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let lines = |name: &str| read(name).lines().map(str::to_owned).collect::<Vec<_>>();
    let actions = lines("actions.csv");
    assert_eq!(actions.len(), 7);
    assert_eq!(actions[0], "strategy,decided_s,effective_s,gpu,workload,action,from,to,reason");
    assert!(actions[1].starts_with("igniter,15.0,15.0,4,W1,down,,"), "{}", actions[1]);
    let failures = lines("failures.csv");
    assert_eq!(failures[0], "strategy,workload,requests,completed,rejected,timed_out,lost");
    assert_eq!(failures.len(), 3, "W1 and W12");
    // 12 workloads, 60 seconds, and the header.
    assert_eq!(lines("adaptation.csv").len(), 721);
    let report = read("report.md");
    assert!(report.contains("W1 down") && report.contains("requests lost"), "{report}");
    // Nothing of this where there is neither.
    let plain = root.path().join("plain");
    let scenario = common::file(root.path(), "short.toml", common::SHORT);
    igniter().arg("simulate").arg(scenario).arg("-o").arg(&plain).output().unwrap();
    for name in ["actions.csv", "failures.csv", "adaptation.csv"] {
        assert!(!plain.join(name).exists(), "{name}");
    }
    assert!(!std::fs::read_to_string(plain.join("summary.json")).unwrap().contains("actions"));
}

/// Queue policies are part of a run from the command line, and every request has its outcome.
#[test]
fn rejected_requests_are_in_the_request_log() {
    let root = tempfile::tempdir().unwrap();
    let text = format!("{}\nbatching = {{ max_queue_size = 2, timeout_ms = 4 }}\n", common::SHORT);
    let scenario = common::file(root.path(), "short.toml", text);
    let out = root.path().join("out");
    let mut command = igniter();
    command
        .args(["simulate", "--strategy", "igniter", "--requests"])
        .arg(scenario)
        .arg("-o")
        .arg(&out);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows = csv::Reader::from_path(out.join("requests.csv")).unwrap();
    let outcomes: Vec<String> =
        rows.records().map(|row| row.unwrap().iter().next_back().unwrap().to_owned()).collect();
    let count = |what: &str| outcomes.iter().filter(|outcome| *outcome == what).count();
    assert!(count("rejected") + count("timed_out") > 0, "{text}");
    assert_eq!(count("completed") + count("rejected") + count("timed_out"), outcomes.len());
}
