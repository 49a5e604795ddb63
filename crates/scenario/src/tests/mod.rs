//! Good files, bad values, bad files, and the round trip.

mod documents;
mod files;
mod good;
mod messages;
mod replan;
mod round_trip;
mod schema;

use super::{Problem, Scenario, ScenarioError};
use std::path::Path;

/// A small valid file; lines are counted in the tests of messages.
const SMALL: &str = r#"version = 1
duration_s = 60

[[gpu]]
kind = "v100"

[[workload]]
name = "W1"
model = "alexnet"
slo_ms = 10
rate_rps = 1200
"#;

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(text, Path::new("scenarios/small.toml"))
}

/// The problems of a text that must have some.
fn problems(text: &str) -> Vec<Problem> {
    match parse(text) {
        Err(ScenarioError::Invalid { problems, .. }) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

/// The problems of the small file with one piece of its text replaced, as text.
fn with(old: &str, new: &str) -> Vec<String> {
    assert!(SMALL.contains(old), "{old}");
    problems(&SMALL.replace(old, new)).iter().map(|p| format!("{}: {p}", p.line)).collect()
}
