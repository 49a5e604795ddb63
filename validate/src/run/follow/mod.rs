//! A run in which servers start and stop as the plans of a timeline demand. Each server is started, warmed
//! up, gets requests once it is ready, answers its remaining requests once others take over, and is stopped.

mod crews;
mod router;
mod starter;

pub use crews::{Happened, as_happened, followable, servers_of};

use crews::{Crew, crews};

use super::phases::{LEAD, Stall, is_drained, unanswered};
use super::{Recorded, RunRecord, WorkloadServers};
use crate::client::{Answer, InferClient};
use crate::clock;
use crate::launch::Deployment;
use crate::load::{RequestStream, open_loop};
use anyhow::bail;
use igniter::domain::{Timeline, WorkloadName};
use igniter::units::Nanoseconds;
use router::Router;
use starter::{Started, starter};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Interval at which the run checks what is due.
const LOOK: Duration = Duration::from_millis(20);

/// A running server, with its connections. Dropping it ends it.
#[derive(Debug)]
pub struct RunningServer {
    /// The server's process.
    pub deployment: Deployment,
    /// The target that sends requests to the server, which is its only one.
    pub target: WorkloadServers,
    /// Whether the queue policy allows the server to refuse requests.
    pub may_refuse: bool,
}

/// The arrivals of one workload.
#[derive(Debug)]
pub struct FollowLoad {
    pub workload: WorkloadName,
    /// The arrivals of the calibration; if empty, the calibration is skipped.
    pub calibration: Vec<Nanoseconds>,
    /// The arrivals of the measured run.
    pub measured: Vec<Nanoseconds>,
}

/// A callback with the number of a load, its new answers, and the start of the load.
type KeepFollowed<'a> = dyn FnMut(usize, &[(u8, Answer)], Nanoseconds) + 'a;

/// A callback with the current servers, by their numbers in the timeline.
type Changed<'a> = dyn FnMut(&[(usize, &WorkloadServers)]) + 'a;

/// Options and callbacks of a run.
pub struct FollowOptions<'a> {
    /// Number of times each batch size is sent to a server that has just started.
    pub warm_ups: usize,
    /// Maximum time to wait for answers after the last request was sent.
    pub drain: Nanoseconds,
    /// Called with a description of the next step.
    pub progress: &'a dyn Fn(&str),
    /// Starts the server of this number in the timeline and waits until it is ready. Called by several threads.
    pub start: &'a (dyn Fn(usize) -> anyhow::Result<RunningServer> + Sync),
    /// Called whenever the set of servers changes.
    pub changed: &'a mut Changed<'a>,
    /// Called about fifty times a second: returns the reason to end the run, if any.
    pub must_end: &'a mut dyn FnMut() -> Option<String>,
    /// Called with new answers of the measured run.
    pub keeps: &'a mut KeepFollowed<'a>,
}

impl std::fmt::Debug for FollowOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowOptions").field("warm_ups", &self.warm_ups).finish_non_exhaustive()
    }
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct FollowedRun {
    pub record: RunRecord,
    pub happened: Happened,
    /// Servers that could not be stopped.
    pub left_behind: Vec<String>,
    /// The connections of each workload, over all its servers.
    pub connections: BTreeMap<WorkloadName, Connections>,
}

/// The connections to servers that replaced each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connections {
    /// Number of times that no connection was free.
    pub exhausted: u64,
    /// The largest number of connections opened to one server.
    pub open: u32,
    /// The maximum number of open connections.
    pub most: u32,
}

/// The state of a server of the timeline.
#[derive(Debug, Default)]
enum Life {
    #[default]
    Planned,
    Starting,
    /// The server runs; `answered` counts its answers of the measured run.
    There {
        deployment: Deployment,
        target: Arc<WorkloadServers>,
        answered: usize,
    },
    Gone,
}

/// Follows a timeline; `loads` are in the order of its workloads. If the run has to end early, the data
/// recorded so far is returned too.
///
/// # Errors
/// When a server needed at the start cannot be started, or the run has to end before the measurement.
pub fn follow(
    timeline: &Timeline,
    loads: &[FollowLoad],
    duration: Nanoseconds,
    options: &mut FollowOptions<'_>,
) -> anyhow::Result<FollowedRun> {
    let stop = AtomicBool::new(false);
    let (orders, ordered) = channel::<usize>();
    let ordered = Mutex::new(ordered);
    let (started, starts) = channel();
    let (start, warm_ups) = (options.start, options.warm_ups);
    thread::scope(|scope| {
        // As many servers load concurrently as there are cores. These threads last as long as the servers
        // that they start.
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let (stop, ordered, started) = (&stop, &ordered, started.clone());
            scope.spawn(move || starter(ordered, &started, start, warm_ups, stop));
        }
        let crews = loads.iter().map(|load| crews(timeline, &load.workload, duration));
        let mut run = FollowRun {
            timeline,
            loads,
            crews: crews.collect(),
            routers: loads.iter().map(|_| Router::default()).collect(),
            lives: timeline.servers.iter().map(|_| Life::Planned).collect(),
            happened: Happened {
                ordered_ns: vec![None; timeline.servers.len()],
                crews_ns: Vec::new(),
            },
            orders,
            starts,
            stopped: Vec::new(),
            connections: BTreeMap::new(),
            duration,
        };
        run.happened.crews_ns = run.crews.iter().map(|crews| vec![None; crews.len()]).collect();
        let done = run.whole(options);
        stop.store(true, Ordering::Relaxed);
        let FollowRun {
            happened, lives, stopped, orders, starts, routers, mut connections, ..
        } = run;
        drop(routers);
        // No further server is started; one that is just being started ends when it is dropped.
        drop(orders);
        let mut left_behind = Vec::new();
        let rest = lives.into_iter().filter_map(|life| match life {
            Life::There { deployment, target, .. } => {
                close(target, &mut connections);
                Some(thread::spawn(move || deployment.stop().map_err(|e| e.to_string())))
            }
            _ => None,
        });
        for stopped in stopped.into_iter().chain(rest.collect::<Vec<_>>()) {
            match stopped.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => left_behind.push(error),
                Err(_) => left_behind.push("stopping a server panicked".to_owned()),
            }
        }
        drop(starts);
        Ok(FollowedRun { record: done?, happened, left_behind, connections })
    })
}

/// Counts the connections to a server and closes them. The target has no other users at this point.
fn close(target: Arc<WorkloadServers>, counted: &mut BTreeMap<WorkloadName, Connections>) {
    let counted = counted.entry(target.workload().clone()).or_default();
    counted.exhausted += InferClient::exhausted(&*target);
    counted.open = counted.open.max(target.connections());
    counted.most = counted.most.max(target.most_connections());
    if let Some(target) = Arc::into_inner(target) {
        target.close(true);
    }
}

type Stopped = thread::JoinHandle<Result<(), String>>;

struct FollowRun<'a> {
    timeline: &'a Timeline,
    loads: &'a [FollowLoad],
    /// The crews of each load.
    crews: Vec<Vec<Crew>>,
    routers: Vec<Router>,
    /// The state of each server of the timeline.
    lives: Vec<Life>,
    happened: Happened,
    orders: Sender<usize>,
    starts: Receiver<Started>,
    stopped: Vec<Stopped>,
    connections: BTreeMap<WorkloadName, Connections>,
    duration: Nanoseconds,
}

impl FollowRun<'_> {
    fn whole(&mut self, options: &mut FollowOptions<'_>) -> anyhow::Result<RunRecord> {
        (options.progress)("starting servers");
        self.order(Nanoseconds::ZERO);
        while self.lives.iter().any(|life| matches!(life, Life::Starting)) {
            if let Some(why) = self.look(options) {
                bail!("{why} (at the start)");
            }
            thread::sleep(LOOK);
        }
        self.switch(Nanoseconds::ZERO, None, options);
        let mut record = RunRecord::default();
        record.workloads.resize_with(self.loads.len(), Recorded::default);
        if self.loads.iter().any(|load| !load.calibration.is_empty()) {
            (options.progress)("calibrating");
            let times = self.loads.iter().map(|load| load.calibration.as_slice());
            let done = self.phase(&times.collect::<Vec<_>>(), 'c', options)?;
            if let Some(why) = done.ended_early {
                bail!("{why} (during the calibration)");
            }
            for (workload, answers) in record.workloads.iter_mut().zip(done.answers) {
                workload.calibration = answers;
            }
        }
        (options.progress)("measuring");
        let times: Vec<&[Nanoseconds]> =
            self.loads.iter().map(|load| load.measured.as_slice()).collect();
        let done = self.phase(&times, 'm', options)?;
        (record.start, record.ended_early) = (done.start, done.ended_early);
        for (i, answers) in done.answers.into_iter().enumerate() {
            let (workload, load) = (&mut record.workloads[i], &self.loads[i]);
            let server = |index| self.routers[i].server_of(index);
            let missing = unanswered(&answers, &load.measured[..done.sent[i]], done.start, server);
            workload.unanswered = missing.len();
            workload.measured = answers;
            workload.measured.extend(missing);
            workload.planned = load.measured.len();
            workload.sent = done.sent[i];
        }
        Ok(record)
    }

    /// Sends all requests of a phase in open loop and waits for the answers; servers start and stop only in
    /// phase `m`.
    fn phase(
        &mut self,
        times: &[&[Nanoseconds]],
        letter: char,
        options: &mut FollowOptions<'_>,
    ) -> anyhow::Result<FollowOutcome> {
        let measured = letter == 'm';
        let start = clock::now() + LEAD;
        if measured {
            self.happened.ordered_ns.iter_mut().flatten().for_each(|ns| *ns = 0);
            self.happened.crews_ns.iter_mut().for_each(|of| of[0] = Some(0));
        }
        let mut done = FollowOutcome {
            start,
            sent: Vec::new(),
            answers: vec![Vec::new(); self.loads.len()],
            ended_early: None,
        };
        let mut stall = Stall::new(self.loads.len(), start);
        let ends = AtomicBool::new(false);
        // The sender thread uses the routers; this thread keeps everything else.
        let routers = std::mem::take(&mut self.routers);
        let result = thread::scope(|scope| {
            let streams: Vec<RequestStream<'_>> = (routers.iter().zip(times))
                .map(|(client, times)| RequestStream { client, times })
                .collect();
            let ends = &ends;
            let sender = scope.spawn(move || {
                open_loop(&streams, letter, start, &|| ends.load(Ordering::Relaxed))
            });
            let mut draining_since = None;
            loop {
                for (i, times) in times.iter().enumerate() {
                    let before = done.answers[i].len();
                    self.take(i, &mut done.answers[i]);
                    if measured {
                        (options.keeps)(i, &done.answers[i][before..], start);
                    }
                    let found = stall.found(i, done.answers[i].len(), times);
                    // While no server takes requests, none is answered.
                    if found && self.lives.iter().all(|life| !matches!(life, Life::Starting)) {
                        done.ended_early = done.ended_early.take().or_else(|| self.probe());
                    }
                }
                let now = clock::now().saturating_sub(start);
                if measured && done.ended_early.is_none() {
                    self.order(now);
                    self.switch_with(&routers, now, Some(start), options);
                    self.retire(&routers, options);
                }
                done.ended_early = done.ended_early.take().or_else(|| self.look(options));
                ends.store(done.ended_early.is_some(), Ordering::Relaxed);
                if sender.is_finished() {
                    let since = *draining_since.get_or_insert_with(clock::now);
                    let answered: usize = done.answers.iter().map(Vec::len).sum();
                    let expected: usize = times.iter().map(|times| times.len()).sum();
                    let over = !measured || clock::now() >= start + self.duration;
                    let early = done.ended_early.is_some();
                    if (answered >= expected && over) || is_drained(since, early, options.drain) {
                        break;
                    }
                }
                thread::sleep(LOOK);
            }
            sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))
        });
        self.routers = routers;
        done.sent = result?;
        for i in 0..self.loads.len() {
            let before = done.answers[i].len();
            self.take(i, &mut done.answers[i]);
            if measured {
                (options.keeps)(i, &done.answers[i][before..], start);
            }
        }
        Ok(done)
    }

    /// Returns the number of a server among those of its workload.
    fn number_of(&self, server: usize) -> u8 {
        let own = servers_of(self.timeline, &self.timeline.servers[server].placement.workload);
        let number = own.iter().position(|number| *number == server).unwrap_or(0);
        u8::try_from(number).unwrap_or(u8::MAX)
    }

    /// Orders the start of servers that are due and take requests at some time.
    fn order(&mut self, now: Nanoseconds) {
        for number in 0..self.lives.len() {
            let server = &self.timeline.servers[number];
            let serves = self
                .crews
                .iter()
                .flatten()
                .any(|crew| crew.members.iter().any(|(member, _)| *member == number));
            let due = server.ordered <= now && serves;
            if due
                && matches!(self.lives[number], Life::Planned)
                && self.orders.send(number).is_ok()
            {
                self.lives[number] = Life::Starting;
                self.happened.ordered_ns[number] = Some(now.get());
            }
        }
    }

    /// Accepts servers that have become ready, and checks that all others still run.
    fn look(&mut self, options: &mut FollowOptions<'_>) -> Option<String> {
        while let Ok((number, server)) = self.starts.try_recv() {
            match server {
                Ok(RunningServer { deployment, target, .. }) => {
                    let target = Arc::new(target);
                    self.lives[number] = Life::There { deployment, target, answered: 0 };
                }
                Err(error) => return Some(format!("{error:#}")),
            }
        }
        for life in &mut self.lives {
            if let Life::There { deployment, .. } = life
                && let Err(error) = deployment.check()
            {
                return Some(error.to_string());
            }
        }
        (options.must_end)()
    }

    /// Asks all servers whether they are alive.
    fn probe(&mut self) -> Option<String> {
        self.lives.iter_mut().find_map(|life| match life {
            Life::There { deployment, .. } => deployment.probe().err().map(|e| e.to_string()),
            _ => None,
        })
    }

    fn switch(
        &mut self,
        now: Nanoseconds,
        start: Option<Nanoseconds>,
        options: &mut FollowOptions<'_>,
    ) {
        let routers = std::mem::take(&mut self.routers);
        self.switch_with(&routers, now, start, options);
        self.routers = routers;
    }

    /// Switches to the crews that are due and ready.
    fn switch_with(
        &mut self,
        routers: &[Router],
        now: Nanoseconds,
        start: Option<Nanoseconds>,
        options: &mut FollowOptions<'_>,
    ) {
        let mut changed = false;
        for (i, router) in routers.iter().enumerate() {
            while let Some(next) = self.happened.crews_ns[i].iter().position(Option::is_none) {
                let Some(crew) = self.crews[i].get(next).filter(|crew| crew.at <= now) else {
                    break;
                };
                let member = |(number, rate): &(usize, _)| match &self.lives[*number] {
                    Life::There { target, .. } => {
                        Some((self.number_of(*number), Arc::clone(target), *rate))
                    }
                    _ => None,
                };
                let Some(crew) = crew.members.iter().map(member).collect() else { break };
                let at = router.switch(crew);
                let at = start.map_or(0, |start| at.saturating_sub(start).get());
                self.happened.crews_ns[i][next] = Some(at);
                changed = true;
            }
        }
        if changed {
            self.tell(options);
        }
    }

    /// Returns the servers that currently take requests.
    fn serving(&self) -> BTreeSet<usize> {
        let crews = self.crews.iter().zip(&self.happened.crews_ns);
        let now = crews
            .filter_map(|(crews, times)| crews.get(times.iter().flatten().count().checked_sub(1)?));
        now.flat_map(|crew| crew.members.iter().map(|(number, _)| *number)).collect()
    }

    /// Returns whether a server's time is over.
    fn is_past(&self, number: usize) -> bool {
        let has = |crew: &Crew| crew.members.iter().any(|(member, _)| *member == number);
        !self.crews.iter().zip(&self.happened.crews_ns).any(|(crews, times)| {
            let done = times.iter().flatten().count();
            crews.iter().skip(done.saturating_sub(1)).any(has)
        })
    }

    /// Stops the servers that no longer take requests and have answered all of theirs.
    fn retire(&mut self, routers: &[Router], options: &mut FollowOptions<'_>) {
        let mut changed = false;
        for number in 0..self.lives.len() {
            let Life::There { answered, .. } = &self.lives[number] else { continue };
            let workload = &self.timeline.servers[number].placement.workload;
            let Some(load) = self.loads.iter().position(|load| load.workload == *workload) else {
                continue;
            };
            if !self.is_past(number) || routers[load].sent_to(self.number_of(number)) > *answered {
                continue;
            }
            let life = std::mem::replace(&mut self.lives[number], Life::Gone);
            if let Life::There { deployment, target, .. } = life {
                close(target, &mut self.connections);
                let stop = move || deployment.stop().map_err(|error| error.to_string());
                self.stopped.push(thread::spawn(stop));
                changed = true;
            }
        }
        if changed {
            self.tell(options);
        }
    }

    /// Reports the current servers to the callback.
    fn tell(&self, options: &mut FollowOptions<'_>) {
        let serving = self.serving();
        let there = serving.iter().filter_map(|number| match &self.lives[*number] {
            Life::There { target, .. } => Some((*number, target.as_ref())),
            _ => None,
        });
        (options.changed)(&there.collect::<Vec<_>>());
    }

    /// Collects the answers of a workload that have arrived.
    fn take(&mut self, load: usize, answers: &mut Vec<(u8, Answer)>) {
        for number in servers_of(self.timeline, &self.loads[load].workload) {
            let own = self.number_of(number);
            if let Life::There { target, answered, .. } = &mut self.lives[number] {
                let before = answers.len();
                answers.extend(target.answers(0).try_iter().map(|answer| (own, answer)));
                let new = answers[before..].iter();
                *answered += new.filter(|(_, answer)| answer.tag.phase == 'm').count();
            }
        }
    }
}

/// The outcome of a phase.
struct FollowOutcome {
    start: Nanoseconds,
    sent: Vec<usize>,
    answers: Vec<Vec<(u8, Answer)>>,
    ended_early: Option<String>,
}
