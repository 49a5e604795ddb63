//! The latency tables of the published baselines' check values: with them, the authors' own code (or an independent
//! implementation of its rules) was run.
//!
//! With p percent of a GPU and batches of b up to 32, in ms: A takes 2 + 0.5 b · 100 / p, B 2 + 0.25 b · 100 / min(p, 60),
//! C 3 + 0.1 b · 100 / min(p, 40). Nobody slows anybody, and copies take no time.

use igniter_model::domain::{GpuKind, GpuKindName, ModelId, ModelName, Workload, WorkloadName};
use igniter_model::predictor::{CoLocationPrediction, Member, MemberPrediction, Predictor};
use igniter_model::units::{
    BatchSize, Bytes, Dollars, Megahertz, Milliseconds, RequestsPerSecond, SmUnits, Watts,
};

#[derive(Debug)]
pub(crate) struct TablePredictor {
    /// More percent than this make a model no faster.
    most_pct: [f64; 3],
    kind: GpuKind,
    names: Vec<ModelName>,
}

impl TablePredictor {
    /// A GPU of 100 units, so a unit is a percent.
    pub(crate) fn new() -> Self {
        let kind = GpuKind {
            name: GpuKindName::new("tables").unwrap(),
            units: SmUnits::new(100),
            max_clock: Megahertz::new(1000.0).unwrap(),
            power_cap: Watts::new(200.0).unwrap(),
            idle_power: Watts::new(50.0).unwrap(),
            pcie_bytes_per_ms: 1e7,
            memory: None,
            price_per_hour: Dollars::new(1.0).unwrap(),
            noise_cv: std::collections::BTreeMap::new(),
            mps: igniter_model::domain::SmSharing::default(),
        };
        let names = ["A", "B", "C"].map(|name| ModelName::new(name).unwrap()).to_vec();
        Self { most_pct: [100.0, 60.0, 40.0], kind, names }
    }

    /// Whole GPUs alone: 2 + 0.5 b, 2 + 0.25 b and 3 + 0.1 b ms. With these, the check values of Nexus were computed.
    pub(crate) fn of_whole_gpus() -> Self {
        Self { most_pct: [100.0; 3], ..Self::new() }
    }
}

impl Predictor for TablePredictor {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn kind(&self) -> &GpuKind {
        &self.kind
    }

    fn models(&self) -> &[ModelName] {
        &self.names
    }

    fn max_batch(&self, _: ModelId) -> BatchSize {
        BatchSize::new(32).unwrap()
    }

    fn memory(&self, _: ModelId) -> Option<Bytes> {
        None
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        out.members.extend(members.iter().map(|member| {
            let model = member.model.index();
            let (fixed, each) = [(2.0, 0.5), (2.0, 0.25), (3.0, 0.1)][model];
            let most = self.most_pct[model];
            let b = member.batch.as_f64();
            let gpu_ms = fixed + each * b * 100.0 / member.sm.get().min(most);
            let throughput_rps = 1000.0 * b / gpu_ms;
            MemberPrediction { load_ms: 0.0, gpu_ms, feedback_ms: 0.0, throughput_rps }
        }));
        out.power_demand_w = 100.0;
        out.power_w = 100.0;
        out.clock_mhz = 1000.0;
    }
}

/// Workloads of these models, SLOs in ms and rates, each named as its model.
pub(crate) fn tables(of: &[(&str, f64, f64)]) -> Vec<Workload> {
    let workload = |&(model, slo, rate): &(&str, f64, f64)| Workload {
        name: WorkloadName::new(model).unwrap(),
        model: ModelName::new(model).unwrap(),
        slo: Milliseconds::new(slo).unwrap(),
        rate: RequestsPerSecond::new(rate).unwrap(),
    };
    of.iter().map(workload).collect()
}
