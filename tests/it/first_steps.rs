//! What somebody does first: a scenario by its name, a value set on the command line, a scenario of their own.

use crate::common::igniter;
use predicates::prelude::*;

fn stdout(arguments: &[&str], folder: &std::path::Path) -> String {
    let output = igniter().args(arguments).current_dir(folder).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn shipped_scenarios_are_found_by_name_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let by_path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/paper-12.toml");
    assert_eq!(
        stdout(&["plan", "paper-12", "--json"], folder.path()),
        stdout(&["plan", by_path, "--json"], folder.path())
    );
    for name in igniter::scenario::shipped_scenarios() {
        stdout(&["plan", name, "--quiet"], folder.path());
    }
    // Their text is listed with its hash, and results can be compared again with them.
    let set = "--set=seed=3";
    stdout(&["compare", "faults", set, "-o", "out", "--quiet"], folder.path());
    let manifest = std::fs::read_to_string(folder.path().join("out/manifest.json")).unwrap();
    assert!(manifest.contains("shipped:/paper-12.toml"), "{manifest}");
    // A sweep may name one too; a file of that name comes first.
    let sweep = "version = 1\nscenario = \"motivating-3\"\n[[axis]]\npath = \"rate_scale\"\nvalues = [0.5]\n";
    std::fs::write(folder.path().join("sweep.toml"), sweep).unwrap();
    stdout(&["sweep", "sweep.toml", "-o", "points", "--quiet"], folder.path());
    std::fs::write(folder.path().join("paper-12"), "version = 2").unwrap();
    let failing = ["plan", "paper-12"];
    igniter()
        .args(failing)
        .current_dir(folder.path())
        .assert()
        .code(2)
        .stderr(predicate::str::contains("given 2"));
    igniter()
        .args(["plan", "paper-13"])
        .current_dir(folder.path())
        .assert()
        .code(2)
        .stderr(predicate::str::contains("paper-12-poisson"));
}

#[test]
fn any_key_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set.toml");
    let sets = [
        "workload.W1.rate_rps=250",
        "arrival={ process = \"gamma\", cv = 2 }",
        "name=other",
        "seed=7",
    ];
    let mut command = igniter();
    command.args(["plan", "motivating-3", "--quiet", "--scenario-out"]).arg(&out);
    for set in sets {
        command.args(["--set", set]);
    }
    command.assert().success();
    let written = std::fs::read_to_string(&out).unwrap();
    for line in ["name = \"other\"", "seed = 7", "rate_rps = 250", "cv = 2"] {
        assert!(written.contains(line), "{line} in {written}");
    }
    let refused = [
        ("workload.W9.rate_rps=1", "there is no workload W9"),
        ("seed=-1", "seed: given -1"),
        ("sede=1", "did you mean `seed`?"),
        ("seed", "KEY=VALUE"),
    ];
    for (set, words) in refused {
        igniter()
            .args(["plan", "motivating-3", "--set", set])
            .assert()
            .code(2)
            .stderr(predicate::str::contains(words));
    }
}

#[test]
fn a_first_scenario_of_ones_own_holds_with_queueing() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&["init", "mine.toml", "--workloads", "5"], folder.path());
    assert!(text.contains("igniter compare mine.toml"), "{text}");
    stdout(&["check", "mine.toml", "--quiet"], folder.path());
    let compared =
        stdout(&["compare", "mine.toml", "--strategies", "queueing", "--json"], folder.path());
    let compared: serde_json::Value = serde_json::from_str(&compared).unwrap();
    let workloads = compared["strategies"][0]["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 5);
    // What is there is kept, unless that is asked for.
    std::fs::write(folder.path().join("mine.toml"), "mine").unwrap();
    igniter()
        .args(["init", "mine.toml"])
        .current_dir(folder.path())
        .assert()
        .code(2)
        .stderr(predicate::str::contains("--force"));
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.toml")).unwrap(), "mine");
    stdout(&["init", "mine.toml", "--force"], folder.path());
}

#[test]
fn strategies_are_listed_and_all_can_be_chosen() {
    let help = stdout(&["compare", "--help"], std::path::Path::new("."));
    assert!(help.contains("queueing:"), "{help}");
    let folder = tempfile::tempdir().unwrap();
    let compared = stdout(
        &["compare", "motivating-3", "--strategies", "all", "--set", "duration_s=25", "--json"],
        folder.path(),
    );
    let compared: serde_json::Value = serde_json::from_str(&compared).unwrap();
    let names = compared["strategies"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|it| it["strategy"].as_str().unwrap()).collect();
    let known: Vec<&str> =
        igniter::plan::STRATEGIES.iter().copied().filter(|name| *name != "exact").collect();
    assert_eq!(names, known);
    // Under a controller, strategies whose servers take turns cannot take part: all others do.
    let controlled = ["compare", "shadow", "--set", "duration_s=25", "--json", "--strategies"];
    let all = igniter().args(controlled).arg("all").assert().code(0);
    let note = String::from_utf8_lossy(&all.get_output().stderr).into_owned();
    let compared: serde_json::Value = serde_json::from_slice(&all.get_output().stdout).unwrap();
    let of_plans = compared["strategies"].as_array().unwrap().iter();
    let able: Vec<&str> = of_plans.map(|it| it["strategy"].as_str().unwrap()).collect();
    for name in known {
        let said = note.contains(&format!("note: without {name}: GPU "));
        assert_ne!(able.contains(&name), said, "{name}: {note}");
    }
    assert!(!able.contains(&"nexus") && able.contains(&"igniter"), "{able:?}");
    // A check judges the same ones, and leaves out the others in the same words.
    let check = ["check", "shadow", "--set", "duration_s=25", "--json", "--strategies", "all"];
    let output = igniter().args(check).output().unwrap();
    let checked: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let others = checked["others"].as_array().unwrap().iter();
    let judged = std::iter::once(&checked).chain(others).map(|one| one["strategy"].as_str());
    assert_eq!(judged.collect::<Option<Vec<_>>>().unwrap(), able);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("note: without nexus: GPU "), "{said}");
    // Whoever asks for one of them by name is told that it cannot be done.
    let named = igniter().args(controlled).arg("igniter,nexus").assert().code(2);
    named.stderr(predicate::str::contains("take turns on the same SMs"));
    igniter()
        .args(["plan", "motivating-3", "--strategy", "queuing"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("queueing"));
}

#[test]
fn a_check_judges_the_strategies_that_are_named_and_says_where_plans_follow_load() {
    // One of the two is predicted to miss SLOs.
    let check = ["check", "day", "--strategies", "FFD+,igniter", "--seed", "3"];
    let output = igniter().args(check).assert().code(1);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for words in [
        "ffd needs",
        "igniter needs",
        "for rate_rps alone",
        "`igniter replan day --seed 3 --strategy ffd`",
        "`igniter replan day --seed 3 --strategy igniter`",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    igniter()
        .args(["compare", "scenarios/../tests/it/none.toml", "--strategies", "fdf"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("possible values"));
}
