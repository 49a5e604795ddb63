//! Files of arrivals, in any format with times on its rows.

use super::format::Format;
use super::keys::Keys;
use super::rows::{First, TimedRows};
use super::sorter::{Sorted, Sorter};
use super::table::fields_of_line;
use super::time::TimeUnit;
use super::{ImportError, Lines};
use std::path::{Path, PathBuf};

/// Options for reading a trace, where its first line is not enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceLayout {
    pub format: Option<Format>,
    /// The column (or key of a JSON object) that holds times; a column number, from 1, in a file without a header.
    pub time_column: Option<String>,
    /// The column that distinguishes services (functions, models, clients).
    pub key_column: Option<String>,
    /// The unit or notation of times.
    pub unit: Option<TimeUnit>,
    /// Whether to sort rows that are out of order; otherwise they are rejected.
    pub sort: bool,
}

impl TraceLayout {
    /// Returns the format of a file: the one in this layout, or else the one that its first line shows.
    ///
    /// # Errors
    /// When the file cannot be read, or its first line does not show a known format.
    pub fn format_of(&self, path: &Path) -> Result<Format, ImportError> {
        Ok(self.looked(path)?.0)
    }

    fn looked(&self, path: &Path) -> Result<(Format, First), ImportError> {
        let first = first_line(path)?;
        let shown = || {
            Format::of_names(&first.fields, first.json)
                .or_else(|| (!first.json).then(|| Format::of_values(&first.fields)).flatten())
        };
        let found = match (self.format, &self.time_column) {
            (Some(format), _) => Some(format),
            // A named time column means that the file has columns. The name agrees with a known format only if it is
            // that format's own time column; any other name makes the file a plain table.
            (None, Some(column)) => {
                let own = |format: &Format| format.shape(&first.fields).time == column;
                shown().filter(own).or(Some(Format::Table))
            }
            (None, None) => shown(),
        };
        let format = found.ok_or_else(|| ImportError::UnknownFormat {
            path: path.to_owned(),
            first: first.text.chars().take(80).collect(),
            known: Format::words(),
        })?;
        Ok((format, first))
    }
}

/// The arrivals of a file in order of time, in seconds, with the indexes of their keys.
///
/// Rows that are in order are streamed. Where they are not ([`TraceLayout::sort`], or formats with another order), the
/// whole file is read on opening, and arrivals beyond a few megabytes are moved to a temporary file.
#[derive(Debug)]
pub struct ArrivalFile {
    path: PathBuf,
    format: Format,
    rows: TimedRows,
    sorted: Option<Sorted>,
    /// Time 0 in seconds of the file; `None` until the first arrival has been read.
    start: Option<f64>,
}

impl ArrivalFile {
    /// Opens a file; new keys are added to `keys`.
    ///
    /// # Errors
    /// When the file cannot be read, or is of an unknown format or of one without arrivals; where it is sorted, also
    /// when a row is invalid.
    pub fn open(path: &Path, reading: &TraceLayout, keys: &mut Keys) -> Result<Self, ImportError> {
        let (format, first) = reading.looked(path)?;
        if format.is_drawn() {
            let (path, format) = (path.to_owned(), format.word());
            return Err(ImportError::NotReplayed { path, format });
        }
        let mut rows = TimedRows::open(path, format, &first, reading)?;
        let mut sorted = None;
        if reading.sort || rows.is_unsorted() {
            rows = rows.in_any_order();
            let mut sorter = Sorter::new();
            while let Some((time, key)) = rows.next(keys)? {
                sorter.push(time, key).map_err(ImportError::Unsorted)?;
            }
            sorted = Some(sorter.finish().map_err(ImportError::Unsorted)?);
        }
        Ok(Self { path: path.to_owned(), format, rows, sorted, start: None })
    }

    /// Returns the next arrival, in seconds since the start of the trace. The start is time 0 of the file for this
    /// program's own format and for tables whose times are not dates, and the first request for all others.
    ///
    /// # Errors
    /// When a row is invalid.
    #[inline]
    pub fn next(&mut self, keys: &mut Keys) -> Result<Option<(f64, u32)>, ImportError> {
        let next = match &mut self.sorted {
            None => self.rows.next(keys)?,
            Some(sorted) => sorted.next().map_err(ImportError::Unsorted)?,
        };
        let Some((seconds, key)) = next else { return Ok(None) };
        let start = match self.start {
            Some(start) => start,
            None => {
                let from_zero = self.rows.is_from_zero() || self.format == Format::Intervals;
                *self.start.insert(if from_zero { 0.0 } else { seconds })
            }
        };
        Ok(Some((seconds - start, key)))
    }

    /// Returns the format of the file.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns notes on how the file was read; complete after its last row.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(clock) = self.rows.clock().filter(|clock| clock.guessed) {
            let unit = clock.unit.word();
            notes.push(format!(
                "times are taken for Unix time in {unit}, by the size of the first one; --unit names another unit"
            ));
        }
        if self.rows.clock().is_some_and(|clock| clock.unix && clock.unit == TimeUnit::Seconds)
            && self.format == Format::Igniter
        {
            notes.push(
                "arrival_s looks like Unix time; the trace starts with its first request"
                    .to_owned(),
            );
        }
        if self.rows.timeless > 0 {
            notes.push(format!(
                "{} rows without a time in the trace are left out",
                self.rows.timeless
            ));
        }
        if self.rows.others > 0 {
            notes.push(format!("{} rows that are no arrivals are left out", self.rows.others));
        }
        if self.rows.fractions {
            notes.push(
                "times of this format are whole milliseconds, and some here are not; if they are seconds, \
                 say --unit s"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Reads the first line that is neither empty nor a comment.
fn first_line(path: &Path) -> Result<First, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    // Bytes read from a pipe are gone, so the rest would look like a shorter trace.
    let data = std::fs::metadata(path).map_err(unreadable)?;
    if !data.is_file() && !data.is_dir() {
        return Err(unreadable(std::io::Error::other(
            "it is a pipe or a device, and a trace is read more than once; save it in a file first",
        )));
    }
    let mut lines = Lines::of_path(path).map_err(unreadable)?;
    loop {
        let line = lines.next_line().map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => {
                let (path, what) = (path.to_owned(), error.to_string());
                ImportError::Row { path, line: 1, what }
            }
            _ => unreadable(error),
        })?;
        let Some(line) = line else { return Ok(First::default()) };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.to_ascii_lowercase().starts_with("sep=") {
            continue;
        }
        if line.starts_with('[') {
            let what = "it is a JSON array; write one object on each line (pandas: orient=\"records\", lines=True)";
            return Err(ImportError::Row {
                path: path.to_owned(),
                line: lines.number(),
                what: what.to_owned(),
            });
        }
        let json = line.starts_with('{');
        let fields = if json {
            let object: Result<serde_json::Map<String, serde_json::Value>, _> =
                serde_json::from_str(line);
            object.map(|object| object.keys().cloned().collect()).unwrap_or_default()
        } else {
            fields_of_line(line)
        };
        return Ok(First { fields, json, text: line.to_owned() });
    }
}
