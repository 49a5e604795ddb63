//! Tables of the load that members put on a co-location, for predictors whose members affect each other only through
//! sums ([`Additive`]). With them, growing shares costs a few additions per member.

use super::shares::PendingWorkload;
use super::sizing::{Demand, RATE_TOLERANCE, Sized};
use igniter_model::domain::ModelId;
use igniter_model::predictor::{Additive, Member, Presence};
use igniter_model::units::{BatchSize, SmPercent, SmUnits};

/// Closer to the limit than this fraction of it, rounding decides, and the predictor itself has to be asked.
const UNCLEAR: f64 = 1e-9;

/// A model at one batch size.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ModelBatch {
    /// Start of its row of presences, which is indexed by the units of its share less one.
    start: usize,
    batch: f64,
    load_ms: f64,
    feedback_ms: f64,
}

/// A demand at one batch size, reduced to numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    /// The least share when alone, in units.
    pub least: u32,
    /// Maximum execution time of the member on the GPU at full clock, in ms.
    pub limit_ms: f64,
    /// Relative slowdown per unit of disturbance.
    pub sensitivity: f64,
    start: usize,
    model: ModelId,
}

/// A member whose share is being grown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Growing {
    scheduling_ms: f64,
    sensitivity: f64,
    /// Limit on its time on the GPU at full clock, in ms, to be multiplied by the clock ratio.
    limit_ms: f64,
    start: usize,
    now: Presence,
}

/// The result of an attempt to grow shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grown {
    /// All meet their demands.
    Met,
    /// They need more units than allowed.
    TooMuch,
    /// The shares so far are necessary; rounding decides whether they are sufficient.
    Unclear,
}

/// The tables, filled as models and batch sizes are first used.
pub(super) struct Presences<'p> {
    predictor: &'p dyn Additive,
    idle_w: f64,
    cap_w: f64,
    percents: Vec<SmPercent>,
    /// Sensitivities, indexed by model.
    sensitivities: Vec<f64>,
    /// Shapes, indexed by model, then by batch size less one; `None` until first used.
    shapes: Vec<Vec<Option<ModelBatch>>>,
    rows: Vec<Presence>,
    /// Scheduling delays, indexed by model, then by number of members less one.
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

    /// Returns the ratio of the clock to its maximum at a power demand in W.
    pub(super) fn clock_ratio(&self, demand_w: f64) -> f64 {
        if demand_w <= self.cap_w { 1.0 } else { self.predictor.clock_ratio(demand_w) }
    }

    /// Returns how long a member may execute on the GPU, in ms.
    fn limit_ms(demand: &Demand, shape: &ModelBatch) -> f64 {
        let by_latency = demand.budget_ms - shape.load_ms - shape.feedback_ms;
        let interval_ms = shape.batch * 1000.0 / (demand.rate_rps * (1.0 - RATE_TOLERANCE));
        by_latency.min(interval_ms - shape.feedback_ms)
    }

    /// Converts a demand at a batch size to numbers.
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

    /// Returns the presences of an offer, indexed by the units of its share less one.
    pub(super) fn row(&self, offer: &Offer) -> &[Presence] {
        &self.rows[offer.start..offer.start + self.percents.len()]
    }

    /// Returns how long an offer waits for its kernels to be launched, in ms, indexed by the number of members less
    /// one, up to one member per unit of the GPU.
    pub(super) fn scheduling_of(&self, offer: &Offer) -> &[f64] {
        &self.scheduling_ms[offer.model.index()]
    }

    /// Returns the presence of an offer with a share in units.
    pub(super) fn at(&self, offer: &Offer, units: u32) -> Presence {
        self.rows[offer.start + units as usize - 1]
    }

    /// Returns the number of units of a whole GPU.
    pub(super) fn whole(&self) -> u32 {
        self.predictor.kind().units.get()
    }

    /// Returns the power of the idle GPU, in W.
    pub(super) fn idle_w(&self) -> f64 {
        self.idle_w
    }

    /// Returns the least share, from `units` upwards, with which an offer might meet its demand among `n` members,
    /// where `others` is the disturbance by the other members and `clock_ratio` the clock over its maximum; `None` when
    /// a whole GPU is too small. Rounding never makes the result larger.
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

    /// Works like [`Self::least_from`], given the launch delay of kernels in ms and the factor by which the other
    /// members slow the offer. Both are the same for all batch sizes of a model.
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
        // Most offers need no larger share, and a plain loop is cheapest where it ends at once.
        let mut units = units;
        loop {
            if row.get(units as usize - 1)?.active_ms * slower <= limit {
                return Some(units);
            }
            units += 1;
        }
    }

    /// Grows shares from below to the least shares with which all members meet their demands, within `most` units in
    /// total.
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
