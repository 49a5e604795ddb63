//! What tests of planning and searching share.

use igniter_model::domain::{ModelName, Workload, WorkloadName};
use igniter_model::fit::fit_igniter;
use igniter_model::predictor::igniter::IgniterPredictor;
use igniter_model::units::{Milliseconds, RequestsPerSecond};

/// The predictor of the V100 profile.
pub(super) fn v100() -> IgniterPredictor {
    fit_igniter(&igniter_model::profile::load("v100").unwrap()).unwrap().0
}

/// Workloads of the paper's models in turn, whose SLOs and rates differ, from the given ones upwards.
pub(super) fn workloads(n: u32, slo_ms: f64, rate_rps: f64) -> Vec<Workload> {
    let models = ["alexnet", "resnet50", "vgg19", "ssd"];
    let workload = |i: u32| Workload {
        name: WorkloadName::new(&format!("W{i}")).unwrap(),
        model: ModelName::new(models[i as usize % 4]).unwrap(),
        slo: Milliseconds::new(slo_ms + f64::from(i * 7 % 30)).unwrap(),
        rate: RequestsPerSecond::new(rate_rps + f64::from(i * 37 % 300)).unwrap(),
    };
    (0..n).map(workload).collect()
}

pub(super) mod tables;
