//! The summary as text.

use super::source::program;
use super::{FileValues, PageSource, sweep, validation};
use crate::results::{Comparison, Recommendation, StrategyResult, short, trimmed};

/// Maximum number of workloads that are named one by one.
const NAMED: usize = 8;

/// Returns the lead sentence below the heading.
pub(super) fn lead(source: &PageSource<'_>) -> String {
    if let Some(run) = &source.validation {
        return validation::lead(run);
    }
    match &source.comparison {
        Some(c) => format!(
            "{} strateg{} on one scenario, simulated for {} s with {}.",
            c.strategies.len(),
            if c.strategies.len() == 1 { "y" } else { "ies" },
            trimmed(c.simulated_s),
            c.seeds_in_words()
        ),
        None => match source.provenance.command.as_slice() {
            [first, command, ..] => format!("Results of {} {command}.", program(first)),
            _ => "A folder of results.".to_owned(),
        },
    }
}

/// Returns the summary, sentence by sentence.
pub(super) fn summary(source: &PageSource<'_>) -> Vec<String> {
    let mut sentences = match (&source.comparison, &source.validation, &source.sweep) {
        (Some(comparison), ..) => of_comparison(comparison, &source.provenance.command),
        (_, Some(run), _) => validation::summary(run),
        (_, _, Some(facts)) => sweep::summary(facts, &source.tables),
        _ if !source.parts.is_empty() => Vec::new(),
        _ => of_tables(source),
    };
    sentences.extend(source.parts.iter().flat_map(|part| part.notes.iter().cloned()));
    sentences.extend(source.left_out.iter().cloned());
    sentences
}

fn of_comparison(comparison: &Comparison, command: &[String]) -> Vec<String> {
    let mut sentences = vec![format!(
        "Latencies are simulated; requests that arrived from {} s to {} s count. A workload misses its \
         SLO when more than 1 % of its requests take longer (P99).",
        trimmed(comparison.window_start_s),
        trimmed(comparison.window_end_s)
    )];
    sentences
        .extend(comparison.truth.as_ref().map(|t| format!("Here, plans were {}.", t.sentence())));
    sentences.extend(comparison.seeds_note());
    // Do not repeat the recommendation of the first screen.
    let first = match comparison.recommendation(command) {
        Some(Recommendation::Try(words, _)) => words,
        _ => String::new(),
    };
    let notes = comparison.advice.iter().filter(|advice| !first.starts_with(&advice.text));
    sentences.extend(notes.map(|advice| format!("Note: {}.", advice.text)));
    sentences.extend(comparison.strategies.iter().map(of_strategy));
    sentences
}

fn of_strategy(result: &StrategyResult) -> String {
    let n = result.workloads.len();
    let plural = if result.gpu_count == 1 { "" } else { "s" };
    let head = format!(
        "{} uses {} GPU{plural} for {:.2} $/h and draws {} W on average",
        result.strategy,
        result.gpu_count,
        result.cost_per_hour,
        short(result.power_w())
    );
    let missed: Vec<_> = result.workloads.iter().filter(|w| w.verdict.is_miss()).collect();
    if missed.is_empty() {
        return format!("{head}; every one of the {n} workloads meets its SLO.");
    }
    let mut names: Vec<&str> = missed.iter().take(NAMED).map(|w| w.workload.as_str()).collect();
    let more = format!("{} more", missed.len().saturating_sub(NAMED));
    if missed.len() > NAMED {
        names.push(&more);
    }
    let worst = missed
        .iter()
        .filter_map(|w| w.p99_ms.map(|p99| (p99 / w.slo_ms, p99, w)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let worst = worst.map_or(String::new(), |(ratio, p99, w)| {
        format!(
            " The worst is {}: its P99 is {} ms against an SLO of {} ms ({} times).",
            w.workload,
            short(p99),
            short(w.slo_ms),
            short(ratio)
        )
    });
    format!(
        "{head}; {} of {n} workloads miss their SLO: {}.{worst}",
        missed.len(),
        names.join(", ")
    )
}

/// Returns the one-line result of `igniter accuracy` or `validate compare`.
fn of_errors(document: &FileValues) -> Option<String> {
    let value = |key: &str| document.values.iter().find(|(path, _)| path == key)?.1.number();
    let mape = value("mape_pct")?;
    let mut sentence = format!("The mean absolute error of predictions is {} %", short(mape));
    if let Some(n) = value("n") {
        sentence += &format!(" over {} latencies", trimmed(n));
    }
    if let (Some(p95), Some(bias)) = (value("p95_pct"), value("bias_pct")) {
        sentence += &format!("; 95 % are within {} %, the bias is {bias:+.2} %", short(p95));
    }
    Some(sentence + ".")
}

fn of_tables(source: &PageSource<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = source.documents.iter().filter_map(of_errors).collect();
    let tables: Vec<String> = source
        .tables
        .iter()
        .map(|table| format!("{} ({} rows)", table.title, table.rows.len()))
        .collect();
    if !tables.is_empty() {
        sentences.push(format!("Tables: {}.", tables.join(", ")));
    }
    if !source.figures.is_empty() {
        let n = source.figures.len();
        sentences.push(format!("{n} figure{} below.", if n == 1 { "" } else { "s" }));
    }
    if sentences.is_empty() {
        sentences.push("The folder holds no table that this page can show.".to_owned());
    }
    sentences
}
