//! Memory does not depend on the length of a trace: it is written, converted and replayed as it goes by.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use igniter::arrivals::ArrivalSpec;
use igniter::domain::WorkloadName;
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::traces::{
    Faster, Mapped, Mapping, Redraw, Redrawn, TracePart, TraceReader, TraceReading, TraceStream,
    write_csv, write_merged,
};
use igniter::units::{Nanoseconds, RequestsPerSecond};
use peak_alloc::PeakAlloc;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Memory is that of the whole program, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The most memory that `work` needs above what there is, in bytes.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    HEAP.peak_usage().saturating_sub(before)
}

/// Two workloads with 200 requests/s each, bursty, for so long.
fn write_trace(path: &Path, seconds: u64) -> u64 {
    let rate = RequestsPerSecond::new(200.0).unwrap();
    let length = Nanoseconds::new(seconds * 1_000_000_000);
    let build = |name: &'static str| {
        let spec = ArrivalSpec::Gamma { cv: 4.0 };
        (name, spec.build(&WorkloadName::new(name).unwrap(), rate, length, 1).unwrap())
    };
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    let mut requests = 0;
    write_merged(&mut ["W1", "W2"].map(build), &mut out, &mut |_, _| requests += 1).unwrap();
    out.flush().unwrap();
    requests
}

fn replay(folder: &Path, seconds: u64) {
    let workload = |name: &str, model: &str| {
        format!(
            "[[workload]]\nname = '{name}'\nmodel = '{model}'\nslo_ms = 100\nrate_rps = 200\n\
             arrival = {{ process = 'trace', path = 'trace.csv', workload = '{name}' }}\n"
        )
    };
    let text = format!(
        "version = 1\nduration_s = {seconds}\npercentiles = 'histogram'\n[[gpu]]\nkind = 'v100'\n{}{}",
        workload("W1", "alexnet"),
        workload("W2", "resnet50"),
    );
    let scenario = Scenario::parse(&text, &folder.join("replay.toml")).unwrap();
    let study = Study::new(scenario, &Overrides::default()).unwrap();
    let plan = study.plan(strategy("igniter").unwrap().as_ref());
    let result = study.simulate(&plan).unwrap();
    assert!(result.workloads.iter().all(|workload| workload.completed > 100 * seconds));
}

/// Six workloads whose batches are of many sizes, on the clear engine (which a timeout asks for).
fn simulate_many_states(seconds: u64) {
    let workload = |i: u32| {
        format!(
            "[[workload]]\nname = 'W{i}'\nmodel = 'alexnet'\nslo_ms = 100\nrate_rps = 250\n\
             batching = {{ timeout_ms = 1000 }}\narrival = {{ process = 'gamma', cv = 4 }}\n"
        )
    };
    let workloads: String = (0..6).map(workload).collect();
    let text = format!(
        "version = 1\nduration_s = {seconds}\npercentiles = 'histogram'\n[[gpu]]\nkind = 'v100'\n{workloads}"
    );
    let scenario = Scenario::parse(&text, Path::new("states.toml")).unwrap();
    let study = Study::new(scenario, &Overrides::default()).unwrap();
    let plan = study.plan(strategy("igniter").unwrap().as_ref());
    assert_eq!(plan.gpus.len(), 1);
    study.simulate(&plan).unwrap();
}

#[test]
fn a_longer_run_of_the_clear_engine_needs_no_more_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    simulate_many_states(10);
    // The shorter run meets more states than are remembered.
    let [short, long] = [200, 600].map(|seconds| peak_of(|| simulate_many_states(seconds)));
    println!("bytes: {short} and {long}");
    assert!(long <= short + short / 10, "{short} and {long} bytes");
}

/// Converts a trace as `igniter trace convert` does; returns how many requests come out.
fn convert(path: &Path, sort: bool, redraw: bool) -> u64 {
    let file = igniter::input::TraceLayout { sort, ..Default::default() };
    let reading = TraceReading { file, ..TraceReading::default() };
    let part = TracePart::new(TraceReader::open(path, &reading).unwrap(), Nanoseconds::ZERO, None);
    let mapped = Mapped::new(part, Mapping::Stripe(vec!["a".to_owned()]));
    let window = Nanoseconds::new(100_000_000_000);
    let mut trace: Box<dyn TraceStream> = if redraw {
        let how = Redraw { window, rate_scale: 2.0, cv_scale: 1.0, seed: 1 };
        Box::new(Redrawn::new(mapped, how))
    } else {
        Box::new(Faster::new(mapped, 2.0))
    };
    let mut requests = 0;
    write_csv(trace.as_mut(), &mut std::io::sink(), &mut |_, _| requests += 1).unwrap();
    requests
}

#[test]
fn a_longer_trace_is_converted_in_the_same_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    // Both are longer than what is sorted at once.
    let lengths = [1_400, 2_800];
    let found = lengths.map(|seconds| {
        let written = write_trace(&path, seconds);
        assert!(written > 1 << 19, "{written} requests");
        [(false, false), (true, false), (false, true)].map(|(sort, redraw)| {
            let mut requests = 0;
            let peak = peak_of(|| requests = convert(&path, sort, redraw));
            let expected = if redraw { written } else { written - 1 };
            assert!(requests > expected, "{requests} of {written} requests");
            peak
        })
    });
    println!("bytes to convert, to sort, to draw anew: {found:?}");
    let [short, long] = found;
    for (what, (short, long)) in ["in order", "sorted", "drawn"].iter().zip(short.iter().zip(long))
    {
        // Of a run that is laid aside, a block is in memory.
        assert!(long <= short + 65_536, "{what}: {short} and {long} bytes");
    }
    // In order, nothing is kept; sorted, half a million requests at a time.
    assert!(long[0].max(long[2]) < 1_000_000 && long[1] < 20_000_000, "{long:?} bytes");
}

#[test]
fn a_longer_trace_needs_no_more_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    // Once before, for what is made once and stays.
    write_trace(&path, 10);
    replay(folder.path(), 10);
    // The shorter trace has more requests of each workload than are kept in memory.
    let peaks = [1_000, 4_000].map(|seconds| {
        let mut requests = 0;
        let writing = peak_of(|| requests = write_trace(&path, seconds));
        assert!(requests > 300 * seconds, "{requests} requests");
        (writing, peak_of(|| replay(folder.path(), seconds)))
    });
    println!("bytes to write and to replay: {peaks:?}");
    let [(short_writing, short), (long_writing, long)] = peaks;
    assert!(long_writing <= short_writing + 4_096, "{short_writing} and {long_writing} bytes");
    // A tenth for luck in what the threads do at the same time; what is four times as long would need far more.
    assert!(long <= short + short / 10, "{short} and {long} bytes");
}
