//! `igniter report`, `reproduce` and `man` from the command line. `tests/browser` opens pages in a browser.

use crate::common::{SHORT, file, igniter};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty};
use tempfile::TempDir;

#[test]
fn a_page_of_a_comparison_is_one_file_with_its_provenance() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let out = root.path().join("out");
    igniter().arg("compare").arg(&scenario).arg("-o").arg(&out).assert().code(0);
    let beside = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(beside.contains("<!doctype html>") && !beside.contains("s.toml -o"));
    let page = root.path().join("page.html");
    igniter().arg("report").arg(&out).arg("-o").arg(&page).assert().code(0).stdout(contains("MB"));
    let html = std::fs::read_to_string(page).unwrap();
    // The command, which results must not depend on, is in the page that is asked for.
    assert!(html.contains("compare ") && html.contains("s.toml -o"));
    for text in [&beside, &html] {
        assert!(text.len() < 3_000_000);
        for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}

#[test]
fn tables_for_papers_come_from_a_folder() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let out = root.path().join("out");
    igniter().arg("compare").arg(&scenario).arg("-o").arg(&out).assert().code(0);
    let table = |more: &[&str]| igniter().arg("table").arg(&out).args(more).assert();
    table(&["--format", "latex"])
        .code(0)
        .stdout(contains("\\toprule").and(contains("igniter & ")).and(contains("\\bottomrule")));
    table(&["--of", "workloads"]).code(0).stdout(contains("| Strategy | Workload |"));
    table(&["--file", "gpus.csv", "--format", "csv"]).code(0).stdout(contains("strategy,gpu,kind"));
    std::fs::remove_file(out.join("comparison.json")).unwrap();
    table(&[]).code(2).stderr(contains("comparison.json").and(contains("run its command again")));
    igniter()
        .arg("table")
        .arg(root.path())
        .assert()
        .code(2)
        .stderr(contains("holds no table").and(contains("--file")));
}

#[test]
fn what_is_no_folder_of_results_is_refused() {
    let root = TempDir::new().unwrap();
    let page = root.path().join("page.html");
    igniter()
        .args(["report", "does-not-exist", "-o"])
        .arg(&page)
        .assert()
        .code(2)
        .stderr(contains("does-not-exist"));
    igniter()
        .arg("report")
        .arg(root.path())
        .arg("-o")
        .arg(&page)
        .assert()
        .code(2)
        .stderr(contains("holds no results"));
    assert!(!page.exists());
}

#[test]
fn figures_are_made_one_by_one_and_the_others_stay() {
    let root = TempDir::new().unwrap();
    let out = root.path().join("paper");
    let make = |name: &str| igniter().args(["reproduce", name, "-o"]).arg(&out).assert().code(0);
    make("accuracy").stdout(contains("figures/accuracy.svg"));
    make("experiments");
    for name in
        ["accuracy.csv", "experiments.csv", "figures/accuracy.png", "figures/experiment2.svg"]
    {
        assert!(out.join(name).is_file(), "{name}");
    }
    let svg = std::fs::read_to_string(out.join("figures/accuracy.svg")).unwrap();
    assert!(svg.contains("@font-face") && svg.contains("<title>"), "it needs no installed font");
    // The same command gives the committed numbers.
    let committed =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/results/paper/accuracy.csv"));
    assert_eq!(std::fs::read(out.join("accuracy.csv")).unwrap(), committed.unwrap());
    igniter()
        .args(["reproduce", "acuracy", "-o"])
        .arg(&out)
        .assert()
        .code(2)
        .stderr(contains("the figures are: accuracy"));
}

#[test]
fn every_command_has_a_manual_page() {
    let root = TempDir::new().unwrap();
    let out = root.path().join("man");
    igniter().args(["man", "-o"]).arg(&out).assert().code(0);
    let trace = ["igniter-trace-inspect", "igniter-trace-generate"];
    for name in ["igniter", "igniter-compare", "igniter-report"].iter().chain(&trace) {
        let page = std::fs::read_to_string(out.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH DESCRIPTION"), "{name}");
    }
}

#[test]
fn quiet_prints_nothing_and_pipes_get_no_colours() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    igniter().arg("compare").arg(&scenario).arg("--quiet").assert().code(0).stdout(is_empty());
    igniter()
        .arg("compare")
        .arg(&scenario)
        .assert()
        .code(0)
        .stdout(contains("P99/SLO").and(contains("\u{1b}").not()));
}
