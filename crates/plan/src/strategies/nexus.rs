//! Nexus: squishy bin packing of sessions that share GPUs in time.
//!
//! Shen et al., "Nexus: a GPU cluster engine for accelerating DNN-based video analysis" (SOSP 2019), §6.1.
//! A session with enough requests keeps whole GPUs busy: its largest batch with 2 L(b) ≤ SLO, back to back.
//! What is left over is a residual load that runs once in each duty cycle d, with the largest batch
//! b = r d such that d + L(b) ≤ SLO. Residual loads, by falling occupancy L(b)/d, are merged: members of a
//! GPU share the shortest duty cycle, their batches shrink to ⌈r d⌉ ("squishy"), and all must execute
//! within the cycle. Each goes to the GPU that is then fullest.
//!
//! Adaptation: Nexus gives each batch the whole GPU for a part of the time. A plan gives parts of the GPU
//! for all of the time; a member's share is its part of the time (its occupancy, scaled so that the
//! members of a GPU fill it). Nexus has no interference model. With [`Replicas::Forbidden`] a session that
//! one GPU cannot serve is reported instead of divided.

use crate::alone::Alone;
use crate::shares::{Seat, into_plan, total};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::{Infeasible, Plan};
use igniter_model::units::{BatchSize, SmUnits};

/// A part of a rate this small is rounding.
const NO_RATE_RPS: f64 = 1e-6;

/// The strategy `nexus`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nexus;

/// A residual load.
#[derive(Debug, Clone, Copy)]
struct Session {
    workload: usize,
    demand: Demand,
}

/// A GPU that sessions share in time, once in each duty cycle.
#[derive(Debug, Clone, Default)]
struct Node {
    duty_ms: f64,
    /// With batch and execution time in ms.
    members: Vec<(Session, BatchSize, f64)>,
}

impl Node {
    fn occupancy(&self) -> f64 {
        self.members.iter().map(|(_, _, ms)| ms).sum::<f64>() / self.duty_ms
    }
}

impl Strategy for Nexus {
    fn name(&self) -> &'static str {
        "nexus"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let mut packer = Packer { alone: Alone::new(request), request: *request };
        let mut sizer = Sizer::new(request);
        let (mut gpus, mut infeasible): (Vec<Vec<Seat>>, Vec<Infeasible>) = Default::default();
        let mut residual: Vec<Node> = Vec::new();
        let whole = request.predictor().kind().units;
        for (index, workload) in request.workloads().iter().enumerate() {
            let demand = request.demand(workload);
            let largest = packer.alone.largest_batch(&demand, whole, 1.0);
            let Some((batch, p)) = largest.filter(|_| sizer.fits_memory(demand.model)) else {
                infeasible.push(sizer.explain(workload, &demand));
                continue;
            };
            let mut left = demand;
            let divide = request.options().replicas == Replicas::Allowed;
            while left.rate_rps > p.throughput_rps && divide {
                let part = Demand { rate_rps: p.throughput_rps, ..demand };
                gpus.push(vec![Alone::seat(index, &part, batch, whole)]);
                left.rate_rps -= part.rate_rps;
            }
            if left.rate_rps <= NO_RATE_RPS {
                continue;
            }
            match packer.alone_in_time(Session { workload: index, demand: left }) {
                Some(node) => residual.push(node),
                // Between a residual load and a saturated GPU: served alone, as it comes.
                None if demand.meets_rate(&p) || divide => {
                    gpus.push(vec![Alone::seat(index, &left, batch, whole)]);
                }
                None => infeasible.push(sizer.explain(workload, &demand)),
            }
        }
        residual.sort_by(|a, b| b.occupancy().total_cmp(&a.occupancy()));
        let mut nodes: Vec<Node> = Vec::new();
        for node in residual {
            let merged = nodes.iter().enumerate().filter_map(|(i, n)| {
                let merged = packer.merge(n, &node)?;
                Some((i, merged))
            });
            let fullest = merged
                .max_by(|a, b| a.1.occupancy().total_cmp(&b.1.occupancy()).then(b.0.cmp(&a.0)));
            match fullest {
                Some((i, merged)) => nodes[i] = merged,
                None => nodes.push(node),
            }
        }
        gpus.extend(nodes.iter().map(|node| seats(node, whole.get())));
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

struct Packer<'p> {
    alone: Alone<'p>,
    request: PlanRequest<'p>,
}

impl Packer<'_> {
    /// Execution of a batch on the whole GPU, in ms.
    fn execution_ms(&mut self, session: &Session, batch: BatchSize) -> f64 {
        let whole = self.request.predictor().kind().units;
        self.alone.predict(&session.demand, batch, whole).latency_ms()
    }

    /// The session with its largest batch and longest duty cycle; `None` when even a batch of one waits
    /// or executes too long.
    fn alone_in_time(&mut self, session: Session) -> Option<Node> {
        let most = self.request.predictor().max_batch(session.demand.model).get();
        let slo_ms = 2.0 * session.demand.budget_ms;
        (1..=most).rev().find_map(|size| {
            let batch = BatchSize::new(size).ok()?;
            let duty_ms = batch.as_f64() / session.demand.rate_rps * 1000.0;
            let execution_ms = self.execution_ms(&session, batch);
            (duty_ms + execution_ms <= slo_ms && execution_ms <= duty_ms)
                .then(|| Node { duty_ms, members: vec![(session, batch, execution_ms)] })
        })
    }

    /// Two nodes on one GPU, if all members then meet their SLOs within the shorter duty cycle.
    fn merge(&mut self, a: &Node, b: &Node) -> Option<Node> {
        let duty_ms = a.duty_ms.min(b.duty_ms);
        let mut members = Vec::with_capacity(a.members.len() + b.members.len());
        let mut busy_ms = 0.0;
        for (session, _, _) in a.members.iter().chain(&b.members) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let size = (session.demand.rate_rps * duty_ms / 1000.0 - 1e-9).ceil().max(1.0) as u32;
            let batch = BatchSize::new(size).ok()?;
            let execution_ms = self.execution_ms(session, batch);
            busy_ms += execution_ms;
            if duty_ms + execution_ms > 2.0 * session.demand.budget_ms || busy_ms > duty_ms {
                return None;
            }
            members.push((*session, batch, execution_ms));
        }
        // Each member needs a unit of its own in the plan.
        let whole = self.request.predictor().kind().units;
        let seat = |(session, batch, _): &(Session, BatchSize, f64)| {
            Alone::seat(session.workload, &session.demand, *batch, SmUnits::new(1))
        };
        let seats: Vec<Seat> = members.iter().map(seat).collect();
        let fits = total(&seats) <= whole && self.alone.has_room(&seats);
        fits.then_some(Node { duty_ms, members })
    }
}

/// The members with their parts of the time as parts of the GPU.
fn seats(node: &Node, whole: u32) -> Vec<Seat> {
    let busy_ms: f64 = node.members.iter().map(|(_, _, ms)| ms).sum();
    let members = u32::try_from(node.members.len()).unwrap_or(whole);
    let divisible = f64::from(whole.saturating_sub(members));
    let seat = |(session, batch, ms): &(Session, BatchSize, f64)| {
        // One unit each, and the rest by time: never more than the whole, as nodes have at most one member
        // for each unit.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≤ whole")]
        let units = 1 + (ms / busy_ms * divisible).floor() as u32;
        Alone::seat(session.workload, &session.demand, *batch, SmUnits::new(units))
    };
    node.members.iter().map(seat).collect()
}
