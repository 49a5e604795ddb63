//! `validate run` of plans that follow each other: servers come and go under load.

use super::measured::{
    MachineActivity, SendTimes, calibrate, client, connections, missing, server_batching, stamps,
};
use super::output::RunProgress;
use super::run::{LoadArgs, RunCommand};
use super::session::Measurement;
use crate::compare::{ModelKind, RunInfo, WorkloadRun};
use crate::launch::{
    LaunchArgs, LaunchSpec, ModelSource, STARTED_ALONE, Where, batch_times, set_times,
};
use crate::measure::{ServerBatching, Warning};
use crate::run::{
    FollowLoad, FollowOptions, FollowedRun, RunJournal, RunningServer, ServedRun, TargetOptions,
    Traces, WorkloadServers, follow, servers_of,
};
use crate::signals;
use anyhow::{Context, bail, ensure};
use igniter::domain::{CoLocation, Plan, Timeline, WorkloadName};
use igniter::plan::replan::PlansFile;
use igniter::predictor::{Member, Predictor};
use igniter::results::Manifest;
use igniter::run::Study;
use igniter::units::Nanoseconds;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Servers of one workload that can be told apart in the records.
const MOST_SERVERS: usize = 255;

/// What a run works on.
pub(super) struct Follow<'a> {
    pub(super) args: &'a RunCommand,
    pub(super) study: &'a Study,
    pub(super) file: &'a PlansFile,
    /// As servers can follow it.
    pub(super) timeline: Timeline,
    pub(super) inputs: &'a BTreeMap<WorkloadName, PathBuf>,
    pub(super) launch: &'a LaunchArgs,
    pub(super) scratch: &'a Path,
}

/// Refuses what is not done while plans follow each other.
pub(super) fn check(args: &RunCommand) -> anyhow::Result<()> {
    let LoadArgs { shadow, shared_memory, .. } = args.load;
    let refused = [
        (shadow, "--shadow"),
        (shared_memory, "--shared-memory"),
        (args.launch.launcher == Where::External, "--launcher external"),
    ];
    if let Some((_, flag)) = refused.iter().find(|(given, _)| *given) {
        bail!("{flag}: not done for plans that follow each other; fix: leave it out");
    }
    let models = &args.launch.models;
    if models != "emulated" || !args.launch.devices()?.list.is_empty() {
        bail!(
            "--models {models}: plans that follow each other are followed by emulated models without a GPU so far; fix: leave \
             --models and --gpus out, or give one plan of `igniter plan` with --plan"
        );
    }
    Ok(())
}

impl Follow<'_> {
    /// Starts servers, loads them, lets others follow, and ends them.
    pub(super) fn measure(
        &self,
        progress: &RunProgress,
        journal: &mut RunJournal,
        manifest: &Manifest,
    ) -> anyhow::Result<Measurement> {
        let runtime = client()?;
        let loads = self.loads()?;
        let names: Vec<WorkloadName> = loads.iter().map(|load| load.workload.clone()).collect();
        let mut info = self.info(&loads);
        journal.describe(self.study, ServedRun::Plans(self.file), &info, manifest)?;
        let emulated = self.launch.emulated()?;
        let predictor = emulated.as_ref().map_or_else(|| self.study.simulated(), |e| e.as_ref());
        let traces = Mutex::new(BTreeMap::new());
        let name_of_server = Mutex::new(None);
        let started = AtomicUsize::new(0);
        let start = |number: usize| {
            let turn = started.fetch_add(1, Ordering::Relaxed);
            let server = self.start(runtime.handle(), number, turn)?;
            let endpoint = server.target.endpoint(0);
            let file = endpoint.trace_file.clone();
            lock(&traces).insert(number, file);
            lock(&name_of_server).get_or_insert_with(|| server.target.server_name());
            anyhow::Ok(server)
        };
        let mut lost = Vec::new();
        let mut changed = |there: &[(usize, &WorkloadServers)]| {
            if let Err(error) = self.tell_neighbours(predictor, there) {
                eprintln!("validate: {error:#}; emulated models keep their times");
            }
        };
        let machine = MachineActivity::now();
        let mut options = FollowOptions {
            warm_ups: self.args.load.warm_ups,
            drain: Nanoseconds::from_seconds(self.args.load.drain_s).context("--drain-s")?,
            progress: &|what| progress.at(what),
            start: &start,
            changed: &mut changed,
            must_end: &mut || signals::interrupted().then(|| "interrupted".to_owned()),
            keeps: &mut |load, answers, start| journal.add(&names[load], answers, start),
        };
        let duration = self.study.scenario().duration;
        let followed = follow(&self.timeline, &loads, duration, &mut options)?;
        machine.note(&mut info);
        let FollowedRun { record, happened, left_behind, connections } = followed;
        lost.extend(left_behind.into_iter().map(|what| Warning::LeftBehind { what }));
        let files = traces.into_inner().unwrap_or_else(PoisonError::into_inner);
        let traces = self.traces(&names, &files, record.ended_early.is_some(), &mut lost);
        for (i, name) in names.iter().enumerate() {
            let Some(run) = info.workloads.iter_mut().find(|run| run.workload == *name) else {
                continue;
            };
            calibrate(run, &record.workloads[i], &traces[i], &self.batcher(name));
            if let Some(of) = connections.get(name) {
                run.exhausted = of.exhausted;
                run.connections = of.open;
                run.most_connections = of.most;
            }
        }
        lost.extend(missing(&record, &names));
        info.warnings = lost;
        info.server = lock(&name_of_server).take().flatten();
        info.happened = Some(happened);
        Ok(Measurement { info, record, names, traces, samples_csv: None })
    }

    /// The arrivals of all workloads that have servers.
    fn loads(&self) -> anyhow::Result<Vec<FollowLoad>> {
        let scenario = self.study.scenario();
        let mut loads = Vec::new();
        for entry in &scenario.workloads {
            let workload = &entry.workload;
            let servers = servers_of(&self.timeline, &workload.name).len();
            ensure!(servers > 0, "workload {}: the plans have no server of it", workload.name);
            if servers > MOST_SERVERS {
                bail!(
                    "workload {}: given {servers} servers one after another; allowed: at most {MOST_SERVERS} in a run; fix: \
                     choose a shorter run, or a longer period_s in [replan]",
                    workload.name
                );
            }
            let SendTimes { calibration, measured } =
                SendTimes::draw(scenario, entry, &self.args.load)?;
            loads.push(FollowLoad { workload: workload.name.clone(), calibration, measured });
        }
        Ok(loads)
    }

    /// Starts one server of the timeline, alone.
    fn start(
        &self,
        runtime: &tokio::runtime::Handle,
        number: usize,
        turn: usize,
    ) -> anyhow::Result<RunningServer> {
        let spec = self.spec(number)?;
        let mut launch = self.launch.clone();
        if let Some(first) = launch.first_port {
            let port = u16::try_from(turn).ok().and_then(|turn| first.checked_add(turn));
            let Some(port) = port else {
                bail!("--first-port {first}: too high for {} servers; fix: leave it out", turn + 1);
            };
            launch.first_port = Some(port);
        }
        let dir = self.scratch.join(format!("{STARTED_ALONE}{number}"));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot use {}", dir.display()))?;
        let mut launcher = launch.launcher(&[], self.scratch)?;
        let batch = spec.max_batch().get();
        let deployment = launcher.launch(&[spec], &dir)?;
        let endpoint = &deployment.endpoints()[0];
        let mut entries = self.study.scenario().workloads.iter();
        let entry = entries.find(|entry| entry.workload.name == endpoint.workload);
        let entry = entry.context("a server of a workload that the scenario lacks")?;
        let (workload, may_refuse) = (&entry.workload, entry.batching.may_refuse());
        let servers = u32::try_from(self.timeline.servers.len()).unwrap_or(u32::MAX);
        let options = TargetOptions {
            http: connections(&self.args.load, workload, batch, servers),
            input: self.inputs.get(&workload.name).cloned(),
            seed: self.study.scenario().seed,
            ..TargetOptions::default()
        };
        let target = WorkloadServers::open(runtime, &[endpoint], &options)
            .with_context(|| format!("workload {}", workload.name))?;
        Ok(RunningServer { deployment, target, may_refuse })
    }

    /// What a launcher is to start for a server of the timeline: it is its workload's only one there, beside those that are on
    /// its GPU when it begins.
    fn spec(&self, number: usize) -> anyhow::Result<LaunchSpec> {
        let server = &self.timeline.servers[number];
        let all = self.timeline.servers.iter().enumerate();
        let beside = all.filter(|(other, o)| {
            let there = o.takes_from <= server.takes_from
                && o.takes_until.is_none_or(|until| until > server.takes_from);
            o.gpu == server.gpu && (there || *other == number)
        });
        let beside: Vec<usize> = beside.map(|(other, _)| other).collect();
        let place = beside.iter().position(|other| *other == number).unwrap_or(0);
        let placements =
            beside.iter().map(|other| self.timeline.servers[*other].placement.clone()).collect();
        let kind = self.timeline.gpus[server.gpu.index()].kind.clone();
        let plan = Plan {
            strategy: self.file.strategy.clone(),
            gpus: vec![CoLocation { kind, placements }],
            infeasible: Vec::new(),
            bound: None,
        };
        let mut spec = self.launch.specs(self.study, &plan, &[])?.swap_remove(place);
        (spec.gpu, spec.replica) = (server.gpu.index(), 0);
        Ok(spec)
    }

    /// Tells emulated models who their neighbours are now.
    fn tell_neighbours(
        &self,
        predictor: &dyn Predictor,
        there: &[(usize, &WorkloadServers)],
    ) -> anyhow::Result<()> {
        let member = |number: usize| {
            let server = &self.timeline.servers[number];
            let model = predictor.model_id(&server.placement.model);
            let sm = server.placement.sm.to_percent(self.study.kind().units);
            Some(Member { model: model?, batch: server.placement.batch, sm: sm? })
        };
        for gpu in 0..self.timeline.gpus.len() {
            let on = |(number, _): &&(usize, &WorkloadServers)| {
                self.timeline.servers[*number].gpu.index() == gpu
            };
            let own: Vec<_> = there.iter().filter(on).collect();
            let members: Option<Vec<Member>> =
                own.iter().map(|(number, _)| member(*number)).collect();
            let members = members.context("a model that the predictor does not know")?;
            for (place, (_, target)) in own.iter().enumerate() {
                let endpoint = target.endpoint(0);
                let times = batch_times(predictor, &members, place, endpoint.max_batch);
                set_times(endpoint, &times).context("cannot tell a model of its neighbours")?;
            }
        }
        Ok(())
    }

    /// What is known before the run.
    fn info(&self, loads: &[FollowLoad]) -> RunInfo {
        let runs = self.study.workloads().iter().map(|workload| {
            let load = loads.iter().find(|load| load.workload == workload.name);
            WorkloadRun {
                planned: load.map_or(0, |load| load.measured.len() as u64),
                tables_ms: self.tables(&workload.name),
                ..WorkloadRun::unserved(workload.name.clone())
            }
        });
        RunInfo {
            launcher: match self.launch.launcher {
                Where::Docker => "docker",
                Where::Local | Where::External => "local",
            }
            .to_owned(),
            models: ModelKind::Emulated,
            server: None,
            workloads: runs.collect(),
            warnings: vec![Warning::Unfinished],
            gpus: Vec::new(),
            image: (self.launch.launcher == Where::Docker).then(|| self.launch.image.clone()),
            shadow: false,
            happened: None,
            cpu_wait_pct: None,
            cpu_stolen_pct: None,
        }
    }

    /// The times of a workload's emulated models at their start, one table for each server.
    fn tables(&self, name: &WorkloadName) -> Vec<Vec<f64>> {
        let table = |number: usize| match self.spec(number).ok()?.source {
            ModelSource::Emulated { times_ms, .. } => Some(times_ms),
            _ => None,
        };
        servers_of(&self.timeline, name).into_iter().filter_map(table).collect()
    }

    /// How the servers of a workload form batches.
    fn batcher(&self, name: &WorkloadName) -> ServerBatching {
        let workloads = self.study.scenario().workloads.iter();
        let batching = workloads.map(|e| (&e.workload.name, &e.batching)).find(|e| e.0 == name);
        let batching = batching.map(|(_, batching)| batching);
        let of = |number: usize| {
            let planned = self.timeline.servers[number].placement.batch;
            batching.and_then(|b| b.max_batch).unwrap_or(planned).get()
        };
        server_batching(servers_of(&self.timeline, name).into_iter().map(of).collect(), batching)
    }

    /// What each server recorded, by its number among those of its workload.
    fn traces(
        &self,
        names: &[WorkloadName],
        files: &BTreeMap<usize, Option<PathBuf>>,
        ended_early: bool,
        lost: &mut Vec<Warning>,
    ) -> Vec<Traces> {
        let mut read = |name: &WorkloadName, number: usize| {
            let file = files.get(&number).and_then(Option::as_deref);
            stamps(name, file, ended_early, lost)
        };
        let of = |name: &WorkloadName| -> Traces {
            let own = servers_of(&self.timeline, name);
            own.into_iter().map(|number| read(name, number)).collect()
        };
        names.iter().map(of).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
