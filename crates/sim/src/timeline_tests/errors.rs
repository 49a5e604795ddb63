//! Timelines that are refused.

use super::{MS, input, life, ns, one, timeline};
use crate::arrivals::{ArrivalSpec, ClosedLoopSpec, Thinking};
use crate::fake::Everything;
use crate::{EngineSpec, SimError, TimelineError, check_run, simulate};
use igniter_model::domain::{GpuId, Timeline};

#[test]
fn what_cannot_be_followed_is_named() {
    let scenario = one(100.0);
    let good = || timeline(&scenario, &[life(0, (0, 0, 0), Some(45)), life(1, (20, 45, 45), None)]);
    let said = |change: &dyn Fn(&mut Timeline)| {
        let mut timeline = good();
        change(&mut timeline);
        let input = input(&scenario, &timeline, EngineSpec::default(), 1);
        let fast = simulate(&input, |_| Everything::default()).unwrap_err();
        assert!(matches!(fast, SimError::Timeline(_)), "{fast}");
        assert_eq!(check_run(&input).unwrap_err().to_string(), fast.to_string());
        fast.to_string()
    };
    let second = "server 1 of the timeline (W0 on GPU 1)";
    for (change, expected) in [
        (
            &(|t: &mut Timeline| t.servers[1].settings.clear()) as &dyn Fn(&mut Timeline),
            " has no settings",
        ),
        (
            &|t: &mut Timeline| t.servers[1].settings[0].from = ns(50 * MS),
            ": its first setting holds from 0.05 s, after the 0.045 s",
        ),
        (
            &|t: &mut Timeline| {
                let mut early = t.servers[1].settings[0];
                early.from = ns(MS);
                t.servers[1].settings.push(early);
            },
            ": its settings are not in order",
        ),
        (
            &|t: &mut Timeline| t.servers[1].ready = ns(MS),
            " is ready at 0.001 s, before it is ordered at 0.02 s",
        ),
        (
            &|t: &mut Timeline| {
                t.servers[1].takes_from = ns(MS);
                t.servers[1].settings[0].from = ns(0);
            },
            " takes requests at 0.001 s, before it is ordered",
        ),
        (
            &|t: &mut Timeline| t.servers[1].takes_until = Some(ns(MS)),
            " takes its last request at 0.001 s, before its first at 0.045 s",
        ),
        (
            &|t: &mut Timeline| t.gpus[1].rented[0].0 = ns(30 * MS),
            " is there from 0.02 s to the end, but its GPU is not rented",
        ),
        (&|t: &mut Timeline| t.servers[1].placement.time_slot = Some(1), " takes turns"),
    ] {
        let said = said(change);
        assert!(said.starts_with(&format!("{second}{expected}")), "{said}");
    }
    let lost = said(&|t| t.servers[1].gpu = GpuId::new(7));
    assert!(
        lost.contains("on GPU 7) is on a GPU that the timeline does not have: it has 2"),
        "{lost}"
    );
    let rents = said(&|t| t.gpus[0].rented = vec![(ns(5), None), (ns(9), None)]);
    assert!(rents.starts_with("GPU 0 of the timeline: "), "{rents}");
    // What the plan is checked for holds for a timeline as well.
    let mut other = good();
    other.gpus[1].kind = igniter_model::domain::GpuKindName::new("other").unwrap();
    let wrong = input(&scenario, &other, EngineSpec::default(), 1);
    assert!(matches!(
        simulate(&wrong, |_| Everything::default()),
        Err(SimError::WrongGpuKind { .. })
    ));
    let mut clients = one(100.0);
    let spec = ClosedLoopSpec { clients: 2, think: ns(MS), thinking: Thinking::default() };
    clients.workloads[0].arrival = ArrivalSpec::ClosedLoop(spec);
    let closed = input(&clients, &other, EngineSpec::default(), 1);
    let said = simulate(&closed, |_| Everything::default()).unwrap_err();
    assert!(matches!(said, SimError::Timeline(TimelineError::ClosedLoop { .. })), "{said}");
}
