//! What plans that follow load are worth, and whether what they promise comes true.

use super::common::{at_most, igniter, reference_data};
use igniter::arrivals::ArrivalSpec;
use igniter::plan::replan::{ForecastKind, ReplanSpec, epoch_plan};
use igniter::plan::strategy;
use igniter::run::{JUDGED_WINDOW, Overrides, Study};
use igniter::scenario::Scenario;
use igniter::units::{Nanoseconds, RequestsPerSecond};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const DAY: &str = include_str!("../../scenarios/day.toml");

/// `scenarios/day.toml` in which a day takes so many seconds.
fn day(seconds: f64, change: impl FnOnce(&mut ReplanSpec)) -> Study {
    let mut scenario = Scenario::parse(DAY, Path::new("day.toml")).unwrap();
    let faster = 86_400.0 / seconds;
    let short = |time: Nanoseconds| Nanoseconds::from_seconds(time.as_seconds() / faster).unwrap();
    scenario.duration = short(scenario.duration);
    for entry in &mut scenario.workloads {
        if let ArrivalSpec::Shaped { shape, .. } = &mut entry.arrival
            && let igniter::arrivals::RateShape::Diurnal { period, peak, .. } = shape
        {
            (*period, *peak) = (short(*period), short(*peak));
        }
    }
    let spec = scenario.replan.as_mut().unwrap();
    spec.period_s /= faster;
    spec.move_cost_gpu_s /= faster;
    (spec.handover.load_s, spec.handover.boot_s) = (20.0 / faster, 120.0 / faster);
    spec.forecast.window_s = spec.period_s / 6.0;
    change(spec);
    Study::new(scenario, &Overrides::default()).unwrap()
}

/// The analysis of queues, by which plans are made, against a simulation of the same plan at the same rates.
#[test]
fn epochs_attain_what_they_are_planned_for() {
    let study = day(2400.0, |spec| {
        (spec.forecast.kind, spec.forecast.headroom_pct) = (ForecastKind::Oracle, 0.0);
    });
    let queueing = strategy("queueing").unwrap();
    let spec = study.scenario().replan.unwrap();
    let done = study.replan(queueing.as_ref(), &spec).unwrap();
    let (mut most, mut least) = (0.0_f64, 100.0_f64);
    for epoch in done.replanned.epochs.iter().skip(4).step_by(11) {
        let mut scenario = study.scenario().clone();
        scenario.replan = None;
        scenario.duration = Nanoseconds::from_seconds(200.0).unwrap();
        for (entry, rate) in scenario.workloads.iter_mut().zip(&epoch.rates) {
            entry.arrival = ArrivalSpec::Poisson;
            entry.workload.rate = RequestsPerSecond::new(*rate).unwrap();
        }
        let alone = Study::new(scenario, &Overrides::default()).unwrap();
        let plan = epoch_plan(&epoch.machines, "queueing", &alone.kinds(), alone.workloads());
        let seen = alone.simulate(&plan).unwrap().workloads;
        for (expected, seen) in alone.forecast(&plan, false).iter().zip(&seen) {
            assert_eq!(expected.workload, seen.workload.as_str());
            let attained = 100.0 - seen.slo_violation_pct.unwrap();
            most = most.max((expected.attained_pct - attained).abs());
            least = least.min(attained);
        }
    }
    at_most("expected less simulated attainment, in points", most, 1.0);
    at_most("late requests of a workload, in percent", 100.0 - least, 1.1);
}

/// With a forecast that looks back, shorter epochs save more and attain more; acting within an epoch and headroom buy
/// attainment with GPU-hours.
#[test]
fn the_known_trades_have_the_known_signs() {
    let queueing = strategy("queueing").unwrap();
    // Saved in percent, and attained in percent.
    let of = |period_s: f64, early: bool, headroom_pct: f64| {
        let study = day(1200.0, |spec| {
            (spec.period_s, spec.early, spec.forecast.window_s) = (period_s, early, 5.0);
            spec.forecast.headroom_pct = headroom_pct;
        });
        let spec = study.scenario().replan.unwrap();
        let done = study.replan(queueing.as_ref(), &spec).unwrap();
        let timeline = &done.replanned.timeline;
        let windows = study.follow("queueing", timeline, JUDGED_WINDOW).unwrap().windows;
        let sum = |of: fn(&igniter::metrics::RequestWindow) -> u64| {
            windows.iter().map(of).sum::<u64>() as f64
        };
        let saved = 100.0 * (1.0 - done.account.gpu_hours / done.fixed.gpu_hours);
        let attained = 100.0 * (1.0 - sum(|window| window.late) / sum(|window| window.requests));
        println!(
            "{period_s} s, early {early}, headroom {headroom_pct} %: saved {saved:.1} %, attained {attained:.2} %"
        );
        (saved, attained)
    };
    let (short, long) = (of(25.0, false, 10.0), of(100.0, false, 10.0));
    assert!(short.0 > long.0 && short.1 > long.1, "{short:?} {long:?}");
    let early = of(100.0, true, 10.0);
    assert!(early.0 < long.0 && early.1 > long.1, "{early:?} {long:?}");
    let roomy = of(100.0, false, 30.0);
    assert!(roomy.0 < long.0 && roomy.1 > long.1, "{roomy:?} {long:?}");
}

/// The paper's workloads: model, SLO in ms, highest rate in requests/s.
const PAPER: [(&str, u32, f64); 12] = [
    ("alexnet", 10, 1200.0),
    ("resnet50", 20, 400.0),
    ("vgg19", 20, 300.0),
    ("ssd", 25, 150.0),
    ("alexnet", 15, 400.0),
    ("resnet50", 30, 600.0),
    ("vgg19", 30, 400.0),
    ("ssd", 40, 50.0),
    ("alexnet", 20, 800.0),
    ("resnet50", 40, 200.0),
    ("vgg19", 40, 200.0),
    ("ssd", 55, 300.0),
];

/// Windows of ten minutes in two days, from the second day on.
const FIRST: usize = 144;
const WINDOWS: usize = 288;

/// The rates of the clients that are there more than half of the time, the busiest first.
fn clients(folder: &Path) -> Vec<Vec<f64>> {
    let mut clients = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let mut rates = vec![0.0; WINDOWS];
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let mut fields = line.split(',').map(|field| field.parse::<f64>().unwrap_or(0.0));
            let (start, rate) = (fields.next().unwrap(), fields.next().unwrap());
            let is_here =
                |window: &usize| (0.0..600.0).contains(&(start - 600.0 * (*window + FIRST) as f64));
            if let Some(of) = (0..WINDOWS).find(is_here).and_then(|at| rates.get_mut(at)) {
                *of = rate;
            }
        }
        if rates.iter().filter(|rate| **rate > 0.0).count() > WINDOWS / 2 {
            clients.push(rates);
        }
    }
    let sum = |rates: &[f64]| rates.iter().sum::<f64>();
    clients.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    clients
}

/// Clients in turn to the paper's workloads, each with the same weight; the highest rate but for half a percent of the
/// windows is the paper's.
fn scenario(folder: &Path, clients: &[Vec<f64>], policy: &str, into: &Path) {
    // A day takes two hours.
    let mut text = format!(
        "version = 1\nname = \"servegen-12\"\nduration_s = {}\npercentiles = \"histogram\"\n[[gpu]]\nkind = \"v100\"\n\
         [replan]\npolicy = \"{policy}\"\nperiod_s = 300\nmove_cost_gpu_s = 5\nearly = false\n\
         forecast = {{ kind = \"oracle\", headroom_pct = 0, window_s = 50 }}\n\
         [replan.handover]\nload_s = 1.667\nboot_s = 10\n",
        WINDOWS * 50
    );
    for (place, (model, slo_ms, peak)) in PAPER.into_iter().enumerate() {
        let mut rates = vec![0.0; WINDOWS];
        for client in clients.iter().skip(place).step_by(PAPER.len()) {
            let mean = client.iter().sum::<f64>() / WINDOWS as f64;
            rates.iter_mut().zip(client).for_each(|(sum, rate)| *sum += rate / mean);
        }
        let mut sorted = rates.clone();
        sorted.sort_by(f64::total_cmp);
        let high = sorted[WINDOWS * 995 / 1000];
        let mut table = String::from("start_s,rate_rps\n");
        for (window, rate) in rates.iter().enumerate() {
            writeln!(table, "{},{:.6}", window * 50, (rate / high).min(1.0) * peak).unwrap();
        }
        fs::write(folder.join(format!("{place}.csv")), table).unwrap();
        write!(
            text,
            "[[workload]]\nname = \"W{}\"\nmodel = \"{model}\"\nslo_ms = {slo_ms}\nrate_rps = {peak}\n\
             arrival = {{ process = \"rates\", path = \"{place}.csv\" }}\n",
            place + 1
        )
        .unwrap();
    }
    fs::write(into, text).unwrap();
}

/// Two days of a public service, ServeGen's `m-small`, hourly plans with a perfect forecast.
#[test]
fn a_public_load_is_followed_with_few_moves() {
    let Some(data) = reference_data() else { return };
    let archive = data.parent().unwrap().join("traces/servegen/servegen_small.tar.xz");
    if !archive.is_file() {
        eprintln!("skipped: {} is not here", archive.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(dir.path()).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!("skipped: tar with xz cannot unpack {}", archive.display());
        return;
    }
    let clients = clients(&dir.path().join("data/language/m-small"));
    assert!(clients.len() >= PAPER.len(), "{} clients", clients.len());
    let file = dir.path().join("servegen.toml");
    let of = |policy: &str| {
        scenario(dir.path(), &clients, policy, &file);
        let run = igniter().arg("replan").arg(&file).arg("--json").assert().code(0);
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        let number = |key: &str| found[key].as_f64().unwrap();
        let moves = number("moves") / number("epochs");
        println!("{policy}: saved {:.1} %, {moves:.2} moves for each plan", number("saved_pct"));
        assert!(number("peak_gpus") <= number("fixed_gpus"));
        assert!(number("gpu_hours") >= number("bound_gpu_hours"));
        (number("saved_pct"), moves)
    };
    let (matched, sticky) = (of("matched"), of("sticky"));
    assert!(sticky.0 >= 45.0 && sticky.0 >= 0.95 * matched.0, "{sticky:?} {matched:?}");
    at_most("moves for each plan", sticky.1, 2.5);
    assert!(matched.1 >= 2.0 * sticky.1, "{matched:?}");
}
