//! Proven lower bounds on the number of GPUs, for any plan of a request.
//!
//! Each bound states in [`GpuBound::covers`] which plans it applies to: those with half of the SLO for execution less
//! the margin, the rate plus the headroom, the process limit, and one placement per workload unless replicas are
//! allowed. Where it is known which batch sizes are superfluous ([`super::search`]), all measured batch sizes are
//! covered; otherwise those up to Theorem 1's (a larger batch would wait for its requests longer than half of the
//! SLO). Workloads that no GPU can serve are left out.
//!
//! The proofs rest on the assumptions that [`super::assumptions`] checks. Where these do not hold, the bound only
//! counts processes.

use super::assumptions;
use super::search::classes;
use super::search::clock::{Limit, SearchClock};
use super::search::configuration_lp::{self, LpResult, Proof};
use super::search::cutting_stock;
use super::search::enumerate::FeasibleSet;
use super::search::greedy::pack;
use super::search::local::{Choices, improve};
use super::search::neighbours::weights;
use super::search::packing::{Bin, Packer};
use super::search::pricing::Pricing;
use super::search::types::{Covered, Type, Types, additive};
use super::shares::{PendingWorkload, ShareFitter};
use super::sizing::Sizer;
use super::strategies::exact;
use super::{Margin, PlanRequest, Replicas};
use igniter_model::domain::{BoundMethod, GpuBound};

/// Approximate number of workloads that are packed to start the linear program.
const START: usize = 1_000;

/// Rounds of local search on this start packing.
const START_ROUNDS: u64 = 50_000;

/// The configuration LP is solved for at most this many types.
const MOST_TYPES: usize = 70;

/// The same limit where the members of a co-location affect each other only through sums, because the most valuable
/// co-location is then found much sooner.
const MOST_ADDITIVE_TYPES: usize = 150;

/// Maximum number of classes of distinct workloads. More classes give a stronger bound but take longer.
const MOST_CLASSES: usize = 360;

/// Above this number of types, so few classes give a weaker bound than cutting stock.
const MOST_CLASSED_TYPES: usize = 2_000;

/// Returns the largest number of types for which the configuration LP is solved.
pub(super) fn most_types(request: &PlanRequest<'_>) -> usize {
    if additive(request).is_some() { MOST_ADDITIVE_TYPES } else { MOST_TYPES }
}

/// The input of the proofs about the plans of a request.
pub(super) struct Proving {
    /// The types of the request, in their order, with the batch sizes that matter.
    pub types: Vec<Type>,
    /// Description of the plans that the proofs cover.
    pub covers: String,
}

impl Proving {
    /// Returns `None` where the assumptions of the proofs do not hold.
    pub(super) fn new(request: &PlanRequest<'_>, types: &Types) -> Option<Self> {
        if !assumptions::holds(request) {
            return None;
        }
        let (types, covered) = types.for_proof(request);
        let one = "one placement for each workload";
        Some(Self { types, covers: covers(request, one, covered) })
    }
}

/// Describes the plans of a request in words.
pub(super) fn covers(request: &PlanRequest<'_>, placements: &str, covered: Covered) -> String {
    let options = request.options();
    let batches = match covered {
        Covered::Any => "any measured batch size",
        Covered::UpToTheorem1 => "batch sizes up to Theorem 1's",
    };
    let margin = match options.margin {
        Margin::Percent(margin) if margin > 0.0 => format!(" less {margin} %"),
        Margin::Percent(_) => String::new(),
        Margin::Predictor => " less the predictor's margin".to_owned(),
    };
    let headroom = match options.throughput_headroom_pct {
        headroom if headroom > 0.0 => format!(" and {headroom} % more"),
        _ => String::new(),
    };
    format!(
        "plans with {placements}, {batches}, a batch latency of at most half of the SLO{margin}, a throughput of the \
         rate{headroom}, and at most {} processes on a GPU, as predicted",
        options.process_limit
    )
}

/// Returns the strongest lower bound that can be computed in seconds. It comes from the configuration LP over the
/// types of workloads or, where there are many types, from the stronger of the same LP over optimistic classes of
/// workloads and the cutting-stock LP; the sum of shares replaces it where that is stronger.
#[must_use]
pub fn lower_bound(request: &PlanRequest<'_>) -> GpuBound {
    if request.options().replicas == Replicas::Allowed {
        return divided_share_sum(request);
    }
    let types = Types::of(request);
    let Some(proving) = Proving::new(request, &types) else {
        return process_count(request, types.count());
    };
    if proving.types.is_empty() {
        return share_sum(request, &proving);
    }
    match exact::solve_few(request, &types) {
        Some(solved) => solved.bound(request, &types, Some(&proving)),
        None => of_types(request, &types, &proving),
    }
}

/// The bound where not all co-locations are listed.
pub(super) fn of_types(request: &PlanRequest<'_>, types: &Types, proving: &Proving) -> GpuBound {
    if proving.types.len() > most_types(request) {
        return of_many(request, proving);
    }
    let by_shares = share_sum(request, proving);
    match exact_types(request, &types.clone().narrowed(), proving) {
        Some(by_lp) => stronger(by_lp, by_shares),
        None => by_shares,
    }
}

/// Returns the stronger of two bounds.
pub(super) fn stronger(a: GpuBound, b: GpuBound) -> GpuBound {
    if a.gpus >= b.gpus { a } else { b }
}

/// Returns the strongest bound for more types than the configuration LP is solved for.
fn of_many(request: &PlanRequest<'_>, proving: &Proving) -> GpuBound {
    let best = or_cut(request, proving, share_sum(request, proving));
    match by_classes(request, proving, MOST_CLASSES) {
        Some(classes) => stronger(classes, best),
        None => best,
    }
}

/// Returns the cutting-stock bound, or the other bound if that is stronger.
pub(super) fn or_cut(request: &PlanRequest<'_>, proving: &Proving, other: GpuBound) -> GpuBound {
    match by_cutting_stock(request, proving) {
        Some(cut) => stronger(cut, other),
        None => other,
    }
}

/// Packs a sample of about [`START`] of many types greedily, spread evenly over all types.
fn sample(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Bin> {
    let step = types.len().div_ceil(START).max(1);
    pack(&mut Packer::new(ShareFitter::new(request)), types, (0..types.len()).step_by(step))
}

/// Rounds a fractional bound up, with a tolerance for the rounding errors of its sums.
pub(super) fn round_up(fractional: f64) -> usize {
    const FORGIVEN: f64 = 1e-6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and ≥ 0")]
    let gpus = (fractional - FORGIVEN).ceil().max(0.0) as usize;
    gpus
}

/// Returns a bound on the number of GPUs only, not on shares or cost.
fn gpu_bound(method: BoundMethod, fractional_gpus: f64, note: String, covers: String) -> GpuBound {
    GpuBound {
        gpus: round_up(fractional_gpus),
        fractional_gpus,
        method,
        least_total_sm: None,
        least_cost_per_hour: None,
        note,
        covers,
    }
}

/// Returns the bound from the sum of the least shares and from the process limit.
pub(super) fn share_sum(request: &PlanRequest<'_>, proving: &Proving) -> GpuBound {
    let types = &proving.types;
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let units = types.iter().map(|t| f64::from(t.least()) * t.count() as f64).sum();
    let shares = "the least shares of all workloads, each alone on a GPU, added up";
    let count = types.iter().map(Type::count).sum();
    by_units_or_processes(request, units, count, shares, proving.covers.clone())
}

/// Returns the bound from the number of processes alone, for requests where the assumptions of the proofs do not hold.
pub(super) fn process_count(request: &PlanRequest<'_>, processes: usize) -> GpuBound {
    let covers = match request.options().replicas {
        Replicas::Allowed => "plans with any number of placements for each workload",
        Replicas::ByStrategy | Replicas::Forbidden => "plans with one placement for each workload",
    };
    let covers =
        format!("{covers} and at most {} processes on a GPU", request.options().process_limit);
    let mut bound = by_units_or_processes(request, 0.0, processes, "", covers);
    bound.note += &format!(
        "; with predictor {} a workload may gain from its neighbours, so no more is proven",
        request.predictor().name()
    );
    bound
}

/// Returns the bound for any number of replicas with any division of the rate, and for the process limit.
pub(super) fn divided_share_sum(request: &PlanRequest<'_>) -> GpuBound {
    assert_eq!(request.options().replicas, Replicas::Allowed);
    let mut sizer = Sizer::new(request);
    let shares: Vec<f64> = request
        .workloads()
        .iter()
        .filter_map(|w| sizer.least_divided_share(&request.demand(w)))
        .collect();
    if !assumptions::holds(request) {
        return process_count(request, shares.len());
    }
    let note = "for each workload the least share for its rate of any number of replicas, each alone on \
                a GPU, added up";
    let covers = covers(
        request,
        "any number of placements for each workload, each a part of its rate",
        Covered::Any,
    );
    by_units_or_processes(request, shares.iter().sum(), shares.len(), note, covers)
}

/// Returns the stronger of two bounds: by the total number of units or by the number of processes.
fn by_units_or_processes(
    request: &PlanRequest<'_>,
    units: f64,
    processes: usize,
    units_note: &str,
    covers: String,
) -> GpuBound {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let by_processes = processes as f64 / request.options().process_limit as f64;
    let by_units = units / f64::from(request.predictor().kind().units.get());
    let (fractional, note) = if by_units > by_processes || processes == 0 {
        (by_units, units_note)
    } else {
        (by_processes, "the number of workloads over the process limit")
    };
    gpu_bound(BoundMethod::ShareSum, fractional, note.to_owned(), covers)
}

/// Returns the bound that a solved configuration LP over exact types proves.
pub(super) fn of_exact_types(lp: &LpResult, proving: &Proving) -> GpuBound {
    let note = format!(
        "dual prices of {} types, which no feasible co-location exceeds",
        proving.types.len()
    );
    gpu_bound(BoundMethod::ConfigurationLp, lp.bound, note, proving.covers.clone())
}

fn exact_types(request: &PlanRequest<'_>, few: &Types, proving: &Proving) -> Option<GpuBound> {
    let start = start(request, &few.types);
    let clock = SearchClock::start(None);
    let lp = solve(request, &proving.types, &start, usize::MAX, Proof::Wanted, &clock)?;
    Some(of_exact_types(&lp, proving))
}

/// Solves the configuration LP over types, starting from the packing `start`.
pub(super) fn solve(
    request: &PlanRequest<'_>,
    types: &[Type],
    start: &[Bin],
    upper: usize,
    proof: Proof,
    clock: &SearchClock,
) -> Option<LpResult> {
    let demand: Vec<usize> = types.iter().map(Type::count).collect();
    let pricing = Pricing::new(request, types);
    let set = |bin: &Bin| {
        let index =
            |seat: &PendingWorkload| u16::try_from(seat.workload).expect("few types are priced");
        let mut types: Vec<u16> = bin.seats.iter().map(index).collect();
        types.sort_unstable();
        FeasibleSet { types, total: bin.used }
    };
    configuration_lp::solve(&pricing, start.iter().map(set).collect(), &demand, upper, proof, clock)
}

/// Packs a sample of the workloads of the types quickly.
pub(super) fn start(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Bin> {
    // The sample is proportional to the number of workloads of each type and includes every type.
    let all: usize = types.iter().map(Type::count).sum();
    let wanted = |t: &Type| (t.count() * START).div_ceil(all.max(START));
    let items = types.iter().enumerate().flat_map(|(of, t)| std::iter::repeat_n(of, wanted(t)));
    let mut packer = Packer::new(ShareFitter::new(request));
    let mut bins = pack(&mut packer, types, items);
    let mut choices = Choices::new(request.options().seed);
    improve(&mut packer, types, &mut bins, 1, Limit::rounds(START_ROUNDS), &mut choices);
    bins
}

/// Returns the bound of the configuration LP over optimistic classes of distinct workloads ([`classes`]); `None` where
/// the predictor or the demands do not allow it.
fn by_classes(request: &PlanRequest<'_>, proving: &Proving, most: usize) -> Option<GpuBound> {
    additive(request)?;
    if proving.types.len() > MOST_CLASSED_TYPES {
        return None;
    }
    let packed = sample(request, &proving.types);
    let classes = classes::optimistic(request, &proving.types, &packed, most)?;
    let start = start(request, &classes);
    let lp =
        solve(request, &classes, &start, usize::MAX, Proof::Wanted, &SearchClock::start(None))?;
    let note = format!(
        "dual prices of {} classes of workloads, each as easy as its easiest member, which no feasible \
         co-location exceeds",
        classes.len()
    );
    Some(gpu_bound(BoundMethod::ConfigurationLp, lp.bound, note, proving.covers.clone()))
}

/// Returns the cutting-stock bound ([`cutting_stock`]), which works for any number of types.
fn by_cutting_stock(request: &PlanRequest<'_>, proving: &Proving) -> Option<GpuBound> {
    let types = &proving.types;
    let mut of_workloads = Vec::with_capacity(types.iter().map(Type::count).sum());
    for (t, weights) in types.iter().zip(weights(request, types)) {
        of_workloads.extend(std::iter::repeat_n(weights, t.count()));
    }
    let whole = request.predictor().kind().units.get();
    let fractional = cutting_stock::bound(&of_workloads, whole)?;
    let note = "dual prices that no filling of a GPU with n workloads exceeds, each with its least share \
                beside n - 1 of the mildest neighbours";
    let covers = proving.covers.clone();
    Some(gpu_bound(BoundMethod::CuttingStock, fractional, note.to_owned(), covers))
}

#[cfg(test)]
mod tests;
