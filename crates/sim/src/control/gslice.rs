//! GSLICE's reactive tuning during a run.
//!
//! Dhakal et al., "GSLICE: controlled spatial sharing of GPUs for a scalable inference platform" (SoCC 2020), with the
//! steps of the iGniter artifact (`gslice.py`). The artifact tunes in trial runs; this controller tunes at ticks. It
//! tunes the batch size at each tick until it stays the same (*SLAB*, at most 5 ticks), then the share at one tick
//! (*UTIL*), and so on.
//!
//! Both steps are in [`rules::gslice`](igniter_model::rules::gslice), which the strategy shares. The budget is half of
//! the SLO, the latency is the mean time of a batch from load to feedback, and the throughput is that of such batches
//! one after another; all but the rate are measured in the window. Each workload is tuned on its own, regardless of
//! interference and of the sum of the shares; an option sets the treatment of more than 100 %.

use super::{
    CompletedBatch, ControlChange, ControlWindow, Controller, GsliceSpec, Oversubscription,
    ServerView, unit_pct, whole_units,
};
use igniter_model::domain::ActionKind;
use igniter_model::rules::execution_budget;
use igniter_model::rules::gslice::{
    GsliceObservation, START_PCT, TURNS, give_way, tuned_batch, tuned_share,
};
use igniter_model::units::{BatchSize, Nanoseconds};

/// The tuner of one GPU.
#[derive(Debug)]
pub(super) struct GsliceTuner {
    spec: GsliceSpec,
    units: u32,
    windows: Vec<ControlWindow>,
    /// The share that each workload requests, in percent, before any scaling.
    wanted: Vec<f64>,
    /// Number of ticks for which batch sizes have been tuned since the shares were tuned.
    turns: u32,
}

impl GsliceTuner {
    pub(super) fn new(spec: GsliceSpec, servers: usize, units: u32) -> Self {
        let windows = vec![ControlWindow::default(); servers];
        Self { spec, units, windows, wanted: Vec::new(), turns: 0 }
    }

    /// Returns the changes that give every server its requested share, as far as possible.
    fn share_changes(&self, servers: &[ServerView], reasons: &[String]) -> Vec<ControlChange> {
        let sum: f64 = self.wanted.iter().sum();
        let scale = match self.spec.oversubscription {
            Oversubscription::Scale => (100.0 / sum).min(1.0),
            Oversubscription::Overlap => 1.0,
        };
        let units = |wanted: &f64| whole_units(wanted * scale, self.units);
        let mut shares: Vec<u32> = self.wanted.iter().map(units).collect();
        if self.spec.oversubscription == Oversubscription::Scale {
            give_way(&mut shares, self.units);
        }
        let shares = shares.into_iter().map(|share| f64::from(share) * unit_pct(self.units));
        let all = servers.iter().zip(shares).zip(reasons).enumerate();
        // Pending changes need not be requested again.
        all.filter(|(_, ((server, share), _))| (server.coming_pct - share).abs() > 1e-6)
            .map(|(i, ((_, share), reason))| {
                let reason = if scale < 1.0 {
                    format!("{reason}; scaled down as {sum:.1} % are asked for")
                } else {
                    reason.clone()
                };
                ControlChange {
                    server: i,
                    share_pct: Some(share),
                    batch: None,
                    delay: self.spec.reconfigure,
                    pauses: true,
                    kind: ActionKind::Share,
                    reason,
                }
            })
            .collect()
    }

    fn tune_batches(
        servers: &[ServerView],
        measured: &[Option<GsliceObservation>],
    ) -> Vec<ControlChange> {
        let tuned = servers.iter().zip(measured).enumerate().filter_map(|(i, (server, seen))| {
            let seen = (*seen)?;
            let (now, most) = (size(server.batch), size(server.most));
            let batch = tuned_batch(now, most, seen).get();
            (batch != server.batch).then(|| ControlChange {
                server: i,
                share_pct: None,
                batch: Some(batch),
                // GSLICE forms batches itself, so another batch size costs nothing.
                delay: Nanoseconds::ZERO,
                pauses: false,
                kind: ActionKind::Batch,
                reason: format!("{:.3} ms of {} ms", seen.latency_ms, seen.budget_ms),
            })
        });
        tuned.collect()
    }

    fn tune_shares(
        &mut self,
        servers: &[ServerView],
        measured: &[Option<GsliceObservation>],
    ) -> Vec<ControlChange> {
        let mut reasons = vec!["others need more".to_owned(); servers.len()];
        for (i, (server, seen)) in servers.iter().zip(measured).enumerate() {
            let Some(seen) = *seen else { continue };
            self.wanted[i] = tuned_share(self.wanted[i], seen);
            reasons[i] = format!(
                "{:.3} ms of {} ms, {:.0} of {} requests/s",
                seen.latency_ms, seen.budget_ms, seen.throughput_rps, server.rate
            );
        }
        self.share_changes(servers, &reasons)
    }
}

impl Controller for GsliceTuner {
    fn period(&self) -> Nanoseconds {
        self.spec.period
    }

    fn start(&mut self, servers: &[ServerView]) -> Vec<ControlChange> {
        if !self.spec.fresh_start {
            self.wanted = servers.iter().map(|server| server.share_pct).collect();
            return Vec::new();
        }
        self.wanted = vec![START_PCT; servers.len()];
        let mut changes =
            self.share_changes(servers, &vec!["fresh start".to_owned(); servers.len()]);
        changes.extend(servers.iter().enumerate().filter(|(_, server)| server.batch != 1).map(
            |(server, _)| ControlChange {
                server,
                share_pct: None,
                batch: Some(1),
                delay: Nanoseconds::ZERO,
                pauses: false,
                kind: ActionKind::Batch,
                reason: "fresh start".to_owned(),
            },
        ));
        changes.iter_mut().for_each(|change| change.delay = Nanoseconds::ZERO);
        changes
    }

    fn completed(&mut self, server: usize, batch: CompletedBatch<'_>) {
        self.windows[server].add(batch);
    }

    fn tick(&mut self, servers: &[ServerView]) -> Vec<ControlChange> {
        let measured: Vec<Option<GsliceObservation>> = self
            .windows
            .iter()
            .zip(servers)
            .map(|(window, server)| {
                Some(GsliceObservation {
                    budget_ms: execution_budget(server.slo).get(),
                    latency_ms: window.service_ms().filter(|_| server.settled)?,
                    rate_rps: server.rate.get(),
                    throughput_rps: window.capacity_rps()? * f64::from(server.instances),
                })
            })
            .collect();
        self.windows.iter_mut().for_each(ControlWindow::clear);
        if self.turns < TURNS {
            self.turns += 1;
            let changes = Self::tune_batches(servers, &measured);
            if !changes.is_empty() {
                return changes;
            }
        }
        self.turns = 0;
        self.tune_shares(servers, &measured)
    }
}

fn size(batch: u32) -> BatchSize {
    BatchSize::new(batch).expect("a server has a batch size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter_model::units::{Milliseconds, RequestsPerSecond};

    fn view(share_pct: f64, batch: u32) -> ServerView {
        ServerView {
            slo: Milliseconds::new(20.0).unwrap(),
            rate: RequestsPerSecond::new(100.0).unwrap(),
            share_pct,
            coming_pct: share_pct,
            batch,
            most: 32,
            instances: 1,
            settled: true,
        }
    }

    /// A batch of `rows` that took `ms` to serve, all of it on the instance.
    fn served(gslice: &mut GsliceTuner, server: usize, rows: usize, ms: u64) {
        let time = Nanoseconds::new(ms * 1_000_000);
        let latencies = vec![time; rows];
        gslice.completed(
            server,
            CompletedBatch { latencies: &latencies, service: time, occupied: time },
        );
    }

    #[test]
    fn batches_first_then_shares() {
        // Budget 10 ms. Batch 4 takes 5 ms: ⌈4 + 4 · 5/5⌉ = 8. Batch 8 takes 9.5 ms (slack 5 %): kept, so
        // the share is tuned: latency slack 0.5/9.5 = 5.3 %, capacity 8/9.5 ms = 842/s, slack 88 % → the
        // factor is 742/842 = 0.881: 50 · 0.119 = 5.94 %, 2 units of 2.5 %.
        let mut gslice = GsliceTuner::new(GsliceSpec::default(), 1, 40);
        assert!(gslice.start(&[view(50.0, 4)]).is_empty());
        served(&mut gslice, 0, 4, 5);
        let changes = gslice.tick(&[view(50.0, 4)]);
        assert_eq!((changes.len(), changes[0].batch, changes[0].share_pct), (1, Some(8), None));
        let time = Nanoseconds::new(9_500_000);
        let latencies = [time; 8];
        let batch = CompletedBatch { latencies: &latencies, service: time, occupied: time };
        gslice.completed(0, batch);
        let changes = gslice.tick(&[view(50.0, 8)]);
        assert_eq!((changes.len(), changes[0].batch), (1, None));
        assert!((changes[0].share_pct.unwrap() - 5.0).abs() < 1e-9, "{changes:?}");
        assert_eq!((changes[0].pauses, changes[0].delay), (true, Nanoseconds::new(100_000)));
    }

    #[test]
    fn shares_above_a_whole_gpu_are_scaled_or_overlap() {
        // Both take 20 ms of 10 at batch 1, so the batch stays at 1 and shares are tuned: latency slack
        // −0.5, capacity 50/s of 100: −1. The factor is 1: 60 → 100 % (the most), 40 → 80 %. 180 % are asked for: 100 /
        // 1.8 = 55.6 → 22 units = 55 %, and 44.4 → 17 units = 42.5 %.
        for (oversubscription, expected) in
            [(Oversubscription::Scale, [55.0, 42.5]), (Oversubscription::Overlap, [100.0, 80.0])]
        {
            let spec = GsliceSpec { oversubscription, ..GsliceSpec::default() };
            let mut gslice = GsliceTuner::new(spec, 2, 40);
            let servers = [view(60.0, 1), view(40.0, 1)];
            gslice.start(&servers);
            served(&mut gslice, 0, 1, 20);
            served(&mut gslice, 1, 1, 20);
            let shares: Vec<f64> =
                gslice.tick(&servers).iter().map(|change| change.share_pct.unwrap()).collect();
            let close = shares.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(close && shares.len() == 2, "{shares:?}");
        }
    }

    #[test]
    fn tiny_shares_do_not_exceed_the_gpu() {
        // 102 % are asked for: 98.04 % are 39 units of 2.5 %, and 0.98 % are rounded up to one each: 41.
        let mut gslice = GsliceTuner::new(GsliceSpec::default(), 3, 40);
        gslice.wanted = vec![100.0, 1.0, 1.0];
        let reasons = vec![String::new(); 3];
        let shares = |gslice: &GsliceTuner| -> Vec<f64> {
            let changes = gslice.share_changes(&[view(30.0, 1); 3], &reasons);
            changes.iter().map(|change| change.share_pct.unwrap()).collect()
        };
        assert_eq!(shares(&gslice), [95.0, 2.5, 2.5]);
        gslice.spec.oversubscription = Oversubscription::Overlap;
        assert_eq!(shares(&gslice), [100.0, 2.5, 2.5]);
    }

    #[test]
    fn a_change_under_way_is_not_asked_for_again() {
        let mut gslice = GsliceTuner::new(GsliceSpec::default(), 1, 40);
        gslice.wanted = vec![50.0];
        let reasons = [String::new()];
        assert_eq!(gslice.share_changes(&[view(30.0, 1)], &reasons).len(), 1);
        let under_way = ServerView { coming_pct: 50.0, settled: false, ..view(30.0, 1) };
        assert!(gslice.share_changes(&[under_way], &reasons).is_empty());
    }

    #[test]
    fn a_fresh_start_and_a_server_that_nobody_has_seen() {
        let spec = GsliceSpec { fresh_start: true, ..GsliceSpec::default() };
        let mut gslice = GsliceTuner::new(spec, 1, 40);
        let changes = gslice.start(&[view(50.0, 4)]);
        assert_eq!((changes[0].share_pct, changes[1].batch), (Some(30.0), Some(1)));
        assert!(gslice.tick(&[view(30.0, 1)]).is_empty(), "nothing was measured");
    }
}
