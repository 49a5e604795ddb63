//! The queueing-aware planner against the engine, and what it says of inputs that it cannot plan for.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]

use igniter::domain::{CoLocation, GpuKindName, Placement, Plan, Workload};
use igniter::plan::{Forecast, PlanOptions, PlanRequest, Strategy, forecast, strategy};
use igniter::run::{Overrides, PlanOverrides, Study};
use igniter::scenario::Scenario;
use igniter::units::{BatchSize, Nanoseconds, RequestsPerSecond, SmUnits};
use std::path::Path;

fn queueing() -> Box<dyn Strategy> {
    strategy("queueing").unwrap()
}

/// A scenario of some workloads (name, model, SLO in ms, rate) with the same arrivals, on V100s.
fn study(arrival: &str, seconds: f64, workloads: &[(&str, &str, f64, f64)], more: &str) -> Study {
    let mut text =
        format!("version = 1\nduration_s = {seconds}\n{more}\n[[gpu]]\nkind = \"v100\"\n");
    for (name, model, slo, rate) in workloads {
        text += &format!(
            "[[workload]]\nname = \"{name}\"\nmodel = \"{model}\"\nslo_ms = {slo}\nrate_rps = {rate}\n\
             arrival = {{ {arrival} }}\n"
        );
    }
    let scenario = Scenario::parse(&text, Path::new("queueing.toml")).unwrap();
    Study::new(scenario, &Overrides::default()).unwrap()
}

const FEW: [(&str, &str, f64, f64); 4] = [
    ("A", "alexnet", 12.0, 500.0),
    ("B", "resnet50", 30.0, 250.0),
    ("C", "vgg19", 40.0, 120.0),
    ("D", "ssd", 60.0, 60.0),
];

/// The attainment of each workload in a simulation with a seed, in percent.
fn simulated(study: &Study, plan: &Plan, seed: u64) -> Vec<f64> {
    let result = study.reseeded(seed).unwrap().simulate(plan).unwrap();
    let of = |w: &igniter::metrics::WorkloadSummary| 100.0 - w.slo_violation_pct.unwrap_or(0.0);
    result.workloads.iter().map(of).collect()
}

/// A generator of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, below: usize) -> usize {
        (self.uniform(0.0, below as f64) as usize).min(below - 1)
    }
}

/// One server of a workload, alone on a GPU, as one of `replicas`.
fn alone(workload: &Workload, batch: u32, units: u32, replicas: u32) -> Plan {
    let part = workload.rate.get() / f64::from(replicas);
    let placement = Placement {
        workload: workload.name.clone(),
        model: workload.model.clone(),
        batch: BatchSize::new(batch).unwrap(),
        sm: SmUnits::new(units),
        served: RequestsPerSecond::new(part).ok().filter(|_| replicas > 1),
        time_slot: None,
        predicted: None,
    };
    let gpu = CoLocation { kind: GpuKindName::new("v100").unwrap(), placements: vec![placement] };
    Plan {
        strategy: "queueing".to_owned(),
        gpus: (0..replicas).map(|_| gpu.clone()).collect(),
        infeasible: Vec::new(),
        bound: None,
    }
}

#[test]
fn forecasts_of_random_servers_are_what_the_engine_does() {
    const RANGES: [(&str, [f64; 2], [f64; 2]); 4] = [
        ("alexnet", [10.0, 20.0], [200.0, 1200.0]),
        ("resnet50", [20.0, 40.0], [100.0, 600.0]),
        ("vgg19", [20.0, 40.0], [100.0, 400.0]),
        ("ssd", [25.0, 55.0], [50.0, 300.0]),
    ];
    // A million requests of each: that is minutes, so more servers than these are for a release build.
    let full = std::env::var_os("IGNITER_FULL_TESTS").is_some();
    let more = std::env::var("IGNITER_FORECAST_SERVERS").ok().and_then(|n| n.parse().ok());
    let (count, requests) = if full { (more.unwrap_or(30), 1_000_000.0) } else { (24, 100_000.0) };
    let mut numbers = Numbers(11);
    let mut worst: f64 = 0.0;
    let mut seen = 0;
    while seen < count {
        let (model, slo, rate) = RANGES[numbers.below(4)];
        let (slo, rate) = (numbers.uniform(slo[0], slo[1]), numbers.uniform(rate[0], rate[1]));
        let batch = 1 + numbers.below(8) as u32;
        let units = 4 + numbers.below(37) as u32;
        let replicas = 1 + numbers.below(3) as u32;
        let overlap = if numbers.below(4) == 0 { "[engine]\noverlap_load = false" } else { "" };
        let seconds = (requests * f64::from(replicas) / rate).ceil();
        let workloads = [("W", model, (slo * 10.0).round() / 10.0, rate.round())];
        let study = study("process = \"poisson\"", seconds, &workloads, overlap);
        let plan = alone(&study.workloads()[0], batch, units, replicas);
        let found = study.forecast(&plan, false);
        // What planners look at: servers that are not far from their target.
        if found[0].attained_pct < 95.0 {
            continue;
        }
        seen += 1;
        let difference = (found[0].attained_pct - simulated(&study, &plan, 5)[0]).abs();
        worst = worst.max(difference);
        let allowed = if full { 0.2 } else { 0.6 };
        assert!(difference <= allowed, "{difference} points: {workloads:?} {found:?}");
    }
    println!("largest difference of {count} servers: {worst:.3} points");
}

#[test]
fn a_plan_for_poisson_arrivals_holds_on_seeds_that_it_has_not_seen() {
    let study = study("process = \"poisson\"", 300.0, &FEW, "");
    let plan = study.plan(queueing().as_ref());
    assert!(plan.infeasible.is_empty() && study.check(&plan).is_empty(), "{plan:?}");
    let bound = plan.bound.as_ref().unwrap();
    assert!(bound.gpus <= plan.gpus.len(), "{bound:?}");
    let forecasts = study.forecast(&plan, true);
    assert_eq!(forecasts.len(), FEW.len());
    for seed in 1..=3 {
        for (attained, forecast) in simulated(&study, &plan, seed).iter().zip(&forecasts) {
            assert!(*attained >= 98.9, "seed {seed}: {attained} {forecast}");
            let difference = (attained - forecast.attained_pct).abs();
            assert!(difference < 0.5, "seed {seed}: {attained} is not {forecast}");
        }
    }
    for Forecast { attained_pct, goal_pct, interval_pct, servers, choices, .. } in &forecasts {
        assert!(*attained_pct >= goal_pct - 0.05 && *goal_pct >= 99.0);
        assert!(interval_pct.0 < *attained_pct && *attained_pct <= interval_pct.1);
        assert!(choices.iter().any(|choice| choice.replicas as usize == servers.len()));
        for server in servers {
            assert!(server.busy_pct > 0.0 && server.busy_pct < 100.0);
            assert!(server.with_less_pct.is_none_or(|less| less <= server.attained_pct + 0.01));
            assert!(server.alone.is_some_and(|(alone, _)| alone <= server.sm_pct));
        }
    }
    // The rule of half of the SLO needs no more GPUs, and does not hold.
    let rule = study.plan(strategy("igniter").unwrap().as_ref());
    assert!(simulated(&study, &rule, 1).iter().any(|attained| *attained < 95.0));
}

#[test]
fn bursts_and_evenly_spaced_requests_are_planned_from_draws() {
    let workloads = [("A", "alexnet", 20.0, 200.0), ("B", "resnet50", 60.0, 100.0)];
    let mut gpus = Vec::new();
    for arrival in [
        "process = \"constant\"",
        "process = \"poisson\"",
        "process = \"gamma\", cv = 3",
        "process = \"weibull\", cv = 2",
    ] {
        let study = study(arrival, 120.0, &workloads, "");
        let plan = study.plan(queueing().as_ref());
        assert!(plan.infeasible.is_empty(), "{arrival}: {:?}", plan.infeasible);
        let shares: u32 = plan.placements().map(|(_, p)| p.sm.get()).sum();
        assert!(shares <= 40 * plan.gpus.len() as u32);
        for attained in simulated(&study, &plan, 3) {
            assert!(attained >= 98.5, "{arrival}: {attained}");
        }
        gpus.push(plan.bound.unwrap().fractional_gpus);
    }
    assert!(gpus[0] < gpus[1] && gpus[1] < gpus[2], "{gpus:?}");
}

#[test]
fn the_same_request_gives_the_same_plan_on_any_number_of_threads() {
    let study = study("process = \"gamma\", cv = 2", 20.0, &FEW, "");
    let plan = study.plan(queueing().as_ref());
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| study.plan(queueing().as_ref())), plan);
    }
}

#[test]
fn a_workload_that_one_gpu_cannot_serve_is_divided() {
    let big = [("A", "ssd", 40.0, 900.0)];
    let divided = study("process = \"poisson\"", 60.0, &big, "");
    let plan = divided.plan(queueing().as_ref());
    assert!(plan.placements().count() > 1 && plan.infeasible.is_empty());
    let parts: f64 = plan.placements().map(|(_, p)| p.served.unwrap().get()).sum();
    assert!((parts - 900.0).abs() < 1e-6);
    let whole = study("process = \"poisson\"", 60.0, &big, "[plan]\nreplicas = false");
    let plan = whole.plan(queueing().as_ref());
    assert!(plan.gpus.is_empty());
    let reason = &plan.infeasible[0].reason;
    assert!(reason.contains("out of reach") && reason.contains("replicas"), "{reason}");
}

#[test]
fn what_cannot_be_planned_is_named_with_the_reason() {
    // Faster than a batch of one on a whole GPU, and with so little slack that one server reaches it for most
    // requests only. (Several servers do reach it: whoever waits there waits for few.)
    let (any, one) = ("attainment_pct = 99.999", "attainment_pct = 99.9\nreplicas = false");
    for (slo, options, words) in [(3.0, any, "practically no request"), (16.0, one, "at best")] {
        let hopeless = [("A", "ssd", slo, 100.0), ("B", "alexnet", 20.0, 100.0)];
        let options = format!("[plan]\n{options}");
        let study = study("process = \"poisson\"", 60.0, &hopeless, &options);
        let plan = study.plan(queueing().as_ref());
        let named: Vec<&str> = plan.infeasible.iter().map(|i| i.workload.as_str()).collect();
        assert_eq!(named, ["A"], "{plan:?}");
        assert!(plan.infeasible[0].reason.contains(words), "{}", plan.infeasible[0].reason);
    }
    let closed = "process = \"closed_loop\", clients = 4, think_ms = 10";
    let plan = study(closed, 10.0, &FEW, "").plan(queueing().as_ref());
    assert_eq!(plan.infeasible.len(), FEW.len());
    assert!(plan.infeasible[0].reason.contains("closed_loop"), "{:?}", plan.infeasible[0]);
    let several = "[batching]\ninstances = 2";
    let plan = study("process = \"poisson\"", 10.0, &FEW, several).plan(queueing().as_ref());
    assert!(plan.infeasible[0].reason.contains("batching.instances"), "{:?}", plan.infeasible[0]);
    // Nothing arrives in the half second that counts.
    let rare = [("A", "ssd", 60.0, 0.1)];
    let plan = study("process = \"gamma\", cv = 1", 0.5, &rare, "warmup_s = 0\ncooldown_s = 0")
        .plan(queueing().as_ref());
    assert!(plan.infeasible[0].reason.contains("no request arrives"), "{:?}", plan.infeasible[0]);
}

#[test]
fn targets_outside_their_range_are_refused() {
    let study = study("process = \"poisson\"", 10.0, &FEW, "");
    for (attainment_pct, confidence_pct) in
        [(100.0, 95.0), (0.0, 95.0), (-1.0, 95.0), (f64::NAN, 95.0), (99.0, 100.0), (99.0, 49.0)]
    {
        let options = PlanOptions { attainment_pct, confidence_pct, ..PlanOptions::default() };
        let request = PlanRequest::with_options(&[], study.predictors()[0], options);
        let error = request.unwrap_err().to_string();
        assert!(error.contains("below 100"), "{error}");
    }
}

#[test]
fn a_short_trace_is_said_to_be_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let mut numbers = Numbers(3);
    let mut now = 0.0;
    let mut text = String::from("time_s\n");
    for _ in 0..2_000 {
        now += numbers.uniform(0.0, 0.02);
        text += &format!("{now}\n");
    }
    std::fs::write(&path, text).unwrap();
    let arrival =
        format!("process = \"trace\", path = {:?}, column = \"time_s\"", path.to_str().unwrap());
    let workloads = [("A", "alexnet", 20.0, 100.0)];
    // Even if each request is late on its own, it takes about 1,080 of them; here are half as many.
    let study = study(&arrival, 5.0, &workloads, "");
    let plan = study.plan(queueing().as_ref());
    assert!(plan.infeasible.is_empty());
    let found = study.forecast(&plan, false);
    let note = found[0].note.as_ref().unwrap();
    assert!(note.contains("trace has") && note.contains("takes about"), "{note}");
    assert!(simulated(&study, &plan, 1)[0] >= 99.0);
}

#[test]
fn more_confidence_and_more_attainment_need_no_smaller_shares() {
    let study = study("process = \"poisson\"", 60.0, &FEW, "");
    let predictor = study.predictors()[0];
    let bound = |attainment_pct, confidence_pct| {
        let options = PlanOptions { attainment_pct, confidence_pct, ..PlanOptions::default() };
        let request = PlanRequest::with_options(study.workloads(), predictor, options).unwrap();
        let plan = queueing().plan(&request.with_traffic(&study));
        plan.bound.unwrap().fractional_gpus
    };
    let plain = bound(99.0, 50.0);
    assert!(plain <= bound(99.0, 95.0) && bound(99.0, 95.0) <= bound(99.0, 99.9));
    assert!(bound(90.0, 50.0) < plain && plain < bound(99.9, 50.0));
}

#[test]
fn without_a_scenario_arrivals_are_taken_for_poisson() {
    let study = study("process = \"constant\"", 60.0, &FEW, "");
    let request = PlanRequest::new(study.workloads(), study.predictors()[0]).unwrap();
    let plan = queueing().plan(&request);
    assert!(plan.infeasible.is_empty());
    assert_eq!(forecast(&plan, &request, false).len(), FEW.len());
}

#[test]
fn several_kinds_are_planned_by_cost() {
    let overrides = Overrides::default();
    let mut study =
        Study::load(Path::new("scenarios/two-kinds.toml"), &overrides).unwrap().scenario().clone();
    for entry in &mut study.workloads {
        entry.arrival = igniter::arrivals::ArrivalSpec::Poisson;
        entry.batching.max_queue_delay = igniter::units::Milliseconds::ZERO;
    }
    study.plan.search_rounds = 20_000;
    let study = Study::new(study, &overrides).unwrap();
    let plans = study.plan_kinds(queueing().as_ref());
    let cost = |plan: &Plan| plan.cost_per_hour(&study.kinds()).get();
    assert!(plans.best.infeasible.is_empty());
    assert!(study.check(&plans.best).is_empty());
    let least = plans.best.bound.as_ref().unwrap().least_cost_per_hour.unwrap().get();
    assert!(least <= cost(&plans.best));
    let served = plans.alone.iter().filter(|plan| plan.infeasible.is_empty());
    assert!(served.clone().count() > 0);
    served.for_each(|plan| assert!(cost(&plans.best) <= cost(plan) + 1e-9));
    assert_eq!(study.forecast(&plans.best, false).len(), study.workloads().len());
}

#[test]
fn every_predictor_will_do() {
    // `gpulets` cannot be fitted to this profile: it has no utilisation of DRAM.
    for predictor in ["contention", "solo", "igniter"] {
        let overrides = Overrides {
            predictor: Some(predictor.to_owned()),
            plan: PlanOverrides { search_rounds: Some(10_000), ..PlanOverrides::default() },
            ..Overrides::default()
        };
        let scenario = study("process = \"poisson\"", 60.0, &FEW, "").scenario().clone();
        assert_eq!(scenario.duration, Nanoseconds::from_seconds(60.0).unwrap());
        let study = Study::new(scenario, &overrides).unwrap();
        let plan = study.plan(queueing().as_ref());
        assert!(plan.infeasible.is_empty(), "{predictor}: {:?}", plan.infeasible);
        for attained in simulated(&study, &plan, 2) {
            assert!(attained >= 98.0, "{predictor}: {attained}");
        }
    }
}
