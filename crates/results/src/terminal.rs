//! Tables for the terminal.

use super::control::{LOST_WAKE_UPS, failed_by_policy, failures_in_words};
use super::tables::{Comparison, StrategyResult};
use crate::{Column, WorkloadRow, pick};
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, Table};
use igniter_sim::metrics::Verdict;

/// Whether text may contain colour codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Plain text, for files and pipes.
    Off,
    /// ANSI escape codes, for terminals.
    On,
}

/// Properties of the text output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whether colours are used.
    pub colours: Colours,
    /// Maximum number of characters per line; `None` for files and pipes, which have no limit.
    pub columns: Option<usize>,
}

impl Screen {
    /// Output to a file or a pipe.
    pub const PLAIN: Self = Self { colours: Colours::Off, columns: None };
}

/// The columns of a workload.
#[rustfmt::skip]
const WORKLOADS: [&str; 15] = [
    "workload", "gpus", "model", "batches", "sm_shares", "slo_ms", "predicted_ms", "mean_ms", "p99_ms",
    "slo_violation_pct", "throughput_rps", "arrived_rps", "gap_cv", "p99_of_slo", "verdict",
];

/// Columns to hide on a narrow terminal, the least important one first.
const SPARED: [usize; 10] = [13, 11, 12, 6, 10, 2, 3, 4, 7, 1];

/// Columns of arrivals. They are shown only for a single strategy, because they are the same for all.
const ARRIVALS: [usize; 2] = [11, 12];

/// Returns the lines of a table that fits on a screen. If the table is too wide, the columns in `spared` are hidden one
/// after the other.
#[must_use]
pub fn fitted_lines(table: &mut Table, spared: &[usize], columns: Option<usize>) -> Vec<String> {
    let lines = |table: &Table| -> Vec<String> {
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    };
    let mut shown = lines(table);
    for index in spared {
        let widest = shown.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        if columns.is_none_or(|columns| widest <= columns) {
            break;
        }
        if let Some(column) = table.column_mut(*index) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        shown = lines(table);
    }
    shown
}

/// Maximum length of a name that is shown in full.
const NAME_WIDTH: usize = 16;

/// Maximum number of actions of controllers and faults that are shown.
const ACTIONS: usize = 12;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Returns the tables of all strategies, below each other, after a note on the truth that plans were simulated with.
#[must_use]
pub fn comparison_text(comparison: &Comparison, screen: Screen) -> String {
    let alone = comparison.strategies.len() == 1;
    let parts = comparison.strategies.iter().map(|result| strategy_text(result, alone, screen));
    let parts: Vec<String> = parts.collect();
    let header = comparison.truth.as_ref().map_or_else(String::new, |t| t.sentence() + "\n\n");
    header + &parts.join("\n")
}

/// Returns one headline and one line per workload, with arrivals if they are requested and known.
#[must_use]
pub fn strategy_text(result: &StrategyResult, arrivals: bool, screen: Screen) -> String {
    let colours = screen.colours;
    let mut text = match colours {
        Colours::Off => format!("{}\n", result.headline()),
        Colours::On => format!("{BOLD}{}{RESET}\n", result.headline()),
    };
    let columns = pick(&WorkloadRow::COLUMNS, &WORKLOADS);
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|column| column.short));
    for row in result.workload_rows() {
        table.add_row(columns.iter().map(|column| cell(column, &row)));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 2 } else { 1 }, 1));
        if !matches!(index, 0 | 2 | 13 | 14) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if ARRIVALS.contains(&index) && (!arrivals || result.details.arrivals.is_empty()) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    for line in fitted_lines(&mut table, &SPARED, screen.columns) {
        text.push_str(&coloured(&line, colours));
        text.push('\n');
    }
    for workload in &result.workloads {
        if let Some(failed) = failures_in_words(workload) {
            let requests = workload.requests;
            text.push_str(&format!("  {}: {failed} of {requests} requests\n", workload.workload));
        }
    }
    if result.workloads.iter().any(failed_by_policy) {
        text.push_str(&format!("  {LOST_WAKE_UPS}.\n"));
    }
    for action in result.actions.iter().take(ACTIONS) {
        let at = format!("{:.3}", action.effective_s);
        text.push_str(&format!("  {at:>8} s  {} ({})\n", action.sentence(), action.reason));
    }
    if result.actions.len() > ACTIONS {
        let more = result.actions.len() - ACTIONS;
        text.push_str(&format!("  … and {more} more actions (actions.csv of the output folder)\n"));
    }
    for row in &result.infeasible {
        let fix = row.fix.as_ref().map_or(String::new(), |fix| format!("; would help: {fix}"));
        text.push_str(&format!("  {} is not served: {}{fix}\n", row.workload, row.reason));
    }
    text
}

fn cell<'a>(column: &Column<WorkloadRow<'a>>, row: &WorkloadRow<'a>) -> Cell {
    Cell::new(match column.key {
        "workload" | "model" => shortened(&column.shown(row)),
        "p99_of_slo" => row.p99_of_slo().map_or_else(String::new, bar),
        "verdict" => mark(row.summary.verdict).to_owned(),
        _ => column.shown(row),
    })
}

/// Draws a fraction of 1 as a bar of eight characters, in eighths of a character; a fraction above 1 ends in an arrow.
fn bar(part: f64) -> String {
    const WIDTH: usize = 8;
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part > 1.0 {
        return format!("{}▶", "█".repeat(WIDTH - 1));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 64")]
    let eighths = (part.max(0.0) * 8.0 * WIDTH as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "ok",
        Verdict::Missed => "MISS",
        Verdict::NotServed => "NOT SERVED",
        Verdict::NoRequests => verdict.words(),
    }
}

/// Colours the verdict. It is the last cell of its line, so colour codes do not shift anything.
fn coloured(line: &str, colours: Colours) -> String {
    if colours == Colours::On {
        for (verdict, colour) in
            [(Verdict::Met, GREEN), (Verdict::Missed, RED), (Verdict::NotServed, RED)]
        {
            if let Some(rest) = line.strip_suffix(mark(verdict)) {
                return format!("{rest}{colour}{}{RESET}", mark(verdict));
            }
        }
    }
    line.to_owned()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_WIDTH {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(NAME_WIDTH - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;

    #[test]
    fn the_table_is_plain_and_aligned() {
        let text = comparison_text(&small_comparison(), Screen::PLAIN);
        let expected = "\
igniter: 1 GPU, 3.06 $/h, 0 of 2 workloads miss their SLO (P99)
  workload  GPU  model    batch  SM %  SLO ms  pred. ms  mean ms  P99 ms  viol. %  req/s  P99/SLO
  W1          0  alexnet      4  37.5    15.0      7.25     12.5    12.5        0   10.0  ██████▋  ok
  W|2 <b>     0  alexnet      4    50    40.0      7.25     12.5    12.5        0   10.0  ██▌      ok

ffd: 1 GPU, 3.06 $/h, 1 of 2 workloads miss their SLO (P99)
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("W|2 <b> is not served: too slow; would help: an SLO of 55.5 ms"));
        assert!(!text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn colours_only_add_escape_codes() {
        let plain = comparison_text(&small_comparison(), Screen::PLAIN);
        let mut colourful =
            comparison_text(&small_comparison(), Screen { colours: Colours::On, columns: None });
        assert!(colourful.contains(RED) && colourful.contains(GREEN));
        for code in [RED, GREEN, BOLD, RESET] {
            colourful = colourful.replace(code, "");
        }
        assert_eq!(colourful, plain);
    }

    #[test]
    fn a_narrow_terminal_has_fewer_columns_and_no_broken_lines() {
        for columns in [100, 80, 60, 40] {
            let screen = Screen { colours: Colours::Off, columns: Some(columns) };
            let text = comparison_text(&small_comparison(), screen);
            let table: Vec<&str> = text.lines().filter(|line| line.starts_with("  W1 ")).collect();
            assert_eq!(table.len(), 2, "{text}");
            for line in table {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
                assert!(
                    line.ends_with("ok") || line.ends_with("MISS"),
                    "the verdict stays: {line}"
                );
            }
        }
    }

    #[test]
    fn bars_are_as_long_as_their_part() {
        // 12.5/15 × 64 = 53.3 eighths: six and five eighths
        let bars = [12.5 / 15.0, 0.0, 1.0, 1.001].map(bar);
        assert_eq!(bars, ["██████▋", "", "████████", "███████▶"]);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shortened(&"x".repeat(64)), format!("{}…", "x".repeat(15)));
        assert_eq!(shortened("W1"), "W1");
    }
}
