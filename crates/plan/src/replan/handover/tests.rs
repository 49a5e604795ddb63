//! Hand-overs by hand, and what must be so in all of them.

use super::super::rules::{Asked, KindFacts, ServerSize};
use super::super::spec::ReplanSpec;
use super::super::{ReplanError, Rules};
use super::*;
use crate::search::local::Choices;

/// GPUs of 40 units that serve so many processes.
struct Room {
    kinds: [KindFacts; 1],
    processes: usize,
}

impl Room {
    fn new(processes: usize) -> Self {
        Self { kinds: [KindFacts { whole: 40, price: 1.0 }], processes }
    }
}

impl Rules for Room {
    fn kinds(&self) -> &[KindFacts] {
        &self.kinds
    }
    fn rounded(&self, rate: f64) -> f64 {
        rate
    }
    fn alone(&mut self, _: usize, _: &Asked) -> Option<u32> {
        None
    }
    fn fit(&mut self, _: usize, _: &[Asked]) -> Option<Vec<ServerSize>> {
        None
    }
    fn has_room(&self, _: usize, workloads: &[usize]) -> bool {
        workloads.len() <= self.processes
    }
    fn choices(&mut self, _: usize, _: f64) -> Vec<(u32, f64)> {
        Vec::new()
    }
    fn least(&mut self, _: usize, _: f64) -> Option<(f64, f64)> {
        None
    }
    fn scratch(
        &mut self,
        _: &[f64],
        _: u64,
        _: u64,
    ) -> Result<Vec<(usize, Vec<ReplanServer>)>, ReplanError> {
        Ok(Vec::new())
    }
}

fn spec(mode: HandoverMode) -> HandoverSpec {
    HandoverSpec { mode, ..ReplanSpec::default().handover }
}

/// GPUs by number, each with workloads and shares.
fn machines(gpus: &[(usize, &[(usize, u32)])]) -> Vec<GpuServers> {
    let machine = |(id, servers): &(usize, &[(usize, u32)])| GpuServers {
        id: *id,
        kind: 0,
        servers: servers
            .iter()
            .map(|(workload, units)| ReplanServer::new(*workload, 1.0, Why::First).sized(*units, 1))
            .collect(),
    };
    gpus.iter().map(machine).collect()
}

fn done(old: &[GpuServers], new: &[GpuServers], mode: HandoverMode) -> Handover {
    handover(old, new, &spec(mode), &[20.0; 8], &Room::new(48))
}

#[test]
fn a_move_waits_for_room() {
    // Workload 0 leaves GPU 0 for GPU 1; only then has workload 2 room on GPU 0.
    let old = machines(&[(0, &[(0, 20), (1, 20)]), (1, &[(3, 20)]), (2, &[(2, 15)])]);
    let new = machines(&[(0, &[(1, 20), (2, 15)]), (1, &[(3, 20), (0, 20)])]);
    let room = done(&old, &new, HandoverMode::Room);
    assert_eq!((room.moves(), room.restarts(), room.boots, room.forced()), (2, 0, 0, 0));
    let times: Vec<(f64, f64)> = room.starts.iter().map(|s| (s.ordered_s, s.ready_s)).collect();
    assert_eq!(times, [(0.0, 20.0), (20.0, 40.0)]);
    assert_eq!((room.rounds, room.lasts_s), (2, 40.0));
    let ends: Vec<((usize, usize), f64)> = room.ends.iter().map(|e| (e.of, e.at_s)).collect();
    assert_eq!(ends, [((0, 0), 20.0), ((2, 0), 40.0)]);
    assert_eq!(room.stays.len(), 2);
    // Without room, both at once.
    let overlap = done(&old, &new, HandoverMode::Overlap);
    assert_eq!((overlap.rounds, overlap.lasts_s, overlap.forced()), (1, 20.0, 0));
    // Old servers first: requests wait for the new ones.
    let gap = done(&old, &new, HandoverMode::Gap);
    assert!(gap.ends.iter().all(|end| end.at_s.abs() < 1e-12));
    assert!(gap.starts.iter().all(|s| s.takes_s.abs() < 1e-12 && (s.ready_s - 20.0).abs() < 1e-12));
}

#[test]
fn a_swap_of_full_gpus_has_no_room() {
    let old = machines(&[(0, &[(0, 30)]), (1, &[(1, 30)])]);
    let new = machines(&[(0, &[(1, 30)]), (1, &[(0, 30)])]);
    assert_eq!(done(&old, &new, HandoverMode::Room).forced(), 1);
    assert_eq!(done(&old, &new, HandoverMode::Overlap).forced(), 0);
    // Nor where a GPU serves one process, whatever the shares.
    let one = handover(&old, &new, &spec(HandoverMode::Overlap), &[20.0; 2], &Room::new(1));
    assert_eq!(one.forced(), 1);
}

#[test]
fn gpus_boot_before_servers_load() {
    let old = machines(&[(0, &[(0, 30)])]);
    let new = machines(&[(0, &[(0, 30)]), (7, &[(1, 5)])]);
    let booted = done(&old, &new, HandoverMode::Room);
    assert_eq!((booted.boots, booted.lasts_s), (1, 140.0));
}

#[test]
fn shares_shrink_first_and_grow_last() {
    let old = machines(&[(0, &[(0, 20), (1, 20)]), (1, &[(2, 10)])]);
    let new = machines(&[(0, &[(0, 10), (1, 22), (2, 8)])]);
    let room = done(&old, &new, HandoverMode::Room);
    let deeds: Vec<(Deed, f64)> = room.starts.iter().map(|s| (s.deed, s.ordered_s)).collect();
    assert_eq!(deeds, [(Deed::Shrink, 0.0), (Deed::Grow, 20.0), (Deed::Move, 20.0)]);
    assert_eq!((room.forced(), room.restarts()), (0, 2));
}

#[test]
fn the_last_server_grows_before_another_goes() {
    let old = machines(&[(0, &[(0, 20)]), (1, &[(0, 20)])]);
    let new = machines(&[(0, &[(0, 35)])]);
    let room = done(&old, &new, HandoverMode::Room);
    let end = room.ends.iter().find(|end| end.of == (1, 0)).unwrap();
    assert!((end.at_s - 20.0).abs() < 1e-12, "{end:?}");
}

/// Random plans on at most four GPUs.
fn plan(choices: &mut Choices, first: usize) -> Vec<GpuServers> {
    let mut machines: Vec<GpuServers> = Vec::new();
    let mut gpus: Vec<usize> = (first..first + 4).collect();
    while machines.len() < 3 {
        let id = gpus.remove(choices.below(gpus.len()));
        machines.push(GpuServers { id, kind: 0, servers: Vec::new() });
    }
    for workload in 0..5 {
        for _ in 0..1 + choices.below(2) {
            let machine = &mut machines[choices.below(3)];
            let free = 40 - machine.units();
            let units = u32::try_from(1 + choices.below(28)).unwrap().min(free);
            if units > 0 {
                machine.servers.push(ReplanServer::new(workload, 0.5, Why::Anew).sized(units, 1));
            }
        }
    }
    // Each workload has a server.
    for workload in 0..5 {
        if machines.iter().all(|machine| machine.count(workload) == 0) {
            let id = 100 + workload;
            let servers = vec![ReplanServer::new(workload, 1.0, Why::Anew).sized(40, 1)];
            machines.push(GpuServers { id, kind: 0, servers });
        }
    }
    machines.retain(|machine| !machine.servers.is_empty());
    machines
}

/// From when to when a server takes requests, its workload, GPU and share; and from when it exists.
struct Life {
    workload: usize,
    gpu: usize,
    units: u32,
    exists_s: f64,
    takes_s: f64,
    until_s: f64,
    replaced: Option<(usize, usize)>,
    of: Option<(usize, usize)>,
}

fn lives(old: &[GpuServers], new: &[GpuServers], handover: &Handover) -> Vec<Life> {
    let mut lives = Vec::new();
    for (place, machine) in old.iter().enumerate() {
        for (index, server) in machine.servers.iter().enumerate() {
            let ends: Vec<f64> =
                handover.ends.iter().filter(|e| e.of == (place, index)).map(|e| e.at_s).collect();
            let stays = handover.stays.iter().filter(|s| s.of == (place, index)).count();
            assert_eq!(ends.len() + stays, 1, "each old server goes once, or stays");
            lives.push(Life {
                workload: server.workload,
                gpu: machine.id,
                units: server.units,
                exists_s: f64::NEG_INFINITY,
                takes_s: f64::NEG_INFINITY,
                until_s: ends.first().copied().unwrap_or(f64::INFINITY),
                replaced: None,
                of: Some((place, index)),
            });
        }
    }
    for start in &handover.starts {
        let machine = &new[start.at.0];
        let server = machine.servers[start.at.1];
        lives.push(Life {
            workload: server.workload,
            gpu: machine.id,
            units: server.units,
            exists_s: start.ordered_s,
            takes_s: start.takes_s,
            until_s: f64::INFINITY,
            replaced: start.replaces,
            of: None,
        });
    }
    let servers: usize = new.iter().map(|machine| machine.servers.len()).sum();
    assert_eq!(handover.starts.len() + handover.stays.len(), servers);
    lives
}

#[test]
fn every_handover_keeps_its_rules() {
    let mut choices = Choices::new(7);
    let cases = if std::env::var_os("IGNITER_FULL_TESTS").is_some() { 20_000 } else { 256 };
    let mut without_room = 0;
    for _ in 0..cases {
        let (old, new) = (plan(&mut choices, 0), plan(&mut choices, 1));
        for mode in [HandoverMode::Room, HandoverMode::Overlap, HandoverMode::Gap] {
            let handover = done(&old, &new, mode);
            let lives = lives(&old, &new, &handover);
            let mut times: Vec<f64> =
                lives.iter().flat_map(|l| [l.exists_s, l.takes_s, l.until_s]).collect();
            times.push(0.0);
            for time in times.into_iter().filter(|time| time.is_finite()) {
                // Each workload always has a server that takes its requests.
                for workload in 0..5 {
                    assert!(
                        lives.iter().any(|l| l.workload == workload
                            && l.takes_s <= time
                            && time < l.until_s),
                        "{mode:?}: workload {workload} at {time} s"
                    );
                }
                if mode != HandoverMode::Room || handover.forced() > 0 {
                    continue;
                }
                // Shares fit: what takes the place of others of its workload counts as the larger of both.
                let exists = |l: &&Life| l.exists_s <= time && time < l.until_s;
                for gpu in lives.iter().map(|l| l.gpu) {
                    let here = || lives.iter().filter(exists).filter(|l| l.gpu == gpu);
                    let mut units = 0;
                    for workload in 0..5 {
                        let own = || here().filter(|l| l.workload == workload);
                        let is_old = |l: &&Life| l.of.is_some();
                        let old: u32 = own().filter(is_old).map(|l| l.units).sum();
                        let new: u32 = own().filter(|l| !is_old(l)).map(|l| l.units).sum();
                        let replaces = own().any(|l| l.replaced.is_some());
                        units += if replaces { old.max(new) } else { old + new };
                    }
                    assert!(units <= 40, "GPU {gpu} at {time} s: {units}");
                }
            }
            if mode == HandoverMode::Room {
                without_room += usize::from(handover.forced() > 0);
            } else {
                assert_eq!(handover.forced(), 0);
            }
        }
    }
    assert!(without_room > 0 && without_room < cases, "{without_room}");
}
