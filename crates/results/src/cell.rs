//! One cell of a table: its value in files and its displayed text.

use igniter_model::domain::escaped;
use igniter_sim::metrics::Verdict;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Columns of names, whose cells are always text: a workload may be called 007.
const NAMES: [&str; 13] = [
    "error",
    "gpu_kind",
    "kind",
    "model",
    "name",
    "point_id",
    "predictor",
    "recipe",
    "scenario",
    "strategy",
    "truth",
    "version",
    "workload",
];
/// Integers up to 2^53 are exact in double precision, here and in scripts.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns a warning if a spreadsheet would interpret one of the names as a formula; `None` otherwise.
#[must_use]
pub fn formula_note<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let formula =
        |name: &&str| name.starts_with(['=', '+', '-', '@']) && name.parse::<f64>().is_err();
    names.into_iter().find(formula).map(|name| {
        format!(
            "the name {name:?} is a formula to a spreadsheet that opens the tables: import its column as text"
        )
    })
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Number(f64),
    /// A count or an index.
    Whole(u64),
    /// Yes or no.
    Flag(bool),
    /// Any text.
    Text(String),
    /// Whether a workload met its SLO.
    Verdict(Verdict),
    /// No value.
    Absent,
}

impl Cell {
    /// Converts a column of a CSV file to cells. They are numbers only if all of them can be without loss; otherwise
    /// 007 would be shown as 7, and a seed of twenty digits would be rounded.
    #[must_use]
    pub fn column(name: &str, texts: &[&str]) -> Vec<Self> {
        let numeric = !NAMES.contains(&name) && texts.iter().all(|text| is_number(text));
        let cell = |text: &&str| match text.parse::<f64>() {
            _ if text.is_empty() => Self::Absent,
            Ok(number) if numeric && number.is_finite() => Self::Number(number),
            _ => Self::Text((*text).to_owned()),
        };
        texts.iter().map(cell).collect()
    }

    /// Converts a JSON value to a cell; `None` for arrays, objects and null.
    #[must_use]
    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Bool(yes) => Some(Self::Text(yes.to_string())),
            Value::Number(number) => {
                let exact = number.is_f64() || is_number(&number.to_string());
                let number = number.as_f64().filter(|_| exact);
                Some(number.map_or_else(|| Self::Text(value.to_string()), Self::Number))
            }
            Value::Array(_) | Value::Object(_) | Value::Null => None,
        }
    }

    /// Returns the number, if the cell holds one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Whole(count) => Some(*count as f64),
            _ => None,
        }
    }

    /// Whether the cell is neither a number nor absent.
    #[must_use]
    pub fn is_words(&self) -> bool {
        self.number().is_none() && *self != Self::Absent
    }

    /// Returns the value for the script of a page.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            _ => self.number().map_or_else(|| json!(self.shown()), number_value),
        }
    }

    /// Returns the displayed text, with four significant digits.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Number(number) => shown(*number),
            Self::Verdict(verdict) => verdict.words().to_owned(),
            Self::Absent => "–".to_owned(),
            Self::Text(text) => escaped(text),
            _ => self.exact(),
        }
    }

    /// Returns the text for machine-readable files: the shortest text that reads back as the same value; empty if
    /// absent.
    #[must_use]
    pub fn exact(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Whole(count) => count.to_string(),
            Self::Flag(yes) => yes.to_string(),
            Self::Text(text) => text.clone(),
            Self::Verdict(verdict) => verdict.words().replace(' ', "_"),
            Self::Absent => String::new(),
        }
    }
}

/// Serialises for CSV files, where real numbers always have a decimal point.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(*number),
            _ => serializer.serialize_str(&self.exact()),
        }
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Absent }
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Whole(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Whole(count as u64)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Flag(yes)
    }
}

impl From<Verdict> for Cell {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// Whether a text can be read as a number: it is empty, or written in the usual form of a number.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    let whole = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let number = text.parse::<f64>().ok();
    let inexact = whole && number.is_none_or(|number| number.abs() > EXACT);
    text.is_empty() || (number.is_some() && !padded && !digits.starts_with('+') && !inexact)
}

/// Returns a number for the script of a page. Integers are exact; others have seven significant digits, enough to sort
/// and draw, unless the displayed text would then differ.
#[must_use]
pub fn number_value(number: f64) -> Value {
    if is_whole(number) && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        return json!(number as i64);
    }
    let rounded: f64 = format!("{number:.6e}").parse().unwrap_or(number);
    json!(if shown(rounded) == shown(number) { rounded } else { number })
}

fn is_whole(number: f64) -> bool {
    number.trunc().total_cmp(&number).is_eq()
}

/// Formats a number for display: four significant digits; integers unchanged. The script does the same (`shown` in
/// `page.js`).
fn shown(number: f64) -> String {
    let size = number.abs();
    if is_whole(number) {
        return format!("{number:.0}");
    }
    let decimals: u8 = match size {
        _ if size >= 999.95 => 0,
        _ if size >= 99.995 => 1,
        _ if size >= 9.9995 => 2,
        _ if size >= 0.99995 => 3,
        _ if size >= 0.000_1 => 4,
        _ => return format!("{number:.2e}"),
    };
    // Round half away from zero, as scripts do; `format` alone would turn 0.03125 into 0.0312.
    let number = if is_half(number, decimals) { number * (1.0 + f64::EPSILON) } else { number };
    format!("{number:.*}", usize::from(decimals))
}

/// Whether a number is exactly halfway between two numbers with this many decimals. It is if 2 · 10^d · number is an
/// odd integer. Then 2^(d + 1) · number is an integer too, because 5^d is odd; and that product is exact.
fn is_half(number: f64, decimals: u8) -> bool {
    let scaled = number * f64::from(1_u32 << (decimals + 1));
    is_whole(scaled) && (scaled * 5_f64.powi(decimals.into())).rem_euclid(2.0) >= 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the digits themselves.
    #[test]
    fn halves_are_found() {
        let exactly = |number: f64, decimals: u8| {
            let exact = format!("{number:.*}", usize::from(decimals) + 60);
            let rest = exact[exact.len() - 60..].strip_prefix('5');
            rest.is_some_and(|rest| rest.trim_matches('0').is_empty())
        };
        let mut halves = 0;
        for step in -64_000..64_000 {
            let step = f64::from(step);
            // In 64ths, where halves are frequent, in thousandths, which are no binary fractions, and in between.
            for number in [step / 64.0, step / 2_000.0, step / 64.0 + f64::EPSILON, step / 977.0] {
                for decimals in 0..5 {
                    let half = is_half(number, decimals);
                    assert_eq!(half, exactly(number, decimals), "{number} {decimals}");
                    halves += usize::from(half);
                }
            }
        }
        assert!(halves > 1_000, "{halves}");
    }

    #[test]
    fn numbers_are_shown_with_four_digits() {
        let cases = [
            (12.0, "12"),
            (-3.0, "-3"),
            (8.876_123, "8.876"),
            (18.36, "18.36"),
            (3151.4, "3151"),
            (0.012_34, "0.0123"),
            (0.000_001_2, "1.20e-6"),
            (1e-17, "1.00e-17"),
            (12_345_678.0, "12345678"),
            // 1/32 and 1000 1/2 lie between two: scripts go away from zero.
            (0.031_25, "0.0313"),
            (-0.031_25, "-0.0313"),
            (1_000.5, "1001"),
        ];
        for (number, expected) in cases {
            assert_eq!(shown(number), expected);
        }
    }

    #[test]
    fn the_script_gets_numbers_that_it_shows_as_the_page_does() {
        assert_eq!(number_value(12_345_678.0), json!(12_345_678));
        assert_eq!(number_value(9_007_199_254_740_991.0), json!(9_007_199_254_740_991_u64));
        assert_eq!(number_value(8.876_123_456_789), json!(8.876_123));
        // With seven digits these would be shown as 12345680, 2.501 and 0.
        assert_eq!(number_value(12_345_678.4), json!(12_345_678.4));
        assert_eq!(number_value(2.500_499_99), json!(2.500_499_99));
        assert_eq!(number_value(1e-17), json!(1e-17));
    }

    #[test]
    fn a_column_is_numbers_only_where_nothing_is_lost() {
        let all = |name: &str, texts: &[&str]| Cell::column(name, texts);
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = Cell::Number;
        assert_eq!(all("x", &["1.5", "", "1e3"]), [number(1.5), Cell::Absent, number(1000.0)]);
        // What a number is not: none of these may become another text.
        for texts in [["007", "8"], ["-01", "1"], ["+5", "5"], ["18446744073709551615", "1"]] {
            assert_eq!(all("x", &texts), texts.map(text));
        }
        assert_eq!(all("x", &["1e3", "W1"]), ["1e3", "W1"].map(text));
        assert_eq!(all("workload", &["1e3", "7"]), ["1e3", "7"].map(text));
        // What is not finite is in a column of numbers all the same.
        assert_eq!(all("x", &["inf", "0", "-0.5"]), [text("inf"), number(0.0), number(-0.5)]);
        assert_eq!(all("x", &["9007199254740992"]), [number(EXACT)]);
    }

    #[test]
    fn a_value_of_json_keeps_its_type() {
        let of = |value: Value| Cell::of_json(&value);
        assert_eq!(of(json!("0012")), Some(Cell::Text("0012".into())));
        assert_eq!(of(json!("0.10")), Some(Cell::Text("0.10".into())));
        assert_eq!(of(json!(12)), Some(Cell::Number(12.0)));
        assert_eq!(of(json!(0.1)), Some(Cell::Number(0.1)));
        assert_eq!(of(json!(true)), Some(Cell::Text("true".into())));
        assert_eq!(of(json!(u64::MAX)), Some(Cell::Text("18446744073709551615".into())));
        assert_eq!((of(json!([1])), of(Value::Null)), (None, None));
    }
}
