//! The scenarios that come with the project say what their README says.

use igniter::arrivals::ArrivalSpec;
use igniter::scenario::{Scenario, ScenarioWorkload};
use igniter::units::Nanoseconds;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn load(name: &str) -> Scenario {
    Scenario::load(&folder().join(format!("{name}.toml"))).unwrap_or_else(|error| panic!("{error}"))
}

/// `name model:slo:rate` of every workload.
fn listing(scenario: &Scenario) -> Vec<String> {
    let line = |ScenarioWorkload { workload, .. }: &ScenarioWorkload| {
        format!("{} {}:{}:{}", workload.name, workload.model, workload.slo, workload.rate)
    };
    scenario.workloads.iter().map(line).collect()
}

/// The evaluation of the paper: App1, App2, App3.
const PAPER_12: [&str; 12] = [
    "W1 alexnet:10:1200",
    "W2 resnet50:20:400",
    "W3 vgg19:20:300",
    "W4 ssd:25:150",
    "W5 alexnet:15:400",
    "W6 resnet50:30:600",
    "W7 vgg19:30:400",
    "W8 ssd:40:50",
    "W9 alexnet:20:800",
    "W10 resnet50:40:200",
    "W11 vgg19:40:200",
    "W12 ssd:55:300",
];

#[test]
fn every_scenario_is_valid_named_for_its_file_and_listed() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
            assert!(readme.contains(&format!("`{}.toml`", scenario.name)), "{}", scenario.name);
            seen += 1;
        }
    }
    assert!(seen >= 4);
}

#[test]
fn the_twelve_workloads_of_the_paper() {
    let constant = load("paper-12");
    assert_eq!(listing(&constant), PAPER_12);
    let ten_seconds = Nanoseconds::new(10_000_000_000);
    assert_eq!((constant.warmup, constant.cooldown), (ten_seconds, ten_seconds));
    for ScenarioWorkload { arrival, batching, .. } in &constant.workloads {
        assert_eq!(*arrival, ArrivalSpec::Constant);
        assert!((batching.max_queue_delay.get() - 100.0).abs() < 1e-12);
    }
}

#[test]
fn the_random_variants_differ_in_arrivals_and_delay_alone() {
    let constant = load("paper-12");
    for (name, process) in [
        ("paper-12-poisson", ArrivalSpec::Poisson),
        ("paper-12-bursty", ArrivalSpec::Gamma { cv: 4.0 }),
    ] {
        let mut variant = load(name);
        variant.name.clone_from(&constant.name);
        for (workload, original) in variant.workloads.iter_mut().zip(&constant.workloads) {
            assert_eq!(workload.arrival, process);
            assert!(workload.batching.max_queue_delay.get().abs() < 1e-12);
            workload.arrival = original.arrival.clone();
            workload.batching = original.batching.clone();
        }
        assert_eq!(variant, constant);
    }
}

#[test]
fn the_motivating_example_of_the_paper() {
    let expected = ["W1 alexnet:15:500", "W2 resnet50:40:400", "W3 vgg19:60:200"];
    assert_eq!(listing(&load("motivating-3")), expected);
}
