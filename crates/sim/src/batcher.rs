//! Triton's dynamic batcher as a pure state machine.
//!
//! It follows Triton's core without priorities, for requests of one row each: the prefetch mode, and the mode without
//! prefetching where there is a queue policy. The steps correspond to functions of Triton's source:
//!
//! | here | Triton |
//! |---|---|
//! | [`Batcher::arrive`] | `DynamicBatchScheduler::Enqueue` |
//! | `run` | `DynamicBatchScheduler::BatcherThread` |
//! | `select` | `DynamicBatchScheduler::GetDynamicBatch` |
//! | [`Batcher::instance_ready`], `dequeue` | `RateLimiter::DequeuePayload`, `InstanceQueue::Dequeue` |
//! | `expire` | `PolicyQueue::ApplyPolicy`, `RejectTimeoutRequests` |
//!
//! A *payload* is a batch that waits for an instance; the last payload may still grow. Threads take no time. Three
//! races of the original have a fixed outcome here: an instance that becomes ready dequeues before the batcher thread
//! wakes (or after it, if the caller says so); a running batcher thread goes on to its next blocking point before a
//! parked instance wakes; and a wait that ends with the timeout of a request ends one nanosecond late, as no thread
//! wakes early.
//!
//! With the default options, the batcher does greedy FIFO chunking: an instance that becomes free takes the oldest
//! `max_batch` requests, or all waiting requests if there are fewer.

use super::TimeoutAction;
use super::batcher_rules::BatcherRules;
use igniter_model::domain::Failure;
use igniter_model::units::{BatchSize, Nanoseconds};
use std::collections::VecDeque;

/// The interval at which an idle batcher thread checks the queue even if nothing wakes it (`BatcherThread`:
/// `wait_microseconds = 500 * 1000`).
const IDLE_TICK: u64 = 500_000_000;

/// The arrival times of the requests of one batch, oldest first; never empty.
pub type Batch = Vec<Nanoseconds>;

/// The dynamic batcher of one server.
///
/// The owner reports events in order of time. Every call appends the batches that instances have taken to `out`, at the
/// very moment that they are taken.
#[derive(Debug, Clone)]
pub struct Batcher {
    rules: BatcherRules,
    /// The members of the payloads, payload by payload.
    assembled: VecDeque<Nanoseconds>,
    /// The scheduler queue: requests whose timeout had not passed when the batcher last checked.
    queue: VecDeque<Nanoseconds>,
    /// `delayed_queue_`: requests whose timeout has passed; they are served after `queue`.
    delayed: VecDeque<Nanoseconds>,
    /// The difference between `queued_batch_size_` and the number of queued requests: the former also counts refused
    /// requests.
    overcount: usize,
    /// Failed requests that the owner has not yet taken.
    failed: Vec<(Nanoseconds, Failure)>,
    /// `InstanceQueue`: the payloads that wait for an instance.
    payloads: VecDeque<Payload>,
    /// `curr_payload_`.
    current: Current,
    /// `payload_saturated_`: the current payload takes no more requests.
    saturated: bool,
    /// `next_preferred_batch_size_`: while fewer requests than this are queued, arrivals do not wake the batcher.
    next_preferred: usize,
    /// Number of instances that wait for a payload.
    idle: u32,
    sleep: Sleep,
    /// Buffers of finished batches, for re-use.
    spare: Vec<Batch>,
}

/// A batch in the payload queue.
#[derive(Debug, Clone, Copy)]
struct Payload {
    rows: usize,
    /// The arrival time of its oldest request (`BatcherStartNs`).
    oldest: Nanoseconds,
    /// Whether a late merge that did not fit has marked it EXECUTING: it stays queued but cannot grow.
    frozen: bool,
}

/// The place of the payload that the batcher is building.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Still empty (UNINITIALIZED).
    Empty,
    /// At the end of the payload queue (SCHEDULED), or no longer there (then it is stale).
    Queued,
}

/// What the batcher thread waits for.
#[derive(Debug, Clone, Copy)]
enum Sleep {
    /// A request; it has waited from `since`, and checks again at every [`IDLE_TICK`].
    Request { since: Nanoseconds },
    /// A slot in the payload queue, or without prefetching a parked instance (`WaitForPayloadSlotAvailable`); it has
    /// waited from `since`, and checks again at every [`IDLE_TICK`].
    Slot { since: Nanoseconds },
    /// More requests for the batch, until `until`.
    Fill { until: Nanoseconds },
}

/// The decision of a scan of the queue.
enum Selection {
    /// Move this many requests to the current payload.
    Take(usize),
    /// Scan again after this time.
    Wait(Nanoseconds),
}

impl Batcher {
    /// Creates a batcher at time 0 with all its instances idle.
    #[must_use]
    pub fn new(rules: BatcherRules) -> Self {
        Self {
            idle: rules.instances(),
            rules,
            assembled: VecDeque::new(),
            queue: VecDeque::new(),
            delayed: VecDeque::new(),
            overcount: 0,
            failed: Vec::new(),
            payloads: VecDeque::new(),
            current: Current::Empty,
            saturated: false,
            next_preferred: 0,
            sleep: Sleep::Request { since: Nanoseconds::ZERO },
            spare: Vec::new(),
        }
    }

    /// Creates a batcher at time 0 whose instances have yet to start; each becomes idle with
    /// [`Batcher::instance_ready`].
    #[must_use]
    pub fn without_instances(rules: BatcherRules) -> Self {
        Self { idle: 0, ..Self::new(rules) }
    }

    /// Adds a request that arrives at `now` (`DynamicBatchScheduler::Enqueue`). A full queue refuses it.
    pub fn arrive(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        if self.rules.max_queue_size().is_some_and(|most| self.queued() >= most) {
            self.overcount += 1;
            self.failed.push((now, Failure::Rejected));
            return;
        }
        self.queue.push_back(now);
        let wake = self.has_slot()
            && (self.rules.variable_shape()
                || self.saturated
                || self.is_stale()
                || self.queued() + self.overcount >= self.next_preferred);
        if wake {
            self.settle(now, out);
        }
    }

    /// Reports that an instance is ready for its next batch. The instance dequeues before the batcher wakes.
    pub fn instance_ready(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.idle += 1;
        self.dequeue(now, out);
        self.settle(now, out);
    }

    /// Does the same as [`Batcher::instance_ready`], but the batcher wakes before the instance dequeues (the completion
    /// race). Without prefetching, the batcher then finds no parked instance, and sleeps until an arrival or its next
    /// check.
    pub fn instance_ready_late(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.settle(now, out);
        self.idle += 1;
        if self.dequeue(now, out) {
            self.settle(now, out);
        } else if let Sleep::Slot { since } = &mut self.sleep {
            // The earlier checks found no parked instance.
            *since = last_tick(*since, now);
        }
    }

    /// Reports that the time of [`Batcher::next_timer`] has been reached. Earlier calls do nothing.
    pub fn timer(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        if self.next_timer().is_none_or(|due| due > now) {
            return;
        }
        if let Sleep::Slot { since } = &mut self.sleep {
            *since = last_tick(*since, now);
            if !self.has_slot() {
                if self.rules.timeout_action() == TimeoutAction::Reject {
                    self.overcount += self.expire(now);
                }
                return;
            }
        }
        self.settle(now, out);
    }

    /// Returns when [`Batcher::timer`] must be called if nothing else happens before.
    #[must_use]
    pub fn next_timer(&self) -> Option<Nanoseconds> {
        match self.sleep {
            // Skip ticks that would find the queue empty.
            Sleep::Request { since } => self.queue.front().map(|&first| next_tick(since, first)),
            // A slot in the payload queue wakes the batcher by a notification.
            Sleep::Slot { .. } if self.rules.prefetches() => None,
            Sleep::Slot { since } if self.has_slot() => Some(next_tick(since, since)),
            Sleep::Slot { since } => match self.rules.timeout_action() {
                TimeoutAction::Reject => {
                    self.expires().map(|expires| next_tick(since, expires.max(since)))
                }
                TimeoutAction::Delay => None,
            },
            Sleep::Fill { until } => Some(until),
        }
    }

    /// Returns the number of requests that wait, in the queue or in payloads.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.assembled.len() + self.queued()
    }

    /// Drains the requests that have failed since the last call, with their arrival times.
    pub fn take_failed(&mut self) -> std::vec::Drain<'_, (Nanoseconds, Failure)> {
        self.failed.drain(..)
    }

    /// Returns the arrival times of all waiting requests, in order.
    #[must_use]
    pub fn into_waiting(self) -> Vec<Nanoseconds> {
        let mut waiting: Vec<_> =
            self.assembled.into_iter().chain(self.queue).chain(self.delayed).collect();
        waiting.sort_unstable();
        waiting
    }

    /// Withdraws all idle instances and returns their number. Each may become idle again with
    /// [`Batcher::instance_ready`].
    pub fn withdraw_instances(&mut self) -> u32 {
        std::mem::take(&mut self.idle)
    }

    /// Sets the largest batch size, which becomes the only preferred size. Payloads that already wait for an instance
    /// stay as they are.
    pub fn set_max_batch(&mut self, max: BatchSize) {
        self.rules = self.rules.with_max_batch(max);
    }

    /// Sets new rules. Batches that already wait for an instance are formed again by them.
    pub(crate) fn set_rules(
        &mut self,
        rules: BatcherRules,
        now: Nanoseconds,
        out: &mut Vec<Batch>,
    ) {
        self.rules = rules;
        let mut waiting = std::mem::take(&mut self.assembled);
        waiting.append(&mut self.queue);
        // Delayed requests may have been assembled behind younger ones.
        waiting.make_contiguous().sort_unstable();
        self.queue = waiting;
        self.payloads.clear();
        self.current = Current::Empty;
        self.saturated = false;
        self.next_preferred = 0;
        self.sleep = Sleep::Request { since: now };
        self.settle(now, out);
    }

    /// Takes back the buffer of a finished batch, to save an allocation.
    pub fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        self.spare.push(batch);
    }

    /// Returns the number of payloads that wait for an instance.
    #[cfg(test)]
    pub(super) fn payloads(&self) -> usize {
        self.payloads.len()
    }

    fn queued(&self) -> usize {
        self.queue.len() + self.delayed.len()
    }

    /// Returns whether another payload may be queued (`PayloadSlotAvailable`).
    fn has_slot(&self) -> bool {
        let slots =
            if self.rules.prefetches() { self.rules.payload_slots() } else { self.idle as usize };
        self.payloads.len() < slots
    }

    /// Returns when the timeout of the oldest request in `queue` passes.
    fn expires(&self) -> Option<Nanoseconds> {
        Some(self.queue.front()?.saturating_add(self.rules.timeout()?))
    }

    /// Removes the requests whose timeout has passed from `queue` and returns their number. All requests have the same
    /// timeout, so these are at the front.
    fn expire(&mut self, now: Nanoseconds) -> usize {
        let mut expired = 0;
        while self.expires().is_some_and(|expires| expires < now)
            && let Some(arrival) = self.queue.pop_front()
        {
            expired += 1;
            match self.rules.timeout_action() {
                TimeoutAction::Reject => self.failed.push((arrival, Failure::TimedOut)),
                TimeoutAction::Delay => self.delayed.push_back(arrival),
            }
        }
        expired
    }

    /// Returns whether the current payload was taken by an instance, or frozen (`IsStaleState`).
    fn is_stale(&self) -> bool {
        let frozen = |last: &Payload| last.frozen || self.rules.freezes();
        self.current == Current::Queued && self.payloads.back().is_none_or(frozen)
    }

    /// Lets the batcher and parked instances run until all of them block.
    fn settle(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        loop {
            self.run(now);
            if !self.dequeue(now, out) {
                return;
            }
        }
    }

    /// Runs the batcher thread from one blocking point to the next (`BatcherThread`).
    fn run(&mut self, now: Nanoseconds) {
        if matches!(self.sleep, Sleep::Slot { .. }) && !self.has_slot() {
            return;
        }
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
                self.sleep = Sleep::Slot { since: now };
                return;
            }
            match self.select(now) {
                // The scan has closed the current payload, or found that all requests had timed out; continue.
                Selection::Take(0) => {
                    debug_assert!(
                        self.saturated || self.queued() == 0,
                        "the batcher makes progress"
                    );
                }
                Selection::Take(rows) => self.extend_current(rows),
                Selection::Wait(delay) => {
                    self.sleep = Sleep::Fill { until: now.saturating_add(delay) };
                    return;
                }
            }
        }
    }

    /// Moves the first `rows` queued requests to the current payload, and moves the payload to the payload queue if it
    /// is not yet there (`RateLimiter::EnqueuePayload`).
    fn extend_current(&mut self, rows: usize) {
        let oldest = self.oldest(rows);
        match self.current {
            Current::Empty => {
                self.payloads.push_back(Payload { rows, oldest, frozen: false });
                self.current = Current::Queued;
            }
            Current::Queued => {
                let last = self.payloads.back_mut().expect("a current payload that is not stale");
                last.rows += rows;
                last.oldest = last.oldest.min(oldest);
            }
        }
        let in_time = rows.min(self.queue.len());
        self.assembled.extend(self.queue.drain(..in_time));
        self.assembled.extend(self.delayed.drain(..rows - in_time));
    }

    /// Returns the arrival time of the oldest of the first `rows` queued requests; `rows` is at least 1.
    fn oldest(&self, rows: usize) -> Nanoseconds {
        // Every delayed request arrived before all requests in `queue`.
        let first = if rows > self.queue.len() { self.delayed.front() } else { self.queue.front() };
        *first.expect("as many queued requests as were asked for")
    }

    /// Scans the queue, which is not empty (`GetDynamicBatch`).
    fn select(&mut self, now: Nanoseconds) -> Selection {
        self.expire(now);
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

        if pending == 0 {
            return Selection::Take(0);
        }

        // Use the oldest request of this scan, not the oldest of those already in the payload.
        let delay = self.rules.max_queue_delay();
        let age = now.saturating_sub(self.oldest(pending));
        let no_delay = delay == Nanoseconds::ZERO;
        let exceeded = !no_delay && age >= delay;
        if best != 0 && !exceeded {
            self.saturated |= no_delay;
            return Selection::Take(best);
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
        // The timers of the original count whole microseconds.
        let fill = delay - age;
        let expiry = self.expires().map(|expires| expires.saturating_sub(now));
        let (wait, sleep) = match expiry {
            Some(expiry) if expiry < fill => (expiry, expiry.saturating_add(Nanoseconds::new(1))),
            _ => (fill, Nanoseconds::new(fill.get() / 1_000 * 1_000)),
        };
        match wait.get() / 1_000 {
            0 => Selection::Take(pending),
            _ => Selection::Wait(sleep),
        }
    }

    /// Lets an idle instance take the first payload, if there are both (`InstanceQueue::Dequeue`). Returns whether it
    /// did.
    fn dequeue(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) -> bool {
        if self.idle == 0 {
            return false;
        }
        let Some(first) = self.payloads.pop_front() else { return false };
        let mut rows = first.rows;
        // Late merge: overdue payloads behind the first join it while they fit. The first payload that does not fit is
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
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.extend(self.assembled.drain(..rows));
        if self.rules.timeout().is_some() {
            // Delayed requests are behind requests that arrived later.
            batch.sort_unstable();
        }
        out.push(batch);
        true
    }
}

/// Returns the first check of the queue after `now`, of those every [`IDLE_TICK`] after `since`.
fn next_tick(since: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
    last_tick(since, now).saturating_add(Nanoseconds::new(IDLE_TICK))
}

/// Returns the last check up to `now`, of those every [`IDLE_TICK`] from `since` on.
fn last_tick(since: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
    let ticks = now.saturating_sub(since).get() / IDLE_TICK;
    since.saturating_add(Nanoseconds::new(ticks * IDLE_TICK))
}
