//! Plans that follow the load of a day: what they save, what they disturb, and what becomes of requests.

use super::{Made, Numbers, ReproduceError};
use crate::arrivals::{ArrivalSpec, RateShape};
use crate::figures::{Figure, Marks, Named, PointsFigure, PointsPanel};
use crate::plan::replan::{ForecastKind, Policy, ReplanSpec, ReplicaTarget};
use crate::plan::strategy;
use crate::run::{JUDGED_WINDOW, Lateness, Overrides, ReplannedStudy, Study, lateness};
use crate::scenario::Scenario;
use crate::units::{Nanoseconds, RequestsPerSecond};
use rayon::prelude::*;
use std::path::Path;

const DAY: &str = include_str!("../../scenarios/day.toml");

/// The peak of the scenario's days, as a multiple of their trough.
const RATIO: f64 = 3.0;

/// The day passes so many times as fast as a real one, so that simulations take minutes: hours are of five minutes.
const FASTER: f64 = 12.0;

/// An hour of that day, in s.
const HOUR_S: f64 = 3600.0 / FASTER;

/// What is planned by.
const STRATEGY: &str = "queueing";

/// A way to follow the load.
#[derive(Debug, Clone)]
struct Case {
    /// What the tables call it.
    name: &'static str,
    ratio: f64,
    spec: ReplanSpec,
    /// Whether its plans are simulated as well.
    simulated: bool,
}

/// What became of it.
struct Outcome {
    done: ReplannedStudy,
    lateness: Option<Lateness>,
    /// Workloads that miss the target over the whole run.
    missed: Option<usize>,
}

/// The paper's workloads over a day whose peak is so many times its trough; the peak is the paper's rate.
fn study(ratio: f64) -> Result<Study, ReproduceError> {
    let mut scenario = Scenario::parse(DAY, Path::new("scenarios/day.toml"))?;
    for entry in &mut scenario.workloads {
        let of_peak = |ratio: f64| (ratio + 1.0) / (2.0 * ratio);
        let rate = entry.workload.rate.get() * of_peak(ratio) / of_peak(RATIO);
        entry.workload.rate = RequestsPerSecond::new(rate).unwrap_or(entry.workload.rate);
        if let ArrivalSpec::Shaped {
            shape: RateShape::Diurnal { period, peak, peak_to_trough },
            ..
        } = &mut entry.arrival
        {
            *peak_to_trough = ratio;
            (*period, *peak) = (faster(*period), faster(*peak));
        }
    }
    scenario.duration = faster(scenario.duration);
    Ok(Study::new(scenario, &Overrides::default())?)
}

fn faster(time: Nanoseconds) -> Nanoseconds {
    Nanoseconds::from_seconds(time.as_seconds() / FASTER).unwrap_or(time)
}

fn spec(policy: Policy, kind: ForecastKind, period_s: f64) -> ReplanSpec {
    let mut spec = ReplanSpec { policy, period_s, early: false, ..ReplanSpec::default() };
    spec.forecast.window_s = 15.0;
    (spec.handover.load_s, spec.handover.boot_s) = (2.0, 10.0);
    spec.replicas.scale_down_s /= FASTER;
    spec.forecast.kind = kind;
    if kind == ForecastKind::Oracle {
        spec.forecast.headroom_pct = 0.0;
    }
    spec
}

/// Policies with a perfect forecast, sticky plans with other forecasts and epochs, and what is simulated.
fn cases() -> Vec<Case> {
    const HALF_HOUR_S: f64 = HOUR_S / 2.0;
    let (oracle, last) = (ForecastKind::Oracle, ForecastKind::Last);
    let mut cases = Vec::new();
    let mut add = |name, ratio, spec, simulated| {
        cases.push(Case { name, ratio, spec, simulated });
    };
    for ratio in [2.0, RATIO, 5.0] {
        for policy in [Policy::Scratch, Policy::Matched, Policy::Sticky] {
            add("policies", ratio, spec(policy, oracle, HOUR_S), false);
        }
    }
    for kind in [oracle, last, ForecastKind::Peak { epochs: 3 }] {
        for period_s in [HOUR_S / 5.0, HALF_HOUR_S, HOUR_S, 2.0 * HOUR_S] {
            add("epochs", RATIO, spec(Policy::Sticky, kind, period_s), false);
        }
    }
    let early = |policy, period_s| ReplanSpec { early: true, ..spec(policy, last, period_s) };
    add("simulated", RATIO, spec(Policy::Static, oracle, HALF_HOUR_S), true);
    add("simulated", RATIO, spec(Policy::Matched, last, HALF_HOUR_S), true);
    add("simulated", RATIO, spec(Policy::Sticky, last, HALF_HOUR_S), true);
    add("simulated", RATIO, early(Policy::Sticky, HALF_HOUR_S), true);
    add("simulated", RATIO, spec(Policy::Sticky, last, 2.0 * HOUR_S), true);
    add("simulated", RATIO, early(Policy::Sticky, 2.0 * HOUR_S), true);
    add("simulated", RATIO, spec(Policy::Replicas, last, HALF_HOUR_S), true);
    let mut by_slo = spec(Policy::Replicas, last, HALF_HOUR_S);
    by_slo.replicas.target = ReplicaTarget::Slo;
    add("simulated", RATIO, by_slo, true);
    cases
}

fn outcome(case: &Case) -> Result<Outcome, ReproduceError> {
    let study = study(case.ratio)?;
    let strategy = strategy(STRATEGY)?;
    let done = study.replan(strategy.as_ref(), &case.spec)?;
    if !case.simulated {
        return Ok(Outcome { done, lateness: None, missed: None });
    }
    let followed = study.follow(STRATEGY, &done.replanned.timeline, faster(JUDGED_WINDOW))?;
    let target_pct = study.scenario().plan.attainment_pct;
    let sums = lateness(&followed.windows, &done.planned(), target_pct);
    let attained =
        followed.result.workloads.iter().map(|w| 100.0 - w.slo_violation_pct.unwrap_or(0.0));
    let missed = attained.filter(|attained| *attained < target_pct).count();
    Ok(Outcome { done, lateness: Some(sums), missed: Some(missed) })
}

/// What plans that follow a day save, and what that costs in moves and late requests.
pub(super) fn days(_: &super::Context) -> Result<Made, ReproduceError> {
    let cases = cases();
    let outcomes = cases.par_iter().with_max_len(1).map(outcome).collect::<Result<Vec<_>, _>>()?;
    let rows = cases.iter().zip(&outcomes).map(|(case, outcome)| row(case, outcome)).collect();
    let all: Vec<(&Case, &Outcome)> = cases.iter().zip(&outcomes).collect();
    let figures = vec![over_time(&all)?, by_epoch(&all)?];
    Ok(Made {
        name: "replan",
        title: "Plans that follow a day",
        basis: "The paper's 12 workloads over a day that passes in two hours, so an hour is five minutes; servers load for 2 s, GPUs boot \
                for 10 s. Rates are those of simulated arrivals, plans are made from predicted latencies (predictor `igniter`, V100, \
                strategy `queueing`), and what becomes of requests is simulated."
            .to_owned(),
        figures,
        numbers: vec![Numbers {
            stem: "replan".to_owned(),
            header: vec![
                "part",
                "peak_to_trough",
                "policy",
                "forecast",
                "period_s",
                "headroom_pct",
                "early",
                "gpu_hours",
                "static_gpu_hours",
                "saved_pct",
                "bound_gpu_hours",
                "plans",
                "moves_per_plan",
                "restarts_per_plan",
                "early_plans",
                "boots",
                "handovers_without_room_pct",
                "attained_pct",
                "windows_below_pct",
                "workloads_missed",
                "late_in_handover_pct",
                "late_by_forecast_pct",
                "late_by_plan_pct",
            ],
            rows,
        }],
    })
}

fn saved_pct(outcome: &Outcome) -> f64 {
    100.0 * (1.0 - outcome.done.account.gpu_hours / outcome.done.fixed.gpu_hours)
}

fn forecast_name(spec: &ReplanSpec) -> String {
    match (spec.policy, spec.forecast.kind) {
        (Policy::Static, _) => String::new(),
        (Policy::Replicas, _) => match spec.replicas.target {
            ReplicaTarget::Slo => "slo".to_owned(),
            ReplicaTarget::ThroughputPct(pct) => format!("{pct} %"),
        },
        (_, ForecastKind::Oracle) => "oracle".to_owned(),
        (_, ForecastKind::Last) => "last".to_owned(),
        (_, ForecastKind::Peak { epochs }) => format!("peak of {epochs}"),
        (_, ForecastKind::Season { .. }) => "season".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn row(case: &Case, outcome: &Outcome) -> Vec<String> {
    let account = &outcome.done.account;
    let per = |count: usize| format!("{:.2}", count as f64 / account.epochs.max(1) as f64);
    let late = |of: fn(&Lateness) -> u64| {
        outcome.lateness.map_or_else(String::new, |sums| {
            format!("{:.4}", 100.0 * of(&sums) as f64 / sums.requests.max(1) as f64)
        })
    };
    let is_planned = !matches!(case.spec.policy, Policy::Static | Policy::Replicas);
    let planned = |text: String| if is_planned { text } else { String::new() };
    let without_room = 100.0 * account.without_room as f64 / account.epochs.max(1) as f64;
    vec![
        case.name.to_owned(),
        case.ratio.to_string(),
        case.spec.policy.as_str().to_owned(),
        forecast_name(&case.spec),
        planned(case.spec.period_s.to_string()),
        planned(case.spec.forecast.headroom_pct.to_string()),
        planned(case.spec.early.to_string()),
        format!("{:.2}", account.gpu_hours),
        format!("{:.2}", outcome.done.fixed.gpu_hours),
        format!("{:.2}", saved_pct(outcome)),
        account.bound_gpu_hours.map_or_else(String::new, |hours| format!("{hours:.2}")),
        account.epochs.to_string(),
        per(account.moves),
        per(account.restarts),
        account.early.to_string(),
        account.boots.to_string(),
        format!("{without_room:.1}"),
        outcome.lateness.map_or_else(String::new, |sums| {
            format!("{:.3}", 100.0 * (1.0 - sums.late as f64 / sums.requests.max(1) as f64))
        }),
        outcome.lateness.map_or_else(String::new, |sums| {
            format!("{:.3}", 100.0 * sums.windows_below as f64 / sums.windows.max(1) as f64)
        }),
        outcome.missed.map_or_else(String::new, |missed| missed.to_string()),
        late(|sums| sums.late_in_handover),
        late(|sums| sums.late_by_forecast),
        late(|sums| sums.late_by_plan),
    ]
}

/// The GPUs of a run hour by hour, as steps.
#[expect(clippy::cast_precision_loss, reason = "counts of GPUs")]
fn steps(
    done: &ReplannedStudy,
    of: impl Fn(&crate::plan::replan::Epoch) -> Option<usize>,
) -> Vec<(f64, f64)> {
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

/// GPUs over the day, with the rate.
#[expect(clippy::cast_precision_loss, reason = "counts of GPUs")]
fn over_time(all: &[(&Case, &Outcome)]) -> Result<Figure, ReproduceError> {
    let names = ["static", "lower bound", "scratch", "sticky", "requests/s / 1000"];
    let mut panels = Vec::new();
    for ratio in [2.0, RATIO, 5.0] {
        let of = |policy: Policy| {
            let found = all.iter().find(|(case, _)| {
                let same = (case.ratio - ratio).abs() < 1e-9;
                case.name == "policies" && same && case.spec.policy == policy
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
    let series = names.iter().enumerate().map(|(look, name)| Named {
        name: (*name).to_owned(),
        look,
        marks: Marks::Line,
    });
    Ok(PointsFigure {
        stem: "replan-gpus".to_owned(),
        caption: "GPUs over a day of the paper's 12 workloads, hourly plans with a perfect forecast: one plan for the \
                  highest rates, the lower bound for each hour, plans from scratch, and plans that are changed only where \
                  that pays."
            .to_owned(),
        series: series.collect(),
        panels,
        axes: ("Hour".to_owned(), "GPUs".to_owned()),
        log: (false, false),
    }
    .draw()?)
}

/// What is saved with shorter and longer epochs, and the moves for it.
#[expect(clippy::cast_precision_loss, reason = "counts of moves")]
fn by_epoch(all: &[(&Case, &Outcome)]) -> Result<Figure, ReproduceError> {
    let names = ["oracle", "last", "peak of 3"];
    let of = |name: &str, value: &dyn Fn(&Outcome) -> f64| {
        let own = all
            .iter()
            .filter(|(case, _)| case.name == "epochs" && forecast_name(&case.spec) == name);
        own.map(|(case, outcome)| (60.0 * case.spec.period_s / HOUR_S, value(outcome)))
            .collect::<Vec<_>>()
    };
    let moves = |outcome: &Outcome| {
        outcome.done.account.moves as f64 / (outcome.done.counts.duration_s / HOUR_S)
    };
    let series = names.iter().enumerate().map(|(look, name)| Named {
        name: (*name).to_owned(),
        look,
        marks: Marks::Both,
    });
    Ok(PointsFigure {
        stem: "replan-epochs".to_owned(),
        caption: "What sticky plans save with shorter and longer epochs, by forecast (those but the oracle with 10 % more \
                  than they say), and how many servers move in an hour."
            .to_owned(),
        series: series.collect(),
        panels: vec![
            PointsPanel {
                title: "Saved (%)".to_owned(),
                series: names.iter().map(|name| of(name, &saved_pct)).collect(),
            },
            PointsPanel {
                title: "Moves in an hour".to_owned(),
                series: names.iter().map(|name| of(name, &moves)).collect(),
            },
        ],
        axes: ("Minutes from one plan to the next".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?)
}
