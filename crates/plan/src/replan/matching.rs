//! Matching of the GPUs of a new plan to those of the old one.

use super::layout::{GpuServers, Ids, ReplanServer};

/// Makes GPU j of the new plan GPU j of the old one, where it is of the same kind.
pub(super) fn in_order(
    old: &[GpuServers],
    new: Vec<(usize, Vec<ReplanServer>)>,
    ids: &mut Ids,
) -> Vec<GpuServers> {
    let mut machines = Vec::with_capacity(new.len());
    for (place, (kind, servers)) in new.into_iter().enumerate() {
        let same = old.get(place).filter(|machine| machine.kind == kind);
        let id = same.map_or_else(|| ids.next(), |machine| machine.id);
        machines.push(GpuServers { id, kind, servers });
    }
    machines
}

/// Assigns new GPUs to old ones so that most servers stay where they are; among equally good assignments, so that most
/// servers keep their shares.
pub(super) fn matched(
    old: &[GpuServers],
    new: Vec<(usize, Vec<ReplanServer>)>,
    ids: &mut Ids,
) -> Vec<GpuServers> {
    let size = old.len().max(new.len());
    let cost = |after: usize, before: usize| {
        let (Some((kind, servers)), Some(machine)) = (new.get(after), old.get(before)) else {
            return 0;
        };
        if machine.kind == *kind { -common(&machine.servers, servers) } else { 0 }
    };
    let assigned = assignment(size, cost);
    let mut machines = Vec::with_capacity(new.len());
    for (after, (kind, servers)) in new.iter().enumerate() {
        let before = old.get(assigned[after]).filter(|machine| machine.kind == *kind);
        let id = before.map_or_else(|| ids.next(), |machine| machine.id);
        machines.push(GpuServers { id, kind: *kind, servers: servers.clone() });
    }
    machines
}

/// Returns a measure of what two GPUs have in common: 1000 for each server that would stay, and 1 more for each that
/// also keeps its share.
fn common(old: &[ReplanServer], new: &[ReplanServer]) -> i64 {
    let pairs = super::layout::staying(old, new);
    let same = pairs.iter().filter(|(before, after)| old[*before].units == new[*after].units);
    let same = i64::try_from(same.count()).unwrap_or(0);
    1000 * i64::try_from(pairs.len()).unwrap_or(0) + same
}

/// Returns the assignment of rows to columns with the least sum of costs: the column of each row.
///
/// Shortest augmenting paths with potentials (Jonker and Volgenant, "A shortest augmenting path algorithm for dense and
/// sparse linear assignment problems", Computing 38, 1987), O(n³).
fn assignment(size: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    const FAR: i64 = i64::MAX / 4;
    // Row and column 0 are a sentinel that belongs to no assignment.
    let mut row_potential = vec![0; size + 1];
    let mut column_potential = vec![0; size + 1];
    let mut row_of = vec![0; size + 1];
    for row in 1..=size {
        let mut from = vec![0; size + 1];
        let mut least = vec![FAR; size + 1];
        let mut done = vec![false; size + 1];
        row_of[0] = row;
        let mut column = 0;
        while row_of[column] != 0 {
            done[column] = true;
            let (mut step, mut next) = (FAR, 0);
            for other in (1..=size).filter(|other| !done[*other]) {
                let at = row_of[column];
                let reduced = cost(at - 1, other - 1) - row_potential[at] - column_potential[other];
                if reduced < least[other] {
                    least[other] = reduced;
                    from[other] = column;
                }
                if least[other] < step {
                    (step, next) = (least[other], other);
                }
            }
            for other in 0..=size {
                if done[other] {
                    row_potential[row_of[other]] += step;
                    column_potential[other] -= step;
                } else {
                    least[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[from[column]];
            column = from[column];
        }
    }
    let mut assigned = vec![0; size];
    for column in 1..=size {
        assigned[row_of[column] - 1] = column - 1;
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::super::layout::Why;
    use super::*;
    use crate::search::local::Choices;

    /// The least sum over all permutations of the columns from `row` on.
    fn by_trial(cost: &[Vec<i64>], row: usize, free: &mut Vec<usize>) -> i64 {
        if free.is_empty() {
            return 0;
        }
        let mut least = i64::MAX;
        for place in 0..free.len() {
            let column = free.remove(place);
            least = least.min(cost[row][column] + by_trial(cost, row + 1, free));
            free.insert(place, column);
        }
        least
    }

    #[test]
    fn no_assignment_costs_less() {
        let mut choices = Choices::new(1);
        for case in 0..256 {
            let size = 1 + case % 6;
            let mut row = || {
                (0..size).map(|_| i64::try_from(choices.below(12)).unwrap() - 6).collect::<Vec<_>>()
            };
            let cost: Vec<Vec<i64>> = (0..size).map(|_| row()).collect();
            let assigned = assignment(size, |a, b| cost[a][b]);
            let mut columns = assigned.clone();
            columns.sort_unstable();
            assert_eq!(columns, (0..size).collect::<Vec<_>>());
            let sum: i64 = assigned.iter().enumerate().map(|(row, c)| cost[row][*c]).sum();
            assert_eq!(sum, by_trial(&cost, 0, &mut (0..size).collect()), "{cost:?}");
        }
    }

    #[test]
    fn most_servers_stay() {
        let server = |workload, units| ReplanServer::new(workload, 1.0, Why::First).sized(units, 1);
        let machine = |id, kind, servers| GpuServers { id, kind, servers };
        let mut ids = Ids::default();
        for _ in 0..3 {
            ids.next();
        }
        let old = [
            machine(0, 0, vec![server(0, 10), server(1, 10)]),
            machine(1, 0, vec![server(2, 10)]),
            machine(2, 1, vec![server(3, 10)]),
        ];
        let new = vec![
            (0, vec![server(2, 10), server(3, 5)]),
            (0, vec![server(0, 12), server(1, 10)]),
            (0, vec![server(3, 10)]),
        ];
        let matched: Vec<usize> =
            matched(&old, new.clone(), &mut ids).iter().map(|machine| machine.id).collect();
        // Nothing is a GPU of another kind.
        assert_eq!(matched, [1, 0, 3]);
        let in_order: Vec<usize> =
            in_order(&old, new, &mut ids).iter().map(|machine| machine.id).collect();
        assert_eq!(in_order, [0, 1, 4]);
    }
}
