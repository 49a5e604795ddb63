//! What the two arms have in common, and by how much they differ.

use super::client::Sent;
use super::simulated::Simulated;
use super::trace::TracedBatch;
use igniter::sim::ServerSpec;
use igniter::stats::{mean, percentile, standard_deviation};
use igniter::units::Milliseconds;
use std::collections::BTreeSet;

/// What the host of a real server adds to the execution times of its model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostOverhead {
    /// Each batch keeps its instance this much longer…
    pub(crate) per_batch_ms: f64,
    /// … and this for each of its requests.
    pub(crate) per_row_ms: f64,
    /// Each request spends this outside of the instance: on its way in and out.
    pub(crate) per_request_ms: f64,
    /// How much the time on the instance varies from batch to batch: the coefficient of variation of a log-normal
    /// factor.
    pub(crate) batch_cv: f64,
    /// The same for the time outside of it.
    pub(crate) request_cv: f64,
}

impl HostOverhead {
    /// The same as the engine's options.
    pub(crate) fn server(self) -> ServerSpec {
        let ms = |ms: f64| Milliseconds::new(ms.max(0.0)).unwrap();
        ServerSpec {
            batch_overhead: ms(self.per_batch_ms),
            row_overhead: ms(self.per_row_ms),
            request_overhead: ms(self.per_request_ms),
            batch_overhead_cv: self.batch_cv,
            request_overhead_cv: self.request_cv,
            ..ServerSpec::default()
        }
    }

    /// Reads it off the pieces of a case with long queues on one instance.
    pub(crate) fn calibrate(pieces: &[&Piece], table_ms: &[f64]) -> Self {
        // On the instance: the time between the starts of two batches of which the second waited for
        // the first, less the table; a least-squares line over the batch size.
        let pairs = pieces.iter().flat_map(|piece| piece.traced.windows(2));
        let busy = pairs.filter(|pair| pair[1].queued_ns[0] < pair[0].end_ns);
        let excess = |pair: &[TracedBatch]| {
            let rows = pair[0].requests.len();
            let between = pair[1].start_ns - pair[0].start_ns;
            (rows as f64, between as f64 / 1e6 - table_ms[rows - 1])
        };
        let points = without_hiccups(busy.map(excess).collect(), |point| point.1);
        let (rows, ms): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        let (mean_rows, mean_ms) = (mean(&rows).unwrap(), mean(&ms).unwrap());
        let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
            a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
        };
        let spread = product(&rows, mean_rows, &rows, mean_rows);
        let per_row_ms = product(&rows, mean_rows, &ms, mean_ms) / spread;
        let per_batch_ms = mean_ms - per_row_ms * mean_rows;
        let line = rows.iter().map(|rows| per_batch_ms + per_row_ms * rows);
        let parts: Vec<f64> = ms.iter().zip(line).map(|(ms, line)| ms / line).collect();
        // Outside of it: what the client saw of a request and the server's scheduler did not.
        let outside = pieces.iter().flat_map(|piece| piece.outside_ms());
        let outside = without_hiccups(outside.collect(), |ms| *ms);
        Self {
            per_batch_ms,
            per_row_ms,
            batch_cv: cv(&parts),
            request_cv: cv(&outside),
            per_request_ms: mean(&outside).unwrap(),
        }
    }
}

/// A few seconds of a case on the real server.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) sent: Vec<Sent>,
    pub(crate) traced: Vec<TracedBatch>,
}

impl Piece {
    /// The share of its batches and requests in which the machine, not the server, was late: the model took
    /// longer than its table says, or the client sent after the time.
    pub(crate) fn disturbed(&self, table_ms: &[f64]) -> f64 {
        let slow = |batch: &&TracedBatch| {
            let taken_ms = (batch.end_ns - batch.start_ns) as f64 / 1e6;
            taken_ms > table_ms[batch.requests.len() - 1] + LATE_MODEL_MS
        };
        let late = |sent: &&Sent| (sent.sent - sent.intended).as_ms() > LATE_CLIENT_MS;
        let share = |late: usize, all: usize| late as f64 / all as f64;
        share(self.traced.iter().filter(slow).count(), self.traced.len())
            + share(self.sent.iter().filter(late).count(), self.sent.len())
    }

    /// What the client saw of each request and the server's scheduler did not, from the intended time on.
    fn outside_ms(&self) -> impl Iterator<Item = f64> {
        self.traced.iter().flat_map(|batch| {
            batch.requests.iter().zip(&batch.queued_ns).map(|(&request, queued)| {
                let seen = self.sent[request].done - self.sent[request].intended;
                seen.as_ms() - (batch.end_ns - queued) as f64 / 1e6
            })
        })
    }

    fn latencies_ms(&self) -> impl Iterator<Item = f64> {
        self.sent.iter().map(|request| (request.done - request.intended).as_ms())
    }
}

/// Later than this, a batch was held up by the machine.
const LATE_MODEL_MS: f64 = 1.5;
/// Later than this, a request was not sent in time.
const LATE_CLIENT_MS: f64 = 0.8;

/// Leaves out the greatest hundredth: a hiccup of the machine says nothing of the server.
fn without_hiccups<T>(mut data: Vec<T>, value: impl Fn(&T) -> f64) -> Vec<T> {
    data.sort_by(|a, b| value(a).total_cmp(&value(b)));
    data.truncate(data.len() - data.len() / 100);
    data
}

/// The standard deviation over the mean.
fn cv(values: &[f64]) -> f64 {
    standard_deviation(values).unwrap() / mean(values).unwrap()
}

/// The statistics of one arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) mean_batch: f64,
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Summary {
    fn new(latencies_ms: &[f64], batches: usize) -> Self {
        let mut sorted = latencies_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |q| percentile(&sorted, q).unwrap();
        Self {
            mean_batch: sorted.len() as f64 / batches as f64,
            mean_ms: mean(&sorted).unwrap(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}

/// A case as the real server and as the engine had it.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) requests: usize,
    pub(crate) real: Summary,
    pub(crate) simulated: Summary,
    /// Share of the requests whose batch holds exactly the same requests in both arms.
    pub(crate) same_batch: f64,
    /// The same with requests and free instances at the moments that the server recorded.
    pub(crate) same_replayed: f64,
    /// Half the sum of the absolute differences between the shares of requests in batches of each
    /// size: 0 where the distributions agree, 1 where no size is in both.
    pub(crate) size_distance: f64,
    /// By how much the client was late, at the 99th percentile.
    pub(crate) lag_p99_ms: f64,
}

impl Comparison {
    /// Compares pieces of a case with what the engine, in some draws of the host's times, and its batcher alone make
    /// of each.
    pub(crate) fn new(
        pieces: &[&Piece],
        simulated: &[Vec<Simulated>],
        replayed: &[Vec<Vec<usize>>],
    ) -> Self {
        let requests = pieces.iter().map(|piece| piece.sent.len()).sum();
        let real_ms: Vec<f64> = pieces.iter().flat_map(|piece| piece.latencies_ms()).collect();
        let draws = simulated.first().map_or(1, Vec::len);
        let simulated_ms: Vec<f64> =
            simulated.iter().flatten().flat_map(|draw| draw.latencies_ms.clone()).collect();
        let sent = pieces.iter().flat_map(|piece| &piece.sent);
        let mut lag: Vec<_> = sent.map(|request| request.sent - request.intended).collect();
        lag.sort_unstable();
        let same = |batches: Vec<&[Vec<usize>]>| {
            let same = pieces.iter().zip(batches).map(|(piece, batches)| {
                let real: BTreeSet<&[usize]> =
                    piece.traced.iter().map(|batch| batch.requests.as_slice()).collect();
                let same = batches.iter().filter(|batch| real.contains(batch.as_slice()));
                same.map(Vec::len).sum::<usize>()
            });
            same.sum::<usize>() as f64 / requests as f64
        };
        let of_draw = |draw: usize| -> Vec<&[Vec<usize>]> {
            simulated.iter().map(|piece| piece[draw].batches.as_slice()).collect()
        };
        let real_sizes: Vec<usize> = (pieces.iter().flat_map(|piece| &piece.traced))
            .map(|batch| batch.requests.len())
            .collect();
        let simulated_sizes: Vec<usize> =
            simulated.iter().flatten().flat_map(|draw| &draw.batches).map(Vec::len).collect();
        let real_shares = shares(&real_sizes, requests);
        let simulated_shares = shares(&simulated_sizes, requests * draws);
        let differences = real_shares.iter().zip(&simulated_shares).map(|(a, b)| (a - b).abs());
        Self {
            requests,
            real: Summary::new(&real_ms, real_sizes.len()),
            simulated: Summary::new(&simulated_ms, simulated_sizes.len()),
            same_batch: (0..draws).map(|draw| same(of_draw(draw))).sum::<f64>() / draws as f64,
            same_replayed: same(replayed.iter().map(Vec::as_slice).collect()),
            size_distance: differences.sum::<f64>() / 2.0,
            lag_p99_ms: percentile(&lag, 0.99).unwrap().as_ms(),
        }
    }

    /// By how many percent the engine's number is above the real one.
    pub(crate) fn gap_pct(&self, of: impl Fn(&Summary) -> f64) -> f64 {
        (of(&self.simulated) / of(&self.real) - 1.0) * 100.0
    }

    pub(crate) const HEADER: &str = "\
| case | requests | same batch, server's times | same batch | size distance | mean batch real / sim | mean ms real / sim | gap | p50 ms real / sim | gap | p99 ms real / sim | gap | client lag p99 ms |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

    /// The comparison as a row below [`Comparison::HEADER`].
    pub(crate) fn row(&self, name: &str) -> String {
        let (real, simulated) = (&self.real, &self.simulated);
        let times = |of: fn(&Summary) -> f64| {
            let (real, simulated, gap) = (of(real), of(simulated), self.gap_pct(of));
            format!("{real:.2} / {simulated:.2} | {gap:+.1} %")
        };
        format!(
            "| {name} | {} | {:.0} % | {:.0} % | {:.3} | {:.3} / {:.3} | {} | {} | {} | {:.2} |",
            self.requests,
            self.same_replayed * 100.0,
            self.same_batch * 100.0,
            self.size_distance,
            real.mean_batch,
            simulated.mean_batch,
            times(|s| s.mean_ms),
            times(|s| s.p50_ms),
            times(|s| s.p99_ms),
            self.lag_p99_ms,
        )
    }
}

/// The share of the requests in batches of each size, from 0.
fn shares(sizes: &[usize], requests: usize) -> Vec<f64> {
    let mut shares = vec![0.0; super::TABLE_MS.len() + 1];
    for &size in sizes {
        shares[size] += size as f64 / requests as f64;
    }
    shares
}
