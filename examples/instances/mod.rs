//! Sets of workloads to measure planners with, made from seeds: the same on every machine.

#![allow(dead_code, reason = "each program uses a part")]

use igniter::domain::{ModelName, Workload, WorkloadName};
use igniter::fit::fit_igniter;
use igniter::plan::{PlanRequest, strategy};
use igniter::predictor::igniter::IgniterPredictor;
use igniter::profile;
use igniter::units::{Milliseconds, RequestsPerSecond};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The twelve workloads of the iGniter paper's evaluation: model, SLO in ms, requests/s.
const PAPER: [(&str, f64, f64); 12] = [
    ("alexnet", 10.0, 1200.0),
    ("resnet50", 20.0, 400.0),
    ("vgg19", 20.0, 300.0),
    ("ssd", 25.0, 150.0),
    ("alexnet", 15.0, 400.0),
    ("resnet50", 30.0, 600.0),
    ("vgg19", 30.0, 400.0),
    ("ssd", 40.0, 50.0),
    ("alexnet", 20.0, 800.0),
    ("resnet50", 40.0, 200.0),
    ("vgg19", 40.0, 200.0),
    ("ssd", 55.0, 300.0),
];

/// The range of SLOs (ms) and rates (requests/s) of each model in the paper's evaluation.
const RANGES: [(&str, [f64; 2], [f64; 2]); 4] = [
    ("alexnet", [10.0, 20.0], [400.0, 1200.0]),
    ("resnet50", [20.0, 40.0], [200.0, 600.0]),
    ("vgg19", [20.0, 40.0], [200.0, 400.0]),
    ("ssd", [25.0, 55.0], [50.0, 300.0]),
];

/// The predictor `igniter`, fitted to the V100 profile that comes with the program.
pub(crate) fn v100() -> IgniterPredictor {
    fit_igniter(&profile::load("v100").expect("it is built in")).expect("it can be fitted").0
}

fn workload(number: usize, (model, slo_ms, rate_rps): (&str, f64, f64)) -> Workload {
    Workload {
        name: WorkloadName::new(&format!("W{number}")).expect("a name"),
        model: ModelName::new(model).expect("a name"),
        slo: Milliseconds::new(slo_ms).expect("a duration"),
        rate: RequestsPerSecond::new(rate_rps).expect("a rate"),
    }
}

/// The twelve workloads of the paper.
pub(crate) fn paper_12() -> Vec<Workload> {
    PAPER.iter().enumerate().map(|(i, w)| workload(i + 1, *w)).collect()
}

/// Uniform in a range.
fn uniform(random: &mut Xoshiro256PlusPlus, [low, high]: [f64; 2]) -> f64 {
    let bits = u32::try_from(random.next_u64() >> 32).expect("32 bits");
    low + (high - low) * (f64::from(bits) / 4_294_967_296.0)
}

/// Uniform below a count.
fn index(random: &mut Xoshiro256PlusPlus, below: usize) -> usize {
    usize::try_from(random.next_u64() % below as u64).expect("below a usize")
}

/// Workloads with SLOs and rates drawn from the paper's ranges (rounded to 0.1 ms and 1 request/s),
/// each feasible on a GPU of its own.
pub(crate) fn paper_range(seed: u64, count: usize, predictor: &IgniterPredictor) -> Vec<Workload> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut workloads = Vec::new();
    while workloads.len() < count {
        let (model, slo, rate) = RANGES[index(&mut random, RANGES.len())];
        let slo = (uniform(&mut random, slo) * 10.0).round() / 10.0;
        let drawn = workload(workloads.len() + 1, (model, slo, uniform(&mut random, rate).round()));
        let alone = std::slice::from_ref(&drawn);
        let request = PlanRequest::new(alone, predictor).expect("the models are known");
        if strategy("igniter").expect("it exists").plan(&request).infeasible.is_empty() {
            workloads.push(drawn);
        }
    }
    workloads
}

/// The 30 small instances of the optimality table: 6 to 14 workloads each, seeds 2024 to 2053.
pub(crate) fn thirty(predictor: &IgniterPredictor) -> Vec<Vec<Workload>> {
    let instance = |i: usize| paper_range(2024 + i as u64, 6 + i * 5 % 9, predictor);
    (0..30).map(instance).collect()
}

/// Workloads of the paper's twelve with noise (SLO × 0.8 … 1.25, rate × 0.7 … 1.3): `types` distinct
/// ones, repeated in turn, or all distinct with `None`.
pub(crate) fn noisy(seed: u64, count: usize, types: Option<usize>) -> Vec<Workload> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let drawn: Vec<(&str, f64, f64)> = (0..types.unwrap_or(count))
        .map(|i| {
            let (model, slo, rate) = PAPER[i % PAPER.len()];
            (
                model,
                slo * uniform(&mut random, [0.8, 1.25]),
                rate * uniform(&mut random, [0.7, 1.3]),
            )
        })
        .collect();
    (0..count).map(|i| workload(i + 1, drawn[i % drawn.len()])).collect()
}
