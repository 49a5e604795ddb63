//! What users of such tools have reported, and what broke under attack: each case as its folder has it, with its commands.
//!
//! The folders are not part of the project: they lie beside the checkout, or `IGNITER_CASES` names their folder.

#![cfg(unix)]

use crate::common::{file, igniter};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A case: its folder, and what is asked of it.
type Case = (&'static str, fn(&Path));

const CASES: [Case; 15] = [
    ("bounds", bounds),
    ("broken-01-o-devnull-replaced", devices_stay),
    ("broken-02-extends-diamond-hang", each_file_is_read_once),
    ("broken-03-trace-fit-window-memory", no_work_for_empty_windows),
    ("broken-04-trace-long-gap-hang", no_work_for_empty_seconds),
    ("broken-06-finished-sweep-overwritten-by-other", finished_sweeps_stay),
    ("broken-07-coefficients-nonsense-accepted", coefficients_have_ranges),
    ("broken-08-coef-inf-in-text", no_infinite_times),
    ("broken-09-staging-left-after-kill9", staging_is_swept),
    ("broken-11-compare-many-workloads", few_figures_for_many_workloads),
    ("broken-12-check-accepts-what-simulate-refuses", check_and_simulate_agree),
    ("reported-03-burstgpt-columns", columns_can_be_named),
    ("reported-04-quoted-header-R-pandas", quotes_change_nothing),
    ("reported-19-timestamps", times_are_read_or_doubted),
    ("reported-28-sweep-resume-windows", array_jobs_are_shards),
];

/// Those that need a Triton server, and the test of `validate` with the same inputs: its file, and its name.
const OF_SERVERS: [(&str, &str, &str); 10] = [
    (
        "reported-07-instance-group-2",
        "tests/servers/ready.rs",
        "instances_are_the_plans_and_changes_are_said",
    ),
    ("reported-08-symlinked-model", "tests/servers/ready.rs", "links_are_followed"),
    (
        "reported-09-max-batch-0",
        "tests/servers/ready.rs",
        "a_model_that_does_not_batch_is_served_as_it_is",
    ),
    (
        "reported-12-no-config",
        "tests/servers/ready.rs",
        "without_a_configuration_the_server_completes_it",
    ),
    ("reported-13-string-input", "src/data/perf_json.rs", "strings_arrive_as_written"),
    (
        "reported-14-sequence-model",
        "tests/servers/ready.rs",
        "models_that_batch_in_another_way_are_refused",
    ),
    (
        "reported-23-queue-timeout",
        "tests/servers/policy.rs",
        "rests_of_the_scheduler_are_no_host_time",
    ),
    (
        "reported-24-ensemble",
        "tests/servers/ready.rs",
        "models_that_batch_in_another_way_are_refused",
    ),
    ("reported-30-dynamic-shape", "tests/servers/ready.rs", "sizes_that_are_open_have_to_be_given"),
    (
        "reported-33-old-gpu-nvml-stub",
        "tests/servers/shares.rs",
        "what_the_doctor_does_not_know_is_not_ok",
    ),
];

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("IGNITER_CASES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository().join("../shared/cases"));
    if !folder.is_dir() {
        eprintln!("skipped: no {} (IGNITER_CASES can name the folder)", folder.display());
        return None;
    }
    Some(folder)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of a case that can be written to, in which the repository's scenarios are at hand.
fn copy(case: &Path) -> TempDir {
    let root = TempDir::new().unwrap();
    let mut cp = Command::new("cp");
    cp.args(["-r", "--no-preserve=mode"]).arg(case.join(".")).arg(root.path());
    assert!(cp.status().unwrap().success());
    std::os::unix::fs::symlink(repository().join("scenarios"), root.path().join("scenarios"))
        .unwrap();
    for entry in fs::read_dir(root.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("$REPO", repository().to_str().unwrap())).unwrap();
        }
    }
    root
}

#[test]
fn every_case_gives_the_right_answer() {
    let Some(folder) = folder() else { return };
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.path().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let known = CASES.iter().any(|(case, _)| *case == name)
            || OF_SERVERS.iter().any(|(case, ..)| *case == name);
        assert!(known, "nothing is asked of {name}");
    }
    for (case, file, test) in OF_SERVERS {
        let text = fs::read_to_string(repository().join("validate").join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}")), "{case}: no {test} in {file}");
    }
    for (case, check) in CASES {
        eprintln!("{case}");
        let root = copy(&folder.join(case));
        check(root.path());
    }
}

/// What a shell says to a command, with the program in its path.
struct Said {
    code: Option<i32>,
    text: String,
}

fn shell(root: &Path, command: &str) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_igniter")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &format!("exec 2>&1\n{command}\n")])
        .current_dir(root)
        .env("PATH", path)
        .env("REPO", repository())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(124), "{command}");
    Said { code: output.status.code(), text: String::from_utf8(output.stdout).unwrap() }
}

/// The commands of a case as they are written.
fn as_written(root: &Path) -> Said {
    shell(root, &fs::read_to_string(root.join("cmd")).unwrap())
}

#[track_caller]
fn says(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}", said.text);
    for word in words {
        assert!(said.text.contains(word), "{word}: {}", said.text);
    }
}

/// What a command prints with `--json`.
#[track_caller]
fn json(root: &Path, command: &str) -> Value {
    let mut run = igniter();
    let output = run.current_dir(root).args(command.split(' ')).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{command}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// No proven bound is above what a plan reaches.
fn bounds(root: &Path) {
    let gpus = |plan: &Value| plan["gpus"].as_array().unwrap().len() as u64;
    let bound = |file: &str| {
        let bound = json(root, &format!("bound {file} --json"))["gpus"].as_u64().unwrap();
        for strategy in ["igniter", "optimal", "greedy"] {
            let plan = json(root, &format!("plan {file} --strategy {strategy} --json"));
            let placed = plan["infeasible"].as_array().is_none_or(Vec::is_empty);
            assert!(!placed || bound <= gpus(&plan), "{file}: {strategy} beats {bound}");
        }
        bound
    };
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".toml") {
            bound(&name);
        }
    }
    let text = fs::read_to_string(root.join("bound-unsound-1-x10-plan.json")).unwrap();
    let by_hand: Value = serde_json::from_str(&text).unwrap();
    assert!(bound("bound-unsound-1-x10.toml") <= gpus(&by_hand));
}

fn devices_stay(root: &Path) {
    let command = fs::read_to_string(root.join("cmd")).unwrap().replace("/tmp/d", "d");
    let said = shell(root, &command);
    if said.text.contains("mknod") {
        eprintln!("skipped: no device can be made here: {}", said.text);
        return;
    }
    says(&said, 0, &["character special file"]);
}

fn each_file_is_read_once(root: &Path) {
    says(&as_written(root), 0, &[]);
}

fn no_work_for_empty_windows(root: &Path) {
    says(&as_written(root), 0, &["window"]);
    for (file, words) in [("b.csv", "300 years"), ("big.csv", "300 years")] {
        says(&shell(root, &format!("igniter trace fit {file} --window 10")), 2, &[file, words]);
        says(&shell(root, &format!("igniter trace inspect {file}")), 2, &[file, words]);
    }
    says(&shell(root, "igniter trace inspect az21.csv"), 2, &["az21.csv:4", "300 years"]);
}

fn no_work_for_empty_seconds(root: &Path) {
    let microseconds: String = (0..3600).map(|i| format!("{}\n", i * 1_000_000_u64)).collect();
    file(root, "epoch_us.txt", microseconds);
    let said = as_written(root);
    says(&said, 0, &["t.txt:2", "300 years", "years"]);
    // A gap of 285 years within ten rows.
    let said = shell(root, "igniter trace inspect fuzz-600042/w/t.csv --json");
    says(&said, 0, &["\"requests\": 5", "years"]);
}

fn finished_sweeps_stay(root: &Path) {
    // A part of the points is enough.
    for name in ["k.toml", "k2.toml"] {
        let text = fs::read_to_string(root.join(name)).unwrap();
        file(root, name, text.replace("count = 30", "count = 3"));
    }
    says(&shell(root, "igniter sweep k.toml -o D -q"), 0, &[]);
    let before = fs::read(root.join("D/rows.csv")).unwrap();
    let other = "igniter sweep k2.toml -o D -q";
    says(&shell(root, other), 2, &["another finished sweep"]);
    says(&as_written(root), 2, &["another finished sweep"]);
    assert_eq!(fs::read(root.join("D/rows.csv")).unwrap(), before);
}

fn coefficients_have_ranges(root: &Path) {
    let mut count = 0;
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") {
            continue;
        }
        count += 1;
        let command = format!("igniter predict --profile {name} alexnet:4:10 resnet50:8:30");
        says(&shell(root, &command), 2, &[&name]);
    }
    assert_eq!(count, 6);
}

/// Whatever number of a file of coefficients is changed to whatever value: no answer has a time without an end.
fn no_infinite_times(root: &Path) {
    let scenario = root.join("coef-inf/w/s.toml");
    for predictor in ["contention", "igniter"] {
        let mut fit = igniter();
        let path = root.join("c.json");
        fit.args(["fit", "v100", "--predictor", predictor, "-q", "-o"]).arg(&path);
        fit.assert().code(0);
        let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut numbers = Vec::new();
        pointers(&good, String::new(), &mut numbers);
        let values = [1e308, 1e100, 1e12, 0.0, -1.0, 1e-308];
        let step = (numbers.len() * values.len()).div_ceil(50);
        let changes = numbers.iter().flat_map(|at| values.iter().map(move |value| (at, *value)));
        for (pointer, value) in changes.step_by(step.max(1)) {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value.into();
            fs::write(&path, changed.to_string()).unwrap();
            let mut run = igniter();
            run.args(["simulate", "--json", "--profile"]).arg(&path);
            let output = run.arg(&scenario).output().unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(matches!(output.status.code(), Some(0..=2)), "{pointer} = {value}: {text}");
            for word in [" inf ", "inf,", "NaN"] {
                assert!(!text.contains(word), "{pointer} = {value}: {text}");
            }
        }
    }
}

/// The pointers to all numbers of a document.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| pointers(value, format!("{at}/{key}"), found));
        }
        Value::Array(list) => {
            (0..).zip(list).for_each(|(i, value)| pointers(value, format!("{at}/{i}"), found));
        }
        Value::Number(_) => found.push(at),
        _ => {}
    }
}

fn staging_is_swept(root: &Path) {
    let said = as_written(root);
    says(&said, 0, &["summary.csv"]);
    assert!(!said.text.contains(".igniter-"), "{}", said.text);
}

fn few_figures_for_many_workloads(root: &Path) {
    let said = shell(root, "igniter compare m1000.toml -o out -q");
    assert!(matches!(said.code, Some(0 | 1)), "{}", said.text);
    let figures = fs::read_dir(root.join("out/figures")).unwrap();
    let drawn = figures
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "svg"))
        .count();
    assert!((1..=30).contains(&drawn), "{drawn} figures");
    let rows = fs::read_to_string(root.join("out/summary.csv")).unwrap().lines().count();
    assert_eq!((rows - 1) % 1000, 0, "every workload has a row");
}

fn check_and_simulate_agree(root: &Path) {
    for words in ["/etc/passwd", "999"] {
        says(&shell(root, "igniter check s.toml -q"), 2, &[words]);
        says(&shell(root, "igniter simulate s.toml -q"), 2, &[words]);
        // The other of its two mistakes.
        let text = fs::read_to_string(root.join("s.toml")).unwrap();
        let trace = "arrival = { process = \"trace\", path = \"/etc/passwd\" }";
        file(root, "s.toml", text.replace(trace, ""));
    }
}

/// The requests of each workload, all of them first.
fn requests(found: &Value) -> Vec<u64> {
    let rows = found["workloads"].as_array().unwrap();
    rows.iter().map(|row| row["requests"].as_u64().unwrap()).collect()
}

fn columns_can_be_named(root: &Path) {
    // The last of its commands replays the requests of one model.
    let said = as_written(root);
    says(&said, 0, &["GPT-4", "ChatGPT", "there is no column \"arrival_s\""]);
    assert_eq!(requests(&json(root, "trace inspect s_gpt4.toml --json"))[0], 2);
    let named = "--time-column Timestamp --key-column Model --json";
    let found = json(root, &format!("trace inspect burst.csv {named}"));
    let all = requests(&found);
    assert_eq!((all[0], all.len()), (5, 3), "{found}");
    assert_eq!(requests(&json(root, "trace inspect s.toml --json"))[0], 5);
    says(&shell(root, "igniter trace convert burst.csv -o out.csv -q"), 0, &[]);
    let text = fs::read_to_string(root.join("out.csv")).unwrap();
    assert_eq!((text.lines().count(), text.contains(",GPT-4")), (6, true));
}

fn quotes_change_nothing(root: &Path) {
    says(&as_written(root), 0, &["W1", "W2"]);
    for name in ["plain", "r_write_csv", "quote_all"] {
        let found = json(root, &format!("trace inspect {name}.csv --json"));
        assert_eq!(requests(&found), [3, 2, 1], "{name}");
    }
    for name in ["azure_p", "azure_q"] {
        let found = json(root, &format!("trace inspect {name}.csv --json"));
        assert_eq!((found["format"].as_str(), requests(&found)[0]), (Some("azure-llm"), 2));
    }
}

/// Each file: how many requests it has and what is noted, or how it is refused.
fn times_are_read_or_doubted(root: &Path) {
    let read: [(&str, u64, &str); 14] = [
        ("az2024_zone.csv", 3, ""),
        ("lmm.csv", 2, ""),
        ("vidur.csv", 2, ""),
        ("comment.csv", 1, ""),
        ("emptyline.csv", 2, ""),
        ("semicolon.csv", 2, ""),
        ("epoch.csv", 2, ""),
        ("epoch_ns.txt", 3, "Unix time in ns"),
        ("pa_intervals.txt", 3, "--format intervals"),
        ("mooncake_seconds.jsonl", 3, "--unit s"),
        ("z.csv.gz", 3, ""),
        ("z.csv.zst", 3, ""),
        ("z.csv.xz", 3, ""),
        ("z.csv.bz2", 3, ""),
    ];
    for (name, count, note) in read {
        let found = json(root, &format!("trace inspect {name} --json"));
        assert_eq!(requests(&found)[0], count, "{name}");
        assert!(found["notes"].to_string().contains(note), "{name}: {found}");
    }
    for (name, words) in [
        ("az2024_unsorted.csv", "--sort"),
        ("dst_local.csv", "--sort"),
        ("leap.csv", "--sort"),
        ("pa_intervals2.txt", "--format intervals"),
        ("us.csv", "2023-11-16 18:17:03.25"),
        ("utf16.csv", "utf16.csv"),
    ] {
        says(&shell(root, &format!("igniter trace inspect {name}")), 2, &[name, words]);
    }
    says(&as_written(root), 0, &["--- epoch_ns.txt"]);
}

fn array_jobs_are_shards(root: &Path) {
    let said = as_written(root);
    let tasks: Vec<&str> = said.text.split("\n[").collect();
    // The first array of Slurm, 1-7:2, may be a part of another one, the second and that of AWS Batch have no count.
    let parts = ["", "", "", "shard-00001-of-00004", "shard-00001-of-00004"];
    assert_eq!(tasks.len(), 6, "{}", said.text);
    for (task, part) in tasks.iter().zip(parts.into_iter().chain(["shard-00001-of-00003"])) {
        let refused = task.contains("exit 2") && task.contains("--shards");
        let sharded = task.contains("exit 0") && !part.is_empty() && task.contains(part);
        assert!(if part.is_empty() { refused } else { sharded }, "{part}: {task}");
    }
}
