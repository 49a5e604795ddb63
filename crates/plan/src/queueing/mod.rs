//! A planner for random arrivals: it computes how long requests wait for their batches, and plans so that a given
//! part of the requests (99 % by default) is answered within the SLO.
//!
//! Rules such as "half of the SLO for execution" hold for evenly spaced requests only. Here the latency distribution
//! of each server is computed, without simulation, so that shares are no larger than necessary.
//!
//! # One server
//!
//! A server gets Poisson arrivals with rate λ, or, as one of R equal replicas, every R-th of them (Erlang-R gaps).
//! Its batcher is that of the engine, which is Triton's without a queue delay: when a batch begins to execute, the
//! next one is formed at once from all waiting requests, at most b, and its input is copied meanwhile. If no request
//! waits, the next arrival forms a batch of its own.
//!
//! | symbol | unit | meaning |
//! |---|---|---|
//! | λ | 1/ms | rate of the workload's whole stream |
//! | R | | replicas; each gets every R-th request |
//! | b | requests | largest batch |
//! | T_k | ms | execution of a batch of k among its neighbours, and the copy of its results back |
//! | c_k | ms | host work and copy of the input of k requests |
//! | S | ms | SLO |
//! | l | requests | requests that wait when a batch begins to execute |
//! | A(t) | | arrivals of the stream within t: Poisson with mean λ t |
//!
//! *Chain.* At the starts of executions, the pair (k, l) is a Markov chain: k requests start to execute while l wait,
//! of which n = min(l, b) form the next batch.
//!
//! ```text
//! l ≥ 1:  (k, l) → (n, l − n + A(max(T_k, c_n)))
//! l = 0:  the first request comes before T_k − c_1:  (k, 0) → (1, A(T_k) − 1)
//!         or later, and is waited for:               (k, 0) → (1, A(c_1))
//! ```
//!
//! With R replicas, l is counted in arrivals of the stream, y = R l + phase; the Erlang gaps require nothing else.
//! The stationary distribution π is found by iteration. It is that of an M/D^b/1 bulk-service queue whose batches are
//! formed one service early: Bailey, "On queueing processes with bulk service", J. R. Stat. Soc. B 16 (1954); Neuts,
//! "A general class of bulk queues with Poisson input", Ann. Math. Stat. 38 (1967); Chaudhry and Templeton, "A First
//! Course in Bulk Queues" (1983). Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching: a
//! closed-form characterization", Perform. Evaluation 147 (2021) has the mean latency for unlimited batches. Without
//! overlapped loading (`overlap_load = false`) it is the M/D^b/1 queue itself; with b = 1 both are M/D/1.
//!
//! *Attainment.* A tagged request arrives τ before the next execution starts, as the p-th request that is not yet in
//! a batch. Then q = ⌊(p − 1) / b⌋ full batches precede its own, which is formed after
//! J = τ + \[q > 0\] (T_n + (q − 1) T_b) from the requests present at that time. The tagged request is in time if
//!
//! ```text
//! τ + T_n + q T_b + T_m ≤ S,   m = min(b, p − q b + requests that come within J)
//! ```
//!
//! This holds up to some m, so its probability is that of at most a certain number of Poisson arrivals within J. The
//! sum over π, over the arrivals before the tagged one, and the integral over τ (Gauss and Legendre between the
//! points where m jumps) give the attainment. The only errors are those of truncation and quadrature, about 0.02
//! percentage points. Long runs of the engine agree (`tests/it/queueing.rs`).
//!
//! *Other arrivals* (gamma, Weibull, MMPP, shapes, traces, …) and servers with a queue delay or noise: a recursion over
//! drawn arrivals, one step for each batch (`recursion`), over several independent draws.
//!
//! # From servers to a plan
//!
//! 1. *Goal.* A run of n requests reaches the target with the given confidence if slightly fewer requests are late in
//!    the long run (`goal`). How strongly late requests cluster is estimated from draws.
//! 2. *Least shares* for each number of replicas and each slowdown by neighbours, with the smallest batch that needs
//!    no more (`shares`). Evaluations are cached in tables.
//! 3. *Interference*: a neighbour is weighted by the part of the time for which it is busy (`interference`). Shares
//!    grow from below until all servers of a GPU reach their goals (`packing`), as in iGniter's `alloc_gpus`.
//! 4. *Packing* with replicas chosen freely, over all GPU kinds at once, by cost (`search`).
//! 5. *Trial*: the plan is run on arrivals that it was not made for, if the request's [`Traffic`](super::Traffic) can
//!    do so. Workloads that fall short get a higher goal, and the plan is made again.
//! 6. *Free units* of a GPU go to the servers with the most late requests.

mod chain;
mod class;
mod forecast;
mod goal;
mod interference;
mod kind_tables;
mod lanes;
mod packing;
mod planner;
mod poisson;
mod recursion;
mod refusal;
mod rules;
mod search;
mod server;
mod shares;
mod subproblem;
mod tagged;
#[cfg(test)]
mod tests;
mod trial;

use super::{PlanRequest, Strategy};
use class::LatenessSource;
pub use forecast::{Forecast, ReplicaChoice, ServerForecast, forecast};
use igniter_model::domain::Plan;
pub use rules::QueueingRules;

/// The strategy `queueing`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Queueing;

impl Strategy for Queueing {
    fn name(&self) -> &'static str {
        "queueing"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        planner::plan(self.name(), &[*request], LatenessSource::Analysis)
    }

    fn plan_on_kinds(&self, requests: &[PlanRequest<'_>]) -> Option<Plan> {
        Some(planner::plan(self.name(), requests, LatenessSource::Analysis))
    }
}

/// Makes a plan as [`Queueing`] does, but with simulated servers in place of the analysis; the plan's strategy is
/// named `refined`. Servers of any kind can be simulated, and clients may wait for their answers. The request's
/// [`Traffic`](super::Traffic) must be able to simulate; otherwise no workload can be placed.
#[must_use]
pub fn plan_by_simulation(requests: &[PlanRequest<'_>]) -> Plan {
    planner::plan("refined", requests, LatenessSource::Simulation)
}
