//! Traces with the number of requests in each bin of time.

use super::reader::{TraceReading, check_drawn};
use super::{ImportError, rescale};
use crate::arrivals::{ArrivalProcess, Stream};
use igniter_model::input::{CsvTable, HeaderRule, Keys, Sorter};
use std::path::Path;

/// Seconds in a bin of Azure Functions 2019.
const BIN: f64 = 60.0;

/// The columns that identify a function: its name is unique only within its app.
const IDENTITY: [&str; 3] = ["HashOwner", "HashApp", "HashFunction"];

/// Reads a row for each function with counts in the columns `1`, `2`, …. Returns the length of the trace in seconds.
///
/// The file does not state when in its minute a request arrived. In each minute with requests, gamma gaps are drawn
/// with the mean rate of that minute (times a scale) and the given coefficient of variation, as AlpaServe does for its
/// trace "MAF1". Functions without any request are left out.
///
/// A row holds the whole day of its function, so arrivals are in order of time only after all rows were read.
pub(super) fn read_minutes(
    path: &Path,
    reading: &TraceReading,
    keys: &mut Keys,
    arrivals: &mut Sorter,
) -> Result<f64, ImportError> {
    let failed = |error| ImportError::of_table(path, error);
    let mut table = CsvTable::open(path, HeaderRule::Header).map_err(failed)?;
    let names = match &reading.file.key_column {
        Some(column) => vec![table.column(column).map_err(failed)?],
        None => {
            table.column("HashFunction").map_err(failed)?;
            IDENTITY.iter().filter_map(|name| table.column(name).ok()).collect()
        }
    };
    let bins: Vec<usize> =
        (1..).map_while(|minute: u32| table.column(&minute.to_string()).ok()).collect();
    let mut random: Stream = rescale::random(reading.seed, "counts");
    let (mut total, mut counts) = (0.0, Vec::with_capacity(bins.len()));
    while table.advance().map_err(failed)? {
        counts.clear();
        for (minute, &bin) in bins.iter().enumerate() {
            let count: Result<u32, _> = table.field(bin).parse();
            counts.push(count.map_err(|_| {
                let given = table.field(bin);
                failed(table.wrong(format!("minute {}: {given:?} is no whole number", minute + 1)))
            })?);
        }
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let name: Vec<&str> = names.iter().map(|column| table.field(*column)).collect();
        let key = keys.position(&name.join("/"));
        if keys.too_many() {
            return Err(failed(table.wrong("there are too many functions")));
        }
        let mut start = 0.0;
        for count in &counts {
            let rate = f64::from(*count) / BIN * reading.rate_scale;
            total += rate * BIN;
            check_drawn(path, total)?;
            let cv = reading.cv.unwrap_or(1.0);
            if let Some(mut drawn) = rescale::draw(rate, cv, BIN, &mut random) {
                while let Some(time) = drawn.next_arrival() {
                    arrivals.push(start + time.as_seconds(), key).map_err(ImportError::Unsorted)?;
                }
            }
            start += BIN;
        }
    }
    Ok(bins.iter().map(|_| BIN).sum())
}
