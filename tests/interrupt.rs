//! Ctrl-C at any moment: the process ends, and nothing half-written is left.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A run of several seconds, interrupted after different times: before the results, it leaves neither
/// the output folder nor its parents; if it was faster than the signal, it leaves all of it.
#[test]
fn an_interrupted_run_leaves_nothing_or_everything() {
    let long = common::SHORT.replace("duration_s = 3", "duration_s = 300");
    let mut interrupted = 0;
    for after_ms in [50, 200, 600, 1500] {
        let root = TempDir::new().unwrap();
        let scenario = common::file(root.path(), "s.toml", &long);
        let out = root.path().join("new/out");
        let mut child = Command::new(env!("CARGO_BIN_EXE_igniter"))
            .args(["simulate", "--requests"])
            .arg(&scenario)
            .arg("-o")
            .arg(&out)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(signal.unwrap().success());
        let code = child.wait().unwrap().code();
        if out.join("manifest.json").exists() {
            assert!(matches!(code, Some(0 | 1)), "finished, but ended with {code:?}");
        } else {
            // Before its handler is installed, the signal ends the process as any other.
            assert!(matches!(code, Some(130) | None), "ended with {code:?}");
            assert!(!root.path().join("new").exists(), "after {after_ms} ms something was left");
            interrupted += 1;
        }
    }
    assert!(interrupted > 0, "every run was faster than its signal");
}
