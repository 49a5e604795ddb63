//! The schema says what the reader says.

use super::*;
use crate::{json_schema, keys};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Everything in which a value does not obey a schema: the part of JSON Schema that ours is made of.
fn violations(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let number = value.as_f64();
        let fine = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                found.extend(violations(value, &root["$defs"][name], root, at));
                true
            }
            "type" if rule.is_array() => value.is_number() || value.is_string(),
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("type {other}"),
            },
            "minimum" => number.is_some_and(|n| n >= rule.as_f64().unwrap()),
            "exclusiveMinimum" => number.is_some_and(|n| n > rule.as_f64().unwrap()),
            "maximum" => number.is_some_and(|n| n <= rule.as_f64().unwrap()),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => value == rule,
            "items" => {
                for (i, item) in value.as_array().unwrap_or(&Vec::new()).iter().enumerate() {
                    found.extend(violations(item, rule, root, &format!("{at}[{i}]")));
                }
                true
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        found.extend(violations(value, rule, root, &format!("{at}.{key}")));
                    }
                }
                true
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().into_iter().flatten().all(|(key, _)| known.contains_key(key))
            }
            "oneOf" | "anyOf" => {
                let count = rule.as_array().unwrap().iter();
                let count =
                    count.filter(|rule| violations(value, rule, root, at).is_empty()).count();
                if keyword == "oneOf" { count == 1 } else { count >= 1 }
            }
            other => panic!("{other} is not understood by this test"),
        };
        if !fine {
            found.push(format!("{at}: {keyword}: {value}"));
        }
    }
    found
}

fn check(text: &str) -> Vec<String> {
    let value: toml::Value = toml::from_str(text).unwrap();
    let schema = json_schema();
    violations(&serde_json::to_value(value).unwrap(), &schema, &schema, "")
}

#[test]
fn all_shipped_scenarios_obey_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(check(&text), [""; 0], "{}", path.display());
            let resolved = Scenario::load(&path).unwrap().to_toml();
            assert_eq!(check(&resolved), [""; 0], "{} as resolved", path.display());
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn every_process_obeys_the_schema_and_mistakes_do_not() {
    let with = |arrival: &str| check(&format!("{SMALL}arrival = {arrival}\n"));
    for good in [
        "{ process = 'gamma', cv = 2 }",
        "{ process = 'mmpp', states = [{ rate = 1, mean_s = 1 }, { rate = 2, mean_s = 1 }] }",
        "{ process = 'spike', start_s = 1, end_s = 2, factor = 3, gaps = { process = 'constant' } }",
        "{ process = 'steps', steps = [{ duration_s = 1, factor = 1 }], repeat = true }",
        "{ process = 'trace', path = 't.csv' }",
        "{ process = 'sum', parts = [{ arrival = { process = 'poisson' } }] }",
        "{ process = 'phases', phases = [{ duration_s = 1, arrival = { process = 'poisson' } }] }",
    ] {
        assert_eq!(with(good), [""; 0], "{good}");
    }
    for bad in [
        "{ process = 'gama', cv = 2 }",
        "{ process = 'gamma' }",
        "{ process = 'gamma', cv = 0 }",
        "{ process = 'poisson', cv = 1 }",
        "'poisson'",
        "{ process = 'steps', steps = [{ duration_s = 0, factor = 1 }] }",
    ] {
        assert!(!with(bad).is_empty(), "{bad}");
    }
    assert!(!check(&SMALL.replace("slo_ms = 10", "slo_ms = 0")).is_empty());
    assert!(!check(&SMALL.replace("slo_ms", "slo")).is_empty());
    assert!(!check("version = 2").is_empty());
}

/// What the reader lists as allowed keys where it meets an unknown one.
fn known_keys(text: &str) -> BTreeSet<String> {
    let found = problems(text);
    let unknown = found.iter().find(|problem| problem.what == "unknown key");
    let unknown = unknown.unwrap_or_else(|| panic!("{text}: {found:?}"));
    unknown.allowed.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_has_the_keys_of_the_reader() {
    let schema = json_schema();
    let definitions = &schema["$defs"];
    let names = |object: &Value| -> BTreeSet<String> {
        object["properties"].as_object().unwrap().keys().cloned().collect()
    };
    for (table, text) in [
        ("scenario", "zzz = 1".to_owned()),
        ("gpu", "[[gpu]]\nzzz = 1".to_owned()),
        ("engine", "[engine]\nzzz = 1".to_owned()),
        ("batching", "[batching]\nzzz = 1".to_owned()),
        ("phase", "[[phase]]\nzzz = 1".to_owned()),
        ("workload", "[[workload]]\nzzz = 1".to_owned()),
        ("plan", "[plan]\nzzz = 1".to_owned()),
        ("prediction_error", "[prediction_error]\nzzz = 1".to_owned()),
        ("workload_engine", "[[workload]]\nengine = { zzz = 1 }".to_owned()),
    ] {
        assert_eq!(names(&definitions[table]), known_keys(&text), "{table}");
    }
    // Tables with a word: every word that the reader knows, with the keys of each.
    for (table, word, before, after) in [
        ("arrival", "process", "arrival = { ", " }"),
        ("controller", "kind", "controller = { ", " }"),
        ("fault", "kind", "fault = [{ at_s = 0, gpu = 0, factor = 1, ", " }]"),
    ] {
        let forms = definitions[table]["oneOf"].as_array().unwrap();
        let words: Vec<&str> =
            forms.iter().map(|form| form["properties"][word]["const"].as_str().unwrap()).collect();
        let found = problems(&format!("{before}{word} = 'zzz'{after}"));
        let listed = found.iter().find(|p| p.key.ends_with(&format!(".{word}"))).unwrap();
        let listed: BTreeSet<&str> =
            listed.allowed.split(" | ").map(|word| word.trim_matches('"')).collect();
        assert_eq!(words.iter().copied().collect::<BTreeSet<_>>(), listed, "{table}");
        for (form, name) in forms.iter().zip(words) {
            if table == "fault" {
                continue;
            }
            let text = format!("{before}{word} = '{name}', zzz = 1{after}");
            assert_eq!(names(form), known_keys(&text), "{table} {name}");
        }
    }
}

#[test]
fn every_key_has_a_meaning_and_a_place_in_the_documentation() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let page = fs::read_to_string(page).unwrap();
    let all = keys();
    assert!(all.len() > 60, "{}", all.len());
    for (key, _) in all {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/scenarios.md does not explain `{name}` ({key})"
        );
    }
    assert_eq!(json_schema()["$defs"]["workload"]["properties"]["slo_ms"]["minimum"], json!(0.01));
}
