//! One server with its instance.

use crate::ServerOutcome;
use crate::draw::WorkDraw;
use crate::fast::states::States;
use crate::fast::stream::ArrivalStream;
use crate::prepare::ServerRun;
use crate::source::ServerArrivals;
use igniter_model::domain::{BatchRecord, GpuId, WorkloadId};
use igniter_model::units::Nanoseconds;

/// The next event of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextEvent {
    /// The batch in front starts, or no further event occurs.
    Start,
    /// The execution ends.
    End,
    /// The results are on the host.
    Done,
}

/// A batch that is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadedBatch {
    pub(super) rows: u32,
    pub(super) load_start: Nanoseconds,
    pub(super) load_end: Nanoseconds,
    pub(super) feedback: Nanoseconds,
}

/// One server with its instance.
#[derive(Debug)]
pub(super) struct LeanServer {
    pub(super) arrivals: ArrivalStream,
    pub(super) max: usize,
    pub(super) work: WorkDraw,
    pub(super) request_overhead: Nanoseconds,
    /// Load and feedback times of each batch size that has occurred.
    pub(super) transfers: Vec<Option<(Nanoseconds, Nanoseconds)>>,
    pub(super) next: NextEvent,
    /// The batch in front, and its work. If it has no rows, the instance takes the next request when it arrives.
    pub(super) front: LoadedBatch,
    pub(super) front_work: f64,
    /// The batch that executes or whose results are copied back, in its current state: the number of its requests, the
    /// time of its feedback, and its record. The batch number in the record is the number of batches that are done.
    pub(super) rows: u32,
    pub(super) feedback: Nanoseconds,
    pub(super) record: BatchRecord,
    /// Number of requests that are done, which is also the number of the next request to be done.
    pub(super) completed: u64,
    /// Its bit in a set of servers.
    pub(super) bit: u32,
    /// The amount by which one executing request raises the number of a set of batches.
    pub(super) stride: u64,
}

impl LeanServer {
    pub(super) fn new(run: ServerRun, gpu: GpuId) -> Self {
        let ServerRun { workload, arrivals, rules, work, request_overhead, .. } = run;
        let max = rules.max_batch();
        let process = match arrivals {
            ServerArrivals::Open(process) => Some(process),
            ServerArrivals::Closed(_) => None,
        };
        let absent = Self::absent();
        Self {
            arrivals: ArrivalStream::new(process),
            max,
            work,
            request_overhead,
            transfers: vec![None; max + 1],
            record: BatchRecord { workload, gpu, ..absent.record },
            ..absent
        }
    }

    /// Creates a placeholder for a missing server.
    pub(super) fn absent() -> Self {
        let none = Nanoseconds::ZERO;
        let record = BatchRecord {
            workload: WorkloadId::new(0),
            gpu: GpuId::new(0),
            batch: 0,
            load_start: none,
            load_end: none,
            exec_start: none,
            exec_end: none,
            done: none,
        };
        Self {
            arrivals: ArrivalStream::new(None),
            max: 0,
            work: WorkDraw::new(None, None),
            request_overhead: none,
            transfers: Vec::new(),
            next: NextEvent::Start,
            front: LoadedBatch::default(),
            front_work: 0.0,
            rows: 0,
            feedback: none,
            record,
            completed: 0,
            bit: 0,
            stride: 0,
        }
    }

    /// Sets its position among the servers of the engine.
    pub(super) fn put(&mut self, place: usize, states: &States<'_>) {
        self.bit = 1 << place;
        self.stride = states.stride(place);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn refill(&mut self, count: usize) {
        self.arrivals.refill(count, self.completed);
    }

    /// Returns the number of waiting requests, up to the size of a batch.
    #[inline(always)]
    pub(super) fn waiting(&mut self, now: Nanoseconds) -> usize {
        let Some(next) = self.arrivals.ahead(self.max) else { return self.waiting_at_last(now) };
        next.iter().position(|&arrival| arrival > now).unwrap_or(next.len())
    }

    /// Does the same where fewer arrivals are known than a batch can take; usually more can be drawn.
    #[cold]
    #[inline(never)]
    fn waiting_at_last(&mut self, now: Nanoseconds) -> usize {
        if self.arrivals.lacks(self.max) {
            self.refill(self.max);
        }
        self.arrivals.waiting(now, self.max)
    }

    /// Returns its counters.
    pub(super) fn outcome(&self) -> ServerOutcome {
        ServerOutcome {
            workload: self.record.workload,
            arrived: self.arrivals.taken(),
            completed: self.completed,
            failed: 0,
            batches: self.record.batch,
            left: None,
            sent: None,
        }
    }
}
