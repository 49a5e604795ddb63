//! One server of a GPU with its batcher, and the slots of its instances.

use super::stream::ArrivalStream;
use crate::arrivals::Clients;
use crate::draw::{Race, WorkDraw};
use crate::prepare::ServerRun;
use crate::source::ServerArrivals;
use crate::{Batcher, ServerOutcome};
use igniter_model::domain::WorkloadId;
use igniter_model::units::Nanoseconds;
use std::ops::Range;

/// The state of a lane that follows the full rules of its batcher.
#[derive(Debug)]
pub(super) struct Ruled {
    pub(super) batcher: Batcher,
    /// The time at which the batcher's timer is due, if there is one.
    pub(super) timer: Option<Nanoseconds>,
    /// Number of requests that were passed to the batcher and are not in a batch yet.
    pub(super) told: usize,
    /// The clients that send the requests, if they wait for answers. In that case every request that was sent was also
    /// passed to the batcher.
    pub(super) clients: Option<Box<Clients>>,
}

/// One server of a GPU.
#[derive(Debug)]
pub(super) struct ServerLane {
    pub(super) workload: WorkloadId,
    pub(super) arrivals: ArrivalStream,
    /// The largest batch size.
    pub(super) max: usize,
    /// The full rules of its batcher, if it needs them: then every arrival is on the agenda.
    ///
    /// Without a queue delay, and with the largest batch as the only preferred size, the rules amount to greedy FIFO
    /// chunking: a ready instance takes the waiting requests, up to `max`. An arrival then needs no event, unless
    /// `waits_for_request`.
    pub(super) ruled: Option<Box<Ruled>>,
    /// Whether the lane is greedy and has a ready instance that found no request: the next arrival is on the agenda.
    pub(super) waits_for_request: bool,
    /// The slots of its instances.
    pub(super) slots: Range<usize>,
    /// Number of its instances that are ready for a batch.
    pub(super) ready: usize,
    pub(super) completed: u64,
    pub(super) batches: u64,
    /// The source of the work of its batches.
    pub(super) work: WorkDraw,
    /// The source of completion races, where they are simulated.
    pub(super) race: Option<Race>,
    /// Host time of each request outside of the instances.
    pub(super) request_overhead: Nanoseconds,
    /// The time at which its instances start to accept work.
    pub(super) startup: Nanoseconds,
    /// Load and feedback times of each batch size that has occurred.
    pub(super) transfers: Vec<Option<(Nanoseconds, Nanoseconds)>>,
}

impl ServerLane {
    pub(super) fn new(run: ServerRun) -> Self {
        // Varying host times, a serial path for requests, and turns are only in the full engine.
        let ServerRun {
            workload,
            arrivals,
            rules,
            slots,
            work,
            race,
            host: _,
            request_overhead,
            request_serial: _,
            startup,
            time_slot: _,
        } = run;
        let max = rules.max_batch();
        let (process, clients) = match arrivals {
            ServerArrivals::Open(process) => (Some(process), None),
            ServerArrivals::Closed(clients) => (None, Some(clients)),
        };
        let ruled = (!rules.is_greedy() || clients.is_some()).then(|| {
            let batcher = match startup {
                Nanoseconds::ZERO => Batcher::new(rules),
                _ => Batcher::without_instances(rules),
            };
            Box::new(Ruled { batcher, timer: None, told: 0, clients })
        });
        Self {
            workload,
            arrivals: ArrivalStream::new(process),
            max,
            ruled,
            waits_for_request: false,
            ready: if startup == Nanoseconds::ZERO { slots.len() } else { 0 },
            slots,
            completed: 0,
            batches: 0,
            work,
            race,
            request_overhead,
            startup,
            transfers: vec![None; max + 1],
        }
    }

    /// Returns its counters at the end of the run.
    pub(super) fn outcome(&self) -> ServerOutcome {
        let clients = self.ruled.as_ref().and_then(|ruled| ruled.clients.as_ref());
        let sent = clients.map(|clients| clients.statistics());
        ServerOutcome {
            workload: self.workload,
            arrived: self.arrivals.taken(),
            completed: self.completed,
            failed: 0,
            batches: self.batches,
            left: None,
            sent,
        }
    }
}

/// A batch in the pipeline of an instance. Times are set as the stages are reached.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LaneBatch {
    /// The number of its first request among the arrivals of its lane.
    pub(super) first: u64,
    /// Its number among the batches of its lane.
    pub(super) number: u64,
    pub(super) load_start: Nanoseconds,
    pub(super) load_end: Nanoseconds,
    pub(super) exec_start: Nanoseconds,
    pub(super) exec_end: Nanoseconds,
    pub(super) feedback: Nanoseconds,
    pub(super) rows: u32,
}

/// The batch that an instance loads while another one executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// There is no such batch.
    Free,
    /// The batch executes as soon as it is loaded, which is on the agenda.
    Loading,
    /// The batch executes when it is loaded and the batch before it is done. The end of its load is not on the agenda:
    /// it is usually long before that.
    Behind,
}

/// An instance: it loads one batch while another executes or sends its results back.
#[derive(Debug)]
pub(super) struct InstanceSlot {
    pub(super) lane: u32,
    /// Whether it waits for the batcher.
    pub(super) ready: bool,
    /// Whether a batch executes or its results are copied back.
    pub(super) busy: bool,
    pub(super) front: Front,
    /// The batch that executes.
    pub(super) back: LaneBatch,
    /// The batch in front.
    pub(super) next: LaneBatch,
    /// The work of the batch in front, as a multiple of the predicted execution time.
    pub(super) work: f64,
    /// The rank of the end of the load of the batch in front.
    pub(super) load_rank: u64,
}

impl InstanceSlot {
    pub(super) fn new(lane: u32, ready: bool) -> Self {
        let (back, next) = (LaneBatch::default(), LaneBatch::default());
        Self { lane, ready, busy: false, front: Front::Free, back, next, work: 0.0, load_rank: 0 }
    }

    /// Returns the number of the oldest request that is still in the instance.
    pub(super) fn oldest(&self) -> Option<u64> {
        match (self.busy, self.front) {
            (true, _) => Some(self.back.first),
            (false, Front::Free) => None,
            (false, _) => Some(self.next.first),
        }
    }
}
