//! Time: integer nanoseconds in the engine, milliseconds in formulas and files.

use super::{UnitError, checked_f64};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Sub};

checked_f64!(
    /// A duration in milliseconds, as formulas and files use it.
    Milliseconds, "a duration (ms)", "finite and ≥ 0", |v| v.is_finite() && v >= 0.0
);

impl Milliseconds {
    /// A duration of zero.
    pub const ZERO: Self = Self(0.0);

    /// Rounds to the nearest whole number of nanoseconds; durations beyond 584 years saturate.
    #[must_use]
    pub fn to_nanoseconds(self) -> Nanoseconds {
        Nanoseconds::from_f64(self.get() * 1e6)
    }
}

/// A point in simulated time, or a duration, in nanoseconds since the start of the run.
///
/// Integers make event order exact and the same on every machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanoseconds(u64);

impl Nanoseconds {
    /// The start of a run, or a duration of zero.
    pub const ZERO: Self = Self(0);
    /// A time later than any event.
    pub const MAX: Self = Self(u64::MAX);

    /// Wraps a number of nanoseconds.
    #[must_use]
    pub const fn new(ns: u64) -> Self {
        Self(ns)
    }

    /// Returns the bare number of nanoseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Rounds a non-negative number of nanoseconds to the nearest integer, saturating at the ends.
    #[must_use]
    #[inline]
    pub fn from_f64(ns: f64) -> Self {
        // Floats from 0 to 2^52 sort like their bit patterns; the bit patterns of negative floats and NaN are larger.
        if ns.to_bits() < Self::INTEGERS.to_bits() {
            Self::from_small_f64(ns)
        } else {
            Self::from_unusual_f64(ns)
        }
    }

    #[cold]
    #[inline(never)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates; that is the documented behaviour"
    )]
    fn from_unusual_f64(ns: f64) -> Self {
        Self(ns.round() as u64)
    }

    /// From this value on every float is an integer: 2⁵².
    const INTEGERS: f64 = 4_503_599_627_370_496.0;

    /// Does the same as [`Nanoseconds::from_f64`] for numbers from 0 to 2⁵², without a branch. Any other number gives a
    /// meaningless result (for infinity, one above 2⁶¹).
    #[must_use]
    #[inline]
    pub fn from_small_f64(ns: f64) -> Self {
        // Adding 2^52 leaves the nearest integer in the low bits of the float. Halves are rounded to the even
        // neighbour; the difference, which is exact, shows when that was the one below.
        let shifted = ns + Self::INTEGERS;
        let up = ns - (shifted - Self::INTEGERS) >= 0.5;
        Self(shifted.to_bits().wrapping_sub(Self::INTEGERS.to_bits()).wrapping_add(u64::from(up)))
    }

    /// Converts seconds.
    ///
    /// # Errors
    /// When the number is not finite, or negative.
    pub fn from_seconds(s: f64) -> Result<Self, UnitError> {
        if s.is_finite() && s >= 0.0 {
            Ok(Self::from_f64(s * 1e9))
        } else {
            Err(UnitError::new("a duration (s)", "finite and ≥ 0", s))
        }
    }

    /// Returns the duration in seconds.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.as_f64() / 1e9
    }

    /// Returns the duration in milliseconds, as a bare number for statistics.
    #[must_use]
    pub fn as_ms(self) -> f64 {
        self.as_f64() / 1e6
    }

    /// Returns the number of nanoseconds as a real number (exact below 2⁵³ ns = 104 days).
    #[must_use]
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    pub const fn as_f64(self) -> f64 {
        // Signed integers convert to floats in one instruction; unsigned ones do not.
        match self.0.cast_signed() {
            signed @ 0.. => signed as f64,
            _ => self.large_as_f64(),
        }
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    const fn large_as_f64(self) -> f64 {
        self.0 as f64
    }

    /// Returns `self − other`, or zero when `other` is later.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns `self + other`, or [`Nanoseconds::MAX`] on overflow.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Nanoseconds> for Milliseconds {
    fn from(value: Nanoseconds) -> Self {
        Self(value.as_ms())
    }
}

impl Add for Nanoseconds {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Nanoseconds {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Nanoseconds {
    type Output = Self;
    /// Panics in debug builds when `other` is later, which would be an engine bug.
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_reject_what_is_no_duration() {
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(Milliseconds::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Milliseconds>("-1").is_err());
    }

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        let edges = [
            0.0,
            -0.0,
            0.49999999999999994,
            0.5,
            0.75,
            1.5,
            2.5,
            -0.25,
            -0.75,
            -3.0,
            -1e300,
            4503599627370495.5,
            4503599627370496.5,
            9007199254740993.0,
            8.99e18,
            9e18,
            9.3e18,
            1.7e19,
            2e19,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MIN_POSITIVE,
        ];
        let near = |x: f64| [x.next_down(), x, x.next_up()];
        let halves = (0..2000_u32).map(|i| f64::from(i) * 0.5 + f64::from(i).powi(5));
        for x in edges.into_iter().chain(halves).flat_map(near) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            let expected = x.round() as u64;
            assert_eq!(Nanoseconds::from_f64(x).get(), expected, "{x:e}");
        }
    }

    #[test]
    fn conversions_round_to_the_nearest_nanosecond() {
        // 1.234 567 4 ms = 1 234 567.4 ns → 1 234 567 ns
        let ms = Milliseconds::new(1.234_567_4).unwrap();
        assert_eq!(ms.to_nanoseconds(), Nanoseconds::new(1_234_567));
        assert_eq!(Nanoseconds::from_seconds(1.5).unwrap(), Nanoseconds::new(1_500_000_000));
    }
}
