//! Servers that others run, over HTTP, HTTPS, gRPC and gRPC in TLS: a real Triton, behind a TLS terminator.

use crate::standing::{Ended, Triton, assert_all_answered, front, read, run, triton};
use crate::standins::source;
use crate::support::Setting;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Triton with HTTP and gRPC, and TLS in front of both; their URLs, by protocol.
struct Servers {
    _triton: Triton,
    _front: Ended,
    urls: [String; 4],
    /// What came through the terminator.
    unsealed: PathBuf,
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

fn servers(setting: &Setting, flags: &[&str]) -> Servers {
    let triton = triton(setting, flags);
    let (http, grpc) = (triton.http, triton.grpc);
    let unsealed = setting.path("unsealed");
    let mut command = Command::new("python3");
    command.arg(source("tls_front.py")).args([certificate("server.pem"), unsealed.clone()]);
    command.args([http.to_string(), grpc.to_string()]);
    let (front, [https, grpcs]) = front(&mut command);
    let urls = [
        format!("http://127.0.0.1:{http}"),
        format!("https://localhost:{https}"),
        format!("grpc://127.0.0.1:{grpc}"),
        format!("grpcs://localhost:{grpcs}"),
    ];
    Servers { _triton: triton, _front: front, urls, unsealed }
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
        assert_all_answered(&out, url);
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
