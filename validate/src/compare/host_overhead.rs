//! A predictor that includes the overhead of the host.

use crate::measure::HostOverhead;
use igniter::domain::{GpuKind, ModelId, ModelName, Workload};
use igniter::predictor::{CoLocationPrediction, Member, Predictor};
use igniter::units::{BatchSize, Bytes};

/// A predictor that treats each workload as a model of its own, because each workload has its own server,
/// which adds its own overhead to the execution of a batch.
#[derive(Debug)]
pub struct HostedPredictor<'a> {
    inner: &'a dyn Predictor,
    names: Vec<ModelName>,
    models: Vec<ModelId>,
    overheads: Vec<HostOverhead>,
}

impl<'a> HostedPredictor<'a> {
    /// Wraps a predictor. Model i gets the name of workload i.
    ///
    /// # Panics
    /// When the predictor does not know the model of a workload.
    #[must_use]
    pub fn new(
        inner: &'a dyn Predictor,
        workloads: &[Workload],
        overheads: Vec<HostOverhead>,
    ) -> Self {
        let names = workloads.iter().map(Self::model_of).collect();
        let known = |w: &Workload| inner.model_id(&w.model).expect("the scenario was checked");
        Self { inner, names, models: workloads.iter().map(known).collect(), overheads }
    }

    /// Returns the name that this predictor gives the model of a workload.
    ///
    /// # Panics
    /// Never: names of workloads and of models follow the same rule.
    #[must_use]
    pub fn model_of(workload: &Workload) -> ModelName {
        ModelName::new(workload.name.as_str()).expect("names have one rule")
    }
}

impl Predictor for HostedPredictor<'_> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn kind(&self) -> &GpuKind {
        self.inner.kind()
    }

    fn models(&self) -> &[ModelName] {
        &self.names
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.inner.max_batch(self.models[model.index()])
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.inner.memory(self.models[model.index()])
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        let inner: Vec<Member> = members
            .iter()
            .map(|member| Member { model: self.models[member.model.index()], ..*member })
            .collect();
        self.inner.predict_into(&inner, out);
        for (member, prediction) in members.iter().zip(&mut out.members) {
            let overhead = self.overheads[member.model.index()];
            prediction.gpu_ms += overhead.of_batch_ms(member.batch.get() as usize);
        }
    }
}
