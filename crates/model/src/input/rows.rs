//! Traces with a time on each row, read row by row.

use super::format::{Format, FormatShape};
use super::keys::{Keys, MOST_KEYS};
use super::table::{CsvTable, HeaderRule, TableError};
use super::time::{MOST_S, TimeReader, TimeUnit};
use super::{ImportError, Lines, TraceLayout};
use std::path::{Path, PathBuf};

/// The rows of a file with their times in seconds.
#[derive(Debug)]
pub(super) struct TimedRows {
    path: PathBuf,
    source: RowText,
    shape: FormatShape,
    format: Format,
    clock: Option<TimeReader>,
    unit: TimeUnit,
    /// Whether rows may go back in time.
    any_order: bool,
    /// The time of the previous row; for gaps, their sum.
    previous: f64,
    /// The parts of the key of a row, joined.
    joined: String,
    /// The key of the previous row, and its index.
    recent: Option<(String, u32)>,
    /// The numbers of rows that are not arrivals, and of rows without a time.
    pub(super) others: u64,
    pub(super) timeless: u64,
    /// Whether there was a value that is implausible in the unit of the format.
    pub(super) fractions: bool,
}

/// The notation of rows.
#[derive(Debug)]
enum RowText {
    Table {
        table: Box<CsvTable<'static>>,
        columns: RowColumns,
    },
    /// One JSON object per line.
    Json {
        lines: Lines<'static>,
        time: String,
        keys: Vec<String>,
    },
    /// One number per line: a time, or a gap.
    Numbers {
        lines: Lines<'static>,
        gaps: bool,
    },
}

/// The indexes of the columns of a table.
#[derive(Debug)]
struct RowColumns {
    time: usize,
    minus: Option<usize>,
    keys: Vec<usize>,
    only: Option<usize>,
}

/// The key of all rows of a file without keys.
const ALL: &str = "all";

/// The content of a row.
enum RowContent {
    Time(f64),
    Other,
    Timeless,
}

impl TimedRows {
    /// Opens the rows of a format that has rows. `first` holds the fields of the first line, or its keys if it is JSON.
    pub(super) fn open(
        path: &Path,
        format: Format,
        first: &First,
        reading: &TraceLayout,
    ) -> Result<Self, ImportError> {
        let mut shape = format.shape(&first.fields);
        let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
        let source = if format.is_numbers() {
            let lines = Lines::of_path(path).map_err(unreadable)?;
            RowText::Numbers { lines, gaps: format == Format::Intervals }
        } else if first.json {
            let time = reading.time_column.clone().unwrap_or_else(|| first.spelt(shape.time));
            if time.is_empty() {
                return Err(no_time(path, first));
            }
            let keys = match &reading.key_column {
                Some(key) => vec![key.clone()],
                None => shape.keys.iter().map(|key| (*key).to_owned()).collect(),
            };
            RowText::Json { lines: Lines::of_path(path).map_err(unreadable)?, time, keys }
        } else {
            table(path, &shape, first, reading)?
        };
        if let (RowText::Table { columns, .. }, Some(_)) = (&source, &reading.time_column) {
            // The duration belongs to the format's own time column, which is not used here.
            if columns.minus.is_none() {
                shape.minus = None;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            source,
            unit: reading.unit.unwrap_or(shape.unit),
            shape,
            format,
            clock: None,
            any_order: false,
            previous: f64::NEG_INFINITY,
            joined: String::new(),
            recent: None,
            others: 0,
            timeless: 0,
            fractions: false,
        })
    }

    /// Allows rows to go back in time, which are otherwise rejected.
    pub(super) fn in_any_order(self) -> Self {
        Self { any_order: true, ..self }
    }

    /// Returns whether files of the format are not ordered by time.
    pub(super) fn is_unsorted(&self) -> bool {
        self.shape.unsorted
    }

    /// Returns how times are read; known after the first time.
    pub(super) fn clock(&self) -> Option<TimeReader> {
        self.clock
    }

    /// Returns whether time 0 is that of the file; known after the first time.
    pub(super) fn is_from_zero(&self) -> bool {
        let numbers = self.clock.is_some_and(|clock| !clock.unix && clock.unit != TimeUnit::Date);
        self.shape.from_zero && numbers
    }

    /// Returns the line of the current row.
    fn line(&self) -> u64 {
        match &self.source {
            RowText::Table { table, .. } => table.line(),
            RowText::Json { lines, .. } | RowText::Numbers { lines, .. } => lines.number(),
        }
    }

    fn wrong(&self, what: impl Into<String>) -> ImportError {
        ImportError::Row { path: self.path.clone(), line: self.line(), what: what.into() }
    }

    /// Reads the next arrival: its time in seconds and the index of its key.
    pub(super) fn next(&mut self, keys: &mut Keys) -> Result<Option<(f64, u32)>, ImportError> {
        loop {
            let Some(found) = self.found()? else { return Ok(None) };
            let time = match found {
                RowContent::Other => {
                    self.others += 1;
                    continue;
                }
                RowContent::Timeless => {
                    self.timeless += 1;
                    continue;
                }
                RowContent::Time(time) => time,
            };
            if time.abs() > MOST_S {
                let what = format!(
                    "the time {time:e} s is beyond 300 years; name the unit with --unit (s, ms, us, ns)"
                );
                return Err(self.wrong(what));
            }
            if time < 0.0 && self.is_from_zero() {
                return Err(self.wrong(format!("the time must be 0 or more, not {time} s")));
            }
            if time < self.previous && !self.any_order {
                let (path, line, back_s) = (self.path.clone(), self.line(), self.previous - time);
                let gaps = self.format == Format::Timestamps;
                return Err(ImportError::OutOfOrder { path, line, back_s, gaps });
            }
            self.previous = time;
            return Ok(Some((time, self.key(keys)?)));
        }
    }

    /// Reads the next row, and leaves its key in `joined`.
    fn found(&mut self) -> Result<Option<RowContent>, ImportError> {
        let path = &self.path;
        let row = |line, what: String| ImportError::Row { path: path.clone(), line, what };
        self.joined.clear();
        match &mut self.source {
            RowText::Numbers { lines, gaps } => {
                let Some((line, number)) = next_line(lines, path)? else { return Ok(None) };
                let number = number.trim();
                // Numbers in a file without delimiters may have a decimal comma.
                let found = settle(&mut self.clock, self.unit, number, true);
                let Some(seconds) = found else {
                    return Err(row(line, format!("{number:?} is no finite number")));
                };
                if !*gaps {
                    return Ok(Some(RowContent::Time(seconds)));
                }
                if seconds < 0.0 {
                    return Err(row(line, format!("a gap must be 0 or more, not {number}")));
                }
                let sum = self.previous.max(0.0) + seconds;
                Ok(Some(RowContent::Time(sum)))
            }
            RowText::Json { lines, time, keys } => {
                let Some((line, text)) = next_line(lines, path)? else { return Ok(None) };
                let object: serde_json::Value = serde_json::from_str(text)
                    .map_err(|error| row(line, format!("not a JSON object: {error}")))?;
                let word = |name: &str| match object.get(name) {
                    None | Some(serde_json::Value::Null) => None,
                    Some(serde_json::Value::String(word)) => Some(word.clone()),
                    Some(other) => Some(other.to_string()),
                };
                if let Some((column, words)) = self.shape.only
                    && !word(column).is_some_and(|word| words.contains(&word.as_str()))
                {
                    return Ok(Some(RowContent::Other));
                }
                for (i, key) in keys.iter().enumerate() {
                    if i > 0 {
                        self.joined.push('/');
                    }
                    self.joined.push_str(&word(key).unwrap_or_default());
                }
                let given = word(time).unwrap_or_default();
                if self.shape.no_time.contains(&given.as_str()) {
                    return Ok(Some(RowContent::Timeless));
                }
                self.fractions |= self.format == Format::Mooncake && given.contains('.');
                let found = settle(&mut self.clock, self.unit, &given, false);
                let seconds = found.ok_or_else(|| {
                    row(line, format!("the object has no number or date {time:?}"))
                })?;
                Ok(Some(RowContent::Time(seconds)))
            }
            RowText::Table { table, columns } => {
                let failed = |error| ImportError::of_table(path, error);
                if !table.advance().map_err(failed)? {
                    return Ok(None);
                }
                if let (Some(only), Some((_, words))) = (columns.only, self.shape.only)
                    && !words.contains(&table.field(only))
                {
                    return Ok(Some(RowContent::Other));
                }
                for (i, key) in columns.keys.iter().enumerate() {
                    if i > 0 {
                        self.joined.push('/');
                    }
                    self.joined.push_str(table.field(*key));
                }
                let given = table.field(columns.time);
                if self.shape.no_time.contains(&given) {
                    return Ok(Some(RowContent::Timeless));
                }
                let comma = table.delimiter() != b',';
                let found = settle(&mut self.clock, self.unit, given, comma);
                let Some(seconds) = found else {
                    let what = match self.clock.map_or(self.unit, |clock| clock.unit) {
                        TimeUnit::Date => {
                            format!("{given:?} is no date and time; write 2023-11-16 18:17:03.25")
                        }
                        TimeUnit::Auto => format!(
                            "{given:?} is neither a finite number nor a date and time such as \
                             2023-11-16 18:17:03.25"
                        ),
                        _ => format!("{given:?} is no finite number"),
                    };
                    return Err(failed(table.wrong(what)));
                };
                let Some(minus) = columns.minus else {
                    return Ok(Some(RowContent::Time(seconds)));
                };
                let given = table.field(minus);
                let less = self.clock.and_then(|_| super::time::number(given, comma));
                let less = less
                    .map(|less| less * self.unit.seconds())
                    .ok_or_else(|| failed(table.wrong(format!("{given:?} is no finite number"))))?;
                Ok(Some(RowContent::Time(seconds - less)))
            }
        }
    }

    /// Returns the index of the key of the current row.
    fn key(&mut self, keys: &mut Keys) -> Result<u32, ImportError> {
        let has_keys = match &self.source {
            RowText::Table { columns, .. } => !columns.keys.is_empty(),
            RowText::Json { keys, .. } => !keys.is_empty(),
            RowText::Numbers { .. } => false,
        };
        let name = if has_keys { self.joined.as_str() } else { ALL };
        if let Some((recent, position)) = &self.recent
            && recent == name
        {
            return Ok(*position);
        }
        if name.contains(['\n', '\r']) {
            let what = "the key holds a line break; perhaps a quote above is not closed";
            return Err(self.wrong(what));
        }
        let position = keys.position(name);
        if keys.too_many() {
            let what = format!(
                "there are more than {MOST_KEYS} keys; name a column that tells services apart, not \
                 requests, with --key-column"
            );
            return Err(self.wrong(what));
        }
        self.recent = Some((name.to_owned(), position));
        Ok(position)
    }
}

/// Reads a time in seconds; the first time determines how all others are read.
fn settle(clock: &mut Option<TimeReader>, unit: TimeUnit, text: &str, comma: bool) -> Option<f64> {
    let clock = match clock {
        Some(clock) => *clock,
        None => {
            let found = TimeReader::of(text, unit, comma)?;
            // An invalid first value determines nothing.
            found.seconds(text)?;
            *clock.insert(found)
        }
    };
    clock.seconds(text)
}

/// Reads the next line that is neither empty nor a comment, with its number.
fn next_line<'l>(
    lines: &'l mut Lines<'static>,
    path: &Path,
) -> Result<Option<(u64, &'l str)>, ImportError> {
    loop {
        let number = lines.number() + 1;
        match lines.next_line() {
            Ok(None) => return Ok(None),
            Ok(Some(line)) if line.trim().is_empty() || line.starts_with('#') => {}
            Ok(Some(_)) => break,
            Err(error) => {
                let (path, what) = (path.to_owned(), error.to_string());
                return Err(ImportError::Row { path, line: number, what });
            }
        }
    }
    Ok(Some((lines.number(), lines.line())))
}

/// Opens a table and finds its columns.
fn table(
    path: &Path,
    shape: &FormatShape,
    first: &First,
    reading: &TraceLayout,
) -> Result<RowText, ImportError> {
    let failed = |error: TableError| ImportError::of_table(path, error);
    let given = reading.time_column.as_deref();
    // Columns of files without a header are named by their numbers, from 1.
    let number =
        |name: &str| name.parse::<usize>().ok().filter(|n| (1..=first.fields.len()).contains(n));
    let by_number = given.is_some_and(|name| {
        number(name).is_some() && !first.fields.iter().any(|field| field == name)
    });
    // Only the name of the time column is checked: other names, such as `user`, may also occur in a row of values.
    let named = shape.names.len() == first.fields.len() && !first.names_a_column(&[shape.time]);
    let layout = if by_number || named { HeaderRule::NoHeader } else { HeaderRule::Header };
    let table = CsvTable::open(path, layout).map_err(failed)?;
    let column = |name: &str| -> Result<usize, ImportError> {
        if named && let Some(position) = shape.names.iter().position(|known| *known == name) {
            return Ok(position);
        }
        if by_number || named {
            return number(name).map(|n| n - 1).ok_or_else(|| {
                let fields = first.fields.len();
                let what = format!(
                    "{name:?} is no column: the file has no header, so write 1 to {fields}"
                );
                ImportError::Row { path: path.to_owned(), line: 1, what }
            });
        }
        table.column(name).map_err(failed)
    };
    let time = match given {
        Some(name) => column(name)?,
        None if shape.time.is_empty() => return Err(no_time(path, first)),
        None => column(&first.spelt(shape.time))?,
    };
    let keys = match &reading.key_column {
        Some(name) => vec![column(name)?],
        // A table may lack some of these columns.
        None => shape.keys.iter().filter_map(|name| column(name).ok()).collect(),
    };
    let minus = shape.minus.filter(|_| given.is_none()).map(column).transpose()?;
    let only = shape.only.map(|(name, _)| column(name)).transpose()?;
    Ok(RowText::Table { table: Box::new(table), columns: RowColumns { time, minus, keys, only } })
}

fn no_time(path: &Path, first: &First) -> ImportError {
    ImportError::NoTimeColumn { path: path.to_owned(), columns: first.listed() }
}

/// The content of the first line of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct First {
    /// The fields; for a JSON object, its keys.
    pub(super) fields: Vec<String>,
    pub(super) json: bool,
    /// The text of the line, for a message.
    pub(super) text: String,
}

impl First {
    /// Returns a name as the file spells it: the same letters, possibly in another case.
    fn spelt(&self, name: &str) -> String {
        let exact = self.fields.iter().find(|field| *field == name);
        let alike = || self.fields.iter().find(|field| field.eq_ignore_ascii_case(name));
        exact.or_else(alike).map_or_else(|| name.to_owned(), Clone::clone)
    }

    fn names_a_column(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.fields.iter().any(|field| field == name))
    }

    fn listed(&self) -> String {
        let fields = self.fields.iter().take(40).map(|field| format!("{field:?}"));
        fields.collect::<Vec<_>>().join(", ")
    }
}
