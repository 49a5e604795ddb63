//! Queue policies: what a server refuses is refused in the simulation too.

use crate::support::Setting;

const SCENARIO: &str = "version = 1\nduration_s = 3\nwarmup_s = 0\ncooldown_s = 0\n[[gpu]]\nkind = \"v100\"\n[[workload]]\n\
    name = \"W1\"\nmodel = \"vgg19\"\nslo_ms = 200\nrate_rps = 200\nbatching = { max_queue_size = 4 }\n";
/// A fraction of what is needed.
const PLAN: &str = r#"{"strategy": "by hand", "gpu_count": 1, "cost_per_hour": 0, "infeasible": [], "gpus": [
    {"kind": "v100", "placements": [{"workload": "W1", "model": "vgg19", "batch": 2, "sm_pct": 10,
    "predicted_latency_ms": null, "predicted_throughput_rps": null}]}]}"#;

#[test]
fn a_queue_that_is_full_refuses_in_both_arms() {
    let Some(setting) = Setting::new("policy") else { return };
    let (scenario, plan) = (setting.write("full.toml", SCENARIO), setting.write("plan.json", PLAN));
    let flags = ["--plan", plan.to_str().unwrap(), "--json", "--calibration-s", "0"];
    let mut running = setting.run(&scenario, &setting.path("run"), &flags);
    let comparison = running.document();
    running.wait();
    setting.assert_nothing_left();
    let row = &comparison["rows"][0];
    let of = |arm: &str, key: &str| row[arm][key].as_u64().unwrap();
    for arm in ["simulated", "measured"] {
        let (requests, completed) = (of(arm, "requests"), of(arm, "completed"));
        assert_eq!(requests, 600, "{row}");
        assert!(completed > 0 && completed < requests / 2, "{arm}: {row}");
    }
    let refused =
        comparison["warnings"].as_array().unwrap().iter().find(|w| w["kind"] == "failed_requests");
    let first = refused.expect("it is said")["first"].as_str().unwrap();
    assert!(first.starts_with("status 503"), "{first}");
}

#[test]
fn rests_of_the_scheduler_are_no_host_time_of_a_batch() {
    // 76 ms a batch, 20 requests/s, refused after 100 ms in the queue: then Triton's scheduler rests for up to 500 ms,
    // between two batches. A calibration that took that for the host's time made full batches last 209 ms.
    let Some(setting) = Setting::new("rests") else { return };
    let scenario = SCENARIO
        .replace(
            "slo_ms = 200\nrate_rps = 200",
            "slo_ms = 500\nrate_rps = 20\narrival = { process = \"poisson\" }",
        )
        .replace("duration_s = 3", "duration_s = 8")
        .replace(
            "max_queue_size = 4",
            "max_batch = 1, timeout_ms = 100, timeout_action = \"reject\"",
        );
    let plan = PLAN.replace("\"batch\": 2, \"sm_pct\": 10", "\"batch\": 1, \"sm_pct\": 2.5");
    let (scenario, plan) =
        (setting.write("rests.toml", &scenario), setting.write("plan.json", &plan));
    let flags = ["--plan", plan.to_str().unwrap(), "--json", "--calibration-s", "4"];
    let mut running = setting.run(&scenario, &setting.path("run"), &flags);
    let comparison = running.document();
    running.wait();
    setting.assert_nothing_left();
    let row = &comparison["rows"][0];
    let [predicted, hosted] =
        ["predicted_batch_ms", "hosted_batch_ms"].map(|key| row[key].as_f64().unwrap());
    assert!(hosted >= predicted && hosted < 1.5 * predicted, "{row}");
    let of = |key: &str| row["measured"][key].as_u64().unwrap();
    assert!(of("completed") > 0 && of("completed") < of("requests"), "some are refused: {row}");
}
