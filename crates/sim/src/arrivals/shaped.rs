//! Processes that run by a clock of their own.

use super::ArrivalProcess;
use super::shape::ShapeClock;
use igniter_model::units::Nanoseconds;

/// A process whose rate is multiplied by a function of time.
///
/// The process runs by a clock that shows the integral of that function; its arrivals happen when the clock shows their
/// times. A Poisson process becomes the inhomogeneous Poisson process with that rate, and any other process keeps its
/// character: where the rate is three times as high, gaps are a third as long.
#[derive(Debug)]
pub struct ShapedArrivals {
    process: Box<dyn ArrivalProcess>,
    clock: ShapeClock,
    last: Nanoseconds,
    end: Nanoseconds,
}

impl ShapedArrivals {
    /// Creates arrivals before `end`; the process must have been built for [`horizon`].
    pub(super) fn new(
        process: Box<dyn ArrivalProcess>,
        clock: ShapeClock,
        end: Nanoseconds,
    ) -> Self {
        Self { process, clock, last: Nanoseconds::ZERO, end }
    }
}

/// Returns the reading of the clock at the end of a run.
pub(super) fn horizon(clock: &ShapeClock, end: Nanoseconds) -> Nanoseconds {
    Nanoseconds::from_f64(clock.reading(end.as_f64()).ceil())
}

impl ArrivalProcess for ShapedArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let reading = self.process.next_arrival()?;
        let time = Nanoseconds::from_f64(self.clock.time(reading.as_f64()));
        // Rounding must not reverse the order.
        self.last = self.last.max(time);
        (self.last < self.end).then_some(self.last)
    }

    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        let before = times.len();
        self.process.fill(count, times);
        let new = times.get_mut(before..).unwrap_or_default();
        self.clock.times(new);
        for time in new.iter_mut() {
            self.last = self.last.max(*time);
            *time = self.last;
        }
        let inside = new.partition_point(|&time| time < self.end);
        times.truncate(before + inside);
    }

    fn faults(&self) -> Vec<super::TraceFault> {
        self.process.faults()
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        let Self { clock, last, end, .. } = self;
        let (clock, process) = (clock.clone(), self.process.fork()?);
        Some(Box::new(Self { process, clock, last: *last, end: *end }))
    }
}
