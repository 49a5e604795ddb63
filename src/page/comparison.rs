//! The sections of a comparison: strategies, plans, latencies, GPUs, workloads.

use super::charts::Chart;
use super::{FoundPage, SortableTable, following, plan, workloads};
use crate::metrics::GpuSummary;
use crate::results::{
    Column, Comparison, MeansOf, Of, PaperTable, PlanRow, StrategyResult, WorkloadRow, means_words,
    pick,
};

/// Maximum number of GPUs of which a page shows time series.
const GPUS_OVER_TIME: usize = 24;
/// Maximum number of points of each of these series.
const TIME_POINTS: usize = 120;
/// Maximum number of plans that are unfolded from the start, and of GPUs that such a plan may have.
const OPEN_PLANS: usize = 3;
const OPEN_GPUS: usize = 12;
/// Maximum number of GPUs of a plan that are drawn; the table of placements has all.
const DRAWN_GPUS: usize = 200;

pub(super) fn write(page: &mut FoundPage, comparison: &Comparison) {
    strategies(page, comparison);
    following::write(page, comparison);
    plans(page, comparison);
    latencies(page, comparison);
    gpus(page, comparison);
    workloads::write(page, comparison);
}

/// Builds a table of rows with the given columns.
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

fn strategies(page: &mut FoundPage, comparison: &Comparison) {
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
    means(page, "Means over seeds", comparison, MeansOf::Strategies);
    page.end_section();
}

/// Writes means with their intervals, where there are several seeds.
fn means(page: &mut FoundPage, title: &str, comparison: &Comparison, of: MeansOf) {
    let Some(csv) = comparison.means_csv(of) else { return };
    let Ok(table) = PaperTable::of_csv(csv.as_bytes(), means_words, &[], &[], false) else {
        return;
    };
    page.table(&SortableTable {
        title: title.to_owned(),
        columns: table.heads().to_vec(),
        rows: table.cells().map(|row| row.into_iter().map(Into::into).collect()).collect(),
        note: comparison.seeds_note(),
    });
}

fn plans(page: &mut FoundPage, comparison: &Comparison) {
    // Plans that follow load have a section of their own.
    let one_plan = |result: &&StrategyResult| result.details.following.is_none();
    if !comparison.strategies.iter().any(|result| one_plan(&result)) {
        return;
    }
    page.section("plans", "Plans");
    page.body.raw(
        "<p>Each row is a GPU; the length of a share is its part of the SMs, <i>b</i> the largest batch \
         that its server forms.</p>\n",
    );
    let models = plan::models(comparison);
    plan::legend(&mut page.body, &models);
    for (index, result) in comparison.strategies.iter().filter(one_plan).enumerate() {
        let open = index < OPEN_PLANS && result.gpu_count <= OPEN_GPUS;
        page.fold(&result.headline(), open);
        plan::write(&mut page.body, result, &models, DRAWN_GPUS);
        page.end_fold();
        plan::infeasible(&mut page.body, result);
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
    page.fold("Table of all placements", false);
    page.table(&table("Placements", &Of::<PlanRow>::COLUMNS, &keys, &rows));
    page.end_fold();
    page.end_section();
}

fn latencies(page: &mut FoundPage, comparison: &Comparison) {
    if comparison.strategies.is_empty() {
        return;
    }
    page.section("latencies", "Latencies");
    let ordered = comparison.of_workloads(&comparison.misses_first());
    page.body.raw("<div class=\"charts\">");
    page.chart(
        Chart::Bars(ordered.p99_bars()),
        "Simulated 99th percentile of latency of every workload against its SLO.",
    );
    page.chart(
        Chart::Bars(ordered.violation_bars()),
        "Simulated share of requests that took longer than the SLO.",
    );
    page.body.raw("</div>");
    let rows = WorkloadRow::all(&ordered);
    page.table(&table("Workloads", &WorkloadRow::COLUMNS, &WORKLOADS, &rows));
    means(page, "Workloads: means over seeds", comparison, MeansOf::Workloads);
    page.fold("Where the time of a request goes", false);
    page.body.raw("<div class=\"charts\">");
    for result in &comparison.strategies {
        let caption =
            format!("Where the simulated time of a request goes under {}.", result.strategy);
        page.chart(Chart::Bars(result.stage_bars()), &caption);
    }
    page.body.raw("</div>");
    page.end_fold();
    page.fold("Predicted and simulated batches", false);
    page.chart(
        Chart::Lines(comparison.predicted_points()),
        "Predicted latency of a full batch against the simulated mean of load, execution and feedback, for workloads whose \
         batches are full (to 95 % on average).",
    );
    page.end_fold();
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

fn gpus(page: &mut FoundPage, comparison: &Comparison) {
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
    page.fold("Table of all GPUs", false);
    page.table(&table("GPUs", &Of::<GpuSummary>::COLUMNS, &keys, &rows));
    page.end_fold();
    page.fold("Power and busy SMs over time", false);
    page.body.raw("<div class=\"charts\">");
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
    page.body.raw("</div>");
    page.end_fold();
    page.end_section();
}
