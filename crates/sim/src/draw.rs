//! The random draws of a server: the work of each batch, host times, and which thread wakes first.

use crate::arrivals::Stream;
use igniter_model::units::Nanoseconds;
use rand::RngExt;
use rand_distr::{Distribution, Exp1, StandardNormal};

/// The work of a batch as a multiple of the predicted execution time.
#[derive(Debug)]
pub(super) struct WorkDraw {
    /// The source of an exponential factor with mean 1; `None`: the factor is 1.
    exponential: Option<Stream>,
    /// The source of a log-normal factor with mean 1.
    noise: Option<LogNormal>,
}

#[derive(Debug)]
struct LogNormal {
    /// Mean and standard deviation of the logarithm.
    mu: f64,
    sigma: f64,
    random: Stream,
}

impl WorkDraw {
    /// Creates the draws; `noise` is a coefficient of variation above 0, with the stream to draw from.
    pub(super) fn new(exponential: Option<Stream>, noise: Option<(f64, Stream)>) -> Self {
        Self { exponential, noise: noise.map(|(cv, random)| LogNormal::new(cv, random)) }
    }

    /// Returns the work of the next batch.
    #[inline(always)]
    pub(super) fn next(&mut self) -> f64 {
        if self.exponential.is_none() && self.noise.is_none() { 1.0 } else { self.draw() }
    }

    #[inline(never)]
    fn draw(&mut self) -> f64 {
        let work = self.exponential.as_mut().map_or(1.0, |random| Exp1.sample(random));
        match &mut self.noise {
            None => work,
            Some(noise) => work * noise.sample(),
        }
    }
}

impl LogNormal {
    /// Creates a factor of mean 1; `cv` is a coefficient of variation above 0.
    fn new(cv: f64, random: Stream) -> Self {
        // A log-normal variable has mean exp(μ + σ²/2) and cv² = exp(σ²) − 1. `libm` gives the
        // same bits on every machine.
        let variance = libm::log1p(cv * cv);
        Self { mu: -variance / 2.0, sigma: variance.sqrt(), random }
    }

    fn sample(&mut self) -> f64 {
        let normal: f64 = StandardNormal.sample(&mut self.random);
        libm::exp(self.mu + self.sigma * normal)
    }
}

/// The variation of host times: on the instance from batch to batch, and outside of it from request to request.
#[derive(Debug, Default)]
pub(super) struct HostDraw {
    batch: Option<LogNormal>,
    request: Option<LogNormal>,
}

impl HostDraw {
    /// Creates the draws; each argument is a coefficient of variation (> 0) with the stream to draw from.
    pub(super) fn new(batch: Option<(f64, Stream)>, request: Option<(f64, Stream)>) -> Self {
        let draw = |(cv, random)| LogNormal::new(cv, random);
        Self { batch: batch.map(draw), request: request.map(draw) }
    }

    /// Returns whether any host time varies.
    pub(super) fn varies(&self) -> bool {
        self.batch.is_some() || self.request.is_some()
    }

    /// Returns the host time of the next batch on its instance, which is `mean` if it does not vary.
    pub(super) fn of_batch(&mut self, mean: Nanoseconds) -> Nanoseconds {
        Self::times(&mut self.batch, mean)
    }

    /// Returns the host time of the next request outside of the instance.
    pub(super) fn of_request(&mut self, mean: Nanoseconds) -> Nanoseconds {
        Self::times(&mut self.request, mean)
    }

    fn times(factor: &mut Option<LogNormal>, mean: Nanoseconds) -> Nanoseconds {
        match factor {
            None => mean,
            Some(factor) => Nanoseconds::from_f64(mean.as_f64() * factor.sample()),
        }
    }
}

/// The race between the batcher thread and an instance that has become ready: whether the batcher wakes before the
/// instance takes its next batch.
#[derive(Debug)]
pub(super) struct Race {
    probability: f64,
    random: Stream,
}

impl Race {
    pub(super) fn new(probability: f64, random: Stream) -> Self {
        Self { probability, random }
    }

    /// Returns the outcome of the next race.
    pub(super) fn batcher_first(&mut self) -> bool {
        self.random.random_bool(self.probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::{Purpose, stream};
    use igniter_model::domain::WorkloadName;

    #[test]
    fn noise_has_mean_one_and_the_cv_that_was_asked_for() {
        for cv in [0.05, 0.3, 1.0] {
            let random = stream(1, &WorkloadName::new("W1").unwrap(), Purpose::Noise);
            let mut draw = WorkDraw::new(None, Some((cv, random)));
            let n = 200_000;
            let samples: Vec<f64> = (0..n).map(|_| draw.next()).collect();
            let mean = samples.iter().sum::<f64>() / f64::from(n);
            let variance =
                samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n - 1);
            // Four standard errors of the mean: 4 cv / √n; the cv itself within 5 %.
            assert!((mean - 1.0).abs() < 4.0 * cv / f64::from(n).sqrt(), "cv {cv}: mean {mean}");
            assert!((variance.sqrt() / mean / cv - 1.0).abs() < 0.05, "cv {cv}: {variance}");
            assert!(samples.iter().all(|x| *x > 0.0));
        }
    }
}
