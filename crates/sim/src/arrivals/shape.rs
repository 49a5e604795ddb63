//! Rates that change with time.

use igniter_model::units::Nanoseconds;
use std::f64::consts::TAU;

/// The factor of a workload's rate as a function of time.
#[derive(Debug, Clone, PartialEq)]
pub enum RateShape {
    /// A sine with mean 1.
    Diurnal {
        /// The length of a day (> 0).
        period: Nanoseconds,
        /// The time of the highest rate.
        peak: Nanoseconds,
        /// The highest rate divided by the lowest (≥ 1).
        peak_to_trough: f64,
    },
    /// `factor` from `start` to `end`, and 1 outside.
    Spike {
        /// The start of the spike.
        start: Nanoseconds,
        /// The end of the spike, after the start.
        end: Nanoseconds,
        /// The factor (≥ 0).
        factor: f64,
    },
    /// `from` before `start`, `to` after `end`, and a straight line between them.
    Ramp {
        /// The start of the line.
        start: Nanoseconds,
        /// The end of the line, after the start.
        end: Nanoseconds,
        /// The factor before the line (≥ 0).
        from: f64,
        /// The factor after the line (≥ 0); with 0 the workload drains.
        to: f64,
    },
    /// A sequence of constant factors.
    Steps {
        /// One or more steps; at least one factor is above 0.
        steps: Vec<RateStep>,
        /// Whether the steps start again after the last one; otherwise the last factor stays.
        repeat: bool,
    },
}

/// A factor that holds for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStep {
    /// Duration of the step (> 0).
    pub duration: Nanoseconds,
    /// The factor (≥ 0).
    pub factor: f64,
}

/// The integral of a shape and its inverse: the clock by which a process runs.
///
/// Times are in ns, as floats: the error is at most a tenth of a ns, in runs of up to 10 days.
#[derive(Debug, Clone)]
pub(super) enum ShapeClock {
    Diurnal(Diurnal),
    Segments { list: Vec<ShapeSegment>, repeat: bool, round: u64, at: usize, now: Lookup },
}

/// A sine around 1 that is never negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Diurnal {
    period: f64,
    peak: f64,
    swing: f64,
    /// The sine at time 0.
    zero: f64,
    /// The length of the pieces of the integral in which a parabola gives its inverse to within 0.05 ns; 0 if pieces
    /// are not used.
    step: f64,
    piece: InversePiece,
}

/// The inverse of the integral between two readings, as a parabola.
#[derive(Debug, Clone, Copy, Default)]
struct InversePiece {
    from: f64,
    until: f64,
    middle: f64,
    /// The time at the middle, its slope there, and half of its curvature.
    time: f64,
    slope: f64,
    curvature: f64,
}

/// The numbers of the current segment, in the current round, that every look-up needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lookup {
    /// The integral before the round, and before the segment within it.
    before: (f64, f64),
    /// The integral over the segment; 0 before the first segment is set.
    whole: f64,
    start: f64,
    length: f64,
    from: f64,
    slope: f64,
}

impl Lookup {
    /// Returns the time at which the integral reaches `reading`, if that is before the end of the segment.
    #[inline]
    fn time(&self, reading: f64) -> Option<f64> {
        let inside = reading - self.before.0 - self.before.1;
        (inside < self.whole).then(|| self.start + self.inverse(inside.max(0.0)))
    }

    /// Returns the time after the start at which the integral has grown by `integral`.
    #[inline]
    fn inverse(&self, integral: f64) -> f64 {
        let root = (self.from * self.from + 2.0 * self.slope * integral).max(0.0).sqrt();
        // This form of the quadratic formula also holds for a slope of 0.
        let time = 2.0 * integral / (self.from + root);
        if time.is_nan() { 0.0 } else { time.min(self.length) }
    }
}

/// A piece of a shape in which the factor is linear.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShapeSegment {
    start: f64,
    /// Infinite for a last segment that stays.
    length: f64,
    from: f64,
    to: f64,
    /// The integral up to the start.
    before: f64,
}

impl ShapeSegment {
    fn integral(&self, after: f64) -> f64 {
        if self.length.is_finite() {
            after * self.from + (self.to - self.from) * after * after / (2.0 * self.length)
        } else {
            after * self.from
        }
    }

    fn whole(&self) -> f64 {
        // 0 · ∞ is NaN, but a factor of 0 forever adds nothing.
        let nothing = self.length.is_infinite() && self.from <= 0.0;
        if nothing { 0.0 } else { self.integral(self.length) }
    }

    /// Returns the slope of the line.
    fn slope(&self) -> f64 {
        if self.length.is_finite() { (self.to - self.from) / self.length } else { 0.0 }
    }
}

impl InversePiece {
    /// Returns the time at which the integral reaches `reading`.
    #[inline(always)]
    fn time(&self, reading: f64) -> f64 {
        let Self { middle, time, slope, curvature, .. } = *self;
        let after = reading - middle;
        time + after * (slope + after * curvature)
    }
}

impl RateShape {
    /// Returns the clock of this shape, at time 0.
    pub(super) fn clock(&self) -> ShapeClock {
        let forever = f64::INFINITY;
        match self {
            Self::Diurnal { period, peak, peak_to_trough } => {
                let swing = (peak_to_trough - 1.0) / (peak_to_trough + 1.0);
                ShapeClock::Diurnal(Diurnal::new(period.as_f64(), peak.as_f64(), swing))
            }
            Self::Spike { start, end, factor } => {
                let (start, end) = (start.as_f64(), end.as_f64());
                let lines =
                    [(start, 1.0, 1.0), (end - start, *factor, *factor), (forever, 1.0, 1.0)];
                ShapeClock::of(&lines, false)
            }
            Self::Ramp { start, end, from, to } => {
                let (start, end) = (start.as_f64(), end.as_f64());
                let lines = [(start, *from, *from), (end - start, *from, *to), (forever, *to, *to)];
                ShapeClock::of(&lines, false)
            }
            Self::Steps { steps, repeat } => {
                let last = steps.len() - 1;
                let length = |i: usize, step: &RateStep| {
                    if i == last && !repeat { forever } else { step.duration.as_f64() }
                };
                let lines: Vec<_> = (steps.iter().enumerate())
                    .map(|(i, step)| (length(i, step), step.factor, step.factor))
                    .collect();
                ShapeClock::of(&lines, *repeat)
            }
        }
    }
}

impl ShapeClock {
    /// Creates a clock of lines, each given by its length and the factors at its start and end.
    pub(super) fn of(lines: &[(f64, f64, f64)], repeat: bool) -> Self {
        let (mut start, mut before) = (0.0, 0.0);
        let list = lines
            .iter()
            .filter(|(length, ..)| *length > 0.0)
            .map(|&(length, from, to)| {
                let segment = ShapeSegment { start, length, from, to, before };
                start += length;
                before += segment.whole();
                segment
            })
            .collect();
        Self::Segments { list, repeat, round: 0, at: 0, now: Lookup::default() }
    }

    /// Returns the integral of the shape from 0 to `time`, which is the reading of the clock at that time.
    pub(super) fn reading(&self, time: f64) -> f64 {
        match self {
            Self::Diurnal(diurnal) => diurnal.integral(time),
            Self::Segments { list, repeat, .. } => {
                let Some(last) = list.last() else { return 0.0 };
                let (rounds, time) = if *repeat {
                    let period = last.start + last.length;
                    let rounds = (time / period).floor();
                    (rounds * (last.before + last.whole()), time - rounds * period)
                } else {
                    (0.0, time)
                };
                let at = list.partition_point(|segment| segment.start <= time).max(1) - 1;
                rounds + list[at].before + list[at].integral(time - list[at].start)
            }
        }
    }

    /// Returns the time at which the clock shows `reading`. Readings must not decrease from call to call.
    #[inline]
    pub(super) fn time(&mut self, reading: f64) -> f64 {
        match self {
            Self::Diurnal(diurnal) => diurnal.time(reading),
            Self::Segments { now, .. } => match now.time(reading) {
                Some(time) => time,
                None => self.later(reading),
            },
        }
    }

    /// Replaces each reading by the time at which the clock shows it. Readings must not decrease.
    pub(super) fn times(&mut self, readings: &mut [Nanoseconds]) {
        let Self::Diurnal(diurnal) = self else {
            for reading in readings {
                *reading = Nanoseconds::from_f64(self.time(reading.as_f64()));
            }
            return;
        };
        let mut rest = readings;
        while let Some(first) = rest.first() {
            // Many readings lie in the same piece, so the same few numbers serve them all.
            let time = Nanoseconds::from_f64(diurnal.time(first.as_f64()));
            let piece = diurnal.piece;
            let inside = rest.partition_point(|reading| reading.as_f64() < piece.until).max(1);
            let (own, later) = rest.split_at_mut(inside);
            if let Some((first, others)) = own.split_first_mut() {
                *first = time;
                for reading in others {
                    *reading = Nanoseconds::from_f64(piece.time(reading.as_f64()));
                }
            }
            rest = later;
        }
    }

    /// Does the same as [`Self::time`] for a reading that is not in the current segment.
    #[cold]
    #[inline(never)]
    #[expect(clippy::cast_precision_loss, reason = "fewer rounds than 2^53")]
    fn later(&mut self, reading: f64) -> f64 {
        let Self::Segments { list, repeat, round, at, now } = self else { return f64::INFINITY };
        let Some(last) = list.last() else { return f64::INFINITY };
        let (period, whole) = (last.start + last.length, last.before + last.whole());
        loop {
            let rounds = *round as f64;
            // The first round must not meet 0 · ∞.
            let (start, before) =
                if *round == 0 { (0.0, 0.0) } else { (rounds * period, rounds * whole) };
            let segment = &list[*at];
            *now = Lookup {
                before: (before, segment.before),
                whole: segment.whole(),
                start: start + segment.start,
                length: segment.length,
                from: segment.from,
                slope: segment.slope(),
            };
            if let Some(time) = now.time(reading) {
                return time;
            }
            if *at + 1 < list.len() {
                *at += 1;
                continue;
            }
            if !*repeat || whole <= 0.0 {
                return f64::INFINITY;
            }
            // Finished rounds are skipped, except for the last one, because of rounding.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` saturates, and fewer rounds than 2^53"
            )]
            let over = ((reading / whole).floor() - 1.0) as u64;
            *round = (*round + 1).max(over);
            *at = 0;
        }
    }
}

impl Diurnal {
    fn new(period: f64, peak: f64, swing: f64) -> Self {
        // With f = 1 + swing · cos(…), the third derivative of the inverse is (3 f'² − f f'') / f⁵, which is at most
        // `third`. The rest of the Taylor series after the parabola is at most a sixth of that, times (step / 2)³.
        let (omega, least) = (TAU / period, 1.0 - swing);
        let third = (3.0 * swing + 1.0 + swing) * swing * omega * omega
            / (least * least * least * least * least);
        let step = 2.0 * libm::cbrt(6.0 * 0.05 / third);
        // Shorter pieces hold too few requests to be worth the cost.
        let step = if step.is_finite() && step >= 1e7 { step.min(period) } else { 0.0 };
        let piece = InversePiece::default();
        let mut diurnal = Self { period, peak, swing, zero: 0.0, step, piece };
        diurnal.zero = libm::sin(diurnal.angle(0.0));
        diurnal
    }

    /// Returns the time at which the integral reaches `reading`.
    #[inline]
    fn time(&mut self, reading: f64) -> f64 {
        if !(self.piece.from <= reading && reading < self.piece.until) {
            if self.step <= 0.0 {
                return self.inverse(reading);
            }
            self.move_to(reading);
        }
        self.piece.time(reading)
    }

    #[cold]
    #[inline(never)]
    fn move_to(&mut self, reading: f64) {
        let from = (reading / self.step).floor() * self.step;
        let middle = from + 0.5 * self.step;
        let time = self.inverse(middle);
        let angle = self.angle(time);
        let rate = 1.0 + self.swing * libm::cos(angle);
        let change = -self.swing * TAU / self.period * libm::sin(angle);
        self.piece = InversePiece {
            from,
            until: from + self.step,
            middle,
            time,
            slope: 1.0 / rate,
            curvature: -0.5 * change / (rate * rate * rate),
        };
    }

    /// Returns the phase of the day, as an angle relative to the peak.
    fn angle(&self, time: f64) -> f64 {
        TAU * ((time - self.peak) / self.period).fract()
    }

    /// ∫ 1 + swing · cos(2π (t − peak) / period)
    fn integral(&self, time: f64) -> f64 {
        let Self { period, swing, zero, .. } = self;
        time + swing * period / TAU * (libm::sin(self.angle(time)) - zero)
    }

    /// Returns the time of a reading, by Newton's method between bounds that always hold.
    fn inverse(&self, reading: f64) -> f64 {
        // The integral deviates from its mean by at most this much to either side.
        let most = self.swing * self.period / TAU * 2.0;
        let (mut low, mut high) = ((reading - most).max(0.0), reading + most);
        let mut time = reading;
        for _ in 0..64 {
            let error = self.integral(time) - reading;
            if error.abs() < 0.1 {
                break;
            }
            if error > 0.0 {
                high = time;
            } else {
                low = time;
            }
            let slope = 1.0 + self.swing * libm::cos(self.angle(time));
            let newton = time - error / slope;
            time = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if high - low < 0.1 {
                break;
            }
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Nanoseconds {
        Nanoseconds::from_seconds(seconds).unwrap()
    }

    /// The clock's reading at some seconds, in seconds.
    fn readings(shape: &RateShape, times: &[f64]) -> Vec<f64> {
        let clock = shape.clock();
        times.iter().map(|time| (clock.reading(time * 1e9) / 1e3).round() / 1e6).collect()
    }

    #[test]
    fn integrals_by_hand() {
        let spike = RateShape::Spike { start: s(2.0), end: s(3.0), factor: 5.0 };
        // 1 until 2 s, then 5, then 1: at 2.5 s 2 + 2.5, at 3 s 7, at 4 s 8.
        assert_eq!(readings(&spike, &[0.0, 1.0, 2.5, 3.0, 4.0]), [0.0, 1.0, 4.5, 7.0, 8.0]);
        let ramp = RateShape::Ramp { start: s(1.0), end: s(3.0), from: 1.0, to: 3.0 };
        // 1, then in two seconds from 1 to 3 (after one, 1.5; after both, 4), then 3.
        assert_eq!(readings(&ramp, &[1.0, 2.0, 3.0, 4.0]), [1.0, 2.5, 5.0, 8.0]);
        let drain = RateShape::Ramp { start: s(1.0), end: s(3.0), from: 1.0, to: 0.0 };
        assert_eq!(readings(&drain, &[1.0, 2.0, 3.0, 100.0]), [1.0, 1.75, 2.0, 2.0]);
        let step = |duration, factor| RateStep { duration: s(duration), factor };
        let steps = vec![step(1.0, 2.0), step(2.0, 0.0), step(1.0, 1.0)];
        let once = RateShape::Steps { steps: steps.clone(), repeat: false };
        assert_eq!(readings(&once, &[0.5, 1.0, 3.0, 4.0, 9.0]), [1.0, 2.0, 2.0, 3.0, 8.0]);
        let again = RateShape::Steps { steps, repeat: true };
        assert_eq!(readings(&again, &[4.0, 4.5, 7.0, 8.0, 41.0]), [3.0, 4.0, 5.0, 6.0, 32.0]);
        // A peak at a quarter: half a period from 0 has the positive half of the sine, 1/π · swing more.
        let diurnal = RateShape::Diurnal { period: s(4.0), peak: s(1.0), peak_to_trough: 3.0 };
        let half = 2.0 + 0.5 * 4.0 / std::f64::consts::PI;
        let expected = [(half * 1e6).round() / 1e6, 4.0, 8.0];
        assert_eq!(readings(&diurnal, &[2.0, 4.0, 8.0]), expected);
    }

    #[test]
    fn the_inverse_leads_back() {
        let step = |duration, factor| RateStep { duration: s(duration), factor };
        for shape in [
            RateShape::Spike { start: s(2.0), end: s(3.0), factor: 5.0 },
            RateShape::Spike { start: s(0.0), end: s(3.0), factor: 0.5 },
            RateShape::Ramp { start: s(1.0), end: s(30.0), from: 0.0, to: 7.0 },
            RateShape::Ramp { start: s(0.0), end: s(40.0), from: 1.0, to: 0.0 },
            RateShape::Steps { steps: vec![step(0.7, 2.0), step(0.3, 0.4)], repeat: true },
            RateShape::Diurnal { period: s(5.0), peak: s(1.0), peak_to_trough: 1000.0 },
        ] {
            let mut clock = shape.clock();
            for i in 0..1000 {
                let time = 1.1e9 + f64::from(i) * 3.3e7;
                let back = clock.time(clock.reading(time));
                // Where the rate is nearly 0, a reading stands for many times.
                let error = (clock.reading(back) - clock.reading(time)).abs();
                assert!(error < 1.0, "{shape:?} at {time}: {back}, {error}");
            }
        }
        // Rounds of a µs, 10⁹ of them between two readings.
        let steps = vec![step(5e-7, 2.0), step(5e-7, 0.0)];
        let mut short = RateShape::Steps { steps, repeat: true }.clock();
        for i in 0..1000 {
            let reading = f64::from(i) * 1e12 + 250.0;
            let error = short.time(reading) - (f64::from(i) * 1e12 + 125.0);
            assert!(error.abs() < 1.0, "{i}: {error}");
        }
        let drain = RateShape::Ramp { start: s(1.0), end: s(3.0), from: 1.0, to: 0.0 };
        // A day, in which the parabolas are long, against Newton's method at each time.
        for peak_to_trough in [1.5, 3.0, 10.0] {
            let shape = RateShape::Diurnal { period: s(86400.0), peak: s(43200.0), peak_to_trough };
            let ShapeClock::Diurnal(mut day) = shape.clock() else { panic!("a diurnal clock") };
            assert!(day.step > 0.0);
            for i in 0..20_000 {
                let reading = f64::from(i) * 4.321e9;
                let error = (day.time(reading) - day.inverse(reading)).abs();
                // Newton's method ends at 0.1 ns of the reading: where the rate is least, at more of the time.
                assert!(error < 0.1 + 0.3 / (1.0 - day.swing), "{peak_to_trough}, {i}: {error}");
            }
        }
        let mut drained = drain.clock();
        for _ in 0..2 {
            assert!(drained.time(2.1e9).is_infinite(), "no more than 2 s of work ever come");
        }
    }
}
