//! What happens next.

use crate::units::Nanoseconds;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events in order of time; among equal times, in the order in which they were pushed.
#[derive(Debug)]
pub(super) struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    pushed: u64,
}

#[derive(Debug)]
struct Entry<E> {
    time: Nanoseconds,
    sequence: u64,
    event: E,
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, time: Nanoseconds, event: E) {
        self.heap.push(Entry { time, sequence: self.pushed, event });
        self.pushed += 1;
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
        (other.time, other.sequence).cmp(&(self.time, self.sequence))
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
    fn equal_times_come_in_the_order_of_pushing() {
        let mut queue = EventQueue::new();
        for (time, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b'), (5, 'e'), (9, 'f')] {
            queue.push(Nanoseconds::new(time), event);
        }
        let order: String =
            std::iter::from_fn(|| queue.pop_until(Nanoseconds::new(8))).map(|(_, e)| e).collect();
        assert_eq!(order, "abcde");
        assert_eq!(queue.pop_until(Nanoseconds::MAX), Some((Nanoseconds::new(9), 'f')));
        assert_eq!(queue.pop_until(Nanoseconds::MAX), None);
    }
}
