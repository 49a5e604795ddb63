//! The sections of a comparison: strategies, plans, latencies, GPUs, workloads.

use super::charts::{Bars, Chart, Lines, thinned};
use super::{Cell, Page, Table, plan, workloads};
use crate::domain::ModelName;
use crate::metrics::{SeriesBin, Verdict, WorkloadSummary};
use crate::results::{Comparison, StrategyResult};

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

/// The word for a verdict.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NotServed => "not served",
        Verdict::NoRequests => "no requests",
    }
}

fn number(value: usize) -> Cell {
    Cell::Number(value as f64)
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn strategies(page: &mut Page, comparison: &Comparison) {
    page.section("strategies", "Strategies");
    let row = |result: &StrategyResult| {
        let ratios = result.workloads.iter().filter_map(|w| Some(w.p99_ms? / w.slo_ms));
        let violations = result.workloads.iter().filter_map(|w| w.slo_violation_pct);
        let done: u64 = result.workloads.iter().map(|w| w.completed).sum();
        let energy: f64 = result.gpus.iter().map(|gpu| gpu.energy_j).sum();
        let per_request = (done > 0).then(|| 1000.0 * energy / done as f64);
        vec![
            result.strategy.as_str().into(),
            number(result.gpu_count),
            result.cost_per_hour.into(),
            number(result.misses()),
            number(result.workloads.len()),
            violations.reduce(f64::max).into(),
            ratios.reduce(f64::max).into(),
            result.gpus.iter().map(|gpu| gpu.power_w).sum::<f64>().into(),
            per_request.into(),
        ]
    };
    let names = [
        "strategy",
        "GPUs",
        "cost ($/h)",
        "SLOs missed",
        "workloads",
        "worst violations (%)",
        "worst P99 / SLO",
        "mean power (W)",
        "energy per request (mJ)",
    ];
    page.table(&Table {
        title: "Strategies".to_owned(),
        columns: columns(&names),
        rows: comparison.strategies.iter().map(row).collect(),
        note: None,
    });
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
    let rows = comparison.strategies.iter().flat_map(|result| {
        result.plan.iter().map(|row| {
            vec![
                result.strategy.as_str().into(),
                number(row.gpu),
                row.kind.as_str().into(),
                row.workload.as_str().into(),
                row.model.as_str().into(),
                row.sm_pct.into(),
                f64::from(row.batch).into(),
                row.slo_ms.into(),
                row.predicted_latency_ms.into(),
                row.predicted_throughput_rps.into(),
            ]
        })
    });
    let names = [
        "strategy",
        "GPU",
        "kind",
        "workload",
        "model",
        "SM share (%)",
        "batch",
        "SLO (ms)",
        "predicted latency (ms)",
        "predicted throughput (req/s)",
    ];
    let rows = rows.collect();
    page.table(&Table {
        title: "Placements".to_owned(),
        columns: columns(&names),
        rows,
        note: None,
    });
    page.end_section();
}

/// A value of every workload under every strategy as groups of bars.
fn bars(
    comparison: &Comparison,
    y: &'static str,
    value: fn(&WorkloadSummary) -> Option<f64>,
) -> Bars {
    let first = &comparison.strategies[0].workloads;
    let series = comparison
        .strategies
        .iter()
        .map(|result| (result.strategy.clone(), result.workloads.iter().map(value).collect()));
    Bars {
        groups: first.iter().map(|w| w.workload.to_string()).collect(),
        series: series.collect(),
        y,
        ..Bars::default()
    }
}

fn latencies(page: &mut Page, comparison: &Comparison) {
    let Some(first) = comparison.strategies.first() else { return };
    page.section("latencies", "Latencies");
    let all = || comparison.strategies.iter().flat_map(|result| &result.workloads);
    let (low, high) = all()
        .filter_map(|w| w.p99_ms)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let slos = first.workloads.iter().map(|w| Some(w.slo_ms)).collect();
    let p99 = Bars {
        log: high > 25.0 * low,
        marks: Some(("SLO", slos)),
        ..bars(comparison, "P99 latency (ms)", |w| w.p99_ms)
    };
    page.chart(
        Chart::Bars(p99),
        "Simulated 99th percentile of latency of every workload against its SLO.",
    );
    let violations = bars(comparison, "SLO violations (%)", |w| w.slo_violation_pct);
    page.chart(
        Chart::Bars(violations),
        "Simulated share of requests that took longer than the SLO.",
    );
    let rows = comparison
        .strategies
        .iter()
        .flat_map(|result| result.workloads.iter().map(|w| row(result, w)));
    page.table(&Table {
        title: "Workloads".to_owned(),
        columns: columns(&WORKLOAD_COLUMNS),
        rows: rows.collect(),
        note: None,
    });
    for result in &comparison.strategies {
        let stage = |of: fn(&WorkloadSummary) -> Option<f64>| -> Vec<Option<f64>> {
            result.workloads.iter().map(of).collect()
        };
        let stages = Bars {
            groups: result.workloads.iter().map(|w| w.workload.to_string()).collect(),
            series: vec![
                ("queue".to_owned(), stage(|w| w.queue_ms)),
                ("load".to_owned(), stage(|w| w.load_ms)),
                ("execution".to_owned(), stage(|w| w.exec_ms)),
                ("feedback".to_owned(), stage(|w| w.feedback_ms)),
            ],
            y: "mean latency (ms)",
            stacked: true,
            ..Bars::default()
        };
        let caption =
            format!("Where the simulated time of a request goes under {}.", result.strategy);
        page.chart(Chart::Bars(stages), &caption);
    }
    let points = comparison.strategies.iter().map(|result| {
        let pair = |w: &WorkloadSummary| Some((result.predicted_ms(&w.workload)?, w.service_ms()?));
        (result.strategy.clone(), result.workloads.iter().filter_map(pair).collect())
    });
    let predicted = Lines {
        series: points.collect(),
        axes: ("predicted batch latency (ms)", "simulated batch latency (ms)"),
        log: (true, true),
        points_alone: true,
        ..Lines::default()
    };
    page.chart(
        Chart::Lines(predicted),
        "Predicted latency of a full batch against the simulated mean of load, execution and feedback.",
    );
    page.end_section();
}

const WORKLOAD_COLUMNS: [&str; 17] = [
    "strategy",
    "workload",
    "model",
    "GPU",
    "SLO (ms)",
    "rate (req/s)",
    "verdict",
    "throughput (req/s)",
    "mean (ms)",
    "P50 (ms)",
    "P90 (ms)",
    "P99 (ms)",
    "P99.9 (ms)",
    "max (ms)",
    "violations (%)",
    "predicted batch (ms)",
    "mean batch",
];

fn row(result: &StrategyResult, w: &WorkloadSummary) -> Vec<Cell> {
    vec![
        result.strategy.as_str().into(),
        w.workload.as_str().into(),
        w.model.as_str().into(),
        w.gpu.map(|gpu| gpu as f64).into(),
        w.slo_ms.into(),
        w.rate_rps.into(),
        verdict(w.verdict).into(),
        w.throughput_rps.into(),
        w.mean_ms.into(),
        w.p50_ms.into(),
        w.p90_ms.into(),
        w.p99_ms.into(),
        w.p999_ms.into(),
        w.max_ms.into(),
        w.slo_violation_pct.into(),
        result.predicted_ms(&w.workload).into(),
        w.mean_batch.into(),
    ]
}

fn gpus(page: &mut Page, comparison: &Comparison) {
    page.section("gpus", "GPUs");
    let rows = comparison.strategies.iter().flat_map(|result| {
        result.gpus.iter().map(|gpu| {
            vec![
                result.strategy.as_str().into(),
                number(gpu.gpu),
                gpu.kind.as_str().into(),
                number(gpu.placements),
                (100.0 * gpu.utilisation).into(),
                gpu.sm_utilisation_pct.into(),
                gpu.power_w.into(),
                gpu.peak_power_w.into(),
                gpu.energy_j.into(),
                gpu.clock_mhz.into(),
                gpu.min_clock_mhz.into(),
            ]
        })
    });
    let names = [
        "strategy",
        "GPU",
        "kind",
        "workloads",
        "busy (% of time)",
        "busy SMs (%)",
        "mean power (W)",
        "peak power (W)",
        "energy (J)",
        "mean clock (MHz)",
        "lowest clock (MHz)",
    ];
    page.table(&Table {
        title: "GPUs".to_owned(),
        columns: columns(&names),
        rows: rows.collect(),
        note: None,
    });
    for result in &comparison.strategies {
        let shown = &result.series[..result.series.len().min(GPUS_OVER_TIME)];
        if shown.iter().all(|series| series.bins.is_empty()) {
            continue;
        }
        let of_first = if shown.len() < result.series.len() {
            format!(" (the first {} GPUs)", shown.len())
        } else {
            String::new()
        };
        let over_time = |y: &'static str, of: fn(&SeriesBin) -> f64| {
            let series = shown.iter().map(|series| {
                let bins = thinned(&series.bins, TIME_POINTS);
                let points = bins.iter().map(|bin| (0.5 * (bin.start_s + bin.end_s), of(bin)));
                (format!("GPU {}", series.gpu), points.collect())
            });
            Chart::Lines(Lines {
                series: series.collect(),
                axes: ("time (s)", y),
                up: window(comparison),
                ..Lines::default()
            })
        };
        let caption = format!("Simulated power of each GPU under {}{of_first}.", result.strategy);
        page.chart(over_time("power (W)", |bin| bin.power_w), &caption);
        let caption =
            format!("Simulated share of busy SMs of each GPU under {}{of_first}.", result.strategy);
        page.chart(over_time("busy SMs (%)", |bin| bin.sm_utilisation_pct), &caption);
    }
    page.end_section();
}

/// The ends of the measured window, where the run goes beyond.
pub(super) fn window(comparison: &Comparison) -> Vec<(f64, &'static str)> {
    let mut ends = Vec::new();
    if comparison.window_start_s > 0.0 {
        ends.push((comparison.window_start_s, "measured from"));
    }
    if comparison.window_end_s < comparison.simulated_s {
        ends.push((comparison.window_end_s, "to"));
    }
    ends
}
