//! The wall-clock time of re-planning, which differs from run to run.

use super::{STRATEGY, spec};
use crate::arrivals::{ArrivalSpec, RateShape};
use crate::figures::{Marks, Named, PointsFigure, PointsPanel};
use crate::plan::replan::{ForecastKind, Policy};
use crate::plan::strategy;
use crate::reproduce::workloads::drawn;
use crate::reproduce::{Numbers, ReproduceError, ReproducedFigure};
use crate::run::{Overrides, Study, load_predictor};
use crate::scenario::Scenario;
use crate::units::Nanoseconds;
use std::path::Path;

/// Numbers of workloads to plan for.
const SIZES: [usize; 4] = [12, 40, 100, 200];

/// The length of an epoch in s, and the number of epochs of a run.
const EPOCH_S: f64 = 60.0;
const EPOCHS: f64 = 8.0;

/// Builds `count` distinct workloads over a day of a few epochs, each with its own peak time.
fn study(count: usize) -> Result<Study, ReproduceError> {
    let loaded = load_predictor("v100", None, None)?;
    let judge = strategy("igniter")?;
    let workloads = drawn(1, count, loaded.predictor.as_ref(), judge.as_ref())?;
    let mut scenario = Scenario::parse(super::DAY, Path::new("scenarios/day.toml"))?;
    let seconds = |s| Nanoseconds::from_seconds(s).unwrap_or(Nanoseconds::ZERO);
    let period = seconds(EPOCHS * EPOCH_S);
    let entry = scenario.workloads[0].clone();
    #[expect(clippy::cast_precision_loss, reason = "a count of workloads")]
    let of = |(place, workload): (usize, crate::domain::Workload)| {
        let peak = seconds(EPOCHS * EPOCH_S * place as f64 / count as f64);
        let shape = RateShape::Diurnal { period, peak, peak_to_trough: 3.0 };
        let arrival = ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Poisson), shape };
        crate::scenario::ScenarioWorkload { workload, arrival, ..entry.clone() }
    };
    scenario.workloads = workloads.into_iter().enumerate().map(of).collect();
    scenario.duration = period;
    Ok(Study::new(scenario, &Overrides::default())?)
}

/// Plots the time for a plan against the number of workloads.
pub(in crate::reproduce) fn time(
    _: &crate::reproduce::Context,
) -> Result<ReproducedFigure, ReproduceError> {
    const POLICIES: [Policy; 2] = [Policy::Matched, Policy::Sticky];
    let planner = strategy(STRATEGY)?;
    let mut rows = Vec::new();
    let mut series = vec![Vec::new(); POLICIES.len()];
    for count in SIZES {
        let study = study(count)?;
        for (policy, points) in POLICIES.into_iter().zip(&mut series) {
            let done =
                study.replan(planner.as_ref(), &spec(policy, ForecastKind::Last, EPOCH_S))?;
            let plans = done.replanned.epochs.len();
            #[expect(clippy::cast_precision_loss, reason = "counts")]
            let each_s = done.seconds / plans.max(1) as f64;
            #[expect(clippy::cast_precision_loss, reason = "a count of workloads")]
            points.push((count as f64, each_s));
            let gpus = done.account.peak_gpus;
            let cells = [count.to_string(), policy.as_str().to_owned(), gpus.to_string()];
            let times = [plans.to_string(), format!("{each_s:.4}")];
            rows.push(cells.into_iter().chain(times).collect());
        }
    }
    let named = POLICIES.iter().enumerate().map(|(look, policy)| Named {
        name: policy.as_str().to_owned(),
        look,
        marks: Marks::Both,
    });
    let figure = PointsFigure {
        stem: "replan-time".to_owned(),
        caption: "Time for each plan of a day on one core, by strategy queueing for Poisson arrivals, on the machine that made this \
                  figure; the first plan, which has no other before it, counts as well."
            .to_owned(),
        series: named.collect(),
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: ("Workloads".to_owned(), "Time for a plan (s)".to_owned()),
        log: (true, true),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "replan-time",
        title: "Time to plan a day",
        basis:
            "Times are measured on the machine that made this figure, and differ from run to run."
                .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "replan-time".to_owned(),
            header: vec!["workloads", "policy", "peak_gpus", "plans", "seconds_per_plan"],
            rows,
        }],
    })
}
