//! Pages of comparisons and of folders, without a browser; `tests/browser` has one.

use super::*;
use crate::results::{Existing, Manifest, OutputDir, write_tables};
use std::collections::BTreeSet;
use std::path::Path;

/// Names that would be markup, were they not escaped.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// The data of a page.
fn data(html: &str) -> serde_json::Value {
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + html[start..].find("</script>").unwrap();
    serde_json::from_str(&html[start..end]).unwrap()
}

/// Whether an image stands in the markup of a page: the chart library, which comes after it, knows the word.
fn has_image(html: &str) -> bool {
    html[..html.find("<script type").unwrap()].contains("<img")
}

fn comparison() -> crate::results::Comparison {
    crate::sample::small_comparison()
}

#[test]
fn every_strategy_has_a_look() {
    let sorted = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(sorted(STRATEGY_LOOKS), sorted(crate::plan::STRATEGIES));
}

#[test]
fn a_page_and_a_figure_have_the_same_colour_for_every_strategy() {
    let mut all = comparison();
    let one = all.strategies[0].clone();
    let named = |name: &&str| crate::results::StrategyResult {
        strategy: (*name).to_owned(),
        ..one.clone()
    };
    all.strategies = STRATEGY_LOOKS.iter().map(named).collect();
    let figures = crate::figures::comparison_figures(&all).unwrap();
    let svg = figures.iter().find(|figure| figure.stem.contains("cdf")).unwrap().svg();
    let colours =
        data(&page(&PageSource::of_comparison(&all, &Manifest::start(Vec::new()))))["colours"]
            .clone();
    for (look, name) in STRATEGY_LOOKS.iter().enumerate() {
        let colour = colours[look].as_str().unwrap();
        assert!(svg.contains(&colour.to_uppercase()), "{name} is {colour} on the page");
        // Alone it is drawn first, in the same colour.
        assert_eq!(crate::results::series_looks(&[*name]), [look]);
        assert!(
            page(&PageSource::of_comparison(
                &crate::results::Comparison {
                    strategies: vec![all.strategies[look].clone()],
                    ..all.clone()
                },
                &Manifest::start(Vec::new())
            ))
            .contains(&format!("style=\"background:{colour}\"></span>{name}</h3>"))
        );
    }
}

#[test]
fn a_comparison_has_all_sections_and_no_markup_of_others() {
    let comparison = comparison();
    let html = page(&PageSource::of_comparison(&comparison, &Manifest::start(Vec::new())));
    for id in ["summary", "strategies", "plans", "latencies", "gpus", "workloads", "provenance"] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    // small_comparison has a workload named `W|2 <b>`.
    assert!(html.contains("W|2 &lt;b&gt;") && !html.contains("W|2 <b>"));
    assert!(html.contains("1 of 2 workloads miss their SLO: W|2 &lt;b&gt;"));
    assert!(html.contains(
        "<p class=\"verdict\">igniter meets all 2 SLOs with 1 GPU; ffd needs as many and misses 1.</p>"
    ));
    // Both strategies, the differences with their signs.
    assert_eq!(html.matches("<li class=\"card").count(), 2);
    assert!(html.contains("<small class=\"worse\">+1</small>"));
    let data = data(&html);
    let titles: Vec<&str> =
        data["tables"].as_array().unwrap().iter().map(|t| t["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Strategies", "Placements", "Workloads", "GPUs"]);
    // P99 of SLO, P99, violations, two breakdowns, predicted, two of GPUs for each strategy
    assert_eq!(data["charts"].as_array().unwrap().len(), 1 + 2 + 2 + 1 + 4);
    // Three for each workload.
    let lengths = ["W1", "W|2 <b>"].map(|name| data["workloads"][name].as_array().unwrap().len());
    assert_eq!(lengths, [3, 3]);
}

#[test]
fn a_page_beside_its_tables_depends_on_results_alone() {
    let comparison = comparison();
    let page = |command: &str| {
        let words = command.split(' ').map(str::to_owned).collect();
        page(&PageSource::of_comparison(&comparison, &Manifest::start(words)))
    };
    let first = page("/a/igniter compare s.toml -o out");
    assert_eq!(first, page("igniter compare s.toml --threads 3 --output other --quiet"));
    assert!(first.contains("<code>igniter compare s.toml</code>"));
}

#[test]
fn a_page_is_made_of_a_folder_that_compare_wrote() {
    let root = tempfile::tempdir().unwrap();
    let comparison = comparison();
    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    write_tables(&mut dir, &comparison).unwrap();
    dir.finish(Manifest::start(vec!["igniter".into(), "it's".into()])).unwrap();
    let source = read_source(root.path()).unwrap();
    assert_eq!(source.comparison.as_deref(), Some(&comparison));
    assert!(source.tables.is_empty() && source.documents.is_empty());
    let html = page(&source);
    assert!(html.contains("igniter &#39;it&#39;\\&#39;&#39;s&#39;"), "the command is there");
    assert!(html.len() < 3_000_000);
}

#[test]
fn what_a_killed_run_left_is_no_page() {
    let dir = folder(&[("rows.csv", "name,rate\nb,20\n"), ("figures/a.svg", "<svg/>")]);
    assert!(read_source(dir.path()).is_ok());
    std::fs::create_dir(dir.path().join(".igniter-abc")).unwrap();
    let error = read_source(dir.path()).unwrap_err().to_string();
    assert!(error.contains("a run that was killed"), "{error}");
    // With its manifest it is whole: the staging folder is that of a run that goes on.
    let manifest = serde_json::to_vec(&Manifest::start(Vec::new())).unwrap();
    std::fs::write(dir.path().join("manifest.json"), manifest).unwrap();
    assert!(read_source(dir.path()).is_ok());
}

#[test]
fn other_folders_are_tables_values_and_pictures() {
    let csv = format!("name,rate,p99_ms\n\"{HOSTILE}\",10,1.5\nb,20,\n");
    let json =
        format!("{{\"n\": 3, \"deep\": {{\"mape\": 1.25}}, \"who\": \"{HOSTILE}\", \"l\": [1]}}");
    let dir = folder(&[
        ("sweep.csv", &csv),
        ("accuracy.json", &json),
        ("figures/a.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
        ("notes.json", "not json"),
    ]);
    let source = read_source(dir.path()).unwrap();
    assert_eq!(source.tables[0].rows[1][2], Cell::Absent);
    let values = [("deep.mape", 1.25.into()), ("n", 3.0.into()), ("who", HOSTILE.into())];
    assert_eq!(source.documents[0].values, values.map(|(key, cell)| (key.to_owned(), cell)));
    let html = page(&source);
    assert!(
        !html.contains("<img src=x") && !html.contains("onload=\"alert"),
        "nothing of it is markup"
    );
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert_eq!(html.matches("<img loading").count(), 1);
}

#[test]
fn what_the_script_draws_anew_is_what_the_files_say() {
    let csv = "workload,seed,requests,id\n007,18446744073709551615,12345678,1\n1e3,1,2,02\n";
    let dir = folder(&[("t.csv", csv), ("t.json", "{\"version\": \"0.10\", \"n\": 12345678}")]);
    let html = page(&read_source(dir.path()).unwrap());
    let data = data(&html);
    let rows = |table: usize| data["tables"][table]["rows"].clone();
    let values = serde_json::json!([["n", 12_345_678], ["version", "0.10"]]);
    assert_eq!(rows(0), values);
    let cells = serde_json::json!([
        ["007", "18446744073709551615", 12_345_678, "1"],
        ["1e3", "1", 2, "02"]
    ]);
    assert_eq!(rows(1), cells);
    // Without scripts it is the same.
    for cell in ["007", "1e3", "18446744073709551615", "12345678", "02", "0.10"] {
        assert!(html.contains(&format!(">{cell}</td>")), "{cell}");
    }
}

#[test]
fn a_folder_without_results_is_a_clear_error() {
    let empty = folder(&[("readme.txt", "hello")]);
    let error = read_source(empty.path()).unwrap_err().to_string();
    assert!(error.contains("holds no results") && error.contains("-o"), "{error}");
    let missing = read_source(&empty.path().join("no")).unwrap_err().to_string();
    assert!(missing.contains("cannot read"), "{missing}");
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let mut csv = String::from("a,b\n");
    for i in 0..70_000 {
        csv += &format!("{i},{}\n", i * 2);
    }
    let source = read_source(folder(&[("long.csv", &csv)]).path()).unwrap();
    assert_eq!(source.tables[0].rows.len(), 60_000);
    let note = source.tables[0].note.clone().unwrap();
    assert_eq!(note, "The first 60000 of 70000 rows; long.csv has all.");
}

#[test]
fn only_our_two_scripts_may_run() {
    let html = page(&PageSource { title: HOSTILE.to_owned(), ..PageSource::default() });
    let policy = html.split("Content-Security-Policy").nth(1).unwrap();
    let policy = &policy[..policy.find("\">").unwrap()];
    assert_eq!(policy.matches("'sha256-").count(), 2);
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"));
    assert_eq!(html.matches("<script").count(), 3, "two that run, and the data");
}

/// Everything that could be markup, a string's end, or an end of line somewhere.
const WORST: &str = "<img src=x onerror=alert(1)></script>\"'`\u{2028}&amp;";

/// A folder of a sweep over an axis of numbers and one of words.
fn sweep() -> tempfile::TempDir {
    let mut manifest = Manifest::start(vec!["igniter".into(), "sweep".into(), WORST.into()]);
    manifest.sweep = Some(crate::results::SweepFacts {
        name: WORST.to_owned(),
        id: "1".to_owned(),
        shard: 0,
        shards: 1,
        total_points: 4,
        points: 4,
        runs: 16,
        failed: 1,
        rows: 16,
        confidence: 0.95,
        axes: vec!["load".to_owned(), WORST.to_owned()],
        columns: Vec::new(),
        notes: Vec::new(),
    });
    let mut csv = csv::Writer::from_writer(Vec::new());
    let head = "point,point_id,load,AXIS,strategy,predictor,truth,seeds,failed,attainment_pct,\
                attainment_pct_low,attainment_pct_high,cost_per_hour,cost_per_hour_low,cost_per_hour_high";
    csv.write_record(head.split(',').map(|name| if name == "AXIS" { WORST } else { name }))
        .unwrap();
    for (point, load, value, strategy, pct) in [
        ("0", "0.5", WORST, WORST, "100"),
        ("1", "1", WORST, WORST, "98.5"),
        ("2", "0.5", "b", WORST, "99"),
        ("3", "1", "b", WORST, "50"),
        ("0", "0.5", WORST, "ffd", "40"),
        ("1", "1", WORST, "ffd", "30"),
        ("2", "0.5", "b", "ffd", "20"),
        ("3", "1", "b", "ffd", ""),
    ] {
        let row =
            [point, "id", load, value, strategy, "igniter", "igniter", "2", "0", pct, pct, pct];
        csv.write_record(row.iter().chain(&["3.06", "3.06", "3.06"])).unwrap();
    }
    let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
    let manifest = serde_json::to_string(&manifest).unwrap();
    folder(&[("points.csv", &csv), ("manifest.json", &manifest)])
}

#[test]
fn a_sweep_has_its_explorer_and_what_each_column_is() {
    let source = read_source(sweep().path()).unwrap();
    let html = page(&source);
    assert!(html.contains("<section id=\"sweep\">"));
    assert!(html.contains("4 points and 16 runs") && html.contains("1 runs failed"));
    // 100 and 99 of 100, 98.5, 99, 50: mean 86.875.
    assert!(html.contains("at 2 of 4 points for 3.06 $/h on average; 86.9 % on average"), "{html}");
    assert!(
        html.contains("ffd keeps at least 99 % of all requests within their SLO at 0 of 3 points")
    );
    let sweep = &data(&html)["sweep"];
    let column = |list: &str, i: usize| sweep[list][i]["column"].as_u64().unwrap();
    assert_eq!([column("axes", 0), column("axes", 1), column("makers", 0)], [2, 3, 4]);
    assert_eq!((column("metrics", 0), &sweep["metrics"][0]["high"]), (9, &11.into()));
    assert_eq!(sweep["metrics"][0]["percent"], true);
    assert_eq!(sweep["metrics"][1]["percent"], false);
    assert_eq!(sweep["metrics"].as_array().unwrap().len(), 2);
    assert_eq!(sweep["axes"][1]["words"], WORST);
}

#[test]
fn no_name_of_a_sweep_is_markup() {
    let html = page(&read_source(sweep().path()).unwrap());
    assert!(!has_image(&html), "no element of a name");
    assert_eq!(html.matches("</script>").count(), 3, "no script ends early");
    let json = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    assert!(!json.contains('\u{2028}') && !json.contains('<'));
}

#[test]
fn a_points_table_of_another_shape_is_a_table_alone() {
    let dir = sweep();
    std::fs::write(dir.path().join("points.csv"), "point,load\n0,1\n").unwrap();
    let html = page(&read_source(dir.path()).unwrap());
    assert!(!html.contains("<section id=\"sweep\">") && html.contains("<caption>points.csv"));
}

/// The committed run of `validate`, with samples of two GPUs, which its host did not have.
fn validation() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/validate-emulated");
    let read = |name: &str| std::fs::read_to_string(from.join(name)).unwrap();
    let samples = "time_s,gpu,power_w,sm_clock_mhz,busy_pct,memory_busy_pct,energy_j,temperature_c,\
                   throttle,missed\n0.1,0,70.5,1980,30,5,1.0,40,0x0,0\n0.1,1,,,,,,,,1\n\
                   0.2,0,71.5,1980,40,5,2.0,41,0x0,0\n0.2,1,65.0,,,,,,0x0,0\n";
    let files =
        ["comparison.json", "comparison.csv", "cdf.csv", "latency_series.csv", "requests.csv"];
    let mut files: Vec<(&str, String)> = files.map(|name| (name, read(name))).to_vec();
    files.push(("gpus.csv", samples.to_owned()));
    files.push(("figures/p99.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_owned()));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    folder(&files)
}

#[test]
fn a_validation_has_charts_of_both_arms_and_of_the_gpus() {
    let html = page(&read_source(validation().path()).unwrap());
    for id in ["verdict", "latencies", "gpus", "workloads"] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(html.contains(
        "simulation and measurement agree, and the measurement is valid (9 of 9 checks passed)"
    ));
    assert!(html.contains("The models were emulated"));
    let data = data(&html);
    let charts = data["charts"].as_array().unwrap();
    // Five of latencies, four of GPUs, two for each of three workloads.
    assert_eq!(charts.len(), 5 + 4 + 2 * 3);
    assert_eq!(charts[0]["band"], 0.1);
    let power = charts.iter().find(|chart| chart["y"] == "power (W)").unwrap();
    let names: Vec<&str> =
        power["series"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["GPU 0", "GPU 1"]);
    assert_eq!(power["series"][1]["points"], serde_json::json!([[0.2, 65]]));
    let cdf = charts.iter().find(|chart| chart["y"] == "share of requests").unwrap();
    let last =
        |arm: usize| cdf["series"][arm]["points"].as_array().unwrap().last().unwrap()[1].clone();
    assert_eq!([last(0), last(1)], [1, 1].map(serde_json::Value::from));
    let titles: Vec<&str> =
        data["tables"].as_array().unwrap().iter().map(|t| t["title"].as_str().unwrap()).collect();
    assert!(titles.contains(&"Workloads") && titles.contains(&"comparison.csv"));
    assert!(!titles.contains(&"requests.csv") && !has_image(&html), "charts show them");
    assert!(html.len() < 3_000_000);
}

#[test]
fn a_name_in_a_validation_is_text() {
    let dir = validation();
    for name in ["comparison.json", "cdf.csv", "latency_series.csv"] {
        let path = dir.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let hostile = "<img src=x onerror=alert(1)></script>";
        std::fs::write(path, text.replace("W2", hostile).replace("resnet50", hostile)).unwrap();
    }
    let html = page(&read_source(dir.path()).unwrap());
    assert!(!has_image(&html) && html.contains("<h3>&lt;img src=x onerror"));
    assert_eq!(html.matches("</script>").count(), 3);
    assert_eq!(data(&html)["charts"].as_array().unwrap().len(), 5 + 4 + 2 * 3, "its charts too");
}

#[test]
fn a_damaged_table_of_a_validation_is_a_clear_error() {
    let dir = validation();
    std::fs::write(dir.path().join("cdf.csv"), "strategy,workload\na,b\n").unwrap();
    let error = read_source(dir.path()).unwrap_err().to_string();
    assert!(error.contains("missing field"), "{error}");
}

#[test]
fn an_accuracy_has_charts_of_its_errors() {
    let errors = "\"n\":2,\"mape_pct\":5.5,\"p95_pct\":10,\"max_pct\":10,\"bias_pct\":-4.5";
    let json = format!(
        "{{\"predictor\":\"igniter\",{errors},\"slowdown_correlation\":null,\"per_model\":[{{\"model\":\
         \"alexnet\",{errors}}}],\"null_models\":[{{\"name\":\"alone\",\"description\":\"{HOSTILE}\",{errors}}}]}}"
    );
    let csv = "run,member,model,batch,sm_pct,predicted_ms,measured_ms,error_pct\n\
               1,0,alexnet,4,50,9,10,-10\n1,1,alexnet,4,50,10.1,10,1\n";
    let dir = folder(&[("accuracy.json", &json), ("accuracy.csv", csv)]);
    let html = page(&read_source(dir.path()).unwrap());
    assert!(html.contains("<section id=\"accuracy\">") && !has_image(&html));
    let data = data(&html);
    let charts = data["charts"].as_array().unwrap();
    assert_eq!(charts.len(), 3);
    assert_eq!(charts[0]["series"][0]["points"], serde_json::json!([[10, 9], [10, 10.1]]));
    // Errors of 1 % and 10 %: half are below the one, all below the other.
    assert_eq!(charts[1]["series"][0]["points"], serde_json::json!([[1, 0.5], [10, 1]]));
    assert_eq!(charts[2]["groups"], serde_json::json!(["igniter", "alone"]));
}

#[test]
fn plans_that_follow_load_are_shown_over_time_in_place_of_one_plan() {
    use crate::results::{Following, GpuLane, LaneServer, Lanes, PlanAt, PlanStep, Span};
    let mut comparison = comparison();
    let row = comparison.strategies[0].plan[0].clone();
    let lane = |times_s: [f64; 3]| GpuLane {
        kind: row.kind.clone(),
        rented_s: vec![(times_s[0], times_s[2])],
        boots_s: vec![(times_s[0], times_s[0] + 1.0)],
        servers: vec![LaneServer {
            workload: row.workload.clone(),
            model: row.model.clone(),
            sm_pct: 40.0,
            ordered_s: times_s[0],
            ready_s: times_s[1],
            until_s: times_s[2],
        }],
    };
    let plan = |at_s: f64, moves| PlanAt {
        at_s,
        early: false,
        rate_rps: 100.0,
        gpus: 1,
        bound_gpus: Some(1),
        moves,
        restarts: 0,
        boots: moves,
        without_room: 0,
    };
    let step = PlanStep {
        at_s: 40.0,
        done_s: 50.0,
        action: "move".into(),
        gpu: 1,
        workload: Some(row.workload.clone()),
        sm_pct_before: None,
        sm_pct: Some(40.0),
        reason: HOSTILE.into(),
    };
    let span = Span {
        from_s: 0.0,
        until_s: 100.0,
        requests: 1000,
        late_in_handover: 3,
        late_by_forecast: 2,
        late_by_plan: 5,
    };
    let following = Following {
        policy: "sticky".into(),
        gpu_hours: 0.03,
        plans: vec![plan(0.0, 0), plan(50.0, 1)],
        steps: vec![step],
        lanes: Lanes {
            duration_s: 100.0,
            gpus: vec![lane([0.0, 0.0, 50.0]), lane([40.0, 50.0, 100.0])],
        },
        spans: vec![span],
    };
    for result in &mut comparison.strategies {
        result.details.following = Some(following.clone());
    }
    let html = page(&PageSource::of_comparison(&comparison, &Manifest::start(Vec::new())));
    assert!(
        html.contains("<section id=\"over-time\">") && !html.contains("<section id=\"plans\">")
    );
    assert!(html.contains("2 plans by the policy sticky, 0.0 GPU-hours; 1 move,"), "in words");
    assert!(html.contains("99.000 % of requests within their SLO"));
    // One lane for each GPU and one arrow, for each strategy.
    assert_eq!(html.matches("<path class=\"move\"").count(), 2);
    assert_eq!(html.matches(">GPU 1</text>").count(), 2);
    assert!(!html.contains(HOSTILE));
    let data = data(&html);
    let titles: Vec<&str> =
        data["tables"].as_array().unwrap().iter().map(|t| t["title"].as_str().unwrap()).collect();
    assert!(titles.contains(&"Plans") && titles.contains(&"Steps"), "{titles:?}");
    let charts = data["charts"].as_array().unwrap();
    assert!(charts.iter().any(|chart| chart["y"] == "GPUs" && chart["steps"] == true));
    assert!(charts.iter().any(|chart| chart["y"] == "late requests (%)"));
}
