//! Scenario text as a tree that can be merged over another one and changed.

use super::super::reader::{ValueOrigin, line_of, line_starts};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its origin.
#[derive(Debug, Clone)]
pub(super) struct DocumentNode {
    pub(super) content: Content,
    pub(super) origin: ValueOrigin,
}

/// The value of a key.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A number, text, boolean or date in its original spelling, so that no digit changes.
    Leaf(String),
    Array(Vec<DocumentNode>),
    Table(Entries),
}

/// A table, in the order of its keys.
pub(super) type Entries = BTreeMap<String, DocumentNode>;

/// One file of a document; records where its values were written.
#[derive(Debug)]
pub(super) struct Layer<'t> {
    text: &'t str,
    file: usize,
    line_starts: Vec<usize>,
}

impl<'t> Layer<'t> {
    /// Creates the layer for a file's text; `file` is its position among the files of the document.
    pub(super) fn new(text: &'t str, file: usize) -> Self {
        Self { text, file, line_starts: line_starts(text) }
    }

    fn origin(&self, offset: usize) -> ValueOrigin {
        ValueOrigin::File { file: self.file, line: line_of(&self.line_starts, offset) }
    }

    /// Returns the entries of a table of this file.
    pub(super) fn entries(&self, table: &DeTable<'_>) -> Entries {
        table.iter().map(|(key, value)| (key.get_ref().to_string(), self.node(value))).collect()
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> DocumentNode {
        let content = match value.get_ref() {
            DeValue::Table(table) => Content::Table(self.entries(table)),
            DeValue::Array(array) => {
                Content::Array(array.iter().map(|value| self.node(value)).collect())
            }
            _ => Content::Leaf(self.text[value.span()].to_owned()),
        };
        DocumentNode { content, origin: self.origin(value.span().start) }
    }
}

impl DocumentNode {
    /// Creates the node of a value that comes from no file. Relative paths in it start at `folder`.
    pub(super) fn set(key: &str, value: &toml::Value, folder: &Path) -> Self {
        let mut node = Self::of(value);
        resolve(key, &mut node, folder);
        node
    }

    fn of(value: &toml::Value) -> Self {
        let content = match value {
            toml::Value::Table(table) => Content::Table(
                table.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect(),
            ),
            toml::Value::Array(array) => Content::Array(array.iter().map(Self::of).collect()),
            leaf => Content::Leaf(leaf.to_string()),
        };
        Self { content, origin: ValueOrigin::Set }
    }

    /// Returns the value if it is a string.
    pub(super) fn text(&self) -> Option<String> {
        let Content::Leaf(source) = &self.content else { return None };
        DeValue::parse(source).ok()?.get_ref().as_str().map(ToOwned::to_owned)
    }

    pub(super) fn table(&self) -> Option<&Entries> {
        if let Content::Table(table) = &self.content { Some(table) } else { None }
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Entries> {
        if let Content::Table(table) = &mut self.content { Some(table) } else { None }
    }

    pub(super) fn array_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Content::Array(array) = &mut self.content { Some(array) } else { None }
    }

    /// Writes the value on one line of TOML.
    fn write(&self, out: &mut String) {
        match &self.content {
            Content::Leaf(source) => out.push_str(source),
            Content::Array(array) => {
                out.push('[');
                for (i, node) in array.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    node.write(out);
                }
                out.push(']');
            }
            Content::Table(table) => {
                out.push('{');
                for (i, (key, node)) in table.iter().enumerate() {
                    out.push_str(if i == 0 { " " } else { ", " });
                    write_key(key, out);
                    node.write(out);
                }
                out.push_str(" }");
            }
        }
    }

    /// Records the origin of this node and of everything below it.
    fn note(&self, key: String, origins: &mut BTreeMap<String, ValueOrigin>) {
        match &self.content {
            Content::Leaf(_) => {}
            Content::Array(array) => {
                for (i, node) in array.iter().enumerate() {
                    node.note(format!("{key}[{i}]"), origins);
                }
            }
            Content::Table(table) => {
                for (name, node) in table {
                    node.note(format!("{key}.{name}"), origins);
                }
            }
        }
        origins.insert(key, self.origin);
    }
}

/// Writes a key. JSON strings are valid TOML strings, and always fit on one line, as keys must.
fn write_key(key: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(key).to_string());
    out.push_str(" = ");
}

/// Writes the table as TOML, with one line per key.
pub(super) fn to_text(entries: &Entries) -> String {
    let mut out = String::new();
    for (key, node) in entries {
        write_key(key, &mut out);
        node.write(&mut out);
        out.push('\n');
    }
    out
}

/// Returns the origin of every key path.
pub(super) fn origins(entries: &Entries) -> BTreeMap<String, ValueOrigin> {
    let mut origins = BTreeMap::new();
    for (key, node) in entries {
        node.note(key.clone(), &mut origins);
    }
    origins
}

/// Keys that exclude each other: they set the same value in different ways.
const ONE_OF: [[&str; 2]; 1] = [["slo_ms", "slo_x_solo"]];

/// Removes the alternatives of a key.
pub(super) fn make_way(table: &mut Entries, key: &str) {
    for [one, other] in ONE_OF {
        for (key_of_two, its_other) in [(one, other), (other, one)] {
            if key == key_of_two {
                table.remove(its_other);
            }
        }
    }
}

/// Merges a table over another: tables are merged key by key, workloads by name (new ones are appended), and every
/// other value replaces the one below it.
pub(super) fn overlay(base: &mut Entries, over: Entries) {
    over.keys().for_each(|key| make_way(base, key));
    for (key, node) in over {
        match base.get_mut(&key) {
            Some(below) if key == "workload" => overlay_workloads(below, node),
            // Another arrival process has other keys, so nothing of the old arrivals is kept.
            Some(below) if key != "arrival" => below.overlay(node),
            _ => {
                base.insert(key, node);
            }
        }
    }
}

impl DocumentNode {
    fn overlay(&mut self, over: Self) {
        self.origin = over.origin;
        match (&mut self.content, over.content) {
            (Content::Table(below), Content::Table(over)) => overlay(below, over),
            (below, over) => *below = over,
        }
    }
}

fn overlay_workloads(below: &mut DocumentNode, over: DocumentNode) {
    let (Content::Array(list), Content::Array(over)) = (&mut below.content, over.content.clone())
    else {
        *below = over;
        return;
    };
    // Each workload of the base is overridden at most once, so that duplicate names are still reported.
    let mut untouched: BTreeMap<String, VecDeque<usize>> = BTreeMap::new();
    for (index, node) in list.iter().enumerate() {
        if let Some(name) = name(node) {
            untouched.entry(name).or_default().push_back(index);
        }
    }
    for node in over {
        let found = name(&node).and_then(|name| untouched.get_mut(&name)?.pop_front());
        match found {
            Some(at) => list[at].overlay(node),
            None => list.push(node),
        }
    }
}

/// Returns the name of a workload.
fn name(workload: &DocumentNode) -> Option<String> {
    workload.table()?.get("name")?.text()
}

/// Prefixes the relative paths of a file with `folder`, so that they stay valid from elsewhere.
pub(super) fn resolve_paths(entries: &mut Entries, folder: &Path) {
    for (key, node) in entries {
        resolve(key, node, folder);
    }
}

/// Does the same as [`resolve_paths`] for one key.
fn resolve(key: &str, node: &mut DocumentNode, folder: &Path) {
    let path = node.text().filter(|text| key == "path" || key == "kind" && text.contains('/'));
    if let Some(path) = path {
        let resolved = super::super::arrival::resolve(folder, &path);
        node.content = Content::Leaf(toml::Value::from(&*resolved.to_string_lossy()).to_string());
    }
    match &mut node.content {
        Content::Table(table) => resolve_paths(table, folder),
        Content::Array(array) => {
            for table in array.iter_mut().filter_map(DocumentNode::table_mut) {
                resolve_paths(table, folder);
            }
        }
        Content::Leaf(_) => {}
    }
}
