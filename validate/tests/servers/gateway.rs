//! Servers that others run, behind a gateway of HTTP: a real Triton, whose answers come in chunks.

use crate::standing::{assert_all_answered, front, read, run, triton};
use crate::standins::source;
use crate::support::Setting;
use std::process::Command;

#[test]
fn answers_in_chunks_are_measured_as_others() {
    let Some(setting) = Setting::new("gateway") else { return };
    let triton = triton(&setting, &[]);
    let mut command = Command::new("python3");
    command.arg(source("chunked_front.py")).arg(triton.http.to_string());
    let (gateway, [port]) = front(&mut command);
    let url = format!("http://127.0.0.1:{port}");
    let (code, errors) = run(&setting, &url, "out", &[]);
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    let out = setting.path("out");
    assert_all_answered(&out, &url);
    assert_eq!(read(&out.join("run.json"))["workloads"][0]["statistics"]["success"], 200);
    drop((gateway, triton));
    setting.assert_nothing_left();
}
