//! What arrived, as a user finds it in a folder of results.

use crate::common::{file, igniter};
use std::collections::BTreeMap;
use tempfile::TempDir;

const SCENARIO: &str = "version = 1
duration_s = 10
[[gpu]]
kind = \"v100\"
[[workload]]
name = \"even\"
model = \"alexnet\"
slo_ms = 50
rate_rps = 200
[[workload]]
name = \"bursty\"
model = \"resnet50\"
slo_ms = 100
rate_rps = 100
arrival = { process = \"gamma\", cv = 3 }
";

const CLOSED: &str = "[[workload]]
name = \"closed\"
model = \"alexnet\"
slo_ms = 50
rate_rps = 100
arrival = { process = \"closed_loop\", clients = 8, think_ms = 20 }
";

#[test]
fn achieved_rates_are_written_beside_the_results() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "open.toml", SCENARIO);
    let inspected = igniter().args(["trace", "inspect", "--json"]).arg(scenario).output().unwrap();
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let scenario = file(root.path(), "closed.toml", format!("{SCENARIO}{CLOSED}"));
    let out = root.path().join("out");
    igniter().arg("compare").arg(&scenario).arg("--quiet").arg("-o").arg(&out).assert().success();
    let mut reader = csv::Reader::from_path(out.join("arrivals.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let keys: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row["strategy"], row["workload"])).collect();
    let workloads = ["even", "bursty", "closed"];
    let expected: Vec<String> = ["igniter", "ffd"]
        .iter()
        .flat_map(|strategy| workloads.map(|workload| format!("{strategy} {workload}")))
        .collect();
    assert_eq!(keys, expected);
    let number = |row: &BTreeMap<String, String>, key: &str| row[key].parse::<f64>().unwrap();
    assert_eq!((rows[0]["requests"].as_str(), rows[0]["gpu"].as_str()), ("2000", ""));
    assert!(number(&rows[0], "gap_cv") < 1e-6, "{:?}", rows[0]);
    // Arrivals that wait for nobody are the same for all strategies, and those of `trace inspect`.
    for (row, other) in rows[..2].iter().zip(&rows[3..5]) {
        let without = |row: &BTreeMap<String, String>| {
            row.iter().filter(|(key, _)| *key != "strategy").map(|(_, v)| v.clone()).collect()
        };
        let (row, other): (Vec<String>, Vec<String>) = (without(row), without(other));
        assert_eq!(row, other);
    }
    for (row, known) in rows.iter().zip(inspected["workloads"].as_array().unwrap()) {
        for key in ["requests", "rate_rps", "gap_cv", "peak_rps", "dispersion", "longest_gap_s"] {
            let expected = known[key].as_f64().unwrap();
            assert!((number(row, key) - expected).abs() <= 1e-12 * expected, "{key}: {row:?}");
        }
    }
    for closed in [&rows[2], &rows[5]] {
        // 8 clients that think 20 ms and wait for their answers besides: less than 400 requests/s.
        assert!((100.0..400.0).contains(&number(closed, "rate_rps")), "{closed:?}");
        assert!(closed["asked_rps"].is_empty() && !closed["gpu"].is_empty(), "{closed:?}");
    }
}

#[test]
fn a_simulation_says_what_arrived() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "closed.toml", format!("{SCENARIO}{CLOSED}"));
    let inspected = file(root.path(), "open.toml", SCENARIO);
    let inspected = igniter().args(["trace", "inspect", "--json"]).arg(inspected).output().unwrap();
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let found = igniter().arg("simulate").arg(&scenario).arg("--json").output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let rows = found["arrivals"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    // Counted on the way through the engine, and the same as drawn on their own.
    for (row, known) in rows.iter().zip(inspected["workloads"].as_array().unwrap()) {
        for key in ["workload", "asked_rps", "requests", "rate_rps", "gap_cv", "dispersion"] {
            assert_eq!(row[key], known[key], "{key}");
        }
    }
    let text = igniter().arg("simulate").arg(&scenario).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    let line = |start: &str| text.lines().find(|line| line.trim().starts_with(start)).unwrap();
    assert!(line("workload").contains("in/s  gap CV"), "{text}");
    let cv = rows[1]["gap_cv"].as_f64().unwrap();
    assert!(line("bursty").contains(&format!(" {cv:.2} ")), "{cv}: {text}");
    // A comparison has one set of arrivals for all its tables.
    let text = igniter().arg("compare").arg(&scenario).output().unwrap().stdout;
    assert!(!String::from_utf8(text).unwrap().contains("gap CV"));
}
