//! What a strategy is asked, and what it must do.

use super::sizing::Demand;
use super::traffic::{PoissonTraffic, Traffic};
use super::{Margin, PlanError, PlanOptions, cautious};
use igniter_model::domain::{ModelId, Plan, Workload};
use igniter_model::predictor::Predictor;
use std::fmt::Debug;

/// What a strategy is asked to plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    workloads: &'a [Workload],
    predictor: &'a dyn Predictor,
    options: PlanOptions,
    traffic: &'a dyn Traffic,
}

/// What is taken for the requests of workloads where nothing is said of them.
static UNSAID: PoissonTraffic = PoissonTraffic::of_a_thousand_seconds();

impl<'a> PlanRequest<'a> {
    /// Checks that the predictor knows every model; all options have their defaults.
    ///
    /// # Errors
    /// [`PlanError::UnknownModel`] for the first workload whose model it does not know.
    pub fn new(workloads: &'a [Workload], predictor: &'a dyn Predictor) -> Result<Self, PlanError> {
        Self::with_options(workloads, predictor, PlanOptions::default())
    }

    /// Checks that the predictor knows every model, and that every option is in its range.
    ///
    /// # Errors
    /// [`PlanError::UnknownModel`] for the first workload whose model it does not know,
    /// [`PlanError::Option`] for the first option outside its range, [`PlanError::NoUncertainty`] when the
    /// margin is to be the predictor's and it has none.
    pub fn with_options(
        workloads: &'a [Workload],
        predictor: &'a dyn Predictor,
        options: PlanOptions,
    ) -> Result<Self, PlanError> {
        options.check()?;
        for workload in workloads {
            if predictor.model_id(&workload.model).is_none() {
                let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
                return Err(PlanError::UnknownModel {
                    workload: workload.name.to_string(),
                    model: workload.model.to_string(),
                    kind: predictor.kind().name.to_string(),
                    known: known.join(", "),
                });
            }
        }
        if options.margin == Margin::Predictor && !cautious::is_known(predictor) {
            return Err(PlanError::NoUncertainty { predictor: predictor.name() });
        }
        Ok(Self { workloads, predictor, options, traffic: &UNSAID })
    }

    /// A request whose options were checked before, on a GPU kind whose predictor need not know every model. For
    /// those who ask of each workload whether it does, as [`super::forecast`].
    #[must_use]
    pub fn for_any(
        workloads: &'a [Workload],
        predictor: &'a dyn Predictor,
        options: PlanOptions,
    ) -> Self {
        Self { workloads, predictor, options, traffic: &UNSAID }
    }

    /// The same request with what is known of how requests arrive, and of servers. Without it, strategies that
    /// look at more than rates take arrivals for Poisson processes.
    #[must_use]
    pub fn with_traffic(self, traffic: &'a dyn Traffic) -> Self {
        Self { traffic, ..self }
    }

    /// How requests arrive, and what servers are like.
    #[must_use]
    pub fn traffic(&self) -> &'a dyn Traffic {
        self.traffic
    }

    /// The workloads, in the scenario's order.
    #[must_use]
    pub fn workloads(&self) -> &'a [Workload] {
        self.workloads
    }

    /// What every latency and throughput of the plan is predicted with.
    #[must_use]
    pub fn predictor(&self) -> &'a dyn Predictor {
        self.predictor
    }

    /// What is asked besides the workloads.
    #[must_use]
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// What a planner has to meet for one of the request's workloads: its demand with margin and headroom.
    pub(super) fn demand(&self, workload: &Workload) -> Demand {
        Demand::new(workload, self.model(workload)).guarded(&self.options)
    }

    /// The model of one of the request's workloads.
    pub(super) fn model(&self, workload: &Workload) -> ModelId {
        self.predictor.model_id(&workload.model).expect("checked when the request was made")
    }
}

/// An algorithm that makes a provisioning plan.
///
/// A strategy is deterministic: the same request gives the same plan. Workloads that it cannot place
/// are listed in [`Plan::infeasible`]; the others are planned all the same.
pub trait Strategy: Debug + Send + Sync {
    /// The name by which users choose it.
    fn name(&self) -> &'static str;

    /// Makes the plan.
    fn plan(&self, request: &PlanRequest<'_>) -> Plan;

    /// Makes the cheapest plan over several GPU kinds, with one request for each of them, where the strategy has a
    /// way of its own. Not every predictor need know every model. `None` leaves it to
    /// [`plan_on_kinds`](super::plan_on_kinds).
    fn plan_on_kinds(&self, requests: &[PlanRequest<'_>]) -> Option<Plan> {
        let _ = requests;
        None
    }
}
