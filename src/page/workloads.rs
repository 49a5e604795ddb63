//! A section for each workload: its numbers, distribution, course over time and batches.

use super::Page;
use super::charts::{Bars, Chart, Lines, thinned};
use super::comparison::{verdict, window};
use crate::results::{Comparison, StrategyResult, short, short_option, trimmed};
use std::collections::BTreeSet;

/// Workloads that have a section; with more, those closest to their SLO or beyond.
const SECTIONS: usize = 48;
/// Points of a distribution that a page keeps.
const CDF_POINTS: usize = 120;
/// (workload, strategy) pairs whose distributions and series fit into a page.
const PAIRS: usize = 240;

pub(super) fn write(page: &mut Page, comparison: &Comparison) {
    let Some(first) = comparison.strategies.first() else { return };
    page.section("workloads", "Workloads one by one");
    let shown = worst_first(comparison, SECTIONS.min(PAIRS / comparison.strategies.len()).max(1));
    if shown.len() < first.workloads.len() {
        let words = format!(
            "{} of {} workloads, those with the highest P99 / SLO; the tables above have all.",
            shown.len(),
            first.workloads.len()
        );
        page.body.raw("<p class=\"note\">").text(&words).raw("</p>\n");
    }
    page.body.raw("<p class=\"jump\">");
    for index in &shown {
        let w = &first.workloads[*index];
        let missed = comparison.strategies.iter().any(|r| r.workloads[*index].verdict.is_miss());
        page.body.raw(if missed { "<a class=\"bad\" href=\"#w" } else { "<a href=\"#w" });
        page.body.raw(&index.to_string()).raw("\">").text(w.workload.as_str());
        page.body.raw(if missed { " ✗</a> " } else { "</a> " });
    }
    page.body.raw("</p>\n");
    for index in shown {
        workload(page, comparison, index);
    }
    page.end_section();
}

/// The workloads that are shown, in the order of the scenario.
fn worst_first(comparison: &Comparison, limit: usize) -> Vec<usize> {
    let n = comparison.strategies[0].workloads.len();
    let ratio = |index: &usize| {
        let of = |result: &StrategyResult| {
            let w = &result.workloads[*index];
            w.p99_ms.map(|p99| p99 / w.slo_ms)
        };
        comparison.strategies.iter().filter_map(of).fold(0.0, f64::max)
    };
    let mut indices: Vec<usize> = (0..n).collect();
    if n > limit {
        indices.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
        indices.truncate(limit);
        indices.sort_unstable();
    }
    indices
}

fn workload(page: &mut Page, comparison: &Comparison, index: usize) {
    let w = &comparison.strategies[0].workloads[index];
    page.body.raw("<section class=\"workload\" id=\"w").raw(&index.to_string()).raw("\"><h3>");
    page.body.text(w.workload.as_str()).raw("</h3>\n<p>");
    let words =
        format!("{}, SLO {} ms, {} requests/s.", w.model, trimmed(w.slo_ms), trimmed(w.rate_rps));
    page.body.text(&words).raw("</p>\n<ul class=\"numbers\">");
    for result in &comparison.strategies {
        numbers(page, result, index);
    }
    page.body.raw("</ul>\n<div class=\"charts\">");
    let name = w.workload.as_str();
    let slo = vec![(w.slo_ms, "SLO")];
    let cdf = comparison.strategies.iter().filter_map(|result| {
        let points = thinned(&result.cdf.get(index)?.points, CDF_POINTS);
        let points: Vec<_> = points.iter().map(|p| (p.latency_ms, p.fraction)).collect();
        (!points.is_empty()).then(|| (result.strategy.clone(), points))
    });
    let cdf = Lines {
        series: cdf.collect(),
        axes: ("latency (ms)", "share of requests"),
        log: (spread(comparison, index) > 25.0, false),
        steps: true,
        up: slo.clone(),
        ..Lines::default()
    };
    if !cdf.series.is_empty() {
        page.chart(Chart::Lines(cdf), &format!("{name}: distribution of simulated latency."));
    }
    let mut series = Vec::new();
    for result in &comparison.strategies {
        let Some(latencies) = result.latency_series.get(index) else { continue };
        let line = |of: fn(&crate::metrics::LatencyBin) -> f64| -> Vec<(f64, f64)> {
            latencies.bins.iter().map(|bin| (0.5 * (bin.start_s + bin.end_s), of(bin))).collect()
        };
        if !latencies.bins.is_empty() {
            series.push((format!("{} mean", result.strategy), line(|bin| bin.mean_ms)));
            series.push((format!("{} highest", result.strategy), line(|bin| bin.max_ms)));
        }
    }
    if !series.is_empty() {
        let lines = Lines {
            series,
            axes: ("time of completion (s)", "latency (ms)"),
            log: (false, spread(comparison, index) > 25.0),
            up: window(comparison),
            across: slo,
            ..Lines::default()
        };
        page.chart(Chart::Lines(lines), &format!("{name}: simulated latency over time."));
    }
    if let Some(bars) = batches(comparison, index) {
        page.chart(Chart::Bars(bars), &format!("{name}: requests by the size of their batch."));
    }
    page.body.raw("</div></section>\n");
}

fn numbers(page: &mut Page, result: &StrategyResult, index: usize) {
    let w = &result.workloads[index];
    let placements: Vec<String> = result
        .placements_of(&w.workload)
        .map(|row| {
            format!("GPU {} with {} % and batches of {}", row.gpu, trimmed(row.sm_pct), row.batch)
        })
        .collect();
    page.body.raw(if w.verdict.is_miss() { "<li class=\"bad\"><b>" } else { "<li><b>" });
    page.body.text(&result.strategy).raw("</b>: SLO ").text(verdict(w.verdict));
    if !placements.is_empty() {
        let words = format!(
            "; {}; mean {} ms, P99 {} ms, {} % violations, {} requests/s",
            placements.join(" + "),
            short_option(w.mean_ms),
            short_option(w.p99_ms),
            short_option(w.slo_violation_pct),
            short(w.throughput_rps)
        );
        page.body.text(&words);
    }
    page.body.raw("</li>");
}

/// How many times the shortest latency the longest is.
fn spread(comparison: &Comparison, index: usize) -> f64 {
    let points = comparison.strategies.iter().filter_map(|result| result.cdf.get(index));
    let (low, high) = points
        .flat_map(|cdf| &cdf.points)
        .fold((f64::INFINITY, 0.0_f64), |(l, h), p| (l.min(p.latency_ms), h.max(p.latency_ms)));
    if low > 0.0 { high / low } else { 1.0 }
}

fn batches(comparison: &Comparison, index: usize) -> Option<Bars> {
    let of = |result: &'_ StrategyResult| -> Vec<(u32, u64)> {
        let counts = result.batches.get(index).map_or(&[][..], |batches| &batches.counts);
        counts.iter().map(|count| (count.batch_size, count.requests)).collect()
    };
    let sizes: BTreeSet<u32> =
        comparison.strategies.iter().flat_map(of).map(|(size, _)| size).collect();
    if sizes.is_empty() {
        return None;
    }
    let series = comparison.strategies.iter().map(|result| {
        let counts = of(result);
        let total: u64 = counts.iter().map(|(_, requests)| requests).sum();
        let share = |size: &u32| {
            let own = counts.iter().find(|(known, _)| known == size);
            own.map(|(_, requests)| 100.0 * *requests as f64 / total.max(1) as f64)
        };
        (result.strategy.clone(), sizes.iter().map(share).collect())
    });
    Some(Bars {
        groups: sizes.iter().map(ToString::to_string).collect(),
        series: series.collect(),
        y: "requests (%)",
        ..Bars::default()
    })
}
