//! Our client and NVIDIA's, on the same server with the same arrivals.

use super::{LATE_MS, alone, json, root, triton, validate};
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::fmt::Write as _;
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

/// Seconds of one pass of the arrivals; perf_analyzer repeats them.
const SECONDS: f64 = 24.0;
const RATE: f64 = 60.0;

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
    let scenario = |name: &str, arrival: &str| {
        let text = format!(
            "version = 1\nname = \"{name}\"\nduration_s = {SECONDS}\nwarmup_s = 0\ncooldown_s = 0\n\
             [[gpu]]\nkind = \"v100\"\n[[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 60\n\
             rate_rps = {RATE}\narrival = {arrival}\n"
        );
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let constant = scenario("constant", "{ process = \"constant\" }");
    let (servers, url, model) = launch(&triton, &constant, folder.path());
    let list = folder.path().join("servers.toml");
    let text = format!("[[server]]\nworkload = \"W1\"\nurl = \"{url}\"\nmodel = \"{model}\"\n");
    std::fs::write(&list, text).unwrap();

    println!("| arrivals | client | mean ms | P99 ms | late P99 ms |\n|---|---|---|---|---|");
    for process in ["constant", "poisson"] {
        let file = scenario(process, &format!("{{ process = \"{process}\" }}"));
        let out = folder.path().join(process);
        let ours = ours(&file, &list, &out);
        let gaps = gaps(&out.join("requests.csv"));
        let theirs = theirs(&program, &url, &model, &gaps, folder.path());
        let late_ms = ours["late_p99_ms"].as_f64().unwrap();
        let of = |key: &str| ours[key].as_f64().unwrap();
        // perf_analyzer counts from when it really sent a request; ours knows both.
        let (mean, p99) = (of("mean_from_sent_ms"), of("p99_from_sent_ms"));
        let intended = |key: &str| ours["measured"][key].as_f64().unwrap();
        let (whole_mean, whole_p99) = (intended("mean_ms"), intended("p99_ms"));
        println!(
            "| {process} | ours, from the intended time | {whole_mean:.2} | {whole_p99:.2} | {late_ms:.2} |"
        );
        println!("| {process} | ours, from sending | {mean:.2} | {p99:.2} | {late_ms:.2} |");
        println!("| {process} | perf_analyzer | {:.2} | {:.2} | – |", theirs[0], theirs[1]);
        let limit = if late_ms <= LATE_MS { 1.05 } else { 2.5 };
        for (ours, theirs) in [(mean, theirs[0]), (p99, theirs[1])] {
            let ratio = (ours / theirs).max(theirs / ours);
            assert!(ratio <= limit, "{process}: {ours} ms against {theirs} ms");
        }
    }
    drop(servers);
}

/// A server of the scenario's one workload.
fn launch(triton: &Path, scenario: &Path, folder: &Path) -> (Servers, String, String) {
    let mut command = Command::new(cargo_bin("validate"));
    command.arg("launch").arg(scenario).arg("--triton").arg(triton);
    command.args(["--for", "300", "--json", "-o"]).arg(folder.join("servers"));
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

fn ours(scenario: &Path, list: &Path, out: &Path) -> Value {
    let arguments = [
        "run",
        scenario.to_str().unwrap(),
        "--launcher",
        "external",
        "--servers",
        list.to_str().unwrap(),
        "--calibration-s",
        "0",
        "-o",
        out.to_str().unwrap(),
        "--json",
    ];
    json(&validate(&arguments))["rows"][0].clone()
}

/// The gaps between our requests, in µs, one on each line.
fn gaps(requests: &Path) -> String {
    let rows = super::csv_rows(requests);
    let column = rows[0].iter().position(|name| name == "intended_ns").unwrap();
    let times: Vec<u64> = rows[1..].iter().map(|row| row[column].parse().unwrap()).collect();
    let mut text = String::new();
    for pair in times.windows(2) {
        writeln!(text, "{}", (pair[1] - pair[0]) / 1000).unwrap();
    }
    text
}

/// Mean and P99 in ms, of one pass of the arrivals in three windows.
fn theirs(program: &Path, url: &str, model: &str, gaps: &str, folder: &Path) -> [f64; 2] {
    let (intervals, table) = (folder.join("gaps.txt"), folder.join("theirs.csv"));
    std::fs::write(&intervals, gaps).unwrap();
    // It waits 1.2 times this for each window.
    let window = format!("{:.0}", SECONDS / 3.0 / 1.2 * 1e3);
    let output = Command::new(program)
        .args(["-m", model, "-u", url.trim_start_matches("http://"), "-i", "http", "--async"])
        .args(["-p", &window, "-r", "3", "-s", "999", "--verbose-csv"])
        .arg("--request-intervals")
        .arg(intervals)
        .arg("-f")
        .arg(&table)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = std::fs::read_to_string(&table).unwrap_or_else(|_| panic!("no table: {said}"));
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let of = |name: &str| {
        let column = lines[0].iter().position(|header| *header == name).unwrap();
        lines[1][column].parse::<f64>().unwrap() / 1e3
    };
    // "Avg latency" where there is one; else the mean of the parts of the response.
    let mean = said.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("Avg HTTP time: ")?;
        rest.split(' ').next()?.parse::<f64>().ok()
    });
    [mean.map_or_else(|| of("Avg latency"), |us| us / 1e3), of("p99 latency")]
}
