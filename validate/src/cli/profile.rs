//! `validate profile`: measure a profile that `igniter fit` accepts.

use super::CommandOutcome;
use super::output::{RunProgress, print, warn_of_cpu, warn_of_left_out, write_whole};
use crate::data::{Shapes, parse_shape};
use crate::launch::{Device, Devices, LaunchArgs, Sharing};
use crate::profile::{
    BenchOptions, Campaign, Journal, ProfileGrid, ProfileRun, RunMember, RunResult, assemble,
    measure_session, noise_table, read_runs, sessions, units as units_of,
};
use crate::signals;
use anyhow::{Context, bail};
use clap::Args;
use igniter::domain::{GpuKindName, ModelName};
use igniter::profile::{Profile, load, profile_files};
use igniter::results::FileHash;
use igniter::units::{BatchSize, Nanoseconds, SmUnits};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Before any session was measured: how long starting and ending its servers may take, in seconds.
const FIRST_SESSION_S: f64 = 20.0;
/// How long ending the servers of a session takes, in seconds.
const ENDING_S: f64 = 6.0;
/// How many of the points that there was no time for are named.
const NAMED: usize = 8;

/// The flags of `validate profile`.
#[derive(Debug, Args)]
pub(super) struct ProfileCommand {
    /// The profile to start from. It gives the constants of the GPU and what serving cannot measure (kernels, idle
    /// times, L2 utilisation); emulated models take its predictor's times
    #[arg(long, value_name = "KIND|PATH", default_value = "v100")]
    from: String,
    /// The predictor of emulated models
    #[arg(long, value_name = "NAME")]
    predictor: Option<String>,
    /// The name of the GPU kind [default: the folder's]
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// The models, separated by commas [default: all of --from]
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    model: Vec<String>,
    /// The batch sizes of the solo grid
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,16,32")]
    batches: Vec<u32>,
    /// The SM shares of the solo grid, in percent; rounded to what the GPU can allocate
    #[arg(long, value_name = "PCT", value_delimiter = ',', default_value = "10,50,100")]
    shares: Vec<f64>,
    /// Do not measure pairs of models
    #[arg(long)]
    no_pairs: bool,
    /// Also measure pairs with unequal shares, triples and quadruples, and their members alone
    #[arg(long)]
    groups: bool,
    /// Also measure 1, 2, … N copies of one model beside each other: power and clock of a full GPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    copies: u32,
    /// Measure one point alone and one pair again N times, with new servers: the noise floor
    #[arg(long, value_name = "N", default_value_t = 0)]
    repeats: u32,
    /// Also measure the runs that this CSV file lists (run,member,model,batch,sm_pct), with any number of
    /// members, as `igniter design -o FILE` writes them
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
    /// How long to measure each point, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// The same for co-locations [default: --seconds]
    #[arg(long, value_name = "SECONDS")]
    colocated_seconds: Option<f64>,
    /// Stop after this many seconds. The profile is written from what was measured, and the exit code is 1; run the
    /// same command again to measure the rest
    #[arg(long, value_name = "SECONDS")]
    limit_s: Option<f64>,
    /// How many servers may run at the same time; starting them takes longer than most points
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=48))]
    together: u32,
    /// Put inputs and outputs into shared memory, for tensors too large to send fast enough to keep a GPU busy
    #[arg(long)]
    shared_memory: bool,
    /// Sizes of a model input with variable dimensions, without the batch, in perf_analyzer's form: X:3,224,224; you can
    /// repeat it
    #[arg(long, value_name = "INPUT:SIZES")]
    shape: Vec<String>,
    /// The folder of the profile; an interrupted campaign continues there
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Only list what would be measured
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    launch: LaunchArgs,
    /// Print errors only: no progress, no tables
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &ProfileCommand) -> anyhow::Result<CommandOutcome> {
    let base = load(&args.from)?;
    let grid = grid(args, &base)?;
    let mut runs = grid.runs();
    if let Some(path) = &args.runs {
        let listed = read_runs(path, &base)?;
        runs.extend(listed.into_iter().filter(|run| !grid.runs().contains(run)));
    }
    if args.dry_run {
        let lines = runs.iter().map(|run| described(run, &base));
        print(&lines.collect::<Vec<_>>().join("\n"))?;
        return Ok(CommandOutcome::Done);
    }
    let name = match &args.kind {
        Some(name) => name.clone(),
        None => args.output.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let kind = GpuKindName::new(&name).context("--kind")?;
    let mut launch = args.launch.clone();
    launch.measured = base.kind.mps;
    let Devices { list: devices, on_cpu, left_out, .. } = launch.devices()?;
    let sharing = launch.sharing();
    if !devices.is_empty() && sharing == Sharing::Static && base.kind.mps != Sharing::Static {
        bail!(
            "--mps static: the profile of --from has the allocation units of mps = \"{}\"; fix: start from base/ of `validate \
             facts --static`, whose units are the chunks of this GPU",
            base.kind.mps
        );
    }
    warn_of_cpu(on_cpu.as_deref());
    warn_of_left_out(&left_out);
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot use {}", args.output.display()))?;
    let campaign = campaign(args, &launch, &kind, &base, &devices)?;
    let mut journal = Journal::open(&args.output.join("journal.jsonl"), &campaign)?;
    let mut failed = Vec::new();
    let began = Instant::now();
    let mut measure = |failed: &mut Vec<ProfileRun>| {
        measure(args, (&launch, &devices), &base, &runs, began, &mut journal, failed)
    };
    let mut measured = measure(&mut failed);
    if measured.is_ok() && !failed.is_empty() && !signals::interrupted() {
        // Once more, after all others: the reason may have gone.
        failed.clear();
        measured = measure(&mut failed);
    }
    if signals::interrupted() {
        measured?;
        return Err(signals::Interrupted.into());
    }
    let left: Vec<&ProfileRun> = runs.iter().filter(|run| journal.find(run).is_none()).collect();
    let (mut profile, notes) = match (assemble(&base, kind, &runs, &journal), measured) {
        (Ok(assembled), Ok(())) => assembled,
        // The profile is made of what is there all the same.
        (Ok(assembled), Err(error)) => {
            eprintln!("validate: {}", igniter::cli::described(&error));
            assembled
        }
        (Err(_), Err(error)) => return Err(error),
        (Err(error), Ok(())) => {
            tell_left(&left, &failed, &base);
            return Err(error);
        }
    };
    if !devices.is_empty() {
        profile.kind.mps = sharing;
    }
    profile.source = source(args, on_cpu.as_deref(), &base, &notes, journal.seconds());
    for (name, text) in profile_files(&profile) {
        write_whole(&args.output, name, &text)?;
    }
    if let Some(text) = noise_table(&base, &runs, &journal) {
        write_whole(&args.output, "noise.csv", &text)?;
    }
    if !args.quiet {
        let folder = args.output.display();
        let done = runs.len() - left.len();
        print(&format!("{done} of {} points; fit them with: igniter fit {folder}", runs.len()))?;
    }
    tell_left(&left, &failed, &base);
    Ok(CommandOutcome::of(left.is_empty()))
}

/// Says which points are missing, and why.
fn tell_left(left: &[&ProfileRun], failed: &[ProfileRun], base: &Profile) {
    let (failed, late): (Vec<&ProfileRun>, Vec<&ProfileRun>) =
        left.iter().copied().partition(|run| failed.contains(run));
    for (why, runs) in [("could not measure", failed), ("no time for", late)] {
        if !runs.is_empty() {
            let mut names: Vec<String> =
                runs.iter().take(NAMED).map(|run| described(run, base)).collect();
            if runs.len() > NAMED {
                names.push("…".to_owned());
            }
            eprintln!("validate: {why} {} points: {}", runs.len(), names.join("; "));
        }
    }
}

/// What this command measures.
fn campaign(
    args: &ProfileCommand,
    launch: &LaunchArgs,
    kind: &GpuKindName,
    base: &Profile,
    devices: &[Device],
) -> anyhow::Result<Campaign> {
    let times = match (launch.models.as_str(), &launch.emulate) {
        ("emulated", Some(file)) => Some(
            FileHash::of(file)
                .with_context(|| format!("--emulate: cannot read {}", file.display()))?,
        ),
        ("emulated", None) => {
            let texts = profile_files(base).into_iter().map(|(_, text)| text);
            let predictor = args.predictor.clone().unwrap_or_default();
            let texts: String = texts.chain([predictor]).collect();
            Some(FileHash::of_bytes(Path::new("times"), texts.as_bytes()))
        }
        _ => None,
    };
    Ok(Campaign {
        kind: kind.to_string(),
        models: launch.models.clone(),
        times: times.map(|file| file.sha256),
        units: base.kind.units.get(),
        gpu: devices.first().map(|device| device.uuid.clone()),
        mps: launch.sharing() != Sharing::Off && !devices.is_empty(),
        sharing: (launch.sharing() == Sharing::Static && !devices.is_empty())
            .then(|| "static".to_owned()),
        shared_memory: args.shared_memory,
    })
}

/// Measures what is not finished, while there is time since `began`. Runs that cannot be measured are added to `failed`.
///
/// # Errors
/// When no run could be measured, a result cannot be kept, or a signal asks to end.
fn measure(
    args: &ProfileCommand,
    (launch, devices): (&LaunchArgs, &[Device]),
    base: &Profile,
    runs: &[ProfileRun],
    began: Instant,
    journal: &mut Journal,
    failed: &mut Vec<ProfileRun>,
) -> anyhow::Result<()> {
    let alone = Nanoseconds::from_seconds(args.seconds).context("--seconds")?;
    let together = args.colocated_seconds.unwrap_or(args.seconds);
    let together = Nanoseconds::from_seconds(together).context("--colocated-seconds")?;
    let duration = |run: &ProfileRun| if run.members.len() > 1 { together } else { alone };
    let limit = args.limit_s.map(Duration::try_from_secs_f64).transpose().context("--limit-s")?;
    let time_for = |seconds: f64| {
        limit.is_none_or(|limit| (began.elapsed() + Duration::from_secs_f64(seconds)) < limit)
    };
    let mut shapes = Shapes::new();
    for given in &args.shape {
        let (_, input, sizes) =
            parse_shape(given).map_err(|error| anyhow::anyhow!("--shape {error}"))?;
        shapes.insert(input, sizes);
    }
    let options = BenchOptions {
        profile: &args.from,
        predictor: args.predictor.as_deref(),
        launch,
        devices,
        shapes: &shapes,
        shared_memory: args.shared_memory,
        logs: &args.output.join("logs"),
    };
    let progress = RunProgress::new(args.quiet);
    let todo: Vec<ProfileRun> =
        runs.iter().filter(|run| journal.find(run).is_none()).cloned().collect();
    let finished = runs.len() - todo.len();
    let mut number = finished;
    // What a session needs beside its runs: as long as the longest so far.
    let mut starting_s = FIRST_SESSION_S;
    let mut broken = Vec::new();
    let mut without_graphs = false;
    for session in sessions(&todo, args.together as usize) {
        if signals::interrupted() {
            return Err(signals::Interrupted.into());
        }
        let first = session.runs.first().map_or(0.0, |(run, _)| duration(run).as_seconds());
        if !time_for(starting_s + 1.5 * first) {
            break;
        }
        let begun = Instant::now();
        let mut measured_s = 0.0;
        progress.at(&format!("starting {} servers", session.servers.len()));
        let go_on = |run: &ProfileRun| time_for(1.5 * duration(run).as_seconds() + ENDING_S);
        let done = |run: &ProfileRun, result: anyhow::Result<RunResult>| {
            let result = match result {
                Ok(result) => result,
                Err(error) => {
                    eprintln!(
                        "validate: {}: {}",
                        described(run, base),
                        igniter::cli::described(&error)
                    );
                    failed.push(run.clone());
                    return Ok(());
                }
            };
            number += 1;
            if let Some(text) = result.software.iter().find(|text| text.contains("not recorded"))
                && !std::mem::replace(&mut without_graphs, true)
            {
                eprintln!("validate: kernels are launched one by one: {text}");
            }
            let names: Vec<String> =
                run.members.iter().map(|m| format!("{} b{}", m.model, m.batch)).collect();
            progress.at(&format!("{number} of {}: {}", runs.len(), names.join(" + ")));
            measured_s += duration(run).as_seconds();
            let seconds = duration(run).as_seconds();
            journal.add(run.clone(), seconds, result).context("cannot write the journal")
        };
        measure_session(&options, &session, &mut broken, duration, go_on, done)
            .with_context(|| format!("after {number} of {} points", runs.len()))?;
        let beside = begun.elapsed().as_secs_f64() - measured_s;
        starting_s = if number == finished { starting_s } else { starting_s.max(beside) };
    }
    Ok(())
}

/// Where the numbers of the profile come from.
fn source(
    args: &ProfileCommand,
    on_cpu: Option<&str>,
    base: &Profile,
    notes: &[String],
    seconds: Option<(f64, f64)>,
) -> String {
    let seconds = match seconds {
        Some((least, most)) if least < most => format!("{least} to {most}"),
        _ => args.seconds.to_string(),
    };
    let emulated = args.launch.emulate.as_ref().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!(" of an invented GPU ({name})")
    });
    let mut text = format!(
        "Measured with `validate profile` ({} models{}, {seconds} s for each point) through Triton: solo points and \
         co-locations. ",
        args.launch.models,
        emulated.unwrap_or_default(),
    );
    if let Some(reason) = on_cpu {
        text += &format!("They ran on the CPU: no GPU ({reason}). ");
    }
    for note in notes {
        text += note;
        text += ". ";
    }
    text += &format!(
        "Constants of the GPU, kernels, idle times, L2 utilisation and what is not named above are those of the base \
         {}: {}",
        base.kind.name, base.source
    );
    text
}

/// A run as `igniter predict` takes it.
fn described(run: &ProfileRun, base: &Profile) -> String {
    let member = |m: &RunMember| {
        let share = m.units.to_percent(base.kind.units).map_or(0.0, |share| share.get());
        format!("{}:{}:{share}", m.model, m.batch)
    };
    run.members.iter().map(member).collect::<Vec<_>>().join(" ")
}

fn grid(args: &ProfileCommand, base: &Profile) -> anyhow::Result<ProfileGrid> {
    let known: Vec<&ModelName> = base.models.iter().map(|model| &model.name).collect();
    let mut models: Vec<ModelName> = Vec::new();
    for name in &args.model {
        let Some(model) = known.iter().find(|model| model.as_str() == name) else {
            let known: Vec<&str> = known.iter().map(|model| model.as_str()).collect();
            bail!("--model {name}: {} has {}", args.from, known.join(", "));
        };
        models.push((*model).clone());
    }
    if models.is_empty() {
        models = known.into_iter().cloned().collect();
    }
    let batches = args.batches.iter().map(|&batch| BatchSize::new(batch));
    let units = base.kind.units;
    let mut shares: Vec<SmUnits> = Vec::new();
    for &share in &args.shares {
        let Some(rounded) = units_of(share, units) else {
            bail!("--shares {share}: allowed: above 0, at most 100");
        };
        if !shares.contains(&rounded) {
            shares.push(rounded);
        }
    }
    Ok(ProfileGrid {
        models,
        batches: batches.collect::<Result<_, _>>().context("--batches")?,
        shares,
        whole: units,
        pairs: !args.no_pairs,
        groups: args.groups,
        copies: args.copies,
        repeats: args.repeats,
    })
}
