//! A planner that chooses batch sizes and shares jointly; every plan has a proven bound.
//!
//! | workloads | method | bound |
//! |---|---|---|
//! | at most 14 | exhaustive (`super::exact`) | the plan itself |
//! | any number, of at most 150 types | configuration LP, rounded down; the rest by greedy packing and local search | the LP's dual |
//! | the same, up to 70 types, with predictors that are not [`igniter_model::predictor::Additive`] | the same | the LP's dual |
//! | the same, 71 to 150 types, with such predictors | the same with those co-locations that are found quickly | cutting stock |
//! | others | greedy and local search, in parallel over chunks of 1,000 | cutting stock; `lower_bound` proves more for a few thousand |
//!
//! A type is a set of workloads with the same model, SLO and rate. Every stage uses least-fixed-point shares, so all
//! members meet latency and rate as predicted. The same seed and number of rounds give the same plan on any number of
//! threads. With a time limit in seconds instead of rounds, the plan is the best that the machine finds in that time.

use crate::bound::{
    self, Proving, most_types, of_exact_types, or_cut, process_count, share_sum, stronger,
};
use crate::search::clock::SearchClock;
use crate::search::configuration_lp::{LpResult, Proof};
use crate::search::enumerate::{MOST_WAYS, best_seats};
use crate::search::greedy::pack;
use crate::search::local::{Choices, improve};
use crate::search::packing::{Bin, Packer};
use crate::search::types::{Type, Types, seats};
use crate::shares::{PendingWorkload, ShareFitter, into_plan, total};
use crate::strategies::exact;
use crate::{PlanRequest, Replicas, Strategy, replicas};
use igniter_model::domain::{GpuBound, Plan};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum number of workloads that are searched before the linear program is solved, where there are few types.
const MOST_SEARCHED: usize = 5_000;

/// Maximum number of types that are given to the linear program.
const MOST_PRICED_TYPES: usize = 150;

/// Number of workloads that are packed together.
const CHUNK: usize = 1_000;

/// Number of GPUs of other parts of the plan that the local search may change when it closes the last gap.
const NEIGHBOURS: usize = 200;

/// The strategy `optimal`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optimal;

/// The strategy `greedy`: the start of [`Optimal`], best fit decreasing with joint batch sizes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greedy;

impl Strategy for Optimal {
    fn name(&self) -> &'static str {
        "optimal"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        if request.options().replicas == Replicas::Allowed {
            return replicas::plan(self.name(), request);
        }
        let types = Types::of(request);
        let proving = Proving::new(request, &types);
        let (gpus, bound) = match exact::solve_few(request, &types) {
            Some(solved) => {
                let bound = solved.bound(request, &types, proving.as_ref());
                (solved.gpus, bound)
            }
            None => {
                let (bins, bound) = search(request, &types, proving.as_ref());
                (seats(&types.types, into_seats(bins)), bound)
            }
        };
        let mut plan = into_plan(self.name(), request, &gpus, types.infeasible);
        plan.bound = Some(bound);
        plan
    }
}

impl Strategy for Greedy {
    fn name(&self) -> &'static str {
        "greedy"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let types = Types::of(request);
        let bound = match Proving::new(request, &types) {
            Some(proving) => share_sum(request, &proving),
            None => process_count(request, types.count()),
        };
        let types = types.narrowed();
        let bins = in_chunks(request, &types.types, 0, &SearchClock::start(None), 0.0);
        let gpus = seats(&types.types, into_seats(bins));
        let mut plan = into_plan(self.name(), request, &gpus, types.infeasible);
        plan.bound = Some(bound);
        plan
    }
}

fn into_seats(bins: Vec<Bin>) -> Vec<Vec<PendingWorkload>> {
    bins.into_iter().map(|bin| bin.seats).collect()
}

/// Returns the best packing that is found, with the bound that is proven.
pub(crate) fn search(
    request: &PlanRequest<'_>,
    types: &Types,
    proving: Option<&Proving>,
) -> (Vec<Bin>, GpuBound) {
    let clock = SearchClock::start(request.options().time_limit_s);
    let by_shares = proving.map_or_else(
        || process_count(request, types.count()),
        |proving| share_sum(request, proving),
    );
    let few = types.clone().narrowed().types;
    let count = few.len();
    let rounds = u64::from(request.options().search_rounds);
    if count > MOST_PRICED_TYPES.max(most_types(request)) {
        let packed = in_chunks(request, &few, rounds, &clock, 1.0);
        let bound = match proving {
            Some(proving) if packed.len() > by_shares.gpus => or_cut(request, proving, by_shares),
            _ => by_shares,
        };
        return (packed, bound);
    }
    // For many workloads of few types, a sample gives the linear program its start.
    let many = types.count() > MOST_SEARCHED;
    let (rounds, part) = if many { (0, 0.0) } else { (rounds / 4, 0.25) };
    let packed = in_chunks(request, &few, rounds, &clock, part);
    if packed.len() <= by_shares.gpus {
        return (packed, by_shares);
    }
    let proof = match proving {
        Some(_) if count <= most_types(request) => Proof::Wanted,
        _ => Proof::Waived,
    };
    let sample = if many { Some(bound::start(request, &few)) } else { None };
    let start = sample.as_ref().unwrap_or(&packed);
    let priced = proving.map_or(&types.types, |proving| &proving.types);
    let lp = bound::solve(request, priced, start, packed.len(), proof, &clock);
    let bound = match (&lp, proving) {
        (Some(lp), Some(proving)) if proof == Proof::Wanted => {
            stronger(of_exact_types(lp, proving), by_shares)
        }
        (_, Some(proving)) => or_cut(request, proving, by_shares),
        (_, None) => by_shares,
    };
    let best = match lp {
        Some(lp) if packed.len() > bound.gpus => {
            let rounded = round(request, &types.types, &few, &lp, bound.gpus, &clock);
            if rounded.len() < packed.len() { rounded } else { packed }
        }
        _ => packed,
    };
    (best, bound)
}

/// Rounds a solution of the linear program: keeps its whole GPUs and packs the rest anew with `few` batch sizes.
fn round(
    request: &PlanRequest<'_>,
    types: &[Type],
    few: &[Type],
    lp: &LpResult,
    enough: usize,
    clock: &SearchClock,
) -> Vec<Bin> {
    let mut fitter = ShareFitter::new(request);
    let mut left: Vec<usize> = types.iter().map(Type::count).collect();
    let mut bins = Vec::new();
    for (set, gpus) in &lp.chosen {
        // A batch size beyond Theorem 1's counts in proofs but is not planned with.
        let Some(seats) = best_seats(&mut fitter, types, &set.types, MOST_WAYS) else { continue };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let whole = (gpus + 1e-6).floor() as usize;
        for _ in 0..whole {
            let mut seats = seats.clone();
            seats.retain(|seat| {
                let wanted = left[seat.workload] > 0;
                left[seat.workload] -= usize::from(wanted);
                wanted
            });
            let used = total(&seats).get();
            bins.push(Bin { seats, used });
        }
    }
    bins.retain(|bin| !bin.seats.is_empty());
    let items = left.iter().enumerate().flat_map(|(of, n)| std::iter::repeat_n(of, *n));
    let mut packer = Packer::new(fitter);
    let mut rest = pack(&mut packer, few, items);
    let mut choices = Choices::new(request.options().seed);
    let rounds = u64::from(request.options().search_rounds);
    let target = enough.saturating_sub(bins.len());
    let limit = clock.limit(0.5, rounds);
    improve(&mut packer, few, &mut rest, target, limit, &mut choices);
    // If that is not enough, whole GPUs of the solution join the search, others in each round.
    for _ in 0..4 {
        if bins.len() + rest.len() <= enough || bins.is_empty() {
            break;
        }
        let mut pool = rest;
        let taken = NEIGHBOURS.min(bins.len());
        pool.extend((0..taken).map(|_| bins.swap_remove(choices.below(bins.len()))));
        let target = enough.saturating_sub(bins.len());
        let limit = clock.limit(0.5, rounds);
        improve(&mut packer, few, &mut pool, target, limit, &mut choices);
        rest = pool;
    }
    bins.extend(rest);
    bins
}

/// Packs chunks of workloads in parallel, each greedily and then by local search. At the end, searches the emptiest
/// GPUs of all chunks together.
///
/// The search takes `rounds` for a full chunk of `CHUNK` workloads, or `part_of_time` of the remaining time.
fn in_chunks(
    request: &PlanRequest<'_>,
    types: &[Type],
    rounds: u64,
    clock: &SearchClock,
    part_of_time: f64,
) -> Vec<Bin> {
    // By falling least share, dealt out in turn, so that every chunk resembles the whole.
    let items: Vec<usize> =
        types.iter().enumerate().flat_map(|(of, t)| std::iter::repeat_n(of, t.count())).collect();
    let chunks = items.len().div_ceil(CHUNK).max(1);
    // Chunks that wait for a thread get their part of the time once they have one.
    let waves = chunks.div_ceil(rayon::current_num_threads());
    let started = AtomicUsize::new(0);
    let packed: Vec<Vec<Bin>> = (0..chunks)
        .into_par_iter()
        .map(|chunk| {
            let mut packer = Packer::new(ShareFitter::new(request));
            let own = items.iter().skip(chunk).step_by(chunks).copied();
            let count = own.len();
            let mut bins = pack(&mut packer, types, own);
            let mut choices = Choices::new(request.options().seed + chunk as u64);
            let wave = started.fetch_add(1, Ordering::Relaxed) / rayon::current_num_threads();
            #[expect(clippy::cast_precision_loss, reason = "a few waves")]
            let part = 0.9 * part_of_time / waves.saturating_sub(wave).max(1) as f64;
            let limit = clock.limit(part, rounds * count as u64 / CHUNK as u64);
            improve(&mut packer, types, &mut bins, 1, limit, &mut choices);
            bins
        })
        .collect();
    let mut bins: Vec<Bin> = packed.into_iter().flatten().collect();
    if chunks > 1 {
        bins.sort_by_key(|bin| std::cmp::Reverse(bin.used));
        let mut emptiest = bins.split_off(bins.len().saturating_sub(chunks.max(NEIGHBOURS)));
        let mut packer = Packer::new(ShareFitter::new(request));
        let mut choices = Choices::new(request.options().seed);
        let limit = clock.limit(part_of_time, rounds);
        improve(&mut packer, types, &mut emptiest, 1, limit, &mut choices);
        bins.extend(emptiest);
    }
    bins
}
