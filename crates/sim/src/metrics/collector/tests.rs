//! Hand-made records with hand arithmetic.

use super::*;
use igniter_model::domain::{CoLocation, GpuKindName, ModelName, Placement, WorkloadName};
use igniter_model::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn cdf_points(latencies: Vec<u64>) -> Vec<CdfPoint> {
    let mut all = Latencies::new(Percentiles::Exact);
    all.extend(latencies.into_iter());
    distribution(&all, 500).1
}

fn workload(name: &str, slo_ms: f64) -> Workload {
    Workload {
        name: WorkloadName::new(name).unwrap(),
        model: ModelName::new("alexnet").unwrap(),
        slo: Milliseconds::new(slo_ms).unwrap(),
        rate: RequestsPerSecond::new(4.0).unwrap(),
    }
}

fn plan(gpus: &[&[&str]]) -> Plan {
    let placement = |name: &&str| Placement {
        workload: WorkloadName::new(name).unwrap(),
        model: ModelName::new("alexnet").unwrap(),
        batch: BatchSize::new(2).unwrap(),
        sm: SmUnits::new(10),
        served: None,
        time_slot: None,
        predicted: None,
    };
    let colocation = |names: &&[&str]| CoLocation {
        kind: GpuKindName::new("v100").unwrap(),
        placements: names.iter().map(placement).collect(),
    };
    Plan {
        strategy: "by hand".into(),
        gpus: gpus.iter().map(colocation).collect(),
        infeasible: Vec::new(),
        bound: None,
    }
}

/// A record whose stages take 1 ms (wait for the batch), 2 (load), 3 (wait for the GPU), `exec`, 1.
fn record(workload: usize, gpu: usize, arrival_ms: u64, exec_ms: u64, size: u32) -> RequestRecord {
    let at = |ms: u64| Nanoseconds::new((arrival_ms + ms) * MS);
    RequestRecord {
        workload: WorkloadId::new(workload),
        gpu: GpuId::new(gpu),
        batch: 0,
        batch_size: size,
        arrival: at(0),
        load_start: at(1),
        load_end: at(3),
        exec_start: at(6),
        exec_end: at(6 + exec_ms),
        done: at(7 + exec_ms),
    }
}

/// [1 s, 9 s) of a run of 10 s.
fn window() -> Window {
    let s = |s: u64| Nanoseconds::new(s * 1000 * MS);
    Window::new(s(10), s(1), s(1)).unwrap()
}

#[track_caller]
fn close(actual: impl Into<Option<f64>>, expected: f64) {
    let actual: Option<f64> = actual.into();
    let actual = actual.expect("defined");
    assert!((actual - expected).abs() < 1e-9, "{actual} is not {expected}");
}

#[test]
fn stages_percentiles_and_violations_by_hand() {
    let workloads = [workload("W1", 20.0)];
    let mut gpu = GpuCollector::new(GpuId::new(0), &workloads, window());
    // Latencies 17, 17, 20 and 27 ms: only 27 > 20. One batch of two, two batches of one.
    gpu.request(&record(0, 0, 2000, 10, 2));
    gpu.request(&record(0, 0, 2000, 10, 2));
    gpu.request(&record(0, 0, 3000, 13, 1));
    gpu.request(&record(0, 0, 4000, 20, 1));
    let metrics = summarise(&plan(&[&["W1"]]), &workloads, window(), vec![gpu]);
    let w1 = &metrics.workloads[0];
    assert_eq!((w1.requests, w1.completed, w1.gpu, w1.served), (4, 4, Some(0), true));
    close(w1.mean_ms, (17.0 + 17.0 + 20.0 + 27.0) / 4.0);
    close(w1.p50_ms, 17.0);
    close(w1.p90_ms, 27.0);
    close(w1.max_ms, 27.0);
    close(w1.slo_violation_pct, 25.0);
    close(w1.queue_ms, 1.0 + 3.0);
    close(w1.load_ms, 2.0);
    close(w1.exec_ms, (10.0 + 10.0 + 13.0 + 20.0) / 4.0);
    close(w1.feedback_ms, 1.0);
    // 4 requests in 3 batches
    close(w1.mean_batch, 4.0 / 3.0);
    // 4 done in 8 s
    close(w1.throughput_rps, 0.5);
    assert_eq!(w1.verdict, Verdict::Missed);
}

#[test]
fn requests_count_by_arrival_and_throughput_by_completion() {
    let workloads = [workload("W1", 20.0)];
    let mut gpu = GpuCollector::new(GpuId::new(0), &workloads, window());
    gpu.request(&record(0, 0, 995, 3, 1)); // arrives before the window, done at 1.005 s: inside
    gpu.request(&record(0, 0, 1000, 3, 1)); // at the very start: inside
    gpu.request(&record(0, 0, 8995, 3, 1)); // arrives inside, done at 9.005 s: outside
    gpu.request(&record(0, 0, 9000, 3, 1)); // at the very end: outside
    let metrics = summarise(&plan(&[&["W1"]]), &workloads, window(), vec![gpu]);
    let w1 = &metrics.workloads[0];
    assert_eq!((w1.requests, w1.completed), (2, 2));
    close(w1.throughput_rps, 2.0 / 8.0);
    assert_eq!(w1.verdict, Verdict::Met);
}

#[test]
fn gpus_merge_in_gpu_order_whatever_the_order_of_the_collectors() {
    let workloads = [workload("W1", 20.0), workload("W2", 20.0)];
    let fill = |gpu: usize, exec: u64| {
        let mut collector = GpuCollector::new(GpuId::new(gpu), &workloads, window());
        collector.request(&record(0, gpu, 2000, exec, 1));
        collector.gpu_interval(&GpuInterval {
            gpu: GpuId::new(gpu),
            start: Nanoseconds::ZERO,
            end: Nanoseconds::new(10_000 * MS),
            running: 1,
            busy_sm_pct: 10.0,
            power_w: 100.0 + exec as f64,
            clock_mhz: 1530.0,
        });
        collector
    };
    let plan = plan(&[&["W1", "W2"], &["W1"]]);
    let forward = summarise(&plan, &workloads, window(), vec![fill(0, 5), fill(1, 9)]);
    let backward = summarise(&plan, &workloads, window(), vec![fill(1, 9), fill(0, 5)]);
    assert_eq!(forward, backward);
    // W1 is split: latencies 12 ms on GPU 0 and 16 ms on GPU 1.
    close(forward.workloads[0].mean_ms, 14.0);
    assert_eq!(forward.workloads[0].gpu, Some(0));
    close(forward.gpus[1].power_w, 109.0);
    assert_eq!(forward.gpus[0].placements, 2);
    assert_eq!(forward.series[1].bins.len(), 240);
}

/// Latencies of W1 to W3 on each of two GPUs, which serve W1 and W2, and W2 alone: W3 has no place.
fn summed(latencies: [&[u64]; 3], percentiles: Percentiles, plan: Option<&Plan>) -> RunMetrics {
    let workloads = ["W1", "W2", "W3"].map(|name| workload(name, 20.0));
    let all = Collectors::new(&workloads, window(), percentiles);
    let all = match plan {
        Some(plan) => all.of_plan(plan, &workloads),
        None => all,
    };
    let of = |gpu, served: &[(usize, &[u64])]| {
        let mut sink = all.of(GpuId::new(gpu));
        for &(workload, latencies) in served {
            for &latency in latencies {
                sink.request(&record(workload, gpu, 2_000, latency, 1));
            }
        }
        sink.end();
        sink
    };
    let [alone, first, second] = latencies;
    let gpus = vec![of(0, &[(0, alone), (1, first)]), of(1, &[(1, second)])];
    summarise(&self::plan(&[&["W1", "W2"], &["W2"]]), &workloads, window(), gpus)
}

proptest! {
    /// Up to more latencies than points of a distribution, and than a histogram begins with.
    #[test]
    fn summaries_are_the_same_whether_single_latencies_are_kept_to_the_end_or_not(
        values in prop::collection::vec(0_u64..3_000, 0..12_000), cut in 0..12_000_usize, exact in any::<bool>(),
    ) {
        let percentiles = if exact { Percentiles::Exact } else { Percentiles::Histogram };
        let (one, two) = values.split_at(cut.min(values.len()));
        let plan = plan(&[&["W1", "W2"], &["W2"]]);
        let parts = [&values[..], one, two];
        prop_assert_eq!(summed(parts, percentiles, Some(&plan)), summed(parts, percentiles, None));
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not look, for each request")]
#[should_panic(expected = "nothing is reported after the end")]
fn a_collector_that_ended_takes_no_more_requests() {
    let workloads = [workload("W1", 20.0)];
    let all = Collectors::new(&workloads, window(), Percentiles::Exact);
    let mut sink = all.of_plan(&plan(&[&["W1"]]), &workloads).of(GpuId::new(0));
    sink.request(&record(0, 0, 2_000, 5, 1));
    sink.end();
    sink.request(&record(0, 0, 2_100, 5, 1));
}

#[test]
fn a_workload_without_completed_requests_has_no_percentiles() {
    let workloads = [workload("W1", 20.0), workload("W2", 20.0), workload("W3", 20.0)];
    let mut gpu = GpuCollector::new(GpuId::new(0), &workloads, window());
    let at = |ms: u64| Nanoseconds::new(ms * MS);
    gpu.unfinished(WorkloadId::new(1), at(8990), at(9100)); // 110 ms old: a violation
    gpu.unfinished(WorkloadId::new(1), at(8995), at(9000)); // 5 ms old: not yet
    gpu.unfinished(WorkloadId::new(1), at(9500), at(9900)); // outside the window
    let metrics = summarise(&plan(&[&["W1", "W2"]]), &workloads, window(), vec![gpu]);
    let [w1, w2, w3] = &metrics.workloads[..] else { panic!("three workloads") };
    assert_eq!((w1.requests, w1.verdict, w1.p99_ms), (0, Verdict::NoRequests, None));
    assert_eq!((w2.requests, w2.completed, w2.mean_ms), (2, 0, None));
    close(w2.slo_violation_pct, 50.0);
    assert_eq!(w2.verdict, Verdict::Missed);
    assert_eq!((w3.served, w3.gpu, w3.requests), (false, None, 0));
    assert_eq!(w3.verdict, Verdict::NotServed);
    assert!(metrics.cdf.iter().all(|cdf| cdf.points.is_empty()));
}

#[test]
fn gpu_accounting_is_clipped_to_the_window() {
    let workloads = [workload("W1", 20.0)];
    let mut gpu = GpuCollector::new(GpuId::new(0), &workloads, window());
    let mut state = |from_s: u64, to_s: u64, running: u32, sm: f64, power_w: f64, clock: f64| {
        gpu.gpu_interval(&GpuInterval {
            gpu: GpuId::new(0),
            start: Nanoseconds::new(from_s * 1000 * MS),
            end: Nanoseconds::new(to_s * 1000 * MS),
            running,
            busy_sm_pct: sm,
            power_w,
            clock_mhz: clock,
        });
    };
    // In [1, 9): 2 s idle at 50 W, 4 s with one batch at 200 W, 2 s with two at 300 W and a lower clock.
    state(0, 3, 0, 0.0, 50.0, 1530.0);
    state(3, 7, 1, 30.0, 200.0, 1530.0);
    state(7, 10, 2, 80.0, 300.0, 1400.0);
    let metrics = summarise(&plan(&[&["W1"]]), &workloads, window(), vec![gpu]);
    let gpu = &metrics.gpus[0];
    close(gpu.observed_s, 8.0);
    close(gpu.utilisation, 6.0 / 8.0);
    close(gpu.sm_utilisation_pct, (4.0 * 30.0 + 2.0 * 80.0) / 8.0);
    close(gpu.energy_j, 2.0 * 50.0 + 4.0 * 200.0 + 2.0 * 300.0);
    close(gpu.power_w, 1500.0 / 8.0);
    close(gpu.peak_power_w, 300.0);
    close(gpu.clock_mhz, (6.0 * 1530.0 + 2.0 * 1400.0) / 8.0);
    close(gpu.min_clock_mhz, 1400.0);
}

#[test]
fn one_percent_of_violations_is_still_p99_within_the_slo() {
    let workloads = [workload("W1", 20.0)];
    let run = |slow: usize| {
        let mut gpu = GpuCollector::new(GpuId::new(0), &workloads, window());
        for i in 0..200 {
            gpu.request(&record(0, 0, 2000, if i < slow { 30 } else { 5 }, 1));
        }
        summarise(&plan(&[&["W1"]]), &workloads, window(), vec![gpu]).workloads.remove(0)
    };
    // 2 of 200 = 1 %: rank ⌈0.99 × 200⌉ = 198 is still fast. 3 of 200: it is not.
    assert_eq!(run(2).verdict, Verdict::Met);
    close(run(2).p99_ms, 12.0);
    assert_eq!(run(3).verdict, Verdict::Missed);
    close(run(3).p99_ms, 37.0);
}

#[test]
fn a_distribution_is_thinned_to_evenly_spaced_quantiles_with_both_ends() {
    let few: Vec<u64> = vec![MS, 2 * MS, 4 * MS];
    let points = cdf_points(few);
    let fractions: Vec<f64> = points.iter().map(|point| point.fraction).collect();
    assert_eq!(points.len(), 3);
    close(fractions[0], 1.0 / 3.0);
    close(fractions[2], 1.0);

    let many: Vec<u64> = (1..=10_000).map(|i| i * MS).collect();
    let points = cdf_points(many);
    assert_eq!(points.len(), 500);
    close(points[0].latency_ms, 1.0);
    close(points[499].latency_ms, 10_000.0);
    close(points[499].fraction, 1.0);
    assert!(points.windows(2).all(|pair| pair[0].fraction < pair[1].fraction));
    assert_eq!(cdf_points(vec![5]).len(), 1);
}

proptest! {
    /// A batch counts as its requests do, and intervals in one bin as those that are split.
    #[test]
    fn batches_are_the_sum_of_their_requests(
        batches in prop::collection::vec(
            (0..2_usize, 0..100_u64, prop::collection::vec(0..30_u64, 1..6), 0..5_u64), 1..40,
        ),
        cuts in prop::collection::vec(1..4_000_000_000_u64, 1..60),
    ) {
        let workloads = [workload("W1", 20.0), workload("W2", 5.0)];
        let ns = |ms: u64| Nanoseconds::new(ms * MS);
        let window = Window::new(ns(120), ns(20), ns(30)).unwrap();
        let [mut whole, mut single] =
            [0, 0].map(|_| GpuCollector::new(GpuId::new(0), &workloads, window));
        for (number, (workload, start, mut waited, exec)) in (0..).zip(batches) {
            waited.sort_unstable_by(|a, b| b.cmp(a));
            let arrivals: Vec<_> = waited.iter().map(|w| ns(start.saturating_sub(*w))).collect();
            let [load_end, exec_start] = [start + exec, start + 2 * exec].map(ns);
            let record = BatchRecord {
                workload: WorkloadId::new(workload),
                gpu: GpuId::new(0),
                batch: number,
                load_start: ns(start),
                load_end,
                exec_start,
                exec_end: ns(start + 2 * exec + 3),
                done: ns(start + 2 * exec + 4),
            };
            whole.batch(&record, &arrivals);
            for arrival in &arrivals {
                let size = u32::try_from(arrivals.len()).unwrap();
                single.request(&record.request(*arrival, size));
            }
        }
        // The same sums, whether or not the bin of the interval before is known: they are of whole numbers.
        let mut start = 0;
        for cut in cuts {
            let end = start + cut;
            let interval = GpuInterval {
                gpu: GpuId::new(0),
                start: Nanoseconds::new(start),
                end: Nanoseconds::new(end),
                running: u32::from(cut % 3 > 0),
                busy_sm_pct: (cut % 100) as f64,
                power_w: (cut % 300) as f64,
                clock_mhz: 1.0,
            };
            whole.gpu_interval(&interval);
            // Each alone, so that none lies in a known bin.
            single.inside = (Nanoseconds::ZERO, Nanoseconds::ZERO);
            single.gpu_interval(&interval);
            start = end;
        }
        let plan = plan(&[&["W1", "W2"]]);
        let [whole, single] = [whole, single].map(|c| summarise(&plan, &workloads, window, vec![c]));
        prop_assert_eq!(whole, single);
    }
}
