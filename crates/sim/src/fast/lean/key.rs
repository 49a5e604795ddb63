//! The time of the next event of a server, as a number that processors compare fast.

use super::MOST;
use crate::ends::{INTEGERS, moment};
use igniter_model::units::Nanoseconds;

/// The time of an event and the number of its server. Of two keys, the smaller one is the earlier event.
///
/// A key is an integer, [`MOST`] times the time plus the number, stored as the float with the same bits: floats above 0
/// are ordered like their bits, and processors find the smallest of many floats faster than of many integers.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventKey(f64);

impl EventKey {
    /// No further event.
    pub(super) const NEVER: Self = Self(f64::INFINITY);

    /// The smallest float that processors do not treat as a special case.
    const FIRST: u64 = f64::MIN_POSITIVE.to_bits();

    /// Times from here on are too late for a key: 9 years. Shorter durations can be added to times before this one.
    pub(super) const LATE: Nanoseconds = Nanoseconds::new(1 << 58);

    /// Number of bits of the server's number.
    const BITS: u32 = MOST.trailing_zeros();

    #[inline(always)]
    pub(super) fn new(time: Nanoseconds, server: usize) -> Self {
        Self(f64::from_bits(Self::FIRST + (time.get() << Self::BITS) + server as u64))
    }

    /// Creates the key of the end of an execution.
    #[inline(always)]
    pub(super) fn of_end(end_ns: f64, now: Nanoseconds, server: usize) -> Self {
        if end_ns < INTEGERS {
            Self::of_near_end(end_ns, server)
        } else {
            Self::of_distant_end(end_ns, now, server)
        }
    }

    /// Does the same for an end below [`INTEGERS`]; for any other end, the result has no meaning.
    #[inline(always)]
    pub(super) fn of_near_end(end_ns: f64, server: usize) -> Self {
        // The method of `moment`, in one step: a float of at least 2⁵² holds the nearest integer in its low bits.
        const FIRST: u64 = EventKey::FIRST.wrapping_sub(INTEGERS.to_bits() << EventKey::BITS);
        let end = (end_ns + INTEGERS).to_bits() << Self::BITS;
        Self(f64::from_bits(FIRST.wrapping_add(end).wrapping_add(server as u64)))
    }

    #[cold]
    #[inline(never)]
    fn of_distant_end(end_ns: f64, now: Nanoseconds, server: usize) -> Self {
        Self::new(moment(end_ns, now).min(Self::LATE), server)
    }

    #[inline(always)]
    pub(super) fn time(self) -> Nanoseconds {
        Nanoseconds::new((self.0.to_bits() - Self::FIRST) >> Self::BITS)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a number below MOST")]
    pub(super) fn server(self) -> usize {
        (self.0.to_bits() % MOST as u64) as usize
    }

    /// Returns whether this key is first. No two servers have the same key, except for [`EventKey::NEVER`].
    #[inline(always)]
    pub(super) fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }

    #[inline(always)]
    pub(super) fn first(self, other: Self) -> Self {
        if self.is_before(other) { self } else { other }
    }

    /// Limits a duration so that it can be added to a time before [`EventKey::LATE`].
    pub(super) fn bounded(duration: Nanoseconds) -> Nanoseconds {
        duration.min(Nanoseconds::new(Self::LATE.get() / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_an_end_is_that_of_its_moment() {
        let now = Nanoseconds::new(3);
        for end_ns in [3.0, 3.5, 4.5, 1e9 + 0.49, 2.6e15, INTEGERS - 0.5, INTEGERS, 1e17, 1e300] {
            for server in [0, 7, MOST - 1] {
                let (key, end) = (EventKey::of_end(end_ns, now, server), moment(end_ns, now));
                assert_eq!(
                    (key.time(), key.server()),
                    (end.min(EventKey::LATE), server),
                    "{end_ns}"
                );
                assert!(key.is_before(EventKey::NEVER));
            }
        }
    }
}
