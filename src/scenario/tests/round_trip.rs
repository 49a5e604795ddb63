//! The resolved scenario reads back as the same scenario.

use super::*;
use crate::domain::{GpuKindName, ModelName, Workload, WorkloadName};
use crate::metrics::Percentiles;
use crate::plan::{Margin, PlanOptions, Replicas};
use crate::predictor::ErrorDraw;
use crate::scenario::{ProfileChoice, ScenarioGpu, ScenarioWorkload};
use crate::sim::{BatchingSpec, EngineSpec, Interference, LoadOverlap, ServiceTime};
use crate::units::{BatchSize, Dollars, Milliseconds, Nanoseconds, RequestsPerSecond};
use crate::workload::ArrivalSpec;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[ -~é–\"'\\\\#=]{1,64}"
}

fn arrival() -> impl Strategy<Value = ArrivalSpec> {
    prop_oneof![
        Just(ArrivalSpec::Constant),
        Just(ArrivalSpec::Poisson),
        (0.01..=100.0).prop_map(|cv| ArrivalSpec::Gamma { cv }),
        ("[a-z./ \"\\\\]{1,30}", name())
            .prop_filter("columns are short", |(_, column)| column.len() <= 64)
            .prop_map(|(path, column)| ArrivalSpec::Trace { path: path.into(), column }),
    ]
}

fn batching() -> impl Strategy<Value = BatchingSpec> {
    let size = |most: u32| (1..=most).prop_map(|n| BatchSize::new(n).unwrap());
    (0.0..3.6e6, option::of(size(65_536)), vec(size(65_536), 0..5), 1..=1024_u32, any::<bool>())
        .prop_map(|(delay, max_batch, mut preferred, instances, variable_shape)| {
            preferred.retain(|size| max_batch.is_none_or(|max| *size <= max));
            let max_queue_delay = Milliseconds::new(delay).unwrap();
            BatchingSpec { max_queue_delay, max_batch, preferred, instances, variable_shape }
        })
}

fn workload() -> impl Strategy<Value = ScenarioWorkload> {
    (name(), 0.01..=3.6e6, 0.001..=1e6, arrival(), batching()).prop_map(
        |(model, slo, rate, arrival, batching)| ScenarioWorkload {
            workload: Workload {
                name: WorkloadName::new("replaced").unwrap(),
                model: ModelName::new(&model).unwrap(),
                slo: Milliseconds::new(slo).unwrap(),
                rate: RequestsPerSecond::new(rate).unwrap(),
            },
            arrival,
            batching,
        },
    )
}

fn engine() -> impl Strategy<Value = EngineSpec> {
    let interference = prop_oneof![
        Just(Interference::Dynamic),
        Just(Interference::Static),
        Just(Interference::None)
    ];
    let overlap = prop_oneof![Just(LoadOverlap::Overlapped), Just(LoadOverlap::Serial)];
    let service = prop_oneof![Just(ServiceTime::Deterministic), Just(ServiceTime::Exponential)];
    (interference, overlap, service).prop_map(|(interference, overlap, service)| EngineSpec {
        interference,
        overlap,
        service,
    })
}

fn gpu() -> impl Strategy<Value = ScenarioGpu> {
    let kind =
        "[a-z0-9]{1,20}".prop_map(|kind| ProfileChoice::Kind(GpuKindName::new(&kind).unwrap()));
    let path = "[a-z.]{0,9}/[a-z./ ]{0,20}".prop_map(|path| ProfileChoice::Path(path.into()));
    (prop_oneof![kind, path], option::of(0.0..=1e6)).prop_map(|(profile, price)| ScenarioGpu {
        profile,
        price_per_hour: price.map(|price| Dollars::new(price).unwrap()),
    })
}

fn plan() -> impl Strategy<Value = PlanOptions> {
    let margin = prop_oneof![(0.0..=99.0).prop_map(Margin::Percent), Just(Margin::Predictor)];
    let replicas = prop_oneof![Just(Replicas::Forbidden), Just(Replicas::Allowed)];
    let search = prop_oneof![
        any::<u32>().prop_map(|rounds| (rounds, None)),
        (0.001..=86_400.0).prop_map(|s| (PlanOptions::default().search_rounds, Some(s))),
    ];
    (margin, 0.0..=1e4, 1..=10_000_usize, replicas, search).prop_map(
        |(margin, throughput_headroom_pct, process_limit, replicas, (search_rounds, limit))| {
            PlanOptions {
                margin,
                throughput_headroom_pct,
                process_limit,
                replicas,
                search_rounds,
                time_limit_s: limit,
                ..PlanOptions::default()
            }
        },
    )
}

/// The kinds of a scenario differ.
fn gpus() -> impl Strategy<Value = Vec<ScenarioGpu>> {
    vec(gpu(), 1..4).prop_map(|mut gpus: Vec<ScenarioGpu>| {
        let mut known: Vec<ProfileChoice> = Vec::new();
        gpus.retain(|gpu| {
            let new = !known.contains(&gpu.profile);
            known.push(gpu.profile.clone());
            new
        });
        gpus
    })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let longest = 1_000_000_000_000_000_u64;
    let times = (1..=longest).prop_flat_map(|duration| {
        (Just(duration), 0..duration).prop_flat_map(|(duration, warmup)| {
            (Just(duration), Just(warmup), 0..duration - warmup)
        })
    });
    let name =
        name().prop_filter("fit for a folder", |name| crate::scenario::is_scenario_name(name));
    let percentiles = prop_oneof![Just(Percentiles::Exact), Just(Percentiles::Histogram)];
    let error = option::of(prop_oneof![
        Just(ErrorDraw::Uncertainty),
        (0.0..=50.0).prop_map(ErrorDraw::StdPct),
    ]);
    let planning = (plan(), error);
    (name, any::<u64>(), times, percentiles, gpus(), engine(), planning, vec(workload(), 1..6))
        .prop_map(
            |(
                name,
                seed,
                (duration, warmup, cooldown),
                percentiles,
                gpus,
                engine,
                planning,
                mut workloads,
            )| {
                for (i, workload) in workloads.iter_mut().enumerate() {
                    workload.workload.name = WorkloadName::new(&format!("W{i}")).unwrap();
                }
                let [duration, warmup, cooldown] =
                    [duration, warmup, cooldown].map(Nanoseconds::new);
                let (plan, prediction_error) = planning;
                Scenario {
                    name,
                    seed,
                    duration,
                    warmup,
                    cooldown,
                    percentiles,
                    gpus,
                    engine,
                    plan,
                    prediction_error,
                    workloads,
                }
            },
        )
}

proptest! {
    #[test]
    fn the_resolved_scenario_reads_back_equal(scenario in scenario()) {
        let text = scenario.to_toml();
        let again = Scenario::parse(&text, Path::new("resolved.toml"));
        match again {
            Ok(again) => {
                prop_assert_eq!(&again, &scenario);
                prop_assert_eq!(again.to_toml(), text);
            }
            Err(error) => prop_assert!(false, "{error}\n{text}"),
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_small_change_makes_the_reader_panic(at in 0..SMALL.len(), insert in "[\\[\\]{}=.,\"a-z0-9\n#-]{0,6}") {
        let _ = parse(&format!("{}{insert}{}", &SMALL[..at], &SMALL[at..]));
    }
}

#[test]
fn the_resolved_form_of_a_small_scenario() {
    let expected = r#"version = 1
name = "small"
seed = 1
duration_s = 60.0
warmup_s = 1.0
cooldown_s = 1.0
percentiles = "exact"

[[gpu]]
kind = "v100"

[engine]
interference = "dynamic"
overlap_load = true
service = "deterministic"

[plan]
margin_pct = 0.0
headroom_pct = 0.0
replicas = false
process_limit = 48
search_rounds = 200000

[[workload]]
name = "W1"
model = "alexnet"
slo_ms = 10.0
rate_rps = 1200.0
arrival = { process = "constant" }
batching = { max_queue_delay_ms = 0.0, preferred = [], instances = 1, variable_shape = false }
"#;
    assert_eq!(parse(SMALL).unwrap().to_toml(), expected);
}
