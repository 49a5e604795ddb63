//! The sections of a comparison: strategies, plans, latencies, GPUs, workloads.

use super::charts::Chart;
use super::{Page, SortableTable, plan, workloads};
use crate::domain::ModelName;
use crate::metrics::GpuSummary;
use crate::results::{Column, Comparison, Of, PlanRow, StrategyResult, WorkloadRow, pick};

/// GPUs of which a page shows time series.
const GPUS_OVER_TIME: usize = 24;
/// Points of each of these series.
const TIME_POINTS: usize = 120;

pub(super) fn write(page: &mut Page, comparison: &Comparison) {
    strategies(page, comparison);
    plans(page, comparison);
    latencies(page, comparison);
    gpus(page, comparison);
    workloads::write(page, comparison);
}

/// A table of rows, with these columns.
fn table<R>(title: &str, all: &[Column<R>], keys: &[&'static str], rows: &[R]) -> SortableTable {
    let columns = pick(all, keys);
    let cells = |row: &R| columns.iter().map(|column| (column.of)(row)).collect();
    SortableTable {
        title: title.to_owned(),
        columns: columns.iter().map(Column::title).collect(),
        rows: rows.iter().map(cells).collect(),
        note: None,
    }
}

fn strategies(page: &mut Page, comparison: &Comparison) {
    page.section("strategies", "Strategies");
    let keys = [
        "strategy",
        "gpu_count",
        "cost_per_hour",
        "missed",
        "workloads",
        "worst_violation_pct",
        "worst_p99_of_slo",
        "power_w",
        "energy_per_request_mj",
    ];
    page.table(&table("Strategies", &StrategyResult::COLUMNS, &keys, &comparison.strategies));
    page.end_section();
}

fn plans(page: &mut Page, comparison: &Comparison) {
    page.section("plans", "Plans");
    page.body.raw(
        "<p>Each box is a GPU; the height of a share is its part of the SMs, <i>b</i> the largest batch \
         that its server forms.</p>\n",
    );
    let all = comparison.strategies.iter().flat_map(|result| &result.plan);
    let mut models: Vec<&ModelName> = Vec::new();
    for row in all {
        if !models.contains(&&row.model) {
            models.push(&row.model);
        }
    }
    plan::legend(&mut page.body, &models);
    for result in &comparison.strategies {
        page.body.raw("<h3>").text(&result.headline()).raw("</h3>\n");
        plan::write(&mut page.body, result, &models);
    }
    let mut keys = vec![
        "strategy",
        "gpu",
        "kind",
        "workload",
        "model",
        "sm_pct",
        "batch",
        "slo_ms",
        "predicted_latency_ms",
        "predicted_throughput_rps",
    ];
    let rows = Of::all(comparison, |result| &result.plan);
    keys.extend(rows.iter().any(|of| of.row.time_slot.is_some()).then_some("time_slot"));
    page.table(&table("Placements", &Of::<PlanRow>::COLUMNS, &keys, &rows));
    page.end_section();
}

fn latencies(page: &mut Page, comparison: &Comparison) {
    if comparison.strategies.is_empty() {
        return;
    }
    page.section("latencies", "Latencies");
    page.chart(
        Chart::Bars(comparison.p99_bars()),
        "Simulated 99th percentile of latency of every workload against its SLO.",
    );
    page.chart(
        Chart::Bars(comparison.violation_bars()),
        "Simulated share of requests that took longer than the SLO.",
    );
    let rows = WorkloadRow::all(comparison);
    page.table(&table("Workloads", &WorkloadRow::COLUMNS, &WORKLOADS, &rows));
    for result in &comparison.strategies {
        let caption =
            format!("Where the simulated time of a request goes under {}.", result.strategy);
        page.chart(Chart::Bars(result.stage_bars()), &caption);
    }
    page.chart(
        Chart::Lines(comparison.predicted_points()),
        "Predicted latency of a full batch against the simulated mean of load, execution and feedback, for workloads whose \
         batches are full (to 95 % on average).",
    );
    page.end_section();
}

const WORKLOADS: [&str; 17] = [
    "strategy",
    "workload",
    "model",
    "gpu",
    "slo_ms",
    "rate_rps",
    "verdict",
    "throughput_rps",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "slo_violation_pct",
    "predicted_ms",
    "mean_batch",
];

fn gpus(page: &mut Page, comparison: &Comparison) {
    page.section("gpus", "GPUs");
    let keys = [
        "strategy",
        "gpu",
        "kind",
        "placements",
        "busy_pct",
        "sm_utilisation_pct",
        "power_w",
        "peak_power_w",
        "energy_j",
        "clock_mhz",
        "min_clock_mhz",
    ];
    let rows = Of::all(comparison, |result| &result.gpus);
    page.table(&table("GPUs", &Of::<GpuSummary>::COLUMNS, &keys, &rows));
    for result in &comparison.strategies {
        let shown = &result.details.series[..result.details.series.len().min(GPUS_OVER_TIME)];
        if shown.iter().all(|series| series.bins.is_empty()) {
            continue;
        }
        let of_first = if shown.len() < result.details.series.len() {
            format!(" (the first {} GPUs)", shown.len())
        } else {
            String::new()
        };
        let over_time = |y, of| Chart::Lines(comparison.gpu_lines(shown, TIME_POINTS, y, of));
        let caption = format!("Simulated power of each GPU under {}{of_first}.", result.strategy);
        page.chart(over_time("power (W)", |bin| bin.power_w), &caption);
        let caption =
            format!("Simulated share of busy SMs of each GPU under {}{of_first}.", result.strategy);
        page.chart(over_time("busy SMs (%)", |bin| bin.sm_utilisation_pct), &caption);
    }
    page.end_section();
}
