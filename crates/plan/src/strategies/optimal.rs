//! Our own planner: batch sizes and shares together, every plan with a proven bound.
//!
//! | workloads | method | bound |
//! |---|---|---|
//! | at most 14 | exhaustive (`super::exact`) | the plan itself |
//! | any number, of at most 150 types | configuration LP, rounded down; the rest greedily and by local search | the LP's dual |
//! | the same, with predictors that are not [`igniter_model::predictor::Additive`]: to 70 types | the same | the LP's dual |
//! | and of 71 to 150 types | the same with those co-locations that are found quickly | cutting stock |
//! | others | greedy and local search, in parallel over chunks of 1,000 | cutting stock; `lower_bound` proves more for a few thousand |
//!
//! Types are workloads of the same model, SLO and rate. Every stage uses least-fixed-point shares, so
//! that all members meet latency and rate as predicted. The same seed and number of rounds give the same
//! plan on any number of threads. With a time limit in seconds in place of rounds, the plan is the best
//! that this machine finds in that time.

use crate::bound::{self, by_cutting_stock, most_types, of_exact_types, share_sum};
use crate::search::clock::Clock;
use crate::search::configuration_lp::{LpResult, Proof};
use crate::search::enumerate::best_seats;
use crate::search::greedy::pack;
use crate::search::local::{Choices, improve};
use crate::search::packing::{Bin, Packer};
use crate::search::types::{Type, Types, seats};
use crate::shares::{Seat, ShareFitter, into_plan, total};
use crate::strategies::exact::{self, MOST_WORKLOADS};
use crate::{PlanRequest, Replicas, Strategy, replicas};
use igniter_model::domain::{GpuBound, Plan};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of few types, so many workloads are searched before the linear program is solved.
const MOST_SEARCHED: usize = 5_000;

/// More types than this are not given to the linear program.
const MOST_PRICED_TYPES: usize = 150;

/// Distinct workloads that are packed together.
const CHUNK: usize = 1_000;

/// GPUs of other parts of the plan that the local search may touch when it closes the last gap.
const NEIGHBOURS: usize = 200;

/// The strategy `optimal`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optimal;

/// The strategy `greedy`: what [`Optimal`] starts from, best fit decreasing with joint batch sizes.
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
        let (gpus, bound) = if types.count() <= MOST_WORKLOADS {
            let solved = exact::solve(request, &types.split());
            let bound = solved.bound();
            (solved.gpus, bound)
        } else {
            let types = types.clone().narrowed();
            let (bins, bound) = search(request, &types);
            (seats(&types.types, into_seats(bins)), bound)
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
        let types = Types::of(request).narrowed();
        let bins = in_chunks(request, &types.types, 0, &Clock::start(None), 0.0);
        let gpus = seats(&types.types, into_seats(bins));
        let bound = share_sum(request, &types);
        let mut plan = into_plan(self.name(), request, &gpus, types.infeasible);
        plan.bound = Some(bound);
        plan
    }
}

fn into_seats(bins: Vec<Bin>) -> Vec<Vec<Seat>> {
    bins.into_iter().map(|bin| bin.seats).collect()
}

/// The best packing that is found, with what is proven about all.
pub(crate) fn search(request: &PlanRequest<'_>, types: &Types) -> (Vec<Bin>, GpuBound) {
    let clock = Clock::start(request.options().time_limit_s);
    let by_shares = share_sum(request, types);
    let count = types.types.len();
    let rounds = u64::from(request.options().search_rounds);
    if count > MOST_PRICED_TYPES.max(most_types(request)) {
        let packed = in_chunks(request, &types.types, rounds, &clock, 1.0);
        return (packed, or_cut(request, types, by_shares));
    }
    // Of many workloads of few types, a sample shows the linear program where to start.
    let many = types.count() > MOST_SEARCHED;
    let (rounds, part) = if many { (0, 0.0) } else { (rounds / 4, 0.25) };
    let packed = in_chunks(request, &types.types, rounds, &clock, part);
    if packed.len() <= by_shares.gpus {
        return (packed, by_shares);
    }
    let proof = if count <= most_types(request) { Proof::Wanted } else { Proof::Waived };
    let sample = if many { Some(bound::start(request, &types.types)) } else { None };
    let start = sample.as_ref().unwrap_or(&packed);
    let lp = bound::solve(request, &types.types, start, packed.len(), proof, &clock);
    let bound = match (&lp, proof) {
        (Some(lp), Proof::Wanted) => stronger(of_exact_types(lp, count), by_shares),
        _ => or_cut(request, types, by_shares),
    };
    let best = match lp {
        Some(lp) if packed.len() > bound.gpus => {
            let rounded = round(request, &types.types, &lp, bound.gpus, &clock);
            if rounded.len() < packed.len() { rounded } else { packed }
        }
        _ => packed,
    };
    (best, bound)
}

/// The stronger of two bounds.
fn stronger(a: GpuBound, b: GpuBound) -> GpuBound {
    if a.gpus >= b.gpus { a } else { b }
}

/// The cutting-stock bound, or another where that one is stronger.
fn or_cut(request: &PlanRequest<'_>, types: &Types, other: GpuBound) -> GpuBound {
    match by_cutting_stock(request, types) {
        Some(by_lp) => stronger(by_lp, other),
        None => other,
    }
}

/// Rounds a solution of the linear program: whole GPUs as it says, the rest anew.
fn round(
    request: &PlanRequest<'_>,
    types: &[Type],
    lp: &LpResult,
    enough: usize,
    clock: &Clock,
) -> Vec<Bin> {
    let mut fitter = ShareFitter::new(request);
    let mut left: Vec<usize> = types.iter().map(Type::count).collect();
    let mut bins = Vec::new();
    for (set, gpus) in &lp.chosen {
        let seats = best_seats(&mut fitter, types, &set.types);
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
    let mut rest = pack(&mut packer, types, items);
    let mut choices = Choices::new(request.options().seed);
    let rounds = u64::from(request.options().search_rounds);
    let target = enough.saturating_sub(bins.len());
    let limit = clock.limit(0.5, rounds);
    improve(&mut packer, types, &mut rest, target, limit, &mut choices);
    // Where that is not enough, whole GPUs of the solution take part, others in each turn.
    for _ in 0..4 {
        if bins.len() + rest.len() <= enough || bins.is_empty() {
            break;
        }
        let mut pool = rest;
        let taken = NEIGHBOURS.min(bins.len());
        pool.extend((0..taken).map(|_| bins.swap_remove(choices.below(bins.len()))));
        let target = enough.saturating_sub(bins.len());
        let limit = clock.limit(0.5, rounds);
        improve(&mut packer, types, &mut pool, target, limit, &mut choices);
        rest = pool;
    }
    bins.extend(rest);
    bins
}

/// Packs chunks of workloads in parallel, each greedily and then by local search, and at the end the
/// emptiest GPUs of all chunks together.
///
/// The search takes so many rounds for each chunk, or this part of the time that is left.
fn in_chunks(
    request: &PlanRequest<'_>,
    types: &[Type],
    rounds: u64,
    clock: &Clock,
    part_of_time: f64,
) -> Vec<Bin> {
    // By falling least share; dealt out in turn, so that every chunk is like the whole.
    let items: Vec<usize> =
        types.iter().enumerate().flat_map(|(of, t)| std::iter::repeat_n(of, t.count())).collect();
    let chunks = items.len().div_ceil(CHUNK).max(1);
    // Chunks that wait for a thread get their part of the time when they have one.
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
