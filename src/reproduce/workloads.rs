//! Sets of workloads drawn from the ranges of the paper's evaluation.

use super::ReproduceError;
use crate::domain::{ModelName, Workload, WorkloadName};
use crate::plan::{PlanRequest, Strategy};
use crate::predictor::Predictor;
use crate::units::{Milliseconds, RequestsPerSecond};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The range of SLOs (ms) and rates (requests/s) of each model.
const RANGES: [(&str, [f64; 2], [f64; 2]); 4] = [
    ("alexnet", [10.0, 20.0], [400.0, 1200.0]),
    ("resnet50", [20.0, 40.0], [200.0, 600.0]),
    ("vgg19", [20.0, 40.0], [200.0, 400.0]),
    ("ssd", [25.0, 55.0], [50.0, 300.0]),
];

/// Workloads with SLOs (to 0.1 ms) and rates (to 1 request/s) drawn from a seed, each feasible on a GPU of
/// its own by `judge`.
pub(super) fn drawn(
    seed: u64,
    count: usize,
    predictor: &dyn Predictor,
    judge: &dyn Strategy,
) -> Result<Vec<Workload>, ReproduceError> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut workloads: Vec<Workload> = Vec::with_capacity(count);
    while workloads.len() < count {
        let kind = random.next_u64() % RANGES.len() as u64;
        let (model, slo, rate) = RANGES[usize::try_from(kind).expect("below four")];
        let mut uniform = |[low, high]: [f64; 2]| {
            let bits = random.next_u64() >> 11;
            low + (high - low) * (bits as f64 / (1_u64 << 53) as f64)
        };
        let slo = (uniform(slo) * 10.0).round() / 10.0;
        let rate = uniform(rate).round();
        let workload = Workload {
            name: WorkloadName::new(&format!("W{}", workloads.len() + 1)).expect("a name"),
            model: ModelName::new(model).expect("a name"),
            slo: Milliseconds::new(slo).expect("a duration"),
            rate: RequestsPerSecond::new(rate).expect("a rate"),
        };
        let request = PlanRequest::new(std::slice::from_ref(&workload), predictor)?;
        if judge.plan(&request).infeasible.is_empty() {
            workloads.push(workload);
        }
    }
    Ok(workloads)
}
