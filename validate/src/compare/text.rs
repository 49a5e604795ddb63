//! The comparison as text, for a terminal and as a report.

use super::hand_overs::{AROUND_S, HandOverRow};
use super::tables::{ComparedWorkload, ValidationResult};
use igniter::results::{markdown_escape as escape, short};
use std::fmt::Write as _;

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:+.1}"))
}

/// The columns of the table, with their contents.
const HEADER: [&str; 16] = [
    "workload",
    "model",
    "batch",
    "batch ms pred.",
    "meas.",
    "mean ms sim.",
    "meas.",
    "error %",
    "P50 error %",
    "P90 error %",
    "P99 ms sim.",
    "meas.",
    "error %",
    "viol. % sim.",
    "meas.",
    "late P99 ms",
];

fn cells(row: &ComparedWorkload) -> Vec<String> {
    let (simulated, measured, errors) = (&row.simulated, &row.measured, &row.errors);
    vec![
        row.workload.to_string(),
        row.model.to_string(),
        row.batch.to_string(),
        short(row.hosted_batch_ms),
        number(row.measured_batch_ms),
        number(simulated.mean_ms),
        number(measured.mean_ms),
        signed(errors.mean_pct),
        signed(errors.p50_pct),
        signed(errors.p90_pct),
        number(simulated.p99_ms),
        number(measured.p99_ms),
        signed(errors.p99_pct),
        number(simulated.slo_violation_pct),
        number(measured.slo_violation_pct),
        format!("{:.2}", row.late_p99_ms),
    ]
}

/// The columns of the second table, which do not fit into the first one.
const MORE: [&str; 9] = [
    "workload",
    "req/s sim.",
    "meas.",
    "error %",
    "requests",
    "mean batch sim.",
    "meas.",
    "queue ms sim.",
    "meas.",
];

fn more(row: &ComparedWorkload) -> Vec<String> {
    let (simulated, measured) = (&row.simulated, &row.measured);
    vec![
        row.workload.to_string(),
        short(simulated.throughput_rps),
        short(measured.throughput_rps),
        signed(row.errors.throughput_pct),
        measured.requests.to_string(),
        number(simulated.mean_batch),
        number(measured.mean_batch),
        number(simulated.queue_ms),
        number(measured.queue_ms),
    ]
}

/// The columns of the table of hand-overs, where plans followed each other.
const HAND_OVERS: [&str; 9] = [
    "at s",
    "workload",
    "from GPU",
    "to GPU",
    "start s",
    "requests",
    "lost",
    "P99 ms sim.",
    "meas.",
];

fn hand_over(row: &HandOverRow) -> Vec<String> {
    vec![
        format!("{:.1}", row.at_s),
        row.workload.to_string(),
        row.from_gpus.clone(),
        row.to_gpus.clone(),
        row.start_s.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1}")),
        row.requests.to_string(),
        row.lost.to_string(),
        number(row.simulated_p99_ms),
        number(row.measured_p99_ms),
    ]
}

fn about_hand_overs(comparison: &ValidationResult) -> String {
    let all = comparison.hand_overs.len();
    format!(
        "{all} hand-overs, each with the requests from {AROUND_S} s before to {AROUND_S} s after it"
    )
}

fn headline(comparison: &ValidationResult) -> String {
    let ValidationResult { scenario, strategy, predictor, launcher, models, window_s, .. } =
        comparison;
    format!(
        "{scenario}: plan of {strategy}, predictor {predictor}, {} models, launcher {launcher}; measured from \
         {} to {} s{}",
        models.as_str(),
        short(window_s.0),
        short(window_s.1),
        comparison.server.as_ref().map_or_else(String::new, |server| format!("; {server}")),
    )
}

/// Lists the standbys that took over, and when.
fn switches(comparison: &ValidationResult) -> Vec<String> {
    let when = |seconds: Option<f64>| {
        seconds.map_or_else(|| "never".to_owned(), |seconds| format!("at {} s", short(seconds)))
    };
    let line = |row: &ComparedWorkload| {
        let (simulated, measured) = (row.simulated_switch_s, row.measured_switch_s);
        (simulated.is_some() || measured.is_some()).then(|| {
            let (simulated, measured) = (when(simulated), when(measured));
            format!(
                "{}: the standby takes over: simulated {simulated}, measured {measured}",
                row.workload
            )
        })
    };
    comparison.rows.iter().filter_map(line).collect()
}

fn verdict(comparison: &ValidationResult) -> String {
    let failed: Vec<&super::VerdictCheck> =
        comparison.checks.iter().filter(|c| !c.passed).collect();
    let fatal = comparison.warnings.iter().filter(|warning| warning.is_fatal()).count();
    let n = comparison.checks.len();
    let valid = comparison.invalid.is_empty();
    if comparison.passed && valid {
        return format!("verdict: agreed ({n} of {n} checks passed); the measurement is valid");
    }
    let mut text = match (comparison.passed, valid) {
        // Agreement means nothing beside a warning that voids it.
        (true, _) => {
            format!("verdict: INVALID ({n} of {n} checks passed, which means nothing here)")
        }
        (false, true) => {
            format!(
                "verdict: NOT agreed ({} of {n} checks failed); the measurement is valid",
                failed.len()
            )
        }
        (false, false) => {
            format!("verdict: INVALID, NOT agreed ({} of {n} checks failed)", failed.len())
        }
    };
    const REASONS: usize = 4;
    for reason in comparison.invalid.iter().take(REASONS) {
        let _ = write!(text, "\n  not valid: {reason}");
    }
    if comparison.invalid.len() > REASONS {
        let _ = write!(
            text,
            "\n  not valid: {} more; see the warnings",
            comparison.invalid.len() - REASONS
        );
    }
    for check in failed {
        let _ = write!(
            text,
            "\n  {}: {} %, allowed ±{} %",
            check.what,
            signed(check.error_pct),
            short(check.limit_pct)
        );
    }
    if comparison.warnings.iter().any(crate::measure::Warning::is_of_the_machine) {
        text += "\n  the machine was too busy to tell whether they would agree; see the warnings";
    }
    if fatal > 0 {
        text += "\n  the measurement itself cannot be judged; see the warnings";
    }
    text
}

/// Returns the numbers that the iGniter artifact prints for a run, by its definitions.
fn artifact(comparison: &ValidationResult) -> Vec<String> {
    let line = |row: &ComparedWorkload| {
        let (gpu, batch) = (row.server_gpu_ms?, row.server_batch_ms?);
        Some(format!(
            "{} ({}): throughput {} req/s, GPU latency {gpu:.3} ms, average latency {batch:.3} ms, SLO violations {} %",
            row.workload,
            row.model,
            short(row.measured.throughput_rps),
            number(row.measured.slo_violation_pct)
        ))
    };
    comparison.rows.iter().filter_map(line).collect()
}

/// Explains the lines of [`artifact`].
const ARTIFACT: &str = "as the iGniter artifact prints it (GPU latency: execution of a batch; average latency: with its copies; \
                        no waiting is in either)";

/// Formats the comparison for a terminal.
#[must_use]
pub fn comparison_text(comparison: &ValidationResult) -> String {
    let mut text = headline(comparison) + "\n\n";
    for (header, of) in
        [(&HEADER[..], cells as fn(&ComparedWorkload) -> Vec<String>), (&MORE[..], more)]
    {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(header.to_vec());
        for row in &comparison.rows {
            table.add_row(of(row));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        text += &table.trim_fmt();
        text += "\n\n";
    }
    if !comparison.hand_overs.is_empty() {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(HAND_OVERS.to_vec());
        for row in &comparison.hand_overs {
            table.add_row(hand_over(row));
        }
        text += &format!("{}\n{}\n\n", about_hand_overs(comparison), table.trim_fmt());
    }
    for line in switches(comparison) {
        let _ = writeln!(text, "{line}");
    }
    let lines = artifact(comparison);
    if !lines.is_empty() {
        let _ = writeln!(text, "{ARTIFACT}:\n  {}\n", lines.join("\n  "));
    }
    for agreement in &comparison.agreement {
        let _ = writeln!(
            text,
            "{}: mean |error| {} %, bias {} %, correlation {}",
            agreement.what,
            number(agreement.mape_pct),
            signed(agreement.bias_pct),
            agreement.correlation.map_or_else(|| "–".to_owned(), |r| format!("{r:.3}")),
        );
    }
    for warning in &comparison.warnings {
        let _ = writeln!(text, "warning: {warning}\n  {}", warning.advice());
    }
    text + &verdict(comparison)
}

/// Formats the comparison as a report; `figures` are file names without extension, with captions.
#[must_use]
pub fn report_markdown(comparison: &ValidationResult, figures: &[(String, String)]) -> String {
    let mut text =
        format!("# {}: predicted, simulated, measured\n\n", escape(&comparison.scenario));
    text += &escape(&headline(comparison));
    text += ".\n\n";
    let _ = writeln!(text, "**{}**\n", escape(&verdict(comparison).replace("\n  ", "; ")));
    for (header, of) in
        [(&HEADER[..], cells as fn(&ComparedWorkload) -> Vec<String>), (&MORE[..], more)]
    {
        let _ = writeln!(text, "| {} |", header.join(" | "));
        let rule: Vec<&str> =
            header.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }).collect();
        let _ = writeln!(text, "| {} |", rule.join(" | "));
        for row in &comparison.rows {
            let cells: Vec<String> = of(row).iter().map(|cell| escape(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text += "`batch ms` is the time of a full batch on its instance: as predicted for the planned co-location \
             with what the host was seen to add, and as measured. Simulated is what the engine makes of the \
             moments at which requests were really sent. Latency counts from when a request was to be sent.\n\n";
    if !comparison.hand_overs.is_empty() {
        let _ = writeln!(text, "{}:\n", about_hand_overs(comparison));
        let _ = writeln!(text, "| {} |\n|{}", HAND_OVERS.join(" | "), " ---: |".repeat(9));
        for row in &comparison.hand_overs {
            let cells: Vec<String> = hand_over(row).iter().map(|cell| escape(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text += "| over all workloads | mean \\|error\\| % | bias % | correlation |\n| --- | ---: | ---: | ---: |\n";
    for agreement in &comparison.agreement {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            agreement.what,
            number(agreement.mape_pct),
            signed(agreement.bias_pct),
            agreement.correlation.map_or_else(|| "–".to_owned(), |r| format!("{r:.3}")),
        );
    }
    text.push('\n');
    let lines = artifact(comparison);
    if !lines.is_empty() {
        let lines: Vec<String> = lines.iter().map(|line| format!("- {}", escape(line))).collect();
        let _ = writeln!(text, "{}:\n\n{}\n", escape(ARTIFACT), lines.join("\n"));
    }
    for line in switches(comparison) {
        let _ = writeln!(text, "- {line}");
    }
    if comparison.warnings.is_empty() {
        text += "No warnings.\n\n";
    } else {
        text += "## Warnings\n\n";
        for warning in &comparison.warnings {
            let _ = writeln!(text, "- {}: {}", escape(&warning.to_string()), warning.advice());
        }
        text.push('\n');
    }
    for (stem, caption) in figures {
        let _ = writeln!(text, "![{caption}]({stem}.png)\n\n{caption}\n");
    }
    text
}
