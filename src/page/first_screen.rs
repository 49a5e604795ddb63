//! The first screen of a comparison: the verdict, the cost and misses of each strategy, the plans, and the
//! latencies.

use super::charts::Chart;
use super::{FoundPage, following, plan};
use crate::results::{
    Comparison, Recommendation, StrategyResult, css_colour, series_looks, short, signed,
    signed_cost,
};

/// Maximum number of cards; the table below has every strategy.
const CARDS: usize = 6;
/// Maximum number of plans that are drawn here.
const PLANS: usize = 2;
/// Maximum number of GPUs of each of these plans.
const GPUS: usize = 8;
/// Maximum number of workloads in the chart.
const WORKLOADS: usize = 40;

pub(super) fn write(page: &mut FoundPage, comparison: &Comparison, command: &[String]) {
    let (Some(first), Some(best)) = (comparison.strategies.first(), comparison.best()) else {
        return;
    };
    page.verdict(&comparison.verdict());
    match comparison.recommendation(command) {
        Some(Recommendation::Use(words)) => {
            page.body.raw("<p class=\"advice\"><b>Recommended:</b> ").text(&words).raw("</p>\n");
        }
        Some(Recommendation::Try(words, command)) => {
            page.body.raw("<p class=\"advice\"><b>Try next:</b> ").text(&words).raw(" <code>");
            page.body.text(&command).raw("</code></p>\n");
        }
        None => {}
    }
    let chosen = chosen(comparison, first, best);
    cards(page, comparison, first, &chosen);
    page.body.raw("<div class=\"glance\"><div>");
    match following::gpus(comparison) {
        Some(chart) => page.chart(chart, "GPUs of each plan over time."),
        None => plans(page, comparison, &chosen),
    }
    page.body.raw("</div>");
    let mut order = comparison.misses_first();
    let all = order.len();
    let missed = comparison.telling(WORKLOADS);
    order.retain(|index| missed.contains(index));
    let mut caption = "Simulated 99th percentile of latency of every workload in percent of its SLO, misses first."
        .to_owned();
    if order.len() < all {
        caption = format!(
            "Simulated 99th percentile of latency in percent of the SLO: {} of {all} workloads, misses first, then those \
             closest to their SLO.",
            order.len()
        );
    }
    page.chart(Chart::Bars(comparison.p99_of_slo_bars(&order)), &caption);
    page.body.raw("</div>\n");
}

fn plans(page: &mut FoundPage, comparison: &Comparison, chosen: &[&StrategyResult]) {
    let models = plan::models(comparison);
    plan::legend(&mut page.body, &models);
    for result in chosen.iter().take(PLANS) {
        page.body.raw("<h3>Plan of ").text(&result.strategy).raw("</h3>\n");
        plan::write(&mut page.body, result, &models, GPUS);
    }
}

/// Returns the first strategy, the best one, then the others, up to the number of cards.
fn chosen<'a>(
    comparison: &'a Comparison,
    first: &'a StrategyResult,
    best: &'a StrategyResult,
) -> Vec<&'a StrategyResult> {
    let mut chosen = vec![first];
    let others = || comparison.strategies.iter();
    for result in std::iter::once(best).chain(others()) {
        if chosen.len() < CARDS && !chosen.iter().any(|known| std::ptr::eq(*known, result)) {
            chosen.push(result);
        }
    }
    chosen
}

/// Returns the CSS class of a difference: good, bad, or none.
fn class(difference: f64) -> &'static str {
    if difference.abs() < 1e-9 {
        "same"
    } else if difference < 0.0 {
        "better"
    } else {
        "worse"
    }
}

fn cards(
    page: &mut FoundPage,
    comparison: &Comparison,
    first: &StrategyResult,
    chosen: &[&StrategyResult],
) {
    let names: Vec<&str> = comparison.strategies.iter().map(|r| r.strategy.as_str()).collect();
    let looks = series_looks(&names);
    page.body.raw("<ul class=\"cards\" aria-label=\"Strategies\">\n");
    for result in chosen {
        let look = names.iter().position(|name| *name == result.strategy).map_or(0, |i| looks[i]);
        let missed = result.misses();
        page.body.raw(if missed > 0 {
            "<li class=\"card misses\">"
        } else {
            "<li class=\"card\">"
        });
        let colour = css_colour(look);
        page.body.raw(&format!("<h3><span class=\"key\" style=\"background:{colour}\"></span>"));
        page.body.text(&result.strategy).raw("</h3><dl>");
        let against = |difference: f64, words: String| {
            (!std::ptr::eq(*result, first)).then(|| (class(difference), words))
        };
        let gpus = result.gpu_count as f64 - first.gpu_count as f64;
        entry(
            page,
            "GPUs",
            &result.gpu_count.to_string(),
            "",
            against(gpus, signed(result.gpu_count, first.gpu_count)),
        );
        let cost = result.cost_per_hour - first.cost_per_hour;
        entry(
            page,
            "$/h",
            &format!("{:.2}", result.cost_per_hour),
            "",
            against(cost, signed_cost(cost)),
        );
        let misses = missed as f64 - first.misses() as f64;
        entry(
            page,
            "SLOs missed",
            &format!("{missed} of {}", result.workloads.len()),
            if missed > 0 { "bad" } else { "good" },
            against(misses, signed(missed, first.misses())),
        );
        let worst = result.worst_p99_of_slo();
        // As in `igniter diff`, a change below 0.05 % counts as no change.
        let change = worst
            .zip(first.worst_p99_of_slo())
            .map(|(a, b)| if (a - b).abs() < 5e-4 * a.max(b) { 0.0 } else { a - b });
        let words = change.map(|change| {
            let sign = match change {
                _ if change.abs() < f64::MIN_POSITIVE => '±',
                _ if change < 0.0 => '−',
                _ => '+',
            };
            format!("{sign}{}", short(change.abs()))
        });
        entry(
            page,
            "worst P99/SLO",
            &worst.map_or_else(|| "–".to_owned(), short),
            if worst.is_some_and(|worst| worst > 1.0) { "bad" } else { "" },
            change.zip(words).and_then(|(change, words)| against(change, words)),
        );
        page.body.raw("</dl></li>\n");
    }
    page.body.raw("</ul>\n");
    let rest = comparison.strategies.len() - chosen.len();
    let mut note = String::new();
    if chosen.len() > 1 {
        note = format!("Differences are against {}.", first.strategy);
    }
    if rest > 0 {
        note += &format!(" {rest} more strategies are in the table below.");
    }
    if !note.is_empty() {
        page.body.raw("<p class=\"note\">").text(note.trim()).raw("</p>\n");
    }
}

fn entry(
    page: &mut FoundPage,
    what: &str,
    value: &str,
    class: &str,
    difference: Option<(&str, String)>,
) {
    page.body.raw("<div><dt>").text(what).raw("</dt><dd class=\"").raw(class).raw("\">");
    page.body.text(value);
    if let Some((class, words)) = difference {
        page.body.raw(" <small class=\"").raw(class).raw("\">").text(&words).raw("</small>");
    }
    page.body.raw("</dd></div>");
}
