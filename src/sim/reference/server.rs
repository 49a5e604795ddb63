//! One server of a GPU: a batcher and the pipelines of its instances.

use crate::domain::{GpuId, RequestRecord, WorkloadId};
use crate::sim::prepare::ServerRun;
use crate::sim::speed::{BadPrediction, Speeds};
use crate::sim::{Batch, Batcher, ServerOutcome};
use crate::units::Nanoseconds;
use crate::workload::{ArrivalProcess, Stream};
use rand_distr::{Distribution, Exp1};

/// A batch on its way through an instance. Times are set as the stages are reached.
#[derive(Debug)]
pub(super) struct Flight {
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

impl Flight {
    /// The batch size.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.batch.len()).expect("no more than the maximum batch size, a u32")
    }

    /// The records of its requests, when the last stage is complete.
    pub(super) fn records(
        &self,
        workload: WorkloadId,
        gpu: GpuId,
        done: Nanoseconds,
    ) -> impl Iterator<Item = RequestRecord> {
        self.batch.iter().map(move |&arrival| RequestRecord {
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
    /// The batch that is loading, or loaded and waiting for the one before it.
    pub(super) front: Option<Flight>,
    /// Whether `front` is loaded.
    pub(super) loaded: bool,
    /// The batch that executes or whose results are copied back.
    pub(super) back: Option<Flight>,
}

/// One server of a GPU.
#[derive(Debug)]
pub(in crate::sim) struct Server {
    pub(super) workload: WorkloadId,
    pub(super) arrivals: Box<dyn ArrivalProcess>,
    pub(in crate::sim) batcher: Batcher,
    pub(super) instances: Vec<Instance>,
    /// The slot of its first instance.
    pub(super) first_slot: usize,
    /// When the batcher's timer event is due, if one is.
    pub(super) timer: Option<Nanoseconds>,
    pub(in crate::sim) arrived: u64,
    pub(in crate::sim) completed: u64,
    pub(super) batches: u64,
    /// Execution times are exponential, drawn from here; `None`: exactly the predicted ones.
    service: Option<Stream>,
    /// Load and feedback time of each batch size that occurred.
    transfers: Vec<Option<(Nanoseconds, Nanoseconds)>>,
}

impl Server {
    pub(super) fn new(run: ServerRun) -> Self {
        let ServerRun { workload, arrivals, rules, slots, service } = run;
        let batcher = Batcher::new(rules);
        let instance = |_| Instance { ready: true, ..Instance::default() };
        Self {
            workload,
            arrivals,
            batcher,
            first_slot: slots.start,
            instances: slots.map(instance).collect(),
            timer: None,
            arrived: 0,
            completed: 0,
            batches: 0,
            service,
            transfers: Vec::new(),
        }
    }

    /// Gives a batch to a ready instance and starts to load it: the first that has nothing else to
    /// do, or else the first that executes (Triton leaves the choice open). Returns the instance and
    /// the end of the copy.
    pub(super) fn load(
        &mut self,
        batch: Batch,
        now: Nanoseconds,
        index: usize,
        speeds: &Speeds<'_>,
    ) -> Result<(usize, Nanoseconds), BadPrediction> {
        let rows = batch.len();
        if self.transfers.len() <= rows {
            self.transfers.resize(rows + 1, None);
        }
        let (load, feedback) = match self.transfers[rows] {
            Some(known) => known,
            None => *self.transfers[rows].insert(speeds.transfers(index, rows)?),
        };
        let work = self.service.as_mut().map_or(1.0, |random| Exp1.sample(random));
        let load_end = now.saturating_add(load);
        let ready = (0..self.instances.len()).filter(|&i| self.instances[i].ready);
        let position = ready
            .min_by_key(|&i| self.instances[i].back.is_some())
            .expect("the batcher gives out no more batches than instances are ready");
        let instance = &mut self.instances[position];
        debug_assert!(instance.front.is_none(), "an instance loads one batch at a time");
        instance.ready = false;
        instance.loaded = false;
        instance.front = Some(Flight {
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
        Ok((position, load_end))
    }

    /// Its counters.
    pub(super) fn outcome(&self) -> ServerOutcome {
        ServerOutcome {
            workload: self.workload,
            arrived: self.arrived,
            completed: self.completed,
            batches: self.batches,
        }
    }

    /// Requests that are in an instance.
    #[cfg(test)]
    pub(in crate::sim) fn in_pipeline(&self) -> usize {
        let flights = self.instances.iter().flat_map(|i| i.front.iter().chain(&i.back));
        flights.map(|flight| flight.batch.len()).sum()
    }
}
