//! Sweeps, and their shards.

use crate::extensions::Own;
use crate::failure::JobFailure;
use crate::job;
use crate::scenario::{PyDocument, toml_text};
use crate::table::ArrowTable;
use igniter::results::Manifest;
use igniter::sweep::{self, Shard, SweepError, SweepOptions, SweepOutcome, is_finished, run_sweep};
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A checked sweep.
#[pyclass(frozen, name = "Sweep", module = "igniter._igniter")]
pub(crate) struct PySweep {
    inner: Arc<sweep::Sweep>,
}

/// Stops a sweep when the caller went away.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn outcome_json(outcome: &SweepOutcome) -> Result<String, JobFailure> {
    Ok(serde_json::to_string(outcome)?)
}

#[pymethods]
impl PySweep {
    /// A sweep over a scenario; `spec` is a sweep file as JSON, whose scenario is the document.
    #[new]
    fn new(py: Python<'_>, spec: String, document: &PyDocument, own: &Own) -> PyResult<Self> {
        let (document, own) = (document.inner.clone(), own.inner.clone());
        job::run(py, None, move || {
            let sweep =
                sweep::Sweep::of_text(Path::new("sweep"), &toml_text(&spec)?, document, own)?;
            Ok(Self { inner: Arc::new(sweep) })
        })
    }

    /// A sweep file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        job::run(py, None, move || Ok(Self { inner: Arc::new(sweep::Sweep::load(&path)?) }))
    }

    /// How many points it has.
    #[getter]
    fn points(&self) -> u64 {
        self.inner.points()
    }

    /// How many runs it has at least.
    #[getter]
    fn runs_at_least(&self) -> u64 {
        self.inner.points().saturating_mul(self.inner.runs_of_a_point())
    }

    /// What a reader of its tables should know.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.inner.notes().to_vec()
    }

    /// What tells it from any other sweep.
    #[getter]
    fn id(&self) -> &str {
        self.inner.id()
    }

    /// Refuses very many points that nobody confirmed.
    fn check_size(&self, py: Python<'_>, confirmed: bool) -> PyResult<()> {
        self.inner.check_size(confirmed).map_err(|error| JobFailure::from(error).raise(py))
    }

    /// Whether a folder holds a shard of it, finished and unchanged.
    fn is_finished(
        &self,
        py: Python<'_>,
        output: PathBuf,
        index: u32,
        count: u32,
    ) -> PyResult<bool> {
        let shard = Shard::new(index, count).map_err(|error| JobFailure::from(error).raise(py))?;
        Ok(is_finished(&output, &self.inner, shard))
    }

    /// The folder of a shard within that of its sweep.
    #[staticmethod]
    fn shard_folder(index: u32, count: u32) -> Option<String> {
        Shard::new(index, count).ok().map(Shard::folder)
    }

    /// Does it, or a shard; `progress` is called with done points, all points, and failed runs. Gives the outcome as JSON.
    #[pyo3(signature = (output, index, count, resume, threads, progress, command))]
    fn run(
        &self,
        py: Python<'_>,
        output: PathBuf,
        index: u32,
        count: u32,
        resume: bool,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
        command: Vec<String>,
    ) -> PyResult<String> {
        let sweep = Arc::clone(&self.inner);
        let shard = Shard::new(index, count).map_err(|error| JobFailure::from(error).raise(py))?;
        let stopped = Arc::new(AtomicBool::new(false));
        // Ctrl-C ends the waiting below, and this guard tells the sweep.
        let _guard = StopOnDrop(Arc::clone(&stopped));
        job::run(py, None, move || {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = threads.unwrap_or(cores);
            let options = SweepOptions { output, shard, resume, threads };
            let mut raised = None;
            let done = run_sweep(&sweep, &options, Manifest::start(command), &mut |now| {
                if stopped.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                let Some(progress) = &progress else { return ControlFlow::Continue(()) };
                let told = Python::attach(|py| {
                    progress.call1(py, (now.done, now.points, now.failed)).map(drop)
                });
                match told {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(exception) => {
                        raised = Some(exception);
                        ControlFlow::Break(())
                    }
                }
            });
            match (done, raised) {
                (Err(SweepError::Stopped), Some(exception)) => Err(JobFailure::Python(exception)),
                (done, _) => outcome_json(&done?),
            }
        })
    }
}

/// Puts the shards of a folder together; gives the outcome as JSON.
#[pyfunction]
pub(crate) fn merge(
    py: Python<'_>,
    folders: Vec<PathBuf>,
    output: PathBuf,
    command: Vec<String>,
) -> PyResult<String> {
    job::run(py, None, move || {
        outcome_json(&sweep::merge_shards(&folders, &output, Manifest::start(command))?)
    })
}

/// A table of a finished sweep's folder: `rows` or `points`, with the types of its manifest.
#[pyfunction]
pub(crate) fn rows(py: Python<'_>, folder: PathBuf, name: String) -> PyResult<ArrowTable> {
    job::run(py, None, move || {
        let read = |name: &str| {
            let path = folder.join(name);
            let wrong = |error: &dyn std::fmt::Display| {
                JobFailure::new("SweepError", format!("cannot read {}: {error}", path.display()))
            };
            std::fs::read_to_string(&path).map_err(|error| wrong(&error))
        };
        let manifest = Manifest::read(&folder.join("manifest.json"));
        let manifest = manifest.map_err(|error| {
            let what = folder.display();
            JobFailure::new("SweepError", format!("{what} holds no finished sweep: {error}"))
        })?;
        let types = manifest.sweep.map(|facts| facts.columns).unwrap_or_default();
        ArrowTable::of_csv(&read(&format!("{name}.csv"))?, &types)
    })
}
