//! A section for each workload: its numbers, distribution, course over time and batches.

use super::Page;
use super::charts::Chart;
use crate::results::{Comparison, StrategyResult, short, short_option, trimmed};

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
    if let Some(cdf) = comparison.cdf_lines(index, CDF_POINTS) {
        page.chart(Chart::Lines(cdf), &format!("{name}: distribution of simulated latency."));
    }
    if let Some(lines) = comparison.latency_lines(index) {
        page.chart(Chart::Lines(lines), &format!("{name}: simulated latency over time."));
    }
    if let Some(bars) = comparison.batch_bars(index) {
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
    page.body.text(&result.strategy).raw("</b>: SLO ").text(w.verdict.words());
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
