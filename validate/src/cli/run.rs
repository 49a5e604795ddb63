//! `validate run`: a plan on real servers, measured and compared.

use super::CommandOutcome;
use super::follow::{self, Follow};
use super::output::{
    LimitArgs, RunProgress, finish_comparison, warn_of_cpu, warn_of_left_out, with_logs,
};
use super::planned::{PlannedArgs, ServerPurpose, TimeArgs};
use super::session::{CliSession, Measurement};
use crate::compare::{RunFolder, compare, write_comparison};
use crate::launch::LaunchArgs;
use crate::measure::Warning;
use crate::run::{
    RunJournal, RunRecord, ServedRun, Traces, followable, keep_elsewhere, keep_run, standby_specs,
};
use anyhow::{Context, bail};
use clap::Args;
use igniter::arrivals::ArrivalError;
use igniter::domain::WorkloadName;
use igniter::results::{Existing, Manifest, OutputDir, OutputError};
use igniter::run::Study;
use igniter::sim::ControllerSpec;
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
    pub(super) launch: LaunchArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How requests are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadArgs {
    /// Inputs of a workload in perf_analyzer's JSON format (see `validate data`), as W1=FILE; you can repeat it
    /// [default: random inputs]
    #[arg(long, value_name = "WORKLOAD=FILE")]
    input: Vec<String>,
    /// Sizes of a model input with variable dimensions, without the batch, in perf_analyzer's form: X:3,224,224, or
    /// W1=X:3,224,224 for one workload; you can repeat it
    #[arg(long, value_name = "[WORKLOAD=]INPUT:SIZES")]
    pub(super) shape: Vec<String>,
    /// Put inputs and outputs into shared memory, for large tensors and servers on this machine
    #[arg(long)]
    pub(super) shared_memory: bool,
    /// Connections to each server, opened before the load [default: by rate and SLO, at least 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) connections: Option<u32>,
    /// The most connections to one server; when all are busy, requests wait [default: 16384, or what `ulimit -n`
    /// allows for all servers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60000))]
    pub(super) most_connections: Option<u32>,
    /// How often to send each batch size before anything is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) warm_ups: usize,
    /// Length of the calibration, which measures what the host adds, in seconds; 0 skips it
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) calibration_s: f64,
    /// How long to wait for answers after the last request, in seconds; later answers count as unanswered
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(super) drain_s: f64,
    /// Do not record server traces: no batches, no stages, no calibration
    #[arg(long)]
    pub(super) no_traces: bool,
    /// Start a standby for each workload, with 10 % more SMs as far as they are free. It takes over when the P99 of a
    /// second exceeds the SLO (iGniter's shadow processes). A `[controller]` of kind shadow in the scenario sets other
    /// values
    #[arg(long)]
    pub(super) shadow: bool,
}

/// What a guard says of a server that ended so: 128 and the number of the signal.
const SEGMENTATION_FAULT: &str = "exit status: 139";

pub(super) fn run(args: &RunCommand) -> anyhow::Result<CommandOutcome> {
    let (study, work) = args.planned.work(&args.times)?;
    check_servable(&study).with_context(|| args.planned.name())?;
    if let ServerPurpose::Following(..) = work {
        follow::check(args).with_context(|| args.planned.name())?;
    }
    let inputs = inputs(&args.load, &study)?;
    let progress = RunProgress::new(args.limits.quiet);
    let mut manifest = Manifest::start(without_secrets(igniter::cli::command_line()));
    args.planned.note(&study, &mut manifest)?;
    let mut dir = OutputDir::open(&args.output, Existing::ReplaceLongRuns)?;

    let mut launch = args.launch.clone();
    launch.traces = !args.load.no_traces;
    launch.measured = study.kind().mps;
    let mut journal = RunJournal::open(&args.output)?;
    let devices = launch.devices()?;
    warn_of_cpu(devices.on_cpu.as_deref());
    warn_of_left_out(&devices.left_out);
    let list = devices.list.as_slice();
    // Goes when this function ends, after the servers, which are dropped first.
    let scratch = launch.scratch("igniter-run-")?;
    let keep = |error| with_logs(error, scratch.path(), &logs_of(&args.output));
    let (served, measured) = match &work {
        ServerPurpose::One(plan) => {
            let mut specs = launch.specs(&study, plan, list)?;
            if args.load.shadow {
                specs.extend(standby_specs(&launch, &study, plan, list)?);
            }
            let mut launcher = launch.launcher(list, scratch.path())?;
            progress.at(&format!("starting {} servers", specs.len()));
            let launched = launcher.launch(&specs, scratch.path());
            let deployment = launched.map_err(|error| keep(error.into()))?;
            let session = CliSession {
                args,
                launch: &launch,
                study: &study,
                plan,
                specs: &specs,
                inputs: &inputs,
                devices: &devices,
                launcher: launcher.name().to_owned(),
            };
            let measured =
                session.measure(deployment, scratch.path(), &progress, &mut journal, &manifest);
            (ServedRun::Plan(plan), measured)
        }
        ServerPurpose::Following(file, timeline) => {
            let follow = Follow {
                args,
                study: &study,
                file,
                timeline: followable(timeline),
                inputs: &inputs,
                launch: &launch,
                scratch: scratch.path(),
            };
            (ServedRun::Plans(file), follow.measure(&progress, &mut journal, &manifest))
        }
    };
    let measured = measured.map_err(keep)?;
    let Measurement { mut info, record, names, traces, samples_csv } = measured;
    info.warnings.extend(devices.on_cpu.clone().map(|reason| Warning::OnCpu { reason }));

    progress.at("writing records");
    manifest.stop();
    let write = || -> Result<(), OutputError> {
        keep_run(&mut dir, &study, served, &info, (&names, &record, &traces))?;
        if let Some(text) = samples_csv {
            dir.write("gpus.csv", |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    };
    let written = write().and_then(|()| dir.finish(manifest.clone()));
    if let Err(error) = written {
        return Err(kept_otherwise(error, journal, (&names, &record, &traces)));
    }
    journal.done();
    let left = info.warnings.iter().find(|warning| matches!(warning, Warning::LeftBehind { .. }));
    if let Some(left) = left {
        eprintln!("validate: {left}");
    }
    if let Some(why) = &record.ended_early {
        let mut why = keep(anyhow::anyhow!("{why}")).to_string();
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

/// The command line without the values of headers, which may be secrets.
fn without_secrets(mut command: Vec<String>) -> Vec<String> {
    let hidden = |header: &str| format!("{}: …", header.split(':').next().unwrap_or_default());
    for i in 0..command.len() {
        if let Some(header) = command[i].strip_prefix("--header=") {
            command[i] = format!("--header={}", hidden(header));
        } else if i > 0 && command[i - 1] == "--header" {
            command[i] = hidden(&command[i]);
        }
    }
    command
}

/// The output folder cannot take the records: says where they are instead.
fn kept_otherwise(
    error: OutputError,
    journal: RunJournal,
    records: (&[WorkloadName], &RunRecord, &[Traces]),
) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    if journal.is_whole() {
        let folder = journal.folder().display().to_string();
        return error.context(format!(
            "the results cannot be written; the records are in {folder} (`validate compare {folder}` reads them)"
        ));
    }
    let described = journal.folder().to_owned();
    let describe = |to: &Path| {
        let names = [RunFolder::PLAN, RunFolder::PLANS].into_iter();
        let plan = names.filter(|name| described.join(name).exists());
        let others = [RunFolder::SCENARIO, RunFolder::COEFFICIENTS, RunFolder::INFO];
        for name in plan.chain(others) {
            std::fs::copy(described.join(name), to.join(name))?;
        }
        Ok(())
    };
    let mut folders = vec![std::env::temp_dir()];
    folders.extend(std::env::current_dir());
    folders.extend(std::env::var_os("HOME").map(PathBuf::from));
    match keep_elsewhere(&folders, records, describe) {
        Some(folder) => error.context(format!(
            "the results cannot be written there; the records of all requests are in {}",
            folder.display()
        )),
        None => error
            .context("neither the results nor the records of the requests can be written anywhere"),
    }
}

/// Refuses what only the simulator can do: the arms would be of two different things.
fn check_servable(study: &Study) -> anyhow::Result<()> {
    let scenario = study.scenario();
    // Our client sends at given times.
    let waits = scenario.workloads.iter().find(|entry| entry.arrival.waits_for_answers());
    if let Some(entry) = waits {
        let workload = entry.workload.name.clone();
        return Err(ArrivalError::ClosedLoop { workload }.into());
    }
    if !scenario.control.faults.is_empty() {
        bail!(
            "[[fault]]: given {}; real servers are not made to fail; fix: leave [[fault]] out, or use `igniter simulate`",
            scenario.control.faults.len()
        );
    }
    if let ControllerSpec::Gslice(_) = scenario.control.controller {
        bail!(
            "[controller] kind = \"gslice\": not done on real servers; allowed: \"none\", \"shadow\"; fix: leave it \
             out, or use `igniter simulate`"
        );
    }
    Ok(())
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

/// The folder beside the output folder for the logs of a run that failed.
fn logs_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".logs");
    output.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_the_manifest() {
        let given = ["run", "--header", "Key: a:b", "--header=Other: c", "-o", "out"];
        let kept = without_secrets(given.map(str::to_owned).to_vec());
        assert_eq!(kept, ["run", "--header", "Key: …", "--header=Other: …", "-o", "out"]);
    }

    #[test]
    fn every_run_has_a_folder_of_logs_of_its_own() {
        assert_eq!(logs_of(Path::new("out/h200-1.2x")), Path::new("out/h200-1.2x.logs"));
        assert_eq!(logs_of(Path::new("out/h200-1.5x/")), Path::new("out/h200-1.5x.logs"));
    }
}
