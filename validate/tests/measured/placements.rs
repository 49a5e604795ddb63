//! Plans with several placements of one workload, and with standbys.

use super::{alone, csv_rows, idle_machine, json, triton, validate};
use igniter::arrivals::Turns;
use igniter::units::RequestsPerSecond;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A run of one workload with a plan of the given GPUs; returns its only row.
fn run(folder: &Path, workload: &str, gpus: &[String], flags: &[&str]) -> Option<Value> {
    let triton = triton()?;
    let (scenario, plan) = (folder.join("scenario.toml"), folder.join("plan.json"));
    let head = "version = 1\nname = \"placements\"\nduration_s = 8\nwarmup_s = 0\ncooldown_s = 0\n\
        [[gpu]]\nkind = \"v100\"\n[engine]\noverlap_load = false\n[[workload]]\nname = \"W1\"\n";
    fs::write(&scenario, format!("{head}{workload}")).unwrap();
    let text = format!(
        "{{\"strategy\": \"by hand\", \"gpus\": [{}], \"gpu_count\": {}, \"cost_per_hour\": 0, \"infeasible\": []}}",
        gpus.join(", "),
        gpus.len()
    );
    fs::write(&plan, text).unwrap();
    let out = folder.join("run");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (scenario, plan, out, triton) = (text(&scenario), text(&plan), text(&out), text(&triton));
    let mut arguments = vec!["run", &scenario, "--plan", &plan, "--triton", &triton];
    arguments.extend(["-o", &out, "--json", "--calibration-s", "3"]);
    arguments.extend(flags);
    let output = validate(&arguments);
    println!("{}", String::from_utf8_lossy(&validate(&["compare", &out]).stdout));
    Some(json(&output)["rows"][0].clone())
}

fn gpu(placement: &str) -> String {
    format!(
        "{{\"kind\": \"v100\", \"placements\": [{{\"workload\": \"W1\", {placement}, \
         \"predicted_latency_ms\": null, \"predicted_throughput_rps\": null}}]}}"
    )
}

/// A few seconds say much of the mean and little of the 99th percentile.
fn check_mean(row: &Value) {
    let (simulated, measured) = (&row["simulated"], &row["measured"]);
    assert_eq!(simulated["requests"], measured["requests"], "{row}");
    assert_eq!(measured["completed"], measured["requests"], "{row}");
    let error = row["errors"]["mean_pct"].as_f64().unwrap().abs();
    let limit = if idle_machine() { 5.0 } else { 100.0 };
    assert!(error <= limit, "mean {error} %: {row}");
}

/// The server of each request, in the order of their numbers.
fn servers(folder: &Path) -> Vec<usize> {
    let rows = csv_rows(&folder.join("run/requests.csv"));
    let column = rows[0].iter().position(|name| name == "server").unwrap();
    rows[1..].iter().map(|row| row[column].parse().unwrap()).collect()
}

#[test]
fn several_placements_share_a_workload_as_in_the_simulator() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let workload =
        "model = \"vgg19\"\nslo_ms = 160\nrate_rps = 30\narrival = { process = \"poisson\" }\n";
    let of = |batch: u32, sm: f64, served: f64| {
        gpu(&format!(
            "\"model\": \"vgg19\", \"batch\": {batch}, \"sm_pct\": {sm}, \"served_rps\": {served}"
        ))
    };
    let gpus = [of(2, 25.0, 22.5), of(4, 15.0, 7.5)];
    let Some(row) = run(folder.path(), workload, &gpus, &[]) else { return };
    assert_eq!(row["replicas"], 2);
    check_mean(&row);
    let rates = [22.5, 7.5].map(|rate| RequestsPerSecond::new(rate).unwrap());
    let servers = servers(folder.path());
    assert!(servers.len() > 150);
    assert_eq!(servers, Turns::new(&rates).take(servers.len()).collect::<Vec<_>>());
    let info = fs::read_to_string(folder.path().join("run/run.json")).unwrap();
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["workloads"][0]["statistics"]["success"], servers.len());
}

#[test]
fn standbys_take_over_in_both_arms() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    // A batch alone takes longer than the SLO: the first window already calls the standby.
    let workload = "model = \"resnet50\"\nslo_ms = 6\nrate_rps = 30\n";
    let gpus = [gpu("\"model\": \"resnet50\", \"batch\": 4, \"sm_pct\": 10.0")];
    let Some(row) = run(folder.path(), workload, &gpus, &["--shadow"]) else { return };
    check_mean(&row);
    assert_eq!(row["simulated_switch_s"], 1.0, "the end of the first window");
    assert!(row["measured_switch_s"].as_f64().unwrap() >= 1.0, "{row}");
    let servers = servers(folder.path());
    let first = servers.iter().position(|&server| server == 1).unwrap();
    assert!(first > 0 && servers[first..].iter().all(|&server| server == 1), "it never goes back");
}
