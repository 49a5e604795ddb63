//! What was measured is kept, whatever else goes wrong.

use crate::support::{ONE, Running, Setting, signal_to};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A model that answers its first `good` requests at once, and then never again.
fn hanging(setting: &Setting, good: u32) -> PathBuf {
    let config = "backend: \"python\"\nmax_batch_size: 8\n\
        input [{ name: \"IN\", data_type: TYPE_FP32, dims: [4] }]\n\
        output [{ name: \"OUT\", data_type: TYPE_FP32, dims: [4] }]\n\
        instance_group [{ kind: KIND_CPU }]\n";
    let code = format!(
        "import time\nimport triton_python_backend_utils as pb\nclass TritonPythonModel:\n    left = {good}\n    \
         def execute(self, requests):\n        TritonPythonModel.left -= len(requests)\n        \
         if TritonPythonModel.left < 0:\n            time.sleep(600)\n        \
         return [pb.InferenceResponse([pb.Tensor('OUT', pb.get_input_tensor_by_name(r, 'IN').as_numpy())]) \
         for r in requests]\n"
    );
    setting.write("models/alexnet/config.pbtxt", config);
    setting.write("models/alexnet/1/model.py", &code);
    setting.path("models")
}

fn rows(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("requests.csv")).unwrap_or_default();
    text.lines().skip(1).map(str::to_owned).collect()
}

fn warnings(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    let info: Value = serde_json::from_str(&text).unwrap();
    info["warnings"].as_array().unwrap().clone()
}

fn has(warnings: &[Value], kind: &str) -> bool {
    warnings.iter().any(|warning| warning["kind"] == kind)
}

#[test]
fn a_model_that_hangs_costs_its_own_answers_and_no_others() {
    let Some(setting) = Setting::new("hang-traced") else { return };
    let models = hanging(&setting, 200);
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let flags = ["--models", models.to_str().unwrap(), "--calibration-s", "0", "--warm-ups", "1"];
    let more = ["--duration-s", "4", "--drain-s", "1", "--quiet"];
    let (code, errors) = setting.run(&one, &out, &[&flags[..], &more].concat()).wait();
    assert_eq!(code, Some(1), "it cannot be judged, and is kept: {errors}");
    let rows = rows(&out);
    let unanswered = rows.iter().filter(|row| row.contains("no answer")).count();
    assert!(
        rows.len() == 400 && unanswered > 100 && unanswered < 400,
        "{} {unanswered}",
        rows.len()
    );
    let warnings = warnings(&out);
    assert!(has(&warnings, "unanswered"), "{warnings:?}");
    assert!(!out.join("partial").exists());
    setting.assert_nothing_left();
}

#[test]
fn traces_that_cannot_be_read_take_nothing_along() {
    let Some(setting) = Setting::new("no-room") else { return };
    // A temporary folder with room for the servers and not for their traces.
    let temporary = setting.temporary();
    let mount = ["-t", "tmpfs", "-o", "size=160k", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(&temporary).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let flags = ["--duration-s", "5", "--calibration-s", "1", "--quiet"];
    let (code, errors) = setting.run(&one, &out, &flags).wait();
    setting.assert_nothing_left();
    assert!(Command::new("umount").arg(&temporary).status().unwrap().success());
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    assert_eq!(rows(&out).len(), 500, "{errors}");
    let warnings = warnings(&out);
    assert!(has(&warnings, "trace_lost"), "{warnings:?} {errors}");
}

/// A run that lasts until it is ended, with its first records on the disk.
fn long_run(setting: &Setting, out: &Path) -> Running {
    let one = setting.write("one.toml", ONE);
    let flags = ["--duration-s", "300", "--calibration-s", "0", "--quiet"];
    let mut running = setting.run(&one, out, &flags);
    let deadline = Instant::now() + Duration::from_secs(90);
    while rows(&out.join("partial")).len() < 20 {
        assert!(!running.ended(), "{:?}", running.wait());
        assert!(Instant::now() < deadline, "it does not begin to measure");
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

#[test]
fn a_second_run_into_the_same_folder_is_refused() {
    let Some(setting) = Setting::new("two-runs") else { return };
    let out = setting.path("run");
    let mut first = long_run(&setting, &out);
    let one = setting.path("one.toml");
    let (code, errors) = setting.run(&one, &out, &["--duration-s", "2"]).wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("another `validate run` writes to this folder"), "{errors}");
    assert!(!first.ended(), "the first one goes on");
    first.signal("INT");
    assert_eq!(first.wait().0, Some(130));
    assert!(rows(&out).len() >= 20);
    setting.assert_nothing_left();
}

#[test]
fn a_second_profile_into_the_same_folder_is_refused() {
    let Some(setting) = Setting::new("two-profiles") else { return };
    let out = setting.path("profile");
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let flags = ["profile", "-o", out.to_str().unwrap(), "--triton", triton.to_str().unwrap()];
    let more = ["--seconds", "30", "--model", "alexnet"];
    let arguments = [&flags[..], &more].concat();
    let mut first = setting.validate(&arguments);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !out.join("journal.jsonl").exists() {
        assert!(Instant::now() < deadline, "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    let (code, errors) = setting.validate(&arguments).wait();
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("another `validate profile` writes to this folder"), "{errors}");
    first.signal("INT");
    assert_eq!(first.wait().0, Some(130));
    setting.assert_nothing_left();
}

#[test]
fn what_killed_runs_leave_is_swept_by_the_next() {
    let Some(setting) = Setting::new("swept") else { return };
    let out = setting.path("run");
    let mut killed = long_run(&setting, &out);
    // Program, keeper and guards at once, as the system does when memory runs out.
    let ours: Vec<u32> = setting.processes().into_iter().map(|(pid, _)| pid).collect();
    for pid in ours {
        let _ = Command::new("kill")
            .args(["-s", "KILL", &pid.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
    }
    killed.wait();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !setting.processes().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(setting.processes(), [], "the system ends the servers");
    assert_eq!(fs::read_dir(setting.temporary()).unwrap().count(), 1, "nobody could remove it");
    let one = setting.path("one.toml");
    let (code, errors) =
        setting.run(&one, &out, &["--duration-s", "2", "--calibration-s", "0", "--quiet"]).wait();
    assert!(matches!(code, Some(0 | 1)), "{errors}");
    assert!(errors.contains("an earlier run into") && errors.contains("partial-1"), "{errors}");
    assert!(rows(&out.join("partial-1")).len() >= 20, "its records are kept");
    assert_eq!(rows(&out).len(), 200);
    setting.assert_nothing_left();
    assert!(crate::support::shared_memory_of(killed.pid()).is_empty());
}

#[test]
fn the_limit_of_connections_is_the_clients_and_is_named() {
    let Some(setting) = Setting::new("connections") else { return };
    let models = hanging(&setting, 120);
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let flags = [
        "--models",
        models.to_str().unwrap(),
        "--calibration-s",
        "0",
        "--warm-ups",
        "1",
        "--most-connections",
    ];
    let more = ["40", "--duration-s", "3", "--drain-s", "1", "--json"];
    let mut running = setting.run(&one, &out, &[&flags[..], &more].concat());
    let document = running.document();
    running.wait();
    let warnings = document["warnings"].as_array().unwrap();
    let limit = warnings.iter().find(|warning| warning["kind"] == "connection_limit");
    assert_eq!(limit.unwrap_or_else(|| panic!("{warnings:?}"))["limit"], 40);
    assert!(!has(warnings, "late_sends"), "the machine is not to blame: {warnings:?}");
    setting.assert_nothing_left();
}

#[test]
fn a_signal_after_the_load_keeps_all_and_says_so() {
    let Some(setting) = Setting::new("late-signal") else { return };
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let mut running =
        setting.run(&one, &out, &["--duration-s", "2", "--calibration-s", "0", "--quiet"]);
    let deadline = Instant::now() + Duration::from_secs(90);
    while rows(&out.join("partial")).len() < 200 {
        assert!(!running.ended(), "{:?}", running.wait());
        assert!(Instant::now() < deadline, "it does not measure");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The last answers are there; servers are being stopped.
    std::thread::sleep(Duration::from_millis(60));
    signal_to(running.pid(), "INT");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(130), "{errors}");
    assert_eq!(rows(&out).len(), 200, "{errors}");
    setting.assert_nothing_left();
}
