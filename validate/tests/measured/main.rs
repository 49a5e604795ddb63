//! The whole way on a real Triton server without a GPU: plan, launch, load, measure, compare; and our client
//! against NVIDIA's perf_analyzer.
//!
//! `scripts/setup_triton.sh` installs the server, `scripts/setup_perf_analyzer.sh` the other client; what is
//! not there is skipped with a message.
//!
//! ```text
//! cargo test --release --test measured -- --nocapture
//! IGNITER_IDLE_MACHINE=1 cargo test …      nothing else runs here: judge the times too
//! ```
//!
//! Tables are printed either way. Counts, files and exit codes are asserted exactly. Times are asserted so widely
//! that only a mistake of ours breaks them, because machines that run tests are busy, or share their processors
//! with others unseen; whoever has an idle machine says so, and then they are held to what `docs/validation.md` says.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may unwrap")]

mod late;
mod perf_analyzer;
mod placements;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether somebody said that nothing else runs on this machine, so that times can be judged.
fn idle_machine() -> bool {
    std::env::var_os("IGNITER_IDLE_MACHINE").is_some()
}

/// One test at a time: each wants the machine for itself.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The server; `None`, with a message, where it is not installed.
fn triton() -> Option<PathBuf> {
    let file = root().join(".triton/tritonserver");
    if !file.is_file() {
        eprintln!("skipped: no real Triton server here; scripts/setup_triton.sh installs it");
        return None;
    }
    Some(file)
}

fn validate(arguments: &[&str]) -> Output {
    Command::new(cargo_bin("validate")).args(arguments).current_dir(root()).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{text}", String::from_utf8_lossy(&output.stdout))
    })
}

#[test]
fn a_plan_of_three_workloads_runs_and_agrees_with_its_simulation() {
    let Some(triton) = triton() else { return };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (out, triton) = (out.to_str().unwrap(), triton.to_str().unwrap());
    let mut run = vec!["run", "scenarios/validate-3.toml", "--triton", triton, "-o", out, "--json"];
    run.extend(["--duration-s", "20", "--warmup-s", "1", "--cooldown-s", "0"]);
    run.extend(["--calibration-s", "5"]);
    let output = validate(&run);
    let comparison = json(&output);
    let agreed = comparison["passed"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!agreed)), "{comparison}");

    let text = validate(&["compare", out]);
    println!("{}", String::from_utf8_lossy(&text.stdout));
    let rows = comparison["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        check(row);
    }
    let fatal = ["empty_tensors", "incomplete", "failed_requests", "unanswered", "counts_differ"];
    for warning in comparison["warnings"].as_array().unwrap() {
        let kind = warning["kind"].as_str().unwrap();
        assert!(!fatal.contains(&kind), "{warning}");
    }

    // The files hold all requests, each with what the server recorded of it.
    let mut requests = csv_rows(&Path::new(out).join("requests.csv"));
    let header: Vec<String> = requests.remove(0);
    let column = |name: &str| header.iter().position(|h| h == name).unwrap();
    let (start, end, error) = (column("start_ns"), column("end_ns"), column("error"));
    assert!(requests.iter().all(|row| !row[start].is_empty() && !row[end].is_empty()));
    assert!(requests.iter().all(|row| row[error].is_empty()));
    let info: Value =
        serde_json::from_slice(&std::fs::read(Path::new(out).join("run.json")).unwrap()).unwrap();
    let workloads = info["workloads"].as_array().unwrap();
    let planned: u64 = workloads.iter().map(|w| w["planned"].as_u64().unwrap()).sum();
    assert_eq!(requests.len() as u64, planned);
    assert!(workloads.iter().all(|w| w["overhead"]["per_request_ms"].as_f64().unwrap() > 0.0));
    // Made again from the files, the comparison is the same.
    let again = json(&validate(&["compare", out, "--json"]));
    assert_eq!(again, comparison);
    for figure in ["agreement", "latency_cdf", "p99", "violations", "series"] {
        let file = Path::new(out).join(format!("figures/{figure}.png"));
        assert!(file.metadata().unwrap().len() > 1000, "{figure}");
    }
}

/// Counts exactly; times by how idle the machine is.
fn check(row: &Value) {
    let (simulated, measured) = (&row["simulated"], &row["measured"]);
    assert_eq!(simulated["requests"], measured["requests"], "{row}");
    assert_eq!(measured["completed"], measured["requests"], "{row}");
    let late_ms = row["late_p99_ms"].as_f64().unwrap();
    let error = |key: &str| row["errors"][key].as_f64().unwrap().abs();
    let limits = if idle_machine() { (5.0, 10.0) } else { (100.0, 400.0) };
    let (mean, p99) = (error("mean_pct"), error("p99_pct"));
    println!("{}: mean {mean:.1} %, P99 {p99:.1} %, late {late_ms:.2} ms", row["workload"]);
    assert!(mean <= limits.0 && p99 <= limits.1, "mean {mean} %, P99 {p99} %: {row}");
}

fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    let row =
        |row: csv::Result<csv::StringRecord>| row.unwrap().iter().map(str::to_owned).collect();
    reader.records().map(row).collect()
}

#[test]
fn a_profile_of_emulated_models_can_be_fitted() {
    let Some(triton) = triton() else { return };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mine");
    let (out, triton) = (out.to_str().unwrap(), triton.to_str().unwrap());
    let mut arguments = vec!["profile", "--triton", triton, "-o", out, "--model", "alexnet"];
    arguments.extend(["--batches", "1,16", "--shares", "10,50,100", "--seconds", "1"]);
    let output = validate(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let profile = igniter::profile::load(out).unwrap();
    assert_eq!((profile.models.len(), profile.models[0].solo.len()), (1, 6));
    assert_eq!(profile.colocated.len(), 1, "a pair with itself");
    let data = igniter::fit::FitData::of(&profile);
    igniter::fit::fit_predictor("igniter", &data).unwrap();
    // What is finished is not measured again: the same numbers.
    let before = std::fs::read(Path::new(out).join("solo.csv")).unwrap();
    assert_eq!(validate(&arguments).status.code(), Some(0));
    assert_eq!(std::fs::read(Path::new(out).join("solo.csv")).unwrap(), before);
    // An emulated model is as slow as its predictor says, and what the host adds.
    let source = igniter::run::load_predictor("v100", None, None).unwrap().predictor;
    let model = source.model_id(&profile.models[0].name).unwrap();
    for point in &profile.models[0].solo {
        let member = igniter::predictor::Member { model, batch: point.batch, sm: point.sm };
        let expected = source.predict(&[member]).members[0].latency_ms();
        let got = point.latency.unwrap().get();
        println!("{} at {} %: {got:.3} ms, emulated {expected:.3} ms", point.batch, point.sm);
        assert!(got > 0.99 * expected, "{got} ms is less than {expected} ms");
    }
}
