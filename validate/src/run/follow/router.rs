//! Sends the requests of a workload to the servers that currently take them.

use crate::client::{InferClient, Tag};
use crate::clock;
use crate::run::WorkloadServers;
use igniter::arrivals::Turns;
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The route to a workload's servers. Requests wait here while no server takes them.
#[derive(Debug, Default)]
pub(super) struct Router(Mutex<RouterState>);

#[derive(Debug, Default)]
struct RouterState {
    /// The current servers, each with its number among the workload's servers.
    crew: Vec<(u8, Arc<WorkloadServers>)>,
    turns: Option<Turns>,
    waiting: Vec<(Tag, Nanoseconds)>,
    /// The server of each request of the measured run, by request number.
    sent: Vec<u8>,
}

impl RouterState {
    fn send(&mut self, tag: Tag, intended: Nanoseconds) {
        let turn = self.turns.as_mut().and_then(Iterator::next).unwrap_or(0);
        let Some((number, target)) = self.crew.get(turn) else {
            self.waiting.push((tag, intended));
            return;
        };
        if tag.phase == 'm' {
            self.sent.push(*number);
        }
        target.send(tag, intended);
    }
}

impl Router {
    fn state(&self) -> MutexGuard<'_, RouterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Directs all further and all waiting requests to these servers; returns the time of the switch.
    pub(super) fn switch(
        &self,
        crew: Vec<(u8, Arc<WorkloadServers>, RequestsPerSecond)>,
    ) -> Nanoseconds {
        let mut state = self.state();
        let rates: Vec<RequestsPerSecond> = crew.iter().map(|(_, _, rate)| *rate).collect();
        state.turns = (!rates.is_empty()).then(|| Turns::new(&rates));
        state.crew = crew.into_iter().map(|(number, target, _)| (number, target)).collect();
        let at = clock::now();
        for (tag, intended) in std::mem::take(&mut state.waiting) {
            state.send(tag, intended);
        }
        at
    }

    /// Returns the number of requests of the measured run that were sent to a server.
    pub(super) fn sent_to(&self, server: u8) -> usize {
        self.state().sent.iter().filter(|number| **number == server).count()
    }

    /// Returns the server that got a request of the measured run; 0 where the request still waits.
    pub(super) fn server_of(&self, request: u32) -> u8 {
        self.state().sent.get(request as usize).copied().unwrap_or(0)
    }
}

impl InferClient for Router {
    fn send(&self, tag: Tag, intended: Nanoseconds) {
        self.state().send(tag, intended);
    }

    fn exhausted(&self) -> u64 {
        self.state().crew.iter().map(|(_, target)| target.exhausted()).sum()
    }
}
