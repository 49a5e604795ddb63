//! A strategy in Python.

use crate::failure::JobFailure;
use igniter::domain::Plan;
use igniter::plan::{ForeignRequest, PlanRequest, Strategy, foreign_plan};
use igniter::predictor::{CoLocationPrediction, Member, Predictor};
use igniter::units::{BatchSize, SmPercent};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

/// An object with a method `plan`.
#[derive(Debug)]
pub(crate) struct PyStrategy {
    name: &'static str,
    object: Py<PyAny>,
}

impl PyStrategy {
    pub(crate) fn new(name: &'static str, object: Py<PyAny>) -> Self {
        Self { name, object }
    }

    fn ask(&self, py: Python<'_>, request: &PlanRequest<'_>, gate: &Arc<Gate>) -> PyResult<Plan> {
        let failed = |error: serde_json::Error| JobFailure::from(error).raise(py);
        let asked = serde_json::to_string(&ForeignRequest::of(request)).map_err(failed)?;
        let predictions = Bound::new(py, Predictions { gate: Arc::clone(gate) })?;
        let module = py.import("igniter._foreign")?;
        let answer: String =
            module.call_method1("ask_plan", (&self.object, asked, predictions))?.extract()?;
        let answer = serde_json::from_str(&answer).map_err(failed)?;
        foreign_plan(self.name, answer, request.workloads(), &[request.predictor()])
            .map_err(|error| JobFailure::from(error).raise(py))
    }
}

impl Strategy for PyStrategy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let gate = Gate::open(request.predictor());
        let plan = Python::attach(|py| self.ask(py, request, &gate.0));
        drop(gate);
        // An exception ends the whole work, and arrives as it is where the work was asked for.
        plan.unwrap_or_else(|exception| resume_unwind(Box::new(exception)))
    }
}

/// The way to a predictor for as long as a plan is made.
#[derive(Debug)]
struct Gate {
    predictor: Mutex<Option<&'static dyn Predictor>>,
}

/// Closes the gate when the plan is made.
struct OpenGate(Arc<Gate>);

impl Gate {
    fn open(predictor: &dyn Predictor) -> OpenGate {
        // SAFETY: only `with` uses the reference, while it holds the lock. The guard below takes it out of the lock before
        // the borrow that it was made from ends: `plan` drops it, or unwinding does.
        let predictor =
            unsafe { std::mem::transmute::<&dyn Predictor, &'static dyn Predictor>(predictor) };
        OpenGate(Arc::new(Self { predictor: Mutex::new(Some(predictor)) }))
    }

    fn with<T>(&self, work: impl FnOnce(&dyn Predictor) -> T) -> Option<T> {
        let predictor = self.predictor.lock().unwrap_or_else(PoisonError::into_inner);
        predictor.map(work)
    }
}

impl Drop for OpenGate {
    fn drop(&mut self) {
        *self.0.predictor.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Answers a strategy's questions.
#[pyclass(frozen, module = "igniter._igniter")]
struct Predictions {
    gate: Arc<Gate>,
}

/// Load, execution, feedback in ms, requests/s.
pub(crate) type MemberNumbers = (f64, f64, f64, f64);

/// A prediction for Python: the members, then power in W, its demand in W, and the clock in MHz.
pub(crate) fn numbers(prediction: &CoLocationPrediction) -> (Vec<MemberNumbers>, f64, f64, f64) {
    let of = |p: &igniter::predictor::MemberPrediction| {
        (p.load_ms, p.gpu_ms, p.feedback_ms, p.throughput_rps)
    };
    let members = prediction.members.iter().map(of).collect();
    (members, prediction.power_w, prediction.power_demand_w, prediction.clock_mhz)
}

/// Members as Python gives them: model, batch, percent of the SMs.
pub(crate) fn members(
    asked: &[(String, u32, f64)],
    predictor: &dyn Predictor,
) -> Result<Vec<Member>, String> {
    let member = |(name, batch, sm_pct): &(String, u32, f64)| {
        let model = predictor.models().iter().position(|model| model.as_str() == name);
        let model = model.map(igniter::domain::ModelId::new).ok_or_else(|| {
            let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
            format!("model {name:?} is not in the profile, which has: {}", known.join(", "))
        })?;
        let batch = BatchSize::new(*batch).map_err(|error| format!("{name}: {error}"))?;
        let sm = SmPercent::new(*sm_pct).map_err(|error| format!("{name}: {error}"))?;
        Ok(Member { model, batch, sm })
    };
    asked.iter().map(member).collect()
}

#[pymethods]
impl Predictions {
    fn predict(
        &self,
        py: Python<'_>,
        asked: Vec<(String, u32, f64)>,
    ) -> PyResult<(Vec<MemberNumbers>, f64, f64, f64)> {
        let answer = py.detach(|| {
            self.gate.with(|predictor| {
                Ok::<_, String>(numbers(&predictor.predict(&members(&asked, predictor)?)))
            })
        });
        match answer {
            None => Err(PyRuntimeError::new_err(
                "the plan of this request was made already: predict while you plan",
            )),
            Some(answer) => answer.map_err(PyValueError::new_err),
        }
    }
}
