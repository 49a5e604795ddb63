//! Checks whether a run was steady, by the means of parts of equal length.

use igniter::metrics::Window;
use igniter::stats::mean;
use igniter::units::Nanoseconds;

/// Cuts a window into `parts` of equal length and returns the mean of each; parts without arrivals are left
/// out. `points` are arrivals with a value.
#[must_use]
pub fn window_means(points: &[(Nanoseconds, f64)], window: Window, parts: usize) -> Vec<f64> {
    let length = window.length().get() / parts.max(1) as u64;
    let part = |i: usize| {
        let start = window.start().get() + i as u64 * length;
        let inside = points.iter().filter(|(at, _)| (start..start + length).contains(&at.get()));
        let values: Vec<f64> = inside.map(|(_, value)| *value).collect();
        mean(&values)
    };
    (0..parts).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::spread_pct;
    use super::*;

    #[test]
    fn means_and_spread_by_hand() {
        let ns = Nanoseconds::new;
        let window = Window::new(ns(100), ns(10), ns(0)).unwrap();
        // [10, 40): 2 and 4; [40, 70): nothing; [70, 100): 6
        let points = [(ns(5), 99.0), (ns(10), 2.0), (ns(39), 4.0), (ns(99), 6.0)];
        let means = window_means(&points, window, 3);
        assert_eq!(means, [3.0, 6.0]);
        assert_eq!(spread_pct(&means), Some(100.0));
        assert_eq!(spread_pct(&[]), None);
    }
}
