//! `igniter trace`: inspects and converts external traces, and generates and fits arrivals.

use super::CommandOutcome;
use super::files::{check_writable, write_file_of};
use super::output;
use super::trace_args::{
    ConvertArgs, FitTraceArgs, GenerateArgs, InspectArgs, ReadingArgs, Rescaling, TraceArgs,
    TraceCommand,
};
use crate::arrivals::{ArrivalStatistics, ArrivalTally};
use crate::domain::{Workload, escaped};
use crate::input;
use crate::results::formula_note;
use crate::scenario::{Scenario, ScenarioWorkload};
use crate::traces::{
    Faster, Format, GammaFit, GapSums, Mapped, Mapping, Redraw, Redrawn, TimeUnit, TracePart,
    TraceReader, TraceReading, TraceStream, WindowFit, WindowedFit, WriteError, doubts, write_csv,
    write_merged,
};
use crate::units::Nanoseconds;
use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::path::Path;

pub(super) fn run(args: &TraceArgs) -> anyhow::Result<CommandOutcome> {
    match &args.command {
        TraceCommand::Inspect(args) => inspect(args),
        TraceCommand::Convert(args) => convert(args),
        TraceCommand::Generate(args) => generate(args),
        TraceCommand::Fit(args) => fit(args),
    }?;
    Ok(CommandOutcome::Done)
}

/// Statistics of the arrivals of one workload, or of all together.
#[derive(Debug, Serialize)]
struct TraceRow {
    workload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_rps: Option<f64>,
    #[serde(flatten)]
    statistics: ArrivalStatistics,
}

/// Maximum number of windows in a fit.
const MOST_WINDOWS: usize = 1 << 20;

/// Maximum number of workloads that a table on the terminal lists.
const LISTED: usize = 20;

fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    if args.file.extension().is_some_and(|extension| extension == "toml") {
        let ReadingArgs { format, time_column, key_column, unit, sort, start, length, seed } =
            &args.reading;
        let named = format.is_some() || time_column.is_some() || key_column.is_some();
        if named || unit.is_some() || *sort || *start > 0.0 || length.is_some() {
            bail!(
                "{}: --format, --time-column, --key-column, --unit, --sort, --start and --length are for traces, and \
                 this is a scenario",
                args.file.display()
            );
        }
        let mut scenario = Scenario::load(&args.file)?;
        scenario.seed = seed.unwrap_or(scenario.seed);
        let rows = scenario_rows(&scenario)?;
        return show("scenario", &rows, &[], &args.print);
    }
    let (format, mut trace) = open(&args.file, &args.reading, 1.0, None)?;
    let mut tallies = Tallies::default();
    while let Some((time, key)) = trace.next_arrival()? {
        tallies.add(time, key as usize);
    }
    let rows = tallies.rows(&trace);
    let notes = notes(format, &trace, &rows);
    show(format.word(), &rows, &notes, &args.print)
}

/// Returns notes on a trace: how it was read, and what is doubtful about it.
fn notes(format: Format, trace: &dyn TraceStream, rows: &[TraceRow]) -> Vec<String> {
    let mut notes = trace.notes();
    notes.extend(rows.first().into_iter().flat_map(|row| doubts(format, &row.statistics)));
    notes
}

/// Returns the statistics of each workload's arrivals in a scenario. They are drawn one after
/// another, and none is kept.
fn scenario_rows(scenario: &Scenario) -> anyhow::Result<Vec<TraceRow>> {
    let mut rows = Vec::new();
    for entry in &scenario.workloads {
        let workload = &entry.workload;
        let mut process =
            entry.arrival.build(&workload.name, workload.rate, scenario.duration, scenario.seed)?;
        let statistics = ArrivalStatistics::of(process.as_mut(), scenario.duration);
        let asked_rps = (!entry.arrival.has_own_rate()).then(|| workload.rate.get());
        rows.push(TraceRow { workload: workload.name.to_string(), asked_rps, statistics });
    }
    Ok(rows)
}

/// Statistics of a trace, gathered while it is read.
#[derive(Debug, Default)]
struct Tallies {
    all: ArrivalTally,
    keys: Vec<ArrivalTally>,
}

impl Tallies {
    fn add(&mut self, time: Nanoseconds, key: usize) {
        self.all.add(time);
        self.keys.resize_with(self.keys.len().max(key + 1), ArrivalTally::default);
        self.keys[key].add(time);
    }

    /// Returns a row for all requests, and one for each key where there are several.
    fn rows(mut self, trace: &dyn TraceStream) -> Vec<TraceRow> {
        let (keys, length) = (trace.keys(), trace.length());
        self.keys.resize_with(keys.len(), ArrivalTally::default);
        let row = |workload: &str, tally: &ArrivalTally| TraceRow {
            workload: workload.to_owned(),
            asked_rps: None,
            statistics: tally.statistics(length),
        };
        let mut rows = vec![row("(all)", &self.all)];
        if keys.len() > 1 {
            rows.extend(keys.iter().zip(&self.keys).map(|(name, tally)| row(name, tally)));
        }
        rows
    }
}

fn show(
    format: &str,
    rows: &[TraceRow],
    notes: &[String],
    print: &super::common_args::PrintArgs,
) -> anyhow::Result<()> {
    if print.json {
        return output::print_json(
            &serde_json::json!({ "format": format, "workloads": rows, "notes": notes }),
        );
    }
    tell(notes);
    if print.quiet {
        return Ok(());
    }
    let header = [
        "workload",
        "requests",
        "over s",
        "asked /s",
        "rate /s",
        "gap CV",
        "peak /s",
        "dispersion",
        "longest gap s",
    ];
    let optional = |value: Option<f64>| value.map_or("-".to_owned(), short);
    let cells = |row: &TraceRow| {
        let s = &row.statistics;
        vec![
            shown(&row.workload),
            s.requests.to_string(),
            short(s.duration_s),
            optional(row.asked_rps),
            short(s.rate_rps),
            optional(s.gap_cv),
            s.peak_rps.to_string(),
            optional(s.dispersion),
            optional(s.longest_gap_s),
        ]
    };
    let mut text = format!("{format}\n");
    text += &output::table(&header, rows.iter().take(LISTED).map(cells));
    if rows.len() > LISTED {
        text += &format!("\n… and {} more workloads (--json lists all)", rows.len() - LISTED);
    }
    output::print(&text)
}

/// Prints notes to stderr, even with `--quiet`.
fn tell(notes: &[String]) {
    for note in notes {
        output::tell(&format!("note: {note}"));
    }
}

/// Returns the beginning of a name from an external file, escaped so that a terminal does not take
/// it for commands.
fn shown(name: &str) -> String {
    let (count, short) = (name.chars().count(), name.chars().take(24).collect::<String>());
    escaped(&short) + if count > 24 { "…" } else { "" }
}

/// Formats a number with about four significant digits.
fn short(number: f64) -> String {
    let digits = if number.abs() >= 1000.0 {
        0
    } else if number.abs() >= 100.0 {
        1
    } else {
        3
    };
    format!("{number:.digits$}")
}

/// Opens the requested part of a trace.
fn open(
    path: &Path,
    args: &ReadingArgs,
    rate_scale: f64,
    cv: Option<f64>,
) -> anyhow::Result<(Format, TracePart<TraceReader>)> {
    let format = named("--format", args.format.as_deref(), Format::named, &Format::words())?;
    let units = TimeUnit::ALL.map(|(word, _)| word).join(", ");
    let unit = named("--unit", args.unit.as_deref(), TimeUnit::named, &units)?;
    let file = input::TraceLayout {
        format,
        time_column: args.time_column.clone(),
        key_column: args.key_column.clone(),
        unit,
        sort: args.sort,
    };
    let reading = TraceReading { file, cv, rate_scale, seed: args.seed() };
    let start = seconds("--start", args.start)?;
    let length = args.length.map(|length| seconds("--length", length)).transpose()?;
    let trace = TraceReader::open(path, &reading)?;
    Ok((trace.format(), TracePart::new(trace, start, length)))
}

/// Returns the value that a word names, where one is given.
fn named<T>(
    flag: &str,
    word: Option<&str>,
    find: fn(&str) -> Option<T>,
    known: &str,
) -> anyhow::Result<Option<T>> {
    let Some(word) = word else { return Ok(None) };
    match find(word) {
        Some(found) => Ok(Some(found)),
        None => bail!("{flag}: there is no {word:?}; known: {known}"),
    }
}

fn seconds(flag: &str, seconds: f64) -> anyhow::Result<Nanoseconds> {
    Nanoseconds::from_seconds(seconds)
        .ok()
        .with_context(|| format!("{flag} must be a finite number of seconds ≥ 0, not {seconds}"))
}

fn positive(flag: &str, number: f64) -> anyhow::Result<f64> {
    if number.is_finite() && number > 0.0 {
        return Ok(number);
    }
    bail!("{flag} must be a finite number above 0, not {number}")
}

fn convert(args: &ConvertArgs) -> anyhow::Result<()> {
    check_writable(&args.output)?;
    let rate_scale = positive("--rate-scale", args.rate_scale)?;
    let cv = args.cv.map(|cv| positive("--cv", cv)).transpose()?;
    let window = seconds("--window", positive("--window", args.window)?)?;
    let drawn = args.rescale == Rescaling::Maf1;
    if args.rescale == Rescaling::Replay && cv.is_some() {
        bail!("--cv changes drawn arrivals only; name --rescale maf1 or maf2 with it");
    }
    let (format, trace) = open(
        &args.file,
        &args.reading,
        if drawn { rate_scale } else { 1.0 },
        if drawn { cv } else { None },
    )?;
    if drawn && !matches!(format, Format::AzureFunctions2019 | Format::ServeGen) {
        bail!(
            "{}: maf1 draws arrivals from rates, but a file of the format {} has the arrivals themselves; \
             use replay or maf2",
            args.file.display(),
            format.word()
        );
    }
    let names = args.workloads.clone();
    let mapping = match (names.is_empty(), args.round_robin) {
        (true, _) => Mapping::Keys,
        (false, false) => Mapping::Stripe(names),
        (false, true) => Mapping::RoundRobin(names),
    };
    let trace = Mapped::new(trace, mapping);
    let mut trace: Box<dyn TraceStream> = match args.rescale {
        Rescaling::Replay => Box::new(Faster::new(trace, rate_scale)),
        Rescaling::Maf1 => Box::new(Faster::new(trace, 1.0)),
        Rescaling::Maf2 => {
            let (cv_scale, seed) = (cv.unwrap_or(1.0), args.reading.seed());
            Box::new(Redrawn::new(trace, Redraw { window, rate_scale, cv_scale, seed }))
        }
    };
    let mut tallies = Tallies::default();
    write_zipped(&args.output, |out| {
        write_csv(trace.as_mut(), out, &mut |time, key| tallies.add(time, key))
    })?;
    let rows = tallies.rows(&trace);
    let mut notes = notes(format, trace.as_ref(), &rows);
    notes.extend(formula_note(rows.iter().skip(1).map(|row| row.workload.as_str())));
    show(format.word(), &rows, &notes, &args.print)
}

fn generate(args: &GenerateArgs) -> anyhow::Result<()> {
    check_writable(&args.output)?;
    let mut scenario = Scenario::load(&args.scenario)?;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let mut processes = Vec::new();
    for entry in &scenario.workloads {
        let Workload { name, rate, .. } = &entry.workload;
        let process = entry.arrival.build(name, *rate, scenario.duration, scenario.seed)?;
        processes.push((name.as_str(), process));
    }
    let faults: Vec<_> = processes.iter().flat_map(|(_, process)| process.faults()).collect();
    let mut tallies = vec![ArrivalTally::default(); processes.len()];
    write_zipped(&args.output, |out| {
        write_merged(&mut processes, out, &mut |time, key| tallies[key].add(time))?;
        match faults.iter().find_map(|fault| fault.get()) {
            Some(fault) => Err(std::io::Error::other(fault.to_string()).into()),
            None => Ok(()),
        }
    })?;
    let row = |(entry, tally): (&ScenarioWorkload, &ArrivalTally)| TraceRow {
        workload: entry.workload.name.to_string(),
        asked_rps: (!entry.arrival.has_own_rate()).then(|| entry.workload.rate.get()),
        statistics: tally.statistics(scenario.duration),
    };
    let rows: Vec<TraceRow> = scenario.workloads.iter().zip(&tallies).map(row).collect();
    show("scenario", &rows, &[], &args.print)
}

/// Writes a file, gzipped if its name ends in `.gz`.
fn write_zipped(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> anyhow::Result<()> {
    if path.extension().is_none_or(|extension| extension != "gz") {
        return write_file_of(path, content);
    }
    write_file_of(path, |out| {
        // The gzip header has no time or name, so that the file is the same each time.
        let mut zipped = BufWriter::new(GzEncoder::new(out, Compression::default()));
        content(&mut zipped)?;
        zipped.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
        Ok(())
    })
}

/// The fits of one workload.
#[derive(Debug, Serialize)]
struct FitRow {
    workload: String,
    whole: Option<GammaFit>,
    windows: Vec<WindowFit>,
}

/// The fits of one workload, updated while its arrivals are read.
#[derive(Debug)]
struct Fitting {
    last: Option<Nanoseconds>,
    whole: GapSums,
    windows: WindowedFit,
}

fn fit(args: &FitTraceArgs) -> anyhow::Result<()> {
    let open = || open(&args.file, &args.reading, 1.0, None);
    let window = match args.window {
        Some(window) => seconds("--window", positive("--window", window)?)?,
        None => {
            // The length of a trace is known only at its end.
            let (_, mut trace) = open()?;
            while trace.next_arrival()?.is_some() {}
            Nanoseconds::from_f64((trace.length().as_f64() / 10.0).ceil())
        }
    };
    let (format, mut trace) = open()?;
    let new =
        || Fitting { last: None, whole: GapSums::default(), windows: WindowedFit::new(window) };
    let (mut fits, mut all, mut ended) = (Vec::new(), ArrivalTally::default(), 0_usize);
    while let Some((time, key)) = trace.next_arrival()? {
        let key = key as usize;
        all.add(time);
        fits.resize_with(fits.len().max(key + 1), new);
        let Fitting { last, whole, windows } = &mut fits[key];
        if let Some(last) = last.replace(time) {
            whole.add(time.saturating_sub(last).as_seconds());
        }
        ended += usize::from(windows.add(time));
        if ended > MOST_WINDOWS {
            bail!(
                "{}: more than {MOST_WINDOWS} windows have requests; give longer ones with --window",
                args.file.display()
            );
        }
    }
    let mut notes = trace.notes();
    notes.extend(doubts(format, &all.statistics(trace.length())));
    fits.resize_with(trace.keys().len(), new);
    let row = |(name, fit): (&String, Fitting)| FitRow {
        workload: name.clone(),
        whole: fit.whole.fit(),
        windows: fit.windows.finish(),
    };
    let rows: Vec<FitRow> = trace.keys().iter().zip(fits).map(row).collect();
    if args.print.json {
        let window_s = window.as_seconds();
        let format = format.word();
        let document = serde_json::json!({
            "format": format, "window_s": window_s, "workloads": rows, "notes": notes
        });
        return output::print_json(&document);
    }
    tell(&notes);
    if args.print.quiet {
        return Ok(());
    }
    let header = ["workload", "window from s", "requests", "rate /s", "CV", "shape"];
    let cells = |name: &str, from: String, requests: String, fit: Option<GammaFit>| {
        let of = |get: fn(GammaFit) -> f64| fit.map_or("-".to_owned(), |fit| short(get(fit)));
        vec![shown(name), from, requests, of(|f| f.rate_rps), of(|f| f.cv), of(|f| f.shape)]
    };
    let mut lines = Vec::new();
    for row in rows.iter().take(LISTED) {
        let requests = row.windows.iter().map(|window| window.requests).sum::<usize>();
        lines.push(cells(&row.workload, "(all)".into(), requests.to_string(), row.whole));
        for window in row.windows.iter().filter(|window| window.requests > 0).take(LISTED) {
            let from = short(window.start_s);
            lines.push(cells("", from, window.requests.to_string(), window.fit));
        }
    }
    let mut text = format!(
        "{}, gamma fits of gaps, windows of {} s\n",
        format.word(),
        short(window.as_seconds())
    );
    text += &output::table(&header, lines);
    if rows.len() > LISTED {
        text += &format!("\n… and {} more workloads (--json lists all)", rows.len() - LISTED);
    }
    output::print(&text)
}
