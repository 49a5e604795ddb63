//! Files that are kept of a run.

use super::RunRecord;
use crate::client::Tag;
use crate::compare::{RunFolder, RunInfo};
use crate::gpu::{SampleSummary, THROTTLED, throttle_reasons};
use crate::measure::{MeasuredRequest, Stamps, Warning, write_requests};
use igniter::domain::{Plan, WorkloadName};
use igniter::plan::plan_json;
use igniter::plan::replan::PlansFile;
use igniter::results::{OutputDir, OutputError};
use igniter::run::Study;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The traces that the servers of one workload recorded, by server number.
pub type Traces = Vec<BTreeMap<Tag, Stamps>>;

/// The plan or plans that were served.
#[derive(Debug, Clone, Copy)]
pub enum ServedRun<'a> {
    /// One plan.
    Plan(&'a Plan),
    /// Consecutive plans.
    Plans(&'a PlansFile),
}

impl ServedRun<'_> {
    /// Returns the name of the plan file in the folder of a run.
    #[must_use]
    pub const fn file(&self) -> &'static str {
        match self {
            Self::Plan(_) => RunFolder::PLAN,
            Self::Plans(_) => RunFolder::PLANS,
        }
    }

    /// Returns the content of that file.
    ///
    /// # Errors
    /// When the plan cannot be written as JSON.
    pub fn json(&self, study: &Study) -> serde_json::Result<String> {
        let text = match self {
            Self::Plan(plan) => serde_json::to_string_pretty(&plan_json(plan, &study.kinds())),
            Self::Plans(file) => serde_json::to_string_pretty(file),
        };
        Ok(text? + "\n")
    }
}

/// Writes the files that a comparison needs. `names` and `traces` are in the order of the record.
///
/// # Errors
/// When a file cannot be written.
pub fn keep_run(
    dir: &mut OutputDir,
    study: &Study,
    served: ServedRun<'_>,
    info: &RunInfo,
    (names, record, traces): (&[WorkloadName], &RunRecord, &[Traces]),
) -> Result<(), OutputError> {
    let text = |dir: &mut OutputDir, name: &str, text: String| {
        dir.write(name, |file| file.write_all(text.as_bytes()))
    };
    text(dir, RunFolder::SCENARIO, study.scenario().to_toml())?;
    // All GPUs of a run are of one kind.
    let coefficients = study.shared_predictors()[0].source.file.to_json();
    text(dir, RunFolder::COEFFICIENTS, coefficients)?;
    dir.write(served.file(), |file| file.write_all(served.json(study)?.as_bytes()))?;
    dir.write(RunFolder::INFO, |file| {
        serde_json::to_writer_pretty(&mut *file, info)?;
        file.write_all(b"\n")
    })?;
    dir.write(RunFolder::REQUESTS, |file| write_requests(&rows(names, record, traces), file))
}

/// Keeps the records where the output folder cannot be written to: in the first of these folders that can.
#[must_use]
pub fn keep_elsewhere(
    folders: &[PathBuf],
    (names, record, traces): (&[WorkloadName], &RunRecord, &[Traces]),
    describe: impl Fn(&Path) -> std::io::Result<()>,
) -> Option<PathBuf> {
    let keep = |folder: &PathBuf| {
        let kept = tempfile::Builder::new().prefix("igniter-records-").tempdir_in(folder).ok()?;
        let file = std::fs::File::create(kept.path().join(RunFolder::REQUESTS)).ok()?;
        let mut file = std::io::BufWriter::new(file);
        write_requests(&rows(names, record, traces), &mut file).ok()?;
        std::io::Write::flush(&mut file).ok()?;
        // The records matter most; they can be read without the other files.
        let _ = describe(kept.path());
        Some(kept.keep())
    };
    folders.iter().find_map(keep)
}

fn rows(names: &[WorkloadName], record: &RunRecord, traces: &[Traces]) -> Vec<MeasuredRequest> {
    let mut rows = Vec::new();
    for ((name, workload), traces) in names.iter().zip(&record.workloads).zip(traces) {
        rows.extend(MeasuredRequest::all(name, &workload.measured, record.start, traces));
    }
    rows
}

/// Returns a warning for each GPU whose clock was lowered; `numbers` are the plan's GPUs by device.
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
