//! The report of a fit: the data used, the origin of each number, and the residuals.

use super::ResidualSummary;
use crate::domain::ModelName;
use serde::{Deserialize, Serialize};

/// The amount of data available to a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataUsed {
    /// Number of solo points of the profile, over all models.
    pub solo_points: usize,
    /// Number of models whose self-pair was measured.
    pub self_pairs: usize,
    /// Number of rows of `colocation.csv` (1, 2, 3 … copies of one model).
    pub copies_rows: usize,
    /// Number of models with a kernel list.
    pub kernel_lists: usize,
    pub solo_table_rows: usize,
    /// Number of measured co-locations.
    pub colocated_runs: usize,
}

/// The origin of a fitted number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoefficientOrigin {
    /// The solo points of the profile.
    SoloPoints,
    /// `colocation.csv`: one to several copies of one model.
    Copies,
    /// The self-pair of the model.
    SelfPair,
    /// Measured co-locations, with a prior.
    Colocated,
    /// Other models of the same GPU kind.
    OtherModels,
    /// Bytes and bandwidth of `profile.toml`.
    Constants,
    /// No measurement: a number of a V100, or the conservative extreme.
    Default,
}

impl CoefficientOrigin {
    /// Returns whether the term was determined by measurements of its own.
    #[must_use]
    pub fn is_determined(self) -> bool {
        !matches!(self, Self::OtherModels | Self::Default)
    }
}

/// One fitted number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermReport {
    /// The symbol, with the model or the pair to which it belongs: `gamma alexnet`.
    pub term: String,
    pub value: f64,
    /// The unit of the value.
    pub unit: String,
    /// The origin of the value.
    pub origin: CoefficientOrigin,
    /// The standard error in the same unit, where the fit gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
}

/// Two numbers that the data can hardly separate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrelatedTerms {
    /// The two terms.
    pub terms: [String; 2],
    /// The correlation of their errors, from −1 to 1.
    pub correlation: f64,
}

/// Errors of the solo curve of one model on its own points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelResiduals {
    pub model: ModelName,
    /// GPU time at full clock, fitted against measured.
    pub gpu_time: ResidualSummary,
}

/// The report of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitReport {
    /// The data available to the fit.
    pub data: DataUsed,
    /// Every number with its origin.
    pub terms: Vec<TermReport>,
    /// Pairs of numbers with a correlation of 0.7 or more, strongest first.
    pub correlations: Vec<CorrelatedTerms>,
    /// Errors of the solo curves on their own points.
    pub solo_residuals: Vec<ModelResiduals>,
    /// Errors on the co-located runs to which the predictor was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colocated_residuals: Option<ResidualSummary>,
    /// Caveats that a reader should know before trusting the numbers.
    pub notes: Vec<String>,
}

impl FitReport {
    /// Iterates over the terms that were not determined by measurements.
    pub fn undetermined(&self) -> impl Iterator<Item = &TermReport> {
        self.terms.iter().filter(|term| !term.origin.is_determined())
    }
}

/// The correlation from which two terms are reported as hard to separate.
pub(super) const NOTABLE_CORRELATION: f64 = 0.7;
