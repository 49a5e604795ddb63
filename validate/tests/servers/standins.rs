//! A GPU that is not there: stand-ins for NVIDIA's management library, for the CUDA driver and for MPS. What runs
//! against them is the real program: `nvml-wrapper` loads the library, servers are clients of a real socket.

use crate::support::Setting;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An idle H200.
pub(crate) const H200: &str = "gpu\n uuid GPU-00000000-0000-0000-0000-000000000000\n name NVIDIA H200\n\
    capability 9 0\n cores 16896\n memory 150754820096\n clock 345\n maxclock 1980\n power 75500\n limit 700000\n\
    defaultlimit 700000\n energy 81234567\n busy 0\n temperature 31\n throttle 1\n mode 0\n mig 0\n";

/// The same with another UUID.
pub(crate) fn second() -> String {
    H200.replace("GPU-0000", "GPU-1111")
}

pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins").join(name)
}

fn compile(source: &Path, library: &Path) {
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .args([library, source])
        .status()
        .expect("a C compiler, which Rust needs too");
    assert!(compiled.success());
}

/// Gives a setting these GPUs; returns the file of what is asked of MPS.
pub(crate) fn add_gpus(setting: &mut Setting, nvml: &str) -> PathBuf {
    compile(&source("nvml.c"), &setting.path("libnvidia-ml.so.1"));
    compile(&source("cuda.c"), &setting.path("libcuda.so.1"));
    let script = fs::read_to_string(source("mps_control.py")).unwrap();
    for name in ["bin/nvidia-cuda-mps-control", "bin/nvidia-cuda-mps-server"] {
        let program = setting.write(name, &script);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let gpus = setting.write("gpus.txt", nvml);
    let folders = format!("{}:{}", setting.path("bin").display(), std::env::var("PATH").unwrap());
    let log = setting.path("mps.log");
    let libraries = setting.folder.path().display().to_string();
    setting.set("PATH", &folders);
    setting.set("LD_LIBRARY_PATH", &libraries);
    setting.set("STANDIN_NVML", gpus.to_str().unwrap());
    setting.set("STANDIN_MPS_LOG", log.to_str().unwrap());
    log
}

/// A setting with these GPUs; `None` where there is no Triton.
pub(crate) fn with_gpus(name: &str, nvml: &str) -> Option<(Setting, PathBuf)> {
    let mut setting = Setting::new(name)?;
    let log = add_gpus(&mut setting, nvml);
    Some((setting, log))
}

/// The same for what starts no server.
pub(crate) fn gpus_alone(name: &str, nvml: &str) -> (Setting, PathBuf) {
    let mut setting = Setting::without_triton(name);
    let log = add_gpus(&mut setting, nvml);
    (setting, log)
}
