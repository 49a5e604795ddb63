//! Rates from a file.

use super::TraceError;
use super::shape::ShapeClock;
use igniter_model::input::{CsvTable, HeaderRule, ImportError};
use std::path::Path;

/// The largest rate in a file: one request in each ns.
const MOST_RPS: f64 = 1e9;

/// The latest start of a row: 300 years.
const MOST_S: f64 = 1e10;

/// The largest number of rows of a file: a rate for each second of four months.
const MOST_ROWS: usize = 10_000_000;

/// Reads a CSV file with the columns `start_s` and `rate_rps` as the clock of a process with the rate `base`. Before
/// the first row the rate is 0; the rate of the last row stays.
pub(super) fn read_rates(
    path: &Path,
    rate_scale: f64,
    base: f64,
) -> Result<ShapeClock, TraceError> {
    let failed = |error| ImportError::of_table(path, error);
    let mut table = CsvTable::open(path, HeaderRule::Header).map_err(failed)?;
    let start_column = table.column("start_s").map_err(failed)?;
    let rate_column = table.column("rate_rps").map_err(failed)?;
    let mut rows: Vec<(f64, f64)> = Vec::new();
    while table.advance().map_err(failed)? {
        let number = |column: usize, most: f64| {
            let number = table.number(column);
            number.filter(|n| (0.0..=most).contains(n)).ok_or_else(|| TraceError::BadRate {
                path: path.to_owned(),
                line: table.line(),
                column: table.columns()[column].clone(),
                given: table.field(column).to_owned(),
                most,
            })
        };
        let (start, rate) = (number(start_column, MOST_S)?, number(rate_column, MOST_RPS)?);
        if let Some(&(previous, _)) = rows.last()
            && start <= previous
        {
            return Err(TraceError::OutOfOrder {
                path: path.to_owned(),
                line: table.line(),
                column: "start_s".to_owned(),
                given: table.field(start_column).to_owned(),
                previous,
            });
        }
        if rows.len() == MOST_ROWS {
            let what = format!("the file has more than {MOST_ROWS} rates; take longer steps");
            return Err(failed(table.wrong(what)).into());
        }
        rows.push((start, rate));
    }
    if rows.is_empty() {
        return Err(failed(table.wrong("there is no rate below the header; add a row")).into());
    }
    let mut segments = Vec::with_capacity(rows.len() + 1);
    if let Some(&(first, _)) = rows.first() {
        segments.push((first * 1e9, 0.0, 0.0));
    }
    for (i, &(start, rate)) in rows.iter().enumerate() {
        let end = rows.get(i + 1).map_or(f64::INFINITY, |&(next, _)| next);
        let factor = rate * rate_scale / base;
        segments.push(((end - start) * 1e9, factor, factor));
    }
    Ok(ShapeClock::of(&segments, false))
}
