//! One run of a campaign.

use super::ProfileRun;
use crate::gpu::{GpuProbe, Nvml, Sampler};
use crate::launch::{Device, LaunchArgs};
use crate::life;
use crate::load::{bursts, closed_loop};
use crate::measure::ServerStatistics;
use crate::run::{Target, TargetOptions};
use anyhow::{Context, bail};
use igniter::domain::{CoLocation, Placement, Plan, WorkloadName};
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Mean times of the batches of one member, of exactly its batch size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemberResult {
    /// Bringing the inputs to the model, in ms.
    pub input_ms: f64,
    /// Execution, in ms.
    pub infer_ms: f64,
    /// Bringing the outputs back, in ms.
    pub output_ms: f64,
    /// How many batches.
    pub batches: u64,
}

impl MemberResult {
    /// The whole time of a batch, in ms.
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.input_ms + self.infer_ms + self.output_ms
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// One entry for each member.
    pub members: Vec<MemberResult>,
    /// Mean power of the GPU, in W; absent without one.
    pub power_w: Option<f64>,
    /// The lowest SM clock while kernels ran, in MHz; absent without a GPU.
    pub clock_mhz: Option<f64>,
}

/// A scenario and a plan of exactly these members on one GPU.
fn study_of(
    profile: &str,
    predictor: Option<&str>,
    run: &ProfileRun,
) -> anyhow::Result<(Study, Plan)> {
    let mut text = format!("version = 1\nduration_s = 10\n[[gpu]]\nkind = {profile:?}\n");
    for (i, member) in run.members.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[[workload]]\nname = \"m{i}\"\nmodel = {:?}\nslo_ms = 1000\nrate_rps = 1",
            member.model.as_str()
        );
    }
    let scenario = Scenario::parse(&text, Path::new("profile.toml"))?;
    let overrides = Overrides { predictor: predictor.map(str::to_owned), ..Overrides::default() };
    let study = Study::new(scenario, &overrides)?;
    let placements = run.members.iter().enumerate().map(|(i, member)| Placement {
        workload: WorkloadName::new(&format!("m{i}")).expect("a short name"),
        model: member.model.clone(),
        batch: member.batch,
        sm: member.units,
        served: None,
        predicted: None,
    });
    let gpu = CoLocation { kind: study.kind().name.clone(), placements: placements.collect() };
    let plan =
        Plan { strategy: "profile".to_owned(), gpus: vec![gpu], infeasible: vec![], bound: None };
    Ok((study, plan))
}

/// Starts the servers of a run, keeps all of them busy with full batches for `duration`, and reads what they
/// counted.
///
/// # Errors
/// When servers do not start or do not answer, or a signal asks to end.
pub fn measure_run(
    (profile, predictor): (&str, Option<&str>),
    run: &ProfileRun,
    args: &LaunchArgs,
    devices: &[Device],
    duration: Nanoseconds,
) -> anyhow::Result<RunResult> {
    let (study, plan) = study_of(profile, predictor, run)?;
    let specs = args.specs(&study, &plan, devices)?;
    let mut launcher = args.launcher(devices)?;
    let scratch = tempfile::Builder::new().prefix("igniter-profile-").tempdir()?;
    let deployment = launcher.launch(&specs, scratch.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the client")?;
    let options = TargetOptions { seed: 1, ..TargetOptions::default() };
    let mut targets = Vec::new();
    for endpoint in deployment.endpoints() {
        targets.push(Target::open(runtime.handle(), &[endpoint], &options)?);
    }
    let sampler = match Nvml::load() {
        Ok(nvml) if !devices.is_empty() => {
            let probe: Box<dyn GpuProbe> = Box::new(nvml);
            let (file, period) = (scratch.path().join("gpus.csv"), Duration::from_millis(50));
            Some(Sampler::start(probe, &[devices[0].index], period, Instant::now(), &file)?)
        }
        _ => None,
    };
    let results = load_all(&targets, run, duration);
    let samples = sampler.map(Sampler::stop).transpose()?;
    for target in targets {
        target.close();
    }
    deployment.stop()?;
    if life::interrupted() {
        return Err(life::Interrupted.into());
    }
    let sample = samples.iter().flatten().next();
    Ok(RunResult {
        members: results?,
        power_w: sample.and_then(|s| s.mean_power_w),
        clock_mhz: sample.and_then(|s| s.least_busy_clock_mhz).map(f64::from),
    })
}

/// Loads all members at the same time.
fn load_all(
    targets: &[Target],
    run: &ProfileRun,
    duration: Nanoseconds,
) -> anyhow::Result<Vec<MemberResult>> {
    thread::scope(|scope| {
        let threads: Vec<_> = targets
            .iter()
            .zip(&run.members)
            .map(|(target, member)| scope.spawn(|| load_one(target, member.batch.get(), duration)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, anyhow::Result<MemberResult>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the load panicked")))
        };
        threads.into_iter().map(join).collect()
    })
}

fn load_one(target: &Target, batch: u32, duration: Nanoseconds) -> anyhow::Result<MemberResult> {
    let stop = || life::interrupted();
    let (client, answers) = (target.client(0), target.answers(0));
    let warm = bursts(client, &answers, 'w', &[1, batch, batch, batch], &stop);
    if let Some(failure) = warm.answers.iter().find_map(|answer| answer.result.as_ref().err()) {
        bail!("{}: the warm-up failed: {failure}", target.endpoint().model);
    }
    let before = target.statistics()?;
    // One batch executes while the next one waits, complete.
    let drained = closed_loop(client, &answers, 'p', 2 * batch, duration, &stop);
    let after = target.statistics()?;
    if let Some(failure) = drained.answers.iter().find_map(|answer| answer.result.as_ref().err()) {
        bail!("{}: a request failed: {failure}", target.endpoint().model);
    }
    let counted: ServerStatistics = after[0].since(&before[0]);
    let full = counted.of_size(batch);
    let Some(([input_ms, infer_ms, output_ms], batches)) = full else {
        bail!(
            "{}: no batch of {batch} in {} s; give more time with --seconds",
            target.endpoint().model,
            duration.as_seconds()
        );
    };
    Ok(MemberResult { input_ms, infer_ms, output_ms, batches })
}
