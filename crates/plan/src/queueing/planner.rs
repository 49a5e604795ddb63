//! All steps of the planner, one after another.

use super::super::shares::predicted_service;
use super::super::traffic::{Luck, Trial};
use super::super::{PlanRequest, Replicas};
use super::class::{Class, Judge, Source, classes};
use super::goal::Target;
use super::packing::{Bin, Fleet, Seat};
use super::search::{Job, MOST_REPLICAS, Options, Search, options};
use super::shares::batches;
use super::site::{Setting, Site};
use crate::search::local::Choices;
use igniter_model::domain::{
    BoundMethod, CoLocation, GpuBound, Infeasible, Placement, Plan, WorkloadName,
};
use igniter_model::units::{BatchSize, Dollars, RequestsPerSecond, SmUnits};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Distinct workloads that are packed together; more are dealt out over several packings.
const CHUNK: usize = 1_000;

/// The rounds of local search that are asked for are those of `optimal`, whose rounds are cheaper by this factor.
const ROUNDS_PART: u64 = 8;

/// How much late requests come together, until it is known better.
const FIRST_DISPERSION: f64 = 5.0;

/// Requests with which a plan is tried out, in runs of at most so many.
const TRIAL_REQUESTS: u64 = 2_000_000;
const MOST_TRIALS: u64 = 20;

/// How often a plan is tried out and mended.
const MOST_ATTEMPTS: usize = 4;

/// Makes the plan on one GPU kind or several: one request for each, all for the same workloads.
pub(super) fn plan(strategy: &str, requests: &[PlanRequest<'_>], judge: Judge) -> Plan {
    let Some(request) = requests.first() else {
        return Plan {
            strategy: strategy.to_owned(),
            gpus: Vec::new(),
            infeasible: Vec::new(),
            bound: None,
        };
    };
    let (all, infeasible) = classes(request, judge);
    let chunks = dealt(all, request.workloads().len().div_ceil(CHUNK).max(1));
    let mut parts: Vec<Part<'_>> = chunks
        .into_par_iter()
        .enumerate()
        .map(|(number, classes)| Part::new(requests, classes, number as u64))
        .collect();
    for attempt in 1..=MOST_ATTEMPTS {
        parts.par_iter_mut().for_each(Part::spread);
        let tried = written(strategy, request, &parts);
        if attempt == MOST_ATTEMPTS {
            break;
        }
        let Some(trials) = trials(request, &tried, &mut parts) else { break };
        let mended: Vec<bool> = parts.par_iter_mut().map(|part| part.learn(&trials)).collect();
        if !mended.contains(&true) {
            break;
        }
    }
    let mut plan = written(strategy, request, &parts);
    let mut unserved = infeasible;
    unserved.extend(parts.iter_mut().flat_map(|part| part.infeasible(request)));
    let names = request.workloads().iter().enumerate().map(|(place, w)| (&w.name, place));
    let places: BTreeMap<&WorkloadName, usize> = names.collect();
    unserved.sort_by_key(|infeasible| places.get(&infeasible.workload));
    plan.infeasible = unserved;
    plan.bound = Some(bound(request, &parts, judge));
    plan
}

/// Deals classes out over so many chunks.
fn dealt(classes: Vec<Class>, chunks: usize) -> Vec<Vec<Class>> {
    let mut dealt: Vec<Vec<Class>> = vec![Vec::new(); chunks];
    for (index, class) in classes.into_iter().enumerate() {
        dealt[index % chunks].push(class);
    }
    dealt.retain(|chunk| !chunk.is_empty());
    dealt
}

/// Some of the workloads with their GPUs.
struct Part<'p> {
    fleet: Fleet<'p>,
    options: Vec<Options>,
    /// How much late requests come together, by class.
    dispersions: Vec<f64>,
    jobs: Vec<Job>,
    bins: Vec<Bin>,
    request: PlanRequest<'p>,
    seed: u64,
    /// What no plan can cost less than, and how many GPUs none can have fewer than, each before rounding.
    least_cost: f64,
    least_gpus: f64,
}

impl<'p> Part<'p> {
    fn new(requests: &[PlanRequest<'p>], classes: Vec<Class>, number: u64) -> Self {
        let request = requests[0];
        let target = target(&request);
        let sites = requests.iter().map(|request| Site::new(request, classes.len())).collect();
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

    /// Estimates how much late requests of a class come together, where it just reaches its goal, and sets the
    /// goal accordingly.
    fn set_goal(&mut self, class: usize, target: Target) {
        if target.deviations <= 0.0 {
            self.fleet.goals[class] = target.attained;
        }
        let Some((site, setting)) = self.typical(class) else { return };
        let of = &self.fleet.classes[class];
        self.dispersions[class] = self.fleet.sites[site].dispersion(of, &setting);
        self.fleet.goals[class] = goal(target, of, self.dispersions[class]);
    }

    /// A server of a class that just reaches its goal alone, with the fewest replicas that are worth a try.
    fn typical(&mut self, class: usize) -> Option<(usize, Setting)> {
        let &(replicas, _) = self.options[class].first()?;
        let goal = self.fleet.goals[class];
        (0..self.fleet.sites.len()).find_map(|site| {
            let of = (class, &self.fleet.classes[class]);
            let choice = self.fleet.sites[site].least(of, replicas, 0, goal)?;
            let (batch, units) = (choice.batch, choice.units);
            Some((site, Setting { replicas, batch, units, slow: 0 }))
        })
    }

    fn most_replicas(&self) -> u32 {
        match self.request.options().replicas {
            Replicas::Forbidden => 1,
            Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
        }
    }

    fn options_of(&mut self, class: usize) -> Options {
        let most = self.most_replicas();
        options(&mut self.fleet, class, most)
    }

    /// The least shares alone, added up.
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
    fn pack(&mut self) {
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
        // No packing costs less; of one kind, whole GPUs.
        let lowest = match self.fleet.sites.len() {
            1 => (self.least_gpus - 1e-6).ceil() * cheapest,
            _ => self.least_cost,
        };
        let mut search = Search::start(&mut self.fleet, &self.options, self.jobs.clone());
        search.improve(rounds, lowest, &mut Choices::new(self.seed));
        let (jobs, bins) = (search.jobs, search.bins);
        self.jobs = jobs;
        self.bins = bins;
    }

    fn spread(&mut self) {
        for bin in &mut self.bins {
            self.fleet.spread(bin);
        }
    }

    /// Compares what became of the plan with what was expected. Workloads that clearly fall short of their goals
    /// because more of their requests are late than expected get higher goals, and the plan is made again; says
    /// whether there are any.
    fn learn(&mut self, trials: &[Trial]) -> bool {
        let mut mended = false;
        for (class, expected) in self.expected().into_iter().enumerate() {
            let Some(expected) = expected else { continue };
            let (verdict, late) = self.verdict(class, expected, trials, 1.0);
            if verdict == Verdict::FallsShort {
                let ratio = (expected / late).clamp(0.3, 1.0);
                self.fleet.goals[class] = 1.0 - (1.0 - self.fleet.goals[class]) * ratio;
                mended = true;
            }
        }
        if mended {
            self.options = (0..self.options.len()).map(|class| self.options_of(class)).collect();
            let refit: Option<Vec<Bin>> =
                self.bins.iter().map(|bin| self.fleet.refit(bin)).collect();
            match refit {
                Some(bins) => self.bins = bins,
                None => self.pack(),
            }
        }
        mended
    }

    /// What trials say of a class, and what part of its requests was late in them. Workloads fall short if they are so
    /// many standard deviations away from luck.
    fn verdict(
        &self,
        class: usize,
        expected: f64,
        trials: &[Trial],
        deviations: f64,
    ) -> (Verdict, f64) {
        let of_workloads = self.fleet.classes[class].workloads.iter().map(|w| trials[*w]);
        let (requests, late) =
            of_workloads.fold((0, 0), |sum, of| (sum.0 + of.requests, sum.1 + of.late));
        if requests == 0 {
            return (Verdict::Holds, 0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let (requests, late) = (requests as f64, late as f64);
        let late = late / requests;
        let deviation = |late: f64| (self.dispersions[class] * late / requests).sqrt();
        let allowed = 1.0 - self.fleet.goals[class];
        // Half of the way from the goal to the target is left to luck.
        let enough = f64::midpoint(allowed, 1.0 - target(&self.request).attained).max(allowed);
        let verdict = if late + deviation(late.max(expected)) <= enough {
            Verdict::Holds
        } else if late - deviations * deviation(late) > allowed.max(expected) {
            Verdict::FallsShort
        } else {
            Verdict::Open
        };
        (verdict, late)
    }

    /// Whether more trials would tell nothing new about the classes.
    fn is_decided(&self, expected: &[Option<f64>], trials: &[Trial]) -> bool {
        expected.iter().enumerate().all(|(class, expected)| {
            expected.is_none_or(|e| self.verdict(class, e, trials, 2.0).0 != Verdict::Open)
        })
    }

    /// By class, the part of the requests that is expected to be late in the plan; `None` without a place.
    fn expected(&mut self) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0.0); self.fleet.classes.len()];
        let Self { bins, fleet, .. } = self;
        for bin in bins {
            for seat in &bin.seats {
                let (late, servers) = &mut sums[seat.class];
                *late += 1.0 - fleet.attained(bin.site, seat);
                *servers += 1.0;
            }
        }
        sums.into_iter().map(|(late, servers)| (servers > 0.0).then(|| late / servers)).collect()
    }

    /// Those that no GPU can serve, with the best that can be had.
    fn infeasible(&mut self, request: &PlanRequest<'_>) -> Vec<Infeasible> {
        let mut infeasible = Vec::new();
        for class in 0..self.options.len() {
            if !self.options[class].is_empty() {
                continue;
            }
            let reason = self.why_not(class);
            for &workload in &self.fleet.classes[class].workloads {
                infeasible.push(Infeasible {
                    workload: request.workloads()[workload].name.clone(),
                    reason: reason.clone(),
                    fixes: Vec::new(),
                });
            }
        }
        infeasible
    }

    fn why_not(&mut self, class: usize) -> String {
        let of = &self.fleet.classes[class];
        let goal = self.fleet.goals[class];
        let options = self.request.options();
        let known: Vec<usize> = (0..self.fleet.sites.len())
            .filter(|site| self.fleet.sites[*site].model(of).is_some())
            .collect();
        if known.is_empty() {
            return format!(
                "no GPU kind has a profile of {} and room for a process of it",
                of.model
            );
        }
        let most = match options.replicas {
            Replicas::Forbidden => 1,
            Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
        };
        let mut best = (0.0, 1, 1);
        let mut replicas = 1;
        while replicas <= most {
            for &site in &known {
                for batch in batches(&self.fleet.sites[site], of) {
                    let units = self.fleet.sites[site].whole;
                    let setting = Setting { replicas, batch, units, slow: 0 };
                    let steady = self.fleet.sites[site].steady((class, of), &setting);
                    let attained = steady.map_or(0.0, |steady| steady.attained);
                    if attained > best.0 {
                        best = (attained, replicas, batch);
                    }
                }
            }
            replicas *= 2;
        }
        let target = options.attainment_pct;
        let gpus = if best.1 == 1 { "a whole GPU" } else { "whole GPUs" };
        let (rate, slo) = (of.rate_per_ms * 1000.0, of.slo_ms);
        let asked = if goal > target / 100.0 + 1e-9 {
            format!(
                "{target} % (planned as {:.3} %, so that a run of {:.0} requests reaches it with a confidence \
                 of {} %)",
                100.0 * goal,
                of.requests,
                options.confidence_pct
            )
        } else {
            format!("{target} %")
        };
        if best.0 <= 0.0 {
            let most =
                if most == 1 { "one whole GPU".to_owned() } else { format!("{most} whole GPUs") };
            // A server that gets few of the requests shows whether replicas would help, or only a longer SLO.
            let mut divided = false;
            for &site in &known {
                let Some(&batch) = batches(&self.fleet.sites[site], of).first() else { continue };
                let units = self.fleet.sites[site].whole;
                let setting = Setting { replicas: MOST_REPLICAS, batch, units, slow: 0 };
                let steady = self.fleet.sites[site].steady((class, of), &setting);
                divided |= steady.is_some_and(|steady| steady.attained > 0.0);
            }
            let help = match (options.replicas, divided) {
                (Replicas::Forbidden, true) => "a longer SLO, a lower rate or replicas",
                _ => "a longer SLO or a lower rate",
            };
            return format!(
                "its SLO of {slo} ms at {rate} requests/s is out of reach: on {most} practically no request is \
                 in time, and {asked} is asked for; {help} would help",
            );
        }
        format!(
            "its SLO of {slo} ms at {rate} requests/s is out of reach for {asked}: at best {:.2} % of its \
             requests are in time, on {} {gpus} with batches of at most {}; ask for less (--attainment), or give it \
             a longer SLO{}",
            100.0 * best.0,
            best.1,
            best.2,
            if most == 1 { " or replicas" } else { "" }
        )
    }
}

/// What the request asks for.
pub(super) fn target(request: &PlanRequest<'_>) -> Target {
    Target::new(request.options().attainment_pct, request.options().confidence_pct)
}

/// The attainment to plan a class for.
pub(super) fn goal(target: Target, class: &Class, dispersion: f64) -> f64 {
    match &class.source {
        Source::Chain => target.goal(dispersion, class.requests),
        Source::Draws(draws, Luck::Varies) => {
            // What is known from draws is off by their own luck as well.
            let drawn: usize = draws.iter().map(|draw| draw.counted()).sum();
            #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
            let drawn = (drawn as f64).max(1.0);
            target.goal(dispersion, 1.0 / (1.0 / class.requests.max(1.0) + 1.0 / drawn))
        }
        Source::Draws(_, Luck::None | Luck::Recorded) | Source::Simulated => target.attained,
    }
}

/// What trials say of some workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// They reach their target, or nearly so.
    Holds,
    /// They do not reach their goal, and that is hardly luck.
    FallsShort,
    /// It could be either.
    Open,
}

/// What becomes of a plan in runs that nobody has planned for: as many as it takes to tell who falls short.
fn trials(request: &PlanRequest<'_>, plan: &Plan, parts: &mut [Part<'_>]) -> Option<Vec<Trial>> {
    let mut sums = vec![Trial::default(); request.workloads().len()];
    let mut expected = Vec::new();
    let mut total = 0;
    for number in 0..MOST_TRIALS {
        let trials = request.traffic().trial(plan, request.workloads(), number)?;
        for (sum, trial) in sums.iter_mut().zip(trials) {
            sum.requests += trial.requests;
            sum.late += trial.late;
            total += trial.requests;
        }
        if expected.is_empty() {
            expected = parts.iter_mut().map(Part::expected).collect();
        }
        let mut all = parts.iter().zip(&expected);
        if total >= TRIAL_REQUESTS || all.all(|(part, own)| part.is_decided(own, &sums)) {
            break;
        }
    }
    Some(sums)
}

/// The plan as it stands.
fn written(strategy: &str, request: &PlanRequest<'_>, parts: &[Part<'_>]) -> Plan {
    let mut gpus = Vec::new();
    for part in parts {
        gpus.extend(part.bins.iter().map(|bin| co_location(request, &part.fleet, bin)));
    }
    Plan { strategy: strategy.to_owned(), gpus, infeasible: Vec::new(), bound: None }
}

fn co_location(request: &PlanRequest<'_>, fleet: &Fleet<'_>, bin: &Bin) -> CoLocation {
    let site = &fleet.sites[bin.site];
    let member = |seat: &Seat| {
        let model = site.model(&fleet.classes[seat.class]).expect("it was placed there");
        site.member(model, seat.setting.batch, seat.setting.units)
    };
    let members: Vec<_> = bin.seats.iter().map(member).collect();
    let predicted = site.predictor.predict(&members);
    let placements = bin.seats.iter().zip(&predicted.members).map(|(seat, predicted)| {
        let workload = &request.workloads()[seat.workload];
        let Setting { replicas, batch, units, .. } = seat.setting;
        let part = workload.rate.get() / f64::from(replicas);
        Placement {
            workload: workload.name.clone(),
            model: workload.model.clone(),
            batch: BatchSize::new(batch).expect("at least one request"),
            sm: SmUnits::new(units),
            served: RequestsPerSecond::new(part).ok().filter(|_| replicas > 1),
            time_slot: None,
            predicted: predicted_service(predicted),
        }
    });
    CoLocation { kind: site.kind().name.clone(), placements: placements.collect() }
}

/// What is proven about all plans for the same request.
fn bound(request: &PlanRequest<'_>, parts: &[Part<'_>], judge: Judge) -> GpuBound {
    let fractional_gpus: f64 = parts.iter().map(|part| part.least_gpus).sum();
    let cost: f64 = parts.iter().map(|part| part.least_cost).sum();
    let several = parts.iter().any(|part| part.fleet.sites.len() > 1);
    let batches = parts.first().map_or_else(String::new, |part| part.fleet.batch_list(0));
    let options = request.options();
    let replicas = match options.replicas {
        Replicas::Forbidden => "one server for each workload",
        _ => "the numbers of equal replicas that were looked at",
    };
    let in_time = match judge {
        Judge::Analysis => {
            format!("are in time (with a confidence of {} %)", options.confidence_pct)
        }
        Judge::Simulation => "are in time in simulated runs".to_owned(),
    };
    GpuBound {
        gpus: super::super::bound::round_up(fractional_gpus),
        fractional_gpus,
        method: BoundMethod::ShareSum,
        least_total_sm: None,
        least_cost_per_hour: Dollars::new(cost).ok().filter(|_| several),
        note: format!(
            "for each workload the least share with which {} % of its requests {in_time} on a GPU of its own, \
             added up; neighbours only slow each other",
            options.attainment_pct
        ),
        covers: format!(
            "plans with {replicas} and batch sizes of {batches}, as far as larger ones still helped"
        ),
    }
}
