//! Arrivals read from a CSV file.

use super::lines::split_row;
use super::{ArrivalProcess, Lines, TraceSpec};
use igniter_model::units::Nanoseconds;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Traces of at most this many arrivals are kept in memory; of longer ones only the next arrival is, and the
/// file is read a second time while the run goes on.
const KEPT: usize = 1 << 17;

/// What goes wrong while a run goes on, told to whoever asked for it before.
pub type TraceFault = Arc<OnceLock<TraceError>>;

/// The arrival times of a trace, up to the end of the run.
///
/// When the process is built, every row of the file is read and checked, also those after the
/// end of the run; nothing is skipped in silence. A long trace is then read again, row by row, so that memory does not
/// depend on its length.
#[derive(Debug)]
pub struct TraceArrivals {
    source: Source,
    fault: TraceFault,
}

#[derive(Debug)]
enum Source {
    Kept(std::vec::IntoIter<Nanoseconds>),
    /// With the number of arrivals that are still to come.
    Streamed(Box<Rows<'static>>, u64),
    Ended,
}

/// A trace file that cannot be used. Line numbers count from 1, the header's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read.
    #[error("cannot read the trace {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A row is no well-formed CSV in UTF-8.
    #[error("{}:{line}: not a well-formed CSV row: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Why not.
        what: String,
    },
    /// A rate or the start of one is no number, or out of range.
    #[error("{}:{line}: {column} must be a number from 0 to {most:e}, not {given:?}", path.display())]
    BadRate {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        given: String,
        /// The highest that is allowed.
        most: f64,
    },
    /// No row is of the workload that was asked for.
    #[error(
        "{}: no row has the workload {workload:?}; the file has: {known}; correct the key \
         `workload` of the arrivals",
        path.display()
    )]
    NoRows {
        /// The file.
        path: PathBuf,
        /// The workload.
        workload: String,
        /// Those that there are.
        known: String,
    },
    /// A line holds nothing although rows follow.
    #[error("{}:{line}: empty line inside the trace; remove it", path.display())]
    EmptyLine {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// The header does not name the column, or names it twice.
    #[error(
        "{}:1: the header must name the column {column:?} once, not {found} times; it has: {header}",
        path.display()
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The column that was asked for.
        column: String,
        /// How often the header has it.
        found: usize,
        /// The columns that there are.
        header: String,
    },
    /// A time is no number, or negative, or not finite.
    #[error(
        "{}:{line}: {column} must be a finite number of seconds ≥ 0, not {given:?}",
        path.display()
    )]
    BadTime {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        given: String,
    },
    /// A time is before the one above it.
    #[error(
        "{}:{line}: {column} {given} is before the {previous} above it; sort the trace by time",
        path.display()
    )]
    OutOfOrder {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        given: String,
        /// What stands in the row above.
        previous: f64,
    },
}

/// The rows of a trace, each checked when it is read.
#[derive(Debug)]
struct Rows<'r> {
    lines: Lines<'r>,
    spec: TraceSpec,
    end: Nanoseconds,
    columns: usize,
    time: usize,
    /// The column `workload`, if rows of one are wanted.
    key: Option<usize>,
    previous: f64,
    /// Whether any row was of the workload that is asked for.
    matched: bool,
    /// The first empty line, after which nothing else may come.
    empty: Option<u64>,
    /// The first workloads that were met, for a message.
    others: BTreeSet<String>,
}

/// How many workloads a message lists.
const LISTED: usize = 12;

impl<'r> Rows<'r> {
    fn new(mut lines: Lines<'r>, spec: &TraceSpec, end: Nanoseconds) -> Result<Self, TraceError> {
        let path = &spec.path;
        let unreadable = |source| TraceError::Unreadable { path: path.clone(), source };
        let header = lines.next_line().map_err(unreadable)?.unwrap_or_default();
        let mut fields = Vec::new();
        split_row(header, &mut fields)
            .ok_or_else(|| malformed(path, 1, "a quote is not closed"))?;
        let find = |column: &str| {
            let found: Vec<usize> = (fields.iter().enumerate())
                .filter(|(_, name)| *name == column)
                .map(|(i, _)| i)
                .collect();
            match found.as_slice() {
                &[index] => Ok(index),
                _ => Err(TraceError::Column {
                    path: path.clone(),
                    column: column.to_owned(),
                    found: found.len(),
                    header: fields.join(", "),
                }),
            }
        };
        let time = find(&spec.column)?;
        let key = spec.workload.as_ref().map(|_| find("workload")).transpose()?;
        let columns = fields.len();
        Ok(Self {
            lines,
            spec: spec.clone(),
            end,
            columns,
            time,
            key,
            previous: 0.0,
            matched: false,
            empty: None,
            others: BTreeSet::new(),
        })
    }

    /// The next arrival of the run, `None` after the last row.
    fn next(&mut self) -> Result<Option<Nanoseconds>, TraceError> {
        let Self { lines, spec, end, columns, time, key, previous, matched, empty, others } = self;
        let path = &spec.path;
        let mut line = lines.number();
        loop {
            line += 1;
            let text = lines.next_line().map_err(|source| match source.kind() {
                io::ErrorKind::InvalidData => malformed(path, line, &source.to_string()),
                _ => TraceError::Unreadable { path: path.clone(), source },
            })?;
            let Some(text) = text else { return Ok(None) };
            if text.trim().is_empty() {
                *empty = empty.or(Some(line));
                continue;
            }
            if let Some(line) = *empty {
                return Err(TraceError::EmptyLine { path: path.clone(), line });
            }
            let mut fields: Vec<Cow<'_, str>> = Vec::with_capacity(*columns);
            split_row(text, &mut fields)
                .ok_or_else(|| malformed(path, line, "a quote is not closed"))?;
            if fields.len() != *columns {
                let what = format!("it has {} fields, the header {columns}", fields.len());
                return Err(malformed(path, line, &what));
            }
            let given = &fields[*time];
            let bad = || TraceError::BadTime {
                path: path.clone(),
                line,
                column: spec.column.clone(),
                given: given.clone().into_owned(),
            };
            let seconds: f64 = given.parse().map_err(|_| bad())?;
            Nanoseconds::from_seconds(seconds).map_err(|_| bad())?;
            if seconds < *previous {
                return Err(TraceError::OutOfOrder {
                    path: path.clone(),
                    line,
                    column: spec.column.clone(),
                    given: given.clone().into_owned(),
                    previous: *previous,
                });
            }
            *previous = seconds;
            if let Some(key) = *key
                && Some(fields[key].as_ref()) != spec.workload.as_deref()
            {
                if others.len() < LISTED {
                    others.insert(fields[key].to_string());
                }
                continue;
            }
            *matched = true;
            let since_start = seconds - spec.start.as_seconds();
            if since_start < 0.0 {
                continue;
            }
            let arrival = Nanoseconds::from_seconds(since_start / spec.rate_scale)
                .unwrap_or(Nanoseconds::MAX);
            if arrival < *end {
                return Ok(Some(arrival));
            }
        }
    }
}

fn malformed(path: &Path, line: u64, what: &str) -> TraceError {
    TraceError::Malformed { path: path.to_owned(), line, what: what.to_owned() }
}

impl TraceArrivals {
    /// Reads the arrivals before `end` from a CSV file, which must have a header row. It may be gzipped; a
    /// byte-order mark and CRLF line ends are accepted.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a column, has a row that is not in order, or none of the
    /// workload that is asked for.
    pub fn read(spec: &TraceSpec, end: Nanoseconds) -> Result<Self, TraceError> {
        let unreadable = |source| TraceError::Unreadable { path: spec.path.clone(), source };
        let file = File::open(&spec.path).map_err(unreadable)?;
        let again = file.try_clone().map_err(unreadable)?;
        let first_pass = Rows::new(Lines::of_file(file).map_err(unreadable)?, spec, end)?;
        let source = match first(first_pass, KEPT)? {
            Ok(times) => Source::Kept(times.into_iter()),
            Err(count) => {
                let lines = Lines::of_file(again).map_err(unreadable)?;
                Source::Streamed(Box::new(Rows::new(lines, spec, end)?), count)
            }
        };
        Ok(Self { source, fault: TraceFault::default() })
    }
}

/// Checks all rows and returns the arrivals, or only their number if they are more than `kept`.
fn first(mut rows: Rows<'_>, kept: usize) -> Result<Result<Vec<Nanoseconds>, u64>, TraceError> {
    let (mut times, mut count) = (Vec::new(), 0);
    while let Some(time) = rows.next()? {
        count += 1;
        if times.len() < kept {
            times.push(time);
        }
    }
    if times.len() as u64 != count {
        return Ok(Err(count));
    }
    if let Some(workload) = &rows.spec.workload
        && !rows.matched
        && !rows.others.is_empty()
    {
        let known: Vec<&str> = rows.others.iter().map(String::as_str).collect();
        return Err(TraceError::NoRows {
            path: rows.spec.path.clone(),
            workload: workload.clone(),
            known: known.join(", "),
        });
    }
    Ok(Ok(times))
}

impl ArrivalProcess for TraceArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        match &mut self.source {
            Source::Kept(times) => times.next(),
            Source::Ended => None,
            Source::Streamed(rows, left) => {
                let fault = match (rows.next(), left.checked_sub(1)) {
                    (Ok(Some(time)), Some(less)) => {
                        *left = less;
                        return Some(time);
                    }
                    (Ok(None), None) => None,
                    // It was sound a moment ago: somebody writes to it.
                    (Err(error), _) => Some(error),
                    (Ok(_), _) => {
                        let what = "the trace does not end where it did before";
                        Some(malformed(&rows.spec.path, rows.lines.number(), what))
                    }
                };
                if let Some(fault) = fault {
                    self.fault.get_or_init(|| fault);
                }
                self.source = Source::Ended;
                None
            }
        }
    }

    fn faults(&self) -> Vec<TraceFault> {
        vec![Arc::clone(&self.fault)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanoseconds = Nanoseconds::new(1_000_000_000);

    fn parse(text: &str) -> Result<Vec<u64>, String> {
        parse_as(text, &TraceSpec::new("a.csv", "t"))
    }

    fn parse_as(text: &str, spec: &TraceSpec) -> Result<Vec<u64>, String> {
        Rows::new(Lines::new(text.as_bytes()), spec, SECOND)
            .and_then(|rows| first(rows, KEPT))
            .map(|times| times.unwrap().into_iter().map(Nanoseconds::get).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn header_crlf_byte_order_mark_and_other_columns_are_fine() {
        let text = "\u{feff}id,t\r\n7,0\r\n8,0.25\r\n9, 0.25\r\n10,1e-1e\r\n";
        assert!(parse(text).unwrap_err().starts_with("a.csv:5: t must be a finite number"));
        let text = "\u{feff}t,id\r\n0,7\r\n0.25,8\r\n 0.25,9\r\n5e-1,10\r\n";
        assert_eq!(parse(text).unwrap(), [0, 250_000_000, 250_000_000, 500_000_000]);
        assert_eq!(parse("t\n0.5").unwrap(), [500_000_000]);
        assert!(parse("t\n").unwrap().is_empty());
    }

    #[test]
    fn arrivals_end_with_the_run_but_later_rows_are_still_checked() {
        assert_eq!(parse("t\n0.5\n1\n2\n").unwrap(), [500_000_000]);
        assert!(parse("t\n0.5\n1\nx\n").unwrap_err().starts_with("a.csv:4: "));
    }

    #[test]
    fn a_wrong_row_is_named_by_its_line() {
        for (text, message) in [
            (
                "a,b\n1,2\n",
                "a.csv:1: the header must name the column \"t\" once, not 0 times; it has: a, b",
            ),
            (
                "t,t\n1,2\n",
                "a.csv:1: the header must name the column \"t\" once, not 2 times; it has: t, t",
            ),
            ("", "a.csv:1: the header must name the column \"t\" once, not 0 times; it has: "),
            ("t\n0\nNaN\n", "a.csv:3: t must be a finite number of seconds ≥ 0, not \"NaN\""),
            ("t\n0\ninf\n", "a.csv:3: t must be a finite number of seconds ≥ 0, not \"inf\""),
            ("t\n-1\n", "a.csv:2: t must be a finite number of seconds ≥ 0, not \"-1\""),
            ("t,u\n,1\n", "a.csv:2: t must be a finite number of seconds ≥ 0, not \"\""),
            ("t\n0.5\n0.4\n", "a.csv:3: t 0.4 is before the 0.5 above it; sort the trace by time"),
            ("t\n0\n\n1\n", "a.csv:3: empty line inside the trace; remove it"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
        assert!(parse("t,u\n1,2\n3\n").unwrap_err().starts_with("a.csv:3: not a well-formed"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let spec = TraceSpec::new("/nowhere/x.csv", "t");
        let error = TraceArrivals::read(&spec, SECOND).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the trace /nowhere/x.csv: "));
    }

    #[test]
    fn rows_of_one_workload_from_a_start_on_and_faster() {
        let text = "t,workload\n0.1,a\n0.2,b\n0.5,a\n1.1,a\n1.4,b\n9,a\n";
        let all = TraceSpec::new("a.csv", "t");
        let of = |workload: &str| TraceSpec { workload: Some(workload.into()), ..all.clone() };
        assert_eq!(parse_as(text, &of("a")).unwrap(), [100_000_000, 500_000_000]);
        let late = TraceSpec { start: Nanoseconds::new(500_000_000), ..of("a") };
        assert_eq!(parse_as(text, &late).unwrap(), [0, 600_000_000]);
        // (1.1 − 0.5) / 2 and (1.4 − 0.5) / 2
        let fast = TraceSpec { rate_scale: 2.0, ..TraceSpec { workload: None, ..late } };
        assert_eq!(parse_as(text, &fast).unwrap(), [0, 300_000_000, 450_000_000]);
        let message = parse_as(text, &of("c")).unwrap_err();
        assert!(
            message.contains("no row has the workload \"c\"; the file has: a, b;"),
            "{message}"
        );
        // Its rows are all before the start, or after the end of the run: it is there, and silent.
        let past = TraceSpec { start: Nanoseconds::new(2_000_000_000), ..of("b") };
        assert!(parse_as(text, &past).unwrap().is_empty());
        assert!(parse_as("t,workload\n0,a\n7,b\n", &of("b")).unwrap().is_empty());
        assert!(parse_as("t\n1\n", &of("c")).unwrap_err().contains("the column \"workload\" once"));
    }

    #[test]
    fn a_long_trace_is_streamed_and_its_end_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.csv");
        let text = |n: usize| {
            (0..n).fold(String::from("t\n"), |text, i| text + &format!("{}\n", i as f64 * 1e-7))
        };
        let read = || {
            let end = Nanoseconds::new(1_000_000_000_000);
            TraceArrivals::read(&TraceSpec::new(&path, "t"), end).unwrap()
        };
        for (n, streamed) in [(KEPT, false), (KEPT + 1, true)] {
            std::fs::write(&path, text(n)).unwrap();
            let mut trace = read();
            assert_eq!(matches!(trace.source, Source::Streamed(..)), streamed);
            let times: Vec<_> = std::iter::from_fn(|| trace.next_arrival()).collect();
            assert_eq!((times.len(), times[n - 1].get()), (n, 100 * (n as u64 - 1)));
            assert!(trace.faults()[0].get().is_none());
        }
        let mut trace = read();
        std::fs::write(&path, "t\n5\nnonsense\n").unwrap();
        // What is in a buffer already still comes.
        let arrived = std::iter::from_fn(|| trace.next_arrival()).count();
        assert!(arrived < KEPT, "{arrived}");
        let fault = trace.faults()[0].get().unwrap().to_string();
        assert!(fault.contains("long.csv:"), "{fault}");
    }
}
