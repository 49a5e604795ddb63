//! Starts servers while others serve.

use super::RunningServer;
use crate::load::bursts;
use crate::run::phases::failure_of_warm_up;
use anyhow::bail;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

/// The result of an order, with the server's number in the timeline: the ready server, or why it could not be
/// started.
pub(super) type Started = (usize, anyhow::Result<RunningServer>);

/// Starts and warms up ordered servers.
pub(super) fn starter(
    ordered: &Mutex<Receiver<usize>>,
    started: &Sender<Started>,
    start: &(dyn Fn(usize) -> anyhow::Result<RunningServer> + Sync),
    warm_ups: usize,
    stop: &AtomicBool,
) {
    loop {
        let order = ordered.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(number) = order else { return };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let server = start(number).and_then(|server| {
            let target = &server.target;
            let largest = target.endpoint(0).max_batch.get();
            let sizes: Vec<u32> = (1..=largest).flat_map(|b| vec![b; warm_ups]).collect();
            let stop = || stop.load(Ordering::Relaxed);
            let drained = bursts(target.client(0), &target.answers(0), 'w', &sizes, &stop);
            let failure = |answer| failure_of_warm_up(answer, server.may_refuse);
            let failed = drained.answers.iter().find_map(failure);
            if let Some(failed) = failed {
                bail!("{}: the warm-up failed: {failed}", target.workload());
            }
            if drained.missing > 0 {
                bail!("{}: the warm-up was not answered", target.workload());
            }
            Ok(server)
        });
        // No receiver is left: the run is over, and the server is dropped here.
        if started.send((number, server)).is_err() {
            return;
        }
    }
}
