//! Overheads, start-up, a shared link, faults and controllers: against hand arithmetic, and their invariants
//! on random scenarios.

mod controllers;
mod faults;
mod host;
mod invariants;
mod turns;

use super::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use super::{
    Control, ControllerSpec, EngineSpec, Fault, FaultKind, GpuOutcome, LoadOverlap, SimInput,
    simulate,
};
use crate::arrivals::ArrivalSpec;
use igniter_model::domain::{RequestRecord, WorkloadId};
use igniter_model::units::{Milliseconds, Nanoseconds};

fn ns(ms: f64) -> Nanoseconds {
    Nanoseconds::from_f64(ms * 1e6)
}

fn ms(ms: f64) -> Milliseconds {
    Milliseconds::new(ms).unwrap()
}

fn model(load: f64, fixed: f64, feedback: f64) -> FakeModel {
    FakeModel { load, fixed, per_request: 0.0, feedback }
}

/// Servers of batch 1 on one GPU, one for each model; evenly spaced requests from 0 on.
fn scenario(models: &[FakeModel], rate: f64) -> FakeScenario {
    let server = |m| FakeServer::new(m, 1, rate, ArrivalSpec::Constant);
    let servers = (0..models.len()).map(server).collect();
    FakeScenario::new(FakePredictor::new(models.to_vec(), 0.0), &[servers])
}

fn run(scenario: &FakeScenario, spec: EngineSpec, ms: f64) -> GpuOutcome<Everything> {
    run_with(scenario, spec, ms, &Control::default())
}

fn run_with(
    scenario: &FakeScenario,
    spec: EngineSpec,
    ms: f64,
    control: &Control,
) -> GpuOutcome<Everything> {
    let input = SimInput { control: Some(control), ..scenario.input(spec, ms / 1e3, 1) };
    simulate(&input, |_| Everything::default()).unwrap().gpus.remove(0)
}

fn of(outcome: &GpuOutcome<Everything>, workload: usize) -> Vec<RequestRecord> {
    let records = outcome.sink.records.iter();
    records.filter(|record| record.workload == WorkloadId::new(workload)).copied().collect()
}

fn fault(at: f64, lasts: f64, what: FaultKind) -> Control {
    let fault = Fault { at: ns(at), lasts: Some(ns(lasts)), what };
    Control { controller: ControllerSpec::None, faults: vec![fault] }
}

fn serial() -> EngineSpec {
    EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() }
}
