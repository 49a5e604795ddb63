//! The contract of a strategy, and the list of all.

use super::sizing::Demand;
use super::{Margin, PlanError, PlanOptions, guard};
use crate::strategies::dedicated::Dedicated;
use crate::strategies::exact::Exact;
use crate::strategies::ffd::Ffd;
use crate::strategies::gpulets::Gpulets;
use crate::strategies::gslice::Gslice;
use crate::strategies::igniter::Igniter;
use crate::strategies::infless::Infless;
use crate::strategies::mps_default::MpsDefault;
use crate::strategies::nexus::Nexus;
use crate::strategies::optimal::{Greedy, Optimal};
use igniter_model::domain::{ModelId, Plan, Workload};
use igniter_model::predictor::Predictor;
use std::fmt::Debug;

/// What a strategy is asked to plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    workloads: &'a [Workload],
    predictor: &'a dyn Predictor,
    options: PlanOptions,
}

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
        if options.margin == Margin::Predictor && !guard::is_known(predictor) {
            return Err(PlanError::NoUncertainty { predictor: predictor.name() });
        }
        Ok(Self { workloads, predictor, options })
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
}

/// The names of all strategies.
pub const STRATEGIES: &[&str] = &[
    "igniter",
    "ffd",
    "gpulets",
    "gslice",
    "nexus",
    "infless",
    "dedicated",
    "mps-default",
    "greedy",
    "exact",
    "optimal",
];

/// Finds a strategy by name.
///
/// # Errors
/// When there is none of that name.
pub fn strategy(name: &str) -> Result<Box<dyn Strategy>, PlanError> {
    match name {
        "igniter" => Ok(Box::new(Igniter)),
        "ffd" => Ok(Box::new(Ffd)),
        "gpulets" => Ok(Box::new(Gpulets)),
        "gslice" => Ok(Box::new(Gslice)),
        "nexus" => Ok(Box::new(Nexus)),
        "infless" => Ok(Box::new(Infless)),
        "dedicated" => Ok(Box::new(Dedicated)),
        "mps-default" => Ok(Box::new(MpsDefault)),
        "exact" => Ok(Box::new(Exact)),
        "optimal" => Ok(Box::new(Optimal)),
        "greedy" => Ok(Box::new(Greedy)),
        _ => {
            Err(PlanError::UnknownStrategy { given: name.to_owned(), known: STRATEGIES.join(", ") })
        }
    }
}
