//! Builds the first point of a sweep before anything runs: a mistake that affects all points is reported then, with its
//! field in the sweep file.

use super::SweepError;
use super::grid::SweepGrid;
use crate::scenario::{Document, Scenario, ScenarioError};
use std::path::Path;
use toml::Value;

/// A field of the scenario that the sweep sets.
struct Given {
    /// The place in the sweep file, in words.
    place: String,
    path: String,
    value: Value,
}

/// Returns the scenario with `[set]` applied, and the scenario of the first point.
pub(super) fn first_point(
    path: &Path,
    scenario: &Document,
    set: impl IntoIterator<Item = (String, Value)>,
    grid: &SweepGrid,
) -> Result<(Document, Scenario), SweepError> {
    let set = set.into_iter().map(|(field, value)| Given {
        place: format!("[set] {field}"),
        path: field,
        value,
    });
    let set: Vec<Given> = set.collect();
    let first = grid.point(0);
    let of_axes =
        (0..).zip(&grid.axes).flat_map(|(i, axis)| axis.fields.iter().map(move |f| (i, f)));
    let axes = of_axes.zip(&first.values).map(|((i, field), value): ((usize, _), _)| Given {
        place: format!("axis[{i}] {}", field.path),
        path: field.path.clone(),
        value: value.clone(),
    });
    let axes: Vec<Given> = axes.collect();
    let wrong = |place: Option<&str>, source: ScenarioError| SweepError::FirstPoint {
        path: path.to_owned(),
        place: place.map_or_else(|| "the sweep's fields do".to_owned(), |p| format!("{p}: does")),
        source: Box::new(source),
    };
    let mut document = scenario.clone();
    for given in &set {
        let done = document.set(&given.path, given.value.clone());
        done.map_err(|source| wrong(Some(&given.place), source))?;
    }
    let mut whole = document.clone();
    for given in &axes {
        let done = whole.set(&given.path, given.value.clone());
        done.map_err(|source| wrong(Some(&given.place), source))?;
    }
    let first = whole.scenario().map_err(|source| {
        let all: Vec<&Given> = set.iter().chain(&axes).collect();
        wrong(culprit(scenario, &all).map(|given| given.place.as_str()), source)
    })?;
    Ok((document, first))
}

/// A problem with a path, in the words of an error message.
pub(super) struct PathProblem {
    pub(super) what: String,
    pub(super) allowed: String,
    pub(super) fix: String,
}

/// Returns what is wrong with the path of a field, as far as that does not depend on other fields: whether the key
/// exists at the top level or in a workload, and whether the workload exists.
pub(super) fn fault(document: &Document, path: &str) -> Option<PathProblem> {
    let parts: Vec<&str> = path.split('.').collect();
    if !matches!(parts.as_slice(), [_] | ["workload", _, _]) {
        return None;
    }
    let mut changed = document.clone();
    match changed.set(path, 1) {
        Err(ScenarioError::NoSuchField { what, allowed, .. }) => {
            Some(PathProblem { what, allowed, fix: "correct the path of the field".to_owned() })
        }
        Err(_) => None,
        Ok(()) => match changed.scenario() {
            Err(ScenarioError::Invalid { problems, .. }) => problems
                .into_iter()
                .find(|problem| problem.what == "unknown key" && problem.line == 0)
                .map(|found| PathProblem {
                    what: found.what,
                    allowed: found.allowed,
                    fix: found.fix,
                }),
            _ => None,
        },
    }
}

/// Returns the only field whose removal makes the scenario valid, if there is exactly one.
fn culprit<'g>(scenario: &Document, all: &[&'g Given]) -> Option<&'g Given> {
    let sound_without = |left_out: usize| {
        let mut document = scenario.clone();
        let others = all.iter().enumerate().filter(|(i, _)| *i != left_out);
        let set = |(_, given): (usize, &&Given)| document.set(&given.path, given.value.clone());
        others.map(set).all(|done| done.is_ok()) && document.scenario().is_ok()
    };
    let mut guilty = (0..all.len()).filter(|&i| sound_without(i));
    let one = guilty.next()?;
    guilty.next().is_none().then_some(all[one])
}
