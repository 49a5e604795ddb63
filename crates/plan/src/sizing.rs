//! The size of a workload alone on a GPU: its batch size and least SM share, or why there is none.

use super::{Margin, PlanOptions, PlanRequest, cautious};
use igniter_model::domain::{Infeasible, ModelId, Workload, WorkloadFix};
use igniter_model::predictor::{CoLocationPrediction, Member, MemberPrediction, Predictor};
use igniter_model::rules::{execution_budget, slo_of_budget};
use igniter_model::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};

/// Allowed shortfall of throughput, as a fraction of the rate: rounding errors, not a missing image.
pub(super) const RATE_TOLERANCE: f64 = 1e-9;

/// The latency budget and the rate that a placement of a workload has to meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    pub model: ModelId,
    /// Maximum time for load, execution and feedback of a batch, in ms.
    pub budget_ms: f64,
    pub rate_rps: f64,
}

impl Demand {
    pub(super) fn new(workload: &Workload, model: ModelId) -> Self {
        Self {
            model,
            budget_ms: execution_budget(workload.slo).get(),
            rate_rps: workload.rate.get(),
        }
    }

    /// Returns the demand to plan for, with margin and headroom applied.
    pub(super) fn guarded(self, options: &PlanOptions) -> Self {
        Self {
            budget_ms: options.guarded_budget_ms(self.budget_ms),
            rate_rps: self.rate_rps * options.headroom(),
            ..self
        }
    }

    pub(super) fn is_met_by(&self, predicted: &MemberPrediction) -> bool {
        self.meets_latency(predicted) && self.meets_rate(predicted)
    }

    pub(super) fn meets_latency(&self, predicted: &MemberPrediction) -> bool {
        predicted.latency_ms() <= self.budget_ms
    }

    pub(super) fn meets_rate(&self, predicted: &MemberPrediction) -> bool {
        predicted.throughput_rps >= self.rate_rps * (1.0 - RATE_TOLERANCE)
    }
}

/// A demand with a batch size and the least share that meets it on an empty GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sized {
    pub demand: Demand,
    pub batch: BatchSize,
    /// The paper's r_lower, in whole units.
    pub least: SmUnits,
}

/// The predicted latency and throughput of a model alone at one batch size.
#[derive(Debug, Clone)]
struct SoloPrediction {
    /// Predictions, indexed by the units of the share less one.
    by_units: Vec<MemberPrediction>,
    /// Whether latency never rises and throughput never falls as the share grows. Under a power cap they may.
    is_monotone: bool,
}

/// Sizes demands with one predictor and caches its predictions of models alone.
pub(super) struct Sizer<'p> {
    predictor: &'p dyn Predictor,
    options: PlanOptions,
    out: CoLocationPrediction,
    /// Cached predictions, indexed by model, then by batch size less one.
    alone: Vec<Vec<Option<SoloPrediction>>>,
}

impl<'p> Sizer<'p> {
    pub(super) fn new(request: &PlanRequest<'p>) -> Self {
        let (predictor, options) = (request.predictor(), *request.options());
        let alone = vec![Vec::new(); predictor.models().len()];
        Self { predictor, options, out: CoLocationPrediction::default(), alone }
    }

    /// Returns the predictions of a model alone at a batch size, for all shares.
    fn row(&mut self, model: ModelId, batch: BatchSize) -> &SoloPrediction {
        let index = batch.get() as usize - 1;
        let known = &mut self.alone[model.index()];
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        if known[index].is_none() {
            let whole = self.predictor.kind().units;
            let by_units: Vec<MemberPrediction> = (1..=whole.get())
                .map(|units| {
                    let sm = SmUnits::new(units).to_percent(whole).expect("at least one unit");
                    let member = [Member { model, batch, sm }];
                    cautious::predict_into(self.predictor, &self.options, &member, &mut self.out);
                    self.out.members[0]
                })
                .collect();
            let is_monotone = by_units.windows(2).all(|pair| {
                pair[1].latency_ms() <= pair[0].latency_ms()
                    && pair[1].throughput_rps >= pair[0].throughput_rps
            });
            self.alone[model.index()][index] = Some(SoloPrediction { by_units, is_monotone });
        }
        self.alone[model.index()][index].as_ref().expect("it has just been made")
    }

    fn alone(&mut self, model: ModelId, batch: BatchSize, units: SmUnits) -> MemberPrediction {
        self.row(model, batch).by_units[units.get() as usize - 1]
    }

    /// Returns Theorem 1's batch, the smallest that sustains the rate whenever its latency meets the budget:
    ///
    /// ```text
    /// b ≥ R (S − t_load(b)),     which for t_load = d b / B_pcie is  b = ⌈S R B / (B + R d)⌉
    /// ```
    ///
    /// because then b / (t_gpu + t_feedback) ≥ b / (S − t_load) ≥ R. Capped at the largest measured batch size;
    /// beyond it, throughput has to be checked separately.
    pub(super) fn theorem_1_batch(&mut self, demand: &Demand) -> BatchSize {
        let whole = self.predictor.kind().units;
        let cap = self.predictor.max_batch(demand.model);
        let rate_per_ms = demand.rate_rps / 1000.0;
        batches_up_to(cap)
            .find(|&batch| {
                let load = self.alone(demand.model, batch, whole).load_ms;
                batch.as_f64() >= rate_per_ms * (demand.budget_ms - load)
            })
            .unwrap_or(cap)
    }

    /// Returns the least share on an empty GPU that meets the demand at this batch size, if there is one: no smaller
    /// share meets it.
    fn least_share(&mut self, demand: &Demand, batch: BatchSize) -> Option<SmUnits> {
        let SoloPrediction { by_units, is_monotone } = self.row(demand.model, batch);
        let below = if *is_monotone {
            by_units.partition_point(|predicted| !demand.is_met_by(predicted))
        } else {
            by_units.iter().take_while(|predicted| !demand.is_met_by(predicted)).count()
        };
        let units = u32::try_from(below + 1).ok()?;
        (below < by_units.len()).then(|| SmUnits::new(units))
    }

    /// Returns every batch size up to `largest` that one GPU can serve, with its least share, ordered by ascending
    /// share; for equal shares, the larger batch comes first.
    pub(super) fn sizes(&mut self, demand: &Demand, largest: BatchSize) -> Vec<Sized> {
        if !self.fits_memory(demand.model) {
            return Vec::new();
        }
        let mut sizes: Vec<Sized> = batches_up_to(largest)
            .filter_map(|batch| {
                let least = self.least_share(demand, batch)?;
                Some(Sized { demand: *demand, batch, least })
            })
            .collect();
        sizes.sort_by_key(|sized| (sized.least, std::cmp::Reverse(sized.batch)));
        sizes
    }

    /// Returns the least total share, in units, of all replicas of a workload, however its rate is divided and
    /// whatever their batch sizes: a replica with throughput h serves at most the smaller of h and the rate. `None`
    /// when no replica fits a GPU or meets the latency.
    pub(super) fn least_divided_share(&mut self, demand: &Demand) -> Option<f64> {
        if !self.fits_memory(demand.model) {
            return None;
        }
        let mut least: Option<f64> = None;
        for batch in batches_up_to(self.predictor.max_batch(demand.model)) {
            for (units, predicted) in (1_u32..).zip(&self.row(demand.model, batch).by_units) {
                if demand.meets_latency(predicted) && predicted.throughput_rps > 0.0 {
                    let parts = demand.rate_rps * (1.0 - RATE_TOLERANCE) / predicted.throughput_rps;
                    let share = f64::from(units) * parts.max(1.0);
                    least = Some(least.map_or(share, |l| l.min(share)));
                }
            }
        }
        least
    }

    /// Returns whether the model's process fits on an empty GPU; true where the memory is not known.
    pub(super) fn fits_memory(&self, model: ModelId) -> bool {
        match (self.predictor.memory(model), self.predictor.kind().memory) {
            (Some(needed), Some(available)) => needed.get() <= available.get(),
            _ => true,
        }
    }

    /// Returns Theorem 1's batch with its least share. Where a whole GPU is too small for that batch, returns the
    /// largest smaller batch that one GPU can serve.
    pub(super) fn size(&mut self, demand: &Demand) -> Option<Sized> {
        if !self.fits_memory(demand.model) {
            return None;
        }
        let first = self.theorem_1_batch(demand);
        let mut smaller: Vec<BatchSize> = batches_up_to(first).collect();
        smaller.reverse();
        smaller.into_iter().find_map(|batch| {
            let least = self.least_share(demand, batch)?;
            Some(Sized { demand: *demand, batch, least })
        })
    }

    /// Explains why a workload has no size, and what would help.
    pub(super) fn explain(&mut self, workload: &Workload, demand: &Demand) -> Infeasible {
        if !self.fits_memory(demand.model) {
            let reason = format!(
                "a process of {} needs more memory than a whole {} has",
                workload.model,
                self.predictor.kind().name
            );
            return Infeasible { workload: workload.name.clone(), reason, fixes: Vec::new() };
        }
        let whole = self.predictor.kind().units;
        let batch = self.theorem_1_batch(demand);
        let half = match self.options.margin {
            Margin::Percent(margin) if margin > 0.0 => {
                format!("half of the SLO less a margin of {margin} %")
            }
            Margin::Percent(_) => "half of the SLO".to_owned(),
            Margin::Predictor => {
                "half of the SLO, with the predictor's margin on the time".to_owned()
            }
        };
        let headroom = if self.options.throughput_headroom_pct > 0.0 {
            format!(" (with a headroom of {} %)", self.options.throughput_headroom_pct)
        } else {
            String::new()
        };
        let single = self.alone(demand.model, BatchSize::ONE, whole);
        let mut reason = if demand.meets_latency(&single) {
            let full = self.alone(demand.model, batch, whole);
            format!(
                "one whole {} serves at most {:.1} requests/s in batches of {batch} within {} ms ({half}; \
                 the batch takes {:.2} ms), and {} requests/s arrive{headroom}",
                self.predictor.kind().name,
                full.throughput_rps.max(single.throughput_rps),
                thousandths(demand.budget_ms),
                full.latency_ms(),
                thousandths(demand.rate_rps),
            )
        } else {
            format!(
                "even a batch of 1 on a whole {} takes {:.2} ms, and {half} is {} ms",
                self.predictor.kind().name,
                single.latency_ms(),
                thousandths(demand.budget_ms),
            )
        };
        let fixes = [
            self.nearest_slo(demand).map(WorkloadFix::Slo),
            self.nearest_rate(demand).map(WorkloadFix::Rate),
        ];
        let fixes: Vec<WorkloadFix> = fixes.into_iter().flatten().collect();
        if fixes.is_empty() {
            reason += "; neither a longer SLO nor a lower rate alone is enough";
        }
        Infeasible { workload: workload.name.clone(), reason, fixes }
    }

    /// Explains why a strategy with its own rules does not place a workload: as [`Self::explain`] where no strategy
    /// can place it, otherwise with the reason of the strategy. Does not search for changes that would help under
    /// those rules, because another strategy places the workload without any.
    pub(super) fn refusal(
        &mut self,
        workload: &Workload,
        demand: &Demand,
        otherwise: &str,
    ) -> Infeasible {
        if self.size(demand).is_none() {
            return self.explain(workload, demand);
        }
        let reason = format!("{otherwise}; strategy igniter places it");
        Infeasible { workload: workload.name.clone(), reason, fixes: Vec::new() }
    }

    /// Returns the smallest SLO, in steps of 0.1 ms, at which the rate can be served.
    fn nearest_slo(&mut self, demand: &Demand) -> Option<Milliseconds> {
        const STEPS_PER_MS: f64 = 10.0;
        let mut feasible = |steps: u32| {
            let slo = Milliseconds::new(f64::from(steps) / STEPS_PER_MS).ok()?;
            let budget_ms = self.options.guarded_budget_ms(execution_budget(slo).get());
            self.size(&Demand { budget_ms, ..*demand }).map(|_| slo)
        };
        // One hour, longer than any SLO that a scenario may ask for.
        let highest = 36_000_000;
        let mut best = feasible(highest)?;
        let (mut below, mut enough) = (0, highest);
        while enough - below > 1 {
            let middle = below + (enough - below) / 2;
            match feasible(middle) {
                Some(slo) => (best, enough) = (slo, middle),
                None => below = middle,
            }
        }
        assert!(slo_of_budget(execution_budget(best)).is_ok());
        Some(best)
    }

    /// Returns the highest rate, in steps of 0.1 requests/s, that the SLO allows.
    fn nearest_rate(&mut self, demand: &Demand) -> Option<RequestsPerSecond> {
        const STEPS_PER_RPS: f64 = 10.0;
        let rate = |steps: u32| f64::from(steps) / STEPS_PER_RPS;
        let headroom = self.options.headroom();
        let mut feasible =
            |steps: u32| self.size(&Demand { rate_rps: rate(steps), ..*demand }).is_some();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let (mut enough, mut above) = (1_u32, (demand.rate_rps * STEPS_PER_RPS).ceil() as u32);
        if above <= enough || !feasible(enough) {
            return None;
        }
        while above - enough > 1 {
            let middle = enough + (above - enough) / 2;
            if feasible(middle) { enough = middle } else { above = middle }
        }
        RequestsPerSecond::new(rate(enough) / headroom).ok()
    }
}

/// Returns all batch sizes from one to `cap`.
fn batches_up_to(cap: BatchSize) -> impl Iterator<Item = BatchSize> {
    (1..=cap.get()).filter_map(|size| BatchSize::new(size).ok())
}

/// Rounds to thousandths, for messages.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
