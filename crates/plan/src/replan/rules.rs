//! The interface between a re-planner and a strategy: the required sizes of servers.

use super::ReplanError;
use super::layout::{GpuServers, ReplanServer};
use std::collections::BTreeMap;

/// A server that needs a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Index of its workload.
    pub workload: usize,
    /// The rate of the whole workload, in requests/s, as returned by [`Rules::rounded`].
    pub rate: f64,
    /// Part of the rate that the server gets (above 0, at most 1).
    pub part: f64,
    /// Number of servers of the workload.
    pub replicas: u32,
    /// Minimum share of the server, in units.
    pub at_least: u32,
}

/// The size of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSize {
    /// Its share, in units.
    pub units: u32,
    /// Its largest batch.
    pub batch: u32,
}

/// The properties of a GPU kind that re-planners use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindFacts {
    /// Number of units of a whole GPU.
    pub whole: u32,
    /// Price relative to that of the cheapest kind.
    pub price: f64,
}

/// The least shares that a strategy requires.
pub trait Rules {
    /// Returns the GPU kinds.
    fn kinds(&self) -> &[KindFacts];

    /// Returns the rate to plan for instead of this one: at least as high. Rounding allows cached results to serve
    /// several rates.
    fn rounded(&self, rate: f64) -> f64;

    /// Returns the least share of a server alone on a GPU, in units; `None` where the kind cannot serve it.
    fn alone(&mut self, kind: usize, server: &Asked) -> Option<u32>;

    /// Returns the least shares of servers that share a GPU, including their effects on each other; `None` where they
    /// do not fit.
    fn fit(&mut self, kind: usize, servers: &[Asked]) -> Option<Vec<ServerSize>>;

    /// Returns whether process limit and memory of a GPU allow servers of these workloads together.
    fn has_room(&self, kind: usize, workloads: &[usize]) -> bool;

    /// Returns the numbers of equal servers to consider for a workload at a rate, each with the total cost of their
    /// least shares alone. Empty where no number is sufficient.
    fn choices(&mut self, workload: usize, rate: f64) -> Vec<(u32, f64)>;

    /// Returns lower bounds on what a workload at a rate needs in any plan: the number of GPUs, as a fraction, and
    /// their cost. `None` where nothing is proven.
    fn least(&mut self, workload: usize, rate: f64) -> Option<(f64, f64)>;

    /// Makes a plan from scratch: for each GPU its kind and its servers. `effort` is the maximum number of search
    /// rounds.
    ///
    /// # Errors
    /// If a workload cannot be served, with the reason.
    fn scratch(
        &mut self,
        rates: &[f64],
        effort: u64,
        seed: u64,
    ) -> Result<Vec<(usize, Vec<ReplanServer>)>, ReplanError>;
}

/// The rates to use: those of the epoch, or the highest rates of the period for which an emptied GPU must have been
/// superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Now,
    Held,
}

/// Rules with the rates of an epoch, and a cache of their results.
pub(super) struct EpochRules<'r> {
    pub rules: &'r mut dyn Rules,
    pub kinds: Vec<KindFacts>,
    rates: [Vec<f64>; 2],
    is_held: bool,
    fits: BTreeMap<Vec<u64>, Option<Vec<ServerSize>>>,
    alone: BTreeMap<[u64; 5], Option<u32>>,
    key: Vec<u64>,
}

impl<'r> EpochRules<'r> {
    pub(super) fn new(rules: &'r mut dyn Rules) -> Self {
        let kinds = rules.kinds().to_vec();
        let (fits, alone) = (BTreeMap::new(), BTreeMap::new());
        let rates = [Vec::new(), Vec::new()];
        Self { rules, kinds, rates, is_held: false, fits, alone, key: Vec::new() }
    }

    /// Begins an epoch.
    pub(super) fn set_rates(&mut self, now: &[f64], held: &[f64]) {
        let rounded = |rates: &[f64]| rates.iter().map(|r| self.rules.rounded(*r)).collect();
        let (now, held): (Vec<f64>, Vec<f64>) = (rounded(now), rounded(held));
        self.is_held = now.iter().zip(&held).any(|(a, b)| a.to_bits() != b.to_bits());
        self.rates = [now, held];
        self.fits.clear();
        self.alone.clear();
    }

    pub(super) fn workloads(&self) -> usize {
        self.rates[0].len()
    }

    pub(super) fn rates(&self) -> &[f64] {
        &self.rates[0]
    }

    fn level(&self, level: Level) -> usize {
        usize::from(level == Level::Held && self.is_held)
    }

    fn asked(&self, level: usize, server: &ReplanServer, counts: &[u32], at_least: u32) -> Asked {
        Asked {
            workload: server.workload,
            rate: self.rates[level][server.workload],
            part: server.part,
            replicas: counts[server.workload],
            at_least,
        }
    }

    /// Returns the least share of a server alone on a GPU of a kind.
    pub(super) fn alone(
        &mut self,
        level: Level,
        kind: usize,
        (workload, part, replicas): (usize, f64, u32),
    ) -> Option<u32> {
        let level = self.level(level);
        let key = [level as u64, kind as u64, workload as u64, part.to_bits(), u64::from(replicas)];
        if let Some(known) = self.alone.get(&key) {
            return *known;
        }
        let rate = self.rates[level][workload];
        let units = self.rules.alone(kind, &Asked { workload, rate, part, replicas, at_least: 0 });
        self.alone.insert(key, units);
        units
    }

    /// Returns the cost of a server alone on the kind where it is least, relative to the price of the cheapest GPU.
    pub(super) fn cost(&mut self, level: Level, of: (usize, f64, u32)) -> Option<f64> {
        let mut least: Option<f64> = None;
        for kind in 0..self.kinds.len() {
            let Some(units) = self.alone(level, kind, of) else { continue };
            let KindFacts { whole, price } = self.kinds[kind];
            let cost = f64::from(units) / f64::from(whole) * price;
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
        least
    }

    /// Returns the same for a server of a plan; 0 where no kind can serve it.
    pub(super) fn weight(&mut self, server: &ReplanServer, counts: &[u32]) -> f64 {
        let of = (server.workload, server.part, counts[server.workload]);
        self.cost(Level::Now, of).unwrap_or(0.0)
    }

    /// Returns the sizes of servers that share a GPU, each at least as large as its entry in `floors`.
    pub(super) fn fit(
        &mut self,
        level: Level,
        kind: usize,
        servers: &[ReplanServer],
        counts: &[u32],
        floors: &[u32],
    ) -> Option<Vec<ServerSize>> {
        let at = self.level(level);
        let floor = |place: usize| floors.get(place).copied().unwrap_or(0);
        // Servers whose shares alone exceed the GPU cannot fit together.
        let mut sum = 0;
        for (place, server) in servers.iter().enumerate() {
            let of = (server.workload, server.part, counts[server.workload]);
            sum += self.alone(level, kind, of)?.max(floor(place));
        }
        if sum > self.kinds[kind].whole {
            return None;
        }
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend([at as u64, kind as u64]);
        for (place, server) in servers.iter().enumerate() {
            let numbers = (u64::from(counts[server.workload]) << 32) | u64::from(floor(place));
            key.extend([server.workload as u64, server.part.to_bits(), numbers]);
        }
        let known = self.fits.get(&key).cloned();
        let sizes = known.unwrap_or_else(|| {
            let asked: Vec<Asked> = servers
                .iter()
                .enumerate()
                .map(|(place, server)| self.asked(at, server, counts, floor(place)))
                .collect();
            let sizes = self.rules.fit(kind, &asked);
            self.fits.insert(key.clone(), sizes.clone());
            sizes
        });
        self.key = key;
        sizes
    }

    /// Returns the units that servers need together on a GPU, if they fit.
    pub(super) fn used(
        &mut self,
        level: Level,
        kind: usize,
        servers: &[ReplanServer],
        counts: &[u32],
    ) -> Option<u32> {
        let sizes = self.fit(level, kind, servers, counts, &[])?;
        Some(sizes.iter().map(|size| size.units).sum())
    }

    /// Returns the same for a GPU with one more server.
    pub(super) fn used_with(
        &mut self,
        level: Level,
        machine: &mut GpuServers,
        server: ReplanServer,
        counts: &[u32],
    ) -> Option<u32> {
        machine.servers.push(server);
        let used = self.used(level, machine.kind, &machine.servers, counts);
        machine.servers.pop();
        used
    }

    /// Returns the value of the free part of a GPU, relative to the price of the cheapest GPU.
    pub(super) fn free(&self, kind: usize, used: u32) -> f64 {
        let KindFacts { whole, price } = self.kinds[kind];
        f64::from(whole - used) / f64::from(whole) * price
    }

    /// Returns the numbers of servers to consider for a workload.
    pub(super) fn choices(&mut self, workload: usize) -> Vec<(u32, f64)> {
        let rate = self.rates[0][workload];
        self.rules.choices(workload, rate)
    }

    /// Returns lower bounds on the cost and on the number of GPUs of any plan for the epoch; `None` where nothing is
    /// proven.
    pub(super) fn bound(&mut self) -> Option<(f64, usize)> {
        let (mut cost, mut gpus) = (0.0, 0.0);
        for workload in 0..self.workloads() {
            let (parts, price) = self.rules.least(workload, self.rates[0][workload])?;
            cost += price;
            gpus += parts;
        }
        let gpus = f64::ceil(gpus - 1e-6).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let whole = gpus as usize;
        // With one kind, only whole GPUs can be rented.
        let cost = if self.kinds.len() == 1 { gpus * self.kinds[0].price } else { cost };
        Some((cost, whole))
    }
}
