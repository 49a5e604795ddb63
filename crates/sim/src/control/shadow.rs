//! iGniter's shadow processes.
//!
//! Each server has a standby of the same workload with a larger share, which needs no SMs while it waits. When the P99
//! latency of a window exceeds the SLO, the standby takes over and the server ends; there is one standby for each
//! workload. The iGniter paper gives the standby 10 % more of the GPU, or the part that is free: shares of the GPU
//! never add up to more than 100 %.

use super::{
    CompletedBatch, ControlChange, ControlWindow, Controller, ServerView, ShadowSpec, unit_pct,
    whole_units,
};
use igniter_model::domain::ActionKind;
use igniter_model::units::Nanoseconds;

/// The standbys of one GPU.
#[derive(Debug)]
pub(super) struct Shadow {
    spec: ShadowSpec,
    units: u32,
    windows: Vec<ControlWindow>,
    /// Whether each standby is still unused.
    waiting: Vec<bool>,
}

impl Shadow {
    pub(super) fn new(spec: ShadowSpec, servers: usize, units: u32) -> Self {
        Self {
            spec,
            units,
            windows: vec![ControlWindow::default(); servers],
            waiting: vec![true; servers],
        }
    }
}

impl Controller for Shadow {
    fn period(&self) -> Nanoseconds {
        self.spec.period
    }

    fn completed(&mut self, server: usize, batch: CompletedBatch<'_>) {
        self.windows[server].add(batch);
    }

    fn tick(&mut self, servers: &[ServerView]) -> Vec<ControlChange> {
        let mut changes = Vec::new();
        // A standby that is about to take over already has its share.
        let used: f64 = servers.iter().map(|server| server.coming_pct).sum();
        let mut free = (100.0 - used).max(0.0);
        for (i, server) in servers.iter().enumerate() {
            let p99 = self.windows[i].p99();
            self.windows[i].clear();
            let Some(p99_ms) = p99.map(Nanoseconds::as_ms).filter(|p99| *p99 > server.slo.get())
            else {
                continue;
            };
            if !self.waiting[i] || !server.settled {
                continue;
            }
            let units = whole_units(server.share_pct + self.spec.extra_pct.min(free), self.units);
            let share = f64::from(units) * unit_pct(self.units);
            let extra = share - server.share_pct;
            // A standby without a larger share would not help; it waits until there is room.
            if extra < 1e-6 {
                continue;
            }
            free -= extra;
            self.waiting[i] = false;
            changes.push(ControlChange {
                server: i,
                share_pct: Some(share),
                batch: None,
                delay: self.spec.switch,
                pauses: false,
                kind: ActionKind::Standby,
                reason: format!("P99 {p99_ms:.3} ms > SLO {} ms", server.slo),
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter_model::units::{Milliseconds, RequestsPerSecond};

    fn view(share_pct: f64) -> ServerView {
        ServerView {
            slo: Milliseconds::new(10.0).unwrap(),
            rate: RequestsPerSecond::new(100.0).unwrap(),
            share_pct,
            coming_pct: share_pct,
            batch: 4,
            most: 32,
            instances: 1,
            settled: true,
        }
    }

    fn shares(changes: &[ControlChange]) -> Vec<(usize, f64)> {
        changes.iter().map(|change| (change.server, change.share_pct.unwrap())).collect()
    }

    #[test]
    fn a_standby_takes_over_once_with_ten_percent_more_or_what_is_free() {
        // 40 units of 2.5 %. Shares 50 + 35 + 0: 15 % are free. The first gets 10 more; the second the 5
        // that are left.
        let mut shadow = Shadow::new(ShadowSpec::default(), 2, 40);
        let late = |shadow: &mut Shadow, server, ms: u64| {
            let latencies = [Nanoseconds::new(ms * 1_000_000)];
            let time = Nanoseconds::new(1);
            let batch = CompletedBatch { latencies: &latencies, service: time, occupied: time };
            shadow.completed(server, batch);
        };
        let servers = [view(50.0), view(35.0)];
        late(&mut shadow, 0, 10);
        assert!(shadow.tick(&servers).is_empty(), "as late as the SLO is in time");
        late(&mut shadow, 0, 11);
        late(&mut shadow, 1, 11);
        let changes = shadow.tick(&servers);
        assert_eq!(shares(&changes), [(0, 60.0), (1, 40.0)]);
        assert_eq!(changes[0].reason, "P99 11.000 ms > SLO 10 ms");
        late(&mut shadow, 0, 11);
        assert!(shadow.tick(&servers).is_empty(), "there is one standby");
    }

    #[test]
    fn a_standby_waits_while_there_is_no_room_and_while_its_server_is_down() {
        let mut shadow = Shadow::new(ShadowSpec::default(), 2, 40);
        let late = [Nanoseconds::new(11_000_000)];
        let time = Nanoseconds::new(1);
        let batch = CompletedBatch { latencies: &late, service: time, occupied: time };
        for (servers, expected) in [
            ([view(50.0), view(50.0)], vec![]),
            ([view(50.0), view(48.0)], vec![]),
            ([ServerView { settled: false, ..view(50.0) }, view(20.0)], vec![]),
            // The other one's standby is on its way, and takes all that is left.
            ([view(50.0), ServerView { settled: false, coming_pct: 50.0, ..view(40.0) }], vec![]),
            ([view(50.0), view(47.5)], vec![(0, 52.5)]),
        ] {
            shadow.completed(0, batch);
            assert_eq!(shares(&shadow.tick(&servers)), expected);
        }
    }
}
