//! Synthetic comparisons of many shapes.

use super::super::*;
use igniter_model::domain::{GpuKindName, ModelName, WorkloadName};
use igniter_results::{Details, PlanRow, StrategyResult};
use igniter_sim::metrics::{
    CdfPoint, GpuSeries, GpuSummary, LatencyCdf, SeriesBin, Verdict, WorkloadSummary,
};

/// (workload, model, SLO in ms, rate in requests/s, GPU, batch, SM %, batch latency in ms)
pub(super) type Row = (&'static str, &'static str, f64, f64, usize, u32, f64, f64);

/// The twelve workloads of the paper with a plan of six GPUs.
pub(super) const PAPER: [Row; 12] = [
    ("W1", "alexnet", 10.0, 1200.0, 4, 6, 22.5, 4.4),
    ("W2", "resnet50", 20.0, 400.0, 2, 4, 32.5, 9.6),
    ("W3", "vgg19", 20.0, 300.0, 2, 3, 60.0, 9.8),
    ("W4", "ssd", 25.0, 150.0, 3, 2, 60.0, 11.9),
    ("W5", "alexnet", 15.0, 400.0, 5, 3, 7.5, 7.2),
    ("W6", "resnet50", 30.0, 600.0, 4, 9, 50.0, 14.7),
    ("W7", "vgg19", 30.0, 400.0, 1, 6, 75.0, 14.5),
    ("W8", "ssd", 40.0, 50.0, 1, 1, 15.0, 19.2),
    ("W9", "alexnet", 20.0, 800.0, 4, 8, 12.5, 9.7),
    ("W10", "resnet50", 40.0, 200.0, 4, 4, 15.0, 19.4),
    ("W11", "vgg19", 40.0, 200.0, 3, 4, 37.5, 19.1),
    ("W12", "ssd", 55.0, 300.0, 0, 8, 92.5, 26.3),
];

/// A repeatable number from 0 to 1.
pub(super) fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64
        / (1_u64 << 53) as f64
}

fn workload(row: &Row, name: &str, slowdown: f64, gpu: Option<usize>) -> WorkloadSummary {
    let (_, model, slo_ms, rate_rps, _, batch, _, latency) = *row;
    let served = gpu.is_some();
    let exec = latency * 0.86 * slowdown;
    let queue = f64::from(batch) / rate_rps * 500.0 * slowdown * slowdown;
    let mean = latency * 0.14 + exec + queue;
    let p99 = mean * 1.25;
    let violations = if p99 > slo_ms { (100.0 * (p99 / slo_ms - 1.0)).min(100.0) } else { 0.02 };
    let some = |value: f64| served.then_some(value);
    WorkloadSummary {
        workload: WorkloadName::new(name).unwrap(),
        model: ModelName::new(model).unwrap(),
        gpu,
        served,
        slo_ms,
        rate_rps,
        requests: 10_000,
        completed: 10_000,
        failed: None,
        throughput_rps: rate_rps,
        mean_ms: some(mean),
        p50_ms: some(mean * 0.98),
        p90_ms: some(mean * 1.1),
        p95_ms: some(mean * 1.15),
        p99_ms: some(p99),
        p999_ms: some(p99 * 1.1),
        max_ms: some(p99 * 1.2),
        slo_violation_pct: some(violations),
        queue_ms: some(queue),
        load_ms: some(latency * 0.1),
        exec_ms: some(exec),
        feedback_ms: some(latency * 0.04),
        mean_batch: some(f64::from(batch)),
        verdict: match (served, violations > 1.0) {
            (false, _) => Verdict::NotServed,
            (true, true) => Verdict::Missed,
            (true, false) => Verdict::Met,
        },
    }
}

fn cdf(summary: &WorkloadSummary, seed: usize) -> LatencyCdf {
    let points = |mean: f64, p99: f64| {
        let point = |i: usize| {
            let fraction = (i + 1) as f64 / 200.0;
            let spread = (fraction / (1.0 - 0.98 * fraction)).ln() / 4.0 + 0.02 * noise(seed + i);
            CdfPoint { fraction, latency_ms: (mean + (p99 - mean) * spread).max(0.4 * mean) }
        };
        let mut points: Vec<CdfPoint> = (0..200).map(point).collect();
        points.sort_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms));
        for (i, point) in points.iter_mut().enumerate() {
            point.fraction = (i + 1) as f64 / 200.0;
        }
        points
    };
    LatencyCdf {
        workload: summary.workload.clone(),
        points: summary.mean_ms.zip(summary.p99_ms).map_or_else(Vec::new, |(m, p)| points(m, p)),
    }
}

fn series(gpu: usize) -> GpuSeries {
    let bin = |i: usize| {
        let busy = 0.75 + 0.2 * noise(gpu * 1000 + i);
        SeriesBin {
            start_s: i as f64 * 0.25,
            end_s: (i + 1) as f64 * 0.25,
            power_w: 60.0 + 200.0 * busy - 10.0 * gpu as f64,
            utilisation: busy,
            sm_utilisation_pct: 80.0 * busy - 3.0 * gpu as f64,
            clock_mhz: 1530.0,
        }
    };
    GpuSeries { gpu, bins: (0..240).map(bin).collect() }
}

/// A comparison of any size: the paper's workloads over and over, one more GPU for each strategy.
pub(crate) fn synthetic(
    workloads: usize,
    gpus: usize,
    strategies: usize,
    hostile: bool,
) -> Comparison {
    let names = ["igniter", "ffd", "gslice", "gpulets", "ffd++", "dedicated"];
    let row_of = |i: usize| &PAPER[i % PAPER.len()];
    let name_of = |i: usize| {
        if hostile {
            format!("<script>alert({i})</script>&\"{}", "x".repeat(35 - i.to_string().len()))
        } else {
            format!("W{}", i + 1)
        }
    };
    let result = |s: usize| {
        let gpu_count = gpus + s.min(2);
        let paper = workloads == 12 && gpus == 6 && s == 0;
        let gpu_of = |i: usize| if paper { row_of(i).4 } else { i % gpu_count };
        let share = |i: usize| {
            let mates = (0..workloads).filter(|other| gpu_of(*other) == gpu_of(i));
            let total: f64 = mates.map(|other| row_of(other).6).sum();
            if paper { row_of(i).6 } else { row_of(i).6 * (90.0 / total).min(1.0) }
        };
        let dropped = |i: usize| s == 1 && i % 7 == 4;
        let slowdown = |i: usize| 1.0 + 0.25 * s as f64 * noise(i * 31 + s);
        let summaries: Vec<WorkloadSummary> = (0..workloads)
            .map(|i| {
                let gpu = (!dropped(i)).then(|| gpu_of(i));
                workload(row_of(i), &name_of(i), slowdown(i), gpu)
            })
            .collect();
        let mut plan: Vec<PlanRow> = (0..workloads)
            .filter(|i| !dropped(*i))
            .map(|i| PlanRow {
                gpu: gpu_of(i),
                kind: GpuKindName::new("v100").unwrap(),
                workload: WorkloadName::new(&name_of(i)).unwrap(),
                model: ModelName::new(row_of(i).1).unwrap(),
                batch: row_of(i).5,
                sm_pct: share(i),
                time_slot: None,
                predicted_latency_ms: Some(row_of(i).7 * (0.95 + 0.1 * noise(i))),
                predicted_throughput_rps: Some(row_of(i).3 * 1.1),
                slo_ms: row_of(i).2,
            })
            .collect();
        plan.sort_by_key(|row| row.gpu);
        let gpu = |gpu: usize| GpuSummary {
            gpu,
            kind: GpuKindName::new("v100").unwrap(),
            placements: 2,
            observed_s: 40.0,
            utilisation: 0.8,
            sm_utilisation_pct: 66.0,
            power_w: 210.0,
            peak_power_w: 260.0,
            energy_j: 8400.0,
            clock_mhz: 1510.0,
            min_clock_mhz: 1450.0,
        };
        StrategyResult {
            strategy: names[s].to_owned(),
            gpu_count,
            cost_per_hour: 3.06 * gpu_count as f64,
            gpu_bound: None,
            predicted_violations: 0,
            plan,
            infeasible: Vec::new(),
            details: Details {
                cdf: summaries.iter().enumerate().map(|(i, w)| cdf(w, i * 7 + s)).collect(),
                series: (0..gpu_count).map(series).collect(),
                ..Details::default()
            },
            workloads: summaries,
            actions: Vec::new(),
            gpus: (0..gpu_count).map(gpu).collect(),
        }
    };
    Comparison {
        scenario: "synthetic".to_owned(),
        seed: 1,
        simulated_s: 60.0,
        window_start_s: 10.0,
        window_end_s: 50.0,
        truth: None,
        display: std::collections::BTreeMap::new(),
        strategies: (0..strategies).map(result).collect(),
        seeds: Vec::new(),
        advice: Vec::new(),
    }
}

/// (name, workloads, GPUs of the first strategy, strategies, hostile names)
pub(super) const SHAPES: [(&str, usize, usize, usize, bool); 6] = [
    ("paper", 12, 6, 2, false),
    ("one", 1, 1, 1, false),
    ("three", 3, 1, 3, false),
    ("many", 40, 12, 6, false),
    ("hostile", 12, 4, 2, true),
    ("six", 12, 6, 6, false),
];

/// The second strategy falls behind without end: latencies hundreds of times the SLO.
pub(super) fn overloaded() -> Comparison {
    let mut comparison = synthetic(12, 6, 2, false);
    let result = &mut comparison.strategies[1];
    for workload in &mut result.workloads {
        for value in [&mut workload.p99_ms, &mut workload.mean_ms, &mut workload.queue_ms] {
            *value = value.map(|ms| 300.0 * ms);
        }
        workload.slo_violation_pct = workload.slo_violation_pct.map(|_| 100.0);
    }
    for cdf in &mut result.details.cdf {
        for (i, point) in cdf.points.iter_mut().enumerate() {
            point.latency_ms *= 1.0 + 1.5 * i as f64;
        }
    }
    comparison
}

/// A controller changes shares and batches of every workload; one is down for a while.
pub(super) fn adapted() -> Comparison {
    let mut comparison = synthetic(12, 6, 2, true);
    for (s, result) in comparison.strategies.iter_mut().enumerate() {
        for (i, workload) in result.workloads.iter().enumerate() {
            let Some(gpu) = workload.gpu else { continue };
            for second in 0..60_u32 {
                let (start_s, at) = (f64::from(second), (i * 60 + second as usize + s) * 3);
                let late = if s == 0 { 0.9 } else { 100.0 / f64::from(second + 1) };
                result.details.adaptation.push(igniter_results::WindowRow {
                    start_s,
                    end_s: start_s + 1.0,
                    gpu,
                    workload: workload.workload.clone(),
                    sm_pct: 20.0 + 40.0 * noise(at),
                    batch: 1 + second / 4,
                    completed: 100,
                    failed: 0,
                    p99_ms: (second % 20 != 3).then(|| late * workload.slo_ms * noise(at)),
                });
            }
            result.actions.push(igniter_results::ActionRow {
                decided_s: 1.0,
                effective_s: 1.0,
                gpu,
                workload: Some(workload.workload.clone()),
                action: "share".into(),
                from: Some(20.0),
                to: Some(25.0),
                reason: "a reason".into(),
            });
        }
    }
    comparison
}
