//! Closed-loop load: for warm-up, and for measuring a server that is always busy.

use super::collect::Drained;
use super::{DRAIN_LIMIT, collect};
use crate::client::{Answer, InferClient, Tag};
use crate::clock;
use igniter::units::Nanoseconds;
use std::sync::mpsc::Receiver;

/// Sends one burst of requests for each entry of `sizes`, each once the previous burst is answered; returns
/// all answers.
pub fn bursts(
    client: &dyn InferClient,
    answers: &Receiver<Answer>,
    phase: char,
    sizes: &[u32],
    stop: &dyn Fn() -> bool,
) -> Drained {
    let mut all = Drained::default();
    let mut index = 0;
    for &size in sizes {
        for _ in 0..size {
            client.send(Tag { phase, index }, clock::now());
            index += 1;
        }
        let drained = collect(answers, size as usize, clock::now() + DRAIN_LIMIT, stop);
        all.missing += drained.missing;
        all.answers.extend(drained.answers);
        if all.missing > 0 || stop() {
            break;
        }
    }
    all
}

/// Keeps `concurrency` requests in flight for `duration`, or until `stop` returns true; returns all answers
/// in order of arrival. Once `give_up` returns true, it no longer waits for missing answers.
pub fn closed_loop(
    client: &dyn InferClient,
    answers: &Receiver<Answer>,
    phase: char,
    concurrency: u32,
    duration: Nanoseconds,
    stop: &dyn Fn() -> bool,
    give_up: &dyn Fn() -> bool,
) -> Drained {
    let end = clock::now() + duration;
    let mut index = 0;
    let mut send = || {
        client.send(Tag { phase, index }, clock::now());
        index += 1;
    };
    for _ in 0..concurrency {
        send();
    }
    let mut all = Drained::default();
    let mut waiting = concurrency as usize;
    while waiting > 0 {
        let over = clock::now() >= end || stop();
        let wanted = if over { waiting } else { 1 };
        let drained = collect(answers, wanted, clock::now() + DRAIN_LIMIT, give_up);
        waiting -= drained.answers.len();
        let failed = drained.answers.iter().any(|answer| answer.result.is_err());
        all.answers.extend(drained.answers);
        if drained.missing > 0 {
            all.missing += drained.missing;
            break;
        }
        // Without this a server that refuses everything would be queried in a tight loop.
        if !over && !failed {
            send();
            waiting += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// Answers nothing.
    #[derive(Debug)]
    struct Silent;

    impl InferClient for Silent {
        fn send(&self, _: Tag, _: Nanoseconds) {}

        fn exhausted(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_server_that_hangs_is_not_waited_for_once_somebody_gives_up() {
        let (_sender, answers) = channel();
        let begun = clock::now();
        let long = Nanoseconds::new(u64::MAX / 2);
        let drained = closed_loop(&Silent, &answers, 'p', 3, long, &|| false, &|| true);
        assert_eq!((drained.answers.len(), drained.missing > 0), (0, true));
        assert!(clock::now().saturating_sub(begun) < DRAIN_LIMIT, "it waited to the end");
    }
}
