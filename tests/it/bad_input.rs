//! Input that cannot be used: a clear message, exit code 2, and nothing half-written.

use crate::common;
use crate::common::{SHORT, file, igniter};
use predicates::prelude::*;
use std::path::Path;
use tempfile::TempDir;

/// Runs `compare` on a scenario text and expects a refusal that says all of `needles`.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, needles: &[&str]) {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", text);
    let out = root.path().join("out");
    let mut run = igniter().arg("compare").arg(&scenario).arg("-o").arg(&out).assert().code(2);
    run = run.stdout("");
    for needle in needles {
        run = run.stderr(predicate::str::contains(*needle));
    }
    assert!(!out.exists(), "an output folder was left behind");
}

#[test]
fn scenarios_that_are_no_scenarios() {
    refused("", &["s.toml", "version", "duration_s", "workload"]);
    refused([0xff, 0xfe, 0x00, 0x80], &["s.toml", "UTF-8"]);
    refused(&SHORT[..SHORT.len() - 10], &["s.toml:"]);
    refused([0x1f, 0x8b, 0x08, 0x00], &["s.toml"]);
}

#[test]
fn values_out_of_range() {
    for slo in ["0", "-5", "1e-9", "1e12", "nan", "inf", "\"10\""] {
        let text = SHORT.replace("slo_ms = 15", &format!("slo_ms = {slo}"));
        refused(text, &["s.toml:", "workload[0].slo_ms"]);
    }
    for rate in ["0", "-5", "1e9", "nan"] {
        let text = SHORT.replace("rate_rps = 500", &format!("rate_rps = {rate}"));
        refused(text, &["s.toml:", "workload[0].rate_rps"]);
    }
}

#[test]
fn names_that_do_not_fit() {
    refused(SHORT.replace("\"W2\"", "\"W1\""), &["W1", "workload[1].name"]);
    refused(SHORT.replace("resnet50", "resnet51"), &["W2", "resnet51", "alexnet, resnet50"]);
    refused(SHORT.replace("\"v100\"", "\"v900\""), &["v900", "built-in profiles are: v100"]);
    refused(SHORT.replace("slo_ms = 15", "slo = 15"), &["did you mean `slo_ms`"]);
}

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let text = SHORT.replace("slo_ms = 15", "slo_ms = 0").replace("rate_rps = 200", "rate_rps = 0");
    refused(text, &["workload[0].slo_ms", "workload[2].rate_rps", "2 problems"]);
}

#[test]
fn files_that_are_missing() {
    igniter()
        .args(["compare", "no/such.toml"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("no/such.toml"));
    igniter()
        .args(["accuracy", "--colocated", "no/such.csv"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("no/such.csv"));
    igniter()
        .args(["simulate", "scenarios/motivating-3.toml", "--plan", "no/such.json"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("no/such.json"));
    igniter()
        .args(["predict", "--profile", "no/such", "alexnet:4:10"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("no/such"));
}

/// The plan of the motivating example, changed, is refused with these words.
#[track_caller]
fn plan_refused(change: impl Fn(&str) -> String, needle: &str) {
    let root = TempDir::new().unwrap();
    let plan = root.path().join("plan.json");
    let scenario = "scenarios/motivating-3.toml";
    igniter().args(["plan", scenario, "-o"]).arg(&plan).assert().code(0);
    let text = std::fs::read_to_string(&plan).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "the change hit nothing");
    std::fs::write(&plan, changed).unwrap();
    igniter()
        .args(["simulate", scenario, "--plan"])
        .arg(&plan)
        .assert()
        .code(2)
        .stdout("")
        .stderr(predicate::str::contains(needle));
}

#[test]
fn plans_that_cannot_run() {
    plan_refused(|t| t.replace("\"W2\"", "\"W9\""), "no workload \"W9\"");
    plan_refused(|t| t.replace("37.5", "120"), "must be at most 100");
    plan_refused(|t| t.replace("37.5", "90"), "add up to 130 %");
    plan_refused(|t| t.replace("37.5", "37.4"), "multiple of 2.5 %");
    plan_refused(|t| t.replace("\"batch\": 6", "\"batch\": 0"), "plan.json");
    plan_refused(|t| t.replace("\"W2\"", "\"W1\""), "W1");
    plan_refused(|t| t.replace("vgg19", "ssd"), "is a vgg19, but is placed as ssd");
    plan_refused(|t| t[..t.len() / 2].to_owned(), "is no plan");
    plan_refused(|_| "\u{0}\u{1}binary".to_owned(), "is no plan");
}

#[test]
fn a_plan_of_the_artifact_must_fit_the_scenario() {
    let root = TempDir::new().unwrap();
    let gpu = |models: &str| {
        format!(
            r#"{{"models":{models},"rates":[200],"slos":[30],"resources":[37.5],"batches":[6]}}"#
        )
    };
    let simulate = |text: String| {
        let plan = file(root.path(), "config_gpu1.json", text);
        let mut command = igniter();
        command.args(["simulate", "scenarios/motivating-3.toml", "--plan"]).arg(plan);
        command.assert()
    };
    simulate(gpu("[\"ssd\"]")).code(2).stderr(predicate::str::contains("no workload left"));
    simulate(gpu("[\"vgg19\", \"vgg19\"]")).code(2).stderr(predicate::str::contains("same length"));
    // Only one of three workloads is placed: the others are missed, which is a failed check.
    simulate(gpu("[\"vgg19\"]")).code(1);
}

#[test]
fn unknown_strategies_and_predictors_are_refused_before_the_work() {
    igniter()
        .args(["compare", "scenarios/paper-12.toml", "--strategies", "igniter,best"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("best").and(predicate::str::contains("igniter, ffd")));
    igniter()
        .args(["plan", "scenarios/paper-12.toml", "--predictor", "oracle"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("oracle"));
    igniter().args(["compare", "--no-such-flag"]).assert().code(2);
}

#[test]
fn members_that_are_no_members() {
    for (member, needle) in [
        ("alexnet", "model:batch:sm_pct"),
        ("alexnet:0:10", "batch size"),
        ("alexnet:4:0", "SM share"),
        ("alexnet:4:101", "SM share"),
        ("alexnet:4:nan", "SM share"),
        ("lenet:4:10", "no model lenet"),
    ] {
        igniter()
            .args(["predict", member])
            .assert()
            .code(2)
            .stderr(predicate::str::contains(needle));
    }
}

/// Copies the shipped profile into a folder.
fn profile_copy(root: &Path) -> std::path::PathBuf {
    let folder = root.join("gpu");
    std::fs::create_dir(&folder).unwrap();
    for name in ["profile.toml", "solo.csv", "self_pairs.csv", "colocation.csv"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/v100").join(name);
        std::fs::copy(from, folder.join(name)).unwrap();
    }
    folder
}

#[test]
fn profiles_with_bad_rows_are_rejected_with_file_and_line() {
    let cases: [(&str, &str, &str, &str); 13] = [
        ("solo.csv", "3.6228730652962535", "nan", "solo.csv:2: gpu_ms"),
        ("solo.csv", "3.6228730652962535", "-1", "solo.csv:2: gpu_ms"),
        // One of the two times may be empty, and not both.
        ("solo.csv", "3.6228730652962535,3.692276293833132", ",", "solo.csv:2: gpu_ms"),
        ("solo.csv", "0.9348978315608607,1.005", "9.5,10.005", "solo.csv:3: gpu_ms = 9.5"),
        ("solo.csv", "alexnet,1,10", "lenet,1,10", "solo.csv:2: model = \"lenet\""),
        ("solo.csv", "alexnet,1,10", "alexnet,1,110", "solo.csv:2: sm_pct"),
        ("solo.csv", ",81.0,1530.0", ",81.0,9999.0", "solo.csv:2: clock_mhz"),
        ("solo.csv", "gpu_ms,", "ms,", "solo.csv:1: unknown or doubled column \"ms\""),
        ("colocation.csv", "2,184", "7,184", "colocation.csv:3: co_located"),
        ("profile.toml", "kernels = 20", "kernel = 20", "unknown key; allowed: name, kernels"),
        (
            "profile.toml",
            "units = 40",
            "units = 0",
            "profile.toml:7: gpu.units: given 0; allowed: a whole",
        ),
        (
            "profile.toml",
            "kernels = 20",
            "kernels = 20\nnoise_cv = -0.1",
            "model[0].noise_cv: given -0.1",
        ),
        (
            "profile.toml",
            "kernels = 20",
            "kernels = 20\nnoise_cv = nan",
            "given nan; allowed: a number from 0",
        ),
    ];
    for (name, from, to, needle) in cases {
        let root = TempDir::new().unwrap();
        let folder = profile_copy(root.path());
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        std::fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
        igniter()
            .arg("fit")
            .arg(&folder)
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicate::str::contains(needle));
    }
}

#[test]
fn noise_that_nobody_measured() {
    let asked = |text: &str| text.replace("[[gpu]]", "[engine]\nnoise_cv = \"profile\"\n\n[[gpu]]");
    let needles = ["W1", "v100", "alexnet", "profile.toml", "noise_cv = 0.03", "[engine]"];
    refused(asked(SHORT), &needles);
    let wrong = SHORT.replace("[[gpu]]", "[engine]\nnoise_cv = \"measured\"\n\n[[gpu]]");
    refused(wrong, &["engine.noise_cv: given \"measured\"", "from 0 to 10 or \"profile\""]);
}

#[test]
fn artifact_files_with_bad_values_are_rejected_with_their_line() {
    let Some(data) = common::reference_data() else { return };
    let text = std::fs::read_to_string(data.join("igniter_profile.jsonl")).unwrap();
    let line_of = |needle: &str| 1 + text.lines().position(|l| l.contains(needle)).unwrap();
    let gpulatency = line_of("\"gpulatency\": [[3.62");
    for (from, to, line, needle) in [
        ("0.9348978315608607", "19.3", gpulatency, "gpu_ms = 19.3"),
        ("0.9348978315608607", "-0.9", gpulatency, "gpu_ms"),
        ("0.9348978315608607", "NaN", gpulatency, "JSON"),
        ("\"idletime_1\": 0.03", "\"idle\": 0.03", 0, "no field \"idletime_1\""),
        ("{\"hardware\"", "[\"hardware\"", 1, "JSON"),
    ] {
        let root = TempDir::new().unwrap();
        assert!(text.contains(from));
        let path = file(root.path(), "p.jsonl", text.replacen(from, to, 1));
        let out = root.path().join("out");
        let place = if line == 0 { "p.jsonl:".to_owned() } else { format!("p.jsonl:{line}: ") };
        igniter()
            .arg("import")
            .arg(&path)
            .arg("-o")
            .arg(&out)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(needle).and(predicate::str::contains(place)));
        assert!(!out.exists());
    }
}

#[test]
fn outputs_that_cannot_be_written_fail_before_the_work() {
    let root = TempDir::new().unwrap();
    let blocked = file(root.path(), "blocked", "a file, not a folder");
    for out in [blocked.join("out"), blocked.clone(), "/proc/igniter/out".into()] {
        igniter()
            .args(["compare", "scenarios/motivating-3.toml", "-o"])
            .arg(&out)
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicate::str::contains(out.to_str().unwrap()));
    }
    // A folder with files of somebody else is left alone.
    let foreign = root.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    igniter()
        .args(["compare", "scenarios/motivating-3.toml", "-o"])
        .arg(&foreign)
        .assert()
        .code(2)
        .stderr(predicate::str::contains("foreign"));
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
}

/// A disk of 100 KB (a tmpfs in a mount namespace of its own) fills up while tables are written.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let mount = root.path().join("disk");
    std::fs::create_dir(&mount).unwrap();
    let script = r#"mount -t tmpfs -o size=100k tmpfs "$1" || exit 77
        "$2" compare "$3" -o "$1/out"; code=$?; find "$1" -mindepth 1; exit $code"#;
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([mount.as_os_str(), env!("CARGO_BIN_EXE_igniter").as_ref(), scenario.as_os_str()])
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: no unshare command");
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.contains("unshare:") {
        eprintln!("skipped: no private mounts here: {stderr}");
        return;
    }
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "files were left behind");
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let root = tempfile::TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let trace = root.path().join("t.json");
    let cases: [(&[&str], &str); 4] = [
        (&["trace", "inspect", "--start", "1"], "this is a scenario"),
        (&["trace", "inspect", "--format", "azure-llm"], "this is a scenario"),
        (
            &["capacity", "--find", "gpus", "--keep-plan"],
            "--keep-plan: --find gpus makes a plan for every headroom",
        ),
        (&["simulate", "--trace-window", "5..6", "--trace-out"], "the run ends at 3 s"),
    ];
    for (arguments, what) in cases {
        let mut command = igniter();
        command.args(arguments);
        if arguments.contains(&"--trace-out") {
            command.arg(&trace);
        }
        command.arg(&scenario).assert().code(2).stderr(predicate::str::contains(what));
        assert!(!trace.exists());
    }
    // The scenario's own seed is 1; another one draws others.
    let inspect = |more: &[&str]| {
        let mut command = igniter();
        command.args(["trace", "inspect", "--json"]).arg(&scenario).args(more);
        command.assert().code(0).get_output().stdout.clone()
    };
    assert_eq!(inspect(&[]), inspect(&["--seed", "1"]));
    assert_ne!(inspect(&[]), inspect(&["--seed", "2"]));
}

#[test]
fn names_in_foreign_files_are_no_commands_for_the_terminal() {
    let root = tempfile::TempDir::new().unwrap();
    let trace = file(root.path(), "t.csv", "arrival_s,workload\n0.1,\u{1b}[31mred\n0.2,b\n");
    for command in ["inspect", "fit"] {
        let output = igniter().args(["trace", command]).arg(&trace).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[31mred"), "{text}");
    }
}

/// Every command that takes coefficients refuses those that no GPU has, and says which number it is.
#[test]
fn coefficients_that_no_gpu_has() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let fitted = |predictor: &str| -> serde_json::Value {
        let path = root.path().join(format!("{predictor}.json"));
        let mut fit = igniter();
        fit.args(["fit", "v100", "--predictor", predictor, "-q", "-o"]).arg(&path);
        fit.assert().code(0);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let (contention, paper) = (fitted("contention"), fitted("igniter"));
    let cases = [
        (
            &contention,
            "/coefficients/models/0/solo/transfer_ms/0",
            -1e308,
            "transfer_ms[0] = -1e308",
        ),
        (&contention, "/coefficients/models/0/solo/transfer_ms/0", -0.05, "transfer_ms[0] = -0.05"),
        (&contention, "/coefficients/models/1/solo/idle_ms", 1e308, "solo.idle_ms = 1e308"),
        (&contention, "/kind/max_clock_mhz", 1e308, "kind.max_clock_mhz = 1e308"),
        (&paper, "/kind/pcie_bytes_per_ms", 1e-300, "kind.pcie_bytes_per_ms = 1e-300"),
        // In its range, and no number that gives a time.
        (&paper, "/models/0/coefficients/k/4", -1e6, "gpu_ms"),
    ];
    for (good, pointer, value, words) in cases {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.into();
        let path = file(root.path(), "c.json", wrong.to_string());
        let path = path.to_str().unwrap();
        let commands: [&[&str]; 4] = [
            &["predict", "--profile", path, "alexnet:4:10", "resnet50:8:30"],
            &["plan", "--profile", path, scenario.to_str().unwrap()],
            &["simulate", "--profile", path, scenario.to_str().unwrap()],
            &["check", "--profile", path, scenario.to_str().unwrap()],
        ];
        for command in commands {
            let run = igniter().args(command).assert().code(2).stdout("");
            run.stderr(predicate::str::contains(words));
        }
    }
}

#[test]
fn check_refuses_what_simulate_refuses() {
    let fault = "[[fault]]\nkind = \"gpu-slows\"\ngpu = 999\nfactor = 2\nat_s = 1\n";
    let trace = "arrival = { process = \"trace\", path = \"t.csv\" }";
    for (text, words) in [
        (format!("{SHORT}\n{fault}"), "999"),
        (SHORT.replacen("arrival = { process = \"poisson\" }", trace, 1), "t.csv:2: "),
    ] {
        let root = TempDir::new().unwrap();
        file(root.path(), "t.csv", "arrival_s\nroot:x:0\n");
        let scenario = file(root.path(), "s.toml", text);
        let said = |command: &str| {
            let run = igniter().args([command, "-q"]).arg(&scenario).assert().code(2);
            String::from_utf8(run.get_output().stderr.clone()).unwrap()
        };
        let found = said("check");
        assert!(found.contains(words), "{found}");
        assert_eq!(found, said("simulate"));
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_what_may_be_meant() {
    let text = SHORT
        .replace("kind = \"v100\"", "kind = \"v10\"")
        .replace("slo_ms = 15", "slo_ms = -15")
        .replace("duration_s = 3", "duration = 3");
    refused(text, &["gpu[0].kind", "did you mean \"v100\"?", "slo_ms: given -15", "`duration_s`"]);
    let text = SHORT.replace("\"alexnet\"", "\"alexnt\"").replace("\"resnet50\"", "\"resnet5\"");
    refused(
        &text,
        &["s.toml:11: ", "no model alexnt", "did you mean \"alexnet\"?", "\"resnet50\"?"],
    );
    let root = TempDir::new().unwrap();
    let single =
        "version = 1\nduration_s = 3\n[[gpu]]\nkind = \"v100\"\n[workload]\nname = \"W1\"\n";
    refused(single, &["did you mean [[workload]]?"]);
    file(root.path(), "s.toml", SHORT);
    let sweep = file(
        root.path(),
        "k.toml",
        "version = 1\nscenario = \"s.toml\"\nstrategies = [\"ignitr\", \"fdf\"]\n",
    );
    let said = |arguments: &[&str], path: &Path| {
        let run = igniter().args(arguments).arg(path).assert().code(2);
        String::from_utf8(run.get_output().stderr.clone()).unwrap()
    };
    assert!(said(&["compare"], &sweep).contains("run it with `igniter sweep`"));
    let scenario = said(&["sweep", "--dry-run"], &root.path().join("s.toml"));
    assert!(scenario.contains("run the scenario with `igniter compare`"), "{scenario}");
    let both = said(&["sweep", "--dry-run"], &sweep);
    assert!(both.contains("\"igniter\"?") && both.contains("\"ffd\"?"), "{both}");
    refused(
        SHORT.replace("\"W1\"", "\"W\u{202e}1\""),
        &["without control or invisible characters"],
    );
}
