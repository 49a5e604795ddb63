//! Scenarios that can still be changed.

use crate::failure::JobFailure;
use igniter::scenario;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};

/// A scenario before it is checked.
#[pyclass(frozen, name = "Document", module = "igniter._igniter")]
pub(crate) struct PyDocument {
    pub(crate) inner: scenario::Document,
}

/// A value of JSON as one of TOML; what is null is left out.
fn toml_value(value: serde_json::Value) -> Option<toml::Value> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => toml::Value::Boolean(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => toml::Value::Integer(whole),
            None => toml::Value::Float(number.as_f64()?),
        },
        Json::String(text) => toml::Value::String(text),
        Json::Array(items) => {
            toml::Value::Array(items.into_iter().filter_map(toml_value).collect())
        }
        Json::Object(entries) => toml::Value::Table(
            entries
                .into_iter()
                .filter_map(|(key, value)| Some((key, toml_value(value)?)))
                .collect(),
        ),
    })
}

/// A JSON text as a value of TOML.
pub(crate) fn parse_value(json: &str) -> Result<toml::Value, JobFailure> {
    let value: serde_json::Value = serde_json::from_str(json)?;
    toml_value(value).ok_or_else(|| JobFailure::new("IgniterError", "None is no value here"))
}

/// A JSON object as TOML text.
pub(crate) fn toml_text(json: &str) -> Result<String, JobFailure> {
    let value = parse_value(json)?;
    toml::to_string(&value).map_err(|error| JobFailure::new("IgniterError", error))
}

/// What a table of TOML says, as JSON.
pub(crate) fn json_text(text: &str) -> Result<String, JobFailure> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| JobFailure::new("ScenarioError", error))?;
    Ok(serde_json::to_string(&table)?)
}

#[pymethods]
impl PyDocument {
    /// Reads a file, or the shipped scenario of a name.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let read = scenario::Document::load(&path).map_err(JobFailure::from);
        read.map(|inner| Self { inner }).map_err(|failure| failure.raise(py))
    }

    /// Reads a TOML text; `name` stands for its file.
    #[staticmethod]
    fn of_text(py: Python<'_>, text: &str, name: PathBuf) -> PyResult<Self> {
        let read = scenario::Document::of_text(text, &name).map_err(JobFailure::from);
        read.map(|inner| Self { inner }).map_err(|failure| failure.raise(py))
    }

    /// The TOML text of a JSON object.
    #[staticmethod]
    fn toml_of(py: Python<'_>, json: &str) -> PyResult<String> {
        toml_text(json).map_err(|failure| failure.raise(py))
    }

    /// The same with values set, each by its path, as JSON.
    fn with_values(&self, py: Python<'_>, values: Vec<(String, String)>) -> PyResult<Self> {
        let set = || {
            let mut inner = self.inner.clone();
            for (path, json) in values {
                inner.set(&path, parse_value(&json)?)?;
            }
            Ok::<_, JobFailure>(Self { inner })
        };
        set().map_err(|failure| failure.raise(py))
    }

    /// The whole of it as one TOML text, with paths as seen from a folder.
    fn to_toml(&self, folder: PathBuf) -> String {
        self.inner.to_toml(&folder)
    }

    /// Checks it and gives the resolved scenario as TOML and JSON, with all defaults.
    fn resolved(&self, py: Python<'_>) -> PyResult<(String, String)> {
        let resolve = || {
            let text = self.inner.scenario()?.to_toml();
            let json = json_text(&text)?;
            Ok::<_, JobFailure>((text, json))
        };
        resolve().map_err(|failure| failure.raise(py))
    }

    /// What is written in it, as JSON.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        json_text(&self.inner.to_toml(Path::new(""))).map_err(|failure| failure.raise(py))
    }

    /// The files that it was read from.
    #[getter]
    fn files(&self) -> Vec<PathBuf> {
        self.inner.files().to_vec()
    }
}
