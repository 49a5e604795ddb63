//! Why a profile could not be fitted, or a coefficients file not be used.

use std::path::PathBuf;

/// Why a profile could not be fitted, or a coefficients file not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A measurement that this predictor needs is not in the profile.
    #[error("predictor {predictor} cannot be fitted: {what}")]
    Missing {
        predictor: &'static str,
        /// What is missing, and where it would stand.
        what: String,
    },
    /// The numbers are there but determine no usable coefficients.
    #[error("predictor {predictor} cannot be fitted: {what}")]
    Degenerate { predictor: &'static str, what: String },
    /// No predictor of that name.
    #[error("no predictor {name:?}; the predictors are: {known}")]
    Unknown { name: String, known: String },
    /// A coefficients file cannot be read or used.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
}
