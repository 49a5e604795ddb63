//! The division of a workload into pieces, each for one gpu-let.
//!
//! The *knee* is the end of the steepest rise of saturated throughput from one size of gpu-let to the next. Rises of
//! less than 5 % do not count, nor does the rise to the whole GPU. The rate beyond the throughput at the knee is
//! divided into saturated pieces of that size. The rest gets the largest batch that is possible at the knee, and then
//! the smallest gpu-let in which that batch still executes within its duty cycle.

use super::{Factors, NO_RATE_RPS, PARTS};
use crate::PlanRequest;
use crate::alone::SoloPredictor;
use crate::sizing::Demand;
use igniter_model::units::BatchSize;

/// Minimum ratio of throughputs for a larger gpu-let to be considered.
const LEAST_GAIN: f64 = 1.05;

/// A piece of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WorkloadPiece {
    /// The size of the gpu-let: an index into [`PARTS`].
    pub(super) part: usize,
    pub(super) rate_rps: f64,
    pub(super) saturated: bool,
}

/// A batch in a gpu-let, with the cycle in which it executes once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    pub(super) batch: u32,
    pub(super) duty_ms: f64,
}

/// The latency of each workload alone in each size of gpu-let.
#[derive(Debug)]
pub(super) struct GpuletLatencies {
    pub(super) beside: f64,
    /// SLO in ms and index of the model's table, by workload.
    of_workload: Vec<(f64, usize)>,
    /// Latencies in ms, indexed by model, part, and batch size less one.
    tables: Vec<Vec<Vec<f64>>>,
}

impl GpuletLatencies {
    pub(super) fn new(request: &PlanRequest<'_>, demands: &[Demand], factors: Factors) -> Self {
        let mut alone = SoloPredictor::new(request);
        let mut models = Vec::new();
        let mut tables = Vec::new();
        let mut of_workload = Vec::new();
        for demand in demands {
            let known = models.iter().position(|model| *model == demand.model);
            let table = known.unwrap_or_else(|| {
                let most = request.predictor().max_batch(demand.model).get();
                let batches = || (1..=most).filter_map(|size| BatchSize::new(size).ok());
                let mut ms = |part: u32, batch| {
                    let share = alone.units(part);
                    factors.ratio * alone.predict(demand, batch, share).latency_ms()
                };
                tables.push(
                    PARTS.map(|part| batches().map(|batch| ms(part, batch)).collect()).to_vec(),
                );
                models.push(demand.model);
                models.len() - 1
            });
            of_workload.push((2.0 * demand.budget_ms, table));
        }
        Self { beside: factors.beside, of_workload, tables }
    }

    pub(super) fn slo_ms(&self, workload: usize) -> f64 {
        self.of_workload[workload].0
    }

    pub(super) fn most_batch(&self, workload: usize) -> u32 {
        u32::try_from(self.table(workload, 0).len()).expect("batch sizes are 32-bit numbers")
    }

    fn table(&self, workload: usize, part: usize) -> &[f64] {
        &self.tables[self.of_workload[workload].1][part]
    }

    /// Returns the latency of a batch alone in a gpu-let, in ms.
    pub(super) fn ms(&self, workload: usize, part: usize, batch: u32) -> f64 {
        self.table(workload, part)[batch as usize - 1]
    }

    /// Returns the batch sizes from the largest down, with their latencies times a factor.
    fn falling(
        &self,
        workload: usize,
        part: usize,
        factor: f64,
    ) -> impl Iterator<Item = (u32, f64)> {
        let table = self.table(workload, part);
        (1..=self.most_batch(workload)).rev().map(move |b| (b, table[b as usize - 1] * factor))
    }

    /// Returns the largest batch that can execute back to back, with its latency as the cycle.
    pub(super) fn saturated(&self, workload: usize, part: usize, factor: f64) -> Option<Fit> {
        let slo_ms = self.slo_ms(workload);
        let (batch, ms) =
            self.falling(workload, part, factor).find(|(_, ms)| 2.0 * ms <= slo_ms)?;
        Some(Fit { batch, duty_ms: ms })
    }

    /// Returns the throughput of a fit with consecutive cycles, in requests/s.
    pub(super) fn rps(fit: Fit) -> f64 {
        1000.0 * f64::from(fit.batch) / fit.duty_ms
    }

    /// Returns the largest batch that fills within its cycle and executes within it.
    pub(super) fn residual(
        &self,
        workload: usize,
        part: usize,
        rate_rps: f64,
        factor: f64,
    ) -> Option<Fit> {
        let slo_ms = self.slo_ms(workload);
        let filling = self.falling(workload, part, factor).find_map(|(batch, ms)| {
            let duty_ms = 1000.0 * f64::from(batch) / rate_rps;
            (ms + duty_ms <= slo_ms && ms <= duty_ms).then_some(Fit { batch, duty_ms })
        });
        filling.or_else(|| {
            // No request waits for a batch of one to fill.
            let ms = factor * self.ms(workload, part, 1);
            let duty_ms = (slo_ms - ms).min(1000.0 / rate_rps);
            (ms <= duty_ms).then_some(Fit { batch: 1, duty_ms })
        })
    }

    /// Returns the batch of a piece in a gpu-let that may be larger than required.
    pub(super) fn fit(
        &self,
        workload: usize,
        part: usize,
        piece: WorkloadPiece,
        factor: f64,
    ) -> Option<Fit> {
        let saturated = || {
            let fit = self.saturated(workload, part, factor)?;
            (Self::rps(fit) >= piece.rate_rps * (1.0 - 1e-12)).then_some(fit)
        };
        if piece.saturated {
            saturated()
        } else {
            self.residual(workload, part, piece.rate_rps, factor).or_else(saturated)
        }
    }

    /// Returns the pieces of a rate, in the order of division; none where no gpu-let can serve one.
    pub(super) fn pieces(
        &self,
        workload: usize,
        rate_rps: f64,
        divide: bool,
    ) -> Vec<WorkloadPiece> {
        let piece = |part, rate_rps, saturated| WorkloadPiece { part, rate_rps, saturated };
        if !divide {
            let whole = |part| {
                let residual = piece(part, rate_rps, false);
                self.fit(workload, part, residual, 1.0).map(|_| residual)
            };
            return (0..PARTS.len()).find_map(whole).into_iter().collect();
        }
        let works = |part: usize| self.saturated(workload, part, 1.0);
        let knee = self.knee(workload);
        let Some((knee, full)) = (knee..PARTS.len()).find_map(|part| Some((part, works(part)?)))
        else {
            return Vec::new();
        };
        let most_rps = Self::rps(full);
        let mut pieces = Vec::new();
        let mut left = rate_rps;
        while left > most_rps {
            pieces.push(piece(knee, most_rps, true));
            left -= most_rps;
        }
        if left > NO_RATE_RPS {
            let rest = match self.residual(workload, knee, left, 1.0) {
                Some(Fit { batch, duty_ms }) => {
                    let holds = |part: &usize| {
                        let ms = self.ms(workload, *part, batch);
                        ms <= duty_ms && ms + duty_ms <= self.slo_ms(workload)
                    };
                    let smaller = (0..knee).rev().take_while(holds).last();
                    piece(smaller.unwrap_or(knee), left, false)
                }
                None => piece(knee, left, true),
            };
            pieces.push(rest);
        }
        pieces
    }

    /// Returns the size at the end of the steepest rise of throughput.
    fn knee(&self, workload: usize) -> usize {
        let rps = |part: usize| {
            let single = Fit { batch: 1, duty_ms: self.ms(workload, part, 1) };
            Self::rps(self.saturated(workload, part, 1.0).unwrap_or(single))
        };
        let mut knee = (0, 0.0);
        for high in (1..PARTS.len() - 1).rev() {
            let (low_rps, high_rps) = (rps(high - 1), rps(high));
            let slope = (high_rps - low_rps) / f64::from(PARTS[high] - PARTS[high - 1]);
            if high_rps >= LEAST_GAIN * low_rps && slope > knee.1 {
                knee = (high, slope);
            }
        }
        knee.0
    }

    /// Returns the maximum throughput of a whole GPU for a workload, in requests/s, with gpu-lets of any one size.
    pub(super) fn most_rps_of_gpu(&self, workload: usize) -> f64 {
        let of_part = |part: usize| {
            let per_gpu = 100.0 / f64::from(PARTS[part]);
            let in_time = |(_, ms): &(u32, f64)| 2.0 * ms <= self.slo_ms(workload);
            let batches = self.falling(workload, part, 1.0).filter(in_time);
            let rps = batches.map(|(batch, duty_ms)| Self::rps(Fit { batch, duty_ms }));
            per_gpu * rps.fold(0.0, f64::max)
        };
        (0..PARTS.len()).map(of_part).fold(0.0, f64::max)
    }
}
