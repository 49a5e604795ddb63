//! Results of strategies side by side.

use crate::failure::JobFailure;
use crate::job;
use crate::plan::PyPlan;
use crate::study::requests;
use crate::table::ArrowTable;
use igniter::metrics::GpuSummary;
use igniter::results::{
    self, Existing, Identity, Manifest, Of, OutputDir, PlanRow, Screen, StrategyResult,
    WorkloadRow, comparison_text, pick,
};
use igniter::run::{self, write_results};
use pyo3::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// A comparison, with what it was made from.
#[pyclass(frozen, name = "Comparison", module = "igniter._igniter")]
pub(crate) struct PyComparison {
    study: Arc<run::Study>,
    inner: Arc<results::Comparison>,
    plans: Vec<PyPlan>,
}

/// A row of a strategy, or of one of its workloads or GPUs.
#[derive(Serialize)]
struct Keyed<'a, T> {
    strategy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<usize>,
    #[serde(flatten)]
    row: &'a T,
}

impl PyComparison {
    pub(crate) fn new(
        study: Arc<run::Study>,
        inner: results::Comparison,
        plans: Vec<PyPlan>,
    ) -> Self {
        Self { study, inner: Arc::new(inner), plans }
    }

    /// Rows with the names of strategies, and of what of a strategy they are of.
    fn keyed<'a, T: Serialize + 'a>(
        &'a self,
        rows: impl Fn(&'a StrategyResult) -> Vec<(Option<&'a str>, Option<usize>, &'a [T])>,
    ) -> Result<ArrowTable, JobFailure> {
        let mut all = Vec::new();
        for result in &self.inner.strategies {
            for (workload, gpu, rows) in rows(result) {
                let strategy = result.strategy.as_str();
                all.extend(rows.iter().map(|row| Keyed { strategy, workload, gpu, row }));
            }
        }
        ArrowTable::of_rows(&all)
    }

    fn made_table(&self, name: &str) -> Result<ArrowTable, JobFailure> {
        let comparison = &self.inner;
        match name {
            "summary" => {
                let columns = pick(&WorkloadRow::COLUMNS, &WorkloadRow::SUMMARY);
                ArrowTable::of_columns(&columns, &WorkloadRow::all(comparison))
            }
            "gpus" => {
                let columns = pick(&Of::<GpuSummary>::COLUMNS, &Of::<GpuSummary>::FILE);
                ArrowTable::of_columns(&columns, &Of::all(comparison, |result| &result.gpus))
            }
            "placements" => {
                let rows = Of::all(comparison, |result| &result.plan);
                ArrowTable::of_columns(&Of::<PlanRow>::COLUMNS, &rows)
            }
            "strategies" => {
                ArrowTable::of_columns(&StrategyResult::COLUMNS, &comparison.strategies)
            }
            "failures" => {
                let columns = pick(&WorkloadRow::COLUMNS, &WorkloadRow::FAILURES);
                let rows: Vec<_> = WorkloadRow::all(comparison)
                    .into_iter()
                    .filter(|row| row.summary.failed.is_some())
                    .collect();
                ArrowTable::of_columns(&columns, &rows)
            }
            "infeasible" => self.keyed(|r| vec![(None, None, r.infeasible.as_slice())]),
            "actions" => self.keyed(|r| vec![(None, None, r.actions.as_slice())]),
            "arrivals" => self.keyed(|r| vec![(None, None, r.details.arrivals.as_slice())]),
            "adaptation" => self.keyed(|r| vec![(None, None, r.details.adaptation.as_slice())]),
            "cdf" => self.keyed(|r| {
                let of = r.details.cdf.iter();
                of.map(|c| (Some(c.workload.as_str()), None, c.points.as_slice())).collect()
            }),
            "latency_series" => self.keyed(|r| {
                let of = r.details.latency_series.iter();
                of.map(|s| (Some(s.workload.as_str()), None, s.bins.as_slice())).collect()
            }),
            "batches" => self.keyed(|r| {
                let of = r.details.batches.iter();
                of.map(|b| (Some(b.workload.as_str()), None, b.counts.as_slice())).collect()
            }),
            "gpu_series" => self.keyed(|r| {
                let of = r.details.series.iter();
                of.map(|s| (None, Some(s.gpu), s.bins.as_slice())).collect()
            }),
            "seeds" => ArrowTable::of_rows(&self.inner.seeds),
            _ => Err(JobFailure::new(
                "IgniterError",
                format!("there is no table {name:?}; the tables are: {}", TABLES.join(", ")),
            )),
        }
    }
}

/// The names of all tables.
const TABLES: [&str; 14] = [
    "summary",
    "gpus",
    "placements",
    "strategies",
    "failures",
    "infeasible",
    "actions",
    "arrivals",
    "adaptation",
    "cdf",
    "latency_series",
    "batches",
    "gpu_series",
    "seeds",
];

#[pymethods]
impl PyComparison {
    /// One of its tables.
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<ArrowTable> {
        self.made_table(name).map_err(|failure| failure.raise(py))
    }

    /// The names of its tables.
    #[classattr]
    fn tables() -> Vec<&'static str> {
        TABLES.to_vec()
    }

    /// The name of the scenario.
    #[getter]
    fn scenario(&self) -> &str {
        &self.inner.scenario
    }

    /// The seed of its arrivals.
    #[getter]
    fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// The names of the strategies, in their order.
    #[getter]
    fn strategies(&self) -> Vec<&str> {
        self.inner.strategies.iter().map(|result| result.strategy.as_str()).collect()
    }

    /// One line for each strategy.
    #[getter]
    fn headlines(&self) -> Vec<String> {
        self.inner.strategies.iter().map(StrategyResult::headline).collect()
    }

    /// Its text, as the program prints it.
    fn text(&self) -> String {
        comparison_text(&self.inner, Screen::PLAIN)
    }

    /// All numbers as JSON, as `--json` prints them.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        serde_json::to_string(&*self.inner).map_err(|error| JobFailure::from(error).raise(py))
    }

    /// How many plans there are.
    fn __len__(&self) -> usize {
        self.plans.len()
    }

    /// A plan as JSON, what is wrong with it, and how long it took to make.
    fn plan(&self, place: usize) -> Option<(String, Vec<String>, f64)> {
        let plan = self.plans.get(place)?;
        Some((plan.json().to_owned(), plan.violations(), plan.seconds()))
    }

    /// Every request of one of the plans, from the same run done again.
    fn requests(&self, py: Python<'_>, place: usize) -> PyResult<ArrowTable> {
        let (study, plan) = (Arc::clone(&self.study), Arc::clone(&self.plans[place].inner));
        job::run(py, None, move || requests(&study, &plan))
    }

    /// The figures: name, caption, SVG.
    fn figures(&self, py: Python<'_>) -> PyResult<Vec<(String, String, String)>> {
        let comparison = Arc::clone(&self.inner);
        job::run(py, None, move || {
            let figures = igniter::figures::comparison_figures(&comparison)?;
            let of = |figure: igniter::figures::Figure| {
                let svg = figure.standalone_svg();
                (figure.stem, figure.caption, svg)
            };
            Ok(figures.into_iter().map(of).collect())
        })
    }

    /// A figure as PNG.
    fn png<'py>(
        &self,
        py: Python<'py>,
        stem: String,
    ) -> PyResult<Bound<'py, pyo3::types::PyBytes>> {
        let comparison = Arc::clone(&self.inner);
        let png = job::run(py, None, move || {
            let figures = igniter::figures::comparison_figures(&comparison)?;
            let figure = figures.into_iter().find(|figure| figure.stem == stem);
            let figure = figure.ok_or_else(|| {
                JobFailure::new("IgniterError", format!("there is no figure {stem}"))
            })?;
            Ok(figure.png()?)
        })?;
        Ok(pyo3::types::PyBytes::new(py, &png))
    }

    /// Writes what the program's -o writes. `command` is for the manifest.
    fn save(&self, py: Python<'_>, folder: PathBuf, command: Vec<String>) -> PyResult<()> {
        let (study, comparison) = (Arc::clone(&self.study), Arc::clone(&self.inner));
        let planning: Vec<(String, f64)> = comparison
            .strategies
            .iter()
            .zip(&self.plans)
            .map(|(result, plan)| (result.strategy.clone(), plan.seconds()))
            .collect();
        job::run(py, None, move || {
            let mut manifest = Manifest::start(command);
            let identity = Identity::new(&manifest, Some(&comparison.scenario));
            let dir = OutputDir::open_for(&folder, Existing::Replace, &identity)?;
            study.note(&mut manifest)?;
            manifest.planning_s.extend(planning);
            write_results(dir, &comparison, manifest, &mut |_| ())?;
            Ok(())
        })
    }
}
