//! The problems found in a text, with their places: in the text itself, or in the files from which it was assembled.

use super::{KeyRule, Problem, TomlTable};
use crate::domain::is_hidden;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The place of a value in a file.
#[derive(Debug, Clone)]
pub struct FilePlace {
    /// The key path.
    pub key: String,
    /// The byte offset of the value.
    pub offset: usize,
}

/// The origin of a value in a text that was assembled from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOrigin {
    /// A line of one of the files.
    File {
        /// The index of the file.
        file: usize,
        /// The line, from 1.
        line: usize,
    },
    /// No file: the value was set afterwards.
    Set,
}

/// All problems found so far in one text.
#[derive(Debug)]
pub struct Problems<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: Vec<Problem>,
    /// The origins of values, where the text was assembled from files.
    sources: Option<ValueSources<'t>>,
    /// All keys that were requested, where they are recorded.
    seen: Option<Vec<SeenKey>>,
}

/// A key that the reader requested.
#[derive(Debug, Clone)]
pub struct SeenKey {
    /// The key path of the table, and the name of the key.
    pub table: String,
    pub key: String,
    pub kind: SeenKind,
    pub required: bool,
    pub allowed: String,
    pub fix: String,
}

/// The known restrictions on the values of a key.
#[derive(Debug, Clone)]
pub enum SeenKind {
    Number { least: f64, above: bool, most: f64 },
    Whole { least: u64, most: u64 },
    Words(Vec<&'static str>),
    NumberOr { least: f64, most: f64, word: &'static str },
    Other,
}

impl SeenKey {
    /// Adds the information from another request for the same key.
    pub fn merge(&mut self, other: Self) {
        if matches!(self.kind, SeenKind::Other) {
            self.kind = other.kind;
        }
        if self.allowed.is_empty() {
            (self.allowed, self.fix) = (other.allowed, other.fix);
        }
        self.required |= other.required;
    }
}

/// The origin of each value of a text.
#[derive(Debug)]
struct ValueSources<'t> {
    files: &'t [PathBuf],
    origins: BTreeMap<String, ValueOrigin>,
}

impl<'t> ValueSources<'t> {
    /// Returns the file and the line of a key path, or of the nearest enclosing table with a known origin.
    fn find(&self, key: &str) -> (&'t Path, usize) {
        let mut key = key;
        loop {
            match self.origins.get(key) {
                Some(&ValueOrigin::File { file, line }) => return (&self.files[file], line),
                Some(ValueOrigin::Set) => return (&self.files[0], 0),
                None => match key.rfind(['.', '[']) {
                    Some(end) => key = &key[..end],
                    None => return (&self.files[0], 1),
                },
            }
        }
    }
}

impl<'t> Problems<'t> {
    pub fn new(text: &'t str) -> Self {
        let line_starts = line_starts(text);
        Self { text, line_starts, found: Vec::new(), sources: None, seen: None }
    }

    /// Does the same as [`Problems::new`] for a text that was assembled from files; `origins` gives the origin of the
    /// value of each key path.
    pub fn of_document(
        text: &'t str,
        files: &'t [PathBuf],
        origins: BTreeMap<String, ValueOrigin>,
    ) -> Self {
        Self { sources: Some(ValueSources { files, origins }), ..Self::new(text) }
    }

    /// Does the same as [`Problems::new`], and records all keys that are requested.
    pub fn recording(text: &'t str) -> Self {
        Self { seen: Some(Vec::new()), ..Self::new(text) }
    }

    /// Returns all keys that were requested, in that order.
    pub fn seen(self) -> Vec<SeenKey> {
        self.seen.unwrap_or_default()
    }

    /// Records a key, where keys are recorded.
    pub fn note(
        &mut self,
        table: &TomlTable<'_>,
        key: &str,
        kind: SeenKind,
        required: bool,
        rule: KeyRule<'_>,
    ) {
        let Some(seen) = &mut self.seen else { return };
        let entry = SeenKey {
            table: table.place.key.clone(),
            key: key.to_owned(),
            kind,
            required,
            allowed: rule.allowed.to_owned(),
            fix: rule.fix.to_owned(),
        };
        match seen.iter_mut().find(|known| known.table == entry.table && known.key == entry.key) {
            Some(known) => known.merge(entry),
            None => seen.push(entry),
        }
    }

    /// Adds a problem.
    pub fn add(&mut self, place: &FilePlace, what: impl Into<String>, rule: KeyRule<'_>) {
        let (file, line) = self.origin(place);
        self.found.push(Problem {
            file: file.map(Path::to_owned),
            line,
            key: place.key.clone(),
            what: what.into(),
            allowed: rule.allowed.to_owned(),
            fix: rule.fix.to_owned(),
        });
    }

    /// Adds syntax errors, at most one per line, since one error often causes others.
    pub fn add_syntax_errors(&mut self, errors: &[toml::de::Error]) {
        let rule = KeyRule { allowed: "TOML 1.1 (https://toml.io)", fix: "correct the line" };
        let mut last_line = None;
        for error in errors {
            let offset = error.span().map_or(self.text.len(), |span| span.start);
            let line = self.line(offset);
            if last_line.replace(line) != Some(line) {
                let place = FilePlace { key: String::new(), offset };
                self.add(&place, format!("not TOML: {}", error.message()), rule);
            }
        }
    }

    /// Returns whether there are no problems so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the line of a place, and the file where it is not the scenario's own.
    pub fn origin(&self, place: &FilePlace) -> (Option<&'t Path>, usize) {
        let Some(sources) = &self.sources else { return (None, self.line(place.offset)) };
        let (file, line) = sources.find(&place.key);
        ((file != sources.files[0]).then_some(file), line)
    }

    /// Returns the line of a byte, from 1.
    fn line(&self, offset: usize) -> usize {
        line_of(&self.line_starts, offset)
    }

    /// Returns `given …` with the source text of a value, on one line and shortened.
    pub(super) fn given(&self, span: Range<usize>) -> String {
        const LONGEST: usize = 60;
        let source = self.text.get(span).unwrap_or_default();
        let mut shown: String =
            source.chars().take(LONGEST).map(|c| if is_hidden(c) { ' ' } else { c }).collect();
        if source.chars().nth(LONGEST).is_some() {
            shown.push('…');
        }
        format!("given {shown}")
    }

    /// Returns all distinct problems in the order of their lines.
    pub fn finish(mut self) -> Vec<Problem> {
        self.found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.found.dedup();
        self.found
    }
}

/// Returns the byte offset of each line of a text.
pub fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect()
}

/// Returns the line of a byte, from 1.
pub fn line_of(line_starts: &[usize], offset: usize) -> usize {
    line_starts.partition_point(|&start| start <= offset)
}
