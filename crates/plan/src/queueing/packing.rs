//! Servers on GPUs: whether they fit, and where each goes.

use super::class::Class;
use super::interference::{Influence, slowdown};
use super::shares::batches;
use super::site::{MOST_STEPS, Setting, Site, steps};
use std::cmp::Reverse;

/// GPUs that are tried for a server before a new one is opened.
const TRIED: usize = 24;

/// Rounds until shares are at rest; slowdowns only grow, and soon stop to.
const MOST_ROUNDS: usize = 60;

/// A server on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub class: usize,
    /// Index into the request's workloads.
    pub workload: usize,
    pub setting: Setting,
}

impl Seat {
    /// For which part of its time it is busy, as another server of its GPU sees it.
    fn busy_beside(&self, other: &Self, influence: &Influence) -> f64 {
        // Replicas of a workload are busy together.
        if self.workload == other.workload { 1.0 } else { influence.busy }
    }
}

/// A server that needs a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub class: usize,
    pub workload: usize,
    pub replicas: u32,
}

/// A GPU with its servers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bin {
    /// Which kind of GPU: an index into [`Fleet::sites`].
    pub site: usize,
    pub seats: Vec<Seat>,
    /// The sum of their shares, in units.
    pub used: u32,
}

/// GPU kinds and classes of workloads: what everything that packs works with.
#[derive(Debug)]
pub(super) struct Fleet<'p> {
    pub sites: Vec<Site<'p>>,
    pub classes: Vec<Class>,
    /// The attainment that is planned for, by class.
    pub goals: Vec<f64>,
    influences: Vec<Influence>,
    busy: Vec<f64>,
}

impl<'p> Fleet<'p> {
    pub(super) fn new(sites: Vec<Site<'p>>, classes: Vec<Class>, goals: Vec<f64>) -> Self {
        Self { sites, classes, goals, influences: Vec::new(), busy: Vec::new() }
    }

    /// The least share of a server without neighbours, in units; `None` where the kind cannot serve it.
    pub(super) fn least(&mut self, site: usize, class: usize, replicas: u32) -> Option<u32> {
        self.seat(site, Item { class, workload: 0, replicas }).map(|seat| seat.setting.units)
    }

    /// A server with its least share without neighbours.
    fn seat(&mut self, site: usize, item: Item) -> Option<Seat> {
        let Item { class, workload, replicas } = item;
        let goal = self.goals[class];
        let choice = self.sites[site].least((class, &self.classes[class]), replicas, 0, goal)?;
        let setting = Setting { replicas, batch: choice.batch, units: choice.units, slow: 0 };
        Some(Seat { class, workload, setting })
    }

    /// What is left free of a GPU, weighted with its price: the square of the free part, so that at the same
    /// cost one emptier GPU is worth more than two that are a little emptier.
    pub(super) fn room(&self, bin: &Bin) -> f64 {
        let site = &self.sites[bin.site];
        let free = 1.0 - f64::from(bin.used) / f64::from(site.whole);
        free * free * (site.price + 1e-9)
    }

    /// The price of a GPU. Where GPUs cost nothing, they are counted.
    pub(super) fn cost(&self, bin: &Bin) -> f64 {
        self.sites[bin.site].price + 1e-9
    }

    /// Lets the shares of the servers of one GPU grow until all reach their goals among the others; says whether
    /// they do within the GPU.
    pub(super) fn fit(&mut self, site: usize, seats: &mut [Seat]) -> bool {
        let whole = self.sites[site].whole;
        let models: Option<Vec<_>> =
            seats.iter().map(|seat| self.sites[site].model(&self.classes[seat.class])).collect();
        let Some(models) = models else { return false };
        if !self.sites[site].has_room(models.into_iter()) {
            return false;
        }
        for _ in 0..MOST_ROUNDS {
            if seats.iter().map(|seat| seat.setting.units).sum::<u32>() > whole {
                return false;
            }
            let mut influences = std::mem::take(&mut self.influences);
            influences.clear();
            for seat in &*seats {
                let class = (seat.class, &self.classes[seat.class]);
                influences.extend(self.sites[site].influence(class, &seat.setting));
            }
            let grown = self.grow(site, seats, &influences);
            self.influences = influences;
            match grown {
                Some(0) => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    /// Gives each server what it needs among the others as they are now; returns how many had to change,
    /// `None` when one cannot have enough.
    fn grow(&mut self, site: usize, seats: &mut [Seat], influences: &[Influence]) -> Option<usize> {
        if seats.len() < 2 {
            return Some(0);
        }
        let mut grown = 0;
        let mut busy = std::mem::take(&mut self.busy);
        for own in 0..seats.len() {
            busy.clear();
            let others = seats.iter().zip(influences);
            busy.extend(others.map(|(seat, influence)| seat.busy_beside(&seats[own], influence)));
            let slow = steps(slowdown(&mut self.sites[site], influences, own, &busy))?;
            let seat = &mut seats[own];
            if slow <= seat.setting.slow {
                continue;
            }
            let class = (seat.class, &self.classes[seat.class]);
            let goal = self.goals[seat.class];
            let choice = self.sites[site].least(class, seat.setting.replicas, slow, goal)?;
            seat.setting.slow = slow;
            seat.setting.batch = choice.batch;
            // A larger share than is needed stays: with it, too, the goal is reached.
            seat.setting.units = seat.setting.units.max(choice.units);
            grown += 1;
        }
        self.busy = busy;
        Some(grown)
    }

    /// Finds the slowdowns of servers whose shares and batch sizes are given.
    pub(super) fn settle(&mut self, site: usize, seats: &mut [Seat]) {
        for _ in 0..MOST_ROUNDS {
            let mut influences = Vec::with_capacity(seats.len());
            for seat in &*seats {
                let class = (seat.class, &self.classes[seat.class]);
                influences.extend(self.sites[site].influence(class, &seat.setting));
            }
            if influences.len() < seats.len() {
                return;
            }
            let mut changed = false;
            for own in 0..seats.len() {
                let busy: Vec<f64> = (seats.iter().zip(&influences))
                    .map(|(seat, influence)| seat.busy_beside(&seats[own], influence))
                    .collect();
                let factor = slowdown(&mut self.sites[site], &influences, own, &busy);
                let slow = steps(factor).unwrap_or(MOST_STEPS);
                changed |= slow > seats[own].setting.slow;
                seats[own].setting.slow = slow.max(seats[own].setting.slow);
            }
            if !changed {
                return;
            }
        }
    }

    /// A GPU with one more server, if there is room.
    pub(super) fn with(&mut self, bin: &Bin, item: Item) -> Option<Bin> {
        let newcomer = self.seat(bin.site, item)?;
        if bin.used + newcomer.setting.units > self.sites[bin.site].whole {
            return None;
        }
        let mut seats = bin.seats.clone();
        seats.push(newcomer);
        self.fit(bin.site, &mut seats).then(|| Bin::of(bin.site, seats))
    }

    /// A GPU whose servers have the least shares anew, after some have left.
    pub(super) fn refit(&mut self, bin: &Bin) -> Option<Bin> {
        let mut seats = Vec::with_capacity(bin.seats.len());
        for seat in &bin.seats {
            let replicas = seat.setting.replicas;
            let item = Item { class: seat.class, workload: seat.workload, replicas };
            seats.push(self.seat(bin.site, item)?);
        }
        self.fit(bin.site, &mut seats).then(|| Bin::of(bin.site, seats))
    }

    /// Puts a server on the fullest GPU that has room, or on a new one of the kind where its share costs least;
    /// returns which, `None` where no kind can serve it.
    pub(super) fn place(&mut self, bins: &mut Vec<Bin>, item: Item) -> Option<usize> {
        let mut leasts = Vec::with_capacity(self.sites.len());
        for site in 0..self.sites.len() {
            leasts.push(self.least(site, item.class, item.replicas));
        }
        let mut open: Vec<(Reverse<u32>, usize)> = bins
            .iter()
            .enumerate()
            .filter_map(|(index, bin)| {
                let free = self.sites[bin.site].whole - bin.used;
                leasts[bin.site].filter(|least| *least <= free)?;
                (!bin.seats.is_empty()).then_some((Reverse(bin.used), index))
            })
            .collect();
        open.sort_unstable();
        for (_, index) in open.into_iter().take(TRIED) {
            if let Some(bin) = self.with(&bins[index], item) {
                bins[index] = bin;
                return Some(index);
            }
        }
        let price = |site: usize, least: u32| {
            let site = &self.sites[site];
            f64::from(least) / f64::from(site.whole) * (site.price + 1e-9)
        };
        let sites =
            leasts.iter().enumerate().filter_map(|(s, least)| Some((s, price(s, (*least)?))));
        let (site, _) = sites.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let bin = self.with(&Bin { site, ..Bin::default() }, item)?;
        // A GPU that was emptied is used again.
        if let Some(index) = bins.iter().position(|bin| bin.seats.is_empty()) {
            bins[index] = bin;
            return Some(index);
        }
        bins.push(bin);
        Some(bins.len() - 1)
    }

    /// The attainment of a seat as it is planned.
    pub(super) fn attained(&mut self, site: usize, seat: &Seat) -> f64 {
        let class = (seat.class, &self.classes[seat.class]);
        self.sites[site].steady(class, &seat.setting).map_or(0.0, |steady| steady.attained)
    }

    /// Gives what is free on a GPU to those with most late requests, for the GPU is paid for anyway.
    pub(super) fn spread(&mut self, bin: &mut Bin) {
        let whole = self.sites[bin.site].whole;
        let mut done = vec![false; bin.seats.len()];
        while bin.used < whole {
            let mut worst: Option<(f64, usize)> = None;
            for (place, seat) in bin.seats.iter().enumerate().filter(|(place, _)| !done[*place]) {
                let late = 1.0 - self.attained(bin.site, seat);
                let late = late / (1.0 - self.goals[seat.class]);
                if late > ENOUGH_LATE && worst.is_none_or(|(most, _)| late > most) {
                    worst = Some((late, place));
                }
            }
            let Some((_, place)) = worst else { return };
            let mut seats = bin.seats.clone();
            seats[place].setting.units += 1;
            if self.fit(bin.site, &mut seats) {
                *bin = Bin::of(bin.site, seats);
            } else {
                done[place] = true;
            }
        }
    }

    /// How the batch sizes that are tried for a class read.
    pub(super) fn batch_list(&self, class: usize) -> String {
        let sizes = self.sites.first().map_or_else(Vec::new, |s| batches(s, &self.classes[class]));
        sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A workload with fewer late requests than this part of what its goal allows gets no more of what is free.
const ENOUGH_LATE: f64 = 0.05;

impl Bin {
    pub(super) fn of(site: usize, seats: Vec<Seat>) -> Self {
        let used = seats.iter().map(|seat| seat.setting.units).sum();
        Self { site, seats, used }
    }
}
