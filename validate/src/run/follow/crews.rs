//! The servers that take the requests of a workload over time: as planned, and as it happened.

use igniter::domain::{ServerSetting, Timeline, TimelineServer, WorkloadName};
use igniter::units::{BatchSize, Nanoseconds, RequestsPerSecond};
use serde::{Deserialize, Serialize};

/// The servers that take the requests of a workload from a given time on, each with its part of the rate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crew {
    /// Start time, since the start of the run.
    pub(super) at: Nanoseconds,
    /// The numbers of the servers in the timeline, in round-robin order.
    pub(super) members: Vec<(usize, RequestsPerSecond)>,
}

/// The actual times of a timeline in a run. Real servers take requests from the moment they are ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Time when each server of the timeline was started, in ns since the start of the run; `None`: never.
    pub ordered_ns: Vec<Option<u64>>,
    /// For each workload of the scenario: the time when each of its crews took over, in ns; `None`: never.
    pub crews_ns: Vec<Vec<Option<u64>>>,
}

/// Converts a timeline to one that real servers can follow: a server keeps its largest batch size, since real
/// servers do not change it while they run.
#[must_use]
pub fn followable(timeline: &Timeline) -> Timeline {
    let mut timeline = timeline.clone();
    for server in &mut timeline.servers {
        let sizes = server.settings.iter().map(|setting| setting.batch);
        let largest = sizes.max().unwrap_or(BatchSize::ONE);
        server.placement.batch = largest;
        server.settings.iter_mut().for_each(|setting| setting.batch = largest);
    }
    timeline
}

/// Returns the numbers of a workload's servers, in the order of the timeline's plan.
#[must_use]
pub fn servers_of(timeline: &Timeline, workload: &WorkloadName) -> Vec<usize> {
    let all = timeline.servers.iter().enumerate();
    let own = all.filter(|(_, server)| server.placement.workload == *workload);
    let mut own: Vec<usize> = own.map(|(number, _)| number).collect();
    own.sort_by_key(|number| timeline.servers[*number].gpu);
    own
}

/// Returns the time from which a server can take requests: requests that arrive before it is ready wait in
/// this program.
fn enters(server: &TimelineServer) -> Nanoseconds {
    server.takes_from.max(server.ready)
}

/// Returns the crews of a workload in a run of this length, in order of time. The first begins at 0; a crew
/// without members means that requests wait.
#[must_use]
pub(super) fn crews(
    timeline: &Timeline,
    workload: &WorkloadName,
    duration: Nanoseconds,
) -> Vec<Crew> {
    let own = servers_of(timeline, workload);
    let mut edges = vec![Nanoseconds::ZERO];
    for server in own.iter().map(|number| &timeline.servers[*number]) {
        edges.push(enters(server));
        edges.extend(server.takes_until);
        edges.extend(server.settings.iter().map(|setting| setting.from));
    }
    edges.retain(|edge| *edge < duration);
    edges.sort_unstable();
    edges.dedup();
    let mut crews: Vec<Crew> = Vec::new();
    for at in edges {
        let there = |number: &&usize| {
            let server = &timeline.servers[**number];
            enters(server) <= at && server.takes_until.is_none_or(|until| at < until)
        };
        let rate = |number: &usize| {
            let settings = &timeline.servers[*number].settings;
            let now = settings.partition_point(|setting| setting.from <= at).max(1) - 1;
            (*number, settings[now].served)
        };
        let members: Vec<(usize, RequestsPerSecond)> = own.iter().filter(there).map(rate).collect();
        // A single server takes all requests, whatever its part.
        let same = crews.last().is_some_and(|last| match (last.members.as_slice(), &members[..]) {
            ([(before, _)], [(now, _)]) => before == now,
            (before, now) => before == now,
        });
        if !same {
            crews.push(Crew { at, members });
        }
    }
    crews
}

/// Returns the timeline as it happened, from a followable timeline and the actual times.
#[must_use]
pub fn as_happened(
    timeline: &Timeline,
    workloads: &[WorkloadName],
    duration: Nanoseconds,
    happened: &Happened,
) -> Timeline {
    let mut timeline = timeline.clone();
    let planned = timeline.clone();
    for gpu in &mut timeline.gpus {
        gpu.rented = vec![(Nanoseconds::ZERO, None)];
    }
    for server in &mut timeline.servers {
        // Until a start is recorded, the server counts as never started.
        (server.ordered, server.ready) = (duration, duration);
        (server.takes_from, server.takes_until) = (duration, Some(duration));
    }
    for (index, workload) in workloads.iter().enumerate() {
        let known = happened.crews_ns.get(index).map_or(&[][..], Vec::as_slice);
        let crews = crews(&planned, workload, duration);
        let times = known.iter().copied().chain(std::iter::repeat(None));
        let real: Vec<(Nanoseconds, &Crew)> = (crews.iter().zip(times))
            .map_while(|(crew, at)| at.map(|ns| (Nanoseconds::new(ns), crew)))
            .collect();
        for number in servers_of(&planned, workload) {
            let mut own: Option<(Nanoseconds, Option<Nanoseconds>, Vec<ServerSetting>)> = None;
            for (at, crew) in &real {
                let rate = crew.members.iter().find(|(member, _)| *member == number);
                match (rate, &mut own) {
                    (Some((_, served)), None) => {
                        let batch = planned.servers[number].placement.batch;
                        let setting = ServerSetting { from: *at, batch, served: *served };
                        own = Some((*at, None, vec![setting]));
                    }
                    (Some((_, served)), Some((_, None, settings))) => {
                        let batch = planned.servers[number].placement.batch;
                        settings.push(ServerSetting { from: *at, batch, served: *served });
                    }
                    (None, Some((_, until @ None, _))) => *until = Some(*at),
                    _ => {}
                }
            }
            if let Some((from, until, settings)) = own {
                let ordered = happened.ordered_ns.get(number).copied().flatten();
                let server = &mut timeline.servers[number];
                server.ordered = ordered.map_or(from, Nanoseconds::new).min(from);
                (server.ready, server.takes_from, server.takes_until) = (from, from, until);
                server.settings = settings;
            } else {
                timeline.servers[number].settings.truncate(1);
                timeline.servers[number].settings[0].from = Nanoseconds::ZERO;
            }
        }
    }
    timeline
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter::domain::{GpuId, GpuKindName, ModelName, Placement, TimelineGpu};
    use igniter::units::SmUnits;

    fn s(seconds: u64) -> Nanoseconds {
        Nanoseconds::new(seconds * 1_000_000_000)
    }

    fn server(gpu: usize, times_s: [u64; 3], until_s: Option<u64>) -> TimelineServer {
        let rate = RequestsPerSecond::new(10.0).unwrap();
        let [ordered, ready, takes_from] = times_s.map(s);
        TimelineServer {
            gpu: GpuId::new(gpu),
            placement: Placement {
                workload: WorkloadName::new("W1").unwrap(),
                model: ModelName::new("alexnet").unwrap(),
                batch: BatchSize::ONE,
                sm: SmUnits::new(10),
                served: None,
                time_slot: None,
                predicted: None,
            },
            ordered,
            ready,
            takes_from,
            takes_until: until_s.map(s),
            settings: vec![ServerSetting { from: takes_from, batch: BatchSize::ONE, served: rate }],
        }
    }

    fn timeline(servers: Vec<TimelineServer>) -> Timeline {
        let kind = GpuKindName::new("v100").unwrap();
        let gpu = TimelineGpu { kind, rented: vec![(s(0), None)] };
        Timeline { gpus: vec![gpu.clone(), gpu], servers }
    }

    fn numbers(crews: &[Crew]) -> Vec<(Nanoseconds, Vec<usize>)> {
        let of = |crew: &Crew| crew.members.iter().map(|(number, _)| *number).collect();
        crews.iter().map(|crew| (crew.at, of(crew))).collect()
    }

    #[test]
    fn requests_wait_where_the_old_server_leaves_before_the_new_one_is_ready() {
        let name = WorkloadName::new("W1").unwrap();
        let plan = timeline(vec![server(0, [0, 0, 0], Some(10)), server(1, [10, 14, 10], None)]);
        let found = numbers(&crews(&plan, &name, s(60)));
        assert_eq!(found, [(s(0), vec![0]), (s(10), vec![]), (s(14), vec![1])]);
    }

    #[test]
    fn the_timeline_is_that_of_the_servers_not_of_the_plan() {
        let name = WorkloadName::new("W1").unwrap();
        let plan = timeline(vec![
            server(0, [0, 0, 0], Some(14)),
            server(1, [10, 14, 14], Some(50)),
            server(0, [40, 50, 50], None),
        ]);
        assert_eq!(numbers(&crews(&plan, &name, s(60)))[1..], [(s(14), vec![1]), (s(50), vec![2])]);
        // The first hand-over came late, the second one never.
        let happened = Happened {
            ordered_ns: vec![Some(0), Some(s(11).get()), None],
            crews_ns: vec![vec![Some(0), Some(s(17).get()), None]],
        };
        let real = as_happened(&plan, &[name], s(60), &happened);
        let times: Vec<_> =
            real.servers.iter().map(|s| (s.ordered, s.takes_from, s.takes_until)).collect();
        let expected =
            [(s(0), s(0), Some(s(17))), (s(11), s(17), None), (s(60), s(60), Some(s(60)))];
        assert_eq!(times, expected);
    }

    #[test]
    fn a_server_keeps_its_largest_batch() {
        let mut changing = server(0, [0, 0, 0], None);
        let later =
            ServerSetting { from: s(5), batch: BatchSize::new(8).unwrap(), ..changing.settings[0] };
        changing.settings.push(later);
        let server = &followable(&timeline(vec![changing])).servers[0];
        assert!(server.settings.iter().all(|setting| setting.batch.get() == 8));
        assert_eq!(server.placement.batch.get(), 8);
    }
}
