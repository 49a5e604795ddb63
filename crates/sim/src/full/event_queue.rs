//! What happens next.

use igniter_model::units::Nanoseconds;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events in order of time. Among equal times arrivals come first, in the order of the plan, and then
/// the others in the order in which they were pushed.
///
/// Arrivals have a rank of their own, because the order in which they are pushed depends on the whole
/// history of the run: an engine that has no event for an arrival could not know it.
#[derive(Debug)]
pub(super) struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    pushed: u64,
}

#[derive(Debug)]
struct Entry<E> {
    time: Nanoseconds,
    rank: Rank,
    event: E,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// An arrival at a server. Several at one time are one like the other.
    Arrival(usize),
    /// Anything else, numbered.
    Other(u64),
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, time: Nanoseconds, event: E) {
        self.heap.push(Entry { time, rank: Rank::Other(self.pushed), event });
        self.pushed += 1;
    }

    /// Pushes the next arrival at a server.
    pub(super) fn push_arrival(&mut self, time: Nanoseconds, server: usize, event: E) {
        self.heap.push(Entry { time, rank: Rank::Arrival(server), event });
    }

    /// The first event, unless it is after `stop`.
    pub(super) fn pop_until(&mut self, stop: Nanoseconds) -> Option<(Nanoseconds, E)> {
        if self.heap.peek()?.time > stop {
            return None;
        }
        self.heap.pop().map(|entry| (entry.time, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed, because the heap of the standard library gives its greatest element.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.rank).cmp(&(self.time, self.rank))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_come_in_the_order_of_pushing_but_arrivals_first() {
        let mut queue = EventQueue::new();
        for (time, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b'), (5, 'e'), (9, 'f')] {
            queue.push(Nanoseconds::new(time), event);
        }
        for (time, server, event) in [(5, 7, 'Z'), (1, 0, 'X'), (5, 2, 'Y')] {
            queue.push_arrival(Nanoseconds::new(time), server, event);
        }
        let order: String =
            std::iter::from_fn(|| queue.pop_until(Nanoseconds::new(8))).map(|(_, e)| e).collect();
        assert_eq!(order, "XabYZcde");
        assert_eq!(queue.pop_until(Nanoseconds::MAX), Some((Nanoseconds::new(9), 'f')));
        assert_eq!(queue.pop_until(Nanoseconds::MAX), None);
    }
}
