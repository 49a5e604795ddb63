//! The part of a run that is measured.

use igniter_model::units::Nanoseconds;

/// A warm-up and a cool-down that leave nothing to measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a run of {duration_s} s has nothing left to measure after a warm-up of {warmup_s} s and a \
     cool-down of {cooldown_s} s; make the run longer or the cuts shorter"
)]
pub struct WindowError {
    duration_s: String,
    warmup_s: String,
    cooldown_s: String,
}

/// The part of a run that is measured: `[warm-up, duration − cool-down)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    start: Nanoseconds,
    end: Nanoseconds,
    duration: Nanoseconds,
}

impl Window {
    /// Cuts a run of `duration` at both ends.
    ///
    /// # Errors
    /// Fails if nothing remains.
    pub fn new(
        duration: Nanoseconds,
        warmup: Nanoseconds,
        cooldown: Nanoseconds,
    ) -> Result<Self, WindowError> {
        let end = duration.saturating_sub(cooldown);
        if warmup < end {
            Ok(Self { start: warmup, end, duration })
        } else {
            Err(WindowError {
                duration_s: duration.as_seconds().to_string(),
                warmup_s: warmup.as_seconds().to_string(),
                cooldown_s: cooldown.as_seconds().to_string(),
            })
        }
    }

    /// Returns the end of the warm-up.
    #[must_use]
    pub const fn start(&self) -> Nanoseconds {
        self.start
    }

    /// Returns the beginning of the cool-down (exclusive).
    #[must_use]
    pub const fn end(&self) -> Nanoseconds {
        self.end
    }

    /// Returns the length of the whole run, including the cuts.
    #[must_use]
    pub const fn duration(&self) -> Nanoseconds {
        self.duration
    }

    /// Returns the length of the window.
    #[must_use]
    pub fn length(&self) -> Nanoseconds {
        self.end - self.start
    }

    /// Returns whether a point in time lies in the window.
    #[must_use]
    pub fn contains(&self, at: Nanoseconds) -> bool {
        self.start <= at && at < self.end
    }

    /// Returns the points of a sorted slice that lie in the window.
    #[must_use]
    pub fn of_sorted<'t>(&self, times: &'t [Nanoseconds]) -> &'t [Nanoseconds] {
        match (times.first(), times.last()) {
            (Some(&first), Some(&last)) if self.start <= first && last < self.end => times,
            _ => {
                let before = times.partition_point(|&time| time < self.start);
                let until = times.partition_point(|&time| time < self.end);
                &times[before..until]
            }
        }
    }

    /// Returns how much of `[start, end)` lies in the window.
    #[must_use]
    pub fn overlap(&self, start: Nanoseconds, end: Nanoseconds) -> Nanoseconds {
        end.min(self.end).saturating_sub(start.max(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(value: u64) -> Nanoseconds {
        Nanoseconds::new(value)
    }

    #[test]
    fn the_start_is_inside_and_the_end_is_not() {
        // [10, 100 − 20) = [10, 80)
        let window = Window::new(ns(100), ns(10), ns(20)).unwrap();
        assert!(!window.contains(ns(9)));
        assert!(window.contains(ns(10)));
        assert!(window.contains(ns(79)));
        assert!(!window.contains(ns(80)));
        assert_eq!(window.length(), ns(70));
    }

    #[test]
    fn sorted_points_are_cut_at_both_ends() {
        let window = Window::new(ns(100), ns(10), ns(20)).unwrap();
        let times = [9, 10, 10, 50, 79, 80].map(ns);
        assert_eq!(window.of_sorted(&times), &times[1..5]);
        assert_eq!(window.of_sorted(&times[2..4]), &times[2..4]);
        assert!(window.of_sorted(&times[5..]).is_empty() && window.of_sorted(&[]).is_empty());
    }

    #[test]
    fn overlap_is_clipped_at_both_ends() {
        let window = Window::new(ns(100), ns(10), ns(20)).unwrap();
        assert_eq!(window.overlap(ns(0), ns(15)), ns(5));
        assert_eq!(window.overlap(ns(75), ns(95)), ns(5));
        assert_eq!(window.overlap(ns(0), ns(100)), ns(70));
        assert_eq!(window.overlap(ns(85), ns(95)), ns(0));
        assert_eq!(window.overlap(ns(0), ns(5)), ns(0));
    }

    #[test]
    fn cuts_that_leave_nothing_are_refused() {
        let message = Window::new(ns(30_000_000_000), ns(20_000_000_000), ns(10_000_000_000))
            .unwrap_err()
            .to_string();
        assert!(message.contains("30 s") && message.contains("20 s") && message.contains("10 s"));
        assert!(Window::new(ns(5), ns(0), ns(9)).is_err());
    }
}
