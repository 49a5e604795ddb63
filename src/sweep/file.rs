//! Reads a sweep file: every key is checked, and all mistakes are reported together.

use super::SweepError;
use super::first_point::fault;
use super::grid::SweepGrid;
use super::read::{PathFault, read_grid, refuse_path};
use super::seeds::SeedList;
use crate::input::toml_keys::{
    Field, KeyNeed, KeyRule, Problems, Read, TomlTable, WholeRule, read_toml,
};
use crate::run::Extensions;
use crate::scenario::Document;
use std::path::{Path, PathBuf};
use toml::Value;
use toml::de::DeValue;

const VERSION: WholeRule = WholeRule {
    least: 1,
    most: 1,
    fix: "write version = 1, the only version of sweep files that this program knows",
};
const NAME: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control characters",
    fix: "write for example name = \"bursts\"",
};
const SCENARIO: KeyRule<'_> = KeyRule {
    allowed: "the path of a scenario file, relative to this one",
    fix: "write for example scenario = \"paper-12.toml\"",
};
const PROFILE: KeyRule<'_> = KeyRule {
    allowed: "a profile, as --profile takes it",
    fix: "name a GPU kind, a folder or a file of coefficients, or remove the key",
};
const NAMES: KeyRule<'_> =
    KeyRule { allowed: "one or more names in quotes", fix: "name one, or remove the key" };
const SWITCH: KeyRule<'_> = KeyRule { allowed: "true or false", fix: "write one of them" };
const SET: KeyRule<'_> = KeyRule {
    allowed: "a table of fields of the scenario with their values",
    fix: "write [set] and below it for example duration_s = 30",
};

/// Keys of a scenario, which do not belong in a sweep file.
const OF_SCENARIO: [&str; 9] = [
    "workload",
    "gpu",
    "duration_s",
    "warmup_s",
    "cooldown_s",
    "arrival",
    "batching",
    "engine",
    "extends",
];

/// A sweep file, as far as it can be checked without its scenario.
#[derive(Debug)]
pub(super) struct RawSweep {
    pub(super) name: Option<String>,
    pub(super) scenario: PathBuf,
    pub(super) profile: Option<String>,
    pub(super) strategies: Vec<String>,
    pub(super) predictors: Vec<String>,
    pub(super) truths: Vec<String>,
    pub(super) prediction_error: bool,
    pub(super) keep_plan: bool,
    pub(super) set: Vec<(String, Value)>,
    /// The seeds; without a first seed in the file, the scenario's own is the first.
    pub(super) seeds: (Option<u64>, SeedList),
    pub(super) grid: SweepGrid,
    pub(super) points: u64,
}

impl RawSweep {
    /// Parses the text of a sweep file. `load` returns its scenario, where that can be read.
    pub(super) fn parse(
        path: &Path,
        text: &str,
        own: &Extensions,
        load: &dyn Fn(&Path) -> Option<Document>,
    ) -> Result<Self, SweepError> {
        read_toml(text, |table, problems| read(table, problems, own, load))
            .map_err(|problems| SweepError::Invalid { path: path.to_owned(), problems })
    }
}

fn read(
    mut table: TomlTable<'_>,
    problems: &mut Problems<'_>,
    own: &Extensions,
    load: &dyn Fn(&Path) -> Option<Document>,
) -> Option<RawSweep> {
    use KeyNeed::{Optional, Required};
    let t = &mut table;
    if t.has("workload") && !t.has("scenario") {
        let rule = KeyRule {
            allowed: "a sweep file, whose key `scenario` names one",
            fix: "run the scenario with `igniter compare` or `simulate`, or write a sweep that names it: \
                  docs/sweeps.md",
        };
        problems.add(&t.field("workload")?.place, "is a key of a scenario", rule);
        return None;
    }
    VERSION.read(t, problems, "version", Required);
    let name = t.read(problems, "name", Optional, NAME, short).given();
    let scenario = t.read(problems, "scenario", Required, SCENARIO, text).given();
    let profile = t.read(problems, "profile", Optional, PROFILE, text).given();
    let strategies = names(t, problems, "strategies", |name| {
        own.strategy(name).map(drop).map_err(|error| error.to_string())
    });
    let predictors = names(t, problems, "predictors", |_| Ok(()));
    let truths = names(t, problems, "truths", |_| Ok(()));
    let prediction_error = switch(t, problems, "prediction_error");
    let keep_plan = switch(t, problems, "keep_plan");
    let document = scenario.as_ref().and_then(|scenario| load(Path::new(scenario)));
    let fault = |path: &str| document.as_ref().and_then(|document| fault(document, path));
    let set = settings(t, problems, &fault);
    let seeds = SeedList::read(t, problems);
    let grid = read_grid(t, problems, &fault);
    let points = grid.len();
    if points.is_none() {
        let rule = KeyRule { allowed: "fewer than 2⁶⁴ points", fix: "take fewer values" };
        problems.add(t.place(), "the axes have 2⁶⁴ points or more", rule);
    }
    table.finish(problems, |key| {
        OF_SCENARIO.contains(&key).then(|| {
            format!(
                "it is a key of the scenario; set it in [set], as {key} = …, or in the scenario"
            )
        })
    });
    Some(RawSweep {
        name,
        scenario: PathBuf::from(scenario?),
        profile,
        strategies: match strategies.is_empty() {
            true => ["igniter", "ffd"].map(str::to_owned).to_vec(),
            false => strategies,
        },
        predictors,
        truths,
        prediction_error,
        keep_plan,
        set,
        seeds,
        grid,
        points: points?,
    })
}

/// Reads a text that is not empty.
pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Reads a name of 1 to 64 visible characters.
pub(super) fn short(value: &DeValue<'_>) -> Option<String> {
    let name = value.as_str()?;
    let fits = (1..=64).contains(&name.chars().count());
    (fits && !name.chars().any(crate::domain::is_hidden)).then(|| name.to_owned())
}

/// Reads a key that is true or false; false where it is absent.
pub(super) fn switch(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
) -> bool {
    t.read(problems, key, KeyNeed::Optional, SWITCH, DeValue::as_bool).given().unwrap_or(false)
}

/// Reads a list of names without duplicates; `known` returns what is wrong with a name.
fn names(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
    known: impl Fn(&str) -> Result<(), String>,
) -> Vec<String> {
    let Some(field) = t.field(key) else { return Vec::new() };
    let elements = field.elements().unwrap_or_default();
    if elements.is_empty() {
        let _: Read<()> = field.refuse(problems, NAMES);
    }
    let mut found: Vec<String> = Vec::new();
    for element in elements {
        let Some(name) = text(element.value) else {
            let _: Read<()> = element.refuse(problems, NAMES);
            continue;
        };
        if found.contains(&name) {
            let rule = KeyRule { allowed: "every name once", fix: "remove one" };
            problems.add(&element.place, format!("names {name:?} twice"), rule);
        } else if let Err(error) = known(&name) {
            let rule = KeyRule { allowed: "names of strategies", fix: "correct or remove it" };
            problems.add(&element.place, error, rule);
        }
        found.push(name);
    }
    found
}

/// Reads the fields of the scenario that `[set]` changes.
fn settings(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> Vec<(String, Value)> {
    let Some(field) = t.field("set") else { return Vec::new() };
    let Some(table) = field.table() else {
        let _: Read<()> = field.refuse(problems, SET);
        return Vec::new();
    };
    let mut set = |(key, field): (String, Field<'_>)| match field.owned() {
        Some(value) => {
            if let Some(found) = fault(&key) {
                refuse_path(&key, &field.place, &found, problems);
            }
            Some((key, value))
        }
        None => field.refuse(problems, SET).given(),
    };
    table.all().into_iter().filter_map(&mut set).collect()
}
