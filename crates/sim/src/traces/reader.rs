//! A trace of any format, read as it goes by.

use super::format::{Format, Reading};
use super::keys::Keys;
use super::rows::{Columns, Rows, Unit};
use super::sorter::{Sorted, Sorter};
use super::source::Source;
use super::{ImportError, TraceStream, counts, servegen};
use igniter_model::units::Nanoseconds;
use std::path::{Path, PathBuf};

/// The arrivals of a trace file. Its times start at the first request (or at the first bin, or at 0 where the format
/// has times since a start).
///
/// Rows that are in order of time go by one after another. Where they are not ([`Reading::sort`], Azure Functions),
/// or where arrivals are drawn (ServeGen), the file is read when it is opened, and what does not fit in a few
/// megabytes is laid aside in a temporary file.
#[derive(Debug)]
pub struct TraceReader {
    path: PathBuf,
    format: Format,
    keys: Keys,
    arrivals: Arrivals,
    /// Time 0 in seconds of the file; that of the first arrival, if there is none yet.
    start: Option<f64>,
    /// How long the file says that it is.
    length: Nanoseconds,
    last: Option<Nanoseconds>,
}

#[derive(Debug)]
enum Arrivals {
    Rows(Box<Rows>),
    Sorted(Sorted),
}

impl TraceReader {
    /// Opens a trace.
    ///
    /// # Errors
    /// When the file cannot be read or is of no known format; for formats that are not in order, also when a row is
    /// wrong.
    pub fn open(path: &Path, reading: &Reading) -> Result<Self, ImportError> {
        let format = reading.format.map_or_else(|| Format::of_file(path), Ok)?;
        let mut file = Source::open(path)?;
        let mut keys = Keys::default();
        let (mut start, mut length) = (None, 0.0);
        let columns = |time, unit| Columns { time, unit, minus: None, key: None };
        let rows = match format {
            Format::Igniter => {
                start = Some(0.0);
                let columns = columns("arrival_s", Unit::Seconds);
                Rows::csv(file, &Columns { key: Some("workload"), ..columns })?
            }
            Format::AzureFunctions2021 => {
                let (minus, key) = (Some("duration"), Some("func"));
                let columns = columns("end_timestamp", Unit::Seconds);
                Rows::csv(file, &Columns { minus, key, ..columns })?
            }
            Format::AzureLlm => Rows::csv(file, &columns("TIMESTAMP", Unit::DateTime))?,
            Format::Mooncake => Rows::json(file, "timestamp", 1e-3),
            Format::Timestamps => Rows::numbers(file),
            Format::AzureFunctions2019 | Format::ServeGen => {
                let mut sorter = Sorter::new();
                if format == Format::ServeGen {
                    let found = servegen::read_windows(&mut file, reading, &mut keys, &mut sorter)?;
                    (start, length) = (Some(found.0), found.1);
                } else {
                    start = Some(0.0);
                    length = counts::read_minutes(&mut file, reading, &mut keys, &mut sorter)?;
                }
                let arrivals = Arrivals::Sorted(sorter.finish().map_err(ImportError::Unsorted)?);
                return Ok(Self::of(path, format, keys, arrivals, start, length));
            }
        };
        let arrivals = if reading.sort || format == Format::AzureFunctions2021 {
            let (mut rows, mut sorter) = (rows.in_any_order(), Sorter::new());
            while let Some((time, key)) = rows.next(&mut keys)? {
                sorter.push(time, key).map_err(ImportError::Unsorted)?;
            }
            Arrivals::Sorted(sorter.finish().map_err(ImportError::Unsorted)?)
        } else {
            Arrivals::Rows(Box::new(rows))
        };
        Ok(Self::of(path, format, keys, arrivals, start, length))
    }

    fn of(
        path: &Path,
        format: Format,
        keys: Keys,
        arrivals: Arrivals,
        start: Option<f64>,
        length: f64,
    ) -> Self {
        let length = Nanoseconds::from_f64(length * 1e9);
        Self { path: path.to_owned(), format, keys, arrivals, start, length, last: None }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }
}

impl TraceStream for TraceReader {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        let next = match &mut self.arrivals {
            Arrivals::Rows(rows) => rows.next(&mut self.keys)?,
            Arrivals::Sorted(sorted) => sorted.next().map_err(ImportError::Unsorted)?,
        };
        let Some((seconds, key)) = next else {
            return match self.last {
                None => Err(ImportError::Empty { path: self.path.clone() }),
                Some(_) => Ok(None),
            };
        };
        let start = *self.start.get_or_insert(seconds);
        let time = Nanoseconds::from_f64(((seconds - start) * 1e9).max(0.0));
        self.last = Some(time);
        Ok(Some((time, key)))
    }

    fn keys(&self) -> &[String] {
        self.keys.names()
    }

    fn length(&self) -> Nanoseconds {
        let past =
            self.last.map_or(Nanoseconds::ZERO, |last| last.saturating_add(Nanoseconds::new(1)));
        past.max(self.length)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
