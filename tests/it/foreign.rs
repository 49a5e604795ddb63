//! Traces of other people, as they come: every form of them is read the same way by every command.

use crate::common::{SHORT, file, igniter};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn input(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/traces").join(name)
}

/// What `trace inspect --json` says.
#[track_caller]
fn inspect(path: &Path, more: &[&str]) -> Value {
    let mut command = igniter();
    let run = command.args(["trace", "inspect", "--json"]).arg(path).args(more).assert().code(0);
    serde_json::from_slice(&run.get_output().stdout).unwrap()
}

/// How `trace inspect` refuses a file.
#[track_caller]
fn refused(path: &Path, more: &[&str]) -> String {
    let mut command = igniter();
    let run = command.args(["trace", "inspect"]).arg(path).args(more).assert().code(2);
    String::from_utf8(run.get_output().stderr.clone()).unwrap()
}

/// The requests of each workload, all of them first.
fn requests(found: &Value) -> Vec<(String, u64)> {
    let rows = found["workloads"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            (row["workload"].as_str().unwrap().to_owned(), row["requests"].as_u64().unwrap())
        })
        .collect()
}

fn notes(found: &Value) -> String {
    let notes = found["notes"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A scenario with one workload whose arrivals are given.
fn scenario(root: &Path, arrival: &str, rate: &str) -> PathBuf {
    let text = format!(
        "version = 1\nname = \"b\"\nduration_s = 20\nwarmup_s = 0\ncooldown_s = 0\n[[gpu]]\nkind = \"v100\"\n\
         [[workload]]\nname = \"W1\"\nmodel = \"alexnet\"\nslo_ms = 50\nrate_rps = {rate}\n\
         arrival = {{ process = \"trace\", {arrival} }}\n"
    );
    file(root, "s.toml", text)
}

#[test]
fn quoted_headers_are_headers() {
    let expected = [("(all)".to_owned(), 3), ("W1".to_owned(), 2), ("W2".to_owned(), 1)];
    for name in ["plain.csv", "r_write_csv.csv", "quote_all.csv"] {
        assert_eq!(requests(&inspect(&input(name), &[])), expected, "{name}");
        assert_eq!(requests(&inspect(&input(name), &["--format", "igniter"])), expected, "{name}");
        let root = TempDir::new().unwrap();
        let arrival = format!("path = {:?}, workload = \"W1\"", input(name));
        let found = inspect(&scenario(root.path(), &arrival, "10"), &[]);
        assert_eq!(requests(&found)[0].1, 2, "{name}");
    }
    for name in ["azure_p.csv", "azure_q.csv"] {
        let found = inspect(&input(name), &[]);
        assert_eq!((found["format"].as_str(), requests(&found)[0].1), (Some("azure-llm"), 2));
    }
}

#[test]
fn columns_keys_and_units_can_be_named_wherever_a_trace_is_read() {
    let burst = input("burst.csv");
    let found = inspect(&burst, &[]);
    assert_eq!(found["format"], "burstgpt");
    let models = [("(all)".to_owned(), 5), ("ChatGPT".to_owned(), 3), ("GPT-4".to_owned(), 2)];
    assert_eq!(requests(&found), models);
    let by_log = inspect(&burst, &["--key-column", "Log Type"]);
    assert_eq!(requests(&by_log)[1], ("API log".to_owned(), 3));
    let named = ["--time-column", "Timestamp", "--key-column", "Model"];
    assert_eq!(requests(&inspect(&burst, &named)), models);
    // Five requests in 9 − 5 s of minutes.
    let minutes = inspect(&burst, &["--unit", "min"]);
    assert!((minutes["workloads"][0]["duration_s"].as_f64().unwrap() - 240.0).abs() < 1e-6);
    let root = TempDir::new().unwrap();
    let out = root.path().join("out.csv");
    let mut convert = igniter();
    convert.args(["trace", "convert", "-q"]).arg(&burst).args(named).arg("-o").arg(&out);
    convert.assert().code(0);
    let text = std::fs::read_to_string(&out).unwrap();
    // The format's own column named: the format stays, and with it the time 0, that of the first request.
    assert_eq!(text.lines().nth(2), Some("0.000000000,GPT-4"), "{text}");
    let mut fit = igniter();
    let run = fit.args(["trace", "fit", "--json"]).arg(&burst).args(named).assert().code(0);
    let found: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(found["workloads"][1]["workload"], "GPT-4");
    for arrival in [
        "workload = \"GPT-4\"",
        "workload = \"GPT-4\", format = \"burstgpt\"",
        "workload = \"GPT-4\", column = \"Timestamp\", key_column = \"Model\"",
    ] {
        let scenario = scenario(root.path(), &format!("path = {burst:?}, {arrival}"), "10");
        assert_eq!(requests(&inspect(&scenario, &[]))[0].1, 2, "{arrival}");
    }
    let rate = scenario(root.path(), &format!("path = {burst:?}"), "\"trace\"");
    let mut check = igniter();
    let run = check.args(["check", "--json"]).arg(&rate).assert();
    let found: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    // Five requests until the last one, four seconds after the first.
    assert_eq!(found["workloads"][0]["rate_rps"], 1.25);
}

#[test]
fn every_packing_is_read() {
    for name in ["z.csv.gz", "z.csv.zst", "z.csv.xz", "z.csv.bz2"] {
        let found = inspect(&input(name), &[]);
        assert_eq!((found["format"].as_str(), requests(&found)[0].1), (Some("azure-llm"), 3));
        let root = TempDir::new().unwrap();
        let scenario = scenario(root.path(), &format!("path = {:?}", input(name)), "10");
        assert_eq!(requests(&inspect(&scenario, &[]))[0].1, 3, "{name}");
    }
    let root = TempDir::new().unwrap();
    let text = "arrival_s,workload\n0.5,W1\n";
    let bytes: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(requests(&inspect(&file(root.path(), "t.csv", bytes), &[]))[0].1, 1);
    let zip = file(root.path(), "t.zip", b"PK\x03\x04 and so on");
    assert!(refused(&zip, &[]).contains("it is a zip archive"));
}

#[test]
fn times_are_read_in_their_unit_or_said_to_be_doubtful() {
    let rate = |found: &Value| found["workloads"][0]["rate_rps"].as_f64().unwrap();
    let found = inspect(&input("epoch_ns.txt"), &[]);
    assert!(notes(&found).contains("Unix time in ns"), "{found}");
    assert!((rate(&found) - 3.0).abs() < 0.01, "{found}");
    assert!((rate(&inspect(&input("epoch.csv"), &[])) - 2.0 / 0.75).abs() < 0.01);
    // Three equal numbers: gaps, and not three requests at once.
    let found = inspect(&input("pa_intervals.txt"), &[]);
    assert!(notes(&found).contains("--format intervals"), "{found}");
    let found = inspect(&input("pa_intervals.txt"), &["--format", "intervals"]);
    assert!((rate(&found) - 500.0).abs() < 0.1 && notes(&found).is_empty(), "{found}");
    assert!(refused(&input("pa_intervals2.txt"), &[]).contains("--format intervals"));
    let found = inspect(&input("mooncake_seconds.jsonl"), &[]);
    assert!(notes(&found).contains("--unit s"), "{found}");
    assert!(
        (rate(&inspect(&input("mooncake_seconds.jsonl"), &["--unit", "s"])) - 7.5).abs() < 0.01
    );
    let found = inspect(&input("az2024_zone.csv"), &[]);
    assert!((found["workloads"][0]["duration_s"].as_f64().unwrap() - 3.0).abs() < 1e-6);
    for (name, count) in [
        ("comment.csv", 1),
        ("emptyline.csv", 2),
        ("semicolon.csv", 2),
        ("vidur.csv", 2),
        ("lmm.csv", 2),
    ] {
        assert_eq!(requests(&inspect(&input(name), &[]))[0].1, count, "{name}");
    }
    for name in ["az2024_unsorted.csv", "dst_local.csv", "leap.csv"] {
        assert!(refused(&input(name), &[]).contains("--sort"), "{name}");
        inspect(&input(name), &["--sort"]);
    }
    assert!(refused(&input("us.csv"), &[]).contains("2023-11-16 18:17:03.25"));
    let root = TempDir::new().unwrap();
    let far = file(root.path(), "t.txt", "0\n1e12\n");
    assert!(refused(&far, &[]).contains("beyond 300 years; name the unit with --unit"));
    let years = file(root.path(), "y.txt", "0\n3e8\n");
    assert!(notes(&inspect(&years, &[])).contains("9.5 years"));
}

#[test]
fn work_is_in_proportion_to_data() {
    let root = TempDir::new().unwrap();
    let long = file(root.path(), "t.txt", "0\n4000000000\n");
    let mut fit = igniter();
    let run = fit.args(["trace", "fit", "--json", "--window", "10"]).arg(&long).assert().code(0);
    let found: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(found["workloads"][0]["windows"].as_array().unwrap().len(), 2);
    inspect(&long, &[]);
    let out = root.path().join("o.csv");
    let mut convert = igniter();
    convert.args(["trace", "convert", "--rescale", "maf2", "--window", "1", "-o"]).arg(&out);
    convert.arg(&long).assert().code(2);
    // Eight times the same file, sixteen deep: each is read once.
    std::fs::write(root.path().join("e0.toml"), SHORT).unwrap();
    for i in 1..15 {
        let base = format!("\"e{}.toml\"", i - 1);
        let text = format!("extends = [{}]\n", vec![base; 8].join(", "));
        std::fs::write(root.path().join(format!("e{i}.toml")), text).unwrap();
    }
    igniter().args(["check", "-q"]).arg(root.path().join("e14.toml")).assert().code(0);
    // Workloads without a name are not laid over each other, and so grow without bound.
    let nameless = SHORT.replace("name = \"W1\"\n", "").replace("name = \"W2\"\n", "");
    std::fs::write(root.path().join("e0.toml"), nameless).unwrap();
    let mut check = igniter();
    let run = check.args(["check", "-q"]).arg(root.path().join("e14.toml")).assert().code(2);
    let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(text.contains("makes the scenario too large"), "{text}");
}

#[test]
fn foreign_formats_are_told_by_their_first_line() {
    let root = TempDir::new().unwrap();
    for (format, text, count) in [
        (
            "google-2019",
            "time,type,collection_id,scheduling_class\n0,SUBMIT,1,2\n600000000,SUBMIT,2,1\n\
          599000000,SUBMIT,3,1\n600000100,FINISH,2,1\n9223372036854775807,0,4,0\n",
            2,
        ),
        ("google-2019", "{\"time\":\"600\",\"type\":\"0\",\"collection_id\":\"5\"}\n", 1),
        (
            "google-2011",
            "600000000,,3418309,0,user,3,name,logical\n600000001,,3418309,1,user,3,name,logical\n",
            1,
        ),
        ("alibaba-pai-2020", "job1,i1,u1,Terminated,494319.0,500000\njob2,i2,u2,Running,,\n", 1),
        (
            "alibaba-pai-2020",
            "job_name,inst_id,user,status,start_time,end_time\nj,i,u,Terminated,5,6\n",
            1,
        ),
        (
            "alibaba-pods-2023",
            "name,num_gpu,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
          p0,1,LS,Running,0,100,1\np1,1,BE,Pending,5,,\n",
            2,
        ),
        (
            "alibaba-dlrm-2025",
            "instance_sn,role,app_name,creation_time\na,CN,x,\nb,CN,x,50.5\nc,HN,y,9\n",
            2,
        ),
        (
            "alibaba-genai-2026",
            "gmt_create,predict_type,predict_status,checkpoint_model_version_id\n\
          2026-01-01 00:00:01,T,OK,7\n2026-01-01 00:00:05,T,FAILED,8\n",
            2,
        ),
        ("bailian", "{\"chat_id\": 1, \"timestamp\": 0.5, \"type\": \"text\"}\n", 1),
        (
            "table",
            ",timestamp,tokens\n0,2024-05-10 00:00:00.009930,5\n1,2024-05-10 00:00:01,6\n",
            2,
        ),
    ] {
        let path = file(root.path(), "t", text);
        let found = inspect(&path, &[]);
        assert_eq!(found["format"], format, "{text}");
        assert_eq!(requests(&found)[0].1, count, "{text}: {found}");
    }
    // Nobody can know which of two columns is meant.
    let two = file(root.path(), "t", "start_time,submit_time\n1,2\n");
    assert!(refused(&two, &[]).contains("--time-column"));
    assert_eq!(requests(&inspect(&two, &["--time-column", "submit_time"]))[0].1, 1);
    // Columns of a file without a header have numbers.
    let bare = file(root.path(), "t", "x,250,a\ny,500,b\n");
    let named = ["--time-column", "2", "--key-column", "3", "--unit", "ms"];
    let found = inspect(&bare, &named);
    assert_eq!(requests(&found).len(), 3);
    assert!((found["workloads"][0]["duration_s"].as_f64().unwrap() - 0.5).abs() < 1e-6);
}

#[test]
fn what_is_lost_on_the_way_is_said() {
    let root = TempDir::new().unwrap();
    // Old line ends are line ends.
    let old = file(root.path(), "old.csv", "arrival_s,workload\r0.5,W1\r1,W1\r2,W2\r");
    let expected = [("(all)".to_owned(), 3), ("W1".to_owned(), 2), ("W2".to_owned(), 1)];
    assert_eq!(requests(&inspect(&old, &["--format", "igniter"])), expected);
    assert_eq!(requests(&inspect(&old, &[])), expected);
    // A quote that stays open swallows the rest of the file.
    let open = file(root.path(), "open.csv", "arrival_s,workload\n0.5,W1\n1,\"W1\n2,W2\n");
    let error = refused(&open, &[]);
    assert!(error.contains("open.csv:3: a quote is opened"), "{error}");
    // What was read of a pipe is gone.
    let pipe = root.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = refused(&pipe, &[]);
    assert!(error.contains("pipe or a device") && error.contains("save it in a file"), "{error}");
    // So it is with plans.
    let scenario = file(root.path(), "s.toml", SHORT);
    let plan = |path: &Path| {
        let mut command = igniter();
        command.arg("simulate").arg(&scenario).arg("--plan").arg(path).arg("--quiet").assert()
    };
    plan(&pipe).code(2).stderr(predicates::str::contains("a plan is read more than once"));
    // A plan may be packed, and have a byte-order mark, as any other text.
    let made = root.path().join("plan.json");
    igniter().arg("plan").arg(&scenario).arg("-o").arg(&made).arg("--quiet").assert().code(0);
    let text = std::fs::read_to_string(&made).unwrap();
    let marked = text.encode_utf16().flat_map(u16::to_le_bytes);
    let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(marked).collect();
    let marked = file(root.path(), "marked.json", marked);
    assert!(std::process::Command::new("gzip").arg("-k").arg(&made).status().unwrap().success());
    for path in [made, marked, root.path().join("plan.json.gz")] {
        // SLOs may be missed.
        let ran = plan(&path);
        assert!(matches!(ran.get_output().status.code(), Some(0 | 1)), "{ran}");
    }
}
