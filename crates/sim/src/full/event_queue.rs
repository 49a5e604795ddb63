//! The queue of pending events.

use super::event::Event;
use igniter_model::units::Nanoseconds;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events in order of time. Among equal times, arrivals are first, then events of the whole GPU, then events of each
/// server in the order of the plan; events of one server are in the order in which they were pushed.
///
/// This order does not depend on all of the pushing order, so an engine without events for arrivals and copies can
/// reproduce it.
#[derive(Debug)]
pub(super) struct EventQueue {
    heap: BinaryHeap<QueuedEvent>,
    pushed: u64,
}

#[derive(Debug)]
struct QueuedEvent {
    time: Nanoseconds,
    rank: Rank,
    event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// An arrival at a server. Simultaneous arrivals at one server are interchangeable.
    Arrival(usize),
    /// An event of the whole GPU, numbered.
    Gpu(u64),
    /// Any other event of a server, numbered.
    Server(usize, u64),
}

impl EventQueue {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, time: Nanoseconds, event: Event) {
        let rank = match (event, event.server()) {
            (Event::Arrival { server }, _) => Rank::Arrival(server),
            (_, Some(server)) => Rank::Server(server, self.pushed),
            (_, None) => Rank::Gpu(self.pushed),
        };
        self.heap.push(QueuedEvent { time, rank, event });
        self.pushed += 1;
    }

    /// Removes and returns the first event, unless it is after `stop`.
    pub(super) fn pop_until(&mut self, stop: Nanoseconds) -> Option<(Nanoseconds, Event)> {
        if self.heap.peek()?.time > stop {
            return None;
        }
        self.heap.pop().map(|entry| (entry.time, entry.event))
    }
}

impl Ord for QueuedEvent {
    /// Reversed, because the heap of the standard library returns its greatest element.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.rank).cmp(&(self.time, self.rank))
    }
}

impl PartialOrd for QueuedEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for QueuedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for QueuedEvent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_come_in_the_order_of_the_plan_but_arrivals_and_the_gpu_first() {
        let mut queue = EventQueue::new();
        let timer = |server| Event::BatcherTimer { server };
        let done = |server| Event::Done { server, instance: 0, life: 0 };
        let arrival = |server| Event::Arrival { server };
        for (time, event) in [
            (5, timer(3)),
            (5, done(1)),
            (5, timer(1)),
            (5, arrival(7)),
            (5, Event::Tick),
            (5, arrival(2)),
            (1, done(9)),
            (9, timer(0)),
        ] {
            queue.push(Nanoseconds::new(time), event);
        }
        let order: Vec<String> = std::iter::from_fn(|| queue.pop_until(Nanoseconds::new(8)))
            .map(|(_, event)| format!("{event:?}"))
            .collect();
        let expected = [done(9), arrival(2), arrival(7), Event::Tick, done(1), timer(1), timer(3)];
        assert_eq!(order, expected.map(|event| format!("{event:?}")));
        assert!(queue.pop_until(Nanoseconds::MAX).is_some());
        assert!(queue.pop_until(Nanoseconds::MAX).is_none());
    }
}
