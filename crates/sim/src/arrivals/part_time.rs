//! The arrivals of a server that is present for a part of a run.

use super::{ArrivalProcess, Turns};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};

/// The number of arrivals that are drawn at a time.
const BLOCK: usize = 256;

/// A time in which the servers of a workload, and the part of its requests that each gets, stay the same.
#[derive(Debug, Clone)]
pub struct Shift {
    /// Start, inclusive.
    pub from: Nanoseconds,
    /// End, exclusive.
    pub until: Nanoseconds,
    /// The turns of the servers, and the number of this server among them; `None`: the server is alone, and takes all
    /// requests.
    pub turns: Option<(Turns, usize)>,
}

impl Shift {
    /// Creates the shift of server `own` of the servers with the given rates.
    #[must_use]
    pub fn new(
        (from, until): (Nanoseconds, Nanoseconds),
        rates: &[RequestsPerSecond],
        own: usize,
    ) -> Self {
        Self { from, until, turns: (rates.len() > 1).then(|| (Turns::new(rates), own)) }
    }
}

/// The arrivals of one server of a workload in its shifts, which follow each other without gaps.
///
/// In each shift, requests are divided anew, from the shift's first request on. So the parts of servers on different
/// GPUs depend only on the shifts, and each server can draw the stream on its own, from any point before its first
/// shift.
#[derive(Debug)]
pub struct PartTimeArrivals {
    whole: Box<dyn ArrivalProcess>,
    shifts: std::vec::IntoIter<Shift>,
    /// The current shift; `None`: the server takes no more requests.
    shift: Option<Shift>,
    /// Arrivals of the whole stream that were drawn, and the position of the next of them.
    block: Vec<Nanoseconds>,
    next: usize,
}

impl PartTimeArrivals {
    /// Creates the part of `whole` that belongs to the server in its shifts.
    #[must_use]
    pub fn new(whole: Box<dyn ArrivalProcess>, shifts: Vec<Shift>) -> Self {
        let mut shifts = shifts.into_iter();
        let shift = shifts.next();
        Self { whole, shifts, shift, block: Vec::new(), next: 0 }
    }
}

impl ArrivalProcess for PartTimeArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let mut one = Vec::with_capacity(1);
        self.fill(1, &mut one);
        one.pop()
    }

    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        let goal = times.len() + count;
        while times.len() < goal {
            let Some(shift) = &mut self.shift else { return };
            if self.next == self.block.len() {
                self.block.clear();
                self.next = 0;
                self.whole.fill(BLOCK, &mut self.block);
                if self.block.is_empty() {
                    self.shift = None;
                    return;
                }
            }
            let drawn = &self.block[self.next..];
            // Arrivals before its first shift do not belong to the server.
            if drawn.first().is_some_and(|&first| first < shift.from) {
                self.next += drawn.partition_point(|&time| time < shift.from);
                continue;
            }
            let inside = match drawn.last() {
                Some(&last) if last < shift.until => drawn.len(),
                _ => drawn.partition_point(|&time| time < shift.until),
            };
            match &mut shift.turns {
                None => {
                    let taken = inside.min(goal - times.len());
                    times.extend_from_slice(&drawn[..taken]);
                    self.next += taken;
                    if taken < inside {
                        return;
                    }
                }
                Some((turns, own)) => {
                    for time in &drawn[..inside] {
                        self.next += 1;
                        if turns.next() == Some(*own) {
                            times.push(*time);
                            if times.len() == goal {
                                return;
                            }
                        }
                    }
                }
            }
            if self.next < self.block.len() {
                self.shift = self.shifts.next();
            }
        }
    }

    fn faults(&self) -> Vec<super::TraceFault> {
        self.whole.faults()
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        let Self { shifts, shift, block, next, .. } = self;
        let (shifts, shift, block) = (shifts.clone(), shift.clone(), block.clone());
        Some(Box::new(Self { whole: self.whole.fork()?, shifts, shift, block, next: *next }))
    }
}

/// Returns, for each of the ascending times, the process at a point from which all arrivals from that time on can be
/// drawn: at or before that time. `None` if the process cannot be copied.
///
/// One pass through the stream serves all times, in place of one pass from the start for each.
pub(crate) fn starts_at(
    mut whole: Box<dyn ArrivalProcess>,
    times: &[Nanoseconds],
) -> Option<Vec<Box<dyn ArrivalProcess>>> {
    /// Larger than the blocks that are drawn for servers: skipping costs less in larger blocks.
    const STRIDE: usize = 2048;
    let mut starts = Vec::with_capacity(times.len());
    let mut block = Vec::with_capacity(STRIDE);
    while starts.len() < times.len() {
        let before = whole.fork()?;
        block.clear();
        whole.fill(STRIDE, &mut block);
        let ended = block.len() < STRIDE;
        let last = block.last().copied();
        while let Some(&time) = times.get(starts.len())
            && (ended || last.is_some_and(|last| last >= time))
        {
            starts.push(before.fork()?);
        }
    }
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::ArrivalSpec;
    use igniter_model::domain::WorkloadName;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn process(rate: f64) -> Box<dyn ArrivalProcess> {
        let name = WorkloadName::new("W1").unwrap();
        let rate = RequestsPerSecond::new(rate).unwrap();
        ArrivalSpec::Poisson.build(&name, rate, Nanoseconds::new(5 * SECOND), 3).unwrap()
    }

    fn drain(process: &mut dyn ArrivalProcess, block: usize) -> Vec<Nanoseconds> {
        let mut times = Vec::new();
        loop {
            let before = times.len();
            process.fill(block, &mut times);
            if times.len() < before + block {
                return times;
            }
        }
    }

    /// Shifts as sorted edges with the parts of the servers between them.
    fn any_shifts() -> impl Strategy<Value = Vec<(u64, Vec<f64>)>> {
        let part = prop::collection::vec(prop_oneof![Just(1.0), 0.0..5.0_f64], 0..4);
        prop::collection::vec((0..6 * SECOND, part), 1..6).prop_map(|mut shifts| {
            shifts.sort_by_key(|(from, _)| *from);
            shifts.dedup_by_key(|(from, _)| *from);
            shifts
        })
    }

    proptest! {
        /// Each request of a shift goes to one server, as it would be dealt out by itself from the first of the shift on.
        #[test]
        fn every_request_has_one_server(
            shifts in any_shifts(),
            rate in prop_oneof![Just(3.0), Just(900.0)],
            block in 1..400_usize,
        ) {
            let all = drain(process(rate).as_mut(), 1000);
            let until = |i: usize| shifts.get(i + 1).map_or(7 * SECOND, |(from, _)| *from);
            let from: Vec<Nanoseconds> =
                shifts.iter().map(|(from, _)| Nanoseconds::new(*from)).collect();
            let starts = starts_at(process(rate), &from).unwrap();
            for (i, ((at, parts), start)) in shifts.iter().zip(&starts).enumerate() {
                let span = (Nanoseconds::new(*at), Nanoseconds::new(until(i)));
                let inside: Vec<Nanoseconds> =
                    all.iter().copied().filter(|t| span.0 <= *t && *t < span.1).collect();
                let rates: Vec<RequestsPerSecond> =
                    parts.iter().map(|part| RequestsPerSecond::new(*part).unwrap()).collect();
                let dealt: Vec<usize> = if rates.is_empty() {
                    vec![0; inside.len()]
                } else {
                    Turns::new(&rates).take(inside.len()).collect()
                };
                for own in 0..rates.len() {
                    let shift = Shift::new(span, &rates, own);
                    let whole = start.fork().unwrap();
                    let mut part = PartTimeArrivals::new(whole, vec![shift]);
                    let expected: Vec<Nanoseconds> = inside.iter().zip(&dealt)
                        .filter(|(_, to)| **to == own).map(|(time, _)| *time).collect();
                    // A copy at any point goes on in the same way.
                    let mut got = Vec::new();
                    part.fill(block, &mut got);
                    let mut copy = part.fork().unwrap();
                    let rest = drain(&mut part, block);
                    prop_assert_eq!(drain(copy.as_mut(), 7), rest.clone());
                    got.extend(rest);
                    prop_assert_eq!(got, expected);
                }
            }
            // A server that is alone in all shifts has everything.
            let alone = |i| Shift::new((from[i], Nanoseconds::new(until(i))), &[], 0);
            let mut whole = PartTimeArrivals::new(process(rate), (0..from.len()).map(alone).collect());
            let expected: Vec<Nanoseconds> =
                all.into_iter().filter(|time| *time >= from[0]).collect();
            prop_assert_eq!(drain(&mut whole, block), expected);
        }
    }
}
