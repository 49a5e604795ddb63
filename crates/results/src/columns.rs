//! Columns of all tables of a comparison: strategies, workloads, placements and GPUs.

use crate::column::{Column, Digits};
use crate::tables::{ArrivalRow, Comparison, PlanRow, StrategyResult, predicted_ms};
use crate::{Cell, short, trimmed};
use igniter_model::domain::WorkloadName;
use igniter_sim::metrics::{GpuSummary, Verdict, WorkloadSummary};
use std::collections::BTreeMap;

/// A row together with its strategy.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a, T> {
    pub result: &'a StrategyResult,
    pub row: &'a T,
}

impl<'a, T> Of<'a, T> {
    /// Returns the rows of all strategies, one strategy after the other.
    #[must_use]
    pub fn all(comparison: &'a Comparison, rows: fn(&'a StrategyResult) -> &'a [T]) -> Vec<Self> {
        let of = |result| rows(result).iter().map(move |row| Self { result, row });
        comparison.strategies.iter().flat_map(of).collect()
    }

    fn strategy(&self) -> Cell {
        self.result.strategy.as_str().into()
    }
}

/// Results of a workload under a strategy.
#[derive(Debug, Clone)]
pub struct WorkloadRow<'a> {
    pub result: &'a StrategyResult,
    /// Simulated results of the workload.
    pub summary: &'a WorkloadSummary,
    /// Placements: one, unless the strategy split the workload.
    pub placements: Vec<&'a PlanRow>,
    /// Arrivals, if known: a row for each server in a closed loop, otherwise one row.
    pub arrived: Vec<&'a ArrivalRow>,
}

impl StrategyResult {
    /// Returns the workloads with their placements and arrivals.
    #[must_use]
    pub fn workload_rows(&self) -> Vec<WorkloadRow<'_>> {
        let mut placements: BTreeMap<&WorkloadName, Vec<&PlanRow>> = BTreeMap::new();
        for row in &self.plan {
            placements.entry(&row.workload).or_default().push(row);
        }
        let mut arrived: BTreeMap<&WorkloadName, Vec<&ArrivalRow>> = BTreeMap::new();
        for row in &self.details.arrivals {
            arrived.entry(&row.workload).or_default().push(row);
        }
        let rows = self.workloads.iter().map(|summary| WorkloadRow {
            result: self,
            summary,
            placements: placements.remove(&summary.workload).unwrap_or_default(),
            arrived: arrived.remove(&summary.workload).unwrap_or_default(),
        });
        rows.collect()
    }
}

/// Joins the values of all placements; if replanning leaves many, only the first ones and the number of placements.
fn shortened(parts: &[String]) -> Cell {
    const ALL: usize = 8;
    const FIRST: usize = 3;
    match parts.len() {
        0 => Cell::Absent,
        1..=ALL => parts.join("+").into(),
        count => format!("{}+… ({count})", parts[..FIRST].join("+")).into(),
    }
}

impl WorkloadRow<'_> {
    /// Returns the workloads of all strategies, one strategy after the other.
    #[must_use]
    pub fn all(comparison: &Comparison) -> Vec<WorkloadRow<'_>> {
        comparison.strategies.iter().flat_map(StrategyResult::workload_rows).collect()
    }

    fn joined(&self, of: fn(&PlanRow) -> String) -> Cell {
        let parts: Vec<String> = self.placements.iter().map(|row| of(row)).collect();
        shortened(&parts)
    }

    /// Returns the predicted latency, in ms; see [`StrategyResult::predicted_ms`].
    #[must_use]
    pub fn predicted_ms(&self) -> Option<f64> {
        predicted_ms(self.placements.iter().copied())
    }

    /// Returns the P99 latency divided by the SLO.
    #[must_use]
    pub fn p99_of_slo(&self) -> Option<f64> {
        Some(self.summary.p99_ms? / self.summary.slo_ms)
    }
}

const MS: &str = "ms";
const RATE: &str = "req/s";

#[rustfmt::skip]
impl WorkloadRow<'_> {
    /// Columns of a workload.
    pub const COLUMNS: [Column<Self>; 36] = [
        Column::text("strategy", "strategy", "strategy", |r| r.result.strategy.as_str().into()),
        Column::text("workload", "workload", "workload", |r| r.summary.workload.as_str().into()),
        Column::text("model", "model", "model", |r| r.summary.model.as_str().into()),
        Column::whole("gpu", "GPU", "GPU", |r| r.summary.gpu.into()),
        Column::text("gpus", "GPU", "GPU", |r| r.joined(|p| p.gpu.to_string())),
        Column::whole("batch", "batch", "batch", |r| r.placements.first().map(|p| u64::from(p.batch)).into()),
        Column::text("batches", "batch", "batch", |r| r.joined(|p| p.batch.to_string())),
        Column::real("sm_pct", ("SM share", "%"), "SM %", |r: &Self| r.placements.first().map(|p| p.sm_pct).into()).with(Digits::UpToTwo),
        Column::text("sm_shares", "SM share (%)", "SM %", |r| r.joined(|p| trimmed(p.sm_pct))),
        Column { kind: crate::ColumnType::Bool, ..Column::text("served", "served", "served", |r| r.summary.served.into()) },
        Column::real("slo_ms", ("SLO", MS), "SLO ms", |r| r.summary.slo_ms.into()),
        Column::real("rate_rps", ("rate", RATE), "rate", |r| r.summary.rate_rps.into()),
        Column::real("predicted_ms", ("predicted batch", MS), "pred. ms", |r| r.predicted_ms().into()),
        Column::whole("requests", "requests", "requests", |r| r.summary.requests.into()),
        Column::whole("completed", "completed", "completed", |r| r.summary.completed.into()),
        Column::real("throughput_rps", ("throughput", RATE), RATE, |r| r.summary.throughput_rps.into()),
        Column::real("mean_ms", ("mean", MS), "mean ms", |r| r.summary.mean_ms.into()),
        Column::real("p50_ms", ("P50", MS), "P50 ms", |r| r.summary.p50_ms.into()),
        Column::real("p90_ms", ("P90", MS), "P90 ms", |r| r.summary.p90_ms.into()),
        Column::real("p95_ms", ("P95", MS), "P95 ms", |r| r.summary.p95_ms.into()),
        Column::real("p99_ms", ("P99", MS), "P99 ms", |r| r.summary.p99_ms.into()),
        Column::real("p999_ms", ("P99.9", MS), "P99.9 ms", |r| r.summary.p999_ms.into()),
        Column::real("max_ms", ("max", MS), "max ms", |r| r.summary.max_ms.into()),
        Column::real("slo_violation_pct", ("violations", "%"), "viol. %", |r| r.summary.slo_violation_pct.into()),
        Column::real("queue_ms", ("queue", MS), "queue ms", |r| r.summary.queue_ms.into()),
        Column::real("load_ms", ("load", MS), "load ms", |r| r.summary.load_ms.into()),
        Column::real("exec_ms", ("execution", MS), "exec. ms", |r| r.summary.exec_ms.into()),
        Column::real("feedback_ms", ("feedback", MS), "feedback ms", |r| r.summary.feedback_ms.into()),
        Column::real("mean_batch", ("mean batch", ""), "mean batch", |r| r.summary.mean_batch.into()),
        Column::text("verdict", "verdict", "", |r| r.summary.verdict.into()),
        Column::real("p99_of_slo", ("P99 / SLO", ""), "P99/SLO", |r| r.p99_of_slo().into()),
        // The clients of a closed loop have a row for each server: their rates add up, but the CVs of their gaps do
        // not.
        Column::real("arrived_rps", ("arrived", RATE), "in/s", |r| r.arrived.iter().map(|row| row.rate_rps).sum::<f64>().into()),
        Column::real("gap_cv", ("CV of the gaps", ""), "gap CV", |r| match r.arrived.as_slice() {
            [row] => row.gap_cv.map(|cv| if cv < 5e-4 { 0.0 } else { cv }).into(),
            _ => Cell::Absent,
        }),
        Column::whole("rejected", "rejected", "rejected", |r| r.summary.failed.map(|f| f.rejected).into()),
        Column::whole("timed_out", "timed out", "timed out", |r| r.summary.failed.map(|f| f.timed_out).into()),
        Column::whole("lost", "lost", "lost", |r| r.summary.failed.map(|f| f.lost).into()),
    ];

    /// Columns of `summary.csv`.
    pub const SUMMARY: [&'static str; 24] = [
        "strategy", "workload", "model", "gpu", "served", "slo_ms", "rate_rps", "requests", "completed",
        "throughput_rps", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms",
        "slo_violation_pct", "queue_ms", "load_ms", "exec_ms", "feedback_ms", "mean_batch", "verdict",
    ];
    /// Columns of `failures.csv`.
    pub const FAILURES: [&'static str; 7] =
        ["strategy", "workload", "requests", "completed", "rejected", "timed_out", "lost"];
}

#[rustfmt::skip]
impl Of<'_, PlanRow> {
    /// Columns of a placement, in the order of `plan.csv`.
    pub const COLUMNS: [Column<Self>; 11] = [
        Column::text("strategy", "strategy", "strategy", Self::strategy),
        Column::whole("gpu", "GPU", "GPU", |r| r.row.gpu.into()),
        Column::text("kind", "kind", "kind", |r| r.row.kind.as_str().into()),
        Column::text("workload", "workload", "workload", |r| r.row.workload.as_str().into()),
        Column::text("model", "model", "model", |r| r.row.model.as_str().into()),
        Column::whole("batch", "batch", "batch", |r| u64::from(r.row.batch).into()),
        Column::real("sm_pct", ("SM share", "%"), "SM %", |r: &Self| r.row.sm_pct.into()).with(Digits::UpToTwo),
        Column::real("predicted_latency_ms", ("predicted latency", MS), "pred. ms", |r| r.row.predicted_latency_ms.into()),
        Column::real("predicted_throughput_rps", ("predicted throughput", RATE), "pred. req/s", |r| r.row.predicted_throughput_rps.into()),
        Column::real("slo_ms", ("SLO", MS), "SLO ms", |r| r.row.slo_ms.into()),
        Column::whole("time_slot", "time slot", "slot", |r| r.row.time_slot.map(u64::from).into()),
    ];
}

#[rustfmt::skip]
impl Of<'_, GpuSummary> {
    /// Columns of a GPU.
    pub const COLUMNS: [Column<Self>; 13] = [
        Column::text("strategy", "strategy", "strategy", Self::strategy),
        Column::whole("gpu", "GPU", "GPU", |r| r.row.gpu.into()),
        Column::text("kind", "kind", "kind", |r| r.row.kind.as_str().into()),
        Column::whole("placements", "workloads", "workloads", |r| r.row.placements.into()),
        Column::real("observed_s", ("observed", "s"), "observed s", |r| r.row.observed_s.into()),
        Column::real("utilisation", ("busy", ""), "busy", |r| r.row.utilisation.into()),
        Column::real("busy_pct", ("busy", "% of time"), "busy %", |r| (100.0 * r.row.utilisation).into()),
        Column::real("sm_utilisation_pct", ("busy SMs", "%"), "SMs %", |r| r.row.sm_utilisation_pct.into()),
        Column::real("power_w", ("mean power", "W"), "W", |r| r.row.power_w.into()),
        Column::real("peak_power_w", ("peak power", "W"), "peak W", |r| r.row.peak_power_w.into()),
        Column::real("energy_j", ("energy", "J"), "J", |r| r.row.energy_j.into()),
        Column::real("clock_mhz", ("mean clock", "MHz"), "MHz", |r| r.row.clock_mhz.into()),
        Column::real("min_clock_mhz", ("lowest clock", "MHz"), "lowest MHz", |r| r.row.min_clock_mhz.into()),
    ];

    /// Columns of `gpus.csv`.
    pub const FILE: [&'static str; 12] = [
        "strategy", "gpu", "kind", "placements", "observed_s", "utilisation", "sm_utilisation_pct", "power_w",
        "peak_power_w", "energy_j", "clock_mhz", "min_clock_mhz",
    ];
}

impl StrategyResult {
    /// Returns the sum of the mean power of the GPUs, in W.
    #[must_use]
    pub fn power_w(&self) -> f64 {
        self.gpus.iter().map(|gpu| gpu.power_w).sum()
    }

    /// Returns the P99 latencies divided by the SLOs.
    pub(crate) fn p99_ratios(&self) -> impl Iterator<Item = f64> + '_ {
        self.workloads.iter().filter_map(|w| Some(w.p99_ms? / w.slo_ms))
    }

    fn of_all(&self, count: usize) -> Cell {
        format!("{count} of {}", self.workloads.len()).into()
    }

    /// Returns the SLO violations of the workloads; without a placement, all requests of a workload violate its SLO.
    fn violations(&self) -> impl Iterator<Item = f64> + '_ {
        self.workloads.iter().filter_map(|w| match w.verdict {
            Verdict::NotServed => Some(100.0),
            _ => w.slo_violation_pct,
        })
    }

    /// Returns the percentage of requests that took longer than their SLO, averaged over workloads; `None` without
    /// requests.
    #[must_use]
    pub fn late_pct(&self) -> Option<f64> {
        let (sum, n) = self.violations().fold((0.0, 0_u32), |(sum, n), share| (sum + share, n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }

    fn over_slo(&self) -> Cell {
        self.late_pct().map(|late| format!("{} %", short(late))).into()
    }

    fn p99_range(&self) -> Cell {
        let low = self.p99_ratios().reduce(f64::min);
        let high = self.p99_ratios().reduce(f64::max);
        low.zip(high).map(|(low, high)| format!("{} – {}", short(low), short(high))).into()
    }

    fn energy_per_request_mj(&self) -> Option<f64> {
        let done: u64 = self.workloads.iter().map(|w| w.completed).sum();
        let energy: f64 = self.gpus.iter().map(|gpu| gpu.energy_j).sum();
        (done > 0).then(|| 1000.0 * energy / done as f64)
    }
}

#[rustfmt::skip]
impl StrategyResult {
    /// Columns of a strategy.
    pub const COLUMNS: [Column<Self>; 15] = [
        Column::text("strategy", "strategy", "strategy", |r| r.strategy.as_str().into()),
        Column::whole("gpu_count", "GPUs", "GPUs", |r| r.gpu_count.into()),
        Column::text("gpu_bound", "bound", "bound", |r| r.gpu_bound.map(|bound| format!("≥ {bound}")).into()),
        Column::real("cost_per_hour", ("cost", "$/h"), "$/h", |r: &Self| r.cost_per_hour.into()).with(Digits::Two),
        Column::text("predicted_misses", "predicted misses", "predicted misses", |r| r.of_all(r.predicted_violations)),
        Column::text("missed_of", "SLOs missed", "simulated misses", |r| r.of_all(r.misses())),
        Column::whole("missed", "SLOs missed", "missed", |r| r.misses().into()),
        Column::whole("workloads", "workloads", "workloads", |r| r.workloads.len().into()),
        Column::text("over_slo", "requests over SLO", "over SLO", Self::over_slo),
        Column::text("p99_range", "P99 / SLO", "P99 / SLO", Self::p99_range),
        Column::real("worst_violation_pct", ("worst violations", "%"), "worst viol. %", |r| r.violations().reduce(f64::max).into()),
        Column::real("worst_p99_of_slo", ("worst P99 / SLO", ""), "worst P99/SLO", |r| r.worst_p99_of_slo().into()),
        Column::real("power_w", ("mean power", "W"), "W", |r| r.power_w().into()),
        Column::real("energy_per_request_mj", ("energy per request", "mJ"), "mJ/req", |r| r.energy_per_request_mj().into()),
        Column::whole("infeasible", "without a place", "without a place", |r| r.infeasible.len().into()),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick;

    fn keys<R>(columns: &[Column<R>]) -> Vec<&'static str> {
        let mut keys: Vec<_> = columns.iter().map(|column| column.key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn many_placements_are_counted() {
        let of = |count: usize| {
            let parts: Vec<String> = (0..count).map(|place| place.to_string()).collect();
            shortened(&parts)
        };
        assert_eq!(of(0), Cell::Absent);
        assert_eq!(of(8), "0+1+2+3+4+5+6+7".into());
        assert_eq!(of(51), "0+1+2+… (51)".into());
    }

    #[test]
    fn no_column_is_there_twice_and_files_have_theirs() {
        let all = [
            keys(&WorkloadRow::COLUMNS),
            keys(&Of::<PlanRow>::COLUMNS),
            keys(&Of::<GpuSummary>::COLUMNS),
            keys(&StrategyResult::COLUMNS),
        ];
        for keys in all {
            let mut once = keys.clone();
            once.dedup();
            assert_eq!(keys, once);
        }
        let _ = pick(&WorkloadRow::COLUMNS, &WorkloadRow::SUMMARY);
        let _ = pick(&WorkloadRow::COLUMNS, &WorkloadRow::FAILURES);
        let _ = pick(&Of::<GpuSummary>::COLUMNS, &Of::<GpuSummary>::FILE);
    }
}
