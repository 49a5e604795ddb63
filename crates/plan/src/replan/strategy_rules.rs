//! The rules of strategies that plan for given rates: half of the SLO for a batch, and throughput.

use super::ReplanError;
use super::layout::{ReplanServer, Why};
use super::rules::{Asked, KindFacts, Rules, ServerSize};
use super::sticky::MOST_REPLICAS;
use crate::search::enumerate::{MOST_WAYS, best_seats};
use crate::search::types::Type;
use crate::shares::{PendingWorkload, ShareFitter};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy, plan_on_kinds_with};
use igniter_model::domain::Workload;
use igniter_model::predictor::Predictor;
use igniter_model::units::{RequestsPerSecond, SmUnits};
use std::collections::BTreeMap;

/// Number of batch sizes of each server that are tried in combination on a GPU.
const BATCHES_TRIED: usize = 4;

/// How many further numbers of servers are considered after the first sufficient one.
const FURTHER: u32 = 3;

/// Minimum rate, in requests/s; lower rates are planned as this one.
const LEAST_RATE: f64 = 1e-3;

/// The rules of a strategy that plans for given rates.
pub struct StrategyRules<'p> {
    strategy: &'p dyn Strategy,
    requests: Vec<PlanRequest<'p>>,
    kinds: Vec<KindFacts>,
    sizers: Vec<Sizer<'p>>,
    fitters: Vec<ShareFitter<'p>>,
    types: BTreeMap<(usize, usize, u64), Option<Type>>,
}

impl std::fmt::Debug for StrategyRules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StrategyRules").field("strategy", &self.strategy.name()).finish()
    }
}

impl<'p> StrategyRules<'p> {
    /// Creates the rules of a strategy for workloads on GPU kinds: one request per kind, all for the same
    /// workloads.
    #[must_use]
    pub fn new(strategy: &'p dyn Strategy, requests: &[PlanRequest<'p>]) -> Self {
        let price = |request: &PlanRequest<'_>| request.predictor().kind().price_per_hour.get();
        let cheapest = requests.iter().map(price).fold(f64::INFINITY, f64::min).max(1e-9);
        let facts = |request: &PlanRequest<'_>| KindFacts {
            whole: request.predictor().kind().units.get(),
            price: if price(request) > 0.0 { price(request) / cheapest } else { 1.0 },
        };
        Self {
            strategy,
            requests: requests.to_vec(),
            kinds: requests.iter().map(facts).collect(),
            sizers: requests.iter().map(Sizer::new).collect(),
            fitters: requests.iter().map(ShareFitter::new).collect(),
            types: BTreeMap::new(),
        }
    }

    fn divides(&self) -> bool {
        self.requests[0].options().replicas == Replicas::Allowed
    }

    /// Returns the demand of a server on a GPU of a kind; `None` where the kind does not know its model.
    fn demand(&self, kind: usize, workload: usize, rate: f64) -> Option<Demand> {
        let request = &self.requests[kind];
        let workload = &request.workloads()[workload];
        let model = request.predictor().model_id(&workload.model)?;
        let demand = Demand { rate_rps: rate, ..Demand::new(workload, model) };
        Some(demand.guarded(request.options()))
    }

    /// Returns a server with its batch sizes and their least shares.
    fn sized(&mut self, kind: usize, server: &Asked) -> Option<Type> {
        let rate = server.rate * server.part;
        let key = (kind, server.workload, rate.to_bits());
        if let Some(known) = self.types.get(&key) {
            return known.clone();
        }
        let found = self.demand(kind, server.workload, rate).and_then(|demand| {
            let sizer = &mut self.sizers[kind];
            let largest = sizer.theorem_1_batch(&demand);
            let mut options = sizer.sizes(&demand, largest);
            options.truncate(BATCHES_TRIED);
            (!options.is_empty()).then(|| Type { options, workloads: vec![server.workload] })
        });
        self.types.insert(key, found.clone());
        found
    }

    /// Returns the total cost of equal servers of a workload on the kind where it is least.
    fn cost(&mut self, workload: usize, rate: f64, replicas: u32) -> Option<f64> {
        let part = 1.0 / f64::from(replicas);
        let mut least: Option<f64> = None;
        for kind in 0..self.kinds.len() {
            let asked = Asked { workload, rate, part, replicas, at_least: 0 };
            let Some(units) = self.alone(kind, &asked) else { continue };
            let KindFacts { whole, price } = self.kinds[kind];
            let cost = f64::from(units * replicas) / f64::from(whole) * price;
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
        least
    }

    /// Returns the workloads with other rates.
    fn with_rates(&self, rates: &[f64]) -> Vec<Workload> {
        let mut workloads = self.requests[0].workloads().to_vec();
        for (workload, rate) in workloads.iter_mut().zip(rates) {
            workload.rate = RequestsPerSecond::new(rate.max(LEAST_RATE)).unwrap_or(workload.rate);
        }
        workloads
    }
}

impl Rules for StrategyRules<'_> {
    fn kinds(&self) -> &[KindFacts] {
        &self.kinds
    }

    fn rounded(&self, rate: f64) -> f64 {
        rate.max(LEAST_RATE)
    }

    fn alone(&mut self, kind: usize, server: &Asked) -> Option<u32> {
        self.sized(kind, server).map(|sized| sized.least())
    }

    fn fit(&mut self, kind: usize, servers: &[Asked]) -> Option<Vec<ServerSize>> {
        let mut types = Vec::with_capacity(servers.len());
        for server in servers {
            types.push(self.sized(kind, server)?);
        }
        let whole = self.kinds[kind].whole;
        let fitter = &mut self.fitters[kind];
        // Best first: the one that asks most decides most.
        let blind = self.strategy.name() == "ffd";
        let mut seats: Vec<PendingWorkload> = if blind {
            let seat = |(workload, of): (usize, &Type)| {
                let sized = of.options[0];
                PendingWorkload { workload, sized, share: sized.least }
            };
            types.iter().enumerate().map(seat).collect()
        } else {
            let all: Vec<u16> = (0..u16::try_from(types.len()).ok()?).collect();
            best_seats(fitter, &types, &all, MOST_WAYS)?
        };
        for (seat, server) in seats.iter_mut().zip(servers) {
            seat.share = seat.share.max(SmUnits::new(server.at_least));
        }
        let fits = if blind {
            seats.iter().map(|seat| seat.share.get()).sum::<u32>() <= whole
                && fitter.has_room(&seats)
        } else {
            fitter.grow_to(&mut seats, whole)
        };
        let size = |seat: &PendingWorkload| ServerSize {
            units: seat.share.get(),
            batch: seat.sized.batch.get(),
        };
        fits.then(|| seats.iter().map(size).collect())
    }

    fn has_room(&self, kind: usize, workloads: &[usize]) -> bool {
        let request = &self.requests[kind];
        let memory = request.predictor().kind().memory.map(|bytes| bytes.get());
        let needed = |workload: &usize| {
            let model = request.predictor().model_id(&request.workloads()[*workload].model)?;
            Some(request.predictor().memory(model)?.get())
        };
        let needed: u64 = workloads.iter().filter_map(needed).sum();
        workloads.len() <= request.options().process_limit
            && memory.is_none_or(|available| needed <= available)
    }

    fn choices(&mut self, workload: usize, rate: f64) -> Vec<(u32, f64)> {
        let mut choices: Vec<(u32, f64)> = Vec::new();
        for replicas in 1..=if self.divides() { MOST_REPLICAS } else { 1 } {
            let first = choices.first().map(|(first, _)| *first);
            if first.is_some_and(|first| replicas > first + FURTHER) {
                break;
            }
            choices.extend(self.cost(workload, rate, replicas).map(|cost| (replicas, cost)));
        }
        choices
    }

    fn least(&mut self, workload: usize, rate: f64) -> Option<(f64, f64)> {
        if !crate::has_sticky_rules(self.strategy.name()) {
            return None;
        }
        let (mut gpus, mut cost) = (f64::INFINITY, f64::INFINITY);
        for kind in 0..self.kinds.len() {
            let Some(demand) = self.demand(kind, workload, rate) else { continue };
            let units = if self.divides() {
                self.sizers[kind].least_divided_share(&demand)
            } else {
                let asked = Asked { workload, rate, part: 1.0, replicas: 1, at_least: 0 };
                self.alone(kind, &asked).map(f64::from)
            };
            let Some(units) = units else { continue };
            let KindFacts { whole, price } = self.kinds[kind];
            gpus = gpus.min(units / f64::from(whole));
            cost = cost.min(units / f64::from(whole) * price);
        }
        gpus.is_finite().then_some((gpus, cost))
    }

    fn scratch(
        &mut self,
        rates: &[f64],
        _: u64,
        _: u64,
    ) -> Result<Vec<(usize, Vec<ReplanServer>)>, ReplanError> {
        let workloads = self.with_rates(rates);
        let options = *self.requests[0].options();
        let traffic = self.requests[0].traffic();
        let plan = if let [request] = self.requests.as_slice() {
            let request = PlanRequest::for_any(&workloads, request.predictor(), options)
                .with_traffic(traffic);
            self.strategy.plan(&request)
        } else {
            let predictors: Vec<&dyn Predictor> =
                self.requests.iter().map(|request| request.predictor()).collect();
            plan_on_kinds_with(self.strategy, &workloads, &predictors, options, Some(traffic))
                .map_err(|error| ReplanError::Plan(error.to_string()))?
                .best
        };
        let place_of = |name| workloads.iter().position(|workload| workload.name == name);
        if let Some(infeasible) = plan.infeasible.first() {
            let workload = place_of(infeasible.workload.clone()).unwrap_or(0);
            let rate = rates[workload];
            let reason = format!(
                "{}; lower its rate or headroom_pct, give it a longer SLO, or use strategy queueing, which divides a \
                 workload among servers",
                infeasible.reason
            );
            return Err(ReplanError::NoPlan { workload, rate, reason });
        }
        let mut gpus = Vec::with_capacity(plan.gpus.len());
        for gpu in &plan.gpus {
            if gpu.takes_turns() {
                let strategy = self.strategy.name();
                return Err(ReplanError::Plan(format!(
                    "servers of strategy {strategy} take turns on the same SMs (time_slot), and a hand-over between such \
                     plans is not defined; use a strategy whose servers have SMs of their own, such as igniter or queueing"
                )));
            }
            let kind = self.requests.iter().position(|r| r.predictor().kind().name == gpu.kind);
            let mut servers = Vec::with_capacity(gpu.placements.len());
            for placement in &gpu.placements {
                let workload = place_of(placement.workload.clone()).unwrap_or(0);
                let whole = workloads[workload].rate.get();
                let part = placement.served.map_or(1.0, |served| served.get() / whole);
                let server = ReplanServer::new(workload, part, Why::Anew);
                servers.push(server.sized(placement.sm.get(), placement.batch.get()));
            }
            gpus.push((kind.unwrap_or(0), servers));
        }
        Ok(gpus)
    }
}
