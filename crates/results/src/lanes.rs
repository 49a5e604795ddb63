//! The servers on each GPU over time, and their layout in a drawing: a lane for each GPU, its servers stacked with
//! their shares as heights, and moves from lane to lane.

use igniter_model::domain::{GpuKindName, ModelName, WorkloadName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Times that differ by less than this are equal, in s.
const SAME_S: f64 = 1e-6;

/// The GPUs of a run over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lanes {
    /// The length of the run, in s.
    pub duration_s: f64,
    /// GPUs by index.
    pub gpus: Vec<GpuLane>,
}

/// One GPU over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuLane {
    pub kind: GpuKindName,
    /// Rental periods as (from, until), in s.
    pub rented_s: Vec<(f64, f64)>,
    /// Boot periods as (from, until), in s.
    pub boots_s: Vec<(f64, f64)>,
    /// Servers in the order of their start.
    pub servers: Vec<LaneServer>,
}

/// A server from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneServer {
    pub workload: WorkloadName,
    pub model: ModelName,
    /// SM share, in percent.
    pub sm_pct: f64,
    /// Time at which it starts to load, in s.
    pub ordered_s: f64,
    /// Time from which it can execute, in s.
    pub ready_s: f64,
    /// Time after which it receives no more requests, in s.
    pub until_s: f64,
}

/// A part of a server's time in which nothing below it in its lane changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanePiece {
    /// Index in [`GpuLane::servers`].
    pub server: usize,
    pub from_s: f64,
    pub until_s: f64,
    /// Sum of the shares of the servers below it, in percent.
    pub base_pct: f64,
    /// Whether the server is loading.
    pub loads: bool,
}

/// Maximum number of moves drawn as arrows; more would hide what is below them.
pub const MOST_ARROWS: usize = 400;

/// Place of a server: the index of its GPU, and its index on that GPU.
pub type LanePlace = (usize, usize);

impl GpuLane {
    /// Returns the servers as rectangles that do not overlap, in order of time. Workloads are stacked in the order of
    /// their first appearance.
    #[must_use]
    pub fn pieces(&self) -> Vec<LanePiece> {
        let mut came: Vec<&WorkloadName> = Vec::new();
        let mut times = Vec::new();
        for server in &self.servers {
            if !came.contains(&&server.workload) {
                came.push(&server.workload);
            }
            times.extend([server.ordered_s, server.ready_s, server.until_s]);
        }
        times.sort_by(f64::total_cmp);
        times.dedup_by(|later, earlier| *later - *earlier < SAME_S);
        let rank = |server: usize| {
            let name = &self.servers[server].workload;
            (came.iter().position(|known| *known == name), server)
        };
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        order.sort_by_key(|server| rank(*server));
        let mut pieces: Vec<LanePiece> = Vec::new();
        // Index of the last piece of each server.
        let mut last: Vec<Option<usize>> = vec![None; self.servers.len()];
        for pair in times.windows(2) {
            let (from_s, until_s) = (pair[0], pair[1]);
            let middle_s = 0.5 * (from_s + until_s);
            let mut base_pct = 0.0;
            for &server in &order {
                let LaneServer { ordered_s, ready_s, until_s: end_s, sm_pct, .. } =
                    self.servers[server];
                if !(ordered_s..end_s).contains(&middle_s) {
                    continue;
                }
                let loads = middle_s < ready_s;
                let before = last[server].map(|at| &mut pieces[at]);
                match before.filter(|piece| {
                    piece.loads == loads && (piece.base_pct - base_pct).abs() < 1e-9
                }) {
                    Some(piece) => piece.until_s = until_s,
                    None => {
                        last[server] = Some(pieces.len());
                        pieces.push(LanePiece { server, from_s, until_s, base_pct, loads });
                    }
                }
                base_pct += sm_pct;
            }
        }
        pieces
    }
}

impl GpuLane {
    /// Returns where the arrow of a server's move starts (if `leaves`) or ends: a time in s and a height in percent.
    #[must_use]
    pub fn arrow_end(
        &self,
        pieces: &[LanePiece],
        server: usize,
        leaves: bool,
    ) -> Option<(f64, f64)> {
        let mut own = pieces.iter().filter(|piece| piece.server == server);
        let piece = if leaves { own.next_back() } else { own.find(|piece| !piece.loads) }?;
        let at_s = if leaves { piece.until_s } else { piece.from_s };
        Some((at_s, piece.base_pct + 0.5 * self.servers[server].sm_pct))
    }
}

impl Lanes {
    /// Returns the unit of time that suits the length of the run: its length in seconds, and its name.
    #[must_use]
    pub fn time_unit(&self) -> (f64, &'static str) {
        match self.duration_s {
            s if s >= 7200.0 => (3600.0, "h"),
            s if s >= 600.0 => (60.0, "min"),
            _ => (1.0, "s"),
        }
    }

    /// Returns the server at a place.
    #[must_use]
    pub fn server(&self, (gpu, place): LanePlace) -> &LaneServer {
        &self.gpus[gpu].servers[place]
    }

    /// Returns pairs of servers where the second took over from the first on another GPU, in order of time. A server
    /// that was added without taking over is not included.
    #[must_use]
    pub fn moves(&self) -> Vec<(LanePlace, LanePlace)> {
        let mut all: Vec<LanePlace> = Vec::new();
        for (gpu, lane) in self.gpus.iter().enumerate() {
            all.extend((0..lane.servers.len()).map(|place| (gpu, place)));
        }
        all.sort_by(|a, b| self.server(*a).ready_s.total_cmp(&self.server(*b).ready_s));
        let mut by_workload: BTreeMap<&str, Vec<LanePlace>> = BTreeMap::new();
        for place in all {
            by_workload.entry(self.server(place).workload.as_str()).or_default().push(place);
        }
        let mut moves = Vec::new();
        for own in by_workload.values() {
            let (mut left, mut followed) = (BTreeSet::new(), BTreeSet::new());
            // Match restarts in place first, so that the remaining servers came from other GPUs.
            for in_place in [true, false] {
                for &new in own {
                    let may = |old: &LanePlace| {
                        (old.0 == new.0) == in_place
                            && !left.contains(old)
                            && self.hands_over(*old, new)
                    };
                    let ready_s = self.server(new).ready_s;
                    let apart = |old: &LanePlace| (self.server(*old).until_s - ready_s).abs();
                    let nearest = own.iter().copied().filter(may);
                    let nearest = nearest.min_by(|a, b| apart(a).total_cmp(&apart(b)));
                    let Some(old) = nearest.filter(|_| !followed.contains(&new)) else { continue };
                    left.insert(old);
                    followed.insert(new);
                    if !in_place {
                        moves.push((old, new));
                    }
                }
            }
        }
        moves.sort_by(|a, b| self.server(a.1).ready_s.total_cmp(&self.server(b.1).ready_s));
        moves
    }

    /// Whether a server can have ended because it was replaced by another one of its workload.
    fn hands_over(&self, old: LanePlace, new: LanePlace) -> bool {
        let (old, new) = (self.server(old), self.server(new));
        // Old servers wait until all new ones of their workload are ready, which may take several rounds.
        let rounds_s = 3.0 * (new.ready_s - new.ordered_s);
        new.ordered_s > SAME_S
            && old.ordered_s < new.ordered_s - SAME_S
            && old.until_s >= new.ordered_s - SAME_S
            && old.until_s <= new.ready_s + rounds_s + SAME_S
            && old.until_s < self.duration_s - SAME_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(workload: &str, sm_pct: f64, times_s: [f64; 3]) -> LaneServer {
        let [ordered_s, ready_s, until_s] = times_s;
        LaneServer {
            workload: WorkloadName::new(workload).unwrap(),
            model: ModelName::new("alexnet").unwrap(),
            sm_pct,
            ordered_s,
            ready_s,
            until_s,
        }
    }

    fn lane(servers: Vec<LaneServer>) -> GpuLane {
        let kind = GpuKindName::new("v100").unwrap();
        GpuLane { kind, rented_s: vec![(0.0, 100.0)], boots_s: Vec::new(), servers }
    }

    #[test]
    fn servers_lie_on_top_of_each_other_and_fall_when_one_below_goes() {
        let lane = lane(vec![
            server("a", 30.0, [0.0, 0.0, 50.0]),
            server("b", 40.0, [0.0, 0.0, 100.0]),
            // The share of a shrinks, and the old server stays until the new one has loaded.
            server("a", 20.0, [40.0, 50.0, 100.0]),
        ]);
        let found: Vec<(usize, f64, f64, f64, bool)> = (lane.pieces().into_iter())
            .map(|p| (p.server, p.from_s, p.until_s, p.base_pct, p.loads))
            .collect();
        let expected = [
            (0, 0.0, 50.0, 0.0, false),
            (1, 0.0, 40.0, 30.0, false),
            (2, 40.0, 50.0, 30.0, true),
            (1, 40.0, 50.0, 50.0, false),
            (2, 50.0, 100.0, 0.0, false),
            (1, 50.0, 100.0, 20.0, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn moves_are_told_from_restarts_and_from_further_servers() {
        let gpus = vec![
            lane(vec![
                server("moves", 30.0, [0.0, 0.0, 60.0]),
                server("restarts", 30.0, [0.0, 0.0, 60.0]),
                server("restarts", 40.0, [50.0, 60.0, 100.0]),
                server("grows", 10.0, [0.0, 0.0, 100.0]),
            ]),
            lane(vec![
                server("moves", 30.0, [50.0, 60.0, 100.0]),
                server("restarts", 30.0, [50.0, 60.0, 100.0]),
                server("grows", 10.0, [50.0, 60.0, 100.0]),
            ]),
        ];
        let lanes = Lanes { duration_s: 100.0, gpus };
        assert_eq!(lanes.moves(), [((0, 0), (1, 0))]);
    }
}
