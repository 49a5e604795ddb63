//! Members that share SMs in time: predictions for each beside the members that may execute at the same moment.

use super::{Member, MemberPrediction, Predictor};

/// Predicts members some of which take turns: members with the same time slot are served one at a time, each with all
/// of the slot's SMs.
///
/// The co-runners of a member are all members without a slot and, from each other slot, the member that slows it down
/// most when the two run as a pair. The throughput of a member in a slot assumes full batches of all members of the
/// slot, whose copies do not overlap: its batch size over the sum of their latencies.
///
/// # Panics
/// As [`Predictor::predict_into`], and when there are fewer `slots` than members.
#[must_use]
pub fn predict_in_turns(
    predictor: &dyn Predictor,
    members: &[Member],
    slots: &[Option<u32>],
) -> Vec<MemberPrediction> {
    if slots.iter().all(Option::is_none) {
        return predictor.predict(members).members;
    }
    let of = |own: usize| {
        let beside = executing_beside(predictor, members, slots, own);
        let set: Vec<Member> = beside.iter().map(|&i| members[i]).collect();
        let place = beside.iter().position(|&i| i == own).expect("it is beside itself");
        predictor.predict(&set).members[place]
    };
    let mut predicted: Vec<MemberPrediction> = (0..members.len()).map(of).collect();
    for (i, member) in members.iter().enumerate() {
        if let Some(round_ms) = round_ms(&predicted, slots, i) {
            predicted[i].throughput_rps = 1000.0 * member.batch.as_f64() / round_ms;
        }
    }
    predicted
}

/// Returns the duration of a round, in ms, in which every member of the slot of member `own` has one batch; `None`
/// where `own` has no slot.
#[must_use]
pub fn round_ms(predicted: &[MemberPrediction], slots: &[Option<u32>], own: usize) -> Option<f64> {
    slots[own]?;
    let same = predicted.iter().zip(slots).filter(|(_, slot)| **slot == slots[own]);
    Some(same.map(|(predicted, _)| predicted.latency_ms()).sum())
}

/// Returns the indexes, in order, of a member and of those assumed to execute beside it: see [`predict_in_turns`].
///
/// # Panics
/// As [`predict_in_turns`].
#[must_use]
pub fn executing_beside(
    predictor: &dyn Predictor,
    members: &[Member],
    slots: &[Option<u32>],
    own: usize,
) -> Vec<usize> {
    let slowed_ms =
        |by: usize| predictor.predict(&[members[own], members[by]]).members[0].latency_ms();
    let mut worst: Vec<(u32, f64, usize)> = Vec::new();
    for (i, slot) in slots.iter().enumerate() {
        let Some(slot) = slot.filter(|_| slots[i] != slots[own]) else { continue };
        let ms = slowed_ms(i);
        match worst.iter_mut().find(|(of, ..)| *of == slot) {
            Some(known) if known.1 >= ms => {}
            Some(known) => *known = (slot, ms, i),
            None => worst.push((slot, ms, i)),
        }
    }
    let stays = |&i: &usize| {
        i == own || slots[i].is_none() || worst.iter().any(|(_, _, of_slot)| *of_slot == i)
    };
    (0..members.len()).filter(stays).collect()
}
