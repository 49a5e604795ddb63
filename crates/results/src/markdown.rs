//! The readable report.

use super::control::failures_in_words;
use super::numbers::{short, short_option, trimmed};
use super::tables::{Comparison, FigureFile, StrategyResult};
use igniter_sim::metrics::Verdict;
use std::fmt::Write;

/// How many actions of controllers and faults a report shows.
const ACTIONS: usize = 50;

/// The report of a comparison as Markdown, with figures by relative path. It holds no clock time and
/// no host: the same tables give the same bytes.
#[must_use]
pub fn report_markdown(comparison: &Comparison, figures: &[FigureFile]) -> String {
    let mut text = String::new();
    push(&mut text, format_args!("# {}\n", escape(&comparison.scenario)));
    push(
        &mut text,
        format_args!(
            "Simulated {} s with seed {}; requests that arrived from {} s to {} s count. A workload \
             misses its SLO when more than 1 % of its requests take longer (P99).\n",
            trimmed(comparison.simulated_s),
            comparison.seed,
            trimmed(comparison.window_start_s),
            trimmed(comparison.window_end_s),
        ),
    );
    if let Some(truth) = &comparison.truth {
        push(&mut text, format_args!("Here, plans were {}.\n", escape(&truth.sentence())));
    }
    overview(&mut text, comparison);
    for result in &comparison.strategies {
        push(&mut text, format_args!("## {}\n", escape(&result.strategy)));
        infeasible(&mut text, result);
        workloads(&mut text, result);
        plan(&mut text, result);
        gpus(&mut text, result);
        failures(&mut text, result);
        actions(&mut text, result);
    }
    if !figures.is_empty() {
        text.push_str("## Figures\n\n");
        for figure in figures {
            let stem = &figure.stem;
            let caption = escape(&figure.caption);
            push(
                &mut text,
                format_args!("![{caption}]({stem}.png)\n\n{caption} ([SVG]({stem}.svg))\n"),
            );
        }
    }
    text.push_str(
        "The files beside this report hold every number; `manifest.json` says how they were made.\n",
    );
    text
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    writeln!(text, "{part}").expect("writing to a string does not fail");
}

fn row(text: &mut String, cells: &[String]) {
    push(text, format_args!("| {} |", cells.join(" | ")));
}

/// A heading row: columns after the first `left` are aligned to the right.
fn head(text: &mut String, left: usize, titles: &[&str]) {
    push(text, format_args!("| {} |", titles.join(" | ")));
    let rule: Vec<&str> =
        (0..titles.len()).map(|i| if i < left { "---" } else { "---:" }).collect();
    push(text, format_args!("|{}|", rule.join("|")));
}

fn overview(text: &mut String, comparison: &Comparison) {
    head(
        text,
        1,
        &[
            "Strategy",
            "GPUs",
            "Cost ($/h)",
            "SLOs missed",
            "Worst violations (%)",
            "Mean power (W)",
        ],
    );
    for result in &comparison.strategies {
        let worst = result.workloads.iter().filter_map(|w| w.slo_violation_pct).reduce(f64::max);
        let power: f64 = result.gpus.iter().map(|gpu| gpu.power_w).sum();
        row(
            text,
            &[
                escape(&result.strategy),
                result.gpu_count.to_string(),
                format!("{:.2}", result.cost_per_hour),
                format!("{} of {}", result.misses(), result.workloads.len()),
                short_option(worst),
                short(power),
            ],
        );
    }
    text.push('\n');
}

fn infeasible(text: &mut String, result: &StrategyResult) {
    for row in &result.infeasible {
        let fix = row.fix.as_ref().map_or(String::new(), |fix| format!(" (would help: {fix})"));
        push(
            text,
            format_args!(
                "- **{} is not served**: {}{}",
                escape(row.workload.as_str()),
                escape(&row.reason),
                escape(&fix)
            ),
        );
    }
    if !result.infeasible.is_empty() {
        text.push('\n');
    }
}

fn workloads(text: &mut String, result: &StrategyResult) {
    head(
        text,
        2,
        &[
            "Workload",
            "Model",
            "SLO (ms)",
            "Rate (1/s)",
            "Throughput (1/s)",
            "Mean (ms)",
            "P50 (ms)",
            "P99 (ms)",
            "P99.9 (ms)",
            "Violations (%)",
            "Mean batch",
            "SLO",
        ],
    );
    for w in &result.workloads {
        let verdict = match w.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "**missed**",
            Verdict::NotServed => "**not served**",
            Verdict::NoRequests => "no requests",
        };
        row(
            text,
            &[
                escape(w.workload.as_str()),
                escape(w.model.as_str()),
                short(w.slo_ms),
                short(w.rate_rps),
                short(w.throughput_rps),
                short_option(w.mean_ms),
                short_option(w.p50_ms),
                short_option(w.p99_ms),
                short_option(w.p999_ms),
                short_option(w.slo_violation_pct),
                short_option(w.mean_batch),
                verdict.to_owned(),
            ],
        );
    }
    text.push('\n');
}

/// Requests that were never completed, where there are any.
fn failures(text: &mut String, result: &StrategyResult) {
    let mut any = false;
    for workload in &result.workloads {
        let Some(failed) = failures_in_words(workload) else { continue };
        let name = escape(workload.workload.as_str());
        push(text, format_args!("- {name}: {failed} of {} requests", workload.requests));
        any = true;
    }
    if any {
        text.push_str("\nRequests that failed count as violations.\n\n");
    }
}

/// What controllers did and what failed, where there is anything.
fn actions(text: &mut String, result: &StrategyResult) {
    if result.actions.is_empty() {
        return;
    }
    head(text, 3, &["What changed", "GPU", "Why", "Decided (s)", "Effective (s)"]);
    for action in result.actions.iter().take(ACTIONS) {
        row(
            text,
            &[
                escape(&action.sentence()),
                action.gpu.to_string(),
                escape(&action.reason),
                format!("{:.3}", action.decided_s),
                format!("{:.3}", action.effective_s),
            ],
        );
    }
    if result.actions.len() > ACTIONS {
        let all = result.actions.len();
        push(text, format_args!("\nThe first {ACTIONS} of {all}; all are in `actions.csv`."));
    }
    text.push('\n');
}

fn plan(text: &mut String, result: &StrategyResult) {
    let titles = [
        "GPU",
        "Kind",
        "Workload",
        "Model",
        "SM share (%)",
        "Batch",
        "Predicted latency (ms)",
        "Predicted throughput (1/s)",
    ];
    head(text, 4, &titles);
    for placement in &result.plan {
        row(
            text,
            &[
                placement.gpu.to_string(),
                escape(placement.kind.as_str()),
                escape(placement.workload.as_str()),
                escape(placement.model.as_str()),
                trimmed(placement.sm_pct),
                placement.batch.to_string(),
                short_option(placement.predicted_latency_ms),
                short_option(placement.predicted_throughput_rps),
            ],
        );
    }
    text.push('\n');
}

fn gpus(text: &mut String, result: &StrategyResult) {
    let titles = [
        "GPU",
        "Kind",
        "Busy (% of time)",
        "Busy SMs (%)",
        "Power (W)",
        "Peak power (W)",
        "Energy (J)",
        "Clock (MHz)",
        "Lowest clock (MHz)",
    ];
    head(text, 2, &titles);
    for gpu in &result.gpus {
        row(
            text,
            &[
                gpu.gpu.to_string(),
                escape(gpu.kind.as_str()),
                short(100.0 * gpu.utilisation),
                short(gpu.sm_utilisation_pct),
                short(gpu.power_w),
                short(gpu.peak_power_w),
                short(gpu.energy_j),
                short(gpu.clock_mhz),
                short(gpu.min_clock_mhz),
            ],
        );
    }
    text.push('\n');
}

/// Makes text literal in Markdown, also inside a table and inside an image caption: no markup, no end of a line.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => escaped.push(' '),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;

    #[test]
    fn the_report_shows_every_strategy_and_figure() {
        let figures =
            [FigureFile { stem: "figures/plan".into(), caption: "The provisioning plans.".into() }];
        let text = report_markdown(&small_comparison(), &figures);
        assert!(text.contains("# small\n"));
        assert!(text.contains("| igniter | 1 | 3.06 | 0 of 2 |"), "{text}");
        assert!(text.contains("| ffd | 1 | 3.06 | 1 of 2 |"), "{text}");
        assert!(text.contains("![The provisioning plans.](figures/plan.png)"));
        assert!(
            text.contains(
                "W\\|2 &lt;b&gt; is not served**: too slow (would help: an SLO of 55.5 ms)"
            )
        );
        assert!(!text.contains("<b>"), "names are escaped");
    }

    #[test]
    fn nothing_in_a_name_is_markup() {
        let name = "<img src=x onerror=a()>\u{2028}\n| `b` [c](d) **e** \\ & \"f\"</script>";
        let text = escape(name);
        assert!(!text.contains(['<', '>', '\u{2028}', '\n']));
        let bare = text.replace("\\\\", "").replace("\\|", "").replace("\\`", "");
        let bare = bare.replace("\\[", "").replace("\\]", "").replace("\\*", "");
        assert!(!bare.contains(['|', '`', '[', ']', '*']), "{bare}");
    }

    #[test]
    fn every_table_row_has_as_many_cells_as_its_head() {
        let text = report_markdown(&small_comparison(), &[]);
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let mut expected = None;
        for line in text.lines() {
            if line.starts_with('|') {
                assert_eq!(*expected.get_or_insert(cells(line)), cells(line), "{line}");
            } else {
                expected = None;
            }
        }
    }
}
