//! The tables of a comparison. Figures, JSON, CSV and the report are made from these tables alone.

use super::control::{ActionRow, WindowRow};
use crate::{Advice, Following, SeedRow, Truth, short};
use igniter_model::domain::{
    Action, GpuKind, GpuKindName, Infeasible, ModelName, Plan, ServerWindow, Workload, WorkloadFix,
    WorkloadName,
};
use igniter_sim::metrics::{
    BatchHistogram, GpuSeries, GpuSummary, LatencyCdf, LatencySeries, RunMetrics, Window,
    WorkloadSummary,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One placement of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRow {
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// The GPU's kind.
    pub kind: GpuKindName,
    pub workload: WorkloadName,
    pub model: ModelName,
    /// The largest batch that its server forms, in requests.
    pub batch: u32,
    /// SM share, in percent.
    pub sm_pct: f64,
    /// Placements of one GPU with the same number take turns on the same SMs; `None` for a placement with SMs of its
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_slot: Option<u32>,
    /// Predicted load, execution and feedback of a full batch, in ms.
    pub predicted_latency_ms: Option<f64>,
    /// Predicted throughput with full batches, in requests/s.
    pub predicted_throughput_rps: Option<f64>,
    /// The full SLO of the workload, in ms.
    pub slo_ms: f64,
}

/// Arrivals of one workload in the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrivalRow {
    pub workload: WorkloadName,
    /// The GPU whose server the clients of a closed loop send to; `None` for other arrivals, which are the same for all
    /// strategies.
    pub gpu: Option<usize>,
    /// The requested rate, in requests/s; `None` where a file or the answers to clients determine it.
    pub asked_rps: Option<f64>,
    /// Number of requests.
    pub requests: u64,
    /// Mean rate over the run, in requests/s.
    pub rate_rps: f64,
    /// Coefficient of variation of the gaps between arrivals; `None` with fewer than two gaps.
    pub gap_cv: Option<f64>,
    /// Highest number of requests in one second.
    pub peak_rps: u64,
    /// Variance of the requests per second, divided by their mean.
    pub dispersion: Option<f64>,
    /// Longest gap between arrivals, in s.
    pub longest_gap_s: Option<f64>,
}

/// A workload that a strategy could not place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfeasibleRow {
    pub workload: WorkloadName,
    pub reason: String,
    /// Suggested fix, as text.
    pub fix: Option<String>,
}

/// The plan of one strategy and its simulated results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategyResult {
    pub strategy: String,
    /// Number of GPUs used.
    pub gpu_count: usize,
    /// Cost of these GPUs, in US $/h.
    pub cost_per_hour: f64,
    /// Proven lower bound on the number of GPUs of any plan, if the strategy provides one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_bound: Option<usize>,
    /// Number of workloads that the plan's own predictor already expects to be too slow, below their rate, or not
    /// served.
    #[serde(default)]
    pub predicted_violations: usize,
    /// Placements, GPU by GPU.
    pub plan: Vec<PlanRow>,
    /// Workloads that the strategy could not place.
    pub infeasible: Vec<InfeasibleRow>,
    /// Results of each workload, in the order of the scenario.
    pub workloads: Vec<WorkloadSummary>,
    /// Results of each GPU, in the order of the plan.
    pub gpus: Vec<GpuSummary>,
    /// Actions of controllers and faults, ordered by the time of taking effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionRow>,
    /// Distributions and time series, which are not in `summary.json`.
    #[serde(skip)]
    pub details: Details,
}

/// Distributions and time series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Time series of the GPUs, in the order of the plan.
    pub series: Vec<GpuSeries>,
    /// Latency distributions, in the order of the scenario.
    pub cdf: Vec<LatencyCdf>,
    /// Latencies over time, in the order of the scenario.
    pub latency_series: Vec<LatencySeries>,
    /// Batch sizes, in the order of the scenario.
    pub batches: Vec<BatchHistogram>,
    /// Each workload in each window of its controller.
    pub adaptation: Vec<WindowRow>,
    /// Arrivals; empty unless requested.
    pub arrivals: Vec<ArrivalRow>,
    /// Results of replanning; `None` with one plan for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub following: Option<Following>,
}

/// Returns the predicted latency of a workload with these placements, in ms; see [`StrategyResult::predicted_ms`].
pub(crate) fn predicted_ms<'a>(placements: impl Iterator<Item = &'a PlanRow>) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for row in placements {
        let throughput = row.predicted_throughput_rps?;
        sum += row.predicted_latency_ms? * throughput;
        weight += throughput;
    }
    (weight > 0.0).then(|| sum / weight)
}

impl StrategyResult {
    /// Creates the tables of a plan and its metrics.
    ///
    /// # Panics
    /// When the plan uses a GPU kind or a workload that is not among those given.
    #[must_use]
    pub fn new(
        plan: &Plan,
        kinds: &[GpuKind],
        workloads: &[Workload],
        metrics: RunMetrics,
    ) -> Self {
        let kind_of = |name: &GpuKindName| {
            kinds.iter().find(|kind| kind.name == *name).expect("plans use kinds of the scenario")
        };
        let rows = plan.placements().map(|(gpu, placement)| {
            let kind = kind_of(&plan.gpus[gpu].kind);
            let workload = workloads.iter().find(|w| w.name == placement.workload);
            PlanRow {
                gpu,
                kind: kind.name.clone(),
                workload: placement.workload.clone(),
                model: placement.model.clone(),
                batch: placement.batch.get(),
                sm_pct: placement.sm.to_percent(kind.units).map_or(0.0, |share| share.get()),
                time_slot: placement.time_slot,
                predicted_latency_ms: placement.predicted.map(|p| p.latency.get()),
                predicted_throughput_rps: placement.predicted.map(|p| p.throughput.get()),
                slo_ms: workload.expect("plans place workloads of the scenario").slo.get(),
            }
        });
        let cost: f64 = kinds
            .iter()
            .map(|kind| {
                let count = plan.gpus.iter().filter(|gpu| gpu.kind == kind.name).count();
                kind.price_per_hour.get() * count as f64
            })
            .sum();
        Self {
            strategy: plan.strategy.clone(),
            gpu_count: plan.gpus.len(),
            cost_per_hour: (cost * 1e6).round() / 1e6,
            gpu_bound: plan.bound.as_ref().map(|bound| bound.gpus),
            predicted_violations: 0,
            plan: rows.collect(),
            infeasible: plan.infeasible.iter().map(InfeasibleRow::from).collect(),
            workloads: metrics.workloads,
            gpus: metrics.gpus,
            actions: Vec::new(),
            details: Details {
                series: metrics.series,
                cdf: metrics.cdf,
                latency_series: metrics.latency_series,
                batches: metrics.batches,
                ..Details::default()
            },
        }
    }

    /// Adds the actions of controllers, the faults and the controller windows of the run.
    #[must_use]
    pub fn with_control(
        mut self,
        actions: &[Action],
        windows: &[ServerWindow],
        workloads: &[Workload],
    ) -> Self {
        let mut actions: Vec<&Action> = actions.iter().collect();
        actions.sort_by_key(|action| action.effective);
        let actions = actions.into_iter().map(|action| ActionRow::new(action, workloads));
        let windows = windows.iter().map(|window| WindowRow::new(window, workloads));
        self.actions = actions.collect();
        self.details.adaptation = windows.collect();
        self
    }

    /// Returns the number of workloads that miss their SLO or are not served at all.
    #[must_use]
    pub fn misses(&self) -> usize {
        self.workloads.iter().filter(|workload| workload.verdict.is_miss()).count()
    }

    /// Returns the placements of one workload: one, unless the strategy split it.
    pub fn placements_of<'a>(
        &'a self,
        workload: &'a WorkloadName,
    ) -> impl Iterator<Item = &'a PlanRow> {
        self.plan.iter().filter(move |row| row.workload == *workload)
    }

    /// Returns the predicted latency of a workload, in ms: the mean over its placements, weighted by their predicted
    /// throughput. `None` if a placement has no prediction.
    #[must_use]
    pub fn predicted_ms(&self, workload: &WorkloadName) -> Option<f64> {
        predicted_ms(self.placements_of(workload))
    }

    /// Whether the batches of a workload were full, to 95 % on average. Only then does the prediction for a full batch
    /// apply to them.
    #[must_use]
    pub fn fills_batches(&self, workload: &WorkloadSummary) -> bool {
        let sizes: Vec<f64> =
            self.placements_of(&workload.workload).map(|row| f64::from(row.batch)).collect();
        let planned = sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
        workload.mean_batch.is_some_and(|mean| mean >= 0.95 * planned)
    }

    /// Returns a one-line summary of the strategy.
    #[must_use]
    pub fn headline(&self) -> String {
        let plural = if self.gpu_count == 1 { "" } else { "s" };
        let idle = self.unmeasured();
        let unmeasured =
            if idle == 0 { String::new() } else { format!(", {idle} without requests") };
        format!(
            "{}: {} GPU{plural}, {:.2} $/h, {} of {} workloads miss their SLO (P99){unmeasured}",
            self.strategy,
            self.gpu_count,
            self.cost_per_hour,
            self.misses(),
            self.workloads.len(),
        )
    }
}

impl From<&Infeasible> for InfeasibleRow {
    fn from(infeasible: &Infeasible) -> Self {
        let fixes: Vec<String> = infeasible
            .fixes
            .iter()
            .map(|fix| match fix {
                WorkloadFix::Slo(slo) => format!("an SLO of {} ms", short(slo.get())),
                WorkloadFix::Rate(rate) => format!("a rate of {} requests/s", short(rate.get())),
            })
            .collect();
        Self {
            workload: infeasible.workload.clone(),
            reason: infeasible.reason.clone(),
            fix: (!fixes.is_empty()).then(|| fixes.join(" or ")),
        }
    }
}

/// The results of several strategies on one scenario, with the same arrivals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub scenario: String,
    /// Seed of the arrivals.
    pub seed: u64,
    /// Simulated time, in seconds.
    pub simulated_s: f64,
    /// The start of the measured window, in seconds.
    pub window_start_s: f64,
    /// The end of the measured window, in seconds.
    pub window_end_s: f64,
    /// The truth that plans were simulated with, if it is not the predictor that made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Display names, in figures and tables for papers, of strategies, workloads, models and stages, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub display: BTreeMap<String, String>,
    /// One entry for each strategy, in the requested order.
    pub strategies: Vec<StrategyResult>,
    /// Means over seeds, if plans were simulated with several; everything else is from the first seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedRow>,
    /// Properties of the scenario that put rule-based plans at a disadvantage, if one of these plans misses an SLO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
}

impl Comparison {
    /// Combines the results of one scenario.
    #[must_use]
    pub fn new(scenario: &str, seed: u64, window: Window, strategies: Vec<StrategyResult>) -> Self {
        Self {
            scenario: scenario.to_owned(),
            seed,
            simulated_s: window.duration().as_seconds(),
            window_start_s: window.start().as_seconds(),
            window_end_s: window.end().as_seconds(),
            truth: None,
            display: BTreeMap::new(),
            strategies,
            seeds: Vec::new(),
            advice: Vec::new(),
        }
    }
}

/// The files of a figure in the output directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureFile {
    /// Path of the files without extension, relative to the output directory (`figures/plan`).
    pub stem: String,
    /// Caption of one sentence.
    pub caption: String,
}

#[cfg(test)]
mod tests {
    use crate::sample::small_comparison;

    #[test]
    fn a_plan_becomes_rows_with_percents_and_cost() {
        let comparison = small_comparison();
        let igniter = &comparison.strategies[0];
        // 15 of 40 units = 37.5 %
        assert!((igniter.plan[0].sm_pct - 37.5).abs() < 1e-12);
        assert!((igniter.cost_per_hour - 3.06).abs() < 1e-12);
        assert!((igniter.predicted_ms(&igniter.plan[0].workload).unwrap() - 7.25).abs() < 1e-12);
        assert_eq!(
            igniter.headline(),
            "igniter: 1 GPU, 3.06 $/h, 0 of 2 workloads miss their SLO (P99)"
        );
        let ffd = &comparison.strategies[1];
        assert_eq!(ffd.misses(), 1);
        assert_eq!(ffd.infeasible[0].fix.as_deref(), Some("an SLO of 55.5 ms"));
        assert_eq!(ffd.predicted_ms(&ffd.infeasible[0].workload), None);
    }
}
