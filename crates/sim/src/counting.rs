//! Counts of arrivals over time, without a run.

use super::{SimError, SimWorkload};
use crate::arrivals::{ArrivalError, ArrivalProcess};
use igniter_model::units::Nanoseconds;
use rayon::prelude::*;

/// The number of arrivals that are drawn at a time.
const BLOCK: usize = 2048;

/// Returns how many requests of each workload arrive in each window of a run: the same requests that a run with this
/// seed and duration gets. The last window may be shorter than the others.
///
/// Workloads are counted in parallel on the ambient rayon pool; the counts do not depend on the size of the pool.
///
/// # Errors
/// Fails if arrivals cannot be generated or are in a closed loop, or if the window has no length.
pub fn arrival_counts(
    workloads: &[SimWorkload],
    duration: Nanoseconds,
    window: Nanoseconds,
    seed: u64,
) -> Result<Vec<Vec<u64>>, SimError> {
    if window == Nanoseconds::ZERO {
        return Err(SimError::NoWindow);
    }
    let count = |entry: &SimWorkload| -> Result<Vec<u64>, SimError> {
        let SimWorkload { workload, arrival, .. } = entry;
        let mut process = arrival.build(&workload.name, workload.rate, duration, seed)?;
        let counts = count(process.as_mut(), duration, window);
        if let Some(fault) = process.faults().iter().find_map(|fault| fault.get()) {
            let (workload, what) = (workload.name.clone(), fault.to_string());
            return Err(ArrivalError::Interrupted { workload, what }.into());
        }
        Ok(counts)
    };
    let counts: Vec<_> = workloads.par_iter().with_max_len(1).map(count).collect();
    counts.into_iter().collect()
}

fn count(process: &mut dyn ArrivalProcess, duration: Nanoseconds, window: Nanoseconds) -> Vec<u64> {
    let windows = usize::try_from(duration.get().div_ceil(window.get()));
    let mut counts = vec![0; windows.expect("a number of windows that fits into memory")];
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        process.fill(BLOCK, &mut block);
        let mut rest = block.as_slice();
        while let Some(first) = rest.first() {
            let at = first.get() / window.get();
            let next = Nanoseconds::new(window.get().saturating_mul(at + 1));
            let inside = rest.partition_point(|&time| time < next);
            if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
                *count += inside as u64;
            }
            rest = &rest[inside..];
        }
        if block.len() < BLOCK {
            return counts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::{ArrivalSpec, RateShape, RateStep};
    use crate::fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};

    #[test]
    fn the_counts_are_those_of_the_arrivals() {
        let ns = Nanoseconds::new;
        let steps = [(1.0, 300_000_000), (3.0, 200_000_000)]
            .map(|(factor, length)| RateStep { duration: ns(length), factor });
        let shape = RateShape::Steps { steps: steps.to_vec(), repeat: true };
        let shaped = ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Poisson), shape };
        let specs = [ArrivalSpec::Constant, ArrivalSpec::Poisson, shaped];
        let servers = specs.map(|spec| FakeServer::new(0, 1, 900.0, spec)).to_vec();
        let predictor = FakePredictor::new(vec![FakeModel::default()], 0.0);
        let workloads = FakeScenario::new(predictor, &[servers]).workloads;
        let (duration, window) = (ns(10_050_000_000), ns(100_000_000));
        let counts = arrival_counts(&workloads, duration, window, 5).unwrap();
        for (entry, counts) in workloads.iter().zip(counts) {
            let SimWorkload { workload, arrival, .. } = entry;
            let mut process = arrival.build(&workload.name, workload.rate, duration, 5).unwrap();
            let mut expected = vec![0; 101];
            while let Some(time) = process.next_arrival() {
                expected[usize::try_from(time.get() / window.get()).unwrap()] += 1;
            }
            assert_eq!(counts, expected);
            assert!(counts.iter().sum::<u64>() > 9_000);
        }
        // Evenly spaced, by hand: 900 requests/s are 90 in 0.1 s, and 45 in the half window at the end.
        let constant = arrival_counts(&workloads[..1], duration, window, 5).unwrap();
        assert_eq!((constant[0][7], constant[0][100]), (90, 45));
        assert!(arrival_counts(&workloads, duration, ns(0), 5).is_err());
    }
}
