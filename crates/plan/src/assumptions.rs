//! The assumptions of the proofs about plans, checked for the predictor in use.
//!
//! All bounds and the exhaustive search rely on two properties: no workload gains from a neighbour, and a larger
//! share never affects the neighbours less. Then a feasible co-location stays feasible when a member leaves, and
//! no member has less than the least share that it needs alone.

use super::PlanRequest;
use super::presences::Presences;
use igniter_model::domain::ModelId;
use igniter_model::predictor::{Additive, Member, Predictor};
use igniter_model::units::{BatchSize, SmUnits};
use std::collections::BTreeSet;

/// Number of steps of power demand, each an eighth of the cap, at which the clock is checked.
const OVERLOADS: u32 = 64;

/// Returns whether no workload gains from a neighbour or from a larger share of a neighbour, for all models and
/// batch sizes of a request.
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

/// Checks every presence.
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

/// Returns whether a larger share never draws less power, for a model alone.
fn power_grows(predictor: &dyn Predictor, mut models: impl Iterator<Item = ModelId>) -> bool {
    models.all(|model| {
        rows(predictor, model).all(|row| {
            let power = |member: &Member| predictor.predict(&[*member]).power_demand_w;
            let row: Vec<f64> = row.iter().map(power).collect();
            row.windows(2).all(|pair| pair[1] >= pair[0])
        })
    })
}

/// Returns, for each batch size of a model, members with every share.
fn rows<P: Predictor + ?Sized>(predictor: &P, model: ModelId) -> impl Iterator<Item = Vec<Member>> {
    let whole = predictor.kind().units;
    (1..=predictor.max_batch(model).get()).filter_map(move |size| {
        let batch = BatchSize::new(size).ok()?;
        let share = |units| SmUnits::new(units).to_percent(whole);
        let member = |sm| Member { model, batch, sm };
        Some((1..=whole.get()).filter_map(share).map(member).collect())
    })
}
