//! A search for plans below proven bounds: random requests, every bound against an exhaustive search over every batch
//! size, which leaves nothing out for being dominated.

use super::*;
use crate::strategies::optimal::Optimal;
use crate::tests::v100;
use crate::{PlanOptions, Strategy};
use igniter_model::domain::{ModelName, Workload, WorkloadName};
use igniter_model::predictor::igniter::IgniterPredictor;
use igniter_model::units::{Milliseconds, RequestsPerSecond};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use std::ops::Range;

/// The seeds of the random requests that are tried: those of `IGNITER_BOUND_CASES`, as in `1000..5000`, or the first 1,000
/// with `IGNITER_FULL_TESTS`, or the first 256.
fn seeds() -> Range<u64> {
    if let Ok(asked) = std::env::var("IGNITER_BOUND_CASES") {
        let (first, end) = asked.split_once("..").expect("IGNITER_BOUND_CASES is FIRST..END");
        return first.parse().unwrap()..end.parse().unwrap();
    }
    0..if std::env::var_os("IGNITER_FULL_TESTS").is_some() { 1_000 } else { 256 }
}

fn workload(number: usize, model: &str, slo_ms: f64, rate_rps: f64) -> Workload {
    Workload {
        name: WorkloadName::new(&format!("W{number}")).unwrap(),
        model: ModelName::new(model).unwrap(),
        slo: Milliseconds::new(slo_ms).unwrap(),
        rate: RequestsPerSecond::new(rate_rps).unwrap(),
    }
}

/// A few workloads of wide ranges, logarithmically uniform.
fn drawn(seed: u64) -> Vec<Workload> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut uniform = |low: f64, high: f64| {
        let part = f64::from(u32::try_from(random.next_u64() >> 32).unwrap()) / 4_294_967_296.0;
        low * libm::pow(high / low, part)
    };
    let count = if uniform(1.0, 2.0) < 1.4 { 2 } else { 3 + usize::from(uniform(1.0, 2.0) > 1.4) };
    (1..=count)
        .map(|number| {
            let models: [(&str, [f64; 2], [f64; 2]); 4] = [
                ("alexnet", [5.0, 60.0], [20.0, 2_000.0]),
                ("resnet50", [14.0, 90.0], [5.0, 900.0]),
                ("vgg19", [10.0, 90.0], [5.0, 500.0]),
                ("ssd", [14.0, 120.0], [3.0, 350.0]),
            ];
            let place = if uniform(1.0, 4.0) < 2.0 { 0 } else { 2 };
            let (model, slo, rate) = models[place + usize::from(uniform(1.0, 2.0) > 1.4)];
            // As people write them.
            let slo_ms = (uniform(slo[0], slo[1]) * 100.0).round() / 100.0;
            workload(number, model, slo_ms, (uniform(rate[0], rate[1]) * 10.0).round() / 10.0)
        })
        .collect()
}

/// Every batch size that works alone, also those that others make superfluous.
fn unabridged(request: &PlanRequest<'_>, types: &Types) -> Vec<Type> {
    let mut sizer = Sizer::new(request);
    let whole = |t: &Type| {
        let demand = t.options[0].demand;
        let options = sizer.sizes(&demand, request.predictor().max_batch(demand.model));
        Type { options, workloads: t.workloads.clone() }
    };
    types.types.iter().map(whole).collect()
}

/// The least GPUs of all plans of a request, and all bounds on them.
fn least_and_bounds(
    predictor: &IgniterPredictor,
    workloads: &[Workload],
) -> (usize, Vec<GpuBound>) {
    let request = PlanRequest::new(workloads, predictor).unwrap();
    let types = Types::of(&request);
    let singles: Vec<Type> =
        unabridged(&request, &types).iter().flat_map(|t| t.split().collect::<Vec<_>>()).collect();
    let least = exact::solve(&request, &singles, usize::MAX).unwrap().gpus.len();
    let proving = Proving::new(&request, &types).unwrap();
    let mut bounds = vec![share_sum(&request, &proving)];
    if !proving.types.is_empty() {
        bounds.extend(exact_types(&request, &types.clone().narrowed(), &proving));
        bounds.extend(by_cutting_stock(&request, &proving));
        bounds.extend(by_classes(&request, &proving, 2));
        bounds.extend(by_classes(&request, &proving, 4));
    }
    let solved = exact::solve(&request, &types.split(), usize::MAX).unwrap();
    bounds.push(solved.bound(&request, &types, Some(&proving)));
    // In parts, workloads can be served that one GPU cannot.
    if types.infeasible.is_empty() {
        let options = PlanOptions { replicas: Replicas::Allowed, ..PlanOptions::default() };
        let replicated = PlanRequest::with_options(workloads, predictor, options).unwrap();
        bounds.push(lower_bound(&replicated));
    }
    (least, bounds)
}

#[test]
fn no_plan_has_fewer_gpus_than_a_bound() {
    let predictor = v100();
    // Whether a case needs several GPUs, and whether the bound says so many.
    let tried = |seed: u64| -> (usize, usize) {
        let one = drawn(seed);
        let (least, bounds) = least_and_bounds(&predictor, &one);
        for bound in &bounds {
            assert!(bound.gpus <= least, "seed {seed}: {least} GPUs, and {bound:?}\n{one:#?}");
        }
        let is_tight = least > 1 && bounds[1].gpus == least;
        // Several copies of a plan are a plan of several copies: there bounds that are not whole numbers show.
        if seed.is_multiple_of(16) {
            let copies = 12;
            let many: Vec<Workload> = (0..copies)
                .flat_map(|_| &one)
                .zip(1..)
                .map(|(w, n)| Workload {
                    name: WorkloadName::new(&format!("W{n}")).unwrap(),
                    ..w.clone()
                })
                .collect();
            let request = PlanRequest::new(&many, &predictor).unwrap();
            let bound = lower_bound(&request);
            assert!(
                bound.gpus <= least * copies,
                "seed {seed}: {least} GPUs for each of {copies} copies, and {bound:?}\n{one:#?}"
            );
        }
        (usize::from(least > 1), usize::from(is_tight))
    };
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    let (several, tight) = seeds().into_par_iter().map(tried).reduce(|| (0, 0), add);
    assert!(several * 6 > seeds().count(), "{several} of several GPUs");
    assert!(tight * 2 > several, "the bound is the least for {tight} of {several}");
}

#[test]
fn copies_of_two_workloads_that_share_a_gpu() {
    // With the two batch sizes of each that need least alone, no GPU holds both.
    let predictor = v100();
    for kinds in [
        [("vgg19", 53.35, 335.2), ("ssd", 63.78, 122.8)].as_slice(),
        &[("vgg19", 12.57, 7.8), ("alexnet", 9.21, 831.0), ("vgg19", 77.43, 211.8)],
    ] {
        let many: Vec<Workload> = (0..10)
            .flat_map(|_| kinds)
            .zip(1..)
            .map(|((model, slo, rate), n)| workload(n, model, *slo, *rate))
            .collect();
        let (least, _) = least_and_bounds(&predictor, &many[..kinds.len()]);
        assert_eq!(least, 1);
        let request = PlanRequest::new(&many, &predictor).unwrap();
        assert!(lower_bound(&request).gpus <= 10, "{:?}", lower_bound(&request));
    }
}

/// Their batch sizes have so many combinations that listing all of them took more than 24 GB.
#[test]
fn many_light_workloads_on_a_gpu_are_planned_and_bounded() {
    let predictor = v100();
    let distinct = (1..=8).map(|n| workload(n, "alexnet", 40.5, 526.0 - 7.0 * n as f64)).collect();
    let copies = (1..=12).map(|n| workload(n, "alexnet", 40.5, 519.1)).collect();
    for (workloads, gpus) in [(distinct, 1), (copies, 2)] {
        let workloads: Vec<Workload> = workloads;
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        assert!(exact::solve_few(&request, &Types::of(&request)).is_none());
        assert_eq!(lower_bound(&request).gpus, gpus);
        let plan = Optimal.plan(&request);
        assert!(plan.infeasible.is_empty(), "{:?}", plan.infeasible);
        assert_eq!((plan.gpus.len(), plan.bound.unwrap().gpus), (gpus, gpus));
        let refused = exact::Exact.plan(&request);
        assert_eq!((refused.gpus.len(), refused.infeasible.len()), (0, workloads.len()));
        assert!(refused.infeasible[0].reason.ends_with("use optimal"), "{refused:?}");
    }
}

#[test]
fn a_bound_says_what_it_covers() {
    let predictor = v100();
    let workloads = [workload(1, "vgg19", 53.35, 335.2)];
    let covers = |options| {
        let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
        lower_bound(&request).covers
    };
    let plain = covers(PlanOptions::default());
    for part in ["one placement", "any measured batch size", "half of the SLO,", "48 processes"] {
        assert!(plain.contains(part), "{plain}");
    }
    let asked = covers(PlanOptions {
        margin: Margin::Percent(5.0),
        throughput_headroom_pct: 50.0,
        process_limit: 3,
        replicas: Replicas::Allowed,
        ..PlanOptions::default()
    });
    for part in ["any number of placements", "less 5 %", "50 % more", "3 processes"] {
        assert!(asked.contains(part), "{asked}");
    }
}
