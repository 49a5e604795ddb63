//! The phases of a run.

use super::shadow::Watch;
use super::{Recorded, RunRecord, WorkloadServers};
use crate::client::{Answer, Tag};
use crate::clock;
use crate::load::{RequestStream, bursts, open_loop};
use crate::measure::NO_ANSWER;
use anyhow::bail;
use igniter::units::{Milliseconds, Nanoseconds};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Pause between two phases, which keeps one from affecting the other.
pub(super) const LEAD: Nanoseconds = Nanoseconds::new(300_000_000);
/// If a workload's requests stay unanswered for this long, the run checks whether its servers are alive.
const STALL: Nanoseconds = Nanoseconds::new(5_000_000_000);

/// The load of one target.
#[derive(Debug)]
pub struct Load {
    /// The servers that get the load.
    pub target: WorkloadServers,
    /// The arrivals of the calibration; if empty, the calibration is skipped.
    pub calibration: Vec<Nanoseconds>,
    /// The arrivals of the measured run.
    pub measured: Vec<Nanoseconds>,
    /// The SLO; exceeding it activates a standby.
    pub slo: Milliseconds,
    /// Whether the queue policy allows the servers to refuse requests.
    pub may_refuse: bool,
}

/// Returns the error of a failed answer during the warm-up. Refusals are no errors if `may_refuse`: bursts
/// may be longer than the maximum queue length.
pub(super) fn failure_of_warm_up(answer: &Answer, may_refuse: bool) -> Option<&str> {
    let error = answer.result.as_ref().err()?;
    // Unavailable: over HTTP, and over gRPC.
    let refused = error.starts_with("status 503") || error.starts_with("status 14:");
    (!may_refuse || !refused).then_some(error)
}

/// A callback with the number of a load, its new answers, and the start of the load.
pub(super) type KeepAnswers<'a> = dyn FnMut(usize, &[(u8, Answer)], Nanoseconds) + 'a;

/// Options and callbacks of a run.
pub struct LoadOptions<'a> {
    /// Number of times each batch size is sent in the warm-up.
    pub warm_ups: usize,
    /// Called with a description of the next step.
    pub progress: &'a dyn Fn(&str),
    /// Called about twenty times a second: returns the reason to end the run, if any.
    pub must_end: &'a mut dyn FnMut() -> Option<String>,
    /// Called before the measured run; may take as long as queries to servers need.
    pub prepares: &'a mut dyn FnMut(),
    /// Called right before the measured run, with the time of its start. It must be quick, since the start
    /// does not wait for it.
    pub begins: &'a mut dyn FnMut(Nanoseconds) -> anyhow::Result<()>,
    /// Called when a workload has had no answer for some seconds: returns the reason to end the run, if any.
    /// May take as long as queries to the servers need.
    pub stalled: &'a mut dyn FnMut() -> Option<String>,
    /// The length of a window, after which standbys may take over.
    pub period: Nanoseconds,
    /// Maximum time to wait for answers after the last request was sent.
    pub drain: Nanoseconds,
    /// Called with new answers of the measured run: the number of the load, its new answers, and the start.
    pub keeps: &'a mut KeepAnswers<'a>,
}

impl std::fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions").field("warm_ups", &self.warm_ups).finish_non_exhaustive()
    }
}

/// Runs warm-up, calibration and measurement. If the run has to end early, the data recorded so far is
/// returned too.
///
/// # Errors
/// When servers do not even answer the warm-up, or the run has to end before the measurement.
pub fn run_load(loads: &[Load], options: &mut LoadOptions<'_>) -> anyhow::Result<RunRecord> {
    (options.progress)("warming up");
    warm_up(loads, options)?;
    let mut record = RunRecord { workloads: Vec::new(), ..RunRecord::default() };
    record.workloads.resize_with(loads.len(), Recorded::default);
    if loads.iter().any(|load| !load.calibration.is_empty()) {
        (options.progress)("calibrating");
        let times: Vec<&[Nanoseconds]> = loads.iter().map(|l| l.calibration.as_slice()).collect();
        let done = phase(loads, &times, 'c', false, options)?;
        if let Some(why) = done.ended_early {
            bail!("{why} (during the calibration)");
        }
        for (workload, answers) in record.workloads.iter_mut().zip(done.answers) {
            workload.calibration = answers;
        }
    }
    (options.progress)("measuring");
    let times: Vec<&[Nanoseconds]> = loads.iter().map(|l| l.measured.as_slice()).collect();
    let done = phase(loads, &times, 'm', true, options)?;
    record.start = done.start;
    record.ended_early = done.ended_early;
    for (i, answers) in done.answers.into_iter().enumerate() {
        let (workload, load) = (&mut record.workloads[i], &loads[i]);
        let server = |index| u8::try_from(load.target.turn(index)).unwrap_or(u8::MAX);
        let missing = unanswered(&answers, &load.measured[..done.sent[i]], done.start, server);
        workload.unanswered = missing.len();
        workload.measured = answers;
        workload.measured.extend(missing);
        workload.planned = load.measured.len();
        workload.sent = done.sent[i];
        workload.switched.clone_from(&done.switched[i]);
    }
    Ok(record)
}

/// Returns placeholder answers for the requests of `times` that have none: they were sent, and count in both
/// arms.
pub(super) fn unanswered(
    answers: &[(u8, Answer)],
    times: &[Nanoseconds],
    start: Nanoseconds,
    server: impl Fn(u32) -> u8,
) -> Vec<(u8, Answer)> {
    let answered: BTreeSet<u32> = answers.iter().map(|(_, answer)| answer.tag.index).collect();
    let missing = (0_u32..).zip(times).filter(|(index, _)| !answered.contains(index));
    let stand_in = |(index, &time): (u32, &Nanoseconds)| {
        let at = start + time;
        let answer = Answer {
            tag: Tag { phase: 'm', index },
            intended: at,
            sent: at,
            written: at,
            first_byte: at,
            done: at,
            connection: 0,
            result: Err(NO_ANSWER.to_owned()),
        };
        (server(index), answer)
    };
    missing.map(stand_in).collect()
}

/// Sends every batch size a few times to every server: the first batches after a start take much longer.
fn warm_up(loads: &[Load], options: &mut LoadOptions<'_>) -> anyhow::Result<()> {
    let stop = AtomicBool::new(false);
    let warm_ups = options.warm_ups;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for load in loads {
            let stop = &stop;
            threads.push(scope.spawn(move || {
                for server in load.target.servers() {
                    let largest = load.target.endpoint(server).max_batch.get();
                    let sizes: Vec<u32> = (1..=largest).flat_map(|b| vec![b; warm_ups]).collect();
                    let (client, answers) =
                        (load.target.client(server), load.target.answers(server));
                    let stop = || stop.load(Ordering::Relaxed);
                    let drained = bursts(client, &answers, 'w', &sizes, &stop);
                    let failure = drained
                        .answers
                        .iter()
                        .find_map(|answer| failure_of_warm_up(answer, load.may_refuse));
                    if let Some(failure) = failure {
                        bail!("{}: the warm-up failed: {failure}", load.target.workload());
                    }
                    if drained.missing > 0 {
                        bail!("{}: the warm-up was not answered", load.target.workload());
                    }
                }
                Ok(())
            }));
        }
        let mut ended = None;
        while threads.iter().any(|thread| !thread.is_finished()) {
            ended = ended.or_else(|| (options.must_end)());
            stop.store(ended.is_some(), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
        let outcomes = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the warm-up panicked")))
        });
        let outcome: anyhow::Result<()> = outcomes.collect();
        match ended {
            Some(why) => bail!("{why} (during the warm-up)"),
            None => outcome,
        }
    })
}

/// The outcome of a phase.
struct PhaseOutcome {
    start: Nanoseconds,
    sent: Vec<usize>,
    answers: Vec<Vec<(u8, Answer)>>,
    switched: Vec<Vec<Option<Nanoseconds>>>,
    ended_early: Option<String>,
}

/// Sends all requests of a phase in open loop and waits for the answers.
fn phase(
    loads: &[Load],
    times: &[&[Nanoseconds]],
    letter: char,
    measured: bool,
    options: &mut LoadOptions<'_>,
) -> anyhow::Result<PhaseOutcome> {
    if measured {
        (options.prepares)();
    }
    let start = clock::now() + LEAD;
    if measured {
        (options.begins)(start)?;
    }
    let stop = AtomicBool::new(false);
    let streams: Vec<RequestStream<'_>> = loads
        .iter()
        .zip(times)
        .map(|(l, times)| RequestStream { client: &l.target, times })
        .collect();
    let mut done = PhaseOutcome {
        start,
        sent: Vec::new(),
        answers: vec![Vec::new(); loads.len()],
        switched: loads.iter().map(|load| vec![None; load.target.replicas()]).collect(),
        ended_early: None,
    };
    let watch = |load: &Load| {
        let one = |_| Watch::new(load.slo, options.period, start);
        (0..load.target.replicas()).map(one).collect()
    };
    let mut watches: Vec<Vec<Watch>> = loads.iter().map(watch).collect();
    let mut stall = Stall::new(loads.len(), start);
    thread::scope(|scope| {
        let sender =
            scope.spawn(|| open_loop(&streams, letter, start, &|| stop.load(Ordering::Relaxed)));
        let mut draining_since = None;
        loop {
            for (i, load) in loads.iter().enumerate() {
                let before = done.answers[i].len();
                take(&load.target, &mut done.answers[i]);
                if measured {
                    (options.keeps)(i, &done.answers[i][before..], start);
                }
                for (replica, watch) in watches[i].iter_mut().enumerate() {
                    if measured && load.target.can_switch(replica) {
                        let new = done.answers[i][before..].iter();
                        let own = new.filter(|(server, _)| usize::from(*server) == replica);
                        if watch.should_switch(own.map(|(_, answer)| answer), clock::now()) {
                            load.target.switch(replica);
                            done.switched[i][replica] = Some(clock::now().saturating_sub(start));
                        }
                    }
                }
                if stall.found(i, done.answers[i].len(), times[i]) && done.ended_early.is_none() {
                    done.ended_early = (options.stalled)();
                }
            }
            if done.ended_early.is_none() {
                done.ended_early = (options.must_end)();
            }
            stop.store(done.ended_early.is_some(), Ordering::Relaxed);
            if sender.is_finished() {
                let since = *draining_since.get_or_insert_with(clock::now);
                let answered: usize = done.answers.iter().map(Vec::len).sum();
                let expected: usize = times.iter().map(|times| times.len()).sum();
                if answered >= expected
                    || is_drained(since, done.ended_early.is_some(), options.drain)
                {
                    break;
                }
            }
            thread::sleep(Duration::from_millis(if sender.is_finished() { 5 } else { 50 }));
        }
        done.sent = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?;
        anyhow::Ok(())
    })?;
    // Where the run ended early, further answers may have arrived meanwhile.
    for (i, load) in loads.iter().enumerate() {
        let before = done.answers[i].len();
        take(&load.target, &mut done.answers[i]);
        if measured {
            (options.keeps)(i, &done.answers[i][before..], start);
        }
    }
    Ok(done)
}

/// Returns whether the wait for answers since the last request was sent is over. The run may have to end
/// meanwhile.
pub(super) fn is_drained(since: Nanoseconds, ended_early: bool, drain: Nanoseconds) -> bool {
    let limit = if ended_early { LEAD } else { drain };
    clock::now() > since + limit
}

/// Detects workloads that wait for answers and get none.
pub(super) struct Stall {
    start: Nanoseconds,
    /// For each workload: the number of answers, and the time of the last answer or check.
    seen: Vec<(usize, Nanoseconds)>,
}

impl Stall {
    pub(super) fn new(workloads: usize, start: Nanoseconds) -> Self {
        Self { start, seen: vec![(0, start); workloads] }
    }

    /// Returns whether requests of a workload have been due for [`STALL`] since its last answer. Reports it
    /// at most once in that time.
    pub(super) fn found(
        &mut self,
        workload: usize,
        answered: usize,
        times: &[Nanoseconds],
    ) -> bool {
        let now = clock::now();
        let (seen, last) = &mut self.seen[workload];
        // Requests are in the order of their times, answers nearly so.
        let waits = times.get(answered).is_some_and(|&next| self.start + next + STALL < now);
        if answered > *seen {
            (*seen, *last) = (answered, now);
        }
        let found = waits && now.saturating_sub(*last) > STALL;
        if found {
            *last = now;
        }
        found
    }
}

/// Collects the answers that have arrived.
fn take(target: &WorkloadServers, answers: &mut Vec<(u8, Answer)>) {
    for server in target.servers() {
        let number = u8::try_from(server).unwrap_or(u8::MAX);
        answers.extend(target.answers(server).try_iter().map(|answer| (number, answer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::DRAIN_LIMIT;

    #[test]
    fn a_request_without_an_answer_is_kept() {
        let ms = |ms: u64| Nanoseconds::new(ms * 1_000_000);
        let times = [ms(1), ms(2), ms(3), ms(4)];
        let answers = unanswered(&[], &times, ms(100), |_| 0);
        assert_eq!(answers.len(), 4);
        let some = [answers[0].clone(), answers[2].clone()];
        let missing = unanswered(&some, &times[..3], ms(100), |index| u8::try_from(index).unwrap());
        assert_eq!(missing.len(), 1);
        let (server, answer) = &missing[0];
        assert_eq!((*server, answer.tag.index, answer.intended), (1, 1, ms(102)));
        assert_eq!(answer.result.as_ref().unwrap_err(), NO_ANSWER);
    }

    #[test]
    fn a_run_that_has_to_end_waits_no_longer_for_its_last_answers() {
        let long_ago = clock::now().saturating_sub(LEAD + LEAD);
        assert!(!is_drained(long_ago, false, DRAIN_LIMIT));
        assert!(is_drained(long_ago, true, DRAIN_LIMIT));
        assert!(!is_drained(clock::now(), true, DRAIN_LIMIT));
    }
}
