//! Why no plan could be made or read.

use igniter_model::domain::nearest;
use std::path::PathBuf;

/// Why no plan could be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No strategy of that name.
    #[error("no strategy {given:?}{}; the strategies are: {known}", did_you_mean(given, known))]
    UnknownStrategy { given: String, known: String },
    /// A workload's model is not in the profile.
    #[error(
        "workload {workload}: model {model:?} is not in the profile of {kind}, which knows: {known}"
    )]
    UnknownModel { workload: String, model: String, kind: String, known: String },
    /// An option outside its range.
    #[error("{option}: must be {allowed}, not {given}")]
    Option { option: &'static str, given: String, allowed: &'static str },
    /// A margin is asked of a predictor that has none.
    #[error(
        "predictor {predictor} does not say how far it may be off, so no margin follows from it: plan with one \
         that does, such as contention (--predictor contention), or give the margin in percent"
    )]
    NoUncertainty { predictor: &'static str },
    /// A plan file cannot be read or does not fit the scenario.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
}

/// A guess at what was meant, in words.
fn did_you_mean(given: &str, known: &str) -> String {
    let known: Vec<&str> = known.split(", ").collect();
    nearest(given, &known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}
