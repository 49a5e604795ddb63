//! Reads TOML key by key and collects all problems, each with its line, the allowed values and a fix.
//!
//! [`read_toml`] is the entry point. Scenarios, which may extend one another, create [`Problems`] themselves.

mod problem;
mod problems;
mod rules;

pub use problem::{Problem, listing};
pub use problems::{FilePlace, Problems, SeenKey, SeenKind, ValueOrigin, line_of, line_starts};
pub use rules::{Least, NumberRule, WholeRule, real};

use crate::domain::nearest;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The result of reading a key.
#[derive(Debug, Clone)]
pub enum Read<T> {
    /// The key is absent, and optional.
    Absent,
    /// The value is invalid, or a required key is missing; either was reported.
    Bad,
    /// A valid value, and its place in the file.
    Given(T, FilePlace),
}

impl<T> Read<T> {
    /// Returns the value, or the default for an absent key; `None` when a problem was reported.
    pub fn or(self, default: T) -> Option<T> {
        match self {
            Self::Absent => Some(default),
            Self::Bad => None,
            Self::Given(value, _) => Some(value),
        }
    }

    /// Returns the value where there is one.
    pub fn given(self) -> Option<T> {
        match self {
            Self::Given(value, _) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Returns whether the key is absent.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Converts the value to another type. `convert` must not return `None` for a value that obeys its rule.
    pub fn convert<U>(self, convert: impl FnOnce(T) -> Option<U>) -> Read<U> {
        match self {
            Self::Absent => Read::Absent,
            Self::Bad => Read::Bad,
            Self::Given(value, place) => {
                convert(value).map_or(Read::Bad, |value| Read::Given(value, place))
            }
        }
    }

    /// Returns `self` unless the key is absent, else `other`: one table overrides another key by key.
    pub fn overriding(self, other: Self) -> Self {
        match self {
            Self::Absent => other,
            spoken => spoken,
        }
    }
}

/// Whether a key may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNeed {
    Required,
    Optional,
}

/// The values allowed for a key, and the advice for a user who wrote something else.
#[derive(Debug, Clone, Copy)]
pub struct KeyRule<'r> {
    pub allowed: &'r str,
    pub fix: &'r str,
}

/// A table of the file, which records the keys that the reader requested.
///
/// All keys that were not requested when [`TomlTable::finish`] is called are unknown keys.
#[derive(Debug)]
pub struct TomlTable<'a> {
    entries: &'a DeTable<'a>,
    place: FilePlace,
    known: Vec<&'static str>,
}

/// One value of a table or an array.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    pub value: &'a DeValue<'a>,
    pub place: FilePlace,
    span: Range<usize>,
}

impl<'a> Field<'a> {
    fn new(key: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        let span = value.span();
        Self { value: value.get_ref(), place: FilePlace { key, offset: span.start }, span }
    }

    /// Reports that the value violates a rule.
    pub fn refuse<T>(&self, problems: &mut Problems<'_>, rule: KeyRule<'_>) -> Read<T> {
        let what = problems.given(self.span.clone());
        problems.add(&self.place, what, rule);
        Read::Bad
    }

    /// Returns the value with its own copy of the text; `None` for a number that does not fit into 64 bits.
    pub fn owned(&self) -> Option<toml::Value> {
        owned(self.value)
    }

    /// Returns the value as a table.
    pub fn table(&self) -> Option<TomlTable<'a>> {
        self.value.as_table().map(|entries| TomlTable::new(entries, self.place.clone()))
    }

    /// Returns the elements of an array, each with its index in the key path.
    pub fn elements(&self) -> Option<Vec<Field<'a>>> {
        let array: &'a DeArray<'a> = self.value.as_array()?;
        let key = |i: usize| format!("{}[{i}]", self.place.key);
        Some(array.iter().enumerate().map(|(i, value)| Field::new(key(i), value)).collect())
    }
}

impl<'a> TomlTable<'a> {
    pub fn new(entries: &'a DeTable<'a>, place: FilePlace) -> Self {
        Self { entries, place, known: Vec::new() }
    }

    /// Returns whether the table has a key, without marking the key as known.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns all values with their keys, and marks all keys as known.
    pub fn all(self) -> Vec<(String, Field<'a>)> {
        let entries = self.entries.iter();
        let named = entries.map(|(key, value)| (key.get_ref().to_string(), value));
        named.map(|(key, value)| (key.clone(), Field::new(self.key(&key), value))).collect()
    }

    /// Returns the place of the table itself.
    pub fn place(&self) -> &FilePlace {
        &self.place
    }

    /// Returns the path of a key of the table.
    fn key(&self, key: &str) -> String {
        if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) }
    }

    /// Returns the value of a key, if there is one, and marks the key as known.
    pub fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        self.entries.get(key).map(|value| Field::new(self.key(key), value))
    }

    /// Reads a key with `convert`, which returns `None` for a value that violates the rule.
    pub fn read<T>(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        need: KeyNeed,
        rule: KeyRule<'_>,
        convert: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Read<T> {
        problems.note(self, key, SeenKind::Other, need == KeyNeed::Required, rule);
        match self.field(key) {
            Some(field) => match convert(field.value) {
                Some(value) => Read::Given(value, field.place),
                None => field.refuse(problems, rule),
            },
            None if need == KeyNeed::Required => {
                self.missing(problems, key, rule);
                Read::Bad
            }
            None => Read::Absent,
        }
    }

    /// Reports that a required key is missing.
    pub fn missing(&self, problems: &mut Problems<'_>, key: &str, rule: KeyRule<'_>) {
        problems.note(self, key, SeenKind::Other, true, rule);
        let place = FilePlace { key: self.key(key), offset: self.place.offset };
        problems.add(&place, "missing", rule);
    }

    /// Reads a key whose value must be one of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Read<T> {
        let names: Vec<&'static str> = words.iter().map(|&(word, _)| word).collect();
        let rule = KeyRule { allowed: &quoted(&names), fix: "write one of them, in quotes" };
        problems.note(self, key, SeenKind::Words(names.clone()), false, rule);
        let Some(field) = self.field(key) else { return Read::Absent };
        let spoken = field.value.as_str();
        if let Some(&(_, value)) = words.iter().find(|(word, _)| spoken == Some(word)) {
            return Read::Given(value, field.place);
        }
        let fix = match spoken.and_then(|word| nearest(word, &names)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write one of them, in quotes".to_owned(),
        };
        field.refuse(problems, KeyRule { allowed: &quoted(&names), fix: &fix })
    }

    /// Reports all keys that were not requested. `misplaced` may explain a key that belongs elsewhere.
    pub fn finish(self, problems: &mut Problems<'_>, misplaced: impl Fn(&str) -> Option<String>) {
        for key in &self.known {
            let rule = KeyRule { allowed: "", fix: "" };
            problems.note(&self, key, SeenKind::Other, false, rule);
        }
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let shown: String = name.escape_debug().take(60).collect();
            let place = FilePlace { key: self.key(&shown), offset: key.span().start };
            let fix = match (misplaced(name), nearest(name, &self.known)) {
                (Some(reason), _) => reason,
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => "remove it".to_owned(),
            };
            problems.add(
                &place,
                "unknown key",
                KeyRule { allowed: &self.known.join(", "), fix: &fix },
            );
        }
    }
}

/// Reads a whole text: `read` takes its keys and reports what is wrong to `problems`.
///
/// # Errors
/// With all problems, in the order of their lines: those of the syntax alone, or those of the keys.
pub fn read_toml<T>(
    text: &str,
    read: impl FnOnce(TomlTable<'_>, &mut Problems<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.add_syntax_errors(&errors);
        return Err(problems.finish());
    }
    let top = FilePlace { key: String::new(), offset: 0 };
    match read(TomlTable::new(document.get_ref(), top), &mut problems) {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems.finish()),
    }
}

fn owned(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => {
            toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        // A float literal beyond the range of `f64` parses as infinity and is rejected.
        DeValue::Float(number) => {
            toml::Value::Float(
                number.as_str().parse().ok().filter(|value: &f64| {
                    !value.is_infinite() || number.as_str().contains("inf")
                })?,
            )
        }
        DeValue::Boolean(value) => toml::Value::Boolean(*value),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(array) => {
            let values: Option<_> = array.iter().map(|value| owned(value.get_ref())).collect();
            toml::Value::Array(values?)
        }
        DeValue::Table(table) => {
            let entry =
                |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                    Some((key.get_ref().to_string(), owned(value.get_ref())?))
                };
            toml::Value::Table(table.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

/// `"a" | "b" | "c"`
pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ")
}
