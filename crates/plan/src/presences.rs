//! What members of co-locations bring along, in tables: for predictors whose members feel each other only
//! through sums ([`Additive`]), so that growing shares costs a few additions for each member.

use super::shares::PendingWorkload;
use super::sizing::{Demand, RATE_TOLERANCE, Sized};
use igniter_model::domain::ModelId;
use igniter_model::predictor::{Additive, Member, Presence};
use igniter_model::units::{BatchSize, SmPercent, SmUnits};

/// Nearer than this to the limit, in parts of it, rounding decides: ask the predictor itself.
const UNCLEAR: f64 = 1e-9;

/// A model with a batch size.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ModelBatch {
    /// Where its row of presences starts, by units of its share less one.
    start: usize,
    batch: f64,
    load_ms: f64,
    feedback_ms: f64,
}

/// A demand with one batch size, as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    /// The least share alone, in units.
    pub least: u32,
    /// How long the member may execute on the GPU at full clock, in ms.
    pub limit_ms: f64,
    /// By how much each unit of disturbance slows it.
    pub sensitivity: f64,
    start: usize,
    model: ModelId,
}

/// A member that is being grown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Growing {
    scheduling_ms: f64,
    sensitivity: f64,
    /// Its time on the GPU at full clock may be this times the clock ratio.
    limit_ms: f64,
    start: usize,
    now: Presence,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grown {
    /// All meet their demands.
    Met,
    /// They need more units than there may be.
    TooMuch,
    /// The shares so far are needed; whether they are enough is a matter of rounding.
    Unclear,
}

/// The tables, filled as models and batch sizes come up.
pub(super) struct Presences<'p> {
    predictor: &'p dyn Additive,
    idle_w: f64,
    cap_w: f64,
    percents: Vec<SmPercent>,
    /// By model.
    sensitivities: Vec<f64>,
    /// By model, then by batch size less one; `None` until it comes up.
    shapes: Vec<Vec<Option<ModelBatch>>>,
    rows: Vec<Presence>,
    /// By model, then by number of members less one.
    scheduling_ms: Vec<Vec<f64>>,
    growing: Vec<Growing>,
}

impl<'p> Presences<'p> {
    pub(super) fn new(predictor: &'p dyn Additive) -> Self {
        let whole = predictor.kind().units;
        let percent = |units| SmUnits::new(units).to_percent(whole);
        let models = predictor.models().len();
        Self {
            predictor,
            idle_w: predictor.kind().idle_power.get(),
            cap_w: predictor.kind().power_cap.get(),
            sensitivities: (0..models).map(|m| predictor.sensitivity(ModelId::new(m))).collect(),
            percents: (1..=whole.get()).filter_map(percent).collect(),
            shapes: vec![Vec::new(); models],
            rows: Vec::new(),
            scheduling_ms: vec![Vec::new(); models],
            growing: Vec::new(),
        }
    }

    fn shape(&mut self, model: ModelId, batch: BatchSize) -> ModelBatch {
        let index = batch.get() as usize - 1;
        let shapes = &mut self.shapes[model.index()];
        if shapes.len() <= index {
            shapes.resize(index + 1, None);
        }
        if let Some(shape) = shapes[index] {
            return shape;
        }
        let member = |sm: &SmPercent| Member { model, batch, sm: *sm };
        let start = self.rows.len();
        let predictor = self.predictor;
        self.rows.extend(self.percents.iter().map(|sm| predictor.presence(&member(sm))));
        let alone = predictor.predict(&[member(&self.percents[0])]).members[0];
        let (load_ms, feedback_ms) = (alone.load_ms, alone.feedback_ms);
        let shape = ModelBatch { start, batch: batch.as_f64(), load_ms, feedback_ms };
        self.shapes[model.index()][index] = Some(shape);
        shape
    }

    fn scheduling_ms(&mut self, model: ModelId, members: usize) -> f64 {
        let known = &mut self.scheduling_ms[model.index()];
        while known.len() < members {
            known.push(self.predictor.scheduling_ms(model, known.len() + 1));
        }
        known[members - 1]
    }

    /// The clock over its maximum at a power demand in W.
    pub(super) fn clock_ratio(&self, demand_w: f64) -> f64 {
        if demand_w <= self.cap_w { 1.0 } else { self.predictor.clock_ratio(demand_w) }
    }

    /// How long a member may execute on the GPU, in ms.
    fn limit_ms(demand: &Demand, shape: &ModelBatch) -> f64 {
        let by_latency = demand.budget_ms - shape.load_ms - shape.feedback_ms;
        let interval_ms = shape.batch * 1000.0 / (demand.rate_rps * (1.0 - RATE_TOLERANCE));
        by_latency.min(interval_ms - shape.feedback_ms)
    }

    /// Puts a demand with a batch size into numbers.
    pub(super) fn offer(&mut self, sized: &Sized) -> Offer {
        let Demand { model, .. } = sized.demand;
        let shape = self.shape(model, sized.batch);
        let most = self.percents.len();
        self.scheduling_ms(model, most);
        Offer {
            least: sized.least.get(),
            limit_ms: Self::limit_ms(&sized.demand, &shape),
            start: shape.start,
            sensitivity: self.sensitivities[model.index()],
            model,
        }
    }

    /// What an offer brings along, by units of its share less one.
    pub(super) fn row(&self, offer: &Offer) -> &[Presence] {
        &self.rows[offer.start..offer.start + self.percents.len()]
    }

    /// How long an offer waits for its kernels to be launched, in ms, by number of members less one, up to one
    /// member for each unit of the GPU.
    pub(super) fn scheduling_of(&self, offer: &Offer) -> &[f64] {
        &self.scheduling_ms[offer.model.index()]
    }

    /// What an offer brings along with a share in units.
    pub(super) fn at(&self, offer: &Offer, units: u32) -> Presence {
        self.rows[offer.start + units as usize - 1]
    }

    /// The number of units of a whole GPU.
    pub(super) fn whole(&self) -> u32 {
        self.predictor.kind().units.get()
    }

    /// Power of the idle GPU, in W.
    pub(super) fn idle_w(&self) -> f64 {
        self.idle_w
    }

    /// The least share from `units` on with which an offer might meet its demand among n members, where the
    /// others disturb it so much and the clock is this part of its maximum; `None` when a whole GPU is too
    /// little. Rounding never makes it say more.
    pub(super) fn least_from(
        &self,
        offer: &Offer,
        units: u32,
        n: usize,
        others: f64,
        clock_ratio: f64,
    ) -> Option<u32> {
        let slower = 1.0 + offer.sensitivity * others;
        self.least_slowed(offer, units, self.scheduling_of(offer)[n - 1], slower, clock_ratio)
    }

    /// The same with the wait for kernels in ms, and the factor by which the others slow the offer. Both are the same for
    /// all batch sizes of a model.
    pub(super) fn least_slowed(
        &self,
        offer: &Offer,
        units: u32,
        scheduling_ms: f64,
        slower: f64,
        clock_ratio: f64,
    ) -> Option<u32> {
        let limit = offer.limit_ms * clock_ratio * (1.0 + UNCLEAR) - scheduling_ms;
        let row = self.row(offer);
        // Most need no more: a plain loop costs least where it ends at once.
        let mut units = units;
        loop {
            if row.get(units as usize - 1)?.active_ms * slower <= limit {
                return Some(units);
            }
            units += 1;
        }
    }

    /// Grows shares from below to the least with which all meet their demands, within so many units.
    pub(super) fn grow(&mut self, seats: &mut [PendingWorkload], most: u32) -> Grown {
        let mut growing = std::mem::take(&mut self.growing);
        growing.clear();
        let mut power_w = self.idle_w;
        let (mut disturbance, mut used) = (0.0, 0);
        let members = seats.len();
        for seat in &*seats {
            let demand = &seat.sized.demand;
            let shape = self.shape(demand.model, seat.sized.batch);
            let now = self.rows[shape.start + seat.share.get() as usize - 1];
            power_w += now.power_w;
            disturbance += now.disturbance;
            used += seat.share.get();
            growing.push(Growing {
                scheduling_ms: self.scheduling_ms(demand.model, members),
                sensitivity: self.sensitivities[demand.model.index()],
                limit_ms: Self::limit_ms(demand, &shape),
                start: shape.start,
                now,
            });
        }
        let grown = self.grow_members(seats, &mut growing, power_w, disturbance, used, most);
        self.growing = growing;
        grown
    }

    fn grow_members(
        &self,
        seats: &mut [PendingWorkload],
        growing: &mut [Growing],
        mut power_w: f64,
        mut disturbance: f64,
        mut used: u32,
        most: u32,
    ) -> Grown {
        loop {
            let mut grew = false;
            let mut unclear = false;
            for (seat, member) in seats.iter_mut().zip(&mut *growing) {
                let slower = 1.0 + member.sensitivity * (disturbance - member.now.disturbance);
                let limit = member.limit_ms * self.clock_ratio(power_w);
                let time = |active_ms: f64| member.scheduling_ms + active_ms * slower;
                let mut units = seat.share.get() as usize;
                let before = units;
                let mut now = member.now;
                while time(now.active_ms) > limit * (1.0 + UNCLEAR) {
                    used += 1;
                    if used > most {
                        return Grown::TooMuch;
                    }
                    units += 1;
                    now = self.rows[member.start + units - 1];
                }
                if units > before {
                    grew = true;
                    power_w += now.power_w - member.now.power_w;
                    disturbance += now.disturbance - member.now.disturbance;
                    member.now = now;
                    seat.share = SmUnits::new(u32::try_from(units).unwrap_or(u32::MAX));
                }
                unclear |= time(now.active_ms) > limit * (1.0 - UNCLEAR);
            }
            if !grew {
                return if unclear { Grown::Unclear } else { Grown::Met };
            }
        }
    }
}
