//! The simulated arm: the engine with the arrivals that the server really got.

use super::{HostedPredictor, ModelKind, RunInfo};
use crate::measure::{Arm, HostOverhead, Measured};
use anyhow::Context;
use igniter::domain::{
    ActionKind, FailedRequest, GpuInterval, Plan, RecordSink, RequestRecord, Workload,
};
use igniter::metrics::Window;
use igniter::predictor::Predictor;
use igniter::scenario::Scenario;
use igniter::sim::{
    Control, ControllerSpec, EngineSpec, Interference, LoadOverlap, Noise, ServerSpec, ShadowSpec,
    SimInput, SimWorkload, simulate,
};
use igniter::units::{Milliseconds, Nanoseconds};
use igniter::workload::{ArrivalSpec, TraceSpec};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd;

/// How the engine is set for a kind of model.
///
/// Triton's Python backend copies and executes one after the other. Emulated models take the time of the
/// planned co-location whoever else executes, which is the engine's static interference.
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

/// How standbys are sized and called: as the scenario's controller says where it is `shadow`, else as in the
/// paper. The engine's controller takes the same, so that both arms follow one rule.
#[must_use]
pub fn shadow_spec(scenario: &Scenario) -> ShadowSpec {
    match scenario.control.controller {
        ControllerSpec::Shadow(spec) => spec,
        ControllerSpec::None | ControllerSpec::Gslice(_) => ShadowSpec::default(),
    }
}

/// Keeps all records.
#[derive(Debug, Default)]
struct Keep(Vec<RequestRecord>);

impl RecordSink for Keep {
    fn request(&mut self, record: &RequestRecord) {
        self.0.push(*record);
    }

    fn failed(&mut self, _: &FailedRequest) {}

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// What the engine makes of a run.
#[derive(Debug)]
pub struct Simulated {
    /// Its records and their statistics.
    pub arm: Arm,
    /// For each workload of the scenario, when its first standby took over.
    pub switched: Vec<Option<Nanoseconds>>,
}

/// Simulates a plan with the arrivals of `rows`, with standbys where the run had them.
///
/// A request arrives when it was really sent; its latency counts from when it was to be sent, as that of the
/// measured arm does. A client that was late therefore is no difference between the arms.
///
/// # Errors
/// When the engine refuses the plan, or the arrivals cannot be written to a temporary file.
pub fn simulated_arm(
    scenario: &Scenario,
    plan: &Plan,
    predictor: &dyn Predictor,
    window: Window,
    info: &RunInfo,
    rows: &[Measured],
) -> anyhow::Result<Simulated> {
    let workloads: Vec<Workload> =
        scenario.workloads.iter().map(|entry| entry.workload.clone()).collect();
    let overheads: Vec<HostOverhead> =
        info.workloads.iter().map(|run| run.overhead.unwrap_or_default()).collect();
    let hosted = HostedPredictor::new(predictor, &workloads, overheads.clone());
    // Files without a name, for as long as the engine runs: nothing of them can stay.
    let mut files: Vec<File> = Vec::new();
    // For each workload: when requests were sent, and when they were to be.
    let mut sent: Vec<Vec<(u64, u64)>> = Vec::new();
    let mut sim_workloads = Vec::new();
    for entry in &scenario.workloads {
        let own = rows.iter().filter(|row| row.workload == entry.workload.name);
        let mut times: Vec<(u64, u64)> = own.map(|row| (row.sent_ns, row.intended_ns)).collect();
        times.sort_unstable();
        let mut text = String::from("sent_s\n");
        for (ns, _) in &times {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
        }
        let file = tempfile::tempfile().and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            Ok(file)
        });
        let file = file.context("cannot write arrivals to a temporary file")?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        files.push(file);
        sent.push(times);
        sim_workloads.push(SimWorkload {
            workload: Workload {
                model: HostedPredictor::model_of(&entry.workload),
                ..entry.workload.clone()
            },
            arrival: ArrivalSpec::Trace(TraceSpec::new(path, "sent_s")),
            batching: entry.batching.clone(),
            server: ServerSpec {
                // The engine gets the models by other names than the profile has.
                noise: entry
                    .server
                    .noise
                    .cv(predictor.kind(), &entry.workload.model)
                    .map_or(entry.server.noise, Noise::Cv),
                ..entry.server
            },
        });
    }
    let mut hosted_plan = plan.clone();
    for placement in hosted_plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.placements) {
        if let Some(workload) = workloads.iter().find(|w| w.name == placement.workload) {
            placement.model = HostedPredictor::model_of(workload);
        }
    }
    let last = sent.iter().flatten().map(|(ns, _)| ns + 1).max().unwrap_or(0);
    let shadow =
        Control { controller: ControllerSpec::Shadow(shadow_spec(scenario)), ..Control::default() };
    let input = SimInput {
        plan: &hosted_plan,
        workloads: &sim_workloads,
        predictor: &hosted,
        more_predictors: &[],
        control: info.shadow.then_some(&shadow),
        spec: sim_setting(&scenario.engine, info.models),
        duration: scenario.duration.max(Nanoseconds::new(last)),
        seed: scenario.seed,
    };
    let outcome = simulate(&input, |_| Keep::default())?;
    drop(files);
    let mut switched = vec![None; workloads.len()];
    let actions = outcome.gpus.iter().flat_map(|gpu| &gpu.actions);
    for action in actions.filter(|action| action.kind == ActionKind::Standby) {
        if let Some(workload) = action.workload {
            let first: &mut Option<Nanoseconds> = &mut switched[workload.index()];
            *first = Some(first.map_or(action.effective, |first| first.min(action.effective)));
        }
    }
    let mut records: Vec<RequestRecord> =
        outcome.gpus.into_iter().flat_map(|gpu| gpu.sink.0).collect();
    // The k-th arrival of a workload is its k-th request in the order of sending.
    records.sort_by_key(|record| (record.workload, record.arrival, record.batch));
    let mut next = vec![0; workloads.len()];
    for record in &mut records {
        let workload = record.workload.index();
        // Requests that the simulated server refused have no record.
        while sent[workload][next[workload]].0 < record.arrival.get() {
            next[workload] += 1;
        }
        let (_, intended) = sent[workload][next[workload]];
        next[workload] += 1;
        record.arrival = Nanoseconds::new(intended);
        let outside = overheads[workload].per_request_ms.max(0.0);
        let outside = Milliseconds::new(outside).unwrap_or(Milliseconds::ZERO).to_nanoseconds();
        record.done += outside;
    }
    Ok(Simulated { arm: Arm::new(plan, &workloads, window, records, &[]), switched })
}
