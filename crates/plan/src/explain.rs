//! Explanations of each placement of any plan, whatever made it.

use super::PlanRequest;
use super::shares::{PendingWorkload, ShareFitter, total};
use super::sizing::{Demand, Sized, Sizer};
use igniter_model::domain::Plan;
use igniter_model::units::{SmPercent, SmUnits};
use std::fmt;

/// The quantities that explain one placement.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub workload: String,
    /// Index of its GPU.
    pub gpu: usize,
    pub batch: u32,
    /// Theorem 1's batch size: the smallest that sustains the rate whenever its latency meets the budget.
    pub theorem_1_batch: u32,
    /// Its share, in percent of the GPU.
    pub sm_pct: f64,
    /// The least share that would suffice alone with this batch; `None` where not even a whole GPU would.
    pub alone_pct: Option<f64>,
    /// The least share that would suffice alone with any batch up to Theorem 1's, and that batch.
    pub best_alone: Option<(f64, u32)>,
    /// Predicted latency of a batch, in ms.
    pub latency_ms: f64,
    /// Latency budget of a batch, in ms: half of the SLO less the margin.
    pub budget_ms: f64,
    /// Ratio of predicted throughput to the rate with headroom: 1 is just enough.
    pub throughput_ratio: f64,
    /// Slowdown by its neighbours, in percent of its latency alone with the same share.
    pub slowdown_pct: f64,
    /// For each other GPU, its index and the total share in use if it also held this workload, in percent;
    /// `None` where it has no room, whatever the shares.
    pub elsewhere: Vec<(usize, Option<f64>)>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, gpu, batch, sm_pct, latency_ms, budget_ms, .. } = self;
        writeln!(
            f,
            "{workload} on GPU {gpu}: batch {batch}, {sm_pct:.1} % of the SMs; {latency_ms:.2} of {budget_ms:.2} ms, \
             throughput {:.2} times the rate",
            self.throughput_ratio
        )?;
        write!(f, "  batch: Theorem 1 asks for {}", self.theorem_1_batch)?;
        match self.best_alone {
            Some((pct, best)) if best == *batch => {
                writeln!(f, "; alone, {best} needs least ({pct:.1} %)")?;
            }
            Some((pct, best)) => writeln!(f, "; alone, {best} would need least ({pct:.1} %)")?,
            None => writeln!(f)?,
        }
        let slowdown = self.slowdown_pct;
        match self.alone_pct {
            Some(alone) => writeln!(
                f,
                "  share: {alone:.1} % would do alone, {:.1} % more make up for its neighbours, who slow it down by \
                 {slowdown:.1} %",
                sm_pct - alone
            )?,
            None => writeln!(f, "  share: not even a whole GPU meets its demand with this batch")?,
        }
        write!(f, "  elsewhere:")?;
        if self.elsewhere.is_empty() {
            write!(f, " there is no other GPU")?;
        }
        let full: Vec<String> = self
            .elsewhere
            .iter()
            .filter(|(_, needed)| needed.is_none())
            .map(|(gpu, _)| gpu.to_string())
            .collect();
        let open = self.elsewhere.iter().filter_map(|(gpu, needed)| Some((gpu, (*needed)?)));
        let open: Vec<String> = open
            .map(|(gpu, pct)| format!(" GPU {gpu} has room ({pct:.1} % in use then)"))
            .collect();
        write!(f, "{}", open.join(","))?;
        if !full.is_empty() {
            let (s, join) = if full.len() == 1 { ("", "has") } else { ("s", "have") };
            let separator = if open.is_empty() { "" } else { ";" };
            write!(f, "{separator} GPU{s} {} {join} no room for it", full.join(", "))?;
        }
        Ok(())
    }
}

/// Explains every placement of a plan whose GPUs are of the request's kind, in the order of the plan. GPUs of
/// other kinds, GPUs on which some placements take turns, and GPUs with workloads that the request does not
/// have are left out.
#[must_use]
pub fn explain(plan: &Plan, request: &PlanRequest<'_>) -> Vec<Explanation> {
    let gpus: Vec<Option<Vec<PendingWorkload>>> =
        plan.gpus.iter().map(|gpu| seats_of(gpu, request)).collect();
    let mut sizer = Sizer::new(request);
    let mut fitter = ShareFitter::new(request);
    let percent = |units: u32| {
        let percent = SmUnits::new(units).to_percent(request.predictor().kind().units);
        percent.map_or(0.0, SmPercent::get)
    };
    let mut explained = Vec::new();
    for (gpu, seats) in gpus.iter().enumerate() {
        let Some(seats) = seats else { continue };
        let together = fitter.predict(seats).to_vec();
        for (seat, predicted) in seats.iter().zip(together) {
            let demand = seat.sized.demand;
            let theorem_1 = sizer.theorem_1_batch(&demand);
            let sizes = sizer.sizes(&demand, theorem_1.max(seat.sized.batch));
            let own = sizes.iter().find(|sized| sized.batch == seat.sized.batch);
            let best = sizes.iter().find(|sized| sized.batch <= theorem_1);
            let alone = fitter.predict(std::slice::from_ref(seat))[0];
            let newcomer =
                own.map(|sized| PendingWorkload { sized: *sized, share: sized.least, ..*seat });
            let elsewhere = gpus.iter().enumerate().filter(|(other, _)| *other != gpu);
            let elsewhere = elsewhere.filter_map(|(other, seats)| {
                let mut trial = seats.as_ref()?.clone();
                trial.iter_mut().for_each(|seat| seat.share = seat.sized.least);
                trial.push(newcomer?);
                let fits = fitter.grow_to(&mut trial, fitter.whole());
                Some((other, fits.then(|| percent(total(&trial).get()))))
            });
            explained.push(Explanation {
                workload: request.workloads()[seat.workload].name.to_string(),
                gpu,
                batch: seat.sized.batch.get(),
                theorem_1_batch: theorem_1.get(),
                sm_pct: percent(seat.share.get()),
                alone_pct: own.map(|sized| percent(sized.least.get())),
                best_alone: best.map(|sized| (percent(sized.least.get()), sized.batch.get())),
                latency_ms: predicted.latency_ms(),
                budget_ms: demand.budget_ms,
                throughput_ratio: predicted.throughput_rps / demand.rate_rps,
                slowdown_pct: 100.0 * (predicted.latency_ms() / alone.latency_ms() - 1.0),
                elsewhere: elsewhere.collect(),
            });
        }
    }
    explained
}

/// Converts the placements of a GPU to seats, each with its least share alone; `None` when the GPU is of
/// another kind, has members that take turns, or holds a workload that the request does not have.
fn seats_of(
    gpu: &igniter_model::domain::CoLocation,
    request: &PlanRequest<'_>,
) -> Option<Vec<PendingWorkload>> {
    if gpu.kind != request.predictor().kind().name || gpu.takes_turns() {
        return None;
    }
    let mut sizer = Sizer::new(request);
    let seat =
        |placement: &igniter_model::domain::Placement| {
            let workload = request.workloads().iter().position(|w| w.name == placement.workload)?;
            let mut demand: Demand = request.demand(&request.workloads()[workload]);
            if let Some(part) = placement.served {
                demand.rate_rps = part.get() * request.options().headroom();
            }
            let least = sizer.sizes(&demand, placement.batch);
            let least = least.iter().find(|sized| sized.batch == placement.batch);
            let least = least.map_or(placement.sm, |sized| sized.least);
            let sized = Sized { demand, batch: placement.batch, least };
            let share = placement.sm;
            (share.get() > 0 && share <= request.predictor().kind().units)
                .then_some(PendingWorkload { workload, sized, share })
        };
    gpu.placements.iter().map(seat).collect()
}
