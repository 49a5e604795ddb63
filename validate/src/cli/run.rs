//! `validate run`: a plan on real servers, measured and compared.

use super::Outcome;
use super::output::{LimitArgs, Progress, finish_comparison};
use crate::client::HttpOptions;
use crate::compare::{ModelKind, RunFolder, RunInfo, WorkloadRun, compare, write_comparison};
use crate::gpu::{GpuProbe, Nvml, SampleSummary, Sampler};
use crate::launch::{Deployment, Device, Endpoint, LaunchArgs, ModelSource, ServerSpec};
use crate::measure::{HostOverhead, Measured, Warning, read_trace};
use crate::run::{
    Load, LoadOptions, Record, Target, TargetOptions, Traces, keep_run, run_load, standby_specs,
    throttled,
};
use crate::{clock, life};
use anyhow::{Context, bail};
use clap::Args;
use igniter::domain::{Plan, WorkloadName};
use igniter::plan::strategy;
use igniter::report::{Existing, Manifest, OutputDir};
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::units::Nanoseconds;
use igniter::workload::{ArrivalError, GeneratedArrivals};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The flags of `validate run`.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    /// The scenario, a TOML file
    scenario: PathBuf,
    /// The plan, of `igniter plan` or of the iGniter artifact [default: make one with --strategy]
    #[arg(long, value_name = "FILE", conflicts_with = "strategy")]
    plan: Option<PathBuf>,
    /// Make the plan with this strategy
    #[arg(long, short, default_value = "igniter")]
    strategy: String,
    /// A GPU kind (v100), the folder of a profile, or a coefficients file of `igniter fit`
    #[arg(long, value_name = "KIND|PATH")]
    profile: Option<String>,
    /// The performance model [default: that of a coefficients file, else igniter]
    #[arg(long, value_name = "NAME")]
    predictor: Option<String>,
    /// Replace the scenario's seed
    #[arg(long)]
    seed: Option<u64>,
    /// Replace the scenario's duration, in seconds
    #[arg(long, value_name = "SECONDS")]
    duration_s: Option<f64>,
    /// Replace the scenario's warm-up, which is cut from the statistics at the start, in seconds
    #[arg(long, value_name = "SECONDS")]
    warmup_s: Option<f64>,
    /// Replace the scenario's cool-down, which is cut at the end, in seconds
    #[arg(long, value_name = "SECONDS")]
    cooldown_s: Option<f64>,
    /// Write records, tables, figures and a report to this folder
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten)]
    load: LoadArgs,
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
    shared_memory: bool,
    /// Connections to each server, opened before the load [default: by rate and SLO, at least 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: Option<u32>,
    /// How often each batch size is sent before anything is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    warm_ups: usize,
    /// Length of the calibration, which tells what the host adds, in seconds; 0 leaves it out
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    calibration_s: f64,
    /// Do not let the servers record the times of every request: no batches, no stages, no calibration
    #[arg(long)]
    no_traces: bool,
    /// Start a standby for each workload, with 10 % more SMs as far as they are free, which takes over when
    /// the P99 of two seconds exceeds the SLO: iGniter's shadow processes
    #[arg(long)]
    shadow: bool,
}

/// The seed of the calibration's arrivals is the scenario's with these bits changed.
const OTHER_SEED: u64 = 0x5eed_ca11_b7a7;
/// How often GPUs are sampled.
const SAMPLE_PERIOD: Duration = Duration::from_millis(50);

pub(super) fn run(args: &RunCommand) -> anyhow::Result<Outcome> {
    let study = study(args)?;
    let plan = match &args.plan {
        Some(path) => study.read_plan(path)?,
        None => study.plan(strategy(&args.strategy)?.as_ref()),
    };
    check_plan(&plan)?;
    let inputs = inputs(&args.load, &study)?;
    let progress = Progress::new(args.limits.quiet);
    let mut manifest = Manifest::start(std::env::args().collect());
    manifest.seed = Some(study.scenario().seed);
    manifest.scenario = Some(study.scenario().to_toml());
    manifest.input(&args.scenario, &std::fs::read(&args.scenario)?);
    for (name, text) in study.inputs() {
        manifest.input(name, text.as_bytes());
    }
    let mut dir = OutputDir::open(&args.output, Existing::Replace)?;

    let mut launch = args.launch.clone();
    launch.traces = !args.load.no_traces;
    let devices = launch.devices()?;
    let mut specs = launch.specs(&study, &plan, &devices)?;
    if args.load.shadow {
        specs.extend(standby_specs(&launch, &study, &plan, &devices)?);
    }
    let mut launcher = launch.launcher(&devices)?;
    // Goes when this function ends, after the servers, which are dropped first.
    let scratch = tempfile::Builder::new().prefix("igniter-run-").tempdir()?;
    progress.at(&format!("starting {} servers", specs.len()));
    let launched = launcher.launch(&specs, scratch.path());
    let deployment = launched.inspect_err(|_| keep_logs(&args.output, scratch.path()))?;
    let name = launcher.name().to_owned();
    let session = Session { args, study: &study, plan: &plan, specs: &specs, inputs: &inputs };
    let measured = session.measure(deployment, &devices, scratch.path(), &progress);
    let Measurement { mut info, record, names, traces, samples_csv } =
        measured.inspect_err(|_| keep_logs(&args.output, scratch.path()))?;
    info.launcher = name;

    progress.at("writing records");
    keep_run(&mut dir, &study, &plan, &info, (&names, &record, &traces))?;
    if let Some(text) = samples_csv {
        dir.write("gpus.csv", |file| file.write_all(text.as_bytes()))?;
    }
    manifest.stop();
    dir.finish(manifest.clone())?;
    if let Some(why) = &record.ended_early {
        keep_logs(&args.output, scratch.path());
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

/// The scenario with what the command line changes of it.
fn study(args: &RunCommand) -> anyhow::Result<Study> {
    let mut scenario = Scenario::load(&args.scenario)?;
    // Said before any server starts.
    if let Some(entry) = scenario.workloads.iter().find(|entry| entry.arrival.waits_for_answers()) {
        return Err(ArrivalError::ClosedLoop { workload: entry.workload.name.clone() })
            .with_context(|| args.scenario.display().to_string());
    }
    let seconds =
        |value: Option<f64>, old: Nanoseconds| value.map_or(Ok(old), Nanoseconds::from_seconds);
    scenario.duration = seconds(args.duration_s, scenario.duration).context("--duration-s")?;
    scenario.warmup = seconds(args.warmup_s, scenario.warmup).context("--warmup-s")?;
    scenario.cooldown = seconds(args.cooldown_s, scenario.cooldown).context("--cooldown-s")?;
    let overrides = Overrides {
        seed: args.seed,
        profile: args.profile.clone(),
        predictor: args.predictor.clone(),
        ..Overrides::default()
    };
    Ok(Study::new(scenario, &overrides)?)
}

fn check_plan(plan: &Plan) -> anyhow::Result<()> {
    let mut seen: Vec<&WorkloadName> = Vec::new();
    for (_, placement) in plan.placements() {
        if seen.contains(&&placement.workload) {
            bail!("{} is placed twice; replicas cannot be measured yet", placement.workload);
        }
        seen.push(&placement.workload);
    }
    if seen.is_empty() {
        bail!("the plan places no workload; nothing can be measured");
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

/// Keeps what the servers printed beside the output folder, for who wants to know what went wrong.
fn keep_logs(output: &Path, scratch: &Path) {
    let target = output.with_extension("logs");
    let copy = |from: &Path, to: &Path| -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let log = entry.path().join("server.log");
            if log.is_file() {
                std::fs::copy(log, to.join(entry.file_name()).with_extension("log"))?;
            }
        }
        Ok(())
    };
    match copy(&scratch.join("servers"), &target) {
        Ok(()) => eprintln!("validate: the servers' logs are in {}", target.display()),
        Err(error) => eprintln!("validate: cannot keep the servers' logs: {error}"),
    }
}

/// What a run works on.
struct Session<'a> {
    args: &'a RunCommand,
    study: &'a Study,
    plan: &'a Plan,
    specs: &'a [ServerSpec],
    inputs: &'a BTreeMap<WorkloadName, PathBuf>,
}

/// What came of it.
struct Measurement {
    info: RunInfo,
    record: Record,
    names: Vec<WorkloadName>,
    traces: Vec<Traces>,
    samples_csv: Option<String>,
}

impl Session<'_> {
    fn measure(
        &self,
        mut deployment: Deployment,
        devices: &[Device],
        scratch: &Path,
        progress: &Progress,
    ) -> anyhow::Result<Measurement> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("client")
            .enable_all()
            .build()
            .context("cannot start the client")?;
        let loads = self.loads(runtime.handle(), deployment.endpoints())?;
        let server = loads.first().and_then(|load| load.target.server_name());
        let mut before = Vec::new();
        let mut sampler = None;
        let samples = scratch.join("gpus.csv");
        let mut begins = |start: Nanoseconds| {
            for load in &loads {
                before.push(load.target.statistics().ok());
            }
            if let Some(probe) = self.probe(devices) {
                let origin = Instant::now() + Duration::from_nanos((start - clock::now()).get());
                let indices: Vec<u32> = devices.iter().map(|device| device.index).collect();
                let started = Sampler::start(probe, &indices, SAMPLE_PERIOD, origin, &samples);
                sampler = Some(started.context("cannot sample the GPUs")?);
            }
            Ok(())
        };
        let mut must_end = || {
            if life::interrupted() {
                return Some("interrupted".to_owned());
            }
            deployment.check().err().map(|error| error.to_string())
        };
        let mut options = LoadOptions {
            warm_ups: self.args.load.warm_ups,
            progress: &|what| progress.at(what),
            must_end: &mut must_end,
            begins: &mut begins,
        };
        let record = run_load(&loads, &mut options)?;
        let summaries =
            sampler.map(Sampler::stop).transpose().context("cannot keep GPU samples")?;
        let samples_csv = std::fs::read_to_string(&samples).ok();
        let names: Vec<WorkloadName> = loads.iter().map(|l| l.target.workload().clone()).collect();
        let mut workloads = Vec::new();
        for (i, load) in loads.iter().enumerate() {
            workloads.push(self.workload_run(load, &record, i, before.get(i)));
        }
        for load in loads {
            load.target.close();
        }
        progress.at("stopping servers");
        let files: Vec<Vec<Option<PathBuf>>> = names
            .iter()
            .map(|name| {
                let own = of_workload(deployment.endpoints(), name);
                own.into_iter().map(|endpoint| endpoint.trace_file.clone()).collect()
            })
            .collect();
        let stopped = deployment.stop();
        if record.ended_early.is_none() {
            stopped?;
        }
        let traces = read_traces(&files, record.ended_early.is_some())?;
        for (i, run) in workloads.iter_mut().enumerate() {
            // It came before the start of the measured run: any other origin serves.
            let calibration = &record.workloads[i].calibration;
            let rows = Measured::all(&names[i], calibration, Nanoseconds::ZERO, &traces[i]);
            run.overhead = HostOverhead::calibrate(&rows, run.times_ms.as_deref());
        }
        let warnings = self.warnings(&record, summaries.as_deref().unwrap_or_default());
        let info = RunInfo {
            launcher: String::new(),
            models: self.model_kind(),
            server,
            workloads: self.in_scenario_order(workloads),
            warnings,
        };
        Ok(Measurement { info, record, names, traces, samples_csv })
    }

    fn model_kind(&self) -> ModelKind {
        match self.specs.first().map(|spec| &spec.source) {
            Some(ModelSource::Torchvision { .. }) => ModelKind::Torchvision,
            Some(ModelSource::Ready(_)) => ModelKind::Ready,
            _ => ModelKind::Emulated,
        }
    }

    /// The targets of all placed workloads, with their arrivals.
    fn loads(
        &self,
        runtime: &tokio::runtime::Handle,
        endpoints: &[Endpoint],
    ) -> anyhow::Result<Vec<Load>> {
        let scenario = self.study.scenario();
        let calibration = if self.args.load.no_traces { 0.0 } else { self.args.load.calibration_s };
        let calibration = Nanoseconds::from_seconds(calibration).context("--calibration-s")?;
        let mut loads = Vec::new();
        for entry in &scenario.workloads {
            let workload = &entry.workload;
            let own = of_workload(endpoints, &workload.name);
            if own.is_empty() {
                continue;
            }
            // Those of Little's law for latencies of twice the SLO, and two batches.
            let in_flight = workload.rate.get() * workload.slo.get() / 1e3 * 2.0;
            let batch = own[0].max_batch.get();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let connections = (in_flight.ceil().clamp(16.0, 512.0) as u32).max(2 * batch);
            let connections = self.args.load.connections.unwrap_or(connections);
            let options = TargetOptions {
                http: HttpOptions { connections, ..HttpOptions::default() },
                input: self.inputs.get(&workload.name).cloned(),
                shared_memory: self.args.load.shared_memory,
                seed: scenario.seed,
            };
            let arrivals = |duration: Nanoseconds, seed: u64| {
                let process = entry.arrival.build(&workload.name, workload.rate, duration, seed);
                process.map(|mut p| GeneratedArrivals::collect(p.as_mut(), duration).times)
            };
            loads.push(Load {
                target: Target::open(runtime, &own, &options)
                    .with_context(|| format!("workload {}", workload.name))?,
                batch,
                calibration: arrivals(calibration, scenario.seed ^ OTHER_SEED)?,
                measured: arrivals(scenario.duration, scenario.seed)?,
                slo: workload.slo,
            });
        }
        Ok(loads)
    }

    fn probe(&self, devices: &[Device]) -> Option<Box<dyn GpuProbe>> {
        if devices.is_empty() {
            return None;
        }
        Nvml::load().ok().map(|nvml| Box::new(nvml) as Box<dyn GpuProbe>)
    }

    fn workload_run(
        &self,
        load: &Load,
        record: &Record,
        index: usize,
        before: Option<&Option<Vec<crate::measure::ServerStatistics>>>,
    ) -> WorkloadRun {
        let name = load.target.workload();
        let spec = self.specs.iter().find(|spec| spec.workload == *name && spec.active);
        let times_ms = spec.and_then(|spec| match &spec.source {
            ModelSource::Emulated { times_ms, .. } => Some(times_ms.clone()),
            _ => None,
        });
        let statistics = before.and_then(Option::as_ref).and_then(|before| {
            let after = load.target.statistics().ok()?;
            let mut all = after.iter().zip(before).map(|(after, before)| after.since(before));
            let first = all.next()?;
            Some(all.fold(first, crate::measure::ServerStatistics::plus))
        });
        let recorded = &record.workloads[index];
        WorkloadRun {
            workload: name.clone(),
            planned: recorded.planned as u64,
            times_ms,
            overhead: None,
            statistics,
            exhausted: crate::client::InferClient::exhausted(&load.target),
            connections: load.target.connections(),
            switched_s: recorded.switched.map(Nanoseconds::as_seconds),
        }
    }

    /// One entry for each workload of the scenario; those that the plan does not serve have nothing.
    fn in_scenario_order(&self, runs: Vec<WorkloadRun>) -> Vec<WorkloadRun> {
        let find = |name: &WorkloadName| runs.iter().find(|run| run.workload == *name).cloned();
        let workloads = self.study.workloads().iter();
        workloads
            .map(|w| find(&w.name).unwrap_or_else(|| WorkloadRun::unserved(w.name.clone())))
            .collect()
    }

    fn warnings(&self, record: &Record, samples: &[SampleSummary]) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let (sent, planned) = (record.workloads.iter())
            .fold((0, 0), |(sent, planned), w| (sent + w.sent as u64, planned + w.planned as u64));
        if sent < planned {
            warnings.push(Warning::Incomplete { sent, planned });
        }
        for (recorded, name) in record.workloads.iter().zip(self.placed()) {
            if recorded.measured.len() < recorded.sent {
                let requests = (recorded.sent - recorded.measured.len()) as u64;
                warnings.push(Warning::Unanswered { workload: name, requests });
            }
        }
        let numbers = self.specs.iter().filter_map(|spec| Some((spec.device?, spec.gpu)));
        warnings.extend(throttled(samples, &numbers.collect()));
        warnings
    }

    /// The workloads that the plan serves, in the scenario's order.
    fn placed(&self) -> Vec<WorkloadName> {
        let served = |name: &WorkloadName| self.plan.placements().any(|(_, p)| p.workload == *name);
        let names = self.study.workloads().iter().map(|w| w.name.clone());
        names.filter(|name| served(name)).collect()
    }
}

/// The servers of a workload, the active one first.
fn of_workload<'e>(endpoints: &'e [Endpoint], name: &WorkloadName) -> Vec<&'e Endpoint> {
    let mut own: Vec<&Endpoint> = endpoints.iter().filter(|e| e.workload == *name).collect();
    own.sort_by_key(|endpoint| !endpoint.active);
    own
}

/// The traces of each workload's servers; after a run that ended early they may be missing.
fn read_traces(files: &[Vec<Option<PathBuf>>], ended_early: bool) -> anyhow::Result<Vec<Traces>> {
    let read = |file: &Option<PathBuf>| match file {
        None => Ok(BTreeMap::new()),
        Some(file) => match read_trace(file) {
            Err(_) if ended_early => Ok(BTreeMap::new()),
            other => other,
        },
    };
    let of_workload = |files: &Vec<Option<PathBuf>>| files.iter().map(read).collect();
    Ok(files.iter().map(of_workload).collect::<Result<_, _>>()?)
}
