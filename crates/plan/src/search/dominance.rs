//! Which batch sizes a bound may leave out: those that another does without harm, whoever the neighbours are.
//!
//! A *state* of a demand is a batch size with a share r. Among n members, with D the disturbance of the others and
//! P all power but its own ([`igniter_model::predictor::Additive`]), it meets the demand where
//!
//! ```text
//! s(n) / L + (a / L) (1 + k D) ≤ φ(P + p)
//! ```
//! L how long the batch may execute at full clock, a its active time, s the wait for its kernels, k the sensitivity
//! of its model, p its power, φ the clock ratio, which falls with power. A state that takes no larger share, disturbs
//! the others no more, draws no more power, and has no larger left side for any n and any D ≥ 0 can take the place of
//! another in every co-location that works; the others feel no more than before. The left side is linear in
//! s and in D, so it is enough to compare a / L, and the whole at D = 0 for the least and the greatest s.
//!
//! A batch size is superfluous when each of its states has such a state among the batch sizes that stay.

use super::super::presences::{Offer, Presences};
use super::super::sizing::Sized;
use igniter_model::predictor::Presence;

/// A state must be better by this part where rounding might decide.
const CLEAR: f64 = 1.0 - 1e-12;

/// Those of a demand's batch sizes that no others make superfluous, among at most so many members, in the same
/// order. Every size is one that works alone.
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
    // Large batch sizes are the likeliest to be superfluous.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sizes[index].batch));
    for &index in &order {
        let others = order.iter().rev().filter(|other| stays[**other] && **other != index);
        let others: Vec<&Offer> = others.map(|other| &offers[*other]).collect();
        stays[index] = !is_superfluous(presences, &offers[index], &others, waits);
    }
    sizes.iter().zip(stays).filter(|(_, stays)| *stays).map(|(sized, _)| *sized).collect()
}

/// Whether every state of an offer has a better one among the others.
fn is_superfluous(
    presences: &Presences<'_>,
    of: &Offer,
    others: &[&Offer],
    waits: [f64; 2],
) -> bool {
    let row = presences.row(of);
    let first = of.least as usize;
    // For each share, the offers that have not been shown to be worse at a smaller one are tried first.
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

/// The state of an offer with the largest share of at most so many units that brings along no more than another:
/// of those, the one with the shortest active time.
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

/// Whether a state needs no more room to breathe than another, for any neighbours.
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
