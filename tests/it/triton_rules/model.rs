//! Triton's dynamic batcher, written down rule by rule.
//!
//! It knows nothing of the engine: no code of `crates/sim` is used, requests are numbers, and each rule is
//! written as it is described, not as it is fast. One model, one server, requests of one row, no priorities.
//! The words are Triton's: scheduler queue, current payload, payload queue, saturated, stale.

use std::collections::VecDeque;

/// Nanoseconds.
pub(crate) type Time = u64;

const TICK: Time = 500_000_000;

/// What the configuration of the model says.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// `max_batch_size`: M.
    pub(crate) max_batch: usize,
    /// `preferred_batch_size`: F. Never empty.
    pub(crate) preferred: Vec<usize>,
    /// `max_queue_delay_microseconds`: D, in ns.
    pub(crate) delay: Time,
    /// `instance_group.count`: N.
    pub(crate) instances: usize,
    /// An input with a −1 dimension.
    pub(crate) equal_shapes_enforced: bool,
    /// `max_queue_size`; 0: none.
    pub(crate) max_queue_size: usize,
    /// `default_timeout_microseconds`, in ns; 0: none.
    pub(crate) timeout: Time,
    /// `timeout_action` is DELAY, not REJECT.
    pub(crate) delays: bool,
    /// Releases 21.09 to 21.12: a batch in the payload queue never grows, and there are always places for 2N.
    pub(crate) freezes: bool,
}

impl Config {
    /// `support_prefetching`.
    fn prefetching(&self) -> bool {
        self.freezes || (self.timeout == 0 && self.max_queue_size == 0)
    }

    fn max_preferred(&self) -> usize {
        *self.preferred.iter().max().unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: usize,
    pub(crate) batcher_start: Time,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Uninitialized,
    Scheduled,
    /// Or later.
    Executing,
}

#[derive(Debug, Clone)]
struct Payload {
    number: usize,
    state: State,
    requests: Vec<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum WaitsFor {
    /// Step 2: the queue is empty.
    Requests { deadline: Time },
    /// Step 3: no slot.
    Slot { deadline: Time },
    /// Step 8: the batch may grow.
    More { deadline: Time },
}

/// The state of one model.
#[derive(Debug)]
pub(crate) struct Model {
    config: Config,
    /// Unexpired and delayed requests of the one priority level.
    unexpired: VecDeque<Request>,
    delayed: VecDeque<Request>,
    /// `queued_batch_size_`, which may drift up.
    queued_rows: usize,
    /// `curr_payload_`; a copy of it may be the last of the payload queue.
    current: Payload,
    payloads_made: usize,
    payload_saturated: bool,
    next_preferred: usize,
    payload_queue: VecDeque<Payload>,
    parked: usize,
    thread: WaitsFor,
    /// Batches that instances have taken, until the driver asks.
    pub(crate) taken: Vec<Vec<Request>>,
    /// Requests that failed, until the driver asks.
    pub(crate) refused: Vec<Request>,
    pub(crate) expired: Vec<Request>,
}

impl Model {
    /// At time 0 every instance is parked.
    pub(crate) fn new(config: Config) -> Self {
        Self {
            parked: config.instances,
            config,
            unexpired: VecDeque::new(),
            delayed: VecDeque::new(),
            queued_rows: 0,
            current: Payload { number: 0, state: State::Uninitialized, requests: Vec::new() },
            payloads_made: 1,
            payload_saturated: false,
            next_preferred: 0,
            payload_queue: VecDeque::new(),
            thread: WaitsFor::Requests { deadline: TICK },
            taken: Vec::new(),
            refused: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// How many requests no instance has taken yet.
    pub(crate) fn unfinished(&self) -> usize {
        let assembled = self.payload_queue.iter().map(|payload| payload.requests.len());
        self.unexpired.len() + self.delayed.len() + assembled.sum::<usize>()
    }

    fn queue_is_empty(&self) -> bool {
        self.unexpired.is_empty() && self.delayed.is_empty()
    }

    fn slot_available(&self) -> bool {
        if self.config.prefetching() {
            self.payload_queue.len() < 2 * self.config.instances
        } else {
            self.payload_queue.len() < self.parked
        }
    }

    fn current_is_stale(&self) -> bool {
        // The state of a payload in the queue is the state of the current payload that it is.
        match self.current.state {
            State::Uninitialized => false,
            State::Executing => true,
            State::Scheduled if self.config.freezes => true,
            State::Scheduled => self
                .payload_queue
                .iter()
                .find(|payload| payload.number == self.current.number)
                .is_none_or(|payload| payload.state == State::Executing),
        }
    }

    /// A request arrives.
    pub(crate) fn enqueue(&mut self, request: Request) {
        let now = request.batcher_start;
        self.queued_rows += 1;
        let size = self.unexpired.len() + self.delayed.len();
        if self.config.max_queue_size > 0 && size >= self.config.max_queue_size {
            self.refused.push(request);
            return;
        }
        self.unexpired.push_back(request);
        let mut wake = self.slot_available();
        if !self.config.equal_shapes_enforced {
            wake &= self.payload_saturated
                || self.current_is_stale()
                || self.queued_rows >= self.next_preferred;
        }
        if wake {
            self.batcher_wakes(now);
        }
    }

    /// An instance has finished its batch. `batcher_first`: the batcher thread, which is notified, runs
    /// before the instance asks for its next payload.
    pub(crate) fn completed(&mut self, now: Time, batcher_first: bool) {
        if batcher_first {
            self.batcher_wakes(now);
        }
        self.parked += 1;
        let took_one = self.instance_dequeues(now);
        if !batcher_first || took_one {
            self.batcher_wakes(now);
        }
    }

    /// When the batcher thread wakes by itself.
    pub(crate) fn deadline(&self) -> Time {
        match self.thread {
            WaitsFor::Requests { deadline }
            | WaitsFor::Slot { deadline }
            | WaitsFor::More { deadline } => deadline,
        }
    }

    /// It does.
    pub(crate) fn deadline_passed(&mut self, now: Time) {
        if let WaitsFor::Slot { .. } = self.thread
            && !self.slot_available()
        {
            if !self.config.delays && !self.config.freezes {
                // These stay in `queued_rows`.
                while self.unexpired.front().is_some_and(|request| self.is_expired(request, now)) {
                    self.expired.extend(self.unexpired.pop_front());
                }
            }
            self.thread = WaitsFor::Slot { deadline: now + TICK };
            return;
        }
        self.batcher_wakes(now);
    }

    fn is_expired(&self, request: &Request, now: Time) -> bool {
        self.config.timeout > 0 && now > request.batcher_start + self.config.timeout
    }

    /// The batcher thread is notified: it runs to its next blocking point; then parked instances take what
    /// is there, which notifies it again.
    fn batcher_wakes(&mut self, now: Time) {
        loop {
            self.batcher_thread(now);
            if !self.instance_dequeues(now) {
                return;
            }
        }
    }

    fn batcher_thread(&mut self, now: Time) {
        if let WaitsFor::Slot { .. } = self.thread
            && !self.slot_available()
        {
            return;
        }
        loop {
            // 1
            if self.payload_saturated || self.current_is_stale() {
                let number = self.payloads_made;
                self.payloads_made += 1;
                self.current =
                    Payload { number, state: State::Uninitialized, requests: Vec::new() };
                self.payload_saturated = false;
                self.next_preferred = 0;
            }
            // 2
            if self.queue_is_empty() {
                self.thread = WaitsFor::Requests { deadline: now + TICK };
                return;
            }
            // 3
            if !self.slot_available() {
                self.thread = WaitsFor::Slot { deadline: now + TICK };
                return;
            }
            // 4: nobody holds a lock for any time.
            // 5, 6
            let (pending, wait) = self.get_dynamic_batch(now);
            // 7
            if wait == 0 && pending > 0 {
                self.queued_rows -= pending;
                for _ in 0..pending {
                    let request =
                        self.unexpired.pop_front().or_else(|| self.delayed.pop_front()).unwrap();
                    self.current.requests.push(request);
                }
                // 9
                if self.current.state == State::Uninitialized {
                    self.current.state = State::Scheduled;
                    self.payload_queue.push_back(self.current.clone());
                } else {
                    let number = self.current.number;
                    let queued = self.payload_queue.iter_mut().find(|p| p.number == number);
                    queued.unwrap().requests.clone_from(&self.current.requests);
                }
            }
            // 8
            if wait > 0 {
                self.thread = WaitsFor::More { deadline: now + wait };
                return;
            }
        }
    }

    /// How many requests from the front of the queue are pending, and how long to wait (ns).
    fn get_dynamic_batch(&mut self, now: Time) -> (usize, Time) {
        let Config { max_batch, delay, .. } = self.config;
        let max_preferred = self.config.max_preferred();
        let is_preferred = |rows: usize| self.config.preferred.contains(&rows);
        // Expired requests are dropped or moved as they are met.
        while self.unexpired.front().is_some_and(|request| self.is_expired(request, now)) {
            let request = self.unexpired.pop_front().unwrap();
            if self.config.delays {
                self.delayed.push_back(request);
            } else {
                self.queued_rows -= 1;
                self.expired.push(request);
            }
        }
        let p = self.current.requests.len();
        let mut scanned: Vec<Request> = Vec::new();
        let mut best = 0;
        let mut send_now = false;
        for request in self.unexpired.iter().chain(&self.delayed) {
            let s = scanned.len();
            if p + s > 0 {
                // 2a
                if p + s + 1 > max_preferred && best == 0 {
                    best = s;
                    self.payload_saturated = true;
                }
                // 2b
                if p + s + 1 > max_batch {
                    send_now = true;
                    break;
                }
            }
            // 3
            scanned.push(*request);
            if is_preferred(p + scanned.len()) {
                best = scanned.len();
            }
        }
        let s = scanned.len();
        let oldest = scanned.iter().map(|request| request.batcher_start).min();
        let age = oldest.map_or(0, |oldest| now - oldest);
        let exceeded = delay > 0 && age >= delay;
        // A
        if best != 0 && !exceeded {
            if delay == 0 {
                self.payload_saturated = true;
            }
            return (best, 0);
        }
        // B
        if s == 0 {
            return (0, 0);
        }
        // C
        if send_now || p + s >= max_preferred {
            self.payload_saturated = true;
            return (s, 0);
        }
        // D
        if exceeded || delay == 0 {
            return (s, 0);
        }
        // E
        let above = self.config.preferred.iter().copied().filter(|f| *f > p + s).min();
        let smallest = *self.config.preferred.iter().min().unwrap();
        // Unsigned in the original; the smallest size is never below a payload that can still grow here,
        // but for one that is above all sizes, which wakes for every arrival.
        self.next_preferred = above.unwrap_or(smallest).saturating_sub(p);
        // E1
        if !self.payload_saturated && p != 0 && !is_preferred(p) {
            return (s, 0);
        }
        // E2
        let wait = delay - age;
        let timeouts = self.unexpired.iter().take(s).map(|r| r.batcher_start + self.config.timeout);
        let nearest = timeouts.min().filter(|_| self.config.timeout > 0);
        if let Some(nearest) = nearest
            && nearest - now < wait
        {
            let wait = nearest - now;
            // No thread wakes before its time, so at the timeout it is past.
            return if wait < 1_000 { (s, 0) } else { (s, wait + 1) };
        }
        (s, wait / 1_000 * 1_000)
    }

    /// A parked instance takes the first payload, if there are both.
    fn instance_dequeues(&mut self, now: Time) -> bool {
        if self.parked == 0 {
            return false;
        }
        let Some(mut payload) = self.payload_queue.pop_front() else { return false };
        self.parked -= 1;
        // Late merge.
        if self.config.delay > 0 && self.config.max_batch > 1 {
            while let Some(front) = self.payload_queue.front_mut() {
                let oldest = front.requests.iter().map(|r| r.batcher_start).min().unwrap();
                if now - oldest <= self.config.delay {
                    break;
                }
                front.state = State::Executing;
                if payload.requests.len() + front.requests.len() > self.config.max_batch {
                    break;
                }
                let merged = self.payload_queue.pop_front().unwrap();
                payload.requests.extend(merged.requests);
            }
        }
        self.taken.push(payload.requests);
        true
    }
}
