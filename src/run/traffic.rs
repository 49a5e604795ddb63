//! Presents a study to planners: its arrivals, the traits of its servers, and trial runs of a plan.

use super::Study;
use crate::arrivals::ArrivalSpec;
use crate::domain::{
    BatchRecord, FailedRequest, GpuId, GpuInterval, Plan, RecordSink, RequestRecord, Workload,
};
use crate::metrics::Window;
use crate::plan::{
    AloneOutcome, AloneServer, ArrivalModel, Luck, RunLength, ServerTraits, Traffic, Trial,
};
use crate::sim::{
    BatchingSpec, Interference, LoadOverlap, ServiceTime, SimInput, SimWorkload, simulate,
};
use crate::units::Nanoseconds;

/// Base seed of draws for planning; [`TRIALS`] is that of trial runs. Both are far from the seeds that people choose,
/// and from each other.
const DRAWS: u64 = 0x706c_616e_0000_0000;
const TRIALS: u64 = 0x7472_6961_6c00_0000;

/// Returns the seed of a draw for planning.
pub(super) const fn draws_seed(number: u64) -> u64 {
    DRAWS + number
}

impl Traffic for Study {
    fn arrivals(&self, workload: &Workload) -> ArrivalModel {
        match self.sim_workload(workload) {
            None => ArrivalModel::Poisson,
            Some(entry) => arrivals(&entry.arrival),
        }
    }

    fn server(&self, workload: &Workload) -> ServerTraits {
        self.sim_workload(workload).map_or_else(ServerTraits::default, |entry| self.traits(entry))
    }

    fn run(&self) -> RunLength {
        let scenario = self.scenario();
        let ms = |time: Nanoseconds| time.as_f64() / 1e6;
        RunLength {
            duration_ms: ms(scenario.duration),
            warmup_ms: ms(scenario.warmup),
            cooldown_ms: ms(scenario.cooldown),
        }
    }

    fn draw(&self, workload: &Workload, number: u64) -> Result<Vec<f64>, String> {
        let Some(entry) = self.sim_workload(workload) else { return Ok(Vec::new()) };
        let duration = self.scenario().duration;
        let built =
            entry.arrival.build(&workload.name, workload.rate, duration, draws_seed(number));
        let mut process = built.map_err(|error| error.to_string())?;
        let mut times = Vec::new();
        let mut drawn = Vec::new();
        loop {
            drawn.clear();
            process.fill(BLOCK, &mut drawn);
            times.extend(drawn.iter().map(|time: &Nanoseconds| time.as_f64() / 1e6));
            if drawn.len() < BLOCK {
                break;
            }
        }
        match process.faults().iter().find_map(|fault| fault.get()) {
            Some(fault) => Err(fault.to_string()),
            None => Ok(times),
        }
    }

    fn simulate_alone(
        &self,
        workload: &Workload,
        server: &AloneServer<'_>,
    ) -> Option<AloneOutcome> {
        self.run_alone(workload, server)
    }

    fn trial(&self, plan: &Plan, workloads: &[Workload], number: u64) -> Option<Vec<Trial>> {
        let predictors = self.predictors();
        let (first, others) = predictors.split_first()?;
        let window = self.window();
        let slos: Vec<Nanoseconds> =
            self.workloads().iter().map(|workload| workload.slo.to_nanoseconds()).collect();
        let input = SimInput {
            plan,
            timeline: None,
            workloads: self.sim_workloads(),
            predictor: *first,
            more_predictors: others,
            spec: self.scenario().engine,
            control: None,
            duration: self.scenario().duration,
            seed: TRIALS + number,
            count_arrivals: false,
        };
        let sink =
            |_: GpuId| Late { slos: &slos, window, counts: vec![Trial::default(); slos.len()] };
        let outcome = simulate(&input, sink).ok()?;
        let mut sums = vec![Trial::default(); slos.len()];
        for gpu in &outcome.gpus {
            for (sum, own) in sums.iter_mut().zip(&gpu.sink.counts) {
                sum.requests += own.requests;
                sum.late += own.late;
            }
        }
        let of = |workload: &Workload| self.place_of(workload).map(|index| sums[index]);
        workloads.iter().map(of).collect()
    }
}

/// Number of arrivals that are drawn at a time.
const BLOCK: usize = 65_536;

/// Classifies an arrival process for planners.
fn arrivals(spec: &ArrivalSpec) -> ArrivalModel {
    if spec.waits_for_answers() {
        return ArrivalModel::Unplannable(
            "its clients wait for their answers (closed_loop), so how many requests come depends on the plan; \
             plan it with another strategy, or give its requests a rate of their own"
                .to_owned(),
        );
    }
    match spec {
        ArrivalSpec::Poisson => ArrivalModel::Poisson,
        _ => ArrivalModel::Drawn(luck(spec)),
    }
}

/// Returns whether another seed gives other arrivals.
fn luck(spec: &ArrivalSpec) -> Luck {
    match spec {
        ArrivalSpec::Constant => Luck::None,
        ArrivalSpec::Trace(_) => Luck::Recorded,
        _ => {
            let parts = spec.parts().into_iter().map(luck);
            let any = |which: Luck| parts.clone().any(|part| part == which);
            match (any(Luck::Varies), any(Luck::Recorded), any(Luck::None)) {
                (false, true, _) => Luck::Recorded,
                (false, false, true) => Luck::None,
                _ => Luck::Varies,
            }
        }
    }
}

impl Study {
    fn sim_workload(&self, workload: &Workload) -> Option<&SimWorkload> {
        self.place_of(workload).map(|index| &self.sim_workloads()[index])
    }

    fn traits(&self, entry: &SimWorkload) -> ServerTraits {
        let engine = self.scenario().engine;
        let server = &entry.server;
        let noise_cv = server.noise.cv(self.kind(), &entry.workload.model).unwrap_or(0.0);
        let default = BatchingSpec::default();
        let why_not = if entry.batching.instances != default.instances {
            Some("has several instances of its model (batching.instances)")
        } else if entry.batching.max_queue_size != default.max_queue_size
            || entry.batching.timeout != default.timeout
        {
            Some("drops or delays requests (batching.max_queue_size, timeout_ms)")
        } else if !entry.batching.preferred.is_empty() {
            Some("prefers some batch sizes (batching.preferred)")
        } else if engine.service == ServiceTime::Exponential {
            Some("has exponential execution times (engine.service)")
        } else if engine.interference != Interference::Dynamic {
            Some("is simulated with another kind of interference (engine.interference)")
        } else {
            None
        };
        let not_analysed = why_not.map(|why| {
            format!(
                "its server {why}, which is not analysed; leave that out, or let shares be found by simulation \
                 (--refine simulate)"
            )
        });
        ServerTraits {
            loads_ahead: engine.overlap == LoadOverlap::Overlapped,
            queue_delay_ms: entry.batching.max_queue_delay.get(),
            max_batch: entry.batching.max_batch,
            batch_overhead_ms: server.batch_overhead.get(),
            row_overhead_ms: server.row_overhead.get(),
            // This is the minimum time of a request outside of the instances, when no other request is on the path.
            request_overhead_ms: server.request_overhead.get() + server.request_serial.get(),
            noise_cv,
            not_analysed,
        }
    }
}

/// Counts the late requests of each workload.
struct Late<'s> {
    slos: &'s [Nanoseconds],
    window: Window,
    counts: Vec<Trial>,
}

impl RecordSink for Late<'_> {
    fn request(&mut self, record: &RequestRecord) {
        if self.window.contains(record.arrival) {
            let workload = record.workload.index();
            let count = &mut self.counts[workload];
            count.requests += 1;
            count.late += u64::from(record.latency() > self.slos[workload]);
        }
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        let arrivals = self.window.of_sorted(arrivals);
        let workload = batch.workload.index();
        let latest = batch.done.saturating_sub(self.slos[workload]);
        let count = &mut self.counts[workload];
        count.requests += arrivals.len() as u64;
        count.late += arrivals.partition_point(|arrival| *arrival < latest) as u64;
    }

    fn failed(&mut self, request: &FailedRequest) {
        if self.window.contains(request.arrival) {
            let count = &mut self.counts[request.workload.index()];
            count.requests += 1;
            count.late += 1;
        }
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}
