//! Arrivals of scenarios, and traces of requests.

use crate::failure::JobFailure;
use crate::job;
use crate::study::PyStudy;
use crate::table::ArrowTable;
use igniter::traces::{Format, TraceReader, TraceReading, TraceStream};
use pyo3::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Serialize)]
struct Arrival<'a> {
    key: &'a str,
    time_s: f64,
}

/// Draws the arrivals of a workload of a scenario, in s.
#[pyfunction]
pub(crate) fn arrivals(py: Python<'_>, study: &PyStudy, workload: String) -> PyResult<Vec<f64>> {
    let study = Arc::clone(&study.inner);
    job::run(py, None, move || {
        let scenario = study.scenario();
        let entry = scenario.workloads.iter().find(|w| w.workload.name.as_str() == workload);
        let entry = entry.ok_or_else(|| {
            let known: Vec<&str> =
                scenario.workloads.iter().map(|w| w.workload.name.as_str()).collect();
            let message =
                format!("there is no workload {workload:?}; allowed: {}", known.join(", "));
            JobFailure::new("ScenarioError", message)
        })?;
        let (name, rate) = (&entry.workload.name, entry.workload.rate);
        let mut process = entry
            .arrival
            .build(name, rate, scenario.duration, scenario.seed)
            .map_err(|error| JobFailure::new("SimulationError", error))?;
        Ok(std::iter::from_fn(|| process.next_arrival()).map(|time| time.as_seconds()).collect())
    })
}

/// Reads a trace of another program: each request with its key and time.
#[pyfunction]
pub(crate) fn read_trace(
    py: Python<'_>,
    path: PathBuf,
    format: Option<String>,
    sort: bool,
) -> PyResult<ArrowTable> {
    job::run(py, None, move || {
        let mut reading = TraceReading::default();
        reading.file.sort = sort;
        reading.file.format = match format.as_deref() {
            None => None,
            Some(word) => Some(Format::named(word).ok_or_else(|| {
                JobFailure::new(
                    "TraceError",
                    format!("format={word:?}; allowed: {}", Format::words()),
                )
            })?),
        };
        let wrong = |error: igniter::input::ImportError| JobFailure::new("TraceError", error);
        let mut trace = TraceReader::open(&path, &reading).map_err(wrong)?;
        let mut found = Vec::new();
        while let Some((time, key)) = trace.next_arrival().map_err(wrong)? {
            found.push((time.as_seconds(), key as usize));
        }
        let keys = trace.keys();
        let rows: Vec<Arrival<'_>> = found
            .iter()
            .map(|(time_s, key)| Arrival {
                key: keys.get(*key).map_or("", String::as_str),
                time_s: *time_s,
            })
            .collect();
        ArrowTable::of_rows(&rows)
    })
}
