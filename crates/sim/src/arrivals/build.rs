//! Builds arrival processes from their descriptions.

use super::combined::{PhaseArrivals, SumArrivals};
use super::rate_file::read_rates;
use super::seed::stream_of;
use super::shaped::{ShapedArrivals, horizon};
use super::{
    ArrivalError, ArrivalProcess, ArrivalSpec, ConstantArrivals, GammaArrivals, ListedArrivals,
    MmppArrivals, NormalisedArrivals, PoissonArrivals, Purpose, Stream, TraceArrivals, TraceError,
    WeibullArrivals,
};
use igniter_model::domain::WorkloadName;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use std::ops::RangeInclusive;
use std::sync::Arc;

impl ArrivalSpec {
    /// Builds the arrival process of one workload. All its arrivals are before `duration`.
    ///
    /// Random processes draw from the stream (`seed`, `workload`, [`Purpose::Arrivals`]), and each part of a
    /// combined process from a stream of its own. A trace is read and checked as a whole.
    ///
    /// Fails for closed-loop arrivals, which are not an arrival process, and if the rate is 0 (traces do not need one),
    /// the coefficient of variation is outside [`GammaArrivals::CV_RANGE`] or [`WeibullArrivals::CV_RANGE`], the states
    /// of an MMPP do not define a process, or a file is missing or invalid.
    pub fn build(
        &self,
        workload: &WorkloadName,
        rate: RequestsPerSecond,
        duration: Nanoseconds,
        seed: u64,
    ) -> Result<Box<dyn ArrivalProcess>, ArrivalError> {
        ArrivalBuilder { workload, seed, part: Vec::new() }.build(self, rate, duration)
    }
}

/// The workload whose arrivals are built, and the path to the part that is built.
struct ArrivalBuilder<'w> {
    workload: &'w WorkloadName,
    seed: u64,
    part: Vec<u32>,
}

impl ArrivalBuilder<'_> {
    fn build(
        &self,
        spec: &ArrivalSpec,
        rate: RequestsPerSecond,
        duration: Nanoseconds,
    ) -> Result<Box<dyn ArrivalProcess>, ArrivalError> {
        Ok(match spec {
            ArrivalSpec::Constant => {
                self.need_rate(rate, "constant")?;
                Box::new(ConstantArrivals::new(rate, duration))
            }
            ArrivalSpec::Poisson => {
                self.need_rate(rate, "poisson")?;
                Box::new(PoissonArrivals::new(rate, duration, self.random()))
            }
            ArrivalSpec::Gamma { cv } => {
                self.need_rate(rate, "gamma")?;
                let process = GammaArrivals::new(rate, *cv, duration, self.random());
                Box::new(process.ok_or_else(|| self.bad_cv(*cv, &GammaArrivals::CV_RANGE))?)
            }
            ArrivalSpec::Weibull { cv } => {
                self.need_rate(rate, "weibull")?;
                let process = WeibullArrivals::new(rate, *cv, duration, self.random());
                Box::new(process.ok_or_else(|| self.bad_cv(*cv, &WeibullArrivals::CV_RANGE))?)
            }
            ArrivalSpec::Normalised => {
                self.need_rate(rate, "normalised")?;
                Box::new(NormalisedArrivals::new(rate, duration, self.random()))
            }
            ArrivalSpec::Mmpp { states } => {
                self.need_rate(rate, "mmpp")?;
                let process = MmppArrivals::new(states, rate, duration, self.random());
                Box::new(process.ok_or_else(|| self.bad_parts("mmpp"))?)
            }
            ArrivalSpec::Shaped { gaps, shape } => {
                let clock = shape.clock();
                let process = self.build(gaps, rate, horizon(&clock, duration))?;
                Box::new(ShapedArrivals::new(process, clock, duration))
            }
            ArrivalSpec::Rates { gaps, path, rate_scale } => {
                self.need_rate(rate, "rates")?;
                let clock = read_rates(path, *rate_scale, rate.get())
                    .map_err(|source| self.bad_file(source))?;
                let process = self.build(gaps, rate, horizon(&clock, duration))?;
                Box::new(ShapedArrivals::new(process, clock, duration))
            }
            ArrivalSpec::Trace(trace) => {
                Box::new(TraceArrivals::read(trace, duration).map_err(|e| self.bad_file(e))?)
            }
            ArrivalSpec::Times(times) => Box::new(ListedArrivals::new(Arc::clone(times), duration)),
            ArrivalSpec::Sum { parts } => {
                let total: f64 = parts.iter().map(|part| part.share).sum();
                let make = |(i, part): (u32, &super::ArrivalPart)| {
                    let rate = RequestsPerSecond::new(rate.get() * part.share / total);
                    let rate = rate.map_err(|_| self.bad_parts("sum"))?;
                    self.part(i).build(&part.arrival, rate, duration)
                };
                let parts = (0..).zip(parts).map(make).collect::<Result<_, _>>()?;
                Box::new(SumArrivals::new(parts))
            }
            ArrivalSpec::Phases { phases } => {
                let mut start = Nanoseconds::ZERO;
                let mut made = Vec::new();
                for (i, phase) in (0..).zip(phases) {
                    let is_last = made.len() + 1 == phases.len();
                    let left = duration.saturating_sub(start);
                    let length = if is_last { left } else { phase.duration.min(left) };
                    let scaled = RequestsPerSecond::new(rate.get() * phase.rate_scale);
                    let scaled = scaled.map_err(|_| self.bad_parts("phases"))?;
                    // A phase without requests has no process.
                    let process: Box<dyn ArrivalProcess> = if phase.rate_scale > 0.0 {
                        self.part(i).build(&phase.arrival, scaled, length)?
                    } else {
                        Box::new(ConstantArrivals::new(scaled, length))
                    };
                    made.push((start, process));
                    start += length;
                }
                Box::new(PhaseArrivals::new(made))
            }
            ArrivalSpec::ClosedLoop(_) => {
                return Err(ArrivalError::ClosedLoop { workload: self.workload.clone() });
            }
        })
    }

    fn part(&self, index: u32) -> Self {
        let part = self.part.iter().copied().chain([index]).collect();
        Self { workload: self.workload, seed: self.seed, part }
    }

    fn random(&self) -> Stream {
        stream_of(self.seed, self.workload, Purpose::Arrivals, &self.part)
    }

    fn need_rate(
        &self,
        rate: RequestsPerSecond,
        process: &'static str,
    ) -> Result<(), ArrivalError> {
        if rate.get() > 0.0 {
            return Ok(());
        }
        Err(ArrivalError::NoRate { workload: self.workload.clone(), process, rate })
    }

    fn bad_cv(&self, cv: f64, range: &RangeInclusive<f64>) -> ArrivalError {
        let (min, max) = (*range.start(), *range.end());
        ArrivalError::BadCv { workload: self.workload.clone(), cv, min, max }
    }

    fn bad_parts(&self, process: &'static str) -> ArrivalError {
        ArrivalError::BadParts { workload: self.workload.clone(), process }
    }

    fn bad_file(&self, source: TraceError) -> ArrivalError {
        ArrivalError::Trace { workload: self.workload.clone(), source }
    }
}
