//! Differences by hand.

use super::*;
use crate::page::SortableTable;

fn row(a: f64, b: f64, intervals: Option<[(f64, f64); 2]>) -> Difference {
    Difference {
        of: "s".into(),
        workload: None,
        what: "P99 (ms)".into(),
        better: Better::Less,
        a,
        b,
        intervals,
    }
}

#[test]
fn a_difference_is_beyond_chance_when_the_intervals_do_not_explain_it() {
    // Half-widths of 3 and 4: differences up to 5 are chance.
    let with = |b: f64| row(10.0, b, Some([(7.0, 13.0), (b - 4.0, b + 4.0)]));
    assert_eq!(with(14.9).chance(), Chance::Within);
    assert_eq!(with(15.1).chance(), Chance::Beyond);
    assert_eq!(with(4.9).is_better(), Some(true));
    assert_eq!(row(10.0, 20.0, None).chance(), Chance::Unknown);
    assert_eq!(row(10.0, 10.0, Some([(10.0, 10.0); 2])).chance(), Chance::Within);
    assert_eq!(row(0.0, 1.0, None).percent(), None);
    assert_eq!(row(-2.0, -1.0, None).percent(), Some(50.0));
}

#[test]
fn what_is_too_small_to_matter_is_neither_better_nor_worse() {
    // One request of 30,000 more or less.
    let small = row(30_000.0, 29_999.0, None);
    assert_eq!((small.is_negligible(), small.is_same(), small.is_better()), (true, false, None));
    assert_eq!(row(2_000.0, 1_999.5, None).is_better(), None);
    assert_eq!(row(2_000.0, 1_998.0, None).is_better(), Some(true));
    assert_eq!(row(0.0, 1e-9, None).is_better(), Some(false));
    // Beyond chance is not too small.
    let beyond = row(2_000.0, 1_999.5, Some([(1_999.9, 2_000.1), (1_999.4, 1_999.6)]));
    assert_eq!((beyond.chance(), beyond.is_better()), (Chance::Beyond, Some(true)));
    let rows = vec![small, row(2_000.0, 1_998.0, None), row(1.0, 1.0, None)];
    let diff = Diff { names: ["a".into(), "b".into()], kind: "", rows, notes: Vec::new() };
    assert_eq!(
        diff.verdict(),
        "2 of 3 numbers differ from a to b: 1 better, 0 worse, 1 by less than 0.05 %."
    );
}

fn table(rows: &[(&str, f64, f64)]) -> SortableTable {
    SortableTable {
        title: "frontier.csv".into(),
        columns: ["strategy", "headroom_pct", "attainment_pct"].map(str::to_owned).to_vec(),
        rows: (rows.iter())
            .map(|(s, h, a)| vec![(*s).into(), Cell::Number(*h), Cell::Number(*a)])
            .collect(),
        note: None,
    }
}

#[test]
fn rows_are_matched_by_what_tells_them_apart() {
    let first = table(&[("igniter", 0.0, 90.0), ("igniter", 50.0, 99.0), ("ffd", 0.0, 50.0)]);
    let second = table(&[("igniter", 50.0, 99.5), ("ffd", 0.0, 40.0), ("ffd", 10.0, 41.0)]);
    let mut made = Diff {
        names: ["a".into(), "b".into()],
        kind: "tables",
        rows: Vec::new(),
        notes: Vec::new(),
    };
    of_tables(&mut made, &first, &second, &[]);
    let found: Vec<(&str, f64, Option<bool>)> =
        made.rows.iter().map(|r| (r.of.as_str(), r.change(), r.is_better())).collect();
    assert_eq!(
        found,
        [
            ("igniter, headroom_pct = 50", 0.5, Some(true)),
            ("ffd, headroom_pct = 0", -10.0, Some(false))
        ]
    );
    assert_eq!(made.notes.len(), 2, "{:?}", made.notes);
    assert_eq!(made.verdict(), "2 of 2 numbers differ from a to b: 1 better, 1 worse.");
}

#[test]
fn labels_say_once_what_differs() {
    let sweep = |cost: f64| SortableTable {
        title: "points.csv".into(),
        columns: ["load", "strategy", "predictor", "truth", "cost_per_hour"]
            .map(str::to_owned)
            .to_vec(),
        rows: [0.5, 1.25]
            .map(|load| {
                let name = || Cell::from("igniter");
                vec![Cell::Number(load), name(), name(), name(), Cell::Number(cost)]
            })
            .to_vec(),
        note: None,
    };
    let names = ["a".into(), "b".into()];
    let mut made = Diff { names, kind: "a sweep", rows: Vec::new(), notes: Vec::new() };
    of_tables(&mut made, &sweep(1.0), &sweep(2.0), &["load".to_owned()]);
    let labels: Vec<&str> = made.rows.iter().map(|row| row.of.as_str()).collect();
    let mut sorted = labels.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["load = 0.5, igniter", "load = 1.25, igniter"]);
}

#[test]
fn latencies_are_not_judged_against_other_slos_nor_throughput_of_other_arrivals() {
    let comparison = crate::sample::small_comparison();
    let (first, mut second) = (&comparison.strategies[0], comparison.strategies[0].clone());
    second.workloads[0].p99_ms = Some(20.0);
    second.workloads[0].throughput_rps = 9.0;
    let judged = |second: &StrategyResult, what: &str| {
        let mut rows = Vec::new();
        of_strategies(&mut rows, first, second, &[SeedMeans::new(), SeedMeans::new()]);
        rows.iter()
            .find(|row| row.what == what && row.workload.as_deref() == Some("W1"))
            .unwrap()
            .is_better()
    };
    assert_eq!(judged(&second, "P99 (ms)"), Some(false));
    assert_eq!(judged(&second, "throughput (req/s)"), Some(false));
    second.workloads[0].slo_ms = 25.0;
    second.workloads[0].requests -= 1;
    assert_eq!(judged(&second, "P99 (ms)"), None);
    assert_eq!(judged(&second, "throughput (req/s)"), None);
}
