//! Where output goes: into pipes and devices, through links, and never over what is something else.

#![cfg(unix)]

use crate::common::{SHORT, file, igniter};
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SWEEP: &str = "version = 1\nname = \"two\"\nscenario = \"s.toml\"\n[set]\nduration_s = 0.3\nwarmup_s = 0\n\
    cooldown_s = 0\n[[axis]]\npath = \"rate_scale\"\nvalues = [0.5, 0.6]\n";

#[test]
fn devices_pipes_and_links_stay_what_they_are() {
    let root = TempDir::new().unwrap();
    let plan = |out: &Path| {
        let mut command = igniter();
        command.args(["plan", "scenarios/motivating-3.toml", "-q", "-o"]).arg(out);
        command.assert()
    };
    let null = root.path().join("null");
    symlink("/dev/null", &null).unwrap();
    plan(&null).code(0);
    assert!(fs::symlink_metadata(&null).unwrap().is_symlink());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    plan(Path::new("/dev/full")).code(2).stderr(contains("No space left on device"));
    let (file, link) = (root.path().join("plan.json"), root.path().join("link"));
    symlink("plan.json", &link).unwrap();
    plan(&link).code(0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
    let pipe = root.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    plan(&pipe).code(0);
    let text = reader.wait_with_output().unwrap().stdout;
    assert_eq!(String::from_utf8(text).unwrap(), fs::read_to_string(&file).unwrap());
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_full_device_is_an_error_everywhere() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let program = env!("CARGO_BIN_EXE_igniter");
    for arguments in [
        &["--help"][..],
        &["compare", "--help"],
        &["--version"],
        &["schema"],
        &["completions", "bash"],
        &["check", "scenarios/motivating-3.toml"],
        &["predict", "alexnet:4:10"],
        &["trace", "inspect", "scenarios/motivating-3.toml"],
    ] {
        let run = |quiet: bool| {
            let mut command = Command::new(program);
            command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdout(full());
            if quiet {
                command.stderr(full());
            }
            command.stdin(Stdio::null()).output().unwrap()
        };
        let output = run(false);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains("No space left on device"), "{arguments:?}: {text}");
        // Where no message can be written, the exit code still says it.
        assert_eq!(run(true).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn results_of_another_scenario_or_command_stay() {
    let root = TempDir::new().unwrap();
    let (one, out) = (file(root.path(), "s.toml", SHORT), root.path().join("out"));
    let other = file(root.path(), "t.toml", SHORT.replace("name = \"short\"", "name = \"other\""));
    let run = |command: &str, scenario: &Path| {
        igniter().args([command, "-q", "-o"]).arg(&out).arg(scenario).assert()
    };
    run("compare", &one).code(0);
    let before = fs::read(out.join("summary.csv")).unwrap();
    run("compare", &other).code(2).stderr(contains("`igniter compare` of the scenario \"short\""));
    run("simulate", &one).code(2).stderr(contains("choose another directory"));
    assert_eq!(fs::read(out.join("summary.csv")).unwrap(), before);
    run("compare", &one).code(0);
}

#[test]
fn a_finished_sweep_is_not_replaced_by_another() {
    let root = TempDir::new().unwrap();
    file(root.path(), "s.toml", SHORT);
    let one = file(root.path(), "k.toml", SWEEP);
    let two = file(root.path(), "k2.toml", SWEEP.replace("0.6", "0.7"));
    let out = root.path().join("D");
    let run = |sweep: &Path, more: &[&str]| {
        igniter().args(["sweep", "-q", "-o"]).arg(&out).arg(sweep).args(more).assert()
    };
    run(&one, &[]).code(0);
    let before = fs::read(out.join("rows.csv")).unwrap();
    for more in [&["--resume"][..], &[]] {
        run(&two, more).code(2).stderr(contains("another finished sweep, \"two\""));
    }
    assert_eq!(fs::read(out.join("rows.csv")).unwrap(), before);
    // Its own results may be made again, and figures that were drawn from them stay.
    igniter().arg("plot").arg(&out).assert().code(0);
    run(&one, &[]).code(0);
    assert!(out.join("figures/attainment.svg").exists());
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    assert!(manifest.contains("figures/attainment.svg"));
}

#[test]
fn what_killed_runs_left_is_swept_by_the_next() {
    let root = TempDir::new().unwrap();
    let (scenario, out) = (file(root.path(), "s.toml", SHORT), root.path().join("out"));
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igniter"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("compare").arg(&scenario).arg("-o");
        command.arg(&out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let staged = || {
        let entries = fs::read_dir(&out).into_iter().flatten().flatten();
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(".igniter-")).count()
    };
    for _ in 0..3 {
        let mut child = start();
        // Killed while it has a staging folder.
        for _ in 0..2000 {
            if staged() > 0 || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    igniter().args(["compare", "-q", "-o"]).arg(&out).arg(&scenario).assert().code(0);
    assert_eq!(staged(), 0);
}

#[test]
fn sweeps_that_start_at_once_get_one_clear_answer_each() {
    let root = TempDir::new().unwrap();
    file(root.path(), "s.toml", SHORT);
    let sweep = file(root.path(), "k.toml", SWEEP);
    for round in 0..4 {
        let out = root.path().join(format!("D{round}"));
        let start = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_igniter"));
            command.args(["sweep", "-q", "-o"]).arg(&out).arg(&sweep);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..4).map(|_| start()).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let clear = text.contains("another process is doing this sweep")
                || text.contains("holds an unfinished run of this sweep");
            assert!(output.status.success() || clear, "{text}");
        }
        assert!(out.join("rows.csv").exists());
    }
}

#[test]
fn results_that_were_changed_are_an_error_and_no_panic() {
    let root = TempDir::new().unwrap();
    file(root.path(), "s.toml", SHORT);
    let sweep = file(root.path(), "k.toml", SWEEP);
    let (shards, compared) = (root.path().join("D"), root.path().join("C"));
    for shard in ["0/2", "1/2"] {
        igniter()
            .args(["sweep", "-q", "--shard", shard, "-o"])
            .arg(&shards)
            .arg(&sweep)
            .assert()
            .code(0);
    }
    igniter()
        .args(["compare", "-q", "-o"])
        .arg(&compared)
        .arg(root.path().join("s.toml"))
        .assert()
        .code(0);
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 6] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |bytes| String::from_utf8_lossy(bytes).replace('1', "-1").into_bytes(),
        |bytes| String::from_utf8_lossy(bytes).replace('0', "1e308").into_bytes(),
        |bytes| String::from_utf8_lossy(bytes).replace(',', ";").into_bytes(),
        |bytes| bytes.iter().rev().copied().collect(),
    ];
    let shard = shards.join("shard-00000-of-00002");
    let html = root.path().join("page.html");
    let of_shard = [("merge", &shards), ("plot", &shard), ("report", &shard)];
    let of_compared = [("report", &compared), ("plot", &compared)];
    for (dir, commands) in [(&shard, &of_shard[..]), (&compared, &of_compared[..])] {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() || path.extension().is_some_and(|e| e == "parquet" || e == "html") {
                continue;
            }
            let good = fs::read(&path).unwrap();
            for damage in damages {
                fs::write(&path, damage(&good)).unwrap();
                for (command, folder) in commands {
                    let mut run = igniter();
                    run.arg(command).arg(folder);
                    match *command {
                        "report" => run.arg("-o").arg(&html),
                        // What is read is the same, and drawn in a fraction of the time.
                        "plot" => run.args(["--format", "svg"]),
                        _ => &mut run,
                    };
                    let output = run.output().unwrap();
                    let text = String::from_utf8_lossy(&output.stderr).into_owned();
                    let at = format!("{command} with a damaged {}: {text}", path.display());
                    assert!(output.status.code().is_some_and(|code| code < 3), "{at}");
                    assert!(!text.contains("panicked"), "{at}");
                }
            }
            fs::write(&path, good).unwrap();
        }
    }
}
