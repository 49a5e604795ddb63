//! What is fuzzed: every reader of files of other people, each as a function of bytes that must neither panic nor hang.
//!
//! `cargo fuzz run NAME` (nightly, libFuzzer) and `tests/fuzz` (stable, our own mutations) share these.

#![allow(unreachable_pub, reason = "one of its two users is a program of its own")]

use igniter::arrivals::{ArrivalSpec, ArrivalTally, TraceFacts, TraceSpec};
use igniter::fit::CoefficientsFile;
use igniter::input::{ArrivalFile, Format, Keys, Layout, Reading, Table, Unit, decoded};
use igniter::page::read_source;
use igniter::plan::read_plan;
use igniter::predictor::try_predictor;
use igniter::results::{Manifest, PointTable, read_comparison};
use igniter::scenario::Scenario;
use igniter::sweep::{Sweep, find_shard, merge_shards, unknown_numbers};
use igniter::traces::{Part, TraceReader, TraceStream, WindowedFit};
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A target: its name and what is done with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 11] = [
    ("packed", packed),
    ("table", table),
    ("trace", trace),
    ("counts", counts),
    ("rates", rates),
    ("scenario", scenario),
    ("sweep", sweep),
    ("coefficients", coefficients),
    ("plan", plan),
    ("results", results),
    ("shard", shard),
];

/// A folder of this process in memory, where there is one.
fn folder() -> &'static Path {
    static FOLDER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        base.join(format!("igniter-fuzz-{}", std::process::id()))
    });
    std::fs::create_dir_all(folder).expect("a temporary folder can be made");
    folder
}

/// Removes what the targets wrote.
pub fn clean() {
    let _ = std::fs::remove_dir_all(folder());
}

/// The bytes as a file.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// Compressed or encoded text; no more than 4 MiB of it, for a few bytes may unpack to gigabytes.
fn packed(bytes: &[u8]) {
    if let Ok(reader) = decoded(bytes) {
        let _ = reader.take(4 << 20).read_to_end(&mut Vec::new());
    }
}

/// CSV.
fn table(bytes: &[u8]) {
    for layout in [Layout::Header, Layout::NoHeader] {
        let Ok(mut table) = Table::new(bytes, layout) else { continue };
        while let Ok(true) = table.advance() {
            assert!(table.line() >= 1);
            for column in 0..table.width() {
                let _ = table.field(column);
            }
        }
    }
}

/// A file of arrivals, read as its first line and as the first byte ask for.
fn trace(bytes: &[u8]) {
    let Some((&choice, content)) = bytes.split_first() else { return };
    let path = file("trace", content);
    let choice = usize::from(choice);
    let mut file = Reading { sort: choice & 1 == 1, ..Reading::default() };
    if choice & 2 == 2 {
        file.format = Some(Format::ALL[choice / 4 % Format::ALL.len()].1);
        file.unit = Some(Unit::ALL[choice / 4 % Unit::ALL.len()].1);
    }
    if choice & 3 == 0 && choice > 128 {
        file.time_column = Some(["timestamp", "1", "t"][choice / 4 % 3].to_owned());
    }
    let mut keys = Keys::default();
    if let Ok(mut arrivals) = ArrivalFile::open(&path, &file, &mut keys) {
        let mut previous = f64::NEG_INFINITY;
        while let Ok(Some((time, key))) = arrivals.next(&mut keys) {
            assert!(time.is_finite() && time >= previous, "{time} after {previous}");
            assert!((key as usize) < keys.names().len());
            previous = time;
        }
        let _ = arrivals.notes();
    }
    let spec = TraceSpec { reading: file.clone(), ..TraceSpec::new(&path, "") };
    let _ = TraceFacts::read(&spec, Nanoseconds::new(1_000_000_000));
    let reading =
        igniter::traces::TraceReading { file, ..igniter::traces::TraceReading::default() };
    if reading.file.format_of(&path).is_ok_and(Format::is_drawn) {
        return;
    }
    let Ok(reader) = TraceReader::open(&path, &reading) else { return };
    let mut part = Part::new(reader, Nanoseconds::ZERO, None);
    let mut tally = ArrivalTally::default();
    let mut fit = WindowedFit::new(Nanoseconds::new(1_000_000_000));
    while let Ok(Some((time, _))) = part.next_arrival() {
        tally.add(time);
        fit.add(time);
    }
    let statistics = tally.statistics(part.length());
    assert!(statistics.dispersion.is_none_or(|d| d.is_finite() && d >= 0.0));
    assert!(fit.finish().len() as u64 <= statistics.requests);
}

/// Files of counts and of windows, from which arrivals are drawn: few of them, for their number is the file's.
fn counts(bytes: &[u8]) {
    let path = file("counts", bytes);
    let mut reading = igniter::traces::TraceReading { rate_scale: 1e-6, ..Default::default() };
    for format in [Format::AzureFunctions2019, Format::ServeGen] {
        reading.file.format = Some(format);
        let Ok(mut reader) = TraceReader::open(&path, &reading) else { continue };
        let mut left = 10_000;
        while let (Ok(Some(_)), 1..) = (reader.next_arrival(), left) {
            left -= 1;
        }
    }
}

/// A file of rates.
fn rates(bytes: &[u8]) {
    let path = file("rates", bytes);
    let gaps = Box::new(ArrivalSpec::Poisson);
    let spec = ArrivalSpec::Rates { gaps, path, rate_scale: 1.0 };
    let one = RequestsPerSecond::new(1.0).expect("a rate");
    let expected = spec.expected(one, Nanoseconds::new(60_000_000_000));
    assert!(expected.is_finite() && expected >= 0.0, "{expected}");
}

/// A scenario: what is accepted reads back as the same.
fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let name = Path::new("f.toml");
    match Scenario::parse(text, name) {
        Ok(scenario) => {
            let again = Scenario::parse(&scenario.to_toml(), name);
            assert_eq!(again.as_ref().ok(), Some(&scenario), "{again:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A sweep file over a scenario that is sound.
fn sweep(bytes: &[u8]) {
    let scenario = folder().join("s.toml");
    if !scenario.exists() {
        let text = "version = 1\nduration_s = 3\n[[gpu]]\nkind = 'v100'\n[[workload]]\nname = 'W1'\n\
                    model = 'alexnet'\nslo_ms = 15\nrate_rps = 100\narrival = { process = 'gamma', cv = 2 }\n";
        std::fs::write(&scenario, text).expect("a temporary file can be written");
    }
    if let Ok(sweep) = Sweep::load(&file("sweep.toml", bytes)) {
        assert!(!sweep.id().is_empty());
    }
}

/// Coefficients: what is accepted gives predictions that are some, or an error.
fn coefficients(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(file) = CoefficientsFile::parse(text) {
        let _ = try_predictor(file.predictor().as_ref());
    }
}

/// A plan.
fn plan(bytes: &[u8]) {
    let text = "version = 1\nduration_s = 3\n[[gpu]]\nkind = 'v100'\n[[workload]]\nname = 'W1'\n\
                model = 'alexnet'\nslo_ms = 15\nrate_rps = 100\n";
    let scenario = Scenario::parse(text, Path::new("f.toml")).expect("a sound scenario");
    let workloads: Vec<_> = scenario.workloads.iter().map(|w| w.workload.clone()).collect();
    static KIND: std::sync::OnceLock<igniter::domain::GpuKind> = std::sync::OnceLock::new();
    let kind = KIND.get_or_init(|| igniter::profile::load("v100").expect("built in").kind);
    let _ = read_plan(&file("plan.json", bytes), &[kind], &workloads);
}

/// A folder of results: the first byte says which file the others are.
fn results(bytes: &[u8]) {
    const FILES: [&str; 8] = [
        "manifest.json",
        "summary.json",
        "summary.csv",
        "plan.csv",
        "cdf.csv",
        "points.csv",
        "rows.csv",
        "batches.csv",
    ];
    let Some((&which, content)) = bytes.split_first() else { return };
    let dir = folder().join("results");
    std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
    let name = FILES[usize::from(which) % FILES.len()];
    std::fs::write(dir.join(name), content).expect("a temporary file can be written");
    if let Ok(source) = read_source(&dir) {
        let _ = igniter::page::page(&source);
    }
    let _ = read_comparison(&dir);
    let _ = PointTable::read(&dir);
    let output = folder().join("merged");
    let _ = merge_shards(&[dir], &output, Manifest::start(vec!["igniter".to_owned()]));
}

/// The environment of a task: a line for each variable.
fn shard(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let variables: Vec<(&str, &str)> = text.lines().filter_map(|l| l.split_once('=')).collect();
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    for count in [None, Some(4)] {
        if let Ok(shard) = find_shard(None, count, &env) {
            assert!(shard.index() < shard.count());
        }
    }
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let _ = unknown_numbers(owned);
}

/// Runs one target by name.
///
/// # Panics
/// When there is none of that name, and when the target finds a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    (target.1)(bytes);
}
