//! Rules for numbers in a TOML file: allowed ranges and messages.

use super::{Field, KeyNeed, KeyRule, Problems, Read, SeenKind, TomlTable};
use toml::de::DeValue;

/// The lower end of an allowed range.
#[derive(Debug, Clone, Copy)]
pub enum Least {
    /// An inclusive limit.
    From(f64),
    /// An exclusive limit.
    Above(f64),
}

/// The allowed range of a real number.
#[derive(Debug, Clone, Copy)]
pub struct NumberRule {
    pub least: Least,
    pub most: f64,
    pub unit: &'static str,
    pub fix: &'static str,
}

impl NumberRule {
    pub fn accepts(&self, number: f64) -> bool {
        let enough = match self.least {
            Least::From(least) => number >= least,
            Least::Above(bound) => number > bound,
        };
        enough && number <= self.most
    }

    pub fn allowed(&self) -> String {
        let Self { most, unit, .. } = self;
        let space = if unit.is_empty() { "" } else { " " };
        match self.least {
            Least::From(least) => format!("a number from {least} to {most}{space}{unit}"),
            Least::Above(bound) => {
                format!("a number above {bound} and at most {most}{space}{unit}")
            }
        }
    }

    /// Reads a real number; integers are real numbers too.
    pub fn read(
        &self,
        table: &mut TomlTable<'_>,
        problems: &mut Problems<'_>,
        key: &'static str,
        need: KeyNeed,
    ) -> Read<f64> {
        let allowed = self.allowed();
        let rule = KeyRule { allowed: &allowed, fix: self.fix };
        let (least, above) = match self.least {
            Least::From(least) => (least, false),
            Least::Above(bound) => (bound, true),
        };
        let kind = SeenKind::Number { least, above, most: self.most };
        problems.note(table, key, kind, need == KeyNeed::Required, rule);
        table.read(problems, key, need, rule, |value| self.accept(value))
    }

    /// Returns the number, if the value is an allowed one.
    pub fn accept(&self, value: &DeValue<'_>) -> Option<f64> {
        real(value).filter(|&number| self.accepts(number))
    }
}

/// The allowed range of a whole number.
#[derive(Debug, Clone, Copy)]
pub struct WholeRule {
    pub least: u64,
    pub most: u64,
    pub fix: &'static str,
}

impl WholeRule {
    pub fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.least, self.most)
    }

    fn accept(&self, value: &DeValue<'_>) -> Option<u64> {
        whole(value).filter(|number| (self.least..=self.most).contains(number))
    }

    /// Reads a whole number.
    pub fn read(
        &self,
        table: &mut TomlTable<'_>,
        problems: &mut Problems<'_>,
        key: &'static str,
        need: KeyNeed,
    ) -> Read<u64> {
        let allowed = self.allowed();
        let rule = KeyRule { allowed: &allowed, fix: self.fix };
        let kind = SeenKind::Whole { least: self.least, most: self.most };
        problems.note(table, key, kind, need == KeyNeed::Required, rule);
        table.read(problems, key, need, rule, |value| self.accept(value))
    }

    /// Checks one element of an array.
    pub fn read_element(&self, field: &Field<'_>, problems: &mut Problems<'_>) -> Read<u64> {
        match self.accept(field.value) {
            Some(number) => Read::Given(number, field.place.clone()),
            None => field.refuse(problems, KeyRule { allowed: &self.allowed(), fix: self.fix }),
        }
    }
}

/// Returns a number, whole or not.
pub fn real(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        // Exact enough: no allowed range reaches 2^53.
        DeValue::Integer(_) => whole(value).and_then(|n| u32::try_from(n).ok()).map(f64::from),
        _ => None,
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
