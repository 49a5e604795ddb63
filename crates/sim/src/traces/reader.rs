//! A trace of any format, read as it goes by.

use super::{Format, ImportError, TraceStream, counts, servegen};
use igniter_model::input::{self, ArrivalFile, Keys, Sorted, Sorter};
use igniter_model::units::Nanoseconds;
use std::path::{Path, PathBuf};

/// How a trace is read, and how arrivals are drawn where it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceReading {
    /// How the file is read.
    pub file: input::TraceLayout,
    /// For formats without arrival times: the coefficient of variation of the gaps that are drawn; without
    /// one, the file's own (ServeGen), or 1.
    pub cv: Option<f64>,
    /// What counts or rates without arrival times are multiplied by, before arrivals are drawn.
    pub rate_scale: f64,
    /// The seed of what is drawn.
    pub seed: u64,
}

impl Default for TraceReading {
    fn default() -> Self {
        Self { file: input::TraceLayout::default(), cv: None, rate_scale: 1.0, seed: 1 }
    }
}

/// No more arrivals are drawn from one file.
const MOST_DRAWN: f64 = 1e9;

/// Refuses to draw more than anybody waits for.
pub(super) fn check_drawn(path: &Path, requests: f64) -> Result<(), ImportError> {
    if requests <= MOST_DRAWN {
        return Ok(());
    }
    Err(ImportError::TooMany { path: path.to_owned(), requests, most: MOST_DRAWN })
}

/// The arrivals of a trace file. Its times start at the first request (or at the first bin, or at 0 where the format
/// has times since a start).
///
/// Rows that are in order of time go by one after another. Where they are not ([`input::TraceLayout::sort`], Azure
/// Functions), or where arrivals are drawn (ServeGen), the file is read when it is opened, and what does not fit in a
/// few megabytes is laid aside in a temporary file.
#[derive(Debug)]
pub struct TraceReader {
    path: PathBuf,
    format: Format,
    keys: Keys,
    arrivals: ReaderArrivals,
    /// How long the file says that it is.
    length: Nanoseconds,
    last: Option<Nanoseconds>,
}

#[derive(Debug)]
enum ReaderArrivals {
    File(Box<ArrivalFile>),
    /// Drawn ones, and where they start, in seconds.
    Drawn(Sorted, f64),
}

impl TraceReader {
    /// Opens a trace.
    ///
    /// # Errors
    /// When the file cannot be read or is of no known format; for formats that are not in order, also when a row is
    /// wrong.
    pub fn open(path: &Path, reading: &TraceReading) -> Result<Self, ImportError> {
        let format = reading.file.format_of(path)?;
        let mut keys = Keys::default();
        let (arrivals, length) = if format.is_drawn() {
            let mut sorter = Sorter::new();
            let (start, length) = if format == Format::ServeGen {
                servegen::read_windows(path, reading, &mut keys, &mut sorter)?
            } else {
                (0.0, counts::read_minutes(path, reading, &mut keys, &mut sorter)?)
            };
            let sorted = sorter.finish().map_err(ImportError::Unsorted)?;
            (ReaderArrivals::Drawn(sorted, start), length)
        } else {
            let file = ArrivalFile::open(path, &reading.file, &mut keys)?;
            (ReaderArrivals::File(Box::new(file)), 0.0)
        };
        let length = Nanoseconds::from_f64(length * 1e9);
        Ok(Self { path: path.to_owned(), format, keys, arrivals, length, last: None })
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
            ReaderArrivals::File(file) => file.next(&mut self.keys)?,
            ReaderArrivals::Drawn(sorted, start) => {
                let next = sorted.next().map_err(ImportError::Unsorted)?;
                next.map(|(time, key)| (time - *start, key))
            }
        };
        let Some((seconds, key)) = next else {
            return match self.last {
                None => Err(ImportError::Empty { path: self.path.clone() }),
                Some(_) => Ok(None),
            };
        };
        let time = Nanoseconds::from_f64((seconds * 1e9).max(0.0));
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

    fn notes(&self) -> Vec<String> {
        match &self.arrivals {
            ReaderArrivals::File(file) => file.notes(),
            ReaderArrivals::Drawn(..) => Vec::new(),
        }
    }
}
