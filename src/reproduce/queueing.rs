//! The cost of meeting SLOs under random arrivals: GPUs and attainment against burstiness, forecasts against
//! simulation, and planning time.
#![expect(
    clippy::disallowed_types,
    reason = "`queueing-time` is a figure of clock time; it is made only when it is named"
)]

use super::context::poisson;
use super::workloads::drawn;
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::arrivals::ArrivalSpec;
use crate::domain::Plan;
use crate::figures::{Marks, Named, PointsFigure, PointsPanel};
use crate::plan::{PlanOptions, PlanRequest, PoissonTraffic, Replicas, strategy};
use crate::run::{Overrides, RunError, Study, load_predictor};
use crate::units::Nanoseconds;
use rayon::prelude::*;
use std::time::Instant;

/// Burstiness: the coefficient of variation of interarrival times.
const CVS: [f64; 5] = [0.0, 1.0, 2.0, 3.0, 4.0];

/// The target percentage of requests within their SLO.
const TARGET_PCT: f64 = 99.0;

/// Headroom values to try, in percent of the rate.
const HEADROOM_PCT: [f64; 8] = [0.0, 25.0, 50.0, 100.0, 150.0, 200.0, 400.0, 800.0];

/// Seeds for judging plans; no plan was made with any of them.
const SEEDS: [u64; 5] = [101, 102, 103, 104, 105];

/// Simulated seconds per seed.
const SECONDS: f64 = 100.0;

/// The smallest percentage of late requests that a figure shows; smaller ones look the same.
const LEAST_LATE_PCT: f64 = 0.01;

/// The ways of planning that are compared.
const WAYS: [&str; 4] = ["igniter + headroom", "optimal + headroom", "refined", "queueing"];

/// Builds the paper's workloads with this burstiness of arrivals.
fn study(cv: f64) -> Result<Study, ReproduceError> {
    let mut scenario = poisson()?;
    scenario.duration = Nanoseconds::from_seconds(SECONDS).expect("a duration");
    for entry in &mut scenario.workloads {
        entry.arrival = match cv {
            0.0 => ArrivalSpec::Constant,
            1.0 => ArrivalSpec::Poisson,
            cv => ArrivalSpec::Gamma { cv },
        };
        // With evenly spaced requests a batch fills only if the server waits for it.
        if cv <= 0.0 {
            entry.batching.max_queue_delay =
                crate::units::Milliseconds::new(100.0).expect("a duration");
        }
    }
    Ok(Study::new(scenario, &Overrides::default())?)
}

/// Returns the attainment of each workload with each seed, in percent; 0 for a workload without a placement.
fn attained(study: &Study, plan: &Plan, seeds: &[u64]) -> Result<Vec<Vec<f64>>, RunError> {
    let of = |seed: &u64| {
        let result = study.reseeded(*seed)?.simulate(plan)?;
        let of = |w: &crate::metrics::WorkloadSummary| {
            if w.served { 100.0 - w.slo_violation_pct.unwrap_or(0.0) } else { 0.0 }
        };
        Ok(result.workloads.iter().map(of).collect())
    };
    seeds.iter().map(of).collect()
}

/// Returns the plan with the least headroom at which every workload reaches the target with the first seed, or the
/// plan with the most headroom.
fn with_headroom(study: &Study, name: &str) -> Result<(Plan, f64), ReproduceError> {
    let strategy = strategy(name)?;
    let mut last = None;
    for percent in HEADROOM_PCT {
        let options = PlanOptions {
            throughput_headroom_pct: percent,
            replicas: if name == "optimal" { Replicas::Allowed } else { Replicas::ByStrategy },
            search_rounds: 20_000,
            ..PlanOptions::default()
        };
        let predictor = study.predictors()[0];
        let request = PlanRequest::with_options(study.workloads(), predictor, options)?;
        let plan = strategy.plan(&request);
        let complete = plan.infeasible.is_empty();
        let reached = attained(study, &plan, &SEEDS[..1])?[0].iter().all(|a| *a >= TARGET_PCT);
        if complete || last.is_none() {
            last = Some((plan, percent));
        }
        if complete && reached {
            break;
        }
    }
    Ok(last.expect("one headroom is tried"))
}

/// The result of one way of planning at one burstiness.
struct PlanningOutcome {
    plan: Plan,
    headroom_pct: Option<f64>,
    attained: Vec<Vec<f64>>,
}

fn outcome(study: &Study, way: &str) -> Result<PlanningOutcome, ReproduceError> {
    let (plan, headroom_pct) = match way {
        "igniter + headroom" => with_headroom(study, "igniter").map(|(p, h)| (p, Some(h)))?,
        "optimal + headroom" => with_headroom(study, "optimal").map(|(p, h)| (p, Some(h)))?,
        "refined" => (study.refine(TARGET_PCT)?.plan, None),
        _ => (study.plan(strategy("queueing")?.as_ref()), None),
    };
    let attained = attained(study, &plan, &SEEDS)?;
    Ok(PlanningOutcome { plan, headroom_pct, attained })
}

/// Plots the number of GPUs needed, and the attainment on unseen seeds, against burstiness.
pub(super) fn promise(_: &super::Context) -> Result<ReproducedFigure, ReproduceError> {
    let studies = CVS.iter().map(|cv| study(*cv)).collect::<Result<Vec<_>, _>>()?;
    let cases: Vec<(usize, &str)> =
        (0..CVS.len()).flat_map(|cv| WAYS.iter().map(move |way| (cv, *way))).collect();
    let outcomes = cases
        .par_iter()
        .map(|(cv, way)| outcome(&studies[*cv], way))
        .collect::<Result<Vec<_>, ReproduceError>>()?;
    let mut rows = Vec::new();
    let mut gpus = vec![Vec::new(); WAYS.len() + 1];
    let mut missed = vec![Vec::new(); WAYS.len() + 1];
    for ((cv, way), outcome) in cases.iter().zip(&outcomes) {
        let place = WAYS.iter().position(|known| known == way).unwrap_or(0);
        let all = outcome.attained.iter().flatten();
        let least = all.clone().copied().fold(100.0, f64::min);
        let below = all.filter(|attained| **attained < TARGET_PCT).count();
        let count = outcome.plan.gpus.len();
        gpus[place].push((CVS[*cv], count as f64));
        let runs = SEEDS.len() * outcome.attained[0].len();
        missed[place].push((CVS[*cv], 100.0 * below as f64 / runs as f64));
        if *way == "queueing"
            && let Some(bound) = &outcome.plan.bound
        {
            gpus[WAYS.len()].push((CVS[*cv], bound.gpus as f64));
        }
        rows.push(vec![
            CVS[*cv].to_string(),
            (*way).to_owned(),
            outcome.headroom_pct.map_or_else(String::new, |headroom| headroom.to_string()),
            count.to_string(),
            outcome.plan.infeasible.len().to_string(),
            below.to_string(),
            runs.to_string(),
            format!("{least:.3}"),
            outcome
                .plan
                .bound
                .as_ref()
                .filter(|_| *way == "queueing")
                .map_or_else(String::new, |bound| bound.gpus.to_string()),
        ]);
    }
    let names = WAYS.iter().copied().chain(["lower bound"]).enumerate();
    let series = names
        .map(|(look, name)| Named { name: name.to_owned(), look, marks: Marks::Both })
        .collect();
    let figure = PointsFigure {
        stem: "promise".to_owned(),
        caption: "GPUs with which 99 % of the requests of each of the paper's 12 workloads are to be within the SLO, \
                  and how often a workload has less than that in five simulations of 100 s whose seeds were not \
                  planned with (12 workloads times 5 runs). Headroom is the least of eight steps (0 to 800 %) with \
                  which a plan holds in one of them; where none is enough, the largest with which every workload has \
                  a place (igniter divides none, so that is 0)."
            .to_owned(),
        series,
        panels: vec![
            PointsPanel { title: "GPUs".to_owned(), series: gpus },
            PointsPanel { title: "Workload-runs below 99 % (%)".to_owned(), series: missed },
        ],
        axes: ("CV of the gaps between requests".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "promise",
        title: "What a promise costs",
        basis: "Plans are made from predicted latencies (predictor `igniter`, V100); what is attained is simulated."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "promise".to_owned(),
            header: vec![
                "cv",
                "way",
                "headroom_pct",
                "gpus",
                "infeasible",
                "workload_runs_below_99",
                "workload_runs",
                "worst_attained_pct",
                "lower_bound",
            ],
            rows,
        }],
    })
}

/// Compares the forecast attainment of plans with their attainment in simulation.
pub(super) fn forecasts(_: &super::Context) -> Result<ReproducedFigure, ReproduceError> {
    const TARGETS_PCT: [f64; 6] = [80.0, 90.0, 95.0, 97.0, 99.0, 99.5];
    const NAMES: [(&str, f64); 3] = [("Poisson", 1.0), ("CV 2", 2.0), ("CV 4", 4.0)];
    let cases: Vec<(usize, f64)> =
        (0..NAMES.len()).flat_map(|of| TARGETS_PCT.map(|target| (of, target))).collect();
    let results = cases
        .par_iter()
        .map(|(of, target)| {
            let study = study(NAMES[*of].1)?;
            let options = PlanOptions {
                attainment_pct: *target,
                confidence_pct: 50.0,
                ..PlanOptions::default()
            };
            let predictor = study.predictors()[0];
            let request = PlanRequest::with_options(study.workloads(), predictor, options)?;
            let request = request.with_traffic(&study);
            let plan = strategy("queueing")?.plan(&request);
            let expected = crate::plan::forecast(&plan, &request, false);
            let seen = attained(&study, &plan, &SEEDS[..2])?;
            let points: Vec<(String, f64, f64)> = expected
                .iter()
                .filter_map(|forecast| {
                    let place = |w: &crate::domain::Workload| w.name.as_str() == forecast.workload;
                    let place = study.workloads().iter().position(place)?;
                    let mean = seen.iter().map(|run| run[place]).sum::<f64>() / seen.len() as f64;
                    Some((forecast.workload.clone(), forecast.attained_pct, mean))
                })
                .collect();
            Ok(points)
        })
        .collect::<Result<Vec<_>, ReproduceError>>()?;
    let mut rows = Vec::new();
    let mut series = vec![Vec::new(); NAMES.len() + 1];
    for ((of, target), points) in cases.iter().zip(&results) {
        for (workload, expected, seen) in points {
            series[*of].push((*expected, *seen));
            rows.push(vec![
                NAMES[*of].0.to_owned(),
                target.to_string(),
                workload.clone(),
                format!("{expected:.3}"),
                format!("{seen:.3}"),
            ]);
        }
    }
    let late = |(expected, seen): (f64, f64)| {
        ((100.0 - expected).max(LEAST_LATE_PCT), (100.0 - seen).max(LEAST_LATE_PCT))
    };
    series.iter_mut().flatten().for_each(|point| *point = late(*point));
    let most = series.iter().flatten().map(|point| point.0.max(point.1)).fold(1.0, f64::max);
    series[NAMES.len()] = vec![(LEAST_LATE_PCT, LEAST_LATE_PCT), (most, most)];
    let mut named: Vec<Named> = (NAMES.iter().enumerate())
        .map(|(look, (name, _))| Named { name: (*name).to_owned(), look, marks: Marks::Symbols })
        .collect();
    named.push(Named { name: "equal".to_owned(), look: 5, marks: Marks::Line });
    let figure = PointsFigure {
        stem: "forecasts".to_owned(),
        caption: "Requests over the SLO: what the analysis of queues expects of each workload in plans of strategy \
                  queueing for six targets, and what two simulations of 100 s with other seeds give. Less than 0.01 % is \
                  shown as 0.01 %."
            .to_owned(),
        series: named,
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: ("Late requests, expected (%)".to_owned(), "Simulated (%)".to_owned()),
        log: (true, true),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "forecasts",
        title: "Forecast and simulation",
        basis: "Forecasts are computed without simulation (`igniter plan --strategy queueing`); the other axis is simulated."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "forecasts".to_owned(),
            header: vec!["arrivals", "target_pct", "workload", "expected_pct", "simulated_pct"],
            rows,
        }],
    })
}

/// Shows how long planning for Poisson arrivals takes, in wall-clock time, which differs from run to run.
pub(super) fn time(_: &super::Context) -> Result<ReproducedFigure, ReproduceError> {
    const SIZES: [usize; 6] = [12, 30, 100, 300, 1_000, 3_000];
    let loaded = load_predictor("v100", None, None)?;
    let predictor = loaded.predictor.as_ref();
    let judge = strategy("igniter")?;
    let planner = strategy("queueing")?;
    let traffic = PoissonTraffic::of_a_thousand_seconds();
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for n in SIZES {
        let workloads = drawn(1, n, predictor, judge.as_ref())?;
        let request = PlanRequest::new(&workloads, predictor)?.with_traffic(&traffic);
        let start = Instant::now();
        let plan = planner.plan(&request);
        let seconds = start.elapsed().as_secs_f64();
        series.push((n as f64, seconds));
        let bound = plan.bound.as_ref().map_or(0, |bound| bound.gpus);
        let cells = [n.to_string(), plan.gpus.len().to_string(), bound.to_string()];
        rows.push(cells.into_iter().chain([format!("{seconds:.4}")]).collect());
    }
    let figure = PointsFigure {
        stem: "queueing-time".to_owned(),
        caption: "Time in which strategy queueing plans distinct workloads under Poisson arrivals, without trying the \
                  plan out, on the machine that made this figure."
            .to_owned(),
        series: vec![Named { name: "queueing".to_owned(), look: 0, marks: Marks::Both }],
        panels: vec![PointsPanel { title: String::new(), series: vec![series] }],
        axes: ("Workloads".to_owned(), "Time to plan (s)".to_owned()),
        log: (true, true),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "queueing-time",
        title: "Time to plan for random arrivals",
        basis:
            "Times are measured on the machine that made this figure, and differ from run to run."
                .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "queueing-time".to_owned(),
            header: vec!["workloads", "gpus", "lower_bound", "seconds"],
            rows,
        }],
    })
}
