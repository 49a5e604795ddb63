//! Plans that follow load, from the command line and in the library.

use super::common::igniter;
use igniter::plan::replan::{ForecastKind, HandoverMode, Policy, ReplanSpec};
use igniter::plan::strategy;
use igniter::run::{JUDGED_WINDOW, Overrides, Study};
use igniter::scenario::Scenario;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Four workloads over a short day, of which each has its own busy time; epochs of 60 s.
const DAY: &str = r#"
version = 1
name = "short-day"
duration_s = 480
warmup_s = 1
cooldown_s = 1
[[gpu]]
kind = "v100"
[replan]
policy = "sticky"
period_s = 60
forecast = { kind = "last", headroom_pct = 10, window_s = 10 }
[replan.handover]
load_s = 2
boot_s = 5
[[workload]]
name = "A"
model = "resnet50"
slo_ms = 20
rate_rps = 300
arrival = { process = "diurnal", period_s = 480, peak_s = 120, peak_to_trough = 5 }
[[workload]]
name = "B"
model = "vgg19"
slo_ms = 30
rate_rps = 250
arrival = { process = "diurnal", period_s = 480, peak_s = 240, peak_to_trough = 5 }
[[workload]]
name = "C"
model = "ssd"
slo_ms = 40
rate_rps = 150
arrival = { process = "diurnal", period_s = 480, peak_s = 360, peak_to_trough = 5 }
[[workload]]
name = "D"
model = "alexnet"
slo_ms = 15
rate_rps = 400
arrival = { process = "diurnal", period_s = 480, peak_s = 0, peak_to_trough = 5 }
"#;

fn study(change: impl FnOnce(&mut Scenario)) -> Study {
    let mut scenario = Scenario::parse(DAY, Path::new("short-day.toml")).unwrap();
    change(&mut scenario);
    Study::new(scenario, &Overrides::default()).unwrap()
}

#[test]
fn plans_are_written_read_and_simulated() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("day.toml");
    fs::write(&scenario, DAY).unwrap();
    let plans = dir.path().join("plans.json");
    let shown = igniter().arg("replan").arg(&scenario).arg("-o").arg(&plans).assert().code(0);
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    for words in ["queueing, sticky:", "moves", "restarts", "% saved", "GPU-hours", "planned in"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    // The same plans, with their steps and reasons, each time.
    let again = dir.path().join("again.json");
    igniter().arg("replan").arg(&scenario).arg("-o").arg(&again).assert().code(0);
    assert_eq!(fs::read(&plans).unwrap(), fs::read(&again).unwrap());
    let file: Value = serde_json::from_str(&fs::read_to_string(&plans).unwrap()).unwrap();
    let of = |key: &str| file[key].as_array().unwrap().clone();
    assert!(of("plans").len() >= 8);
    let actions: Vec<Value> =
        of("plans").iter().flat_map(|p| p["actions"].as_array().unwrap().clone()).collect();
    assert!(!actions.is_empty());
    assert!(actions.iter().all(|action| !action["reason"].as_str().unwrap().is_empty()));
    // Planned and simulated at once, or one after the other, on any number of threads: the same.
    let json = |args: &[&std::ffi::OsStr]| {
        let run =
            igniter().arg("simulate").arg(&scenario).args(args).arg("--json").output().unwrap();
        let mut value: Value = serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&run.stderr)));
        value["wall_s"] = Value::Null;
        value
    };
    let os = std::ffi::OsStr::new;
    let at_once = json(&[os("--strategy"), os("queueing")]);
    let of_file = json(&[os("--plan"), plans.as_os_str(), os("--threads"), os("1")]);
    assert_eq!(at_once, of_file);
    assert_eq!(at_once["policy"], "sticky");
    let late = at_once["late"].as_u64().unwrap();
    let causes = ["late_in_handover", "late_by_forecast", "late_by_plan"];
    let sum: u64 = causes.iter().map(|cause| at_once[cause].as_u64().unwrap()).sum();
    assert_eq!(late, sum);
    // Tables.
    let out = dir.path().join("out");
    let mut command = igniter();
    command.arg("simulate").arg(&scenario).arg("--plan").arg(&plans).arg("-o").arg(&out);
    assert!(command.output().unwrap().status.code().is_some_and(|code| code < 2));
    for name in ["plans.csv", "actions.csv", "windows.csv", "plans.json", "summary.csv"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let rows = fs::read_to_string(out.join("actions.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + actions.len());
}

#[test]
fn what_does_not_go_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("day.toml");
    fs::write(&scenario, DAY).unwrap();
    let plans = dir.path().join("plans.json");
    igniter().arg("replan").arg(&scenario).arg("-o").arg(&plans).assert().code(0);
    let refused = |args: &[&str], text: &str, words: &[&str]| {
        let other = dir.path().join("other.toml");
        fs::write(&other, text).unwrap();
        let args = args.iter().map(|arg| match *arg {
            "SCENARIO" => other.clone(),
            "PLANS" => plans.clone(),
            arg => arg.into(),
        });
        let run = igniter().args(args).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
    };
    let with_plans = ["simulate", "SCENARIO", "--plan", "PLANS"];
    let renamed = DAY.replace("name = \"D\"", "name = \"E\"");
    refused(&with_plans, &renamed, &["no workload D of model alexnet", "of another scenario"]);
    let more = format!(
        "{DAY}\n[[workload]]\nname = \"E\"\nmodel = \"alexnet\"\nslo_ms = 15\nrate_rps = 1\n"
    );
    refused(&with_plans, &more, &["none serves workload E"]);
    let longer = DAY.replace("duration_s = 480", "duration_s = 600");
    refused(&with_plans, &longer, &["a run of 480 s", "lasts 600 s"]);
    let request_log = ["simulate", "SCENARIO", "--plan", "PLANS", "--requests", "-o", "/nowhere"];
    refused(&request_log, DAY, &["--requests: not there for plans that follow each other"]);
    // One plan of a program would be one for the whole run, in silence.
    for command in ["compare", "simulate"] {
        let args = [command, "SCENARIO", "--strategy-command", "cat"];
        refused(&args, DAY, &["--strategy-command", "plans that follow"]);
    }
    let fixed = DAY.replace("[replan]\n", "").replace("policy = \"sticky\"\nperiod_s = 60\n", "");
    let fixed = fixed
        .replace("forecast = { kind = \"last\", headroom_pct = 10, window_s = 10 }\n", "")
        .replace("[replan.handover]\nload_s = 2\nboot_s = 5\n", "");
    refused(&["replan", "SCENARIO"], &fixed, &["has no [replan] table"]);
    let by = ["replan", "SCENARIO", "--strategy", "infless"];
    refused(&by, DAY, &["policy \"sticky\"", "strategy infless has other rules", "\"matched\""]);
    // No GPU executes vgg19 that fast.
    let fast = DAY.replace("slo_ms = 30", "slo_ms = 0.5");
    refused(&["replan", "SCENARIO"], &fast, &["workload B cannot be served"]);
}

/// Every request that arrives is answered or fails, once, whatever the policy and the hand-over.
#[test]
fn no_request_is_lost_or_answered_twice() {
    let queueing = strategy("queueing").unwrap();
    let total = |study: &Study| -> u64 {
        let built = study.workloads().iter().zip(&study.scenario().workloads);
        built
            .map(|(workload, entry)| {
                let scenario = study.scenario();
                let made = entry.arrival.build(
                    &workload.name,
                    workload.rate,
                    scenario.duration,
                    scenario.seed,
                );
                let mut process = made.unwrap();
                std::iter::from_fn(|| process.next_arrival()).count() as u64
            })
            .sum()
    };
    for policy in
        [Policy::Static, Policy::Scratch, Policy::Matched, Policy::Sticky, Policy::Replicas]
    {
        for mode in [HandoverMode::Room, HandoverMode::Overlap, HandoverMode::Gap] {
            let study = study(|scenario| {
                let spec = scenario.replan.as_mut().unwrap();
                spec.policy = policy;
                spec.handover.mode = mode;
            });
            let spec = study.scenario().replan.unwrap();
            let done = study.replan(queueing.as_ref(), &spec).unwrap();
            let timeline = &done.replanned.timeline;
            let followed = study.follow("queueing", timeline, JUDGED_WINDOW).unwrap();
            let seen: u64 = followed.windows.iter().map(|window| window.requests).sum();
            assert_eq!(seen, total(&study), "{policy:?} {mode:?}");
            assert!(followed.gaps.is_empty(), "{policy:?} {mode:?}: {:?}", followed.gaps);
        }
    }
}

/// An epoch as long as the run is one plan: the same run as of that plan alone.
#[test]
fn one_epoch_is_one_plan() {
    let study = study(|scenario| {
        let spec = scenario.replan.as_mut().unwrap();
        (spec.period_s, spec.early) = (480.0, false);
    });
    let spec = study.scenario().replan.unwrap();
    let queueing = strategy("queueing").unwrap();
    let done = study.replan(queueing.as_ref(), &spec).unwrap();
    assert_eq!(done.replanned.epochs.len(), 1);
    let timeline = &done.replanned.timeline;
    let followed = study.follow("queueing", timeline, JUDGED_WINDOW).unwrap();
    let alone = study.simulate(&timeline.plan("queueing")).unwrap();
    assert_eq!(followed.result.workloads, alone.workloads);
}

/// A perfect forecast and hand-overs that take no time: every epoch is served as its own plan would serve it.
#[test]
fn more_room_and_better_forecasts_lose_less() {
    let queueing = strategy("queueing").unwrap();
    let attained = |change: &dyn Fn(&mut ReplanSpec)| {
        let study = study(|scenario| change(scenario.replan.as_mut().unwrap()));
        let spec = study.scenario().replan.unwrap();
        let done = study.replan(queueing.as_ref(), &spec).unwrap();
        let timeline = &done.replanned.timeline;
        let followed = study.follow("queueing", timeline, JUDGED_WINDOW).unwrap();
        let late: u64 = followed.windows.iter().map(|window| window.late).sum();
        let all: u64 = followed.windows.iter().map(|window| window.requests).sum();
        (100.0 - 100.0 * late as f64 / all as f64, done.account.gpu_hours)
    };
    let oracle = attained(&|spec| {
        spec.forecast.kind = ForecastKind::Oracle;
        (spec.handover.load_s, spec.handover.boot_s) = (0.0, 0.0);
    });
    assert!(oracle.0 >= 99.0, "{oracle:?}");
    let late = attained(&|spec| {
        (spec.early, spec.forecast.headroom_pct) = (false, 0.0);
    });
    let early = attained(&|spec| spec.forecast.headroom_pct = 0.0);
    assert!(early.0 > late.0 && early.1 > late.1, "early buys attainment: {early:?} {late:?}");
    assert!(oracle.0 > late.0, "{oracle:?} {late:?}");
}
