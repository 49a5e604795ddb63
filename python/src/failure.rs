//! What goes wrong, as an exception of `igniter._errors` with the words of the program.

use igniter::figures::PlotError;
use igniter::fit::FitError;
use igniter::plan::PlanError;
use igniter::profile::ProfileError;
use igniter::results::OutputError;
use igniter::run::RunError;
use igniter::scenario::{Problem, ScenarioError};
use igniter::sweep::SweepError;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Why a job failed. It can be made without the interpreter.
#[derive(Debug)]
pub(crate) enum JobFailure {
    /// One of our exceptions.
    Ours(Box<Ours>),
    /// An exception of a user's own code, as it is.
    Python(PyErr),
}

/// The parts of one of our exceptions.
#[derive(Debug)]
pub(crate) struct Ours {
    class: &'static str,
    message: String,
    problems: Vec<Problem>,
    violations: Vec<String>,
}

impl JobFailure {
    /// An exception of a class of `igniter._errors`.
    pub(crate) fn new(class: &'static str, message: impl ToString) -> Self {
        let message = message.to_string();
        Self::Ours(Box::new(Ours { class, message, problems: Vec::new(), violations: Vec::new() }))
    }

    fn with_problems(class: &'static str, message: impl ToString, problems: &[Problem]) -> Self {
        let message = message.to_string();
        Self::Ours(Box::new(Ours {
            class,
            message,
            problems: problems.to_vec(),
            violations: Vec::new(),
        }))
    }

    /// A panic: a bug of ours, or an exception that an extension ended the work with.
    pub(crate) fn of_panic(panic: Box<dyn std::any::Any + Send>) -> Self {
        match panic.downcast::<PyErr>() {
            Ok(exception) => Self::Python(*exception),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Self::new(
                    "InternalError",
                    format!("a bug of igniter: {}", text.unwrap_or("unknown")),
                )
            }
        }
    }

    /// The exception.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Python(exception) => exception,
            Self::Ours(ours) => ours.raise(py).unwrap_or_else(|error| error),
        }
    }
}

impl Ours {
    fn raise(self, py: Python<'_>) -> PyResult<PyErr> {
        let module = py.import("igniter._errors")?;
        let problem = module.getattr("Problem")?;
        let problems = PyList::empty(py);
        for p in self.problems {
            let file = p.file.map(|file| file.display().to_string());
            problems.append(problem.call1((file, p.line, p.key, p.what, p.allowed, p.fix))?)?;
        }
        let exception = module.getattr(self.class)?.call1((self.message,))?;
        exception.setattr("problems", problems)?;
        exception.setattr("violations", self.violations)?;
        Ok(PyErr::from_value(exception))
    }
}

impl From<ScenarioError> for JobFailure {
    fn from(error: ScenarioError) -> Self {
        let problems = match &error {
            ScenarioError::Invalid { problems, .. } => problems.as_slice(),
            _ => &[],
        };
        Self::with_problems("ScenarioError", &error, problems)
    }
}

impl From<RunError> for JobFailure {
    fn from(error: RunError) -> Self {
        let class = match &error {
            RunError::Scenario(_) => match error {
                RunError::Scenario(error) => return error.into(),
                _ => "ScenarioError",
            },
            RunError::Profile(_) => "ProfileError",
            RunError::Fit(_) | RunError::Prediction(_) => "FitError",
            RunError::UnknownPredictor { .. } | RunError::OtherPredictor { .. } => "FitError",
            RunError::Illegal { violations, .. } => {
                let violations = violations.iter().map(ToString::to_string).collect();
                let message = error.to_string();
                let (class, problems) = ("PlanError", Vec::new());
                return Self::Ours(Box::new(Ours { class, message, problems, violations }));
            }
            RunError::Plan(_) | RunError::RefineKinds | RunError::RefineTarget { .. } => {
                "PlanError"
            }
            RunError::Sim(_) | RunError::Window(_) => "SimulationError",
            RunError::Output(_) => "OutputError",
            _ => "IgniterError",
        };
        Self::new(class, error)
    }
}

impl From<SweepError> for JobFailure {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Scenario(error) => error.into(),
            SweepError::Run(error) => error.into(),
            SweepError::Invalid { ref problems, .. } => {
                Self::with_problems("SweepError", &error, problems)
            }
            SweepError::FirstPoint { ref source, .. } => match &**source {
                ScenarioError::Invalid { problems, .. } => {
                    Self::with_problems("SweepError", &error, problems)
                }
                _ => Self::new("SweepError", error),
            },
            _ => Self::new("SweepError", error),
        }
    }
}

macro_rules! failure_from {
    ($($error:ty => $class:literal),+ $(,)?) => {
        $(impl From<$error> for JobFailure {
            fn from(error: $error) -> Self {
                Self::new($class, error)
            }
        })+
    };
}

failure_from!(
    PlanError => "PlanError",
    ProfileError => "ProfileError",
    FitError => "FitError",
    PlotError => "OutputError",
    OutputError => "OutputError",
    igniter::accuracy::AccuracyError => "FitError",
    igniter::predictor::BadPrediction => "FitError",
    std::io::Error => "OutputError",
    serde_json::Error => "IgniterError",
);

impl From<PyErr> for JobFailure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}
