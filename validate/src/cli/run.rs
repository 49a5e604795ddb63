//! `validate run`: a plan on real servers, measured and compared.

use super::Outcome;
use super::output::{LimitArgs, Progress, finish_comparison, warn_of_cpu};
use super::planned::{PlannedArgs, TimeArgs};
use super::session::{Measurement, Session};
use crate::compare::{RunFolder, compare, write_comparison};
use crate::launch::{Devices, LaunchArgs};
use crate::measure::Warning;
use crate::run::{keep_run, standby_specs};
use anyhow::{Context, bail};
use clap::Args;
use igniter::domain::WorkloadName;
use igniter::report::{Existing, Manifest, OutputDir};
use igniter::run::Study;
use igniter::workload::ArrivalError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The flags of `validate run`.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    #[command(flatten)]
    planned: PlannedArgs,
    #[command(flatten)]
    times: TimeArgs,
    /// Write records, tables, figures and a report to this folder
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How requests are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadArgs {
    /// Inputs of a workload in perf_analyzer's JSON format (see `validate data`), as W1=FILE; can be given
    /// again [default: random ones]
    #[arg(long, value_name = "WORKLOAD=FILE")]
    input: Vec<String>,
    /// Put inputs and outputs into shared memory: for large tensors, with servers of this machine
    #[arg(long)]
    pub(super) shared_memory: bool,
    /// Connections to each server, opened before the load [default: by rate and SLO, at least 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) connections: Option<u32>,
    /// How often each batch size is sent before anything is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) warm_ups: usize,
    /// Length of the calibration, which tells what the host adds, in seconds; 0 leaves it out
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) calibration_s: f64,
    /// Do not let the servers record the times of every request: no batches, no stages, no calibration
    #[arg(long)]
    pub(super) no_traces: bool,
    /// Start a standby for each workload, with 10 % more SMs as far as they are free, which takes over when
    /// the P99 of a second exceeds the SLO: iGniter's shadow processes. The scenario's `[controller]` table of kind
    /// shadow says otherwise
    #[arg(long)]
    pub(super) shadow: bool,
}

/// What a guard says of a server that ended so: 128 and the number of the signal.
const SEGMENTATION_FAULT: &str = "exit status: 139";

pub(super) fn run(args: &RunCommand) -> anyhow::Result<Outcome> {
    let (study, plan) = args.planned.study(&args.times)?;
    check_open_loop(&study).with_context(|| args.planned.scenario.display().to_string())?;
    let inputs = inputs(&args.load, &study)?;
    let progress = Progress::new(args.limits.quiet);
    let mut manifest = Manifest::start(std::env::args().collect());
    manifest.seed = Some(study.scenario().seed);
    manifest.scenario = Some(study.scenario().to_toml());
    manifest.input(&args.planned.scenario, &std::fs::read(&args.planned.scenario)?);
    for (name, text) in study.inputs() {
        manifest.input(name, text.as_bytes());
    }
    let mut dir = OutputDir::open(&args.output, Existing::Replace)?;

    let mut launch = args.launch.clone();
    launch.traces = !args.load.no_traces;
    let Devices { list: devices, on_cpu } = launch.devices()?;
    warn_of_cpu(on_cpu.as_deref());
    let mut specs = launch.specs(&study, &plan, &devices)?;
    if args.load.shadow {
        specs.extend(standby_specs(&launch, &study, &plan, &devices)?);
    }
    // Goes when this function ends, after the servers, which are dropped first.
    let scratch = launch.scratch("igniter-run-")?;
    let mut launcher = launch.launcher(&devices, scratch.path())?;
    progress.at(&format!("starting {} servers", specs.len()));
    let launched = launcher.launch(&specs, scratch.path());
    let deployment = launched.inspect_err(|_| drop(keep_logs(&args.output, scratch.path())))?;
    let name = launcher.name().to_owned();
    let session = Session { args, study: &study, plan: &plan, specs: &specs, inputs: &inputs };
    let measured = session.measure(deployment, &devices, scratch.path(), &progress);
    let Measurement { mut info, record, names, traces, samples_csv } =
        measured.inspect_err(|_| drop(keep_logs(&args.output, scratch.path())))?;
    info.launcher = name;
    info.warnings.extend(on_cpu.map(|reason| Warning::OnCpu { reason }));

    progress.at("writing records");
    keep_run(&mut dir, &study, &plan, &info, (&names, &record, &traces))?;
    if let Some(text) = samples_csv {
        dir.write("gpus.csv", |file| file.write_all(text.as_bytes()))?;
    }
    manifest.stop();
    dir.finish(manifest.clone())?;
    if let Some(why) = &record.ended_early {
        let logs = keep_logs(&args.output, scratch.path());
        let mut why = logs.iter().fold(why.clone(), |why, (from, to)| why.replace(from, to));
        if launch.traces && why.contains(SEGMENTATION_FAULT) {
            why += "\nfix: Triton 24.10 with traces may end so at high rates; try --no-traces";
        }
        bail!("{why}; what was recorded until then is in {}", args.output.display());
    }
    progress.at("comparing");
    let folder = RunFolder::read(&args.output)?;
    let comparison = compare(&folder, &args.limits.limits())?;
    let mut dir = OutputDir::open(&args.output, Existing::Keep)?;
    write_comparison(&mut dir, &comparison)?;
    dir.finish(manifest)?;
    finish_comparison(&comparison, &args.output, &args.limits)
}

/// Refuses clients that wait for answers: ours sends at given times.
fn check_open_loop(study: &Study) -> Result<(), ArrivalError> {
    let waits = study.scenario().workloads.iter().find(|entry| entry.arrival.waits_for_answers());
    match waits {
        Some(entry) => Err(ArrivalError::ClosedLoop { workload: entry.workload.name.clone() }),
        None => Ok(()),
    }
}

/// The input files by workload.
fn inputs(args: &LoadArgs, study: &Study) -> anyhow::Result<BTreeMap<WorkloadName, PathBuf>> {
    let mut inputs = BTreeMap::new();
    for given in &args.input {
        let known = || -> Vec<&str> { study.workloads().iter().map(|w| w.name.as_str()).collect() };
        let Some((name, file)) = given.split_once('=') else {
            bail!("--input {given:?}: allowed: WORKLOAD=FILE, such as {}=input.json", known()[0]);
        };
        let Some(workload) = study.workloads().iter().find(|w| w.name.as_str() == name) else {
            bail!("--input {given:?}: the scenario's workloads are {}", known().join(", "));
        };
        inputs.insert(workload.name.clone(), PathBuf::from(file));
    }
    Ok(inputs)
}

/// Keeps what the servers printed beside the output folder, for who wants to know what went wrong. Returns where
/// each log was and where it is now.
fn keep_logs(output: &Path, scratch: &Path) -> Vec<(String, String)> {
    let target = output.with_extension("logs");
    let mut kept = Vec::new();
    let mut copy = |from: &Path| -> std::io::Result<()> {
        std::fs::create_dir_all(&target)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let log = entry.path().join("server.log");
            if log.is_file() {
                let mut name = entry.file_name();
                name.push(".log");
                let to = target.join(name);
                std::fs::copy(&log, &to)?;
                kept.push((log.display().to_string(), to.display().to_string()));
            }
        }
        Ok(())
    };
    match copy(&scratch.join("servers")) {
        Ok(()) => eprintln!("validate: the servers' logs are in {}", target.display()),
        Err(error) => eprintln!("validate: cannot keep the servers' logs: {error}"),
    }
    kept
}
