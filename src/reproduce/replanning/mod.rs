//! Plans that follow the load of a day: their savings, their disturbance, and the effect on requests.

mod figures;
mod handover;
mod time;

pub(super) use self::time::time;

use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::arrivals::{ArrivalSpec, RateShape};
use crate::plan::replan::{ForecastKind, Policy, ReplanSpec, ReplicaTarget};
use crate::plan::strategy;
use crate::run::{JUDGED_WINDOW, Lateness, Overrides, ReplannedStudy, Study, lateness};
use crate::scenario::Scenario;
use crate::units::{Nanoseconds, RequestsPerSecond};
use rayon::prelude::*;
use std::path::Path;

const DAY: &str = include_str!("../../../scenarios/day.toml");

/// The peak of the scenario's days, as a multiple of their trough.
const RATIO: f64 = 3.0;

/// The speed-up of the simulated day over a real one, so that simulations take minutes: an hour lasts five minutes.
const FASTER: f64 = 12.0;

/// An hour of the simulated day, in s, and half of it.
const HOUR_S: f64 = 3600.0 / FASTER;
const HALF_HOUR_S: f64 = HOUR_S / 2.0;

/// The planning strategy.
const STRATEGY: &str = "queueing";

/// The purpose of a case: the first column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CasePart {
    /// GPUs over the day, savings and moves, from plans alone.
    Policies,
    /// The same with a different cost of moves.
    MoveCost,
    /// Longer and shorter epochs.
    Epochs,
    /// More and less headroom.
    Headroom,
}

impl CasePart {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Policies => "policies",
            Self::MoveCost => "move cost",
            Self::Epochs => "epochs",
            Self::Headroom => "headroom",
        }
    }
}

/// A way to follow the load.
#[derive(Debug, Clone)]
struct Case {
    part: CasePart,
    ratio: f64,
    spec: ReplanSpec,
}

impl Case {
    /// Returns whether its plans are also simulated.
    const fn is_simulated(&self) -> bool {
        matches!(self.part, CasePart::Epochs | CasePart::Headroom)
    }
}

/// The outcome of a case.
struct CaseOutcome {
    done: ReplannedStudy,
    lateness: Option<Lateness>,
    /// Number of workloads that miss the target over the whole run.
    missed: Option<usize>,
}

/// Builds the paper's workloads over a day whose peak is `ratio` times its trough; the peak is the paper's rate.
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

/// Builds a `[replan]` table with all times shortened in proportion.
fn spec(policy: Policy, kind: ForecastKind, period_s: f64) -> ReplanSpec {
    let mut spec = ReplanSpec { policy, period_s, early: false, ..ReplanSpec::default() };
    spec.forecast.window_s = 15.0;
    spec.move_cost_gpu_s /= FASTER;
    (spec.handover.load_s, spec.handover.boot_s) = (20.0 / FASTER, 120.0 / FASTER);
    spec.replicas.scale_down_s /= FASTER;
    spec.replicas.window_s /= FASTER;
    spec.forecast.kind = kind;
    if kind == ForecastKind::Oracle {
        spec.forecast.headroom_pct = 0.0;
    }
    spec
}

/// Returns all cases to plan, some of which are also simulated.
fn cases() -> Vec<Case> {
    let (oracle, last) = (ForecastKind::Oracle, ForecastKind::Last);
    let mut cases = Vec::new();
    let mut add = |part, ratio, spec| cases.push(Case { part, ratio, spec });
    for ratio in [2.0, RATIO, 5.0] {
        for policy in [Policy::Scratch, Policy::Matched, Policy::Sticky] {
            add(CasePart::Policies, ratio, spec(policy, oracle, HOUR_S));
        }
    }
    for cost_s in [0.0, 60.0, 180.0, 600.0] {
        let mut spec = spec(Policy::Sticky, last, HOUR_S / 6.0);
        spec.move_cost_gpu_s = cost_s / FASTER;
        add(CasePart::MoveCost, RATIO, spec);
    }
    for kind in [oracle, last, ForecastKind::Peak { epochs: 3 }] {
        for period_s in [HOUR_S / 5.0, HALF_HOUR_S, HOUR_S, 2.0 * HOUR_S] {
            add(CasePart::Epochs, RATIO, spec(Policy::Sticky, kind, period_s));
        }
    }
    add(CasePart::Headroom, RATIO, spec(Policy::Static, oracle, HALF_HOUR_S));
    for (policy, early) in
        [(Policy::Matched, false), (Policy::Sticky, false), (Policy::Sticky, true)]
    {
        for headroom_pct in [0.0, 10.0, 20.0, 30.0] {
            let mut spec = ReplanSpec { early, ..spec(policy, last, HALF_HOUR_S) };
            spec.forecast.headroom_pct = headroom_pct;
            add(CasePart::Headroom, RATIO, spec);
        }
    }
    let targets = [80.0, 70.0, 60.0, 50.0].map(ReplicaTarget::ThroughputPct);
    for target in targets.into_iter().chain([ReplicaTarget::Slo]) {
        let mut spec = spec(Policy::Replicas, last, HALF_HOUR_S);
        spec.replicas.target = target;
        add(CasePart::Headroom, RATIO, spec);
    }
    cases
}

fn outcome(case: &Case) -> Result<CaseOutcome, ReproduceError> {
    let study = study(case.ratio)?;
    let strategy = strategy(STRATEGY)?;
    let done = study.replan(strategy.as_ref(), &case.spec)?;
    if !case.is_simulated() {
        return Ok(CaseOutcome { done, lateness: None, missed: None });
    }
    let followed = study.follow(STRATEGY, &done.replanned.timeline, faster(JUDGED_WINDOW))?;
    let target_pct = study.scenario().plan.attainment_pct;
    let sums = lateness(&followed.windows, &done.planned(), target_pct);
    let attained =
        followed.result.workloads.iter().map(|w| 100.0 - w.slo_violation_pct.unwrap_or(0.0));
    let missed = attained.filter(|attained| *attained < target_pct).count();
    Ok(CaseOutcome { done, lateness: Some(sums), missed: Some(missed) })
}

/// Makes the figure of the savings of plans that follow a day, and of their cost in moves and late requests.
pub(super) fn days(_: &super::Context) -> Result<ReproducedFigure, ReproduceError> {
    let cases = cases();
    let outcomes = cases.par_iter().with_max_len(1).map(outcome).collect::<Result<Vec<_>, _>>()?;
    let rows = cases.iter().zip(&outcomes).map(|(case, outcome)| row(case, outcome)).collect();
    let all: Vec<(&Case, &CaseOutcome)> = cases.iter().zip(&outcomes).collect();
    let mut figures = figures::all(&all)?;
    let (around, moments) = handover::around()?;
    figures.push(around);
    Ok(ReproducedFigure {
        name: "replan",
        title: "Plans that follow a day",
        basis: "The paper's 12 workloads over a day that passes in two hours, so that an hour is five minutes, and servers load, \
                GPUs boot and autoscalers look back for a twelfth of the usual times. Rates are those of simulated arrivals, plans are made \
                from predicted latencies (predictor `igniter`, V100, strategy `queueing`), and what becomes of requests is simulated."
            .to_owned(),
        figures,
        numbers: vec![
            Numbers {
            stem: "replan".to_owned(),
            header: vec![
                "part",
                "peak_to_trough",
                "policy",
                "forecast",
                "period_s",
                "headroom_pct",
                "move_cost_gpu_s",
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
            },
            moments,
        ],
    })
}

impl CaseOutcome {
    fn saved_pct(&self) -> f64 {
        100.0 * (1.0 - self.done.account.gpu_hours / self.done.fixed.gpu_hours)
    }

    /// Returns the percentage of all requests that met their SLO.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    fn attained_pct(&self) -> Option<f64> {
        let of = |sums: Lateness| 100.0 * (1.0 - sums.late as f64 / sums.requests.max(1) as f64);
        self.lateness.map(of)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of moves")]
    fn moves_per_hour(&self) -> f64 {
        self.done.account.moves as f64 / (self.done.counts.duration_s / HOUR_S)
    }
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
fn row(case: &Case, outcome: &CaseOutcome) -> Vec<String> {
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
        case.part.as_str().to_owned(),
        case.ratio.to_string(),
        case.spec.policy.as_str().to_owned(),
        forecast_name(&case.spec),
        planned(case.spec.period_s.to_string()),
        planned(case.spec.forecast.headroom_pct.to_string()),
        planned(case.spec.move_cost_gpu_s.to_string()),
        planned(case.spec.early.to_string()),
        format!("{:.2}", account.gpu_hours),
        format!("{:.2}", outcome.done.fixed.gpu_hours),
        format!("{:.2}", outcome.saved_pct()),
        account.bound_gpu_hours.map_or_else(String::new, |hours| format!("{hours:.2}")),
        account.epochs.to_string(),
        per(account.moves),
        per(account.restarts),
        account.early.to_string(),
        account.boots.to_string(),
        format!("{without_room:.1}"),
        outcome.attained_pct().map_or_else(String::new, |attained| format!("{attained:.3}")),
        outcome.lateness.map_or_else(String::new, |sums| {
            format!("{:.3}", 100.0 * sums.windows_below as f64 / sums.windows.max(1) as f64)
        }),
        outcome.missed.map_or_else(String::new, |missed| missed.to_string()),
        late(|sums| sums.late_in_handover),
        late(|sums| sums.late_by_forecast),
        late(|sums| sums.late_by_plan),
    ]
}
