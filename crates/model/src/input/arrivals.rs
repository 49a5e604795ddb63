//! A file of arrivals of any format with times on its rows.

use super::format::Format;
use super::keys::Keys;
use super::rows::{First, TimedRows};
use super::sorter::{Sorted, Sorter};
use super::table::fields_of_line;
use super::time::TimeUnit;
use super::{ImportError, Lines};
use std::path::{Path, PathBuf};

/// How a trace is read, where its first line does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceLayout {
    pub format: Option<Format>,
    /// The column (or key of a JSON object) that holds times; its number, from 1, in a file without a header.
    pub time_column: Option<String>,
    /// The column that tells services (functions, models, clients) apart.
    pub key_column: Option<String>,
    /// How times are written.
    pub unit: Option<TimeUnit>,
    /// Sort rows that are out of order, which are refused otherwise.
    pub sort: bool,
}

impl TraceLayout {
    /// The format of a file: as asked for, or as its first line tells.
    ///
    /// # Errors
    /// When the file cannot be read, or its first line tells nothing.
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
            // Whoever names a column says that there are columns. Its own column makes a format no other one.
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

/// The arrivals of a file in order of time, in seconds, with the positions of their keys.
///
/// Rows that are in order go by one after another. Where they are not ([`TraceLayout::sort`], formats that are in another
/// order), the file is read when it is opened, and what does not fit in a few megabytes is laid aside in a temporary file.
#[derive(Debug)]
pub struct ArrivalFile {
    path: PathBuf,
    format: Format,
    rows: TimedRows,
    sorted: Option<Sorted>,
    /// Time 0 in seconds of the file; that of the first arrival, if there is none yet.
    start: Option<f64>,
}

impl ArrivalFile {
    /// Opens a file; new keys are added to `keys`.
    ///
    /// # Errors
    /// When the file cannot be read, is of no known format, or of one that holds no arrivals; where it is sorted, also
    /// when a row is wrong.
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

    /// The next arrival, in seconds since the start of the trace. That is the time 0 of the file, for this program's
    /// own form and tables whose times are no dates; and the first request for all others.
    ///
    /// # Errors
    /// When a row is wrong.
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

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a reader should know of how the file was read, after its last row.
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

/// What the first line of a file shows that holds something and is no comment.
fn first_line(path: &Path) -> Result<First, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    // What was read of a pipe is gone, and the rest would look like a shorter trace.
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
