//! Random models and engine options, for every test of the engines against each other.

use super::fake::FakeModel;
use igniter::sim::{EngineSpec, Interference, LoadOverlap, ServiceTime};
use proptest::prelude::*;
use proptest::sample::select;

/// Times in ms: any, or from a grid, so that many things happen at once.
pub(crate) fn any_models() -> impl Strategy<Value = Vec<FakeModel>> {
    let model =
        |(load, fixed, per_request, feedback)| FakeModel { load, fixed, per_request, feedback };
    let grid = || select(vec![0.0, 0.0, 0.5, 1.0, 2.0]);
    let any = || 0.0..3.0_f64;
    prop_oneof![
        prop::collection::vec((grid(), grid(), grid(), grid()).prop_map(model), 3),
        prop::collection::vec((any(), any(), any(), any()).prop_map(model), 3),
    ]
}

pub(crate) fn any_spec() -> impl Strategy<Value = EngineSpec> {
    let interference =
        select(vec![Interference::Dynamic, Interference::Static, Interference::None]);
    let overlap = select(vec![LoadOverlap::Overlapped, LoadOverlap::Serial]);
    let service = select(vec![ServiceTime::Deterministic, ServiceTime::Exponential]);
    (interference, overlap, service).prop_map(|(interference, overlap, service)| EngineSpec {
        interference,
        overlap,
        service,
        ..EngineSpec::default()
    })
}
