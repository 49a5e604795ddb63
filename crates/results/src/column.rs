//! One table, one definition: columns with a name, a unit, the digits that people see, and where a cell comes from.
//!
//! Every surface picks its columns by name: files, the terminal, Markdown, LaTeX and pages.

use crate::{Cell, ColumnType, markdown_escape, short, trimmed};
use std::fmt::Write as _;
use std::io;

/// How people see a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// About three significant digits.
    Three,
    /// At most two decimals, without trailing zeros.
    UpToTwo,
    /// Two decimals.
    Two,
}

/// One column of a table with a row for each `R`.
#[derive(Debug)]
pub struct Column<R> {
    /// Its name in files.
    pub key: &'static str,
    /// Its name in tables for people; in lower case, unless it is an abbreviation.
    pub name: &'static str,
    /// Its unit; empty for none.
    pub unit: &'static str,
    /// Its head on a terminal.
    pub short: &'static str,
    /// What it holds.
    pub kind: ColumnType,
    /// How people see its numbers.
    pub digits: Digits,
    /// The cell of a row.
    pub of: fn(&R) -> Cell,
}

impl<R> Clone for Column<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Column<R> {}

impl<R> Column<R> {
    /// A column of real numbers, of which people see about three digits.
    #[must_use]
    pub const fn real(
        key: &'static str,
        (name, unit): (&'static str, &'static str),
        short: &'static str,
        of: fn(&R) -> Cell,
    ) -> Self {
        Self { key, name, unit, short, kind: ColumnType::Float, digits: Digits::Three, of }
    }

    /// A column of counts.
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

    /// A column of words.
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

    /// The same with other digits.
    #[must_use]
    pub const fn with(self, digits: Digits) -> Self {
        Self { digits, ..self }
    }

    /// Its head in a page: the name with the unit.
    #[must_use]
    pub fn title(&self) -> String {
        if self.unit.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} ({})", self.name, self.unit)
        }
    }

    /// Its head in a report: as [`Column::title`], with a capital, and the unit as in a paper.
    #[must_use]
    pub fn heading(&self) -> String {
        let title = self.title().replace("(req/s)", "(1/s)");
        let mut letters = title.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    }

    /// The cell of a row as people see it; a dash where there is none.
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

/// Columns by their keys, in that order. `key: name` gives one another name.
///
/// # Panics
/// When there is no column of that key.
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

/// A table in Markdown: words to the left, numbers to the right.
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

/// A table in CSV, with every digit.
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
