//! Waiting for answers.

use crate::client::Answer;
use crate::clock;
use igniter::units::Nanoseconds;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What came of a number of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// The answers, failures among them, in the order in which they came.
    pub answers: Vec<Answer>,
    /// Requests that were given up.
    pub missing: usize,
}

/// Waits for `count` answers, until `deadline` or until `stop` says so.
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
