//! Every format, from made-up files and from samples of the real ones.
#![expect(clippy::float_cmp, reason = "these numbers are exact")]

use super::*;
use crate::arrivals::{ArrivalProcess, ArrivalStatistics, Stream};
use igniter_model::input;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A trace that is kept.
#[derive(Debug, Clone, PartialEq, Default)]
struct Trace {
    arrivals: Vec<(Nanoseconds, u32)>,
    keys: Vec<String>,
    length: Nanoseconds,
}

impl Trace {
    fn of(mut stream: impl TraceStream) -> Result<Self, ImportError> {
        let mut arrivals = Vec::new();
        while let Some(arrival) = stream.next_arrival()? {
            arrivals.push(arrival);
        }
        assert_eq!(stream.next_arrival()?, None);
        Ok(Self { arrivals, keys: stream.keys().to_vec(), length: stream.length() })
    }

    fn stream(&self) -> Kept<'_> {
        Kept { trace: self, next: 0 }
    }

    fn of_key(&self, key: u32) -> impl Iterator<Item = Nanoseconds> {
        self.arrivals.iter().filter(move |(_, k)| *k == key).map(|(time, _)| *time)
    }

    fn part(&self, start: Nanoseconds, length: Nanoseconds) -> Self {
        Self::of(TracePart::new(self.stream(), start, Some(length))).unwrap()
    }
}

#[derive(Debug)]
struct Kept<'t> {
    trace: &'t Trace,
    next: usize,
}

impl TraceStream for Kept<'_> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        self.next += 1;
        Ok(self.trace.arrivals.get(self.next - 1).copied())
    }

    fn keys(&self) -> &[String] {
        &self.trace.keys
    }

    fn length(&self) -> Nanoseconds {
        self.trace.length
    }

    fn path(&self) -> &Path {
        Path::new("kept")
    }
}

fn read(path: &Path, how: &TraceReading) -> Result<(Format, Trace), ImportError> {
    let reader = TraceReader::open(path, how)?;
    Ok((reader.format(), Trace::of(reader)?))
}

fn reading() -> TraceReading {
    TraceReading::default()
}

/// Reads a file with this content.
fn read_text(text: &str, how: &TraceReading) -> Result<(Format, Trace), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    read(&path, how).map_err(|error| error.to_string())
}

fn seconds(trace: &Trace) -> Vec<f64> {
    trace.arrivals.iter().map(|(time, _)| time.as_seconds()).collect()
}

/// A folder of real traces, which is not part of the project.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/traces").join(name);
    let path = std::env::var_os("IGNITER_TRACES").map_or(path, |root| Path::new(&root).join(name));
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (IGNITER_TRACES can name its folder)", path.display());
    None
}

#[test]
fn rows_of_every_format() {
    let cases = [
        ("arrival_s,workload\n0.5,a\n1.5,b\n", Format::Igniter, vec![0.5, 1.5]),
        ("\u{feff}id,arrival_s\r\n7,0.5\r\n8,1.5\r\n", Format::Igniter, vec![0.5, 1.5]),
        // Arrivals at 10 − 4 = 6 and 9 − 1 = 8: in the order of ends, 8 comes first.
        (
            "app,func,end_timestamp,duration\nx,f,9,1\nx,g,10,4\n",
            Format::AzureFunctions2021,
            vec![0.0, 2.0],
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.5000000,1,2\r\n\
             2023-11-17 00:00:01.2500000,1,2\r\n",
            Format::AzureLlm,
            vec![0.0, 1.75],
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,1,2\n\
             2024-05-10 02:00:01.009930+02:00,1,2\n",
            Format::AzureLlm,
            vec![0.0, 1.0],
        ),
        (
            "{\"timestamp\": 500, \"input_length\": 3}\n{\"timestamp\": 1750}\n",
            Format::Mooncake,
            vec![0.0, 1.25],
        ),
        ("100.5\n101\n101\n", Format::Timestamps, vec![0.0, 0.5, 0.5]),
    ];
    for (text, format, times) in cases {
        let (found, trace) = read_text(text, &reading()).unwrap();
        assert_eq!(found, format, "{text}");
        assert_eq!(seconds(&trace), times, "{text}");
    }
    let (_, trace) = read_text("arrival_s,workload\n0.5,a\n1.5,b\n2,a\n", &reading()).unwrap();
    assert_eq!(trace.keys, ["a", "b"]);
    assert_eq!(trace.of_key(0).count(), 2);
}

#[test]
fn wrong_rows_are_named() {
    for (text, words) in [
        ("", "the first line is of no known trace format: \"\"; name the column"),
        ("hello\n", "no known trace format: \"hello\""),
        ("arrival_s\nx\n", "t.csv:2: \"x\" is no finite number"),
        ("arrival_s\n1\ninf\n", "t.csv:3: \"inf\" is no finite number"),
        ("arrival_s\n1,2\n", "t.csv:2: it has 2 fields, not 1"),
        (
            "arrival_s\n2\n1.5\n",
            "t.csv:3: the time is 0.5 s before the one above it; sort the file",
        ),
        ("arrival_s\n", "the trace has no requests"),
        ("TIMESTAMP\nyesterday\n", "t.csv:2: \"yesterday\" is neither a finite number nor a date"),
        (
            "{\"timestamp\": 1}\n{\"time\": 2}\n",
            "t.csv:2: the object has no number or date \"timestamp\"",
        ),
        ("{\"timestamp\": 1}\nnull,\n", "t.csv:2: not a JSON object"),
        ("HashFunction,1,2\nf,1,x\n", "t.csv:2: minute 2: \"x\" is no whole number"),
        ("0,1,1,Pareto,1,1\n", "t.csv:1: distribution \"Pareto\" is neither"),
        ("600,1,1,Gamma,1,1\n0,1,1,Gamma,1,1\n", "t.csv:2: the time is 600 s before"),
    ] {
        let message = read_text(text, &reading()).unwrap_err();
        assert!(message.contains(words), "{text}: {message}");
    }
    let sort = TraceReading {
        file: input::TraceLayout { sort: true, ..input::TraceLayout::default() },
        ..reading()
    };
    let (_, trace) = read_text("arrival_s\n2\n1.5\n", &sort).unwrap();
    assert_eq!(seconds(&trace), [1.5, 2.0]);
}

#[test]
fn gzip_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv.gz");
    let file = std::fs::File::create(&path).unwrap();
    let mut zipped = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    zipped.write_all(b"arrival_s\r\n0.5\r\n").unwrap();
    zipped.finish().unwrap();
    assert_eq!(seconds(&read(&path, &reading()).unwrap().1), [0.5]);
}

#[test]
fn counts_become_arrivals_in_their_minutes() {
    // f has 6,000 requests in its second minute and 600 in its third, g none, h 60 in the first.
    let text = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,http,0,6000,600\n\
                o,a,g,http,0,0,0\no,a,h,http,60,0,0\n";
    let how = |cv, rate_scale| TraceReading { cv, rate_scale, ..reading() };
    let (format, trace) = read_text(text, &how(None, 1.0)).unwrap();
    assert_eq!((format, trace.keys.len()), (Format::AzureFunctions2019, 2));
    assert_eq!(trace.length.as_seconds(), 180.0);
    let counted = |trace: &Trace, minute: usize| {
        let from = minute as f64 * 60.0;
        trace.of_key(0).filter(|t| (from..from + 60.0).contains(&t.as_seconds())).count() as f64
    };
    assert_eq!(counted(&trace, 0), 0.0);
    // Four standard deviations of a Poisson count.
    assert!((counted(&trace, 1) - 6000.0).abs() < 4.0 * 6000_f64.sqrt());
    assert!((counted(&trace, 2) - 600.0).abs() < 4.0 * 600_f64.sqrt());
    // With a coefficient of variation of 3, the variance of a count is 9 times as high.
    let (_, bursty) = read_text(text, &how(Some(3.0), 2.0)).unwrap();
    assert!((counted(&bursty, 1) - 12_000.0).abs() < 12.0 * 12_000_f64.sqrt());
    let minute = bursty.part(Nanoseconds::new(60_000_000_000), Nanoseconds::new(60_000_000_000));
    let cv = ArrivalStatistics::of_times(minute.of_key(0), minute.length).gap_cv.unwrap();
    assert!((cv - 3.0).abs() < 0.3, "{cv}");
}

#[test]
fn stripes_and_turns() {
    let trace = Trace {
        arrivals: (0..6).map(|i| (Nanoseconds::new(u64::from(i)), i % 3)).collect(),
        keys: ["f", "g", "h"].map(String::from).to_vec(),
        length: Nanoseconds::new(6),
    };
    let keys = |trace: &Trace| trace.arrivals.iter().map(|(_, key)| *key).collect::<Vec<_>>();
    let names = vec!["W1".to_owned(), "W2".to_owned()];
    // f and h go to W1, g to W2.
    let apply = |mapping| Trace::of(Mapped::new(trace.stream(), mapping)).unwrap();
    let striped = apply(Mapping::Stripe(names.clone()));
    assert_eq!(keys(&striped), [0, 1, 0, 0, 1, 0]);
    assert_eq!(striped.keys, names);
    assert_eq!(keys(&apply(Mapping::RoundRobin(names))), [0, 1, 0, 1, 0, 1]);
    assert_eq!(apply(Mapping::Keys), trace);
}

/// Gamma gaps for so many seconds.
fn drawn(rate: f64, cv: f64, length: f64, random: &mut Stream) -> Vec<Nanoseconds> {
    let mut process = rescale::draw(rate, cv, length, random).unwrap();
    std::iter::from_fn(|| process.next_arrival()).collect()
}

fn fit_of(gaps: &[f64]) -> Option<GammaFit> {
    let mut sums = GapSums::default();
    gaps.iter().for_each(|gap| sums.add(*gap));
    sums.fit()
}

#[test]
fn a_fit_finds_the_gamma_that_was_drawn() {
    // The microsecond that is added hides how short the shortest gaps are, which matters for high CVs.
    for (rate, cv) in [(100.0, 0.5), (100.0, 1.0), (1.0, 1.5)] {
        let times = drawn(rate, cv, 20_000.0 / rate, &mut rescale::random(1, "test"));
        let gaps: Vec<f64> =
            times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_seconds()).collect();
        let fit = fit_of(&gaps).unwrap();
        assert!((fit.rate_rps / rate - 1.0).abs() < 0.1, "{cv}: {fit:?}");
        assert!((fit.cv / cv - 1.0).abs() < 0.05, "{cv}: {fit:?}");
        assert!((fit.shape - fit.cv.powi(-2)).abs() < 1e-9);
    }
    // Equal gaps have no spread; the least CV is 0.01.
    assert!(fit_of(&[0.5, 0.5]).unwrap().cv <= 0.0101);
    assert_eq!(fit_of(&[1.0]), None);
}

#[test]
fn rescaled_windows_have_the_scaled_rate_and_cv() {
    // Ten seconds with 100/s, then ten with 10/s, both with a CV of 2.
    let mut random = rescale::random(1, "test");
    let length = Nanoseconds::from_seconds(2000.0).unwrap();
    let mut trace = Trace { keys: vec!["f".to_owned()], length, ..Trace::default() };
    for (rate, start) in [(100.0, 0.0), (10.0, 1000.0)] {
        let start = Nanoseconds::from_seconds(start).unwrap();
        let times = drawn(rate, 2.0, 1000.0, &mut random);
        trace.arrivals.extend(times.into_iter().map(|time| (start.saturating_add(time), 0)));
    }
    let window = Nanoseconds::from_seconds(1000.0).unwrap();
    let how = Redraw { window, rate_scale: 3.0, cv_scale: 0.5, seed: 1 };
    let redrawn = || Trace::of(Redrawn::new(trace.stream(), how)).unwrap();
    let scaled = redrawn();
    for (start, rate) in [(0.0, 300.0), (1000.0, 30.0)] {
        let part = scaled.part(Nanoseconds::from_seconds(start).unwrap(), window);
        let found = ArrivalStatistics::of_times(part.of_key(0), part.length);
        assert!((found.rate_rps / rate - 1.0).abs() < 0.1, "{start}: {found:?}");
        assert!((found.gap_cv.unwrap() - 1.0).abs() < 0.1, "{start}: {found:?}");
    }
    assert_eq!(redrawn(), scaled);
    let fast = Trace::of(Faster::new(trace.stream(), 4.0)).unwrap();
    assert_eq!(fast.arrivals.len(), trace.arrivals.len());
    assert!((fast.length.as_seconds() - 500.0).abs() < 1e-6);
}

#[test]
fn what_is_written_reads_back() {
    let trace = Trace {
        arrivals: vec![(Nanoseconds::new(1), 0), (Nanoseconds::new(12_345_678_901), 1)],
        keys: vec!["a, \"b\"".to_owned(), "c".to_owned()],
        length: Nanoseconds::new(12_345_678_902),
    };
    let mut bytes = Vec::new();
    let mut seen = [0; 2];
    write_csv(&mut trace.stream(), &mut bytes, &mut |_, key| seen[key] += 1).unwrap();
    assert_eq!(seen, [1, 1]);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n12.345678901,c\n"), "{text}");
    assert_eq!(read_text(&text, &reading()).unwrap().1, trace);
}

#[test]
fn the_azure_llm_traces_have_their_published_size() {
    // Requests, minutes, requests per second.
    let cases = [("code", 8819, 57.0, 2.57), ("conv", 19_366, 58.0, 5.53)];
    for (name, requests, minutes, rate) in cases {
        let file = format!("azure-llm-2023/AzureLLMInferenceTrace_{name}.csv");
        let Some(path) = real(&file) else { return };
        let (format, trace) = read(&path, &reading()).unwrap();
        let times = trace.arrivals.iter().map(|(time, _)| *time);
        let found = ArrivalStatistics::of_times(times, trace.length);
        assert_eq!((format, found.requests), (Format::AzureLlm, requests));
        assert!((found.duration_s / 60.0 - minutes).abs() < 1.0, "{found:?}");
        assert!((found.rate_rps - rate).abs() < 0.05, "{found:?}");
        if name == "code" {
            assert!((found.gap_cv.unwrap() - 13.0).abs() < 0.5, "{found:?}");
        }
    }
}

#[test]
fn the_mooncake_trace_reads() {
    let Some(path) = real("mooncake/synthetic_trace.jsonl") else { return };
    let (format, trace) = read(
        &path,
        &TraceReading {
            file: input::TraceLayout { sort: true, ..input::TraceLayout::default() },
            ..reading()
        },
    )
    .unwrap();
    assert_eq!((format, trace.arrivals.len()), (Format::Mooncake, 3993));
    assert!((trace.length.as_seconds() / 60.0 - 17.0).abs() < 1.0, "{}", trace.length.as_seconds());
}

#[test]
fn the_azure_functions_samples_read() {
    let Some(path) = real("azure-functions-2021-sample/Azure2021_200.csv") else { return };
    let (format, trace) = read(&path, &reading()).unwrap();
    assert_eq!((format, trace.arrivals.len()), (Format::AzureFunctions2021, 199));
    assert!(trace.keys.len() > 1 && trace.arrivals.is_sorted());
    let Some(path) = real("azure-functions-2019-sample/invocations.csv") else { return };
    let (format, trace) = read(&path, &reading()).unwrap();
    assert_eq!(format, Format::AzureFunctions2019);
    assert_eq!(trace.length.as_seconds(), 86_400.0);
    // As many as the file counts, but for the luck of a Poisson process.
    let text = std::fs::read_to_string(&path).unwrap();
    let counted: f64 = (text.lines().skip(1))
        .flat_map(|line| line.split(',').skip(4))
        .map(|count| count.trim().parse::<f64>().unwrap())
        .sum();
    let found = trace.arrivals.len() as f64;
    assert!((found - counted).abs() < 4.0 * counted.sqrt(), "{found} of {counted}");
}

#[test]
fn a_servegen_client_has_the_rates_of_its_file() {
    // Two windows: 1/s with gamma gaps of shape 4 (CV 1/2), then none, then 0.5/s of a Weibull with shape 1.
    let text = "0,1,9,Gamma,4,9\n600,0,,,,\n1200,0.5,9,Weibull,1,9\n";
    let (format, trace) = read_text(text, &TraceReading { rate_scale: 10.0, ..reading() }).unwrap();
    assert_eq!((format, trace.length.as_seconds()), (Format::ServeGen, 1800.0));
    let window = Nanoseconds::from_seconds(600.0).unwrap();
    for (start, rate, cv) in [(0.0, 10.0, 0.5), (1200.0, 5.0, 1.0)] {
        let part = trace.part(Nanoseconds::from_seconds(start).unwrap(), window);
        let found = ArrivalStatistics::of_times(part.of_key(0), part.length);
        assert!((found.rate_rps / rate - 1.0).abs() < 0.06, "{found:?}");
        assert!((found.gap_cv.unwrap() / cv - 1.0).abs() < 0.06, "{found:?}");
    }
    let empty = Trace::of(TracePart::new(trace.stream(), window, Some(window))).unwrap_err();
    assert!(
        empty.to_string().ends_with("no requests in that part of the trace, which is 1800 s long")
    );
    for (row, what) in [
        ("600,1,9,Gamma,-4,9", "the shape must be above 0, not -4"),
        ("600,1,9,Weibull,0,9", "the shape must be above 0, not 0"),
        ("600,-1,9,Gamma,4,9", "the rate must be 0 or more, not -1"),
    ] {
        let error = read_text(&format!("0,1,9,Gamma,4,9\n{row}\n"), &reading()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(":2: ") && error.contains(what), "{error}");
    }
}

#[test]
fn processes_are_merged_as_they_go() {
    use crate::arrivals::ArrivalSpec;
    use igniter_model::domain::WorkloadName;
    use igniter_model::units::RequestsPerSecond;
    let length = Nanoseconds::new(10_000_000_000);
    // The first two send their requests at the same times.
    let specs = [
        ("a", 100.0, ArrivalSpec::Constant),
        ("b, quoted", 100.0, ArrivalSpec::Constant),
        ("c", 50.0, ArrivalSpec::Gamma { cv: 4.0 }),
    ];
    let build = |(name, rate, spec): &(&'static str, f64, ArrivalSpec)| {
        let rate = RequestsPerSecond::new(*rate).unwrap();
        (*name, spec.build(&WorkloadName::new(name).unwrap(), rate, length, 1).unwrap())
    };
    let mut trace = Trace { length, ..Trace::default() };
    for (key, spec) in (0..).zip(&specs) {
        let (name, mut process) = build(spec);
        trace.keys.push(name.to_owned());
        trace.arrivals.extend(std::iter::from_fn(|| process.next_arrival()).map(|t| (t, key)));
    }
    trace.arrivals.sort();
    let (mut whole, mut merged, mut counts) = (Vec::new(), Vec::new(), [0; 3]);
    write_csv(&mut trace.stream(), &mut whole, &mut |_, _| {}).unwrap();
    let mut processes: Vec<(&str, Box<dyn ArrivalProcess>)> = specs.iter().map(build).collect();
    write_merged(&mut processes, &mut merged, &mut |_, key| counts[key] += 1).unwrap();
    assert!(whole == merged);
    assert_eq!(counts[..2], [1000, 1000]);
    assert_eq!(counts[2], trace.of_key(2).count());
}
