//! `[replan]`: what is read, and each thing that is refused.

use super::*;
use igniter_plan::replan::{ForecastKind, HandoverMode, Policy, ReplanSpec, ReplicaTarget};

/// The small file with the lines of a `[replan]` table, and of keys after it.
fn text(replan: &str) -> String {
    SMALL.replace("duration_s = 60", "duration_s = 7200") + "\n[replan]\n" + replan
}

fn read(replan: &str) -> ReplanSpec {
    match parse(&text(replan)) {
        Ok(scenario) => scenario.replan.expect("it has the table"),
        Err(error) => panic!("{replan}: {error}"),
    }
}

/// Exactly one problem with these words must come back.
fn refused(text: &str, words: &[&str]) {
    let error = parse(text).expect_err(text).to_string();
    assert!(!error.contains("problems in"), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn a_policy_is_enough() {
    for (word, policy) in Policy::ALL {
        let spec = read(&format!("policy = \"{word}\"\n"));
        assert_eq!(spec, ReplanSpec { policy, ..ReplanSpec::default() });
    }
    assert_eq!(parse(SMALL).unwrap().replan, None);
}

#[test]
fn all_keys() {
    let spec = read(
        "policy = \"matched\"\nperiod_s = 600\nmove_cost_gpu_s = 5\nhold_s = 60\nearly = false\n\
         forecast = { kind = \"peak\", epochs = 2, headroom_pct = 20, statistic = \"mean\", window_s = 30 }\n\
         [replan.handover]\nmode = \"gap\"\nload_s = 1\nboot_s = 2\nbilling_s = 3600\n\
         [replan.replicas]\ntarget_pct = \"slo\"\nat_peak = 2\nscale_down_s = 0\n",
    );
    assert_eq!(spec.forecast.kind, ForecastKind::Peak { epochs: 2 });
    assert_eq!(spec.handover.mode, HandoverMode::Gap);
    assert_eq!(spec.handover.billing_s, 3600);
    assert_eq!(spec.replicas.target, ReplicaTarget::Slo);
    let scenario = parse(&text("policy = \"sticky\"\n")).unwrap();
    let again = Scenario::parse(&scenario.to_toml(), Path::new("resolved.toml")).unwrap();
    assert_eq!(again, scenario);
}

#[test]
fn bad_keys() {
    refused(&text("period_s = 60\n"), &["replan.policy: missing", "\"sticky\" | \"replicas\""]);
    refused(&text("policy = \"stiky\"\n"), &["did you mean \"sticky\"?"]);
    refused(&text("policy = \"sticky\"\nperiod_s = 5\n"), &["from 10 to 86400 s"]);
    refused(
        &text("policy = \"sticky\"\n[replan.handover]\nbilling_s = 2\n"),
        &["replan.handover.billing_s: given 2", "1, 60 or 3600"],
    );
    refused(
        &text("policy = \"replicas\"\n[replan.replicas]\ntarget_pct = \"sol\"\n"),
        &["from 1 to 100 %, or \"slo\""],
    );
    refused(
        &text("policy = \"sticky\"\nforecast = { kind = \"last\", epochs = 3 }\n"),
        &["replan.forecast.epochs: epochs without kind = \"peak\""],
    );
    let all = text("policy = \"stiky\"\nperiod_s = 5\nhold_s = -1\n");
    assert!(parse(&all).unwrap_err().to_string().contains("3 problems in"));
}

#[test]
fn epochs_fit_into_the_run() {
    refused(
        &text("policy = \"sticky\"\nperiod_s = 7260\n"),
        &["replan.period_s: epochs of 7260 s are longer than the run", "at most duration_s = 7200"],
    );
    // The default, too.
    let short = SMALL.to_owned() + "\n[replan]\npolicy = \"sticky\"\n";
    refused(&short, &["replan.period_s: epochs of 900 s are longer than the run"]);
    // One plan for the whole run needs none, and one epoch is one plan.
    let fixed = SMALL.to_owned() + "\n[replan]\npolicy = \"static\"\n";
    assert!(parse(&fixed).is_ok());
    read("policy = \"sticky\"\nperiod_s = 7200\n");
    refused(
        &text("policy = \"sticky\"\nforecast = { window_s = 70 }\n"),
        &["window_s = 70", "a part of period_s = 900"],
    );
}

#[test]
fn forecasts_have_history() {
    let season = |day: u32| {
        text(&format!(
            "policy = \"sticky\"\nforecast = {{ kind = \"season\", period_s = {day} }}\n"
        ))
    };
    refused(&season(6300), &["no epoch has a day of 6300 s before it, so there is no history"]);
    refused(&season(5500), &["a day of 5500 s", "a multiple of the epochs of 900 s"]);
    assert!(parse(&season(5400)).is_ok());
}

#[test]
fn handovers_can_have_room_and_time() {
    refused(
        &text("policy = \"sticky\"\n[replan.handover]\nload_s = 400\nboot_s = 500\n"),
        &["ready after 900 s (400 s to load, 500 s to boot)", "less than the epochs of 900 s"],
    );
    let one = "policy = \"sticky\"\n[plan]\nprocess_limit = 1\n";
    refused(&text(one), &["process_limit = 1", "mode = \"gap\""]);
    let gap = "policy = \"sticky\"\n[replan.handover]\nmode = \"gap\"\n[plan]\nprocess_limit = 1\n";
    assert!(parse(&text(gap)).is_ok());
}

#[test]
fn nobody_else_changes_the_plan() {
    for other in [
        "[controller]\nkind = \"shadow\"\n",
        "[[fault]]\nkind = \"workload-crashes\"\nworkload = \"W1\"\nat_s = 5\n",
    ] {
        for policy in ["sticky", "static"] {
            refused(
                &text(&format!("policy = \"{policy}\"\n{other}")),
                &["replan: given together with a controller or a fault"],
            );
        }
    }
}

#[test]
fn rates_do_not_depend_on_the_plan() {
    let with = |policy: &str| {
        let arrival = "arrival = { process = \"closed_loop\", clients = 4 }\nduration_s";
        text(&format!("policy = \"{policy}\"\n")).replacen("duration_s", arrival, 1)
    };
    refused(&with("sticky"), &["replan: the clients of workload \"W1\" wait", "closed_loop"]);
    assert!(parse(&with("static")).is_ok());
}
