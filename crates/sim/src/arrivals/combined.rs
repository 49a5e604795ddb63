//! Several processes at once, or one after another.

use super::{ArrivalProcess, TraceFault};
use igniter_model::units::Nanoseconds;

/// All arrivals of several processes, in order of time; among equal times, in the order of the processes.
#[derive(Debug)]
pub struct SumArrivals {
    /// The processes, each with its next arrival.
    parts: Vec<(Option<Nanoseconds>, Box<dyn ArrivalProcess>)>,
}

impl SumArrivals {
    /// Merges processes.
    #[must_use]
    pub fn new(parts: Vec<Box<dyn ArrivalProcess>>) -> Self {
        let with_next = |mut part: Box<dyn ArrivalProcess>| (part.next_arrival(), part);
        Self { parts: parts.into_iter().map(with_next).collect() }
    }
}

impl ArrivalProcess for SumArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let coming = self.parts.iter_mut().filter(|(next, _)| next.is_some());
        let (next, part) = coming.min_by_key(|(next, _)| *next)?;
        std::mem::replace(next, part.next_arrival())
    }

    fn faults(&self) -> Vec<TraceFault> {
        self.parts.iter().flat_map(|(_, part)| part.faults()).collect()
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        let parts = self.parts.iter().map(|(next, part)| Some((*next, part.fork()?)));
        Some(Box::new(Self { parts: parts.collect::<Option<_>>()? }))
    }
}

/// The arrivals of processes that follow each other.
#[derive(Debug)]
pub struct PhaseArrivals {
    /// The processes, each with its start; each was built for the time until the next one starts.
    phases: std::vec::IntoIter<(Nanoseconds, Box<dyn ArrivalProcess>)>,
    current: Option<(Nanoseconds, Box<dyn ArrivalProcess>)>,
    faults: Vec<TraceFault>,
}

impl PhaseArrivals {
    /// Joins processes, each with its start; each must end before the next starts.
    pub(super) fn new(phases: Vec<(Nanoseconds, Box<dyn ArrivalProcess>)>) -> Self {
        let faults = phases.iter().flat_map(|(_, process)| process.faults()).collect();
        Self { phases: phases.into_iter(), current: None, faults }
    }
}

impl ArrivalProcess for PhaseArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        loop {
            if let Some((start, process)) = &mut self.current
                && let Some(time) = process.next_arrival()
            {
                return Some(*start + time);
            }
            self.current = Some(self.phases.next()?);
        }
    }

    fn faults(&self) -> Vec<TraceFault> {
        self.faults.clone()
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        let fork = |(start, process): &(Nanoseconds, Box<dyn ArrivalProcess>)| {
            Some((*start, process.fork()?))
        };
        let phases: Vec<_> = self.phases.as_slice().iter().map(fork).collect::<Option<_>>()?;
        let current = match &self.current {
            Some(current) => Some(fork(current)?),
            None => None,
        };
        Some(Box::new(Self { phases: phases.into_iter(), current, faults: self.faults.clone() }))
    }
}
