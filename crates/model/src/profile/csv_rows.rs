//! CSV tables with known columns; every error names file, line and column.

use super::ProfileError;
use crate::input::{CsvTable, HeaderRule, TableError, number};
use std::path::Path;

/// The rows of a CSV text whose header has been checked against the expected columns.
pub(super) struct CsvRows<'a> {
    path: &'a Path,
    /// Each known column of the file, with its position.
    columns: Vec<(&'static str, usize)>,
    /// Each row, with its line.
    records: Vec<(u64, csv::StringRecord)>,
    /// Whether numbers may have a decimal comma.
    decimal_comma: bool,
}

/// One row; fields are accessed by column name.
pub(super) struct CsvRow<'a> {
    table: &'a CsvRows<'a>,
    line: u64,
    record: &'a csv::StringRecord,
}

impl<'a> CsvRows<'a> {
    /// Parses the text. Columns may be in any order. An unknown or duplicate column is an error, as is a missing
    /// required one. A column without a name holds row numbers and is ignored.
    pub(super) fn parse(
        path: &'a Path,
        text: &str,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, ProfileError> {
        let failed = |error| match error {
            TableError::Io(source) => ProfileError::io(path, source),
            TableError::Row { line, what } => ProfileError::line(path, line, what),
        };
        let mut table = CsvTable::new(text.as_bytes(), HeaderRule::Header).map_err(failed)?;
        let header = table.columns();
        let known = [required, optional].concat().join(",");
        let wrong = |message| Err(ProfileError::line(path, table.header_line(), message));
        let mut columns = Vec::new();
        for &column in required.iter().chain(optional) {
            match header.iter().position(|name| name == column) {
                Some(position) => columns.push((column, position)),
                None if optional.contains(&column) => {}
                None => return wrong(format!("no column {column:?}; the columns are: {known}")),
            }
        }
        let is_known = |position: usize| columns.iter().any(|(_, p)| *p == position);
        let mut others = header.iter().enumerate().filter(|(i, _)| !is_known(*i));
        if let Some((_, extra)) = others.find(|(_, name)| !name.is_empty()) {
            return wrong(format!("unknown or doubled column {extra:?}; the columns are: {known}"));
        }
        let decimal_comma = table.delimiter() != b',';
        let mut records = Vec::new();
        while table.advance().map_err(failed)? {
            records.push((table.line(), table.record().clone()));
        }
        if records.is_empty() {
            return Err(ProfileError::file(path, "holds no rows; a table needs at least one"));
        }
        Ok(Self { path, columns, records, decimal_comma })
    }

    /// Returns the columns that the header of a table names; none where the text is not a table.
    pub(super) fn names(text: &str) -> Vec<String> {
        let table = CsvTable::new(text.as_bytes(), HeaderRule::Header);
        table.map_or_else(|_| Vec::new(), |table| table.columns().to_vec())
    }

    /// Returns the text of a field of a row, with the lifetime of the table.
    pub(super) fn text_of<'t>(&'t self, row: &CsvRow<'t>, column: &str) -> &'t str {
        let position = self.columns.iter().find(|(name, _)| *name == column);
        position.map_or("", |(_, position)| &row.record[*position])
    }

    pub(super) fn rows(&'a self) -> impl Iterator<Item = CsvRow<'a>> {
        self.records.iter().map(move |(line, record)| CsvRow { table: self, line: *line, record })
    }
}

impl CsvRow<'_> {
    /// Returns the line on which the row begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Returns an error about one column of this row.
    pub(super) fn error(&self, column: &str, message: impl std::fmt::Display) -> ProfileError {
        ProfileError::line(
            self.table.path,
            self.line,
            format!("{column} = {:?}: {message}", self.text(column)),
        )
    }

    /// Returns the text of a field; empty where the file lacks an optional column.
    pub(super) fn text(&self, column: &str) -> &str {
        let position = self.table.columns.iter().find(|(name, _)| *name == column);
        position.map_or("", |(_, position)| &self.record[*position])
    }

    /// Reads a whole number. Programs that store numbers as floats write 4.0 for 4.
    pub(super) fn whole<T: std::str::FromStr>(
        &self,
        column: &str,
        wanted: &str,
    ) -> Result<T, ProfileError> {
        let text = self.text(column);
        let whole = text.strip_suffix(".0").unwrap_or(text);
        whole.parse().map_err(|_| self.error(column, format!("must be {wanted}")))
    }

    /// Reads a finite number.
    fn number(&self, column: &str) -> Result<f64, ProfileError> {
        number(self.text(column), self.table.decimal_comma)
            .ok_or_else(|| self.error(column, "must be a finite number"))
    }

    /// Reads a number in the range of its unit.
    pub(super) fn quantity<T>(&self, column: &str) -> Result<T, ProfileError>
    where
        T: TryFrom<f64>,
        T::Error: std::fmt::Display,
    {
        T::try_from(self.number(column)?).map_err(|e| self.error(column, e))
    }

    /// Does the same as [`CsvRow::quantity`], but returns `None` where the field is empty.
    pub(super) fn optional<T>(&self, column: &str) -> Result<Option<T>, ProfileError>
    where
        T: TryFrom<f64>,
        T::Error: std::fmt::Display,
    {
        if self.text(column).is_empty() { Ok(None) } else { self.quantity(column).map(Some) }
    }

    /// Reads a number in a closed range.
    pub(super) fn number_in(&self, column: &str, low: f64, high: f64) -> Result<f64, ProfileError> {
        let number = self.number(column)?;
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(self.error(column, format!("must be from {low} to {high}")))
        }
    }

    /// Does the same as [`CsvRow::number_in`], but returns `None` where the field is empty.
    pub(super) fn optional_in(
        &self,
        column: &str,
        low: f64,
        high: f64,
    ) -> Result<Option<f64>, ProfileError> {
        if self.text(column).is_empty() {
            Ok(None)
        } else {
            self.number_in(column, low, high).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 2] = ["a", "b"];

    fn read(text: &str) -> Result<Vec<(u64, u32, f64)>, String> {
        let table = CsvRows::parse(Path::new("t.csv"), text, &COLUMNS, &["c"]);
        let table = table.map_err(|error| error.to_string())?;
        let read = |row: CsvRow<'_>| Ok((row.line(), row.whole("a", "whole")?, row.quantity("b")?));
        let rows: Result<_, ProfileError> = table.rows().map(read).collect();
        rows.map_err(|error| error.to_string())
    }

    #[test]
    fn every_dialect_is_read_and_lines_are_those_of_the_file() {
        for text in [
            "a,b\n\n# by hand\n1,0.5\n\n2,1e3\n",
            "\u{feff}\"a\";\"b\"\r\n\r\n\r\n1;0,5\r\n\r\n2;1e3\r\n",
            "a\tb\n\n\n1.0\t0.5\n\n2.0\t1000\n",
            ",b,a\n\n\n0,0.5,1\n\n1,1000,2\n",
        ] {
            assert_eq!(read(text).unwrap(), [(4, 1, 0.5), (6, 2, 1000.0)], "{text:?}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, words) in [
            ("", "t.csv:1: no column \"a\"; the columns are: a,b,c"),
            ("# one\n\na,c\n1,2\n", "t.csv:3: no column \"b\""),
            ("a,b,b\n1,2,3\n", "t.csv:1: unknown or doubled column \"b\""),
            ("a,b\n1,2\n\n1,2,3\n", "t.csv:4: it has 3 fields, not 2"),
            ("a,b\n\n\n1\n", "t.csv:4: it has 1 fields, not 2"),
            ("a,b\n\n1,2\n\nx,2\n", "t.csv:5: a = \"x\": must be whole"),
            ("a,b\n1,nan\n", "t.csv:2: b = \"nan\": must be a finite number"),
            ("a,b\n", "t.csv: holds no rows"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.starts_with(words), "{text:?}: {message}");
        }
    }
}
