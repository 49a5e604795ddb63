//! The slowdown of a server by neighbours that are busy for only a part of the time.
//!
//! A neighbour disturbs only while it executes, so it is weighted by the part of the time for which it is busy (a
//! mean-field approximation: neighbours are taken to be independent of each other and of the server). Replicas of the
//! same workload are busy at the same times, and count in full.
//!
//! With a predictor whose members affect each other only through sums ([`Additive`]), disturbance and power are
//! expected values over which neighbours are busy, and the wait for kernel launches is the mean over how many are.
//! The clock falls only above the power cap, so the expected excess over the cap counts, with the sum of the
//! neighbours' power taken as normally distributed. With other predictors, the slowdown among all neighbours at once
//! is scaled down by their busy parts, each weighted by the slowdown that this neighbour causes alone.

use super::class::Class;
use super::kind_tables::{KindTables, PlannedSetting};
use super::server::Steady;
use igniter_model::domain::ModelId;
use igniter_model::predictor::{Additive, Presence};

/// The influence of a server on its neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Influence {
    pub model: ModelId,
    /// Part of the time for which it executes.
    pub busy: f64,
    /// Its disturbance and power while it executes a batch of mean size.
    pub presence: Presence,
    /// The mean batch size, rounded.
    pub batch: u32,
    pub units: u32,
}

impl Influence {
    pub(super) fn of(
        site: &KindTables<'_>,
        class: &Class,
        setting: &PlannedSetting,
        steady: &Steady,
    ) -> Option<Self> {
        let model = site.model(class)?;
        let most = f64::from(setting.batch);
        let mean = steady.mean_batch.clamp(1.0, most);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a batch size")]
        let (low, batch) = (mean.floor() as u32, mean.round() as u32);
        let presence = site.additive.map_or_else(Presence::default, |additive| {
            let at = |batch| additive.presence(&site.member(model, batch, setting.units));
            let (a, b) = (at(low), at((low + 1).min(setting.batch)));
            let part = mean - f64::from(low);
            let mix = |a: f64, b: f64| a + (b - a) * part;
            Presence {
                active_ms: mix(a.active_ms, b.active_ms),
                disturbance: mix(a.disturbance, b.disturbance),
                power_w: mix(a.power_w, b.power_w),
            }
        });
        Some(Self {
            model,
            busy: steady.busy.clamp(0.0, 1.0),
            presence,
            batch,
            units: setting.units,
        })
    }
}

/// Returns the execution time of server `own` among all servers over its execution time alone, at its mean batch
/// size. `busy` holds the part of the time for which each of the others is busy, as `own` sees it.
pub(super) fn slowdown(
    site: &mut KindTables<'_>,
    all: &[Influence],
    own: usize,
    busy: &[f64],
) -> f64 {
    let factor = match site.additive {
        Some(additive) => by_sums(additive, all, own, busy, &mut site.counts),
        None => by_prediction(site, all, own, busy),
    };
    // A factor below 1, or one that is not finite, is an artefact of a fit.
    if factor.is_finite() { factor.max(1.0) } else { f64::MAX }
}

fn by_sums(
    additive: &dyn Additive,
    all: &[Influence],
    own: usize,
    busy: &[f64],
    counts: &mut Vec<f64>,
) -> f64 {
    let (idle_w, cap_w) = (additive.kind().idle_power.get(), additive.kind().power_cap.get());
    let this = &all[own];
    let mut disturbance = 0.0;
    let (mut mean_w, mut variance_w) = (idle_w + this.presence.power_w, 0.0);
    let mut most_w = mean_w;
    // The probabilities that none, one, two, … of the others are busy.
    counts.clear();
    counts.push(1.0);
    for (other, (neighbour, busy)) in all.iter().zip(busy).enumerate() {
        if other == own {
            continue;
        }
        let power_w = neighbour.presence.power_w;
        disturbance += busy * neighbour.presence.disturbance;
        mean_w += busy * power_w;
        most_w += power_w;
        variance_w += busy * (1.0 - busy) * power_w * power_w;
        counts.push(0.0);
        for count in (0..counts.len()).rev() {
            let from_below = if count > 0 { counts[count - 1] * busy } else { 0.0 };
            counts[count] = counts[count] * (1.0 - busy) + from_below;
        }
    }
    let alone_w = idle_w + this.presence.power_w;
    let alone_ratio = clock(additive, cap_w, alone_w);
    let ratio = if most_w <= cap_w {
        1.0
    } else {
        clock(additive, cap_w, cap_w + mean_excess(mean_w - cap_w, variance_w.sqrt()))
    };
    let scheduling = |members: usize| additive.scheduling_ms(this.model, members);
    let scheduling_ms: f64 =
        counts.iter().enumerate().map(|(others, p)| p * scheduling(1 + others)).sum();
    let slower = 1.0 + additive.sensitivity(this.model) * disturbance;
    let among_ms = (scheduling_ms + this.presence.active_ms * slower) / ratio;
    let alone_ms = (scheduling(1) + this.presence.active_ms) / alone_ratio;
    among_ms / alone_ms
}

fn clock(additive: &dyn Additive, cap_w: f64, demand_w: f64) -> f64 {
    if demand_w <= cap_w { 1.0 } else { additive.clock_ratio(demand_w) }
}

/// Returns the mean of max(0, x) for a normally distributed x.
fn mean_excess(mean: f64, deviation: f64) -> f64 {
    if deviation <= 0.0 {
        return mean.max(0.0);
    }
    let z = mean / deviation;
    let density = libm::exp(-z * z / 2.0) / std::f64::consts::TAU.sqrt();
    let above = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    deviation * density + mean * above
}

fn by_prediction(site: &mut KindTables<'_>, all: &[Influence], own: usize, busy: &[f64]) -> f64 {
    let member =
        |influence: &Influence| site.member(influence.model, influence.batch, influence.units);
    let members: Vec<_> = all.iter().map(member).collect();
    let predictor = site.predictor;
    let alone_ms = predictor.predict(&[members[own]]).members[0].gpu_ms;
    let full_ms = predictor.predict(&members).members[own].gpu_ms;
    let (mut felt, mut most) = (0.0, 0.0);
    for other in (0..members.len()).filter(|other| *other != own) {
        let pair = predictor.predict(&[members[own], members[other]]);
        let weight = (pair.members[0].gpu_ms - alone_ms).max(1e-12);
        felt += busy[other] * weight;
        most += weight;
    }
    if most <= 0.0 {
        return 1.0;
    }
    1.0 + (full_ms / alone_ms - 1.0) * felt / most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_of_a_normal_variable() {
        assert!((mean_excess(0.0, 2.0) - 2.0 * 0.398_942_28).abs() < 1e-7);
        assert!((mean_excess(10.0, 0.1) - 10.0).abs() < 1e-9);
        assert!(mean_excess(-10.0, 0.1) < 1e-9);
        assert!((mean_excess(3.0, 0.0) - 3.0).abs() < 1e-12 && mean_excess(-3.0, 0.0) <= 0.0);
    }
}
