//! Servers in containers. The container program is a stand-in; the servers in its containers are real.

use crate::standins::{H200, source, with_gpus};
use crate::support::{ONE, Setting, infer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Puts the stand-in in front of what there is; returns the file of what is asked of it.
fn add_docker(setting: &mut Setting) -> PathBuf {
    let program = setting.write("bin/docker", &fs::read_to_string(source("docker.py")).unwrap());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let folders = format!("{}:{}", setting.path("bin").display(), std::env::var("PATH").unwrap());
    let log = setting.path("docker.log");
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    setting.set("PATH", &folders);
    setting.set("STANDIN_DOCKER_LOG", log.to_str().unwrap());
    setting.set("STANDIN_TRITON", triton.to_str().unwrap());
    log
}

/// Launches one workload with these flags, sends a request and ends it; what the container program was told.
fn served(setting: &Setting, log: &Path, flags: &[&str]) -> String {
    let one = setting.write("one.toml", ONE);
    let flags = [&["--launcher", "docker", "--start-limit-s", "40"], flags].concat();
    let mut running = setting.launch_scenario(&one, &flags);
    for server in running.servers() {
        assert_eq!(infer(&server, 1.0)["outputs"][0]["data"][0], 2.0);
    }
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    fs::read_to_string(log).unwrap()
}

#[test]
fn every_release_gets_the_flags_that_it_knows() {
    for (release, traces) in [
        ("21.07", "--trace-level=MAX"),
        ("22.05", "--trace-level=TIMESTAMPS"),
        ("24.10", "--trace-config level=TIMESTAMPS"),
    ] {
        let Some(mut setting) = Setting::new(&format!("release-{release}")) else { return };
        let log = add_docker(&mut setting);
        let image = format!("nvcr.io/nvidia/tritonserver:{release}-py3");
        let told = served(&setting, &log, &["--image", &image, "--traces"]);
        assert!(told.contains(&format!("{image} tritonserver --model-repository=")), "{told}");
        assert!(told.contains(traces), "{release}: {told}");
        // A server of its time listens everywhere: only loopback reaches it.
        let published = told.contains("--publish=127.0.0.1:");
        assert_eq!(published, release < "22.04", "{told}");
    }
}

#[test]
fn images_without_pytorch_serve_no_networks_of_torchvision() {
    let Some(mut setting) = Setting::new("no-torch") else { return };
    let log = add_docker(&mut setting);
    let one = setting.write("one.toml", ONE);
    let flags = ["--launcher", "docker", "--models", "torchvision"];
    let (code, errors) = setting.launch_scenario(&one, &flags).wait();
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("hold no PyTorch")
            && errors.contains("docker build -t igniter-triton docker/"),
        "{errors}"
    );
    assert!(
        !fs::read_to_string(&log).unwrap_or_default().contains("run --rm"),
        "nothing was started"
    );
    // With an image of ours it is up to the image.
    let flags = [&flags[..], &["--image", "igniter-triton", "--start-limit-s", "5"]].concat();
    let (code, errors) = setting.launch_scenario(&one, &flags).wait();
    assert_eq!(code, Some(2), "the stand-in has no PyTorch either: {errors}");
    assert!(fs::read_to_string(&log).unwrap().contains(" igniter-triton tritonserver "));
    setting.assert_nothing_left();
}

#[test]
fn without_root_podman_keeps_the_user() {
    for (rootless, kept) in [(true, true), (false, false)] {
        let Some((mut setting, _)) = with_gpus("podman", H200) else { return };
        let log = add_docker(&mut setting);
        if rootless {
            setting.set("STANDIN_DOCKER_ROOTLESS", "1");
        }
        let told = served(&setting, &log, &["--gpus", "0", "--models", "emulated"]);
        // Else MPS, which serves one user, would see another one.
        assert_eq!(told.contains("--userns=keep-id --security-opt=label=disable"), kept, "{told}");
        assert!(told.contains("--gpus=device=GPU-00000000-0000-0000-0000-000000000000"), "{told}");
        assert!(told.contains("--env=CUDA_MPS_PIPE_DIRECTORY="), "{told}");
    }
}
