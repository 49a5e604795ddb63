//! What proofs about plans stand on, checked for the predictor at hand.
//!
//! All bounds and the exhaustive search use that nobody gains from a neighbour, and that a larger share is never
//! easier on the neighbours. Then a co-location that works still works when a member leaves, and no member
//! has less than the least share that it needs alone.

use super::PlanRequest;
use super::presences::Presences;
use igniter_model::domain::ModelId;
use igniter_model::predictor::{Additive, Member, Predictor};
use igniter_model::units::{BatchSize, SmUnits};
use std::collections::BTreeSet;

/// Power demands above the cap at which the clock is looked at, in parts of the cap.
const OVERLOADS: u32 = 64;

/// Whether nobody gains from a neighbour, nor from a neighbour's larger share, for all models and batch sizes of a
/// request.
pub(super) fn holds(request: &PlanRequest<'_>) -> bool {
    let predictor = request.predictor();
    let models: BTreeSet<usize> =
        request.workloads().iter().map(|w| request.model(w).index()).collect();
    let models = models.into_iter().map(ModelId::new);
    match predictor.additive() {
        Some(additive) => by_tables(additive, request.options().process_limit, models),
        None => predictor.neighbours_never_help() && power_grows(predictor, models),
    }
}

/// Looks at every presence.
fn by_tables(additive: &dyn Additive, limit: usize, models: impl Iterator<Item = ModelId>) -> bool {
    let presences = Presences::new(additive);
    let cap_w = additive.kind().power_cap.get();
    let ratios = (0..=OVERLOADS).map(|n| presences.clock_ratio(cap_w * f64::from(n) / 8.0));
    let ratios: Vec<f64> = ratios.collect();
    if ratios.windows(2).any(|pair| pair[1] > pair[0]) {
        return false;
    }
    let members = limit.min(additive.kind().units.get() as usize).max(1);
    models.into_iter().all(|model| {
        let waits: Vec<f64> = (1..=members).map(|n| additive.scheduling_ms(model, n)).collect();
        additive.sensitivity(model) >= 0.0
            && waits.windows(2).all(|pair| pair[1] >= pair[0])
            && rows(additive, model).all(|row| {
                let row: Vec<_> = row.iter().map(|member| additive.presence(member)).collect();
                row[0].disturbance >= 0.0
                    && row[0].power_w >= 0.0
                    && row.windows(2).all(|pair| {
                        pair[1].disturbance >= pair[0].disturbance
                            && pair[1].power_w >= pair[0].power_w
                    })
            })
    })
}

/// Whether a larger share draws no less power, alone.
fn power_grows(predictor: &dyn Predictor, mut models: impl Iterator<Item = ModelId>) -> bool {
    models.all(|model| {
        rows(predictor, model).all(|row| {
            let power = |member: &Member| predictor.predict(&[*member]).power_demand_w;
            let row: Vec<f64> = row.iter().map(power).collect();
            row.windows(2).all(|pair| pair[1] >= pair[0])
        })
    })
}

/// For each batch size of a model, a member with each share.
fn rows<P: Predictor + ?Sized>(predictor: &P, model: ModelId) -> impl Iterator<Item = Vec<Member>> {
    let whole = predictor.kind().units;
    (1..=predictor.max_batch(model).get()).filter_map(move |size| {
        let batch = BatchSize::new(size).ok()?;
        let share = |units| SmUnits::new(units).to_percent(whole);
        let member = |sm| Member { model, batch, sm };
        Some((1..=whole.get()).filter_map(share).map(member).collect())
    })
}
