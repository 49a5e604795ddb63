//! Servers that others run, over HTTP, HTTPS, gRPC and gRPC in TLS: a real Triton, behind a TLS terminator.

use crate::standins::source;
use crate::support::{ONE, Setting};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use validate::client::ServerClient;

const MODEL: &str = "import time\nimport triton_python_backend_utils as pb\nclass TritonPythonModel:\n    \
    def execute(self, requests):\n        time.sleep(0.005)\n        \
    return [pb.InferenceResponse([pb.Tensor('Y', pb.get_input_tensor_by_name(r, 'X').as_numpy())]) for r in requests]\n";
const CONFIG: &str = "backend: \"python\"\nmax_batch_size: 4\ndynamic_batching {}\n\
    instance_group [ { kind: KIND_CPU count: 1 } ]\n\
    input [ { name: \"X\" data_type: TYPE_FP32 dims: [ 50000 ] } ]\n\
    output [ { name: \"Y\" data_type: TYPE_FP32 dims: [ 50000 ] } ]\n";

/// Ends what it holds when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Triton with HTTP and gRPC, and TLS in front of both; their URLs, by protocol.
struct Servers {
    _triton: Ended,
    _front: Ended,
    urls: [String; 4],
    /// What came through the terminator.
    unsealed: PathBuf,
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

fn servers(setting: &Setting, flags: &[&str]) -> Servers {
    setting.write("models/alexnet/config.pbtxt", CONFIG);
    setting.write("models/alexnet/1/model.py", MODEL);
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let [http, grpc] = [free_port(), free_port()];
    let log = fs::File::create(setting.path("triton.log")).unwrap();
    let triton = Command::new(triton)
        .arg(format!("--model-repository={}", setting.path("models").display()))
        .args(["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--allow-metrics=false"])
        .arg("--exit-timeout-secs=2")
        .args([format!("--http-port={http}"), format!("--grpc-port={grpc}")])
        .args(flags)
        .stderr(log)
        .stdout(Stdio::null())
        .spawn();
    let triton = Ended(triton.unwrap());
    let unsealed = setting.path("unsealed");
    let mut front = Command::new("python3");
    front.arg(source("tls_front.py")).args([certificate("server.pem"), unsealed.clone()]);
    front.args([http.to_string(), grpc.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut front = Ended(front.spawn().unwrap());
    let mut lines = BufReader::new(front.0.stdout.take().unwrap()).lines();
    let mut port = || lines.next().unwrap().unwrap();
    let (https, grpcs) = (port(), port());
    let urls = [
        format!("http://127.0.0.1:{http}"),
        format!("https://localhost:{https}"),
        format!("grpc://127.0.0.1:{grpc}"),
        format!("grpcs://localhost:{grpcs}"),
    ];
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(why) = ServerClient::new(&urls[0]).ready() {
        assert!(Instant::now() < deadline, "{why}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Servers { _triton: triton, _front: front, urls, unsealed }
}

fn run(setting: &Setting, url: &str, out: &str, flags: &[&str]) -> (Option<i32>, String) {
    let scenario = setting.write("s.toml", &format!("{}[batching]\nmax_batch = 4\n", ONE));
    let text = format!(
        "headers = [\"X-Secret: of-the-file\"]\n[[server]]\nworkload = \"W1\"\nurl = \"{url}\"\nmodel = \"alexnet\"\n"
    );
    let list = setting.write("servers.toml", &text);
    let out = setting.path(out);
    let flags = [
        &["--launcher", "external", "--servers", list.to_str().unwrap(), "--quiet"][..],
        &["--duration-s", "2", "--drain-s", "20"],
        flags,
    ]
    .concat();
    setting.run(&scenario, &out, &flags).wait()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_protocol_measures_the_same_server() {
    let Some(setting) = Setting::new("protocols") else { return };
    let servers = servers(&setting, &[]);
    let trusted = certificate("ca.pem");
    for (number, url) in servers.urls.iter().enumerate() {
        let out = format!("run{number}");
        let secure = url.starts_with("https") || url.starts_with("grpcs");
        let mut flags = vec!["--header", "X-Test: of-the-command-line"];
        if secure {
            flags.extend(["--ca-certificate", trusted.to_str().unwrap()]);
        }
        let (code, errors) = run(&setting, url, &out, &flags);
        assert!(matches!(code, Some(0 | 1)), "{url}: {code:?} {errors}");
        let out = setting.path(&out);
        let mut rows = csv::Reader::from_path(out.join("requests.csv")).unwrap();
        let columns = rows.headers().unwrap().clone();
        let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
        let (error, bytes) = (at("error"), at("output_bytes"));
        let times = ["intended_ns", "sent_ns", "written_ns", "first_byte_ns", "done_ns"].map(at);
        let mut count = 0;
        for row in rows.records().map(Result::unwrap) {
            assert_eq!((&row[error], &row[bytes]), ("", "200000"), "{url}: {row:?}");
            let times = times.map(|column| row[column].parse::<u64>().unwrap());
            assert!(times.is_sorted(), "{url}: {row:?}");
            count += 1;
        }
        assert_eq!(count, 200, "{url}");
        // What the server itself has counted is asked over the same protocol.
        let statistics = &read(&out.join("run.json"))["workloads"][0]["statistics"];
        assert_eq!(statistics["success"], 200, "{url}");
        let comparison = read(&out.join("comparison.json"));
        let row = &comparison["rows"][0];
        // 5 ms and a little: from the server's statistics, as there is no trace.
        let execution = row["measured"]["exec_ms"].as_f64().unwrap();
        assert!((5.0..60.0).contains(&execution), "{url}: {row}");
        assert!(fs::read_to_string(out.join("run.json")).unwrap().contains("triton"), "{url}");
        let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
        assert!(!manifest.contains("of-the-command-line") && manifest.contains("--header"));
    }
    let unsealed = fs::read(&servers.unsealed).unwrap();
    let times = |text: &str| unsealed.windows(text.len()).filter(|w| *w == text.as_bytes()).count();
    assert!(times("X-Test: of-the-command-line\r\n") >= 200, "every request over HTTPS has it");
    assert!(times("X-Secret: of-the-file\r\n") >= 200);
    drop(servers);
    setting.assert_nothing_left();
}

#[test]
fn a_door_with_a_key_opens_to_whoever_has_it() {
    let Some(setting) = Setting::new("restricted") else { return };
    let restricted = [
        "--http-restricted-api=inference:key=open",
        "--grpc-restricted-protocol=inference:key=open",
    ];
    let servers = servers(&setting, &restricted);
    let [http, _, grpc, _] = &servers.urls;
    for (url, name) in [(http, "key"), (grpc, "triton-grpc-protocol-key")] {
        let out = if url == http { "http" } else { "grpc" };
        let (code, errors) = run(&setting, url, out, &[]);
        assert_eq!(code, Some(2), "{url}: {errors}");
        assert!(
            errors.contains("the warm-up failed: status") && errors.contains("key"),
            "{errors}"
        );
        let (code, errors) = run(&setting, url, out, &["--header", &format!("{name}: open")]);
        assert!(matches!(code, Some(0 | 1)), "{url}: {errors}");
    }
    drop(servers);
    setting.assert_nothing_left();
}

#[test]
fn servers_that_cannot_be_trusted_or_reached_are_named() {
    let Some(setting) = Setting::new("untrusted") else { return };
    let servers = servers(&setting, &[]);
    let [_, https, grpc, grpcs] = &servers.urls;
    for url in [https, grpcs] {
        let (code, errors) = run(&setting, url, "out", &[]);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(url) && errors.to_lowercase().contains("certificate"), "{errors}");
    }
    // The wrong door.
    let wrong = grpc.replace("grpc://", "http://");
    let (code, errors) = run(&setting, &wrong, "out", &[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("it is not ready"), "{errors}");
    let (code, errors) = run(&setting, "grpc://127.0.0.1:1", "out", &[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("grpc://127.0.0.1:1") && errors.contains("refused"), "{errors}");
    let (code, errors) = run(&setting, grpc, "out", &["--header", "nonsense"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("there is no colon"), "{errors}");
    drop(servers);
    setting.assert_nothing_left();
}
