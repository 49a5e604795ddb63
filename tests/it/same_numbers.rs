//! One run, one number: CSV, Parquet, JSON, Markdown, HTML and figures of a folder say the same.

#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]

use crate::common::{SHORT, file, igniter};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The rows of a CSV file, by column.
fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The summary as CSV, against that of `summary.json`, and of `--json` on stdout where there is one strategy.
fn check_json(dir: &Path, stdout: Option<&Value>) -> usize {
    let rows = csv_rows(&dir.join("summary.csv"));
    let document: Value =
        serde_json::from_slice(&fs::read(dir.join("summary.json")).unwrap()).unwrap();
    let mut compared = 0;
    for result in document["strategies"].as_array().unwrap() {
        let own = stdout.filter(|own| own["strategy"] == result["strategy"]);
        let documents = std::iter::once(result).chain(own);
        for workload in documents.flat_map(|result| result["workloads"].as_array().unwrap()) {
            let row = rows
                .iter()
                .find(|row| {
                    row["strategy"] == result["strategy"].as_str().unwrap()
                        && row["workload"] == workload["workload"].as_str().unwrap()
                })
                .unwrap();
            for (key, value) in workload.as_object().unwrap() {
                let (Some(cell), Some(value)) = (row.get(key), value.as_f64()) else { continue };
                assert_eq!(number(cell), Some(value), "{key} of {row:?}");
                compared += 1;
            }
        }
    }
    compared
}

/// What a table of Markdown or of a page calls a column of `summary.csv`.
const WORDS: [(&str, &str, &str); 9] = [
    ("slo_ms", "SLO (ms)", "SLO (ms)"),
    ("rate_rps", "Rate (1/s)", "rate (req/s)"),
    ("throughput_rps", "Throughput (1/s)", "throughput (req/s)"),
    ("mean_ms", "Mean (ms)", "mean (ms)"),
    ("p50_ms", "P50 (ms)", "P50 (ms)"),
    ("p99_ms", "P99 (ms)", "P99 (ms)"),
    ("p999_ms", "P99.9 (ms)", "P99.9 (ms)"),
    ("slo_violation_pct", "Violations (%)", "violations (%)"),
    ("mean_batch", "Mean batch", "mean batch"),
];

/// The summary against the report, whose numbers have three significant digits.
fn check_markdown(dir: &Path) -> usize {
    let rows = csv_rows(&dir.join("summary.csv"));
    let text = fs::read_to_string(dir.join("report.md")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let (mut strategy, mut header, mut compared) = (String::new(), Vec::new(), 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            strategy = name.to_owned();
        } else if line.starts_with("| Workload | Model |") {
            header = cells(line);
        } else if !line.starts_with('|') {
            header.clear();
        } else if !header.is_empty() && !line.starts_with("|---") {
            let found = cells(line);
            let of = |row: &&BTreeMap<String, String>| {
                row["strategy"] == strategy && row["workload"] == found[0]
            };
            let row = rows.iter().find(of).unwrap();
            for (column, words, _) in WORDS {
                let Some(at) = header.iter().position(|name| name == words) else { continue };
                let (Some(shown), Some(exact)) = (number(&found[at]), number(&row[column])) else {
                    continue;
                };
                assert!(
                    (shown - exact).abs() <= 0.0051 * exact.abs() + 1e-9,
                    "{column}: {shown} {exact}"
                );
                compared += 1;
            }
        }
    }
    compared
}

/// The summary against the table of the page.
fn check_page(dir: &Path) -> usize {
    let rows = csv_rows(&dir.join("summary.csv"));
    let html = fs::read_to_string(dir.join("report.html")).unwrap();
    let data = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap().1;
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let mut compared = 0;
    for table in data["tables"].as_array().unwrap() {
        let columns: Vec<&str> =
            table["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
        if columns.first() != Some(&"strategy") || !columns.contains(&"P99 (ms)") {
            continue;
        }
        for found in table["rows"].as_array().unwrap() {
            let of = |row: &&BTreeMap<String, String>| {
                found[0] == row["strategy"].as_str() && found[1] == row["workload"].as_str()
            };
            let Some(row) = rows.iter().find(of) else { continue };
            for (column, _, words) in WORDS {
                let Some(at) = columns.iter().position(|name| *name == words) else { continue };
                // The page holds seven significant digits.
                match (found[at].as_f64(), number(&row[column])) {
                    (Some(shown), Some(exact)) => assert!(
                        (shown - exact).abs() <= 5.1e-7 * exact.abs(),
                        "{column} of {row:?}: {shown}"
                    ),
                    (shown, exact) => assert_eq!(shown, exact, "{column} of {row:?}"),
                }
                compared += 1;
            }
        }
    }
    compared
}

/// The value of an attribute in each element of this name, with what follows the element's start.
fn elements<'t>(svg: &'t str, name: &str) -> Vec<(BTreeMap<&'t str, f64>, &'t str)> {
    let start = format!("<{name} ");
    let of = |rest: &'t str| {
        let (head, text) = rest.split_once('>').unwrap();
        let quoted: Vec<&str> = head.split('"').collect();
        let pairs = quoted
            .chunks_exact(2)
            .filter_map(|pair| Some((pair[0].trim().trim_end_matches('='), pair[1].parse().ok()?)));
        (pairs.collect(), text.split('<').next().unwrap().trim())
    };
    svg.split(&start).skip(1).map(of).collect()
}

/// The P99 latencies against the heights of their bars, by the numbers along the axis; none where that is logarithmic.
fn check_figure(dir: &Path) -> usize {
    let svg = fs::read_to_string(dir.join("figures/p99.svg")).unwrap();
    let rows = csv_rows(&dir.join("summary.csv"));
    let labels: Vec<(f64, f64)> = elements(&svg, "text")
        .into_iter()
        .filter_map(|(at, text)| Some((number(text)?, *at.get("y")?)))
        .collect();
    let Some((_, zero)) = labels.iter().find(|(value, _)| value.abs() < 1e-12) else { return 0 };
    let (top, high) = labels.iter().copied().reduce(|a, b| if b.0 > a.0 { b } else { a }).unwrap();
    let dots_per_ms = (zero - high) / top;
    // Bars stand on the axis; what else is filled does not.
    let filled = elements(&svg, "rect");
    let foot = |at: &BTreeMap<&str, f64>| at["y"] + at["height"];
    let bars = || filled.iter().map(|(at, _)| at).filter(|at| at["x"] > 0.0);
    let axis = bars().map(foot).fold(0.0, f64::max);
    let mut bars: Vec<(f64, f64)> = bars()
        .filter(|at| (foot(at) - axis).abs() < 0.5)
        .map(|at| (at["x"], at["height"]))
        .collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Groups are workloads, bars in them strategies: the table has them the other way round.
    let mut strategies: Vec<&String> = rows.iter().map(|row| &row["strategy"]).collect();
    strategies.dedup();
    let workloads = rows.len() / strategies.len();
    let order = (0..workloads).flat_map(|w| (0..strategies.len()).map(move |s| s * workloads + w));
    let values: Vec<f64> = order.filter_map(|at| number(&rows[at]["p99_ms"])).collect();
    assert_eq!(bars.len(), values.len(), "{bars:?} {values:?}");
    for ((_, height), value) in bars.iter().zip(&values) {
        assert!((height - value * dots_per_ms).abs() <= 2.0, "{height} dots for {value} ms");
    }
    values.len()
}

/// A CSV file against the Parquet file of the same table, cell by cell.
fn check_parquet(csv: &Path, parquet: &Path) -> usize {
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let file = SerializedFileReader::new(fs::File::open(parquet).unwrap()).unwrap();
    let mut rows = file.get_row_iter(None).unwrap();
    let mut compared = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let row = rows.next().unwrap().unwrap();
        for ((_, field), text) in row.get_column_iter().zip(&record) {
            match field {
                Field::Null => assert_eq!(text, ""),
                Field::Double(value) => assert_eq!(number(text), Some(*value)),
                // The request log has whole microseconds or nanoseconds there, and seconds or milliseconds in CSV.
                Field::Long(value) => {
                    let given = number(text).unwrap();
                    let same =
                        |unit: f64| (given - *value as f64 * unit).abs() <= 1e-9 * given.abs();
                    let units = [1.0, 1e-3, 1e-6, 1e-9];
                    assert!(units.into_iter().any(same), "{text:?} in {record:?}");
                }
                Field::Bool(value) => assert_eq!(text, value.to_string()),
                Field::Str(value) => assert_eq!(text, value),
                other => panic!("{other:?}"),
            }
            compared += 1;
        }
    }
    assert!(rows.next().is_none());
    compared
}

#[test]
fn five_runs_say_the_same_in_every_form() {
    let root = TempDir::new().unwrap();
    let scenario = file(root.path(), "s.toml", SHORT);
    let runs: [(&str, &[&str]); 5] = [
        ("simulate", &["--strategy", "igniter", "--requests"]),
        ("simulate", &["--strategy", "ffd", "--requests", "--requests-format", "parquet"]),
        ("simulate", &["--strategy", "ffd", "--requests"]),
        ("compare", &["--strategies", "igniter,ffd,gpulets"]),
        ("compare", &["--strategies", "igniter,greedy", "--seed", "7", "--seeds", "3"]),
    ];
    let mut bars = 0;
    for (i, (command, more)) in runs.iter().enumerate() {
        let dir = root.path().join(format!("{i}"));
        let mut run = igniter();
        run.args([*command, "--json", "-o"]).arg(&dir).arg(&scenario).args(*more);
        let output = run.output().unwrap();
        let stdout: Value = serde_json::from_slice(&output.stdout).unwrap();
        let single = (*command == "simulate").then_some(&stdout);
        assert!(check_json(&dir, single) > 20, "run {i}");
        assert!(check_markdown(&dir) > 10, "run {i}");
        assert!(check_page(&dir) > 10, "run {i}");
        bars += check_figure(&dir);
        if *command == "compare" {
            let written: Value =
                serde_json::from_slice(&fs::read(dir.join("summary.json")).unwrap()).unwrap();
            assert_eq!(stdout["strategies"], written["strategies"]);
        }
        if more.contains(&"--seeds") {
            let rows = csv_rows(&dir.join("seeds.csv"));
            assert_eq!(rows.len(), stdout["seeds"].as_array().unwrap().len());
            for row in rows {
                let [low, mean, high] =
                    ["low", "mean", "high"].map(|name| number(&row[name]).unwrap());
                assert!(0.0 <= low && low <= mean && mean <= high, "{row:?}");
                assert!(!row["metric"].ends_with("_pct") || high <= 100.0, "{row:?}");
                assert_eq!(row["seeds"], "3");
            }
        }
    }
    assert!(bars > 10, "{bars} bars of five figures");
    let (as_parquet, as_csv) = (root.path().join("1"), root.path().join("2"));
    let compared =
        check_parquet(&as_csv.join("requests.csv"), &as_parquet.join("requests.parquet"));
    assert!(compared > 1000, "{compared}");
    let sweep = "version = 1\nscenario = \"s.toml\"\n[seeds]\ncount = 2\n[[axis]]\npath = \"rate_scale\"\nvalues = [0.5, 1]\n";
    let (sweep, dir) = (file(root.path(), "k.toml", sweep), root.path().join("D"));
    igniter().args(["sweep", "-q", "-o"]).arg(&dir).arg(&sweep).assert().code(0);
    assert!(check_parquet(&dir.join("rows.csv"), &dir.join("rows.parquet")) > 100);
}
