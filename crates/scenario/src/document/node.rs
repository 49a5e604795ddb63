//! Scenario text as a tree that can be laid over another one and changed.

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
    /// A number, text, boolean or date, as it was written: no digit of it changes on the way.
    Leaf(String),
    Array(Vec<DocumentNode>),
    Table(Entries),
}

/// A table, in the order of its keys.
pub(super) type Entries = BTreeMap<String, DocumentNode>;

/// One file of a document, to say where its values were written.
#[derive(Debug)]
pub(super) struct Layer<'t> {
    text: &'t str,
    file: usize,
    line_starts: Vec<usize>,
}

impl<'t> Layer<'t> {
    /// The text of the file that has this position among the files of the document.
    pub(super) fn new(text: &'t str, file: usize) -> Self {
        Self { text, file, line_starts: line_starts(text) }
    }

    fn origin(&self, offset: usize) -> ValueOrigin {
        ValueOrigin::File { file: self.file, line: line_of(&self.line_starts, offset) }
    }

    /// The entries of a table of this file.
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
    /// A value that no file holds, for a key; relative paths in it start at `folder`.
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

    /// The value as a string.
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

    /// The value on one line of TOML.
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

    /// Notes the origin of everything in it.
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

/// A string of JSON is one of TOML too, and never goes over two lines, which a key must not.
fn write_key(key: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(key).to_string());
    out.push_str(" = ");
}

/// The table as TOML, a line for each key.
pub(super) fn to_text(entries: &Entries) -> String {
    let mut out = String::new();
    for (key, node) in entries {
        write_key(key, &mut out);
        node.write(&mut out);
        out.push('\n');
    }
    out
}

/// The origin of every key path.
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

/// Lays a table over another: tables are merged key by key, workloads by their names (new ones come
/// after the others), and every other value replaces the one below it.
pub(super) fn overlay(base: &mut Entries, over: Entries) {
    over.keys().for_each(|key| make_way(base, key));
    for (key, node) in over {
        match base.get_mut(&key) {
            Some(below) if key == "workload" => overlay_workloads(below, node),
            // Another process has other keys: of the old arrivals nothing stays.
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
    // A workload of the base is overridden at most once: a name that comes twice stays a mistake.
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

/// The name of a workload.
fn name(workload: &DocumentNode) -> Option<String> {
    workload.table()?.get("name")?.text()
}

/// Makes the relative paths of a file start at `folder`, so that they still lead there from elsewhere.
pub(super) fn resolve_paths(entries: &mut Entries, folder: &Path) {
    for (key, node) in entries {
        resolve(key, node, folder);
    }
}

/// The same for one key.
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
