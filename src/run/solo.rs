//! SLOs as multiples of the solo latency.

use super::RunError;
use crate::domain::ModelName;
use crate::predictor::{Member, Predictor};
use crate::scenario::Scenario;
use crate::units::{BatchSize, Milliseconds};

/// The solo latency of a model in ms: load, execution and feedback of a batch of one request, alone on the GPU with all
/// SMs. `None` for a model that the predictor does not know.
#[must_use]
pub fn solo_latency_ms(predictor: &dyn Predictor, model: &ModelName) -> Option<f64> {
    let model = predictor.model_id(model)?;
    let units = predictor.kind().units;
    let sm = units.to_percent(units)?;
    let alone = Member { model, batch: BatchSize::ONE, sm };
    predictor.predict(&[alone]).members.first().map(|member| member.latency_ms())
}

/// Puts SLOs in place of multiples of the solo latency (AlpaServe's SLO scale), on the GPU kind and by the predictor
/// that are given, to whole microseconds.
pub(super) fn resolve(scenario: &mut Scenario, predictor: &dyn Predictor) -> Result<(), RunError> {
    for entry in &mut scenario.workloads {
        let Some(factor) = entry.slo_x_solo.take() else { continue };
        let workload = &mut entry.workload;
        let Some(solo_ms) = solo_latency_ms(predictor, &workload.model) else {
            return Err(RunError::NoSoloLatency {
                workload: workload.name.to_string(),
                factor,
                model: workload.model.to_string(),
                kind: predictor.kind().name.to_string(),
            });
        };
        let slo_ms = (factor * solo_ms * 1e3).round() / 1e3;
        let slo = Milliseconds::new(slo_ms).ok().filter(|_| (0.01..=3.6e6).contains(&slo_ms));
        workload.slo = slo.ok_or_else(|| RunError::SloXSolo {
            workload: workload.name.to_string(),
            factor,
            solo_ms,
            slo_ms,
        })?;
    }
    Ok(())
}
