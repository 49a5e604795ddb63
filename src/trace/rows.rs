//! Traces with a time on each row.

use super::format::Source;
use super::{Collector, ImportError};
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

/// Reads a CSV file with a header.
pub(super) fn read_csv(
    file: &mut Source<'_, '_>,
    columns: &Columns,
    sort: bool,
) -> Result<Collector, ImportError> {
    let Some((_, header)) = file.next_line()? else {
        return Err(file.wrong(1, format!("there is no header with the column {}", columns.time)));
    };
    let names: Vec<String> = header.split(',').map(|name| name.trim().to_owned()).collect();
    let find = |name: &str| names.iter().position(|found| found == name);
    let need = |name: &str| {
        find(name).ok_or_else(|| {
            file.wrong(1, format!("there is no column {name}; the file has: {}", names.join(", ")))
        })
    };
    let time = need(columns.time)?;
    let minus = columns.minus.map(need).transpose()?;
    let key = columns.key.and_then(find);
    let mut order = Order { sort, previous: f64::NEG_INFINITY };
    let mut collector = Collector::default();
    while let Some((number, line)) = file.next_line()? {
        let fields = file.fields(&line, number, names.len())?;
        let seconds = match columns.unit {
            Unit::Seconds => self::number(file, &fields[time], number)?,
            Unit::DateTime => date_time(&fields[time]).ok_or_else(|| {
                file.wrong(number, format!("{:?} is no date and time", fields[time]))
            })?,
        };
        let less = minus.map_or(Ok(0.0), |minus| self::number(file, &fields[minus], number))?;
        let arrival = order.check(file, seconds - less, number)?;
        let key = collector.key(key.map_or("all", |key| &fields[key]));
        collector.arrivals.push((arrival, key));
    }
    Ok(collector)
}

/// Reads a file with a JSON object on each line.
pub(super) fn read_json_lines(
    file: &mut Source<'_, '_>,
    time: &str,
    unit_s: f64,
    sort: bool,
) -> Result<Collector, ImportError> {
    let mut order = Order { sort, previous: f64::NEG_INFINITY };
    let mut collector = Collector::default();
    let key = collector.key("all");
    while let Some((number, line)) = file.next_line()? {
        let object: serde_json::Value = serde_json::from_str(&line)
            .map_err(|error| file.wrong(number, format!("not a JSON object: {error}")))?;
        let value = object.get(time).and_then(serde_json::Value::as_f64);
        let value = value
            .ok_or_else(|| file.wrong(number, format!("the object has no number {time:?}")))?;
        let arrival = order.check(file, value * unit_s, number)?;
        collector.arrivals.push((arrival, key));
    }
    Ok(collector)
}

/// Reads a file with a number of seconds on each line.
pub(super) fn read_numbers(
    file: &mut Source<'_, '_>,
    sort: bool,
) -> Result<Collector, ImportError> {
    let mut order = Order { sort, previous: f64::NEG_INFINITY };
    let mut collector = Collector::default();
    let key = collector.key("all");
    while let Some((number, line)) = file.next_line()? {
        let seconds = self::number(file, line.trim(), number)?;
        let arrival = order.check(file, seconds, number)?;
        collector.arrivals.push((arrival, key));
    }
    Ok(collector)
}

/// Refuses rows that go back in time, unless they are to be sorted.
struct Order {
    sort: bool,
    previous: f64,
}

impl Order {
    fn check(&mut self, file: &Source<'_, '_>, time: f64, line: u64) -> Result<f64, ImportError> {
        if time < self.previous && !self.sort {
            let back_s = self.previous - time;
            return Err(ImportError::OutOfOrder { path: file.path.to_owned(), line, back_s });
        }
        self.previous = time;
        Ok(time)
    }
}

pub(super) fn number(file: &Source<'_, '_>, text: &str, line: u64) -> Result<f64, ImportError> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| file.wrong(line, format!("{text:?} is no finite number")))
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
