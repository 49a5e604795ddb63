//! A scenario before it is checked: files merged on top of each other, and single values set.
//!
//! `extends` names the file that a scenario builds upon (or several, of which later ones win). Tables are merged key by
//! key and workloads by name; every other value replaces the one below it. A sweep then sets values by dotted paths and
//! checks the result.

mod node;
mod path;

use super::disk::RealDisk;
use super::reader::{FilePlace, KeyRule, Problems, ValueOrigin};
use super::suggest::nearest;
use super::{Catalogue, Scenario, ScenarioError, shipped, source};
use node::{
    Content, DocumentNode, Entries, Layer, make_way, origins, overlay, resolve_paths, to_text,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

const EXTENDS: KeyRule<'_> = KeyRule {
    allowed: "the path of a scenario file, relative to this one, or an array of 1 to 64 such paths",
    fix: "write for example extends = \"paper-12.toml\"",
};
/// Maximum depth of files that extend each other.
const DEEPEST: usize = 16;
/// Maximum number of files in one `extends`.
const WIDEST: usize = 64;
/// Maximum number of files in total.
const MOST_FILES: usize = 1000;
/// Maximum number of tables in a `[[list]]` after all files are merged.
const LONGEST_LIST: usize = 100_000;

/// A scenario that can still be changed before it is checked.
///
/// ```
/// use igniter_scenario::Document;
/// use std::path::Path;
///
/// let mut document = Document::load(Path::new("../../scenarios/motivating-3.toml"))?;
/// document.set("workload.W1.rate_rps", 250)?;
/// document.set("arrival", toml::toml! { process = "gamma" cv = 2 })?;
/// document.set("slo_scale", 1.5)?;
/// let scenario = document.scenario()?;
/// assert_eq!(scenario.workloads[0].workload.rate.get(), 250.0);
/// assert_eq!(scenario.workloads[0].workload.slo.get(), 22.5);
/// let error = document.set("workload.W9.rate_rps", 250).unwrap_err().to_string();
/// assert!(error.contains("there is no workload W9"), "{error}");
/// # Ok::<(), igniter_scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    /// The files that were read, with the requested one first.
    files: Vec<PathBuf>,
    /// The text of the requested file, as long as it extends nothing and no value was set.
    alone: Option<String>,
    entries: Entries,
    /// Folder where relative paths in set values start.
    set_from: PathBuf,
}

impl Document {
    /// Reads a scenario file with all files that it extends. Only problems that prevent merging are checked here. If no
    /// file exists at a name such as `paper-12`, the bundled scenario of that name is read
    /// ([`super::shipped_scenarios`]).
    ///
    /// # Errors
    /// When a file cannot be read as TOML text, or extends itself.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::load_from(Path::new(""), path)
    }

    /// Like [`Document::load`], with a path relative to a folder.
    ///
    /// # Errors
    /// Same as [`Document::load`].
    pub fn load_from(folder: &Path, path: &Path) -> Result<Self, ScenarioError> {
        let mut reading = DocumentReading::default();
        let (entries, text) = reading.read(&shipped::find(folder, path))?;
        let files = reading.files;
        let alone = (files.len() == 1).then_some(text);
        Ok(Self { files, alone, entries, set_from: PathBuf::new() })
    }

    /// Reads a scenario from a text, as [`Document::load`] does from a file. `file` names it in messages and gives its
    /// default name; relative paths start at its folder.
    ///
    /// # Errors
    /// When the text is not TOML, or a file that it extends cannot be read.
    pub fn of_text(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let mut reading = DocumentReading::default();
        let (entries, text) = reading.read_text(file, text.to_owned())?;
        let files = reading.files;
        let alone = (files.len() == 1).then_some(text);
        Ok(Self { files, alone, entries, set_from: PathBuf::new() })
    }

    /// Returns the merged document as the text of one file that extends nothing. Every path is prefixed with `folder`;
    /// with the working directory of the process, the text means the same wherever it is read.
    #[must_use]
    pub fn to_toml(&self, folder: &Path) -> String {
        let mut entries = self.entries.clone();
        resolve_paths(&mut entries, folder);
        to_text(&entries)
    }

    /// Returns the files that were read, with the requested one first.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Makes relative paths in set values start at `folder`, which is the folder of the file that sets them.
    #[must_use]
    pub fn set_from(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.set_from);
        self
    }

    /// Sets one value and replaces any earlier one. Only [`Document::scenario`] checks whether the value is allowed.
    ///
    /// The path names the key with all tables around it: `seed`, `rate_scale`, `engine.interference`,
    /// `batching.max_queue_delay_ms`. A workload is addressed by name, `workload.W1.rate_rps`, or with
    /// `workload.*.rate_rps` for all; a GPU likewise, `gpu.v100.price_per_hour`, or `gpu.price_per_hour` for all.
    /// `arrival` and its keys, such as `arrival.cv`, stand for the arrivals of all workloads. Setting one of `slo_ms`
    /// and `slo_x_solo` removes the other.
    ///
    /// # Errors
    /// When the path does not lead to a key.
    pub fn set(&mut self, path: &str, value: impl Into<toml::Value>) -> Result<(), ScenarioError> {
        let parts = path::parts(path).ok_or_else(|| {
            self.no_field(
                path,
                "this is not a path",
                "keys with dots between them, such as seed or workload.W1.rate_rps",
            )
        })?;
        let node = match parts.last() {
            Some(key) => DocumentNode::set(key, &value.into(), &self.set_from),
            None => return Err(self.no_field(path, "this is not a path", "a key, such as seed")),
        };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["workload" | "gpu"] | ["workload", _] => Err(self.no_field(
                path,
                "this is a table",
                "one key of it, such as workload.W1.rate_rps or workload.*.rate_rps",
            )),
            ["workload", which, keys @ ..] => {
                self.set_in_list("workload", which, keys, path, &node)
            }
            ["gpu", which, keys @ ..] if !keys.is_empty() => {
                self.set_in_list("gpu", which, keys, path, &node)
            }
            ["gpu", key] => self.set_in_list("gpu", "*", &[*key], path, &node),
            ["arrival", keys @ ..] => self.set_arrivals(keys, path, &node),
            keys => set_in(&mut self.entries, keys, &node).map_err(|at| self.no_table(path, &at)),
        }?;
        self.alone = None;
        Ok(())
    }

    /// Checks the document and returns the scenario.
    ///
    /// # Errors
    /// With every problem; each names the file and line that its value comes from.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        self.checked(None)
    }

    /// Like [`Document::scenario`], and also reports every GPU kind and model that the catalogue does not know.
    ///
    /// # Errors
    /// Same as [`Document::scenario`], plus unknown GPU kinds and models.
    pub fn scenario_for(&self, catalogue: &dyn Catalogue) -> Result<Scenario, ScenarioError> {
        self.checked(Some(catalogue))
    }

    fn checked(&self, catalogue: Option<&dyn Catalogue>) -> Result<Scenario, ScenarioError> {
        let file = &self.files[0];
        if let Some(text) = &self.alone {
            let folder = file.parent().unwrap_or(Path::new(""));
            return Scenario::checked(
                Problems::new(text),
                text,
                (file, folder),
                (&RealDisk, catalogue),
            );
        }
        let text = to_text(&self.entries);
        let problems = Problems::of_document(&text, &self.files, origins(&self.entries));
        // Paths were already resolved against the folder of the file that they were written in.
        Scenario::checked(problems, &text, (file, Path::new("")), (&RealDisk, catalogue))
    }

    fn set_in_list(
        &mut self,
        list: &str,
        which: &str,
        keys: &[&str],
        path: &str,
        value: &DocumentNode,
    ) -> Result<(), ScenarioError> {
        let naming = if list == "workload" { "name" } else { "kind" };
        let named = |node: &DocumentNode| node.table()?.get(naming)?.text();
        let members = self
            .entries
            .get_mut(list)
            .and_then(DocumentNode::array_mut)
            .map(Vec::as_mut_slice)
            .unwrap_or_default();
        let names: Vec<String> = members.iter().filter_map(named).collect();
        let index: Option<usize> = which.parse().ok();
        let mut found = false;
        for (i, member) in members.iter_mut().enumerate() {
            let meant = which == "*"
                || named(member).as_deref() == Some(which)
                || (index == Some(i) && !names.iter().any(|name| name == which));
            let Some(table) = member.table_mut().filter(|_| meant) else { continue };
            found = true;
            if let Err(at) = set_in(table, keys, value) {
                return Err(self.no_table(path, &format!("{list}.{which}.{at}")));
            }
        }
        if found {
            return Ok(());
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let what = match nearest(which, &known) {
            Some(near) => format!("there is no {list} {which} (did you mean {near}?)"),
            None => format!("there is no {list} {which}"),
        };
        Err(self.no_field(path, &what, &format!("{}, or * for all", known.join(", "))))
    }

    /// Sets the arrivals of all workloads, or one key of them: in the default and in each workload with its own
    /// arrivals.
    fn set_arrivals(
        &mut self,
        keys: &[&str],
        path: &str,
        value: &DocumentNode,
    ) -> Result<(), ScenarioError> {
        let workloads = self.entries.get_mut("workload").and_then(DocumentNode::array_mut);
        let workloads: Vec<&mut Entries> =
            workloads.into_iter().flatten().filter_map(DocumentNode::table_mut).collect();
        if keys.is_empty() {
            for workload in workloads {
                workload.remove("arrival");
            }
            self.entries.insert("arrival".to_owned(), value.clone());
            return Ok(());
        }
        let mut found = false;
        for workload in workloads {
            let Some(own) = workload.get_mut("arrival").and_then(DocumentNode::table_mut) else {
                continue;
            };
            // With a mix of, say, gamma and constant arrivals, `arrival.cv` applies only to those with that key.
            if own.contains_key(keys[0]) {
                found = true;
                if let Err(at) = set_in(own, keys, value) {
                    return Err(self.no_table(path, &format!("arrival.{at}")));
                }
            }
        }
        let default = self.entries.get_mut("arrival").and_then(DocumentNode::table_mut);
        if let Some(default) = default {
            found = true;
            if let Err(at) = set_in(default, keys, value) {
                return Err(self.no_table(path, &format!("arrival.{at}")));
            }
        }
        if found {
            return Ok(());
        }
        let what = format!("no arrivals of the scenario have the key {}", keys[0]);
        Err(self.no_field(
            path,
            &what,
            "a key that they have; give the scenario for example arrival = { process = \"gamma\", cv = 1 }",
        ))
    }

    /// Returns the names of the workloads whose arrivals [`Document::set`] changes for a path such as `arrival.cv`.
    /// `None` for every other path, and where all workloads have the arrivals of the scenario.
    #[must_use]
    pub fn arrivals_reached(&self, path: &str) -> Option<Vec<String>> {
        let parts = path::parts(path)?;
        let [arrival, key, ..] = parts.as_slice() else { return None };
        if arrival != "arrival" {
            return None;
        }
        let has = |node: Option<&DocumentNode>| {
            node.and_then(DocumentNode::table).is_some_and(|table| table.contains_key(key))
        };
        let default = has(self.entries.get("arrival"));
        let Some(Content::Array(list)) = self.entries.get("workload").map(|node| &node.content)
        else {
            return None;
        };
        let mut reached = Vec::new();
        for table in list.iter().filter_map(DocumentNode::table) {
            let own = table.get("arrival");
            if if own.is_some() { has(own) } else { default } {
                let name = table.get("name").and_then(DocumentNode::text).unwrap_or_default();
                let count = table.get("count").and_then(|node| match &node.content {
                    Content::Leaf(text) => text.parse::<usize>().ok(),
                    _ => None,
                });
                match count {
                    None => reached.push(name),
                    Some(count) => reached.extend((1..=count).map(|i| format!("{name}-{i}"))),
                }
            }
        }
        Some(reached)
    }

    fn no_table(&self, path: &str, at: &str) -> ScenarioError {
        self.no_field(path, &format!("{at} is not a table"), "keys of tables")
    }

    fn no_field(&self, field: &str, what: &str, allowed: &str) -> ScenarioError {
        ScenarioError::NoSuchField {
            path: self.files[0].clone(),
            field: field.to_owned(),
            what: what.to_owned(),
            allowed: allowed.to_owned(),
        }
    }
}

/// Sets a value in nested tables and creates missing ones. The error names the key that is not a table.
fn set_in(table: &mut Entries, keys: &[&str], value: &DocumentNode) -> Result<(), String> {
    match keys {
        [] => Ok(()),
        [key] => {
            make_way(table, key);
            table.insert((*key).to_owned(), value.clone());
            Ok(())
        }
        [key, rest @ ..] => {
            let below = table.entry((*key).to_owned()).or_insert_with(|| DocumentNode {
                content: Content::Table(Entries::new()),
                origin: ValueOrigin::Set,
            });
            let below = below.table_mut().ok_or_else(|| (*key).to_owned())?;
            set_in(below, rest, value).map_err(|at| format!("{key}.{at}"))
        }
    }
}

/// The state of reading a document; each file is read once.
#[derive(Debug, Default)]
struct DocumentReading {
    /// Files in the order in which they were first read.
    files: Vec<PathBuf>,
    /// Files on the chain of `extends` that leads to the present one.
    above: Vec<PathBuf>,
    /// Merged entries of extended files, including everything that those extend.
    known: BTreeMap<PathBuf, Entries>,
}

impl DocumentReading {
    /// Reads a file and merges it over everything that it extends.
    fn read(&mut self, path: &Path) -> Result<(Entries, String), ScenarioError> {
        let text = source::read_text(path)?;
        self.read_text(path, text)
    }

    /// Does the same as [`Self::read`] for a text that was already read.
    fn read_text(&mut self, path: &Path, text: String) -> Result<(Entries, String), ScenarioError> {
        let mut problems = Problems::new(&text);
        let (document, errors) = DeTable::parse_recoverable(&text);
        let invalid = |problems: Problems<'_>| ScenarioError::Invalid {
            path: path.into(),
            problems: problems.finish(),
        };
        if !errors.is_empty() {
            problems.add_syntax_errors(&errors);
            return Err(invalid(problems));
        }
        self.files.push(path.to_owned());
        let layer = Layer::new(&text, self.files.len() - 1);
        let mut entries = layer.entries(document.get_ref());
        let folder = path.parent().unwrap_or(Path::new(""));
        resolve_paths(&mut entries, folder);
        let Some(extends) = entries.remove("extends") else { return Ok((entries, text)) };

        let span = document.get_ref().get("extends").map_or(0..0, toml::Spanned::span);
        let place = FilePlace { key: "extends".to_owned(), offset: span.start };
        let Some(bases) = base_files(&extends) else {
            let given: String = text[span].chars().take(60).collect();
            problems.add(&place, format!("given {given}"), EXTENDS);
            return Err(invalid(problems));
        };
        // Canonical paths detect the same file under another name.
        self.above.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let mut below = Entries::new();
        for base in bases {
            let base = folder.join(base);
            let canonical = base.canonicalize().unwrap_or_else(|_| base.clone());
            if self.above.contains(&canonical) || self.above.len() >= DEEPEST {
                let what =
                    format!("{} leads back to this file, or is nested too deeply", base.display());
                let rule = KeyRule {
                    allowed: "files that do not extend each other in a circle, at most 16 deep",
                    fix: "remove it here or there",
                };
                problems.add(&place, what, rule);
                return Err(invalid(problems));
            }
            let entries = match self.known.get(&canonical) {
                Some(known) => known.clone(),
                None => {
                    let (mut entries, _) = self.read(&base)?;
                    // The name of an extended file belongs to that other scenario.
                    entries.remove("name");
                    self.known.insert(canonical, entries.clone());
                    entries
                }
            };
            overlay(&mut below, entries);
            let longest =
                below.values_mut().filter_map(DocumentNode::array_mut).map(|l| l.len()).max();
            if longest.is_some_and(|longest| longest > LONGEST_LIST)
                || self.files.len() > MOST_FILES
            {
                let what = format!("{} makes the scenario too large", base.display());
                let allowed =
                    format!("at most {MOST_FILES} files and {LONGEST_LIST} tables of a list");
                let fix = "give each workload a name, so that it is laid over the one of that name";
                problems.add(&place, what, KeyRule { allowed: &allowed, fix });
                return Err(invalid(problems));
            }
        }
        self.above.pop();
        overlay(&mut below, entries);
        Ok((below, text))
    }
}

fn base_files(extends: &DocumentNode) -> Option<Vec<String>> {
    let files = match &extends.content {
        Content::Leaf(_) => vec![extends.text()?],
        Content::Array(array) => array.iter().map(DocumentNode::text).collect::<Option<_>>()?,
        Content::Table(_) => return None,
    };
    files
        .iter()
        .all(|file: &String| !file.is_empty())
        .then_some(files)
        .filter(|files| (1..=WIDEST).contains(&files.len()))
}
