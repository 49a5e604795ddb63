//! Servers on GPUs: whether they fit, and where each goes.

use super::class::Class;
use super::interference::{Influence, slowdown};
use super::kind_tables::{KindTables, MOST_STEPS, PlannedSetting, steps};
use super::shares::{ShareChoice, batches};

/// Number of GPUs that are tried for a server before a new one is opened.
const TRIED: usize = 24;

/// Maximum number of rounds until shares settle; slowdowns only grow, and soon stop growing.
const MOST_ROUNDS: usize = 60;

/// A server on a GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PackedServer {
    pub class: usize,
    /// Index into the request's workloads.
    pub workload: usize,
    pub setting: PlannedSetting,
    /// Its influence on its neighbours.
    influence: Influence,
}

impl PackedServer {
    /// Returns the part of the time for which it is busy, as another server of its GPU sees it.
    fn busy_beside(&self, other: &Self) -> f64 {
        // Replicas of a workload are busy together.
        if self.workload == other.workload { 1.0 } else { self.influence.busy }
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
pub(super) struct PackedGpu {
    /// The kind of GPU: an index into [`Fleet::sites`].
    pub site: usize,
    pub seats: Vec<PackedServer>,
    /// The sum of their shares, in units.
    pub used: u32,
}

/// GPU kinds and classes of workloads: the basis of all packing.
#[derive(Debug)]
pub(super) struct Fleet<'p> {
    pub sites: Vec<KindTables<'p>>,
    pub classes: Vec<Class>,
    /// The attainment that is planned for, by class.
    pub goals: Vec<f64>,
    /// The influences of the servers of a GPU as they were before a round of growth, and the parts of the time for
    /// which they are busy.
    around: Vec<Influence>,
    busy: Vec<f64>,
    opened: Vec<(u32, usize)>,
    trial: Vec<PackedServer>,
}

impl<'p> Fleet<'p> {
    pub(super) fn new(sites: Vec<KindTables<'p>>, classes: Vec<Class>, goals: Vec<f64>) -> Self {
        let (around, busy) = (Vec::new(), Vec::new());
        let (opened, trial) = (Vec::new(), Vec::new());
        Self { sites, classes, goals, around, busy, opened, trial }
    }

    /// Adds a class whose goal is not known yet; returns its index.
    pub(super) fn add(&mut self, class: Class) -> usize {
        self.classes.push(class);
        self.goals.push(0.0);
        self.sites.iter_mut().for_each(KindTables::add_class);
        self.classes.len() - 1
    }

    /// Returns the least share of a server without neighbours, in units; `None` where the kind cannot serve it.
    pub(super) fn least(&mut self, site: usize, class: usize, replicas: u32) -> Option<u32> {
        self.choice(site, class, replicas).map(|choice| choice.units)
    }

    fn choice(&mut self, site: usize, class: usize, replicas: u32) -> Option<ShareChoice> {
        let goal = self.goals[class];
        self.sites[site].least((class, &self.classes[class]), replicas, 0, goal)
    }

    /// Returns a server with its least share without neighbours.
    pub(super) fn seat(&mut self, site: usize, item: Item) -> Option<PackedServer> {
        let Item { class, workload, replicas } = item;
        let ShareChoice { batch, units } = self.choice(site, class, replicas)?;
        self.seated(site, class, workload, PlannedSetting { replicas, batch, units, slow: 0 })
    }

    /// Returns a server with a setting; `None` where the kind cannot serve it.
    pub(super) fn seated(
        &mut self,
        site: usize,
        class: usize,
        workload: usize,
        setting: PlannedSetting,
    ) -> Option<PackedServer> {
        let influence = self.sites[site].influence((class, &self.classes[class]), &setting)?;
        Some(PackedServer { class, workload, setting, influence })
    }

    /// Returns the free room of a GPU, weighted with its price. It is the square of the free part, so that at the
    /// same cost one emptier GPU is worth more than two slightly emptier ones.
    pub(super) fn room(&self, bin: &PackedGpu) -> f64 {
        let site = &self.sites[bin.site];
        let free = 1.0 - f64::from(bin.used) / f64::from(site.whole);
        free * free * (site.price + 1e-9)
    }

    /// Returns the price of a GPU. Where GPUs cost nothing, the result counts them.
    pub(super) fn cost(&self, bin: &PackedGpu) -> f64 {
        self.sites[bin.site].price + 1e-9
    }

    /// Grows the shares of the servers of one GPU until all reach their goals among the others; returns whether they
    /// fit on the GPU.
    pub(super) fn fit(&mut self, site: usize, seats: &mut [PackedServer]) -> bool {
        let whole = self.sites[site].whole;
        if !self.sites[site].has_room(seats.iter().map(|seat| seat.influence.model)) {
            return false;
        }
        for _ in 0..MOST_ROUNDS {
            if seats.iter().map(|seat| seat.setting.units).sum::<u32>() > whole {
                return false;
            }
            match self.grow(site, seats) {
                Some(0) => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    /// Returns the slowdown of a server among the others of its GPU, as they were noted in `around`.
    fn slowdown(&mut self, site: usize, seats: &[PackedServer], own: usize) -> f64 {
        self.busy.clear();
        self.busy.extend(seats.iter().map(|seat| seat.busy_beside(&seats[own])));
        slowdown(&mut self.sites[site], &self.around, own, &self.busy)
    }

    fn note_around(&mut self, seats: &[PackedServer]) {
        self.around.clear();
        self.around.extend(seats.iter().map(|seat| seat.influence));
    }

    /// Gives each server the share that it needs among the others as they are now; returns how many servers changed,
    /// `None` when one cannot get enough.
    fn grow(&mut self, site: usize, seats: &mut [PackedServer]) -> Option<usize> {
        if seats.len() < 2 {
            return Some(0);
        }
        let mut grown = 0;
        self.note_around(seats);
        for own in 0..seats.len() {
            let slow = steps(self.slowdown(site, seats, own))?;
            let PackedServer { class, workload, setting: before, .. } = seats[own];
            if slow <= before.slow {
                continue;
            }
            let goal = self.goals[class];
            let of = (class, &self.classes[class]);
            let choice = self.sites[site].least(of, before.replicas, slow, goal)?;
            // A larger share than needed stays: it reaches the goal, too.
            let units = before.units.max(choice.units);
            let setting = PlannedSetting { slow, batch: choice.batch, units, ..before };
            seats[own] = self.seated(site, class, workload, setting)?;
            grown += 1;
        }
        Some(grown)
    }

    /// Finds the slowdowns of servers whose shares and batch sizes are given.
    pub(super) fn settle(&mut self, site: usize, seats: &mut [PackedServer]) {
        for _ in 0..MOST_ROUNDS {
            let mut changed = false;
            self.note_around(seats);
            for own in 0..seats.len() {
                let slow = steps(self.slowdown(site, seats, own)).unwrap_or(MOST_STEPS);
                let PackedServer { class, workload, setting: before, .. } = seats[own];
                if slow <= before.slow {
                    continue;
                }
                let setting = PlannedSetting { slow, ..before };
                if let Some(seat) = self.seated(site, class, workload, setting) {
                    seats[own] = seat;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Returns a GPU with one more server, if there is room.
    fn with(&mut self, bin: &PackedGpu, newcomer: PackedServer) -> Option<PackedGpu> {
        if bin.used + newcomer.setting.units > self.sites[bin.site].whole {
            return None;
        }
        // Most trials do not fit, so they share a buffer.
        let mut seats = std::mem::take(&mut self.trial);
        seats.clear();
        seats.extend_from_slice(&bin.seats);
        seats.push(newcomer);
        let fits = self.fit(bin.site, &mut seats);
        let bin = fits.then(|| PackedGpu::of(bin.site, seats.clone()));
        self.trial = seats;
        bin
    }

    /// Finds the least shares of the servers of a GPU anew, after some servers have left.
    pub(super) fn refit(&mut self, bin: &PackedGpu) -> Option<PackedGpu> {
        let mut seats = Vec::with_capacity(bin.seats.len());
        for seat in &bin.seats {
            let replicas = seat.setting.replicas;
            let item = Item { class: seat.class, workload: seat.workload, replicas };
            seats.push(self.seat(bin.site, item)?);
        }
        self.fit(bin.site, &mut seats).then(|| PackedGpu::of(bin.site, seats))
    }

    /// Puts a server on the fullest GPU that has room, or on a new one of the kind where its share costs least;
    /// returns the index of the GPU, `None` where no kind can serve it.
    pub(super) fn place(&mut self, bins: &mut Vec<PackedGpu>, item: Item) -> Option<usize> {
        let newcomers: Vec<Option<PackedServer>> =
            (0..self.sites.len()).map(|site| self.seat(site, item)).collect();
        let mut open = std::mem::take(&mut self.opened);
        open.clear();
        for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| !bin.seats.is_empty()) {
            let free = self.sites[bin.site].whole - bin.used;
            if newcomers[bin.site].is_some_and(|seat| seat.setting.units <= free) {
                open.push((u32::MAX - bin.used, index));
            }
        }
        // Only the fullest of them are tried.
        if open.len() > TRIED {
            open.select_nth_unstable(TRIED);
            open.truncate(TRIED);
        }
        open.sort_unstable();
        let found = open.iter().find_map(|&(_, index)| {
            let newcomer = newcomers[bins[index].site]?;
            Some((index, self.with(&bins[index], newcomer)?))
        });
        self.opened = open;
        if let Some((index, bin)) = found {
            bins[index] = bin;
            return Some(index);
        }
        let price = |(site, seat): (usize, &Option<PackedServer>)| {
            let part = f64::from(seat.as_ref()?.setting.units) / f64::from(self.sites[site].whole);
            Some((site, part * (self.sites[site].price + 1e-9)))
        };
        let prices = newcomers.iter().enumerate().filter_map(price);
        let (site, _) = prices.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let bin = self.with(&PackedGpu { site, ..PackedGpu::default() }, newcomers[site]?)?;
        // A GPU that was emptied is reused.
        if let Some(index) = bins.iter().position(|bin| bin.seats.is_empty()) {
            bins[index] = bin;
            return Some(index);
        }
        bins.push(bin);
        Some(bins.len() - 1)
    }

    /// Returns the planned attainment of a server.
    pub(super) fn attained(&mut self, site: usize, seat: &PackedServer) -> f64 {
        let class = (seat.class, &self.classes[seat.class]);
        self.sites[site].steady(class, &seat.setting).map_or(0.0, |steady| steady.attained)
    }

    /// Gives the free units of a GPU to the servers with the most late requests, since the GPU is paid for anyway.
    pub(super) fn spread(&mut self, bin: &mut PackedGpu) {
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
            let PackedServer { class, workload, mut setting, .. } = seats[place];
            setting.units += 1;
            let more = self.seated(bin.site, class, workload, setting);
            more.into_iter().for_each(|more| seats[place] = more);
            if more.is_some() && self.fit(bin.site, &mut seats) {
                *bin = PackedGpu::of(bin.site, seats);
            } else {
                done[place] = true;
            }
        }
    }

    /// Returns the batch sizes that are tried for a class, as text.
    pub(super) fn batch_list(&self, class: usize) -> String {
        let sizes = self.sites.first().map_or_else(Vec::new, |s| batches(s, &self.classes[class]));
        sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A server with fewer late requests than this part of what its goal allows gets no more free units.
const ENOUGH_LATE: f64 = 0.05;

impl PackedGpu {
    pub(super) fn of(site: usize, seats: Vec<PackedServer>) -> Self {
        let used = seats.iter().map(|seat| seat.setting.units).sum();
        Self { site, seats, used }
    }
}
