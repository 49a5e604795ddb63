//! Waits for the answers to requests.

use crate::client::Answer;
use crate::clock;
use igniter::units::Nanoseconds;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// The outcome of waiting for a number of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// The answers, including failures, in order of arrival.
    pub answers: Vec<Answer>,
    /// Number of requests that were given up.
    pub missing: usize,
}

/// Waits for `count` answers, until `deadline` or until `stop` returns true.
pub fn collect(
    answers: &Receiver<Answer>,
    count: usize,
    deadline: Nanoseconds,
    stop: &dyn Fn() -> bool,
) -> Drained {
    let mut drained = Drained::default();
    while drained.answers.len() < count {
        match answers.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => drained.answers.push(answer),
            Err(RecvTimeoutError::Timeout) if clock::now() < deadline && !stop() => {}
            Err(_) => break,
        }
    }
    drained.missing = count - drained.answers.len();
    drained
}
