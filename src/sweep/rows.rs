//! The rows of a sweep: one for each point, strategy, predictor, seed and workload.

use super::axis::{Kind, cell};
use super::grid::{Grid, Point};
use crate::metrics::{Verdict, WorkloadSummary};
use crate::results::{ColumnType, StrategyResult};

/// The columns before those of the axes.
const BEFORE: [(&str, ColumnType); 2] =
    [("point", ColumnType::Integer), ("point_id", ColumnType::Text)];

/// The columns after those of the axes.
#[rustfmt::skip]
const AFTER: [(&str, ColumnType); 44] = {
    use ColumnType::{Bool, Float, Integer, Text};
    [
        ("strategy", Text), ("predictor", Text), ("truth", Text), ("seed", Integer),
        ("status", Text), ("error", Text),
        ("gpu_count", Integer), ("cost_per_hour", Float), ("infeasible", Integer),
        ("attainment_pct", Float), ("worst_attainment_pct", Float), ("workloads_met", Integer),
        ("goodput_rps", Float), ("power_w", Float), ("utilisation", Float),
        ("workload", Text), ("model", Text), ("slo_ms", Float), ("rate_rps", Float),
        ("gpu", Integer), ("batch", Integer), ("sm_pct", Float), ("predicted_ms", Float),
        ("served", Bool), ("requests", Integer), ("completed", Integer), ("throughput_rps", Float),
        ("mean_ms", Float), ("p50_ms", Float), ("p90_ms", Float), ("p95_ms", Float),
        ("p99_ms", Float), ("p999_ms", Float), ("max_ms", Float),
        ("slo_violation_pct", Float), ("queue_ms", Float), ("load_ms", Float), ("exec_ms", Float),
        ("feedback_ms", Float), ("mean_batch", Float), ("verdict", Text),
        ("arrival_rps", Float), ("duration_s", Float), ("window_s", Float),
    ]
};

/// The names that no axis may have.
pub(super) const FIXED_COLUMNS: [&str; BEFORE.len() + AFTER.len()] = {
    let mut names = [""; BEFORE.len() + AFTER.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = if i < BEFORE.len() { BEFORE[i].0 } else { AFTER[i - BEFORE.len()].0 };
        i += 1;
    }
    names
};

/// Numbers of a whole run.
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

/// Numbers of one workload of a run.
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

/// The columns of a sweep's rows, in order.
pub(super) fn columns(grid: &Grid) -> Vec<(String, ColumnType)> {
    let kind = |kind: Kind| match kind {
        Kind::Whole => ColumnType::Integer,
        Kind::Number => ColumnType::Float,
        Kind::Bool => ColumnType::Bool,
        Kind::Text => ColumnType::Text,
    };
    let own = |(name, kind): &(&str, ColumnType)| ((*name).to_owned(), *kind);
    let axes = grid.fields().zip(grid.kinds()).map(|(f, k)| (f.column.clone(), kind(k)));
    BEFORE.iter().map(own).chain(axes).chain(AFTER.iter().map(own)).collect()
}

/// One run: a plan of a strategy, simulated with one seed.
#[derive(Debug, Clone)]
pub(super) struct RunRow {
    pub(super) seed: u64,
    pub(super) outcome: Result<RunNumbers, String>,
}

/// What a run is summed up in.
#[derive(Debug, Clone)]
pub(super) struct RunNumbers {
    result: StrategyResult,
    attainment_pct: f64,
    worst_attainment_pct: f64,
    workloads_met: u64,
    goodput_rps: f64,
    power_w: f64,
    utilisation: f64,
    duration_s: f64,
    window_s: f64,
}

impl RunNumbers {
    /// Sums a run up. `window_s` is the length of its measured window.
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
        let power_w = result.gpus.iter().map(|gpu| gpu.power_w).sum();
        // Not kept: a sweep has no figures of single runs.
        result.series = Vec::new();
        result.cdf = Vec::new();
        Self {
            attainment_pct,
            worst_attainment_pct: worst,
            workloads_met: met,
            goodput_rps: within / window_s,
            power_w,
            utilisation: if gpus > 0.0 { utilisation / gpus } else { 0.0 },
            duration_s,
            window_s,
            result,
        }
    }
}

impl RunNumbers {
    /// GPUs, cost in US $/h, and workloads without a place.
    pub(super) fn plan_size(&self) -> (usize, f64, usize) {
        (self.result.gpu_count, self.result.cost_per_hour, self.result.infeasible.len())
    }
}

/// Requests of the window, and how many met their SLO. Those of a workload without a place are as many as its
/// rate says, and none met it.
fn attained(workload: &WorkloadSummary, window_s: f64) -> (f64, f64) {
    if !workload.served {
        return (workload.rate_rps * window_s, 0.0);
    }
    let requests = workload.requests as f64;
    let violations = workload.slo_violation_pct.unwrap_or(0.0);
    (requests, requests * (1.0 - violations / 100.0))
}

impl RunRow {
    /// A number of the run, or of one of its workloads; none where the run failed or it is undefined.
    pub(super) fn metric(&self, name: &str, workload: Option<&str>) -> Option<f64> {
        let numbers = self.outcome.as_ref().ok()?;
        let Some(workload) = workload else {
            return match name {
                "attainment_pct" => Some(numbers.attainment_pct),
                "worst_attainment_pct" => Some(numbers.worst_attainment_pct),
                "workloads_met" => Some(numbers.workloads_met as f64),
                "goodput_rps" => Some(numbers.goodput_rps),
                "power_w" => Some(numbers.power_w),
                "utilisation" => Some(numbers.utilisation),
                "gpu_count" => Some(numbers.result.gpu_count as f64),
                "cost_per_hour" => Some(numbers.result.cost_per_hour),
                _ => None,
            };
        };
        let workload = numbers.result.workloads.iter().find(|w| w.workload.as_str() == workload)?;
        match name {
            "mean_ms" => workload.mean_ms,
            "p50_ms" => workload.p50_ms,
            "p90_ms" => workload.p90_ms,
            "p95_ms" => workload.p95_ms,
            "p99_ms" => workload.p99_ms,
            "p999_ms" => workload.p999_ms,
            "slo_violation_pct" => workload.slo_violation_pct,
            "throughput_rps" => Some(workload.throughput_rps),
            "mean_batch" => workload.mean_batch,
            _ => None,
        }
    }
}

/// Who made a run: a strategy with the predictors that it planned and was simulated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arm {
    pub(super) strategy: String,
    pub(super) predictor: String,
    pub(super) truth: String,
}

/// Appends the rows of one arm of a point as CSV.
pub(super) fn write_rows(
    point: &Point,
    arm: &Arm,
    runs: &[RunRow],
    out: &mut csv::Writer<Vec<u8>>,
) {
    let mut before = vec![point.index.to_string(), point.id.clone()];
    before.extend(point.values.iter().map(cell));
    before.extend([arm.strategy.clone(), arm.predictor.clone(), arm.truth.clone()]);
    for run in runs {
        let mut prefix = before.clone();
        prefix.push(run.seed.to_string());
        match &run.outcome {
            Err(error) => {
                prefix.extend(["failed".to_owned(), error.clone()]);
                prefix.resize(BEFORE.len() + point.values.len() + AFTER.len(), String::new());
                write(out, &prefix);
            }
            Ok(numbers) => {
                prefix.extend(["ok".to_owned(), String::new()]);
                run_cells(numbers, &mut prefix);
                for workload in &numbers.result.workloads {
                    let mut row = prefix.clone();
                    workload_cells(numbers, workload, &mut row);
                    write(out, &row);
                }
            }
        }
    }
}

fn write(out: &mut csv::Writer<Vec<u8>>, row: &[String]) {
    out.write_record(row).expect("rows of equal length go into memory");
}

fn run_cells(run: &RunNumbers, row: &mut Vec<String>) {
    let result = &run.result;
    row.extend([
        result.gpu_count.to_string(),
        result.cost_per_hour.to_string(),
        result.infeasible.len().to_string(),
        run.attainment_pct.to_string(),
        run.worst_attainment_pct.to_string(),
        run.workloads_met.to_string(),
        run.goodput_rps.to_string(),
        run.power_w.to_string(),
        run.utilisation.to_string(),
    ]);
}

fn workload_cells(run: &RunNumbers, w: &WorkloadSummary, row: &mut Vec<String>) {
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    let mut places = run.result.placements_of(&w.workload);
    let place = places.next();
    let verdict = match w.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NotServed => "not_served",
        Verdict::NoRequests => "no_requests",
    };
    row.extend([
        w.workload.to_string(),
        w.model.to_string(),
        w.slo_ms.to_string(),
        w.rate_rps.to_string(),
        w.gpu.map_or_else(String::new, |gpu| gpu.to_string()),
        place.map_or_else(String::new, |place| place.batch.to_string()),
        number(place.map(|place| place.sm_pct)),
        number(run.result.predicted_ms(&w.workload)),
        w.served.to_string(),
        w.requests.to_string(),
        w.completed.to_string(),
    ]);
    let numbers = [
        Some(w.throughput_rps),
        w.mean_ms,
        w.p50_ms,
        w.p90_ms,
        w.p95_ms,
        w.p99_ms,
        w.p999_ms,
        w.max_ms,
        w.slo_violation_pct,
        w.queue_ms,
        w.load_ms,
        w.exec_ms,
        w.feedback_ms,
        w.mean_batch,
    ];
    row.extend(numbers.map(number));
    row.push(verdict.to_owned());
    row.push((w.requests as f64 / run.window_s).to_string());
    row.push(run.duration_s.to_string());
    row.push(run.window_s.to_string());
}
