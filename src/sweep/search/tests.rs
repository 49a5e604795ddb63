//! Candidates, limits and roundings of searches.

use super::*;

fn candidate(cost: f64, attainment: f64) -> Candidate {
    Candidate {
        strategy: "s".into(),
        at: 0.0,
        gpu_count: 1,
        cost_per_hour: cost,
        infeasible: 0,
        attainment_pct: attainment,
        low_pct: attainment,
        high_pct: attainment,
        seeds: 3,
        met: true,
    }
}

#[test]
fn the_front_has_nobody_who_is_beaten() {
    let all = [
        candidate(3.0, 50.0),
        candidate(6.0, 90.0),
        candidate(6.0, 80.0),
        candidate(9.0, 90.0),
        candidate(12.0, 99.0),
        candidate(3.0, 50.0),
    ];
    assert_eq!(pareto(&all), [true, true, false, false, true, true]);
}

fn search(judge: AcceptanceRule) -> CapacitySearch {
    let path = Path::new("scenarios/motivating-3.toml");
    let mut search = CapacitySearch::new(path, &Overrides::default(), judge).unwrap();
    let s = crate::units::Nanoseconds::from_seconds;
    search.scenario.duration = s(1.5).unwrap();
    search.scenario.warmup = s(0.25).unwrap();
    search.scenario.cooldown = s(0.25).unwrap();
    search
}

fn judge() -> AcceptanceRule {
    AcceptanceRule { target_pct: 99.0, worst: true, confidence: 0.95, least: 2, most: 4 }
}

#[test]
fn bisection_ends_between_met_and_not_met() {
    let search = search(judge());
    // Far below the planned rate batches fill too slowly: the scenario lets them wait.
    let range = FactorRange { from: 1.0, to: 3.0, precision: 0.05 };
    let found = search.capacity(&["igniter".into()], Find::Rate, range, true).unwrap();
    let (best, next) = (found[0].best.clone().unwrap(), found[0].next.clone().unwrap());
    assert!(best.met && !next.met && !found[0].at_the_end);
    assert!(best.at >= 1.0, "the plan is made for factor 1: {}", best.at);
    assert!((next.at - best.at - 0.05).abs() < 1e-6, "{} {}", best.at, next.at);
    // Evenly spaced arrivals: every seed gives the same, so the least number is enough.
    assert_eq!((best.seeds, best.low_pct.to_bits()), (2, best.high_pct.to_bits()));
}

#[test]
fn the_cheapest_plan_that_meets_the_target_is_found() {
    let found = search(judge());
    let range = FactorRange { from: 0.0, to: 40.0, precision: 20.0 };
    let names = ["igniter".to_owned()];
    let answer = found.capacity(&names, Find::Gpus, range, false).unwrap();
    let all = found.frontier(&names, 40.0, 20.0).unwrap();
    let met = all.iter().filter(|c| c.met).map(|c| c.cost_per_hour).min_by(f64::total_cmp);
    let best = answer[0].best.as_ref().unwrap();
    assert_eq!((answer[0].judged, Some(best.cost_per_hour)), (3, met));
    let mut hopeless = search(AcceptanceRule { target_pct: 100.0, least: 2, most: 2, ..judge() });
    for workload in &mut hopeless.scenario.workloads {
        workload.arrival = crate::arrivals::ArrivalSpec::Gamma { cv: 9.0 };
    }
    let answer = hopeless.capacity(&names, Find::Gpus, range, false).unwrap();
    let next = answer[0].next.as_ref().unwrap();
    assert!(answer[0].best.is_none() && next.low_pct < next.high_pct);
    // Of two seeds, Student's interval is wider than all there is.
    assert!(next.low_pct >= 0.0 && next.high_pct <= 100.0, "{next:?}");
}

#[test]
fn a_range_without_an_answer_says_so() {
    let search = search(judge());
    let all_good = FactorRange { from: 0.99, to: 1.0, precision: 0.005 };
    let found = search.capacity(&["igniter".into()], Find::Rate, all_good, true).unwrap();
    assert!(found[0].at_the_end && found[0].best.as_ref().unwrap().at > 0.999);
    let hopeless = FactorRange { from: 5.0, to: 9.0, precision: 0.05 };
    let found = search.capacity(&["igniter".into()], Find::Rate, hopeless, true).unwrap();
    assert!(found[0].best.is_none() && found[0].at_the_end);
    let none = FactorRange { from: 2.0, to: 1.0, precision: 0.1 };
    assert!(search.capacity(&["igniter".into()], Find::Rate, none, true).is_err());
    let bad = AcceptanceRule { target_pct: 101.0, ..judge() };
    assert!(bad.check().unwrap_err().to_string().contains("--target 101"));
}
