//! Nexus: squishy bin packing of sessions that share GPUs in time.
//!
//! Shen et al., "Nexus: a GPU cluster engine for accelerating DNN-based video analysis" (SOSP 2019), by the rules of
//! its public code (uwsampl/nexus, `backend_delegate.cpp` and `scheduler.cpp`). L(b) is the latency of a batch of b on
//! a whole GPU, copies included; R and S are rate and SLO of a session (here: a workload):
//!
//! 1. the largest batch b with 2 L(b) ≤ S serves at most b / L(b);
//! 2. while R is at least that, the session gets a GPU of its own that executes this batch back to back (*saturated*);
//! 3. the rest of the rate is a *residual load*. It has the largest batch with (b − 1) / R + L(b) ≤ S, and a duty cycle
//!    of at most min(S − L(b), b / R), in which one batch executes;
//! 4. sessions on one GPU share the shortest of their duty cycles, d, and have batches of ⌈d R⌉ ("squishy"), no larger
//!    than alone. The sum of all L(b) must be within d. Batches and the cycle only shrink, so all sessions stay in
//!    time;
//! 5. residual loads, by falling L(b) / d, each go to the GPU that is then fullest, or else to a new one
//!    (`ScheduleResidue` of the paper; the code places sessions in the order of their arrival, by the same rule).
//!
//! All members of a GPU are in one time slot with all of its SMs: the engine serves one batch at a time, round robin,
//! as Nexus does. No session has a concurrent neighbour, so there is no interference.
//!
//! Adaptation: no time for the network, pre-processing or post-processing is deducted from the SLO. A session in which
//! even a single request takes more than half of the SLO is reported, where the original would place it. A session is
//! one workload, so workloads with the same model and SLO are packed separately. Ties go to the first GPU (the order of
//! the original is that of a hash map). No request is dropped: Nexus drops requests that would be late, for which a
//! scenario has queue timeouts. With [`Replicas::Forbidden`], a session that one GPU cannot serve is reported instead
//! of divided.
//!
//! Reproduced: the batches and duty cycles that these rules give for linear latency tables (see the tests). Not
//! reproduced: the throughput in the paper, whose models, GPUs and networks differ.

use crate::alone::SoloPredictor;
use crate::shares::{PendingWorkload, into_plan_with_turns};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::{Infeasible, Plan};
use igniter_model::units::BatchSize;

/// Remaining rates below this are rounding errors.
const NO_RATE_RPS: f64 = 1e-6;

/// Excess over a whole number of requests that does not yet make the batch one larger.
const NO_REQUEST: f64 = 1e-9;

/// The strategy `nexus`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nexus;

/// The part of a workload that a GPU serves.
#[derive(Debug, Clone, Copy)]
struct NexusSession {
    workload: usize,
    demand: Demand,
    /// The largest batch: its batch when alone.
    most: u32,
}

/// A GPU that sessions share in time, with one batch of each per duty cycle.
#[derive(Debug, Clone, Default)]
struct SharedGpu {
    duty_ms: f64,
    /// The sessions, each with its batch and execution time in ms.
    members: Vec<(NexusSession, BatchSize, f64)>,
}

impl SharedGpu {
    fn occupancy(&self) -> f64 {
        self.members.iter().map(|(_, _, ms)| ms).sum::<f64>() / self.duty_ms
    }
}

impl Strategy for Nexus {
    fn name(&self) -> &'static str {
        "nexus"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let mut packer = NexusPacker { alone: SoloPredictor::new(request), request: *request };
        let (nodes, infeasible) = packer.nodes();
        let gpus: Vec<Vec<PendingWorkload>> = nodes.iter().map(|node| packer.seats(node)).collect();
        let slots: Vec<Vec<Option<u32>>> =
            gpus.iter().map(|seats| vec![Some(0); seats.len()]).collect();
        into_plan_with_turns(self.name(), request, &gpus, &slots, infeasible)
    }
}

struct NexusPacker<'p> {
    alone: SoloPredictor<'p>,
    request: PlanRequest<'p>,
}

impl NexusPacker<'_> {
    /// Returns all GPUs: first the saturated ones, each with one session.
    fn nodes(&mut self) -> (Vec<SharedGpu>, Vec<Infeasible>) {
        let request = self.request;
        let mut sizer = Sizer::new(&request);
        let (mut saturated, mut residual, mut infeasible) = (Vec::new(), Vec::new(), Vec::new());
        for (workload, named) in request.workloads().iter().enumerate() {
            let demand = request.demand(named);
            let full = self.saturated(&demand).filter(|_| sizer.fits_memory(demand.model));
            let Some((batch, ms)) = full else {
                infeasible.push(sizer.explain(named, &demand));
                continue;
            };
            let most_rps = 1000.0 * batch.as_f64() / ms;
            if request.options().replicas == Replicas::Forbidden && demand.rate_rps > most_rps {
                let why = "one GPU is too little for its rate with batches within half of its SLO, copies included";
                infeasible.push(sizer.refusal(named, &demand, why));
                continue;
            }
            let mut left = demand;
            while left.rate_rps >= most_rps {
                let part = Demand { rate_rps: most_rps, ..demand };
                let session = NexusSession { workload, demand: part, most: batch.get() };
                saturated.push(SharedGpu { duty_ms: ms, members: vec![(session, batch, ms)] });
                left.rate_rps -= most_rps;
            }
            if left.rate_rps > NO_RATE_RPS {
                residual.push(self.residual(workload, left));
            }
        }
        residual.sort_by(|a, b| b.occupancy().total_cmp(&a.occupancy()));
        let mut nodes: Vec<SharedGpu> = Vec::new();
        for node in residual {
            let merged =
                nodes.iter().enumerate().filter_map(|(i, n)| Some((i, self.merge(n, &node)?)));
            let fullest = merged
                .max_by(|a, b| a.1.occupancy().total_cmp(&b.1.occupancy()).then(b.0.cmp(&a.0)));
            match fullest {
                Some((i, merged)) => nodes[i] = merged,
                None => nodes.push(node),
            }
        }
        saturated.extend(nodes);
        (saturated, infeasible)
    }

    /// Returns the latency of a batch on the whole GPU, copies included, in ms.
    fn execution_ms(&mut self, demand: &Demand, batch: BatchSize) -> f64 {
        let whole = self.request.predictor().kind().units;
        self.alone.predict(demand, batch, whole).latency_ms()
    }

    /// Returns the largest batch, and its latency in ms, such that it and all smaller batches satisfy a rule.
    fn largest(
        &mut self,
        demand: &Demand,
        rule: impl Fn(BatchSize, f64) -> bool,
    ) -> Option<(BatchSize, f64)> {
        let most = self.request.predictor().max_batch(demand.model).get();
        let mut largest = None;
        for batch in (1..=most).filter_map(|size| BatchSize::new(size).ok()) {
            let ms = self.execution_ms(demand, batch);
            if !rule(batch, ms) {
                break;
            }
            largest = Some((batch, ms));
        }
        largest
    }

    /// Applies rule 1.
    fn saturated(&mut self, demand: &Demand) -> Option<(BatchSize, f64)> {
        let half_ms = demand.budget_ms;
        self.largest(demand, |_, ms| ms <= half_ms)
    }

    /// Applies rule 3, for a rate that is too low for rule 2.
    fn residual(&mut self, workload: usize, demand: Demand) -> SharedGpu {
        let (slo_ms, rate_per_ms) = (2.0 * demand.budget_ms, demand.rate_rps / 1000.0);
        let in_time = |batch: BatchSize, ms| {
            (batch.as_f64() - 1.0) / rate_per_ms + ms <= slo_ms && ms <= demand.budget_ms
        };
        let alone = self.largest(&demand, in_time);
        let (batch, ms) = alone.expect("a batch of one is within half of the SLO");
        let duty_ms = (slo_ms - ms).min(batch.as_f64() / rate_per_ms);
        let session = NexusSession { workload, demand, most: batch.get() };
        SharedGpu { duty_ms, members: vec![(session, batch, ms)] }
    }

    /// Applies rule 4: merges two nodes on one GPU if all members then execute within the shorter duty cycle.
    fn merge(&mut self, a: &SharedGpu, b: &SharedGpu) -> Option<SharedGpu> {
        let duty_ms = a.duty_ms.min(b.duty_ms);
        let mut members = Vec::with_capacity(a.members.len() + b.members.len());
        let mut busy_ms = 0.0;
        for (session, _, _) in a.members.iter().chain(&b.members) {
            let requests = session.demand.rate_rps * duty_ms / 1000.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let size = (requests - NO_REQUEST).ceil().max(1.0) as u32;
            let batch = BatchSize::new(size).ok().filter(|_| size <= session.most)?;
            let ms = self.execution_ms(&session.demand, batch);
            busy_ms += ms;
            members.push((*session, batch, ms));
        }
        let merged = SharedGpu { duty_ms, members };
        (busy_ms <= duty_ms && self.alone.has_room(&self.seats(&merged))).then_some(merged)
    }

    /// Returns the members of a node as seats, each with all SMs.
    fn seats(&self, node: &SharedGpu) -> Vec<PendingWorkload> {
        let whole = self.request.predictor().kind().units;
        let seat = |(session, batch, _): &(NexusSession, BatchSize, f64)| {
            SoloPredictor::seat(session.workload, &session.demand, *batch, whole)
        };
        node.members.iter().map(seat).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_plan;
    use crate::tests::tables::{TablePredictor, tables};

    /// Nodes as duty cycle, batches and execution time, for models with SLOs of 40 (A), 30 (B) and 20 ms (C).
    fn nodes(rates: &[(&str, f64)]) -> Vec<(f64, Vec<u32>, f64)> {
        let slo = |model| match model {
            "A" => 40.0,
            "B" => 30.0,
            _ => 20.0,
        };
        let predictor = TablePredictor::of_whole_gpus();
        let of: Vec<_> = rates.iter().map(|&(model, rate)| (model, slo(model), rate)).collect();
        let workloads = tables(&of);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let plan = Nexus.plan(&request);
        assert!(check_plan(&plan, &request).is_empty(), "{:?}", check_plan(&plan, &request));
        let (nodes, infeasible) =
            NexusPacker { alone: SoloPredictor::new(&request), request }.nodes();
        assert!(infeasible.is_empty());
        let of = |node: &SharedGpu| {
            let mut members = node.members.clone();
            members.sort_by_key(|(session, ..)| session.workload);
            let batches = members.iter().map(|(_, batch, _)| batch.get()).collect();
            let digits = |ms: f64| (ms * 1e4).round() / 1e4;
            (digits(node.duty_ms), batches, digits(members.iter().map(|(.., ms)| ms).sum()))
        };
        nodes.iter().map(of).collect()
    }

    /// Duty cycle and batch of one session.
    fn single(model: &str, rate: f64) -> (f64, u32) {
        let nodes = nodes(&[(model, rate)]);
        assert_eq!((nodes.len(), nodes[0].1.len()), (1, 1));
        (nodes[0].0, nodes[0].1[0])
    }

    #[test]
    fn residual_loads_are_those_of_the_original() {
        assert_eq!(single("A", 100.0), (36.0, 4));
        assert_eq!(single("A", 300.0), (33.0, 10));
        assert_eq!(single("A", 1000.0), (25.0, 26));
        assert_eq!(single("A", 1700.0), (18.8235, 32));
        assert_eq!(single("B", 200.0), (26.5, 6));
        assert_eq!(single("B", 1500.0), (20.25, 31));
        assert_eq!(single("C", 200.0), (16.6, 4));
        assert_eq!(single("C", 800.0), (15.7, 13));
        // 32 in 18 ms: 1777.8/s saturate one GPU, and 722.2/s are left.
        let two = nodes(&[("A", 2500.0)]);
        assert_eq!((two.len(), &two[0]), (2, &(18.0, vec![32], 18.0)));
    }

    #[test]
    fn merged_loads_are_those_of_the_original() {
        let together = |rates: &[(&str, f64)]| {
            let mut nodes = nodes(rates);
            assert_eq!(nodes.len(), 1, "{nodes:?}");
            nodes.remove(0)
        };
        assert_eq!(
            together(&[("A", 100.0), ("B", 100.0), ("C", 100.0)]),
            (16.8, vec![2, 2, 2], 8.7)
        );
        let rates = [("A", 300.0), ("B", 200.0), ("C", 200.0)];
        assert_eq!(together(&rates), (16.6, vec![5, 4, 4], 10.9));
        assert_eq!(together(&[("A", 1000.0), ("C", 800.0)]), (15.7, vec![16, 13], 14.3));
        assert_eq!(together(&[("A", 1000.0), ("B", 200.0)]), (25.0, vec![25, 5], 17.75));
    }

    #[test]
    fn a_session_of_more_than_one_gpu_is_divided_unless_that_is_forbidden() {
        let predictor = TablePredictor::new();
        let workloads = tables(&[("A", 40.0, 2500.0)]);
        let options =
            crate::PlanOptions { replicas: Replicas::Forbidden, ..crate::PlanOptions::default() };
        let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
        let plan = Nexus.plan(&request);
        assert!(plan.gpus.is_empty() && plan.infeasible.len() == 1);
    }
}
