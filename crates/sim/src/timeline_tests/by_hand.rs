//! Hand-overs whose times are told by hand, or by runs of each plan alone.

use super::{Life, MS, input, life, ns, one, timeline};
use crate::arrivals::ArrivalSpec;
use crate::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer, seen};
use crate::{EngineSpec, SimInput, SimOutcome, full, simulate};
use igniter_model::domain::{Failure, WorkloadId};
use igniter_model::units::{BatchSize, Nanoseconds, SmUnits};

fn latencies(outcome: &SimOutcome<Everything>) -> Vec<(u64, usize, f64)> {
    let all = outcome.gpus.iter().flat_map(|gpu| &gpu.sink.records);
    let mut all: Vec<_> =
        all.map(|r| (r.arrival.get() / MS, r.gpu.index(), (r.done - r.arrival).as_ms())).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn a_hand_over_by_hand() {
    // A request each 10 ms, which takes 4 ms on half of the SMs. The second server is ready at 45 ms.
    let scenario = one(100.0);
    let lives = [life(0, (0, 0, 0), Some(45)), life(1, (20, 45, 45), None)];
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    let expected: Vec<_> = (0..10).map(|i| (10 * i, usize::from(i > 4), 4.0)).collect();
    assert_eq!(latencies(&outcome), expected);
    let [first, second] = [&outcome.gpus[0], &outcome.gpus[1]];
    // The last request of the first server came at 40 ms, so it is idle when it need not take more.
    assert_eq!((first.servers[0].left, second.servers[0].left), (Some(ns(45 * MS)), None));
    assert_eq!(first.rented, [(ns(0), ns(45 * MS))]);
    assert_eq!(second.rented, [(ns(20 * MS), ns(100 * MS))]);
    assert!(outcome.gaps.is_empty());
}

#[test]
fn in_a_gap_requests_wait_for_the_new_server_and_the_old_one_ends_its_queue() {
    // The old server goes at 40.5 ms, while the request of 40 ms executes; the new one on the same GPU is ready at 65 ms.
    let scenario = one(100.0);
    let mut lives = [life(0, (0, 0, 0), Some(40)), life(0, (40, 40, 65), None)];
    lives[0].times.3 = Some(40 * MS + MS / 2);
    lives[1].times = (40 * MS + MS / 2, 0, 24 * MS + MS / 2, None);
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    // At 65 ms those of 50 and 60 ms wait: they are done at 69 and 73 ms, that of 70 ms at 77, of 80 at 84 ms.
    let times: Vec<f64> = latencies(&outcome).iter().map(|(_, _, ms)| *ms).collect();
    assert_eq!(times, [4.0, 4.0, 4.0, 4.0, 4.0, 19.0, 13.0, 7.0, 4.0, 4.0]);
    assert_eq!(outcome.gpus[0].servers[0].left, Some(ns(44 * MS)));
    assert_eq!(outcome.gpus[0].servers[1].arrived, 5);
}

#[test]
fn old_and_new_slow_each_other_and_shares_above_the_whole_are_scaled_down() {
    // Both have 100 % of the SMs, and execute for 2 ms alone. The request of 40 ms starts at the old one; another one comes
    // at 40.5 ms to the new one. Together they have 50 % each.
    let mut scenario = one(100.0);
    scenario.workloads[0].arrival = ArrivalSpec::Times([40 * MS, 40 * MS + MS / 2].map(ns).into());
    let mut lives = [life(0, (0, 0, 0), Some(40)), life(0, (10, 40, 40), None)];
    lives[0].times.3 = Some(40 * MS + MS / 2);
    lives[1].times = (10 * MS, 30 * MS + MS / 2, 30 * MS, None);
    lives.iter_mut().for_each(|life| life.share = 100);
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    // Of the first, 1.5 of 2 ms are left at 40.5 ms: 3 ms, to 43.5. Of the second, half a ms is left then.
    let times: Vec<f64> = latencies(&outcome).iter().map(|(_, _, ms)| *ms).collect();
    assert_eq!(times, [3.5, 3.5]);
    let busiest = outcome.gpus[0].sink.intervals.iter().map(|i| i.busy_sm_pct);
    assert!((busiest.fold(0.0, f64::max) - 100.0).abs() < 1e-9);
    assert_eq!(outcome.gpus[0].servers[0].left, Some(ns(43 * MS + MS / 2)));
}

#[test]
fn more_servers_than_the_fast_engine_has_places_for_are_no_problem() {
    let scenario = one(2000.0);
    // One by one, until there are twelve; of these the first six take their last request at once.
    let until = |i: u64| (i < 6).then_some(70);
    let lives: Vec<Life> = (0..12).map(|i| life(0, (0, 5 * i, 5 * i), until(i))).collect();
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let fast = simulate(&input, |_| Everything::default()).unwrap();
    let clear = full::simulate(&input, |_| Everything::default()).unwrap();
    assert_eq!(seen(&fast.gpus[0]), seen(&clear.gpus[0]));
    assert_eq!(fast.gpus[0].sink.records.len(), 200);
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let scenario = one(900.0);
    let lives = [
        life(0, (0, 0, 0), Some(45)),
        life(1, (20, 45, 50), Some(150)),
        life(0, (30, 70, 65), None),
        life(1, (100, 160, 160), None),
    ];
    let timeline = timeline(&scenario, &lives);
    let input = input(&scenario, &timeline, EngineSpec::default(), 1);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| simulate(&input, |_| Everything::default())).unwrap()
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn requests_that_nobody_takes_are_reported() {
    let scenario = one(100.0);
    let lives = [life(0, (0, 15, 15), Some(45)), life(1, (60, 72, 72), Some(90))];
    let timeline = timeline(&scenario, &lives);
    let mut input = input(&scenario, &timeline, EngineSpec::default(), 1);
    input.duration = ns(100 * MS);
    let outcome = simulate(&input, |_| Everything::default()).unwrap();
    let failed = |gpu: usize| -> Vec<u64> {
        let failed = outcome.gpus[gpu].sink.failed.iter();
        assert!(failed.clone().all(|f| f.failure == Failure::Lost && f.at == f.arrival));
        failed.map(|failed| failed.arrival.get() / MS).collect()
    };
    // Before the first server, the first one reports; afterwards, the one before.
    assert_eq!(failed(0), [0, 10, 50, 60, 70]);
    assert_eq!(failed(1), [90]);
    let gaps: Vec<_> = outcome.gaps.iter().map(|gap| (gap.from.get() / MS, gap.requests)).collect();
    assert_eq!(gaps, [(0, 2), (45, 3), (90, 1)]);
    assert_eq!(latencies(&outcome).len(), 4);
}

/// Without load times, plans that follow each other are as good as each on its own, where no queue is carried over.
#[test]
fn plans_without_hand_over_are_those_of_each_epoch_by_itself() {
    let model = FakeModel { load: 0.2, fixed: 1.0, per_request: 0.4, feedback: 0.1 };
    let predictor = || {
        let mut predictor = FakePredictor::new(vec![model; 3], 0.2);
        predictor.by_share = true;
        predictor
    };
    // Requests in the first 150 ms of each of three epochs of 200 ms.
    let times: Vec<Vec<Nanoseconds>> = (0..3_u64)
        .map(|w| {
            let epoch =
                |e: u64| (0..60).map(move |i| ns(e * 200 * MS + i * (2 + (e + w) % 3) * MS / 2));
            (0..3).flat_map(epoch).collect()
        })
        .collect();
    let servers = times
        .iter()
        .map(|times| FakeServer::new(0, 4, 100.0, ArrivalSpec::Times(times.as_slice().into())));
    let scenario = FakeScenario::new(predictor(), &[servers.collect(), vec![]]);
    // Who is where in each epoch, with share and batch.
    let places = [
        [(0, 30, 4), (0, 30, 4), (1, 50, 2)],
        [(1, 40, 4), (0, 30, 8), (1, 50, 3)],
        [(0, 60, 1), (0, 30, 2), (1, 50, 4)],
    ];
    let mut lives: Vec<Life> = Vec::new();
    let mut present: [Option<usize>; 3] = [None; 3];
    for (epoch, places) in places.iter().enumerate() {
        let start = epoch as u64 * 200 * MS;
        for (workload, &(gpu, share, batch)) in places.iter().enumerate() {
            let stays =
                present[workload].filter(|&at| (lives[at].gpu, lives[at].share) == (gpu, share));
            if let Some(at) = stays {
                let since: u64 = lives[at].settings.iter().map(|(after, ..)| after).sum();
                let after = start - lives[at].times.0 - since;
                lives[at].settings.push((after, batch, 1.0));
                continue;
            }
            if let Some(at) = present[workload] {
                lives[at].times.3 = Some(start - lives[at].times.0);
            }
            present[workload] = Some(lives.len());
            let settings = vec![(0, batch, 1.0)];
            lives.push(Life { workload, gpu, share, times: (start, 0, 0, None), settings });
        }
    }
    let timeline = timeline(&scenario, &lives);
    let whole =
        SimInput { timeline: Some(&timeline), ..scenario.input(EngineSpec::default(), 0.6, 1) };
    let whole = simulate(&whole, |_| Everything::default()).unwrap();
    let key = |records: &mut Vec<(WorkloadId, u64, u64, u32)>| records.sort_unstable();
    let mut followed: Vec<_> = whole
        .gpus
        .iter()
        .flat_map(|gpu| &gpu.sink.records)
        .map(|r| (r.workload, r.arrival.get(), r.latency().get(), r.batch_size))
        .collect();
    key(&mut followed);
    let mut apart = Vec::new();
    for (epoch, places) in places.iter().enumerate() {
        let start = epoch as u64 * 200 * MS;
        let mut scenario = FakeScenario {
            plan: scenario.plan.clone(),
            workloads: scenario.workloads.clone(),
            predictor: predictor(),
        };
        let placements = std::mem::take(&mut scenario.plan.gpus[0].placements);
        for ((mut placement, entry), &(gpu, share, batch)) in
            placements.into_iter().zip(&mut scenario.workloads).zip(places)
        {
            placement.sm = SmUnits::new(share);
            placement.batch = BatchSize::new(batch).unwrap();
            scenario.plan.gpus[gpu].placements.push(placement);
            if let ArrivalSpec::Times(times) = &entry.arrival {
                let inside =
                    times.iter().filter(|t| start <= t.get() && t.get() < start + 200 * MS);
                entry.arrival = ArrivalSpec::Times(inside.map(|t| ns(t.get() - start)).collect());
            }
        }
        let outcome =
            simulate(&scenario.input(EngineSpec::default(), 0.2, 1), |_| Everything::default())
                .unwrap();
        apart.extend(
            outcome
                .gpus
                .iter()
                .flat_map(|gpu| &gpu.sink.records)
                .map(|r| (r.workload, r.arrival.get() + start, r.latency().get(), r.batch_size)),
        );
    }
    key(&mut apart);
    assert_eq!(followed.len(), 540);
    // Floats of ends are rounded at other moments: a nanosecond, at the most.
    for (followed, apart) in followed.iter().zip(&apart) {
        assert_eq!((followed.0, followed.1, followed.3), (apart.0, apart.1, apart.3));
        assert!(followed.2.abs_diff(apart.2) <= 1, "{followed:?} {apart:?}");
    }
}
