//! A comparison for tests, made of records that can be counted by hand. Tests of pages use this file too.
#![allow(clippy::unwrap_used, reason = "test code")]

use igniter::domain::{
    CoLocation, GpuId, GpuInterval, GpuKind, GpuKindName, Infeasible, ModelName, Placement, Plan,
    PredictedService, RecordSink, RequestRecord, Workload, WorkloadFix, WorkloadId, WorkloadName,
};
use igniter::metrics::{GpuCollector, Window, summarise};
use igniter::results::{Comparison, StrategyResult};
use igniter::units::{
    BatchSize, Dollars, Megahertz, Milliseconds, Nanoseconds, RequestsPerSecond, SmUnits, Watts,
};

/// Returns a comparison of two strategies on two workloads; the second strategy serves only one of them.
pub(crate) fn small_comparison() -> Comparison {
    let name = |name: &str| WorkloadName::new(name).unwrap();
    let workload = |who: &str, slo: f64| Workload {
        name: name(who),
        model: ModelName::new("alexnet").unwrap(),
        slo: Milliseconds::new(slo).unwrap(),
        rate: RequestsPerSecond::new(100.0).unwrap(),
    };
    let kind = GpuKind {
        name: GpuKindName::new("v100").unwrap(),
        units: SmUnits::new(40),
        max_clock: Megahertz::new(1530.0).unwrap(),
        power_cap: Watts::new(300.0).unwrap(),
        idle_power: Watts::new(53.5).unwrap(),
        pcie_bytes_per_ms: 1e7,
        memory: None,
        price_per_hour: Dollars::new(3.06).unwrap(),
        noise_cv: std::collections::BTreeMap::new(),
        mps: igniter::domain::SmSharing::default(),
    };
    let workloads = [workload("W1", 15.0), workload("W|2 <b>", 40.0)];
    let placement = |who: &str, units: u32| Placement {
        workload: name(who),
        model: ModelName::new("alexnet").unwrap(),
        batch: BatchSize::new(4).unwrap(),
        sm: SmUnits::new(units),
        served: None,
        time_slot: None,
        predicted: Some(PredictedService {
            latency: Milliseconds::new(7.25).unwrap(),
            throughput: RequestsPerSecond::new(600.0).unwrap(),
        }),
    };
    let gpu = |placements: Vec<Placement>| CoLocation { kind: kind.name.clone(), placements };
    let good = Plan {
        strategy: "igniter".into(),
        gpus: vec![gpu(vec![placement("W1", 15), placement("W|2 <b>", 20)])],
        infeasible: Vec::new(),
        bound: None,
    };
    let poor = Plan {
        strategy: "ffd".into(),
        gpus: vec![gpu(vec![placement("W1", 15)])],
        infeasible: vec![Infeasible {
            workload: name("W|2 <b>"),
            reason: "too slow".into(),
            fixes: vec![WorkloadFix::Slo(Milliseconds::new(55.5).unwrap())],
        }],
        bound: None,
    };
    let s = |s: u64| Nanoseconds::new(s * 1_000_000_000);
    let window = Window::new(s(30), s(10), s(10)).unwrap();
    let result = |plan: &Plan| {
        let metrics = summarise(plan, &workloads, window, records(plan, &workloads, window));
        StrategyResult::new(plan, std::slice::from_ref(&kind), &workloads, metrics)
    };
    Comparison::new("small", 7, window, vec![result(&good), result(&poor)])
}

/// Records one request every 100 ms for each placement, completed after 12.5 ms; the GPU is half busy.
fn records(plan: &Plan, workloads: &[Workload], window: Window) -> Vec<GpuCollector> {
    let collect = |gpu: usize| {
        let mut sink = GpuCollector::new(GpuId::new(gpu), workloads, window);
        for placement in &plan.gpus[gpu].placements {
            let index = workloads.iter().position(|w| w.name == placement.workload).unwrap();
            for i in 0..300_u64 {
                let at = |us: u64| Nanoseconds::new(i * 100_000_000 + us * 1000);
                sink.request(&RequestRecord {
                    workload: WorkloadId::new(index),
                    gpu: GpuId::new(gpu),
                    batch: i,
                    batch_size: 1,
                    arrival: at(0),
                    load_start: at(4_000),
                    load_end: at(5_000),
                    exec_start: at(5_000),
                    exec_end: at(12_000),
                    done: at(12_500),
                });
            }
        }
        for i in 0..60_u32 {
            let at = |i: u32| Nanoseconds::new(u64::from(i) * 500_000_000);
            sink.gpu_interval(&GpuInterval {
                gpu: GpuId::new(gpu),
                start: at(i),
                end: at(i + 1),
                running: i % 2,
                busy_sm_pct: 37.5 * f64::from(i % 2),
                power_w: 53.5 + 80.0 * f64::from(i % 2),
                clock_mhz: 1530.0,
            });
        }
        sink
    };
    (0..plan.gpus.len()).map(collect).collect()
}
