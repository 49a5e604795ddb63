//! Rates from a file.

use super::lines::split_row;
use super::shape::Clock;
use super::{Lines, TraceError};
use std::fs::File;
use std::path::Path;

/// No rate of a file may be higher: a request in each ns.
const MOST_RPS: f64 = 1e9;

/// No row may start later: 300 years.
const MOST_S: f64 = 1e10;

/// Reads a CSV file with the columns `start_s` and `rate_rps` as the clock of a process with the rate
/// `base`: before the first row the rate is 0, and that of the last row stays.
pub(super) fn read_rates(path: &Path, rate_scale: f64, base: f64) -> Result<Clock, TraceError> {
    let unreadable = |source| TraceError::Unreadable { path: path.to_owned(), source };
    let mut lines = Lines::of_file(File::open(path).map_err(unreadable)?).map_err(unreadable)?;
    let header = lines.next_line().map_err(unreadable)?.unwrap_or_default().to_owned();
    let mut names = Vec::new();
    split_row(&header, &mut names);
    let find = |column: &str| {
        names.iter().position(|name| name == column).ok_or_else(|| TraceError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            found: 0,
            header: header.clone(),
        })
    };
    let (start_column, rate_column) = (find("start_s")?, find("rate_rps")?);
    let mut rows: Vec<(f64, f64)> = Vec::new();
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_line().map_err(unreadable)? else { break };
        if text.trim().is_empty() {
            continue;
        }
        let mut fields = Vec::new();
        let whole = split_row(text, &mut fields).filter(|()| fields.len() == names.len());
        whole.ok_or_else(|| TraceError::Malformed {
            path: path.to_owned(),
            line,
            what: format!("it should have {} fields, as the header has", names.len()),
        })?;
        let number = |column: usize, most: f64| {
            let number = fields[column].parse().ok();
            number.filter(|n: &f64| (0.0..=most).contains(n)).ok_or_else(|| TraceError::BadRate {
                path: path.to_owned(),
                line,
                column: names[column].to_string(),
                given: fields[column].to_string(),
                most,
            })
        };
        let (start, rate) = (number(start_column, MOST_S)?, number(rate_column, MOST_RPS)?);
        if let Some(&(previous, _)) = rows.last()
            && start <= previous
        {
            return Err(TraceError::OutOfOrder {
                path: path.to_owned(),
                line,
                column: "start_s".to_owned(),
                given: fields[start_column].to_string(),
                previous,
            });
        }
        rows.push((start, rate));
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
    Ok(Clock::of(&segments, false))
}
