//! One server of a GPU: a batcher and the pipelines of its instances.

use crate::draw::{HostDraw, Race, WorkDraw};
use crate::prepare::ServerRun;
use crate::source::ServerArrivals;
use crate::speed::{BadNumber, Speeds};
use crate::{Batch, Batcher, BatcherRules, ServerOutcome};
use igniter_model::domain::{GpuId, RequestRecord, WorkloadId};
use igniter_model::units::{BatchSize, Nanoseconds};

/// A batch in the pipeline of an instance. Times are set as the stages are reached.
#[derive(Debug)]
pub(super) struct BatchInFlight {
    pub(super) batch: Batch,
    /// Its number among the batches of its server.
    pub(super) number: u64,
    /// Its work as a multiple of the predicted execution time.
    pub(super) work: f64,
    pub(super) load_start: Nanoseconds,
    pub(super) load_end: Nanoseconds,
    pub(super) feedback: Nanoseconds,
    pub(super) exec_start: Nanoseconds,
    pub(super) exec_end: Nanoseconds,
}

impl BatchInFlight {
    /// Returns the batch size.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.batch.len()).expect("no more than the maximum batch size, a u32")
    }

    /// Returns the records of its requests, when the last stage is complete; `answered` has the completion time of
    /// each.
    pub(super) fn records(
        &self,
        workload: WorkloadId,
        gpu: GpuId,
        answered: &[Nanoseconds],
    ) -> impl Iterator<Item = RequestRecord> {
        self.batch.iter().zip(answered).map(move |(&arrival, &done)| RequestRecord {
            workload,
            gpu,
            batch: self.number,
            batch_size: self.rows(),
            arrival,
            load_start: self.load_start,
            load_end: self.load_end,
            exec_start: self.exec_start,
            exec_end: self.exec_end,
            done,
        })
    }
}

/// A model instance: it loads one batch while another executes or sends its results back.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// Whether it waits for the batcher.
    pub(super) ready: bool,
    /// Whether it could take a batch, but its server is paused or another server has the turn.
    pub(super) held: bool,
    /// The batch that is loading, or loaded and waiting for the one before it.
    pub(super) front: Option<BatchInFlight>,
    /// Whether `front` is loaded.
    pub(super) loaded: bool,
    /// The batch that executes or whose results are copied back.
    pub(super) back: Option<BatchInFlight>,
}

/// One server of a GPU.
#[derive(Debug)]
pub(crate) struct FullServer {
    pub(super) workload: WorkloadId,
    pub(super) arrivals: ServerArrivals,
    pub(crate) batcher: Batcher,
    pub(super) instances: Vec<Instance>,
    /// The slot of its first instance.
    pub(super) first_slot: usize,
    /// The time at which the batcher's timer event is due, if there is one.
    pub(super) timer: Option<Nanoseconds>,
    rules: BatcherRules,
    /// Number of its crashes: events from before the last crash are ignored.
    pub(super) life: u32,
    /// Number of faults that keep it down.
    pub(super) outages: u32,
    /// Whether its instances take no new batch.
    pub(super) paused: bool,
    /// Number of its pending changes.
    pub(super) changing: u32,
    /// The share that the last pending change will set, in percent, if any does.
    pub(super) coming_pct: Option<f64>,
    pub(crate) arrived: u64,
    pub(crate) completed: u64,
    pub(super) batches: u64,
    pub(super) failed: u64,
    /// The source of the work of its batches.
    work: WorkDraw,
    /// The source of completion races, where they are simulated.
    pub(super) race: Option<Race>,
    /// The source of its varying host times.
    pub(super) host: HostDraw,
    /// Host time of each request outside of the instances.
    request_overhead: Nanoseconds,
    /// The time for which each request occupies the path between clients and server, and the end of its current
    /// occupation.
    request_serial: Nanoseconds,
    path_busy_until: Nanoseconds,
    /// The time at which its instances start to accept work.
    pub(super) startup: Nanoseconds,
    /// The index of its time slot among those of the GPU, if it takes turns.
    pub(super) time_slot: Option<usize>,
    /// Load and feedback times of each batch size that has occurred.
    transfers: Vec<Option<(Nanoseconds, Nanoseconds)>>,
}

impl FullServer {
    pub(super) fn new(run: ServerRun) -> Self {
        let ServerRun {
            workload,
            arrivals,
            rules,
            slots,
            work,
            race,
            host,
            request_overhead,
            request_serial,
            startup,
            time_slot,
        } = run;
        // A server that takes turns is offered a batch when its turn starts.
        let held = startup == Nanoseconds::ZERO && time_slot.is_some();
        let ready = startup == Nanoseconds::ZERO && !held;
        let batcher = if ready {
            Batcher::new(rules.clone())
        } else {
            Batcher::without_instances(rules.clone())
        };
        let instance = |_| Instance { ready, held, ..Instance::default() };
        Self {
            workload,
            arrivals,
            batcher,
            first_slot: slots.start,
            instances: slots.map(instance).collect(),
            timer: None,
            rules,
            life: 0,
            outages: 0,
            paused: false,
            changing: 0,
            coming_pct: None,
            arrived: 0,
            completed: 0,
            batches: 0,
            failed: 0,
            work,
            race,
            host,
            request_overhead,
            request_serial,
            path_busy_until: Nanoseconds::ZERO,
            startup,
            time_slot: None,
            transfers: Vec::new(),
        }
    }

    /// Returns the time at which the client of the next request of a batch receives its answer, if the batch was copied
    /// back at `now`.
    pub(super) fn answer(&mut self, now: Nanoseconds) -> Nanoseconds {
        self.path_busy_until = self.path_busy_until.max(now).saturating_add(self.request_serial);
        self.path_busy_until.saturating_add(self.host.of_request(self.request_overhead))
    }

    /// Gives a batch to a ready instance and starts to load it. It chooses the first instance that has nothing else to
    /// do, or else the first that executes (Triton leaves the choice open). Returns the instance, and the start and end
    /// of the copy.
    pub(super) fn load(
        &mut self,
        batch: Batch,
        now: Nanoseconds,
        index: usize,
        speeds: &Speeds<'_>,
    ) -> Result<(usize, Nanoseconds, Nanoseconds), BadNumber> {
        let rows = batch.len();
        if self.transfers.len() <= rows {
            self.transfers.resize(rows + 1, None);
        }
        let (load, feedback) = match self.transfers[rows] {
            Some(known) => known,
            None => *self.transfers[rows].insert(speeds.transfers(index, rows)?),
        };
        let work = self.work.next();
        let mean_host = speeds.host_time(index, rows);
        let host = self.host.of_batch(mean_host);
        let copy_start = now.saturating_add(host);
        let load_end = now.saturating_add(load.saturating_add(host).saturating_sub(mean_host));
        let ready = (0..self.instances.len()).filter(|&i| self.instances[i].ready);
        let position = ready
            .min_by_key(|&i| self.instances[i].back.is_some())
            .expect("the batcher gives out no more batches than instances are ready");
        let instance = &mut self.instances[position];
        debug_assert!(instance.front.is_none(), "an instance loads one batch at a time");
        instance.ready = false;
        instance.loaded = false;
        instance.front = Some(BatchInFlight {
            batch,
            number: self.batches,
            work,
            load_start: now,
            load_end,
            feedback,
            exec_start: load_end,
            exec_end: load_end,
        });
        self.batches += 1;
        Ok((position, copy_start, load_end))
    }

    /// Holds its idle instances: they take no batch until they are offered one again.
    pub(super) fn hold_instances(&mut self) {
        self.batcher.withdraw_instances();
        for instance in self.instances.iter_mut().filter(|instance| instance.ready) {
            instance.ready = false;
            instance.held = true;
        }
    }

    /// Forgets the copy times, which depend on the shares of the co-location.
    pub(super) fn forget_transfers(&mut self) {
        self.transfers.clear();
    }

    /// Returns its largest batch size.
    pub(super) fn max_batch(&self) -> usize {
        self.rules.max_batch()
    }

    /// Sets the largest batch size of its batcher.
    pub(super) fn set_max_batch(&mut self, max: BatchSize) {
        self.rules = self.rules.with_max_batch(max);
        self.batcher.set_max_batch(max);
    }

    /// Crashes the server with everything in it. Returns the arrival times of the requests that it held, in order.
    pub(super) fn crash(&mut self) -> Vec<Nanoseconds> {
        let rules = self.rules.clone();
        let batcher = std::mem::replace(&mut self.batcher, Batcher::without_instances(rules));
        let mut held = batcher.into_waiting();
        for instance in &mut self.instances {
            let flights = [instance.front.take(), instance.back.take()];
            held.extend(flights.into_iter().flatten().flat_map(|flight| flight.batch));
            *instance = Instance::default();
        }
        held.sort_unstable();
        self.life += 1;
        self.timer = None;
        self.paused = false;
        self.changing = 0;
        self.coming_pct = None;
        self.failed += held.len() as u64;
        held
    }

    /// Forms batches by these rules from now on.
    pub(super) fn set_rules(
        &mut self,
        rules: BatcherRules,
        now: Nanoseconds,
        out: &mut Vec<Batch>,
    ) {
        self.rules = rules.clone();
        self.batcher.set_rules(rules, now, out);
    }

    /// Returns whether the server holds no request.
    pub(super) fn is_idle(&self) -> bool {
        let idle = |i: &Instance| i.front.is_none() && i.back.is_none();
        self.batcher.waiting() == 0 && self.instances.iter().all(idle)
    }

    /// Returns its counters.
    pub(super) fn outcome(&self) -> ServerOutcome {
        ServerOutcome {
            workload: self.workload,
            arrived: self.arrived,
            completed: self.completed,
            failed: self.failed,
            batches: self.batches,
            left: None,
            sent: self.arrivals.statistics(),
        }
    }

    /// Returns the number of requests in its instances.
    #[cfg(test)]
    pub(crate) fn in_pipeline(&self) -> usize {
        let flights = self.instances.iter().flat_map(|i| i.front.iter().chain(&i.back));
        flights.map(|flight| flight.batch.len()).sum()
    }
}
