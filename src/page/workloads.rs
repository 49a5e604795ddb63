//! The workloads one by one: a list that the script builds from the table of workloads, with charts of the most
//! important ones.

use super::FoundPage;
use super::charts::Chart;
use crate::results::Comparison;
use serde_json::Value;

/// Maximum number of (workload, strategy) pairs whose distributions and series fit into a page.
const PAIRS: usize = 240;
/// Maximum number of points of a distribution that a page keeps.
const CDF_POINTS: usize = 120;

pub(super) fn write(page: &mut FoundPage, comparison: &Comparison) {
    if comparison.strategies.is_empty() {
        return;
    }
    let all = comparison.workloads();
    page.section("workloads", "Workloads one by one");
    let charted = comparison.telling((PAIRS / comparison.strategies.len()).max(1));
    page.body.raw("<p>Misses first. Unfold a workload to see its placements, its distribution and its course over time.");
    if charted.len() < all.len() {
        let words = format!(
            " {} of {} have charts: those that miss their SLO, then those closest to it.",
            charted.len(),
            all.len()
        );
        page.body.text(&words);
    }
    page.body.raw(
        "</p>\n<noscript><p class=\"note\">The list needs scripts; the table of workloads above has its numbers.</p></noscript>\n\
         <div id=\"workload-controls\" class=\"controls\"></div>\n\
         <div id=\"workload-list\" class=\"list\" role=\"region\" aria-label=\"Workloads one by one\"></div>\n",
    );
    for index in charted {
        let name = all[index].workload.as_str();
        page.workloads.insert(name.to_owned(), Value::Array(charts(comparison, index)));
    }
    page.end_section();
}

/// Builds the charts of one workload.
fn charts(comparison: &Comparison, index: usize) -> Vec<Value> {
    let mut charts = Vec::new();
    let mut add = |chart: Chart, caption: &str| {
        let mut value = chart.value("");
        value["caption"] = caption.into();
        charts.push(value);
    };
    if let Some(cdf) = comparison.cdf_lines(index, CDF_POINTS) {
        add(Chart::Lines(cdf), "Distribution of simulated latency.");
    }
    if let Some(lines) = comparison.latency_lines(index) {
        add(Chart::Lines(lines), "Simulated latency over time.");
    }
    if let Some(bars) = comparison.batch_bars(index) {
        add(Chart::Bars(bars), "Requests by the size of their batch.");
    }
    charts
}
