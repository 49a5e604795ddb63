//! Per-request records as a file, collected during the run.

mod entry;

use super::output_dir::{OutputDir, OutputError};
use super::parquet::{Cells, ColumnType, ParquetTable};
use entry::{LogEntry, RAW};
use igniter_model::domain::{
    FailedRequest, GpuId, GpuInterval, RecordSink, RequestRecord, Workload,
};
use igniter_model::profile::csv_field;
use igniter_model::units::Nanoseconds;
use std::fmt;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use tempfile::NamedTempFile;

const HEADER: &str = "request,workload,gpu,arrival_ms,load_start_ms,load_end_ms,exec_start_ms,\
                      exec_end_ms,done_ms,latency_ms,batch,batch_size,ok,outcome\n";

/// Columns of the Parquet file, with times in ns.
const COLUMNS: [(&str, ColumnType); 14] = [
    ("request", ColumnType::Integer),
    ("workload", ColumnType::Text),
    ("gpu", ColumnType::Integer),
    ("arrival_ns", ColumnType::Integer),
    ("load_start_ns", ColumnType::Integer),
    ("load_end_ns", ColumnType::Integer),
    ("exec_start_ns", ColumnType::Integer),
    ("exec_end_ns", ColumnType::Integer),
    ("done_ns", ColumnType::Integer),
    ("latency_ns", ColumnType::Integer),
    ("batch", ColumnType::Integer),
    ("batch_size", ColumnType::Integer),
    ("ok", ColumnType::Bool),
    ("outcome", ColumnType::Text),
];

/// Rows per group in a Parquet file.
const GROUP: usize = 1 << 16;

/// The file format of a request log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestFormat {
    /// `requests.csv`: times in ms as exact decimals of the engine's nanoseconds.
    #[default]
    Csv,
    /// `requests.parquet`: times in whole nanoseconds; a sixth of the size, for data frames.
    Parquet,
}

impl RequestFormat {
    /// Names of the formats.
    pub const NAMES: [&'static str; 2] = ["csv", "parquet"];

    /// Returns the format with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Csv, Self::Parquet]
            .into_iter()
            .zip(Self::NAMES)
            .find(|(_, n)| *n == name)
            .map(|f| f.0)
    }

    /// Returns the name of the file.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "requests.csv",
            Self::Parquet => "requests.parquet",
        }
    }
}

/// The sink of one GPU. Records are written to a temporary file; [`RequestLog::join`] concatenates those of all GPUs in
/// GPU order, so that the result does not depend on the order in which GPUs were simulated.
///
/// `ok` tells whether the request met its SLO; `outcome` is `completed` or the reason for the failure (then `done` is
/// the time of the failure, and the stages are empty). Requests outside the measured window are included.
#[derive(Debug)]
pub struct RequestLog {
    gpu: GpuId,
    file: BufWriter<NamedTempFile>,
    failed: Option<io::Error>,
}

impl RequestLog {
    /// Opens the log of one GPU.
    ///
    /// # Errors
    /// When no temporary file can be made in the output directory.
    pub fn new(dir: &OutputDir, gpu: GpuId) -> Result<Self, OutputError> {
        let file = BufWriter::with_capacity(1 << 16, dir.scratch("requests")?);
        Ok(Self { gpu, file, failed: None })
    }

    /// Concatenates the logs of all GPUs, in the given order, into one file with requests numbered from 0. `workloads`
    /// are those of the scenario, in order.
    ///
    /// # Errors
    /// When one of the logs could not be written during the run, or the file cannot be written now.
    pub fn join(
        logs: Vec<Self>,
        workloads: &[Workload],
        dir: &mut OutputDir,
        format: RequestFormat,
    ) -> Result<(), OutputError> {
        dir.write(format.file_name(), |out| match format {
            RequestFormat::Csv => write_csv(logs, workloads, out),
            RequestFormat::Parquet => write_parquet(logs, workloads, out),
        })
    }

    /// Reads the entries back, in order.
    fn records(self, mut take: impl FnMut(&LogEntry) -> io::Result<()>) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut raw = [0; RAW];
        loop {
            match file.read_exact(&mut raw) {
                Ok(()) => take(&LogEntry::decode(&raw, self.gpu))?,
                Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn note(&mut self, entry: &LogEntry) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(&entry.encode()).err();
        }
    }
}

impl RecordSink for RequestLog {
    fn request(&mut self, record: &RequestRecord) {
        self.note(&LogEntry::Completed(*record));
    }

    fn failed(&mut self, request: &FailedRequest) {
        self.note(&LogEntry::Failed(*request));
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

fn write_csv(logs: Vec<RequestLog>, workloads: &[Workload], out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = workloads.iter().map(|w| csv_field(w.name.as_str())).collect();
    let slos = slos(workloads);
    out.write_all(HEADER.as_bytes())?;
    let mut number: u64 = 0;
    for log in logs {
        log.records(|entry| {
            let index = entry.workload();
            let [mut load_start, mut load_end] = [const { String::new() }; 2];
            let [mut exec_start, mut exec_end] = [const { String::new() }; 2];
            let [mut batch, mut batch_size] = [const { String::new() }; 2];
            if let Some(record) = entry.record() {
                load_start = ExactMs(record.load_start).to_string();
                load_end = ExactMs(record.load_end).to_string();
                exec_start = ExactMs(record.exec_start).to_string();
                exec_end = ExactMs(record.exec_end).to_string();
                batch = record.batch.to_string();
                batch_size = record.batch_size.to_string();
            }
            writeln!(
                out,
                "{number},{},{},{},{load_start},{load_end},{exec_start},{exec_end},{},{},{batch},{batch_size},{},{}",
                names[index],
                entry.gpu(),
                ExactMs(entry.arrival()),
                ExactMs(entry.end()),
                ExactMs(entry.latency()),
                entry.meets(slos[index]),
                entry.outcome(),
            )?;
            number += 1;
            Ok(())
        })?;
    }
    Ok(())
}

fn write_parquet(
    logs: Vec<RequestLog>,
    workloads: &[Workload],
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let slos = slos(workloads);
    let mut table = ParquetTable::new(out, &COLUMNS)?;
    let mut number: u64 = 0;
    let mut rows = Vec::new();
    let mut flush = |rows: &mut Vec<LogEntry>| {
        let group = cells(rows, number, workloads, &slos);
        number += rows.len() as u64;
        rows.clear();
        table.write(&group)
    };
    for log in logs {
        log.records(|entry| {
            rows.push(*entry);
            if rows.len() == GROUP { flush(&mut rows) } else { Ok(()) }
        })?;
    }
    flush(&mut rows)?;
    table.finish()
}

/// Returns the columns of a group of requests; `first` is the number of the first request.
fn cells(
    rows: &[LogEntry],
    first: u64,
    workloads: &[Workload],
    slos: &[Nanoseconds],
) -> [Cells; COLUMNS.len()] {
    let whole = |number: u64| i64::try_from(number).ok();
    let integers =
        |of: fn(&LogEntry) -> u64| Cells::Integer(rows.iter().map(|row| whole(of(row))).collect());
    let stages = |of: fn(&RequestRecord) -> u64| {
        Cells::Integer(rows.iter().map(|row| row.record().and_then(|r| whole(of(r)))).collect())
    };
    let text = |row: &LogEntry| Some(workloads[row.workload()].name.to_string());
    let ok = |row: &LogEntry| Some(row.meets(slos[row.workload()]));
    [
        Cells::Integer((first..).take(rows.len()).map(whole).collect()),
        Cells::Text(rows.iter().map(text).collect()),
        integers(|row| row.gpu() as u64),
        integers(|row| row.arrival().get()),
        stages(|record| record.load_start.get()),
        stages(|record| record.load_end.get()),
        stages(|record| record.exec_start.get()),
        stages(|record| record.exec_end.get()),
        integers(|row| row.end().get()),
        integers(|row| row.latency().get()),
        stages(|record| record.batch),
        stages(|record| u64::from(record.batch_size)),
        Cells::Bool(rows.iter().map(ok).collect()),
        Cells::Text(rows.iter().map(|row| Some(row.outcome().to_owned())).collect()),
    ]
}

fn slos(workloads: &[Workload]) -> Vec<Nanoseconds> {
    workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect()
}

/// Nanoseconds, formatted as a decimal number of milliseconds without loss and without trailing zeros.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Existing;
    use ::parquet::file::reader::SerializedFileReader;
    use ::parquet::record::Field;
    use igniter_model::domain::{Failure, ModelName, WorkloadId, WorkloadName};
    use igniter_model::units::{Milliseconds, RequestsPerSecond};

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
    fn logs_are_joined_in_gpu_order_and_read_back() {
        let root = tempfile::tempdir().unwrap();
        let workload = |name: &str, slo: f64| Workload {
            name: WorkloadName::new(name).unwrap(),
            model: ModelName::new("m").unwrap(),
            slo: Milliseconds::new(slo).unwrap(),
            rate: RequestsPerSecond::new(1.0).unwrap(),
        };
        let workloads = [workload("W1", 2.0), workload("a,\"b\"", 1.5)];
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        for format in [RequestFormat::Csv, RequestFormat::Parquet] {
            let mut logs = [0, 1].map(|gpu| RequestLog::new(&dir, GpuId::new(gpu)).unwrap());
            logs[1].request(&record(1, 1, 5));
            logs[0].request(&record(0, 0, 1_000_000));
            logs[1].failed(&FailedRequest {
                workload: WorkloadId::new(0),
                gpu: GpuId::new(1),
                arrival: Nanoseconds::new(500_000),
                at: Nanoseconds::new(2_000_000),
                failure: Failure::TimedOut,
            });
            RequestLog::join(logs.into(), &workloads, &mut dir, format).unwrap();
        }
        dir.finish(crate::Manifest::start(Vec::new())).unwrap();

        let mut rows = csv::Reader::from_path(root.path().join("requests.csv")).unwrap();
        let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
        let fields: Vec<&str> = rows[0].iter().collect();
        let expected = [
            "0",
            "W1",
            "0",
            "1",
            "1.5",
            "1.6",
            "1.600001",
            "2",
            "3",
            "2",
            "3",
            "2",
            "true",
            "completed",
        ];
        assert_eq!(fields, expected);
        assert_eq!((&rows[1][0], &rows[1][1], &rows[1][12]), ("1", "a,\"b\"", "false"));
        let failed: Vec<&str> = rows[2].iter().collect();
        let expected =
            ["2", "W1", "1", "0.5", "", "", "", "", "2", "1.5", "", "", "false", "timed_out"];
        assert_eq!(failed, expected);
        let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(left.len(), 3, "the logs and the manifest; temporary files are gone");

        let file = std::fs::File::open(root.path().join("requests.parquet")).unwrap();
        let rows: Vec<Vec<Field>> = (SerializedFileReader::new(file).unwrap().into_iter())
            .map(|row| row.unwrap().get_column_iter().map(|(_, cell)| cell.clone()).collect())
            .collect();
        let times = [1_000_000, 1_500_000, 1_600_000, 1_600_001, 2_000_000, 3_000_000, 2_000_000];
        let mut expected = vec![Field::Long(0), Field::Str("W1".into()), Field::Long(0)];
        expected.extend(times.map(Field::Long));
        expected.extend([Field::Long(3), Field::Long(2), Field::Bool(true)]);
        expected.push(Field::Str("completed".into()));
        assert_eq!(rows[0], expected);
        assert_eq!((&rows[1][0], &rows[1][12]), (&Field::Long(1), &Field::Bool(false)));
        let failed =
            [Field::Long(2), Field::Str("W1".into()), Field::Long(1), Field::Long(500_000)];
        assert_eq!(rows[2][..4], failed);
        assert_eq!((&rows[2][4], &rows[2][8]), (&Field::Null, &Field::Long(2_000_000)));
        assert_eq!(rows[2][13], Field::Str("timed_out".into()));
        assert_eq!(rows.len(), 3);
    }
}
