//! The batch sizes that a bound may leave out, since another one can replace them whatever the neighbours are.
//!
//! A *state* of a demand is a batch size with a share r. Among n members, with D the disturbance by the others and P
//! all power but its own ([`igniter_model::predictor::Additive`]), it meets the demand where
//!
//! ```text
//! s(n) / L + (a / L) (1 + k D) ≤ φ(P + p)
//! ```
//! where L is how long the batch may execute at full clock, a its active time, s the wait for its kernels, k the
//! sensitivity of its model, p its power, and φ the clock ratio, which falls with power. A state can replace another
//! in every feasible co-location if it takes no larger share, disturbs the others no more, draws no more power, and
//! has no larger left side for any n and any D ≥ 0: the others are then affected no more than before. The left side
//! is linear in s and in D, so it is enough to compare a / L, and the whole at D = 0 for the least and the greatest
//! s.
//!
//! A batch size is superfluous when each of its states can be replaced by a state of a batch size that stays.

use super::super::presences::{Offer, Presences};
use super::super::sizing::Sized;
use igniter_model::predictor::Presence;

/// A state must be better by this part where rounding might decide.
const CLEAR: f64 = 1.0 - 1e-12;

/// Returns those of a demand's batch sizes that no others make superfluous, among at most `members` members, in the
/// same order. Every size is one that works alone.
pub(crate) fn undominated(
    presences: &mut Presences<'_>,
    sizes: &[Sized],
    members: usize,
) -> Vec<Sized> {
    let offers: Vec<Offer> = sizes.iter().map(|sized| presences.offer(sized)).collect();
    let Some(first) = offers.first() else { return Vec::new() };
    let scheduling_ms = presences.scheduling_of(first);
    let among = &scheduling_ms[..members.clamp(1, scheduling_ms.len())];
    let waits = [
        among.iter().copied().fold(f64::INFINITY, f64::min),
        among.iter().copied().fold(0.0, f64::max),
    ];
    let mut stays = vec![true; sizes.len()];
    // Large batch sizes are the most likely to be superfluous.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sizes[index].batch));
    for &index in &order {
        let others = order.iter().rev().filter(|other| stays[**other] && **other != index);
        let others: Vec<&Offer> = others.map(|other| &offers[*other]).collect();
        stays[index] = !is_superfluous(presences, &offers[index], &others, waits);
    }
    sizes.iter().zip(stays).filter(|(_, stays)| *stays).map(|(sized, _)| *sized).collect()
}

/// Returns whether every state of an offer has a better one among the others.
fn is_superfluous(
    presences: &Presences<'_>,
    of: &Offer,
    others: &[&Offer],
    waits: [f64; 2],
) -> bool {
    let row = presences.row(of);
    let first = of.least as usize;
    // For each share, the offer that was better at the last one is tried first.
    let mut last = 0;
    (first..=row.len()).all(|units| {
        let now = &row[units - 1];
        let works = |other: &Offer| {
            let state = best_state(presences, other, units, now);
            state.is_some_and(|state| takes_the_place(other, state, of, now, waits))
        };
        if others.get(last).is_some_and(|other| works(other)) {
            return true;
        }
        match others.iter().position(|other| works(other)) {
            Some(place) => {
                last = place;
                true
            }
            None => false,
        }
    })
}

/// Returns the state of an offer with the largest share of at most `units` units that has no more disturbance and
/// power than `than`: of those states, the one with the shortest active time.
fn best_state<'s>(
    presences: &'s Presences<'_>,
    offer: &Offer,
    units: usize,
    than: &Presence,
) -> Option<&'s Presence> {
    let row = presences.row(offer);
    let milder = |p: &Presence| p.disturbance <= than.disturbance && p.power_w <= than.power_w;
    (offer.least as usize..=units).rev().map(|units| &row[units - 1]).find(|p| milder(p))
}

/// Returns whether a state has no larger left side than another, for any neighbours.
fn takes_the_place(
    better: &Offer,
    state: &Presence,
    worse: &Offer,
    than: &Presence,
    waits: [f64; 2],
) -> bool {
    let part = |offer: &Offer, now: &Presence, wait: f64| (wait + now.active_ms) / offer.limit_ms;
    [0.0, waits[0], waits[1]]
        .iter()
        .all(|wait| part(better, state, *wait) <= part(worse, than, *wait) * CLEAR)
}
