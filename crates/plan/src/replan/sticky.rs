//! The sticky re-planner, which changes the old plan where that pays.
//!
//! 1. *Replicas*: change the number of servers of workloads whose servers are too few or more than needed.
//! 2. *Keep*: each GPU whose servers still fit keeps them; from each other GPU, the smallest set of servers whose
//!    removal makes room is evicted.
//! 3. *Place* evicted and new servers, the largest first: by best fit, by moving one other server, or on a new GPU.
//! 4. *Empty* GPUs whose servers can be placed elsewhere at a lower cost than that of the GPU.
//! 5. *Ruin and recreate* ([`super::ruin`]), and 6. *reset*: a plan from scratch, matched to the old one, where it saves
//!    more than its moves cost.
//! 7. *Sizes* ([`super::sizes`]).

use super::layout::{GpuServers, Ids, ReplanServer, Why, counts, moves};
use super::matching::matched;
use super::rules::{EpochRules, Level};
use super::{ReplanError, ruin, sizes};

/// Maximum number of servers of a workload.
pub(super) const MOST_REPLICAS: u32 = 64;

/// Maximum number of servers of a GPU that are evicted together by trying all sets; beyond it, servers are evicted one
/// by one.
const TRIED_TOGETHER: usize = 3;

/// Maximum number of GPUs that are tried for emptying, those with the fewest servers first.
const TRIED_TO_EMPTY: usize = 24;

/// Rounds of search for an epoch's plan from scratch.
pub(super) const SCRATCH_ROUNDS: u64 = 60;

/// The weights of rent and moves in the cost of an epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worth {
    pub period_s: f64,
    pub move_cost_gpu_s: f64,
}

impl Worth {
    /// Returns the cost of an epoch, in GPU-seconds: GPUs of this total price and this number of moves.
    pub(super) fn of(&self, price: f64, moves: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of moves")]
        let moves = moves as f64;
        price * self.period_s + moves * self.move_cost_gpu_s
    }

    /// Returns the maximum number of moves that removing a GPU of this price is worth.
    fn moves(&self, price: f64) -> usize {
        let most = price * self.period_s / self.move_cost_gpu_s.max(1e-9);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let most = most as usize;
        most
    }
}

/// A plan that is being changed.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub machines: Vec<GpuServers>,
    pub counts: Vec<u32>,
}

impl Draft {
    /// Gives all servers of a workload equal parts.
    pub(super) fn equalise(&mut self, workload: usize) {
        let part = 1.0 / f64::from(self.counts[workload].max(1));
        let all = self.machines.iter_mut().flat_map(|machine| &mut machine.servers);
        all.filter(|server| server.workload == workload).for_each(|server| server.part = part);
    }

    pub(super) fn price(&self, desk: &EpochRules<'_>) -> f64 {
        self.machines.iter().map(|machine| desk.kinds[machine.kind].price).sum()
    }
}

/// Makes the plan of the next epoch. With `early`, the plan changes within an epoch, and only missing servers are
/// added.
pub(super) fn step(
    desk: &mut EpochRules<'_>,
    old: &[GpuServers],
    ids: &mut Ids,
    worth: Worth,
    (early, seed): (bool, u64),
) -> Result<Vec<GpuServers>, ReplanError> {
    let mut draft = Draft { machines: old.to_vec(), counts: counts(old, desk.workloads()) };
    let mut todo = replicas(desk, &mut draft)?;
    draft.machines.retain(|machine| !machine.servers.is_empty());
    evict(desk, &mut draft, &mut todo);
    place_all(desk, &mut draft, todo, ids)?;
    if !early {
        let bound = desk.bound();
        empty(desk, &mut draft, worth, bound);
        ruin::improve(desk, &mut draft, old, worth, (bound, seed));
        if let Some(reset) = reset(desk, &draft, old, ids, worth, (bound, seed))? {
            draft = reset;
        }
    }
    sizes::size(desk, old, &mut draft.machines, &draft.counts);
    Ok(draft.machines)
}

/// Returns whether a plan provably cannot be cheaper.
pub(super) fn is_least(desk: &EpochRules<'_>, draft: &Draft, bound: Option<(f64, usize)>) -> bool {
    bound.is_some_and(|(cost, _)| draft.price(desk) <= cost + 1e-9)
}

/// Step 1: changes numbers of servers. Returns the servers that have no place yet.
fn replicas(
    desk: &mut EpochRules<'_>,
    draft: &mut Draft,
) -> Result<Vec<ReplanServer>, ReplanError> {
    let mut todo = Vec::new();
    for workload in 0..desk.workloads() {
        let has = draft.counts[workload];
        let servers = draft.machines.iter().flat_map(|machine| &machine.servers);
        let parts: Vec<f64> =
            servers.filter(|server| server.workload == workload).map(|s| s.part).collect();
        let mut cost = Some(0.0);
        for part in &parts {
            let own = desk.cost(Level::Now, (workload, *part, has));
            cost = cost.zip(own).map(|(sum, own)| sum + own);
        }
        if has == 0 || cost.is_none() {
            let needs = more(desk, workload, has)?;
            draft.counts[workload] = needs;
            draft.equalise(workload);
            let part = 1.0 / f64::from(needs);
            let new = (has..needs).map(|_| ReplanServer::new(workload, part, Why::Replicas));
            todo.extend(new);
        } else if has > 1 {
            drop_superfluous(desk, draft, workload, &parts);
        }
    }
    Ok(todo)
}

/// Returns the number of servers that a workload with too few servers needs.
fn more(desk: &mut EpochRules<'_>, workload: usize, has: u32) -> Result<u32, ReplanError> {
    let choices = desk.choices(workload);
    let best = choices.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let mut needs = best.map_or(has + 1, |(replicas, _)| *replicas).max(has + 1);
    while needs <= MOST_REPLICAS {
        if desk.cost(Level::Now, (workload, 1.0 / f64::from(needs), needs)).is_some() {
            return Ok(needs);
        }
        needs += 1;
    }
    Err(ReplanError::NoServer { workload, rate: desk.rates()[workload] })
}

/// Removes servers, starting on the emptiest GPU, while fewer servers cost no more in total.
fn drop_superfluous(desk: &mut EpochRules<'_>, draft: &mut Draft, workload: usize, parts: &[f64]) {
    let mut now = 0.0;
    for part in parts {
        let own = desk.cost(Level::Held, (workload, *part, draft.counts[workload]));
        now += own.unwrap_or(f64::INFINITY);
    }
    while draft.counts[workload] > 1 {
        let fewer = draft.counts[workload] - 1;
        let each = desk.cost(Level::Held, (workload, 1.0 / f64::from(fewer), fewer));
        let Some(cost) = each.map(|each| each * f64::from(fewer)) else { return };
        if cost > now + 1e-9 {
            return;
        }
        let on = draft.machines.iter_mut().filter(|machine| machine.count(workload) > 0);
        let Some(machine) = on.min_by_key(|machine| machine.units()) else { return };
        if let Some(place) = machine.servers.iter().position(|s| s.workload == workload) {
            machine.servers.remove(place);
        }
        draft.counts[workload] = fewer;
        draft.equalise(workload);
        now = cost;
    }
}

/// Step 2: evicts servers from GPUs that have no room for all.
fn evict(desk: &mut EpochRules<'_>, draft: &mut Draft, todo: &mut Vec<ReplanServer>) {
    for machine in &mut draft.machines {
        if desk.used(Level::Now, machine.kind, &machine.servers, &draft.counts).is_some() {
            continue;
        }
        let leaving = smallest(desk, machine, &draft.counts);
        for place in leaving.into_iter().rev() {
            let server = machine.servers.remove(place);
            todo.push(server.moved(Why::Evicted));
        }
    }
    draft.machines.retain(|machine| !machine.servers.is_empty());
}

/// Returns the places of the fewest servers, and among those the smallest, without which the others fit.
fn smallest(desk: &mut EpochRules<'_>, machine: &GpuServers, counts: &[u32]) -> Vec<usize> {
    let all = machine.servers.len();
    let weights: Vec<f64> =
        machine.servers.iter().map(|server| desk.weight(server, counts)).collect();
    for size in 1..=TRIED_TOGETHER.min(all) {
        let mut best: Option<(f64, Vec<usize>)> = None;
        let mut set: Vec<usize> = (0..size).collect();
        loop {
            let weight: f64 = set.iter().map(|place| weights[*place]).sum();
            if best.as_ref().is_none_or(|(least, _)| weight < *least) {
                let rest = (0..all).filter(|place| !set.contains(place));
                let rest: Vec<ReplanServer> = rest.map(|place| machine.servers[place]).collect();
                if desk.used(Level::Now, machine.kind, &rest, counts).is_some() {
                    best = Some((weight, set.clone()));
                }
            }
            // Advances to the next set in lexicographic order.
            let Some(place) = (0..size).rev().find(|i| set[*i] < all - size + i) else { break };
            set[place] += 1;
            for later in place + 1..size {
                set[later] = set[later - 1] + 1;
            }
        }
        if let Some((_, set)) = best {
            return set;
        }
    }
    // Too many servers for trying all sets: the largest are evicted until the others fit.
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    for size in TRIED_TOGETHER..all {
        let mut rest: Vec<usize> = order[size..].to_vec();
        rest.sort_unstable();
        let rest: Vec<ReplanServer> =
            rest.into_iter().map(|place| machine.servers[place]).collect();
        if desk.used(Level::Now, machine.kind, &rest, counts).is_some() {
            let mut set = order[..size].to_vec();
            set.sort_unstable();
            return set;
        }
    }
    (0..all).collect()
}

/// Sorts servers by falling least share.
pub(super) fn largest_first(
    desk: &mut EpochRules<'_>,
    servers: &mut [ReplanServer],
    counts: &[u32],
) {
    servers.sort_by(|a, b| desk.weight(b, counts).total_cmp(&desk.weight(a, counts)));
}

/// Step 3: places evicted and new servers.
fn place_all(
    desk: &mut EpochRules<'_>,
    draft: &mut Draft,
    mut todo: Vec<ReplanServer>,
    ids: &mut Ids,
) -> Result<(), ReplanError> {
    largest_first(desk, &mut todo, &draft.counts);
    for server in todo {
        let counts = draft.counts.clone();
        if place(desk, &mut draft.machines, server, &counts, Level::Now).is_some() {
            continue;
        }
        let kind = cheapest_kind(desk, &server, &counts).ok_or(ReplanError::NoServer {
            workload: server.workload,
            rate: desk.rates()[server.workload],
        })?;
        draft.machines.push(GpuServers { id: ids.next(), kind, servers: vec![server] });
    }
    Ok(())
}

/// Returns the kind on which a server costs least alone.
fn cheapest_kind(
    desk: &mut EpochRules<'_>,
    server: &ReplanServer,
    counts: &[u32],
) -> Option<usize> {
    let of = (server.workload, server.part, counts[server.workload]);
    let mut best: Option<(f64, usize)> = None;
    for kind in 0..desk.kinds.len() {
        let Some(units) = desk.alone(Level::Now, kind, of) else { continue };
        // A GPU of a cheaper kind, where one server will be alone on it, is worth as much as its share.
        let cost = f64::from(units) / f64::from(desk.kinds[kind].whole) * desk.kinds[kind].price;
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// Returns the units in use on each GPU; the whole GPU where its servers do not fit.
fn used(
    desk: &mut EpochRules<'_>,
    machines: &[GpuServers],
    counts: &[u32],
    level: Level,
) -> Vec<u32> {
    let mut all = Vec::with_capacity(machines.len());
    for machine in machines {
        let used = desk.used(level, machine.kind, &machine.servers, counts);
        all.push(used.unwrap_or(desk.kinds[machine.kind].whole));
    }
    all
}

/// Places a server on the GPU where it leaves least room, or makes room by moving another server. Returns how many
/// servers were placed or moved, `None` without room.
fn place(
    desk: &mut EpochRules<'_>,
    machines: &mut [GpuServers],
    server: ReplanServer,
    counts: &[u32],
    level: Level,
) -> Option<usize> {
    let used = used(desk, machines, counts, level);
    let to = (level, used.as_slice());
    if let Some((place, _)) = best_fit(desk, machines, server, counts, to, None) {
        machines[place].servers.push(server);
        return Some(1);
    }
    push(desk, machines, server, counts, to)
}

/// Returns the GPU where a server leaves least room, and how much that is.
fn best_fit(
    desk: &mut EpochRules<'_>,
    machines: &mut [GpuServers],
    server: ReplanServer,
    counts: &[u32],
    (level, used): (Level, &[u32]),
    except: Option<usize>,
) -> Option<(usize, f64)> {
    let of = (server.workload, server.part, counts[server.workload]);
    let mut best: Option<(usize, f64)> = None;
    for (place, machine) in machines.iter_mut().enumerate() {
        let Some(alone) = desk.alone(level, machine.kind, of) else { continue };
        let has_room = used[place] + alone <= desk.kinds[machine.kind].whole;
        if except == Some(place) || !has_room {
            continue;
        }
        let Some(used) = desk.used_with(level, machine, server, counts) else { continue };
        let free = desk.free(machine.kind, used);
        if best.is_none_or(|(_, least)| free < least) {
            best = Some((place, free));
        }
    }
    best
}

/// Makes room for a server by moving another one; chooses the move that leaves least room.
fn push(
    desk: &mut EpochRules<'_>,
    machines: &mut [GpuServers],
    server: ReplanServer,
    counts: &[u32],
    to: (Level, &[u32]),
) -> Option<usize> {
    let mut best: Option<(f64, usize, usize, usize)> = None;
    for from in 0..machines.len() {
        let mut order: Vec<usize> = (0..machines[from].servers.len()).collect();
        order.sort_by_key(|place| machines[from].servers[*place].units);
        for place in order {
            let pushed = machines[from].servers[place];
            if pushed.workload == server.workload {
                continue;
            }
            let target = best_fit(desk, machines, pushed, counts, to, Some(from));
            let Some((target, free)) = target else { continue };
            if best.is_some_and(|(least, ..)| free >= least) {
                continue;
            }
            let mut swapped = machines[from].servers.clone();
            swapped.remove(place);
            swapped.push(server);
            if desk.used(to.0, machines[from].kind, &swapped, counts).is_some() {
                best = Some((free, from, place, target));
            }
        }
    }
    let (_, from, place, target) = best?;
    let pushed = machines[from].servers.remove(place);
    machines[from].servers.push(server);
    machines[target].servers.push(pushed.moved(Why::Pushed));
    Some(2)
}

/// Step 4: empties GPUs.
fn empty(desk: &mut EpochRules<'_>, draft: &mut Draft, worth: Worth, bound: Option<(f64, usize)>) {
    while draft.machines.len() > 1 && !is_least(desk, draft, bound) {
        let mut order: Vec<(usize, f64, usize)> = Vec::new();
        for (place, machine) in draft.machines.iter().enumerate() {
            let weights = machine.servers.iter().map(|s| desk.weight(s, &draft.counts));
            let weight = weights.sum();
            order.push((machine.servers.len(), weight, place));
        }
        order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        order.truncate(TRIED_TO_EMPTY);
        let emptied =
            order.into_iter().find_map(|(_, _, place)| without(desk, draft, place, worth));
        let Some(machines) = emptied else { return };
        draft.machines = machines;
    }
}

/// Returns the plan without one of its GPUs, if that takes no more moves than the GPU is worth.
fn without(
    desk: &mut EpochRules<'_>,
    draft: &Draft,
    place: usize,
    worth: Worth,
) -> Option<Vec<GpuServers>> {
    let machine = &draft.machines[place];
    let most = worth.moves(desk.kinds[machine.kind].price);
    if machine.servers.len() > most {
        return None;
    }
    let mut trial = draft.machines.clone();
    trial.remove(place);
    let mut servers: Vec<ReplanServer> =
        machine.servers.iter().map(|server| server.moved(Why::Emptied)).collect();
    largest_first(desk, &mut servers, &draft.counts);
    let mut moved = 0;
    for server in servers {
        moved += self::place(desk, &mut trial, server, &draft.counts, Level::Held)?;
        if moved > most {
            return None;
        }
    }
    for machine in &trial {
        desk.used(Level::Now, machine.kind, &machine.servers, &draft.counts)?;
    }
    Some(trial)
}

/// Step 6: makes a plan from scratch; returns it if it saves more than its moves cost.
fn reset(
    desk: &mut EpochRules<'_>,
    draft: &Draft,
    old: &[GpuServers],
    ids: &mut Ids,
    worth: Worth,
    (bound, seed): (Option<(f64, usize)>, u64),
) -> Result<Option<Draft>, ReplanError> {
    if is_least(desk, draft, bound) {
        return Ok(None);
    }
    let rates = desk.rates().to_vec();
    let scratch = desk.rules.scratch(&rates, SCRATCH_ROUNDS, seed)?;
    let price: f64 = scratch.iter().map(|(kind, _)| desk.kinds[*kind].price).sum();
    if price >= draft.price(desk) - 1e-9 {
        return Ok(None);
    }
    let machines = matched(old, scratch, ids);
    let anew = Draft { counts: counts(&machines, desk.workloads()), machines };
    let value = |draft: &Draft, desk: &EpochRules<'_>| {
        worth.of(draft.price(desk), moves(old, &draft.machines))
    };
    Ok((value(&anew, desk) < value(draft, desk)).then_some(anew))
}
