//! Plans that follow each other, simulated for a study.

use crate::common::fake::fixed;
use igniter::domain::{GpuId, Plan, TimelineGpu, WorkloadId};
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::units::Nanoseconds;
use std::path::Path;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Nanoseconds {
    Nanoseconds::new(seconds * SECOND)
}

/// The twelve workloads of the paper with Poisson arrivals, for 30 s.
fn study() -> (Study, Plan) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scenario = Scenario::load(&root.join("scenarios/paper-12-poisson.toml")).unwrap();
    scenario.duration = at(30);
    let study = Study::new(scenario, &Overrides::default()).unwrap();
    let plan = study.plan(strategy("igniter").unwrap().as_ref());
    (study, plan)
}

#[test]
fn one_plan_for_the_whole_run_gives_the_numbers_of_that_plan() {
    let (study, plan) = study();
    let timeline = fixed(&plan);
    study.check_follow(&timeline).unwrap();
    let followed = study.follow(&plan.strategy, &timeline, at(7)).unwrap();
    let mut expected = study.simulate(&plan).unwrap();
    expected.gpu_bound = None;
    expected.predicted_violations = 0;
    let result = &followed.result;
    assert!((result.cost_per_hour - expected.cost_per_hour).abs() < 1e-9);
    expected.cost_per_hour = result.cost_per_hour;
    assert_eq!(*result, expected);
    assert!(followed.hand_overs.is_empty() && followed.gaps.is_empty());
    // Five windows of each workload, the last of 2 s; they hold all requests, which are some more than those of the
    // measured part of the run.
    assert_eq!(followed.windows.len(), 12 * 5);
    assert_eq!(followed.windows[4].end, at(30));
    for (index, workload) in result.workloads.iter().enumerate() {
        let own = followed.windows.iter().filter(|w| w.workload == WorkloadId::new(index));
        let (requests, late) = own.fold((0, 0), |sum, w| (sum.0 + w.requests, sum.1 + w.late));
        assert!(requests >= workload.requests && late <= requests);
        assert!((requests as f64 / 30.0 / workload.rate_rps - 1.0).abs() < 0.1);
    }
}

#[test]
fn a_server_that_moves_is_a_hand_over_and_its_old_gpu_costs_no_more() {
    let (study, plan) = study();
    let mut timeline = fixed(&plan);
    // All servers of the first GPU go to a new one. It is ordered at 8 s; they are ready at 12 s.
    let old = timeline.gpus[0].clone();
    let new = GpuId::new(timeline.gpus.len());
    timeline.gpus[0].rented[0].1 = Some(at(12));
    timeline.gpus.push(TimelineGpu { rented: vec![(at(8), None)], ..old });
    let moved: Vec<usize> =
        (0..timeline.servers.len()).filter(|i| timeline.servers[*i].gpu == GpuId::new(0)).collect();
    for &i in &moved {
        let mut server = timeline.servers[i].clone();
        timeline.servers[i].takes_until = Some(at(12));
        (server.gpu, server.ordered) = (new, at(8));
        (server.ready, server.takes_from, server.settings[0].from) = (at(12), at(12), at(12));
        timeline.servers.push(server);
    }
    let followed = study.follow("igniter", &timeline, at(10)).unwrap();
    let fixed = study.simulate(&plan).unwrap();
    assert_eq!(followed.hand_overs.len(), moved.len());
    for over in &followed.hand_overs {
        assert!(over.from == at(8) && at(12) <= over.until && over.until < at(13), "{over:?}");
    }
    // Two are rented from 8 to 12 s: at that time one more than before. In the mean that is 4 of 30 s.
    let (count, kinds) = (plan.gpus.len(), fixed.cost_per_hour / plan.gpus.len() as f64);
    assert_eq!(followed.result.gpu_count, count + 1);
    let extra = followed.result.cost_per_hour - fixed.cost_per_hour;
    assert!((extra / (kinds * 4.0 / 30.0) - 1.0).abs() < 0.01, "{extra}");
    assert_eq!(followed.rented[new.index()], [(at(8), followed.rented[new.index()][0].1)]);
    assert!(followed.rented[0][0].1 >= at(12));
    // Who does not move gets the same as ever; who does gets as good as ever, since the old server works until the new one does.
    for (followed, fixed) in followed.result.workloads.iter().zip(&fixed.workloads) {
        assert_eq!(followed.requests, fixed.requests);
        let moves = moved.iter().any(|i| timeline.servers[*i].placement.workload == fixed.workload);
        if moves {
            let (p99, before) = (followed.p99_ms.unwrap(), fixed.p99_ms.unwrap());
            assert!((p99 / before - 1.0).abs() < 0.05, "{}: {before} {p99}", fixed.workload);
        } else {
            assert_eq!((followed.p99_ms, followed.mean_ms), (fixed.p99_ms, fixed.mean_ms));
        }
    }
    // The two GPUs are observed for as long as they are rented, from the end of the warm-up at 10 s: both until 12 s.
    let observed: Vec<f64> = followed.result.gpus.iter().map(|gpu| gpu.observed_s).collect();
    let together = observed[0] + observed[new.index()];
    assert!(together > observed[1] + 2.0 && together < observed[1] + 3.0, "{observed:?}");
}

#[test]
fn a_timeline_that_cannot_be_followed_is_refused_by_name() {
    let (study, plan) = study();
    let mut timeline = fixed(&plan);
    timeline.servers[3].settings.clear();
    let said = study.check_follow(&timeline).unwrap_err().to_string();
    assert!(said.starts_with("server 3 of the timeline (W"), "{said}");
    assert_eq!(study.follow("igniter", &timeline, at(1)).unwrap_err().to_string(), said);
}
