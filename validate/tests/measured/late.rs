//! How late requests are sent at a rate of the paper.

use super::{LATE_MS, alone, json, triton, validate};
use std::fs;
use std::thread;
use std::time::Duration;

/// Of alexnet in the paper's first application.
const SCENARIO: &str = "version = 1\nname = \"late-1200\"\nduration_s = 10\nwarmup_s = 1\ncooldown_s = 0\n\
    [[gpu]]\nkind = \"v100\"\n[engine]\noverlap_load = false\n[batching]\nmax_batch = 32\n[[workload]]\n\
    name = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 10\nrate_rps = 1200\narrival = { process = \"PROCESS\" }\n";

/// The part of a second in which the processors of this machine had nothing to do.
fn idle() -> f64 {
    let times = || {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let all = text.lines().next().unwrap().split_whitespace().skip(1);
        let all: Vec<f64> = all.map(|ticks| ticks.parse().unwrap()).collect();
        (all[3] + all[4], all[..8].iter().sum::<f64>())
    };
    let (idle, all) = times();
    thread::sleep(Duration::from_secs(1));
    let (later_idle, later_all) = times();
    (later_idle - idle) / (later_all - all)
}

#[test]
fn requests_are_sent_within_a_millisecond_of_their_time() {
    let Some(triton) = triton() else { return };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    println!(
        "| arrivals | requests | late P99 ms | latest ms | idle before, after |\n|---|---:|---:|---:|---|"
    );
    for process in ["constant", "poisson"] {
        let scenario = folder.path().join(format!("{process}.toml"));
        fs::write(&scenario, SCENARIO.replace("PROCESS", process)).unwrap();
        let out = folder.path().join(process);
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let (scenario, out, triton) = (text(&scenario), text(&out), text(&triton));
        let mut arguments = vec!["run", &scenario, "--triton", &triton, "-o", &out, "--json"];
        arguments.extend(["--calibration-s", "0", "--no-traces"]);
        let before = idle();
        let row = json(&validate(&arguments))["rows"][0].clone();
        let after = idle();
        let of = |key: &str| row[key].as_f64().unwrap();
        let (late_ms, latest_ms) = (of("late_p99_ms"), of("late_max_ms"));
        let requests = &row["measured"]["requests"];
        println!(
            "| {process} | {requests} | {late_ms:.3} | {latest_ms:.2} | {before:.2}, {after:.2} |"
        );
        assert_eq!(row["measured"]["completed"], *requests, "{row}");
        if before.min(after) < 0.9 {
            eprintln!("{process}: not judged, others used the machine");
            continue;
        }
        assert!(late_ms < LATE_MS, "{process}: 1 % of the sends were {late_ms} ms late or later");
    }
}
