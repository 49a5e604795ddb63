//! A Triton that runs by itself, as servers that others run, and `validate run` on such servers.

use crate::support::{ONE, Setting};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
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
pub(crate) struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Triton that is ready, with its ports of HTTP and gRPC.
pub(crate) struct Triton {
    _process: Ended,
    pub(crate) http: u16,
    #[cfg_attr(
        not(feature = "remote"),
        expect(dead_code, reason = "gRPC is spoken with that feature")
    )]
    pub(crate) grpc: u16,
}

pub(crate) fn triton(setting: &Setting, flags: &[&str]) -> Triton {
    setting.write("models/alexnet/config.pbtxt", CONFIG);
    setting.write("models/alexnet/1/model.py", MODEL);
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let [http, grpc] = [free_port(), free_port()];
    let log = fs::File::create(setting.path("triton.log")).unwrap();
    let process = Command::new(triton)
        .arg(format!("--model-repository={}", setting.path("models").display()))
        .args(["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--allow-metrics=false"])
        .arg("--exit-timeout-secs=2")
        .args([format!("--http-port={http}"), format!("--grpc-port={grpc}")])
        .args(flags)
        .stderr(log)
        .stdout(Stdio::null())
        .spawn();
    let process = Ended(process.unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(why) = ServerClient::new(&format!("http://127.0.0.1:{http}")).ready() {
        assert!(Instant::now() < deadline, "{why}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Triton { _process: process, http, grpc }
}

/// Starts what stands in front of a server, and reads the `N` ports that it prints.
pub(crate) fn front<const N: usize>(command: &mut Command) -> (Ended, [String; N]) {
    let mut front = Ended(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(front.0.stdout.take().unwrap()).lines();
    let ports = std::array::from_fn(|_| lines.next().unwrap().unwrap());
    (front, ports)
}

/// Measures the server of a URL for two seconds; its exit code, and what it said.
pub(crate) fn run(
    setting: &Setting,
    url: &str,
    out: &str,
    flags: &[&str],
) -> (Option<i32>, String) {
    let scenario = setting.write("s.toml", &format!("{ONE}[batching]\nmax_batch = 4\n"));
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

/// Every request of a run of two seconds was answered, with the whole tensor and times in order.
pub(crate) fn assert_all_answered(out: &Path, url: &str) {
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
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
