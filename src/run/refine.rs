//! A planner that asks the engine: shares and batches with which a simulated part of all requests stays within
//! the SLO, under the scenario's own arrivals.
//!
//! Rules such as "half of the SLO for executing a batch" hold for evenly spaced requests. This one assumes
//! nothing about arrivals:
//!
//! 1. For each workload alone on a GPU and each of a few batch sizes, bisection finds the least share with
//!    which the simulated attainment reaches the target. Where not even a whole GPU does, the workload is
//!    divided over replicas if that is allowed, or is infeasible: shown for this seed and duration, and for the
//!    batch sizes that are tried.
//! 2. These needs are packed on the fewest GPUs (`crate::plan::plan_for_needs`): each member must keep, among
//!    its neighbours, the predicted service that it needs alone.
//! 3. The whole plan is simulated. Workloads that miss the target get one unit more, and it is packed again.
//!
//! Neighbours only slow each other, so without replicas no plan that reaches the target has fewer GPUs than the
//! least shares alone add up to: below that number it is unreachable. Where replicas are allowed there is no
//! bound: more of them than the fewest that reach the target may need less in sum, and are not tried.

use super::{RunError, Study};
use crate::domain::{CoLocation, Infeasible, Placement, Plan, WorkloadName};
use crate::metrics::WorkloadSummary;
use crate::plan::{Needs, Replicas, Requirement, plan_for_needs};
use crate::results::StrategyResult;
use crate::units::{BatchSize, RequestsPerSecond, SmUnits};
use rayon::prelude::*;

/// The batch sizes that are tried, as far as the profile goes.
const BATCHES: [u32; 13] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];

/// A workload is divided into at most this many replicas.
const MOST_REPLICAS: u32 = 8;

/// How often a plan is simulated and corrected.
const MOST_ROUNDS: usize = 12;

/// What one workload needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RefinedNeed {
    /// The workload.
    pub workload: WorkloadName,
    /// How many placements serve it.
    pub replicas: u32,
    /// The batch size with the least share alone.
    pub batch: BatchSize,
    /// That share, in percent.
    pub sm_pct: f64,
    /// Predicted latency of a full batch alone, as a part of the SLO: the rule of the paper is 0.5.
    pub latency_part: f64,
    /// Its rate over its predicted throughput alone: how busy it is. The rule of the paper is at most 1.
    pub load: f64,
    /// Simulated part of its requests within the SLO, in percent, in the plan.
    pub attained_pct: f64,
}

/// A plan that was adjusted by simulation.
#[derive(Debug, Clone)]
pub struct Refined {
    /// The plan; without replicas, its bound is the number of GPUs below which the target is out of reach.
    pub plan: Plan,
    /// What became of it.
    pub result: StrategyResult,
    /// What each workload needs that can be served.
    pub needs: Vec<RefinedNeed>,
    /// Whether every placed workload reaches the target.
    pub met: bool,
    /// How often it was packed and simulated.
    pub rounds: usize,
}

impl Study {
    /// Plans so that at least `target_pct` of the requests of every workload stay within its SLO when simulated.
    ///
    /// # Errors
    /// When there are several GPU kinds, the target is not between 0 and 100 %, or the engine refuses the run.
    pub fn refine(&self, target_pct: f64) -> Result<Refined, RunError> {
        let request = self.request().ok_or(RunError::RefineKinds)?;
        if !(target_pct > 0.0 && target_pct < 100.0) {
            return Err(RunError::RefineTarget { given: target_pct });
        }
        let found: Vec<Result<Needs, Infeasible>> = (0..self.workloads().len())
            .into_par_iter()
            .map(|workload| self.needs(workload, target_pct))
            .collect::<Result<_, RunError>>()?;
        let infeasible: Vec<Infeasible> =
            found.iter().filter_map(|needs| needs.as_ref().err().cloned()).collect();
        let mut needs: Vec<Option<Needs>> = found.into_iter().map(Result::ok).collect();
        let first_needs = needs.clone();
        let whole = request.predictor().kind().units;
        let mut rounds = 0;
        let (mut plan, result, met) = loop {
            rounds += 1;
            let plan = plan_for_needs(&request, &needs, infeasible.clone())?;
            let result = self.simulate(&plan)?;
            let mut missed = false;
            for (summary, needs) in result.workloads.iter().zip(&mut needs) {
                let Some(needs) = needs else { continue };
                if attained_pct(summary) < target_pct {
                    missed = true;
                    for option in &mut needs.options {
                        option.least = (option.least + SmUnits::new(1)).min(whole);
                    }
                }
            }
            if !missed || rounds == MOST_ROUNDS {
                break (plan, result, !missed);
            }
        };
        plan.bound = match self.scenario().plan.replicas {
            Replicas::Forbidden => {
                let bound = plan_for_needs(&request, &first_needs, infeasible)?.bound;
                bound.map(|bound| share_bound(&first_needs, f64::from(whole.get()), bound))
            }
            Replicas::Allowed => None,
        };
        let needs = self.described(&first_needs, &result);
        Ok(Refined { plan, result, needs, met, rounds })
    }

    /// The least shares of a workload alone, for each batch size, in as few replicas as possible.
    fn needs(
        &self,
        workload: usize,
        target_pct: f64,
    ) -> Result<Result<Needs, Infeasible>, RunError> {
        let most = match self.scenario().plan.replicas {
            Replicas::Forbidden => 1,
            Replicas::Allowed => MOST_REPLICAS,
        };
        let predictor = self.predictors()[0];
        let model = &self.workloads()[workload].model;
        let id = predictor.model_id(model).expect("checked when the study was made");
        let largest = predictor.max_batch(id);
        if let (Some(needed), Some(available)) = (predictor.memory(id), predictor.kind().memory)
            && needed > available
        {
            return Ok(Err(Infeasible {
                workload: self.workloads()[workload].name.clone(),
                reason: format!(
                    "a process of {model} needs more memory than a whole {} has",
                    predictor.kind().name
                ),
                fixes: Vec::new(),
            }));
        }
        let batches: Vec<BatchSize> = BATCHES
            .iter()
            .filter_map(|size| BatchSize::new(*size).ok())
            .filter(|batch| *batch <= largest)
            .collect();
        let mut best = (0.0_f64, BatchSize::ONE);
        for replicas in 1..=most {
            let mut options = Vec::new();
            for &batch in &batches {
                let reached = |units: u32| {
                    self.attained_alone(workload, replicas, batch, SmUnits::new(units))
                };
                let whole = predictor.kind().units.get();
                let at_most = reached(whole)?;
                if at_most > best.0 {
                    best = (at_most, batch);
                }
                if at_most < target_pct {
                    continue;
                }
                let (mut below, mut enough) = (0, whole);
                while enough - below > 1 {
                    let middle = below + (enough - below) / 2;
                    if reached(middle)? >= target_pct { enough = middle } else { below = middle }
                }
                options.push(Requirement { batch, least: SmUnits::new(enough) });
            }
            if !options.is_empty() {
                return Ok(Ok(Needs { replicas, options }));
            }
        }
        let gpus = if most == 1 { "a whole GPU".to_owned() } else { format!("{most} whole GPUs") };
        Ok(Err(Infeasible {
            workload: self.workloads()[workload].name.clone(),
            reason: format!(
                "on {gpus} alone, at best {:.2} % of its requests stay within the SLO in simulation (batch {}); \
                 the target is {target_pct} %",
                best.0, best.1
            ),
            fixes: Vec::new(),
        }))
    }

    /// The simulated attainment of a workload that has GPUs to itself.
    fn attained_alone(
        &self,
        workload: usize,
        replicas: u32,
        batch: BatchSize,
        sm: SmUnits,
    ) -> Result<f64, RunError> {
        let workload = &self.workloads()[workload];
        let part = workload.rate.get() / f64::from(replicas);
        let placement = Placement {
            workload: workload.name.clone(),
            model: workload.model.clone(),
            batch,
            sm,
            served: RequestsPerSecond::new(part).ok().filter(|_| replicas > 1),
            predicted: None,
        };
        let kind = self.kinds()[0].name.clone();
        let gpu = CoLocation { kind, placements: vec![placement] };
        let plan = Plan {
            strategy: "alone".to_owned(),
            gpus: (0..replicas).map(|_| gpu.clone()).collect(),
            infeasible: Vec::new(),
            bound: None,
        };
        let result = self.simulate(&plan)?;
        let summary = result.workloads.iter().find(|summary| summary.workload == workload.name);
        Ok(summary.map_or(0.0, attained_pct))
    }

    /// What the needs amount to.
    fn described(&self, needs: &[Option<Needs>], result: &StrategyResult) -> Vec<RefinedNeed> {
        let predictor = self.predictors()[0];
        let of = |(w, needs): (usize, &Option<Needs>)| {
            let (workload, needs) = (&self.workloads()[w], needs.as_ref()?);
            let best = needs.options.iter().min_by_key(|option| option.least)?;
            let (latency_ms, throughput) =
                best.alone(predictor, predictor.model_id(&workload.model)?);
            Some(RefinedNeed {
                workload: workload.name.clone(),
                replicas: needs.replicas,
                batch: best.batch,
                sm_pct: best.least.to_percent(predictor.kind().units)?.get(),
                latency_part: latency_ms / workload.slo.get(),
                load: workload.rate.get() / f64::from(needs.replicas) / throughput,
                attained_pct: attained_pct(&result.workloads[w]),
            })
        };
        needs.iter().enumerate().filter_map(of).collect()
    }
}

/// The part of the requests that stay within the SLO, in percent; all where there are none.
fn attained_pct(summary: &WorkloadSummary) -> f64 {
    if !summary.served {
        return 0.0;
    }
    100.0 - summary.slo_violation_pct.unwrap_or(0.0)
}

/// The least shares alone, added up: a number of GPUs that does not rest on how neighbours were predicted.
fn share_bound(
    needs: &[Option<Needs>],
    whole: f64,
    other: crate::domain::GpuBound,
) -> crate::domain::GpuBound {
    let least = |needs: &Needs| {
        let share = needs.options.iter().map(|option| option.least.get()).min().unwrap_or(0);
        f64::from(share) / whole
    };
    let fractional_gpus: f64 = needs.iter().flatten().map(least).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and ≥ 0")]
    let gpus = (fractional_gpus - 1e-6).ceil().max(0.0) as usize;
    crate::domain::GpuBound {
        gpus,
        fractional_gpus,
        method: crate::domain::BoundMethod::ShareSum,
        least_total_sm: None,
        least_cost_per_hour: None,
        note: format!(
            "least shares with which each workload reaches the target alone in simulation, added up; packing them \
             by predicted service needs at least {}",
            other.gpus
        ),
    }
}
