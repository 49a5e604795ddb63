//! What a fit says of itself: the data it had, where each number comes from, how well it sits.

use super::ResidualSummary;
use crate::domain::ModelName;
use serde::{Deserialize, Serialize};

/// How much a fit had to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataUsed {
    /// Solo points of the profile, all models together.
    pub solo_points: usize,
    /// Models whose self-pair was measured.
    pub self_pairs: usize,
    /// Rows of `colocation.csv` (1, 2, 3 … copies of one model).
    pub copies_rows: usize,
    /// Models with a kernel list.
    pub kernel_lists: usize,
    pub solo_table_rows: usize,
    /// Measured co-locations.
    pub colocated_runs: usize,
}

/// Where a fitted number comes from.
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
    /// Nothing was measured: the number of a V100, or the conservative end.
    Default,
}

impl CoefficientOrigin {
    /// Whether measurements of this very term determined it.
    #[must_use]
    pub fn is_determined(self) -> bool {
        !matches!(self, Self::OtherModels | Self::Default)
    }
}

/// One fitted number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermReport {
    /// The symbol, with the model or the pair that it belongs to: `gamma alexnet`.
    pub term: String,
    pub value: f64,
    /// The unit of the value.
    pub unit: String,
    /// Where it comes from.
    pub origin: CoefficientOrigin,
    /// Its standard error in the same unit, where the fit gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
}

/// Two numbers that the data hardly tell apart.
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

/// What a fit says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitReport {
    /// The data that it had.
    pub data: DataUsed,
    /// Every number with its origin.
    pub terms: Vec<TermReport>,
    /// Pairs of numbers with a correlation of 0.7 or more, strongest first.
    pub correlations: Vec<CorrelatedTerms>,
    /// Errors of the solo curves on their own points.
    pub solo_residuals: Vec<ModelResiduals>,
    /// Errors on the co-located runs that it was fitted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colocated_residuals: Option<ResidualSummary>,
    /// What a reader should know before trusting the numbers.
    pub notes: Vec<String>,
}

impl FitReport {
    /// The terms that nothing measured determined.
    pub fn undetermined(&self) -> impl Iterator<Item = &TermReport> {
        self.terms.iter().filter(|term| !term.origin.is_determined())
    }
}

/// From this correlation on two terms are reported as hardly told apart.
pub(super) const NOTABLE_CORRELATION: f64 = 0.7;
