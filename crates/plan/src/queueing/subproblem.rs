//! A subset of the workloads with their GPUs: from goals to a packing.

use super::super::{PlanRequest, Replicas};
use super::class::Class;
use super::goal::{AttainmentTarget, goal, target};
use super::kind_tables::{KindTables, PlannedSetting};
use super::packing::{Fleet, PackedGpu};
use super::search::{Job, MOST_REPLICAS, Options, PackingSearch, options};
use crate::search::local::Choices;

/// The requested number of local-search rounds is meant for `optimal`, whose rounds are cheaper by this factor.
const ROUNDS_PART: u64 = 8;

/// Dispersion of late requests that is assumed until it has been estimated.
const FIRST_DISPERSION: f64 = 5.0;

/// A subset of the workloads with their GPUs.
pub(super) struct Subproblem<'p> {
    pub fleet: Fleet<'p>,
    pub options: Vec<Options>,
    /// Dispersion of late requests, by class.
    pub dispersions: Vec<f64>,
    jobs: Vec<Job>,
    pub bins: Vec<PackedGpu>,
    pub request: PlanRequest<'p>,
    seed: u64,
    /// Lower bounds on the cost and on the number of GPUs of any plan, each before rounding.
    pub least_cost: f64,
    pub least_gpus: f64,
}

impl<'p> Subproblem<'p> {
    pub(super) fn new(requests: &[PlanRequest<'p>], classes: Vec<Class>, number: u64) -> Self {
        let request = requests[0];
        let target = target(&request);
        let sites =
            requests.iter().map(|request| KindTables::new(request, classes.len())).collect();
        let goals = classes.iter().map(|class| goal(target, class, FIRST_DISPERSION)).collect();
        let count = classes.len();
        let mut part = Self {
            fleet: Fleet::new(sites, classes, goals),
            options: Vec::new(),
            dispersions: vec![FIRST_DISPERSION; count],
            jobs: Vec::new(),
            bins: Vec::new(),
            request,
            seed: request.options().seed + number,
            least_cost: 0.0,
            least_gpus: 0.0,
        };
        part.options = (0..count).map(|class| part.options_of(class)).collect();
        for class in 0..count {
            part.set_goal(class, target);
            part.options[class] = part.options_of(class);
        }
        part.note_bound();
        part.pack();
        part
    }

    /// Estimates the dispersion of late requests of a class where it just reaches its goal, and sets the goal
    /// accordingly.
    fn set_goal(&mut self, class: usize, target: AttainmentTarget) {
        if target.deviations <= 0.0 {
            self.fleet.goals[class] = target.attained;
        }
        let Some((site, setting)) = self.typical(class) else { return };
        let of = &self.fleet.classes[class];
        self.dispersions[class] = self.fleet.sites[site].dispersion(of, &setting);
        self.fleet.goals[class] = goal(target, of, self.dispersions[class]);
    }

    /// Returns the GPU kind and setting of a server of a class that just reaches its goal alone, with the fewest
    /// replicas worth trying.
    fn typical(&mut self, class: usize) -> Option<(usize, PlannedSetting)> {
        let &(replicas, _) = self.options[class].first()?;
        let goal = self.fleet.goals[class];
        (0..self.fleet.sites.len()).find_map(|site| {
            let of = (class, &self.fleet.classes[class]);
            let choice = self.fleet.sites[site].least(of, replicas, 0, goal)?;
            let (batch, units) = (choice.batch, choice.units);
            Some((site, PlannedSetting { replicas, batch, units, slow: 0 }))
        })
    }

    pub(super) fn most_replicas(&self) -> u32 {
        match self.request.options().replicas {
            Replicas::Forbidden => 1,
            Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
        }
    }

    pub(super) fn options_of(&mut self, class: usize) -> Options {
        let most = self.most_replicas();
        options(&mut self.fleet, class, most)
    }

    /// Adds up the least shares without neighbours to the lower bounds.
    fn note_bound(&mut self) {
        for class in 0..self.options.len() {
            #[expect(clippy::cast_precision_loss, reason = "a count of workloads")]
            let count = self.fleet.classes[class].workloads.len() as f64;
            let (mut cost, mut gpus) = (f64::INFINITY, f64::INFINITY);
            for (replicas, price) in self.options[class].clone() {
                cost = cost.min(price);
                for site in 0..self.fleet.sites.len() {
                    if let Some(units) = self.fleet.least(site, class, replicas) {
                        let whole = f64::from(self.fleet.sites[site].whole);
                        gpus = gpus.min(f64::from(units * replicas) / whole);
                    }
                }
            }
            if gpus.is_finite() {
                self.least_cost += count * cost;
                self.least_gpus += count * gpus;
            }
        }
    }

    /// Packs all workloads that can be served.
    pub(super) fn pack(&mut self) {
        self.jobs.clear();
        for (class, of) in self.fleet.classes.iter().enumerate() {
            if !self.options[class].is_empty() {
                let job = |&workload: &usize| Job { workload, class, replicas: 1 };
                self.jobs.extend(of.workloads.iter().map(job));
            }
        }
        self.jobs.sort_by_key(|job| job.workload);
        let count = self.jobs.len() as u64;
        let asked = u64::from(self.request.options().search_rounds) * count / 1_000;
        let rounds = asked / ROUNDS_PART;
        let cheapest = self.fleet.sites.iter().map(|site| site.price + 1e-9);
        let cheapest = cheapest.fold(f64::INFINITY, f64::min);
        // No packing can cost less. With a single kind, the bound is rounded up to whole GPUs.
        let lowest = match self.fleet.sites.len() {
            1 => (self.least_gpus - 1e-6).ceil() * cheapest,
            _ => self.least_cost,
        };
        let mut search = PackingSearch::start(&mut self.fleet, &self.options, self.jobs.clone());
        search.improve(rounds, lowest, &mut Choices::new(self.seed));
        let (jobs, bins) = (search.jobs, search.bins);
        self.jobs = jobs;
        self.bins = bins;
    }

    pub(super) fn spread(&mut self) {
        for bin in &mut self.bins {
            self.fleet.spread(bin);
        }
    }
}
