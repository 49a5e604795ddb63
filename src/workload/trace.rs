//! Arrivals read from a CSV file.

use super::ArrivalProcess;
use crate::units::Nanoseconds;
use std::path::{Path, PathBuf};
use std::{io, vec};

/// The arrival times of a trace, up to the end of the run.
///
/// The file is read once, when the process is built, and every row is checked, also those after the
/// end of the run; nothing is skipped in silence.
#[derive(Debug, Clone)]
pub struct TraceArrivals {
    times: vec::IntoIter<Nanoseconds>,
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
    /// The file is no well-formed CSV in UTF-8.
    #[error("{}:{line}: not a well-formed CSV row: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Why not.
        source: csv::Error,
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

impl TraceArrivals {
    /// Reads the arrivals before `end` from `column` (seconds since the start) of the CSV file at
    /// `path`, which must have a header row. A byte-order mark and CRLF line ends are accepted.
    ///
    /// # Errors
    /// When the file cannot be read, lacks the column, or has a row that is not in order.
    pub fn read(path: &Path, column: &str, end: Nanoseconds) -> Result<Self, TraceError> {
        let bytes = std::fs::read(path)
            .map_err(|source| TraceError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&bytes, path, column, end)
    }

    /// [`TraceArrivals::read`] on the bytes of a file; `path` only serves messages.
    fn parse(
        bytes: &[u8],
        path: &Path,
        column: &str,
        end: Nanoseconds,
    ) -> Result<Self, TraceError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // The CSV reader would skip empty lines.
        if let Some(line) = empty_line(bytes) {
            return Err(TraceError::EmptyLine { path: path.to_owned(), line });
        }
        let malformed = |source: csv::Error| TraceError::Malformed {
            path: path.to_owned(),
            line: source.position().map_or(1, |at| line_at(bytes, at)),
            source,
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let header = reader.headers().map_err(malformed)?;
        let found: Vec<usize> =
            header.iter().enumerate().filter(|(_, name)| *name == column).map(|(i, _)| i).collect();
        let &[index] = found.as_slice() else {
            return Err(TraceError::Column {
                path: path.to_owned(),
                column: column.to_owned(),
                found: found.len(),
                header: header.iter().collect::<Vec<_>>().join(", "),
            });
        };

        let mut times = Vec::new();
        let mut previous = 0.0_f64;
        for row in reader.records() {
            let row = row.map_err(malformed)?;
            let line = || row.position().map_or(1, |at| line_at(bytes, at));
            let given = &row[index];
            let bad = || TraceError::BadTime {
                path: path.to_owned(),
                line: line(),
                column: column.to_owned(),
                given: given.to_owned(),
            };
            let seconds: f64 = given.parse().map_err(|_| bad())?;
            let time = Nanoseconds::from_seconds(seconds).map_err(|_| bad())?;
            if seconds < previous {
                return Err(TraceError::OutOfOrder {
                    path: path.to_owned(),
                    line: line(),
                    column: column.to_owned(),
                    given: given.to_owned(),
                    previous,
                });
            }
            previous = seconds;
            if time < end {
                times.push(time);
            }
        }
        Ok(Self { times: times.into_iter() })
    }
}

/// The number of the line at a position of the CSV reader, whose own line number is one too low
/// after a CRLF (it takes the LF for the start of the next row).
fn line_at(bytes: &[u8], position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).map_or(bytes.len(), |at| at.min(bytes.len()));
    let breaks = bytes[..start].iter().chain(bytes.get(start)).filter(|byte| **byte == b'\n');
    1 + breaks.count() as u64
}

/// The number of the first empty line that has a non-empty one after it.
fn empty_line(bytes: &[u8]) -> Option<u64> {
    let mut empty = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            empty = empty.or(Some(number));
        } else if empty.is_some() {
            return empty;
        }
    }
    None
}

impl ArrivalProcess for TraceArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        self.times.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanoseconds = Nanoseconds::new(1_000_000_000);

    fn parse(text: &str) -> Result<Vec<u64>, String> {
        TraceArrivals::parse(text.as_bytes(), Path::new("a.csv"), "t", SECOND)
            .map(|trace| trace.times.map(Nanoseconds::get).collect())
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
        let error = TraceArrivals::read(Path::new("/nowhere/x.csv"), "t", SECOND).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the trace /nowhere/x.csv: "));
    }
}
