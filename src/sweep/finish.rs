//! Writes the files of a sweep from its rows in order: `rows.csv`, `rows.parquet`, `points.csv`.

use super::SweepError;
use super::aggregate::Aggregate;
use crate::results::{Cells, ColumnType, OutputDir, ParquetTable};
use csv::StringRecord;
use std::io::{self, Write};

/// Number of rows of a Parquet file that are written at once, and so held in memory at once.
const GROUP: usize = 16_384;

/// The names and types of a table's columns.
pub(super) type TableColumns = [(String, ColumnType)];

/// A source of rows in the order of points, which can be read repeatedly.
pub(super) trait RowSource {
    /// Passes every row to `take`; the rows are the same each time.
    fn rows(&self, take: &mut dyn FnMut(&StringRecord) -> io::Result<()>)
    -> Result<(), SweepError>;
}

/// Writes all tables; returns the number of rows.
pub(super) fn write_tables(
    dir: &mut OutputDir,
    source: &dyn RowSource,
    columns: &TableColumns,
    axes: usize,
    confidence: f64,
) -> Result<u64, SweepError> {
    let mut count = 0;
    let mut failed = None;
    let csv = dir.write("rows.csv", |out| {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(columns.iter().map(|(name, _)| name))?;
        count = read(source, &mut failed, |row| Ok(out.write_record(row)?))?;
        out.flush()
    });
    settled(csv, &mut failed)?;
    let parquet = dir.write("rows.parquet", |out| {
        // The Parquet writer needs to own its output and to be able to move to any thread.
        let mut file = tempfile::tempfile()?;
        write_parquet(source, columns, &mut file, &mut failed)?;
        io::Seek::rewind(&mut file)?;
        io::copy(&mut file, out).map(drop)
    });
    settled(parquet, &mut failed)?;
    let points = dir.write("points.csv", |out| {
        let mut aggregate = Aggregate::new(out, columns, axes, confidence)?;
        read(source, &mut failed, |row| aggregate.row(row))?;
        aggregate.finish()
    });
    settled(points, &mut failed)?;
    Ok(count)
}

/// Prefers an error of the source, which says more than the failed write that it caused.
fn settled(
    written: Result<(), crate::results::OutputError>,
    failed: &mut Option<SweepError>,
) -> Result<(), SweepError> {
    match (failed.take(), written) {
        (Some(error), _) => Err(error),
        (None, written) => written.map_err(|error| SweepError::Run(error.into())),
    }
}

fn read(
    source: &dyn RowSource,
    failed: &mut Option<SweepError>,
    mut take: impl FnMut(&StringRecord) -> io::Result<()>,
) -> io::Result<u64> {
    let (mut count, mut write_error) = (0, None);
    let outcome = source.rows(&mut |row| {
        count += 1;
        take(row).map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            write_error = Some(error);
            copy
        })
    });
    match (write_error, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => {
            let text = error.to_string();
            *failed = Some(error);
            Err(io::Error::other(text))
        }
        (None, Ok(())) => Ok(count),
    }
}

fn write_parquet(
    source: &dyn RowSource,
    columns: &TableColumns,
    file: &mut std::fs::File,
    failed: &mut Option<SweepError>,
) -> io::Result<()> {
    let schema: Vec<(&str, ColumnType)> =
        columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let mut table = ParquetTable::new(file.try_clone()?, &schema)?;
    let mut group = empty(columns);
    read(source, failed, |row| {
        for (cells, text) in group.iter_mut().zip(row) {
            push(cells, text)?;
        }
        if group[0].len() == GROUP {
            table.write(&std::mem::replace(&mut group, empty(columns)))?;
        }
        Ok(())
    })?;
    table.write(&group)?;
    table.finish()?;
    file.flush()
}

fn empty(columns: &TableColumns) -> Vec<Cells> {
    let cells = |(_, kind): &(String, ColumnType)| match kind {
        ColumnType::Bool => Cells::Bool(Vec::new()),
        ColumnType::Integer => Cells::Integer(Vec::new()),
        ColumnType::Float => Cells::Float(Vec::new()),
        ColumnType::Text => Cells::Text(Vec::new()),
    };
    columns.iter().map(cells).collect()
}

/// Adds a cell; an empty one is null.
fn push(cells: &mut Cells, text: &str) -> io::Result<()> {
    fn parsed<T: std::str::FromStr>(text: &str) -> io::Result<Option<T>> {
        if text.is_empty() {
            return Ok(None);
        }
        let bad = || io::Error::other(format!("{text:?} is not of the type of its column"));
        text.parse().map(Some).map_err(|_| bad())
    }
    match cells {
        Cells::Bool(cells) => cells.push(parsed(text)?),
        Cells::Integer(cells) => cells.push(parsed(text)?),
        Cells::Float(cells) => cells.push(parsed(text)?),
        Cells::Text(cells) => cells.push((!text.is_empty()).then(|| text.to_owned())),
    }
    Ok(())
}
