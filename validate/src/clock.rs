//! The clock of all measurements: CLOCK_MONOTONIC, which Triton's traces use too.
//!
//! Times of this process and of a server on the same machine can therefore be subtracted from each other.

use igniter::units::Nanoseconds;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Maximum delay of waking up from a sleep; the rest of a wait is spent polling the clock.
const SPIN: Nanoseconds = Nanoseconds::new(150_000);

/// Returns the time since a fixed moment before the processes of this machine started.
#[must_use]
pub fn now() -> Nanoseconds {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    let parts = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_nsec()));
    let (Ok(seconds), Ok(ns)) = parts else { return Nanoseconds::ZERO };
    Nanoseconds::new(seconds * 1_000_000_000 + ns)
}

/// Waits until a given time, to within a few microseconds on a machine that is not busy: sleeps, then spins.
pub fn wait_until(at: Nanoseconds) {
    sleep_until(at.saturating_sub(SPIN));
    while now() < at {
        std::hint::spin_loop();
    }
}

/// Sleeps until a given time; wakes up slightly late.
pub fn sleep_until(at: Nanoseconds) {
    while now() < at {
        let seconds = i64::try_from(at.get() / 1_000_000_000).unwrap_or(i64::MAX);
        let ns = i64::try_from(at.get() % 1_000_000_000).unwrap_or(0);
        let (flags, time) = (ClockNanosleepFlags::TIMER_ABSTIME, TimeSpec::new(seconds, ns));
        // A signal may wake the thread early; the loop then sleeps again.
        let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_at_or_after_their_time() {
        for ns in [0, 50_000, 400_000] {
            let at = now() + Nanoseconds::new(ns);
            wait_until(at);
            assert!(now() >= at);
        }
        let past = now();
        wait_until(past);
    }
}
