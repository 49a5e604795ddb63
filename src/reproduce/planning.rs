//! Plans of all strategies for the paper's workloads: cost, distance to the optimum, planning time.
#![expect(
    clippy::disallowed_types,
    reason = "`overhead` is the one figure of clock time; it is made only when it is named"
)]

use super::context::{Context, paper, strategies};
use super::workloads::drawn;
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::figures::{BarsFigure, Marks, Named, PointsFigure, PointsPanel, plan_figures};
use crate::plan::{PlanRequest, STRATEGIES, Strategy, lower_bound, strategy};
use crate::profile::BUILTIN_KINDS;
use crate::results::or_empty;
use crate::run::{Overrides, Study, load_predictor};
use rayon::prelude::*;
use std::time::Instant;

/// Shows the plans of all strategies.
pub(super) fn plans(context: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let comparison = context.all()?;
    let rows = comparison.strategies.iter().flat_map(|result| {
        result.plan.iter().map(|row| {
            vec![
                result.strategy.clone(),
                row.gpu.to_string(),
                row.kind.to_string(),
                row.workload.to_string(),
                row.model.to_string(),
                row.batch.to_string(),
                row.sm_pct.to_string(),
                or_empty(row.predicted_latency_ms),
            ]
        })
    });
    Ok(ReproducedFigure {
        name: "plans",
        title: "Provisioning plans of all strategies",
        basis: "Plans are made from predicted latencies; nothing of them is measured.".to_owned(),
        figures: plan_figures(comparison)?,
        numbers: vec![Numbers {
            stem: "plans".to_owned(),
            header: vec![
                "strategy",
                "gpu",
                "kind",
                "workload",
                "model",
                "batch",
                "sm_pct",
                "predicted_latency_ms",
            ],
            rows: rows.collect(),
        }],
    })
}

/// Compares the cost of the plans on each built-in GPU kind, and how many SLOs they miss.
pub(super) fn cost(context: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let comparison = context.all()?;
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for kind in BUILTIN_KINDS {
        // The scenario's price is that of its own GPU kind; the profile of another kind has its own
        // price.
        let mut scenario = paper()?;
        let own = scenario.gpus[0].profile.to_string() == *kind;
        if !own {
            scenario.gpus[0].price_per_hour = None;
        }
        let overrides = Overrides { profile: Some((*kind).to_owned()), ..Overrides::default() };
        let study = Study::new(scenario, &overrides)?;
        let price = study.kind().price_per_hour.get();
        let mut costs = Vec::new();
        for name in STRATEGIES {
            let plan = study.plan(strategy(name)?.as_ref());
            let simulated = comparison.strategies.iter().find(|r| own && r.strategy == *name);
            // Products of these decimals have no digits beyond 1e-6 $/h.
            let dollars = (price * plan.gpus.len() as f64 * 1e6).round() / 1e6;
            costs.push(plan.infeasible.is_empty().then_some(dollars));
            rows.push(vec![
                (*kind).to_owned(),
                (*name).to_owned(),
                plan.gpus.len().to_string(),
                dollars.to_string(),
                plan.infeasible.len().to_string(),
                or_empty(simulated.map(|r| r.misses())),
            ]);
        }
        series.push(((*kind).to_owned(), costs));
    }
    let figure = BarsFigure {
        stem: "cost".to_owned(),
        caption: "Cost of the plans for the paper's 12 workloads, by strategy and GPU kind (a GPU kind is \
                  here once its profile is). A cheap plan may miss SLOs: see the figure of P99."
            .to_owned(),
        groups: STRATEGIES.iter().map(|name| (*name).to_owned()).collect(),
        series,
        y: "Cost ($/h)".to_owned(),
        labels: Some(1),
        across: None,
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "cost",
        title: "Cost by strategy and GPU kind",
        basis: "Plans are made from predicted latencies; misses in the table are simulated."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "cost".to_owned(),
            header: vec!["kind", "strategy", "gpus", "cost_per_hour", "infeasible", "slos_missed"],
            rows,
        }],
    })
}

/// Numbers of workloads, and the number of sets, for the comparison with the bound.
const SIZES: [usize; 5] = [6, 12, 24, 48, 96];
const SETS: u64 = 5;
const BOUNDED: [&str; 6] = ["igniter", "gpulets", "gslice", "infless", "greedy", "optimal"];

/// Shows how far plans are from a proven lower bound.
pub(super) fn bound(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let loaded = load_predictor("v100", None, None)?;
    let predictor = loaded.predictor.as_ref();
    let judge = strategy("igniter")?;
    let planners = strategies(&BOUNDED)?;
    let cases: Vec<(usize, u64)> =
        SIZES.iter().flat_map(|n| (1..=SETS).map(|seed| (*n, seed))).collect();
    let results = cases
        .par_iter()
        .map(|(n, seed)| {
            let workloads = drawn(*seed, *n, predictor, judge.as_ref())?;
            let request = PlanRequest::new(&workloads, predictor)?;
            let least = lower_bound(&request);
            let gpus = planners.iter().map(|p| p.plan(&request).gpus.len()).collect::<Vec<_>>();
            Ok((least, gpus))
        })
        .collect::<Result<Vec<_>, ReproduceError>>()?;
    let mut rows = Vec::new();
    for ((n, seed), (least, gpus)) in cases.iter().zip(&results) {
        for (name, gpus) in BOUNDED.iter().zip(gpus) {
            rows.push(vec![
                n.to_string(),
                seed.to_string(),
                (*name).to_owned(),
                gpus.to_string(),
                least.gpus.to_string(),
                least.method.as_str().to_owned(),
            ]);
        }
    }
    let points = |index: usize| {
        let mean = |n: &usize| {
            let own = cases.iter().zip(&results).filter(|((size, _), _)| size == n);
            let (gpus, least) = own.fold((0, 0), |(gpus, least), (_, (bound, own))| {
                (gpus + own[index], least + bound.gpus)
            });
            (*n as f64, 100.0 * (gpus as f64 / least.max(1) as f64 - 1.0))
        };
        SIZES.iter().map(mean).collect()
    };
    let named =
        |(look, name): (usize, &&str)| Named { name: (*name).to_owned(), look, marks: Marks::Both };
    let figure = PointsFigure {
        stem: "bound".to_owned(),
        caption: "GPUs above a proven lower bound, for sets of workloads drawn from the ranges of the paper \
                  (five sets of each size). The bound may itself be below the optimum. infless ignores \
                  interference, so its plans may have fewer GPUs than any feasible plan."
            .to_owned(),
        series: BOUNDED.iter().enumerate().map(named).collect(),
        panels: vec![PointsPanel {
            title: String::new(),
            series: (0..BOUNDED.len()).map(points).collect(),
        }],
        axes: ("Workloads".to_owned(), "GPUs above the bound (%)".to_owned()),
        log: (true, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "bound",
        title: "Optimum and bound",
        basis:
            "Plans and bounds are computed from predicted latencies (predictor `igniter`, V100)."
                .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "bound".to_owned(),
            header: vec!["workloads", "set", "strategy", "gpus", "lower_bound", "bound_method"],
            rows,
        }],
    })
}

/// Shows how long planners take, in wall-clock time, which differs from run to run.
pub(super) fn overhead(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    const SIZES: [usize; 7] = [12, 25, 50, 100, 200, 400, 800];
    const TIMED: [&str; 6] = ["igniter", "ffd", "gpulets", "gslice", "greedy", "optimal"];
    const RUNS: usize = 3;
    let loaded = load_predictor("v100", None, None)?;
    let predictor = loaded.predictor.as_ref();
    let judge = strategy("igniter")?;
    let planners = strategies(&TIMED)?;
    let mut rows = Vec::new();
    let mut series = vec![Vec::new(); TIMED.len()];
    for n in SIZES {
        let workloads = drawn(1, n, predictor, judge.as_ref())?;
        let request = PlanRequest::new(&workloads, predictor)?;
        for (index, planner) in planners.iter().enumerate() {
            let mut best = f64::INFINITY;
            let mut gpus = 0;
            for _ in 0..RUNS {
                let start = Instant::now();
                gpus = Strategy::plan(planner.as_ref(), &request).gpus.len();
                best = best.min(1000.0 * start.elapsed().as_secs_f64());
            }
            series[index].push((n as f64, best));
            let cells =
                [n.to_string(), TIMED[index].to_owned(), gpus.to_string(), best.to_string()];
            rows.push(cells.to_vec());
        }
    }
    let named =
        |(look, name): (usize, &&str)| Named { name: (*name).to_owned(), look, marks: Marks::Both };
    let figure = PointsFigure {
        stem: "overhead".to_owned(),
        caption: "Time to make a plan, the best of three, on one core of the machine that made this figure."
            .to_owned(),
        series: TIMED.iter().enumerate().map(named).collect(),
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: ("Workloads".to_owned(), "Time to plan (ms)".to_owned()),
        log: (true, true),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "overhead",
        title: "Time to plan",
        basis:
            "Times are measured on the machine that made this figure, and differ from run to run."
                .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "overhead".to_owned(),
            header: vec!["workloads", "strategy", "gpus", "best_of_3_ms"],
            rows,
        }],
    })
}
