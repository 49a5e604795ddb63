//! Every bad value: what the user is told.

use super::*;

#[test]
fn all_problems_of_a_file_are_listed_with_their_count() {
    let text = r#"version = 2
duration_s = 60
sede = 7

[[gpu]]
kind = "v100"

[[workload]]
name = "W1"
model = "alexnet"
slo = 10
rate_rps = 0

[[workload]]
name = "W1"
model = "vgg19"
slo_ms = -5
rate_rps = 200
arrival = { process = "poison" }
"#;
    let expected = r#"
scenarios/small.toml:1: version: given 2; allowed: a whole number from 1 to 1; fix: write version = 1, the only version of the scenario format that this program knows
scenarios/small.toml:3: sede: unknown key; allowed: extends, version, name, seed, duration_s, warmup_s, cooldown_s, percentiles, gpu, engine, controller, fault, plan, replan, display, prediction_error, rate_scale, slo_scale, arrival, batching, phase, workload; fix: did you mean `seed`?
scenarios/small.toml:8: workload[0].slo_ms: missing; allowed: a number from 0.01 to 3600000 ms; fix: give the whole latency SLO of a request in milliseconds, such as slo_ms = 10, or slo_x_solo = 5 for five times the solo latency
scenarios/small.toml:11: workload[0].slo: unknown key; allowed: name, count, model, slo_ms, slo_x_solo, rate_rps, arrival, batching, engine; fix: did you mean `slo_ms`?
scenarios/small.toml:12: workload[0].rate_rps: given 0; allowed: a number from 0.001 to 1000000 requests/s, or "trace"; fix: give the mean arrival rate in requests per second, such as rate_rps = 400
scenarios/small.toml:15: workload[1].name: given "W1" again; allowed: a name that no other workload has (line 9 has this one); fix: give each workload its own name
scenarios/small.toml:17: workload[1].slo_ms: given -5; allowed: a number from 0.01 to 3600000 ms; fix: give the whole latency SLO of a request in milliseconds, such as slo_ms = 10
scenarios/small.toml:19: workload[1].arrival.process: given "poison"; allowed: "constant" | "poisson" | "gamma" | "weibull" | "normalised" | "mmpp" | "diurnal" | "spike" | "ramp" | "drain" | "steps" | "rates" | "trace" | "sum" | "phases" | "closed_loop"; fix: did you mean "poisson"?
8 problems in scenarios/small.toml"#;
    assert_eq!(format!("\n{}", parse(text).unwrap_err()), expected);
}

/// Replaces one value of the small file; exactly one problem with these words must come back.
fn refused(old: &str, new: &str, words: &[&str]) {
    let found = with(old, new);
    assert_eq!(found.len(), 1, "{new}: {found:#?}");
    for word in words {
        assert!(found[0].contains(word), "{new}: `{word}` is not in: {}", found[0]);
    }
}

#[test]
fn bad_slos() {
    for bad in ["nan", "inf", "-inf", "-10", "0", "1e-9", "1e12", "1e999", "\"10\"", "true", "[]"] {
        let words =
            ["10: workload[0].slo_ms", &format!("given {bad};"), "from 0.01 to 3600000 ms; fix:"];
        refused("slo_ms = 10", &format!("slo_ms = {bad}"), &words);
    }
    refused("slo_ms = 10\n", "", &["7: workload[0].slo_ms: missing; allowed:"]);
}

#[test]
fn bad_rates() {
    for bad in ["nan", "inf", "-1", "0", "1e9", "1e-9", "'many'"] {
        let words = ["11: workload[0].rate_rps", &format!("given {bad};"), "0.001 to 1000000"];
        refused("rate_rps = 1200", &format!("rate_rps = {bad}"), &words);
    }
}

#[test]
fn bad_times() {
    for bad in ["0", "-1", "nan", "inf", "1000000.5"] {
        let words = ["2: duration_s", "a number above 0 and at most 1000000 s"];
        refused("duration_s = 60", &format!("duration_s = {bad}"), &words);
    }
    refused("duration_s = 60\n", "", &["1: duration_s: missing"]);
    refused("duration_s = 60", "duration_s = 60\nwarmup_s = -1", &["3: warmup_s: given -1"]);
    refused("duration_s = 60", "duration_s = 60\ncooldown_s = nan", &["3: cooldown_s: given nan"]);
    refused("duration_s = 60", "duration_s = 2", &["2: duration_s: given 2; ", "1 + 1 s"]);
    let cut = "duration_s = 20\nwarmup_s = 15\ncooldown_s = 5.5";
    refused("duration_s = 60", cut, &["2: duration_s: given 20; allowed: more than", "15 + 5.5 s"]);
    let tiny = "duration_s = 1e-12\nwarmup_s = 0\ncooldown_s = 0";
    refused("duration_s = 60", tiny, &["2: duration_s: given 0; allowed: more than"]);
}

#[test]
fn bad_versions_seeds_and_names() {
    let words =
        ["2: percentiles: given \"exakt\"; allowed: \"exact\" | \"histogram\"; fix: did you mean"];
    refused("version = 1", "version = 1\npercentiles = \"exakt\"", &words);
    refused("version = 1\n", "", &["1: version: missing", "write version = 1"]);
    refused("version = 1", "version = \"1\"", &["1: version: given \"1\""]);
    for bad in ["-1", "1.5", "18446744073709551616", "\"one\""] {
        refused("version = 1", &format!("version = 1\nseed = {bad}"), &["2: seed: given", bad]);
    }
    for bad in ["\"\"", "\"a/b\"", "\"..\"", "7", "\"tab\\there\""] {
        refused("version = 1", &format!("version = 1\nname = {bad}"), &["2: name: given", bad]);
    }
    refused("name = \"W1\"", "name = \"\"", &["8: workload[0].name: given \"\""]);
    refused("name = \"W1\"\n", "", &["7: workload[0].name: missing"]);
    refused("model = \"alexnet\"", "model = 5", &["9: workload[0].model: given 5"]);
    let long = format!("model = \"{}\"", "m".repeat(65));
    refused(
        "model = \"alexnet\"",
        &long,
        &["workload[0].model: given \"mmm", "…; allowed: 1 to 64"],
    );
}

#[test]
fn bad_gpus() {
    let gpu = "[[gpu]]\nkind = \"v100\"\n";
    refused(gpu, "", &["1: gpu: missing; allowed: one [[gpu]] table"]);
    refused("[[gpu]]", "[gpu]", &["4: gpu: [gpu] is one table", "fix: did you mean [[gpu]]?"]);
    let twice = format!("{gpu}{gpu}");
    refused(gpu, &twice, &["6: gpu[1]: the same kind again", "as many GPUs of a kind as it needs"]);
    refused("kind = \"v100\"", "kind = \"\"", &["5: gpu[0].kind: given \"\""]);
    refused("kind = \"v100\"", "kidn = \"v100\"\nkind = \"v100\"", &["did you mean `kind`?"]);
    let price = "kind = \"v100\"\nprice_per_hour = -3";
    refused("kind = \"v100\"", price, &["6: gpu[0].price_per_hour: given -3", "$/h"]);
}

#[test]
fn bad_plan_options() {
    let plan = |line: &str| format!("[plan]\n{line}\n\n[[gpu]]");
    for (line, needles) in [
        ("margin_pct = 100", ["plan.margin_pct: given 100", "\"predictor\""]),
        ("margin_pct = \"model\"", ["plan.margin_pct: given \"model\"", "0 to 99"]),
        ("headroom_pct = -1", ["plan.headroom_pct: given -1", "0 to 10000 %"]),
        ("attainment_pct = 100", ["plan.attainment_pct: given 100", "no plan is in time for all"]),
        ("confidence_pct = 30", ["plan.confidence_pct: given 30", "50 to 99.9999 %"]),
        ("process_limit = 0", ["plan.process_limit: given 0", "1 to 10000"]),
        ("time_limit_s = 0", ["plan.time_limit_s: given 0", "above 0"]),
        (
            "search_rounds = 5\ntime_limit_s = 1",
            ["plan.time_limit_s: given together with", "not both"],
        ),
        ("margin = 5", ["plan.margin: unknown key", "did you mean `margin_pct`?"]),
    ] {
        refused("[[gpu]]", &plan(line), &needles);
    }
    let error = |value: &str| format!("prediction_error = {value}\n[[gpu]]");
    for (value, needles) in [
        ("{}", ["prediction_error: is empty", "std_pct"]),
        ("{ draw = \"uncertainty\", std_pct = 5 }", ["says two things", "std_pct"]),
        ("{ std_pct = -5 }", ["prediction_error.std_pct: given -5", "0 to 50 %"]),
        ("5", ["prediction_error: given 5", "a table with one key"]),
    ] {
        refused("[[gpu]]", &error(value), &needles);
    }
}

#[test]
fn bad_engines() {
    let engine = |line: &str| format!("[engine]\n{line}\n\n[[gpu]]");
    let typo = engine("interference = \"dynamc\"");
    refused("[[gpu]]", &typo, &["5: engine.interference: given", "did you mean \"dynamic\"?"]);
    let number = engine("service = 3");
    refused("[[gpu]]", &number, &["\"deterministic\" | \"exponential\"", "in quotes"]);
    refused("[[gpu]]", &engine("overlap_load = 1"), &["true or false"]);
    refused("[[gpu]]", &engine("overlap = true"), &["did you mean `overlap_load`?"]);
    refused("version = 1", "version = 1\nengine = \"fast\"", &["2: engine: given \"fast\""]);
}

#[test]
fn bad_workload_lists() {
    let none = "version = 1\nduration_s = 60\n[[gpu]]\nkind = \"v100\"\n";
    let found = problems(none);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("workload: missing; allowed: one or more"));
    let found = problems(&format!("workload = []\n{none}"));
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("workload: given []; allowed: one or more"));
    refused(
        "[[workload]]",
        "[workload]",
        &["7: workload: [workload] is one table", "fix: did you mean [[workload]]?"],
    );
    let found = problems(&format!("workload = [3]\n{none}"));
    assert!(found[0].to_string().starts_with("workload[0]: given 3"), "{found:?}");
}

#[test]
fn bad_arrivals() {
    let rate = "rate_rps = 1200";
    let arrival = |table: &str| format!("{rate}\narrival = {table}");
    let cases = [
        ("\"poisson\"", "12: workload[0].arrival: given \"poisson\"; allowed: a table"),
        ("{ }", "arrival.process: missing"),
        ("{ process = 3 }", "arrival.process: given 3"),
        ("{ process = \"gamma\" }", "arrival.cv: missing; allowed: a number from 0.01 to 100;"),
        ("{ process = \"gamma\", cv = 0 }", "arrival.cv: given 0"),
        ("{ process = \"gamma\", cv = 101 }", "arrival.cv: given 101"),
        ("{ process = \"gamma\", cv = nan }", "arrival.cv: given nan"),
        ("{ process = \"poisson\", cv = 2 }", "fix: remove it: it belongs to process = \"gamma\""),
        ("{ process = \"weibull\", cv = 11 }", "allowed: a number from 0.01 to 10.4;"),
        ("{ process = \"mmpp\" }", "arrival.states: missing"),
        ("{ process = \"mmpp\", states = [{ rate = 1, mean_s = 1 }] }", "arrival.states: given ["),
        (
            "{ process = \"mmpp\", states = [{ rate = 0, mean_s = 1 }, { rate = 0, mean_s = 1 }] }",
            "not all rates 0",
        ),
        (
            "{ process = \"mmpp\", states = [{ rate = 1, mean_s = 1 }, { rate = 1, mean_s = 0 }] }",
            "arrival.states[1].mean_s: given 0",
        ),
        (
            "{ process = \"spike\", start_s = 5, end_s = 5, factor = 2 }",
            "arrival.end_s: given 5; allowed: more than start_s = 5",
        ),
        ("{ process = \"steps\", steps = [] }", "arrival.steps: given []"),
        ("{ process = \"steps\", steps = [3] }", "arrival.steps[0]: given 3"),
        (
            "{ process = \"diurnal\", period_s = 9, peak_to_trough = 0.5 }",
            "arrival.peak_to_trough: given 0.5",
        ),
        (
            "{ process = \"drain\", start_s = 1, end_s = 2, gaps = { process = \"gama\" } }",
            "arrival.gaps.process: given \"gama\"",
        ),
        ("{ process = \"sum\", parts = [{ share = 1 }] }", "arrival.parts[0].arrival: missing"),
        ("{ process = \"rates\" }", "arrival.path: missing"),
        ("{ process = \"trace\" }", "arrival.path: missing"),
        ("{ process = \"trace\", path = \"\" }", "arrival.path: given \"\""),
        ("{ process = \"trace\", path = \"a\", column = 1 }", "arrival.column: given 1"),
    ];
    for (table, words) in cases {
        refused(rate, &arrival(table), &[words]);
    }
}

#[test]
fn bad_batching() {
    let rate = "rate_rps = 1200";
    let cases = [
        ("batching = 3", "12: workload[0].batching: given 3; allowed: a table"),
        ("batching = { max_queue_delay_ms = -1 }", "batching.max_queue_delay_ms: given -1"),
        ("batching = { max_queue_delay_ms = inf }", "batching.max_queue_delay_ms: given inf"),
        ("batching = { max_batch = 0 }", "batching.max_batch: given 0"),
        ("batching = { max_batch = 4.0 }", "given 4.0; allowed: a whole number from 1 to 65536"),
        ("batching = { instances = 0 }", "batching.instances: given 0"),
        ("batching = { shared_thread = 1 }", "batching.shared_thread: given 1"),
        ("batching = { variable_shape = 1 }", "batching.variable_shape: given 1"),
        ("batching = { preferred = 4 }", "batching.preferred: given 4; allowed: an array"),
        ("batching = { preferred = [4, 0] }", "batching.preferred[1]: given 0"),
        (
            "batching = { max_batch = 4, preferred = [2, 8] }",
            "preferred: given 8; allowed: batch sizes up to max_batch = 4",
        ),
        ("batching = { max_delay_ms = 1 }", "batching.max_delay_ms: unknown key"),
    ];
    for (line, words) in cases {
        refused(rate, &format!("{rate}\n{line}"), &[words]);
    }
    // A fault of the default table is said once, not for every workload.
    let table = "[batching]\nmax_batch = 4\npreferred = [8]\n\n[[gpu]]";
    refused("[[gpu]]", table, &["6: batching.preferred: given 8"]);
}

#[test]
fn text_that_is_no_toml() {
    let found = with("slo_ms = 10", "slo_ms = ");
    assert!(found[0].starts_with("10: not TOML: "), "{found:?}");
    let found = with("rate_rps = 1200", "slo_ms = 12");
    assert!(found[0].starts_with("11: not TOML: duplicate key"), "{found:?}");
    // Cut in the middle of a string, and cleanly after a line.
    let cut = &SMALL[..SMALL.find("alexnet").unwrap() + 4];
    assert_eq!(problems(cut)[0].line, 9);
    let cut = &SMALL[..SMALL.find("slo_ms").unwrap()];
    let keys: Vec<String> = problems(cut).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["workload[0].slo_ms", "workload[0].rate_rps"]);
    let keys: Vec<String> = problems("").into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["version", "duration_s", "gpu", "workload"]);
    for garbage in ["{\"version\": 1}", "PK\u{3}\u{4}", "= = =", "[[[[[[", "\u{feff}\u{feff}"] {
        assert!(!problems(garbage).is_empty());
    }
}

#[test]
fn hostile_values_stay_on_one_short_line() {
    let long = format!("rate_rps = \"{}\"", "line\\nbreak".repeat(1000));
    let multi = "rate_rps = \"\"\"a\nb\"\"\"";
    let key = format!("rate_rps = 1200\n\"{}\" = 1", "k\\n".repeat(1000));
    for new in [long.as_str(), multi, key.as_str()] {
        let found = with("rate_rps = 1200", new);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].len() < 400 && !found[0].contains('\n'), "{found:?}");
    }
}

#[test]
fn clients_wait_for_answers_only_on_their_own() {
    let rate = "rate_rps = 1200";
    let with_arrival = |arrival: &str| format!("{rate}\narrival = {arrival}");
    let closed = "{ process = 'closed_loop', clients = 4 }";
    for nested in [
        format!("{{ process = 'drain', start_s = 1, end_s = 2, gaps = {closed} }}"),
        format!("{{ process = 'sum', parts = [{{ arrival = {closed} }}] }}"),
        format!("{{ process = 'phases', phases = [{{ duration_s = 1, arrival = {closed} }}] }}"),
    ] {
        let words =
            ["12: workload[0].arrival", "closed_loop as a part of another", "such as poisson"];
        refused(rate, &with_arrival(&nested), &words);
    }
    let phased = format!("{}\n[[phase]]\nduration_s = 1", with_arrival(closed));
    refused(rate, &phased, &["12: workload[0].arrival", "in a scenario without [[phase]]"]);
    let phase = format!("{rate}\n[[phase]]\nduration_s = 1\narrival = {closed}");
    refused(rate, &phase, &["14: phase[0].arrival", "in a scenario without [[phase]]"]);
    let words = ["12: workload[0].arrival.clients", "a whole number from 1 to 1000000"];
    refused(rate, &with_arrival("{ process = 'closed_loop', clients = 0 }"), &words);
    let words = ["12: workload[0].arrival.clients: missing", "clients = 16"];
    refused(rate, &with_arrival("{ process = 'closed_loop' }"), &words);
}

#[test]
fn names_to_show_are_text() {
    let display = |text: &str| SMALL.replace("[[gpu]]", &format!("[display]\n{text}\n[[gpu]]"));
    let scenario = parse(&display("gpulets = \"gpu-lets\"\n\"W1\" = \"検索\"")).unwrap();
    assert_eq!(scenario.display["gpulets"], "gpu-lets");
    assert_eq!(scenario.display["W1"], "検索");
    for bad in ["gpulets = 5", "gpulets = \"\"", "gpulets = \"a\\u0007b\""] {
        let found: Vec<String> = problems(&display(bad)).iter().map(ToString::to_string).collect();
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.contains("display.gpulets") && problem.contains("1 to 64"), "{problem}");
    }
    let table = problems(&SMALL.replace("[[gpu]]", "display = \"x\"\n[[gpu]]"));
    assert!(table[0].to_string().contains("a table of names"), "{table:?}");
}
