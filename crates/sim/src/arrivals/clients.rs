//! Clients that wait for their answers.

use super::turns::Turns;
use super::{ArrivalStatistics, ArrivalTally, ClosedLoopSpec, Purpose, Stream, Thinking, stream};
use igniter_model::domain::WorkloadName;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use rand_distr::{Distribution, Exp1};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The least time between the failure of a request and the next request of its client. Without it, a server that
/// refuses everything would get requests in the same instant forever.
const AFTER_FAILURE: Nanoseconds = Nanoseconds::new(1_000_000);

/// The least time between an answer and the next request of its client, so that the two are separate moments.
const LEAST: Nanoseconds = Nanoseconds::new(1);

/// The clients of one server. Each client sends a request, waits for its answer, thinks, and sends the next request.
///
/// The owner asks for the time of the next request, and reports when requests are sent, answered or failed. With
/// constant think times, client i of n begins at i/n of the think time; otherwise each begins after an exponential
/// think time.
#[derive(Debug)]
pub struct Clients {
    spec: ClosedLoopSpec,
    random: Option<Stream>,
    /// The times at which the thinking clients send their next requests.
    thinking: BinaryHeap<Reverse<Nanoseconds>>,
    end: Nanoseconds,
    tally: ArrivalTally,
}

impl Clients {
    /// Creates the clients of server `own` of a workload's servers, which have the given rates. The clients are divided
    /// among the servers in proportion to the rates, and stay with their server. With fewer than two rates, the server
    /// has all clients.
    ///
    /// Clients send nothing from `duration` on.
    #[must_use]
    pub fn new(
        spec: ClosedLoopSpec,
        workload: &WorkloadName,
        rates: &[RequestsPerSecond],
        own: usize,
        duration: Nanoseconds,
        seed: u64,
    ) -> Self {
        let mut random = stream(seed, workload, Purpose::Thinking);
        // Each server draws from a part of the stream that no other server reaches.
        (0..own).for_each(|_| random.jump());
        let random = (spec.thinking == Thinking::Exponential).then_some(random);
        let (thinking, tally) = (BinaryHeap::new(), ArrivalTally::default());
        let mut clients = Self { spec, random, thinking, end: duration, tally };
        let mut turns = (rates.len() > 1).then(|| Turns::new(rates));
        for client in 0..spec.clients {
            if turns.as_mut().is_none_or(|turns| turns.next() == Some(own)) {
                let start = clients.start(client);
                clients.think_until(start);
            }
        }
        clients
    }

    /// Returns when a client sends its first request.
    fn start(&mut self, client: u32) -> Nanoseconds {
        match self.spec.thinking {
            Thinking::Constant => {
                let share = f64::from(client) / f64::from(self.spec.clients);
                Nanoseconds::from_f64(self.spec.think.as_f64() * share)
            }
            Thinking::Exponential => self.think(),
        }
    }

    /// Draws the next think time.
    fn think(&mut self) -> Nanoseconds {
        match &mut self.random {
            None => self.spec.think,
            Some(random) => {
                let times: f64 = Exp1.sample(random);
                Nanoseconds::from_f64(self.spec.think.as_f64() * times)
            }
        }
    }

    /// Schedules a request and returns its time, if that is before the end of the run; otherwise the client stops.
    fn think_until(&mut self, time: Nanoseconds) -> Option<Nanoseconds> {
        (time < self.end).then(|| {
            self.thinking.push(Reverse(time));
            time
        })
    }

    /// Returns when the next request is sent, as far as that is known now.
    #[must_use]
    pub fn next(&self) -> Option<Nanoseconds> {
        self.thinking.peek().map(|Reverse(time)| *time)
    }

    /// Returns when each thinking client sends its next request, in no particular order.
    pub fn coming(&self) -> impl Iterator<Item = Nanoseconds> {
        self.thinking.iter().map(|Reverse(time)| *time)
    }

    /// Sends the next request and returns its time.
    pub fn send(&mut self) -> Option<Nanoseconds> {
        let Reverse(time) = self.thinking.pop()?;
        self.tally.add(time);
        Some(time)
    }

    /// Records that a client has its answer. Returns when the client sends its next request, if that is before the end
    /// of the run.
    pub fn answered(&mut self, at: Nanoseconds) -> Option<Nanoseconds> {
        let think = self.think().max(LEAST);
        self.think_until(at.saturating_add(think))
    }

    /// Records that the request of a client failed. Returns when the client sends its next request, if that is before
    /// the end of the run.
    pub fn failed(&mut self, at: Nanoseconds) -> Option<Nanoseconds> {
        let think = self.think().max(AFTER_FAILURE);
        self.think_until(at.saturating_add(think))
    }

    /// Returns the statistics of the requests sent so far.
    #[must_use]
    pub fn statistics(&self) -> ArrivalStatistics {
        self.tally.statistics(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(spec: ClosedLoopSpec, rates: &[f64], own: usize) -> Clients {
        let name = WorkloadName::new("W1").unwrap();
        let rates: Vec<_> = rates.iter().map(|r| RequestsPerSecond::new(*r).unwrap()).collect();
        Clients::new(spec, &name, &rates, own, Nanoseconds::new(10_000_000), 1)
    }

    fn spec(clients: u32, think: u64, thinking: Thinking) -> ClosedLoopSpec {
        ClosedLoopSpec { clients, think: Nanoseconds::new(think), thinking }
    }

    fn sent(clients: &mut Clients) -> Vec<u64> {
        std::iter::from_fn(|| clients.send()).map(Nanoseconds::get).collect()
    }

    #[test]
    fn constant_thinking_by_hand() {
        let mut four = clients(spec(4, 1_000, Thinking::Constant), &[], 0);
        assert_eq!(four.coming().count(), 4);
        assert_eq!(sent(&mut four), [0, 250, 500, 750]);
        assert_eq!(four.next(), None, "all of them wait");
        let at = Nanoseconds::new;
        assert_eq!(four.answered(at(900)), Some(at(1_900)));
        assert_eq!(four.answered(at(850)), Some(at(1_850)));
        assert_eq!(four.failed(at(900)), Some(at(1_000_900)), "not sooner than after 1 ms");
        assert_eq!(four.answered(at(9_999_000)), None, "the run ends");
        assert_eq!(four.next(), Some(at(1_850)));
        assert_eq!(sent(&mut four), [1_850, 1_900, 1_000_900]);
        let found = four.statistics();
        assert_eq!((found.requests, found.longest_gap_s), (7, Some(999_000e-9)));
        // Without a think time all begin at once, and are never back in the instant of the answer.
        let mut eager = clients(spec(2, 0, Thinking::Constant), &[], 0);
        assert_eq!(sent(&mut eager), [0, 0]);
        assert_eq!(eager.answered(at(7)), Some(at(8)));
    }

    #[test]
    fn exponential_thinking_has_its_mean() {
        let mut many = clients(spec(1, 1_000, Thinking::Exponential), &[], 0);
        let n = 100_000;
        let sum: u64 =
            (0..n).map(|_| many.answered(Nanoseconds::ZERO).map_or(0, Nanoseconds::get)).sum();
        // Four standard errors of the mean: 4 · 1000 / √n = 12.6.
        let mean = sum as f64 / f64::from(n);
        assert!((mean - 1_000.0).abs() < 13.0, "{mean}");
    }

    #[test]
    fn several_servers_have_all_clients_between_them() {
        let of = spec(10, 1_000, Thinking::Constant);
        // Turns at 1 : 3 are 1 0 1 1, and again: of ten, three are the first server's.
        let parts: Vec<_> =
            (0..3).map(|own| sent(&mut clients(of, &[75.0, 225.0, 0.0], own))).collect();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [3, 7, 0]);
        let mut all: Vec<u64> = parts.concat();
        all.sort_unstable();
        assert_eq!(all, sent(&mut clients(of, &[], 0)));
    }
}
