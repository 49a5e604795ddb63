//! Per-request records as a CSV file, written while the run goes on.

use super::output_dir::{OutputDir, OutputError};
use crate::domain::{FailedRequest, GpuInterval, RecordSink, RequestRecord, Workload};
use crate::units::Nanoseconds;
use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use tempfile::NamedTempFile;

const HEADER: &str = "request,workload,gpu,arrival_ms,load_start_ms,exec_start_ms,exec_end_ms,\
                      done_ms,latency_ms,batch,batch_size,ok,outcome\n";

/// The sink of one GPU. Rows go to a temporary file; [`RequestLog::join`] puts the files of all GPUs
/// together in GPU order, so the result does not depend on the order in which GPUs were simulated.
///
/// Times are in ms as exact decimals of the engine's nanoseconds. `ok` says whether the request met
/// its SLO; `outcome` is `completed`, or why it failed (then `done_ms` is when, and the stages are empty).
/// Requests outside the measured window are in the file too.
#[derive(Debug)]
pub struct RequestLog {
    file: BufWriter<NamedTempFile>,
    names: Vec<String>,
    slos: Vec<Nanoseconds>,
    failed: Option<io::Error>,
}

impl RequestLog {
    /// Opens the log of one GPU. `workloads` are those of the scenario, in order.
    ///
    /// # Errors
    /// When no temporary file can be made in the output directory.
    pub fn new(dir: &OutputDir, workloads: &[Workload]) -> Result<Self, OutputError> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, dir.scratch("requests.csv")?),
            names: workloads.iter().map(|workload| quoted(workload.name.as_str())).collect(),
            slos: workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect(),
            failed: None,
        })
    }

    /// Puts the logs of all GPUs, in the order given, into one file with requests numbered from 0.
    ///
    /// # Errors
    /// When one of the logs could not be written during the run, or the file cannot be written now.
    pub fn join(logs: Vec<Self>, dir: &mut OutputDir, name: &str) -> Result<(), OutputError> {
        dir.write(name, |out| {
            out.write_all(HEADER.as_bytes())?;
            let mut number: u64 = 0;
            for log in logs {
                if let Some(error) = log.failed {
                    return Err(error);
                }
                let mut file = log.file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                let (mut rows, mut row) = (BufReader::with_capacity(1 << 16, file), Vec::new());
                while rows.read_until(b'\n', &mut row)? > 0 {
                    write!(out, "{number},")?;
                    out.write_all(&row)?;
                    row.clear();
                    number += 1;
                }
            }
            Ok(())
        })
    }

    fn row(&mut self, record: &RequestRecord) -> io::Result<()> {
        let index = record.workload.index();
        writeln!(
            self.file,
            "{},{},{},{},{},{},{},{},{},{},{},completed",
            self.names[index],
            record.gpu.index(),
            ExactMs(record.arrival),
            ExactMs(record.load_start),
            ExactMs(record.exec_start),
            ExactMs(record.exec_end),
            ExactMs(record.done),
            ExactMs(record.latency()),
            record.batch,
            record.batch_size,
            record.latency() <= self.slos[index],
        )
    }

    fn failed_row(&mut self, request: &FailedRequest) -> io::Result<()> {
        writeln!(
            self.file,
            "{},{},{},,,,{},{},,,false,{}",
            self.names[request.workload.index()],
            request.gpu.index(),
            ExactMs(request.arrival),
            ExactMs(request.at),
            ExactMs(request.at - request.arrival),
            request.failure.as_str(),
        )
    }
}

impl RecordSink for RequestLog {
    fn request(&mut self, record: &RequestRecord) {
        if self.failed.is_none() {
            self.failed = self.row(record).err();
        }
    }

    fn failed(&mut self, request: &FailedRequest) {
        if self.failed.is_none() {
            self.failed = self.failed_row(request).err();
        }
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// Nanoseconds as a decimal number of milliseconds, without loss and without trailing zeros.
struct ExactMs(Nanoseconds);

impl fmt::Display for ExactMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, mut rest) = (self.0.get() / 1_000_000, self.0.get() % 1_000_000);
        let mut digits = 6;
        while digits > 0 && rest % 10 == 0 {
            rest /= 10;
            digits -= 1;
        }
        if digits == 0 { write!(f, "{ms}") } else { write!(f, "{ms}.{rest:0digits$}") }
    }
}

/// A CSV field; quoted where a comma or quote would break the row (names hold no line breaks).
fn quoted(name: &str) -> String {
    if name.contains([',', '"']) || name.trim() != name {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, GpuId, ModelName, WorkloadId, WorkloadName};
    use crate::report::Existing;
    use crate::units::{Milliseconds, RequestsPerSecond};

    fn record(workload: usize, gpu: usize, arrival: u64) -> RequestRecord {
        let at = |ns: u64| Nanoseconds::new(arrival + ns);
        RequestRecord {
            workload: WorkloadId::new(workload),
            gpu: GpuId::new(gpu),
            batch: 3,
            batch_size: 2,
            arrival: at(0),
            load_start: at(500_000),
            load_end: at(600_000),
            exec_start: at(600_001),
            exec_end: at(1_000_000),
            done: at(2_000_000),
        }
    }

    #[test]
    fn milliseconds_are_exact() {
        let ms = |ns| ExactMs(Nanoseconds::new(ns)).to_string();
        assert_eq!(
            [ms(0), ms(1), ms(1_000_000), ms(1_234_500), ms(u64::MAX)],
            ["0", "0.000001", "1", "1.2345", "18446744073709.551615"]
        );
    }

    #[test]
    fn logs_are_joined_in_gpu_order_and_read_back_as_csv() {
        let root = tempfile::tempdir().unwrap();
        let workload = |name: &str, slo: f64| Workload {
            name: WorkloadName::new(name).unwrap(),
            model: ModelName::new("m").unwrap(),
            slo: Milliseconds::new(slo).unwrap(),
            rate: RequestsPerSecond::new(1.0).unwrap(),
        };
        let workloads = [workload("W1", 2.0), workload("a,\"b\"", 1.5)];
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        let mut logs = [
            RequestLog::new(&dir, &workloads).unwrap(),
            RequestLog::new(&dir, &workloads).unwrap(),
        ];
        logs[1].request(&record(1, 1, 5));
        logs[0].request(&record(0, 0, 1_000_000));
        logs[1].failed(&FailedRequest {
            workload: WorkloadId::new(0),
            gpu: GpuId::new(1),
            arrival: Nanoseconds::new(500_000),
            at: Nanoseconds::new(2_000_000),
            failure: Failure::TimedOut,
        });
        RequestLog::join(logs.into(), &mut dir, "requests.csv").unwrap();
        dir.finish(crate::report::Manifest::start(Vec::new())).unwrap();

        let mut rows = csv::Reader::from_path(root.path().join("requests.csv")).unwrap();
        let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
        let fields: Vec<&str> = rows[0].iter().collect();
        let expected =
            ["0", "W1", "0", "1", "1.5", "1.600001", "2", "3", "2", "3", "2", "true", "completed"];
        assert_eq!(fields, expected);
        assert_eq!((&rows[1][0], &rows[1][1], &rows[1][11]), ("1", "a,\"b\"", "false"));
        let failed: Vec<&str> = rows[2].iter().collect();
        let expected =
            ["2", "W1", "1", "0.5", "", "", "", "2", "1.5", "", "", "false", "timed_out"];
        assert_eq!(failed, expected);
        let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "the log and the manifest; temporary files are gone");
    }
}
