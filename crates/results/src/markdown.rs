//! The readable report.

use super::control::{ActionRow, LOST_WAKE_UPS, failed_by_policy, failures_in_words};
use super::tables::{Comparison, FigureFile, PlanRow, StrategyResult};
use crate::{
    Cell, Column, MeansOf, Of, PaperFormat, PaperTable, Recommendation, WorkloadRow,
    markdown_table, means_words, pick, trimmed,
};
use igniter_model::domain::is_hidden;
use igniter_sim::metrics::GpuSummary;
use std::fmt::Write;

/// Maximum number of actions of controllers and faults in a report.
const ACTIONS: usize = 50;

/// Returns the report of a comparison as Markdown, with figures by relative path. It contains no clock time and no
/// host, so that the same tables give the same bytes.
#[must_use]
pub fn report_markdown(comparison: &Comparison, figures: &[FigureFile]) -> String {
    let mut text = String::new();
    push(&mut text, format_args!("# {}\n", escape(&comparison.scenario)));
    if !comparison.strategies.is_empty() {
        push(&mut text, format_args!("**{}**\n", escape(&comparison.verdict())));
    }
    if let Some(Recommendation::Use(words)) = comparison.recommendation(&[]) {
        push(&mut text, format_args!("Recommended: {}\n", escape(&words)));
    }
    push(
        &mut text,
        format_args!(
            "Simulated {} s with {}; requests that arrived from {} s to {} s count. A workload \
             misses its SLO when more than 1 % of its requests take longer (P99).\n",
            trimmed(comparison.simulated_s),
            comparison.seeds_in_words(),
            trimmed(comparison.window_start_s),
            trimmed(comparison.window_end_s),
        ),
    );
    if let Some(truth) = &comparison.truth {
        push(&mut text, format_args!("Here, plans were {}.\n", escape(&truth.sentence())));
    }
    for advice in &comparison.advice {
        push(&mut text, format_args!("Note: {}.\n", escape(&advice.text)));
    }
    overview(&mut text, comparison);
    means(&mut text, comparison);
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

fn overview(text: &mut String, comparison: &Comparison) {
    let keys =
        ["strategy", "gpu_count", "cost_per_hour", "missed_of", "worst_violation_pct", "power_w"];
    let columns = pick(&StrategyResult::COLUMNS, &keys);
    push(text, format_args!("{}", markdown_table(&columns, 1, &comparison.strategies)));
}

/// Writes the means over seeds, if there are several.
fn means(text: &mut String, comparison: &Comparison) {
    let Some(note) = comparison.seeds_note() else { return };
    push(text, format_args!("## Means over seeds\n\n{note}\n"));
    for of in [MeansOf::Strategies, MeansOf::Workloads] {
        let Some(csv) = comparison.means_csv(of) else { continue };
        if let Ok(table) = PaperTable::of_csv(csv.as_bytes(), means_words, &[], &[], false) {
            push(text, format_args!("{}", table.text(PaperFormat::Markdown)));
        }
    }
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

/// The columns of a workload.
const WORKLOADS: [&str; 12] = [
    "workload",
    "model",
    "slo_ms",
    "rate_rps",
    "throughput_rps",
    "mean_ms",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "slo_violation_pct",
    "mean_batch",
    "verdict: SLO",
];

fn workloads(text: &mut String, result: &StrategyResult) {
    let columns = pick(&WorkloadRow::COLUMNS, &WORKLOADS);
    push(text, format_args!("{}", markdown_table(&columns, 2, &result.workload_rows())));
}

/// Writes the number of requests that were never completed, if there are any.
fn failures(text: &mut String, result: &StrategyResult) {
    let mut any = false;
    for workload in &result.workloads {
        let Some(failed) = failures_in_words(workload) else { continue };
        let name = escape(workload.workload.as_str());
        push(text, format_args!("- {name}: {failed} of {} requests", workload.requests));
        any = true;
    }
    if any {
        text.push_str("\nRequests that failed count as violations.");
        if result.workloads.iter().any(failed_by_policy) {
            text.push_str(&format!(" {LOST_WAKE_UPS}."));
        }
        text.push_str("\n\n");
    }
}

/// Writes the actions of controllers and the faults, if there are any.
fn actions(text: &mut String, result: &StrategyResult) {
    if result.actions.is_empty() {
        return;
    }
    let columns: [Column<ActionRow>; 5] = [
        Column::text("what", "what changed", "", |action| action.sentence().into()),
        Column::whole("gpu", "GPU", "", |action| action.gpu.into()),
        Column::text("reason", "why", "", |action| action.reason.as_str().into()),
        Column::text("decided", "decided (s)", "", |action| seconds(action.decided_s)),
        Column::text("effective", "effective (s)", "", |action| seconds(action.effective_s)),
    ];
    text.push_str(&markdown_table(&columns, 3, result.actions.iter().take(ACTIONS)));
    if result.actions.len() > ACTIONS {
        let all = result.actions.len();
        push(text, format_args!("\nThe first {ACTIONS} of {all}; all are in `actions.csv`."));
    }
    text.push('\n');
}

fn seconds(time: f64) -> Cell {
    format!("{time:.3}").into()
}

fn plan(text: &mut String, result: &StrategyResult) {
    let mut keys = vec![
        "gpu",
        "kind",
        "workload",
        "model",
        "sm_pct",
        "batch",
        "predicted_latency_ms",
        "predicted_throughput_rps",
    ];
    keys.extend(result.plan.iter().any(|row| row.time_slot.is_some()).then_some("time_slot"));
    let columns = pick(&Of::<PlanRow>::COLUMNS, &keys);
    let rows: Vec<_> = result.plan.iter().map(|row| Of { result, row }).collect();
    push(text, format_args!("{}", markdown_table(&columns, 4, &rows)));
}

fn gpus(text: &mut String, result: &StrategyResult) {
    let keys = [
        "gpu",
        "kind",
        "busy_pct",
        "sm_utilisation_pct",
        "power_w: power",
        "peak_power_w",
        "energy_j",
        "clock_mhz: clock",
        "min_clock_mhz",
    ];
    let columns = pick(&Of::<GpuSummary>::COLUMNS, &keys);
    let rows: Vec<_> = result.gpus.iter().map(|row| Of { result, row }).collect();
    push(text, format_args!("{}", markdown_table(&columns, 2, &rows)));
}

/// Escapes text for Markdown, including tables and image captions: the result has no markup and no line breaks.
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
            _ if is_hidden(c) => escaped.extend(c.escape_default()),
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
