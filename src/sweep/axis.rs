//! The values of one field of a sweep, computed from the position; only listed values are stored.

use super::decimal::{DecimalRange, six_digits};
use super::latin::Coordinate;
use toml::Value;

/// The values that a field takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Values listed in the file.
    List(Vec<Value>),
    /// Values in equal decimal steps.
    Range {
        numbers: DecimalRange,
        /// Whether the values are written as whole numbers.
        whole: bool,
    },
    /// Values spaced evenly (or by equal factors) from one end to the other, both included.
    Spaced { from: f64, to: f64, count: u64, log: bool },
    /// A coordinate of a Latin hypercube.
    Latin { from: f64, to: f64, log: bool, round: bool, coordinate: Coordinate, count: u64 },
}

/// The type of a column of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Whole,
    Number,
    Bool,
    Text,
}

impl Values {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::List(values) => values.len() as u64,
            Self::Range { numbers, .. } => numbers.len(),
            Self::Spaced { count, .. } | Self::Latin { count, .. } => *count,
        }
    }

    pub(super) fn value(&self, index: u64) -> Value {
        match self {
            Self::List(values) => usize::try_from(index)
                .ok()
                .and_then(|index| values.get(index))
                .cloned()
                .expect("an index below the length"),
            Self::Range { numbers, whole } => number(numbers.value(index), *whole),
            Self::Spaced { from, to, count, log } => {
                let last = count.saturating_sub(1);
                Value::Float(match index {
                    0 => *from,
                    _ if index == last => *to,
                    _ => six_digits(between(*from, *to, index as f64 / last as f64, *log)),
                })
            }
            Self::Latin { from, to, log, round, coordinate, .. } => {
                let value = six_digits(between(*from, *to, coordinate.at(index), *log));
                number(if *round { value.round() } else { value }, *round)
            }
        }
    }

    /// Returns the common type of all values.
    pub(super) fn kind(&self) -> ValueKind {
        match self {
            Self::Range { whole: true, .. } | Self::Latin { round: true, .. } => ValueKind::Whole,
            Self::Range { .. } | Self::Spaced { .. } | Self::Latin { .. } => ValueKind::Number,
            Self::List(values) => {
                let all = |is: fn(&Value) -> bool| values.iter().all(is);
                if all(Value::is_integer) {
                    ValueKind::Whole
                } else if all(|v| v.is_integer() || v.is_float()) {
                    ValueKind::Number
                } else if all(Value::is_bool) {
                    ValueKind::Bool
                } else {
                    ValueKind::Text
                }
            }
        }
    }
}

/// Interpolates between two values, linearly or geometrically.
fn between(from: f64, to: f64, part: f64, log: bool) -> f64 {
    // `libm` gives the same bits on every machine.
    if log { from * libm::pow(to / from, part) } else { from + (to - from) * part }
}

#[expect(clippy::cast_possible_truncation, reason = "a float that is whole and small is exact")]
fn number(value: f64, whole: bool) -> Value {
    if whole && value.abs() < 9e15 { Value::Integer(value as i64) } else { Value::Float(value) }
}

/// Formats a value as a cell of a table: text without quotes, nested values as TOML.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaced_values_hit_both_ends() {
        let log = Values::Spaced { from: 1.0, to: 100.0, count: 5, log: true };
        let all: Vec<String> = (0..5).map(|i| cell(&log.value(i))).collect();
        assert_eq!(all, ["1", "3.16228", "10", "31.6228", "100"]);
        let even = Values::Spaced { from: 0.0, to: 1.0, count: 4, log: false };
        let all: Vec<String> = (0..4).map(|i| cell(&even.value(i))).collect();
        assert_eq!(all, ["0", "0.333333", "0.666667", "1"]);
    }

    #[test]
    fn columns_have_one_type() {
        let list = |values: &[Value]| Values::List(values.to_vec()).kind();
        assert_eq!(list(&[1.into(), 2.into()]), ValueKind::Whole);
        assert_eq!(list(&[1.into(), 2.5.into()]), ValueKind::Number);
        assert_eq!(list(&[true.into()]), ValueKind::Bool);
        assert_eq!(list(&["a".into(), 2.into()]), ValueKind::Text);
    }
}
