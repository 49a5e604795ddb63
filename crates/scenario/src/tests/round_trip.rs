//! The resolved scenario reads back as the same scenario.

use super::*;
use crate::{ProfileChoice, ScenarioGpu, ScenarioWorkload};
use igniter_model::domain::{GpuKindName, ModelName, Workload, WorkloadName};
use igniter_model::input::{Format, TimeUnit, TraceLayout};
use igniter_model::predictor::ErrorDraw;
use igniter_model::units::{BatchSize, Dollars, Milliseconds, Nanoseconds, RequestsPerSecond};
use igniter_plan::replan::{
    ForecastKind, ForecastSpec, HandoverMode, HandoverSpec, Policy, ReplanSpec, ReplicaTarget,
    ReplicasSpec, Statistic,
};
use igniter_plan::{Margin, PlanOptions, Replicas};
use igniter_sim::arrivals::{
    ArrivalPart, ArrivalPhase, ArrivalSpec, ClosedLoopSpec, MmppState, RateShape, RateStep,
    Thinking, TraceSpec,
};
use igniter_sim::metrics::Percentiles;
use igniter_sim::{
    BatchingSpec, Control, ControllerSpec, EngineSpec, Fault, FaultKind, FaultyGpu, GsliceSpec,
    Interference, LoadOverlap, Noise, Oversubscription, PcieLink, ServerSpec, ServiceTime,
    ShadowSpec, TimeoutAction, TritonRelease,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[ -~é–\"'\\\\#=]{1,64}"
}

fn arrival() -> impl Strategy<Value = ArrivalSpec> {
    let plain = prop_oneof![
        Just(ArrivalSpec::Constant),
        Just(ArrivalSpec::Poisson),
        Just(ArrivalSpec::Normalised),
        (0.01..=100.0).prop_map(|cv| ArrivalSpec::Gamma { cv }),
        (0.01..=10.4).prop_map(|cv| ArrivalSpec::Weibull { cv }),
        vec((0.1..=1e6, time()), 2..5).prop_map(|states| ArrivalSpec::Mmpp {
            states: states.into_iter().map(|(rate, mean)| MmppState { rate, mean }).collect()
        }),
        trace(),
    ];
    let nested = plain.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (inner.clone(), shape())
                .prop_map(|(gaps, shape)| ArrivalSpec::Shaped { gaps: gaps.into(), shape }),
            (inner.clone(), path(), 1e-6..1e6).prop_map(|(gaps, path, rate_scale)| {
                ArrivalSpec::Rates { gaps: gaps.into(), path: path.into(), rate_scale }
            }),
            vec((1e-6..1e6, inner.clone()), 1..4).prop_map(|parts| ArrivalSpec::Sum {
                parts: parts
                    .into_iter()
                    .map(|(share, arrival)| ArrivalPart { share, arrival })
                    .collect()
            }),
            vec((time(), 0.0..1e6, inner), 1..4).prop_map(|phases| {
                let phase = |(duration, rate_scale, arrival)| ArrivalPhase {
                    duration,
                    rate_scale,
                    arrival,
                };
                ArrivalSpec::Phases { phases: phases.into_iter().map(phase).collect() }
            }),
        ]
    });
    prop_oneof![9 => nested, 1 => closed_loop()]
}

fn closed_loop() -> impl Strategy<Value = ArrivalSpec> {
    let think = (0..=3_600_000_000_000_u64).prop_map(Nanoseconds::new);
    let thinking = proptest::sample::select(Thinking::ALL.to_vec());
    (1..=1_000_000_u32, think, thinking).prop_map(|(clients, think, thinking)| {
        ArrivalSpec::ClosedLoop(ClosedLoopSpec { clients, think, thinking })
    })
}

/// A time above nothing.
fn time() -> impl Strategy<Value = Nanoseconds> {
    (1_000_u64..=1_000_000_000_000_000).prop_map(Nanoseconds::new)
}

fn path() -> impl Strategy<Value = String> {
    "[a-z./ \"\\\\]{1,30}"
}

fn trace() -> impl Strategy<Value = ArrivalSpec> {
    let short = || name().prop_filter("columns are short", |column| column.len() <= 64);
    let formats = prop::sample::select(Format::ALL.to_vec()).prop_map(|(_, format)| format);
    let units = prop::sample::select(TimeUnit::ALL.to_vec()).prop_map(|(_, unit)| unit);
    let reading = (
        option::of(formats),
        option::of(short()),
        option::of(short()),
        option::of(units),
        any::<bool>(),
    )
        .prop_map(|(format, time_column, key_column, unit, sort)| TraceLayout {
            format,
            time_column,
            key_column,
            unit,
            sort,
        });
    (path(), reading, option::of(short()), time(), 1e-6..1e6).prop_map(
        |(path, reading, workload, start, rate_scale)| {
            let path = path.into();
            ArrivalSpec::Trace(TraceSpec { path, reading, workload, start, rate_scale })
        },
    )
}

fn shape() -> impl Strategy<Value = RateShape> {
    let window = || {
        (0_u64..1_000_000_000, 1_u64..1_000_000_000)
            .prop_map(|(start, length)| (Nanoseconds::new(start), Nanoseconds::new(start + length)))
    };
    let step = (time(), 0.0..1e6).prop_map(|(duration, factor)| RateStep { duration, factor });
    prop_oneof![
        (time(), time(), 1.0..1e6).prop_map(|(period, peak, peak_to_trough)| {
            RateShape::Diurnal { period, peak, peak_to_trough }
        }),
        (window(), 0.0..1e6).prop_map(|((start, end), factor)| RateShape::Spike {
            start,
            end,
            factor
        }),
        (window(), 0.0..1e6, 0.0..1e6).prop_map(|((start, end), from, to)| RateShape::Ramp {
            start,
            end,
            from,
            to
        }),
        (vec(step, 1..4), any::<bool>())
            .prop_map(|(steps, repeat)| RateShape::Steps { steps, repeat }),
    ]
}

fn batching() -> impl Strategy<Value = BatchingSpec> {
    let size = |most: u32| (1..=most).prop_map(|n| BatchSize::new(n).unwrap());
    let action = prop_oneof![Just(TimeoutAction::Reject), Just(TimeoutAction::Delay)];
    let release = prop_oneof![Just(TritonRelease::Current), Just(TritonRelease::Frozen)];
    let policy = (0..=1_000_000_u32, 0.0..=3.6e6, action, 0.0..=1.0, release);
    let shape = any::<(bool, bool)>();
    (0.0..3.6e6, option::of(size(65_536)), vec(size(65_536), 0..5), 1..=1024_u32, shape, policy)
        .prop_map(|(delay, max_batch, mut preferred, instances, shape, policy)| {
            preferred.retain(|size| max_batch.is_none_or(|max| *size <= max));
            let (max_queue_size, timeout, timeout_action, completion_race, release) = policy;
            let (variable_shape, shared_thread) = shape;
            BatchingSpec {
                max_queue_delay: Milliseconds::new(delay).unwrap(),
                max_batch,
                preferred,
                instances,
                shared_thread,
                variable_shape,
                max_queue_size,
                timeout: Milliseconds::new(timeout).unwrap(),
                timeout_action,
                completion_race,
                release,
            }
        })
}

fn server() -> impl Strategy<Value = ServerSpec> {
    let overheads = [0.0..=1e4, 0.0..=1e4, 0.0..=1e4, 0.0..=1e4];
    let noise = prop_oneof![(0.0..=10.0).prop_map(Noise::Cv), Just(Noise::Profile)];
    let cvs = [0.0..=10.0, 0.0..=10.0];
    let times = (0..1_000_000_000_000_000_u64, option::of(1.0..=100.0));
    (noise, overheads, cvs, times).prop_map(|(noise, ms, cvs, (startup, instance_slowdown))| {
        let [batch_overhead, row_overhead, request_overhead, request_serial] =
            ms.map(|ms| Milliseconds::new(ms).unwrap());
        let startup = Nanoseconds::new(startup);
        let [batch_overhead_cv, request_overhead_cv] = cvs;
        ServerSpec {
            noise,
            batch_overhead,
            row_overhead,
            request_overhead,
            request_serial,
            batch_overhead_cv,
            request_overhead_cv,
            instance_slowdown,
            startup,
        }
    })
}

fn controller() -> impl Strategy<Value = ControllerSpec> {
    let period = || (1_000_000..1_000_000_000_000_000_u64).prop_map(Nanoseconds::new);
    let delay = || (0..3_600_000_000_000_u64).prop_map(Nanoseconds::new);
    let oversubscription =
        prop_oneof![Just(Oversubscription::Scale), Just(Oversubscription::Overlap)];
    prop_oneof![
        Just(ControllerSpec::None),
        (period(), 0.001..=100.0, delay()).prop_map(|(period, extra_pct, switch)| {
            ControllerSpec::Shadow(ShadowSpec { period, extra_pct, switch })
        }),
        (period(), delay(), oversubscription, any::<bool>()).prop_map(
            |(period, reconfigure, oversubscription, fresh_start)| {
                ControllerSpec::Gslice(GsliceSpec {
                    period,
                    reconfigure,
                    oversubscription,
                    fresh_start,
                })
            }
        ),
    ]
}

/// A fault of W0, which every scenario has, in the first part of `duration`.
fn fault() -> impl Strategy<Value = Fault> {
    let w0 = || WorkloadName::new("W0").unwrap();
    let gpu = prop_oneof![(0..9_usize).prop_map(FaultyGpu::Number), Just(FaultyGpu::Of(w0()))];
    let what = prop_oneof![
        gpu.clone().prop_map(FaultKind::GpuFails),
        (gpu, 0.01..=1e4).prop_map(|(gpu, factor)| FaultKind::GpuSlows { gpu, factor }),
        Just(FaultKind::WorkloadCrashes(w0())),
    ];
    let lasts = option::of((1..1_000_000_000_000_000_u64).prop_map(Nanoseconds::new));
    (lasts, what).prop_map(|(lasts, what)| Fault { at: Nanoseconds::ZERO, lasts, what })
}

fn workload() -> impl Strategy<Value = ScenarioWorkload> {
    // In milliseconds, or as a multiple; the hour stands for what is not known yet.
    let slo = prop_oneof![
        (0.01..=3.6e6).prop_map(|ms| (ms, None)),
        (0.01..=1e4).prop_map(|factor| (3.6e6, Some(factor))),
    ];
    (name(), slo, 0.001..=1e6, arrival(), batching(), server()).prop_map(
        |(model, (slo, slo_x_solo), rate, arrival, batching, server)| ScenarioWorkload {
            slo_x_solo,
            workload: Workload {
                name: WorkloadName::new("replaced").unwrap(),
                model: ModelName::new(&model).unwrap(),
                slo: Milliseconds::new(slo).unwrap(),
                rate: RequestsPerSecond::new(rate).unwrap(),
            },
            arrival,
            batching,
            server,
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
    let pcie = prop_oneof![Just(PcieLink::Private), Just(PcieLink::Shared)];
    (interference, overlap, service, pcie).prop_map(|(interference, overlap, service, pcie)| {
        EngineSpec { interference, overlap, service, pcie }
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
    let replicas =
        prop_oneof![Just(Replicas::ByStrategy), Just(Replicas::Forbidden), Just(Replicas::Allowed)];
    let search = prop_oneof![
        any::<u32>().prop_map(|rounds| (rounds, None)),
        (0.001..=86_400.0).prop_map(|s| (PlanOptions::default().search_rounds, Some(s))),
    ];
    let promise = (0.001..=99.9999, 50.0..=99.9999);
    (margin, 0.0..=1e4, 1..=10_000_usize, replicas, search, promise).prop_map(
        |(margin, throughput_headroom_pct, process_limit, replicas, search, promise)| {
            let (search_rounds, limit) = search;
            let (attainment_pct, confidence_pct) = promise;
            PlanOptions {
                margin,
                throughput_headroom_pct,
                process_limit,
                replicas,
                attainment_pct,
                confidence_pct,
                search_rounds,
                time_limit_s: limit,
                ..PlanOptions::default()
            }
        },
    )
}

/// A table of a policy that goes together with any other keys but those that control a run.
fn replan() -> impl Strategy<Value = ReplanSpec> {
    let kind = prop_oneof![
        Just(ForecastKind::Oracle),
        Just(ForecastKind::Last),
        (1..=1000_u32).prop_map(|epochs| ForecastKind::Peak { epochs }),
        (20.0..=8.64e6).prop_map(|period_s| ForecastKind::Season { period_s }),
    ];
    let statistic = prop_oneof![Just(Statistic::Max), Just(Statistic::Mean)];
    let forecast = (kind, statistic, 0.0..=1000.0, 1.0..=86_400.0).prop_map(
        |(kind, statistic, headroom_pct, window_s)| ForecastSpec {
            kind,
            headroom_pct,
            statistic,
            window_s,
        },
    );
    let mode =
        prop_oneof![Just(HandoverMode::Room), Just(HandoverMode::Overlap), Just(HandoverMode::Gap)];
    let billing = prop_oneof![Just(1_u32), Just(60), Just(3600)];
    let handover = (mode, 0.0..=3600.0, 0.0..=3600.0, billing).prop_map(
        |(mode, load_s, boot_s, billing_s)| HandoverSpec { mode, load_s, boot_s, billing_s },
    );
    let target =
        prop_oneof![Just(ReplicaTarget::Slo), (1.0..=100.0).prop_map(ReplicaTarget::ThroughputPct)];
    let replicas = (target, 1..=64_u32, 0.0..=3600.0, 6.0..=3600.0, 1.0..=100.0, 110.0..=1000.0)
        .prop_map(|(target, at_peak, scale_down_s, window_s, panic_window_pct, panic)| {
            ReplicasSpec {
                target,
                at_peak,
                scale_down_s,
                window_s,
                panic_window_pct,
                panic_threshold_pct: panic,
            }
        });
    let times = (10.0..=86_400.0, 0.0..=86_400.0, 0.0..=86_400.0);
    (times, any::<bool>(), forecast, handover, replicas).prop_map(
        |((period_s, move_cost_gpu_s, hold_s), early, forecast, handover, replicas)| ReplanSpec {
            policy: Policy::Static,
            period_s,
            forecast,
            move_cost_gpu_s,
            hold_s,
            early,
            handover,
            replicas,
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
    let display = proptest::collection::btree_map(name(), name(), 0..3);
    let name = name().prop_filter("fit for a folder", |name| crate::is_scenario_name(name));
    let percentiles = prop_oneof![Just(Percentiles::Exact), Just(Percentiles::Histogram)];
    let control = (controller(), vec(fault(), 0..4))
        .prop_map(|(controller, faults)| Control { controller, faults });
    let engine = (engine(), control);
    let error = option::of(prop_oneof![
        Just(ErrorDraw::Uncertainty),
        (0.0..=50.0).prop_map(ErrorDraw::StdPct),
    ]);
    let planning = (plan(), error, option::of(replan()), display);
    (name, any::<u64>(), times, percentiles, gpus(), engine, planning, vec(workload(), 1..6))
        .prop_map(|(name, seed, times, percentiles, gpus, engine, planning, mut workloads)| {
            for (i, workload) in workloads.iter_mut().enumerate() {
                workload.workload.name = WorkloadName::new(&format!("W{i}")).unwrap();
            }
            let (duration, warmup, cooldown) = times;
            let [duration, warmup, cooldown] = [duration, warmup, cooldown].map(Nanoseconds::new);
            let ((engine, control), (plan, prediction_error, replan, display)) = (engine, planning);
            let is_free = control.controller == ControllerSpec::None && control.faults.is_empty();
            Scenario {
                name,
                seed,
                duration,
                warmup,
                cooldown,
                percentiles,
                gpus,
                engine,
                control,
                plan,
                replan: replan.filter(|_| is_free),
                prediction_error,
                display,
                workloads,
            }
        })
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
pcie = "private"

[controller]
kind = "none"

[plan]
margin_pct = 0.0
headroom_pct = 0.0
attainment_pct = 99.0
confidence_pct = 95.0
process_limit = 48
search_rounds = 200000

[[workload]]
name = "W1"
model = "alexnet"
slo_ms = 10.0
rate_rps = 1200.0
arrival = { process = "constant" }
batching = { max_queue_delay_ms = 0.0, preferred = [], instances = 1, variable_shape = false, max_queue_size = 0, timeout_ms = 0.0, timeout_action = "reject", completion_race = 0.0 }
engine = { noise_cv = 0.0, batch_overhead_ms = 0.0, row_overhead_ms = 0.0, request_overhead_ms = 0.0, startup_s = 0.0 }
"#;
    assert_eq!(parse(SMALL).unwrap().to_toml(), expected);
}
