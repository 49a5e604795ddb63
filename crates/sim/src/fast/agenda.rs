//! The pending events of one GPU.

use igniter_model::units::Nanoseconds;

/// The position of an event in the order of events: the time, and the rank among equal times. It is one number, which
/// is cheaper to compare than two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u128);

impl Moment {
    /// After all events.
    pub(super) const NEVER: Self = Self(u128::MAX);

    #[inline]
    pub(super) fn new(time: Nanoseconds, rank: u64) -> Self {
        Self((u128::from(time.get()) << 64) | u128::from(rank))
    }

    #[inline]
    pub(super) fn time(self) -> Nanoseconds {
        Nanoseconds::new((self.0 >> 64) as u64)
    }
}

/// Ranks below this are the numbers of servers at which requests arrive. Higher ranks are made of the number of a
/// server and a count of the entries put on the agenda: among equal times, arrivals are first, then other events server
/// by server, as in the full engine.
const FIRST_RANK: u64 = 1 << 32;

/// Number of bits of the count: a run has at most 2³² requests, each with a few entries.
const COUNT_BITS: u32 = 38;

/// An event, and the lane or slot concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A request arrives at a lane whose batcher must handle it.
    Arrival(u32),
    /// The batcher of a lane may have to act without an arrival.
    Timer(u32),
    /// The batch of an idle slot is on the GPU.
    Loaded(u32),
    /// The results of the batch of a slot are on the host.
    Done(u32),
    /// The instances of a lane have started.
    Started(u32),
}

#[derive(Debug, Clone, Copy)]
struct AgendaEntry {
    at: Moment,
    what: What,
}

/// The pending events, latest first. There is no more than a handful for each server, and most new ones are among the
/// latest, so a heap would not pay off.
#[derive(Debug)]
pub(super) struct Agenda {
    entries: Vec<AgendaEntry>,
    ranks: u64,
}

impl Agenda {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), ranks: FIRST_RANK }
    }

    /// Returns the next rank at a lane, after everything that was ranked there before.
    pub(super) fn rank(&mut self, lane: u32) -> u64 {
        self.ranks += 1;
        (u64::from(lane) << COUNT_BITS) + self.ranks
    }

    /// Inserts an entry in order.
    #[inline]
    pub(super) fn insert(&mut self, at: Moment, what: What) {
        let mut place = self.entries.len();
        self.entries.push(AgendaEntry { at, what });
        while place > 0 && self.entries[place - 1].at < at {
            self.entries[place] = self.entries[place - 1];
            place -= 1;
        }
        self.entries[place] = AgendaEntry { at, what };
    }

    /// Does the same as [`Agenda::insert`], for the next arrival at a lane.
    pub(super) fn insert_arrival(&mut self, time: Nanoseconds, lane: u32) {
        self.insert(Moment::new(time, u64::from(lane)), What::Arrival(lane));
    }

    /// Replaces the next arrival at a lane on the agenda, if there is one, by an arrival at this time.
    pub(super) fn bring_forward(&mut self, time: Nanoseconds, lane: u32) {
        self.entries.retain(|entry| entry.what != What::Arrival(lane));
        self.insert_arrival(time, lane);
    }

    /// Removes and returns the first entry, if it is before `limit`.
    #[inline]
    pub(super) fn pop_before(&mut self, limit: Moment) -> Option<(Moment, What)> {
        let AgendaEntry { at, what } = *self.entries.last()?;
        if limit < at {
            return None;
        }
        self.entries.pop();
        Some((at, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_order_of_time_and_rank_and_arrivals_first() {
        let mut agenda = Agenda::new();
        let at = |ns, rank| Moment::new(Nanoseconds::new(ns), rank);
        let (early, late) = (agenda.rank(0), agenda.rank(0));
        let (next, again) = (agenda.rank(1), agenda.rank(0));
        assert!(early < late && late < again && again < next);
        agenda.insert(at(5, late), What::Done(1));
        agenda.insert(at(7, early), What::Timer(0));
        agenda.insert(at(5, early), What::Loaded(2));
        agenda.insert_arrival(Nanoseconds::new(5), 9);
        agenda.insert_arrival(Nanoseconds::new(5), 3);
        let limit = at(5, late);
        let order: Vec<What> =
            std::iter::from_fn(|| agenda.pop_before(limit)).map(|(_, what)| what).collect();
        assert_eq!(order, [What::Arrival(3), What::Arrival(9), What::Loaded(2), What::Done(1)]);
        assert_eq!(agenda.pop_before(Moment::NEVER).map(|(at, _)| at), Some(at(7, early)));
        assert_eq!(agenda.pop_before(Moment::NEVER), None);
    }
}
