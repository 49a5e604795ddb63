//! The text about a validation.

use super::Validation;
use crate::results::{short, trimmed};
use serde_json::Value;

/// Maximum number of checks that are named one by one.
const NAMED: usize = 8;

/// Returns the lead sentence below the heading.
pub(in crate::page) fn lead(run: &Validation) -> String {
    format!(
        "The plan of {}, run on real servers ({} models, launcher {}{}) and simulated with predictor {}.",
        run.strategy,
        run.models,
        run.launcher,
        run.server.as_ref().map_or(String::new(), |server| format!(", {server}")),
        run.predictor
    )
}

/// Returns the summary, sentence by sentence.
pub(in crate::page) fn summary(run: &Validation) -> Vec<String> {
    let failed: Vec<&str> =
        run.checks.iter().filter(|check| !check.passed).map(|check| check.what.as_str()).collect();
    let n = run.checks.len();
    let mut verdict = format!(
        "Verdict: {} ({} of {n} checks passed).",
        match (run.passed, run.invalid.is_empty()) {
            (true, true) => "simulation and measurement agree, and the measurement is valid",
            (false, true) => "no agreement; the measurement is valid",
            // Agreement means nothing beside a warning that voids it.
            (_, false) => "none, because the measurement is not valid",
        },
        n - failed.len()
    );
    if let Some((first, others)) = run.invalid.split_first() {
        // The full list is in the warnings below.
        let more = match others.len() {
            0 => String::new(),
            1 => " (and one more warning)".to_owned(),
            n => format!(" (and {n} more warnings)"),
        };
        verdict += &format!(" Not valid: {first}{more}.");
    }
    if !failed.is_empty() {
        let more = failed.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", {more} more") } else { String::new() };
        verdict += &format!(" Failed: {}{more}.", failed[..failed.len().min(NAMED)].join(", "));
    }
    let mut sentences = vec![
        verdict,
        format!(
            "Requests that were to be sent from {} s to {} s count. Latency counts from when a request was to be \
             sent, so that a late client hides nothing.",
            trimmed(run.window_s.0),
            trimmed(run.window_s.1)
        ),
    ];
    if run.models == "emulated" {
        sentences.push(
            "The models were emulated: each batch took its predicted time on a host without a GPU. Queues, batches \
             and the server are real; the time of a batch is not."
                .to_owned(),
        );
    }
    for kind in &run.agreement {
        if let (Some(mape), Some(bias)) = (kind.mape_pct, kind.bias_pct) {
            let words = format!(
                "{}: {} % mean absolute error, bias {bias:+.2} %.",
                capitalised(&kind.what),
                short(mape)
            );
            sentences.push(words);
        }
    }
    sentences.extend(run.warnings.iter().map(|warning| format!("Warning: {}.", warned(warning))));
    sentences
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Formats a warning as text: its kind and its message.
fn warned(warning: &Value) -> String {
    let Some(members) = warning.as_object() else { return warning.to_string() };
    let kind = members.get("kind").and_then(Value::as_str).unwrap_or("warning").replace('_', " ");
    let facts = members.iter().filter(|(key, _)| *key != "kind").map(|(key, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or(number.to_string(), trimmed),
            other => other.to_string(),
        };
        format!("{key} {value}")
    });
    let facts: Vec<String> = facts.collect();
    if facts.is_empty() { kind } else { format!("{kind} ({})", facts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn warnings_say_all_that_they_hold() {
        let late =
            json!({ "kind": "late_sends", "workload": "W1", "p99_ms": 3.25, "limit_ms": 1.0 });
        let words = warned(&late);
        assert!(words.starts_with("late sends (") && words.contains("workload W1"), "{words}");
        assert!(words.contains("p99_ms 3.25") && words.contains("limit_ms 1"), "{words}");
        assert_eq!(warned(&json!({ "kind": "no_trace" })), "no trace");
        assert_eq!(warned(&json!("odd")), "\"odd\"");
    }
}
