//! What was found wrong in a text so far, and where: in the text itself, or in the files that it was put together from.

use super::{KeyRule, Problem, TomlTable};
use crate::domain::is_hidden;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where something stands in the file.
#[derive(Debug, Clone)]
pub struct FilePlace {
    /// The key path.
    pub key: String,
    /// The byte offset of the value.
    pub offset: usize,
}

/// Where a value of a text that was put together from files was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOrigin {
    /// In one of the files, at a line.
    File {
        /// Its position among the files.
        file: usize,
        /// The line, from 1.
        line: usize,
    },
    /// Not in a file: it was set afterwards.
    Set,
}

/// All problems found so far in one text.
#[derive(Debug)]
pub struct Problems<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: Vec<Problem>,
    /// Where the text was put together from others.
    sources: Option<ValueSources<'t>>,
    /// Every key that was asked for, if that is wanted.
    seen: Option<Vec<SeenKey>>,
}

/// A key that the reader asked for.
#[derive(Debug, Clone)]
pub struct SeenKey {
    /// The key path of its table, and its name.
    pub table: String,
    pub key: String,
    pub kind: SeenKind,
    pub required: bool,
    pub allowed: String,
    pub fix: String,
}

/// What is known of the values of a key.
#[derive(Debug, Clone)]
pub enum SeenKind {
    Number { least: f64, above: bool, most: f64 },
    Whole { least: u64, most: u64 },
    Words(Vec<&'static str>),
    NumberOr { least: f64, most: f64, word: &'static str },
    Other,
}

impl SeenKey {
    /// Adds what another look at the same key knows.
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

/// Where each value of a text comes from.
#[derive(Debug)]
struct ValueSources<'t> {
    files: &'t [PathBuf],
    origins: BTreeMap<String, ValueOrigin>,
}

impl<'t> ValueSources<'t> {
    /// The file and the line of a key path, or of the nearest table around it that is anywhere.
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

    /// As [`Problems::new`], for a text put together from files; `origins` says where the value of each
    /// key path was written.
    pub fn of_document(
        text: &'t str,
        files: &'t [PathBuf],
        origins: BTreeMap<String, ValueOrigin>,
    ) -> Self {
        Self { sources: Some(ValueSources { files, origins }), ..Self::new(text) }
    }

    /// As [`Problems::new`], and remembers every key that is asked for.
    pub fn recording(text: &'t str) -> Self {
        Self { seen: Some(Vec::new()), ..Self::new(text) }
    }

    /// Every key that was asked for, in that order.
    pub fn seen(self) -> Vec<SeenKey> {
        self.seen.unwrap_or_default()
    }

    /// Remembers a key, if that is wanted.
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

    /// Notes a problem.
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

    /// Notes what makes the text no TOML, at most once a line: an error often drags others behind it.
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

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Where something was written: the line, and the file where it is not the scenario's own.
    pub fn origin(&self, place: &FilePlace) -> (Option<&'t Path>, usize) {
        let Some(sources) = &self.sources else { return (None, self.line(place.offset)) };
        let (file, line) = sources.find(&place.key);
        ((file != sources.files[0]).then_some(file), line)
    }

    /// The line of a byte, from 1.
    fn line(&self, offset: usize) -> usize {
        line_of(&self.line_starts, offset)
    }

    /// `given …` with the source text of a value, on one line and not too long.
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

    /// All problems in the order of their lines, each once.
    pub fn finish(mut self) -> Vec<Problem> {
        self.found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.found.dedup();
        self.found
    }
}

/// Where each line of a text starts, in bytes.
pub fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect()
}

/// The line of a byte, from 1.
pub fn line_of(line_starts: &[usize], offset: usize) -> usize {
    line_starts.partition_point(|&start| start <= offset)
}
