//! From classes to a packing: how many replicas each workload gets, and which GPU each server is placed on.
//!
//! The sum of the shares of all replicas of a workload is nearly the same for several numbers of replicas, so the
//! number is chosen by what packs best. The start is best fit decreasing with the least sums. Ruin and recreate
//! improves it (Schrimpf et al., "Record breaking optimization results using the ruin and recreate principle", J.
//! Comput. Phys. 2000): some GPUs are emptied; their workloads are removed from all other GPUs as well, get new
//! numbers of replicas, and are placed again in a random order. A result that is no worse is kept.

use super::packing::{Fleet, Item, PackedGpu};
use crate::search::local::Choices;

/// Numbers of replicas are tried whose shares add up to no more than this times the least sum, plus …
const NEARLY_LEAST: f64 = 1.1;

/// … this many units.
const FEW_UNITS: f64 = 3.0;

/// A workload is divided over at most this many servers.
pub(super) const MOST_REPLICAS: u32 = 64;

/// After the first sufficient number of replicas, this many more are examined.
const FURTHER: u32 = 5;

/// Maximum number of GPUs that are emptied together.
const MOST_EMPTIED: usize = 4;

/// Maximum number of workloads that are removed together: with more, a round is expensive and seldom helps.
const MOST_MOVED: usize = 24;

/// The numbers of replicas worth trying, each with the price of the sum of its shares.
pub(super) type Options = Vec<(u32, f64)>;

/// Returns the numbers of replicas of a class that are worth trying; empty where none is enough.
pub(super) fn options(fleet: &mut Fleet<'_>, class: usize, most: u32) -> Options {
    let mut sums: Options = Vec::new();
    let mut first = None;
    let mut replicas = fewest(fleet, class);
    while replicas <= most.min(MOST_REPLICAS) {
        if let Some(sum) = cheapest(fleet, class, replicas) {
            first.get_or_insert(replicas);
            sums.push((replicas, sum));
        }
        if first.is_some_and(|first| replicas >= first + FURTHER) {
            break;
        }
        // Sums rise with more replicas than are useful: once they are this far above the least, they stay there.
        if sums.len() >= 3
            && sums[sums.len() - 2..].iter().all(|(_, sum)| *sum > nearly_least(fleet, &sums))
        {
            break;
        }
        // Far below a sufficient number, larger steps will do.
        replicas += if first.is_none() { 1 + replicas / 8 } else { 1 };
    }
    let most = nearly_least(fleet, &sums);
    sums.retain(|(_, sum)| *sum <= most);
    sums
}

/// Returns the highest price of a sum of shares with which a number of replicas is worth trying.
fn nearly_least(fleet: &Fleet<'_>, sums: &Options) -> f64 {
    let units = fleet.sites.iter().map(|site| (site.price + 1e-9) / f64::from(site.whole));
    least(sums) * NEARLY_LEAST + FEW_UNITS * units.fold(f64::INFINITY, f64::min)
}

/// Returns the fewest replicas that can keep up with the rate, each on a whole GPU.
fn fewest(fleet: &mut Fleet<'_>, class: usize) -> u32 {
    let mut fewest = MOST_REPLICAS;
    for site in 0..fleet.sites.len() {
        let most = fleet.sites[site].most_rate(&fleet.classes[class]);
        let needed = (fleet.classes[class].rate_per_ms / most).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let needed = needed as u32;
        fewest = fewest.min(needed);
    }
    fewest
}

/// Returns the price of the least shares of `replicas` replicas, on the cheapest GPU kind.
fn cheapest(fleet: &mut Fleet<'_>, class: usize, replicas: u32) -> Option<f64> {
    let mut cheapest: Option<f64> = None;
    for site in 0..fleet.sites.len() {
        let Some(units) = fleet.least(site, class, replicas) else { continue };
        let site = &fleet.sites[site];
        let part = f64::from(units * replicas) / f64::from(site.whole);
        let price = part * (site.price + 1e-9);
        cheapest = Some(cheapest.map_or(price, |least: f64| least.min(price)));
    }
    cheapest
}

fn least(sums: &Options) -> f64 {
    sums.iter().map(|(_, sum)| *sum).fold(f64::INFINITY, f64::min)
}

/// A workload that is packed: its index, class and present number of replicas.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub workload: usize,
    pub class: usize,
    pub replicas: u32,
}

/// A search over packings.
pub(super) struct PackingSearch<'f, 'p> {
    pub fleet: &'f mut Fleet<'p>,
    /// Numbers of replicas worth trying, by class.
    pub options: &'f [Options],
    pub jobs: Vec<Job>,
    pub bins: Vec<PackedGpu>,
    /// For each workload, its index in `jobs`.
    places: Vec<usize>,
    /// For each workload, whether the current round removes it.
    moved: Vec<bool>,
}

impl<'f, 'p> PackingSearch<'f, 'p> {
    /// Builds the initial packing: best fit decreasing, with the least sums of shares.
    pub(super) fn start(
        fleet: &'f mut Fleet<'p>,
        options: &'f [Options],
        mut jobs: Vec<Job>,
    ) -> Self {
        for job in &mut jobs {
            let best = options[job.class].iter().min_by(|a, b| a.1.total_cmp(&b.1));
            job.replicas = best.map_or(1, |(replicas, _)| *replicas);
        }
        let workloads = jobs.iter().map(|job| job.workload + 1).max().unwrap_or(0);
        let mut places = vec![usize::MAX; workloads];
        jobs.iter().enumerate().for_each(|(place, job)| places[job.workload] = place);
        let moved = vec![false; workloads];
        let mut search = Self { fleet, options, jobs, bins: Vec::new(), places, moved };
        let mut items: Vec<(u32, Item)> = Vec::new();
        for place in 0..search.jobs.len() {
            search.add_items(place, &mut items, |least| least * 16);
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.0));
        for (_, item) in items {
            search.fleet.place(&mut search.bins, item);
        }
        search
    }

    /// Adds the servers of a workload to `items`, each with a weight by which they are sorted.
    fn add_items(
        &mut self,
        place: usize,
        items: &mut Vec<(u32, Item)>,
        mut weight: impl FnMut(u32) -> u32,
    ) {
        let Job { workload, class, replicas } = self.jobs[place];
        let mut least = 0;
        for site in 0..self.fleet.sites.len() {
            least = least.max(self.fleet.least(site, class, replicas).unwrap_or(0));
        }
        for _ in 0..replicas {
            items.push((weight(least), Item { class, workload, replicas }));
        }
    }

    /// Searches for `rounds` rounds, or until the cost reaches the lower bound `lowest`.
    pub(super) fn improve(&mut self, rounds: u64, lowest: f64, choices: &mut Choices) {
        let mut cost: f64 = self.bins.iter().map(|bin| self.fleet.cost(bin)).sum();
        for _ in 0..rounds {
            if self.bins.len() < 2 || cost <= lowest + 1e-6 {
                return;
            }
            cost += self.round(choices);
        }
    }

    /// Runs one round; returns the change of the cost.
    fn round(&mut self, choices: &mut Choices) -> f64 {
        let moved = self.choose(choices);
        let before: Vec<(usize, u32)> =
            moved.iter().map(|&place| (place, self.jobs[place].replicas)).collect();
        for &place in &moved {
            self.moved[self.jobs[place].workload] = true;
        }
        let mut trial: Vec<PackedGpu> = Vec::new();
        // Indices in `bins` of the GPUs of the trial; any further GPUs of the trial are new.
        let mut origin: Vec<usize> = Vec::new();
        for (index, bin) in self.bins.iter().enumerate() {
            if bin.seats.iter().any(|seat| self.moved[seat.workload]) {
                let mut bin = bin.clone();
                bin.seats.retain(|seat| !self.moved[seat.workload]);
                trial.push(bin);
                origin.push(index);
            }
        }
        for &place in &moved {
            self.moved[self.jobs[place].workload] = false;
        }
        for bin in &mut trial {
            if bin.seats.is_empty() {
                bin.used = 0;
                continue;
            }
            // With fewer neighbours, servers need no larger shares.
            let Some(smaller) = self.fleet.refit(bin) else { return 0.0 };
            *bin = smaller;
        }
        // Some other GPUs join the trial, since they may have room.
        for _ in 0..MOST_EMPTIED {
            let index = choices.below(self.bins.len());
            if !origin.contains(&index) {
                origin.push(index);
                trial.push(self.bins[index].clone());
            }
        }
        let (old_cost, old_room) = self.score(origin.iter().map(|&index| &self.bins[index]));
        let mut items = Vec::new();
        let jitter = [0, 3, 8][choices.below(3)];
        for &place in &moved {
            if choices.below(2) == 0 {
                let options = &self.options[self.jobs[place].class];
                self.jobs[place].replicas = options[choices.below(options.len())].0;
            }
            self.add_items(place, &mut items, |least| {
                least * 16
                    + u32::try_from(choices.below(1 + (least * jitter) as usize)).unwrap_or(0)
            });
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.0));
        let mut placed = true;
        for (_, item) in items {
            placed &= self.fleet.place(&mut trial, item).is_some();
        }
        let (cost, room) = self.score(trial.iter());
        let better = cost < old_cost - 1e-12 || (cost <= old_cost + 1e-12 && room >= old_room);
        if !(placed && better) {
            for (place, replicas) in before {
                self.jobs[place].replicas = replicas;
            }
            return 0.0;
        }
        let mut origin = origin.into_iter();
        for bin in trial {
            match origin.next() {
                Some(index) => self.bins[index] = bin,
                None => self.bins.push(bin),
            }
        }
        self.bins.retain(|bin| !bin.seats.is_empty());
        cost - old_cost
    }

    /// Returns the cost and the free room of some GPUs; empty ones do not count.
    fn score<'b>(&self, bins: impl Iterator<Item = &'b PackedGpu>) -> (f64, f64) {
        bins.filter(|bin| !bin.seats.is_empty()).fold((0.0, 0.0), |(cost, room), bin| {
            (cost + self.fleet.cost(bin), room + self.fleet.room(bin))
        })
    }

    /// Chooses the workloads of a few GPUs, the first of which is rather empty; returns their indices in `jobs`.
    fn choose(&self, choices: &mut Choices) -> Vec<usize> {
        let count = (1 + choices.below(MOST_EMPTIED)).min(self.bins.len());
        let mut moved: Vec<usize> = Vec::new();
        for number in 0..count {
            let tries = if number == 0 { 3 } else { 1 };
            let index = (0..tries).map(|_| choices.below(self.bins.len()));
            let Some(index) = index.min_by_key(|&index| self.bins[index].used) else { break };
            let mut own: Vec<usize> = Vec::new();
            for seat in &self.bins[index].seats {
                own.push(self.places[seat.workload]);
            }
            own.retain(|place| !moved.contains(place));
            own.sort_unstable();
            own.dedup();
            if moved.len() + own.len() > MOST_MOVED && !moved.is_empty() {
                break;
            }
            moved.extend(own);
        }
        moved
    }
}
