//! Arrivals read from a file.

use super::{ArrivalProcess, TraceSpec};
use igniter_model::input::{ArrivalFile, ImportError, Keys};
use igniter_model::units::Nanoseconds;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The largest number of arrivals of a trace that is kept in memory. For a longer trace only the next arrival is kept,
/// and the file is read a second time during the run.
const KEPT: usize = 1 << 17;

/// An error that occurs during a run, stored where the caller can find it after the run.
pub type TraceFault = Arc<OnceLock<TraceError>>;

/// The arrival times of a trace, up to the end of the run.
///
/// When the process is created, every row of the file is read and checked, including rows after the end of the run; no
/// row is skipped silently. A long trace is then read again, row by row, so that memory use does not depend on its
/// length.
#[derive(Debug)]
pub struct TraceArrivals {
    source: TraceSource,
    fault: TraceFault,
}

#[derive(Debug)]
enum TraceSource {
    /// All arrivals, and the position of the next one.
    Kept(Arc<[Nanoseconds]>, usize),
    /// The rows of the file, and the number of arrivals still to come.
    Streamed(Box<CheckedRows>, u64),
    Ended,
}

/// The reason why a trace file cannot be used. Line numbers count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file is not a regular file: it is read twice, so it must not be a pipe.
    #[error(
        "{}: it is no regular file, and a trace is read twice; write it to a file first",
        path.display()
    )]
    NoFile { path: PathBuf },
    /// The file was changed during the run.
    #[error("{}: the trace does not end where it did before", path.display())]
    Changed { path: PathBuf },
    /// A rate, or the start of one, is not a number or is out of range.
    #[error("{}:{line}: {column} must be a number from 0 to {most:e}, not {given:?}", path.display())]
    BadRate { path: PathBuf, line: u64, column: String, given: String, most: f64 },
    /// A row of a file of rates is not later than the row above it.
    #[error(
        "{}:{line}: {column} {given} is not after the {previous} above it; sort the rows, and write each start once",
        path.display()
    )]
    OutOfOrder { path: PathBuf, line: u64, column: String, given: String, previous: f64 },
    /// No row belongs to the requested workload.
    #[error(
        "{}: no row has the workload {workload:?}; the file has: {known}; correct the key `workload` of the arrivals, \
         name another column with `key_column`, or deal the requests out to workloads: igniter trace convert {} \
         --workloads {workload},… --round-robin -o FILE",
        path.display(),
        path.display()
    )]
    NoRows { path: PathBuf, workload: String, known: String },
}

/// The rows of a trace, each checked as it is read.
#[derive(Debug)]
struct CheckedRows {
    file: ArrivalFile,
    keys: Keys,
    /// The position of the requested key, once a row with it was read.
    wanted: Option<u32>,
    /// Number of keys that were compared with the requested key.
    compared: usize,
    spec: TraceSpec,
    end: Nanoseconds,
    /// The last arrival of the file that `spec` selects, in the time of the run.
    last: Option<Nanoseconds>,
}

/// The largest number of workloads that a message lists.
const LISTED: usize = 12;

impl CheckedRows {
    fn open(spec: &TraceSpec, end: Nanoseconds) -> Result<Self, TraceError> {
        let mut keys = Keys::default();
        let file = ArrivalFile::open(&spec.path, &spec.reading, &mut keys)?;
        let spec = spec.clone();
        Ok(Self { file, keys, wanted: None, compared: 0, spec, end, last: None })
    }

    /// Returns the next arrival of the run, `None` after the last row.
    fn next(&mut self) -> Result<Option<Nanoseconds>, TraceError> {
        while let Some((seconds, key)) = self.file.next(&mut self.keys)? {
            if let Some(name) = &self.spec.workload {
                let names = self.keys.names();
                while self.wanted.is_none() && self.compared < names.len() {
                    if names[self.compared] == *name {
                        self.wanted = u32::try_from(self.compared).ok();
                    }
                    self.compared += 1;
                }
                if self.wanted != Some(key) {
                    continue;
                }
            }
            let since_start = seconds - self.spec.start.as_seconds();
            if since_start < 0.0 {
                continue;
            }
            let arrival = Nanoseconds::from_seconds(since_start / self.spec.rate_scale)
                .unwrap_or(Nanoseconds::MAX);
            self.last = Some(arrival);
            if arrival < self.end {
                return Ok(Some(arrival));
            }
        }
        Ok(None)
    }

    /// Returns an error if the file has no row of the requested workload.
    fn check_found(&self) -> Result<(), TraceError> {
        let Some(workload) = &self.spec.workload else { return Ok(()) };
        if self.keys.names().is_empty() || self.keys.names().contains(workload) {
            return Ok(());
        }
        let mut known: Vec<String> =
            self.keys.names().iter().take(LISTED).map(|key| format!("{key:?}")).collect();
        known.sort();
        if self.keys.names().len() > LISTED {
            known.push("…".to_owned());
        }
        let (path, workload) = (self.spec.path.clone(), workload.clone());
        Err(TraceError::NoRows { path, workload, known: known.join(", ") })
    }
}

/// The size of a trace in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceFacts {
    /// Number of arrivals in the run.
    pub requests: u64,
    /// The last arrival of the trace in the time of the run, which may be after the end of the run.
    pub last: Option<Nanoseconds>,
    /// Notes for the user on how the file was read.
    pub notes: Vec<String>,
}

impl TraceFacts {
    /// Reads a trace for a run that ends at `end`.
    ///
    /// # Errors
    /// Fails if the file cannot be read, has an invalid row, or has no row of the requested workload.
    pub fn read(spec: &TraceSpec, end: Nanoseconds) -> Result<Self, TraceError> {
        check_regular(&spec.path)?;
        let mut rows = CheckedRows::open(spec, end)?;
        let mut requests = 0;
        while rows.next()?.is_some() {
            requests += 1;
        }
        rows.check_found()?;
        Ok(Self { requests, last: rows.last, notes: rows.file.notes() })
    }

    /// Returns the mean rate while the trace sends requests, in requests per second: over the run, or to the last
    /// arrival of a trace that is shorter. `None` if there are no requests in the run, or all are at its start.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^53")]
    pub fn rate_rps(&self, end: Nanoseconds) -> Option<f64> {
        let seconds = self.last?.min(end).as_seconds();
        (self.requests > 0 && seconds > 0.0).then(|| self.requests as f64 / seconds)
    }
}

fn check_regular(path: &Path) -> Result<(), TraceError> {
    let data = std::fs::metadata(path)
        .map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    if data.is_file() {
        return Ok(());
    }
    if data.is_dir() {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(ImportError::Unreadable { path: path.to_owned(), source }.into());
    }
    Err(TraceError::NoFile { path: path.to_owned() })
}

impl TraceArrivals {
    /// Reads the arrivals before `end` from a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, lacks a column, has a row that is invalid or not in order, or has no row of
    /// the requested workload.
    pub fn read(spec: &TraceSpec, end: Nanoseconds) -> Result<Self, TraceError> {
        Self::keeping(spec, end, KEPT)
    }

    fn keeping(spec: &TraceSpec, end: Nanoseconds, kept: usize) -> Result<Self, TraceError> {
        check_regular(&spec.path)?;
        let mut rows = CheckedRows::open(spec, end)?;
        let (mut times, mut count) = (Vec::new(), 0);
        while let Some(time) = rows.next()? {
            count += 1;
            if times.len() < kept {
                times.push(time);
            }
        }
        rows.check_found()?;
        let source = if times.len() as u64 == count {
            TraceSource::Kept(times.into(), 0)
        } else {
            TraceSource::Streamed(Box::new(CheckedRows::open(spec, end)?), count)
        };
        Ok(Self { source, fault: TraceFault::default() })
    }
}

impl ArrivalProcess for TraceArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        match &mut self.source {
            TraceSource::Kept(times, next) => {
                let time = times.get(*next).copied();
                *next += 1;
                time
            }
            TraceSource::Ended => None,
            TraceSource::Streamed(rows, left) => {
                let fault = match (rows.next(), left.checked_sub(1)) {
                    (Ok(Some(time)), Some(less)) => {
                        *left = less;
                        return Some(time);
                    }
                    (Ok(None), None) => None,
                    // The file was valid when it was first read, so it has been written to since.
                    (Err(error), _) => Some(error),
                    (Ok(_), _) => Some(TraceError::Changed { path: rows.spec.path.clone() }),
                };
                if let Some(fault) = fault {
                    self.fault.get_or_init(|| fault);
                }
                self.source = TraceSource::Ended;
                None
            }
        }
    }

    fn faults(&self) -> Vec<TraceFault> {
        vec![Arc::clone(&self.fault)]
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        let source = match &self.source {
            TraceSource::Kept(times, next) => TraceSource::Kept(Arc::clone(times), *next),
            TraceSource::Streamed(..) => return None,
            TraceSource::Ended => TraceSource::Ended,
        };
        Some(Box::new(Self { source, fault: Arc::clone(&self.fault) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter_model::input::{Format, TimeUnit, TraceLayout};

    const SECOND: Nanoseconds = Nanoseconds::new(1_000_000_000);

    fn parse(text: &str) -> Result<Vec<u64>, String> {
        parse_as(text, &TraceSpec::new("", "t"))
    }

    fn parse_as(text: &str, spec: &TraceSpec) -> Result<Vec<u64>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let spec = TraceSpec { path: path.clone(), ..spec.clone() };
        let shown =
            |error: TraceError| error.to_string().replace(&path.display().to_string(), "a.csv");
        let mut arrivals = TraceArrivals::read(&spec, SECOND).map_err(shown)?;
        Ok(std::iter::from_fn(|| arrivals.next_arrival()).map(Nanoseconds::get).collect())
    }

    #[test]
    fn header_crlf_byte_order_mark_and_other_columns_are_fine() {
        let text = "\u{feff}id,t\r\n7,0\r\n8,0.25\r\n9, 0.25\r\n10,1e-1e\r\n";
        assert_eq!(parse(text).unwrap_err(), "a.csv:5: \"1e-1e\" is no finite number");
        let text = "\u{feff}t,id\r\n0,7\r\n0.25,8\r\n 0.25,9\r\n5e-1,10\r\n";
        assert_eq!(parse(text).unwrap(), [0, 250_000_000, 250_000_000, 500_000_000]);
        assert_eq!(parse("t\n0.5").unwrap(), [500_000_000]);
        assert_eq!(parse("t\n0\n\n0.5\n").unwrap(), [0, 500_000_000]);
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
            ("a,b\n1,2\n", "a.csv:1: there is no column \"t\"; the file has: a, b"),
            ("t,t\n1,2\n", "a.csv:1: the header names the column \"t\" more than once: t, t"),
            ("t\n0\nNaN\n", "a.csv:3: \"NaN\" is no finite number"),
            ("t\n0\ninf\n", "a.csv:3: \"inf\" is no finite number"),
            ("t\n-1\n", "a.csv:2: the time must be 0 or more, not -1 s"),
            ("t\n1e11\n", "a.csv:2: the time 1e11 s is beyond 300 years; name the unit"),
            ("t,u\n,1\n", "a.csv:2: \"\" is neither a finite number nor a date"),
            ("t\n0.5\n0.4\n", "a.csv:3: the time is 0.09999999999999998 s before the one above it"),
            ("t,u\n1,2\n3\n", "a.csv:3: it has 1 fields, not 2"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(message), "{text}: {found}");
        }
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
        let all = TraceSpec::new("", "t");
        let of = |workload: &str| TraceSpec { workload: Some(workload.into()), ..all.clone() };
        assert_eq!(parse_as(text, &of("a")).unwrap(), [100_000_000, 500_000_000]);
        let late = TraceSpec { start: Nanoseconds::new(500_000_000), ..of("a") };
        assert_eq!(parse_as(text, &late).unwrap(), [0, 600_000_000]);
        // (1.1 − 0.5) / 2 and (1.4 − 0.5) / 2
        let fast = TraceSpec { rate_scale: 2.0, ..TraceSpec { workload: None, ..late } };
        assert_eq!(parse_as(text, &fast).unwrap(), [0, 300_000_000, 450_000_000]);
        let message = parse_as(text, &of("c")).unwrap_err();
        assert!(
            message.contains("no row has the workload \"c\"; the file has: \"a\", \"b\";"),
            "{message}"
        );
        assert!(message.contains("--round-robin"), "{message}");
        // Its rows are all before the start, or after the end of the run: it is there, and silent.
        let past = TraceSpec { start: Nanoseconds::new(2_000_000_000), ..of("b") };
        assert!(parse_as(text, &past).unwrap().is_empty());
        assert!(parse_as("t,workload\n0,a\n7,b\n", &of("b")).unwrap().is_empty());
        assert!(parse_as("t\n1\n", &of("c")).unwrap_err().contains("no row has the workload"));
    }

    #[test]
    fn other_formats_columns_and_units_are_replayed() {
        let burst = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                     5,,1.5,ChatGPT,472,18,490,API log\n5,17,3,GPT-4,100,0,100,Conversation log\n\
                     5,,2.1,GPT-4,12,40,52,API log\n";
        let reading = TraceLayout::default();
        let spec = TraceSpec { reading, workload: Some("GPT-4".into()), ..TraceSpec::new("", "") };
        let mut found = spec.clone();
        found.reading.time_column = None;
        // The publisher's format: from the first request on.
        assert_eq!(parse_as(burst, &found).unwrap(), [0, 0]);
        let reading = |time: &str, key: &str, unit| TraceLayout {
            time_column: Some(time.into()),
            key_column: Some(key.into()),
            unit: Some(unit),
            ..TraceLayout::default()
        };
        let named = TraceSpec { reading: reading("when", "who", TimeUnit::Milliseconds), ..spec };
        let text = "who;when\nGPT-4;250\nx;300\nGPT-4;0,5e3\n";
        assert_eq!(parse_as(text, &named).unwrap(), [250_000_000, 500_000_000]);
        let format = Some(Format::Intervals);
        let gaps = TraceSpec {
            reading: TraceLayout { format, ..TraceLayout::default() },
            workload: None,
            ..named.clone()
        };
        assert_eq!(parse_as("2000\n1000\n", &gaps).unwrap(), [2_000_000, 3_000_000]);
        let mut sorted = named;
        sorted.reading.sort = true;
        let text = "who,when\nGPT-4,250\nGPT-4,100\n";
        assert_eq!(parse_as(text, &sorted).unwrap(), [100_000_000, 250_000_000]);
        sorted.reading = TraceLayout::default();
        let drawn = parse_as("0,1,1,Gamma,1,1\n", &sorted).unwrap_err();
        assert!(drawn.contains("igniter trace convert a.csv -o FILE"), "{drawn}");
    }

    #[test]
    fn facts_are_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "t\n0.1\n0.2\n0.4\n").unwrap();
        let spec = TraceSpec::new(&path, "t");
        let facts = TraceFacts::read(&spec, SECOND).unwrap();
        assert_eq!((facts.requests, facts.last), (3, Some(Nanoseconds::new(400_000_000))));
        assert_eq!(facts.rate_rps(SECOND), Some(7.5));
        let short = Nanoseconds::new(250_000_000);
        assert_eq!(TraceFacts::read(&spec, short).unwrap().rate_rps(short), Some(8.0));
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
            assert_eq!(matches!(trace.source, TraceSource::Streamed(..)), streamed);
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
        assert!(fault.contains("long.csv"), "{fault}");
    }
}
