//! Which formats there are, and how the first line tells them apart.

use super::rows::{Columns, Unit, read_csv, read_json_lines};
use super::{Collector, ImportError, Trace, counts, servegen};
use crate::workload::{Lines, split_row};
use std::fs::File;
use std::path::Path;

/// A trace format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// This program's own: `arrival_s`, and perhaps `workload`.
    Igniter,
    /// Azure Functions 2019: requests per minute, a row for each function.
    AzureFunctions2019,
    /// Azure Functions 2021: a row for each invocation with its end and its duration.
    AzureFunctions2021,
    /// Azure LLM inference 2023 and 2024: a row for each request with date and time.
    AzureLlm,
    /// Mooncake: a JSON object on each line, with a time in milliseconds.
    Mooncake,
    /// ServeGen: rate and burstiness of a client in windows of ten minutes.
    ServeGen,
    /// A time in seconds on each line, and nothing else.
    Timestamps,
}

impl Format {
    /// Every format with the word that names it.
    pub const ALL: [(&'static str, Self); 7] = [
        ("igniter", Self::Igniter),
        ("azure-functions-2019", Self::AzureFunctions2019),
        ("azure-functions-2021", Self::AzureFunctions2021),
        ("azure-llm", Self::AzureLlm),
        ("mooncake", Self::Mooncake),
        ("servegen", Self::ServeGen),
        ("timestamps", Self::Timestamps),
    ];

    /// The word that names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, format)| *format == self);
        found.map_or("", |(word, _)| word)
    }

    /// The format that a first line tells.
    fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('{') {
            return Some(Self::Mooncake);
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let has = |name: &str| fields.contains(&name);
        if has("arrival_s") {
            Some(Self::Igniter)
        } else if has("HashFunction") && has("1") {
            Some(Self::AzureFunctions2019)
        } else if has("end_timestamp") && has("duration") {
            Some(Self::AzureFunctions2021)
        } else if has("TIMESTAMP") {
            Some(Self::AzureLlm)
        } else if fields.len() == 6 && fields[0].parse::<f64>().is_ok() {
            Some(Self::ServeGen)
        } else if fields.len() == 1 && fields[0].parse::<f64>().is_ok() {
            Some(Self::Timestamps)
        } else {
            None
        }
    }
}

/// How to read a trace.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Its format, where the first line shall not tell.
    pub format: Option<Format>,
    /// Sort rows that are out of order, which are refused otherwise. (Azure Functions 2021 is in order of ends, so that its
    /// arrivals are always sorted.)
    pub sort: bool,
    /// For formats without arrival times: the coefficient of variation of the gaps that are drawn; without
    /// one, the file's own (ServeGen), or 1.
    pub cv: Option<f64>,
    /// What counts or rates without arrival times are multiplied by, before arrivals are drawn.
    pub rate_scale: f64,
    /// The seed of what is drawn.
    pub seed: u64,
}

/// Reads a trace. Its times start at the first request (or at the first bin, or at 0 where the format
/// has times since a start).
///
/// # Errors
/// When the file cannot be read, is of no known format, or has a row that is wrong.
pub fn read(path: &Path, reading: &Reading) -> Result<(Format, Trace), ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    let open = || Lines::of_file(File::open(path)?);
    let format = if let Some(format) = reading.format {
        format
    } else {
        let mut lines = open().map_err(unreadable)?;
        let first = lines.next_line().map_err(unreadable)?.unwrap_or_default();
        Format::of_line(first).ok_or_else(|| ImportError::UnknownFormat {
            path: path.to_owned(),
            first: first.chars().take(80).collect(),
            known: Format::ALL.map(|(word, _)| word).join(", "),
        })?
    };
    let mut lines = open().map_err(unreadable)?;
    let mut file = Source { path, lines: &mut lines };
    let trace = match format {
        Format::Igniter => {
            let columns = Columns {
                time: "arrival_s",
                unit: Unit::Seconds,
                minus: None,
                key: Some("workload"),
            };
            read_csv(&mut file, &columns, reading.sort)?.finish(0.0, None)
        }
        Format::AzureFunctions2021 => {
            let columns = Columns {
                time: "end_timestamp",
                unit: Unit::Seconds,
                minus: Some("duration"),
                key: Some("func"),
            };
            from_first(read_csv(&mut file, &columns, true)?)
        }
        Format::AzureLlm => {
            let columns =
                Columns { time: "TIMESTAMP", unit: Unit::DateTime, minus: None, key: None };
            from_first(read_csv(&mut file, &columns, reading.sort)?)
        }
        Format::Mooncake => {
            from_first(read_json_lines(&mut file, "timestamp", 1e-3, reading.sort)?)
        }
        Format::Timestamps => from_first(super::rows::read_numbers(&mut file, reading.sort)?),
        Format::AzureFunctions2019 => counts::read_minutes(&mut file, reading)?,
        Format::ServeGen => servegen::read_windows(&mut file, reading)?,
    };
    if trace.arrivals.is_empty() {
        return Err(ImportError::Empty { path: path.to_owned() });
    }
    Ok((format, trace))
}

fn from_first(collector: Collector) -> Trace {
    let times = collector.arrivals.iter().map(|(time, _)| *time);
    let first = times.fold(f64::INFINITY, f64::min);
    collector.finish(if first.is_finite() { first } else { 0.0 }, None)
}

/// An open file with its name.
#[derive(Debug)]
pub(super) struct Source<'s, 'r> {
    pub(super) path: &'s Path,
    pub(super) lines: &'s mut Lines<'r>,
}

impl Source<'_, '_> {
    /// Something is wrong with a line.
    pub(super) fn wrong(&self, line: u64, what: impl Into<String>) -> ImportError {
        ImportError::Row { path: self.path.to_owned(), line, what: what.into() }
    }

    /// The next line that holds something.
    pub(super) fn next_line(&mut self) -> Result<Option<(u64, String)>, ImportError> {
        loop {
            let number = self.lines.number() + 1;
            match self.lines.next_line() {
                Ok(None) => return Ok(None),
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => return Ok(Some((number, line.to_owned()))),
                Err(error) => return Err(self.wrong(number, error.to_string())),
            }
        }
    }

    /// The fields of a row, of which there must be so many.
    pub(super) fn fields(
        &self,
        line: &str,
        number: u64,
        count: usize,
    ) -> Result<Vec<String>, ImportError> {
        let mut fields = Vec::new();
        split_row(line, &mut fields).ok_or_else(|| self.wrong(number, "a quote is not closed"))?;
        if fields.len() != count {
            let what = format!("it has {} fields, not {count}", fields.len());
            return Err(self.wrong(number, what));
        }
        Ok(fields.into_iter().map(std::borrow::Cow::into_owned).collect())
    }
}
