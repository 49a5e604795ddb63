//! Files that start the servers of a plan, and plan files of the artifact on the command line.

use assert_cmd::Command;
use std::fs;
use std::path::Path;

const MOTIVATING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/motivating-3.toml");

fn igniter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igniter"));
    command.args(arguments);
    command
}

/// The files of a plan are those in `tests/golden`. After a change that is meant: `IGNITER_WRITE_GOLDEN=1 cargo test --release --test
/// it deploy`, and look at the difference.
#[test]
fn manifests_are_those_of_the_golden_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/deploy");
    for (format, file) in [("compose", "compose.yaml"), ("kubernetes", "kubernetes.yaml")] {
        let output = igniter(&["plan", MOTIVATING, "--format", format]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let path = golden.join(file);
        if std::env::var_os("IGNITER_WRITE_GOLDEN").is_some() {
            fs::create_dir_all(&golden).unwrap();
            fs::write(&path, &text).unwrap();
        }
        // One server for each placement, with its share and its batch.
        for part in
            ["\"37.5\"", "\"30\"", "\"10\"", "max_batch_size: 6", "max_batch_size: 8", "w3-gpu0"]
        {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let known = fs::read_to_string(&path).unwrap();
        assert_eq!(text, known, "{} differs", path.display());
    }
}

const ONE: &str = r#"{"models": ["alexnet_dynamic", "resnet50_dynamic"], "rates": [500, 400], "slos": [7.5, 20], "resources": [10, 30], "batches": [4, 8]}"#;
const TWO: &str = r#"{"models": ["vgg19_dynamic"], "rates": [200], "slos": [30], "resources": [37.5], "batches": [6]}"#;

#[test]
fn plan_files_of_the_artifact_need_no_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (one, two) = (file("config_gpu1.json", ONE), file("config_gpu2.json", TWO));
    let scenario = folder.path().join("mine.toml").display().to_string();
    let run = |arguments: &[&str]| {
        let output = igniter(arguments).output().unwrap();
        let [out, errors] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code(), out, errors)
    };
    let (code, out, errors) = run(&["simulate", "--plan", &one, &two]);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(errors.contains("assumed: the GPUs are of the shipped kind v100"), "{errors}");
    assert!(errors.contains("assumed: each SLO is twice the file's"), "{errors}");
    for name in ["alexnet", "resnet50", "vgg19"] {
        assert!(out.contains(name), "{out}");
    }
    // The scenario that they mean, given with them, is the same run.
    let (code, _, errors) = run(&["plan", "--plan", &one, &two, "--scenario-out", &scenario, "-q"]);
    assert_eq!(code, Some(0), "{errors}");
    let json = |arguments: &[&str]| {
        let (code, out, errors) = run(arguments);
        assert_eq!(code, Some(0), "{errors}");
        let mut document: serde_json::Value = serde_json::from_str(&out).unwrap();
        document["wall_s"] = 0.into();
        document
    };
    let alone = json(&["simulate", "--plan", &one, &two, "--json"]);
    let with = json(&["simulate", &scenario, "--plan", &one, &two, "--json"]);
    assert_eq!(alone["workloads"], with["workloads"]);
    assert_eq!(json(&["simulate", "--plan", &one, &two, &scenario, "--json"]), with);
    let (code, out, errors) = run(&["compare", "--plan", &one, &two, "--strategies", "igniter"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("file") && out.contains("igniter"), "{out}");
    // Other strategies plan other batches, smaller ones too.
    let slow = ONE.replace("[500, 400]", "[4, 1]").replace("[7.5, 20]", "[400, 800]");
    let slow = file("config_gpu3.json", &slow);
    let (code, out, errors) = run(&["compare", "--plan", &slow, "--strategies", "igniter,ffd"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("ffd"), "{out}");
    // A plan of ours does not say what a scenario says.
    let ours = folder.path().join("plan.json").display().to_string();
    run(&["plan", MOTIVATING, "-o", &ours, "-q"]);
    let (code, _, errors) = run(&["simulate", "--plan", &ours]);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("only plan files of the iGniter artifact") && errors.contains("fix: "),
        "{errors}"
    );
    // What is written for the artifact has its names, and reads back.
    let plans = folder.path().join("plans");
    let (code, _, errors) =
        run(&["plan", MOTIVATING, "--format", "igniter", "-o", &plans.display().to_string(), "-q"]);
    assert_eq!(code, Some(0), "{errors}");
    let written = fs::read_to_string(plans.join("config_gpu1.json")).unwrap();
    assert!(written.contains("\"vgg19_dynamic\""), "{written}");
    let (code, _, errors) = run(&["simulate", "--plan", &plans.display().to_string(), "-q"]);
    assert_eq!(code, Some(0), "{errors}");
}
