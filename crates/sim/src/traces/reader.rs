//! A reader of traces of any format, which reads as arrivals are requested.

use super::{Format, ImportError, TraceStream, counts, servegen};
use igniter_model::input::{self, ArrivalFile, Keys, Sorted, Sorter};
use igniter_model::units::Nanoseconds;
use std::path::{Path, PathBuf};

/// How a trace is read, and how arrivals are drawn where it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceReading {
    /// How the file is read.
    pub file: input::TraceLayout,
    /// For formats without arrival times: the coefficient of variation of the gaps that are drawn. `None` for that of
    /// the file (ServeGen), or 1.
    pub cv: Option<f64>,
    /// The factor of counts or rates without arrival times, applied before arrivals are drawn.
    pub rate_scale: f64,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for TraceReading {
    fn default() -> Self {
        Self { file: input::TraceLayout::default(), cv: None, rate_scale: 1.0, seed: 1 }
    }
}

/// The largest number of arrivals that are drawn from one file.
const MOST_DRAWN: f64 = 1e9;

/// Returns an error if drawing that many arrivals would take too long.
pub(super) fn check_drawn(path: &Path, requests: f64) -> Result<(), ImportError> {
    if requests <= MOST_DRAWN {
        return Ok(());
    }
    Err(ImportError::TooMany { path: path.to_owned(), requests, most: MOST_DRAWN })
}

/// The arrivals of a trace file. Times start at the first request (or at the first bin, or at 0 if the format has times
/// since a start).
///
/// Rows that are in order of time are read one after another. If they are not in order ([`input::TraceLayout::sort`],
/// Azure Functions), or if arrivals are drawn (ServeGen), the file is read when it is opened, and data beyond a few
/// megabytes is stored in a temporary file.
#[derive(Debug)]
pub struct TraceReader {
    path: PathBuf,
    format: Format,
    keys: Keys,
    arrivals: ReaderArrivals,
    /// The length of the trace according to the file.
    length: Nanoseconds,
    last: Option<Nanoseconds>,
}

#[derive(Debug)]
enum ReaderArrivals {
    File(Box<ArrivalFile>),
    /// Drawn arrivals, and the time at which they start, in seconds.
    Drawn(Sorted, f64),
}

impl TraceReader {
    /// Opens a trace.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is of no known format; for formats that are not in order, also if a row is
    /// invalid.
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

    /// Returns the format of the file.
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
