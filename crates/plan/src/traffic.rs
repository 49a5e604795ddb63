//! How requests arrive and what servers are like, as far as planners look at more than rates.

use igniter_model::domain::{Plan, Workload};
use igniter_model::predictor::Predictor;
use igniter_model::units::{BatchSize, SmUnits};
use std::fmt::Debug;

/// What a planner can find out about the requests of workloads, without knowing where they come from.
///
/// The scenario of a study is one (`igniter::run::Study`); [`PoissonTraffic`] needs nothing but rates.
pub trait Traffic: Debug + Sync {
    /// How the requests of a workload arrive.
    fn arrivals(&self, workload: &Workload) -> ArrivalModel;

    /// What the server of a workload is like.
    fn server(&self, workload: &Workload) -> ServerTraits;

    /// The run that a plan is made for.
    fn run(&self) -> RunLength;

    /// One draw of the arrival times of a workload in such a run, in ms, in order. Draws of different numbers are
    /// independent of each other, and of what a simulation of the scenario draws.
    ///
    /// # Errors
    /// When arrivals cannot be made, with the reason.
    fn draw(&self, workload: &Workload, number: u64) -> Result<Vec<f64>, String>;

    /// What a server of a workload does without neighbours, in simulated runs. `None` where nothing can be
    /// simulated.
    fn simulate_alone(
        &self,
        workload: &Workload,
        server: &AloneServer<'_>,
    ) -> Option<AloneOutcome> {
        let _ = (workload, server);
        None
    }

    /// What becomes of a plan in one such run that no planner has seen: for each workload, in the order of
    /// `workloads`, how many requests were counted and how many of them were late. `None` where plans cannot
    /// be tried out.
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
    /// In any other way, as [`Traffic::draw`] says.
    Drawn(Luck),
    /// In a way that no plan can be made for, with the reason and what to do.
    Unplannable(String),
}

/// What another draw of arrivals would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    /// Other arrivals of the same kind.
    Varies,
    /// The same arrivals: there is no luck in them, as where they are evenly spaced.
    None,
    /// The same arrivals, as they were recorded; the future may bring others.
    Recorded,
}

/// The run that a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// How long requests arrive, in ms.
    pub duration_ms: f64,
    /// Requests that arrive in the first so many ms are not counted …
    pub warmup_ms: f64,
    /// … nor those in the last.
    pub cooldown_ms: f64,
}

impl RunLength {
    /// How long requests are counted, in ms.
    #[must_use]
    pub fn counted_ms(&self) -> f64 {
        self.duration_ms - self.warmup_ms - self.cooldown_ms
    }
}

/// What a server is like.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTraits {
    /// Whether the input of the next batch is copied while the one before it executes.
    pub loads_ahead: bool,
    /// How long a request may wait for its batch to fill, in ms.
    pub queue_delay_ms: f64,
    /// The largest batch, where it is not the plan's.
    pub max_batch: Option<BatchSize>,
    /// Host work for each batch before its copy, in ms.
    pub batch_overhead_ms: f64,
    /// Host work for each request of it, in ms.
    pub row_overhead_ms: f64,
    /// Host work for each request that keeps nobody else waiting, in ms.
    pub request_overhead_ms: f64,
    /// Coefficient of variation of execution times around the predicted ones.
    pub noise_cv: f64,
    /// Why such a server is not analysed, if it is not, and what to do.
    pub not_analysed: Option<String>,
}

impl Default for ServerTraits {
    /// A server that costs what the predictor says, and takes at once what is there.
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
    /// What predicts its times.
    pub predictor: &'a dyn Predictor,
    /// By which factor each execution takes longer than predicted (≥ 1), for its neighbours' sake.
    pub slowdown: f64,
    /// It is one of so many equal replicas (≥ 1).
    pub replicas: u32,
    /// Its largest batch.
    pub batch: BatchSize,
    /// Its share.
    pub sm: SmUnits,
}

/// What became of the requests of such a server.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AloneOutcome {
    /// The part of them within the SLO, from 0 to 1.
    pub attained: f64,
    /// The part of the time in which it executed, from 0 to 1.
    pub busy: f64,
    /// Requests in a batch, on average.
    pub mean_batch: f64,
}

/// What became of the requests of a workload when a plan was tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trial {
    /// Requests that were counted.
    pub requests: u64,
    /// Those of them that took longer than the SLO.
    pub late: u64,
}

/// Poisson arrivals at every workload's rate, for plans that are made without a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonTraffic {
    /// The run that a plan is made for.
    pub run: RunLength,
}

impl PoissonTraffic {
    /// For runs of 1,000 s.
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
