//! The error type of planning.

use igniter_model::domain::nearest;
use std::path::PathBuf;

/// The reason why no plan could be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No strategy has that name.
    #[error("no strategy {given:?}{}; the strategies are: {known}", did_you_mean(given, known))]
    UnknownStrategy { given: String, known: String },
    /// The profile has no data on the model of a workload.
    #[error(
        "workload {workload}: model {model:?} is not in the profile of {kind}, which knows: {known}"
    )]
    UnknownModel { workload: String, model: String, kind: String, known: String },
    /// An option is outside its range.
    #[error("{option}: must be {allowed}, not {given}")]
    Option { option: &'static str, given: String, allowed: &'static str },
    /// The margin is to be the predictor's, and the predictor has none.
    #[error(
        "predictor {predictor} does not say how far it may be off, so no margin follows from it: plan with one \
         that does, such as contention (--predictor contention), or give the margin in percent"
    )]
    NoUncertainty { predictor: &'static str },
    /// A plan file cannot be read or does not fit the scenario.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
}

/// Suggests the known name closest to the given one, in words.
fn did_you_mean(given: &str, known: &str) -> String {
    let known: Vec<&str> = known.split(", ").collect();
    nearest(given, &known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}
