//! Proven lower bounds on the number of GPUs, for any plan of a request.
//!
//! All bounds speak of the same plans: batch sizes up to Theorem 1's (a larger batch would wait longer
//! for its requests than half of the SLO; of those the linear programs try for each workload the two
//! that need least alone, `exact` tries all), half of the SLO for execution less the margin, the rate plus
//! the headroom, the process limit, and one placement for each workload unless replicas are allowed.
//! Workloads that no GPU can serve are left out.

use super::search::classes;
use super::search::clock::{Clock, Limit};
use super::search::configuration_lp::{self, LpResult, Proof};
use super::search::cutting_stock;
use super::search::enumerate::FeasibleSet;
use super::search::greedy::pack;
use super::search::local::{Choices, improve};
use super::search::neighbours::weights;
use super::search::packing::{Bin, Packer};
use super::search::pricing::Pricing;
use super::search::types::{Type, Types};
use super::shares::{Seat, ShareFitter};
use super::sizing::Sizer;
use super::{Margin, PlanRequest, Replicas};
use igniter_model::domain::{BoundMethod, GpuBound};

/// About so many workloads are packed to start the linear program.
const START: usize = 1_000;

/// Rounds of local search on them.
const START_ROUNDS: u64 = 50_000;

/// The configuration LP is solved for at most this many types.
const MOST_TYPES: usize = 70;

/// The same where members of co-locations feel each other only through sums: the dearest one is found much
/// sooner then.
const MOST_ADDITIVE_TYPES: usize = 150;

/// Distinct workloads make at most this many classes. With 150 classes of 1,000 workloads the bound was no stronger
/// than that of cutting stock; solving for more takes long.
const MOST_CLASSES: usize = 250;

/// Of more types than this, so few classes lose more than cutting stock does.
const MOST_CLASSED_TYPES: usize = 2_000;

/// How many types the configuration LP is solved for.
pub(super) fn most_types(request: &PlanRequest<'_>) -> usize {
    match request.options().margin {
        Margin::Percent(_) if request.predictor().additive().is_some() => MOST_ADDITIVE_TYPES,
        _ => MOST_TYPES,
    }
}

/// The strongest lower bound that can be had in seconds: the configuration LP over the types of workloads,
/// or, where there are many, the stronger of the same over optimistic classes of them and the cutting-stock LP;
/// the sum of shares where that is no weaker.
#[must_use]
pub fn lower_bound(request: &PlanRequest<'_>) -> GpuBound {
    if request.options().replicas == Replicas::Allowed {
        return divided_share_sum(request);
    }
    let types = Types::of(request).narrowed();
    let by_shares = share_sum(request, &types);
    if types.types.is_empty() {
        return by_shares;
    }
    let by_lp = if types.types.len() <= most_types(request) {
        exact_types(request, &types)
    } else {
        let packed = sample(request, &types.types);
        let by_classes = by_classes(request, &types, &packed);
        match (by_classes, by_cutting_stock(request, &types)) {
            (Some(a), Some(b)) => Some(if a.gpus >= b.gpus { a } else { b }),
            (a, b) => a.or(b),
        }
    };
    match by_lp {
        Some(bound) if bound.gpus >= by_shares.gpus => bound,
        _ => by_shares,
    }
}

/// A greedy packing of about [`START`] of many types, evenly over all.
fn sample(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Bin> {
    let step = types.len().div_ceil(START).max(1);
    pack(&mut Packer::new(ShareFitter::new(request)), types, (0..types.len()).step_by(step))
}

/// Rounds a fractional bound up, forgiving the rounding errors of its sums.
pub(super) fn round_up(fractional: f64) -> usize {
    const FORGIVEN: f64 = 1e-6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and ≥ 0")]
    let gpus = (fractional - FORGIVEN).ceil().max(0.0) as usize;
    gpus
}

/// A bound on GPUs alone.
fn gpu_bound(method: BoundMethod, fractional_gpus: f64, note: String) -> GpuBound {
    GpuBound {
        gpus: round_up(fractional_gpus),
        fractional_gpus,
        method,
        least_total_sm: None,
        least_cost_per_hour: None,
        note,
    }
}

/// The least shares added up, and the process limit.
pub(super) fn share_sum(request: &PlanRequest<'_>, types: &Types) -> GpuBound {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let units = types.types.iter().map(|t| f64::from(t.least()) * t.count() as f64).sum();
    let shares = "the least shares of all workloads, each alone on a GPU, added up";
    by_units_or_processes(request, units, types.count(), shares)
}

/// The bound for any number of replicas with any parts, and the process limit.
pub(super) fn divided_share_sum(request: &PlanRequest<'_>) -> GpuBound {
    debug_assert_eq!(request.options().replicas, Replicas::Allowed);
    let mut sizer = Sizer::new(request);
    let shares: Vec<f64> = request
        .workloads()
        .iter()
        .filter_map(|w| sizer.least_divided_share(&request.demand(w)))
        .collect();
    let note = "for each workload the least share for its rate of any number of replicas, each alone on \
                a GPU, added up";
    by_units_or_processes(request, shares.iter().sum(), shares.len(), note)
}

/// The stronger of two bounds: so many units in all, or so many processes.
fn by_units_or_processes(
    request: &PlanRequest<'_>,
    units: f64,
    processes: usize,
    units_note: &str,
) -> GpuBound {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let by_processes = processes as f64 / request.options().process_limit as f64;
    let by_units = units / f64::from(request.predictor().kind().units.get());
    let (fractional, note) = if by_units >= by_processes {
        (by_units, units_note)
    } else {
        (by_processes, "the number of workloads over the process limit")
    };
    gpu_bound(BoundMethod::ShareSum, fractional, note.to_owned())
}

/// The bound that a solved configuration LP over exact types proves.
pub(super) fn of_exact_types(lp: &LpResult, types: usize) -> GpuBound {
    let note = format!("dual prices of {types} types, which no feasible co-location exceeds");
    gpu_bound(BoundMethod::ConfigurationLp, lp.bound, note)
}

fn exact_types(request: &PlanRequest<'_>, types: &Types) -> Option<GpuBound> {
    let start = start(request, &types.types);
    let clock = Clock::start(None);
    let lp = solve(request, &types.types, &start, usize::MAX, Proof::Wanted, &clock)?;
    Some(of_exact_types(&lp, types.types.len()))
}

/// Solves the configuration LP over types, starting from what the greedy planner makes of them.
pub(super) fn solve(
    request: &PlanRequest<'_>,
    types: &[Type],
    start: &[Bin],
    upper: usize,
    proof: Proof,
    clock: &Clock,
) -> Option<LpResult> {
    let demand: Vec<usize> = types.iter().map(Type::count).collect();
    let pricing = Pricing::new(request, types);
    let set = |bin: &Bin| {
        let index = |seat: &Seat| u16::try_from(seat.workload).expect("few types are priced");
        let mut types: Vec<u16> = bin.seats.iter().map(index).collect();
        types.sort_unstable();
        FeasibleSet { types, total: bin.used }
    };
    configuration_lp::solve(&pricing, start.iter().map(set).collect(), &demand, upper, proof, clock)
}

/// A quick packing of a sample of the types' workloads.
pub(super) fn start(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Bin> {
    // In proportion to their number, so that all types are there.
    let all: usize = types.iter().map(Type::count).sum();
    let wanted = |t: &Type| (t.count() * START).div_ceil(all.max(START));
    let items = types.iter().enumerate().flat_map(|(of, t)| std::iter::repeat_n(of, wanted(t)));
    let mut packer = Packer::new(ShareFitter::new(request));
    let mut bins = pack(&mut packer, types, items);
    let mut choices = Choices::new(request.options().seed);
    improve(&mut packer, types, &mut bins, 1, Limit::rounds(START_ROUNDS), &mut choices);
    bins
}

/// The bound by the configuration LP over optimistic classes of distinct workloads ([`classes`]), of which
/// `packed` is a packing of some; `None` where the predictor or the demands do not allow it.
fn by_classes(request: &PlanRequest<'_>, types: &Types, packed: &[Bin]) -> Option<GpuBound> {
    let Margin::Percent(_) = request.options().margin else { return None };
    if types.types.len() > MOST_CLASSED_TYPES {
        return None;
    }
    let classes = classes::optimistic(request, &types.types, packed, MOST_CLASSES)?;
    let start = start(request, &classes);
    let lp = solve(request, &classes, &start, usize::MAX, Proof::Wanted, &Clock::start(None))?;
    let note = format!(
        "dual prices of {} classes of workloads, each as easy as its easiest member, which no feasible \
         co-location exceeds",
        classes.len()
    );
    Some(gpu_bound(BoundMethod::ConfigurationLp, lp.bound, note))
}

/// The bound by cutting stock ([`cutting_stock`]), which any number of types can have.
pub(super) fn by_cutting_stock(request: &PlanRequest<'_>, types: &Types) -> Option<GpuBound> {
    let weights = weights(request, &types.types);
    let mut of_workloads = Vec::with_capacity(types.count());
    for (t, weights) in types.types.iter().zip(weights) {
        of_workloads.extend(std::iter::repeat_n(weights, t.count()));
    }
    let whole = request.predictor().kind().units.get();
    let fractional = cutting_stock::bound(&of_workloads, whole)?;
    let note = "dual prices that no filling of a GPU with n workloads exceeds, each with its least share \
                beside n - 1 of the mildest neighbours";
    Some(gpu_bound(BoundMethod::CuttingStock, fractional, note.to_owned()))
}
