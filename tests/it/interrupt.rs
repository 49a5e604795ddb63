//! Ctrl-C at any moment: the process ends, and nothing half-written is left.

#![cfg(unix)]
use crate::common;
use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Runs the program, interrupts it after a while, and returns its exit code.
fn interrupted(arguments: &[&OsStr], after_ms: u64) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_igniter"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(after_ms));
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signal.unwrap().success());
    child.wait().unwrap().code()
}

/// Runs of several seconds, interrupted after different times: before the results, they leave neither
/// the output folder nor its parents, nor a part of a file; one that is faster than the signal leaves all.
#[test]
fn an_interrupted_run_leaves_nothing_or_everything() {
    let long = common::SHORT.replace("duration_s = 3", "duration_s = 300");
    let mut unfinished = 0;
    for after_ms in [50, 200, 600, 1500] {
        for (command, flag, target, whole) in [
            ("simulate", "-o", "new/out", "new/out/manifest.json"),
            ("simulate", "--trace-out", "new.json", "new.json"),
            ("generate", "-o", "new.csv", "new.csv"),
        ] {
            let root = TempDir::new().unwrap();
            let scenario = common::file(root.path(), "s.toml", &long);
            let target = root.path().join(target);
            let mut arguments = vec![OsStr::new(command), scenario.as_os_str(), flag.as_ref()];
            arguments.push(target.as_os_str());
            match command {
                "generate" => arguments.insert(0, "trace".as_ref()),
                _ => arguments.push("--quiet".as_ref()),
            }
            let code = interrupted(&arguments, after_ms);
            if root.path().join(whole).exists() {
                assert!(matches!(code, Some(0 | 1 | 130)), "finished, but ended with {code:?}");
                continue;
            }
            // Before its handler is installed, the signal ends the process as any other.
            assert!(matches!(code, Some(130) | None), "ended with {code:?}");
            let left: Vec<_> =
                std::fs::read_dir(root.path()).unwrap().map(Result::unwrap).collect();
            assert_eq!(left.len(), 1, "{command} {flag}, after {after_ms} ms: {left:?}");
            unfinished += 1;
        }
    }
    assert!(unfinished > 0, "every run was faster than its signal");
}
