//! The paper's twelve workloads over days: what the policies save, and what they disturb.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]

use super::*;
use crate::queueing::QueueingRules;
use crate::{PlanOptions, PlanRequest, PoissonTraffic, Replicas, RunLength, strategy};
use igniter_model::domain::{ModelName, Workload, WorkloadName};
use igniter_model::predictor::Predictor;
use igniter_model::units::{Milliseconds, Nanoseconds, RequestsPerSecond};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const DAY_S: f64 = 86_400.0;
const WINDOW_S: f64 = 300.0;
const HOUR_S: f64 = 3600.0;

fn paper_12() -> Vec<Workload> {
    let rows = [
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
    let workload = |(i, (model, slo, rate)): (usize, &(&str, f64, f64))| Workload {
        name: WorkloadName::new(&format!("W{}", i + 1)).unwrap(),
        model: ModelName::new(model).unwrap(),
        slo: Milliseconds::new(*slo).unwrap(),
        rate: RequestsPerSecond::new(*rate).unwrap(),
    };
    rows.iter().enumerate().map(workload).collect()
}

/// When the busiest hour of a workload is, in hours after that of the first.
#[derive(Debug, Clone, Copy)]
enum Phases {
    Same,
    PerApp,
    AllDiffer,
}

/// A day whose highest rate is the workloads' own, with noise (5 %, 0.8 of it left after 5 minutes) or without.
fn day(
    workloads: &[Workload],
    ratio: f64,
    phases: Phases,
    (window_s, noise): (f64, f64),
) -> ArrivalCounts {
    let windows = (DAY_S / window_s) as usize;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let arrivals = workloads.iter().enumerate().map(|(index, workload)| {
        let shift = match phases {
            Phases::Same => 0.0,
            Phases::PerApp => 8.0 * (index / 4) as f64,
            Phases::AllDiffer => 2.0 * index as f64,
        };
        let mut state = normal() * noise;
        let mut count = |window: usize| {
            let hour = window as f64 * window_s / HOUR_S;
            let turn = (hour - 12.0 - shift) / 24.0 * std::f64::consts::TAU;
            let low = 1.0 / ratio;
            let level = f64::midpoint(1.0, low) + (1.0 - low) / 2.0 * libm::cos(turn);
            state = 0.8 * state + 0.6 * noise * normal();
            let rate = workload.rate.get() * level * libm::exp(state);
            (rate * window_s).round() as u64
        };
        (0..windows).map(&mut count).collect()
    });
    ArrivalCounts { window_s, duration_s: DAY_S, arrivals: arrivals.collect() }
}

fn hourly(policy: Policy, kind: ForecastKind) -> ReplanSpec {
    let default = ReplanSpec::default();
    ReplanSpec {
        policy,
        period_s: 3600.0,
        early: false,
        forecast: ForecastSpec { kind, headroom_pct: 0.0, window_s: WINDOW_S, ..default.forecast },
        ..default
    }
}

/// Runs a policy over a day with rules for the V100.
fn run(
    rules: &mut dyn Rules,
    predictor: &dyn Predictor,
    workloads: &[Workload],
    counts: &ArrivalCounts,
    spec: &ReplanSpec,
) -> (Replanned, Account) {
    let loads_s = vec![spec.handover.load_s; workloads.len()];
    let predictors = [predictor];
    let input = ReplanInput {
        spec,
        workloads,
        predictors: &predictors,
        loads_s: &loads_s,
        counts,
        seed: 1,
    };
    let replanned = replan(&input, rules).unwrap();
    check(&replanned, counts.duration_s);
    let sums = account(&replanned, counts.duration_s, 1.0, &[predictor.kind()]);
    (replanned, sums)
}

/// What must be so in every timeline.
fn check(replanned: &Replanned, duration_s: f64) {
    let timeline = &replanned.timeline;
    let end = Nanoseconds::from_seconds(duration_s).unwrap();
    for server in &timeline.servers {
        assert!(server.ordered <= server.ready && server.ordered <= server.takes_from);
        assert!(server.takes_until.is_none_or(|until| until >= server.takes_from), "{server:?}");
        assert!(server.settings[0].from <= server.takes_from);
        assert!(server.settings.windows(2).all(|pair| pair[0].from <= pair[1].from));
        let until = server.takes_until.unwrap_or(end);
        let rented = &timeline.gpus[server.gpu.index()].rented;
        assert!(
            rented
                .iter()
                .any(|(from, to)| { *from <= server.ordered && to.is_none_or(|to| to >= until) }),
            "{server:?} in {rented:?}"
        );
    }
    // Each workload always has a server.
    for epoch in &replanned.epochs {
        let parts = epoch.machines.iter().flat_map(|machine| &machine.servers);
        let mut sums = vec![0.0; epoch.rates.len()];
        parts.for_each(|server| sums[server.workload] += server.part);
        assert!(sums.iter().all(|sum| (sum - 1.0_f64).abs() < 1e-9), "{sums:?}");
        assert!(epoch.bound.is_none_or(|bound| epoch.machines.len() >= bound));
        for machine in &epoch.machines {
            assert!(machine.servers.iter().all(|server| server.units > 0 && server.batch > 0));
        }
    }
}

fn poisson_rules<'p>(
    workloads: &'p [Workload],
    predictor: &'p dyn Predictor,
    traffic: &'p PoissonTraffic,
) -> QueueingRules<'p> {
    let options = PlanOptions::default();
    let request = PlanRequest::with_options(workloads, predictor, options).unwrap();
    QueueingRules::new(&[request.with_traffic(traffic)])
}

fn an_hour() -> PoissonTraffic {
    PoissonTraffic { run: RunLength { duration_ms: 3.6e6, warmup_ms: 0.0, cooldown_ms: 0.0 } }
}

fn is_full() -> bool {
    std::env::var_os("IGNITER_FULL_TESTS").is_some()
}

/// Hourly epochs with a perfect forecast: the saving of plans from scratch for a third of the moves.
#[test]
fn sticky_saves_as_much_as_plans_from_scratch_with_few_moves() {
    let (workloads, predictor, traffic) = (paper_12(), crate::tests::v100(), an_hour());
    let mut days = vec![(2.0, Phases::PerApp), (5.0, Phases::AllDiffer)];
    if is_full() {
        let phases = [Phases::Same, Phases::PerApp, Phases::AllDiffer];
        days = [2.0, 3.0, 5.0].iter().flat_map(|r| phases.map(|p| (*r, p))).collect();
    }
    let mut rules = poisson_rules(&workloads, &predictor, &traffic);
    let (mut matched_saves, mut sticky_saves) = (0.0, 0.0);
    let (mut matched_moves, mut moves, mut starts, mut epochs) = (0, 0, 0, 0);
    for (ratio, phases) in &days {
        let counts = day(&workloads, *ratio, *phases, (WINDOW_S, 0.05));
        let mut of = |policy| {
            let spec = hourly(policy, ForecastKind::Oracle);
            run(&mut rules, &predictor, &workloads, &counts, &spec)
        };
        let (_, static_) = of(Policy::Static);
        let (_, scratch) = of(Policy::Scratch);
        let (_, matched) = of(Policy::Matched);
        let (replanned, sticky) = of(Policy::Sticky);
        let saved = |account: &Account| 100.0 * (1.0 - account.gpu_hours / static_.gpu_hours);
        for (name, a) in [("scratch", &scratch), ("matched", &matched), ("sticky", &sticky)] {
            let per = |n: usize| n as f64 / a.epochs as f64;
            println!(
                "{ratio} {phases:?} {name}: static {}, saved {:.1} %, moves {:.2}, restarts {:.2}, without room {:.0} %, peak {}, bound {:.1} %",
                static_.peak_gpus,
                saved(a),
                per(a.moves),
                per(a.restarts),
                100.0 * per(a.without_room),
                a.peak_gpus,
                100.0 * (1.0 - a.bound_gpu_hours.unwrap() / static_.gpu_hours)
            );
        }
        assert!(saved(&sticky) >= saved(&matched) - 2.0);
        for epoch in &replanned.epochs {
            assert!(epoch.machines.len() <= static_.peak_gpus, "{} s", epoch.at_s);
        }
        matched_saves += saved(&matched);
        sticky_saves += saved(&sticky);
        matched_moves += matched.moves;
        moves += sticky.moves;
        starts += sticky.moves + sticky.restarts;
        epochs += sticky.epochs;
    }
    let per = |n: usize| n as f64 / epochs as f64;
    assert!(sticky_saves >= 0.95 * matched_saves, "{sticky_saves} of {matched_saves}");
    assert!(per(moves) <= 3.5 && per(starts) <= 9.5, "{} {}", per(moves), per(starts));
    assert!(per(matched_moves) >= 7.0, "{}", per(matched_moves));
}

/// Evenly spaced requests, planned by `optimal --replicas`.
#[test]
fn even_arrivals_need_few_moves() {
    let (workloads, predictor) = (paper_12(), crate::tests::v100());
    let options = PlanOptions { replicas: Replicas::Allowed, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    let optimal = strategy("optimal").unwrap();
    let ratios: &[(f64, f64)] =
        if is_full() { &[(2.0, 15.0), (3.0, 20.0), (5.0, 25.8)] } else { &[(5.0, 25.8)] };
    for (ratio, expected) in ratios {
        let counts = day(&workloads, *ratio, Phases::Same, (HOUR_S, 0.0));
        let of = |policy| {
            let mut rules = StrategyRules::new(&*optimal, &[request]);
            let spec = hourly(policy, ForecastKind::Oracle);
            run(&mut rules, &predictor, &workloads, &counts, &spec).1
        };
        let (static_, matched, sticky) =
            (of(Policy::Static), of(Policy::Matched), of(Policy::Sticky));
        let saved = |account: &Account| 100.0 * (1.0 - account.gpu_hours / static_.gpu_hours);
        let per = |n: usize| n as f64 / sticky.epochs as f64;
        println!(
            "{ratio}: matched saves {:.1} % with {:.2} moves, sticky {:.1} % with {:.2} and {:.2} restarts (expected {expected} %)",
            saved(&matched),
            per(matched.moves),
            saved(&sticky),
            per(sticky.moves),
            per(sticky.restarts)
        );
        // Hand-overs take a little of it.
        assert!(saved(&sticky) >= expected - 1.0);
        assert!(per(sticky.moves) <= 3.0);
        assert!(matched.moves > sticky.moves);
        assert!(sticky.peak_gpus <= static_.peak_gpus);
    }
}

/// The same inputs give the same plans.
#[test]
fn plans_are_deterministic() {
    let (workloads, predictor, traffic) = (paper_12(), crate::tests::v100(), an_hour());
    let counts = day(&workloads[..5], 3.0, Phases::AllDiffer, (WINDOW_S, 0.05));
    let spec = ReplanSpec { early: true, ..hourly(Policy::Sticky, ForecastKind::Last) };
    let of = || {
        let mut rules = poisson_rules(&workloads[..5], &predictor, &traffic);
        run(&mut rules, &predictor, &workloads[..5], &counts, &spec).0
    };
    assert_eq!(of(), of());
}

/// Short epochs save more with a causal forecast, and acting early costs GPU-hours.
#[test]
fn the_known_trades_have_the_known_signs() {
    let (workloads, predictor, traffic) = (paper_12(), crate::tests::v100(), an_hour());
    let counts = day(&workloads, 3.0, Phases::PerApp, (WINDOW_S, 0.05));
    let mut rules = poisson_rules(&workloads, &predictor, &traffic);
    let mut of = |period_s: f64, early: bool, headroom_pct: f64| {
        let mut spec = hourly(Policy::Sticky, ForecastKind::Last);
        (spec.period_s, spec.early) = (period_s, early);
        spec.forecast.headroom_pct = headroom_pct;
        run(&mut rules, &predictor, &workloads, &counts, &spec).1
    };
    let (short, long) = (of(1800.0, false, 10.0), of(7200.0, false, 10.0));
    assert!(short.gpu_hours < long.gpu_hours, "{short:?} {long:?}");
    let early = of(7200.0, true, 10.0);
    assert!(early.gpu_hours > long.gpu_hours && early.early > 0, "{early:?} {long:?}");
    let roomy = of(1800.0, false, 30.0);
    assert!(roomy.gpu_hours > short.gpu_hours, "{roomy:?} {short:?}");
}

/// What autoscalers do needs no strategy's plan.
#[test]
fn autoscalers_follow_the_rate() {
    let (workloads, predictor, traffic) = (paper_12(), crate::tests::v100(), an_hour());
    let mut counts = day(&workloads, 3.0, Phases::Same, (WINDOW_S, 0.0));
    // The same rates in a fifth of the time.
    counts.window_s /= 5.0;
    counts.duration_s /= 5.0;
    counts.arrivals.iter_mut().flatten().for_each(|count| *count /= 5);
    let mut rules = poisson_rules(&workloads, &predictor, &traffic);
    for target in [ReplicaTarget::ThroughputPct(70.0), ReplicaTarget::Slo] {
        let mut spec = hourly(Policy::Replicas, ForecastKind::Last);
        spec.replicas.target = target;
        // One window of 60 s is the panic window here.
        spec.replicas.panic_window_pct = 100.0;
        let (replanned, sums) = run(&mut rules, &predictor, &workloads, &counts, &spec);
        let first = &replanned.epochs[0].machines;
        let count =
            |machines: &[GpuServers]| machines.iter().map(|m| m.servers.len()).sum::<usize>();
        let most = replanned.epochs.iter().map(|epoch| count(&epoch.machines)).max().unwrap();
        assert!(most > count(first), "{most}");
        // No server ever moves: each start is of a server that is new.
        assert!(sums.restarts == 0 && sums.moves > 0, "{sums:?}");
    }
}
