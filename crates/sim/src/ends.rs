//! The ends of executions. Both engines compute them with these functions, so that they agree to the last bit.
//!
//! An end is stored as a number of nanoseconds with its fraction. It is rounded once, when it becomes an event, and not
//! at each change of speed.

use igniter_model::units::Nanoseconds;

/// From this value on, every float is an integer: 2⁵².
pub(super) const INTEGERS: f64 = 4_503_599_627_370_496.0;

/// Returns the new end, in ns, of an execution in progress, when the time of all of its work changes from `before_ns`
/// to `exec_ns` (both above 0).
#[inline(always)]
pub(super) fn rescaled(end_ns: f64, now_ns: f64, before_ns: f64, exec_ns: f64) -> f64 {
    let left = end_ns - now_ns;
    // An end may lie a fraction of a nanosecond before the moment to which it was rounded. f64::max is not used, since
    // there is no NaN to handle.
    let left = if left > 0.0 { left } else { 0.0 };
    now_ns + left / before_ns * exec_ns
}

/// Returns the moment at which an execution ends: the nearest nanosecond (ties to even), but not before `now`.
#[inline(always)]
pub(super) fn moment(end_ns: f64, now: Nanoseconds) -> Nanoseconds {
    if end_ns < INTEGERS {
        // With 2⁵² added, a float holds the nearest integer in its low bits.
        Nanoseconds::new((end_ns + INTEGERS).to_bits().wrapping_sub(INTEGERS.to_bits()))
    } else {
        distant(end_ns, now)
    }
}

/// Does the same after 52 days, where floats are whole numbers and may lie before `now`.
#[cold]
#[inline(never)]
fn distant(end_ns: f64, now: Nanoseconds) -> Nanoseconds {
    if end_ns.is_nan() { Nanoseconds::MAX } else { Nanoseconds::from_f64(end_ns).max(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_rounded_to_the_nearest_nanosecond_and_never_lie_in_the_past() {
        let now = Nanoseconds::new(3);
        for (end, at) in [(3.0, 3), (3.5, 4), (4.5, 4), (1e9 + 0.49, 1_000_000_000), (7.51, 8)] {
            assert_eq!(moment(end, now).get(), at, "{end}");
        }
        // Where floats have gaps of 4 ns, the float of a moment may lie before it.
        let now = Nanoseconds::new((1 << 54) + 1);
        assert_eq!(moment(now.as_f64(), now), now);
        assert_eq!(moment(1e300, now), Nanoseconds::MAX);
        assert_eq!(moment(f64::INFINITY, now), Nanoseconds::MAX);
        assert_eq!(moment(f64::NAN, now), Nanoseconds::MAX);
    }

    #[test]
    fn what_is_left_takes_longer_at_a_lower_speed() {
        // 30 of 100 ns are left at 70; of 150 ns that is 45.
        assert_eq!(rescaled(100.0, 70.0, 100.0, 150.0).to_bits(), 115.0_f64.to_bits());
        // 0.4 ns before it was due by the unrounded end: nothing is left.
        assert_eq!(rescaled(9.6, 10.0, 5.0, 50.0).to_bits(), 10.0_f64.to_bits());
    }
}
