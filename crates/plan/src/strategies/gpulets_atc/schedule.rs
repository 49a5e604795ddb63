//! Gpu-lets on a fixed number of GPUs, and the placement of pieces on them.

use super::pieces::{Fit, GpuletLatencies, WorkloadPiece};
use super::{NO_RATE_RPS, PARTS};
use crate::PlanRequest;
use crate::alone::SoloPredictor;
use crate::sizing::Demand;
use std::collections::BTreeSet;

/// The whole GPU, as an index into [`PARTS`].
const WHOLE: usize = PARTS.len() - 1;

/// Factor by which a cycle plus a batch beside a new neighbour may exceed the SLO.
const LATE: f64 = 1.05;

/// A workload in a gpu-let.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GpuletWorkload {
    pub(super) workload: usize,
    pub(super) batch: u32,
    pub(super) rate_rps: f64,
    pub(super) saturated: bool,
}

/// A gpu-let.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gpulet {
    /// Its size: an index into [`PARTS`].
    pub(super) part: usize,
    pub(super) members: Vec<GpuletWorkload>,
    pub(super) duty_ms: f64,
}

impl Gpulet {
    fn empty(part: usize) -> Self {
        Self { part, members: Vec::new(), duty_ms: 0.0 }
    }
}

/// A place: the GPU and the gpu-let on it.
pub(super) type GpuletPlace = (usize, usize);

/// The state before pieces were placed: the gpu-lets of GPUs, and the lost rates of workloads.
#[derive(Default)]
struct Undo {
    gpus: Vec<(usize, Vec<Gpulet>)>,
    lost: Vec<(usize, f64)>,
}

/// A schedule on a fixed number of GPUs.
pub(super) struct Schedule<'a, 'p> {
    alone: SoloPredictor<'p>,
    demands: &'a [Demand],
    pub(super) latencies: &'a GpuletLatencies,
    divide: bool,
    pub(super) gpus: Vec<Vec<Gpulet>>,
    /// The empty gpu-lets of each size.
    empty: [BTreeSet<GpuletPlace>; PARTS.len()],
    /// The rate that each workload has lost to new neighbours, in requests/s.
    lost: Vec<f64>,
}

impl<'a, 'p> Schedule<'a, 'p> {
    pub(super) fn new(
        request: &PlanRequest<'p>,
        demands: &'a [Demand],
        latencies: &'a GpuletLatencies,
        divide: bool,
        gpus: usize,
    ) -> Self {
        Self {
            alone: SoloPredictor::new(request),
            demands,
            latencies,
            divide,
            gpus: vec![vec![Gpulet::empty(WHOLE)]; gpus],
            empty: std::array::from_fn(|part| match part {
                WHOLE => (0..gpus).map(|gpu| (gpu, 0)).collect(),
                _ => BTreeSet::new(),
            }),
            lost: vec![0.0; demands.len()],
        }
    }

    /// Changes the gpu-lets of a GPU and updates the index of empty ones.
    pub(super) fn change(&mut self, gpu: usize, change: impl FnOnce(&mut Vec<Gpulet>)) {
        for (node, of) in self.gpus[gpu].iter().enumerate() {
            self.empty[of.part].remove(&(gpu, node));
        }
        change(&mut self.gpus[gpu]);
        for (node, of) in self.gpus[gpu].iter().enumerate() {
            if of.members.is_empty() {
                self.empty[of.part].insert((gpu, node));
            }
        }
    }

    /// Returns the GPUs that are in use.
    pub(super) fn into_gpus(self) -> Vec<Vec<Gpulet>> {
        let used = |gpu: &Vec<Gpulet>| gpu.iter().any(|node| !node.members.is_empty());
        self.gpus.into_iter().filter(used).collect()
    }

    /// Places all workloads; returns the first that finds no place as the error.
    pub(super) fn place_all(&mut self, order: &[usize]) -> Result<(), usize> {
        for &w in order {
            if !self.place(w, self.demands[w].rate_rps) {
                return Err(w);
            }
        }
        // Places the rates lost to later neighbours; these placements can cause losses in turn.
        for _ in 0..3 {
            for &w in order {
                let lost = std::mem::take(&mut self.lost[w]);
                if lost > NO_RATE_RPS && !self.place(w, lost) {
                    return Err(w);
                }
            }
        }
        let short = order.iter().find(|&&w| self.lost[w] > NO_RATE_RPS);
        short.map_or(Ok(()), |&w| Err(w))
    }

    fn place(&mut self, workload: usize, rate_rps: f64) -> bool {
        let mut pieces = self.latencies.pieces(workload, rate_rps, self.divide);
        let Some(first) = pieces.first().copied() else { return false };
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.part));
        let mut undo = Undo::default();
        if pieces.iter().all(|piece| self.best_fit(workload, *piece, &mut undo)) {
            return true;
        }
        for (workload, before) in undo.lost.into_iter().rev() {
            self.lost[workload] = before;
        }
        for (gpu, before) in undo.gpus.into_iter().rev() {
            self.change(gpu, |nodes| *nodes = before);
        }
        let left = self.fill(workload, rate_rps, first.part);
        let left = self.merge_residual(workload, left);
        left <= NO_RATE_RPS || self.share_in_time(workload, left)
    }

    /// Returns the factor by which latencies in a gpu-let exceed those alone.
    pub(super) fn factor(&self, (gpu, node): GpuletPlace) -> f64 {
        let neighbour = self.gpus[gpu].get(1 - node).is_some_and(|n| !n.members.is_empty());
        if neighbour { self.latencies.beside } else { 1.0 }
    }

    /// Returns whether the process limit and the GPU's memory allow one more process.
    pub(super) fn has_room(&self, gpu: usize, workload: usize) -> bool {
        let there = self.gpus[gpu].iter().flat_map(|node| &node.members).map(|m| m.workload);
        let model = |w: usize| self.demands[w].model;
        self.alone.has_room_of(there.chain([workload]).map(model))
    }

    /// Returns whether the workloads of a neighbour keep their whole rates, which is required only where workloads may
    /// not be divided.
    fn neighbour_keeps(&self, (gpu, node): GpuletPlace) -> bool {
        let neighbour = self.gpus[gpu].get(1 - node).filter(|n| !n.members.is_empty());
        self.divide
            || neighbour.is_none_or(|neighbour| {
                self.slowed(neighbour).is_some_and(|(after, _)| after.members == neighbour.members)
            })
    }

    /// Places a piece where it fits best.
    fn best_fit(&mut self, workload: usize, piece: WorkloadPiece, undo: &mut Undo) -> bool {
        let best = self.best_place(workload, piece);
        #[cfg(test)]
        assert_eq!(best, self.best_place_of_all(workload, piece));
        let Some((place, fit)) = best else { return false };
        undo.gpus.push((place.0, self.gpus[place.0].clone()));
        let lost = self.put(place, piece.part, Self::placed(workload, piece, fit), fit.duty_ms);
        undo.lost.extend(lost);
        true
    }

    /// Returns the empty gpu-let that fits best. A whole free GPU is as good as an exact fit; of equal ones, the last.
    fn best_place(&self, workload: usize, piece: WorkloadPiece) -> Option<(GpuletPlace, Fit)> {
        let last = |part: usize| {
            let mut places = self.empty[part].iter().rev();
            places.find_map(|&place| Some((place, self.fit_at(place, workload, piece)?)))
        };
        let exact = [piece.part, WHOLE].into_iter().filter_map(last);
        exact.max_by_key(|(place, _)| *place).or_else(|| (piece.part + 1..WHOLE).find_map(last))
    }

    /// Returns the same, by checking all gpu-lets as the original does.
    #[cfg(test)]
    fn best_place_of_all(
        &self,
        workload: usize,
        piece: WorkloadPiece,
    ) -> Option<(GpuletPlace, Fit)> {
        let mut best: Option<(u32, GpuletPlace, Fit)> = None;
        for gpu in 0..self.gpus.len() {
            for node in 0..self.gpus[gpu].len() {
                let Gpulet { part, ref members, .. } = self.gpus[gpu][node];
                if !members.is_empty() || part < piece.part {
                    continue;
                }
                let too_large = if part == WHOLE { 0 } else { PARTS[part] - PARTS[piece.part] };
                if best.is_some_and(|(least, ..)| too_large > least) {
                    continue;
                }
                if let Some(fit) = self.fit_at((gpu, node), workload, piece) {
                    best = Some((too_large, (gpu, node), fit));
                }
            }
        }
        best.map(|(_, place, fit)| (place, fit))
    }

    /// Returns the batch of a piece in an empty gpu-let, if the piece can be placed there.
    fn fit_at(&self, place: GpuletPlace, workload: usize, piece: WorkloadPiece) -> Option<Fit> {
        let (gpu, node) = place;
        let part = self.gpus[gpu][node].part;
        let given = if part == WHOLE { piece.part } else { part };
        let neighbour = self.gpus[gpu].get(1 - node).filter(|n| !n.members.is_empty());
        // As the original has it; saturated neighbours with the longest batch of all fail.
        let neighbour_holds = neighbour.is_none_or(|n| {
            let slo_ms = |member: &GpuletWorkload| self.latencies.slo_ms(member.workload);
            n.members.iter().all(|member| 2.0 * n.duty_ms < slo_ms(member))
        });
        let holds = neighbour_holds && self.neighbour_keeps(place) && self.has_room(gpu, workload);
        holds.then(|| self.latencies.fit(workload, given, piece, self.factor(place))).flatten()
    }

    fn placed(workload: usize, piece: WorkloadPiece, fit: Fit) -> GpuletWorkload {
        let WorkloadPiece { rate_rps, saturated, .. } = piece;
        GpuletWorkload { workload, batch: fit.batch, rate_rps, saturated }
    }

    /// Places a workload in an empty gpu-let; a whole GPU is divided for it. Returns the workloads that lose rate by
    /// this, with the losses that they had before.
    fn put(
        &mut self,
        (gpu, node): GpuletPlace,
        part: usize,
        member: GpuletWorkload,
        duty_ms: f64,
    ) -> Vec<(usize, f64)> {
        let slowed = self.gpus[gpu].get(1 - node).and_then(|neighbour| self.slowed(neighbour));
        let (after, lost) = slowed.unzip();
        self.change(gpu, |nodes| {
            if nodes[node].part == WHOLE && part < WHOLE {
                let rest = PARTS.iter().position(|size| *size == 100 - PARTS[part]);
                let rest = rest.expect("the sizes complement each other");
                *nodes = vec![Gpulet::empty(part), Gpulet::empty(rest)];
            }
            nodes[node].members.push(member);
            nodes[node].duty_ms = duty_ms;
            if let Some(after) = after {
                nodes[1 - node] = after;
            }
        });
        let mut before = Vec::new();
        for (workload, rps) in lost.into_iter().flatten() {
            before.push((workload, self.lost[workload]));
            self.lost[workload] += rps;
        }
        before
    }

    /// Returns a gpu-let as a new neighbour leaves it, and the rates that its workloads lose; `None` where it is empty.
    fn slowed(&self, node: &Gpulet) -> Option<(Gpulet, Vec<(usize, f64)>)> {
        let first = node.members.first()?;
        let beside = self.latencies.beside;
        let ms = |m: &GpuletWorkload| beside * self.latencies.ms(m.workload, node.part, m.batch);
        let busy_ms: f64 = node.members.iter().map(ms).sum();
        let in_time = node
            .members
            .iter()
            .all(|m| busy_ms + node.duty_ms <= LATE * self.latencies.slo_ms(m.workload));
        if !first.saturated && busy_ms <= node.duty_ms && in_time {
            return Some((node.clone(), Vec::new()));
        }
        if node.members.len() == 1 {
            let fit = if first.saturated {
                self.latencies.saturated(first.workload, node.part, beside)
            } else {
                self.latencies.residual(first.workload, node.part, first.rate_rps, beside)
            };
            if let Some(fit) = fit {
                let rate_rps = first.rate_rps.min(GpuletLatencies::rps(fit));
                let member = GpuletWorkload { batch: fit.batch, rate_rps, ..*first };
                let lost = first.rate_rps - rate_rps;
                let lost = (lost > 0.0).then_some((first.workload, lost));
                let after = Gpulet { members: vec![member], duty_ms: fit.duty_ms, ..*node };
                return Some((after, lost.into_iter().collect()));
            }
        }
        let lost = node.members.iter().map(|m| (m.workload, m.rate_rps)).collect();
        Some((Gpulet::empty(node.part), lost))
    }

    /// Fills empty gpu-lets from the largest on; returns the rest of the rate.
    fn fill(&mut self, workload: usize, rate_rps: f64, first: usize) -> f64 {
        let empty: Vec<GpuletPlace> = self.empty.iter().rev().flatten().copied().collect();
        let mut left = rate_rps;
        for place in empty {
            if left <= NO_RATE_RPS {
                break;
            }
            let part = match self.gpus[place.0][place.1].part {
                WHOLE => first,
                part => part,
            };
            if !self.has_room(place.0, workload) || !self.neighbour_keeps(place) {
                continue;
            }
            let factor = self.factor(place);
            let full = self.latencies.saturated(workload, part, factor);
            let full = full.filter(|fit| self.divide && GpuletLatencies::rps(*fit) <= left);
            let (piece, fit) = match full {
                Some(fit) => (
                    WorkloadPiece { part, rate_rps: GpuletLatencies::rps(fit), saturated: true },
                    fit,
                ),
                None => {
                    let piece = WorkloadPiece { part, rate_rps: left, saturated: false };
                    let Some(fit) = self.latencies.fit(workload, part, piece, factor) else {
                        continue;
                    };
                    (piece, fit)
                }
            };
            self.put(place, part, Self::placed(workload, piece, fit), fit.duty_ms);
            left -= piece.rate_rps;
        }
        left
    }

    /// Merges the residual parts of a workload, with the rest of its rate, if one of their gpu-lets can serve them all.
    /// Returns the rate that is still left.
    fn merge_residual(&mut self, workload: usize, left: f64) -> f64 {
        let own = |node: &Gpulet| match node.members.as_slice() {
            [one] => (one.workload == workload && !one.saturated).then_some(one.rate_rps),
            _ => None,
        };
        let places =
            (0..self.gpus.len()).flat_map(|g| (0..self.gpus[g].len()).map(move |n| (g, n)));
        let parts: Vec<(GpuletPlace, f64)> = places
            .filter_map(|(gpu, node)| Some(((gpu, node), own(&self.gpus[gpu][node])?)))
            .collect();
        if parts.is_empty() || (parts.len() == 1 && left <= NO_RATE_RPS) {
            return left;
        }
        let full = |&(place, _): &(GpuletPlace, f64)| {
            let part = self.gpus[place.0][place.1].part;
            let fit = self.latencies.saturated(workload, part, self.factor(place))?;
            Some((GpuletLatencies::rps(fit), place, fit))
        };
        let least = parts.iter().filter_map(full).min_by(|a, b| a.0.total_cmp(&b.0));
        let sum = left + parts.iter().map(|(_, rps)| rps).sum::<f64>();
        let Some((_, place, full)) = least.filter(|(rps, ..)| *rps >= sum) else { return left };
        for ((gpu, node), _) in parts {
            self.change(gpu, |nodes| nodes[node].members.clear());
        }
        let part = self.gpus[place.0][place.1].part;
        let piece = WorkloadPiece { part, rate_rps: sum, saturated: false };
        let residual = self.latencies.residual(workload, part, sum, self.factor(place));
        let fit = residual.unwrap_or(full);
        self.put(place, part, Self::placed(workload, piece, fit), fit.duty_ms);
        0.0
    }
}
