//! Arrivals of scenarios, and traces of requests.

use crate::failure::Failure;
use crate::job;
use crate::study::Study;
use crate::table::Table;
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
pub(crate) fn arrivals(py: Python<'_>, study: &Study, workload: String) -> PyResult<Vec<f64>> {
    let study = Arc::clone(&study.inner);
    job::run(py, None, move || {
        let scenario = study.scenario();
        let entry = scenario.workloads.iter().find(|w| w.workload.name.as_str() == workload);
        let entry = entry.ok_or_else(|| {
            let known: Vec<&str> =
                scenario.workloads.iter().map(|w| w.workload.name.as_str()).collect();
            let message =
                format!("there is no workload {workload:?}; allowed: {}", known.join(", "));
            Failure::new("ScenarioError", message)
        })?;
        let (name, rate) = (&entry.workload.name, entry.workload.rate);
        let mut process = entry
            .arrival
            .build(name, rate, scenario.duration, scenario.seed)
            .map_err(|error| Failure::new("SimulationError", error))?;
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
) -> PyResult<Table> {
    job::run(py, None, move || {
        let mut reading = TraceReading::default();
        reading.file.sort = sort;
        reading.file.format = match format.as_deref() {
            None => None,
            Some(word) => Some(Format::named(word).ok_or_else(|| {
                Failure::new("TraceError", format!("format={word:?}; allowed: {}", Format::words()))
            })?),
        };
        let wrong = |error: igniter::input::ImportError| Failure::new("TraceError", error);
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
        Table::of_rows(&rows)
    })
}
