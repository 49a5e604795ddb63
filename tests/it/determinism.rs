//! The same scenario and seed give the same bytes: on any number of threads, in debug and release
//! builds, today and tomorrow.

use crate::common::{SHORT, compared, contents, file, igniter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn compare(scenario: &Path, out: &Path, more: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    igniter().arg("compare").arg(scenario).arg("-o").arg(out).args(more).assert().code(0);
    contents(out)
}

#[test]
fn one_and_eight_threads_give_the_same_bytes() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let one = compare(&scenario, &root.path().join("a"), &["--threads", "1"]);
    let eight = compare(&scenario, &root.path().join("b"), &["--threads", "8"]);
    assert!(one.len() >= 7, "{:?}", one.keys());
    assert_eq!(one.keys().collect::<Vec<_>>(), eight.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(bytes == &eight[name], "{} differs", name.display());
    }
}

#[test]
fn another_seed_gives_other_arrivals() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let one = compare(&scenario, &root.path().join("a"), &[]);
    let two = compare(&scenario, &root.path().join("b"), &["--seed", "2"]);
    assert_ne!(one[Path::new("summary.csv")], two[Path::new("summary.csv")]);
}

#[test]
fn requests_and_traces_are_the_same_on_any_number_of_threads() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let files = |format: &str, threads: &str| {
        let (out, trace) = (root.path().join("out"), root.path().join("trace.json"));
        let mut command = igniter();
        command.arg("simulate").arg(&scenario).args(["--requests", "--threads", threads, "-o"]);
        command.arg(&out).args(["--requests-format", format]);
        command.arg("--trace-out").arg(&trace).args(["--trace-window", "1..2"]);
        // 1: with these bursts SLOs are missed.
        command.assert().code(1);
        let requests = std::fs::read(out.join(format!("requests.{format}"))).unwrap();
        (requests, std::fs::read(trace).unwrap())
    };
    let one = files("csv", "1");
    // 3 s of 500 + 400 + 200 requests/s, and the header.
    let lines = one.0.iter().filter(|byte| **byte == b'\n').count();
    assert!((3000..3600).contains(&lines), "{lines} lines");
    assert!(one == files("csv", "8"));
    let trace: serde_json::Value = serde_json::from_slice(&one.1).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 1000);
    let columns = files("parquet", "1");
    assert!(columns.0.starts_with(b"PAR1") && columns.0.len() < one.0.len());
    assert!(columns == files("parquet", "8"));
}

/// The tables of the shipped scenarios, as committed in `tests/golden`. Debug builds are compared here;
/// the release build is compared by `.ci/run`. A change in these numbers is a breaking change, listed
/// under "Results change" in CHANGELOG.md; to accept one, set `IGNITER_ACCEPT_GOLDEN=1`.
#[test]
fn results_are_those_of_the_golden_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for name in ["motivating-3", "paper-12", "paper-12-poisson", "paper-12-bursty"] {
        compared(name, |results| {
            for table in ["plan.csv", "summary.csv", "gpus.csv"] {
                let bytes = &results.files[Path::new(table)];
                let path = golden.join(name).join(table);
                if std::env::var_os("IGNITER_ACCEPT_GOLDEN").is_some() {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, bytes).unwrap();
                }
                let expected = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
                let actual = String::from_utf8(bytes.clone()).unwrap();
                for (number, (a, e)) in (1..).zip(actual.lines().zip(expected.lines())) {
                    assert_eq!(a, e, "{name}/{table}, line {number}");
                }
                assert_eq!(actual.len(), expected.len(), "{name}/{table}");
            }
        });
    }
}
