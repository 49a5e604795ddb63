//! The simulated arm: the engine driven by the arrivals that the server really received.

use super::{HostedPredictor, ModelKind, RunInfo};
use crate::measure::{Arm, HostOverhead, MeasuredRequest};
use igniter::arrivals::ArrivalSpec;
use igniter::domain::{
    ActionKind, FailedRequest, GpuInterval, Plan, RecordSink, RequestRecord, Timeline, Workload,
    WorkloadId,
};
use igniter::metrics::Window;
use igniter::predictor::Predictor;
use igniter::scenario::Scenario;
use igniter::sim::{
    Control, ControllerSpec, EngineSpec, Interference, LoadOverlap, Noise, ServerSpec, ShadowSpec,
    SimInput, SimWorkload, simulate,
};
use igniter::units::{Milliseconds, Nanoseconds};

/// Returns the engine settings for a kind of model.
///
/// Triton's Python backend copies and executes sequentially. Emulated models take the time of the planned co-location
/// regardless of what else executes, which is the engine's static interference.
#[must_use]
pub fn sim_setting(scenario: &EngineSpec, models: ModelKind) -> EngineSpec {
    match models {
        ModelKind::Emulated => EngineSpec {
            interference: Interference::Static,
            overlap: LoadOverlap::Serial,
            ..*scenario
        },
        ModelKind::Torchvision => EngineSpec { overlap: LoadOverlap::Serial, ..*scenario },
        ModelKind::Ready => *scenario,
    }
}

/// Returns the rule by which standbys are sized and named: the scenario's controller where it is `shadow`, else the
/// paper's. The engine's controller uses the same rule, so that both arms follow it.
#[must_use]
pub fn shadow_spec(scenario: &Scenario) -> ShadowSpec {
    match scenario.control.controller {
        ControllerSpec::Shadow(spec) => spec,
        ControllerSpec::None | ControllerSpec::Gslice(_) => ShadowSpec::default(),
    }
}

/// The outcome of a request.
#[derive(Debug)]
enum RequestOutcome {
    Done(RequestRecord),
    Failed(FailedRequest),
}

impl RequestOutcome {
    /// Returns the sort key by which the k-th outcome of a workload is its k-th request in the order of sending.
    fn key(&self) -> (WorkloadId, Nanoseconds, u64) {
        match self {
            Self::Done(record) => (record.workload, record.arrival, record.batch),
            Self::Failed(failed) => (failed.workload, failed.arrival, u64::MAX),
        }
    }
}

/// A sink that keeps all records.
#[derive(Debug, Default)]
struct RecordKeeper(Vec<RequestOutcome>);

impl RecordSink for RecordKeeper {
    fn request(&mut self, record: &RequestRecord) {
        self.0.push(RequestOutcome::Done(*record));
    }

    fn failed(&mut self, request: &FailedRequest) {
        self.0.push(RequestOutcome::Failed(*request));
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// The result of simulating a run.
#[derive(Debug)]
pub struct SimulatedRun {
    /// The records with their statistics.
    pub arm: Arm,
    /// The time at which the first standby of each workload of the scenario took over.
    pub switched: Vec<Option<Nanoseconds>>,
}

/// Simulates a plan, or the timeline whose servers it lists, with the arrivals of `rows`, and with standbys where the
/// run had them.
///
/// A request arrives when it was really sent; its latency counts from its intended send time, as in the measured arm. A
/// late client therefore makes no difference between the arms.
///
/// # Errors
/// When the engine rejects the plan.
pub fn simulated_arm(
    scenario: &Scenario,
    (plan, timeline): (&Plan, Option<&Timeline>),
    predictor: &dyn Predictor,
    window: Window,
    info: &RunInfo,
    rows: &[MeasuredRequest],
) -> anyhow::Result<SimulatedRun> {
    let workloads: Vec<Workload> =
        scenario.workloads.iter().map(|entry| entry.workload.clone()).collect();
    let overheads: Vec<HostOverhead> =
        info.workloads.iter().map(|run| run.overhead.unwrap_or_default()).collect();
    let hosted = HostedPredictor::new(predictor, &workloads, overheads.clone());
    // For each workload: (sent, intended) times of its requests.
    let mut sent: Vec<Vec<(u64, u64)>> = Vec::new();
    let mut sim_workloads = Vec::new();
    for entry in &scenario.workloads {
        let own = rows.iter().filter(|row| row.workload == entry.workload.name);
        let mut times: Vec<(u64, u64)> = own.map(|row| (row.sent_ns, row.intended_ns)).collect();
        times.sort_unstable();
        let arrival =
            ArrivalSpec::Times(times.iter().map(|(ns, _)| Nanoseconds::new(*ns)).collect());
        sent.push(times);
        sim_workloads.push(SimWorkload {
            workload: Workload {
                model: HostedPredictor::model_of(&entry.workload),
                ..entry.workload.clone()
            },
            arrival,
            batching: entry.batching.clone(),
            // The server's overhead was measured; adding the scenario's assumption would count it twice.
            server: ServerSpec {
                // The engine knows the models by other names than the profile.
                noise: entry
                    .server
                    .noise
                    .cv(predictor.kind(), &entry.workload.model)
                    .map_or(entry.server.noise, Noise::Cv),
                ..ServerSpec::default()
            },
        });
    }
    let mut hosted_plan = plan.clone();
    let mut hosted_timeline = timeline.cloned();
    let servers = hosted_timeline.iter_mut().flat_map(|timeline| &mut timeline.servers);
    let placements = hosted_plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.placements);
    for placement in placements.chain(servers.map(|server| &mut server.placement)) {
        if let Some(workload) = workloads.iter().find(|w| w.name == placement.workload) {
            placement.model = HostedPredictor::model_of(workload);
        }
    }
    let last = sent.iter().flatten().map(|(ns, _)| ns + 1).max().unwrap_or(0);
    let shadow =
        Control { controller: ControllerSpec::Shadow(shadow_spec(scenario)), ..Control::default() };
    let input = SimInput {
        plan: &hosted_plan,
        timeline: hosted_timeline.as_ref(),
        workloads: &sim_workloads,
        predictor: &hosted,
        more_predictors: &[],
        control: info.shadow.then_some(&shadow),
        spec: sim_setting(&scenario.engine, info.models),
        duration: scenario.duration.max(Nanoseconds::new(last)),
        seed: scenario.seed,
        count_arrivals: false,
    };
    let outcome = simulate(&input, |_| RecordKeeper::default())?;
    let mut switched = vec![None; workloads.len()];
    let actions = outcome.gpus.iter().flat_map(|gpu| &gpu.actions);
    for action in actions.filter(|action| action.kind == ActionKind::Standby) {
        if let Some(workload) = action.workload {
            let first: &mut Option<Nanoseconds> = &mut switched[workload.index()];
            *first = Some(first.map_or(action.effective, |first| first.min(action.effective)));
        }
    }
    let mut outcomes: Vec<RequestOutcome> =
        outcome.gpus.into_iter().flat_map(|gpu| gpu.sink.0).collect();
    outcomes.sort_by_key(RequestOutcome::key);
    let (mut records, mut unfinished) = (Vec::new(), Vec::new());
    let mut next = vec![0; workloads.len()];
    for outcome in outcomes {
        let (workload, arrival, _) = outcome.key();
        let index = workload.index();
        // Skip requests that the simulated server had not answered at the end: they have no outcome.
        while sent[index][next[index]].0 < arrival.get() {
            next[index] += 1;
        }
        let (_, intended) = sent[index][next[index]];
        next[index] += 1;
        let intended = Nanoseconds::new(intended);
        match outcome {
            RequestOutcome::Done(mut record) => {
                record.arrival = intended;
                let outside = overheads[index].per_request_ms.max(0.0);
                let outside = Milliseconds::new(outside).unwrap_or(Milliseconds::ZERO);
                record.done += outside.to_nanoseconds();
                records.push(record);
            }
            // Counted as failures, as in the measured arm.
            RequestOutcome::Failed(failed) => unfinished.push((workload, failed.gpu, intended)),
        }
    }
    Ok(SimulatedRun { arm: Arm::new(plan, &workloads, window, records, &unfinished), switched })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::WorkloadRun;
    use crate::measure::measured_arm;
    use igniter::domain::WorkloadName;
    use igniter::plan::strategy;
    use igniter::run::{Overrides, Study};
    use std::path::Path;

    const MS: u64 = 1_000_000;

    fn study(more: &str) -> Study {
        let text = format!(
            "version = 1\nduration_s = 2\nwarmup_s = 0\ncooldown_s = 0\n[[gpu]]\nkind = \"v100\"\n[[workload]]\n\
             name = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 15\nrate_rps = 100\n{more}"
        );
        let scenario = Scenario::parse(&text, Path::new("one.toml")).unwrap();
        Study::new(scenario, &Overrides::default()).unwrap()
    }

    fn row(request: u32, sent_ns: u64, error: Option<&str>) -> MeasuredRequest {
        MeasuredRequest {
            workload: WorkloadName::new("W1").unwrap(),
            request,
            server: 0,
            intended_ns: sent_ns,
            sent_ns,
            written_ns: sent_ns,
            first_byte_ns: sent_ns + MS,
            done_ns: sent_ns + MS,
            connection: 0,
            output_bytes: error.is_none().then_some(4),
            error: error.map(str::to_owned),
            queued_ns: None,
            start_ns: None,
            input_end_ns: None,
            output_start_ns: None,
            end_ns: None,
        }
    }

    fn simulated(study: &Study, rows: &[MeasuredRequest]) -> Arm {
        let plan = study.plan(strategy("igniter").unwrap().as_ref());
        let scenario = study.scenario();
        let window = Window::new(scenario.duration, scenario.warmup, scenario.cooldown).unwrap();
        let info = RunInfo {
            launcher: "local".to_owned(),
            models: ModelKind::Emulated,
            server: None,
            workloads: vec![WorkloadRun::unserved(WorkloadName::new("W1").unwrap())],
            warnings: Vec::new(),
            gpus: Vec::new(),
            image: None,
            shadow: false,
            happened: None,
            cpu_wait_pct: None,
            cpu_stolen_pct: None,
        };
        let measured = measured_arm(&plan, study.workloads(), window, rows);
        let arm = simulated_arm(scenario, (&plan, None), study.simulated(), window, &info, rows)
            .unwrap()
            .arm;
        let requests = |arm: &Arm| arm.metrics.workloads[0].requests;
        assert_eq!(requests(&measured), requests(&arm), "no request is lost");
        arm
    }

    #[test]
    fn requests_that_a_queue_refuses_count_in_both_arms() {
        // A hundred at the same moment, for a queue of two.
        let rows: Vec<MeasuredRequest> = (0..100)
            .map(|i| row(i, MS + u64::from(i), (i > 20).then_some("status 503: full")))
            .collect();
        let arm = simulated(&study("batching = { max_queue_size = 2 }\n"), &rows);
        let summary = &arm.metrics.workloads[0];
        assert!(summary.completed < 50, "{summary:?}");
        assert_eq!(summary.requests, 100);
        assert_eq!(arm.records.len() as u64, summary.completed);
        let free = simulated(&study(""), &rows);
        assert_eq!(free.metrics.workloads[0].completed, 100);
    }

    #[test]
    fn what_the_scenario_assumes_of_servers_is_not_added_to_what_was_measured() {
        let rows: Vec<MeasuredRequest> =
            (0..50).map(|i| row(i, u64::from(i) * 20 * MS, None)).collect();
        let mean =
            |more: &str| simulated(&study(more), &rows).metrics.workloads[0].mean_ms.unwrap();
        let assumed =
            "engine = { batch_overhead_ms = 5, request_overhead_ms = 5, startup_s = 1 }\n";
        assert!((mean("") - mean(assumed)).abs() < 1e-9);
    }
}
