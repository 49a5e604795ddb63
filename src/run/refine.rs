//! A planner that uses the engine: it finds shares and batches with which a simulated part of all requests stays within
//! the SLO, under the scenario's own arrivals.
//!
//! It is the planner of strategy `queueing` ([`crate::plan::queueing`]), with runs of the engine in place of the
//! analysis of queues: each server is simulated alone, with execution times as long as its neighbours make them, under
//! the arrivals of the scenario's seed and of a few others. It therefore supports all kinds of servers (queue delays,
//! several instances, queue policies, noise) and clients that wait for answers. It also takes longer: hundreds of runs
//! for each workload.
//!
//! Each of these runs must reach the target, so that the plan does not depend on the luck of one seed. A run with yet
//! another seed may still attain a little less: `--confidence` applies to `queueing` only.

use super::{RunError, Study};
use crate::domain::{
    BatchRecord, CoLocation, FailedRequest, GpuId, GpuInterval, Placement, Plan, RecordSink,
    RequestRecord, Workload, WorkloadName,
};
use crate::metrics::{Window, WorkloadSummary};
use crate::plan::queueing::plan_by_simulation;
use crate::plan::{AloneOutcome, AloneServer, PlanRequest};
use crate::predictor::{CoLocationPrediction, Member, SlowedPredictor};
use crate::results::StrategyResult;
use crate::sim::{SimInput, simulate};
use crate::units::{BatchSize, Nanoseconds, RequestsPerSecond};

/// Number of runs of each server: one with the scenario's seed, the others with the seeds after it.
const RUNS: u64 = 3;

/// The resources that one workload needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RefinedNeed {
    /// The workload.
    pub workload: WorkloadName,
    /// Number of placements that serve the workload.
    pub replicas: usize,
    /// The batch size of the first placement.
    pub batch: BatchSize,
    /// The share of SMs of the first placement, in percent.
    pub sm_pct: f64,
    /// Predicted latency of a full batch alone, as a part of the SLO. The rule of the paper is 0.5.
    pub latency_part: f64,
    /// The rate of the first placement divided by its predicted throughput alone. The rule of the paper is at most 1.
    pub load: f64,
    /// Simulated part of the workload's requests that stay within the SLO in the plan, in percent.
    pub attained_pct: f64,
}

/// A plan found by simulation.
#[derive(Debug, Clone)]
pub struct Refined {
    /// The plan. Its bound is the number of GPUs to which the least shares of the workloads alone add up, also found by
    /// simulation.
    pub plan: Plan,
    /// The simulated result of the plan.
    pub result: StrategyResult,
    /// The resources of each served workload.
    pub needs: Vec<RefinedNeed>,
    /// Whether every placed workload reaches the target with the scenario's seed.
    pub met: bool,
}

impl Study {
    /// Makes a plan with which at least `target_pct` percent of the requests of every workload stay within its SLO in
    /// the simulation.
    ///
    /// # Errors
    /// When the target is not between 0 and 100 %, or the engine rejects the run.
    pub fn refine(&self, target_pct: f64) -> Result<Refined, RunError> {
        if !(target_pct > 0.0 && target_pct < 100.0) {
            return Err(RunError::RefineTarget { given: target_pct });
        }
        // Margin, headroom and confidence are for rules and analyses; this planner relies on simulated results.
        let options = crate::plan::PlanOptions {
            margin: crate::plan::Margin::Percent(0.0),
            throughput_headroom_pct: 0.0,
            attainment_pct: target_pct,
            confidence_pct: 50.0,
            ..self.scenario().plan
        };
        let on = |predictor| {
            PlanRequest::for_any(self.workloads(), predictor, options).with_traffic(self)
        };
        let requests: Vec<PlanRequest<'_>> = self.predictors().into_iter().map(on).collect();
        let plan = plan_by_simulation(&requests);
        let result = self.simulate(&plan)?;
        let met = result.workloads.iter().all(|w| !w.served || attained_pct(w) >= target_pct);
        let needs = self.described(&plan, &result);
        Ok(Refined { plan, result, needs, met })
    }

    /// Simulates a server without neighbours in the runs by which plans are refined.
    pub(super) fn run_alone(
        &self,
        workload: &Workload,
        server: &AloneServer<'_>,
    ) -> Option<AloneOutcome> {
        let part = workload.rate.get() / f64::from(server.replicas);
        let placement = Placement {
            workload: workload.name.clone(),
            model: workload.model.clone(),
            batch: server.batch,
            sm: server.sm,
            served: RequestsPerSecond::new(part).ok().filter(|_| server.replicas > 1),
            time_slot: None,
            predicted: None,
        };
        let kind = server.predictor.kind().name.clone();
        let gpu = CoLocation { kind, placements: vec![placement] };
        let plan = Plan {
            strategy: "alone".to_owned(),
            gpus: (0..server.replicas).map(|_| gpu.clone()).collect(),
            infeasible: Vec::new(),
            bound: None,
        };
        let place = self.place_of(workload)?;
        let slowed = SlowedPredictor::new(server.predictor, server.slowdown);
        let one = std::slice::from_ref(&self.sim_workloads()[place]);
        let mut sum = ServerCounter::new(workload, self.window());
        let mut time = Nanoseconds::ZERO;
        let mut attained: f64 = 1.0;
        for run in 0..RUNS {
            let input = SimInput {
                plan: &plan,
                timeline: None,
                workloads: one,
                predictor: &slowed,
                more_predictors: &[],
                spec: self.scenario().engine,
                control: None,
                duration: self.scenario().duration,
                seed: self.scenario().seed.wrapping_add(run),
                count_arrivals: false,
            };
            let sink = |_: GpuId| ServerCounter::new(workload, self.window());
            let mut of_run = ServerCounter::new(workload, self.window());
            for gpu in simulate(&input, sink).ok()?.gpus {
                time = time.saturating_add(gpu.end);
                of_run.add(&gpu.sink);
            }
            attained = attained.min(of_run.attained());
            sum.add(&of_run);
        }
        Some(AloneOutcome { attained, ..sum.outcome(time) })
    }

    /// Returns the resources of the workloads of a plan.
    fn described(&self, plan: &Plan, result: &StrategyResult) -> Vec<RefinedNeed> {
        let mut out = CoLocationPrediction::default();
        let mut of = |(w, workload): (usize, &Workload)| {
            let own = plan.placements().filter(|(_, p)| p.workload == workload.name);
            let own: Vec<_> = own.collect();
            let (gpu, first) = own.first()?;
            let kind = &plan.gpus[*gpu].kind;
            let predictors = self.predictors();
            let predictor = predictors.iter().find(|p| p.kind().name == *kind)?;
            let model = predictor.model_id(&workload.model)?;
            let sm = first.sm.to_percent(predictor.kind().units)?;
            predictor.predict_into(&[Member { model, batch: first.batch, sm }], &mut out);
            let alone = out.members[0];
            let rate = first.served.unwrap_or(workload.rate).get();
            Some(RefinedNeed {
                workload: workload.name.clone(),
                replicas: own.len(),
                batch: first.batch,
                sm_pct: sm.get(),
                latency_part: alone.latency_ms() / workload.slo.get(),
                load: rate / alone.throughput_rps,
                attained_pct: attained_pct(&result.workloads[w]),
            })
        };
        self.workloads().iter().enumerate().filter_map(&mut of).collect()
    }
}

/// The part of the requests that stay within the SLO, in percent: 100 where there are no requests, 0 where the workload
/// is not served.
fn attained_pct(summary: &WorkloadSummary) -> f64 {
    if !summary.served {
        return 0.0;
    }
    100.0 - summary.slo_violation_pct.unwrap_or(0.0)
}

/// Counts the requests, late requests, batches and execution time of a server.
struct ServerCounter {
    slo: Nanoseconds,
    window: Window,
    requests: u64,
    late: u64,
    batches: u64,
    executed: Nanoseconds,
    served: u64,
}

impl ServerCounter {
    fn new(workload: &Workload, window: Window) -> Self {
        let slo = workload.slo.to_nanoseconds();
        let executed = Nanoseconds::ZERO;
        Self { slo, window, requests: 0, late: 0, batches: 0, executed, served: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.late += other.late;
        self.batches += other.batches;
        self.served += other.served;
        self.executed = self.executed.saturating_add(other.executed);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    fn attained(&self) -> f64 {
        1.0 - self.late as f64 / self.requests.max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    fn outcome(&self, time: Nanoseconds) -> AloneOutcome {
        AloneOutcome {
            attained: self.attained(),
            busy: (self.executed.as_f64() / time.as_f64().max(1.0)).min(1.0),
            mean_batch: (self.served as f64 / self.batches.max(1) as f64).max(1.0),
        }
    }
}

impl RecordSink for ServerCounter {
    fn request(&mut self, record: &RequestRecord) {
        if self.window.contains(record.arrival) {
            self.requests += 1;
            self.late += u64::from(record.latency() > self.slo);
        }
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        self.batches += 1;
        self.served += arrivals.len() as u64;
        self.executed = self.executed.saturating_add(batch.exec_end - batch.exec_start);
        let size = u32::try_from(arrivals.len()).unwrap_or(u32::MAX);
        for &arrival in arrivals {
            self.request(&batch.request(arrival, size));
        }
    }

    fn failed(&mut self, request: &FailedRequest) {
        if self.window.contains(request.arrival) {
            self.requests += 1;
            self.late += 1;
        }
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}
