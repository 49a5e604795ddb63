//! `igniter servers` on the published tables that come with the project.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::common::{file, igniter};
use igniter::servers::{Constants, SectionErrors, Servers, compare, read_sections};
use predicates::prelude::*;
use predicates::str::contains;
use std::path::{Path, PathBuf};

fn tables() -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/triton-servers");
    ["offline.csv", "online.csv"].map(|name| folder.join(name))
}

fn compared(only: &str) -> Servers {
    let [offline, online] = tables();
    let mut sections = read_sections(&offline, &online).unwrap();
    sections.retain(|section| section.name.contains(only));
    compare(&sections, &Constants::built_in()).unwrap()
}

#[track_caller]
fn at_most(e: &SectionErrors, throughput: f64, mean: f64, p99: f64) {
    let found = [e.throughput, e.mean, e.p99].map(|d| d.mape_pct);
    println!("{}: {found:?} (limits {throughput}, {mean}, {p99})", e.of);
    let limits = [throughput, mean, p99];
    assert!(found.iter().zip(limits).all(|(value, limit)| *value <= limit), "{found:?}");
}

/// Aimed at: 7, 7 and 12 % (reached with all sections fitted: 5.8, 6.0 and 10.4); results/servers has the held-out figures
#[test]
fn image_networks_of_a_frozen_batcher() {
    let found = compared("GPUNet");
    assert!(found.skipped.is_empty(), "{:?}", found.skipped);
    assert_eq!((found.errors[0].sections, found.errors[0].n), (7, 224));
    at_most(&found.errors[0], 7.0, 7.0, 13.0);
}

/// One batch at a time, those behind it merged while they fit, padded to powers of two rows.
#[test]
fn instances_that_share_a_thread_and_pad() {
    let found = compared("NVIDIA TensorRT with FP16, Dataset");
    assert_eq!((found.errors[0].sections, found.errors[0].n), (5, 160));
    at_most(&found.errors[0], 11.0, 10.5, 11.5);
    let found = compared("TFT, NVIDIA T4, NVIDIA TensorRT");
    // Eight clients run in turns of four: the published latency is twice the static batch of four requests.
    let eight = &found.rows[0];
    assert!((eight.simulated_batch - 4.0).abs() < 0.1, "{eight:?}");
    assert!((eight.simulated_mean_ms / eight.published_mean_ms - 1.0).abs() < 0.15, "{eight:?}");
}

/// One instance, batches of at most four, no network to speak of: what the offline table says.
#[test]
fn five_clients_of_one_instance() {
    let found = compared("nnUNet, NVIDIA A40 with FP16");
    let row = found.rows.iter().find(|row| row.clients == 5).unwrap();
    assert!((row.simulated_mean_ms / row.published_mean_ms - 1.0).abs() < 0.03, "{row:?}");
    assert!((row.simulated_rps / row.published_rps - 1.0).abs() < 0.03, "{row:?}");
}

#[test]
fn every_section_is_compared() {
    let [offline, online] = tables();
    let sections = read_sections(&offline, &online).unwrap();
    assert_eq!(sections.len(), 40);
    assert_eq!(sections.iter().map(|s| s.online.len()).sum::<usize>(), 960);
    for section in &sections {
        assert!(section.offline.len() >= 3, "{}", section.name);
    }
}

#[test]
fn tables_are_written_and_constants_are_read() {
    let root = tempfile::tempdir().unwrap();
    let [offline, online] = tables();
    let servers = || {
        let mut command = igniter();
        command.arg("servers").arg(&offline).arg(&online).args(["--only", "nnUNet, NVIDIA T4"]);
        command
    };
    let out = root.path().join("out");
    servers().arg("-o").arg(&out).assert().code(0).stdout(contains("throughput"));
    for name in ["servers.csv", "servers.json", "figures/accuracy.svg", "manifest.json"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let own = file(root.path(), "own.toml", Constants::written(&[]));
    servers()
        .arg("--constants")
        .arg(&own)
        .assert()
        .code(0)
        .stdout(contains("left out").and(contains("no constants for its page")));
    let broken = file(root.path(), "broken.toml", "[[page]]\npage = 3\n");
    servers().arg("--constants").arg(&broken).assert().code(2).stderr(contains("constants"));
    servers().arg("--fit").assert().code(2).stderr(contains("--output"));
}
