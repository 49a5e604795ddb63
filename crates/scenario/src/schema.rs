//! The JSON Schema of scenario files, for editors.
//!
//! The schema is derived from the reader itself: while it reads small probe files, it records every key that it reads,
//! with the rule of that key. So the schema cannot have other keys or ranges than the reader.

use super::arrival;
use super::reader::{FilePlace, Problems, SeenKey, SeenKind, TomlTable};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::DeTable;

/// Kinds of tables whose keys depend on a word of theirs: the table, the key of that word, and probes of all words.
const CONTROLLERS: [&str; 3] = ["none", "shadow", "gslice"];
const FAULTS: [&str; 3] = [
    "kind = 'gpu-fails', gpu = 0",
    "kind = 'gpu-slows', gpu = 0, factor = 2",
    "kind = 'workload-crashes', workload = 'a'",
];

/// The tables of a scenario. The map key is the table's name, with its word if it has one; the keys of a table are in
/// the order of the reader.
type Tables = BTreeMap<String, Vec<SeenKey>>;

/// Returns the JSON Schema (draft 2020-12) of a scenario file.
#[must_use]
pub fn json_schema() -> Value {
    let tables = tables();
    let mut definitions = Map::new();
    let mut choices: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, keys) in &tables {
        match name.split_once(':') {
            // A table that depends on a word has a definition for each word.
            Some((table, word)) => choices.entry(table).or_default().push(object(keys, Some(word))),
            None => {
                definitions.insert(definition_name(name), object(keys, None));
            }
        }
    }
    for (table, forms) in choices {
        definitions.insert(definition_name(table), json!({ "oneOf": forms }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario of igniter",
        "description": "Workloads, arrivals, GPUs and times of a simulation. A scenario that extends another may leave out what that one has.",
        "$ref": "#/$defs/scenario",
        "$defs": definitions,
    })
}

/// Returns every key of a scenario file as `table.key`, with its allowed values and its fix, in the order of the
/// reader.
#[must_use]
pub fn keys() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (table, keys) in tables() {
        let table = table.split(':').next().unwrap_or_default().to_owned();
        for key in keys {
            let path =
                if table == "scenario" { key.key.clone() } else { format!("{table}.{}", key.key) };
            if !all.iter().any(|(known, _)| *known == path) {
                all.push((path, key.allowed));
            }
        }
    }
    all
}

fn definition_name(table: &str) -> String {
    table.replace('.', "_")
}

/// Returns the keys that the reader reads, by table.
fn tables() -> Tables {
    let mut tables = Tables::new();
    let mut probe = |text: &str, words: &[(&str, &str)]| {
        let mut problems = Problems::recording(text);
        let (document, _) = DeTable::parse_recoverable(text);
        let top = FilePlace { key: String::new(), offset: 0 };
        super::raw::read(TomlTable::new(document.get_ref(), top), &mut problems, Path::new(""));
        for seen in problems.seen() {
            let table = table_name(&seen.table);
            let word = words.iter().find(|(name, _)| *name == table).map(|(_, word)| *word);
            let name = word.map_or(table.clone(), |word| format!("{table}:{word}"));
            let keys = tables.entry(name).or_default();
            // A key may be read in two steps; only the second has the full rule.
            match keys.iter_mut().find(|known| known.key == seen.key) {
                Some(known) => known.merge(seen),
                None => keys.push(seen),
            }
        }
    };
    let lists = "states = [{}, {}], steps = [{}], parts = [{}], phases = [{}]";
    for word in arrival::words() {
        let text = format!("arrival = {{ process = '{word}', {lists}, start_s = 0, end_s = 1 }}\n");
        probe(&text, &[("arrival", word)]);
    }
    for word in CONTROLLERS {
        probe(&format!("controller = {{ kind = '{word}' }}\n"), &[("controller", word)]);
    }
    for fault in FAULTS {
        let word = fault.split('\'').nth(1).unwrap_or_default();
        probe(&format!("fault = [{{ {fault}, at_s = 0 }}]\n"), &[("fault", word)]);
    }
    let rest = "engine = {}\nbatching = {}\nplan = {}\nreplan = { forecast = {}, handover = {}, replicas = {} }\ndisplay = {}\nprediction_error = {}\ngpu = [{}]\nphase = [{}]\n\
                workload = [{ engine = {}, batching = {} }]\n";
    probe(rest, &[]);
    tables
}

/// Returns the name of a table, independent of the path that leads to it.
fn table_name(path: &str) -> String {
    let mut parts: Vec<&str> =
        path.split('.').map(|part| part.split('[').next().unwrap_or_default()).collect();
    // Arrivals and batching have the same keys wherever they occur.
    if let Some(at) = parts.iter().rposition(|part| ["arrival", "gaps", "batching"].contains(part))
    {
        parts.drain(..at);
        if parts[0] == "gaps" {
            parts[0] = "arrival";
        }
    }
    match parts.as_slice() {
        [""] => "scenario".to_owned(),
        parts => parts.join("."),
    }
}

fn object(keys: &[SeenKey], word: Option<&str>) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut value = value(key);
        if let (Some(word), true) = (word, key.key == "process" || key.key == "kind") {
            value = json!({ "const": word });
        }
        if !key.allowed.is_empty() {
            value["description"] = format!("{}. Allowed: {}.", key.fix, key.allowed).into();
        }
        properties.insert(key.key.clone(), value);
    }
    // A key that a scenario must have may come from a file that it extends, and a table may override only some keys, so
    // required keys are listed only for tables with a word.
    let required: Vec<&str> = match word {
        Some(_) => keys.iter().filter(|key| key.required).map(|key| key.key.as_str()).collect(),
        None => Vec::new(),
    };
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

fn value(key: &SeenKey) -> Value {
    let list = |item: Value| json!({ "type": "array", "items": item });
    let reference = |table: &str| json!({ "$ref": format!("#/$defs/{}", definition_name(table)) });
    match &key.kind {
        SeenKind::Number { least, above, most } => {
            let bound = if *above { "exclusiveMinimum" } else { "minimum" };
            json!({ "type": "number", bound: least, "maximum": most })
        }
        SeenKind::Whole { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        SeenKind::Words(words) => json!({ "enum": words }),
        SeenKind::NumberOr { least, most, word } => json!({
            "anyOf": [{ "type": "number", "minimum": least, "maximum": most }, { "const": word }]
        }),
        SeenKind::Other => {
            let path = format!("{}.{}", key.table, key.key);
            let table = table_name(path.trim_start_matches('.'));
            match (table.as_str(), key.key.as_str()) {
                (_, "extends") => {
                    json!({ "anyOf": [{ "type": "string" }, list(json!({ "type": "string" }))] })
                }
                (_, "display") => json!({
                    "type": "object",
                    "additionalProperties": { "type": "string", "minLength": 1, "maxLength": 64 }
                }),
                (_, "margin_pct") => json!({ "type": ["number", "string"] }),
                (_, "preferred") => list(json!({ "type": "integer", "minimum": 1 })),
                (_, "gpu" | "workload" | "phase" | "fault") if key.table.is_empty() => {
                    list(reference(&table))
                }
                (_, "states" | "steps" | "parts" | "phases") => list(reference(&table)),
                (
                    _,
                    "arrival" | "gaps" | "batching" | "engine" | "controller" | "plan" | "replan"
                    | "prediction_error",
                ) => reference(&table),
                ("replan.forecast" | "replan.handover" | "replan.replicas", _) => reference(&table),
                (_, "billing_s") => json!({ "enum": [1, 60, 3600] }),
                _ if key.allowed == "true or false" => json!({ "type": "boolean" }),
                _ => json!({ "type": "string" }),
            }
        }
    }
}
