//! Step 7 of the sticky re-planner: shares change as late as they can.

use super::layout::{GpuServers, ReplanServer, staying};
use super::rules::{EpochRules, Level};

/// A share that must change gets up to this part more, where that is free.
const MORE_PARTS: u32 = 4;

/// Sizes all servers of a plan. A share stays while it is enough and there is room; it shrinks only for room, those with
/// the smallest surplus being kept first; one that must change gets up to a quarter more of what is free.
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

/// Servers that were taken out and came back have the shares and batch sizes that they had.
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
        // A plan from scratch may find a way that this does not; then its own sizes stay.
        return;
    };
    // Keep what is more than enough as far as there is room.
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
    // Those that change get more of what is free, the largest first.
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
