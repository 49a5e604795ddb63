//! A real Triton server that ends when its guard does.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(100);

/// A Python-backend model of the server.
#[derive(Debug, Clone)]
pub(crate) struct TritonModel {
    pub(crate) name: String,
    /// Execution time by batch size, from 1; its length is `max_batch_size`.
    pub(crate) table_ms: Vec<f64>,
    pub(crate) max_queue_delay_ms: f64,
    pub(crate) instances: u32,
    pub(crate) variable_shape: bool,
    /// The key `default_queue_policy` of its batcher, if it has one.
    pub(crate) queue_policy: Option<String>,
}

impl TritonModel {
    fn config(&self) -> String {
        let times: Vec<String> = self.table_ms.iter().map(ToString::to_string).collect();
        format!(
            "name: \"{name}\"\nbackend: \"python\"\nmax_batch_size: {max}\n\
             input [{{ name: \"IN\", data_type: TYPE_FP32, dims: [{dims}] }}]\n\
             output [{{ name: \"OUT\", data_type: TYPE_FP32, dims: [{dims}] }}]\n\
             instance_group [{{ count: {instances}, kind: KIND_CPU }}]\n\
             dynamic_batching {{ max_queue_delay_microseconds: {delay:.0} {policy} }}\n\
             parameters {{ key: \"table_ms\", value: {{ string_value: \"{times}\" }} }}\n",
            name = self.name,
            max = self.table_ms.len(),
            dims = if self.variable_shape { -1 } else { 4 },
            instances = self.instances,
            delay = self.max_queue_delay_ms * 1e3,
            policy = self.queue_policy.as_deref().unwrap_or_default(),
            times = times.join(","),
        )
    }
}

/// A batch as its model wrote it down; times on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedBatch {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// The numbers of its requests.
    pub(crate) requests: Vec<usize>,
}

/// A running server. Dropping it ends the process; `.triton/tritonserver` also ends it when this
/// process dies without dropping anything, and Ctrl-C in a terminal reaches both.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts a server with these models on a free port of the loopback interface, and waits until it is ready. It
    /// writes a trace of all requests, which Triton 24.10 does not survive when a traced request times out, or each
    /// model a list of its batches ([`Server::batches`]).
    pub(crate) fn start(command: &[&str], models: &[TritonModel], traced: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("models");
        for model in models {
            let version = repository.join(&model.name).join("1");
            fs::create_dir_all(&version).unwrap();
            fs::write(version.join("model.py"), include_str!("model.py")).unwrap();
            let mut config = model.config();
            if !traced {
                let log = folder.path().display();
                writeln!(
                    config,
                    "parameters {{ key: \"log\", value: {{ string_value: \"{log}\" }} }}"
                )
                .unwrap();
            }
            fs::write(repository.join(&model.name).join("config.pbtxt"), config).unwrap();
        }
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join("log")).unwrap();
        let trace = trace_file(&folder);
        let tracing = [
            format!("triton,file={}", trace.display()),
            // Written once, at the end: nothing but the measurement while measuring.
            "triton,log-frequency=0".to_owned(),
            "level=TIMESTAMPS".to_owned(),
            "rate=1".to_owned(),
        ];
        let tracing = tracing.into_iter().filter(|_| traced);
        let process = Command::new(command[0])
            .args(&command[1..])
            .arg(format!("--model-repository={}", repository.display()))
            .args(["--http-address=127.0.0.1", &format!("--http-port={port}")])
            .args(["--allow-grpc=false", "--allow-metrics=false", "--exit-timeout-secs=100"])
            .args(["--disable-auto-complete-config"])
            .args(tracing.flat_map(|value| ["--trace-config".to_owned(), value]))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { process, address, folder };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + START_LIMIT;
        while !is_ready(self.address) {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("tritonserver ended with {status}\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "tritonserver is not ready\n{}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server and returns the trace that it then writes.
    pub(crate) fn stop_and_read_trace(mut self) -> String {
        let status = self.stop().expect("tritonserver should end when it is asked to");
        let path = trace_file(&self.folder);
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("no trace ({error}) after {status}\n{}", self.log()))
    }

    /// The batches of a model so far, in order of their start, by all its instances.
    pub(crate) fn batches(&self, model: &str) -> Vec<LoggedBatch> {
        let mut batches = Vec::new();
        for entry in fs::read_dir(self.folder.path()).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with(&format!("{model}_")) && name.ends_with(".batches") {
                let text = fs::read_to_string(entry.path()).unwrap();
                batches.extend(text.lines().map(|line| {
                    let mut numbers = line.split(' ').map(|word| word.parse::<u64>().unwrap());
                    let [start_ns, end_ns] = [numbers.next().unwrap(), numbers.next().unwrap()];
                    let requests = numbers.map(|number| usize::try_from(number).unwrap()).collect();
                    LoggedBatch { start_ns, end_ns, requests }
                }));
            }
        }
        batches.sort_by_key(|batch| batch.start_ns);
        batches
    }

    /// Asks the server to end; `None` if it had to be killed.
    fn stop(&mut self) -> Option<ExitStatus> {
        if let Some(status) = self.process.try_wait().ok()? {
            return Some(status);
        }
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + STOP_LIMIT;
        while asked.is_ok() && Instant::now() < deadline {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        None
    }

    fn log(&self) -> String {
        let mut text = String::from("its log:\n");
        let read = fs::read_to_string(self.folder.path().join("log"));
        let _ = write!(text, "{}", read.unwrap_or_else(|error| error.to_string()));
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn trace_file(folder: &TempDir) -> PathBuf {
    folder.path().join("trace.json")
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        std::io::Result::Ok(status.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}
