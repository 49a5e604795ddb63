//! The turns of servers that share one arrival stream.

use igniter_model::units::RequestsPerSecond;

/// The server that takes each request, as an endless sequence.
///
/// Smooth weighted round robin, as in load balancers (nginx, "Upstream: smooth weighted round-robin balancing"): each
/// server gains its weight with every request; the server with the most credit takes the request and pays the sum of
/// all weights. After any n requests, a server with weight w of W has had n w / W of them, give or take less than one
/// for each server, and they are spread evenly.
#[derive(Debug, Clone)]
pub struct Turns {
    weights: Vec<i64>,
    credit: Vec<i64>,
    total: i64,
    /// If all weights are equal, the next server: servers take turns one after another.
    next_of_equals: Option<usize>,
}

impl Turns {
    /// Creates the turns of servers with these rates, of which there must be at least one. Weights are whole millionths
    /// of a request/s, so that no rounding errors build up. If all rates are 0, the first server takes everything.
    #[must_use]
    pub fn new(rates: &[RequestsPerSecond]) -> Self {
        const MILLIONTHS: f64 = 1e6;
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        let weight = |rate: &RequestsPerSecond| {
            // The sum of the largest possible weights of 2^16 servers stays in range.
            ((rate.get() * MILLIONTHS).round() as i64).min(1 << 46)
        };
        let weights: Vec<i64> = rates.iter().map(weight).collect();
        let total = weights.iter().sum();
        let are_equal = total > 0 && weights.iter().all(|weight| *weight == weights[0]);
        let next_of_equals = are_equal.then_some(0);
        Self { credit: vec![0; weights.len()], weights, total, next_of_equals }
    }
}

impl Iterator for Turns {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if let Some(next) = &mut self.next_of_equals {
            let chosen = *next;
            *next = if chosen + 1 < self.weights.len() { chosen + 1 } else { 0 };
            return Some(chosen);
        }
        let mut chosen = 0;
        for (server, weight) in self.weights.iter().enumerate() {
            self.credit[server] += weight;
            if self.credit[server] > self.credit[chosen] {
                chosen = server;
            }
        }
        self.credit[chosen] -= self.total;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rates: &[f64]) -> Vec<RequestsPerSecond> {
        rates.iter().map(|rate| RequestsPerSecond::new(*rate).unwrap()).collect()
    }

    fn turns(of: &[f64], count: usize) -> Vec<usize> {
        Turns::new(&rates(of)).take(count).collect()
    }

    #[test]
    fn turns_by_hand() {
        // Weights 5, 1, 1, the example of nginx: a a b a c a a, and again.
        assert_eq!(turns(&[5.0, 1.0, 1.0], 9), [0, 0, 1, 0, 2, 0, 0, 0, 0]);
        assert_eq!(turns(&[75.0, 225.0], 8), [1, 0, 1, 1, 1, 0, 1, 1]);
        assert_eq!(turns(&[0.0, 0.0], 3), [0, 0, 0]);
    }

    #[test]
    fn equal_servers_take_turns_by_the_same_rule() {
        for servers in [1, 2, 3, 7] {
            let quick = Turns::new(&rates(&vec![12.5; servers]));
            let by_credit = Turns { next_of_equals: None, ..quick.clone() };
            assert!(quick.next_of_equals.is_some());
            assert!(quick.take(100).eq(by_credit.take(100)));
        }
    }

    #[test]
    fn everybody_gets_its_part_at_any_time() {
        let of = [10.0, 33.3, 0.7];
        let mut had = [0.0; 3];
        for (n, server) in turns(&of, 10_000).into_iter().enumerate() {
            had[server] += 1.0;
            for (had, weight) in had.iter().zip(of) {
                let due = (n + 1) as f64 * weight / 44.0;
                assert!((had - due).abs() < 3.0, "after {}: {had} of {due}", n + 1);
            }
        }
    }
}
