//! Step 5 of the sticky re-planner: ruin and recreate (Schrimpf et al., "Record breaking optimization results using the
//! ruin and recreate principle", J. Comput. Phys. 2000).
//!
//! A round removes the servers of a few GPUs, sometimes changes the number of servers of one of their workloads, and
//! puts all of them back, the largest first with random variation: on their GPUs from before the epoch where they fit
//! there, otherwise by best fit. The result is kept if it costs no more, moves included.

use super::layout::{GpuServers, ReplanServer, Why, moves};
use super::rules::{EpochRules, Level};
use super::sticky::{Draft, MOST_REPLICAS, Worth, is_least};
use crate::search::local::Choices;

/// Number of rounds per epoch.
const ROUNDS: usize = 60;

/// Numbers of GPUs that are taken out together; the repetitions are weights.
const TAKEN_OUT: [usize; 5] = [1, 2, 2, 3, 3];

/// Number of rounds in 10 in which the number of servers of a workload changes.
const OTHER_NUMBER: usize = 4;

/// Number of cases in 10 in which a server returns to its old GPU if it fits there.
const HOME_FIRST: usize = 8;

/// Searches for a cheaper plan.
pub(super) fn improve(
    desk: &mut EpochRules<'_>,
    draft: &mut Draft,
    old: &[GpuServers],
    worth: Worth,
    (bound, seed): (Option<(f64, usize)>, u64),
) {
    let mut choices = Choices::new(seed);
    let mut best = worth.of(draft.price(desk), moves(old, &draft.machines));
    for _ in 0..ROUNDS {
        if draft.machines.len() < 2 || is_least(desk, draft, bound) {
            return;
        }
        let Some(trial) = round(desk, draft, old, &mut choices) else { continue };
        let price = trial.price(desk);
        let value = worth.of(price, moves(old, &trial.machines));
        if value > best + 1e-9 {
            continue;
        }
        // A GPU is released only if it would have been superfluous for the whole hold period.
        let is_held = price >= draft.price(desk) - 1e-9
            || trial.machines.iter().all(|machine| {
                let (kind, servers) = (machine.kind, &machine.servers);
                desk.used(Level::Held, kind, servers, &trial.counts).is_some()
            });
        if is_held {
            best = value;
            *draft = trial;
        }
    }
}

/// Makes one round; returns `None` where the servers do not all fit again.
fn round(
    desk: &mut EpochRules<'_>,
    draft: &Draft,
    old: &[GpuServers],
    choices: &mut Choices,
) -> Option<Draft> {
    let taken = taken_out(desk, draft, choices);
    let mut trial = draft.clone();
    let mut spare: Vec<GpuServers> = Vec::new();
    for place in taken.iter().rev() {
        spare.push(trial.machines.remove(*place));
    }
    let mut pool: Vec<ReplanServer> =
        spare.iter().flat_map(|machine| machine.servers.clone()).collect();
    spare.iter_mut().for_each(|machine| machine.servers.clear());
    if choices.below(10) < OTHER_NUMBER {
        let workload = pool[choices.below(pool.len())].workload;
        other_number(desk, &mut trial, &mut pool, workload, choices)?;
    }
    for server in &mut pool {
        *server = server.moved(server.why);
        server.part = equal_or(server.part, trial.counts[server.workload], draft, server.workload);
    }
    // The other servers must still fit with their new parts.
    let mut used = Vec::with_capacity(draft.machines.len());
    for machine in &trial.machines {
        used.push(desk.used(Level::Now, machine.kind, &machine.servers, &trial.counts)?);
    }
    // Weights are increased by up to 30 %, so that the order varies.
    let jitter = [0, 30][choices.below(2)];
    let mut order: Vec<(f64, ReplanServer)> = Vec::with_capacity(pool.len());
    for server in pool {
        #[expect(clippy::cast_precision_loss, reason = "at most 30")]
        let more = choices.below(jitter + 1) as f64 / 100.0;
        order.push((desk.weight(&server, &trial.counts) * (1.0 + more), server));
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.workload.cmp(&b.1.workload)));
    let most = draft.machines.len();
    for (_, server) in order {
        put_back(desk, (&mut trial, &mut used), &mut spare, server, (old, most), choices)?;
    }
    Some(trial)
}

/// Returns the part of a server: unchanged, or equal parts where the number of servers of its workload changed.
fn equal_or(part: f64, count: u32, draft: &Draft, workload: usize) -> f64 {
    if draft.counts[workload] == count { part } else { 1.0 / f64::from(count) }
}

/// Returns the places of the GPUs to take out, ascending; emptier GPUs are more likely.
fn taken_out(desk: &mut EpochRules<'_>, draft: &Draft, choices: &mut Choices) -> Vec<usize> {
    let mut weights: Vec<usize> = Vec::with_capacity(draft.machines.len());
    for machine in &draft.machines {
        let used: f64 = machine.servers.iter().map(|s| desk.weight(s, &draft.counts)).sum();
        let free = (desk.kinds[machine.kind].price - used).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let weight = 6 + (200.0 * free) as usize;
        weights.push(weight);
    }
    let count = TAKEN_OUT[choices.below(TAKEN_OUT.len())].min(draft.machines.len());
    let mut taken: Vec<usize> = Vec::new();
    while taken.len() < count {
        let mut at = choices.below(weights.iter().sum());
        let place = weights.iter().position(|weight| {
            let here = at < *weight;
            at = at.wrapping_sub(*weight);
            here
        });
        let Some(place) = place else { break };
        weights[place] = 0;
        taken.push(place);
    }
    taken.sort_unstable();
    taken
}

/// Adds or removes one server of a workload of the pool.
fn other_number(
    desk: &mut EpochRules<'_>,
    trial: &mut Draft,
    pool: &mut Vec<ReplanServer>,
    workload: usize,
    choices: &mut Choices,
) -> Option<()> {
    let has = trial.counts[workload];
    let more = choices.below(2) == 0;
    let count = if more { has + 1 } else { has - 1 };
    if !(1..=MOST_REPLICAS).contains(&count) {
        return None;
    }
    let part = 1.0 / f64::from(count);
    desk.cost(Level::Held, (workload, part, count))?;
    // Strategies that place each workload once allow no other number.
    let worth_a_try = desk.choices(workload);
    if !worth_a_try.iter().any(|(replicas, _)| *replicas == count) {
        return None;
    }
    if more {
        pool.push(ReplanServer::new(workload, part, Why::Replicas));
    } else {
        let place = pool.iter().position(|server| server.workload == workload)?;
        pool.remove(place);
    }
    trial.counts[workload] = count;
    trial.equalise(workload);
    Some(())
}

/// Puts a server back: on its old GPU, else by best fit, else on one of the emptied GPUs.
fn put_back(
    desk: &mut EpochRules<'_>,
    (trial, used): (&mut Draft, &mut Vec<u32>),
    spare: &mut Vec<GpuServers>,
    server: ReplanServer,
    (old, most): (&[GpuServers], usize),
    choices: &mut Choices,
) -> Option<()> {
    let home = |machine: &GpuServers| {
        let before = old.iter().find(|before| before.id == machine.id);
        before.is_some_and(|before| before.count(server.workload) > machine.count(server.workload))
    };
    let of = (server.workload, server.part, trial.counts[server.workload]);
    let mut best: Option<((bool, f64), usize, u32)> = None;
    for (place, machine) in trial.machines.iter_mut().enumerate() {
        let Some(alone) = desk.alone(Level::Now, machine.kind, of) else { continue };
        if used[place] + alone > desk.kinds[machine.kind].whole {
            continue;
        }
        let with = desk.used_with(Level::Now, machine, server, &trial.counts);
        let Some(with) = with else { continue };
        let away = !(home(machine) && choices.below(10) < HOME_FIRST);
        let free = desk.free(machine.kind, with);
        let better = best.is_none_or(|((least_away, least), ..)| {
            (u8::from(away), free) < (u8::from(least_away), least)
        });
        if better {
            best = Some(((away, free), place, with));
        }
    }
    let repacked = |is_home: bool| if is_home { server } else { server.moved(Why::Repacked) };
    if let Some((_, place, with)) = best {
        used[place] = with;
        let is_home = home(&trial.machines[place]);
        trial.machines[place].servers.push(repacked(is_home));
        return Some(());
    }
    if trial.machines.len() >= most || spare.is_empty() {
        return None;
    }
    let place = spare.iter().position(home).unwrap_or_else(|| choices.below(spare.len()));
    let mut machine = spare.remove(place);
    used.push(desk.used_with(Level::Now, &mut machine, server, &trial.counts)?);
    let is_home = home(&machine);
    machine.servers.push(repacked(is_home));
    trial.machines.push(machine);
    Some(())
}
