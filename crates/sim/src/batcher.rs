//! Triton's dynamic batcher as a pure state machine.
//!
//! It follows Triton's core without priorities, for requests of one row each: the prefetch mode, and with
//! a queue policy the mode without prefetching. Each step is named for the function of Triton's source
//! that it stands for:
//!
//! | here | Triton |
//! |---|---|
//! | [`Batcher::arrive`] | `DynamicBatchScheduler::Enqueue` |
//! | `run` | `DynamicBatchScheduler::BatcherThread` |
//! | `select` | `DynamicBatchScheduler::GetDynamicBatch` |
//! | [`Batcher::instance_ready`], `dequeue` | `RateLimiter::DequeuePayload`, `InstanceQueue::Dequeue` |
//! | `expire` | `PolicyQueue::ApplyPolicy`, `RejectTimeoutRequests` |
//!
//! A *payload* is a batch that waits for an instance; the last one may still grow. Threads take no
//! time. Three races of the original are settled here: an instance that becomes ready dequeues before
//! the batcher thread wakes (or after it, where the owner says so); a running batcher thread goes on to
//! its next blocking point before a parked instance wakes; and a wait that ends with the timeout of a
//! request ends a nanosecond late, as no thread wakes early.
//!
//! With the default options this is greedy FIFO chunking: an instance that becomes free takes the
//! oldest `max_batch` requests, or as many as there are.

use super::TimeoutAction;
use super::batcher_rules::BatcherRules;
use igniter_model::domain::Failure;
use igniter_model::units::{BatchSize, Nanoseconds};
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
    /// The members of the payloads, payload by payload.
    assembled: VecDeque<Nanoseconds>,
    /// The scheduler queue: those whose timeout has not passed, as far as the batcher has looked.
    queue: VecDeque<Nanoseconds>,
    /// `delayed_queue_`: those whose timeout has passed, which are served after `queue`.
    delayed: VecDeque<Nanoseconds>,
    /// By how much `queued_batch_size_` is above the number of queued requests: it counts refused ones.
    overcount: usize,
    /// Those that failed, until the owner asks for them.
    failed: Vec<(Nanoseconds, Failure)>,
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
    /// A place in the payload queue, or without prefetching a parked instance
    /// (`WaitForPayloadSlotAvailable`); since then, looking again at every [`IDLE_TICK`].
    Slot { since: Nanoseconds },
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

    /// A batcher at time 0 whose instances have yet to start: each becomes idle with
    /// [`Batcher::instance_ready`].
    #[must_use]
    pub fn without_instances(rules: BatcherRules) -> Self {
        Self { idle: 0, ..Self::new(rules) }
    }

    /// A request arrives (`DynamicBatchScheduler::Enqueue`). A full queue refuses it.
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

    /// An instance becomes ready for its next batch. It dequeues before the batcher wakes.
    pub fn instance_ready(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.idle += 1;
        self.dequeue(now, out);
        self.settle(now, out);
    }

    /// As [`Batcher::instance_ready`], but the batcher wakes before the instance dequeues (the completion
    /// race). Without prefetching it then finds nobody parked, and sleeps on until an arrival or its next
    /// look.
    pub fn instance_ready_late(&mut self, now: Nanoseconds, out: &mut Vec<Batch>) {
        self.settle(now, out);
        self.idle += 1;
        if self.dequeue(now, out) {
            self.settle(now, out);
        } else if let Sleep::Slot { since } = &mut self.sleep {
            // The looks that have passed found nobody.
            *since = last_tick(*since, now);
        }
    }

    /// The time of [`Batcher::next_timer`] has come. Earlier calls do nothing.
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

    /// When the batcher must be called if nothing else happens before.
    #[must_use]
    pub fn next_timer(&self) -> Option<Nanoseconds> {
        match self.sleep {
            // Ticks that would find the queue empty are left out.
            Sleep::Request { since } => self.queue.front().map(|&first| next_tick(since, first)),
            // A place in the payload queue comes with a notification.
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

    /// How many requests wait, in the queue or in payloads.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.assembled.len() + self.queued()
    }

    /// The requests that have failed since the last call, with their arrivals.
    pub fn take_failed(&mut self) -> std::vec::Drain<'_, (Nanoseconds, Failure)> {
        self.failed.drain(..)
    }

    /// All requests that wait, in order of arrival.
    #[must_use]
    pub fn into_waiting(self) -> Vec<Nanoseconds> {
        let mut waiting: Vec<_> =
            self.assembled.into_iter().chain(self.queue).chain(self.delayed).collect();
        waiting.sort_unstable();
        waiting
    }

    /// No instance is idle any more; returns how many were. Each may come back with
    /// [`Batcher::instance_ready`].
    pub fn withdraw_instances(&mut self) -> u32 {
        std::mem::take(&mut self.idle)
    }

    /// From now on batches have at most this size, and the batcher waits for no smaller one. Those that
    /// wait for an instance stay as they are.
    pub fn set_max_batch(&mut self, max: BatchSize) {
        self.rules = self.rules.with_max_batch(max);
    }

    /// From now on batches are formed by these rules, also of those that wait for an instance already.
    pub(crate) fn set_rules(
        &mut self,
        rules: BatcherRules,
        now: Nanoseconds,
        out: &mut Vec<Batch>,
    ) {
        self.rules = rules;
        let mut waiting = std::mem::take(&mut self.assembled);
        waiting.append(&mut self.queue);
        // Those whose timeout had passed may have been assembled behind younger ones.
        waiting.make_contiguous().sort_unstable();
        self.queue = waiting;
        self.payloads.clear();
        self.current = Current::Empty;
        self.saturated = false;
        self.next_preferred = 0;
        self.sleep = Sleep::Request { since: now };
        self.settle(now, out);
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
        self.queue.len() + self.delayed.len()
    }

    /// `PayloadSlotAvailable`.
    fn has_slot(&self) -> bool {
        let slots =
            if self.rules.prefetches() { self.rules.payload_slots() } else { self.idle as usize };
        self.payloads.len() < slots
    }

    /// When the timeout of the oldest request in `queue` passes.
    fn expires(&self) -> Option<Nanoseconds> {
        Some(self.queue.front()?.saturating_add(self.rules.timeout()?))
    }

    /// Takes those whose timeout has passed out of `queue`; returns how many. All have the same timeout, so
    /// they are at its front.
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

    /// `IsStaleState`: the current payload was taken by an instance, or frozen.
    fn is_stale(&self) -> bool {
        let frozen = |last: &Payload| last.frozen || self.rules.freezes();
        self.current == Current::Queued && self.payloads.back().is_none_or(frozen)
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
                // The scan has closed the current payload, or found nobody in time; go on.
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

    /// Moves the first `rows` queued requests to the current payload, and that to the payload queue
    /// (`RateLimiter::EnqueuePayload`) if it is not yet there.
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

    /// The arrival of the oldest of the first `rows` queued requests, of which there is one at least.
    fn oldest(&self, rows: usize) -> Nanoseconds {
        // Who is delayed came before all who are not.
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

        // The oldest of the requests that were scanned, not of those already in the payload.
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
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.extend(self.assembled.drain(..rows));
        if self.rules.timeout().is_some() {
            // Who was delayed is behind those who came later.
            batch.sort_unstable();
        }
        out.push(batch);
        true
    }
}

/// The first look at the queue after `now`, of those every [`IDLE_TICK`] after `since`.
fn next_tick(since: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
    last_tick(since, now).saturating_add(Nanoseconds::new(IDLE_TICK))
}

/// The last look until `now`, of those every [`IDLE_TICK`] from `since` on.
fn last_tick(since: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
    let ticks = now.saturating_sub(since).get() / IDLE_TICK;
    since.saturating_add(Nanoseconds::new(ticks * IDLE_TICK))
}
