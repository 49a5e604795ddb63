//! What holds whatever servers, controllers and faults do: on random runs.

use super::super::fake::{Everything, FakePredictor, FakeScenario, FakeServer};
use super::super::{
    BatchingSpec, Control, ControllerSpec, EngineSpec, Fault, FaultKind, FaultyGpu, GsliceSpec,
    Interference, LoadOverlap, Noise, Oversubscription, PcieLink, ServerSpec, ServiceTime,
    ShadowSpec, SimInput, TimeoutAction, simulate,
};
use super::{model, ms, ns};
use crate::arrivals::ArrivalSpec;
use igniter_model::domain::{RequestRecord, WorkloadName};
use igniter_model::units::Nanoseconds;
use proptest::prelude::*;
use proptest::sample::select;

fn any_server() -> impl Strategy<Value = FakeServer> {
    let arrival = prop_oneof![Just(ArrivalSpec::Constant), Just(ArrivalSpec::Poisson)];
    let delay = prop_oneof![Just(0.0), 0.0..10.0_f64];
    let policy = (0..8_u32, prop_oneof![Just(0.0), 0.0..10.0_f64], any::<bool>(), 0.0..=1.0_f64);
    let batching = (delay, policy, 1..3_u32).prop_map(
        |(delay, (max_queue_size, timeout, delays, completion_race), instances)| BatchingSpec {
            max_queue_delay: ms(delay),
            instances,
            max_queue_size,
            timeout: ms(timeout),
            timeout_action: if delays { TimeoutAction::Delay } else { TimeoutAction::Reject },
            completion_race,
            ..BatchingSpec::default()
        },
    );
    let costs =
        (0.0..0.5_f64, 0.0..1.0_f64, 0.0..50.0_f64).prop_map(|(cv, host, startup)| ServerSpec {
            noise: Noise::Cv(cv),
            batch_overhead: ms(host),
            batch_overhead_cv: host / 2.0,
            request_overhead: ms(host),
            request_overhead_cv: cv,
            startup: ns(startup),
            ..ServerSpec::default()
        });
    (0..2_usize, 1..8_u32, 1..60_u32, 10.0..1500.0_f64, arrival, batching, costs).prop_map(
        |(model, batch, share, rate, arrival, batching, server)| FakeServer {
            model,
            batch,
            share,
            rate,
            arrival,
            batching,
            server,
        },
    )
}

fn any_control(servers: usize) -> impl Strategy<Value = Control> {
    let period = || (5.0..60.0_f64).prop_map(ns);
    let controller =
        prop_oneof![
            Just(ControllerSpec::None),
            (period(), 0.0..20.0_f64).prop_map(|(period, switch)| ControllerSpec::Shadow(
                ShadowSpec { period, extra_pct: 10.0, switch: ns(switch) }
            )),
            (period(), 0.0..20.0_f64, any::<bool>(), any::<bool>()).prop_map(
                |(period, reconfigure, overlap, fresh_start)| ControllerSpec::Gslice(GsliceSpec {
                    period,
                    reconfigure: ns(reconfigure),
                    oversubscription: if overlap {
                        Oversubscription::Overlap
                    } else {
                        Oversubscription::Scale
                    },
                    fresh_start,
                })
            ),
        ];
    let name = move |i: usize| WorkloadName::new(&format!("W{}", i % servers)).unwrap();
    let what =
        (0..3_usize, any::<usize>(), 0.3..3.0_f64).prop_map(move |(kind, i, factor)| match kind {
            0 => FaultKind::GpuFails(FaultyGpu::Number(0)),
            1 => FaultKind::GpuSlows { gpu: FaultyGpu::Of(name(i)), factor },
            _ => FaultKind::WorkloadCrashes(name(i)),
        });
    let lasts = prop_oneof![4 => (0.1..60.0_f64).prop_map(|t| Some(ns(t))), 1 => Just(None)];
    let fault = (0.0..100.0_f64, lasts, what).prop_map(|(at, lasts, what)| Fault {
        at: ns(at),
        lasts,
        what,
    });
    (controller, prop::collection::vec(fault, 0..5))
        .prop_map(|(controller, faults)| Control { controller, faults })
}

fn any_run() -> impl Strategy<Value = (FakeScenario, EngineSpec, Control)> {
    let models = prop::collection::vec(
        (0.0..2.0_f64, 0.1..4.0_f64, 0.0..1.0_f64).prop_map(|(l, f, b)| model(l, f, b)),
        2,
    );
    let servers = prop::collection::vec(any_server(), 1..4);
    let spec = (
        select(vec![LoadOverlap::Overlapped, LoadOverlap::Serial]),
        select(vec![PcieLink::Private, PcieLink::Shared]),
        select(vec![Interference::Dynamic, Interference::Static]),
    )
        .prop_map(|(overlap, pcie, interference)| EngineSpec {
            interference,
            overlap,
            service: ServiceTime::Deterministic,
            pcie,
        });
    (models, servers, spec).prop_flat_map(|(models, servers, spec)| {
        let slots = prop::option::of(prop::collection::vec(prop::option::of(0..2_u32), 3));
        (any_control(servers.len()), slots).prop_map(move |(mut control, slots)| {
            let mut predictor = FakePredictor::new(models.clone(), 0.2);
            predictor.by_share = true;
            let mut scenario = FakeScenario::new(predictor, std::slice::from_ref(&servers));
            for (placement, slot) in
                scenario.plan.gpus[0].placements.iter_mut().zip(slots.iter().flatten())
            {
                placement.time_slot = *slot;
            }
            if scenario.plan.gpus[0].takes_turns() {
                control.controller = ControllerSpec::None;
            }
            (scenario, spec, control)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_request_is_accounted_for_whatever_happens(
        (scenario, spec, control) in any_run(), seed: u64,
    ) {
        let input = SimInput { control: Some(&control), ..scenario.input(spec, 0.1, seed) };
        let run = || simulate(&input, |_| Everything::default()).unwrap().gpus.remove(0);
        let gpu = run();
        prop_assert_eq!(&gpu, &run(), "the same twice");
        for r in &gpu.sink.records {
            let times = [r.arrival, r.load_start, r.load_end, r.exec_start, r.exec_end, r.done];
            prop_assert!(times.is_sorted(), "{:?}", r);
        }
        prop_assert!(gpu.sink.failed.iter().all(|f| f.arrival <= f.at));
        let of = |id| {
            let done = gpu.sink.records.iter().filter(|r| r.workload == id).count() as u64;
            (done, gpu.sink.failed.iter().filter(|f| f.workload == id).count() as u64)
        };
        for server in &gpu.servers {
            prop_assert_eq!(of(server.workload), (server.completed, server.failed));
            prop_assert_eq!(server.arrived, server.completed + server.failed);
        }
        // One batch of a time slot at a time.
        let placements = &scenario.plan.gpus[0].placements;
        for slot in [Some(0), Some(1)] {
            let in_slot = |r: &&RequestRecord| placements[r.workload.index()].time_slot == slot;
            let mut turns: Vec<_> = gpu.sink.records.iter().filter(in_slot)
                .map(|r| (r.load_start, r.exec_end, r.workload, r.batch)).collect();
            turns.sort_unstable();
            turns.dedup();
            prop_assert!(turns.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", turns);
        }
        let mut end = Nanoseconds::ZERO;
        for interval in &gpu.sink.intervals {
            prop_assert_eq!(interval.start, end);
            prop_assert!(interval.end > interval.start);
            end = interval.end;
        }
        prop_assert_eq!(end, gpu.end);
        prop_assert!(gpu.actions.iter().all(|a| a.decided <= a.effective));
        prop_assert!(gpu.actions.is_sorted_by_key(|a| a.effective));
    }
}
