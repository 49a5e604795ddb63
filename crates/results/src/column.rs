//! Column definitions, one per table column: name, unit, displayed digits, and the function that returns a cell.
//!
//! Every output picks its columns by name: files, the terminal, Markdown, LaTeX and pages.

use crate::{Cell, ColumnType, markdown_escape, short, trimmed};
use std::fmt::Write as _;
use std::io;

/// Displayed precision of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// About three significant digits.
    Three,
    /// At most two decimals, without trailing zeros.
    UpToTwo,
    /// Two decimals.
    Two,
}

/// One column of a table; each row is an `R`.
#[derive(Debug)]
pub struct Column<R> {
    /// Name in files.
    pub key: &'static str,
    /// Name in tables for people; in lower case, unless it is an abbreviation.
    pub name: &'static str,
    /// Unit; empty for none.
    pub unit: &'static str,
    /// Heading on a terminal.
    pub short: &'static str,
    /// Type of the values.
    pub kind: ColumnType,
    /// Displayed precision of numbers.
    pub digits: Digits,
    /// Function that returns the cell of a row.
    pub of: fn(&R) -> Cell,
}

impl<R> Clone for Column<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Column<R> {}

impl<R> Column<R> {
    /// Creates a column of real numbers, displayed with about three digits.
    #[must_use]
    pub const fn real(
        key: &'static str,
        (name, unit): (&'static str, &'static str),
        short: &'static str,
        of: fn(&R) -> Cell,
    ) -> Self {
        Self { key, name, unit, short, kind: ColumnType::Float, digits: Digits::Three, of }
    }

    /// Creates a column of counts.
    #[must_use]
    pub const fn whole(
        key: &'static str,
        name: &'static str,
        short: &'static str,
        of: fn(&R) -> Cell,
    ) -> Self {
        let (kind, digits) = (ColumnType::Integer, Digits::Three);
        Self { key, name, unit: "", short, kind, digits, of }
    }

    /// Creates a column of text.
    #[must_use]
    pub const fn text(
        key: &'static str,
        name: &'static str,
        short: &'static str,
        of: fn(&R) -> Cell,
    ) -> Self {
        let (kind, digits) = (ColumnType::Text, Digits::Three);
        Self { key, name, unit: "", short, kind, digits, of }
    }

    /// Sets the displayed precision.
    #[must_use]
    pub const fn with(self, digits: Digits) -> Self {
        Self { digits, ..self }
    }

    /// Returns the heading in a page: the name with the unit.
    #[must_use]
    pub fn title(&self) -> String {
        if self.unit.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} ({})", self.name, self.unit)
        }
    }

    /// Returns the heading in a report: like [`Column::title`], but capitalised, and with the unit written as in a
    /// paper.
    #[must_use]
    pub fn heading(&self) -> String {
        let title = self.title().replace("(req/s)", "(1/s)");
        let mut letters = title.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    }

    /// Returns the displayed text of a row's cell; a dash if it is absent.
    #[must_use]
    pub fn shown(&self, row: &R) -> String {
        match (self.of)(row) {
            Cell::Number(number) => match self.digits {
                Digits::Three => short(number),
                Digits::UpToTwo => trimmed(number),
                Digits::Two => format!("{number:.2}"),
            },
            cell => cell.shown(),
        }
    }
}

/// Selects columns by their keys, in that order. `key: name` gives a column another name.
///
/// # Panics
/// When no column has one of the keys.
#[must_use]
pub fn pick<R>(all: &[Column<R>], keys: &[&'static str]) -> Vec<Column<R>> {
    let one = |wanted: &&'static str| {
        let (key, name) = wanted.split_once(": ").unwrap_or((*wanted, ""));
        let column = all.iter().find(|column| column.key == key);
        let column = *column.unwrap_or_else(|| panic!("there is no column {key}"));
        if name.is_empty() { column } else { Column { name, ..column } }
    };
    keys.iter().map(one).collect()
}

/// Returns a Markdown table: text is left-aligned, numbers right-aligned.
#[must_use]
pub fn markdown_table<'r, R: 'r>(
    columns: &[Column<R>],
    left: usize,
    rows: impl IntoIterator<Item = &'r R>,
) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = |i| if i < left { "---" } else { "---:" };
    let rule: Vec<&str> = (0..columns.len()).map(rule).collect();
    let mut text = line(columns.iter().map(Column::heading).collect());
    let _ = writeln!(text, "|{}|", rule.join("|"));
    for row in rows {
        let cell = |column: &Column<R>| match (column.of)(row) {
            Cell::Verdict(verdict) if verdict.is_miss() => format!("**{}**", verdict.words()),
            _ => markdown_escape(&column.shown(row)),
        };
        text += &line(columns.iter().map(cell).collect());
    }
    text
}

/// Writes a CSV table, with numbers in full precision.
///
/// # Errors
/// When it cannot be written.
pub fn write_csv<'r, R: 'r>(
    out: &mut (impl io::Write + ?Sized),
    columns: &[Column<R>],
    rows: impl IntoIterator<Item = &'r R>,
) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record(columns.iter().map(|column| column.key))?;
    for row in rows {
        out.serialize(columns.iter().map(|column| (column.of)(row)).collect::<Vec<_>>())?;
    }
    out.flush()
}
