//! The requirements that every prediction must meet, checked in one place.

use super::{CoLocationPrediction, Member, Predictor};
use crate::domain::{GpuKind, ModelId};
use crate::units::{BatchSize, SmUnits};

/// The longest valid time of a prediction, in ms: eleven days.
const LONGEST_MS: f64 = 1e9;

/// A prediction with an invalid value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "predictor {predictor} gives {what} = {value:?} for {members}: must be {allowed}; its coefficients are wrong, or the \
     members are far outside of what was measured"
)]
pub struct BadPrediction {
    predictor: &'static str,
    what: &'static str,
    value: f64,
    allowed: String,
    members: String,
}

/// Checks a prediction: times must be finite and not negative, and the GPU kind must be able to run at the predicted
/// clock.
///
/// # Errors
/// With the first invalid number.
pub fn check_prediction(
    predictor: &dyn Predictor,
    members: &[Member],
    prediction: &CoLocationPrediction,
) -> Result<(), BadPrediction> {
    let kind: &GpuKind = predictor.kind();
    let bad = |what, value, allowed: String| BadPrediction {
        predictor: predictor.name(),
        what,
        value,
        allowed,
        members: described(predictor, members),
    };
    for member in &prediction.members {
        for (what, ms, least) in [
            ("load_ms", member.load_ms, 0.0),
            ("gpu_ms", member.gpu_ms, f64::MIN_POSITIVE),
            ("feedback_ms", member.feedback_ms, 0.0),
        ] {
            if !(least..=LONGEST_MS).contains(&ms) {
                let from = if least > 0.0 { "above 0" } else { "0 or more" };
                return Err(bad(what, ms, format!("{from} and at most {LONGEST_MS:e} ms")));
            }
        }
        let rate = member.throughput_rps;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(bad("throughput_rps", rate, "finite and above 0".to_owned()));
        }
    }
    for (what, watts) in
        [("power_demand_w", prediction.power_demand_w), ("power_w", prediction.power_w)]
    {
        if !watts.is_finite() {
            return Err(bad(what, watts, "finite".to_owned()));
        }
    }
    let (clock, most) = (prediction.clock_mhz, kind.max_clock.get());
    // Rounding may change the last digit.
    if !(clock > 0.0 && clock <= most * (1.0 + 1e-9)) {
        return Err(bad("clock_mhz", clock, format!("above 0 and at most {most} MHz")));
    }
    Ok(())
}

/// Checks a predictor on co-locations that any use of it meets: each model alone with its smallest and largest batch
/// and with little or all of the GPU, each pair, and all models together.
///
/// # Errors
/// With the first invalid prediction.
pub fn try_predictor(predictor: &dyn Predictor) -> Result<(), BadPrediction> {
    let units = predictor.kind().units;
    let share = |part: u32| SmUnits::new((units.get() / part).max(1)).to_percent(units);
    let ids: Vec<ModelId> = (0..predictor.models().len()).map(ModelId::new).collect();
    let check =
        |members: &[Member]| check_prediction(predictor, members, &predictor.predict(members));
    let member = |model: ModelId, batch: BatchSize, part: u32| {
        share(part).map(|sm| Member { model, batch, sm })
    };
    for &model in &ids {
        for batch in [BatchSize::ONE, predictor.max_batch(model)] {
            for part in [1, 2, units.get()] {
                if let Some(alone) = member(model, batch, part) {
                    check(&[alone])?;
                }
            }
        }
    }
    let batch = |model: ModelId| predictor.max_batch(model);
    // With many models, only the first ones are tried in pairs.
    for (i, &one) in ids.iter().take(TRIED).enumerate() {
        for &other in ids.iter().take(TRIED).skip(i) {
            let pair = member(one, batch(one), 2).zip(member(other, BatchSize::ONE, 2));
            if let Some((one, other)) = pair {
                check(&[one, other])?;
            }
        }
    }
    let some = ids.iter().take(TRIED);
    let part = u32::try_from(some.len()).unwrap_or(1).max(1);
    let together: Vec<Member> =
        some.filter_map(|&model| member(model, batch(model), part)).collect();
    check(&together)
}

/// The largest number of models that are tried together.
const TRIED: usize = 12;

fn described(predictor: &dyn Predictor, members: &[Member]) -> String {
    let one = |member: &Member| {
        let name = predictor.models().get(member.model.index());
        let name = name.map_or("?", |name| name.as_str());
        format!("{name}:{}:{}", member.batch, member.sm.get())
    };
    match members {
        [] => "the idle GPU".to_owned(),
        members => members.iter().map(one).collect::<Vec<_>>().join(" "),
    }
}
