//! Sweeps as a user runs them: the same bytes whatever happens on the way.

#![cfg(unix)]
#![expect(clippy::disallowed_types, reason = "kills are spread over the time that a sweep takes")]

use crate::common::{SHORT, file, igniter};
use predicates::str::contains;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TABLES: [&str; 3] = ["rows.csv", "rows.parquet", "points.csv"];

/// A folder with a scenario and a sweep over it.
fn with_sweep(text: &str) -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    file(root.path(), "s.toml", SHORT);
    let sweep = file(root.path(), "sweep.toml", text);
    (root, sweep)
}

/// `points` points of a third of a second, each with two strategies.
fn small(points: u32) -> String {
    format!(
        "version = 1\nscenario = \"s.toml\"\n[set]\nduration_s = 0.3\nwarmup_s = 0\ncooldown_s = 0\n\
         arrival = {{ process = \"poisson\" }}\n\
         [[axis]]\npath = \"rate_scale\"\nrange = {{ from = 0.501, to = {}, step = 0.001 }}\n",
        f64::from(500 + points) / 1000.0
    )
}

fn tables(dir: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    TABLES.iter().map(|name| (*name, std::fs::read(dir.join(name)).unwrap())).collect()
}

/// Rows as maps from column to cell.
fn rows(dir: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(dir.join("rows.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn sweep(sweep: &Path, out: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    igniter().arg("sweep").arg(sweep).arg("-o").arg(out).args(more).assert()
}

#[test]
fn threads_and_shards_change_no_byte() {
    let (root, file) = with_sweep(&small(12));
    let at = |name: &str| root.path().join(name);
    sweep(&file, &at("one"), &["--threads", "1"]).code(0);
    let expected = tables(&at("one"));
    sweep(&file, &at("many"), &["--threads", "5"]).code(0);
    assert!(tables(&at("many")) == expected, "threads matter");
    for shard in ["2/3", "0/3", "1/3"] {
        sweep(&file, &at("shards"), &["--shard", shard]).code(0);
    }
    igniter().arg("merge").arg(at("shards")).assert().code(0);
    assert!(tables(&at("shards")) == expected, "shards matter");
    let named = |i: u32| at("shards").join(format!("shard-0000{i}-of-00003"));
    let mut merge = igniter();
    merge.arg("merge").args([named(1), named(0), named(2)]).arg("-o").arg(at("merged"));
    merge.assert().code(0);
    assert!(tables(&at("merged")) == expected, "the order of shards matters");
    // 12 points × 2 strategies × 3 workloads, every point once.
    assert_eq!(rows(&at("one")).len(), 72);
}

#[test]
fn a_process_that_is_killed_fifty_times_loses_and_repeats_nothing() {
    let (root, file) = with_sweep(&small(150));
    let start = Instant::now();
    sweep(&file, &root.path().join("whole"), &[]).code(0);
    // So that most kills come while points are being done, whatever the speed of the machine.
    let longest = u32::try_from(start.elapsed().as_millis().min(400)).unwrap();
    let expected = tables(&root.path().join("whole"));
    let out = root.path().join("killed");
    let (mut kills, mut finished, mut random) = (0, 0, 1_u32);
    while kills < 50 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_igniter"))
            .args(["sweep", "--resume", "--quiet"])
            .arg(&file)
            .arg("-o")
            .arg(&out)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from((random >> 16) % longest)));
        // SIGKILL: nothing can be tidied up.
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            assert!(tables(&out) == expected, "after {kills} kills");
            std::fs::remove_dir_all(&out).unwrap();
            finished += 1;
        } else {
            kills += 1;
        }
    }
    sweep(&file, &out, &["--resume"]).code(0);
    assert!(tables(&out) == expected, "after {kills} kills, {finished} times finished on the way");
    assert!(!out.join(".sweep").exists());
    // What is complete is left alone.
    let before = std::fs::metadata(out.join("rows.csv")).unwrap().modified().unwrap();
    sweep(&file, &out, &["--resume"]).code(0).stdout(contains("150 points were done before"));
    assert_eq!(std::fs::metadata(out.join("rows.csv")).unwrap().modified().unwrap(), before);
}

#[test]
fn torn_and_damaged_ends_are_cut_off() {
    let (root, file) = with_sweep(&small(40));
    sweep(&file, &root.path().join("whole"), &[]).code(0);
    let out = root.path().join("torn");
    let mut child = Command::new(env!("CARGO_BIN_EXE_igniter"))
        .args(["sweep", "--quiet"])
        .arg(&file)
        .arg("-o")
        .arg(&out)
        .spawn()
        .unwrap();
    let progress = out.join(".sweep/progress");
    while std::fs::read_to_string(&progress).map_or(0, |text| text.lines().count()) < 5
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(progress.exists(), "the sweep was faster than its kill");
    // Half a row and half a line of progress, as a crash may leave; and a line whose rows are not there.
    let append = |name: &str, bytes: &[u8]| {
        let path = out.join(".sweep").join(name);
        let mut all = std::fs::read(&path).unwrap();
        all.extend_from_slice(bytes);
        std::fs::write(path, all).unwrap();
    };
    append("rows.csv", b"7,abc,0.5");
    append("progress", b"9999 9999 0 99999999 00000000\n17 3");
    sweep(&file, &out, &[]).code(2).stderr(contains("--resume"));
    sweep(&file, &out, &["--resume"]).code(0);
    assert!(tables(&out) == tables(&root.path().join("whole")));
}

#[test]
fn a_point_that_fails_is_a_row_and_the_sweep_goes_on() {
    let (root, file) = with_sweep(
        "version = 1\nscenario = \"s.toml\"\nstrategies = [\"igniter\"]\n[set]\nduration_s = 1\n\
         warmup_s = 0\ncooldown_s = 0\n\
         [[axis]]\npath = \"workload.W1.slo_ms\"\nname = \"slo\"\nvalues = [15, -3, 30]\n",
    );
    let out = root.path().join("out");
    sweep(&file, &out, &[]).code(1).stdout(contains("1 runs failed"));
    let rows = rows(&out);
    assert_eq!(rows.len(), 3 + 1 + 3);
    assert_eq!((rows[3]["status"].as_str(), rows[3]["slo"].as_str()), ("failed", "-3"));
    assert!(rows[3]["error"].contains("slo_ms: given -3"), "{}", rows[3]["error"]);
    assert_eq!(rows[4]["status"], "ok");
}

#[test]
fn strategies_see_the_same_arrivals() {
    let (root, file) =
        with_sweep(&small(2).replace("[set]", "seeds = { first = 7, count = 3 }\n[set]"));
    let out = root.path().join("out");
    sweep(&file, &out, &[]).code(0);
    let mut requests: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    let mut seeds = BTreeSet::new();
    for row in rows(&out) {
        let key = (row["point"].clone(), row["seed"].clone(), row["workload"].clone());
        requests.entry(key).or_default().insert(row["requests"].clone());
        seeds.insert(row["seed"].clone());
    }
    assert_eq!(seeds.into_iter().collect::<Vec<_>>(), ["7", "8", "9"]);
    assert_eq!(requests.len(), 2 * 3 * 3);
    assert!(requests.values().all(|numbers| numbers.len() == 1), "{requests:?}");
}

#[test]
fn seeds_are_added_until_the_mean_is_known() {
    let wide = small(1).replace(
        "[set]",
        "seeds = { least = 3, most = 12, metric = \"attainment_pct\", half_width = 1000 }\n[set]",
    );
    let (root, file) = with_sweep(&wide);
    let out = root.path().join("wide");
    sweep(&file, &out, &[]).code(0);
    // 3 seeds × 2 strategies × 3 workloads
    assert_eq!(rows(&out).len(), 18);
    let narrow = wide.replace("half_width = 1000", "half_width = 1e-9");
    std::fs::write(&file, narrow).unwrap();
    let out = root.path().join("narrow");
    sweep(&file, &out, &[]).code(0);
    assert_eq!(rows(&out).len(), 72, "all 12 seeds: random arrivals are never that sure");
}

#[test]
fn mistakes_in_a_sweep_are_named() {
    let axis = |text: &str| format!("version = 1\nscenario = \"s.toml\"\n[[axis]]\n{text}");
    let rate = |text: &str| axis(&format!("path = \"rate_scale\"\n{text}"));
    let cases = [
        (axis("path = \"workload.W9.slo_ms\"\nvalues = [1]"), "there is no workload W9"),
        (
            axis("path = \"duration\"\nvalues = [1]"),
            "sweep.toml:4: axis[0].path: \"duration\", in the scenario: unknown key",
        ),
        (axis("path = \"duration\"\nvalues = [1]"), "did you mean `duration_s`?"),
        (
            rate("values = [1]\n[[axis]]\npath = \"workload.W1.slo\"\nvalues = [9]"),
            "axis[1].path: \"workload.W1.slo\", in the scenario: unknown key",
        ),
        (
            format!("{}\n[set]\nwarmup = 0\n", rate("values = [1]")),
            "set.warmup: \"warmup\", in the scenario: unknown key",
        ),
        // All of them are told at once, with their number in the file that holds them.
        (
            format!(
                "{}strategies = [\"queuing\"]\n[seeds]\ncuont = 3\n[[axis]]\npath = \"rate_scal\"\nvalues = [1]",
                "version = 1\nscenario = \"s.toml\"\n"
            ),
            "3 problems in",
        ),
        (rate("values = []"), "axis[0].values: is empty"),
        (rate("range = { from = 0, to = 1, step = 0 }"), "from 0 to 1 in steps of 0"),
        (rate("range = { from = 2, to = 1, step = 0.1 }"), "leads from the first to the last"),
        (rate("log = { from = 0, to = 1, count = 3 }"), "two different numbers above 0"),
        (rate("linear = { from = 1, to = 2, count = 1 }"), "axis[0].linear.count: given 1"),
        (rate("range = { from = 1, to = 20000000, step = 1 }"), "--yes"),
        (rate("values = [1]\nlog = { from = 1, to = 2, count = 3 }"), "exactly one of them"),
        (
            rate("values = [1]\n[[axis]]\npath = \"rate_scale\"\nname = \"b\"\nvalues = [1]"),
            "second axis",
        ),
        (rate("name = \"seed\"\nvalues = [1]"), "name of another column"),
        (axis("path = \"seed\"\nvalues = [1]"), "give seeds in [seeds]"),
        (
            axis(
                "zip = [{ path = \"seed\", values = [1] }, { path = \"rate_scale\", values = [1, 2] }]",
            ),
            "equally many",
        ),
        (axis("latin = [{ path = \"rate_scale\", from = 1, to = 2 }]"), "axis[0].samples"),
        (rate("value = [1]"), "axis[0].value: unknown key"),
        ("version = 2\nscenario = \"s.toml\"".to_owned(), "version: given 2"),
        ("version = 1\nscenario = \"none.toml\"".to_owned(), "none.toml"),
        ("version = 1\nscenario = \"s.toml\"\nstrategies = [\"igniterr\"]".to_owned(), "igniterr"),
        (
            "version = 1\nscenario = \"s.toml\"\npredictors = [\"x\"]".to_owned(),
            "no predictor \"x\"",
        ),
        (
            "version = 1\nscenario = \"s.toml\"\nseeds = { half_width = 1, metric = \"p99\" }"
                .to_owned(),
            "attainment_pct",
        ),
        ("version = 1\nscenario = \"s.toml\"\nseeds = { count = 0 }".to_owned(), "seeds.count"),
        ("version = 1\nscenario = \"s.toml\"\nset = { \"plan.x\" = 1 }".to_owned(), "plan.x"),
    ];
    for (text, message) in cases {
        let (root, file) = with_sweep(&text);
        let out = root.path().join("out");
        sweep(&file, &out, &[]).code(2).stderr(contains(message));
        assert!(!out.exists(), "{text}: something was left");
    }
    // Confirmed, a huge sweep may begin.
    let (_root, file) = with_sweep(&rate("range = { from = 1, to = 20000000, step = 1 }"));
    let mut dry = igniter();
    dry.arg("sweep").arg(&file).args(["--dry-run", "--json"]);
    dry.assert().code(0).stdout(contains("20000000"));
}

#[test]
fn shards_that_do_not_fit_are_refused() {
    let (root, file) = with_sweep(&small(6));
    let at = |name: &str| root.path().join(name);
    let merge = |folders: &[PathBuf], message: &str| {
        let mut command = igniter();
        command.arg("merge").args(folders).arg("-o").arg(at("merged"));
        command.assert().code(2).stderr(contains(message));
        assert!(!at("merged").exists());
    };
    sweep(&file, &at("a"), &["--shard", "0/2"]).code(0);
    merge(&[at("a")], "1 of 2 shards are missing: 1; run them with --shard I/2");
    // Another number of shards in the same folder, as a task that is submitted again alone would take.
    sweep(&file, &at("a"), &["--shard", "0/3"]).code(2).stderr(contains("shard-00000-of-00002"));
    sweep(&file, &at("b"), &["--shard", "0/2"]).code(0);
    merge(&[at("a"), at("b")], "shard 0/2 appears twice");
    std::fs::write(&file, small(7)).unwrap();
    sweep(&file, &at("c"), &["--shard", "1/2"]).code(0);
    merge(&[at("a"), at("c")], "of different sweeps");
    std::fs::write(&file, small(6)).unwrap();
    sweep(&file, &at("a"), &["--shard", "1/2"]).code(0);
    let shard = at("a").join("shard-00001-of-00002");
    let (manifest, rows) = (shard.join("manifest.json"), shard.join("rows.csv"));
    let (good, table) =
        (std::fs::read_to_string(&manifest).unwrap(), std::fs::read(&rows).unwrap());
    std::fs::write(&manifest, good.replace("\"version\": \"", "\"version\": \"9")).unwrap();
    merge(&[at("a")], "of versions");
    std::fs::write(&manifest, &good).unwrap();
    std::fs::write(&rows, [&table[..], b"x"].concat()).unwrap();
    merge(&[at("a")], "was changed since");
    std::fs::write(&rows, &table).unwrap();
    igniter().arg("merge").arg(at("a")).assert().code(0);
    for (env, message) in [("2", "--shards N"), ("x", "SLURM_ARRAY_TASK_ID=x")] {
        let mut command = igniter();
        command.env("SLURM_ARRAY_TASK_ID", env).arg("sweep").arg(&file).arg("-o").arg(at("d"));
        command.assert().code(2).stderr(contains(message));
    }
    for bad in ["2/2", "1", "x/y"] {
        sweep(&file, &at("d"), &["--shard", bad]).code(2).stderr(contains("allowed: I/N"));
    }
    assert!(!at("d").exists());
}

#[test]
fn figures_come_from_the_files_alone() {
    let text = small(4) + "[[axis]]\npath = \"slo_scale\"\nvalues = [1, 2]\n";
    let (root, file) = with_sweep(&text.replace("[set]", "seeds = { count = 2 }\n[set]"));
    let out = root.path().join("out");
    sweep(&file, &out, &[]).code(0);
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(root.path().join("s.toml")).unwrap();
    for (kind, more, stem) in [
        ("attainment", &["--x", "rate_scale", "--panels", "slo_scale"][..], "attainment"),
        ("cost", &["--only", "slo_scale=2"], "cost"),
        ("heatmap", &["--name", "heat"], "heat"),
        ("pareto", &[], "pareto"),
    ] {
        let mut plot = igniter();
        plot.arg("plot").arg(&out).args(["--kind", kind]).args(more).assert().code(0);
        for extension in ["svg", "png"] {
            let figure = out.join("figures").join(format!("{stem}.{extension}"));
            assert!(figure.metadata().unwrap().len() > 1000, "{}", figure.display());
        }
    }
    // A mark over one axis is a mean over the other, unless that is held at a value.
    for (more, says) in [(&[][..], true), (&["--only", "slo_scale=2"], false)] {
        let mut plot = igniter();
        plot.arg("plot").arg(&out).args(["--x", "rate_scale", "--name", "mean"]).args(more);
        let printed = plot.assert().code(0).get_output().stdout.clone();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.contains("mean over slo_scale"), says, "{printed}");
        let svg = std::fs::read_to_string(out.join("figures/mean.svg")).unwrap();
        assert_eq!(svg.contains("mean over slo_scale"), says, "{printed}");
    }
    // The tables are still those of the sweep.
    let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
    assert!(manifest.contains("figures/heat.svg") && manifest.contains("rows.parquet"));
    for (more, message) in [
        (&["--x", "rate"][..], "there is no column \"rate\""),
        (&["--only", "slo_scale=3"], "has no \"3\""),
        (&["--only", "x"], "COLUMN=VALUE"),
        (&["--y", "strategy"], "no number"),
    ] {
        let mut plot = igniter();
        plot.arg("plot").arg(&out).args(more).assert().code(2).stderr(contains(message));
    }
    igniter().arg("plot").arg(root.path()).assert().code(2).stderr(contains("points.csv"));
}

#[test]
fn capacity_and_frontier_print_their_answers() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let out = root.path().join("out");
    let mut capacity = igniter();
    capacity.arg("capacity").arg(&scenario).args([
        "--strategies",
        "igniter",
        "--json",
        "--most",
        "3",
    ]);
    capacity.args(["--find", "slo", "--precision", "0.5", "-o"]).arg(&out);
    let printed = capacity.assert().code(0).get_output().stdout.clone();
    let answer: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert!(answer["strategies"][0]["best"]["at"].as_f64().unwrap() >= 0.5, "{answer}");
    assert!(out.join("capacity.csv").exists());
    let mut frontier = igniter();
    frontier
        .arg("frontier")
        .arg(&scenario)
        .args(["--to", "100", "--step", "50", "--most", "3", "-o"]);
    // Into a folder of its own: results of another command are not replaced.
    frontier.arg(&out).assert().code(2).stderr(contains("igniter capacity"));
    let out = root.path().join("frontier");
    let mut frontier = igniter();
    frontier
        .arg("frontier")
        .arg(&scenario)
        .args(["--to", "100", "--step", "50", "--most", "3", "-o"]);
    frontier.arg(&out).assert().stdout(contains("headroom %"));
    assert!(out.join("figures/frontier.png").exists());
    let table = std::fs::read_to_string(out.join("frontier.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 2 * 3, "two strategies at three headrooms");
    for wrong in [["--target", "101"], ["--confidence", "1"], ["--from", "5"], ["--most", "2"]] {
        let mut capacity = igniter();
        capacity.arg("capacity").arg(&scenario).args(wrong).assert().code(2);
    }
}

#[test]
fn a_running_sweep_has_a_page_on_this_machine_alone() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    let (root, file) = with_sweep(&small(100_000));
    let mut child = Command::new(env!("CARGO_BIN_EXE_igniter"))
        .args(["sweep", "--threads", "1", "--quiet", "--serve", "-o"])
        .arg(root.path().join("out"))
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|l| l.contains("live view"))).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    let ask = |what: &str, host: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {what} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let (page, elsewhere, foreign) =
        (ask("/", &address), ask("/x", &address), ask("/", "evil.example:80"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("of 100000 points are done"));
    assert!(page.contains("http-equiv=\"refresh\"") && page.contains("<section id=\"sweep\">"));
    assert!(elsewhere.starts_with("HTTP/1.1 404") && foreign.starts_with("HTTP/1.1 403"));
}
