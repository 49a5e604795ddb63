//! Why no plan could be made or read.

use std::path::PathBuf;

/// Why no plan could be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No strategy of that name.
    #[error("no strategy {given:?}; the strategies are: {known}")]
    UnknownStrategy {
        /// The name given.
        given: String,
        /// Those that exist.
        known: String,
    },
    /// A workload's model is not in the profile.
    #[error(
        "workload {workload}: model {model:?} is not in the profile of {kind}, which knows: {known}"
    )]
    UnknownModel {
        /// The workload.
        workload: String,
        /// Its model.
        model: String,
        /// The GPU kind.
        kind: String,
        /// The models of the profile.
        known: String,
    },
    /// An option outside its range.
    #[error("{option}: must be {allowed}, not {given}")]
    Option {
        /// The option.
        option: &'static str,
        /// The value given.
        given: String,
        /// The range.
        allowed: &'static str,
    },
    /// A margin is asked of a predictor that has none.
    #[error(
        "predictor {predictor} does not say how far it may be off, so no margin follows from it: plan with one \
         that does, such as contention (--predictor contention), or give the margin in percent"
    )]
    NoUncertainty {
        /// The predictor.
        predictor: &'static str,
    },
    /// A plan file cannot be read or does not fit the scenario.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the fix.
        message: String,
    },
}
