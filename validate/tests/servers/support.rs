//! What the tests share: a folder, a marked environment, and a look at what is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use validate::client::ServerClient;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/motivating-3.toml");

/// One workload, for tests that need one server. Its cuts leave half of a run of two seconds.
pub(crate) const ONE: &str = "version = 1\nname = \"one\"\nseed = 1\nduration_s = 5\nwarmup_s = 0.5\n\
    cooldown_s = 0.5\n[[gpu]]\nkind = \"v100\"\n[[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 15\nrate_rps = 100\n";

/// A place for one test. All processes that it starts bear its mark in their environment.
pub(crate) struct Setting {
    pub(crate) folder: TempDir,
    triton: PathBuf,
    mark: String,
    environment: Vec<(String, String)>,
}

impl Setting {
    /// `None`, with a message, where there is no Triton.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let setting = Self::without_triton(name);
        if !setting.triton.is_file() {
            eprintln!("skipped: no real Triton server here; scripts/setup_triton.sh installs it");
            return None;
        }
        Some(setting)
    }

    /// For what starts no server.
    pub(crate) fn without_triton(name: &str) -> Self {
        let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let mark = format!("IGNITER_TEST_MARK={name}-{}", std::process::id());
        Self { folder, triton, mark, environment: Vec::new() }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn launch(&self, flags: &[&str]) -> Running {
        self.launch_scenario(Path::new(SCENARIO), flags)
    }

    pub(crate) fn launch_scenario(&self, scenario: &Path, flags: &[&str]) -> Running {
        let (triton, out) =
            (self.triton.display().to_string(), self.path("out").display().to_string());
        let scenario = scenario.display().to_string();
        let mut arguments = vec!["launch", &scenario, "--json", "--triton", &triton];
        arguments.extend(flags);
        if !flags.contains(&"-o") {
            arguments.extend(["-o", &out]);
        }
        self.validate(&arguments)
    }

    /// A whole run, with these flags too.
    pub(crate) fn run(&self, scenario: &Path, out: &Path, flags: &[&str]) -> Running {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (scenario, out, triton) = (text(scenario), text(out), text(&self.triton));
        let mut arguments = vec!["run", &scenario, "--triton", &triton, "-o", &out];
        arguments.extend(flags);
        self.validate(&arguments)
    }

    /// The folder in which the program makes its temporary ones.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    pub(crate) fn validate(&self, arguments: &[&str]) -> Running {
        let (name, value) = self.mark.split_once('=').unwrap();
        // Whoever runs tests in the background of a shell ignores Ctrl-C, and so would the program until it watches
        // for it itself.
        let mut command = Command::new("/usr/bin/env");
        for name in ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_MPS_PIPE_DIRECTORY"] {
            command.env_remove(name);
        }
        command.arg("--default-signal=INT,HUP,TERM").arg(env!("CARGO_BIN_EXE_validate"));
        command.args(arguments);
        command
            .env(name, value)
            .env("TMPDIR", self.temporary())
            .envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn().unwrap();
        // As long as it is `env`, a signal may still be ignored.
        let env = fs::canonicalize("/usr/bin/env").unwrap();
        let program = format!("/proc/{}/exe", process.id());
        while fs::read_link(&program).is_ok_and(|program| program == env) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Running { process }
    }

    /// The marked processes that run.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|text| text == self.mark.as_bytes()) {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                found.push((pid, command.chars().take(200).collect()));
            }
        }
        found
    }

    /// Waits for what is on its way out, and fails where a process or a temporary folder stays.
    pub(crate) fn assert_nothing_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !self.processes().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.processes(), [], "processes are left");
        let entries = fs::read_dir(self.temporary()).unwrap();
        let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "temporary folders are left: {left:?}");
    }
}

/// A `validate` that runs.
pub(crate) struct Running {
    process: Child,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has ended already.
    pub(crate) fn ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits until all servers are ready.
    pub(crate) fn servers(&mut self) -> Vec<Value> {
        let mut document = String::new();
        let stdout = BufReader::new(self.process.stdout.take().unwrap());
        for line in stdout.lines() {
            let line = line.unwrap();
            document += &line;
            if line == "]" {
                break;
            }
        }
        if document.is_empty() {
            let (code, errors) = self.wait();
            panic!("it ended with {code:?} before its servers were ready: {errors}");
        }
        serde_json::from_str(&document).unwrap()
    }

    /// The one document that it prints until it ends.
    pub(crate) fn document(&mut self) -> Value {
        let mut text = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        signal_to(self.process.id(), signal);
    }

    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        (self.process.wait().unwrap().code(), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing either: the guards see to the rest.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn signal_to(pid: u32, signal: &str) {
    // At once: a program of its own to send it takes long enough for a run to end in between.
    let signal: Signal = format!("SIG{signal}").parse().unwrap();
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// Shared memory of the servers that process `pid` started.
pub(crate) fn shared_memory_of(pid: u32) -> Vec<String> {
    let prefix = format!("igniter-{pid}-");
    fs::read_dir("/dev/shm")
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// One request.
pub(crate) fn infer(server: &Value, first: f32) -> Value {
    let input = serde_json::json!({"inputs": [
        {"name": "IN", "datatype": "FP32", "shape": [1, 4], "data": [first, 0.0, 0.0, 0.0]}
    ]});
    let text = |key: &str| server[key].as_str().unwrap();
    ServerClient::new(text("url")).infer(text("served_as"), &input).unwrap()
}
