//! ParvaGPU: segments of a GPU, each with one or more processes of one model.
//!
//! Lee et al., "ParvaGPU: efficient spatial GPU sharing for large-scale DNN inference in cloud environments" (SC 2024), by
//! the rules of its public code (MunQ-Lee/ParvaGPU_SC24, `configurator.c` and `allocator.c`):
//!
//! - a segment is 1, 2, 3, 4 or 7 sevenths of a GPU (instances of NVIDIA MIG) with 1 to 5 processes of one model;
//! - *configurator*: for each size, of all batch sizes and numbers of processes with a latency below 0.45 SLO, the
//!   combination with the highest throughput is chosen. A workload gets as many full segments of the size with the most
//!   throughput per seventh as its rate fills, and for the rest the smallest segment that serves it;
//! - *allocator*: each segment goes to the GPU that it fills best, larger segments first (see `allocator`). Then GPUs
//!   that are at most 4 sevenths full are taken apart, starting with the last, into segments of 1 and 2 sevenths that
//!   fill the gaps of other GPUs.
//!
//! Adaptation: a plan has no MIG, so a segment of k sevenths is k/7 of the allocation units, rounded down (5, 11, 17,
//! 22 and 40 of 40 units on a V100). Each of its n processes is a placement of its own with 1/n of these units, rounded
//! down. The configurator predicts the processes of a segment together, as the original's tables do. The isolation of
//! MIG is missing: the segments of a GPU slow each other as the predictor says, which ParvaGPU does not foresee. The
//! original's processes have no limit of their own within an instance. All segments of a workload serve in proportion
//! to their throughput. Rates and SLOs are not truncated to whole numbers. Fixed: a segment that was taken apart twice
//! counts with its own throughput; workloads without any point at 1 seventh are not taken apart. With
//! [`Replicas::Forbidden`], a workload is one process in one segment.
//!
//! Reproduced: the GPUs and segments that the authors published for their scenarios 3 and 4, from their measured
//! throughput (see the tests): 5 GPUs with 33 sevenths in use, and 7 with 48.

mod allocator;

use crate::alone::SoloPredictor;
use crate::shares::{PendingWorkload, ShareFitter, into_plan};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use allocator::{Allocator, GpuSegment, SegmentNeed};
use igniter_model::domain::Plan;
use igniter_model::units::{BatchSize, SmUnits};
use std::collections::BTreeMap;

/// Sizes of segments, in sevenths of a GPU.
const SIZES: [u32; 5] = [1, 2, 3, 4, 7];

/// Number of sevenths of a whole GPU.
const WHOLE: u32 = 7;

/// Maximum number of processes in a segment. A smaller limit does not reproduce the authors' published deployments.
const MOST_PROCESSES: u32 = 5;

/// Limit on the latency of a batch, as a fraction of half of the SLO; the latency must be below it.
const BUDGET: f64 = 0.9;

/// The strategy `parvagpu`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parvagpu;

/// A configuration of a segment: batch size and processes, with the predicted performance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct SegmentPoint {
    batch: BatchSize,
    processes: u32,
    /// The share of each process.
    share: SmUnits,
    latency_ms: f64,
    /// Throughput of all processes together, in requests/s.
    throughput_rps: f64,
}

impl Strategy for Parvagpu {
    fn name(&self) -> &'static str {
        "parvagpu"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let mut sizer = Sizer::new(request);
        let mut configurator = Configurator::new(request);
        let divide = request.options().replicas != Replicas::Forbidden;
        let (mut wanted, mut points, mut infeasible) = (Vec::new(), Vec::new(), Vec::new());
        for (workload, named) in request.workloads().iter().enumerate() {
            let demand = request.demand(named);
            let best = configurator.best(&demand);
            let throughput = best.map(|point| point.map(|p| p.throughput_rps));
            match SegmentNeed::new(workload, throughput, demand.rate_rps, divide) {
                Some(segments) if sizer.fits_memory(demand.model) => wanted.push(segments),
                _ => {
                    let why = "no segment of ParvaGPU serves it: its batches must take less than 0.45 of the SLO";
                    infeasible.push(sizer.refusal(named, &demand, why));
                }
            }
            points.push((demand, best));
        }
        let fitter = ShareFitter::new(request);
        let seats = |segment: &GpuSegment| -> Vec<PendingWorkload> {
            let (demand, best) = &points[segment.workload];
            let point = best[segment.size].expect("a segment has a point");
            let seat = SoloPredictor::seat(segment.workload, demand, point.batch, point.share);
            vec![seat; point.processes as usize]
        };
        let has_room = |segments: &[(u32, GpuSegment)], one: &GpuSegment| {
            let mut all: Vec<PendingWorkload> =
                segments.iter().flat_map(|(_, s)| seats(s)).collect();
            all.extend(seats(one));
            fitter.has_room(&all)
        };
        let gpus = Allocator::new(&has_room).allocate(&wanted, divide);
        // Each segment serves a part of the rate in proportion to its throughput.
        let mut total: BTreeMap<usize, f64> = BTreeMap::new();
        let throughput =
            |s: &GpuSegment| points[s.workload].1[s.size].map_or(0.0, |p| p.throughput_rps);
        for (_, segment) in gpus.iter().flatten() {
            *total.entry(segment.workload).or_default() += throughput(segment);
        }
        let of_segment = |(_, segment): &(u32, GpuSegment)| {
            let mut seats = seats(segment);
            let part = throughput(segment) / total[&segment.workload] / seats.len() as f64;
            seats.iter_mut().for_each(|seat| seat.sized.demand.rate_rps *= part);
            seats
        };
        let gpus: Vec<Vec<PendingWorkload>> =
            gpus.iter().map(|segments| segments.iter().flat_map(of_segment).collect()).collect();
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Finds the best point of each size of segment; caches the predictions of each model.
struct Configurator<'p> {
    fitter: ShareFitter<'p>,
    request: PlanRequest<'p>,
    /// All points of each size, by model; ordered by batch size, then by number of processes.
    points: BTreeMap<usize, [Vec<SegmentPoint>; 5]>,
}

impl<'p> Configurator<'p> {
    fn new(request: &PlanRequest<'p>) -> Self {
        let fitter = ShareFitter::new(request);
        Self { fitter, request: *request, points: BTreeMap::new() }
    }

    /// Returns, for each size, the point with the highest throughput among those below the latency limit.
    fn best(&mut self, demand: &Demand) -> [Option<SegmentPoint>; 5] {
        if !self.points.contains_key(&demand.model.index()) {
            let points = SIZES.map(|size| self.all(demand, size));
            self.points.insert(demand.model.index(), points);
        }
        let limit_ms = BUDGET * demand.budget_ms;
        self.points[&demand.model.index()].each_ref().map(|points| {
            let mut best: Option<SegmentPoint> = None;
            for point in points.iter().filter(|point| point.latency_ms < limit_ms) {
                if best.is_none_or(|best| point.throughput_rps > best.throughput_rps) {
                    best = Some(*point);
                }
            }
            best
        })
    }

    fn all(&mut self, demand: &Demand, size: u32) -> Vec<SegmentPoint> {
        let units = self.request.predictor().kind().units.get() * size / WHOLE;
        let most = self.request.predictor().max_batch(demand.model).get();
        let divide = self.request.options().replicas != Replicas::Forbidden;
        let processes = if divide { MOST_PROCESSES } else { 1 };
        let mut points = Vec::new();
        for batch in (1..=most).filter_map(|size| BatchSize::new(size).ok()) {
            for processes in 1..=processes.min(units) {
                let share = SmUnits::new(units / processes);
                let seats = vec![SoloPredictor::seat(0, demand, batch, share); processes as usize];
                if !self.fitter.has_room(&seats) {
                    continue;
                }
                let predicted = self.fitter.predict(&seats);
                let latency_ms = predicted.iter().map(|p| p.latency_ms()).fold(0.0, f64::max);
                let throughput_rps = predicted.iter().map(|p| p.throughput_rps).sum();
                points.push(SegmentPoint { batch, processes, share, latency_ms, throughput_rps });
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_plan;
    use crate::tests::tables::{TablePredictor, tables};

    #[test]
    fn a_segment_has_several_processes_below_0_45_of_the_slo() {
        let predictor = TablePredictor::new();
        let workloads = tables(&[("B", 40.0, 100.0)]);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let best = Configurator::new(&request).best(&request.demand(&workloads[0]));
        for point in best.into_iter().flatten() {
            assert!(point.latency_ms < 18.0);
        }
        // 14 of 100 units: B takes 2 + 25 b / 14 ms, so 8 of them 16.286 ms, and two processes of 7 units 4 each in as
        // long. Nobody slows anybody here, so both serve 491.2/s; smaller batches are looked at first.
        let one = best[0].unwrap();
        assert_eq!((one.batch.get(), one.processes, one.share.get()), (4, 2, 7));
        assert!((one.throughput_rps - 491.2).abs() < 0.1, "{one:?}");
        let plan = Parvagpu.plan(&request);
        assert!(check_plan(&plan, &request).is_empty());
        assert_eq!(plan.gpus.len(), 1);
    }
}
