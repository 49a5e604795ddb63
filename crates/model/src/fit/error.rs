//! Errors of fits and coefficients files.

use std::path::PathBuf;

/// The reason why a profile cannot be fitted or a coefficients file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A measurement that this predictor needs is not in the profile.
    #[error("predictor {predictor} cannot be fitted: {what}")]
    Missing {
        predictor: &'static str,
        /// The missing measurement, and the file in which it belongs.
        what: String,
    },
    /// The measurements exist but do not determine usable coefficients.
    #[error("predictor {predictor} cannot be fitted: {what}")]
    Degenerate { predictor: &'static str, what: String },
    /// No predictor has that name.
    #[error("no predictor {name:?}; the predictors are: {known}")]
    Unknown { name: String, known: String },
    /// A coefficients file cannot be read or used.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
}
