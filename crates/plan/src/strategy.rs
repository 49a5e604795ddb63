//! The interface of a strategy: its input and its contract.

use super::sizing::Demand;
use super::traffic::{PoissonTraffic, Traffic};
use super::{Margin, PlanError, PlanOptions, cautious};
use igniter_model::domain::{ModelId, Plan, Workload};
use igniter_model::predictor::Predictor;
use std::fmt::Debug;

/// The input of a strategy: workloads, predictor, options and traffic.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    workloads: &'a [Workload],
    predictor: &'a dyn Predictor,
    options: PlanOptions,
    traffic: &'a dyn Traffic,
}

/// The traffic that is assumed where none is given.
static UNSAID: PoissonTraffic = PoissonTraffic::of_a_thousand_seconds();

impl<'a> PlanRequest<'a> {
    /// Creates a request with default options. Checks that the predictor knows every model.
    ///
    /// # Errors
    /// [`PlanError::UnknownModel`] for the first workload whose model the predictor does not know.
    pub fn new(workloads: &'a [Workload], predictor: &'a dyn Predictor) -> Result<Self, PlanError> {
        Self::with_options(workloads, predictor, PlanOptions::default())
    }

    /// Creates a request. Checks that the predictor knows every model and that every option is in its range.
    ///
    /// # Errors
    /// [`PlanError::UnknownModel`] for the first workload whose model the predictor does not know,
    /// [`PlanError::Option`] for the first option outside its range, [`PlanError::NoUncertainty`] if the margin is
    /// to be the predictor's and the predictor has none.
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

    /// Creates a request without checks: the options have been checked before, and the predictor of the GPU kind
    /// need not know every model. For callers that check each workload themselves, such as [`super::forecast`].
    #[must_use]
    pub fn for_any(
        workloads: &'a [Workload],
        predictor: &'a dyn Predictor,
        options: PlanOptions,
    ) -> Self {
        Self { workloads, predictor, options, traffic: &UNSAID }
    }

    /// Returns the same request with a traffic model: how requests arrive, and what servers are like. Without one,
    /// strategies that consider more than rates assume Poisson arrivals.
    #[must_use]
    pub fn with_traffic(self, traffic: &'a dyn Traffic) -> Self {
        Self { traffic, ..self }
    }

    /// Returns the traffic model: how requests arrive, and what servers are like.
    #[must_use]
    pub fn traffic(&self) -> &'a dyn Traffic {
        self.traffic
    }

    /// Returns the workloads, in the scenario's order.
    #[must_use]
    pub fn workloads(&self) -> &'a [Workload] {
        self.workloads
    }

    /// Returns the predictor that gives every latency and throughput of the plan.
    #[must_use]
    pub fn predictor(&self) -> &'a dyn Predictor {
        self.predictor
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// Returns the demand of one of the workloads that a planner has to meet, margin and headroom included.
    pub(super) fn demand(&self, workload: &Workload) -> Demand {
        Demand::new(workload, self.model(workload)).guarded(&self.options)
    }

    /// Returns the model of one of the request's workloads.
    pub(super) fn model(&self, workload: &Workload) -> ModelId {
        self.predictor.model_id(&workload.model).expect("checked when the request was made")
    }
}

/// An algorithm that makes a provisioning plan.
///
/// A strategy is deterministic: the same request gives the same plan. Workloads that it cannot place are listed in
/// [`Plan::infeasible`]; the other workloads are still planned.
pub trait Strategy: Debug + Send + Sync {
    /// Returns the name by which users choose the strategy.
    fn name(&self) -> &'static str;

    /// Makes the plan.
    fn plan(&self, request: &PlanRequest<'_>) -> Plan;

    /// Makes the cheapest plan over several GPU kinds, given one request for each kind, if the strategy has its
    /// own method for this. A kind's predictor need not know every model. Returns `None` to leave the mix of kinds
    /// to [`plan_on_kinds`](super::plan_on_kinds).
    fn plan_on_kinds(&self, requests: &[PlanRequest<'_>]) -> Option<Plan> {
        let _ = requests;
        None
    }
}
