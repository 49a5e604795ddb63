//! Hand-overs from one plan to the next: when servers start and end, so that GPUs have room for both plans.

use super::layout::{GpuServers, ReplanServer, Why, staying};
use super::rules::Rules;
use super::spec::{HandoverMode, HandoverSpec};

/// What happens to a server that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// It starts on a GPU where its workload had no server.
    Move,
    /// It replaces a server with a larger share on the same GPU.
    Shrink,
    /// It replaces a server with a smaller share on the same GPU.
    Grow,
}

/// A server that starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    /// Its place in the new plan: GPU, server.
    pub at: (usize, usize),
    /// The kind of start.
    pub deed: Deed,
    /// The server of the old plan that it replaces on the same GPU: GPU, server.
    pub replaces: Option<(usize, usize)>,
    /// Time at which it begins to load, in s since the hand-over began.
    pub ordered_s: f64,
    /// Time at which it can execute, in s.
    pub ready_s: f64,
    /// Whether its GPU had no room for it yet.
    pub forced: bool,
    /// Time from which it takes requests, in s.
    pub takes_s: f64,
}

/// A server that stops.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct End {
    /// Its place in the old plan: GPU, server.
    pub of: (usize, usize),
    /// Time from which it is assigned no more requests, in s.
    pub at_s: f64,
}

/// A server that stays, possibly with another batch size or part of the rate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StayingServer {
    /// Its place in the old plan.
    pub of: (usize, usize),
    /// Its place in the new plan.
    pub at: (usize, usize),
    /// Time from which the new settings apply, in s.
    pub at_s: f64,
}

/// A hand-over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Handover {
    /// The servers that start, in the order in which they are ordered.
    pub starts: Vec<Start>,
    /// The servers that stop, in no particular order.
    pub ends: Vec<End>,
    /// The servers that stay, in the order of the new plan.
    pub stays: Vec<StayingServer>,
    /// Number of GPUs that boot.
    pub boots: usize,
    /// Number of different times at which servers are ordered.
    pub rounds: usize,
    /// Duration, in s.
    pub lasts_s: f64,
}

impl Handover {
    /// Returns the number of servers that start on a GPU where their workload had none.
    pub(super) fn moves(&self) -> usize {
        self.starts.iter().filter(|start| start.deed == Deed::Move).count()
    }

    /// Returns the number of servers that restart with another share.
    pub(super) fn restarts(&self) -> usize {
        self.starts.len() - self.moves()
    }

    /// Returns the number of servers that started without room.
    pub(super) fn forced(&self) -> usize {
        self.starts.iter().filter(|start| start.forced).count()
    }
}

/// A server that has not started yet or is loading.
#[derive(Debug, Clone)]
struct Pending {
    start: Start,
    workload: usize,
    /// Index of its GPU among those of both plans.
    gpu: usize,
    units: u32,
    /// The share of the server that it replaces, in units; 0 where it replaces none.
    before: u32,
    load_s: f64,
}

impl Pending {
    /// Returns the additional units that it needs while both servers exist. A server that replaces another on the same
    /// GPU takes over its SMs; the old one finishes at most one batch.
    fn more(&self) -> u32 {
        self.units.saturating_sub(self.before)
    }
}

/// A GPU during the hand-over.
#[derive(Debug, Clone)]
struct HandoverGpu {
    kind: usize,
    /// Total share of the servers on it, in units.
    units: u32,
    /// The workloads of their processes.
    processes: Vec<usize>,
    boots: bool,
}

/// Plans the hand-over between two plans.
///
/// As soon as GPUs have room, shares shrink, servers move (the largest first), and shares grow (last, where no move
/// waits for the room). An old server stops once all new servers of its workload are ready. If nothing can start and
/// nothing is loading, shrinking no longer waits for moves; then the start with the least excess is forced.
pub(super) fn handover(
    old: &[GpuServers],
    new: &[GpuServers],
    spec: &HandoverSpec,
    loads_s: &[f64],
    rules: &dyn Rules,
) -> Handover {
    let mut desk = HandoverPlanner::new(old, new, spec, loads_s);
    if spec.mode == HandoverMode::Gap {
        desk.all_at_once(spec);
    } else {
        desk.one_after_another(spec, rules);
    }
    desk.done(new)
}

struct HandoverPlanner {
    out: Handover,
    gpus: Vec<HandoverGpu>,
    waiting: Vec<Pending>,
    loading: Vec<Pending>,
    /// Old servers without a successor on their GPU: workload, place, GPU, share.
    leaving: Vec<(usize, (usize, usize), usize, u32)>,
    /// By workload: whether it will have fewer servers, in which case those that stay must be large enough before
    /// others stop.
    fewer: Vec<bool>,
    now_s: f64,
}

impl HandoverPlanner {
    fn new(old: &[GpuServers], new: &[GpuServers], spec: &HandoverSpec, loads_s: &[f64]) -> Self {
        let mut gpus: Vec<HandoverGpu> = Vec::new();
        for machine in old {
            gpus.push(HandoverGpu {
                kind: machine.kind,
                units: machine.servers.iter().map(|server| server.units).sum(),
                processes: machine.servers.iter().map(|server| server.workload).collect(),
                boots: false,
            });
        }
        let mut out = Handover::default();
        let (mut waiting, mut leaving) = (Vec::new(), Vec::new());
        let mut stays_of_old: Vec<Vec<bool>> =
            old.iter().map(|machine| vec![false; machine.servers.len()]).collect();
        for (place, machine) in new.iter().enumerate() {
            let before = old.iter().position(|before| before.id == machine.id);
            let gpu = before.unwrap_or_else(|| {
                out.boots += 1;
                let kind = machine.kind;
                gpus.push(HandoverGpu { kind, units: 0, processes: Vec::new(), boots: true });
                gpus.len() - 1
            });
            let pairs = before
                .map_or_else(Vec::new, |before| staying(&old[before].servers, &machine.servers));
            for (index, server) in machine.servers.iter().enumerate() {
                let pair = before.zip(pairs.iter().find(|pair| pair.1 == index).map(|pair| pair.0));
                let known = pair.map(|(gpu, server)| (pair, &old[gpu].servers[server]));
                if let Some((gpu, server)) = pair {
                    stays_of_old[gpu][server] = true;
                }
                let at = (place, index);
                let deed = match known {
                    Some((Some(of), before)) if before.units == server.units => {
                        out.stays.push(StayingServer { of, at, at_s: 0.0 });
                        continue;
                    }
                    Some((_, before)) if before.units > server.units => Deed::Shrink,
                    Some(_) => Deed::Grow,
                    None => Deed::Move,
                };
                waiting.push(Pending {
                    start: Start {
                        at,
                        deed,
                        replaces: pair,
                        ordered_s: 0.0,
                        ready_s: 0.0,
                        forced: false,
                        takes_s: 0.0,
                    },
                    workload: server.workload,
                    gpu,
                    units: server.units,
                    before: known.map_or(0, |(_, before)| before.units),
                    load_s: loads_s.get(server.workload).copied().unwrap_or(spec.load_s),
                });
            }
        }
        for (gpu, (machine, stays)) in old.iter().zip(&stays_of_old).enumerate() {
            for (index, server) in machine.servers.iter().enumerate() {
                if !stays[index] {
                    leaving.push((server.workload, (gpu, index), gpu, server.units));
                }
            }
        }
        let count = |machines: &[GpuServers], workload: usize| {
            machines.iter().map(|machine| machine.count(workload)).sum::<usize>()
        };
        let fewer = (0..loads_s.len()).map(|w| count(new, w) < count(old, w)).collect();
        // The largest move first.
        waiting.sort_by_key(|pending| std::cmp::Reverse(pending.units));
        Self { out, gpus, waiting, loading: Vec::new(), leaving, fewer, now_s: 0.0 }
    }

    /// Stops all old servers first and starts all new ones at once.
    fn all_at_once(&mut self, spec: &HandoverSpec) {
        for pending in std::mem::take(&mut self.waiting) {
            self.order(pending, spec, false);
        }
        for (_, of, ..) in std::mem::take(&mut self.leaving) {
            self.out.ends.push(End { of, at_s: 0.0 });
        }
        for pending in std::mem::take(&mut self.loading) {
            let of = pending.start.replaces;
            self.out.ends.extend(of.map(|of| End { of, at_s: 0.0 }));
            self.out.starts.push(Start { takes_s: 0.0, ..pending.start });
        }
    }

    fn one_after_another(&mut self, spec: &HandoverSpec, rules: &dyn Rules) {
        let by_share = spec.mode == HandoverMode::Room;
        self.leave();
        loop {
            let started = self.start_what_can(spec, rules, by_share);
            if !started && self.loading.is_empty() {
                if self.waiting.is_empty() {
                    return;
                }
                self.force(spec, rules, by_share);
            }
            self.finish_next();
        }
    }

    /// Returns whether a GPU has room for a server that is to start.
    fn has_room(&self, pending: &Pending, rules: &dyn Rules, by_share: bool) -> bool {
        let gpu = &self.gpus[pending.gpu];
        let whole = rules.kinds()[gpu.kind].whole;
        let mut processes = gpu.processes.clone();
        processes.push(pending.workload);
        // If a workload has several servers on a GPU, a new one may take over the SMs of those that leave.
        let going = self
            .leaving
            .iter()
            .filter(|(workload, _, gpu, _)| (*workload, *gpu) == (pending.workload, pending.gpu));
        let over: u32 = going.map(|(.., units)| units).sum();
        let more = pending.more().saturating_sub(over);
        (!by_share || gpu.units + more <= whole) && rules.has_room(gpu.kind, &processes)
    }

    /// Starts all servers that can start now; returns whether any did.
    fn start_what_can(&mut self, spec: &HandoverSpec, rules: &dyn Rules, by_share: bool) -> bool {
        let mut any = false;
        for deed in [Deed::Shrink, Deed::Move, Deed::Grow] {
            let mut place = 0;
            while place < self.waiting.len() {
                let pending = &self.waiting[place];
                let can = pending.start.deed == deed
                    && match deed {
                        // The workload may still need the larger share.
                        Deed::Shrink => !self.has_moves(pending.workload),
                        Deed::Move => true,
                        Deed::Grow => !self.is_wanted(pending.gpu),
                    }
                    && self.has_room(pending, rules, by_share);
                if can {
                    let pending = self.waiting.remove(place);
                    self.order(pending, spec, false);
                    any = true;
                } else {
                    place += 1;
                }
            }
        }
        any
    }

    /// Returns whether servers of a workload are still to become ready elsewhere.
    fn has_moves(&self, workload: usize) -> bool {
        let moves =
            |pending: &Pending| pending.workload == workload && pending.start.deed == Deed::Move;
        self.waiting.iter().chain(&self.loading).any(moves)
    }

    /// Returns whether a move waits for room on a GPU.
    fn is_wanted(&self, gpu: usize) -> bool {
        self.waiting.iter().any(|pending| pending.gpu == gpu && pending.start.deed == Deed::Move)
    }

    /// Starts the server that breaks the rules least, when none can start by the rules.
    fn force(&mut self, spec: &HandoverSpec, rules: &dyn Rules, by_share: bool) {
        let rank = |pending: &Pending| {
            let gpu = &self.gpus[pending.gpu];
            let whole = rules.kinds()[gpu.kind].whole;
            let excess =
                if by_share { (gpu.units + pending.more()).saturating_sub(whole) } else { 0 };
            let fits = self.has_room(pending, rules, by_share);
            (!fits, excess, pending.start.deed != Deed::Shrink)
        };
        let best = (0..self.waiting.len()).min_by_key(|place| rank(&self.waiting[*place]));
        let Some(place) = best else { return };
        let forced = !self.has_room(&self.waiting[place], rules, by_share);
        let pending = self.waiting.remove(place);
        self.order(pending, spec, forced);
    }

    fn order(&mut self, mut pending: Pending, spec: &HandoverSpec, forced: bool) {
        let gpu = &mut self.gpus[pending.gpu];
        gpu.units += pending.more();
        gpu.processes.push(pending.workload);
        let up_s = if gpu.boots { spec.boot_s } else { 0.0 };
        let ready_s = self.now_s.max(up_s) + pending.load_s;
        let start = &mut pending.start;
        start.ordered_s = self.now_s;
        (start.ready_s, start.takes_s, start.forced) = (ready_s, ready_s, forced);
        self.loading.push(pending);
    }

    /// Advances the time to when the next servers are ready.
    fn finish_next(&mut self) {
        let next = self.loading.iter().map(|pending| pending.start.ready_s);
        let next = next.fold(f64::INFINITY, f64::min);
        if next.is_infinite() {
            return;
        }
        self.now_s = next;
        let (ready, loading) = std::mem::take(&mut self.loading)
            .into_iter()
            .partition(|pending: &Pending| pending.start.ready_s <= next);
        self.loading = loading;
        let ready: Vec<Pending> = ready;
        for pending in ready {
            if let Some(of) = pending.start.replaces {
                let gpu = &mut self.gpus[pending.gpu];
                gpu.units -= pending.before + pending.more();
                gpu.units += pending.units;
                forget(&mut gpu.processes, pending.workload);
                self.out.ends.push(End { of, at_s: next });
            }
            self.out.starts.push(pending.start);
        }
        self.leave();
    }

    /// Stops old servers whose workloads wait for no other server.
    fn leave(&mut self) {
        for (workload, of, gpu, units) in std::mem::take(&mut self.leaving) {
            let fewer = self.fewer.get(workload).is_some_and(|fewer| *fewer);
            let mut yet = self.waiting.iter().chain(&self.loading);
            // A server whose share shrinks waits for others itself.
            let counts = |deed: Deed| deed == Deed::Move || (deed == Deed::Grow && fewer);
            if yet.any(|p| p.workload == workload && counts(p.start.deed)) {
                self.leaving.push((workload, of, gpu, units));
                continue;
            }
            self.gpus[gpu].units -= units;
            forget(&mut self.gpus[gpu].processes, workload);
            self.out.ends.push(End { of, at_s: self.now_s });
        }
    }

    fn done(self, new: &[GpuServers]) -> Handover {
        let mut out = self.out;
        out.starts.sort_by(|a, b| a.ordered_s.total_cmp(&b.ordered_s).then(a.at.cmp(&b.at)));
        let ends = out.starts.iter().map(|start| start.ready_s);
        out.lasts_s = ends.fold(0.0, f64::max);
        let mut times: Vec<f64> = out.starts.iter().map(|start| start.ordered_s).collect();
        times.dedup();
        out.rounds = times.len();
        // A server that stays gets its new part once all new servers of its workload take requests.
        for stay in &mut out.stays {
            let workload = new[stay.at.0].servers[stay.at.1].workload;
            for start in &out.starts {
                if new[start.at.0].servers[start.at.1].workload == workload {
                    stay.at_s = stay.at_s.max(start.takes_s);
                }
            }
        }
        out
    }
}

fn forget(processes: &mut Vec<usize>, workload: usize) {
    if let Some(place) = processes.iter().position(|other| *other == workload) {
        processes.swap_remove(place);
    }
}

/// Returns the reason for the start of a server, in words.
pub(super) fn reason(deed: Deed, server: &ReplanServer) -> &'static str {
    match deed {
        Deed::Move => server.why.as_str(),
        Deed::Shrink => "its share shrinks, which makes room",
        Deed::Grow if server.why == Why::Anew => Why::Anew.as_str(),
        Deed::Grow => "its share was too small",
    }
}

#[cfg(test)]
mod tests;
