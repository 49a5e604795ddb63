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

#[test]
fn figures_of_a_comparison_are_drawn_anew_as_asked_for() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let out = root.path().join("out");
    igniter().arg("compare").arg(&scenario).arg("-o").arg(&out).arg("--quiet").output().unwrap();
    let plot = |more: &[&str]| igniter().arg("plot").arg(&out).args(more).assert();
    plot(&["--figures", "p99", "--format", "pdf,pgf,svg", "--width", "3", "--display", "ffd=FFD+"])
        .code(0)
        .stdout(contains("p99.pdf, .pgf, .svg"));
    let read = |name: &str| std::fs::read(out.join("figures").join(name)).unwrap();
    assert!(read("p99.pdf").starts_with(b"%PDF-1."));
    let text = |name: &str| String::from_utf8(read(name)).unwrap();
    assert!(text("p99.pgf").contains("FFD+") && text("p99.pgf").contains("\\begin{pgfpicture}"));
    assert!(text("p99.svg").contains("width=\"3.00in\"") && text("p99.svg").contains("FFD+"));
    // The folder still is what its manifest says.
    igniter().arg("report").arg(&out).arg("-o").arg(root.path().join("p.html")).assert().code(0);
    for (flags, words) in [
        (["--figures", "p98"], "there is no such figure"),
        (["--order", "best"], "the comparison has no such strategy"),
        (["--width", "0.1"], "allowed: 1.5 to 30"),
        (["--kind", "cost"], "is for sweeps"),
        (["--display", "ffd"], "allowed: NAME=TEXT"),
        (["--display", "ignitr=X"], "did you mean igniter?"),
    ] {
        plot(&flags).code(2).stderr(contains(words));
    }
    for command in ["plot", "table"] {
        let mut missing = igniter();
        missing.arg(command).arg(root.path().join("nope"));
        missing.assert().code(2).stderr(contains("there is no such folder"));
    }
    let table = |pair: &str| igniter().arg("table").arg(&out).args(["--display", pair]).assert();
    table("ffd=FFD+").code(0).stdout(contains("| FFD+ |"));
    table("fdf=FFD+").code(2).stderr(contains("did you mean ffd?"));
}

#[test]
fn two_folders_are_compared_and_what_cannot_be_is_refused() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let at = |name: &str| root.path().join(name);
    let compare = |name: &str, more: &[&str]| {
        igniter()
            .arg("compare")
            .arg(&scenario)
            .arg("-o")
            .arg(at(name))
            .args(more)
            .output()
            .unwrap();
    };
    compare("a", &["--seeds", "3"]);
    compare("b", &["--seeds", "3", "--set", "workload.*.slo_ms=15"]);
    compare("c", &["--strategies", "dedicated,optimal"]);
    let diff = |a: &str, b: &str| {
        let mut command = igniter();
        command.arg("diff").arg(at(a)).arg(at(b));
        command
    };
    diff("a", "a").assert().code(0).stdout(contains("numbers that both folders have are the same"));
    let found = diff("a", "b").arg("--json").output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let mean = rows.iter().find(|row| row["what"] == "mean (ms)").unwrap();
    assert!(mean["intervals"].is_array() && mean["beyond_chance"].is_boolean());
    let gpus = rows.iter().find(|row| row["what"] == "GPUs").unwrap();
    assert!(gpus["beyond_chance"].is_null());
    diff("a", "b")
        .args(["--format", "markdown"])
        .assert()
        .code(0)
        .stdout(contains("| of | what |"));
    let page = at("diff.html");
    diff("a", "b").arg("-o").arg(&page).assert().code(0);
    assert!(std::fs::read_to_string(page).unwrap().contains("<caption>What differs</caption>"));
    diff("a", "c").assert().code(2).stderr(contains("no strategy in common: igniter, ffd and"));
    diff("a", "none").assert().code(2).stderr(contains("none"));
}

#[test]
fn commands_to_try_keep_the_flags_and_reports_of_several_seeds_have_intervals() {
    let root = TempDir::new().unwrap();
    let out = root.path().join("out");
    let set = [
        "duration_s=8",
        "warmup_s=1",
        "cooldown_s=1",
        "arrival={process=\"poisson\"}",
        "batching.max_queue_delay_ms=0",
    ];
    let mut command = igniter();
    command.args(["compare", "motivating-3", "--seeds", "3", "-o"]).arg(&out);
    command.args(set.iter().flat_map(|set| ["--set", *set]));
    let printed = command.assert().code(0).get_output().stdout.clone();
    let printed = String::from_utf8(printed).unwrap();
    let next = "igniter compare motivating-3 --seeds 3 --set duration_s=8 --set warmup_s=1 --set cooldown_s=1 --set \
                'arrival={process=\"poisson\"}' --set batching.max_queue_delay_ms=0 --strategies igniter,queueing";
    assert!(printed.contains(next), "{printed}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let (page, report) = (read("report.html"), read("report.md"));
    // There its quotes are escaped.
    let start = next.split_once(" --set 'arrival").unwrap().0;
    assert!(page.contains(start), "the page says another command");
    for text in [&page, &report] {
        assert!(text.contains("3 seeds (1 to 3)") && text.contains("SLO attainment (%)"));
    }
    // A mean with its interval, as in `12.34 (11.00 – 13.68)`.
    assert!(report.lines().any(|line| line.starts_with("| igniter |") && line.contains(" – ")));
    let table = |of: &str| igniter().arg("table").arg(&out).args(["--of", of]).assert().code(0);
    table("strategies").stdout(contains("SLO attainment (%)").and(contains(" – ")));
    table("workloads").stdout(contains("Violations (%)").and(contains(" – ")));
}
