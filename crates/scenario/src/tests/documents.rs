//! Scenarios that extend others, values that are set, scales and groups.

use super::*;
use crate::Document;
use igniter_sim::arrivals::ArrivalSpec;
use std::fs;
use std::path::PathBuf;

const BASE: &str = r#"version = 1
name = "base"
seed = 18446744073709551615
duration_s = 60
warmup_s = 2
[[gpu]]
kind = "../profiles/mine"
[batching]
max_queue_delay_ms = 5
max_batch = 8
[[workload]]
name = "a"
model = "alexnet"
slo_ms = 10
rate_rps = 100
[[workload]]
name = "b"
model = "vgg19"
slo_ms = 20
rate_rps = 50
arrival = { process = "gamma", cv = 2 }
"#;

/// A folder with the base in `below/base.toml` and the given scenario in `top.toml`.
fn folder(top: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/base.toml"), BASE).unwrap();
    let path = folder.path().join("top.toml");
    fs::write(&path, top).unwrap();
    (folder, path)
}

fn rates(scenario: &Scenario) -> Vec<f64> {
    scenario.workloads.iter().map(|w| w.workload.rate.get()).collect()
}

fn names(scenario: &Scenario) -> Vec<&str> {
    scenario.workloads.iter().map(|w| w.workload.name.as_str()).collect()
}

#[test]
fn a_scenario_overrides_what_it_extends_key_by_key() {
    let top = r#"
        extends = "below/base.toml"
        warmup_s = 3
        [batching]
        max_queue_delay_ms = 7
        [[workload]]
        name = "b"
        slo_ms = 25
        arrival = { process = "poisson" }
        [[workload]]
        name = "c"
        model = "ssd"
        slo_ms = 30
        rate_rps = 10
    "#;
    let (folder, path) = folder(top);
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!(scenario.name, "top", "the name is not inherited");
    assert_eq!(scenario.seed, u64::MAX, "numbers arrive digit by digit");
    assert_eq!((scenario.warmup.as_seconds(), scenario.duration.as_seconds()), (3.0, 60.0));
    assert_eq!(names(&scenario), ["a", "b", "c"]);
    let [a, b, _] = &scenario.workloads[..] else { panic!() };
    assert_eq!((b.workload.slo.get(), b.workload.rate.get()), (25.0, 50.0));
    assert_eq!(b.workload.model.as_str(), "vgg19");
    assert_eq!(b.arrival, ArrivalSpec::Poisson, "arrivals are replaced as a whole");
    assert!((a.batching.max_queue_delay.get() - 7.0).abs() < 1e-12);
    assert_eq!(a.batching.max_batch.unwrap().get(), 8);
    // The profile is found from the folder of the file that names it.
    let expected = folder.path().join("below/../profiles/mine");
    assert_eq!(scenario.gpus[0].profile.to_string(), expected.to_string_lossy());
    assert_eq!(Document::load(&path).unwrap().files().len(), 2);
}

#[test]
fn of_several_bases_later_ones_win() {
    let (folder, path) = folder("extends = [\"below/base.toml\", \"more.toml\"]\nseed = 3\n");
    fs::write(folder.path().join("more.toml"), "seed = 2\nwarmup_s = 9\nrate_scale = 2\n").unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!((scenario.seed, scenario.warmup.as_seconds()), (3, 9.0));
    assert_eq!(rates(&scenario), [200.0, 100.0]);
}

#[test]
fn a_problem_names_the_file_and_line_that_it_comes_from() {
    let top = "extends = \"below/base.toml\"\nwarmup_s = -1\n[[workload]]\nname = \"c\"\nslo = 3\n";
    let (folder, path) = folder(top);
    let base = folder.path().join("below/base.toml");
    fs::write(&base, BASE.replace("slo_ms = 10", "slo_ms = 0")).unwrap();
    let message = Scenario::load(&path).unwrap_err().to_string();
    let at = |file: &PathBuf, rest: &str| format!("{}:{rest}", file.display());
    for part in [
        at(&base, "14: workload[0].slo_ms: given 0; "),
        at(&path, "2: warmup_s: given -1; "),
        at(&path, "3: workload[2].slo_ms: missing; "),
        at(&path, "5: workload[2].slo: unknown key; "),
    ] {
        assert!(message.contains(&part), "{part} is not in {message}");
    }
}

#[test]
fn what_cannot_be_extended_is_named() {
    let refused = |extends: &str, words: &str| {
        let (_folder, path) = folder(&format!("seed = 1\nextends = {extends}\n"));
        let message = Document::load(&path).unwrap_err().to_string();
        assert!(message.contains(words), "{extends}: {message}");
    };
    refused("3", "top.toml:2: extends: given 3; allowed: the path of a scenario file");
    refused("[]", "extends: given []; allowed");
    refused("\"\"", "extends: given \"\"; allowed");
    refused("[\"below/base.toml\", 3]", "extends: given [");
    refused("\"top.toml\"", "leads back to this file");
    refused("\"below/../top.toml\"", "leads back to this file");
    refused("\"nowhere.toml\"", "nowhere.toml: cannot read the scenario file");
    let text = format!("extends = \"a.toml\"\n{SMALL}");
    assert!(problems(&text)[0].to_string().contains("load the scenario from a file"));
}

#[test]
fn a_base_from_another_system_is_welcome() {
    let (folder, path) = folder("\u{feff}extends = \"below/base.toml\"\r\nseed = 5\r\n");
    let windows = format!("\u{feff}{}", BASE.replace('\n', "\r\n"));
    fs::write(folder.path().join("below/base.toml"), windows).unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!((scenario.seed, rates(&scenario)), (5, vec![100.0, 50.0]));
}

#[test]
fn values_are_set_by_their_paths() {
    let (_folder, path) = folder("extends = \"below/base.toml\"\n");
    let mut document = Document::load(&path).unwrap();
    for (field, value) in [
        ("seed", toml::Value::from(7)),
        ("engine.interference", "static".into()),
        ("batching.max_batch", 4.into()),
        ("gpu.price_per_hour", 2.5.into()),
        ("workload.a.rate_rps", 11.5.into()),
        ("workload.1.slo_ms", 99.into()),
        ("workload.*.batching.instances", 2.into()),
        ("rate_scale", 2.into()),
        ("slo_scale", 0.5.into()),
    ] {
        document.set(field, value).unwrap();
    }
    let scenario = document.scenario().unwrap();
    assert_eq!(scenario.seed, 7);
    assert_eq!(scenario.engine.interference, igniter_sim::Interference::Static);
    assert!((scenario.gpus[0].price_per_hour.unwrap().get() - 2.5).abs() < 1e-12);
    // 11.5 · 2, 50 · 2; 10 / 2, 99 / 2
    assert_eq!(rates(&scenario), [23.0, 100.0]);
    let slos: Vec<f64> = scenario.workloads.iter().map(|w| w.workload.slo.get()).collect();
    assert_eq!(slos, [5.0, 49.5]);
    assert!(scenario.workloads.iter().all(|w| w.batching.instances == 2));
    assert!(scenario.workloads.iter().all(|w| w.batching.max_batch.unwrap().get() == 4));
}

#[test]
fn arrivals_of_all_workloads_are_set_together() {
    let (_folder, path) = folder("extends = \"below/base.toml\"\n");
    let loaded = Document::load(&path).unwrap();
    let arrivals = |document: &Document| -> Vec<ArrivalSpec> {
        document.scenario().unwrap().workloads.into_iter().map(|w| w.arrival).collect()
    };
    // Only b has a coefficient of variation.
    let mut document = loaded.clone();
    document.set("arrival.cv", 4).unwrap();
    assert_eq!(arrivals(&document), [ArrivalSpec::Constant, ArrivalSpec::Gamma { cv: 4.0 }]);
    let mut document = loaded.clone();
    document.set("arrival", toml::toml! { process = "gamma"  cv = 3 }).unwrap();
    assert_eq!(arrivals(&document), vec![ArrivalSpec::Gamma { cv: 3.0 }; 2]);
    document.set("arrival.cv", 5).unwrap();
    assert_eq!(arrivals(&document), vec![ArrivalSpec::Gamma { cv: 5.0 }; 2]);
}

#[test]
fn a_path_that_leads_nowhere_is_named() {
    let (_folder, path) = folder(BASE);
    let mut document = Document::load(&path).unwrap();
    for (field, words) in [
        ("workload.W9.rate_rps", "there is no workload W9; allowed: a, b, or * for all"),
        ("gpu.t4.price_per_hour", "there is no gpu t4"),
        ("workload", "this is a table"),
        ("workload.a", "this is a table"),
        ("", "this is not a path"),
        ("a..b", "this is not a path"),
        ("seed.x", "seed is not a table"),
        ("workload.a.model.x", "workload.a.model is not a table"),
        ("arrival.mean_s", "no arrivals of the scenario have the key mean_s"),
    ] {
        let message = document.set(field, 1).unwrap_err().to_string();
        assert!(message.contains(&format!("cannot set {field}: ")), "{message}");
        assert!(message.contains(words), "{field}: {message}");
    }
    assert_eq!(document.scenario().unwrap(), Scenario::load(&path).unwrap(), "nothing was set");
}

#[test]
fn a_bad_value_that_was_set_is_named_as_such() {
    let (_folder, path) = folder(BASE);
    let mut document = Document::load(&path).unwrap();
    document.set("workload.a.rate_rps", -5).unwrap();
    document.set("workload.a.rate", 5).unwrap();
    let message = document.scenario().unwrap_err().to_string();
    let file = path.display();
    assert!(message.contains(&format!("{file} (as set): workload[0].rate_rps: given -5; ")));
    assert!(message.contains("workload[0].rate: unknown key; "), "{message}");
    document.set("workload.a.rate_rps", 5).unwrap();
    assert!(document.scenario().unwrap_err().to_string().contains("1 problem in"));
}

#[test]
fn scales_that_lead_out_of_range_are_refused() {
    let text = format!("rate_scale = 1000\n{SMALL}");
    let found = problems(&text);
    assert_eq!(found.len(), 1);
    let message = found[0].to_string();
    assert!(message.starts_with("rate_scale: workload[0].rate_rps = 1200 times rate_scale = 1000"));
    // Numbers of the arrivals' own, wherever they stand, each once.
    let clients = "arrival = { process = 'closed_loop', clients = 1000000 }";
    let phase = "[[phase]]\nduration_s = 1\narrival = { process = 'rates', path = 'r.csv', rate_scale = 9e5 }";
    let trace = "arrival = { process = 'spike', start_s = 1, end_s = 2, factor = 2, gaps = \
                 { process = 'trace', path = 'r.csv', rate_scale = 6e5 } }";
    for (text, expected) in [
        (format!("rate_scale = 2\n{clients}\n{SMALL}"), "clients = 1000000 times rate_scale = 2"),
        (format!("rate_scale = 2\n{SMALL}{clients}\n"), "clients = 1000000 times rate_scale = 2"),
        (format!("rate_scale = 2\n{SMALL}{phase}\n"), "rate_scale of a file = 900000 times"),
        (format!("rate_scale = 2\n{SMALL}{trace}\n"), "rate_scale of a file = 600000 times"),
    ] {
        let found = problems(&text);
        assert!(found[0].to_string().starts_with(&format!("rate_scale: {expected}")), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
    let found = problems(&format!("slo_scale = 0\n{SMALL}"));
    assert!(found[0].to_string().starts_with("slo_scale: given 0; "), "{found:?}");
}

#[test]
fn a_group_is_many_workloads() {
    let text = SMALL.replace("name = \"W1\"", "name = \"W\"\ncount = 3");
    let scenario = parse(&text).unwrap();
    assert_eq!(names(&scenario), ["W-1", "W-2", "W-3"]);
    assert_eq!(rates(&scenario), [1200.0; 3]);
    let again =
        format!("{text}[[workload]]\nname = \"W-2\"\nmodel = \"m\"\nslo_ms = 1\nrate_rps = 1\n");
    let found = problems(&again);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("given \"W-2\" again"), "{found:?}");
    let long = text.replace("\"W\"", &format!("\"{}\"", "w".repeat(63)));
    assert!(problems(&long)[0].to_string().contains("name of a group"));
    for bad in ["0", "10001", "1.5"] {
        let text = text.replace("count = 3", &format!("count = {bad}"));
        assert!(problems(&text)[0].to_string().contains("workload[0].count: given"), "{bad}");
    }
}
