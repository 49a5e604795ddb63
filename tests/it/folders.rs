//! Folders that hold something already: what is not ours, and what took long, stays.

#![cfg(unix)]
use crate::common::{SHORT, file, igniter};
use predicates::str::contains;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SWEEP: &str = "version = 1\nname = \"two\"\nscenario = \"s.toml\"\n[set]\nduration_s = 0.3\nwarmup_s = 0\n\
    cooldown_s = 0\n[[axis]]\npath = \"rate_scale\"\nvalues = [0.5, 0.6]\n";

/// A folder with a scenario and a sweep over it.
fn with_sweep(text: &str) -> TempDir {
    let root = TempDir::new().unwrap();
    file(root.path(), "s.toml", SHORT);
    file(root.path(), "sweep.toml", text);
    root
}

fn sweep(root: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = igniter();
    command.arg("sweep").arg(root.join("sweep.toml")).arg("-o").arg(root.join("out")).args(more);
    command.assert()
}

#[test]
fn a_sweep_is_not_replaced_by_another_command() {
    let root = with_sweep(SWEEP);
    let (scenario, out) = (root.path().join("s.toml"), root.path().join("out"));
    sweep(root.path(), &[]).code(0);
    let rows = fs::read(out.join("rows.csv")).unwrap();
    let mut compare = igniter();
    compare.arg("compare").arg(&scenario).arg("-o").arg(&out);
    compare.assert().code(2).stderr(contains("holds the results of `igniter sweep`"));
    assert_eq!(fs::read(out.join("rows.csv")).unwrap(), rows);
    // Figures that are asked for by the folder's own name leave it the sweep that it is.
    igniter().arg("plot").arg(&out).arg("-o").arg(&out).assert().code(0);
    igniter().arg("plot").arg(&out).assert().code(0);
    for (flag, value) in [("--name", "../evil"), ("--name", ""), ("--target", "500")] {
        let mut plot = igniter();
        plot.arg("plot").arg(&out).args([flag, value]);
        plot.assert().code(2).stderr(contains(flag));
    }
}

#[test]
fn finished_tables_that_were_changed_are_made_again() {
    let root = with_sweep(SWEEP);
    let rows = root.path().join("out/rows.csv");
    sweep(root.path(), &[]).code(0);
    let good = fs::read(&rows).unwrap();
    fs::write(&rows, "garbage").unwrap();
    sweep(root.path(), &["--resume"]).code(0);
    assert_eq!(fs::read(&rows).unwrap(), good);
}

#[test]
fn a_resume_does_not_take_the_work_of_another_process() {
    let root = with_sweep(&SWEEP.replace("duration_s = 0.3", "duration_s = 300"));
    let out = root.path().join("out");
    let begin = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igniter"));
        command.args(["sweep", "--quiet"]).arg(root.path().join("sweep.toml")).arg("-o").arg(&out);
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    assert!(begin().wait().unwrap().success());
    let mut other: Child = begin();
    while !out.join(".sweep/progress").exists() {
        assert!(other.try_wait().unwrap().is_none(), "it was faster than we could look");
        std::thread::sleep(Duration::from_millis(1));
    }
    sweep(root.path(), &["--resume"]).code(2).stderr(contains("another process"));
    assert!(other.wait().unwrap().success());
}

#[test]
fn every_trace_that_an_axis_names_belongs_to_the_sweep() {
    let axis = "[[axis]]\npath = \"workload.W1.arrival\"\nname = \"trace\"\n\
        values = [{ process = \"trace\", path = \"a.csv\" }, { process = \"trace\", path = \"b.csv\" }]\n";
    let root = with_sweep(&format!("{SWEEP}{axis}"));
    for name in ["a.csv", "b.csv"] {
        file(root.path(), name, "arrival_s\n0.01\n0.05\n0.2\n");
    }
    sweep(root.path(), &[]).code(0);
    let manifest = || fs::read_to_string(root.path().join("out/manifest.json")).unwrap();
    assert!(manifest().contains("a.csv") && manifest().contains("b.csv"));
    let id = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        json["sweep"]["id"].as_str().unwrap().to_owned()
    };
    let before = id(&manifest());
    file(root.path(), "b.csv", "arrival_s\n0.01\n");
    // Finished results took long to make: those of another sweep are not replaced.
    sweep(root.path(), &["--resume"]).code(2).stderr(contains("another finished sweep"));
    assert_eq!(id(&manifest()), before);
    fs::remove_dir_all(root.path().join("out")).unwrap();
    sweep(root.path(), &[]).code(0);
    assert_ne!(id(&manifest()), before, "another trace is another sweep");
}

#[test]
fn files_of_others_stay() {
    let root = with_sweep(SWEEP);
    let app = root.path().join("app");
    fs::create_dir(&app).unwrap();
    for (name, text) in [("manifest.json", "{\"name\": \"an app\"}"), ("report.md", "# mine")] {
        let theirs = file(&app, name, text);
        let mut compare = igniter();
        compare.arg("compare").arg(root.path().join("s.toml")).arg("-o").arg(&app);
        compare.assert().code(2).stderr(contains("did not write"));
        assert_eq!(fs::read_to_string(&theirs).unwrap(), text);
        fs::remove_file(theirs).unwrap();
    }
}

#[test]
fn steps_that_were_not_meant_are_refused() {
    let root = with_sweep(SWEEP);
    for arguments in [
        &["frontier", "--step", "1e-9"][..],
        &["capacity", "--find", "gpus", "--precision", "1e-9"],
    ] {
        let mut search = igniter();
        search.arg(arguments[0]).arg(root.path().join("s.toml")).args(&arguments[1..]);
        search.assert().code(2).stderr(contains("at most 10000 steps"));
    }
}
