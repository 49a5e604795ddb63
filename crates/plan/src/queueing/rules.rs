//! The rules of strategy `queueing` for re-planning: the least shares of servers, one epoch after another.

use super::class::{LatenessSource, classes};
use super::goal::{AttainmentTarget, goal, target};
use super::kind_tables::{KindTables, PlannedSetting};
use super::packing::{Fleet, Item, PackedServer};
use super::search::{Job, MOST_REPLICAS, Options, PackingSearch, options};
use crate::replan::{Asked, KindFacts, ReplanError, ReplanServer, Rules, ServerSize, Why};
use crate::search::local::Choices;
use crate::traffic::{ArrivalModel, ServerTraits};
use crate::{PlanRequest, Replicas};
use igniter_model::units::RequestsPerSecond;
use std::collections::BTreeMap;

/// Rates are rounded up to a grid with this logarithmic step, so that results for one rate serve for others.
const GRID: f64 = 0.015;

/// Lowest rate that is planned for, in requests/s; lower rates are planned as this one.
const LEAST_RATE: f64 = 1e-3;

/// Dispersion of late requests that is assumed until it has been estimated.
const FIRST_DISPERSION: f64 = 5.0;

/// The least shares of strategy `queueing`. Results for one epoch are kept for the next.
#[derive(Debug)]
pub struct QueueingRules<'p> {
    requests: Vec<PlanRequest<'p>>,
    kinds: Vec<KindFacts>,
    fleet: Fleet<'p>,
    target: AttainmentTarget,
    /// For each workload, the index of the first one like it.
    types: Vec<usize>,
    /// Dispersion of late requests, by type.
    dispersions: BTreeMap<usize, f64>,
    /// Known classes, or the reason why there is none, by type and rate.
    known: BTreeMap<(usize, u64), Result<usize, String>>,
    /// Numbers of replicas worth trying, by class.
    options: Vec<Options>,
    most: u32,
}

impl<'p> QueueingRules<'p> {
    /// Makes rules for workloads on GPU kinds: one request for each kind, all for the same workloads. Their traffic
    /// describes how requests arrive at a given rate, and its run is as long as an epoch.
    #[must_use]
    pub fn new(requests: &[PlanRequest<'p>]) -> Self {
        let sites: Vec<KindTables<'p>> =
            requests.iter().map(|request| KindTables::new(request, 0)).collect();
        let cheapest = sites.iter().map(|site| site.price).fold(f64::INFINITY, f64::min).max(1e-9);
        let kinds = sites.iter().map(|site| KindFacts {
            whole: site.whole,
            price: if site.price > 0.0 { site.price / cheapest } else { 1.0 },
        });
        let most = match requests[0].options().replicas {
            Replicas::Forbidden => 1,
            Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
        };
        Self {
            kinds: kinds.collect(),
            target: target(&requests[0]),
            types: types(&requests[0]),
            requests: requests.to_vec(),
            fleet: Fleet::new(sites, Vec::new(), Vec::new()),
            dispersions: BTreeMap::new(),
            known: BTreeMap::new(),
            options: Vec::new(),
            most,
        }
    }

    /// Returns the class of a workload at a rate.
    fn class(&mut self, workload: usize, rate: f64) -> Result<usize, String> {
        let key = (self.types[workload], rate.to_bits());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let class = self.new_class(workload, rate);
        self.known.insert(key, class.clone());
        class
    }

    fn new_class(&mut self, workload: usize, rate: f64) -> Result<usize, String> {
        let of = &self.requests[0];
        let mut one = of.workloads()[workload].clone();
        one.rate = RequestsPerSecond::new(rate).map_err(|error| error.to_string())?;
        let alone = std::slice::from_ref(&one);
        let request =
            PlanRequest::for_any(alone, of.predictor(), *of.options()).with_traffic(of.traffic());
        let (mut made, infeasible) = classes(&request, LatenessSource::Analysis);
        let Some(mut class) = made.pop() else {
            let reason = infeasible.into_iter().next().map(|infeasible| infeasible.reason);
            return Err(reason.unwrap_or_default());
        };
        class.workloads = vec![workload];
        let kind = self.types[workload];
        let dispersion = self.dispersions.get(&kind).copied();
        let index = self.fleet.add(class);
        self.fleet.goals[index] =
            goal(self.target, &self.fleet.classes[index], dispersion.unwrap_or(FIRST_DISPERSION));
        let mut choices = options(&mut self.fleet, index, self.most);
        if dispersion.is_none()
            && let Some(&(replicas, _)) = choices.first()
        {
            let dispersion = self.dispersion(index, replicas);
            self.dispersions.insert(kind, dispersion);
            self.fleet.goals[index] = goal(self.target, &self.fleet.classes[index], dispersion);
            choices = options(&mut self.fleet, index, self.most);
        }
        self.options.push(choices);
        Ok(index)
    }

    /// Returns the dispersion of late requests where a class just reaches its goal.
    fn dispersion(&mut self, class: usize, replicas: u32) -> f64 {
        let goal = self.fleet.goals[class];
        for site in 0..self.fleet.sites.len() {
            let of = (class, &self.fleet.classes[class]);
            let Some(choice) = self.fleet.sites[site].least(of, replicas, 0, goal) else {
                continue;
            };
            let setting =
                PlannedSetting { replicas, batch: choice.batch, units: choice.units, slow: 0 };
            return self.fleet.sites[site].dispersion(of.1, &setting);
        }
        FIRST_DISPERSION
    }

    fn seat(&mut self, kind: usize, server: &Asked) -> Option<PackedServer> {
        let class = self.class(server.workload, server.rate).ok()?;
        let item = Item { class, workload: server.workload, replicas: server.replicas };
        let seat = self.fleet.seat(kind, item)?;
        if seat.setting.units >= server.at_least {
            return Some(seat);
        }
        let setting = PlannedSetting { units: server.at_least, ..seat.setting };
        self.fleet.seated(kind, class, server.workload, setting)
    }
}

/// Returns, for each workload, the index of the first one with the same model, SLO and server, if both have Poisson
/// arrivals. Other workloads have types of their own.
fn types(request: &PlanRequest<'_>) -> Vec<usize> {
    let traffic = request.traffic();
    let mut known: Vec<(usize, ServerTraits)> = Vec::new();
    let mut types = Vec::new();
    for (index, workload) in request.workloads().iter().enumerate() {
        let traits = traffic.server(workload);
        let like = |(other, its): &&(usize, ServerTraits)| {
            let other = &request.workloads()[*other];
            other.model == workload.model
                && other.slo == workload.slo
                && *its == traits
                && traffic.arrivals(other) == ArrivalModel::Poisson
                && traffic.arrivals(workload) == ArrivalModel::Poisson
        };
        let first = known.iter().find(like).map(|(other, _)| *other);
        types.push(first.unwrap_or(index));
        if first.is_none() {
            known.push((index, traits));
        }
    }
    types
}

impl Rules for QueueingRules<'_> {
    fn kinds(&self) -> &[KindFacts] {
        &self.kinds
    }

    fn rounded(&self, rate: f64) -> f64 {
        let steps = libm::ceil(libm::log(rate.max(LEAST_RATE)) / GRID - 1e-4);
        libm::exp(steps * GRID)
    }

    fn alone(&mut self, kind: usize, server: &Asked) -> Option<u32> {
        let class = self.class(server.workload, server.rate).ok()?;
        self.fleet.least(kind, class, server.replicas)
    }

    fn fit(&mut self, kind: usize, servers: &[Asked]) -> Option<Vec<ServerSize>> {
        let mut seats = Vec::with_capacity(servers.len());
        for server in servers {
            seats.push(self.seat(kind, server)?);
        }
        if !self.fleet.fit(kind, &mut seats) {
            return None;
        }
        let size = |seat: &PackedServer| ServerSize {
            units: seat.setting.units,
            batch: seat.setting.batch,
        };
        Some(seats.iter().map(size).collect())
    }

    fn has_room(&self, kind: usize, workloads: &[usize]) -> bool {
        let site = &self.fleet.sites[kind];
        let all = self.requests[kind].workloads();
        let model = |workload: &usize| site.predictor.model_id(&all[*workload].model);
        site.has_room(workloads.iter().filter_map(model))
    }

    fn choices(&mut self, workload: usize, rate: f64) -> Vec<(u32, f64)> {
        let Ok(class) = self.class(workload, rate) else { return Vec::new() };
        let mut choices = self.options[class].clone();
        let price = |site: &KindTables<'_>| site.price + 1e-9;
        let cheapest = self.fleet.sites.iter().map(price).fold(f64::INFINITY, f64::min);
        choices.iter_mut().for_each(|(_, cost)| *cost /= cheapest);
        choices
    }

    fn least(&mut self, workload: usize, rate: f64) -> Option<(f64, f64)> {
        let class = self.class(workload, rate).ok()?;
        let (mut gpus, mut cost) = (f64::INFINITY, f64::INFINITY);
        for (replicas, _) in self.options[class].clone() {
            for kind in 0..self.kinds.len() {
                let Some(units) = self.fleet.least(kind, class, replicas) else { continue };
                let KindFacts { whole, price } = self.kinds[kind];
                let part = f64::from(units * replicas) / f64::from(whole);
                gpus = gpus.min(part);
                cost = cost.min(part * price);
            }
        }
        gpus.is_finite().then_some((gpus, cost))
    }

    fn scratch(
        &mut self,
        rates: &[f64],
        effort: u64,
        seed: u64,
    ) -> Result<Vec<(usize, Vec<ReplanServer>)>, ReplanError> {
        let mut jobs = Vec::with_capacity(rates.len());
        let mut bound = 0.0;
        for (workload, &rate) in rates.iter().enumerate() {
            let class = self.class(workload, rate).map_err(|reason| ReplanError::NoPlan {
                workload,
                rate,
                reason,
            })?;
            if self.options[class].is_empty() {
                return Err(ReplanError::NoServer { workload, rate });
            }
            bound += self.least(workload, rate).map_or(0.0, |(_, cost)| cost);
            jobs.push(Job { workload, class, replicas: 1 });
        }
        let price = |site: &KindTables<'_>| site.price + 1e-9;
        let cheapest = self.fleet.sites.iter().map(price).fold(f64::INFINITY, f64::min);
        let lowest = if self.kinds.len() == 1 { (bound - 1e-6).ceil() } else { bound } * cheapest;
        let mut search = PackingSearch::start(&mut self.fleet, &self.options, jobs);
        search.improve(effort, lowest, &mut Choices::new(seed));
        let mut gpus = Vec::with_capacity(search.bins.len());
        for bin in search.bins.iter().filter(|bin| !bin.seats.is_empty()) {
            let server = |seat: &PackedServer| {
                let part = 1.0 / f64::from(seat.setting.replicas);
                ReplanServer::new(seat.workload, part, Why::Anew)
                    .sized(seat.setting.units, seat.setting.batch)
            };
            gpus.push((bin.site, bin.seats.iter().map(server).collect()));
        }
        Ok(gpus)
    }
}
