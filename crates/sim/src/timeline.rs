//! Plans that follow each other: checks them, and splits them into the parts that concern each GPU and each workload.
//!
//! GPUs stay independent: events on a GPU depend only on the timeline and on the GPU's own requests.

use super::SimError;
use super::batcher_rules::BatcherRules;
use super::engine::{SimInput, SimWorkload};
use super::source::ServerArrivals;
use crate::arrivals::{
    ArrivalProcess, ArrivalSpec, ArrivalStatistics, ListedArrivals, PartTimeArrivals, Shift,
    starts_at,
};
use igniter_model::domain::{GpuId, Timeline, TimelineServer, WorkloadId};
use igniter_model::units::{BatchSize, Nanoseconds, RequestsPerSecond};
use rayon::prelude::*;

/// The reason why no engine can follow a timeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimelineError {
    #[error("{server} is on a GPU that the timeline does not have: it has {gpus}, numbered from 0")]
    NoSuchGpu { server: String, gpus: usize },
    #[error("{server} has no settings: give it at least a batch size and a part of the rate")]
    NoSettings { server: String },
    #[error(
        "{server}: its first setting holds from {from_s} s, after the {takes_s} s from which it takes requests"
    )]
    LateSetting { server: String, from_s: String, takes_s: String },
    #[error("{server}: its settings are not in order of time")]
    UnorderedSettings { server: String },
    #[error("{server} {what} at {at_s} s, before {before} at {before_s} s")]
    Unordered {
        server: String,
        what: &'static str,
        at_s: String,
        before: &'static str,
        before_s: String,
    },
    #[error(
        "{server} is there from {from_s} s to {until}, but its GPU is not rented for all of that time"
    )]
    NotRented { server: String, from_s: String, until: String },
    #[error("GPU {gpu} of the timeline: its rented times overlap or are not in order")]
    UnorderedRents { gpu: usize },
    #[error(
        "workload {workload}: closed-loop clients send when they are answered, so their rate is no input of a plan: \
         use open arrivals such as poisson where plans follow each other"
    )]
    ClosedLoop { workload: String },
    #[error(
        "a controller, or a fault, while plans follow each other is not defined: leave [controller] and [[fault]] out, \
         or use one plan for the whole run"
    )]
    Controlled,
    #[error(
        "{server} takes turns with others on the same SMs (time_slot), which is not defined where plans follow each \
         other: use a strategy whose workloads have SMs of their own"
    )]
    TakesTurns { server: String },
}

/// A change on a GPU.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimelineChange {
    /// The GPU's rental begins.
    Rented,
    /// The GPU's rental ends, as soon as its servers have left.
    Released,
    /// A server begins to execute.
    Joins(usize),
    /// A server gets no further requests: it leaves when it has answered those that it has.
    Leaves(usize),
    /// A server forms batches by other rules from now on; with its new planned batch size.
    Sets(usize, BatcherRules, BatchSize),
}

impl TimelineChange {
    /// Returns the rules that hold from then on, if the change sets rules.
    pub(super) fn rules(&self) -> Option<&BatcherRules> {
        if let Self::Sets(_, rules, _) = self { Some(rules) } else { None }
    }
}

/// The changes of one GPU.
#[derive(Debug, Clone, Default)]
pub(super) struct GpuTimeline {
    /// In order of time, all after the start of the run.
    pub(super) changes: Vec<(Nanoseconds, TimelineChange)>,
    /// Whether the GPU is rented at the start.
    pub(super) rented: bool,
    /// Whether each of its servers executes from the start on.
    pub(super) present: Vec<bool>,
}

impl GpuTimeline {
    /// Returns the changes from the position `next` on that are due at `now`, and moves `next` behind them.
    pub(super) fn take(
        &self,
        next: &mut usize,
        now: Nanoseconds,
    ) -> &[(Nanoseconds, TimelineChange)] {
        let rest = &self.changes[*next..];
        let due = rest.iter().take_while(|(at, _)| *at <= now).count();
        *next += due;
        &rest[..due]
    }
}

/// Requests that arrived while no server of their workload took any.
#[derive(Debug)]
pub(super) struct LostArrivals {
    pub(super) workload: WorkloadId,
    pub(super) from: Nanoseconds,
    pub(super) until: Nanoseconds,
    pub(super) arrivals: Box<dyn ArrivalProcess>,
}

/// The requests of one workload, divided among its servers.
#[derive(Debug, Default)]
pub(super) struct Dealt {
    /// The requests of each of its servers, until they are taken.
    pub(super) servers: Vec<Option<ServerArrivals>>,
    /// The requests that no server takes, with the GPU that reports them.
    pub(super) lost: Vec<(GpuId, LostArrivals)>,
    /// Statistics of all its requests, where they are requested.
    pub(super) count: Option<ArrivalStatistics>,
}

fn seconds(at: Nanoseconds) -> String {
    at.as_seconds().to_string()
}

fn name(index: usize, server: &TimelineServer) -> String {
    let TimelineServer { gpu, placement, .. } = server;
    format!("server {index} of the timeline ({} on GPU {})", placement.workload, gpu.index())
}

/// Returns an error if the timeline cannot be followed.
pub(super) fn check(timeline: &Timeline, input: &SimInput<'_>) -> Result<(), TimelineError> {
    if input.control.is_some_and(|control| !control.is_idle()) {
        return Err(TimelineError::Controlled);
    }
    let closed = |entry: &&SimWorkload| matches!(entry.arrival, ArrivalSpec::ClosedLoop(_));
    if let Some(entry) = input.workloads.iter().find(closed) {
        return Err(TimelineError::ClosedLoop { workload: entry.workload.name.to_string() });
    }
    for (gpu, of) in timeline.gpus.iter().enumerate() {
        let ordered = |&(from, until): &(Nanoseconds, Option<Nanoseconds>)| {
            until.is_none_or(|until| from <= until)
        };
        let follow = |pair: &[(Nanoseconds, Option<Nanoseconds>)]| {
            pair[0].1.is_some_and(|until| until <= pair[1].0)
        };
        if !of.rented.iter().all(ordered) || !of.rented.windows(2).all(follow) {
            return Err(TimelineError::UnorderedRents { gpu });
        }
    }
    for (index, server) in timeline.servers.iter().enumerate() {
        check_server(timeline, index, server)?;
    }
    Ok(())
}

fn check_server(
    timeline: &Timeline,
    index: usize,
    server: &TimelineServer,
) -> Result<(), TimelineError> {
    let TimelineServer { gpu, placement, ordered, ready, takes_from, takes_until, settings } =
        server;
    let server = || name(index, server);
    let Some(of) = timeline.gpus.get(gpu.index()) else {
        return Err(TimelineError::NoSuchGpu { server: server(), gpus: timeline.gpus.len() });
    };
    if placement.time_slot.is_some() {
        return Err(TimelineError::TakesTurns { server: server() });
    }
    let Some(first) = settings.first() else {
        return Err(TimelineError::NoSettings { server: server() });
    };
    if first.from > *takes_from {
        let (from_s, takes_s) = (seconds(first.from), seconds(*takes_from));
        return Err(TimelineError::LateSetting { server: server(), from_s, takes_s });
    }
    if !settings.is_sorted_by_key(|setting| setting.from) {
        return Err(TimelineError::UnorderedSettings { server: server() });
    }
    let until = takes_until.unwrap_or(Nanoseconds::MAX);
    for (what, at, before, earlier) in [
        ("is ready", *ready, "it is ordered", *ordered),
        ("takes requests", *takes_from, "it is ordered", *ordered),
        ("takes its last request", until, "its first", *takes_from),
    ] {
        if at < earlier {
            let (at_s, before_s) = (seconds(at), seconds(earlier));
            let server = server();
            return Err(TimelineError::Unordered { server, what, at_s, before, before_s });
        }
    }
    let inside = |&(from, to): &(Nanoseconds, Option<Nanoseconds>)| {
        from <= *ordered && to.is_none_or(|to| until <= to)
    };
    if !of.rented.iter().any(inside) {
        let until =
            takes_until.map_or("the end".to_owned(), |until| format!("{} s", seconds(until)));
        let from_s = seconds(*ordered);
        return Err(TimelineError::NotRented { server: server(), from_s, until });
    }
    Ok(())
}

/// Returns the changes on a GPU, given its servers, each with the time at which its instances may start and the rules
/// for each of its settings. Settings that no request meets are left out.
pub(super) fn of_gpu(
    rented: &[(Nanoseconds, Option<Nanoseconds>)],
    servers: &[(&TimelineServer, Nanoseconds, Vec<BatcherRules>)],
    duration: Nanoseconds,
) -> GpuTimeline {
    let mut timeline = GpuTimeline::default();
    let changes = &mut timeline.changes;
    for &(from, until) in rented {
        if from == Nanoseconds::ZERO {
            timeline.rented = true;
        } else if from < duration {
            changes.push((from, TimelineChange::Rented));
        }
        if let Some(until) = until.filter(|&until| until < duration) {
            // A rental of no duration.
            if until == Nanoseconds::ZERO {
                timeline.rented = false;
            } else {
                changes.push((until, TimelineChange::Released));
            }
        }
    }
    for (index, (server, startup, rules)) in servers.iter().enumerate() {
        let leaves = server.takes_until.filter(|&until| until < duration);
        // A server that never takes a request need not join.
        let never = leaves.is_some_and(|until| until <= server.takes_from);
        let present = server.ready == Nanoseconds::ZERO && !never;
        timeline.present.push(present);
        if never {
            continue;
        }
        if !present {
            changes.push((server.ready.max(*startup), TimelineChange::Joins(index)));
        }
        if let Some(until) = leaves {
            changes.push((until, TimelineChange::Leaves(index)));
        }
        let later = server.settings.iter().zip(rules).skip(first_setting(server) + 1);
        for (setting, rules) in later.filter(|(setting, _)| setting.from < duration) {
            changes.push((setting.from, TimelineChange::Sets(index, rules.clone(), setting.batch)));
        }
    }
    // The sort is stable: a rental that ends is before one that begins at the same time.
    timeline.changes.sort_by_key(|(at, _)| *at);
    timeline
}

/// Returns the setting that holds when the first request may arrive.
pub(super) fn first_setting(server: &TimelineServer) -> usize {
    server.settings.partition_point(|setting| setting.from <= server.takes_from).max(1) - 1
}

/// Divides the requests of each workload among its servers, which are given in the order in which they take turns.
pub(super) fn deal(
    input: &SimInput<'_>,
    servers: &[Vec<&TimelineServer>],
) -> Result<Vec<Dealt>, SimError> {
    let entries: Vec<_> = input.workloads.iter().zip(servers).enumerate().collect();
    let dealt: Vec<Result<Dealt, SimError>> = entries
        .into_par_iter()
        .with_max_len(1)
        .map(|(index, (entry, servers))| deal_one(input, WorkloadId::new(index), entry, servers))
        .collect();
    dealt.into_iter().collect()
}

fn deal_one(
    input: &SimInput<'_>,
    workload: WorkloadId,
    entry: &SimWorkload,
    servers: &[&TimelineServer],
) -> Result<Dealt, SimError> {
    if servers.is_empty() {
        return Ok(Dealt::default());
    }
    let build = || {
        let SimWorkload { workload, arrival, .. } = entry;
        arrival.build(&workload.name, workload.rate, input.duration, input.seed)
    };
    let (shifts, gaps) = shifts(servers, input.duration);
    let mut times: Vec<Nanoseconds> =
        shifts.iter().flat_map(|of| of.first()).map(|s| s.from).collect();
    times.extend(gaps.iter().map(|(from, _)| *from));
    times.sort_unstable();
    times.dedup();
    let starts = starts_at(build()?, &times);
    let start = |from: Nanoseconds| -> Result<Box<dyn ArrivalProcess>, SimError> {
        let known = times.binary_search(&from).ok().zip(starts.as_ref());
        match known.and_then(|(at, starts)| starts[at].fork()) {
            Some(process) => Ok(process),
            // The process has to be read from its start.
            None => Ok(build()?),
        }
    };
    let part = |of: Vec<Shift>| -> Result<Option<ServerArrivals>, SimError> {
        let whole = match of.first() {
            Some(first) => start(first.from)?,
            None => Box::new(ListedArrivals::new([].into(), Nanoseconds::ZERO)),
        };
        Ok(Some(ServerArrivals::Open(Box::new(PartTimeArrivals::new(whole, of)))))
    };
    let lost = |(from, until): (Nanoseconds, Nanoseconds)| -> Result<_, SimError> {
        let shift = Shift::new((from, until), &[], 0);
        let arrivals = Box::new(PartTimeArrivals::new(start(from)?, vec![shift]));
        let gpu = who_reports(servers, from);
        Ok((gpu, LostArrivals { workload, from, until, arrivals }))
    };
    let count = match input.count_arrivals {
        true => Some(ArrivalStatistics::of(build()?.as_mut(), input.duration)),
        false => None,
    };
    Ok(Dealt {
        servers: shifts.into_iter().map(part).collect::<Result<_, _>>()?,
        lost: gaps.into_iter().map(lost).collect::<Result<_, _>>()?,
        count,
    })
}

/// Returns the GPU of the last server before a time, or else of the first server.
fn who_reports(servers: &[&TimelineServer], from: Nanoseconds) -> GpuId {
    let ended = |server: &&&TimelineServer| server.takes_until.is_some_and(|until| until <= from);
    let last = servers.iter().filter(ended).max_by_key(|server| server.takes_until);
    let first = servers.iter().min_by_key(|server| server.takes_from);
    last.or(first).expect("a workload with servers").gpu
}

type Gap = (Nanoseconds, Nanoseconds);

/// Returns the shifts of each server of a workload, and the times in which the workload has no server.
fn shifts(servers: &[&TimelineServer], duration: Nanoseconds) -> (Vec<Vec<Shift>>, Vec<Gap>) {
    let mut edges = vec![Nanoseconds::ZERO];
    for server in servers {
        edges.push(server.takes_from);
        edges.extend(server.takes_until);
        edges.extend(server.settings.iter().map(|setting| setting.from));
    }
    edges.retain(|&edge| edge < duration);
    edges.sort_unstable();
    edges.dedup();
    let takes = |server: &TimelineServer, at| {
        server.takes_from <= at && server.takes_until.is_none_or(|until| at < until)
    };
    let rate = |server: &TimelineServer, at| {
        let now = server.settings.partition_point(|setting| setting.from <= at).max(1) - 1;
        server.settings[now].served
    };
    // The servers and their parts of the rate, with the start of each set of servers. Times at which neither servers
    // nor parts change do not begin a new one.
    let mut crews: Vec<(Nanoseconds, Vec<(usize, RequestsPerSecond)>)> = Vec::new();
    for at in edges {
        let on = servers.iter().enumerate().filter(|(_, server)| takes(server, at));
        let crew: Vec<_> = on.map(|(own, server)| (own, rate(server, at))).collect();
        let same = crews.last().is_some_and(|(_, last)| match (last.as_slice(), crew.as_slice()) {
            ([(before, _)], [(now, _)]) => before == now,
            (before, now) => before == now,
        });
        if !same {
            crews.push((at, crew));
        }
    }
    let mut shifts = vec![Vec::new(); servers.len()];
    let mut gaps = Vec::new();
    for (i, (from, crew)) in crews.iter().enumerate() {
        let until = crews.get(i + 1).map_or(duration, |(next, _)| *next);
        let rates: Vec<RequestsPerSecond> = crew.iter().map(|(_, rate)| *rate).collect();
        if crew.is_empty() {
            gaps.push((*from, until));
        }
        for (own, (server, _)) in crew.iter().enumerate() {
            shifts[*server].push(Shift::new((*from, until), &rates, own));
        }
    }
    (shifts, gaps)
}
