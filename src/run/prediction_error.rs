//! Errors of the predictor of a simulation, drawn from the seed.

use super::{LoadedPredictor, RunError};
use crate::arrivals::{Purpose, stream};
use crate::domain::{ModelId, ModelName, WorkloadName};
use crate::predictor::{ErrorDraw, Member, PerturbedPredictor, Predictor};
use crate::results::PredictionError;
use crate::units::{BatchSize, SmPercent};
use rand_xoshiro::rand_core::Rng;
use std::f64::consts::TAU;

/// Returns the predictor with one error for each model. Each model has its own random stream by its
/// name, so a further model does not change the errors of the others.
pub(super) fn with_errors(
    loaded: &LoadedPredictor,
    draw: ErrorDraw,
    seed: u64,
) -> Result<PerturbedPredictor, RunError> {
    let predictor = loaded.predictor.as_ref();
    if draw == ErrorDraw::Uncertainty
        && predictor.uncertainty(&[alone(predictor, ModelId::new(0))], 0).is_none()
    {
        return Err(RunError::NoUncertainty { predictor: predictor.name() });
    }
    let z = predictor.models().iter().map(|model| standard_normal(seed, model)).collect();
    Ok(PerturbedPredictor::new(loaded.file.predictor(), draw, z))
}

/// Returns the errors of these models, without duplicates, in the order of their first use.
pub(super) fn errors(
    perturbed: &PerturbedPredictor,
    models: &[&ModelName],
) -> Vec<PredictionError> {
    let mut errors: Vec<PredictionError> = Vec::new();
    for model in models {
        if let Some(id) = perturbed.model_id(model)
            && errors.iter().all(|known| known.model != **model)
        {
            let member = alone(perturbed, id);
            let error_pct = perturbed.error_pct(&member, &[member]);
            errors.push(PredictionError { model: (*model).clone(), error_pct });
        }
    }
    errors
}

/// Returns a member of batch size 1 with half of the GPU.
fn alone(predictor: &dyn Predictor, model: ModelId) -> Member {
    let batch = BatchSize::ONE.min(predictor.max_batch(model));
    Member { model, batch, sm: SmPercent::new(50.0).expect("a share") }
}

/// Draws one number by the Box-Muller method; `libm` gives the same bits on every machine.
fn standard_normal(seed: u64, model: &ModelName) -> f64 {
    let name = WorkloadName::new(model.as_str()).expect("names have one rule");
    let mut stream = stream(seed, &name, Purpose::Prediction);
    // 53 random bits, above 0 and at most 1.
    let mut uniform = || ((stream.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let (radius, angle) = (uniform(), uniform());
    libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(TAU * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_standard_normal_and_repeatable() {
        let model = ModelName::new("m").unwrap();
        let draws: Vec<f64> = (0..20_000).map(|seed| standard_normal(seed, &model)).collect();
        let mean = crate::stats::mean(&draws).unwrap();
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / draws.len() as f64;
        let inside = draws.iter().filter(|z| z.abs() <= 1.96).count() as f64 / draws.len() as f64;
        // Three standard errors of 20,000 draws: 0.021, 0.03 and 0.0046.
        assert!(mean.abs() < 0.021 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert!((inside - 0.95).abs() < 0.0046, "{inside}");
        assert_eq!(standard_normal(3, &model).to_bits(), draws[3].to_bits());
    }
}
