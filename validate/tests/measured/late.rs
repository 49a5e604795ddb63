//! How late requests are sent at a rate of the paper.

use super::{alone, idle_machine, json, triton, validate};
use std::fs;

/// Of alexnet in the paper's first application.
const SCENARIO: &str = "version = 1\nname = \"late-1200\"\nduration_s = 10\nwarmup_s = 1\ncooldown_s = 0\n\
    [[gpu]]\nkind = \"v100\"\n[engine]\noverlap_load = false\n[batching]\nmax_batch = 32\n[[workload]]\n\
    name = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 10\nrate_rps = 1200\narrival = { process = \"PROCESS\" }\n";

/// On an idle machine, 99 % of the requests are sent within this of their time.
const LATE_MS: f64 = 1.0;
/// Later than this on any machine, and the client does not follow its schedule.
const BROKEN_MS: f64 = 200.0;

#[test]
fn requests_are_sent_within_a_millisecond_of_their_time() {
    let Some(triton) = triton() else { return };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    println!("| arrivals | requests | late P99 ms | latest ms |\n|---|---:|---:|---:|");
    for process in ["constant", "poisson"] {
        let scenario = folder.path().join(format!("{process}.toml"));
        fs::write(&scenario, SCENARIO.replace("PROCESS", process)).unwrap();
        let out = folder.path().join(process);
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let (scenario, out, triton) = (text(&scenario), text(&out), text(&triton));
        let mut arguments = vec!["run", &scenario, "--triton", &triton, "-o", &out, "--json"];
        arguments.extend(["--calibration-s", "0", "--no-traces"]);
        let row = json(&validate(&arguments))["rows"][0].clone();
        let of = |key: &str| row[key].as_f64().unwrap();
        let (late_ms, latest_ms) = (of("late_p99_ms"), of("late_max_ms"));
        let requests = &row["measured"]["requests"];
        println!("| {process} | {requests} | {late_ms:.3} | {latest_ms:.2} |");
        assert_eq!(row["measured"]["completed"], *requests, "{row}");
        let limit_ms = if idle_machine() { LATE_MS } else { BROKEN_MS };
        assert!(late_ms < limit_ms, "{process}: 1 % of the sends were {late_ms} ms late or later");
    }
}
