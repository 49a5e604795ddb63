//! The interface of arrival processes.

use super::{TraceError, TraceFault};
use igniter_model::domain::WorkloadName;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use std::fmt::Debug;

/// A source of arrival times.
pub trait ArrivalProcess: Debug + Send {
    /// Returns the next arrival, as a time since the start of the run; never earlier than the previous arrival. After
    /// the first `None` there are no more arrivals.
    fn next_arrival(&mut self) -> Option<Nanoseconds>;

    /// Appends the next `count` arrivals to `times`, or fewer when there are no more. They are the arrivals that
    /// [`ArrivalProcess::next_arrival`] would return, with one call for all.
    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        times.extend(std::iter::from_fn(|| self.next_arrival()).take(count));
    }

    /// Returns the faults to check once the process is drained. Only a process that reads a file during the run has
    /// any.
    fn faults(&self) -> Vec<TraceFault> {
        Vec::new()
    }

    /// Returns an independent copy of the process at the same point. `None` if the process cannot be copied, such as
    /// one that reads a file row by row.
    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        None
    }
}

/// The reason why arrivals cannot be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrivalError {
    /// A random or constant process needs a rate.
    #[error(
        "workload {workload}: rate_rps must be above 0 for {process} arrivals, not {rate}; \
         remove the workload if it gets no requests"
    )]
    NoRate { workload: WorkloadName, process: &'static str, rate: RequestsPerSecond },
    /// The coefficient of variation is out of range.
    #[error(
        "workload {workload}: arrival.cv must be between {min} and {max}, not {cv}; \
         use the constant process for evenly spaced arrivals and cv = 1 for Poisson"
    )]
    BadCv { workload: WorkloadName, cv: f64, min: f64, max: f64 },
    /// A part of a composite process is invalid.
    #[error(
        "workload {workload}: {process} arrivals need rates that are finite and ≥ 0, not all 0, and \
         times above 0 (mmpp: two states at least)"
    )]
    BadParts { workload: WorkloadName, process: &'static str },
    /// Closed-loop arrivals are not known before requests are answered.
    #[error(
        "workload {workload}: closed_loop arrivals depend on when their answers come, so they can only be \
         simulated (`igniter simulate`, `compare`, `sweep`) and only on their own: not written as a trace, not \
         sent to real servers, not part of another process; use an open process such as poisson here"
    )]
    ClosedLoop { workload: WorkloadName },
    /// The trace file is missing or invalid.
    #[error("workload {workload}: {source}")]
    Trace { workload: WorkloadName, source: TraceError },
    /// A trace could not be read to its end, although it was valid before the run.
    #[error(
        "workload {workload}: the trace changed while it was replayed: {what}; do not write to it meanwhile"
    )]
    Interrupted { workload: WorkloadName, what: String },
}

/// Adds a random gap to the time of the last arrival; returns `None` once the sum is not before `end`.
///
/// The gap is rounded to whole nanoseconds first, so that a last-bit difference between two
/// mathematical libraries cannot build up over a run.
#[inline]
pub(super) fn after_gap(
    last: &mut Nanoseconds,
    gap_ns: f64,
    end: Nanoseconds,
) -> Option<Nanoseconds> {
    *last = last.saturating_add(Nanoseconds::from_f64(gap_ns));
    (*last < end).then_some(*last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::{ArrivalSpec, GeneratedArrivals, RateShape, RateStep, TraceSpec};
    use statrs::distribution::{ContinuousCDF, StudentsT};

    const MINUTE: Nanoseconds = Nanoseconds::new(60_000_000_000);

    fn generate(spec: &ArrivalSpec, name: &str, rate: f64, seed: u64) -> GeneratedArrivals {
        let name = WorkloadName::new(name).unwrap();
        let rate = RequestsPerSecond::new(rate).unwrap();
        let mut process = spec.build(&name, rate, MINUTE, seed).unwrap();
        GeneratedArrivals::collect(process.as_mut(), MINUTE)
    }

    /// Whether the mean of `samples` agrees with `expected` at 99.9 % confidence.
    fn agrees(samples: &[f64], expected: f64) -> bool {
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let t = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(0.9995);
        (mean - expected).abs() <= t * (variance / n).sqrt()
    }

    #[test]
    fn rate_and_cv_are_the_ones_asked_for() {
        for (spec, cv) in [
            (ArrivalSpec::Poisson, 1.0),
            (ArrivalSpec::Gamma { cv: 0.5 }, 0.5),
            (ArrivalSpec::Gamma { cv: 1.0 }, 1.0),
            (ArrivalSpec::Gamma { cv: 2.0 }, 2.0),
        ] {
            let runs: Vec<_> = (0..20).map(|seed| generate(&spec, "W1", 500.0, seed)).collect();
            let rates: Vec<f64> = runs.iter().map(GeneratedArrivals::rate).collect();
            let cvs: Vec<f64> = runs.iter().map(|run| run.gap_cv().unwrap()).collect();
            assert!(agrees(&rates, 500.0), "{spec:?}: rates {rates:?}");
            // The sample CV of n gaps is low by O(1/n); n = 30 000 here.
            assert!(agrees(&cvs, cv), "{spec:?}: cvs {cvs:?}");
        }
    }

    #[test]
    fn every_process_is_ordered_and_ends_before_the_duration() {
        for spec in [ArrivalSpec::Constant, ArrivalSpec::Poisson, ArrivalSpec::Gamma { cv: 4.0 }] {
            let times = generate(&spec, "W1", 333.3, 7).times;
            assert!(times.is_sorted(), "{spec:?}");
            assert!(*times.last().unwrap() < MINUTE, "{spec:?}");
        }
    }

    #[test]
    fn blocks_hold_the_same_arrivals() {
        let name = WorkloadName::new("W1").unwrap();
        let rate = RequestsPerSecond::new(333.3).unwrap();
        let cv = ArrivalSpec::Gamma { cv: 4.0 };
        let step = |(ms, factor): (u64, f64)| RateStep {
            duration: Nanoseconds::new(ms * 1_000_000),
            factor,
        };
        let steps = [(900, 1.0), (500, 0.0), (700, 2.5)].map(step).to_vec();
        let shape = RateShape::Steps { steps, repeat: true };
        let shaped = ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Poisson), shape };
        for spec in [ArrivalSpec::Constant, ArrivalSpec::Poisson, cv, shaped] {
            let mut process = spec.build(&name, rate, MINUTE, 7).unwrap();
            let mut times = Vec::new();
            for block in [1, 0, 255, 64].into_iter().cycle() {
                let before = times.len();
                process.fill(block, &mut times);
                if times.len() < before + block {
                    break;
                }
            }
            process.fill(3, &mut times);
            assert!(times == generate(&spec, "W1", 333.3, 7).times, "{spec:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_does_not() {
        for spec in [ArrivalSpec::Poisson, ArrivalSpec::Gamma { cv: 2.0 }] {
            let run = |name, seed| generate(&spec, name, 100.0, seed).times;
            assert_eq!(run("W1", 1), run("W1", 1));
            assert_ne!(run("W1", 1), run("W1", 2));
            assert_ne!(run("W1", 1), run("W2", 1));
        }
    }

    #[test]
    fn streams_of_two_workloads_are_uncorrelated() {
        // Counts per 100 ms of two Poisson streams: the correlation of 600 independent pairs has a
        // standard deviation of 1/√600 = 0.041, so |r| < 0.16 is nearly four of them.
        let counts = |name| {
            let mut bins = vec![0.0; 600];
            for time in generate(&ArrivalSpec::Poisson, name, 500.0, 3).times {
                bins[usize::try_from(time.get() / 100_000_000).unwrap()] += 1.0;
            }
            bins
        };
        let (a, b): (Vec<f64>, Vec<f64>) = (counts("W1"), counts("W2"));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / 600.0;
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        let sum = |f: &dyn Fn(f64, f64) -> f64| {
            a.iter().zip(&b).map(|(x, y)| f(x - mean_a, y - mean_b)).sum::<f64>()
        };
        let r = sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
        assert!(r.abs() < 0.16, "correlation {r}");
    }

    #[test]
    fn a_trace_needs_no_rate_and_its_errors_name_the_workload() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        std::fs::write(&path, "t\n0.5\n61\n").unwrap();
        let run = |column: &str| {
            let spec = ArrivalSpec::Trace(TraceSpec::new(&path, column));
            let name = WorkloadName::new("W1").unwrap();
            let mut process = spec.build(&name, RequestsPerSecond::new(0.0).unwrap(), MINUTE, 1)?;
            Ok(GeneratedArrivals::collect(process.as_mut(), MINUTE).times)
        };
        assert_eq!(run("t").unwrap(), [Nanoseconds::new(500_000_000)]);
        let error: ArrivalError = run("x").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("workload W1: ") && text.contains("trace.csv:1: "), "{text}");
    }

    #[test]
    fn a_rate_of_nothing_and_a_silly_cv_are_refused() {
        let name = WorkloadName::new("W1").unwrap();
        let build = |spec: ArrivalSpec, rate| {
            spec.build(&name, RequestsPerSecond::new(rate).unwrap(), MINUTE, 1).unwrap_err()
        };
        for spec in [ArrivalSpec::Constant, ArrivalSpec::Poisson, ArrivalSpec::Gamma { cv: 1.0 }] {
            assert!(matches!(build(spec, 0.0), ArrivalError::NoRate { .. }));
        }
        for cv in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = build(ArrivalSpec::Gamma { cv }, 1.0);
            assert!(matches!(error, ArrivalError::BadCv { .. }), "{error}");
        }
    }
}
