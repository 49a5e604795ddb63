//! Plans over several GPU kinds with prices: finds the cheapest plan, on one kind or mixed.
//!
//! 1. Each kind alone, as in the paper: the strategy plans all workloads on it.
//! 2. Each workload goes to the kind on which its least share costs least; the strategy makes a plan for each
//!    kind.
//! 3. Starting from the cheapest of these plans, the workloads of each GPU in turn (highest cost of free SMs
//!    first) are moved to each other kind, and stay there if that is cheaper.
//!
//! For `exact` and `optimal`, up to 14 workloads and without replicas, the mix is the proven optimum: the
//! cheapest partition into the feasible co-locations of all kinds.
//!
//! A plan is cheaper if it has fewer unplaced workloads, then less cost, then fewer GPUs. The bound is the sum
//! over all workloads of the lowest cost of a least share, over all kinds (share times price): no mix can cost
//! less.

use super::assumptions;
use super::search::enumerate::{MOST_WAYS, best_seats, feasible_sets};
use super::search::types::{Covered, Type, Types, seats};
use super::shares::{ShareFitter, into_plan};
use super::strategies::plans_by_half_of_slo;
use super::{PlanError, PlanOptions, PlanRequest, Replicas, Strategy, Traffic};
use crate::strategies::exact::MOST_WORKLOADS;
use igniter_model::domain::{
    BoundMethod, CoLocation, GpuBound, GpuKind, Infeasible, Plan, Workload,
};
use igniter_model::predictor::Predictor;
use igniter_model::units::Dollars;

/// Trial moves of GPUs to another kind, times the number of workloads; at least 4 and at most 400 moves.
const TRIALS: usize = 20_000;

/// The plans of a strategy over several GPU kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct KindPlans {
    /// The plan of each kind alone, in the order of the kinds. Workloads that a kind cannot serve are
    /// infeasible there.
    pub alone: Vec<Plan>,
    /// The cheapest plan: of one kind or mixed.
    pub best: Plan,
}

/// Plans workloads on several GPU kinds, with one predictor per kind.
///
/// # Errors
/// Those of [`PlanRequest::with_options`], and [`PlanError::UnknownModel`] for a workload whose model no kind
/// knows.
pub fn plan_on_kinds(
    strategy: &dyn Strategy,
    workloads: &[Workload],
    predictors: &[&dyn Predictor],
    options: PlanOptions,
) -> Result<KindPlans, PlanError> {
    plan_on_kinds_with(strategy, workloads, predictors, options, None)
}

/// Works like [`plan_on_kinds`], with a traffic model where one is given.
///
/// # Errors
/// Those of [`plan_on_kinds`].
pub fn plan_on_kinds_with<'a>(
    strategy: &'a dyn Strategy,
    workloads: &'a [Workload],
    predictors: &'a [&'a dyn Predictor],
    options: PlanOptions,
    traffic: Option<&'a dyn Traffic>,
) -> Result<KindPlans, PlanError> {
    let mixer = Mixer::new(strategy, workloads, predictors, options)?;
    if let Some(plans) = mixer.own_way(traffic) {
        return Ok(plans);
    }
    let alone: Vec<Mix> = (0..predictors.len())
        .map(|kind| mixer.mix(vec![kind; workloads.len()]))
        .collect::<Result<_, _>>()?;
    let cheapest = mixer.mix(mixer.cheapest_kinds())?;
    let mut best = alone
        .iter()
        .chain([&cheapest])
        .min_by(|a, b| mixer.cost(a).total_cmp(&mixer.cost(b)))
        .cloned()
        .unwrap_or(cheapest);
    let exact = matches!(strategy.name(), "exact" | "optimal")
        && workloads.len() <= MOST_WORKLOADS
        && options.replicas != Replicas::Allowed;
    let by_rule = plans_by_half_of_slo(strategy.name());
    let bound = if by_rule { mixer.bound()? } else { None };
    let optimum = if exact { mixer.optimum()? } else { None };
    let best = if let Some(optimum) = optimum {
        optimum
    } else {
        mixer.improve(&mut best)?;
        mixer.joined(&best, bound)
    };
    let alone = alone.iter().enumerate().map(|(kind, mix)| {
        // Everything is planned on one kind, so that kind's own proof holds.
        mixer.joined(mix, mix.plans[kind].bound.clone())
    });
    let alone = alone.collect();
    Ok(KindPlans { alone, best })
}

/// An assignment of workloads to kinds, with the plan of each kind.
#[derive(Debug, Clone)]
struct Mix {
    /// The kind of each workload.
    kind_of: Vec<usize>,
    plans: Vec<Plan>,
}

/// The planner of mixes of several kinds.
struct Mixer<'a> {
    strategy: &'a dyn Strategy,
    workloads: &'a [Workload],
    predictors: &'a [&'a dyn Predictor],
    options: PlanOptions,
    /// Least share of each workload on each kind, as a fraction of a GPU; `None` where the kind cannot serve it.
    least: Vec<Vec<Option<f64>>>,
}

impl<'a> Mixer<'a> {
    fn new(
        strategy: &'a dyn Strategy,
        workloads: &'a [Workload],
        predictors: &'a [&'a dyn Predictor],
        options: PlanOptions,
    ) -> Result<Self, PlanError> {
        let knows = |p: &dyn Predictor, w: &Workload| p.model_id(&w.model).is_some();
        for workload in workloads {
            if !predictors.iter().any(|p| knows(*p, workload)) {
                for predictor in predictors {
                    // Returns the error of the first kind, which lists the models that the kind knows.
                    PlanRequest::with_options(std::slice::from_ref(workload), *predictor, options)?;
                }
            }
        }
        let mut least = Vec::new();
        for predictor in predictors {
            let known: Vec<Workload> =
                workloads.iter().filter(|w| knows(*predictor, w)).cloned().collect();
            let request = PlanRequest::with_options(&known, *predictor, options)?;
            let whole = f64::from(predictor.kind().units.get());
            let mut of_known = vec![None; known.len()];
            for t in Types::of(&request).types {
                for &w in &t.workloads {
                    of_known[w] = Some(f64::from(t.least()) / whole);
                }
            }
            let mut of_known = of_known.into_iter();
            let of =
                |w: &Workload| knows(*predictor, w).then(|| of_known.next()).flatten().flatten();
            least.push(workloads.iter().map(of).collect());
        }
        Ok(Self { strategy, workloads, predictors, options, least })
    }

    /// Returns the plans of a strategy that plans over several kinds itself.
    fn own_way(&self, traffic: Option<&'a dyn Traffic>) -> Option<KindPlans> {
        let on = |predictor: &&'a dyn Predictor| {
            let request = PlanRequest::for_any(self.workloads, *predictor, self.options);
            traffic.map_or(request, |traffic| request.with_traffic(traffic))
        };
        let requests: Vec<PlanRequest<'_>> = self.predictors.iter().map(on).collect();
        let mut best = self.strategy.plan_on_kinds(&requests)?;
        let one = |request: &PlanRequest<'_>| self.strategy.plan_on_kinds(&[*request]);
        let alone: Vec<Plan> = requests.iter().filter_map(one).collect();
        // The search for a mix covers many more plans than the search on one kind, and can miss the best plan on
        // one kind. The bound on all mixes also holds for that plan.
        for plan in &alone {
            if self.cost_of(plan) < self.cost_of(&best) - 1e-12 {
                best = Plan { bound: best.bound, ..plan.clone() };
            }
        }
        Some(KindPlans { alone, best })
    }

    fn price(&self, kind: usize) -> f64 {
        self.predictors[kind].kind().price_per_hour.get()
    }

    fn kinds(&self) -> Vec<&'a GpuKind> {
        self.predictors.iter().map(|p| p.kind()).collect()
    }

    /// Returns, for each workload, the kind on which its least share costs least; the first kind where none can
    /// serve it.
    fn cheapest_kinds(&self) -> Vec<usize> {
        let cheapest = |w: usize| {
            (0..self.predictors.len())
                .filter_map(|kind| Some((kind, self.least[kind][w]? * self.price(kind))))
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(kind, _)| kind)
        };
        (0..self.workloads.len()).map(cheapest).collect()
    }

    /// Returns the strategy's plan of one kind's workloads.
    fn plan(&self, kind: usize, kind_of: &[usize]) -> Result<Plan, PlanError> {
        let predictor = self.predictors[kind];
        let on_kind = self.workloads.iter().zip(kind_of).filter(|(_, k)| **k == kind);
        let (known, unknown): (Vec<Workload>, Vec<Workload>) = on_kind
            .map(|(workload, _)| workload.clone())
            .partition(|w| predictor.model_id(&w.model).is_some());
        let request = PlanRequest::with_options(&known, predictor, self.options)?;
        let mut plan = self.strategy.plan(&request);
        plan.infeasible.extend(unknown.into_iter().map(|w| Infeasible {
            reason: format!("the profile of {} has no model {}", predictor.kind().name, w.model),
            workload: w.name,
            fixes: Vec::new(),
        }));
        Ok(plan)
    }

    fn mix(&self, kind_of: Vec<usize>) -> Result<Mix, PlanError> {
        let kinds = 0..self.predictors.len();
        let plans = kinds.map(|kind| self.plan(kind, &kind_of)).collect::<Result<_, _>>()?;
        Ok(Mix { kind_of, plans })
    }

    /// Returns the cost of a mix. An unplaced workload costs more than anything else.
    fn cost(&self, mix: &Mix) -> f64 {
        let mut cost = 0.0;
        for (kind, plan) in mix.plans.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
            let (gpus, unplaced) = (plan.gpus.len() as f64, plan.infeasible.len() as f64);
            // At equal cost, the mix with fewer GPUs wins.
            cost += gpus * (self.price(kind) + 1e-9) + unplaced * 1e12;
        }
        cost
    }

    /// Returns the same cost as [`Mixer::cost`], for a plan that is not divided by kinds.
    fn cost_of(&self, plan: &Plan) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
        let (gpus, unplaced) = (plan.gpus.len() as f64, plan.infeasible.len() as f64);
        plan.cost_per_hour(&self.kinds()).get() + gpus * 1e-9 + unplaced * 1e12
    }

    /// Tries to move the workloads of one GPU at a time to another kind.
    fn improve(&self, best: &mut Mix) -> Result<(), PlanError> {
        let mut trials = (TRIALS / self.workloads.len().max(1)).clamp(4, 400);
        'again: loop {
            let mut gpus: Vec<(f64, usize, &CoLocation)> = Vec::new();
            for (kind, plan) in best.plans.iter().enumerate() {
                let whole = f64::from(self.predictors[kind].kind().units.get());
                let room = |gpu: &CoLocation| 1.0 - f64::from(gpu.total_sm().get()) / whole;
                gpus.extend(plan.gpus.iter().map(|gpu| (room(gpu) * self.price(kind), kind, gpu)));
            }
            gpus.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (_, from, gpu) in gpus {
                let members: Vec<usize> = (0..self.workloads.len())
                    .filter(|&w| {
                        best.kind_of[w] == from
                            && gpu.placements.iter().any(|p| p.workload == self.workloads[w].name)
                    })
                    .collect();
                for to in (0..self.predictors.len()).filter(|to| *to != from) {
                    if members.iter().any(|&w| self.least[to][w].is_none()) {
                        continue;
                    }
                    if trials == 0 {
                        return Ok(());
                    }
                    trials -= 1;
                    let mut trial = best.clone();
                    members.iter().for_each(|&w| trial.kind_of[w] = to);
                    for kind in [from, to] {
                        trial.plans[kind] = self.plan(kind, &trial.kind_of)?;
                    }
                    if self.cost(&trial) < self.cost(best) - 1e-9 {
                        *best = trial;
                        continue 'again;
                    }
                }
            }
            return Ok(());
        }
    }

    /// Joins the plans of all kinds into one, with its bound.
    fn joined(&self, mix: &Mix, bound: Option<GpuBound>) -> Plan {
        Plan {
            strategy: self.strategy.name().to_owned(),
            gpus: mix.plans.iter().flat_map(|plan| plan.gpus.clone()).collect(),
            infeasible: mix.plans.iter().flat_map(|plan| plan.infeasible.clone()).collect(),
            bound,
        }
    }

    /// Returns the proven bound on every mix; `None` where the assumptions of the proofs do not hold for some
    /// kind's predictor, or where replicas are allowed.
    fn bound(&self) -> Result<Option<GpuBound>, PlanError> {
        let mut covers = String::new();
        for predictor in self.predictors {
            let knows = |w: &&Workload| predictor.model_id(&w.model).is_some();
            let known: Vec<Workload> = self.workloads.iter().filter(knows).cloned().collect();
            let request = PlanRequest::with_options(&known, *predictor, self.options)?;
            if !assumptions::holds(&request) {
                return Ok(None);
            }
            let one = "one placement for each workload on any of the kinds";
            covers = super::bound::covers(&request, one, Covered::UpToTheorem1);
        }
        let kinds = 0..self.predictors.len();
        if self.options.replicas == Replicas::Allowed {
            return Ok(None);
        }
        let (mut shares, mut cost) = (0.0, 0.0);
        for w in 0..self.workloads.len() {
            let least = |of: &dyn Fn(usize) -> f64| {
                let parts = kinds.clone().filter_map(|kind| Some(self.least[kind][w]? * of(kind)));
                parts.fold(f64::INFINITY, f64::min)
            };
            let share = least(&|_| 1.0);
            if share.is_finite() {
                shares += share;
                cost += least(&|kind| self.price(kind));
            }
        }
        Ok(Some(GpuBound {
            gpus: super::bound::round_up(shares),
            fractional_gpus: shares,
            method: BoundMethod::ShareSum,
            least_total_sm: None,
            least_cost_per_hour: Dollars::new(cost).ok(),
            note: "for each workload its least share on any kind, and what that costs, added up"
                .to_owned(),
            covers,
        }))
    }

    /// Returns the cheapest partition into feasible co-locations of all kinds; `None` where these are too many to list.
    fn optimum(&self) -> Result<Option<Plan>, PlanError> {
        let count = self.workloads.len();
        let served: Vec<usize> =
            (0..count).filter(|&w| self.least.iter().any(|kind| kind[w].is_some())).collect();
        // Per kind: the workloads that the kind can serve, and their types with one workload each.
        let mut requests: Vec<Vec<Workload>> = Vec::new();
        let mut origin: Vec<Vec<usize>> = Vec::new();
        for least in &self.least {
            let own: Vec<usize> = (0..count).filter(|&w| least[w].is_some()).collect();
            requests.push(own.iter().map(|&w| self.workloads[w].clone()).collect());
            origin.push(own);
        }
        let mut sets: Vec<PricedSet> = Vec::new();
        let mut singles: Vec<Vec<Type>> = Vec::new();
        for (kind, workloads) in requests.iter().enumerate() {
            let request =
                PlanRequest::with_options(workloads, self.predictors[kind], self.options)?;
            let types = Types::of(&request).split();
            let whole = f64::from(self.predictors[kind].kind().units.get());
            let Some(feasible) = feasible_sets(&mut ShareFitter::new(&request), &types, MOST_WAYS)
            else {
                return Ok(None);
            };
            for set in feasible {
                let member = |t: &u16| 1_usize << origin[kind][types[usize::from(*t)].workloads[0]];
                sets.push(PricedSet {
                    members: set.types.iter().map(member).sum(),
                    kind,
                    price: self.price(kind),
                    share: f64::from(set.total) / whole,
                    types: set.types,
                });
            }
            singles.push(types);
        }
        let chosen = cheapest_partition(count, &served, &sets);
        let mut plan = Plan {
            strategy: self.strategy.name().to_owned(),
            gpus: Vec::new(),
            infeasible: Vec::new(),
            bound: None,
        };
        for kind in 0..self.predictors.len() {
            let request =
                PlanRequest::with_options(&requests[kind], self.predictors[kind], self.options)?;
            let mut fitter = ShareFitter::new(&request);
            let own = chosen.iter().map(|&s| &sets[s]).filter(|set| set.kind == kind);
            let filled = own
                .filter_map(|set| best_seats(&mut fitter, &singles[kind], &set.types, MOST_WAYS))
                .collect();
            let gpus = seats(&singles[kind], filled);
            plan.gpus.extend(into_plan(&plan.strategy, &request, &gpus, Vec::new()).gpus);
        }
        for w in (0..count).filter(|w| !served.contains(w)) {
            let kind_of: Vec<usize> =
                (0..count).map(|i| if i == w { 0 } else { usize::MAX }).collect();
            plan.infeasible.extend(self.plan(0, &kind_of)?.infeasible);
        }
        let cost = plan.cost_per_hour(&self.kinds());
        let note = format!(
            "cheapest partition of {} workloads into any of all {} feasible co-locations of {} kinds",
            served.len(),
            sets.len(),
            self.predictors.len()
        );
        plan.bound = self.bound()?.map(|bound| GpuBound {
            method: BoundMethod::Exhaustive,
            least_cost_per_hour: Some(cost),
            note,
            ..bound
        });
        Ok(Some(plan))
    }
}

/// A co-location that one GPU of a kind can hold.
struct PricedSet {
    /// The workloads as a bit mask.
    members: usize,
    kind: usize,
    price: f64,
    /// Fraction of the GPU in use.
    share: f64,
    types: Vec<u16>,
}

/// Returns the sets of the cheapest partition of the workloads `served`; of equally cheap partitions, the one
/// with the fewest GPUs, then the least sum of shares.
fn cheapest_partition(count: usize, served: &[usize], sets: &[PricedSet]) -> Vec<usize> {
    let mut by_lowest: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, set) in sets.iter().enumerate() {
        by_lowest[set.members.trailing_zeros() as usize].push(index);
    }
    let all: usize = served.iter().map(|w| 1 << w).sum();
    let unknown = ((f64::INFINITY, 0.0), usize::MAX);
    let mut best = vec![unknown; 1 << count];
    best[0] = ((0.0, 0.0), usize::MAX);
    for mask in 1..best.len() {
        if mask & !all != 0 {
            continue;
        }
        for &index in &by_lowest[mask.trailing_zeros() as usize] {
            let set = &sets[index];
            let rest = best[mask & !set.members].0;
            if set.members & !mask != 0 || rest.0.is_infinite() {
                continue;
            }
            // One more GPU counts more than all shares together.
            let candidate = (rest.0 + set.price, rest.1 + 1000.0 + set.share);
            let known = best[mask].0;
            let cheaper = candidate.0 < known.0 - 1e-9;
            if cheaper || (candidate.0 < known.0 + 1e-9 && candidate.1 < known.1 - 1e-9) {
                best[mask] = (candidate, index);
            }
        }
    }
    let mut chosen = Vec::new();
    let mut mask = all;
    while mask > 0 && best[mask].1 != usize::MAX {
        let index = best[mask].1;
        chosen.push(index);
        mask &= !sets[index].members;
    }
    chosen
}
