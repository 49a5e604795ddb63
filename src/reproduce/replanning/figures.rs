//! The figures of the table of the days.

use super::{Case, CaseOutcome, CasePart, HOUR_S, RATIO, forecast_name};
use crate::figures::{Figure, Marks, Named, PointsFigure, PointsPanel};
use crate::plan::replan::{Epoch, Policy};
use crate::reproduce::ReproduceError;
use crate::run::ReplannedStudy;

type All<'a> = [(&'a Case, &'a CaseOutcome)];

pub(super) fn all(all: &All<'_>) -> Result<Vec<Figure>, ReproduceError> {
    Ok(vec![over_time(all)?, trade(all)?, disturbance(all)?, by_epoch(all)?])
}

/// Series of a figure, all with the same marks.
fn named(names: &[&str], marks: Marks) -> Vec<Named> {
    let of = |(look, name): (usize, &&str)| Named { name: (*name).to_owned(), look, marks };
    names.iter().enumerate().map(of).collect()
}

/// Returns one point for each case of a part: one number against another.
fn points(
    all: &All<'_>,
    part: CasePart,
    is: impl Fn(&Case) -> bool,
    of: impl Fn(&Case, &CaseOutcome) -> Option<(f64, f64)>,
) -> Vec<(f64, f64)> {
    let own = all.iter().filter(|(case, _)| case.part == part && is(case));
    own.filter_map(|(case, outcome)| of(case, outcome)).collect()
}

/// Returns the number of GPUs of a run hour by hour, as steps.
#[expect(clippy::cast_precision_loss, reason = "counts of GPUs")]
fn steps(done: &ReplannedStudy, of: impl Fn(&Epoch) -> Option<usize>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for epoch in &done.replanned.epochs {
        let Some(gpus) = of(epoch) else { continue };
        let hour = epoch.at_s / HOUR_S;
        if let Some((_, before)) = points.last().copied() {
            points.push((hour, before));
        }
        points.push((hour, gpus as f64));
    }
    if let Some((_, last)) = points.last().copied() {
        points.push((done.counts.duration_s / HOUR_S, last));
    }
    points
}

/// Plots GPUs over the day, with the rate.
#[expect(clippy::cast_precision_loss, reason = "counts of GPUs")]
fn over_time(all: &[(&Case, &CaseOutcome)]) -> Result<Figure, ReproduceError> {
    let names = ["static", "lower bound", "scratch", "sticky", "requests/s / 1000"];
    let mut panels = Vec::new();
    for ratio in [2.0, RATIO, 5.0] {
        let of = |policy: Policy| {
            let found = all.iter().find(|(case, _)| {
                let same = (case.ratio - ratio).abs() < 1e-9;
                case.part == CasePart::Policies && same && case.spec.policy == policy
            });
            found.map(|(_, outcome)| &outcome.done)
        };
        let (Some(scratch), Some(sticky)) = (of(Policy::Scratch), of(Policy::Sticky)) else {
            continue;
        };
        let end = sticky.counts.duration_s / HOUR_S;
        let fixed = sticky.fixed.peak_gpus as f64;
        let rates = sticky
            .replanned
            .epochs
            .iter()
            .map(|epoch| (epoch.at_s / HOUR_S, epoch.rates.iter().sum::<f64>() / 1000.0));
        panels.push(PointsPanel {
            title: format!("Peak {ratio} times the trough"),
            series: vec![
                vec![(0.0, fixed), (end, fixed)],
                steps(sticky, |epoch| epoch.bound),
                steps(scratch, |epoch| Some(epoch.machines.len())),
                steps(sticky, |epoch| Some(epoch.machines.len())),
                rates.collect(),
            ],
        });
    }
    Ok(PointsFigure {
        stem: "replan-gpus".to_owned(),
        caption: "GPUs over a day of the paper's 12 workloads, hourly plans with a perfect forecast: one plan for the \
                  highest rates, the lower bound for each hour, plans from scratch, and plans that are changed only where \
                  that pays."
            .to_owned(),
        series: named(&names, Marks::Line),
        panels,
        axes: ("Hour".to_owned(), "GPUs".to_owned()),
        log: (false, false),
    }
    .draw()?)
}

/// Plots GPU-hours against attainment.
fn trade(all: &All<'_>) -> Result<Figure, ReproduceError> {
    let names = ["static", "matched", "sticky", "sticky, early", "autoscaler", "autoscaler by SLO"];
    let of = |name: &str| {
        let is = |case: &Case| match (case.spec.policy, case.spec.early) {
            (Policy::Sticky, true) => name == "sticky, early",
            (Policy::Replicas, _) if forecast_name(&case.spec) == "slo" => {
                name == "autoscaler by SLO"
            }
            (Policy::Replicas, _) => name == "autoscaler",
            (policy, _) => name == policy.as_str(),
        };
        points(all, CasePart::Headroom, is, |_, outcome| {
            Some((late_pct(outcome)?, outcome.done.account.gpu_hours))
        })
    };
    Ok(PointsFigure {
        stem: "replan-trade".to_owned(),
        caption: "GPU-hours of a day against requests later than their SLO, plans of half an hour for the busiest minutes of the half \
                  hour before. Along a line headroom grows: 0, 10, 20 and 30 %; for autoscalers the part of a server's throughput \
                  that they aim at falls: 80, 70, 60 and 50 %."
            .to_owned(),
        series: named(&names, Marks::Both),
        panels: vec![PointsPanel {
            title: String::new(),
            series: names.iter().map(|name| of(name)).collect(),
        }],
        axes: ("Late requests (%)".to_owned(), "GPU-hours".to_owned()),
        log: (true, false),
    }
    .draw()?)
}

/// Returns the percentage of requests that took longer than their SLO.
fn late_pct(outcome: &CaseOutcome) -> Option<f64> {
    outcome.attained_pct().map(|within| 100.0 - within)
}

/// Plots the savings against the number of servers that move for them.
fn disturbance(all: &All<'_>) -> Result<Figure, ReproduceError> {
    let names = ["scratch", "matched", "sticky", "sticky, by the price of a move"];
    let of = |(_, outcome): (&Case, &CaseOutcome)| (outcome.moves_per_hour(), outcome.saved_pct());
    let by = |name: &str| {
        let is = |case: &Case| name == case.spec.policy.as_str();
        points(all, CasePart::Policies, is, |case, outcome| Some(of((case, outcome))))
    };
    let mut series: Vec<Vec<(f64, f64)>> = names[..3].iter().map(|name| by(name)).collect();
    let priced = |case: &Case, outcome: &CaseOutcome| Some(of((case, outcome)));
    series.push(points(all, CasePart::MoveCost, |_| true, priced));
    Ok(PointsFigure {
        stem: "replan-moves".to_owned(),
        caption: "What is saved of one plan for the highest rates, against the servers that move in an hour: hourly plans with a \
                  perfect forecast for days whose peak is 2, 3 and 5 times the trough; and plans each ten minutes for a day of 3 \
                  times, where a move must save a GPU for 0, 60, 180 and 600 s."
            .to_owned(),
        series: named(&names, Marks::Both),
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: ("Moves in an hour".to_owned(), "Saved (%)".to_owned()),
        log: (false, false),
    }
    .draw()?)
}

/// Plots savings, attainment and moves for shorter and longer epochs.
fn by_epoch(all: &All<'_>) -> Result<Figure, ReproduceError> {
    let names = ["oracle", "last", "peak of 3"];
    let panel = |title: &str, value: &dyn Fn(&CaseOutcome) -> Option<f64>| PointsPanel {
        title: title.to_owned(),
        series: (names.iter())
            .map(|name| {
                points(
                    all,
                    CasePart::Epochs,
                    |case| forecast_name(&case.spec) == *name,
                    |case, outcome| Some((60.0 * case.spec.period_s / HOUR_S, value(outcome)?)),
                )
            })
            .collect(),
    };
    Ok(PointsFigure {
        stem: "replan-epochs".to_owned(),
        caption: "Sticky plans with shorter and longer epochs, by forecast (those but the oracle with 10 % more than they say): what \
                  they save, the requests later than their SLO, and how many servers move in an hour."
            .to_owned(),
        series: named(&names, Marks::Both),
        panels: vec![
            panel("Saved (%)", &|outcome| Some(outcome.saved_pct())),
            panel("Late requests (%)", &late_pct),
            panel("Moves in an hour", &|outcome| Some(outcome.moves_per_hour())),
        ],
        axes: ("Minutes from one plan to the next".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?)
}
