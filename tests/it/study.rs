//! `igniter study` and `igniter design`.

use crate::common::{file, igniter, reference_data};
use predicates::str::contains;
use serde_json::Value;

#[test]
fn next_measurements_are_listed_and_written_as_runs() {
    let root = tempfile::tempdir().unwrap();
    let runs = root.path().join("next.csv");
    let run = igniter().args(["design", "-n", "4", "--json", "-o"]).arg(&runs).assert().code(0);
    let list: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 4);
    let text = std::fs::read_to_string(&runs).unwrap();
    assert!(text.starts_with("run,member,model,batch,sm_pct,why\n0,0,"), "{text}");
    // Every member of a co-location is measured alone, too.
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let alone: Vec<&[&str]> = rows.iter().filter(|r| r[5] == "alone").map(|r| &r[2..5]).collect();
    for row in rows.iter().filter(|r| r[5] != "alone") {
        assert_eq!(alone.iter().filter(|a| **a == &row[2..5]).count(), 1, "{row:?}");
    }
    igniter().args(["design", "-n", "1"]).assert().code(0).stdout(contains("at stake %"));
}

#[test]
fn a_study_needs_measured_co_locations() {
    igniter().arg("study").assert().code(2).stderr(contains("--colocated FILE"));
}

#[test]
fn a_fit_takes_kernel_lists() {
    let Some(data) = reference_data() else { return };
    let fit = |kernels: bool| {
        let mut command = igniter();
        command.args(["fit", "v100", "--predictor", "contention"]);
        if kernels {
            command.arg("--kernels").arg(data.join("kernels.csv"));
        }
        command.assert().code(0)
    };
    fit(false).stdout(contains(" 0 kernel lists"));
    fit(true).stdout(contains(" 3 kernel lists"));
}

#[test]
fn a_study_writes_tables_and_figures() {
    let Some(data) = reference_data() else { return };
    let root = tempfile::tempdir().unwrap();
    // A few of the runs, so that the test is quick: every 50th of 750.
    let text = std::fs::read_to_string(data.join("colocated.csv")).unwrap();
    let number = |line: &&str| line.split(',').next().unwrap().parse::<usize>().ok();
    let few: Vec<&str> =
        text.lines().filter(|l| number(l).is_none_or(|n| n.is_multiple_of(50))).collect();
    let colocated = file(root.path(), "few.csv", few.join("\n") + "\n");
    let out = root.path().join("out");
    let mut command = igniter();
    command.args(["study", "--repeats", "1", "--json", "--colocated"]).arg(colocated);
    command.arg("--solo").arg(data.join("solo.csv")).arg("-o").arg(&out);
    let run = command.assert().code(0);
    let study: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    let first = &study["rows"][0];
    assert_eq!((&first["recipe"], &first["score"]["n"]), (&"igniter".into(), &30.into()));
    assert_eq!(study["experiments"].as_array().unwrap().len(), 48);
    for name in ["study.json", "study.csv", "study.md", "experiments.csv", "manifest.json"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let inputs: Vec<&str> = manifest["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["path"].as_str().unwrap())
        .collect();
    assert!(inputs.contains(&"profile/v100/solo.csv"), "{inputs:?}");
    assert!(inputs.iter().any(|path| path.ends_with("few.csv")), "{inputs:?}");
    for stem in ["accuracy-igniter", "slowdown-gpulets", "errors", "coverage", "experiment2"] {
        assert!(out.join(format!("figures/{stem}.png")).is_file(), "{stem}");
    }
}
