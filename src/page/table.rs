//! A table that can be sorted and filtered.

use super::Cell;
use super::html::Html;
use serde_json::{Value, json};

/// Number of rows that a page shows before its script has run, and without scripts.
const STATIC_ROWS: usize = 100;

/// A table with a title, a header and rows of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct SortableTable {
    /// The title, under which the explorer lists it.
    pub title: String,
    /// The column names, with units.
    pub columns: Vec<String>,
    /// The rows, each with one cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// A note about missing rows.
    pub note: Option<String>,
}

impl SortableTable {
    /// Returns whether a column holds only numbers.
    #[must_use]
    pub fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column));
        cells().any(|cell| cell.number().is_some()) && !cells().any(Cell::is_words)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_numeric_where_all_that_stands_in_it_is_numbers() {
        let table = SortableTable {
            title: "t".into(),
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec![Cell::Number(1.0), Cell::Absent], vec![Cell::Absent, "x".into()]],
            note: None,
        };
        assert_eq!((table.is_numeric(0), table.is_numeric(1)), (true, false));
    }
}
