//! The rows of a sweep: one for each point, strategy, predictor, seed and workload.

use super::axis::{ValueKind, cell};
use super::grid::{SweepGrid, SweepPoint};
use crate::metrics::{Verdict, WorkloadSummary};
use crate::results::{Cell, Column, ColumnType, Details, StrategyResult, WorkloadRow, pick};

/// The columns before those of the axes.
const BEFORE: [(&str, ColumnType); 2] =
    [("point", ColumnType::Integer), ("point_id", ColumnType::Text)];

/// The columns that identify a run, and whether it succeeded.
const ARM: [(&str, ColumnType); 6] = [
    ("strategy", ColumnType::Text),
    ("predictor", ColumnType::Text),
    ("truth", ColumnType::Text),
    ("seed", ColumnType::Integer),
    ("status", ColumnType::Text),
    ("error", ColumnType::Text),
];

#[rustfmt::skip]
impl RunNumbers {
    /// The columns of a run.
    const COLUMNS: [Column<Self>; 9] = [
        Column::whole("gpu_count", "GPUs", "GPUs", |run| run.result.gpu_count.into()),
        Column::real("cost_per_hour", ("cost", "$/h"), "$/h", |run| run.result.cost_per_hour.into()),
        Column::whole("infeasible", "without a place", "without a place", |run| run.result.infeasible.len().into()),
        Column::real("attainment_pct", ("attainment", "%"), "attainment %", |run| run.attainment_pct.into()),
        Column::real("worst_attainment_pct", ("worst attainment", "%"), "worst %", |run| run.worst_attainment_pct.into()),
        Column::whole("workloads_met", "workloads that meet their SLO", "met", |run| run.workloads_met.into()),
        Column::real("goodput_rps", ("within SLO", "req/s"), "goodput", |run| run.goodput_rps.into()),
        Column::real("power_w", ("power", "W"), "W", |run| run.result.power_w().into()),
        Column::real("utilisation", ("busy", ""), "busy", |run| run.utilisation.into()),
    ];
    /// The columns after those of a workload.
    const TIMES: [Column<Self>; 2] = [
        Column::real("duration_s", ("duration", "s"), "duration s", |run| run.duration_s.into()),
        Column::real("window_s", ("window", "s"), "window s", |run| run.window_s.into()),
    ];
}

/// The columns of a workload.
const WORKLOAD: [&str; 26] = [
    "workload",
    "model",
    "slo_ms",
    "rate_rps",
    "gpu",
    "batch",
    "sm_pct",
    "predicted_ms",
    "served",
    "requests",
    "completed",
    "throughput_rps",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "slo_violation_pct",
    "queue_ms",
    "load_ms",
    "exec_ms",
    "feedback_ms",
    "mean_batch",
    "verdict",
];

/// The columns after those of the axes.
fn after() -> Vec<(&'static str, ColumnType)> {
    fn named<R>(columns: &[Column<R>]) -> Vec<(&'static str, ColumnType)> {
        columns.iter().map(|column| (column.key, column.kind)).collect()
    }
    (ARM.into_iter())
        .chain(named(&RunNumbers::COLUMNS))
        .chain(named(&pick(&WorkloadRow::COLUMNS, &WORKLOAD)))
        .chain([("arrival_rps", ColumnType::Float)])
        .chain(named(&RunNumbers::TIMES))
        .collect()
}

/// Returns the names that no axis may have.
pub(super) fn fixed_columns() -> Vec<&'static str> {
    BEFORE.into_iter().chain(after()).map(|(name, _)| name).collect()
}

/// Metrics of a whole run.
pub(super) const RUN_METRICS: [&str; 8] = [
    "attainment_pct",
    "worst_attainment_pct",
    "workloads_met",
    "goodput_rps",
    "power_w",
    "utilisation",
    "gpu_count",
    "cost_per_hour",
];

/// Metrics of one workload of a run.
pub(super) const WORKLOAD_METRICS: [&str; 9] = [
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "slo_violation_pct",
    "throughput_rps",
    "mean_batch",
];

/// Returns the columns of a sweep's rows, in order.
pub(super) fn columns(grid: &SweepGrid) -> Vec<(String, ColumnType)> {
    let kind = |kind: ValueKind| match kind {
        ValueKind::Whole => ColumnType::Integer,
        ValueKind::Number => ColumnType::Float,
        ValueKind::Bool => ColumnType::Bool,
        ValueKind::Text => ColumnType::Text,
    };
    let own = |(name, kind): &(&str, ColumnType)| ((*name).to_owned(), *kind);
    let axes = grid.fields().zip(grid.kinds()).map(|(f, k)| (f.column.clone(), kind(k)));
    BEFORE.iter().map(own).chain(axes).chain(after().iter().map(own)).collect()
}

/// One run: a plan of a strategy, simulated with one seed.
#[derive(Debug, Clone)]
pub(super) struct RunRow {
    pub(super) seed: u64,
    pub(super) outcome: Result<RunNumbers, String>,
}

/// The summary of a run.
#[derive(Debug, Clone)]
pub(super) struct RunNumbers {
    result: StrategyResult,
    attainment_pct: f64,
    worst_attainment_pct: f64,
    workloads_met: u64,
    goodput_rps: f64,
    utilisation: f64,
    duration_s: f64,
    window_s: f64,
}

impl RunNumbers {
    /// Summarises a run. `window_s` is the length of its measured window.
    pub(super) fn new(mut result: StrategyResult, duration_s: f64, window_s: f64) -> Self {
        let (mut requests, mut within, mut worst) = (0.0, 0.0, 100.0_f64);
        for workload in &result.workloads {
            let (all, good) = attained(workload, window_s);
            requests += all;
            within += good;
            if all > 0.0 {
                worst = worst.min(100.0 * good / all);
            }
        }
        let attainment_pct = if requests > 0.0 { 100.0 * within / requests } else { 100.0 };
        let gpus = result.gpus.len() as f64;
        let met = result.workloads.iter().filter(|w| w.verdict == Verdict::Met).count() as u64;
        let utilisation = result.gpus.iter().map(|gpu| gpu.utilisation).sum::<f64>();
        // Dropped, because a sweep has no figures of single runs.
        result.details = Details::default();
        Self {
            attainment_pct,
            worst_attainment_pct: worst,
            workloads_met: met,
            goodput_rps: within / window_s,
            utilisation: if gpus > 0.0 { utilisation / gpus } else { 0.0 },
            duration_s,
            window_s,
            result,
        }
    }
}

impl RunNumbers {
    /// Returns the number of GPUs, the cost in US $/h, and the number of workloads without a placement.
    pub(super) fn plan_size(&self) -> (usize, f64, usize) {
        (self.result.gpu_count, self.result.cost_per_hour, self.result.infeasible.len())
    }
}

/// Returns the number of requests in the window, and how many met their SLO. A workload without a placement
/// counts with as many requests as its rate gives, none of which met it.
fn attained(workload: &WorkloadSummary, window_s: f64) -> (f64, f64) {
    if !workload.served {
        return (workload.rate_rps * window_s, 0.0);
    }
    let requests = workload.requests as f64;
    let violations = workload.slo_violation_pct.unwrap_or(0.0);
    (requests, requests * (1.0 - violations / 100.0))
}

impl RunRow {
    /// Returns a metric of the run or of one of its workloads; `None` where the run failed or the metric is
    /// undefined.
    pub(super) fn metric(&self, name: &str, workload: Option<&str>) -> Option<f64> {
        let numbers = self.outcome.as_ref().ok()?;
        let Some(workload) = workload else {
            let column = RunNumbers::COLUMNS.iter().find(|column| column.key == name)?;
            return (column.of)(numbers).number();
        };
        let column = WorkloadRow::COLUMNS.into_iter().find(|column| column.key == name)?;
        let rows = numbers.result.workload_rows();
        let row = rows.iter().find(|row| row.summary.workload.as_str() == workload)?;
        (column.of)(row).number()
    }
}

/// The identity of a run: a strategy with the predictors of its planning and its simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunLabel {
    pub(super) strategy: String,
    pub(super) predictor: String,
    pub(super) truth: String,
}

/// Appends the rows of one arm of a point as CSV.
pub(super) fn write_rows(
    point: &SweepPoint,
    arm: &RunLabel,
    runs: &[RunRow],
    out: &mut csv::Writer<Vec<u8>>,
) {
    let mut before = vec![point.index.to_string(), point.id.clone()];
    before.extend(point.values.iter().map(cell));
    before.extend([arm.strategy.clone(), arm.predictor.clone(), arm.truth.clone()]);
    let columns = pick(&WorkloadRow::COLUMNS, &WORKLOAD);
    for run in runs {
        let mut prefix = before.clone();
        prefix.push(run.seed.to_string());
        match &run.outcome {
            Err(error) => {
                prefix.extend(["failed".to_owned(), error.clone()]);
                prefix.resize(BEFORE.len() + point.values.len() + after().len(), String::new());
                write(out, &prefix);
            }
            Ok(numbers) => {
                prefix.extend(["ok".to_owned(), String::new()]);
                prefix.extend(RunNumbers::COLUMNS.iter().map(|c| (c.of)(numbers).exact()));
                for row in numbers.result.workload_rows() {
                    let arrived = Cell::from(row.summary.requests as f64 / numbers.window_s);
                    let own = columns.iter().map(|c| (c.of)(&row)).chain([arrived]);
                    let times = RunNumbers::TIMES.iter().map(|c| (c.of)(numbers));
                    let cells: Vec<String> = own.chain(times).map(|cell| cell.exact()).collect();
                    write(out, &[prefix.as_slice(), cells.as_slice()].concat());
                }
            }
        }
    }
}

fn write(out: &mut csv::Writer<Vec<u8>>, row: &[String]) {
    out.write_record(row).expect("rows of equal length go into memory");
}
