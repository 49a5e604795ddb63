//! Autoscalers in common use: Knative's KPA with the stabilisation of the Kubernetes HPA.
//!
//! Each workload has servers of one size, as many as its rate requires. SLOs and neighbours are ignored.
//!
//! *Decision*, at the end of each panic window (knative/serving, `pkg/autoscaler/scaling/autoscaler.go` and
//! `config/config.go`, where decisions are made every 2 s):
//!
//! ```text
//! stable = ⌈rate over the stable window (60 s) / target⌉      panic = ⌈rate over the panic window (6 s) / target⌉
//! ```
//!
//! Panic begins when `panic` is at least twice the number of ready servers, and ends when that has not been the case
//! for a stable window. During panic, the larger of both values counts, and the number never falls. Outside panic, it
//! falls only when fewer servers would have been sufficient for 300 s: the highest recommendation of that time counts
//! (kubernetes `horizontal.go`, `--horizontal-pod-autoscaler-downscale-stabilization`). At most 1000 times as many at
//! once, and at least one.
//!
//! *Placement*: best fit by shares; a server that is removed is one on the emptiest GPU. No server ever moves.

use super::ReplanError;
use super::epochs::PlannedRun;
use super::layout::{GpuServers, ReplanServer, Why};
use super::rules::{Asked, Level};
use super::spec::{ReplicaTarget, ReplicasSpec, Statistic};
use super::sticky::MOST_REPLICAS;
use igniter_model::predictor::{Member, Predictor};
use igniter_model::units::{BatchSize, SmUnits};
use std::collections::VecDeque;

/// Number of bisection steps for the highest rate of a server.
const STEPS: u32 = 24;

/// The common size of the servers of a workload, and their target rate.
#[derive(Debug, Clone, Copy)]
struct ReplicaGroup {
    kind: usize,
    units: u32,
    batch: u32,
    /// Target rate of one server, in requests/s.
    target: f64,
}

/// The autoscaler state of a workload.
#[derive(Debug, Clone, Default)]
struct Scaler {
    /// The latest recommendations, as far back as the stabilisation looks.
    last: VecDeque<u32>,
    /// Time in s at which the panic condition last held, and the most servers since panic began; `None` outside panic.
    panic: Option<(f64, u32)>,
}

impl Scaler {
    /// Returns how many servers there should be, where `ready` servers are ready.
    fn decide(
        &mut self,
        spec: &ReplicasSpec,
        at_s: f64,
        (stable, panic): (u32, u32),
        ready: u32,
    ) -> u32 {
        let panics = f64::from(panic) >= spec.panic_threshold_pct / 100.0 * f64::from(ready);
        if panics {
            let most = self.panic.map_or(ready, |(_, most)| most);
            self.panic = Some((at_s, most));
        } else if self.panic.is_some_and(|(since_s, _)| at_s - since_s >= spec.window_s) {
            self.panic = None;
        }
        let mut wanted = stable;
        if let Some((_, most)) = &mut self.panic {
            *most = (*most).max(stable).max(panic);
            wanted = *most;
        }
        let tick_s = spec.window_s * spec.panic_window_pct / 100.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let back = (spec.scale_down_s / tick_s).ceil() as usize;
        self.last.push_back(wanted);
        while self.last.len() > back + 1 {
            self.last.pop_front();
        }
        if wanted < ready {
            wanted = self.last.iter().copied().max().unwrap_or(wanted).min(ready);
        }
        wanted.max(1)
    }
}

/// Returns the length of the window in which arrivals are counted for the autoscaler, in s.
#[must_use]
pub fn tick_s(spec: &ReplicasSpec) -> f64 {
    spec.window_s * spec.panic_window_pct / 100.0
}

pub(super) fn run(run: &mut PlannedRun<'_, '_>) -> Result<(), ReplanError> {
    let counts = run.input.counts;
    let spec = run.input.spec.replicas;
    let peaks = counts.rates(Statistic::Max, 0.0, f64::INFINITY);
    run.desk.set_rates(&peaks, &peaks);
    let mut units = Vec::with_capacity(peaks.len());
    for workload in 0..peaks.len() {
        units.push(unit(run, workload, &spec)?);
    }
    let mut scalers = vec![Scaler::default(); peaks.len()];
    for window in 0..counts.windows() {
        #[expect(clippy::cast_precision_loss, reason = "a count of windows")]
        let at_s = (window + 1) as f64 * counts.window_s;
        let rate = |workload: usize| {
            let back = counts.within((at_s - spec.window_s).max(0.0), at_s);
            let length = back.len().max(1);
            #[expect(clippy::cast_precision_loss, reason = "a count of windows")]
            let mean = back.map(|w| counts.rate(workload, w)).sum::<f64>() / length as f64;
            mean
        };
        let asked = |rate: f64, unit: &ReplicaGroup| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let asked = (rate / unit.target - 1e-9).ceil().max(0.0) as u32;
            asked.clamp(1, MOST_REPLICAS)
        };
        let rates: Vec<f64> = (0..units.len()).map(rate).collect();
        if window == 0 {
            // The run begins with what the first window requires.
            let wanted: Vec<u32> =
                units.iter().zip(&rates).map(|(unit, rate)| asked(*rate, unit)).collect();
            let machines = scaled(run, &units, &wanted);
            run.begin(rates, machines);
            continue;
        }
        if at_s < run.busy_until_s || at_s >= counts.duration_s {
            continue;
        }
        let ready = super::layout::counts(&run.machines, units.len());
        let mut wanted = Vec::with_capacity(units.len());
        for (workload, unit) in units.iter().enumerate() {
            let both = (asked(rates[workload], unit), asked(counts.rate(workload, window), unit));
            wanted.push(scalers[workload].decide(&spec, at_s, both, ready[workload]));
        }
        if wanted != ready {
            let machines = scaled(run, &units, &wanted);
            run.adopt(at_s, rates, machines, false);
        }
    }
    Ok(())
}

/// Returns the size of a workload's servers, such that `at_peak` servers (or the fewest above it that can work) suffice
/// at its highest rate.
fn unit(
    run: &mut PlannedRun<'_, '_>,
    workload: usize,
    spec: &ReplicasSpec,
) -> Result<ReplicaGroup, ReplanError> {
    let peak = run.desk.rates()[workload];
    for replicas in spec.at_peak..=MOST_REPLICAS {
        let part = 1.0 / f64::from(replicas);
        for kind in 0..run.desk.kinds.len() {
            let of = (workload, part, replicas);
            let Some(units) = run.desk.alone(Level::Now, kind, of) else { continue };
            let asked = Asked { workload, rate: peak, part, replicas, at_least: units };
            let size = run.desk.rules.fit(kind, &[asked]);
            let Some(batch) = size.and_then(|sizes| sizes.first().map(|size| size.batch)) else {
                continue;
            };
            let target = match spec.target {
                ReplicaTarget::ThroughputPct(pct) => {
                    let predictor = run.input.predictors[kind];
                    let model = &run.input.workloads[workload].model;
                    pct / 100.0 * throughput(predictor, model, units, batch)
                }
                ReplicaTarget::Slo => highest(run, kind, asked),
            };
            if target > 0.0 {
                return Ok(ReplicaGroup { kind, units, batch, target });
            }
        }
    }
    Err(ReplanError::NoServer { workload, rate: peak })
}

/// Returns the throughput of a server alone, in requests/s.
fn throughput(
    predictor: &dyn Predictor,
    model: &igniter_model::domain::ModelName,
    units: u32,
    batch: u32,
) -> f64 {
    let member = || {
        Some(Member {
            model: predictor.model_id(model)?,
            batch: BatchSize::new(batch).ok()?,
            sm: SmUnits::new(units).to_percent(predictor.kind().units)?,
        })
    };
    member().map_or(0.0, |member| predictor.predict(&[member]).members[0].throughput_rps)
}

/// Returns the highest rate of one of `asked.replicas` servers at which the share is sufficient, in requests/s.
fn highest(run: &mut PlannedRun<'_, '_>, kind: usize, asked: Asked) -> f64 {
    let (mut enough, mut too_much) = (asked.rate, asked.rate * 2.0);
    for _ in 0..STEPS {
        let rate = f64::midpoint(enough, too_much);
        let needs = run.desk.rules.alone(kind, &Asked { rate, at_least: 0, ..asked });
        if needs.is_some_and(|needs| needs <= asked.at_least) {
            enough = rate;
        } else {
            too_much = rate;
        }
    }
    enough / f64::from(asked.replicas)
}

/// Returns the plan with the wanted number of servers of each workload.
fn scaled(run: &mut PlannedRun<'_, '_>, units: &[ReplicaGroup], wanted: &[u32]) -> Vec<GpuServers> {
    let mut machines = run.machines.clone();
    let has = super::layout::counts(&machines, units.len());
    for (workload, unit) in units.iter().enumerate() {
        for _ in wanted[workload]..has[workload] {
            let on = machines.iter_mut().filter(|machine| machine.count(workload) > 0);
            let Some(machine) = on.min_by_key(|machine| machine.units()) else { break };
            if let Some(place) = machine.servers.iter().position(|s| s.workload == workload) {
                machine.servers.remove(place);
            }
        }
        for _ in has[workload]..wanted[workload] {
            let server =
                ReplanServer::new(workload, 1.0, Why::Scaled).sized(unit.units, unit.batch);
            let whole = run.desk.kinds[unit.kind].whole;
            let rules = &*run.desk.rules;
            let has_room = |machine: &&mut GpuServers| {
                let mut processes: Vec<usize> =
                    machine.servers.iter().map(|server| server.workload).collect();
                processes.push(workload);
                machine.kind == unit.kind
                    && machine.units() + unit.units <= whole
                    && rules.has_room(unit.kind, &processes)
            };
            let fullest =
                machines.iter_mut().filter(has_room).max_by_key(|machine| machine.units());
            match fullest {
                Some(machine) => machine.servers.push(server),
                None => {
                    let (id, kind) = (run.ids.next(), unit.kind);
                    machines.push(GpuServers { id, kind, servers: vec![server] });
                }
            }
        }
    }
    machines.retain(|machine| !machine.servers.is_empty());
    for server in machines.iter_mut().flat_map(|machine| &mut machine.servers) {
        server.part = 1.0 / f64::from(wanted[server.workload].max(1));
    }
    machines
}

#[cfg(test)]
mod tests {
    use super::super::spec::ReplanSpec;
    use super::*;

    #[test]
    fn it_panics_at_twice_the_servers_and_waits_before_it_takes_any_away() {
        let spec = ReplanSpec::default().replicas;
        let mut scaler = Scaler::default();
        // Steady: what the stable window asks for.
        assert_eq!(scaler.decide(&spec, 6.0, (3, 3), 3), 3);
        // A burst within one panic window, of at least twice the servers.
        assert_eq!(scaler.decide(&spec, 12.0, (4, 6), 3), 6);
        // In panic it never takes any away …
        assert_eq!(scaler.decide(&spec, 18.0, (4, 3), 6), 6);
        // … and not for 60 s after that.
        assert_eq!(scaler.decide(&spec, 66.0, (3, 3), 6), 6);
        // Then the highest recommendation of 300 s counts (51 ticks of 6 s).
        let mut at_s = 72.0;
        for tick in 0..60 {
            let wanted = scaler.decide(&spec, at_s, (3, 3), 6);
            assert_eq!(wanted, if tick < 50 { 6 } else { 3 }, "{tick}");
            at_s += 6.0;
        }
    }
}
