//! Arrivals and server properties, for planners that consider more than rates.

use igniter_model::domain::{Plan, Workload};
use igniter_model::predictor::Predictor;
use igniter_model::units::{BatchSize, SmUnits};
use std::fmt::Debug;

/// The information that a planner has on the requests of workloads, independent of its source.
///
/// The scenario of a study implements it (`igniter::run::Study`); [`PoissonTraffic`] needs only rates.
pub trait Traffic: Debug + Sync {
    /// Returns how the requests of a workload arrive.
    fn arrivals(&self, workload: &Workload) -> ArrivalModel;

    /// Returns the properties of the server of a workload.
    fn server(&self, workload: &Workload) -> ServerTraits;

    /// Returns the run that a plan is made for.
    fn run(&self) -> RunLength;

    /// Draws the arrival times of a workload in one such run, in ms, in ascending order. Draws with different
    /// numbers are independent of each other and of the arrivals that a simulation of the scenario draws.
    ///
    /// # Errors
    /// If arrivals cannot be generated, with the reason.
    fn draw(&self, workload: &Workload, number: u64) -> Result<Vec<f64>, String>;

    /// Simulates a server of a workload without neighbours. `None` where nothing can be simulated.
    fn simulate_alone(
        &self,
        workload: &Workload,
        server: &AloneServer<'_>,
    ) -> Option<AloneOutcome> {
        let _ = (workload, server);
        None
    }

    /// Simulates a plan in one such run, with arrivals that no planner has seen. For each workload, in the order
    /// of `workloads`, returns how many requests were counted and how many of them were late. `None` where plans
    /// cannot be simulated.
    fn trial(&self, plan: &Plan, workloads: &[Workload], number: u64) -> Option<Vec<Trial>> {
        let _ = (plan, workloads, number);
        None
    }
}

/// How the requests of a workload arrive.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrivalModel {
    /// As a Poisson process with the workload's rate.
    Poisson,
    /// In any other way; [`Traffic::draw`] generates the arrivals.
    Drawn(Luck),
    /// In a way for which no plan can be made, with the reason and what to do about it.
    Unplannable(String),
}

/// The arrivals of another draw, compared with one draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    /// Other arrivals of the same kind.
    Varies,
    /// The same arrivals: there is no randomness, as with evenly spaced arrivals.
    None,
    /// The same arrivals, which were recorded; the future may bring others.
    Recorded,
}

/// The run that a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// Length of the period in which requests arrive, in ms.
    pub duration_ms: f64,
    /// Length of the initial period whose requests are not counted, in ms.
    pub warmup_ms: f64,
    /// Length of the final period whose requests are not counted, in ms.
    pub cooldown_ms: f64,
}

impl RunLength {
    /// Returns the length of the period whose requests are counted, in ms.
    #[must_use]
    pub fn counted_ms(&self) -> f64 {
        self.duration_ms - self.warmup_ms - self.cooldown_ms
    }
}

/// The properties of a server that matter to latency.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTraits {
    /// Whether the input of the next batch is copied while the current one executes.
    pub loads_ahead: bool,
    /// Maximum time that a request waits for its batch to fill, in ms.
    pub queue_delay_ms: f64,
    /// The largest batch, where it differs from the plan's.
    pub max_batch: Option<BatchSize>,
    /// Host work for each batch before its copy, in ms.
    pub batch_overhead_ms: f64,
    /// Host work for each request of a batch, in ms.
    pub row_overhead_ms: f64,
    /// Host work for each request that delays no other request, in ms.
    pub request_overhead_ms: f64,
    /// Coefficient of variation of execution times around the predicted ones.
    pub noise_cv: f64,
    /// The reason why such a server cannot be analysed, if so, and what to do about it.
    pub not_analysed: Option<String>,
}

impl Default for ServerTraits {
    /// A server without overheads or noise, which never waits for a batch to fill.
    fn default() -> Self {
        Self {
            loads_ahead: true,
            queue_delay_ms: 0.0,
            max_batch: None,
            batch_overhead_ms: 0.0,
            row_overhead_ms: 0.0,
            request_overhead_ms: 0.0,
            noise_cv: 0.0,
            not_analysed: None,
        }
    }
}

/// A server that has a GPU to itself.
#[derive(Debug, Clone, Copy)]
pub struct AloneServer<'a> {
    /// The predictor of its times.
    pub predictor: &'a dyn Predictor,
    /// Factor by which neighbours lengthen each execution beyond the prediction (≥ 1).
    pub slowdown: f64,
    /// Number of equal replicas, including this one (≥ 1).
    pub replicas: u32,
    /// Its largest batch.
    pub batch: BatchSize,
    /// Its SM share.
    pub sm: SmUnits,
}

/// The simulated result of an [`AloneServer`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AloneOutcome {
    /// Fraction of requests answered within the SLO, from 0 to 1.
    pub attained: f64,
    /// Fraction of the time in which the server was executing, from 0 to 1.
    pub busy: f64,
    /// Mean number of requests in a batch.
    pub mean_batch: f64,
}

/// The result of a workload in a simulated trial of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trial {
    /// Number of requests that were counted.
    pub requests: u64,
    /// Number of counted requests that took longer than the SLO.
    pub late: u64,
}

/// Poisson arrivals at every workload's rate, for plans that are made without a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonTraffic {
    /// The run that a plan is made for.
    pub run: RunLength,
}

impl PoissonTraffic {
    /// Returns Poisson traffic for runs of 1,000 s.
    #[must_use]
    pub const fn of_a_thousand_seconds() -> Self {
        Self { run: RunLength { duration_ms: 1e6, warmup_ms: 0.0, cooldown_ms: 0.0 } }
    }
}

impl Traffic for PoissonTraffic {
    fn arrivals(&self, _: &Workload) -> ArrivalModel {
        ArrivalModel::Poisson
    }

    fn server(&self, _: &Workload) -> ServerTraits {
        ServerTraits::default()
    }

    fn run(&self) -> RunLength {
        self.run
    }

    fn draw(&self, _: &Workload, _: u64) -> Result<Vec<f64>, String> {
        Err("Poisson arrivals are analysed, not drawn".to_owned())
    }
}
