//! One row for each request, as written to `requests.csv`.

use super::trace::Stamps;
use crate::client::{Answer, Tag};
use igniter::domain::WorkloadName;
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The error for a file of requests that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub struct RequestsError {
    path: PathBuf,
    source: csv::Error,
}

/// The [`MeasuredRequest::error`] of a request that was sent and never answered.
pub const NO_ANSWER: &str = "no answer";

/// A request of the measured run. Times are in ns since the start of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredRequest {
    /// The workload.
    pub workload: WorkloadName,
    /// The number of the request, from 0.
    pub request: u32,
    /// The server that received it: of a workload with n placements, 0 to n − 1 are those of the plan in
    /// its order, n to 2n − 1 their standbys.
    pub server: u8,
    /// The intended send time.
    pub intended_ns: u64,
    /// The time at which the client began to write it.
    pub sent_ns: u64,
    /// The time at which it was written completely.
    pub written_ns: u64,
    /// The arrival time of the first byte of its answer.
    pub first_byte_ns: u64,
    /// The time at which its answer was complete.
    pub done_ns: u64,
    /// The connection that carried it.
    pub connection: u32,
    /// Number of bytes of the output tensors; absent where it failed.
    pub output_bytes: Option<u64>,
    /// The reason why it failed.
    pub error: Option<String>,
    /// The time at which it reached the server's scheduler. These five times are absent without a trace.
    pub queued_ns: Option<u64>,
    /// The time at which an instance began its batch.
    pub start_ns: Option<u64>,
    /// The time at which the inputs of the batch were ready for the model.
    pub input_end_ns: Option<u64>,
    /// The time at which the outputs were ready.
    pub output_start_ns: Option<u64>,
    /// The time at which its answer was handed over.
    pub end_ns: Option<u64>,
}

impl MeasuredRequest {
    /// Combines the client's and the server's data of a request.
    #[must_use]
    pub fn new(
        workload: &WorkloadName,
        server: u8,
        answer: &Answer,
        start: Nanoseconds,
        stamps: Option<&Stamps>,
    ) -> Self {
        let since = |at: Nanoseconds| at.saturating_sub(start).get();
        let stamp = |of: fn(&Stamps) -> u64| stamps.map(|s| since(Nanoseconds::new(of(s))));
        Self {
            workload: workload.clone(),
            request: answer.tag.index,
            server,
            intended_ns: since(answer.intended),
            sent_ns: since(answer.sent),
            written_ns: since(answer.written),
            first_byte_ns: since(answer.first_byte),
            done_ns: since(answer.done),
            connection: answer.connection,
            output_bytes: answer.result.as_ref().ok().copied(),
            error: answer.result.as_ref().err().cloned(),
            queued_ns: stamp(|s| s.queued),
            start_ns: stamp(|s| s.start),
            input_end_ns: stamp(|s| s.input_end),
            output_start_ns: stamp(|s| s.output_start),
            end_ns: stamp(|s| s.end),
        }
    }

    /// Returns all answers of a phase in the order of their numbers, with their timestamps.
    #[must_use]
    pub fn all(
        workload: &WorkloadName,
        answers: &[(u8, Answer)],
        start: Nanoseconds,
        traces: &[BTreeMap<Tag, Stamps>],
    ) -> Vec<Self> {
        let mut rows: Vec<Self> = answers
            .iter()
            .map(|(server, answer)| {
                let stamps = traces.get(usize::from(*server)).and_then(|t| t.get(&answer.tag));
                Self::new(workload, *server, answer, start, stamps)
            })
            .collect();
        rows.sort_by_key(|row| row.request);
        rows
    }

    /// Returns how late it was sent.
    #[must_use]
    pub fn lag(&self) -> Nanoseconds {
        Nanoseconds::new(self.sent_ns.saturating_sub(self.intended_ns))
    }

    /// Returns its latency, counted from the intended send time.
    #[must_use]
    pub fn latency(&self) -> Nanoseconds {
        Nanoseconds::new(self.done_ns.saturating_sub(self.intended_ns))
    }
}

/// Writes rows as CSV.
///
/// # Errors
/// When they cannot be written.
pub fn write_requests(rows: &[MeasuredRequest], out: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in rows {
        writer.serialize(row).map_err(std::io::Error::other)?;
    }
    writer.flush()
}

/// Reads the output of [`write_requests`].
///
/// # Errors
/// When the file cannot be read, or has other contents.
pub fn read_requests(path: &Path) -> Result<Vec<MeasuredRequest>, RequestsError> {
    let failed = |source| RequestsError { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_path(path).map_err(failed)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back() {
        let answer = |index, result| Answer {
            tag: Tag { phase: 'm', index },
            intended: Nanoseconds::new(1_000),
            sent: Nanoseconds::new(1_100),
            written: Nanoseconds::new(1_150),
            first_byte: Nanoseconds::new(1_900),
            done: Nanoseconds::new(2_000),
            connection: 3,
            result,
        };
        let answers =
            [(0, answer(1, Err("status 503: full, \"x\"".to_owned()))), (0, answer(0, Ok(8)))];
        let stamps = Stamps {
            queued: 1_200,
            start: 1_300,
            input_end: 1_350,
            output_start: 1_700,
            end: 1_800,
        };
        let trace = BTreeMap::from([(Tag { phase: 'm', index: 0 }, stamps)]);
        let name = WorkloadName::new("W1").unwrap();
        let rows = MeasuredRequest::all(&name, &answers, Nanoseconds::new(500), &[trace]);
        assert_eq!(
            (rows[0].request, rows[0].start_ns, rows[0].output_bytes),
            (0, Some(800), Some(8))
        );
        assert_eq!((rows[0].lag().get(), rows[0].latency().get()), (100, 1_000));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.csv");
        let mut file = std::fs::File::create(&path).unwrap();
        write_requests(&rows, &mut file).unwrap();
        assert_eq!(read_requests(&path).unwrap(), rows);
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(read_requests(&path).unwrap_err().to_string().contains("requests.csv"));
    }
}
