//! What is kept of a run.

use super::Record;
use crate::client::Tag;
use crate::compare::{RunFolder, RunInfo};
use crate::gpu::{SampleSummary, THROTTLED, throttle_reasons};
use crate::measure::{Measured, Stamps, Warning, write_requests};
use igniter::domain::{Plan, WorkloadName};
use igniter::plan::plan_json;
use igniter::results::{OutputDir, OutputError};
use igniter::run::Study;
use std::collections::BTreeMap;

/// What the servers of one workload recorded, by their numbers.
pub type Traces = Vec<BTreeMap<Tag, Stamps>>;

/// Writes the files that a comparison starts from. `names` and `traces` are in the order of the record.
///
/// # Errors
/// When a file cannot be written.
pub fn keep_run(
    dir: &mut OutputDir,
    study: &Study,
    plan: &Plan,
    info: &RunInfo,
    (names, record, traces): (&[WorkloadName], &Record, &[Traces]),
) -> Result<(), OutputError> {
    let text = |dir: &mut OutputDir, name: &str, text: String| {
        dir.write(name, |file| file.write_all(text.as_bytes()))
    };
    text(dir, RunFolder::SCENARIO, study.scenario().to_toml())?;
    // A run has one kind of GPU.
    let coefficients = study.shared_predictors()[0].source.file.to_json();
    text(dir, RunFolder::COEFFICIENTS, coefficients)?;
    dir.write(RunFolder::PLAN, |file| {
        serde_json::to_writer_pretty(&mut *file, &plan_json(plan, &study.kinds()))?;
        file.write_all(b"\n")
    })?;
    dir.write(RunFolder::INFO, |file| {
        serde_json::to_writer_pretty(&mut *file, info)?;
        file.write_all(b"\n")
    })?;
    dir.write(RunFolder::REQUESTS, |file| {
        let mut rows = Vec::new();
        for ((name, workload), traces) in names.iter().zip(&record.workloads).zip(traces) {
            rows.extend(Measured::all(name, &workload.measured, record.start, traces));
        }
        write_requests(&rows, file)
    })
}

/// A warning for each GPU whose clock was lowered; `numbers` are the plan's GPUs by device.
#[must_use]
pub fn throttled(samples: &[SampleSummary], numbers: &BTreeMap<u32, usize>) -> Vec<Warning> {
    let lowered = samples.iter().filter(|summary| summary.throttle & THROTTLED != 0);
    lowered
        .filter_map(|summary| {
            Some(Warning::ThrottledClock {
                gpu: *numbers.get(&summary.gpu)?,
                reasons: throttle_reasons(summary.throttle & THROTTLED).join(", "),
            })
        })
        .collect()
}
