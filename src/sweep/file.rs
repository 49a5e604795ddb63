//! A sweep file as it is written: its keys and their types.

use serde::Deserialize;
use std::path::PathBuf;
use toml::Value;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSweep {
    pub(super) version: i64,
    pub(super) name: Option<String>,
    pub(super) scenario: PathBuf,
    pub(super) profile: Option<String>,
    pub(super) strategies: Option<Vec<String>>,
    pub(super) predictors: Option<Vec<String>>,
    pub(super) truths: Option<Vec<String>>,
    #[serde(default)]
    pub(super) prediction_error: bool,
    #[serde(default)]
    pub(super) keep_plan: bool,
    #[serde(default)]
    pub(super) set: toml::Table,
    #[serde(default)]
    pub(super) seeds: RawSeeds,
    #[serde(default)]
    pub(super) axis: Vec<RawAxis>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSeeds {
    pub(super) first: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
    pub(super) metric: Option<String>,
    pub(super) workload: Option<String>,
    pub(super) half_width: Option<f64>,
    pub(super) confidence: Option<f64>,
}

/// One `[[axis]]`: a field with values, or several that are zipped or sampled together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAxis {
    pub(super) path: Option<String>,
    pub(super) name: Option<String>,
    pub(super) values: Option<Vec<Value>>,
    pub(super) range: Option<RawRange>,
    pub(super) linear: Option<RawSpaced>,
    pub(super) log: Option<RawSpaced>,
    pub(super) zip: Option<Vec<RawAxis>>,
    pub(super) latin: Option<Vec<RawLatin>>,
    pub(super) samples: Option<u64>,
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRange {
    pub(super) from: Value,
    pub(super) to: Value,
    pub(super) step: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpaced {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLatin {
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) from: f64,
    pub(super) to: f64,
    #[serde(default)]
    pub(super) log: bool,
    #[serde(default)]
    pub(super) round: bool,
}
