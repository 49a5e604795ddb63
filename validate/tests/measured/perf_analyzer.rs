//! Our client and NVIDIA's, on the same server at the same rates, in turns.
//!
//! The model takes 20 ms for a batch of any size, and batches are never full. So a request waits for at most one
//! batch, and its P99 hardly depends on which random arrivals a run happens to have: perf_analyzer draws other
//! Poisson arrivals than ours.

use super::{alone, csv_rows, idle_machine, json, root, triton, validate};
use assert_cmd::cargo::cargo_bin;
use igniter::stats::{mean, percentile};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends the servers when it is dropped: `validate launch` does so at the end of its time, and when asked.
struct Servers(Child);

impl Drop for Servers {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

/// Seconds of each run.
const SECONDS: u32 = 12;
const RATE: u32 = 100;
/// With its usual four threads it is no open loop: requests wait for it until half of what it reports as
/// latency is its own.
const THREADS: &str = "16";

const CONFIG: &str = "backend: \"python\"\nmax_batch_size: 16\n\
    input [{ name: \"IN\", data_type: TYPE_FP32, dims: [4] }]\n\
    output [{ name: \"OUT\", data_type: TYPE_FP32, dims: [1] }]\n\
    instance_group [{ kind: KIND_CPU }]\ndynamic_batching {}\n";
const MODEL: &str = r#"import time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        end = time.perf_counter() + 0.02
        answer = pb_utils.Tensor("OUT", np.zeros((1, 1), np.float32))
        answers = [pb_utils.InferenceResponse([answer]) for _ in requests]
        time.sleep(max(end - time.perf_counter(), 0))
        return answers
"#;

/// What one client saw, in ms.
#[derive(Default)]
struct Seen {
    means: Vec<f64>,
    p99s: Vec<f64>,
    /// Whether it said that it was late itself.
    delayed: bool,
}

impl Seen {
    fn add(&mut self, [mean, p99]: [f64; 2]) {
        self.means.push(mean);
        self.p99s.push(p99);
    }

    fn all(&self) -> [f64; 2] {
        [mean(&self.means).unwrap(), mean(&self.p99s).unwrap()]
    }
}

#[test]
fn perf_analyzer_sees_what_our_client_sees() {
    let Some(triton) = triton() else { return };
    let program = root().join(".triton/perf_analyzer/perf_analyzer");
    if !program.is_file() {
        eprintln!("skipped: no perf_analyzer here; scripts/setup_perf_analyzer.sh installs it");
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    fs::create_dir_all(models.join("alexnet/1")).unwrap();
    fs::write(models.join("alexnet/config.pbtxt"), CONFIG).unwrap();
    fs::write(models.join("alexnet/1/model.py"), MODEL).unwrap();
    let scenario = |process: &str| {
        let text = format!(
            "version = 1\nname = \"{process}\"\nduration_s = {SECONDS}\nwarmup_s = 0\ncooldown_s = 0\n\
             [[gpu]]\nkind = \"v100\"\n[batching]\nmax_batch = 16\n[[workload]]\nname = \"W1\"\n\
             model = \"alexnet\"\nslo_ms = 60\nrate_rps = {RATE}\narrival = {{ process = \"{process}\" }}\n"
        );
        let path = folder.path().join(format!("{process}.toml"));
        fs::write(&path, text).unwrap();
        path
    };
    let (servers, url, model) = launch(&triton, &scenario("constant"), &models, folder.path());
    let list = folder.path().join("servers.toml");
    let text = format!("[[server]]\nworkload = \"W1\"\nurl = \"{url}\"\nmodel = \"{model}\"\n");
    fs::write(&list, text).unwrap();

    println!("| arrivals | client | mean ms | P99 ms |\n|---|---|---:|---:|");
    for process in ["constant", "poisson"] {
        let file = scenario(process);
        let (mut intended, mut sent, mut theirs) = <(Seen, Seen, Seen)>::default();
        let mut other = Seen::default();
        let mut late_ms: f64 = 0.0;
        // Where times are judged, the clients take turns.
        let rounds = if idle_machine() { 2 } else { 1 };
        for round in 0..rounds {
            let ours = ours(&file, &list, &folder.path().join(format!("{process}{round}")));
            intended.add(ours.from_intended);
            sent.add(ours.from_sent);
            late_ms = late_ms.max(ours.late_p99_ms);
            let (seen, delayed) = perf_analyzer(&program, &url, &model, process);
            theirs.add(seen);
            theirs.delayed |= delayed;
            other.add(independent(&url, &model, process));
        }
        for (client, seen) in [
            ("ours, from the intended time", &intended),
            ("ours, from sending", &sent),
            ("perf_analyzer, from sending", &theirs),
            ("Python's HTTP library, from sending", &other),
        ] {
            let [mean, p99] = seen.all();
            println!("| {process} | {client} | {mean:.2} | {p99:.2} |");
        }
        println!(
            "late sends of ours, P99: {late_ms:.2} ms; perf_analyzer late: {}",
            theirs.delayed
        );
        // A machine that stands still for a moment multiplies the P99 of the client that runs then, not its mean.
        let (limit, judged) = if idle_machine() { (1.03, 2) } else { (4.0, 1) };
        let pairs = sent.all().into_iter().zip(theirs.all()).take(judged);
        let others = sent.all().into_iter().zip(other.all()).take(judged);
        for (ours, theirs) in pairs.chain(others) {
            let ratio = (ours / theirs).max(theirs / ours);
            assert!(ratio <= limit, "{process}: {ours} ms against {theirs} ms");
        }
    }
    drop(servers);
}

/// A server of the scenario's one workload.
fn launch(
    triton: &Path,
    scenario: &Path,
    models: &Path,
    folder: &Path,
) -> (Servers, String, String) {
    let mut command = Command::new(cargo_bin("validate"));
    command.arg("launch").arg(scenario).arg("--triton").arg(triton).arg("--models").arg(models);
    command.args(["--for", "400", "--json", "-o"]).arg(folder.join("servers"));
    let mut servers = Servers(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut text = String::new();
    for line in BufReader::new(servers.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let last = line == "]";
        text += &line;
        if last {
            break;
        }
    }
    let list: Value = serde_json::from_str(&text).unwrap();
    let of = |key: &str| list[0][key].as_str().unwrap().to_owned();
    (servers, of("url"), of("served_as"))
}

/// Mean and P99 of one run, in ms, by both definitions, and how late requests were sent.
struct Ours {
    from_intended: [f64; 2],
    from_sent: [f64; 2],
    late_p99_ms: f64,
}

fn ours(scenario: &Path, list: &Path, out: &Path) -> Ours {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (scenario, list, folder) = (text(scenario), text(list), text(out));
    let mut arguments = vec!["run", &scenario, "--launcher", "external", "--servers", &list];
    arguments.extend(["--calibration-s", "0", "-o", &folder, "--json"]);
    let row = json(&validate(&arguments))["rows"][0].clone();
    let rows = csv_rows(&out.join("requests.csv"));
    let column = |name: &str| rows[0].iter().position(|header| header == name).unwrap();
    let (intended, sent, done) = (column("intended_ns"), column("sent_ns"), column("done_ns"));
    let summary = |from: usize| {
        let at = |row: &[String], column: usize| row[column].parse::<f64>().unwrap();
        let ms = rows[1..].iter().map(|row| (at(row, done) - at(row, from)) / 1e6);
        let mut ms: Vec<f64> = ms.collect();
        ms.sort_by(f64::total_cmp);
        [mean(&ms).unwrap(), percentile(&ms, 0.99).unwrap()]
    };
    Ours {
        from_intended: summary(intended),
        from_sent: summary(sent),
        late_p99_ms: row["late_p99_ms"].as_f64().unwrap(),
    }
}

/// Mean and P99 in ms, as a client sees them that shares nothing with ours.
fn independent(url: &str, model: &str, process: &str) -> [f64; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/measured/independent.py");
    let output = Command::new("python3")
        .arg(script)
        .args([url, model, &RATE.to_string(), &SECONDS.to_string(), process])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = said.split_whitespace().map(|word| word.parse::<f64>().unwrap());
    [numbers.next().unwrap(), numbers.next().unwrap()]
}

/// Mean and P99 in ms, over three windows, and whether it says that it could not keep its schedule.
fn perf_analyzer(program: &Path, url: &str, model: &str, process: &str) -> ([f64; 2], bool) {
    let window = (SECONDS * 1000 / 3).to_string();
    let output = Command::new(program)
        .args(["-m", model, "-u", url.trim_start_matches("http://"), "-i", "http", "--async"])
        .args(["--request-rate-range", &RATE.to_string(), "--request-distribution", process])
        .args(["--max-threads", THREADS, "-p", &window, "-r", "3", "-s", "999"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let us = |name: &str| -> f64 {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        let number = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {name} in {said}"))
    };
    let seen = [us("Avg latency: "), us("p99 latency: ")];
    (seen.map(|us| us / 1e3), said.contains("not able to keep up"))
}
