//! The servers of a run under load: what is sent to them, and what comes of it.

use super::measured::{
    MachineActivity, SendTimes, calibrate, client, connections, missing, server_batching, stamps,
};
use super::output::RunProgress;
use super::run::RunCommand;
use crate::client::InferClient;
use crate::compare::{GpuRecord, ModelKind, RunInfo, WorkloadRun, shadow_spec};
use crate::data::{Shapes, parse_shape};
use crate::gpu::{GpuProbe, Nvml, SampleSummary, Sampler};
use crate::launch::{
    Deployment, Device, Devices, Endpoint, InstanceReport, LaunchArgs, LaunchSpec, ModelSource,
    Sharing, Where,
};
use crate::measure::{ServerBatching, ServerStatistics, Warning};
use crate::run::{
    Load, LoadOptions, RunJournal, RunRecord, ServedRun, TargetOptions, Traces, WorkloadServers,
    run_load, throttled,
};
use crate::{clock, signals};
use anyhow::Context;
use igniter::arrivals::Turns;
use igniter::domain::{Plan, WorkloadName};
use igniter::results::Manifest;
use igniter::run::Study;
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often GPUs are sampled.
const SAMPLE_PERIOD: Duration = Duration::from_millis(50);

/// What a run works on.
pub(super) struct CliSession<'a> {
    pub(super) args: &'a RunCommand,
    pub(super) launch: &'a LaunchArgs,
    pub(super) study: &'a Study,
    pub(super) plan: &'a Plan,
    pub(super) specs: &'a [LaunchSpec],
    pub(super) inputs: &'a BTreeMap<WorkloadName, PathBuf>,
    pub(super) devices: &'a Devices,
    pub(super) launcher: String,
}

/// What came of it.
pub(super) struct Measurement {
    pub(super) info: RunInfo,
    pub(super) record: RunRecord,
    pub(super) names: Vec<WorkloadName>,
    pub(super) traces: Vec<Traces>,
    pub(super) samples_csv: Option<String>,
}

impl CliSession<'_> {
    /// Loads servers that are ready, and ends them.
    pub(super) fn measure(
        &self,
        deployment: Deployment,
        scratch: &Path,
        progress: &RunProgress,
        journal: &mut RunJournal,
        manifest: &Manifest,
    ) -> anyhow::Result<Measurement> {
        let devices = self.devices.list.as_slice();
        let runtime = client()?;
        let loads = self.loads(runtime.handle(), deployment.endpoints())?;
        let endpoints = deployment.endpoints().to_vec();
        let deployment = RefCell::new(deployment);
        let server = loads.first().and_then(|load| load.target.server_name());
        let names: Vec<WorkloadName> = loads.iter().map(|l| l.target.workload().clone()).collect();
        let mut lost = Vec::new();
        let mut probe = self.probe(devices);
        let mut info = self.info(server, &loads, probe.as_deref_mut());
        journal.describe(self.study, ServedRun::Plan(self.plan), &info, manifest)?;
        let mut before: Vec<Option<Vec<ServerStatistics>>> = Vec::new();
        let mut machine = MachineActivity::default();
        let mut sampler = None;
        let samples = scratch.join("gpus.csv");
        let mut prepares = || before = loads.iter().map(|l| l.target.statistics().ok()).collect();
        let mut begins = |start: Nanoseconds| {
            machine = MachineActivity::now();
            if let Some(probe) = probe.take() {
                let lead = start.saturating_sub(clock::now());
                let origin = Instant::now() + Duration::from_nanos(lead.get());
                let indices: Vec<u32> = devices.iter().map(|device| device.index).collect();
                match Sampler::start(probe, &indices, SAMPLE_PERIOD, origin, &samples) {
                    Ok(started) => sampler = Some(started),
                    Err(error) => lost.push(Warning::SamplesLost { reason: error.to_string() }),
                }
            }
            anyhow::Ok(())
        };
        let mut must_end = || {
            if signals::interrupted() {
                return Some("interrupted".to_owned());
            }
            deployment.borrow_mut().check().err().map(|error| error.to_string())
        };
        let mut stalled = || deployment.borrow_mut().probe().err().map(|error| error.to_string());
        let mut options = LoadOptions {
            warm_ups: self.args.load.warm_ups,
            progress: &|what| progress.at(what),
            must_end: &mut must_end,
            prepares: &mut prepares,
            begins: &mut begins,
            stalled: &mut stalled,
            period: shadow_spec(self.study.scenario()).period,
            drain: Nanoseconds::from_seconds(self.args.load.drain_s).context("--drain-s")?,
            keeps: &mut |load, answers, start| journal.add(&names[load], answers, start),
        };
        let record = run_load(&loads, &mut options)?;
        machine.note(&mut info);
        // From here on, nothing that fails may take the records along.
        let summaries = sampler.map(Sampler::stop).transpose().unwrap_or_else(|error| {
            lost.push(Warning::SamplesLost { reason: error.to_string() });
            None
        });
        let servers_answer = record.ended_early.is_none() || signals::interrupted();
        let samples_csv = std::fs::read_to_string(&samples).ok();
        let mut workloads = Vec::new();
        for (i, load) in loads.iter().enumerate() {
            let before = before.get(i).and_then(Option::as_deref).filter(|_| servers_answer);
            workloads.push(self.workload_run(load, &record, i, before));
        }
        for load in loads {
            load.target.close(servers_answer);
        }
        progress.at("stopping servers");
        let files: Vec<Vec<Option<PathBuf>>> =
            names.iter().map(|name| trace_files(&endpoints, name)).collect();
        let stopped = deployment.into_inner().stop();
        if let Err(error) = stopped {
            lost.push(Warning::LeftBehind { what: error.to_string() });
        }
        let traces = read_traces(&names, &files, record.ended_early.is_some(), &mut lost);
        for (i, run) in workloads.iter_mut().enumerate() {
            calibrate(run, &record.workloads[i], &traces[i], &self.batcher(&names[i]));
        }
        let mut warnings = self.warnings(&record, summaries.as_deref().unwrap_or_default());
        for run in &workloads {
            if let Some(reason) = run.instances.iter().find_map(InstanceReport::without_graphs) {
                let (workload, reason) = (run.workload.clone(), reason.to_owned());
                warnings.push(Warning::NoGraphs { workload, reason });
            }
        }
        warnings.extend(lost);
        warnings.extend(other_gpus(self.study, &info.gpus));
        let (measured, given) = (self.study.kind().mps, self.launch.sharing());
        if !devices.is_empty() && given != measured {
            let (given, expected) = (given.to_string(), measured.to_string());
            warnings.push(Warning::OtherSharing { given, expected });
        }
        info.workloads = self.in_scenario_order(workloads);
        info.warnings = warnings;
        Ok(Measurement { info, record, names, traces, samples_csv })
    }

    /// What is known before the run; it stays so where the program is ended before the run is.
    fn info(
        &self,
        server: Option<String>,
        loads: &[Load],
        mut probe: Option<&mut (dyn GpuProbe + 'static)>,
    ) -> RunInfo {
        let runs = loads.iter().map(|load| WorkloadRun {
            planned: load.measured.len() as u64,
            tables_ms: self.times(load.target.workload()),
            instances: instances(&load.target),
            ..WorkloadRun::unserved(load.target.workload().clone())
        });
        let sharing = match self.devices.list.is_empty() {
            true => Sharing::Off,
            false => self.launch.sharing(),
        };
        let record = |(gpu, device): (usize, &Device)| {
            Some(GpuRecord {
                gpu,
                facts: (**device.facts.as_ref()?).clone(),
                machine: self.devices.machine.clone()?,
                sharing: sharing.as_str().to_owned(),
                at_start: probe.as_mut().and_then(|probe| probe.sample(device.index).ok()),
            })
        };
        RunInfo {
            launcher: self.launcher.clone(),
            models: self.model_kind(),
            server,
            workloads: self.in_scenario_order(runs.collect()),
            warnings: vec![Warning::Unfinished],
            gpus: self.devices.list.iter().enumerate().filter_map(record).collect(),
            image: (self.launch.launcher == Where::Docker).then(|| self.launch.image.clone()),
            shadow: self.args.load.shadow,
            happened: None,
            cpu_wait_pct: None,
            cpu_stolen_pct: None,
        }
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
        let servers = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let mut loads = Vec::new();
        for entry in &scenario.workloads {
            let workload = &entry.workload;
            let own = of_workload(endpoints, &workload.name);
            if own.is_empty() {
                continue;
            }
            let batch = own.iter().map(|endpoint| endpoint.max_batch.get()).max().unwrap_or(1);
            let SendTimes { calibration, measured } =
                SendTimes::draw(scenario, entry, &self.args.load)?;
            let options = TargetOptions {
                http: connections(&self.args.load, workload, batch, servers),
                input: self.inputs.get(&workload.name).cloned(),
                shared_memory: self.args.load.shared_memory,
                seed: scenario.seed,
                shapes: self.shapes(&workload.name)?,
                turns: self.turns(&workload.name, calibration.len().max(measured.len())),
            };
            loads.push(Load {
                target: WorkloadServers::open(runtime, &own, &options)
                    .with_context(|| format!("workload {}", workload.name))?,
                calibration,
                measured,
                slo: workload.slo,
                may_refuse: entry.batching.may_refuse(),
            });
        }
        Ok(loads)
    }

    /// The sizes that were given for what the model of a workload leaves open.
    fn shapes(&self, name: &WorkloadName) -> anyhow::Result<Option<Shapes>> {
        // What others run is not known to be emulated.
        let external = self.launch.launcher == Where::External;
        if self.model_kind() == ModelKind::Emulated && !external {
            return Ok(None);
        }
        let mut shapes = Shapes::new();
        for given in &self.args.load.shape {
            let (workload, input, sizes) =
                parse_shape(given).map_err(|error| anyhow::anyhow!("--shape {error}"))?;
            if workload.is_none_or(|workload| workload == name.as_str()) {
                shapes.insert(input, sizes);
            }
        }
        Ok(Some(shapes))
    }

    /// Which placement of a workload takes which request: as the simulator deals them out.
    fn turns(&self, name: &WorkloadName, requests: usize) -> Vec<u8> {
        let own = self.plan.placements().filter(|(_, p)| p.workload == *name);
        let rates: Vec<RequestsPerSecond> = own.filter_map(|(_, p)| p.served).collect();
        if rates.len() < 2 {
            return Vec::new();
        }
        let number = |turn| u8::try_from(turn).expect("fewer than 2^8 servers of one workload");
        Turns::new(&rates).take(requests).map(number).collect()
    }

    /// How the servers of a workload form batches.
    fn batcher(&self, name: &WorkloadName) -> ServerBatching {
        let own = || self.specs.iter().filter(|spec| spec.workload == *name);
        let batching = own().next().map(|spec| &spec.batching);
        server_batching(own().map(|spec| spec.max_batch().get()).collect(), batching)
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
        record: &RunRecord,
        index: usize,
        before: Option<&[ServerStatistics]>,
    ) -> WorkloadRun {
        let name = load.target.workload();
        let statistics = before.and_then(|before| {
            let after = load.target.statistics().ok()?;
            let mut all = after.iter().zip(before).map(|(after, before)| after.since(before));
            let first = all.next()?;
            Some(all.fold(first, ServerStatistics::plus))
        });
        let recorded = &record.workloads[index];
        WorkloadRun {
            workload: name.clone(),
            planned: recorded.planned as u64,
            tables_ms: self.times(name),
            overhead: None,
            statistics,
            exhausted: InferClient::exhausted(&load.target),
            connections: load.target.connections(),
            most_connections: load.target.most_connections(),
            instances: instances(&load.target),
            switched_s: recorded
                .switched
                .iter()
                .flatten()
                .min()
                .copied()
                .map(Nanoseconds::as_seconds),
        }
    }

    /// The times of a workload's models where they are emulated, one table for each placement; else none.
    fn times(&self, name: &WorkloadName) -> Vec<Vec<f64>> {
        let own = self.specs.iter().filter(|spec| spec.workload == *name && spec.active);
        let table = |spec: &LaunchSpec| match &spec.source {
            ModelSource::Emulated { times_ms, .. } => Some(times_ms.clone()),
            _ => None,
        };
        own.filter_map(table).collect()
    }

    /// One entry for each workload of the scenario; those that the plan does not serve have nothing.
    fn in_scenario_order(&self, runs: Vec<WorkloadRun>) -> Vec<WorkloadRun> {
        let find = |name: &WorkloadName| runs.iter().find(|run| run.workload == *name).cloned();
        let workloads = self.study.workloads().iter();
        workloads
            .map(|w| find(&w.name).unwrap_or_else(|| WorkloadRun::unserved(w.name.clone())))
            .collect()
    }

    fn warnings(&self, record: &RunRecord, samples: &[SampleSummary]) -> Vec<Warning> {
        let mut warnings = missing(record, &self.placed());
        for spec in self.specs {
            let shared = spec.device.is_some() && self.launch.sharing() != Sharing::Off;
            if shared && matches!(spec.source, ModelSource::Ready(_)) {
                let workload = spec.workload.clone();
                warnings.push(Warning::UnverifiedShare { workload });
            }
        }
        let devices = self.devices.list.iter();
        let numbers = devices.enumerate().map(|(gpu, device)| (device.index, gpu));
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

/// What the instances of a workload's servers say of themselves.
fn instances(target: &WorkloadServers) -> Vec<InstanceReport> {
    let of = |server| target.endpoint(server).instances.clone();
    target.servers().flat_map(of).collect()
}

/// A warning for each GPU that is not of the kind of the performance model: by its SMs, or where those are not known, by
/// its name.
fn other_gpus(study: &Study, gpus: &[GpuRecord]) -> Vec<Warning> {
    let kind = study.kind();
    let differs = |record: &&GpuRecord| {
        let plain =
            |text: &str| text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let name = plain(&record.facts.name);
        if name.contains(&plain(kind.name.as_str())) {
            return false;
        }
        let clock = record.facts.max_sm_clock_mhz.map(f64::from);
        let same_clock =
            clock.is_none_or(|clock| (clock / kind.max_clock.get() - 1.0).abs() < 0.02);
        let units = kind.units.get();
        let same_sms =
            record.facts.sms.is_some_and(|sms| sms / units * units == sms || sms / 2 == units);
        !(same_clock && same_sms)
    };
    let warn = |record: &GpuRecord| Warning::OtherGpu {
        gpu: record.gpu,
        found: record.facts.name.clone(),
        expected: format!(
            "{} ({} allocation units, {} MHz)",
            kind.name,
            kind.units.get(),
            kind.max_clock.get()
        ),
    };
    gpus.iter().filter(differs).map(warn).collect()
}

/// The servers of a workload.
fn of_workload<'e>(endpoints: &'e [Endpoint], name: &WorkloadName) -> Vec<&'e Endpoint> {
    endpoints.iter().filter(|endpoint| endpoint.workload == *name).collect()
}

/// Where the servers of a workload write their traces, by their numbers as in [`WorkloadServers`].
fn trace_files(endpoints: &[Endpoint], name: &WorkloadName) -> Vec<Option<PathBuf>> {
    let own = of_workload(endpoints, name);
    let replicas = own.iter().filter(|endpoint| endpoint.active).count();
    let mut files = vec![None; 2 * replicas];
    for endpoint in own {
        let number = endpoint.replica + if endpoint.active { 0 } else { replicas };
        files[number].clone_from(&endpoint.trace_file);
    }
    files
}

/// The traces of each workload's servers.
fn read_traces(
    names: &[WorkloadName],
    files: &[Vec<Option<PathBuf>>],
    ended_early: bool,
    lost: &mut Vec<Warning>,
) -> Vec<Traces> {
    let mut of = |(name, files): (&WorkloadName, &Vec<Option<PathBuf>>)| -> Traces {
        files.iter().map(|file| stamps(name, file.as_deref(), ended_early, lost)).collect()
    };
    names.iter().zip(files).map(&mut of).collect()
}
