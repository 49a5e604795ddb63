//! What a valid file means.
#![expect(clippy::float_cmp, reason = "these numbers are exact")]

use super::*;
use crate::{Defaults, ProfileChoice};
use igniter_model::domain::WorkloadName;
use igniter_model::input::{Format, TimeUnit, TraceLayout};
use igniter_model::units::{BatchSize, Dollars, Milliseconds, Nanoseconds};
use igniter_sim::arrivals::{
    ArrivalPart, ArrivalPhase, ArrivalSpec, ClosedLoopSpec, MmppState, RateShape, RateStep,
    Thinking, TraceSpec,
};
use igniter_sim::metrics::Percentiles;
use igniter_sim::{
    BatchingSpec, ControllerSpec, EngineSpec, Fault, FaultKind, FaultyGpu, Interference,
    LoadOverlap, Noise, PcieLink, ServerSpec, ServiceTime, ShadowSpec, TimeoutAction,
    TritonRelease,
};

fn batch(size: u32) -> BatchSize {
    BatchSize::new(size).unwrap()
}

#[test]
fn defaults_fill_what_is_left_out() {
    let scenario = parse(SMALL).unwrap();
    let defaults = Defaults::default();
    assert_eq!(scenario.name, "small");
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.duration, Nanoseconds::new(60_000_000_000));
    assert_eq!((scenario.warmup, scenario.cooldown), (defaults.warmup, defaults.cooldown));
    assert_eq!(scenario.warmup, Nanoseconds::new(1_000_000_000));
    assert_eq!(scenario.percentiles, Percentiles::Exact);
    assert_eq!(scenario.gpus[0].price_per_hour, None);
    assert_eq!(scenario.gpus[0].profile.to_string(), "v100");
    assert_eq!(scenario.engine, EngineSpec::default());
    assert_eq!(scenario.workloads[0].arrival, ArrivalSpec::Constant);
    assert_eq!(scenario.workloads[0].batching, BatchingSpec::default());
}

#[test]
fn every_key_is_understood() {
    let text = r#"
        version = 1
        name = "all keys"
        seed = 18446744073709551615
        percentiles = "histogram"
        duration_s = 2.5
        warmup_s = 0
        cooldown_s = 0.25
        [[gpu]]
        kind = "../profiles/mine"
        price_per_hour = 3.06
        [engine]
        interference = "static"
        overlap_load = false
        service = "exponential"
        pcie = "shared"
        noise_cv = 0.05
        batch_overhead_ms = 1.5
        row_overhead_ms = 0.125
        request_overhead_ms = 0.25
        batch_overhead_cv = 0.75
        request_overhead_cv = 1.25
        startup_s = 0.5
        [controller]
        kind = "shadow"
        period_s = 0.5
        extra_pct = 20
        switch_ms = 30
        [[fault]]
        kind = "workload-crashes"
        workload = "a"
        at_s = 1
        lasts_s = 0.5
        [[fault]]
        kind = "gpu-fails"
        gpu = 3
        at_s = 2
        [[fault]]
        kind = "gpu-slows"
        workload = "a"
        factor = 1.5
        at_s = 0
        [batching]
        max_queue_delay_ms = 100
        max_batch = 8
        preferred = [4, 8]
        max_queue_size = 50
        timeout_ms = 40
        timeout_action = "delay"
        completion_race = 0.2
        triton = "21.10"
        [[workload]]
        name = "a"
        model = "vgg19"
        slo_ms = 0.01
        rate_rps = 1e6
        arrival = { process = "gamma", cv = 4 }
        batching = { max_batch = 16, instances = 2, shared_thread = true, variable_shape = true }
        engine = { noise_cv = 0.5, startup_s = 1, instance_slowdown = 2.5 }
        [[workload]]
        name = "b"
        model = "vgg19"
        slo_ms = 3_600_000
        rate_rps = 0.001
        arrival = { process = "trace", path = "../traces/day.csv", column = "t" }
    "#;
    let scenario = parse(text).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.seed), ("all keys", u64::MAX));
    assert_eq!(scenario.percentiles, Percentiles::Histogram);
    assert_eq!(scenario.cooldown, Nanoseconds::new(250_000_000));
    assert_eq!(scenario.gpus[0].price_per_hour, Some(Dollars::new(3.06).unwrap()));
    assert_eq!(
        scenario.gpus[0].profile,
        ProfileChoice::Path("scenarios/../profiles/mine".into()),
        "paths start at the folder of the file"
    );
    assert_eq!(
        scenario.engine,
        EngineSpec {
            interference: Interference::Static,
            overlap: LoadOverlap::Serial,
            service: ServiceTime::Exponential,
            pcie: PcieLink::Shared,
        }
    );
    let shadow = ShadowSpec {
        period: Nanoseconds::new(500_000_000),
        extra_pct: 20.0,
        switch: Nanoseconds::new(30_000_000),
    };
    assert_eq!(scenario.control.controller, ControllerSpec::Shadow(shadow));
    let s = |seconds: f64| Nanoseconds::from_seconds(seconds).unwrap();
    let a = WorkloadName::new("a").unwrap();
    let fault = |at, lasts, what| Fault { at, lasts, what };
    assert_eq!(
        scenario.control.faults,
        [
            fault(s(1.0), Some(s(0.5)), FaultKind::WorkloadCrashes(a.clone())),
            fault(s(2.0), None, FaultKind::GpuFails(FaultyGpu::Number(3))),
            fault(s(0.0), None, FaultKind::GpuSlows { gpu: FaultyGpu::Of(a), factor: 1.5 }),
        ]
    );
    let default_table = BatchingSpec {
        max_queue_delay: Milliseconds::new(100.0).unwrap(),
        max_batch: Some(batch(8)),
        preferred: vec![batch(4), batch(8)],
        max_queue_size: 50,
        timeout: Milliseconds::new(40.0).unwrap(),
        timeout_action: TimeoutAction::Delay,
        completion_race: 0.2,
        release: TritonRelease::Frozen,
        ..BatchingSpec::default()
    };
    let [a, b] = &scenario.workloads[..] else { panic!() };
    assert_eq!(b.batching, default_table);
    let own = BatchingSpec {
        max_batch: Some(batch(16)),
        instances: 2,
        shared_thread: true,
        variable_shape: true,
        ..default_table
    };
    assert_eq!(a.batching, own, "overridden key by key");
    let servers = ServerSpec {
        noise: Noise::Cv(0.05),
        batch_overhead: Milliseconds::new(1.5).unwrap(),
        row_overhead: Milliseconds::new(0.125).unwrap(),
        request_overhead: Milliseconds::new(0.25).unwrap(),
        request_serial: Milliseconds::ZERO,
        batch_overhead_cv: 0.75,
        request_overhead_cv: 1.25,
        instance_slowdown: None,
        startup: s(0.5),
    };
    assert_eq!(b.server, servers);
    let own = ServerSpec {
        noise: Noise::Cv(0.5),
        startup: s(1.0),
        instance_slowdown: Some(2.5),
        ..servers
    };
    assert_eq!(a.server, own);
    assert_eq!(a.arrival, ArrivalSpec::Gamma { cv: 4.0 });
    let trace = TraceSpec::new("scenarios/../traces/day.csv", "t");
    assert_eq!(b.arrival, ArrivalSpec::Trace(trace));
}

#[test]
fn editors_of_other_systems_are_welcome() {
    let windows = format!("\u{feff}{}", SMALL.replace('\n', "\r\n"));
    assert_eq!(parse(&windows).unwrap(), parse(SMALL).unwrap());
}

#[test]
fn the_columns_of_a_trace_are_found_unless_they_are_named() {
    let text = format!("{SMALL}arrival = {{ process = \"trace\", path = \"day.csv\" }}\n");
    let ArrivalSpec::Trace(TraceSpec { reading, .. }) = &parse(&text).unwrap().workloads[0].arrival
    else {
        panic!()
    };
    assert_eq!(*reading, TraceLayout::default());
    let keys = "format = 'table', column = 'when', key_column = 'who', unit = 'ms', sort = true";
    let text = format!("{SMALL}arrival = {{ process = 'trace', path = 'day.csv', {keys} }}\n");
    let ArrivalSpec::Trace(TraceSpec { reading, .. }) = &parse(&text).unwrap().workloads[0].arrival
    else {
        panic!()
    };
    let expected = TraceLayout {
        format: Some(Format::Table),
        time_column: Some("when".into()),
        key_column: Some("who".into()),
        unit: Some(TimeUnit::Milliseconds),
        sort: true,
    };
    assert_eq!(*reading, expected);
}

#[test]
fn the_default_name_is_the_stem_where_that_is_a_name() {
    let named = |file: &str| Scenario::parse(SMALL, Path::new(file)).unwrap().name;
    assert_eq!(named("a/b/paper-12.toml"), "paper-12");
    assert_eq!(named(&format!("{}.toml", "x".repeat(65))), "scenario");
    assert_eq!(named(""), "scenario");
}

/// The arrivals of the small file with this table.
fn arrival(table: &str) -> ArrivalSpec {
    let text = format!("{SMALL}arrival = {table}\n");
    parse(&text).unwrap_or_else(|error| panic!("{error}")).workloads[0].arrival.clone()
}

#[test]
fn every_process_is_understood() {
    let s = |seconds| Nanoseconds::from_seconds(seconds).unwrap();
    let shaped = |shape| ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Poisson), shape };
    assert_eq!(arrival("{ process = 'weibull', cv = 2 }"), ArrivalSpec::Weibull { cv: 2.0 });
    assert_eq!(arrival("{ process = 'normalised' }"), ArrivalSpec::Normalised);
    let closed = |clients, think, thinking| {
        let think = Nanoseconds::new(think);
        ArrivalSpec::ClosedLoop(ClosedLoopSpec { clients, think, thinking })
    };
    assert_eq!(
        arrival("{ process = 'closed_loop', clients = 16 }"),
        closed(16, 0, Thinking::Constant)
    );
    assert_eq!(
        arrival(
            "{ process = 'closed_loop', clients = 1, think_ms = 2.5, thinking = 'exponential' }"
        ),
        closed(1, 2_500_000, Thinking::Exponential)
    );
    let states = "[{ rate = 1, mean_s = 10 }, { rate = 0, mean_s = 0.5 }]";
    let state = |rate, mean| MmppState { rate, mean: s(mean) };
    assert_eq!(
        arrival(&format!("{{ process = 'mmpp', states = {states} }}")),
        ArrivalSpec::Mmpp { states: vec![state(1.0, 10.0), state(0.0, 0.5)] }
    );
    assert_eq!(
        arrival("{ process = 'diurnal', period_s = 60, peak_to_trough = 4 }"),
        shaped(RateShape::Diurnal { period: s(60.0), peak: s(30.0), peak_to_trough: 4.0 })
    );
    assert_eq!(
        arrival("{ process = 'spike', start_s = 1, end_s = 2.5, factor = 3 }"),
        shaped(RateShape::Spike { start: s(1.0), end: s(2.5), factor: 3.0 })
    );
    let drain = RateShape::Ramp { start: s(1.0), end: s(2.0), from: 1.0, to: 0.0 };
    assert_eq!(arrival("{ process = 'drain', start_s = 1, end_s = 2 }"), shaped(drain.clone()));
    assert_eq!(
        arrival(
            "{ process = 'ramp', start_s = 1, end_s = 2, to = 0, gaps = { process = 'constant' } }"
        ),
        ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Constant), shape: drain }
    );
    let step = RateStep { duration: s(2.0), factor: 3.0 };
    assert_eq!(
        arrival("{ process = 'steps', steps = [{ duration_s = 2, factor = 3 }], repeat = true }"),
        shaped(RateShape::Steps { steps: vec![step], repeat: true })
    );
    assert_eq!(
        arrival("{ process = 'rates', path = 'r.csv', rate_scale = 2 }"),
        ArrivalSpec::Rates {
            gaps: Box::new(ArrivalSpec::Poisson),
            path: "scenarios/r.csv".into(),
            rate_scale: 2.0
        }
    );
    let trace = "path = 't.csv', workload = 'x', start_s = 3, rate_scale = 0.5";
    assert_eq!(
        arrival(&format!("{{ process = 'trace', {trace} }}")),
        ArrivalSpec::Trace(TraceSpec {
            workload: Some("x".into()),
            start: s(3.0),
            rate_scale: 0.5,
            ..found("scenarios/t.csv")
        })
    );
    assert_eq!(
        arrival("{ process = 'sum', parts = [{ arrival = { process = 'poisson' } }] }"),
        ArrivalSpec::Sum { parts: vec![ArrivalPart { share: 1.0, arrival: ArrivalSpec::Poisson }] }
    );
    let phase = "{ duration_s = 5, rate_scale = 2, arrival = { process = 'constant' } }";
    assert_eq!(
        arrival(&format!("{{ process = 'phases', phases = [{phase}] }}")),
        ArrivalSpec::Phases {
            phases: vec![ArrivalPhase {
                duration: s(5.0),
                rate_scale: 2.0,
                arrival: ArrivalSpec::Constant
            }]
        }
    );
}

#[test]
fn phases_of_the_scenario_reach_every_workload() {
    let s = |seconds| Nanoseconds::from_seconds(seconds).unwrap();
    let phases = "[[phase]]\nduration_s = 10\n[[phase]]\nduration_s = 5\nrate_scale = 3\n";
    let step = |duration, factor| RateStep { duration: s(duration), factor };
    let steps = vec![step(10.0, 1.0), step(5.0, 3.0)];
    assert_eq!(
        parse(&format!("{SMALL}{phases}")).unwrap().workloads[0].arrival,
        ArrivalSpec::Shaped {
            gaps: Box::new(ArrivalSpec::Constant),
            shape: RateShape::Steps { steps, repeat: false }
        },
        "only the rate changes, so the process goes on"
    );
    let text = format!("{SMALL}{phases}arrival = {{ process = 'poisson' }}\n");
    let phase =
        |duration, rate_scale, arrival| ArrivalPhase { duration: s(duration), rate_scale, arrival };
    let phases =
        vec![phase(10.0, 1.0, ArrivalSpec::Constant), phase(5.0, 3.0, ArrivalSpec::Poisson)];
    assert_eq!(parse(&text).unwrap().workloads[0].arrival, ArrivalSpec::Phases { phases });
}

#[test]
fn the_arrivals_of_the_scenario_are_a_default_and_scale_with_it() {
    let own = SMALL.replace("\"W1\"", "\"W2\"");
    let own = &own[own.find("[[workload]]").unwrap()..];
    let text = format!(
        "rate_scale = 2\narrival = {{ process = 'trace', path = 't.csv' }}\n{SMALL}{own}\
         arrival = {{ process = 'poisson' }}\n"
    );
    let [first, second] = &parse(&text).unwrap().workloads[..] else { panic!() };
    let trace = TraceSpec { rate_scale: 2.0, ..found("scenarios/t.csv") };
    assert_eq!(first.arrival, ArrivalSpec::Trace(trace));
    assert_eq!(second.arrival, ArrivalSpec::Poisson);
    assert_eq!(second.workload.rate.get(), 2400.0);
}

/// A trace whose first line tells all.
fn found(path: &str) -> TraceSpec {
    TraceSpec { reading: TraceLayout::default(), ..TraceSpec::new(path, "") }
}

#[test]
fn the_rate_of_a_trace_is_read_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "arrival_s,workload\n1,a\n2,b\n4,a\n").unwrap();
    std::fs::write(folder.path().join("r.csv"), "start_s,rate_rps\n0,10\n").unwrap();
    let rate = |arrival: &str, above: &str| {
        let text = SMALL.replace("rate_rps = 1200", "rate_rps = \"trace\"");
        let path = folder.path().join("s.toml");
        std::fs::write(&path, format!("{above}{text}arrival = {arrival}\n")).unwrap();
        let scenario = Scenario::load(&path).map_err(|error| error.to_string())?;
        let again = scenario.to_toml();
        assert!(again.contains("rate_rps = ") && !again.contains("\"trace\"\nrate"), "{again}");
        Ok::<f64, String>(scenario.workloads[0].workload.rate.get())
    };
    // Three requests until 4 s; two of a.
    assert_eq!(rate("{ process = 'trace', path = 't.csv' }", ""), Ok(0.75));
    assert_eq!(rate("{ process = 'trace', path = 't.csv', workload = 'a' }", ""), Ok(0.5));
    assert_eq!(rate("{ process = 'trace', path = 't.csv' }", "rate_scale = 2\n"), Ok(1.5));
    assert_eq!(rate("{ process = 'rates', path = 'r.csv' }", ""), Ok(10.0));
    let refused = rate("{ process = 'poisson' }", "").unwrap_err();
    assert!(refused.contains("workload[0].rate_rps: given \"trace\", but"), "{refused}");
    let refused = rate("{ process = 'trace', path = 't.csv', workload = 'z' }", "").unwrap_err();
    assert!(refused.contains("no row has the workload \"z\""), "{refused}");
}
