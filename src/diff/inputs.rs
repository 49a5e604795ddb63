//! Compares the inputs of two runs: the keys of their scenarios, and the files that they read.

use crate::page::Provenance;
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// Maximum number of changes that are listed one by one.
const TOLD: usize = 12;

/// Returns the differences, with a line for each change; workloads with the same change share a line. Empty where no
/// difference is known.
pub(super) fn differences(a: &Provenance, b: &Provenance) -> Vec<String> {
    let read = |side: &Provenance| side.scenario.as_ref()?.parse::<toml::Table>().ok();
    let mut lines = Vec::new();
    if let (Some(first), Some(second)) = (read(a), read(b)) {
        lines.extend(of_scenarios(&first, &second));
    }
    for one in &a.inputs {
        let other = b.inputs.iter().find(|other| other.path == one.path);
        // The keys of the scenario are more informative than a changed file.
        if other.is_some_and(|other| other.sha256 != one.sha256) && !one.path.ends_with(".toml") {
            lines.push(format!("{} has other content", one.path));
        }
    }
    let more = lines.len().saturating_sub(TOLD);
    lines.truncate(TOLD);
    if more > 0 {
        lines.push(format!("{more} more"));
    }
    lines
}

fn of_scenarios(a: &toml::Table, b: &toml::Table) -> Vec<String> {
    let (a, b) = (flat(a), flat(b));
    let keys: BTreeSet<&(String, String)> = a.keys().chain(b.keys()).collect();
    // Maps (key, before, after) to the workloads that have this change, in order of the keys.
    let mut changes: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    let said = |side: &'_ BTreeMap<(String, String), String>, key| side.get(key).cloned();
    let texts: Vec<(&(String, String), String, String)> = keys
        .into_iter()
        .filter_map(|key| {
            let (one, other) = (said(&a, key), said(&b, key));
            let text = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
            (one != other).then(|| (key, text(one), text(other)))
        })
        .collect();
    for ((workload, key), one, other) in &texts {
        changes.entry((key, one, other)).or_default().push(workload);
    }
    changes
        .into_iter()
        .map(|((key, one, other), workloads)| {
            let of = match workloads.as_slice() {
                [""] => String::new(),
                few if few.len() <= 4 => format!(" of {}", few.join(", ")),
                many => format!(" of {} and {} more", many[..3].join(", "), many.len() - 3),
            };
            format!("{key}{of}: {one} → {other}")
        })
        .collect()
}

/// Returns the values of a scenario by workload (empty for keys outside of workloads) and key.
fn flat(scenario: &toml::Table) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for (key, value) in scenario {
        match (key.as_str(), value) {
            ("name", _) => {}
            ("workload", Value::Array(workloads)) => {
                for (index, workload) in workloads.iter().enumerate() {
                    let name = workload.get("name").and_then(Value::as_str);
                    let name = name.map_or_else(|| index.to_string(), str::to_owned);
                    add(&mut found, &name, "", workload);
                }
            }
            (key, value) => add(&mut found, "", key, value),
        }
    }
    found
}

fn add(found: &mut BTreeMap<(String, String), String>, of: &str, path: &str, value: &Value) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| add(found, of, &below(key), value))
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            list.iter()
                .enumerate()
                .for_each(|(i, value)| add(found, of, &below(&i.to_string()), value));
        }
        value => {
            let text: String = value.to_string().chars().take(60).collect();
            found.insert((of.to_owned(), path.to_owned()), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_once_for_workloads_that_change_alike() {
        let side = |slo: f64, seed: u32, process: &str| Provenance {
            scenario: Some(format!(
                "name = \"x{seed}\"\nseed = {seed}\n[[workload]]\nname = \"W1\"\nslo_ms = {slo}\nrate_rps = 5\n\
                 [workload.arrival]\nprocess = \"{process}\"\n[[workload]]\nname = \"W2\"\nslo_ms = {slo}\n"
            )),
            ..Provenance::default()
        };
        let (a, b) = (side(15.5, 1, "poisson"), side(25.5, 1, "constant"));
        assert_eq!(
            differences(&a, &b),
            ["arrival.process of W1: \"poisson\" → \"constant\"", "slo_ms of W1, W2: 15.5 → 25.5",]
        );
        assert_eq!(differences(&a, &side(15.5, 2, "poisson")), ["seed: 1 → 2"]);
        assert!(differences(&a, &a).is_empty());
    }
}
