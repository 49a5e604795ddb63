//! A table that can be sorted and filtered.

use super::html::Html;
use serde_json::{Value, json};

/// Rows that a page shows before its script has run, and without scripts.
const STATIC_ROWS: usize = 100;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// Any text.
    Text(String),
    /// Nothing.
    Absent,
}

impl Cell {
    /// What a CSV file holds: a number where the text is one and finite.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number(number),
            _ if text.is_empty() => Self::Absent,
            _ => Self::Text(text.to_owned()),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Number(number) => number_value(*number),
            Self::Text(text) => json!(text),
            Self::Absent => Value::Null,
        }
    }

    /// As people read it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Number(number) => shown(*number),
            Self::Text(text) => text.clone(),
            Self::Absent => "–".to_owned(),
        }
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Absent }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Absent, Self::from)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Rows of cells below a head, with what they show.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows; the explorer lists it under this name.
    pub title: String,
    /// The names of its columns, with units.
    pub columns: Vec<String>,
    /// Its rows, each with one cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What is missing, in words.
    pub note: Option<String>,
}

impl Table {
    /// Whether all that stands in a column is numbers.
    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column));
        cells().any(|cell| matches!(cell, Cell::Number(_)))
            && cells().all(|cell| !matches!(cell, Cell::Text(_)))
    }

    pub(super) fn write(&self, id: &str, html: &mut Html) {
        html.raw("<div class=\"table\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
        html.text(&self.title).raw("\"><table id=\"").text(id).raw("\"><caption>");
        html.text(&self.title).raw("</caption><thead><tr>");
        let numeric: Vec<bool> = (0..self.columns.len()).map(|c| self.is_numeric(c)).collect();
        for (column, numeric) in self.columns.iter().zip(&numeric) {
            html.raw(if *numeric {
                "<th scope=\"col\" class=\"n\">"
            } else {
                "<th scope=\"col\">"
            });
            html.text(column).raw("</th>");
        }
        html.raw("</tr></thead><tbody>\n");
        for row in self.rows.iter().take(STATIC_ROWS) {
            html.raw("<tr>");
            for (cell, numeric) in row.iter().zip(&numeric) {
                html.raw(if *numeric { "<td class=\"n\">" } else { "<td>" });
                html.text(&cell.shown()).raw("</td>");
            }
            html.raw("</tr>\n");
        }
        html.raw("</tbody></table></div>");
        if self.rows.len() > STATIC_ROWS {
            html.raw("<noscript><p>Without scripts the first rows alone are shown.</p></noscript>");
        }
        if let Some(note) = &self.note {
            html.raw("<p class=\"note\">").text(note).raw("</p>");
        }
        html.raw("</div>\n");
    }

    pub(super) fn value(&self, id: &str) -> Value {
        let numeric: Vec<bool> = (0..self.columns.len()).map(|c| self.is_numeric(c)).collect();
        let row = |row: &Vec<Cell>| Value::Array(row.iter().map(Cell::value).collect());
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({
            "id": id, "title": self.title, "columns": self.columns, "numeric": numeric, "rows": rows,
        })
    }
}

/// A number with at most seven significant digits: enough to sort and to draw.
pub(super) fn number_value(number: f64) -> Value {
    let rounded: f64 = format!("{number:.6e}").parse().unwrap_or(number);
    if rounded.fract().abs() < f64::EPSILON && rounded.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "below 2^53 and whole")]
        return json!(rounded as i64);
    }
    json!(rounded)
}

/// A number as people read it: four significant digits, whole numbers as they are. The script does the
/// same (`shown` in `page.js`).
fn shown(number: f64) -> String {
    let size = number.abs();
    if number.fract().abs() < f64::EPSILON && size < 1e15 {
        return format!("{number:.0}");
    }
    let decimals = match size {
        _ if size >= 999.95 => 0,
        _ if size >= 99.995 => 1,
        _ if size >= 9.9995 => 2,
        _ if size >= 0.99995 => 3,
        _ if size >= 0.000_1 => 4,
        _ => return format!("{number:.2e}"),
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        for (number, expected) in cases {
            assert_eq!(shown(number), expected);
        }
    }

    #[test]
    fn cells_are_what_their_text_is() {
        let cells = ["1.5", "inf", "", "W1", "1e3"].map(Cell::parse);
        let expected = [
            Cell::Number(1.5),
            Cell::Text("inf".into()),
            Cell::Absent,
            Cell::Text("W1".into()),
            Cell::Number(1000.0),
        ];
        assert_eq!(cells, expected);
        let table = Table {
            title: "t".into(),
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec![Cell::Number(1.0), Cell::Absent], vec![Cell::Absent, "x".into()]],
            note: None,
        };
        assert_eq!((table.is_numeric(0), table.is_numeric(1)), (true, false));
    }
}
