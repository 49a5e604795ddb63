//! What is fuzzed: every reader of files of other people, each as a function of bytes that must neither panic nor hang.
//!
//! `cargo fuzz run NAME` (nightly, libFuzzer) and `tests/fuzz` (stable, our own mutations) share these. Each says what
//! came of the bytes, roughly: an input with a new outcome is worth changing further.

#![allow(unreachable_pub, reason = "one of its two users is a program of its own")]

use igniter::arrivals::{ArrivalSpec, ArrivalTally, TraceFacts, TraceSpec};
use igniter::fit::CoefficientsFile;
use igniter::input::{
    ArrivalFile, CsvTable, Format, HeaderRule, ImportError, Keys, TableError, TimeUnit,
    TraceLayout, decoded,
};
use igniter::page::read_source;
use igniter::plan::read_plan;
use igniter::predictor::try_predictor;
use igniter::profile::{Imported, import_measurements, profile_files, read_profile};
use igniter::results::{Manifest, PointTable, read_comparison};
use igniter::scenario::Scenario;
use igniter::servers::read_sections;
use igniter::sweep::{Sweep, find_shard, merge_shards, unknown_numbers};
use igniter::traces::{TracePart, TraceReader, TraceStream, WindowedFit};
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::io::Read;
use std::path::Path;

#[path = "outcome.rs"]
mod outcome;
pub use outcome::{Outcome, clean};
use outcome::{about, file, folder};

/// A target: its name and what is done with the bytes.
pub type Target = (&'static str, fn(&[u8]) -> Outcome);

/// All targets.
pub const TARGETS: [Target; 14] = [
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
    ("profile", profile),
    ("import", import),
    ("servers", servers),
];

/// Compressed or encoded text; no more than 4 MiB of it, for a few bytes may unpack to gigabytes.
fn packed(bytes: &[u8]) -> Outcome {
    let mut text = Vec::new();
    let read = decoded(bytes).and_then(|reader| reader.take(4 << 20).read_to_end(&mut text));
    Outcome::result(&read, |length| about(*length))
}

/// CSV.
fn table(bytes: &[u8]) -> Outcome {
    let read = |layout| {
        let mut table = CsvTable::new(bytes, layout)?;
        let (mut rows, mut above) = (0, 0);
        while table.advance()? {
            assert!(table.line() > above, "line {} after {above}", table.line());
            above = table.line();
            rows += 1;
            for column in 0..table.width() {
                let _ = table.field(column);
            }
        }
        Ok::<_, TableError>(about(rows) * 32 + about(table.width()))
    };
    let outcome = |layout| Outcome::result(&read(layout), |shape| *shape);
    outcome(HeaderRule::Header).and(outcome(HeaderRule::NoHeader))
}

/// A file of arrivals, read as its first line and as the first byte ask for.
fn trace(bytes: &[u8]) -> Outcome {
    let Some((&choice, content)) = bytes.split_first() else { return Outcome::NOTHING };
    let path = file("trace", content);
    let choice = usize::from(choice);
    let mut file = TraceLayout { sort: choice & 1 == 1, ..TraceLayout::default() };
    if choice & 2 == 2 {
        file.format = Some(Format::ALL[choice / 4 % Format::ALL.len()].1);
        file.unit = Some(TimeUnit::ALL[choice / 4 % TimeUnit::ALL.len()].1);
    }
    if choice & 3 == 0 && choice > 128 {
        file.time_column = Some(["timestamp", "1", "t"][choice / 4 % 3].to_owned());
    }
    let mut keys = Keys::default();
    let mut read = || {
        let mut arrivals = ArrivalFile::open(&path, &file, &mut keys)?;
        let mut previous = f64::NEG_INFINITY;
        let mut count = 0;
        while let Some((time, key)) = arrivals.next(&mut keys)? {
            assert!(time.is_finite() && time >= previous, "{time} after {previous}");
            assert!((key as usize) < keys.names().len());
            previous = time;
            count += 1;
        }
        let words = Outcome::of(&arrivals.notes().join("\n"));
        Ok::<_, ImportError>(about(count).wrapping_add(words.0))
    };
    let outcome = Outcome::result(&read(), |shape| *shape);
    let spec = TraceSpec { reading: file.clone(), ..TraceSpec::new(&path, "") };
    let _ = TraceFacts::read(&spec, Nanoseconds::new(1_000_000_000));
    let reading =
        igniter::traces::TraceReading { file, ..igniter::traces::TraceReading::default() };
    if reading.file.format_of(&path).is_ok_and(Format::is_drawn) {
        return outcome;
    }
    let Ok(reader) = TraceReader::open(&path, &reading) else { return outcome };
    let mut part = TracePart::new(reader, Nanoseconds::ZERO, None);
    let mut tally = ArrivalTally::default();
    let mut fit = WindowedFit::new(Nanoseconds::new(1_000_000_000));
    while let Ok(Some((time, _))) = part.next_arrival() {
        tally.add(time);
        fit.add(time);
    }
    let statistics = tally.statistics(part.length());
    assert!(statistics.dispersion.is_none_or(|d| d.is_finite() && d >= 0.0));
    assert!(fit.finish().len() as u64 <= statistics.requests);
    outcome
}

/// Files of counts and of windows, from which arrivals are drawn: few of them, for their number is the file's.
fn counts(bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::NOTHING;
    let path = file("counts", bytes);
    let mut reading = igniter::traces::TraceReading { rate_scale: 1e-6, ..Default::default() };
    for format in [Format::AzureFunctions2019, Format::ServeGen] {
        reading.file.format = Some(format);
        let read = || {
            let mut reader = TraceReader::open(&path, &reading)?;
            let mut left = 10_000;
            while left > 0 && reader.next_arrival()?.is_some() {
                left -= 1;
            }
            Ok::<_, ImportError>(about(left))
        };
        outcome = outcome.and(Outcome::result(&read(), |count| *count));
    }
    outcome
}

/// A file of rates.
fn rates(bytes: &[u8]) -> Outcome {
    let path = file("rates", bytes);
    let gaps = Box::new(ArrivalSpec::Poisson);
    let spec = ArrivalSpec::Rates { gaps, path, rate_scale: 1.0 };
    let one = RequestsPerSecond::new(1.0).expect("a rate");
    let expected = spec.expected(one, Nanoseconds::new(60_000_000_000));
    assert!(expected.is_finite() && expected >= 0.0, "{expected}");
    Outcome(expected.to_bits() >> 52)
}

/// A scenario: what is accepted reads back as the same.
fn scenario(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::NOTHING };
    let name = Path::new("f.toml");
    let read = Scenario::parse(text, name);
    if let Ok(scenario) = &read {
        let again = Scenario::parse(&scenario.to_toml(), name);
        assert_eq!(again.as_ref().ok(), Some(scenario), "{again:?}");
    }
    Outcome::result(&read, |scenario| about(scenario.workloads.len()))
}

/// A sweep file over a scenario that is sound.
fn sweep(bytes: &[u8]) -> Outcome {
    let scenario = folder().join("s.toml");
    if !scenario.exists() {
        let text = "version = 1\nduration_s = 3\n[[gpu]]\nkind = 'v100'\n[[workload]]\nname = 'W1'\n\
                    model = 'alexnet'\nslo_ms = 15\nrate_rps = 100\narrival = { process = 'gamma', cv = 2 }\n";
        std::fs::write(&scenario, text).expect("a temporary file can be written");
    }
    let read = Sweep::load(&file("sweep.toml", bytes));
    Outcome::result(&read, |sweep| {
        assert!(!sweep.id().is_empty());
        u64::from(sweep.points().leading_zeros())
    })
}

/// Coefficients: what is accepted gives predictions that are some, or an error.
fn coefficients(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::NOTHING };
    match CoefficientsFile::parse(text) {
        Ok(file) => Outcome::result(&try_predictor(file.predictor().as_ref()), |()| 1),
        Err(error) => Outcome::of(&error.to_string()),
    }
}

/// A plan.
fn plan(bytes: &[u8]) -> Outcome {
    type Known = (igniter::domain::GpuKind, Vec<igniter::domain::Workload>);
    static KNOWN: std::sync::OnceLock<Known> = std::sync::OnceLock::new();
    let (kind, workloads) = KNOWN.get_or_init(|| {
        let text = "version = 1\nduration_s = 3\n[[gpu]]\nkind = 'v100'\n[[workload]]\nname = 'W1'\n\
                    model = 'alexnet'\nslo_ms = 15\nrate_rps = 100\n";
        let scenario = Scenario::parse(text, Path::new("f.toml")).expect("a sound scenario");
        let workloads = scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        (igniter::profile::load("v100").expect("built in").kind, workloads)
    });
    let read = read_plan(&file("plan.json", bytes), &[kind], workloads);
    Outcome::result(&read, |_| 1)
}

/// A folder of results: the first byte says which file the others are.
fn results(bytes: &[u8]) -> Outcome {
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
    let Some((&which, content)) = bytes.split_first() else { return Outcome::NOTHING };
    let dir = folder().join("results");
    std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
    let name = FILES[usize::from(which) % FILES.len()];
    std::fs::write(dir.join(name), content).expect("a temporary file can be written");
    let source = read_source(&dir);
    if let Ok(source) = &source {
        let _ = igniter::page::page(source);
    }
    let outcome = Outcome::result(&source, |_| 1)
        .and(Outcome::result(&read_comparison(&dir), |_| 1))
        .and(Outcome::result(&PointTable::read(&dir), |_| 1));
    let output = folder().join("merged");
    let merged = merge_shards(&[dir], &output, Manifest::start(vec!["igniter".to_owned()]));
    outcome.and(Outcome::result(&merged, |_| 1))
}

/// The environment of a task: a line for each variable.
fn shard(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::NOTHING };
    let mut outcome = Outcome::NOTHING;
    let variables: Vec<(&str, &str)> = text.lines().filter_map(|l| l.split_once('=')).collect();
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    for count in [None, Some(4)] {
        let found = find_shard(None, count, &env);
        outcome = outcome.and(Outcome::result(&found, |shard| {
            assert!(shard.index() < shard.count());
            about(usize::try_from(shard.count()).unwrap_or(usize::MAX))
        }));
    }
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    outcome.and(Outcome(about(unknown_numbers(owned).len())))
}

/// A folder with a profile: the first byte says which of its files the others are.
fn profile(bytes: &[u8]) -> Outcome {
    let Some((&which, content)) = bytes.split_first() else { return Outcome::NOTHING };
    static GOOD: std::sync::OnceLock<Vec<(&str, String)>> = std::sync::OnceLock::new();
    let good = GOOD.get_or_init(|| {
        let mut profile = igniter::profile::load("v100").expect("built in");
        profile.models.truncate(1);
        profile_files(&profile)
    });
    const OTHERS: [&str; 3] = ["kernels.csv", "colocated.csv", "solo_table.csv"];
    let dir = folder().join("profile");
    std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
    for name in OTHERS {
        let _ = std::fs::remove_file(dir.join(name));
    }
    for (name, text) in good {
        std::fs::write(dir.join(name), text).expect("a temporary file can be written");
    }
    let names: Vec<&str> = good.iter().map(|(name, _)| *name).chain(OTHERS).collect();
    std::fs::write(dir.join(names[usize::from(which) % names.len()]), content)
        .expect("a temporary file can be written");
    let read = read_profile(&dir);
    if let Ok(profile) = &read {
        let again = profile_files(profile);
        assert!(again.len() >= 2);
    }
    Outcome::result(&read, |profile| about(profile.models.len()))
}

/// Measurements of others.
fn import(bytes: &[u8]) -> Outcome {
    let kind = igniter::domain::GpuKindName::new("a100").expect("a name");
    let read = import_measurements(&file("import", bytes), &kind, None);
    Outcome::result(&read, |imported| match imported {
        Imported::Profile(_) => 1,
        Imported::Tables { solo, colocated } => {
            about(solo.rows.len()) * 64 + about(colocated.len())
        }
        Imported::Folder { files, .. } => 4096 + about(files.len()),
    })
}

/// Published tables of servers: the first byte says which of the two the others are.
fn servers(bytes: &[u8]) -> Outcome {
    const OFFLINE: &str = "file,section,inferences_second,batch,server_compute_input_ms,\
                           server_compute_infer_ms,server_compute_output_ms\n\
                           a,Offline: X,10,1,1,2,3\na,Offline: X,20,2,1,2,4\n";
    const ONLINE: &str = "file,section,inferences_second,concurrency,batch,max_batch,instances,\
                          avg_latency_ms,p99_latency_ms\na,Online: X,400,16,1,64,1,3,4\n";
    let Some((&which, content)) = bytes.split_first() else { return Outcome::NOTHING };
    let (offline, online) = match which % 2 {
        0 => (file("offline.csv", content), file("online.csv", ONLINE.as_bytes())),
        _ => (file("offline.csv", OFFLINE.as_bytes()), file("online.csv", content)),
    };
    Outcome::result(&read_sections(&offline, &online), |sections| about(sections.len()))
}

/// Runs one target by name.
///
/// # Panics
/// When there is none of that name, and when the target finds a fault.
pub fn run(name: &str, bytes: &[u8]) -> Outcome {
    let target = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    (target.1)(bytes)
}
