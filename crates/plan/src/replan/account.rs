//! The costs and disturbances of a re-planned run.

use super::epochs::Replanned;
use igniter_model::domain::{GpuKind, GpuKindName, Timeline};

/// Totals over a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// GPU-hours rented, without rounding.
    pub gpu_hours: f64,
    /// GPU-hours rented, in whole billing units.
    pub billed_gpu_hours: f64,
    /// Cost of the billed GPU-hours, in $.
    pub cost: f64,
    /// Maximum number of GPUs of a plan.
    pub peak_gpus: usize,
    /// Proven lower bound on the GPU-hours of any plans for the same rates; `None` where nothing is proven.
    pub bound_gpu_hours: Option<f64>,
    /// Number of plans after the first, except those made within an epoch.
    pub epochs: usize,
    /// Number of plans made within an epoch.
    pub early: usize,
    /// Number of servers that started on a GPU where their workload had none.
    pub moves: usize,
    /// Number of servers that restarted with another share.
    pub restarts: usize,
    /// Number of GPUs ordered after the start.
    pub boots: usize,
    /// Number of hand-overs in which a server started although its GPU had no room yet.
    pub without_room: usize,
    /// Maximum number of rounds of a hand-over: different times at which servers were ordered.
    pub most_rounds: usize,
}

/// Returns the GPU-hours of a timeline in a run of `duration_s`: unrounded, in whole billing units of `billing_s`, and
/// the cost of the latter in $.
#[must_use]
pub fn rent(
    timeline: &Timeline,
    duration_s: f64,
    billing_s: f64,
    kinds: &[&GpuKind],
) -> (f64, f64, f64) {
    let (mut hours, mut billed, mut cost) = (0.0, 0.0, 0.0);
    let price = |name: &GpuKindName| {
        let kind = kinds.iter().find(|kind| kind.name == *name);
        kind.map_or(0.0, |kind| kind.price_per_hour.get())
    };
    for gpu in &timeline.gpus {
        for (from, until) in &gpu.rented {
            let until_s = until.map_or(duration_s, |until| until.as_seconds().min(duration_s));
            let seconds = (until_s - from.as_seconds()).max(0.0);
            let whole = (seconds / billing_s - 1e-9).ceil().max(0.0) * billing_s;
            hours += seconds / 3600.0;
            billed += whole / 3600.0;
            cost += whole / 3600.0 * price(&gpu.kind);
        }
    }
    (hours, billed, cost)
}

/// Returns the totals over a run of `duration_s`.
#[must_use]
pub fn account(
    replanned: &Replanned,
    duration_s: f64,
    billing_s: f64,
    kinds: &[&GpuKind],
) -> Account {
    let (gpu_hours, billed_gpu_hours, cost) =
        rent(&replanned.timeline, duration_s, billing_s, kinds);
    let epochs = &replanned.epochs;
    let later = epochs.iter().skip(1);
    let sum = |of: fn(&super::Epoch) -> usize| later.clone().map(of).sum::<usize>();
    let regular: Vec<&super::Epoch> = epochs.iter().filter(|epoch| !epoch.early).collect();
    let mut bound = Some(0.0);
    for (place, epoch) in regular.iter().enumerate() {
        let until_s = regular.get(place + 1).map_or(duration_s, |next| next.at_s);
        #[expect(clippy::cast_precision_loss, reason = "a count of GPUs")]
        let own = epoch.bound.map(|gpus| gpus as f64 * (until_s - epoch.at_s) / 3600.0);
        bound = bound.zip(own).map(|(sum, own)| sum + own);
    }
    let early = epochs.iter().filter(|epoch| epoch.early).count();
    Account {
        gpu_hours,
        billed_gpu_hours,
        cost,
        peak_gpus: epochs.iter().map(|epoch| epoch.machines.len()).max().unwrap_or(0),
        bound_gpu_hours: bound,
        epochs: later.len() - early,
        early,
        moves: sum(|epoch| epoch.moves),
        restarts: sum(|epoch| epoch.restarts),
        boots: sum(|epoch| epoch.boots),
        without_room: later.clone().filter(|epoch| epoch.forced > 0).count(),
        most_rounds: later.clone().map(|epoch| epoch.rounds).max().unwrap_or(0),
    }
}
