//! Plans for needs that somebody else has found out, in place of half of the SLO and the rate.

use super::search::types::{FEW_OPTIONS, Type, Types, seats};
use super::shares::into_plan;
use super::sizing::{Demand, Sized};
use super::{PlanError, PlanOptions, PlanRequest};
use crate::strategies::exact::{self, MOST_WORKLOADS};
use crate::strategies::optimal::search;
use igniter_model::domain::{Infeasible, ModelId, Plan};
use igniter_model::predictor::{CoLocationPrediction, Member, Predictor};
use igniter_model::units::{BatchSize, RequestsPerSecond, SmUnits};

/// A batch size that serves a workload, with the least share that does so alone on a GPU.
///
/// Among neighbours the same service is asked for: the latency and throughput that the predictor gives for
/// this batch and share alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requirement {
    /// The batch size.
    pub batch: BatchSize,
    /// The least share alone.
    pub least: SmUnits,
}

/// What a workload needs: one of several requirements, for each of its replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// How many placements serve the workload, each an equal part.
    pub replicas: u32,
    /// What would serve it.
    pub options: Vec<Requirement>,
}

impl Requirement {
    /// Predicted latency in ms and throughput in requests/s, alone on a GPU.
    #[must_use]
    pub fn alone(&self, predictor: &dyn Predictor, model: ModelId) -> (f64, f64) {
        let sm = self.least.to_percent(predictor.kind().units).expect("at least one unit");
        let mut out = CoLocationPrediction::default();
        predictor.predict_into(&[Member { model, batch: self.batch, sm }], &mut out);
        (out.members[0].latency_ms(), out.members[0].throughput_rps)
    }
}

/// Packs workloads on the fewest GPUs with which each gets what it needs; `None` in `needs` marks those that
/// cannot be served, which `infeasible` lists. The bound holds for all plans with these needs.
///
/// # Errors
/// As [`PlanRequest::with_options`].
///
/// # Panics
/// When there is not one entry in `needs` for each workload of the request.
pub fn plan_for_needs(
    request: &PlanRequest<'_>,
    needs: &[Option<Needs>],
    infeasible: Vec<Infeasible>,
) -> Result<Plan, PlanError> {
    assert_eq!(needs.len(), request.workloads().len(), "one entry for each workload");
    // Margin and headroom are for rules; needs are met as they are.
    let options = PlanOptions {
        margin: super::Margin::Percent(0.0),
        throughput_headroom_pct: 0.0,
        ..*request.options()
    };
    let request = PlanRequest::with_options(request.workloads(), request.predictor(), options)?;
    let mut types: Vec<Type> = Vec::new();
    for (workload, needs) in needs.iter().enumerate() {
        let Some(needs) = needs else { continue };
        let model = request.model(&request.workloads()[workload]);
        let mut options: Vec<Sized> = needs
            .options
            .iter()
            .map(|requirement| {
                let (latency_ms, throughput_rps) = requirement.alone(request.predictor(), model);
                let demand = Demand { model, budget_ms: latency_ms, rate_rps: throughput_rps };
                Sized { demand, batch: requirement.batch, least: requirement.least }
            })
            .collect();
        options.sort_by_key(|sized| (sized.least, std::cmp::Reverse(sized.batch)));
        options.truncate(FEW_OPTIONS + 1);
        if !options.is_empty() {
            let replica = |_| Type { options: options.clone(), workloads: vec![workload] };
            types.extend((0..needs.replicas).map(replica));
        }
    }
    types.sort_by_key(|t| std::cmp::Reverse(t.least()));
    let (gpus, bound) = if types.len() <= MOST_WORKLOADS {
        let solved = exact::solve(&request, &types);
        let bound = solved.bound();
        (solved.gpus, bound)
    } else {
        let types = Types { types, infeasible: Vec::new() };
        let (bins, bound) = search(&request, &types);
        (seats(&types.types, bins.into_iter().map(|bin| bin.seats).collect()), bound)
    };
    let mut plan = into_plan("refined", &request, &gpus, infeasible);
    for placement in plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.placements) {
        let workload = request.workloads().iter().position(|w| w.name == placement.workload);
        let parts = workload.and_then(|w| needs[w].as_ref()).map_or(1, |needs| needs.replicas);
        if let (Some(workload), Some(_)) = (workload, placement.served) {
            let rate = request.workloads()[workload].rate.get();
            placement.served = RequestsPerSecond::new(rate / f64::from(parts)).ok();
        }
    }
    plan.bound = Some(bound);
    Ok(plan)
}
