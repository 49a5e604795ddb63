//! Shares of the SMs: the MPS daemon, the variables of its clients, and what they see. Driver and daemon are
//! small fakes; the server and its model processes are real.

use crate::support::Setting;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml_h200.json");

const FAKE_CONTROL: &str = r#"#!/bin/sh
if [ "$1" = -f ]; then
    echo "started for $CUDA_VISIBLE_DEVICES, share '$CUDA_MPS_ACTIVE_THREAD_PERCENTAGE'" >>"$FAKE_MPS_LOG"
    touch "$CUDA_MPS_PIPE_DIRECTORY/control"
    while [ ! -e "$CUDA_MPS_PIPE_DIRECTORY/quit" ]; do sleep 0.05; done
    echo ended >>"$FAKE_MPS_LOG"
else
    read -r order
    echo "told: $order" >>"$FAKE_MPS_LOG"
    touch "$CUDA_MPS_PIPE_DIRECTORY/$order"
fi
"#;

/// A setting with a fake driver and a fake MPS; `None` where there is no Triton.
fn with_fake_gpu(name: &str) -> Option<(Setting, PathBuf)> {
    let mut setting = Setting::new(name)?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/fake_cuda.c");
    let library = setting.path("libcuda.so.1");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler, which Rust needs too");
    assert!(compiled.success());
    let control = setting.write("bin/nvidia-cuda-mps-control", FAKE_CONTROL);
    fs::set_permissions(&control, fs::Permissions::from_mode(0o755)).unwrap();
    let folders = format!("{}:{}", setting.path("bin").display(), std::env::var("PATH").unwrap());
    let log = setting.path("mps.log");
    let libraries = setting.folder.path().display().to_string();
    setting.set("PATH", &folders);
    setting.set("LD_LIBRARY_PATH", &libraries);
    setting.set("FAKE_MPS_LOG", &log.display().to_string());
    Some((setting, log))
}

#[test]
fn every_server_gets_its_share_from_a_daemon_of_ours() {
    let Some((mut setting, log)) = with_fake_gpu("share") else { return };
    // What is set around us is not for our servers.
    setting.set("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "1");
    setting.set("CUDA_VISIBLE_DEVICES", "7");
    let mut running = setting.launch(&["--gpu-recording", RECORDING]);
    let seen: Vec<_> = running.servers().iter().map(|server| server["seen_sm"].as_u64()).collect();
    // 37.5, 30 and 10 % of 132 SMs, in pairs
    assert_eq!(seen, [Some(48), Some(38), Some(12)]);
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    let told = fs::read_to_string(log).unwrap();
    let uuid = "GPU-00000000-0000-0000-0000-000000000000";
    assert_eq!(told, format!("started for {uuid}, share ''\ntold: quit\nended\n"));
}

#[test]
fn a_daemon_ends_with_a_run_that_is_killed() {
    let Some((setting, log)) = with_fake_gpu("killed-daemon") else { return };
    let mut running = setting.launch(&["--gpu-recording", RECORDING]);
    running.servers();
    running.signal("KILL");
    running.wait();
    setting.assert_nothing_left();
    assert!(fs::read_to_string(log).unwrap().ends_with("told: quit\nended\n"));
}

#[test]
fn a_share_that_is_not_applied_is_an_error() {
    let Some((mut setting, _)) = with_fake_gpu("unapplied") else { return };
    setting.set("FAKE_MPS_IGNORED", "1");
    let mut running = setting.launch(&["--gpu-recording", RECORDING]);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    let message = "the share of W3 (model vgg19) is not in force: vgg19_0_0: 37.5 % of 132 SMs are 49.5, but it \
        sees 132";
    assert!(errors.contains(message), "{errors}");
    setting.assert_nothing_left();
}

#[test]
fn without_mps_there_is_no_daemon_and_no_check() {
    let Some((setting, log)) = with_fake_gpu("whole") else { return };
    let mut running = setting.launch(&["--gpu-recording", RECORDING, "--mps", "off"]);
    let seen: Vec<_> = running.servers().iter().map(|server| server["seen_sm"].as_u64()).collect();
    assert_eq!(seen, [Some(132); 3]);
    running.signal("INT");
    running.wait();
    assert!(!log.exists());
    setting.assert_nothing_left();
}

#[test]
fn shares_without_a_gpu_are_refused() {
    let Some(setting) = Setting::new("no-gpu") else { return };
    let recording = setting.write(
        "none.json",
        r#"{"machine": {"driver": "", "cuda": ""}, "gpus": [], "samples": {}}"#,
    );
    let mut running =
        setting.launch(&["--mps", "on", "--gpu-recording", recording.to_str().unwrap()]);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("no GPU whose SMs could be shared"), "{errors}");
}

#[test]
fn facts_are_found_out_by_clients_of_a_daemon_of_ours() {
    let Some((setting, log)) = with_fake_gpu("facts") else { return };
    let out = setting.path("facts");
    let mut running = setting.validate(&[
        "facts",
        "--gpu-recording",
        RECORDING,
        "--percentages",
        "10,50,100",
        "-o",
        out.to_str().unwrap(),
    ]);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    let table = fs::read_to_string(out.join("sm_table.csv")).unwrap();
    let expected =
        "sm_pct,sms_attribute,sms_affinity,sms_touched\n10,12,,12\n50,66,,66\n100,132,,132\n";
    assert_eq!(table, expected);
    let base = igniter::profile::read_profile(&out.join("base")).unwrap();
    assert_eq!((base.kind.name.as_str(), base.kind.units.get()), ("gpu", 66));
    let facts: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("facts.json")).unwrap()).unwrap();
    assert_eq!(facts["facts"]["overlap"].as_array().unwrap().len(), 2);
    let fits = facts["facts"]["transfer_fits"].as_array().unwrap();
    assert_eq!(fits.len(), 4, "two directions, two kinds of memory");
    // The fake copies no faster than 1 GB/s; a busy machine makes it slower.
    let bandwidth = fits[0]["bytes_per_ms"].as_f64().unwrap();
    assert!(bandwidth > 0.0 && bandwidth < 1.1e6, "{facts}");
    assert!(fs::read_to_string(log).unwrap().ends_with("told: quit\nended\n"));
}

#[test]
fn the_doctor_tries_the_daemon_and_a_server() {
    let Some((setting, log)) = with_fake_gpu("doctor") else { return };
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let arguments = ["doctor", "--json", "--gpu-recording", RECORDING, "--triton"];
    let mut running = setting.validate(&[&arguments[..], &[triton.to_str().unwrap()]].concat());
    let document = running.document();
    let (code, errors) = running.wait();
    setting.assert_nothing_left();
    let status = |name: &str| {
        let checks = document["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name} in {document}"))["status"].clone()
    };
    for name in ["driver", "GPU", "MPS control", "MPS daemon", "Triton", "Python backend"] {
        assert_eq!(status(name), "ok", "{name}: {document}");
    }
    assert_eq!(document["need"], "gpu");
    // Where PyTorch is there, nothing is missing.
    let expected = i32::from(status("PyTorch") == "missing");
    assert_eq!(code, Some(expected), "{errors} {document}");
    assert!(fs::read_to_string(log).unwrap().ends_with("told: quit\nended\n"));
}
