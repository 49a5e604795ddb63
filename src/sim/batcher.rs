//! Triton's dynamic batcher as a pure state machine.
//!
//! It follows the prefetch mode of Triton's core (no priorities, no queue policy), for requests of
//! one row each. Each step is named for the function of Triton's source that it stands for:
//!
//! | here | Triton |
//! |---|---|
//! | [`Batcher::arrive`] | `DynamicBatchScheduler::Enqueue` |
//! | `run` | `DynamicBatchScheduler::BatcherThread` |
//! | `select` | `DynamicBatchScheduler::GetDynamicBatch` |
//! | [`Batcher::instance_ready`], `dequeue` | `RateLimiter::DequeuePayload`, `InstanceQueue::Dequeue` |
//!
//! A *payload* is a batch that waits for an instance; the last one may still grow. Threads take no
//! time. Two races of the original are settled here: an instance that becomes ready dequeues before
//! the batcher thread wakes, and a running batcher thread goes on to its next blocking point before
//! a parked instance wakes.
//!
//! With the default options this is greedy FIFO chunking: an instance that becomes free takes the
//! oldest `max_batch` requests, or as many as there are.

use super::batcher_rules::BatcherRules;
use crate::units::Nanoseconds;
use std::collections::VecDeque;

/// The batcher thread, when idle, looks again after this long even if nobody wakes it
/// (`BatcherThread`: `wait_microseconds = 500 * 1000`).
const IDLE_TICK: u64 = 500_000_000;

/// The arrival times of the requests of one batch, oldest first; never empty.
pub type Batch = Vec<Nanoseconds>;

/// The dynamic batcher of one server.
///
/// The owner reports what happens, in order of time, and gets the batches that instances have taken:
/// each leaves through `out` at the very moment that it is taken.
#[derive(Debug, Clone)]
pub struct Batcher {
    rules: BatcherRules,
    /// Everybody who waits: first the members of the payloads, payload by payload, then the
    /// scheduler queue. Nothing ever overtakes, so one FIFO holds all.
    waiting: VecDeque<Nanoseconds>,
    /// How many at the front of `waiting` belong to payloads.
    assembled: usize,
    /// `InstanceQueue`: payloads that wait for an instance.
    payloads: VecDeque<Payload>,
    /// `curr_payload_`.
    current: Current,
    /// `payload_saturated_`: the current payload takes no more.
    saturated: bool,
    /// `next_preferred_batch_size_`: arrivals below this many queued do not wake the batcher.
    next_preferred: usize,
    /// Instances that wait for a payload.
    idle: u32,
    sleep: Sleep,
    /// Buffers of finished batches, for re-use.
    spare: Vec<Batch>,
}

/// A batch in the payload queue.
#[derive(Debug, Clone, Copy)]
struct Payload {
    rows: usize,
    /// `BatcherStartNs`: the arrival of its oldest request.
    oldest: Nanoseconds,
    /// Marked EXECUTING by a late merge that did not fit: it stays queued but cannot grow.
    frozen: bool,
}

/// Where the payload that the batcher builds is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Still empty (UNINITIALIZED).
    Empty,
    /// The last of the payload queue (SCHEDULED), or no longer there (then it is stale).
    Queued,
}

/// What the batcher thread waits for.
#[derive(Debug, Clone, Copy)]
enum Sleep {
    /// A request; since then, looking again at every [`IDLE_TICK`].
    Request { since: Nanoseconds },
    /// A place in the payload queue (`WaitForPayloadSlotAvailable`).
    Slot,
    /// More requests for the batch, until then.
    Fill { until: Nanoseconds },
}

/// What a scan of the queue decides.
enum Selection {
    /// Move this many requests to the current payload.
    Take(usize),
    /// Look again after this long.
    Wait(Nanoseconds),
}

impl Batcher {
    /// A batcher at time 0 with all its instances idle.
    #[must_use]
    pub fn new(rules: BatcherRules) -> Self {
        Self {
            idle: rules.instances(),
            rules,
            waiting: VecDeque::new(),
            assembled: 0,
            payloads: VecDeque::new(),
            current: Current::Empty,
            saturated: false,
            next_preferred: 0,
            sleep: Sleep::Request { since: Nanoseconds::ZERO },
            spare: Vec::new(),
        }
    }

    /// A request arrives (`DynamicBatchScheduler::Enqueue`).
    pub fn arrive(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.waiting.push_back(now);
        let wake = self.has_slot()
            && (self.rules.variable_shape()
                || self.saturated
                || self.is_stale()
                || self.queued() >= self.next_preferred);
        if wake {
            self.settle(now, out);
        }
    }

    /// An instance becomes ready for its next batch. It dequeues before the batcher wakes.
    pub fn instance_ready(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.idle += 1;
        self.dequeue(now, out);
        self.settle(now, out);
    }

    /// The time of [`Batcher::next_timer`] has come. Earlier calls do nothing.
    pub fn timer(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        if self.next_timer().is_some_and(|due| due <= now) {
            self.settle(now, out);
        }
    }

    /// When the batcher must be called if nothing else happens before.
    #[must_use]
    pub fn next_timer(&self) -> Option<Nanoseconds> {
        match self.sleep {
            // Ticks that would find the queue empty are left out.
            Sleep::Request { since } => self.waiting.get(self.assembled).map(|first| {
                let ticks = first.saturating_sub(since).get() / IDLE_TICK + 1;
                since.saturating_add(Nanoseconds::new(ticks.saturating_mul(IDLE_TICK)))
            }),
            Sleep::Slot => None,
            Sleep::Fill { until } => Some(until),
        }
    }

    /// How many requests wait, in the queue or in payloads.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the buffer of a finished batch back, to save an allocation.
    pub fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        self.spare.push(batch);
    }

    /// How many payloads wait for an instance.
    #[cfg(test)]
    pub(super) fn payloads(&self) -> usize {
        self.payloads.len()
    }

    fn queued(&self) -> usize {
        self.waiting.len() - self.assembled
    }

    fn has_slot(&self) -> bool {
        self.payloads.len() < self.rules.payload_slots()
    }

    /// `IsStaleState`: the current payload was taken by an instance, or frozen.
    fn is_stale(&self) -> bool {
        self.current == Current::Queued && self.payloads.back().is_none_or(|last| last.frozen)
    }

    /// Lets batcher and parked instances run until all of them block.
    fn settle(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        loop {
            self.run(now);
            if !self.dequeue(now, out) {
                return;
            }
        }
    }

    /// The batcher thread from one blocking point to the next (`BatcherThread`).
    fn run(&mut self, now: Nanoseconds) {
        loop {
            if self.saturated || self.is_stale() {
                self.current = Current::Empty;
                self.saturated = false;
                self.next_preferred = 0;
            }
            if self.queued() == 0 {
                self.sleep = Sleep::Request { since: now };
                return;
            }
            if !self.has_slot() {
                self.sleep = Sleep::Slot;
                return;
            }
            match self.select(now) {
                // The scan has closed the current payload; go on with a fresh one.
                Selection::Take(0) => debug_assert!(self.saturated, "the batcher makes progress"),
                Selection::Take(rows) => self.extend_current(rows),
                Selection::Wait(delay) => {
                    self.sleep = Sleep::Fill { until: now.saturating_add(delay) };
                    return;
                }
            }
        }
    }

    /// Moves the oldest `rows` queued requests to the current payload, and that to the payload queue
    /// (`RateLimiter::EnqueuePayload`) if it is not yet there.
    fn extend_current(&mut self, rows: usize) {
        match self.current {
            Current::Empty => {
                let oldest = self.waiting[self.assembled];
                self.payloads.push_back(Payload { rows, oldest, frozen: false });
                self.current = Current::Queued;
            }
            Current::Queued => {
                self.payloads.back_mut().expect("a current payload that is not stale").rows += rows;
            }
        }
        self.assembled += rows;
    }

    /// Scans the queue, which is not empty (`GetDynamicBatch`).
    fn select(&mut self, now: Nanoseconds) -> Selection {
        let (max_batch, max_preferred) = (self.rules.max_batch(), self.rules.max_preferred());
        let payload = match self.current {
            Current::Empty => 0,
            Current::Queued => self.payloads.back().map_or(0, |last| last.rows),
        };
        let queued = self.queued();
        let mut pending = 0;
        let mut best = 0;
        let mut send_now = false;
        while pending < queued {
            if payload + pending > 0 {
                if payload + pending + 1 > max_preferred && best == 0 {
                    best = pending;
                    self.saturated = true;
                }
                if payload + pending + 1 > max_batch {
                    send_now = true;
                    break;
                }
            }
            pending += 1;
            if self.rules.is_preferred(payload + pending) {
                best = pending;
            }
        }

        // The oldest of the requests that were scanned, not of those already in the payload.
        let delay = self.rules.max_queue_delay();
        let age = now.saturating_sub(self.waiting[self.assembled]);
        let no_delay = delay == Nanoseconds::ZERO;
        let exceeded = !no_delay && age >= delay;
        if best != 0 && !exceeded {
            self.saturated |= no_delay;
            return Selection::Take(best);
        }
        if pending == 0 {
            return Selection::Take(0);
        }
        if send_now || payload + pending >= max_preferred {
            self.saturated = true;
            return Selection::Take(pending);
        }
        if exceeded || no_delay {
            return Selection::Take(pending);
        }
        self.next_preferred = self.rules.next_preferred(payload + pending).saturating_sub(payload);
        if !self.saturated && payload != 0 && !self.rules.is_preferred(payload) {
            return Selection::Take(pending);
        }
        // The timer of the original counts whole microseconds.
        match (delay - age).get() / 1_000 {
            0 => Selection::Take(pending),
            micros => Selection::Wait(Nanoseconds::new(micros * 1_000)),
        }
    }

    /// An idle instance takes the first payload, if there are both (`InstanceQueue::Dequeue`).
    fn dequeue(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) -> bool {
        if self.idle == 0 {
            return false;
        }
        let Some(first) = self.payloads.pop_front() else { return false };
        let mut rows = first.rows;
        // Late merge: overdue payloads behind it join while they fit. The first that does not is
        // frozen all the same.
        let delay = self.rules.max_queue_delay();
        if delay > Nanoseconds::ZERO && self.rules.max_batch() > 1 {
            while let Some(next) = self.payloads.front_mut() {
                if now.saturating_sub(next.oldest) <= delay {
                    break;
                }
                next.frozen = true;
                if rows + next.rows > self.rules.max_batch() {
                    break;
                }
                rows += next.rows;
                self.payloads.pop_front();
            }
        }
        self.idle -= 1;
        self.assembled -= rows;
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.extend(self.waiting.drain(..rows));
        out.push(batch);
        true
    }
}
