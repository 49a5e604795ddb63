//! Profiles, fits, predictions, and how well they meet measurements.

use crate::extensions::Own;
use crate::failure::JobFailure;
use crate::job;
use crate::strategy::{MemberNumbers, members, numbers};
use crate::table::ArrowTable;
use igniter::fit::{FitData, fit_predictor};
use igniter::predictor::check_prediction;
use igniter::profile::{load, profile_files, read_colocated, read_solo_table};
use pyo3::prelude::*;
use serde::Serialize;
use std::path::PathBuf;

/// Members as Python gives them, what is predicted of them, and how far their latencies may be off in percent.
type Predicted = ((Vec<MemberNumbers>, f64, f64, f64), Vec<Option<f64>>, String, Vec<String>);

/// Predicts a co-location. Gives numbers, two-sided uncertainties in percent, the predictor's name, and what was assumed.
#[pyfunction]
pub(crate) fn predict(
    py: Python<'_>,
    asked: Vec<(String, u32, f64)>,
    profile: String,
    predictor: Option<String>,
    own: &Own,
) -> PyResult<Predicted> {
    let own = own.inner.clone();
    job::run(py, None, move || {
        let loaded = own.load_predictor(&profile, predictor.as_deref(), None)?;
        let predictor = loaded.predictor.as_ref();
        let members =
            members(&asked, predictor).map_err(|message| JobFailure::new("FitError", message))?;
        let prediction = predictor.predict(&members);
        check_prediction(predictor, &members, &prediction)?;
        let uncertain = (0..members.len()).map(|of| predictor.uncertainty(&members, of));
        let uncertain = uncertain.map(|found| found.map(|u| u.two_sided_pct)).collect();
        let assumed = predictor.assumed().to_vec();
        Ok((numbers(&prediction), uncertain, predictor.name().to_owned(), assumed))
    })
}

/// Fits a predictor to a profile; gives its coefficients as JSON, a document that every `profile` takes.
#[pyfunction]
pub(crate) fn fit(
    py: Python<'_>,
    profile: String,
    predictor: String,
    colocated: Option<PathBuf>,
) -> PyResult<String> {
    job::run(py, None, move || {
        let profile = load(&profile)?;
        let runs = colocated.as_deref().map(read_colocated).transpose()?;
        let mut data = FitData::of(&profile);
        if let Some(runs) = &runs {
            data = data.with_colocated(runs);
        }
        Ok(fit_predictor(&predictor, &data)?.1.to_json())
    })
}

/// Compares predictions with measured co-locations: the report as JSON, and every latency as a table.
#[pyfunction]
pub(crate) fn accuracy(
    py: Python<'_>,
    colocated: PathBuf,
    solo: Option<PathBuf>,
    profile: String,
    predictor: Option<String>,
    own: &Own,
) -> PyResult<(String, ArrowTable)> {
    let own = own.inner.clone();
    job::run(py, None, move || {
        let runs = read_colocated(&colocated)?;
        let solo = solo.as_deref().map(read_solo_table).transpose()?;
        let loaded = own.load_predictor(&profile, predictor.as_deref(), None)?;
        let report = igniter::accuracy::accuracy(loaded.predictor.as_ref(), &runs, solo.as_ref())?;
        Ok((serde_json::to_string(&report)?, ArrowTable::of_rows(&report.points)?))
    })
}

#[derive(Serialize)]
struct ProfileDocument {
    name: String,
    units: u32,
    unit_pct: f64,
    memory_bytes: Option<u64>,
    price_per_hour: f64,
    power_cap_w: f64,
    idle_power_w: f64,
    max_clock_mhz: f64,
    models: Vec<String>,
}

/// What a profile says of its GPU kind, as JSON, and its measurements of models alone.
#[pyfunction]
pub(crate) fn profile(py: Python<'_>, name: String) -> PyResult<(String, ArrowTable)> {
    job::run(py, None, move || {
        let profile = load(&name)?;
        let kind = &profile.kind;
        let document = ProfileDocument {
            name: kind.name.to_string(),
            units: kind.units.get(),
            unit_pct: 100.0 / f64::from(kind.units.get()),
            memory_bytes: kind.memory.map(|bytes| bytes.get()),
            price_per_hour: kind.price_per_hour.get(),
            power_cap_w: kind.power_cap.get(),
            idle_power_w: kind.idle_power.get(),
            max_clock_mhz: kind.max_clock.get(),
            models: profile.models.iter().map(|model| model.name.to_string()).collect(),
        };
        let files = profile_files(&profile);
        let solo = files.into_iter().find(|(name, _)| *name == "solo.csv");
        let solo = solo.map(|(_, text)| text).unwrap_or_default();
        let plain: String = solo
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        Ok((serde_json::to_string(&document)?, ArrowTable::of_csv(&plain, &[])?))
    })
}
