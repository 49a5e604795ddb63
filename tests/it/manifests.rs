//! What the manifest of results says of what they were made from.

use crate::common::{SHORT, file, igniter};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// A scenario that extends another, whose arrivals are in a third file; its path.
fn extended(root: &Path) -> String {
    let times: String = (1..1000).map(|i| format!("{}\n", f64::from(i) * 0.003)).collect();
    file(root, "t.csv", format!("arrival_s\n{times}"));
    let arrival = r#"arrival = { process = "trace", path = "t.csv" }"#;
    file(root, "base.toml", SHORT.replace(r#"arrival = { process = "poisson" }"#, arrival));
    let path = file(root, "ext.toml", "version = 1\nextends = \"base.toml\"\nseed = 7\n");
    path.to_str().unwrap().to_owned()
}

fn sha256(path: &Path) -> String {
    let hash = Sha256::digest(std::fs::read(path).unwrap());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest that a command leaves in its folder, and the inputs in it: hashes by paths.
fn manifest(command: &[&str], out: &Path) -> (Value, BTreeMap<String, String>) {
    let run = igniter().args(command).arg("-o").arg(out).assert();
    assert!(run.get_output().status.code().is_some_and(|code| code <= 1), "{run}");
    let text = std::fs::read(out.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let mut inputs = BTreeMap::new();
    for input in manifest["inputs"].as_array().unwrap() {
        let text = |key: &str| input[key].as_str().unwrap().to_owned();
        assert_eq!(inputs.insert(text("path"), text("sha256")), None, "listed twice: {input}");
    }
    (manifest, inputs)
}

#[test]
fn every_command_lists_all_that_it_read() {
    let root = tempfile::tempdir().unwrap();
    let scenario = extended(root.path());
    let few = ["--strategies", "igniter", "--least", "2", "--most", "2"];
    let commands: [Vec<&str>; 4] = [
        vec!["simulate", &scenario],
        vec!["compare", &scenario],
        [&["capacity", &scenario, "--from", "0.1", "--to", "0.2"], &few[..]].concat(),
        [&["frontier", &scenario, "--to", "10", "--step", "10"], &few[..]].concat(),
    ];
    for command in commands {
        let (manifest, inputs) = manifest(&command, &root.path().join(command[0]));
        for name in ["ext.toml", "base.toml", "t.csv"] {
            let path = root.path().join(name);
            let found = inputs.get(path.to_str().unwrap());
            assert_eq!(found, Some(&sha256(&path)), "{command:?}: {name}");
        }
        assert!(inputs.contains_key("profile/v100/solo.csv"), "{command:?}: {inputs:?}");
        // The scenario's own seed, as none is given.
        assert_eq!(manifest["seed"], 7, "{command:?}");
        let resolved = manifest["scenario"].as_str().unwrap();
        assert!(
            resolved.contains("seed = 7") && resolved.contains("W3"),
            "{command:?}: {resolved}"
        );
    }
}

#[test]
fn a_plan_and_coefficients_are_listed_as_they_lie_there() {
    let root = tempfile::tempdir().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let [plan, fitted] = ["plan.json", "fit.json"].map(|name| root.path().join(name));
    igniter().arg("plan").arg(&scenario).arg("-o").arg(&plan).assert().code(0);
    igniter().args(["fit", "v100", "-o"]).arg(&fitted).assert().code(0);
    // Somebody formats it.
    let text = std::fs::read_to_string(&fitted).unwrap().replace("  ", "\t");
    std::fs::write(&fitted, text).unwrap();
    let [scenario, plan, fitted] = [&scenario, &plan, &fitted].map(|path| path.to_str().unwrap());
    let command = ["simulate", scenario, "--plan", plan, "--profile", fitted];
    let (_, inputs) = manifest(&command, &root.path().join("out"));
    for path in [plan, fitted] {
        assert_eq!(inputs.get(path), Some(&sha256(Path::new(path))), "{path}");
    }
}

#[test]
fn a_seed_that_is_given_is_the_one_that_is_listed() {
    let root = tempfile::tempdir().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let command =
        ["frontier", scenario.to_str().unwrap(), "--seed", "9", "--strategies", "igniter"];
    let few = ["--to", "10", "--step", "10", "--least", "2", "--most", "2"];
    let (manifest, _) = manifest(&[&command[..], &few].concat(), &root.path().join("out"));
    assert_eq!(manifest["seed"], 9);
    assert!(manifest["scenario"].as_str().unwrap().contains("seed = 9"));
}
