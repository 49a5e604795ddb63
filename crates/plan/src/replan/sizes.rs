//! Step 7 of the sticky re-planner: changes shares as late as possible.

use super::layout::{GpuServers, ReplanServer, staying};
use super::rules::{EpochRules, Level};

/// A share that must change grows by up to one part in this number, where units are free.
const MORE_PARTS: u32 = 4;

/// Sizes all servers of a plan. A share is kept while it is sufficient and there is room. It shrinks only to make room;
/// the smallest surpluses are kept first. A share that must change gets up to a quarter more, from the free units.
pub(super) fn size(
    desk: &mut EpochRules<'_>,
    old: &[GpuServers],
    new: &mut [GpuServers],
    counts: &[u32],
) {
    for machine in new {
        if let Some(before) = old.iter().find(|before| before.id == machine.id) {
            come_home(&before.servers, &mut machine.servers);
        }
        size_machine(desk, machine, counts);
    }
}

/// Restores the shares and batch sizes of servers that were taken out and returned to their GPU.
fn come_home(old: &[ReplanServer], new: &mut [ReplanServer]) {
    for (before, after) in staying(old, new) {
        new[after].units = old[before].units;
        new[after].batch = old[before].batch;
        new[after].started = old[before].started;
    }
}

fn size_machine(desk: &mut EpochRules<'_>, machine: &mut GpuServers, counts: &[u32]) {
    let kind = machine.kind;
    let whole = desk.kinds[kind].whole;
    let Some(mut sizes) = desk.fit(Level::Now, kind, &machine.servers, counts, &[]) else {
        // A plan from scratch may find a fit that this method does not; then its own sizes are kept.
        return;
    };
    // Keep surplus units as far as there is room.
    let mut free = whole - sizes.iter().map(|size| size.units).sum::<u32>();
    let mut surplus: Vec<(u32, usize)> = Vec::new();
    for (place, (server, size)) in machine.servers.iter().zip(&sizes).enumerate() {
        if server.units > size.units {
            surplus.push((server.units - size.units, place));
        }
    }
    surplus.sort_unstable();
    let mut floors: Vec<u32> = sizes.iter().map(|size| size.units).collect();
    for (more, place) in surplus {
        if more <= free {
            floors[place] += more;
            free -= more;
        }
    }
    if let Some(larger) = desk.fit(Level::Now, kind, &machine.servers, counts, &floors) {
        sizes = larger;
    }
    // Servers that change get more of the free units, the largest first.
    let mut floors: Vec<u32> = sizes.iter().map(|size| size.units).collect();
    let mut free = whole - floors.iter().sum::<u32>();
    let changes = |place: &usize| machine.servers[*place].units != floors[*place];
    let mut changing: Vec<usize> = (0..floors.len()).filter(changes).collect();
    changing.sort_by_key(|place| std::cmp::Reverse(floors[*place]));
    for place in changing {
        let more = floors[place].div_ceil(MORE_PARTS).min(free);
        floors[place] += more;
        free -= more;
    }
    if let Some(larger) = desk.fit(Level::Now, kind, &machine.servers, counts, &floors) {
        sizes = larger;
    }
    for (server, size) in machine.servers.iter_mut().zip(sizes) {
        *server = server.sized(size.units, size.batch);
    }
}
