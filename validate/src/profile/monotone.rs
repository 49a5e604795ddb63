//! Removes the noise of measured points that violates monotonicity: a batch takes no longer with more SMs, and
//! no less time with more requests.

use igniter::profile::SoloPoint;
use igniter::units::{Milliseconds, UnitError};

/// Moves points that contradict each other by the least amount that makes them consistent; returns the number of
/// points that moved, and the largest move in percent.
///
/// Each time becomes the middle between the largest time that may not be above it and the smallest that may not
/// be below it. Both grow as the rule says, hence so does their middle; a point that contradicts no other stays.
///
/// # Errors
/// Never for points that were measured: the middle of two times is a time.
pub fn make_monotone(points: &mut [SoloPoint]) -> Result<(usize, f64), UnitError> {
    let (mut moved, mut largest_pct) = (0, 0.0_f64);
    let gpu = middles(points, |point| point.gpu.get());
    // Where one point lacks the whole latency, all points do.
    let latency = middles(points, |point| point.latency.unwrap_or(point.gpu).get());
    for (i, point) in points.iter_mut().enumerate() {
        let change = (gpu[i] / point.gpu.get() - 1.0).abs() * 100.0;
        if change > 1e-9 {
            moved += 1;
            largest_pct = largest_pct.max(change);
        }
        point.gpu = Milliseconds::new(gpu[i])?;
        if point.latency.is_some() {
            point.latency = Some(Milliseconds::new(latency[i])?);
        }
    }
    Ok((moved, largest_pct))
}

fn middles(points: &[SoloPoint], time: impl Fn(&SoloPoint) -> f64) -> Vec<f64> {
    // Returns whether `a` must not take longer than `b`.
    let below = |a: &SoloPoint, b: &SoloPoint| a.batch <= b.batch && a.sm >= b.sm;
    let middle = |point: &SoloPoint| {
        let least = points.iter().filter(|other| below(other, point)).map(&time);
        let most = points.iter().filter(|other| below(point, other)).map(&time);
        f64::midpoint(least.fold(0.0, f64::max), most.fold(f64::INFINITY, f64::min))
    };
    points.iter().map(middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter::units::{BatchSize, Megahertz, SmPercent, Watts};

    fn point(batch: u32, sm: f64, ms: f64) -> SoloPoint {
        SoloPoint {
            batch: BatchSize::new(batch).unwrap(),
            sm: SmPercent::new(sm).unwrap(),
            gpu: Milliseconds::new(ms).unwrap(),
            latency: Some(Milliseconds::new(ms + 0.5).unwrap()),
            with_copies: false,
            power: Watts::new(100.0).ok(),
            clock: Megahertz::new(1530.0).ok(),
            l2_pct: None,
            dram_pct: None,
            throughput_img_s: None,
        }
    }

    #[test]
    fn only_points_that_contradict_each_other_move() {
        // Batch 4 took longer with all SMs (3.8) than with half of them (2.6): both become 3.2.
        let mut points =
            [point(1, 50.0, 1.3), point(4, 50.0, 2.6), point(1, 100.0, 1.2), point(4, 100.0, 3.8)];
        let (moved, largest_pct) = make_monotone(&mut points).unwrap();
        let times = points.map(|point| point.gpu.get());
        for (time, expected) in times.iter().zip([1.3, 3.2, 1.2, 3.2]) {
            assert!((time - expected).abs() < 1e-12, "{times:?}");
        }
        assert!((points[3].latency.unwrap().get() - 3.7).abs() < 1e-12);
        assert_eq!(moved, 2);
        // 2.6 → 3.2
        assert!((largest_pct - 600.0 / 26.0).abs() < 1e-9);
        assert_eq!(make_monotone(&mut points).unwrap().0, 0, "now nothing contradicts");
    }
}
