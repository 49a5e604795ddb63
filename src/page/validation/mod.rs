//! The sections of a validation: predicted, simulated and measured side by side.

mod read;
mod words;

pub use read::Validation;
pub(super) use words::{lead, summary};

use super::charts::Chart;
use super::{Cell, FoundPage, SortableTable};
use crate::metrics::WorkloadSummary;
use crate::results::{Bars, LINEAR_RATIO, LineChart, short_option, thinned, trimmed};
use read::{ARMS, LatencySample, ValidationRow};

/// Files of a validation that charts show already, or that are too long to show.
pub(super) const SHOWN: [&str; 4] = ["cdf.csv", "latency_series.csv", "gpus.csv", "requests.csv"];
/// The relative error that still counts as agreement: the band in the scatter chart, as a fraction
/// of the measured value.
const BAND: f64 = 0.1;
/// Maximum number of points that a page keeps of a distribution or a time series.
const POINTS: usize = 200;
/// Maximum number of workloads that get a section.
const SECTIONS: usize = 48;

pub(super) fn write(page: &mut FoundPage, run: &Validation) {
    verdict(page, run);
    latencies(page, run);
    samples(page, &run.samples);
    workloads(page, run);
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn verdict(page: &mut FoundPage, run: &Validation) {
    page.section("verdict", "Verdict");
    let rows = run.checks.iter().map(|check| {
        vec![
            check.what.as_str().into(),
            check.error_pct.into(),
            check.limit_pct.into(),
            if check.passed { "passed" } else { "failed" }.into(),
        ]
    });
    let rows = rows.collect();
    let names = columns(&["check", "error (%)", "limit (±%)", "outcome"]);
    page.table(&SortableTable { title: "Checks".to_owned(), columns: names, rows, note: None });
    let rows = run.agreement.iter().map(|kind| {
        let cells = [kind.mape_pct, kind.bias_pct, kind.correlation];
        let mut row: Vec<Cell> = vec![kind.what.as_str().into()];
        row.extend(cells.map(Cell::from));
        row
    });
    let rows = rows.collect();
    let names = columns(&["over all workloads", "mean |error| (%)", "bias (%)", "correlation"]);
    page.table(&SortableTable { title: "Agreement".to_owned(), columns: names, rows, note: None });
    page.end_section();
}

/// Builds bars for every workload.
fn bars(run: &Validation, y: &'static str, series: Vec<(&str, Vec<Option<f64>>)>) -> Bars {
    Bars {
        groups: run.rows.iter().map(|row| row.workload.clone()).collect(),
        log: spread(series.iter().flat_map(|(_, values)| values.iter().flatten().copied()))
            > LINEAR_RATIO,
        series: series.into_iter().map(|(name, values)| (name.to_owned(), values)).collect(),
        y: y.to_owned(),
        ..Bars::default()
    }
}

/// Builds bars of one number for both arms.
fn arms(run: &Validation, y: &'static str, of: fn(&WorkloadSummary) -> Option<f64>) -> Bars {
    let values = |arm: fn(&ValidationRow) -> &WorkloadSummary| -> Vec<Option<f64>> {
        run.rows.iter().map(|row| of(arm(row))).collect()
    };
    let series =
        vec![(ARMS[0], values(|row| &row.simulated)), (ARMS[1], values(|row| &row.measured))];
    bars(run, y, series)
}

/// Returns the ratio of the largest to the smallest positive number.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    if low.is_finite() { high / low } else { 1.0 }
}

fn latencies(page: &mut FoundPage, run: &Validation) {
    page.section("latencies", "Latencies");
    page.body.raw(
        "<p>Predicted is the time of a full batch by the performance model; simulated is what the engine makes of \
         the moments at which requests were really sent; measured is what the servers did.</p>\n",
    );
    page.chart(
        Chart::Lines(agreement(run)),
        "Predicted time of a full batch, simulated mean and simulated P99, each against what was measured; one \
         point of each per workload. Between the dotted lines, both agree within 10 %.",
    );
    let column = |of: fn(&ValidationRow) -> Option<f64>| -> Vec<Option<f64>> {
        run.rows.iter().map(of).collect()
    };
    let batches = bars(
        run,
        "time of a full batch (ms)",
        vec![
            ("predicted", column(|row| Some(row.predicted_batch_ms))),
            ("predicted, with the host's overhead", column(|row| Some(row.hosted_batch_ms))),
            (ARMS[1], column(|row| row.measured_batch_ms)),
        ],
    );
    page.chart(
        Chart::Bars(batches),
        "Time of a full batch of each workload, predicted and measured.",
    );
    page.chart(
        Chart::Bars(arms(run, "mean latency (ms)", |summary| summary.mean_ms)),
        "Mean latency of each workload, simulated and measured.",
    );
    let slos = run.rows.iter().map(|row| Some(row.slo_ms)).collect();
    let p99 = Bars {
        marks: Some(("SLO", slos)),
        ..arms(run, "P99 latency (ms)", |summary| summary.p99_ms)
    };
    page.chart(
        Chart::Bars(p99),
        "99th percentile of latency of each workload against its SLO, simulated and measured.",
    );
    let violations =
        Bars { log: false, ..arms(run, "SLO violations (%)", |summary| summary.slo_violation_pct) };
    page.chart(
        Chart::Bars(violations),
        "Share of requests that took longer than the SLO, simulated and measured.",
    );
    page.table(&table(run));
    page.end_section();
}

/// Plots all pairs of numbers against each other.
fn agreement(run: &Validation) -> LineChart {
    let points = |of: fn(&ValidationRow) -> (Option<f64>, Option<f64>)| -> Vec<(f64, f64)> {
        run.rows.iter().filter_map(|row| of(row).0.zip(of(row).1)).collect()
    };
    let series: [(&str, Vec<(f64, f64)>); 3] = [
        ("predicted batch", points(|row| (row.measured_batch_ms, Some(row.predicted_batch_ms)))),
        ("simulated mean", points(|row| (row.measured.mean_ms, row.simulated.mean_ms))),
        ("simulated P99", points(|row| (row.measured.p99_ms, row.simulated.p99_ms))),
    ];
    LineChart {
        series: series.map(|(name, points)| (name.to_owned(), points)).to_vec(),
        axes: ("measured (ms)", "predicted or simulated (ms)"),
        log: (true, true),
        points_alone: true,
        band: Some(BAND),
        ..LineChart::default()
    }
}

fn table(run: &Validation) -> SortableTable {
    let row = |row: &ValidationRow| -> Vec<Cell> {
        let (simulated, measured) = (&row.simulated, &row.measured);
        vec![
            row.workload.as_str().into(),
            row.model.as_str().into(),
            Cell::Number(row.gpu as f64),
            f64::from(row.batch).into(),
            row.sm_pct.into(),
            row.slo_ms.into(),
            Cell::Number(measured.requests as f64),
            row.predicted_batch_ms.into(),
            row.measured_batch_ms.into(),
            row.batch_error_pct.into(),
            simulated.mean_ms.into(),
            measured.mean_ms.into(),
            row.errors.mean_pct.into(),
            simulated.p99_ms.into(),
            measured.p99_ms.into(),
            row.errors.p99_pct.into(),
            simulated.slo_violation_pct.into(),
            measured.slo_violation_pct.into(),
            simulated.throughput_rps.into(),
            measured.throughput_rps.into(),
            simulated.mean_batch.into(),
            measured.mean_batch.into(),
            row.late_p99_ms.into(),
        ]
    };
    let names = [
        "workload",
        "model",
        "GPU",
        "batch",
        "SM share (%)",
        "SLO (ms)",
        "requests",
        "predicted batch (ms)",
        "measured batch (ms)",
        "error with overhead (%)",
        "simulated mean (ms)",
        "measured mean (ms)",
        "error of mean (%)",
        "simulated P99 (ms)",
        "measured P99 (ms)",
        "error of P99 (%)",
        "simulated violations (%)",
        "measured violations (%)",
        "simulated throughput (req/s)",
        "measured throughput (req/s)",
        "simulated mean batch",
        "measured mean batch",
        "late P99 (ms)",
    ];
    let rows = run.rows.iter().map(row).collect();
    SortableTable { title: "Workloads".to_owned(), columns: columns(&names), rows, note: None }
}

/// Shows what the driver reported of the GPUs during the run.
fn samples(page: &mut FoundPage, samples: &[LatencySample]) {
    type Of = fn(&LatencySample) -> Option<f64>;
    let kinds: [(&'static str, &str, Of); 4] = [
        ("power (W)", "Power", |sample| sample.power_w),
        ("SM clock (MHz)", "Clock of the SMs", |sample| sample.sm_clock_mhz),
        ("busy (% of time)", "Part of the time in which some kernel ran", |sample| sample.busy_pct),
        ("temperature (°C)", "Temperature", |sample| sample.temperature_c),
    ];
    let mut gpus: Vec<u32> = samples.iter().map(|sample| sample.gpu).collect();
    gpus.sort_unstable();
    gpus.dedup();
    if gpus.is_empty() {
        return;
    }
    page.section("gpus", "GPUs, as NVML saw them");
    for (y, what, of) in kinds {
        let series = gpus.iter().filter_map(|gpu| {
            let own = samples.iter().filter(|sample| sample.gpu == *gpu);
            let points: Vec<_> = own.filter_map(|s| Some((s.time_s, of(s)?))).collect();
            (!points.is_empty()).then(|| (format!("GPU {gpu}"), thinned(&points, POINTS)))
        });
        let series: Vec<_> = series.collect();
        if !series.is_empty() {
            let lines = LineChart { series, axes: ("time (s)", y), ..LineChart::default() };
            page.chart(Chart::Lines(lines), &format!("{what} of each GPU, measured."));
        }
    }
    page.end_section();
}

fn workloads(page: &mut FoundPage, run: &Validation) {
    page.section("workloads", "Workloads one by one");
    if run.cdf.is_empty() {
        page.body.raw(
            "<p class=\"note\">This folder is of a version that kept no distributions; <code>validate compare \
             FOLDER</code> makes them of its requests.</p>\n",
        );
    }
    if run.rows.len() > SECTIONS {
        let words = format!("The first {SECTIONS} of {}; the table above has all.", run.rows.len());
        page.body.raw("<p class=\"note\">").text(&words).raw("</p>\n");
    }
    for (index, row) in run.rows.iter().enumerate().take(SECTIONS) {
        workload(page, run, index, row);
    }
    page.end_section();
}

fn workload(page: &mut FoundPage, run: &Validation, index: usize, row: &ValidationRow) {
    page.body.raw("<section class=\"workload\" id=\"w").raw(&index.to_string()).raw("\"><h3>");
    page.body.text(&row.workload).raw("</h3>\n<p>");
    page.body.text(&format!(
        "{} on GPU {} with {} % of the SMs and batches of {}; SLO {} ms; {} requests. Mean latency {} ms simulated, \
         {} ms measured; P99 {} and {} ms.",
        row.model,
        row.gpu,
        trimmed(row.sm_pct),
        row.batch,
        trimmed(row.slo_ms),
        row.measured.requests,
        short_option(row.simulated.mean_ms),
        short_option(row.measured.mean_ms),
        short_option(row.simulated.p99_ms),
        short_option(row.measured.p99_ms),
    ));
    page.body.raw("</p>\n<div class=\"charts\">");
    let name = row.workload.as_str();
    let slo = vec![(row.slo_ms, "SLO")];
    let cdf = ARMS.map(|arm| {
        let own = run.cdf.iter().filter(|point| point.workload == name && point.strategy == arm);
        let points: Vec<_> = own.map(|point| (point.latency_ms, point.fraction)).collect();
        (arm.to_owned(), thinned(&points, POINTS))
    });
    let latencies = cdf.iter().flat_map(|(_, points)| points.iter().map(|(ms, _)| *ms));
    let lines = LineChart {
        log: (spread(latencies) > LINEAR_RATIO, false),
        series: cdf.into_iter().filter(|(_, points)| !points.is_empty()).collect(),
        axes: ("latency (ms)", "share of requests"),
        steps: true,
        up: slo.clone(),
        ..LineChart::default()
    };
    if !lines.series.is_empty() {
        let caption = format!("{name}: distribution of latency, simulated and measured.");
        page.chart(Chart::Lines(lines), &caption);
    }
    let series = ARMS.map(|arm| {
        let own = run.series.iter().filter(|bin| bin.workload == name && bin.strategy == arm);
        let points: Vec<_> =
            own.map(|bin| (0.5 * (bin.start_s + bin.end_s), bin.mean_ms)).collect();
        (arm.to_owned(), thinned(&points, POINTS))
    });
    let lines = LineChart {
        series: series.into_iter().filter(|(_, points)| !points.is_empty()).collect(),
        axes: ("time of completion (s)", "mean latency (ms)"),
        up: vec![(run.window_s.0, "measured from"), (run.window_s.1, "to")],
        across: slo,
        ..LineChart::default()
    };
    if !lines.series.is_empty() {
        let caption = format!("{name}: mean latency over the run, simulated and measured.");
        page.chart(Chart::Lines(lines), &caption);
    }
    page.body.raw("</div></section>\n");
}
