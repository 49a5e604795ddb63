//! Servers that end, hang or never start.

use crate::support::{ONE, Setting, shared_memory_of, signal_to};
use std::net::TcpListener;
use std::process::Command;

/// A model of the Python backend with this body.
fn ready_model(setting: &Setting, code: &str) {
    let config = "backend: \"python\"\nmax_batch_size: 1\n\
        input [{ name: \"IN\", data_type: TYPE_FP32, dims: [4] }]\n\
        output [{ name: \"OUT\", data_type: TYPE_FP32, dims: [4] }]\n\
        instance_group [{ kind: KIND_CPU }]\n";
    setting.write("models/alexnet/config.pbtxt", config);
    setting.write("models/alexnet/1/model.py", code);
}

#[test]
fn a_model_that_does_not_load_says_why() {
    let Some(setting) = Setting::new("unloadable") else { return };
    ready_model(
        &setting,
        "class TritonPythonModel:\n    def initialize(self, args):\n        \
         raise ValueError('no weights here')\n    def execute(self, requests):\n        pass\n",
    );
    let models = setting.path("models");
    let scenario = setting.write("one.toml", ONE);
    let mut running = setting.launch_scenario(&scenario, &["--models", models.to_str().unwrap()]);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("the server of W1 (model alexnet) ended"), "{errors}");
    assert!(errors.contains("no weights here"), "{errors}");
    setting.assert_nothing_left();
}

#[test]
fn a_model_that_loads_forever_is_given_up() {
    let Some(setting) = Setting::new("endless") else { return };
    ready_model(
        &setting,
        "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        \
         time.sleep(600)\n    def execute(self, requests):\n        pass\n",
    );
    let models = setting.path("models");
    let scenario = setting.write("one.toml", ONE);
    let flags = ["--models", models.to_str().unwrap(), "--start-limit-s", "3"];
    let mut running = setting.launch_scenario(&scenario, &flags);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("does not answer") && errors.contains("after 3 s"), "{errors}");
    setting.assert_nothing_left();
    assert!(shared_memory_of(running.pid()).is_empty());
}

#[test]
fn a_server_that_dies_ends_the_run_and_the_others() {
    let Some(setting) = Setting::new("dies") else { return };
    let mut running = setting.launch(&[]);
    let servers = running.servers();
    let pid = u32::try_from(servers[1]["pid"].as_u64().unwrap()).unwrap();
    signal_to(pid, "KILL");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains("the server of W2 (model resnet50) ended"), "{errors}");
    setting.assert_nothing_left();
    assert!(shared_memory_of(running.pid()).is_empty());
}

#[test]
fn servers_that_hang_are_ended_by_force() {
    let Some(setting) = Setting::new("hangs") else { return };
    let mut running = setting.launch(&[]);
    for server in running.servers() {
        signal_to(u32::try_from(server["pid"].as_u64().unwrap()).unwrap(), "STOP");
    }
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    assert!(shared_memory_of(running.pid()).is_empty());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let Some(setting) = Setting::new("port") else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let scenario = setting.write("one.toml", ONE);
    let mut running = setting.launch_scenario(&scenario, &["--first-port", &port.to_string()]);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2));
    assert!(errors.contains(&format!("port {port} of 127.0.0.1")), "{errors}");
    assert!(errors.contains("fix: choose others with --first-port"), "{errors}");
}

#[test]
fn a_full_disk_is_named_and_nothing_runs() {
    let Some(setting) = Setting::new("full") else { return };
    let disk = setting.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"])
        .arg(&disk)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    let out = disk.join("out");
    let mut running = setting.launch(&["-o", out.to_str().unwrap()]);
    let (code, errors) = running.wait();
    setting.assert_nothing_left();
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    assert_eq!(code, Some(2));
    assert!(errors.contains("fix: free some space"), "{errors}");
}
