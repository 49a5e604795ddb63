//! Plans under load: SLOs, energy, bursts, and the cost of headroom.

use super::context::{Context, compared, poisson};
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::arrivals::ArrivalSpec;
use crate::figures::{BarsFigure, Marks, Named, PointsFigure, PointsPanel, slo_figures};
use crate::metrics::WorkloadSummary;
use crate::plan::{PlanOptions, PlanRequest, Replicas, strategy};
use crate::results::{StrategyResult, or_empty};
use crate::run::{Overrides, RunError, Study};
use rayon::prelude::*;

/// The strategies of the paper's evaluation, and the optimum.
const SERVED: [&str; 6] = ["igniter", "ffd", "gpulets", "gslice", "nexus", "optimal"];

/// Plots P99 against SLO, and violations, with the paper's arrivals.
pub(super) fn slo(context: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let comparison = context.some(&SERVED)?;
    let rows = context.all()?.strategies.iter().flat_map(|result| {
        result.workloads.iter().map(move |w| {
            vec![
                result.strategy.clone(),
                w.workload.to_string(),
                w.model.to_string(),
                w.slo_ms.to_string(),
                w.rate_rps.to_string(),
                w.served.to_string(),
                or_empty(w.mean_ms),
                or_empty(w.p99_ms),
                or_empty(w.slo_violation_pct),
                w.throughput_rps.to_string(),
            ]
        })
    });
    Ok(ReproducedFigure {
        name: "slo",
        title: "P99 against SLO, and violations",
        basis: "Latencies are simulated for 60 s with evenly spaced arrivals, as the paper's clients send."
            .to_owned(),
        figures: slo_figures(&comparison)?,
        numbers: vec![Numbers {
            stem: "slo".to_owned(),
            header: vec![
                "strategy",
                "workload",
                "model",
                "slo_ms",
                "rate_rps",
                "served",
                "mean_ms",
                "p99_ms",
                "slo_violation_pct",
                "throughput_rps",
            ],
            rows: rows.collect(),
        }],
    })
}

/// Plots the energy per request and the mean power.
pub(super) fn energy(context: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let comparison = context.all()?;
    let row = |result: &StrategyResult| {
        let joules: f64 = result.gpus.iter().map(|gpu| gpu.energy_j).sum();
        let done: u64 = result.workloads.iter().map(|w| w.completed).sum();
        let watts: f64 = result.gpus.iter().map(|gpu| gpu.power_w).sum();
        (result.strategy.clone(), 1000.0 * joules / done.max(1) as f64, watts, result.misses())
    };
    let rows: Vec<(String, f64, f64, usize)> = comparison.strategies.iter().map(row).collect();
    let figure = BarsFigure {
        stem: "energy".to_owned(),
        caption: "Energy of all GPUs for each completed request, by strategy, with the paper's 12 workloads. \
                  A plan that falls behind completes requests late and looks no worse here."
            .to_owned(),
        groups: rows.iter().map(|row| row.0.clone()).collect(),
        series: vec![("energy".to_owned(), rows.iter().map(|row| Some(row.1)).collect())],
        y: "Energy per request (mJ)".to_owned(),
        labels: Some(0),
        across: None,
    }
    .draw()?;
    let rows = rows.into_iter().map(|(name, energy, watts, misses)| {
        vec![name, energy.to_string(), watts.to_string(), misses.to_string()]
    });
    Ok(ReproducedFigure {
        name: "energy",
        title: "Energy",
        basis:
            "Power comes from the fitted power model while the simulation runs; it is not measured."
                .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "energy".to_owned(),
            header: vec!["strategy", "energy_per_request_mj", "mean_power_w", "slos_missed"],
            rows: rows.collect(),
        }],
    })
}

/// A stage of a request's time: its column, its name in the figure, and its mean.
type ServingStage = (&'static str, &'static str, fn(&WorkloadSummary) -> Option<f64>);

/// Shows how the latency of a request divides into stages under the paper's own strategy.
pub(super) fn breakdown(context: &Context) -> Result<ReproducedFigure, ReproduceError> {
    const STAGES: [ServingStage; 4] = [
        ("queue_ms", "queue", |w| w.queue_ms),
        ("load_ms", "load", |w| w.load_ms),
        ("exec_ms", "execution", |w| w.exec_ms),
        ("feedback_ms", "feedback", |w| w.feedback_ms),
    ];
    let comparison = context.some(&["igniter"])?;
    let workloads = comparison.strategies.first().map_or(&[][..], |r| &r.workloads);
    let figure = BarsFigure {
        stem: "breakdown".to_owned(),
        caption: "Mean time of a request in each stage under igniter's plan.".to_owned(),
        groups: workloads.iter().map(|w| w.workload.to_string()).collect(),
        series: STAGES
            .iter()
            .map(|(_, name, of)| ((*name).to_owned(), workloads.iter().map(of).collect()))
            .collect(),
        y: "Mean time (ms)".to_owned(),
        labels: None,
        across: None,
    }
    .draw()?;
    let rows = workloads.iter().map(|w| {
        let stages = STAGES.iter().map(|(_, _, of)| of(w));
        let cells = stages.map(or_empty);
        std::iter::once(w.workload.to_string()).chain(cells).collect()
    });
    let header = std::iter::once("workload").chain(STAGES.iter().map(|stage| stage.0));
    Ok(ReproducedFigure {
        name: "breakdown",
        title: "Where time goes",
        basis: "Times are simulated.".to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "breakdown".to_owned(),
            header: header.collect(),
            rows: rows.collect(),
        }],
    })
}

/// Returns the mean over the workloads of their requests over the SLO, in percent; a workload that is not
/// served counts as 100 %.
fn violations(result: &StrategyResult) -> f64 {
    let of = |w: &WorkloadSummary| {
        if w.served { w.slo_violation_pct.unwrap_or(0.0) } else { 100.0 }
    };
    let sum: f64 = result.workloads.iter().map(of).sum();
    sum / result.workloads.len().max(1) as f64
}

/// Builds a study of the paper's workloads whose interarrival times have this coefficient of variation.
fn bursty(cv: f64) -> Result<Study, ReproduceError> {
    let mut scenario = poisson()?;
    for workload in &mut scenario.workloads {
        workload.arrival = if cv > 0.0 { ArrivalSpec::Gamma { cv } } else { ArrivalSpec::Constant };
    }
    Ok(Study::new(scenario, &Overrides::default())?)
}

/// Shows the paper's plans under increasingly bursty arrivals.
pub(super) fn bursts(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    const CVS: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0];
    let mut rows = Vec::new();
    let mut series = vec![Vec::new(); SERVED.len()];
    for cv in CVS {
        let comparison = compared(&bursty(cv)?, &SERVED)?;
        for (index, result) in comparison.strategies.iter().enumerate() {
            series[index].push((cv, violations(result)));
            rows.push(vec![
                cv.to_string(),
                result.strategy.clone(),
                result.gpu_count.to_string(),
                result.misses().to_string(),
                violations(result).to_string(),
            ]);
        }
    }
    let named =
        |(look, name): (usize, &&str)| Named { name: (*name).to_owned(), look, marks: Marks::Both };
    let figure = PointsFigure {
        stem: "bursts".to_owned(),
        caption: "Requests over their SLO, mean of the 12 workloads, when the gaps between requests vary: 0 is \
                  evenly spaced, 1 is Poisson. A free server takes at once what is there; with the paper's 100 ms \
                  of patience, evenly spaced requests fill every batch and igniter's plan meets all SLOs."
            .to_owned(),
        series: SERVED.iter().enumerate().map(named).collect(),
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: (
            "Coefficient of variation of the gaps".to_owned(),
            "Requests over SLO (%)".to_owned(),
        ),
        log: (false, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "bursts",
        title: "Bursts",
        basis: "Latencies are simulated for 60 s with gamma-distributed gaps and `max_queue_delay_ms = 0`."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "bursts".to_owned(),
            header: vec!["cv", "strategy", "gpus", "slos_missed", "requests_over_slo_pct"],
            rows,
        }],
    })
}

/// Shows the cost and benefit of planning for more than the mean rate.
pub(super) fn headroom(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    const HEADROOM_PCT: [f64; 7] = [0.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0];
    const ARRIVALS: [(&str, f64); 3] = [("evenly spaced", 0.0), ("Poisson", 1.0), ("CV 2", 2.0)];
    let optimal = strategy("optimal")?;
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for (name, cv) in ARRIVALS {
        let study = bursty(cv)?;
        let results = HEADROOM_PCT
            .par_iter()
            .map(|percent| {
                let options = PlanOptions {
                    throughput_headroom_pct: *percent,
                    replicas: Replicas::Allowed,
                    ..PlanOptions::default()
                };
                let predictor = study.predictors()[0];
                let request = PlanRequest::with_options(study.workloads(), predictor, options)
                    .map_err(RunError::from)?;
                study.simulate(&optimal.plan(&request))
            })
            .collect::<Result<Vec<_>, RunError>>()?;
        let mut points = Vec::new();
        for (percent, result) in HEADROOM_PCT.iter().zip(&results) {
            points.push((*percent, violations(result)));
            rows.push(vec![
                name.to_owned(),
                cv.to_string(),
                percent.to_string(),
                result.gpu_count.to_string(),
                result.cost_per_hour.to_string(),
                result.infeasible.len().to_string(),
                result.misses().to_string(),
                violations(result).to_string(),
            ]);
        }
        series.push(points);
    }
    let costs = |rows: &[Vec<String>]| -> Vec<(f64, f64)> {
        let own = rows.iter().take(HEADROOM_PCT.len()).zip(HEADROOM_PCT);
        own.filter_map(|(row, percent)| Some((percent, row[4].parse().ok()?))).collect()
    };
    let names = ARRIVALS.iter().enumerate();
    let mut named: Vec<Named> = names
        .map(|(look, (name, _))| Named { name: (*name).to_owned(), look, marks: Marks::Both })
        .collect();
    named.push(Named { name: "cost".to_owned(), look: 5, marks: Marks::Both });
    let nothing = || vec![Vec::new(); ARRIVALS.len()];
    let mut violations = series;
    violations.push(Vec::new());
    let mut cost = nothing();
    cost.push(costs(&rows));
    let figure = PointsFigure {
        stem: "headroom".to_owned(),
        caption: "Plans for more than the mean rate (strategy optimal, a workload may have several GPUs): what \
                  they buy under three kinds of arrivals (requests over their SLO in percent, mean of the 12 \
                  workloads), and what they cost."
            .to_owned(),
        series: named,
        panels: vec![
            PointsPanel { title: "Requests over SLO (%)".to_owned(), series: violations },
            PointsPanel { title: "Cost ($/h)".to_owned(), series: cost },
        ],
        axes: ("Throughput planned above the mean rate (%)".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "headroom",
        title: "Headroom",
        basis: "Plans are made from predicted latencies; requests over their SLO are simulated."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "headroom".to_owned(),
            header: vec![
                "arrivals",
                "cv",
                "headroom_pct",
                "gpus",
                "cost_per_hour",
                "infeasible",
                "slos_missed",
                "requests_over_slo_pct",
            ],
            rows,
        }],
    })
}
