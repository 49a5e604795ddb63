//! Writes arrivals as text that `arrival.rs` reads back as an equal value.

use super::write::{number, quote};
use igniter_model::input::TraceLayout;
use igniter_model::units::Nanoseconds;
use igniter_sim::arrivals::{ArrivalSpec, ClosedLoopSpec, RateShape, TraceSpec};

/// Returns the table of arrivals on one line.
pub(super) fn arrival_table(arrival: &ArrivalSpec) -> String {
    format!("{{ {} }}", keys(arrival))
}

/// `process = …` and the keys of the process.
fn keys(arrival: &ArrivalSpec) -> String {
    match arrival {
        ArrivalSpec::Constant => process("constant", []),
        ArrivalSpec::Poisson => process("poisson", []),
        ArrivalSpec::Normalised => process("normalised", []),
        ArrivalSpec::Gamma { cv } => process("gamma", [("cv", number(*cv))]),
        ArrivalSpec::Weibull { cv } => process("weibull", [("cv", number(*cv))]),
        ArrivalSpec::Mmpp { states } => {
            let state = |rate, mean| format!("rate = {}, mean_s = {}", number(rate), seconds(mean));
            let states = states.iter().map(|s| state(s.rate, s.mean));
            process("mmpp", [("states", list(states))])
        }
        ArrivalSpec::Shaped { gaps, shape } => shaped(shape, arrival_table(gaps)),
        ArrivalSpec::Rates { gaps, path, rate_scale } => process(
            "rates",
            [
                ("path", quote(&path.to_string_lossy())),
                ("rate_scale", number(*rate_scale)),
                ("gaps", arrival_table(gaps)),
            ],
        ),
        ArrivalSpec::Trace(trace) => self::trace(trace),
        // No file can hold these arrivals, so only their number is written.
        ArrivalSpec::Times(times) => process("times", [("requests", times.len().to_string())]),
        ArrivalSpec::Sum { parts } => {
            let part = |share, arrival| {
                format!("share = {}, arrival = {}", number(share), arrival_table(arrival))
            };
            let parts = parts.iter().map(|p| part(p.share, &p.arrival));
            process("sum", [("parts", list(parts))])
        }
        ArrivalSpec::Phases { phases } => {
            let phases = phases.iter().map(|phase| {
                let (duration, scale) = (seconds(phase.duration), number(phase.rate_scale));
                let arrival = arrival_table(&phase.arrival);
                format!("duration_s = {duration}, rate_scale = {scale}, arrival = {arrival}")
            });
            process("phases", [("phases", list(phases))])
        }
        ArrivalSpec::ClosedLoop(ClosedLoopSpec { clients, think, thinking }) => process(
            "closed_loop",
            [
                ("clients", clients.to_string()),
                ("think_ms", number(think.as_ms())),
                ("thinking", quote(thinking.as_str())),
            ],
        ),
    }
}

fn shaped(shape: &RateShape, gaps: String) -> String {
    match shape {
        RateShape::Diurnal { period, peak, peak_to_trough } => process(
            "diurnal",
            [
                ("period_s", seconds(*period)),
                ("peak_s", seconds(*peak)),
                ("peak_to_trough", number(*peak_to_trough)),
                ("gaps", gaps),
            ],
        ),
        RateShape::Spike { start, end, factor } => process(
            "spike",
            [
                ("start_s", seconds(*start)),
                ("end_s", seconds(*end)),
                ("factor", number(*factor)),
                ("gaps", gaps),
            ],
        ),
        RateShape::Ramp { start, end, from, to } => process(
            "ramp",
            [
                ("start_s", seconds(*start)),
                ("end_s", seconds(*end)),
                ("from", number(*from)),
                ("to", number(*to)),
                ("gaps", gaps),
            ],
        ),
        RateShape::Steps { steps, repeat } => {
            let steps = steps.iter().map(|step| {
                format!("duration_s = {}, factor = {}", seconds(step.duration), number(step.factor))
            });
            let keys = [("steps", list(steps)), ("repeat", repeat.to_string()), ("gaps", gaps)];
            process("steps", keys)
        }
    }
}

fn trace(trace: &TraceSpec) -> String {
    let TraceLayout { format, time_column, key_column, unit, sort } = &trace.reading;
    let mut keys = vec![("path", quote(&trace.path.to_string_lossy()))];
    if let Some(format) = format {
        keys.push(("format", quote(format.word())));
    }
    if let Some(column) = time_column {
        keys.push(("column", quote(column)));
    }
    if let Some(column) = key_column {
        keys.push(("key_column", quote(column)));
    }
    if let Some(unit) = unit {
        keys.push(("unit", quote(unit.word())));
    }
    if *sort {
        keys.push(("sort", "true".to_owned()));
    }
    if let Some(workload) = &trace.workload {
        keys.push(("workload", quote(workload)));
    }
    // Defaults are left out.
    if trace.start != Nanoseconds::ZERO {
        keys.push(("start_s", seconds(trace.start)));
    }
    if (trace.rate_scale - 1.0).abs() > 0.0 {
        keys.push(("rate_scale", number(trace.rate_scale)));
    }
    process("trace", keys)
}

fn process(word: &str, keys: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut text = format!("process = {}", quote(word));
    for (key, value) in keys {
        text.push_str(&format!(", {key} = {value}"));
    }
    text
}

fn list(tables: impl Iterator<Item = String>) -> String {
    let tables: Vec<String> = tables.map(|keys| format!("{{ {keys} }}")).collect();
    format!("[{}]", tables.join(", "))
}

fn seconds(time: Nanoseconds) -> String {
    number(time.as_seconds())
}
