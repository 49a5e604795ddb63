//! What the binary answers to help, version and mistakes.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::net::TcpListener;

fn validate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_validate"))
}

#[test]
fn version_is_the_version_of_the_workspace() {
    let version = format!("validate {}\n", env!("CARGO_PKG_VERSION"));
    validate().arg("--version").assert().success().stdout(version);
}

#[test]
fn what_it_does_not_know_is_refused_with_code_2() {
    let refused: [&[&str]; 3] = [&["docter"], &["--jsn"], &[""]];
    for arguments in refused {
        validate()
            .args(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains("error:").or(contains("Usage")));
    }
}

#[test]
fn the_doctor_says_what_a_machine_without_a_gpu_lacks() {
    let nowhere = ["doctor", "--quick", "--triton", "/nowhere/tritonserver", "--need", "cpu"];
    let missing = contains("MISSING  Triton").and(contains("scripts/setup_triton.sh"));
    validate()
        .args(nowhere)
        .assert()
        .code(1)
        .stdout(missing.and(contains("not ready for emulated models")));

    let output =
        validate().args(nowhere).arg("--json").assert().code(1).get_output().stdout.clone();
    let document: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(document["ready"], false);
    for check in document["checks"].as_array().unwrap() {
        assert_eq!(check["status"] == "ok", check["fix"].is_null(), "{check}");
    }
}

#[test]
fn the_doctor_describes_the_gpu_of_a_recording() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml_h200.json");
    let found = contains("580.159.03").and(contains("NVIDIA H200, 132 SMs"));
    validate().args(["doctor", "--quick", "--gpu-recording", recording]).assert().stdout(found);
    let gone = validate().args(["doctor", "--quick", "--gpu-recording", "/nowhere"]).assert();
    gone.stdout(contains("the recording /nowhere"));
}

/// Servers are on the loopback interface, or where a file says: no proxy is to hear of them.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let (scenario, servers) = (folder.path().join("one.toml"), folder.path().join("servers.toml"));
    let text = "version = 1\nduration_s = 5\n[[gpu]]\nkind = \"v100\"\n[[workload]]\nname = \"W1\"\n\
                model = \"alexnet\"\nslo_ms = 15\nrate_rps = 100\n";
    std::fs::write(&scenario, text).unwrap();
    std::fs::write(&servers, format!("[[server]]\nworkload = \"W1\"\nurl = \"http://{closed}\"\n"))
        .unwrap();
    let mut command = validate();
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, format!("http://{}", proxy.local_addr().unwrap()));
    }
    command.arg("run").arg(&scenario).args(["--launcher", "external", "--servers"]).arg(&servers);
    let said = contains(format!("http://{closed}, the server of W1: it is not ready"));
    let refused = contains("refused").or(contains("Refused"));
    command.arg("-o").arg(folder.path().join("out")).assert().code(2).stderr(said.and(refused));
    let heard = proxy.accept().map(drop).unwrap_err();
    assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock, "nobody came to the proxy");
}

#[test]
fn clients_that_wait_are_refused_before_any_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("waiting.toml");
    let text = "version = 1\nduration_s = 5\n[[gpu]]\nkind = \"v100\"\n[[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\n\
                slo_ms = 50\nrate_rps = 100\narrival = { process = \"closed_loop\", clients = 4 }\n";
    std::fs::write(&scenario, text).unwrap();
    let words = contains("waiting.toml").and(contains("workload W1: closed_loop arrivals"));
    let words = words.and(contains("not sent to real servers"));
    let arguments = ["run", scenario.to_str().unwrap(), "-o", "/nowhere/out"];
    validate().args(arguments).assert().code(2).stdout("").stderr(words);
}

#[test]
fn what_only_the_simulator_does_is_refused_before_any_server_starts() {
    let head = "version = 1\nduration_s = 5\n[[gpu]]\nkind = \"v100\"\n";
    let workload =
        "[[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 50\nrate_rps = 100\n";
    let fault = "[[fault]]\nkind = \"gpu-fails\"\ngpu = 0\nat_s = 1\n";
    let cases = [
        (fault, "[[fault]]: given 1"),
        ("[controller]\nkind = \"gslice\"\n", "[controller] kind = \"gslice\""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("only.toml");
    for (more, words) in cases {
        std::fs::write(&scenario, format!("{head}{more}{workload}")).unwrap();
        let arguments = ["run", scenario.to_str().unwrap(), "-o", "/nowhere/out"];
        let said = contains("only.toml").and(contains(words)).and(contains("fix: "));
        validate().args(arguments).assert().code(2).stdout("").stderr(said);
    }
    let twelve = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/paper-12.toml");
    let arguments = ["run", twelve, "--strategy", "nexus", "-o", "/nowhere/out"];
    let said = contains("take turns on the same SMs (time_slot)").and(contains("fix: "));
    validate().args(arguments).assert().code(2).stdout("").stderr(said);
    let kinds = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/two-kinds.toml");
    let said = contains("[[gpu]]: given v100, t4").and(contains("allowed: one kind"));
    validate().args(["run", kinds, "-o", "/nowhere/out"]).assert().code(2).stderr(said);
    let shared = "batching = { instances = 2, shared_thread = true }\n";
    std::fs::write(&scenario, format!("{head}{workload}{shared}")).unwrap();
    let said = contains("batching.shared_thread: given true").and(contains("fix: "));
    validate().args(["launch", scenario.to_str().unwrap()]).assert().code(2).stderr(said);
}
