//! Traces with a time on each row, read one row after another.

use super::ImportError;
use super::keys::Keys;
use super::source::Source;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Where a CSV file holds what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) time: &'static str,
    pub(super) unit: Unit,
    /// What is subtracted from the time: an end less its duration is an arrival.
    pub(super) minus: Option<&'static str>,
    /// Rows of which column belong together; a file without it has one key.
    pub(super) key: Option<&'static str>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    /// Date and time, with or without an offset from UTC.
    DateTime,
}

/// The rows of a file with their times in seconds.
#[derive(Debug)]
pub(super) struct Rows {
    file: Source,
    layout: Layout,
    /// Whether rows may go back in time.
    any_order: bool,
    previous: f64,
}

/// How a row is written.
#[derive(Debug)]
enum Layout {
    /// Fields with commas between: how many, and which of them are what.
    Csv { count: usize, time: usize, unit: Unit, minus: Option<usize>, key: Option<usize> },
    /// A JSON object with a time in so many seconds.
    Json { time: &'static str, unit_s: f64 },
    /// A number of seconds and nothing else.
    Number,
}

/// The key of all rows of a file without keys.
const ALL: &str = "all";

impl Rows {
    /// The rows of a CSV file with a header.
    pub(super) fn csv(mut file: Source, columns: &Columns) -> Result<Self, ImportError> {
        if file.next_line()?.is_none() {
            let what = format!("there is no header with the column {}", columns.time);
            return Err(file.wrong(1, what));
        }
        let names: Vec<&str> = file.line().split(',').map(str::trim).collect();
        let find = |name: &str| names.iter().position(|found| *found == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                let what = format!("there is no column {name}; the file has: {}", names.join(", "));
                file.wrong(1, what)
            })
        };
        let layout = Layout::Csv {
            count: names.len(),
            time: need(columns.time)?,
            unit: columns.unit,
            minus: columns.minus.map(need).transpose()?,
            key: columns.key.and_then(find),
        };
        Ok(Self::new(file, layout))
    }

    /// The rows of a file with a JSON object on each line, with times in so many seconds.
    pub(super) fn json(file: Source, time: &'static str, unit_s: f64) -> Self {
        Self::new(file, Layout::Json { time, unit_s })
    }

    /// The rows of a file with a number of seconds on each line.
    pub(super) fn numbers(file: Source) -> Self {
        Self::new(file, Layout::Number)
    }

    fn new(file: Source, layout: Layout) -> Self {
        Self { file, layout, any_order: false, previous: f64::NEG_INFINITY }
    }

    /// Lets rows go back in time, which are refused otherwise.
    pub(super) fn in_any_order(self) -> Self {
        Self { any_order: true, ..self }
    }

    /// The next arrival, in seconds, and the position of its key.
    pub(super) fn next(&mut self, keys: &mut Keys) -> Result<Option<(f64, u32)>, ImportError> {
        let Some(line) = self.file.next_line()? else { return Ok(None) };
        let file = &self.file;
        let (time, key) = match self.layout {
            Layout::Csv { count, time, unit, minus, key } => {
                let fields = file.fields(line, count)?;
                let seconds = match unit {
                    Unit::Seconds => file.number(&fields[time], line)?,
                    Unit::DateTime => date_time(&fields[time]).ok_or_else(|| {
                        file.wrong(line, format!("{:?} is no date and time", fields[time]))
                    })?,
                };
                let less = minus.map_or(Ok(0.0), |minus| file.number(&fields[minus], line))?;
                (seconds - less, keys.position(key.map_or(ALL, |key| &fields[key])))
            }
            Layout::Json { time, unit_s } => {
                let object: serde_json::Value = serde_json::from_str(file.line())
                    .map_err(|error| file.wrong(line, format!("not a JSON object: {error}")))?;
                let value = object.get(time).and_then(serde_json::Value::as_f64);
                let value = value.ok_or_else(|| {
                    file.wrong(line, format!("the object has no number {time:?}"))
                })?;
                (value * unit_s, keys.position(ALL))
            }
            Layout::Number => (file.number(file.line().trim(), line)?, keys.position(ALL)),
        };
        if time < self.previous && !self.any_order {
            let (path, back_s) = (file.path().to_owned(), self.previous - time);
            return Err(ImportError::OutOfOrder { path, line, back_s });
        }
        self.previous = time;
        Ok(Some((time, key)))
    }
}

/// Seconds since 2020.
fn date_time(text: &str) -> Option<f64> {
    let stamp: Timestamp = match text.parse() {
        Ok(stamp) => stamp,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    // Whole seconds and their rest apart: together they would not fit in a float's 53 bits.
    let from_2020 = stamp.as_second() - 1_577_836_800;
    #[expect(clippy::cast_precision_loss, reason = "dates are far below 2^53 seconds")]
    Some(from_2020 as f64 + f64::from(stamp.subsec_nanosecond()) * 1e-9)
}
