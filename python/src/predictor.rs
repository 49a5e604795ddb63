//! A predictor in Python, upon a built-in one.

use crate::failure::JobFailure;
use crate::strategy::{MemberNumbers, numbers};
use igniter::domain::{GpuKind, ModelId, ModelName};
use igniter::predictor::{
    CoLocationPrediction, Member, MemberPrediction, Predictor, try_predictor,
};
use igniter::run::{LoadedPredictor, PredictorSource, RunError, load_predictor};
use igniter::units::{BatchSize, Bytes, Dollars};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

/// Co-locations whose predictions are kept. Predictors are pure, and planners and engine ask for the same ones often.
const MOST_KEPT: usize = 200_000;

/// An object with a method `predict`, for whatever profile.
#[derive(Debug)]
pub(crate) struct PySource {
    name: &'static str,
    base: Option<String>,
    object: Arc<Py<PyAny>>,
}

impl PySource {
    pub(crate) fn new(name: &'static str, base: Option<String>, object: Py<PyAny>) -> Self {
        Self { name, base, object: Arc::new(object) }
    }
}

impl PredictorSource for PySource {
    fn load(&self, profile: &str, price: Option<Dollars>) -> Result<LoadedPredictor, RunError> {
        let base = load_predictor(profile, self.base.as_deref(), price)?;
        let predictor = PyPredictor {
            name: self.name,
            object: Arc::clone(&self.object),
            base: base.predictor,
            kept: Mutex::default(),
        };
        try_predictor(&predictor)?;
        Ok(LoadedPredictor { predictor: Box::new(predictor), ..base })
    }
}

/// Model, batch and the bits of the share of each member.
type MembersKey = Vec<(usize, u32, u64)>;

/// The same for one profile.
#[derive(Debug)]
struct PyPredictor {
    name: &'static str,
    object: Arc<Py<PyAny>>,
    base: Box<dyn Predictor>,
    kept: Mutex<BTreeMap<MembersKey, CoLocationPrediction>>,
}

/// What Python answers: the members, and power, demand and clock where it has its own.
type PythonAnswer = (Vec<MemberNumbers>, Option<f64>, Option<f64>, Option<f64>);

impl PyPredictor {
    fn ask(
        &self,
        py: Python<'_>,
        members: &[Member],
        of_base: &CoLocationPrediction,
    ) -> PyResult<CoLocationPrediction> {
        let model = |member: &Member| self.base.models()[member.model.index()].to_string();
        let asked: Vec<(String, u32, f64)> =
            members.iter().map(|m| (model(m), m.batch.get(), m.sm.get())).collect();
        let module = py.import("igniter._foreign")?;
        let arguments = (&*self.object, asked, numbers(of_base), self.base.kind().name.as_str());
        let (answers, power, demand, clock): PythonAnswer =
            module.call_method1("ask_prediction", arguments)?.extract()?;
        let member = |(load_ms, gpu_ms, feedback_ms, throughput_rps)| MemberPrediction {
            load_ms,
            gpu_ms,
            feedback_ms,
            throughput_rps,
        };
        let prediction = CoLocationPrediction {
            members: answers.into_iter().map(member).collect(),
            power_w: power.unwrap_or(of_base.power_w),
            power_demand_w: demand.unwrap_or(of_base.power_demand_w),
            clock_mhz: clock.unwrap_or(of_base.clock_mhz),
        };
        igniter::predictor::check_prediction(self, members, &prediction)
            .map_err(|error| JobFailure::from(error).raise(py))?;
        Ok(prediction)
    }
}

impl Predictor for PyPredictor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> &GpuKind {
        self.base.kind()
    }

    fn models(&self) -> &[ModelName] {
        self.base.models()
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.base.max_batch(model)
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.base.memory(model)
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        if members.is_empty() {
            // The idle GPU is that of the profile.
            self.base.predict_into(members, out);
            return;
        }
        let key: MembersKey = members
            .iter()
            .map(|m| (m.model.index(), m.batch.get(), m.sm.get().to_bits()))
            .collect();
        // Never locked while Python runs: it may ask for another co-location.
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        *out = known.unwrap_or_else(|| {
            self.base.predict_into(members, out);
            let answer = Python::attach(|py| self.ask(py, members, out));
            let answer = answer.unwrap_or_else(|exception| resume_unwind(Box::new(exception)));
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < MOST_KEPT {
                kept.insert(key, answer.clone());
            }
            answer
        });
    }
}
