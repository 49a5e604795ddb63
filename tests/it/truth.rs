//! Plans of one predictor, simulated with another.

use crate::common::{SHORT, file, igniter};
use predicates::str::contains;
use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    let run = igniter().args(arguments).arg("--json").assert();
    serde_json::from_slice(&run.get_output().stdout).unwrap()
}

#[test]
fn the_plan_stays_and_the_latencies_change() {
    let scenario = "scenarios/motivating-3.toml";
    let own = json(&["compare", scenario]);
    let other = json(&["compare", scenario, "--truth", "contention"]);
    assert_eq!(own.get("truth"), None);
    assert_eq!(other["truth"]["planned_with"], "igniter");
    assert_eq!(other["truth"]["simulated_with"], "contention");
    let of = |result: &Value, what: &str| result["strategies"][0][what].clone();
    assert_eq!(of(&own, "plan"), of(&other, "plan"));
    assert_ne!(of(&own, "workloads"), of(&other, "workloads"));
    // The truth of contention is what contention's own simulation of that plan says.
    let root = tempfile::tempdir().unwrap();
    let plan = root.path().join("plan.json");
    igniter().args(["plan", scenario, "-o"]).arg(&plan).assert().code(0);
    let simulate = ["simulate", scenario, "--predictor", "contention", "--plan"];
    let same = json(&[&simulate[..], &[plan.to_str().unwrap()]].concat());
    assert_eq!(same["workloads"], of(&other, "workloads"));
}

#[test]
fn tables_report_and_manifest_say_it() {
    let root = tempfile::tempdir().unwrap();
    let (scenario, out) = (file(root.path(), "s.toml", SHORT), root.path().join("out"));
    let text = "planned with predictor contention, simulated with predictor igniter";
    let mut command = igniter();
    command.arg("compare").arg(&scenario).args(["--predictor", "contention"]);
    command.args(["--truth", "igniter", "-o"]).arg(&out).assert().code(0).stdout(contains(text));
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(read("report.md").contains(text));
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!(manifest["truth"]["simulated_with"], "igniter");
    // The profile was read once for both.
    let profiles = manifest["inputs"].as_array().unwrap().iter();
    let named = |input: &&Value| input["path"].as_str().unwrap().ends_with("profile.toml");
    assert_eq!(profiles.filter(named).count(), 1);
}

#[test]
fn coefficients_of_a_fit_can_be_the_truth() {
    let root = tempfile::tempdir().unwrap();
    let fitted = root.path().join("contention.json");
    igniter()
        .args(["fit", "v100", "--predictor", "contention", "-o"])
        .arg(&fitted)
        .assert()
        .code(0);
    let scenario = "scenarios/motivating-3.toml";
    let by_file = json(&["simulate", scenario, "--truth", fitted.to_str().unwrap()]);
    let by_name = json(&["simulate", scenario, "--truth", "contention"]);
    assert_eq!(by_file["workloads"], by_name["workloads"]);
    // Another GPU kind is no truth for these plans.
    let text = std::fs::read_to_string(&fitted).unwrap();
    let text = text.replacen("\"v100\"", "\"other\"", 1);
    let wrong = file(root.path(), "other.json", text);
    let mut command = igniter();
    command.args(["simulate", scenario, "--truth"]).arg(wrong);
    command.assert().code(2).stderr(contains("is for GPU kind other"));
    let unknown = ["simulate", scenario, "--truth", "guess"];
    igniter().args(unknown).assert().code(2).stderr(contains("no predictor \"guess\""));
}

#[test]
fn prediction_errors_come_from_the_seed() {
    let scenario = "scenarios/motivating-3.toml";
    let base = ["simulate", scenario, "--truth", "contention"];
    let with = |more: &[&str]| json(&[&base[..], more].concat());
    let (exact, one) = (with(&[]), with(&["--prediction-error"]));
    assert_eq!(one, {
        let mut again = with(&["--prediction-error"]);
        again["wall_s"] = one["wall_s"].clone();
        again
    });
    assert_ne!(exact["workloads"], one["workloads"]);
    let errors = one["truth"]["prediction_errors"].as_array().unwrap();
    assert_eq!(errors.len(), 3, "one for each model of the scenario");
    let other = with(&["--prediction-error", "--seed", "2"]);
    assert_ne!(one["truth"], other["truth"]);
    // The paper's predictor says nothing of its own error.
    let mut command = igniter();
    command.args(["simulate", scenario, "--prediction-error"]);
    command.assert().code(2).stderr(contains("has no error bounds"));
}
