//! CSV with a header, read row by row; every error names file, line and column.

use super::ProfileError;
use std::path::Path;

/// The rows of a CSV text whose header is checked against the columns that a table has.
pub(super) struct CsvRows<'a> {
    path: &'a Path,
    /// Each known column that the file has, with its position there.
    columns: Vec<(&'static str, usize)>,
    records: Vec<csv::StringRecord>,
}

/// One row; fields are asked for by column name.
pub(super) struct Row<'a> {
    table: &'a CsvRows<'a>,
    record: &'a csv::StringRecord,
}

impl<'a> CsvRows<'a> {
    /// Parses the text. Columns may come in any order; an unknown or doubled one is an error, and so is
    /// a missing one that is not optional.
    pub(super) fn parse(
        path: &'a Path,
        text: &str,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, ProfileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| csv_error(path, &e))?.clone();
        let known = [required, optional].concat().join(",");
        let mut columns = Vec::new();
        for &column in required.iter().chain(optional) {
            match header.iter().position(|name| name == column) {
                Some(position) => columns.push((column, position)),
                None if optional.contains(&column) => {}
                None => {
                    return Err(ProfileError::line(
                        path,
                        1,
                        format!("no column {column:?}; the columns are: {known}"),
                    ));
                }
            }
        }
        let is_known = |position: usize| columns.iter().any(|(_, p)| *p == position);
        if let Some((_, extra)) = header.iter().enumerate().find(|(i, _)| !is_known(*i)) {
            return Err(ProfileError::line(
                path,
                1,
                format!("unknown or doubled column {extra:?}; the columns are: {known}"),
            ));
        }
        let records =
            reader.records().collect::<Result<Vec<_>, _>>().map_err(|e| csv_error(path, &e))?;
        if records.is_empty() {
            return Err(ProfileError::file(path, "holds no rows; a table needs at least one"));
        }
        Ok(Self { path, columns, records })
    }

    pub(super) fn rows(&'a self) -> impl Iterator<Item = Row<'a>> {
        self.records.iter().map(move |record| Row { table: self, record })
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> ProfileError {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    ProfileError::line(path, line, message)
}

impl Row<'_> {
    /// The line that the row begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// An error about one column of this row.
    pub(super) fn error(&self, column: &str, message: impl std::fmt::Display) -> ProfileError {
        ProfileError::line(
            self.table.path,
            self.line(),
            format!("{column} = {:?}: {message}", self.text(column)),
        )
    }

    /// The text of a field; empty where the file lacks an optional column.
    pub(super) fn text(&self, column: &str) -> &str {
        let position = self.table.columns.iter().find(|(name, _)| *name == column);
        position.map_or("", |(_, position)| &self.record[*position])
    }

    /// A field that its type parses from text.
    pub(super) fn parse<T: std::str::FromStr>(
        &self,
        column: &str,
        wanted: &str,
    ) -> Result<T, ProfileError> {
        self.text(column).parse().map_err(|_| self.error(column, format!("must be {wanted}")))
    }

    /// A number that its unit accepts.
    pub(super) fn quantity<T>(&self, column: &str) -> Result<T, ProfileError>
    where
        T: TryFrom<f64>,
        T::Error: std::fmt::Display,
    {
        let number: f64 = self.parse(column, "a number")?;
        T::try_from(number).map_err(|e| self.error(column, e))
    }

    /// As [`Row::quantity`], or `None` where the field is empty.
    pub(super) fn optional<T>(&self, column: &str) -> Result<Option<T>, ProfileError>
    where
        T: TryFrom<f64>,
        T::Error: std::fmt::Display,
    {
        if self.text(column).is_empty() { Ok(None) } else { self.quantity(column).map(Some) }
    }

    /// A number in a closed range.
    pub(super) fn number_in(&self, column: &str, low: f64, high: f64) -> Result<f64, ProfileError> {
        let number: f64 = self.parse(column, "a number")?;
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(self.error(column, format!("must be from {low} to {high}")))
        }
    }
}
