//! The sequence of plans of a run, and the timeline of servers that follows from it.

mod carry_out;

use super::forecast::{ArrivalCounts, forecast};
use super::handover::handover;
use super::layout::{GpuServers, Ids, ReplanServer, Why};
use super::matching::{in_order, matched};
use super::rules::{EpochRules, Rules};
use super::spec::{ForecastKind, Policy, ReplanSpec, Statistic};
use super::sticky::{SCRATCH_ROUNDS, Worth, step};
use super::{ReplanError, replicas};
use igniter_model::domain::{GpuId, Timeline, Workload};
use igniter_model::predictor::Predictor;
use std::collections::BTreeMap;

/// Rounds of search for the first plan and for a static plan.
const FIRST_ROUNDS: u64 = 300;

/// The input of re-planning.
#[derive(Debug, Clone, Copy)]
pub struct ReplanInput<'a> {
    /// The settings.
    pub spec: &'a ReplanSpec,
    /// The workloads.
    pub workloads: &'a [Workload],
    /// The predictors, one per GPU kind, in the order of the rules.
    pub predictors: &'a [&'a dyn Predictor],
    /// Loading time of the servers of each workload, in s.
    pub loads_s: &'a [f64],
    /// The arrivals of the run.
    pub counts: &'a ArrivalCounts,
    /// Seed of all random choices.
    pub seed: u64,
}

/// What happens to a server or a GPU in a step of a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A server starts on a GPU where its workload had none.
    Move,
    /// A server restarts with another share.
    Restart,
    /// A server stops.
    Stop,
    /// The batch size of a server or its part of the rate changes.
    Change,
    /// A GPU is ordered.
    Boot,
    /// A GPU is released.
    Release,
}

impl Act {
    /// Returns the name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Change => "change",
            Self::Boot => "boot",
            Self::Release => "release",
        }
    }
}

/// One step of a hand-over.
#[derive(Debug, Clone, PartialEq)]
pub struct HandoverStep {
    /// Start of the step, in s since the start of the run.
    pub at_s: f64,
    /// End of the step, in s.
    pub done_s: f64,
    /// What happens.
    pub act: Act,
    /// Index of the workload, if the step concerns a server.
    pub workload: Option<usize>,
    /// The GPU.
    pub gpu: GpuId,
    /// The share before and after the step, in units; 0 where there was or is no server.
    pub units: (u32, u32),
    /// The largest batch after the step; 0 where there is no server.
    pub batch: u32,
    /// Whether the step was forced although there was no room.
    pub forced: bool,
    /// The reason, in words.
    pub reason: &'static str,
}

/// A plan of a run, with the decision and the hand-over that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// Time of the decision, in s since the start of the run.
    pub at_s: f64,
    /// Whether the plan was made within an epoch, because a rate exceeded its forecast.
    pub early: bool,
    /// The rates to plan for, in requests/s, by workload.
    pub rates: Vec<f64>,
    /// The plan; its GPU ids are those of the timeline.
    pub machines: Vec<GpuServers>,
    /// Proven lower bound on the number of GPUs of any plan for these rates; `None` where nothing is proven.
    pub bound: Option<usize>,
    /// The steps of the hand-over.
    pub actions: Vec<HandoverStep>,
    /// Number of servers that started on a GPU where their workload had none.
    pub moves: usize,
    /// Number of servers that restarted with another share.
    pub restarts: usize,
    /// Number of GPUs that were ordered.
    pub boots: usize,
    /// Number of servers that started although their GPU had no room yet.
    pub forced: usize,
    /// Number of different times at which servers were ordered.
    pub rounds: usize,
    /// Start and end of the hand-over, in s.
    pub handover_s: (f64, f64),
}

/// All plans of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replanned {
    /// The servers of the run.
    pub timeline: Timeline,
    /// The plans, the first one at 0 s.
    pub epochs: Vec<Epoch>,
}

/// Plans a run from the counts of its arrivals.
///
/// # Errors
/// If a workload cannot be served at a forecast rate, or no hand-over between the strategy's plans is possible.
pub fn replan(input: &ReplanInput<'_>, rules: &mut dyn Rules) -> Result<Replanned, ReplanError> {
    let mut run = PlannedRun::new(input, rules);
    match input.spec.policy {
        Policy::Static => run.first(input.counts.rates(Statistic::Max, 0.0, f64::INFINITY))?,
        Policy::Replicas => replicas::run(&mut run)?,
        Policy::Scratch | Policy::Matched | Policy::Sticky => run.epochs()?,
    }
    Ok(run.done)
}

/// A run that is being planned.
pub(super) struct PlannedRun<'a, 'r> {
    pub input: &'a ReplanInput<'a>,
    pub desk: EpochRules<'r>,
    pub ids: Ids,
    /// The current plan.
    pub machines: Vec<GpuServers>,
    done: Replanned,
    /// Maps each machine to its GPU in the timeline.
    slots: BTreeMap<usize, usize>,
    /// End of the last hand-over, in s.
    pub busy_until_s: f64,
}

impl<'a, 'r> PlannedRun<'a, 'r> {
    fn new(input: &'a ReplanInput<'a>, rules: &'r mut dyn Rules) -> Self {
        Self {
            input,
            desk: EpochRules::new(rules),
            ids: Ids::default(),
            machines: Vec::new(),
            done: Replanned::default(),
            slots: BTreeMap::new(),
            busy_until_s: 0.0,
        }
    }

    /// Makes the plan at the start, with all servers ready.
    fn first(&mut self, rates: Vec<f64>) -> Result<(), ReplanError> {
        self.desk.set_rates(&rates, &rates);
        let rounded = self.desk.rates().to_vec();
        let scratch = self.desk.rules.scratch(&rounded, FIRST_ROUNDS, self.input.seed)?;
        let mut machines = in_order(&[], scratch, &mut self.ids);
        let first = |server: &mut ReplanServer| server.why = Why::First;
        machines.iter_mut().flat_map(|machine| &mut machine.servers).for_each(first);
        self.begin(rates, machines);
        Ok(())
    }

    fn epochs(&mut self) -> Result<(), ReplanError> {
        let ReplanInput { spec, counts, seed, .. } = *self.input;
        let period_s = spec.period_s;
        let worth = Worth { period_s, move_cost_gpu_s: spec.move_cost_gpu_s };
        let mut planned = forecast(counts, &spec.forecast, 0.0, period_s);
        self.first(planned.clone())?;
        for number in 0_u32.. {
            let at_s = f64::from(number) * period_s;
            if at_s >= counts.duration_s - 1e-9 {
                break;
            }
            if number > 0 {
                planned = forecast(counts, &spec.forecast, at_s, period_s);
                let held = self.held(at_s, &planned);
                self.desk.set_rates(&planned, &held);
                let seed = seed + u64::from(number);
                let new = self.next(worth, seed)?;
                self.adopt(at_s, planned.clone(), new, false);
            }
            if spec.early && spec.policy == Policy::Sticky {
                self.watch(at_s, &mut planned, worth)?;
            }
        }
        Ok(())
    }

    /// Makes the plan of the next epoch.
    fn next(&mut self, worth: Worth, seed: u64) -> Result<Vec<GpuServers>, ReplanError> {
        if self.input.spec.policy == Policy::Sticky {
            return step(&mut self.desk, &self.machines, &mut self.ids, worth, (false, seed));
        }
        let rates = self.desk.rates().to_vec();
        let scratch = self.desk.rules.scratch(&rates, SCRATCH_ROUNDS, seed)?;
        Ok(match self.input.spec.policy {
            Policy::Matched => matched(&self.machines, scratch, &mut self.ids),
            _ => in_order(&self.machines, scratch, &mut self.ids),
        })
    }

    /// Returns the rates at which a GPU must be superfluous before it is emptied.
    fn held(&self, at_s: f64, planned: &[f64]) -> Vec<f64> {
        let ReplanSpec { hold_s, forecast, period_s, .. } = *self.input.spec;
        if hold_s <= 0.0 {
            return planned.to_vec();
        }
        let (from_s, to_s) = match forecast.kind {
            ForecastKind::Oracle => (at_s, at_s + period_s + hold_s),
            _ => ((at_s - period_s - hold_s).max(0.0), at_s),
        };
        let highest = self.input.counts.rates(Statistic::Max, from_s, to_s);
        let headroom = 1.0 + forecast.headroom_pct / 100.0;
        planned.iter().zip(highest).map(|(rate, most)| rate.max(most * headroom)).collect()
    }

    /// Adds servers within an epoch where rates exceed those planned for.
    fn watch(&mut self, at_s: f64, planned: &mut [f64], worth: Worth) -> Result<(), ReplanError> {
        let ReplanInput { spec, counts, seed, .. } = *self.input;
        let headroom = 1.0 + spec.forecast.headroom_pct / 100.0;
        for window in counts.within(at_s, at_s + spec.period_s) {
            #[expect(clippy::cast_precision_loss, reason = "a count of windows")]
            let seen_s = (window + 1) as f64 * counts.window_s;
            let over = seen_s >= (at_s + spec.period_s).min(counts.duration_s) - 1e-9;
            if over || seen_s < self.busy_until_s {
                continue;
            }
            let mut exceeded = false;
            for (workload, rate) in planned.iter_mut().enumerate() {
                let seen = counts.rate(workload, window);
                if seen > *rate {
                    *rate = seen * headroom;
                    exceeded = true;
                }
            }
            if !exceeded {
                continue;
            }
            self.desk.set_rates(planned, planned);
            let new = step(&mut self.desk, &self.machines, &mut self.ids, worth, (true, seed))?;
            self.adopt(seen_s, planned.to_vec(), new, true);
        }
        Ok(())
    }

    /// Records the first plan.
    pub(super) fn begin(&mut self, rates: Vec<f64>, mut machines: Vec<GpuServers>) {
        for machine in &mut machines {
            let slot = self.slot(machine, 0.0);
            for server in &mut machine.servers {
                server.started = Some(self.start(server, slot, [0.0; 3]));
            }
        }
        let epoch = Epoch {
            at_s: 0.0,
            early: false,
            bound: None,
            actions: Vec::new(),
            machines: self.named(&machines),
            rates,
            moves: 0,
            restarts: 0,
            boots: 0,
            forced: 0,
            rounds: 0,
            handover_s: (0.0, 0.0),
        };
        self.machines = machines;
        self.note(epoch);
    }

    /// Hands over to a new plan.
    pub(super) fn adopt(
        &mut self,
        at_s: f64,
        rates: Vec<f64>,
        mut new: Vec<GpuServers>,
        early: bool,
    ) {
        let spec = self.input.spec;
        let handover =
            handover(&self.machines, &new, &spec.handover, self.input.loads_s, &*self.desk.rules);
        // With a perfect forecast, the hand-over begins early enough to end when the epoch begins.
        let begun_s = match spec.forecast.kind {
            ForecastKind::Oracle if !early && spec.policy != Policy::Replicas => {
                at_s - handover.lasts_s
            }
            _ => at_s,
        };
        let begun_s = begun_s.max(self.busy_until_s).max(0.0);
        if begun_s >= self.input.counts.duration_s {
            return;
        }
        let actions = self.carry_out(&handover, &mut new, begun_s);
        let ended_s = begun_s + handover.lasts_s;
        let epoch = Epoch {
            at_s,
            early,
            bound: None,
            machines: self.named(&new),
            rates,
            actions,
            moves: handover.moves(),
            restarts: handover.restarts(),
            boots: handover.boots,
            forced: handover.forced(),
            rounds: handover.rounds,
            handover_s: (begun_s, ended_s),
        };
        self.machines = new;
        self.busy_until_s = self.busy_until_s.max(ended_s);
        if !early || !epoch.actions.is_empty() {
            self.note(epoch);
        }
    }

    fn note(&mut self, mut epoch: Epoch) {
        // A bound does not apply to autoscalers, which guarantee nothing.
        let is_planned = !epoch.early && self.input.spec.policy != Policy::Replicas;
        epoch.bound = if is_planned { self.desk.bound().map(|(_, gpus)| gpus) } else { None };
        self.done.epochs.push(epoch);
    }
}
