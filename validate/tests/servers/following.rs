//! Plans that follow each other: servers come and go while requests are sent.

use crate::support::{Setting, shared_memory_of};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

/// Half-way, three times as many requests come, so that both servers start again with more SMs, W1's on another GPU.
const GROWS: &str = "version = 1\nname = \"grows\"\nseed = 1\nduration_s = 26\nwarmup_s = 1\ncooldown_s = 1\n\
    arrival = { process = \"poisson\" }\n[[gpu]]\nkind = \"v100\"\n\
    [replan]\npolicy = \"sticky\"\nperiod_s = 14\nforecast = { kind = \"oracle\", window_s = 2 }\n\
    [replan.handover]\nload_s = 6\nboot_s = 0\n\
    [[phase]]\nduration_s = 14\nrate_scale = 1\n[[phase]]\nduration_s = 12\nrate_scale = 4\n\
    [[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 12\nrate_rps = 80\n\
    [[workload]]\nname = \"W2\"\nmodel = \"vgg19\"\nslo_ms = 22\nrate_rps = 60\n";

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn servers_hand_over_and_no_request_is_lost() {
    let Some(setting) = Setting::new("following") else { return };
    let scenario = setting.write("grows.toml", GROWS);
    let out = setting.path("run");
    let (code, errors) = setting
        .run(&scenario, &out, &["--strategy", "queueing", "--calibration-s", "2", "--quiet"])
        .wait();
    // 1: on a busy machine the arms may not agree.
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    setting.assert_nothing_left();
    assert!(!out.join("partial").exists());
    let plans = json(&out.join("plans.json"));
    let starts = plans["timeline"]["servers"].as_array().unwrap().len();
    assert_eq!(starts, 4, "two servers at the start, two later");

    let mut requests = csv::Reader::from_path(out.join("requests.csv")).unwrap();
    let mut servers = std::collections::BTreeSet::new();
    let mut numbers = std::collections::BTreeSet::new();
    for row in requests.records() {
        let row = row.unwrap();
        let (workload, number) = (row[0].to_owned(), row[1].parse::<u32>().unwrap());
        assert!(numbers.insert((workload.clone(), number)), "answered twice: {row:?}");
        assert_eq!(&row[10], "", "failed: {row:?}");
        servers.insert((workload, row[2].to_owned()));
    }
    let run = json(&out.join("run.json"));
    let planned: u64 =
        run["workloads"].as_array().unwrap().iter().map(|w| w["planned"].as_u64().unwrap()).sum();
    assert_eq!(numbers.len() as u64, planned, "every request has an answer");
    assert_eq!(servers.len(), 4, "each server had requests: {servers:?}");

    let comparison = json(&out.join("comparison.json"));
    let hand_overs = comparison["hand_overs"].as_array().unwrap();
    assert_eq!(hand_overs.len(), 2, "{hand_overs:?}");
    for row in hand_overs {
        assert_eq!(row["lost"], 0);
        assert!(row["requests"].as_u64().unwrap() > 100, "{row}");
        assert!(row["measured_p99_ms"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["simulated_p99_ms"].as_f64().unwrap() > 0.0, "{row}");
    }
    assert!(out.join("hand_overs.csv").is_file());
    // The simulated arm has the requests of the measured one, dealt out to the same servers.
    for row in comparison["rows"].as_array().unwrap() {
        assert_eq!(row["simulated"]["requests"], row["measured"]["requests"]);
    }
}

#[test]
fn nothing_is_left_when_a_hand_over_is_interrupted() {
    let Some(setting) = Setting::new("following-interrupted") else { return };
    let scenario = setting.write("grows.toml", GROWS);
    let out = setting.path("run");
    let flags = ["--strategy", "queueing", "--calibration-s", "0", "--quiet"];
    let mut running = setting.run(&scenario, &out, &flags);
    // Until the servers of the second plan are being started.
    let deadline = Instant::now() + Duration::from_secs(120);
    let servers = || {
        let all = setting.processes();
        all.iter().filter(|(_, command)| command.contains("tritonserver")).count()
    };
    let (mut at_first, mut most) = (None, 0);
    while Instant::now() < deadline && !running.ended() {
        let partial = out.join("partial/requests.csv");
        let sent = fs::read_to_string(partial).map_or(0, |text| text.lines().count());
        if sent > 0 {
            most = servers();
            if most > *at_first.get_or_insert(most) {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!running.ended(), "it was to be interrupted before it ends");
    running.signal("INT");
    let (code, errors) = running.wait();
    assert!(matches!(code, Some(130 | 2)), "{code:?} {errors}");
    setting.assert_nothing_left();
    assert_eq!(shared_memory_of(running.pid()), Vec::<String>::new());
    assert!(at_first.is_some_and(|first| most > first), "a server of the second plan was starting");
}

#[test]
fn what_is_not_followed_is_refused() {
    let setting = Setting::without_triton("following-refused");
    let scenario = setting.write("grows.toml", GROWS);
    let scenario = scenario.to_str().unwrap();
    let out = setting.path("run");
    let out = out.to_str().unwrap();
    for flags in [&["--shadow"][..], &["--models", "torchvision"], &["--shared-memory"]] {
        let arguments = [&["run", scenario, "-o", out][..], flags].concat();
        let (code, errors) = setting.validate(&arguments).wait();
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(flags[0]) && errors.contains("fix: "), "{errors}");
    }
    let (code, errors) = setting.validate(&["launch", scenario]).wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("validate run") && errors.contains("fix: "), "{errors}");
}
