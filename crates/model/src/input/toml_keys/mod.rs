//! TOML read key by key: every problem is collected on the way, with its line, what is allowed and how to mend it.
//!
//! [`read_toml`] is the way in; scenarios, which may be laid over each other, build [`Problems`] by themselves.

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

/// What was read for a key.
#[derive(Debug, Clone)]
pub enum Read<T> {
    /// The key is not there, and need not be.
    Absent,
    /// The key is there with a value that was reported, or was missing and reported.
    Bad,
    /// A value that obeys the rules of its key.
    Given(T, FilePlace),
}

impl<T> Read<T> {
    /// The value, or the default for an absent key; nothing when a problem was reported.
    pub fn or(self, default: T) -> Option<T> {
        match self {
            Self::Absent => Some(default),
            Self::Bad => None,
            Self::Given(value, _) => Some(value),
        }
    }

    /// The value where there is one.
    pub fn given(self) -> Option<T> {
        match self {
            Self::Given(value, _) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Whether the key is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Another type of the same value. `None` cannot come from a value that obeys its rule.
    pub fn convert<U>(self, convert: impl FnOnce(T) -> Option<U>) -> Read<U> {
        match self {
            Self::Absent => Read::Absent,
            Self::Bad => Read::Bad,
            Self::Given(value, place) => {
                convert(value).map_or(Read::Bad, |value| Read::Given(value, place))
            }
        }
    }

    /// This where it says anything, else the other: how one table overrides another key by key.
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

/// What may stand at a key, and what to tell a user who wrote something else.
#[derive(Debug, Clone, Copy)]
pub struct KeyRule<'r> {
    pub allowed: &'r str,
    pub fix: &'r str,
}

/// A table of the file, and which of its keys the reader asked for.
///
/// Whatever is left when [`TomlTable::finish`] is called is an unknown key.
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

    /// Reports that the value breaks a rule.
    pub fn refuse<T>(&self, problems: &mut Problems<'_>, rule: KeyRule<'_>) -> Read<T> {
        let what = problems.given(self.span.clone());
        problems.add(&self.place, what, rule);
        Read::Bad
    }

    /// The value as one that owns its text; none for a number that has no room in 64 bits.
    pub fn owned(&self) -> Option<toml::Value> {
        owned(self.value)
    }

    /// The value as a table.
    pub fn table(&self) -> Option<TomlTable<'a>> {
        self.value.as_table().map(|entries| TomlTable::new(entries, self.place.clone()))
    }

    /// The elements of the value as an array, each with its position in its key path.
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

    /// Whether it has a key, without making that a known one.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// All of its values, with the key of each; all become known.
    pub fn all(self) -> Vec<(String, Field<'a>)> {
        let entries = self.entries.iter();
        let named = entries.map(|(key, value)| (key.get_ref().to_string(), value));
        named.map(|(key, value)| (key.clone(), Field::new(self.key(&key), value))).collect()
    }

    /// Where the table itself stands.
    pub fn place(&self) -> &FilePlace {
        &self.place
    }

    /// The key path of one of its keys.
    fn key(&self, key: &str) -> String {
        if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) }
    }

    /// The value of a key, if it is there. Asking makes the key a known one.
    pub fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        self.entries.get(key).map(|value| Field::new(self.key(key), value))
    }

    /// Reads a key with `convert`, which answers `None` for a value that breaks the rule.
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

    /// Reports a required key that is not there.
    pub fn missing(&self, problems: &mut Problems<'_>, key: &str, rule: KeyRule<'_>) {
        problems.note(self, key, SeenKind::Other, true, rule);
        let place = FilePlace { key: self.key(key), offset: self.place.offset };
        problems.add(&place, "missing", rule);
    }

    /// Reads a key whose value is one of a few words.
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

    /// Reports every key that nobody asked for. `misplaced` may explain one that belongs elsewhere.
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

/// Reads a whole text: `read` takes its keys and leaves what is wrong with `problems`.
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
        // Digits beyond what a number can hold are none, though they parse.
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
