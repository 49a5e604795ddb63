//! Real Triton servers, started, used, interrupted, broken and ended.
//!
//! `scripts/setup_triton.sh` installs the server; without it the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which may unwrap")]

mod breakage;
mod containers;
mod following;
mod gateway;
mod gpus;
mod interruption;
mod midrun;
mod policy;
mod profile;
mod ready;
mod records;
#[cfg(feature = "remote")]
mod remote;
mod shares;
mod standing;
mod standins;
mod support;

use support::Setting;

#[test]
fn every_placement_of_a_plan_gets_a_server_that_answers() {
    let Some(setting) = Setting::new("answers") else { return };
    let mut running = setting.launch(&["--traces"]);
    let servers = running.servers();
    let served: Vec<_> =
        servers.iter().map(|server| server["workload"].as_str().unwrap()).collect();
    assert_eq!(served, ["W3", "W2", "W1"]);
    for server in &servers {
        let answer = support::infer(server, 41.0);
        assert_eq!(answer["outputs"][0]["data"][0], 42.0, "{answer}");
        assert_eq!(server["inputs"][0]["name"], "IN");
        assert!(server["seen_sm"].is_null(), "no GPU is used");
    }
    running.signal("INT");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "Ctrl-C is how it is meant to end: {errors}");
    setting.assert_nothing_left();
    for server in &servers {
        let trace = std::fs::read_to_string(server["trace_file"].as_str().unwrap()).unwrap();
        assert!(trace.contains("COMPUTE_START"), "{trace}");
    }
}
