//! What a run of plans costs and disturbs.

use super::epochs::Replanned;
use igniter_model::domain::{GpuKind, GpuKindName, Timeline};

/// The sums over a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// Hours for which GPUs were rented, without rounding.
    pub gpu_hours: f64,
    /// The same in whole units of billing.
    pub billed_gpu_hours: f64,
    /// What they cost, in $.
    pub cost: f64,
    /// The most GPUs of a plan.
    pub peak_gpus: usize,
    /// The least GPU-hours of any plans for the same rates, where something is proven.
    pub bound_gpu_hours: Option<f64>,
    /// Plans that were made after the first, those within an epoch apart.
    pub epochs: usize,
    /// Plans that were made within an epoch.
    pub early: usize,
    /// Servers that started where they were not.
    pub moves: usize,
    /// Servers that started again with another share.
    pub restarts: usize,
    /// GPUs that were ordered after the start.
    pub boots: usize,
    /// Hand-overs in which a server started although its GPU had no room yet.
    pub without_room: usize,
    /// The most times at which servers of one hand-over were ordered.
    pub most_rounds: usize,
}

/// GPU-hours of a timeline in a run that lasts so many seconds: as they are, in whole units of so many seconds, and what
/// the latter cost.
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

/// The sums over a run that lasts so many seconds.
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
