//! A GPU kind with all that is known about servers on it: their times alone, and what each class needs.

use super::super::{AloneOutcome, AloneServer, PlanRequest, cautious};
use super::class::{ArrivalKnowledge, Class};
use super::interference::Influence;
use super::recursion::{ArrivalDraw, DrawTally, replica_sample};
use super::server::{Loading, QueueingServer, Steady};
use super::shares::{ShareChoice, ShareTable};
use super::tagged::Workspace;
use crate::shares::has_room;
use igniter_model::domain::{GpuKind, ModelId};
use igniter_model::predictor::{Additive, CoLocationPrediction, Member, Predictor};
use igniter_model::units::{BatchSize, SmUnits};
use std::collections::BTreeMap;

/// Slowdowns are planned for in steps of 1 %, rounded up.
const STEP: f64 = 0.01;

/// Slowdowns by neighbours of more than this many steps are ruled out.
pub(super) const MOST_STEPS: u16 = 400;

/// Returns the slowdown of a number of steps, as a factor.
pub(super) fn factor(steps: u16) -> f64 {
    1.0 + STEP * f64::from(steps)
}

/// Returns the number of steps that cover a slowdown; `None` when there are too many.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
pub(super) fn steps(factor: f64) -> Option<u16> {
    let steps = ((factor - 1.0) / STEP - 1e-9).ceil().max(0.0);
    (steps <= f64::from(MOST_STEPS)).then_some(steps as u16)
}

/// The planned setting of a server of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlannedSetting {
    /// Number of equal replicas, of which it is one.
    pub replicas: u32,
    /// Its largest batch.
    pub batch: u32,
    /// Its share, in units.
    pub units: u32,
    /// Its slowdown by neighbours, in steps.
    pub slow: u16,
}

/// Times of batches of one model with one share, alone on the GPU, by batch size.
#[derive(Debug, Clone)]
struct BatchTimes {
    gpu_ms: Vec<f64>,
    load_ms: Vec<f64>,
    feedback_ms: Vec<f64>,
}

/// A GPU kind.
#[derive(Debug)]
pub(super) struct KindTables<'p> {
    pub predictor: &'p dyn Predictor,
    pub additive: Option<&'p dyn Additive>,
    /// Number of units of a whole GPU.
    pub whole: u32,
    /// Its price, in $/h.
    pub price: f64,
    request: PlanRequest<'p>,
    memory: Option<u64>,
    process_limit: usize,
    /// By model, then by units less one.
    times: Vec<Vec<Option<BatchTimes>>>,
    /// By class, then by replicas less one.
    tables: Vec<Vec<ShareTable>>,
    out: CoLocationPrediction,
    hold_ms: Vec<f64>,
    load_ms: Vec<f64>,
    workspace: Workspace,
    /// The class and the number of replicas that were evaluated last.
    evaluated: Option<(usize, u32)>,
    /// Whether nothing is interpolated.
    is_exact: bool,
    /// Scratch of [`super::interference`].
    pub counts: Vec<f64>,
    /// By number of replicas, the arrivals at one of them from a Poisson stream of one request per millisecond.
    samples: BTreeMap<u32, ArrivalDraw>,
}

impl<'p> KindTables<'p> {
    pub(super) fn new(request: &PlanRequest<'p>, classes: usize) -> Self {
        let predictor = request.predictor();
        let whole = predictor.kind().units.get();
        Self {
            predictor,
            additive: predictor.additive(),
            whole,
            price: predictor.kind().price_per_hour.get(),
            request: *request,
            memory: predictor.kind().memory.map(|bytes| bytes.get()),
            process_limit: request.options().process_limit,
            times: vec![vec![None; whole as usize]; predictor.models().len()],
            tables: vec![Vec::new(); classes],
            out: CoLocationPrediction::default(),
            hold_ms: Vec::new(),
            load_ms: Vec::new(),
            workspace: Workspace::default(),
            evaluated: None,
            is_exact: false,
            counts: Vec::new(),
            samples: BTreeMap::new(),
        }
    }

    /// Makes tables in which nothing is interpolated.
    pub(super) fn exact(request: &PlanRequest<'p>, classes: usize) -> Self {
        Self { is_exact: true, ..Self::new(request, classes) }
    }

    /// Makes room for the tables of one more class.
    pub(super) fn add_class(&mut self) {
        self.tables.push(Vec::new());
    }

    pub(super) fn kind(&self) -> &'p GpuKind {
        self.predictor.kind()
    }

    /// Returns the model of a class, if this kind can serve it at all.
    pub(super) fn model(&self, class: &Class) -> Option<ModelId> {
        let model = self.predictor.model_id(&class.model)?;
        let fits = match (self.predictor.memory(model), self.memory) {
            (Some(needed), Some(available)) => needed.get() <= available,
            _ => true,
        };
        fits.then_some(model)
    }

    /// Returns whether the process limit and the memory of a GPU allow servers of these models together.
    pub(super) fn has_room(&self, models: impl Iterator<Item = ModelId>) -> bool {
        has_room(self.predictor, self.process_limit, self.memory, models)
    }

    pub(super) fn member(&self, model: ModelId, batch: u32, units: u32) -> Member {
        let sm = SmUnits::new(units).to_percent(self.kind().units).expect("at least one unit");
        Member { model, batch: BatchSize::new(batch).expect("at least one request"), sm }
    }

    /// Fills in the times alone of a model with a share, up to a batch size.
    fn fill_times(&mut self, model: ModelId, units: u32, most: u32) {
        let place = units as usize - 1;
        let known = self.times[model.index()][place].as_ref().map_or(1, |t| t.gpu_ms.len());
        if known > most as usize {
            return;
        }
        let empty = || BatchTimes { gpu_ms: vec![0.0], load_ms: vec![0.0], feedback_ms: vec![0.0] };
        let mut times = self.times[model.index()][place].take().unwrap_or_else(empty);
        for batch in u32::try_from(known).unwrap_or(u32::MAX)..=most {
            let member = [self.member(model, batch, units)];
            cautious::predict_into(self.predictor, self.request.options(), &member, &mut self.out);
            let alone = self.out.members[0];
            times.gpu_ms.push(alone.gpu_ms);
            times.load_ms.push(alone.load_ms);
            times.feedback_ms.push(alone.feedback_ms);
        }
        self.times[model.index()][place] = Some(times);
    }

    /// Fills in how long batches hold a server, and how long their preparation takes; returns `None` where the kind
    /// cannot serve the class.
    fn fill_server(&mut self, class: &Class, setting: &PlannedSetting) -> Option<()> {
        let model = self.model(class)?;
        let PlannedSetting { batch, units, slow, .. } = *setting;
        self.fill_times(model, units, batch);
        let times = self.times[model.index()][units as usize - 1].as_ref()?;
        self.hold_ms.clear();
        self.load_ms.clear();
        self.hold_ms.push(0.0);
        self.load_ms.push(0.0);
        let factor = factor(slow);
        for k in 1..=batch as usize {
            let before_ms = class.host_ms(k) + times.load_ms[k];
            let after_ms = times.gpu_ms[k] * factor + times.feedback_ms[k];
            let (load_ms, hold_ms) = match class.loading() {
                Loading::Ahead => (before_ms, after_ms),
                Loading::Serial => (0.0, before_ms + after_ms),
            };
            self.load_ms.push(load_ms);
            self.hold_ms.push(hold_ms);
        }
        Some(())
    }

    /// Evaluates a server of a class by itself, with the slowdown of its setting: its long-run behaviour, and the
    /// dispersion of its late requests. `None` where the kind cannot serve it.
    pub(super) fn evaluate(
        &mut self,
        class: &Class,
        setting: &PlannedSetting,
    ) -> Option<(Steady, f64)> {
        let model = self.model(class)?;
        let PlannedSetting { replicas, batch, units, slow } = *setting;
        if let ArrivalKnowledge::Simulated = class.source {
            let server = AloneServer {
                predictor: self.predictor,
                slowdown: factor(slow),
                replicas,
                batch: BatchSize::new(batch).ok()?,
                sm: SmUnits::new(units),
            };
            let workload = &self.request.workloads()[class.workloads[0]];
            let outcome = self.request.traffic().simulate_alone(workload, &server)?;
            let AloneOutcome { attained, busy, mean_batch } = outcome;
            return Some((Steady { attained, busy, mean_batch, full: 1.0 }, 1.0));
        }
        self.fill_server(class, setting)?;
        let server = QueueingServer {
            rate_per_ms: class.rate_per_ms,
            every: replicas as usize,
            hold_ms: &self.hold_ms,
            load_ms: &self.load_ms,
            deadline_ms: class.deadline_ms,
            loading: class.loading(),
        };
        let (mut steady, dispersion) = match &class.source {
            ArrivalKnowledge::Chain | ArrivalKnowledge::Simulated => {
                (self.workspace.steady(&server), 1.0)
            }
            ArrivalKnowledge::Draws(..)
                if server.is_hopeless() && class.delay_and_noise().queue_delay_ms <= 0.0 =>
            {
                (Steady::overloaded(&server), 1.0)
            }
            ArrivalKnowledge::Draws(draws, _) => {
                let tally = tally(class, &server, draws);
                (tally.steady(), tally.dispersion())
            }
        };
        // Executions slow the neighbours, copies and preparation do not.
        let times = self.times[model.index()][units as usize - 1].as_ref()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a batch size")]
        let typical = (steady.mean_batch.round() as usize).clamp(1, batch as usize);
        steady.busy *= times.gpu_ms[typical] * factor(slow) / self.hold_ms[typical];
        Some((steady, dispersion))
    }

    /// Returns the dispersion of the number of late requests of a server (`DrawTally::dispersion`).
    pub(super) fn dispersion(&mut self, class: &Class, setting: &PlannedSetting) -> f64 {
        if let ArrivalKnowledge::Simulated = class.source {
            return SIMULATED_DISPERSION;
        }
        let ArrivalKnowledge::Chain = class.source else {
            return self.evaluate(class, setting).map_or(1.0, |(_, dispersion)| dispersion);
        };
        if self.fill_server(class, setting).is_none() {
            return 1.0;
        }
        // Times are in units of the mean gap of the stream, so that one sample serves for all rates.
        let rate = class.rate_per_ms;
        self.hold_ms.iter_mut().chain(&mut self.load_ms).for_each(|ms| *ms *= rate);
        let server = QueueingServer {
            rate_per_ms: 1.0,
            every: 1,
            hold_ms: &self.hold_ms,
            load_ms: &self.load_ms,
            deadline_ms: class.deadline_ms * rate,
            loading: class.loading(),
        };
        let replicas = setting.replicas;
        let sample = self
            .samples
            .entry(replicas)
            .or_insert_with(|| replica_sample(replicas, SAMPLE, DISPERSION_SEED));
        let mut tally = DrawTally::default();
        tally.add(&server, class.delay_and_noise(), sample, 0, SAMPLE as u64 / 50);
        tally.dispersion()
    }

    /// Returns the highest rate, in requests/ms, that a whole GPU keeps up with, at the batch size with the highest
    /// throughput. 0 where the kind cannot serve the class.
    pub(super) fn most_rate(&mut self, class: &Class) -> f64 {
        let Some(model) = self.model(class) else { return 0.0 };
        let batches = super::shares::batches(self, class);
        let Some(&largest) = batches.last() else { return 0.0 };
        self.fill_times(model, self.whole, largest);
        let Some(times) = &self.times[model.index()][self.whole as usize - 1] else { return 0.0 };
        let rate = |batch: u32| {
            let k = batch as usize;
            let before_ms = class.host_ms(k) + times.load_ms[k];
            let after_ms = times.gpu_ms[k] + times.feedback_ms[k];
            f64::from(batch)
                / match class.loading() {
                    Loading::Ahead => before_ms.max(after_ms),
                    Loading::Serial => before_ms + after_ms,
                }
        };
        batches.into_iter().map(rate).fold(0.0, f64::max)
    }

    /// Returns the table of a class divided over `replicas` replicas.
    pub(super) fn table(&mut self, class: usize, replicas: u32) -> &mut ShareTable {
        let (of, place) = (&mut self.tables[class], replicas as usize - 1);
        if of.len() <= place {
            of.resize_with(place + 1, ShareTable::default);
        }
        &mut of[place]
    }

    /// Returns the duration of batches of a server, in ms: that of a single request and that of a full batch, added
    /// up. `None` where the kind cannot serve it.
    pub(super) fn duration_ms(&mut self, class: &Class, setting: &PlannedSetting) -> Option<f64> {
        let model = self.model(class)?;
        let PlannedSetting { batch, units, slow, .. } = *setting;
        self.fill_times(model, units, batch);
        let times = self.times[model.index()][units as usize - 1].as_ref()?;
        let of = |k: usize| times.gpu_ms[k] * factor(slow) + times.feedback_ms[k];
        Some(of(1) + of(batch as usize))
    }

    /// Returns the long-run behaviour of a server, from its table if it is known there. Unless an exact result is
    /// needed, it may be interpolated between close entries.
    pub(super) fn steady(
        &mut self,
        class: (usize, &Class),
        setting: &PlannedSetting,
    ) -> Option<Steady> {
        let duration_ms = self.duration_ms(class.1, setting)?;
        let PlannedSetting { replicas, batch, slow, .. } = *setting;
        // Bounds rest on the results for servers alone, so these are exact.
        let is_exact =
            self.is_exact || slow == 0 || matches!(class.1.source, ArrivalKnowledge::Simulated);
        let table = self.table(class.0, replicas);
        let known = match is_exact {
            true => table.known(batch, duration_ms),
            false => table.nearly(batch, duration_ms),
        };
        if known.is_some() {
            return known;
        }
        // The distribution of a similar server is a good start; forecasts must not depend on which server was
        // evaluated before.
        if self.is_exact || self.evaluated != Some((class.0, replicas)) {
            self.workspace.forget();
        }
        let (steady, _) = self.evaluate(class.1, setting)?;
        self.evaluated = Some((class.0, replicas));
        self.table(class.0, replicas).note(batch, duration_ms, steady);
        Some(steady)
    }

    /// Returns the influence of a server on its neighbours.
    pub(super) fn influence(
        &mut self,
        class: (usize, &Class),
        setting: &PlannedSetting,
    ) -> Option<Influence> {
        if let Some(known) = self.table(class.0, setting.replicas).felt(setting) {
            #[cfg(test)]
            {
                let steady = self.steady(class, setting)?;
                assert_eq!(Influence::of(self, class.1, setting, &steady), Some(known));
            }
            return Some(known);
        }
        let steady = self.steady(class, setting)?;
        let influence = Influence::of(self, class.1, setting, &steady)?;
        self.table(class.0, setting.replicas).note_felt(setting, influence);
        Some(influence)
    }

    /// Returns the least share with which each of `replicas` replicas of a class reaches a goal when its neighbours
    /// slow it by `slow` steps, and the smallest batch size for that share.
    pub(super) fn least(
        &mut self,
        class: (usize, &Class),
        replicas: u32,
        slow: u16,
        goal: f64,
    ) -> Option<ShareChoice> {
        super::shares::least(self, class, replicas, slow, goal)
    }
}

/// Number of requests from which the dispersion of late requests is estimated, where nothing else is drawn.
const SAMPLE: usize = 20_000;

/// The assumed dispersion where servers are simulated: that of rather busy ones.
const SIMULATED_DISPERSION: f64 = 10.0;

const DISPERSION_SEED: u64 = 0x7175_6575;

/// Adds up the results of all draws.
fn tally(
    class: &Class,
    server: &QueueingServer<'_>,
    draws: &[super::recursion::ArrivalDraw],
) -> DrawTally {
    let drawn: usize = draws.iter().map(|draw| draw.times_ms.len()).sum();
    // Blocks are whole runs where there are enough of them, so that a rate that changes within a run does not count
    // as luck.
    let block = if draws.len() >= 8 { usize::MAX } else { (drawn / server.every / 64).max(1) };
    let mut tally = DrawTally::default();
    for (number, draw) in draws.iter().enumerate() {
        let first_own = (server.every - 1 + number) % server.every;
        tally.add(server, class.delay_and_noise(), draw, first_own, block as u64);
    }
    tally
}
