//! The expected number of requests of a run, before any is drawn.

use super::rate_file::read_rates;
use super::{ArrivalPhase, ArrivalSpec, ClosedLoopSpec};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};

impl ArrivalSpec {
    /// Returns about how many requests a workload with this rate sends in a run. The size of a run is checked with it
    /// before the run starts. The effects of shapes, phases and files of rates on the rate are included.
    ///
    /// A trace counts as nothing, since its length is given. Clients of a closed loop send requests as they are
    /// answered, which cannot be known in advance: they count as the planned rate, and at most as if answers took no
    /// time. A file of rates that cannot be read counts as nothing, too; [`ArrivalSpec::build`] reports what is wrong
    /// with it.
    #[must_use]
    pub fn expected(&self, rate: RequestsPerSecond, duration: Nanoseconds) -> f64 {
        self.expected_within(rate.get(), duration.as_f64())
    }

    /// Does the same for a time in ns. The time is not an integer: clocks of shapes may show more than 584 years.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    fn expected_within(&self, rate_rps: f64, end_ns: f64) -> f64 {
        match self {
            Self::Constant
            | Self::Poisson
            | Self::Gamma { .. }
            | Self::Weibull { .. }
            | Self::Normalised
            | Self::Mmpp { .. } => rate_rps * end_ns / 1e9,
            Self::Shaped { gaps, shape } => {
                gaps.expected_within(rate_rps, shape.clock().reading(end_ns))
            }
            Self::Rates { gaps, path, rate_scale } => read_rates(path, *rate_scale, rate_rps)
                .map_or(0.0, |clock| gaps.expected_within(rate_rps, clock.reading(end_ns))),
            Self::Trace(_) => 0.0,
            Self::Times(times) => times.partition_point(|time| time.as_f64() < end_ns) as f64,
            Self::Sum { parts } => {
                let total: f64 = parts.iter().map(|part| part.share).sum();
                let of = |part: &super::ArrivalPart| {
                    part.arrival.expected_within(rate_rps * part.share / total, end_ns)
                };
                parts.iter().map(of).sum()
            }
            Self::Phases { phases } => of_phases(phases, rate_rps, end_ns),
            Self::ClosedLoop(ClosedLoopSpec { clients, think, .. }) => {
                let most = f64::from(*clients) * (1.0 + end_ns / think.as_f64());
                most.min(rate_rps * end_ns / 1e9)
            }
        }
    }
}

fn of_phases(phases: &[ArrivalPhase], rate_rps: f64, end_ns: f64) -> f64 {
    let (mut left, mut sum) = (end_ns, 0.0);
    for (i, phase) in phases.iter().enumerate() {
        let last = i + 1 == phases.len();
        let length = if last { left } else { phase.duration.as_f64().min(left) };
        // A phase without requests has no process.
        if phase.rate_scale > 0.0 {
            sum += phase.arrival.expected_within(rate_rps * phase.rate_scale, length);
        }
        left -= length;
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these numbers are exact")]

    use super::super::{ArrivalPart, RateShape, RateStep, Thinking, TraceSpec};
    use super::*;

    fn s(seconds: f64) -> Nanoseconds {
        Nanoseconds::from_seconds(seconds).unwrap()
    }

    /// In a run of 10 s at 100 requests/s.
    #[track_caller]
    fn check(spec: &ArrivalSpec, expected: f64) {
        let count = spec.expected(RequestsPerSecond::new(100.0).unwrap(), s(10.0));
        assert!((count - expected).abs() < 1e-6, "{count} is not {expected}");
    }

    #[test]
    fn by_hand() {
        let gaps = || Box::new(ArrivalSpec::Poisson);
        check(&ArrivalSpec::Poisson, 1000.0);
        // 2 s at five times the rate: 8 + 2 · 5 = 18 s of it.
        let shape = RateShape::Spike { start: s(2.0), end: s(4.0), factor: 5.0 };
        let spike = ArrivalSpec::Shaped { gaps: gaps(), shape };
        check(&spike, 1800.0);
        // Three times as fast for a second, and then nothing for ever.
        let steps = vec![
            RateStep { duration: s(1.0), factor: 3.0 },
            RateStep { duration: s(1.0), factor: 0.0 },
        ];
        let shape = RateShape::Steps { steps, repeat: false };
        let nested = ArrivalSpec::Shaped { gaps: Box::new(spike.clone()), shape };
        // The outer clock stops at 3 s, a second into the spike: 2 + 1 · 5 = 7 s of the rate.
        check(&nested, 700.0);
        // A trace of any length takes nothing of the others: a quarter of the rate is left to Poisson.
        let part = |share, arrival| ArrivalPart { share, arrival };
        let trace = ArrivalSpec::Trace(TraceSpec::new("a.csv", "t"));
        let parts = vec![part(3.0, trace), part(1.0, ArrivalSpec::Constant)];
        check(&ArrivalSpec::Sum { parts }, 250.0);
        // 4 s at twice the rate, nothing for 4 s, 2 s at half of it (the last phase goes on).
        let phase = |duration, rate_scale| ArrivalPhase {
            duration: s(duration),
            rate_scale,
            arrival: ArrivalSpec::Normalised,
        };
        let phases = vec![phase(4.0, 2.0), phase(4.0, 0.0), phase(1.0, 0.5)];
        check(&ArrivalSpec::Phases { phases }, 900.0);
    }

    #[test]
    fn clients_send_no_more_than_they_can() {
        let clients = |clients, think, count| {
            let thinking = Thinking::Constant;
            let spec = ClosedLoopSpec { clients, think: s(think), thinking };
            check(&ArrivalSpec::ClosedLoop(spec), count);
        };
        // Two that think for 5 s: at 0, 5 and 10 s. A thousand are answered at the rate planned for.
        clients(2, 5.0, 6.0);
        clients(1000, 5.0, 1000.0);
        clients(1, 0.0, 1000.0);
    }

    #[test]
    fn files_of_rates_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.csv");
        std::fs::write(&path, "start_s,rate_rps\n2,10\n6,50\n").unwrap();
        let rates = |path, count| {
            let gaps = Box::new(ArrivalSpec::Constant);
            check(&ArrivalSpec::Rates { gaps, path, rate_scale: 3.0 }, count);
        };
        // (4 s · 10 + 4 s · 50) · 3, whatever the workload's own rate.
        rates(path, 720.0);
        rates(folder.path().join("none.csv"), 0.0);
    }
}
