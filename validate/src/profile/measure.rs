//! Starts the servers of a session and measures runs on them.

use super::failure::StartError;
use super::noise::noise_cv;
use super::plan::{members, study_of};
use super::stages::StageSums;
use super::{ProfileRun, RunMember};
use crate::data::Shapes;
use crate::gpu::{GpuProbe, Nvml, Sampler};
use crate::guard::ScratchFolder;
use crate::launch::{Deployment, Device, InstanceReport, LaunchArgs, batch_times, set_times};
use crate::load::{bursts, closed_loop};
use crate::measure::ServerStatistics;
use crate::run::{TargetOptions, WorkloadServers};
use crate::signals;
use anyhow::{Context, bail};
use igniter::predictor::Predictor;
use igniter::run::Study;
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Time in which queues fill and clocks settle; nothing is counted until then.
const SETTLING: Duration = Duration::from_millis(400);
/// A run is prolonged until every member has finished at least this many full batches …
const LEAST_BATCHES: u64 = 4;
/// … but at most to this multiple of the requested length.
const LONGEST: u32 = 4;
/// Length of the measurement of the power without load: the energy counter needs a second.
const IDLE: Duration = Duration::from_millis(1200);
/// Number of parts into which the requested length is cut; results are medians over the parts.
const PARTS: u32 = 10;
/// Maximum number of reads of the counters in each part …
const LOOKS_OF_PART: u32 = 10;
/// … and the minimum time between reads: each answer costs the server time.
const LOOK_PERIOD: Duration = Duration::from_millis(50);
/// The sampling period of GPUs.
const SAMPLE_PERIOD: Duration = Duration::from_millis(50);

/// Times of the batches of one member at exactly its batch size: the median of the means of tenths of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemberResult {
    /// Time to bring the inputs to the model, in ms.
    pub input_ms: f64,
    /// Execution time, in ms.
    pub infer_ms: f64,
    /// Time to bring the outputs back, in ms.
    pub output_ms: f64,
    /// Number of batches.
    pub batches: u64,
    /// The part of the time in which a batch was at its model, in percent; the rest is spent by the server and the
    /// client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_pct: Option<f64>,
    /// The standard deviation of the whole time between tenths of the run, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std_ms: Option<f64>,
    /// The coefficient of variation of the execution time of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_cv: Option<f64>,
}

impl MemberResult {
    /// Returns the whole time of a batch, in ms.
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.input_ms + self.infer_ms + self.output_ms
    }
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// One entry for each member.
    pub members: Vec<MemberResult>,
    /// Mean power of the GPU, in W; absent without one.
    pub power_w: Option<f64>,
    /// The mean SM clock while kernels ran, in MHz; absent without a GPU.
    pub clock_mhz: Option<f64>,
    /// All throttle bits that were set during the run; absent without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<u64>,
    /// Power of the GPU with the servers on it but without load, in W; absent without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_w: Option<f64>,
    /// For each member the versions of its software, and whether its kernels are launched together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub software: Vec<String>,
}

/// Options for starting and loading the servers of a session.
#[derive(Debug)]
pub struct BenchOptions<'a> {
    /// The profile to start from, as in `--from`.
    pub profile: &'a str,
    /// The predictor of emulated models.
    pub predictor: Option<&'a str>,
    /// The arguments for launching servers.
    pub launch: &'a LaunchArgs,
    /// The GPUs; only the first is used.
    pub devices: &'a [Device],
    /// Whether tensors are passed through shared memory.
    pub shared_memory: bool,
    /// Sizes of input dimensions that models leave open.
    pub shapes: &'a Shapes,
    /// The folder for the logs of servers that fail, with a subfolder for each failure.
    pub logs: &'a Path,
}

/// The started servers of a session.
#[derive(Debug)]
pub struct Bench<'a> {
    // Fields are dropped in this order: connections, servers, files.
    targets: Vec<WorkloadServers>,
    deployment: Deployment,
    _runtime: Runtime,
    scratch: ScratchFolder,
    study: Study,
    emulated: Option<Box<dyn Predictor>>,
    idle_w: Option<f64>,
    options: &'a BenchOptions<'a>,
}

impl<'a> Bench<'a> {
    /// Starts one server for each entry of a session.
    ///
    /// # Errors
    /// When servers do not start or do not answer, or a signal asks to end.
    pub fn start(options: &'a BenchOptions<'a>, servers: &[RunMember]) -> Result<Self, StartError> {
        let (study, plan) = study_of(options, servers)?;
        let launch = options.launch;
        let specs = launch.specs(&study, &plan, options.devices).map_err(anyhow::Error::from)?;
        let scratch = launch.scratch("igniter-profile-").map_err(anyhow::Error::from)?;
        let launcher = launch.launcher(options.devices, scratch.path());
        let mut launcher = launcher.map_err(anyhow::Error::from)?;
        let launched = launcher.launch(&specs, scratch.path());
        let kept = |error: StartError| StartError {
            error: options.keep_logs(scratch.path(), error.error),
            ..error
        };
        let deployment = launched.map_err(|error| kept(StartError::of_launch(error, &specs)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the client")?;
        let target = TargetOptions {
            seed: 1,
            shared_memory: options.shared_memory,
            shapes: (launch.models != "emulated").then(|| options.shapes.clone()),
            ..TargetOptions::default()
        };
        let mut targets = Vec::new();
        for endpoint in deployment.endpoints() {
            targets.push(WorkloadServers::open(runtime.handle(), &[endpoint], &target)?);
        }
        let emulated = launch.emulated().map_err(anyhow::Error::from)?;
        let mut bench = Self {
            targets,
            deployment,
            _runtime: runtime,
            scratch,
            study,
            emulated,
            idle_w: None,
            options,
        };
        bench.warm_up(servers).map_err(|error| StartError {
            error: options.keep_logs(bench.scratch.path(), error.error),
            ..error
        })?;
        bench.idle_w = bench.idle_power()?;
        Ok(bench)
    }

    /// Measures the power without load. A GPU with idle processes on it draws more than an empty one, and that
    /// difference is not part of a model's power.
    fn idle_power(&self) -> anyhow::Result<Option<f64>> {
        let Some(sampler) = self.sampler()? else { return Ok(None) };
        signals::sleep(IDLE)?;
        let samples = sampler.stop()?;
        Ok(samples.first().and_then(|sample| sample.mean_power_w))
    }

    /// Warms up the servers: their first batches take many times longer.
    fn warm_up(&self, servers: &[RunMember]) -> Result<(), StartError> {
        for (server, (target, member)) in self.targets.iter().zip(servers).enumerate() {
            let batch = member.batch.get();
            let (client, answers) = (target.client(0), target.answers(0));
            let sizes = [1, batch, batch];
            let warm = bursts(client, &answers, 'w', &sizes, &signals::interrupted);
            let failure = warm.answers.iter().find_map(|answer| answer.result.as_ref().err());
            let failure = failure.map(String::as_str);
            let unanswered = (warm.missing > 0).then_some("it was not answered");
            if let Some(failure) = failure.or(unanswered) {
                let model = &target.endpoint(0).model;
                let error = anyhow::anyhow!("{model}: the warm-up failed: {failure}");
                return Err(StartError { server: Some(server), error });
            }
        }
        Ok(())
    }

    /// Keeps the servers of a run busy with full batches, and reads their counters for `duration`.
    ///
    /// # Errors
    /// When a server does not answer, or a signal asks to end.
    pub fn measure(
        &self,
        run: &ProfileRun,
        positions: &[usize],
        duration: Nanoseconds,
    ) -> anyhow::Result<RunResult> {
        let known = self.emulate(run, positions)?;
        let targets: Vec<&WorkloadServers> = positions.iter().map(|&i| &self.targets[i]).collect();
        let (stop, gone) = (AtomicBool::new(false), AtomicBool::new(false));
        let measured = thread::scope(|scope| {
            let loads: Vec<_> = targets
                .iter()
                .zip(&run.members)
                .map(|(target, member)| {
                    let (stop, gone) = (&stop, &gone);
                    scope.spawn(move || keep_busy(target, member.batch.get(), stop, gone))
                })
                .collect();
            let measured = self.watch(&targets, run, duration);
            stop.store(true, Ordering::Relaxed);
            // A server that does not even report its statistics will not answer either.
            let hangs = || targets.iter().any(|target| target.statistics().is_err());
            gone.store(measured.is_err() && hangs(), Ordering::Relaxed);
            for load in loads {
                let ended = load.join();
                ended.unwrap_or_else(|_| Err(anyhow::anyhow!("the load panicked")))?;
            }
            measured
        });
        if signals::interrupted() {
            return Err(signals::Interrupted.into());
        }
        let mut result = measured?;
        let software = |target: &&WorkloadServers| {
            let instances = &target.endpoint(0).instances;
            instances.first().map_or_else(String::new, InstanceReport::software)
        };
        result.software = targets.iter().map(software).collect();
        if let Some((power_w, clock_mhz)) = known {
            result.power_w = Some(power_w);
            result.clock_mhz = Some(clock_mhz);
        }
        Ok(result)
    }

    /// Tells emulated models their current neighbours; returns power and clock of the emulated GPU.
    fn emulate(&self, run: &ProfileRun, positions: &[usize]) -> anyhow::Result<Option<(f64, f64)>> {
        if self.options.launch.models != "emulated" {
            return Ok(None);
        }
        let predictor =
            self.emulated.as_ref().map_or_else(|| self.study.simulated(), |e| e.as_ref());
        let members = members(run, predictor)?;
        for (i, member) in run.members.iter().enumerate() {
            let endpoint = self.targets[positions[i]].endpoint(0);
            set_times(endpoint, &batch_times(predictor, &members, i, member.batch))?;
        }
        let prediction = predictor.predict(&members);
        Ok(Some((prediction.power_w, prediction.clock_mhz)))
    }

    /// Waits while the servers are loaded, with two looks at what they counted.
    fn watch(
        &self,
        targets: &[&WorkloadServers],
        run: &ProfileRun,
        duration: Nanoseconds,
    ) -> anyhow::Result<RunResult> {
        signals::sleep(SETTLING)?;
        let counts = || -> anyhow::Result<Vec<ServerCounts>> {
            targets.iter().map(|target| ServerCounts::of(target)).collect()
        };
        let sampler = self.sampler()?;
        let asked = Duration::from_nanos(duration.get());
        let begun = Instant::now();
        let part = asked / PARTS;
        let of_part = part.as_millis() / LOOK_PERIOD.as_millis();
        let of_part = u32::try_from(of_part).unwrap_or(LOOKS_OF_PART).clamp(1, LOOKS_OF_PART);
        let mut looks = vec![counts()?];
        let members = loop {
            for _ in 0..of_part {
                signals::sleep(part / of_part)?;
                looks.push(counts()?);
            }
            if begun.elapsed() < asked {
                continue;
            }
            let members: Vec<Option<MemberResult>> = (run.members.iter().enumerate())
                .map(|(i, member)| {
                    let looks: Vec<&ServerCounts> = looks.iter().map(|look| &look[i]).collect();
                    result(&looks, of_part as usize, member.batch.get())
                })
                .collect();
            let enough = |m: &Option<MemberResult>| m.is_some_and(|m| m.batches >= LEAST_BATCHES);
            if members.iter().all(enough) || begun.elapsed() > asked * LONGEST {
                break members;
            }
        };
        let samples = sampler.map(Sampler::stop).transpose()?;
        let members = members.into_iter().zip(&run.members).map(|(result, member)| {
            result.with_context(|| {
                let (model, batch) = (&member.model, member.batch);
                let seconds = begun.elapsed().as_secs();
                format!("{model}: no batch of {batch} in {seconds} s; give more with --seconds")
            })
        });
        let sample = samples.iter().flatten().next();
        Ok(RunResult {
            members: members.collect::<anyhow::Result<_>>()?,
            power_w: sample.and_then(|s| s.mean_power_w),
            clock_mhz: sample.and_then(|s| s.mean_busy_clock_mhz),
            throttle: sample.map(|s| s.throttle),
            idle_w: self.idle_w,
            software: Vec::new(),
        })
    }

    fn sampler(&self) -> anyhow::Result<Option<Sampler>> {
        let Some(device) = self.options.devices.first() else { return Ok(None) };
        let Ok(nvml) = Nvml::load() else { return Ok(None) };
        let probe: Box<dyn GpuProbe> = Box::new(nvml);
        let file = self.scratch.path().join("gpus.csv");
        let started = Sampler::start(probe, &[device.index], SAMPLE_PERIOD, Instant::now(), &file)?;
        Ok(Some(started))
    }

    /// Returns the folder with the files of the servers.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Checks that all servers are still running.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&mut self) -> anyhow::Result<()> {
        Ok(self.deployment.check()?)
    }

    /// Checks that all servers are still running and answering, which may take seconds.
    ///
    /// # Errors
    /// When one is not.
    pub fn probe(&mut self) -> anyhow::Result<()> {
        Ok(self.deployment.probe()?)
    }

    /// Stops the servers.
    ///
    /// # Errors
    /// When one does not stop.
    pub fn stop(self) -> anyhow::Result<()> {
        for target in self.targets {
            target.close(true);
        }
        Ok(self.deployment.stop()?)
    }
}

/// One batch executes while the next one waits, complete.
fn keep_busy(
    target: &WorkloadServers,
    batch: u32,
    stop: &AtomicBool,
    gone: &AtomicBool,
) -> anyhow::Result<()> {
    let stop = || stop.load(Ordering::Relaxed) || signals::interrupted();
    let give_up = || gone.load(Ordering::Relaxed) || signals::interrupted();
    let (client, answers) = (target.client(0), target.answers(0));
    let drained = closed_loop(
        client,
        &answers,
        'p',
        2 * batch,
        Nanoseconds::new(u64::MAX / 2),
        &stop,
        &give_up,
    );
    if let Some(failure) = drained.answers.iter().find_map(|answer| answer.result.as_ref().err()) {
        bail!("{}: a request failed: {failure}", target.endpoint(0).model);
    }
    if drained.missing > 0 {
        bail!("{}: requests were not answered", target.endpoint(0).model);
    }
    Ok(())
}

/// The counters of a server so far.
struct ServerCounts {
    at: Instant,
    statistics: ServerStatistics,
    stages: StageSums,
}

impl ServerCounts {
    fn of(target: &WorkloadServers) -> anyhow::Result<Self> {
        let stages = target.endpoint(0).stages_file.as_deref().map(StageSums::read);
        let statistics = target.statistics()?.pop().context("a target without a server")?;
        Ok(Self { at: Instant::now(), statistics, stages: stages.unwrap_or_default() })
    }
}

/// Computes the times of the batches of one size from consecutive snapshots, `of_part` of them in each part of the
/// run: for each stage the median over the parts, so that a hiccup of the machine does not count.
fn result(looks: &[&ServerCounts], of_part: usize, batch: u32) -> Option<MemberResult> {
    let (first, last) = (looks.first()?, looks.last()?);
    let whole = last.statistics.since(&first.statistics);
    let (mean, batches) = whole.of_size(batch)?;
    let between = |looks: &[&ServerCounts]| -> Vec<([f64; 3], u64)> {
        let pairs = looks.windows(2);
        let passed = pairs.map(|pair| pair[1].statistics.since(&pair[0].statistics));
        passed.filter_map(|passed| passed.of_size(batch)).collect()
    };
    let parts: Vec<&ServerCounts> = looks.iter().copied().step_by(of_part).collect();
    let passed = between(&parts);
    let executions: Vec<(f64, u64)> =
        between(looks).into_iter().map(|(stages, count)| (stages[1], count)).collect();
    let [input_ms, infer_ms, output_ms] = std::array::from_fn(|stage| {
        let values = passed.iter().map(|(stages, count)| (stages[stage], *count));
        median(values.collect()).unwrap_or(mean[stage])
    });
    let totals: Vec<f64> = passed.iter().map(|(stages, _)| stages.iter().sum()).collect();
    let all_ms = last.at.duration_since(first.at).as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "few batches")]
    let busy_pct = (mean.iter().sum::<f64>() * batches as f64 / all_ms * 100.0).min(100.0);
    let mut result = MemberResult {
        input_ms,
        infer_ms,
        output_ms,
        batches,
        busy_pct: Some(busy_pct),
        std_ms: igniter::stats::standard_deviation(&totals),
        noise_cv: noise_cv(&executions),
    };
    if let Some([_, kernels, back]) = last.stages.since(&first.stages, batch) {
        // The rest of Triton's execution time is the way to the model, which counts as bringing the inputs.
        let part = |ms: f64| (ms / mean[1]).clamp(0.0, 1.0) * infer_ms;
        let kernels = part(kernels);
        let back = part(back).min(infer_ms - kernels);
        result.infer_ms = kernels;
        result.input_ms += infer_ms - kernels - back;
        result.output_ms += back;
    }
    Some(result)
}

/// Returns the weighted median.
fn median(mut values: Vec<(f64, u64)>) -> Option<f64> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<u64>().div_ceil(2);
    let mut sum = 0;
    values.into_iter().find_map(|(value, weight)| {
        sum += weight;
        (sum >= half).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_hiccup_does_not_move_the_median() {
        // Ten batches of 5 ms, one of 90 ms, three of 4 ms: 7 of 14 are at most 5 ms.
        assert_eq!(median(vec![(5.0, 10), (90.0, 1), (4.0, 3)]), Some(5.0));
        assert_eq!(median(vec![(1.0, 1), (2.0, 1)]), Some(1.0));
        assert_eq!(median(Vec::new()), None);
    }
}
