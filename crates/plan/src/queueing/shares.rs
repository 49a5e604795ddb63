//! The least share with which a server reaches its goal, for each slowdown by neighbours.
//!
//! A share and a slowdown matter only through the duration of batches. Attainment falls with the duration, so one
//! evaluation also answers for all easier or harder cases; between two close evaluations, it is interpolated. Few
//! evaluations are therefore needed.

use super::class::Class;
use super::interference::Influence;
use super::kind_tables::{KindTables, PlannedSetting};
use super::server::Steady;

/// The batch sizes that are tried, up to the largest in the profile. Between neighbouring sizes of larger batches the
/// least shares differ by less than a unit of allocation.
pub(super) const BATCHES: [u32; 12] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];

/// If less than this part of all batches is full, larger batch sizes make no difference.
const HARDLY_FULL: f64 = 3e-4;

/// The search for the least share at a slowdown starts from that at the next smaller multiple of this many steps.
const STRIDE: u16 = 4;

/// Where the whole GPU is not enough, larger batches are tried until this many in a row make no difference …
const HOPELESS_BATCHES: u32 = 2;

/// … where a difference is a late part below this times the least one so far.
const BETTER: f64 = 0.95;

/// A share with a batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShareChoice {
    pub units: u32,
    pub batch: u32,
}

/// The known results for a class divided over some number of replicas, on one GPU kind.
#[derive(Debug, Clone, Default)]
pub(super) struct ShareTable {
    /// For each batch size, ascending, the evaluations by rising duration.
    batches: Vec<(u32, Vec<Known>)>,
    /// The goal that `least` is for.
    goal: f64,
    /// The least shares that were requested, by slowdown.
    least: Vec<Option<Option<ShareChoice>>>,
    /// Number of known evaluations.
    evaluations: usize,
    /// By slowdown, the influence that was requested last.
    felt: Vec<Option<Felt>>,
    /// The least share without neighbours for the previous goal.
    before: Option<ShareChoice>,
}

/// The result for a server with a batch size and a share, slowed by its neighbours.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Duration of batches ([`KindTables::duration_ms`]). At the same batch size and the same duration, a server with
    /// a larger share that is slowed more behaves nearly like one with a smaller share.
    duration_ms: f64,
    steady: Steady,
    /// Logarithm of the part of its requests that is late.
    log_late: f64,
}

/// The influence of a setting on its neighbours, as of a number of known evaluations.
#[derive(Debug, Clone, Copy)]
struct Felt {
    setting: PlannedSetting,
    evaluations: usize,
    influence: Influence,
}

/// Between servers whose durations differ by no more than this part, values are interpolated.
const CLOSE: f64 = 0.05;

impl ShareTable {
    fn of_batch(&self, batch: u32) -> &[Known] {
        match self.batches.binary_search_by_key(&batch, |(size, _)| *size) {
            Ok(place) => &self.batches[place].1,
            Err(_) => &[],
        }
    }

    /// Returns the result for exactly this setting, if it is known.
    pub(super) fn known(&self, batch: u32, duration_ms: f64) -> Option<Steady> {
        let known = self.of_batch(batch);
        let place = known.partition_point(|known| known.duration_ms < duration_ms);
        let same = known.get(place).filter(|known| known.duration_ms <= duration_ms)?;
        Some(same.steady)
    }

    /// Returns the result for this setting, or an interpolation between two close ones.
    pub(super) fn nearly(&self, batch: u32, duration_ms: f64) -> Option<Steady> {
        let known = self.of_batch(batch);
        let place = known.partition_point(|known| known.duration_ms < duration_ms);
        let above = known.get(place)?;
        if above.duration_ms <= duration_ms {
            return Some(above.steady);
        }
        let below = known.get(place.checked_sub(1)?)?;
        let width = above.duration_ms - below.duration_ms;
        let [a, b] = [below, above].map(|known| 1.0 - known.steady.attained);
        let is_smooth = a > 0.0 && b > 0.0 && a < 1.0 && b < 1.0;
        if !is_smooth || width > CLOSE * duration_ms {
            return None;
        }
        let part = (duration_ms - below.duration_ms) / width;
        let mix = |a: f64, b: f64| a + (b - a) * part;
        Some(Steady {
            attained: 1.0 - libm::exp(mix(below.log_late, above.log_late)),
            busy: mix(below.steady.busy, above.steady.busy),
            mean_batch: mix(below.steady.mean_batch, above.steady.mean_batch),
            full: mix(below.steady.full, above.steady.full),
        })
    }

    pub(super) fn note(&mut self, batch: u32, duration_ms: f64, steady: Steady) {
        let place = match self.batches.binary_search_by_key(&batch, |(size, _)| *size) {
            Ok(place) => place,
            Err(place) => {
                self.batches.insert(place, (batch, Vec::new()));
                place
            }
        };
        let known = &mut self.batches[place].1;
        let at = known.partition_point(|known| known.duration_ms < duration_ms);
        let log_late = libm::log(1.0 - steady.attained);
        known.insert(at, Known { duration_ms, steady, log_late });
        self.evaluations += 1;
    }

    /// Returns the influence of a setting on its neighbours, if it was requested last and no evaluation was added
    /// since.
    pub(super) fn felt(&self, setting: &PlannedSetting) -> Option<Influence> {
        let felt = self.felt.get(usize::from(setting.slow)).copied().flatten()?;
        let holds = felt.setting == *setting && felt.evaluations == self.evaluations;
        holds.then_some(felt.influence)
    }

    pub(super) fn note_felt(&mut self, setting: &PlannedSetting, influence: Influence) {
        let place = usize::from(setting.slow);
        if self.felt.len() <= place {
            self.felt.resize(place + 1, None);
        }
        let evaluations = self.evaluations;
        self.felt[place] = Some(Felt { setting: *setting, evaluations, influence });
    }

    /// Returns whether a setting reaches a goal, where that follows from the results for slower and faster servers.
    fn reaches(&self, batch: u32, duration_ms: f64, goal: f64) -> Option<bool> {
        let known = self.of_batch(batch);
        let place = known.partition_point(|known| known.duration_ms < duration_ms);
        if known[place..].iter().any(|slower| slower.steady.attained >= goal) {
            Some(true)
        } else if known[..place].iter().any(|faster| faster.steady.attained < goal) {
            Some(false)
        } else {
            None
        }
    }

    /// Returns the least share for a slowdown, if it was found before for this goal.
    fn found(&mut self, slow: u16, goal: f64) -> Option<Option<ShareChoice>> {
        if self.goal.to_bits() != goal.to_bits() {
            self.goal = goal;
            self.before = self.least.first().copied().flatten().flatten().or(self.before);
            self.least.clear();
        }
        self.least.get(usize::from(slow)).copied().flatten()
    }

    fn note_least(&mut self, slow: u16, choice: Option<ShareChoice>) {
        let place = usize::from(slow);
        if self.least.len() <= place {
            self.least.resize(place + 1, None);
        }
        self.least[place] = Some(choice);
    }
}

/// Returns the least share for a slowdown, with the smallest batch size among those that need no more.
pub(super) fn least(
    site: &mut KindTables<'_>,
    class: (usize, &Class),
    replicas: u32,
    slow: u16,
    goal: f64,
) -> Option<ShareChoice> {
    if let Some(found) = site.table(class.0, replicas).found(slow, goal) {
        return found;
    }
    let search = LeastShareSearch { class, replicas, slow, goal };
    let choice = match slow {
        0 => search.all(site),
        // A share that is needed at a smaller slowdown is also needed at a larger one.
        _ => {
            let easier = (slow - 1) / STRIDE * STRIDE;
            let before = least(site, class, replicas, easier, goal);
            before.and_then(|before| search.from(site, before))
        }
    };
    site.table(class.0, replicas).note_least(slow, choice);
    choice
}

/// A search for the least share.
struct LeastShareSearch<'c> {
    class: (usize, &'c Class),
    replicas: u32,
    slow: u16,
    goal: f64,
}

/// The result of evaluating a share.
#[derive(Debug, Clone, Copy)]
struct Probe {
    units: u32,
    reaches: bool,
    /// Part of the requests that is late.
    late: f64,
}

impl LeastShareSearch<'_> {
    fn setting(&self, batch: u32, units: u32) -> PlannedSetting {
        PlannedSetting { replicas: self.replicas, batch, units, slow: self.slow }
    }

    fn reaches(&self, site: &mut KindTables<'_>, batch: u32, units: u32) -> bool {
        let setting = self.setting(batch, units);
        let Some(duration_ms) = site.duration_ms(self.class.1, &setting) else { return false };
        let table = site.table(self.class.0, self.replicas);
        table.reaches(batch, duration_ms, self.goal).unwrap_or_else(|| {
            site.steady(self.class, &setting).is_some_and(|steady| steady.attained >= self.goal)
        })
    }

    fn probe(&self, site: &mut KindTables<'_>, batch: u32, units: u32) -> Probe {
        let steady = site.steady(self.class, &self.setting(batch, units));
        let attained = steady.map_or(0.0, |steady| steady.attained);
        Probe { units, reaches: attained >= self.goal, late: 1.0 - attained }
    }

    /// Searches over all batch sizes.
    fn all(&self, site: &mut KindTables<'_>) -> Option<ShareChoice> {
        let mut best: Option<ShareChoice> = None;
        let guess = self.guess(site);
        let (mut least_late, mut in_vain) = (1.0, 0);
        for batch in batches(site, self.class.1) {
            let most = best.map_or(site.whole, |best| best.units - 1);
            if most == 0 {
                break;
            }
            let mut units = most;
            let probe = self.probe(site, batch, most);
            if probe.reaches {
                units = self.narrow(site, batch, guess.min(most), probe);
                best = Some(ShareChoice { batch, units });
            } else if best.is_none() && probe.late < 1.0 {
                in_vain = if probe.late < BETTER * least_late { 0 } else { in_vain + 1 };
                least_late = probe.late.min(least_late);
                if in_vain >= HOPELESS_BATCHES {
                    break;
                }
            }
            let setting = self.setting(batch, units);
            let full = site.steady(self.class, &setting).map_or(1.0, |steady| steady.full);
            if full < HARDLY_FULL {
                break;
            }
        }
        best
    }

    /// Estimates the share that is needed: that for the previous goal, or one derived from the need with one replica
    /// less.
    fn guess(&self, site: &mut KindTables<'_>) -> u32 {
        if let Some(before) = site.table(self.class.0, self.replicas).before {
            return before.units;
        }
        let fewer = self.replicas - 1;
        let known = match fewer {
            0 => None,
            _ => site.table(self.class.0, fewer).found(0, self.goal).flatten(),
        };
        known.map_or(site.whole / 3, |choice| choice.units * fewer / self.replicas).max(1)
    }

    /// Returns the least share that is enough, given that `enough` is. Starts from a guess and goes on to where the
    /// late part would meet the goal if it rose by the same factor with each unit less.
    fn narrow(&self, site: &mut KindTables<'_>, batch: u32, guess: u32, mut enough: Probe) -> u32 {
        let mut below = Probe { units: 0, reaches: false, late: 1.0 };
        let allowed = libm::log(1.0 - self.goal);
        let mut next = guess;
        let mut step = 1;
        while enough.units - below.units > 1 {
            let probe = self.probe(site, batch, next.clamp(below.units + 1, enough.units - 1));
            let before = if probe.reaches { enough } else { below };
            *(if probe.reaches { &mut enough } else { &mut below }) = probe;
            // The crossing on a line through two known points.
            let (a, b) = match below.late < 1.0 && enough.late > 0.0 {
                true => (below, enough),
                false => (before, probe),
            };
            let slope =
                (libm::log(b.late) - libm::log(a.late)) / (f64::from(b.units) - f64::from(a.units));
            let crossing = f64::from(probe.units) + (allowed - libm::log(probe.late)) / slope;
            let known = a.late < 1.0 && a.late > 0.0 && b.late > 0.0 && slope < 0.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            let crossing = if known && crossing.is_finite() { crossing as u32 } else { u32::MAX };
            let middle = below.units.midpoint(enough.units);
            next = match (known && crossing < u32::MAX, probe.reaches) {
                // On the way down, the last share that is not enough; on the way up, the first that is.
                (true, true) => crossing.min(probe.units - 1),
                (true, false) => (crossing + 1).max(probe.units + 1),
                (false, true) if below.units == 0 => probe.units.saturating_sub(step),
                (false, true) => middle,
                (false, false) => (probe.units + step).min(middle),
            };
            step *= 2;
        }
        enough.units
    }

    /// Searches upwards from the share for a smaller slowdown, with the same batch size or one of its neighbours.
    fn from(&self, site: &mut KindTables<'_>, before: ShareChoice) -> Option<ShareChoice> {
        let batches = batches(site, self.class.1);
        let place = batches.iter().position(|batch| *batch == before.batch)?;
        let smaller = place.checked_sub(1).map(|place| batches[place]);
        let larger = batches.get(place + 1);
        for units in before.units..=site.whole {
            // The smallest batch size that is enough.
            if self.reaches(site, before.batch, units) {
                let smaller = smaller
                    .filter(|batch| units > before.units && self.reaches(site, *batch, units));
                return Some(ShareChoice { units, batch: smaller.unwrap_or(before.batch) });
            }
            if let Some(&larger) = larger
                && self.is_ever_full(site, before.batch, units)
                && self.reaches(site, larger, units)
            {
                return Some(ShareChoice { units, batch: larger });
            }
        }
        None
    }

    /// Returns whether a larger batch size would make a difference.
    fn is_ever_full(&self, site: &mut KindTables<'_>, batch: u32, units: u32) -> bool {
        let steady = site.steady(self.class, &self.setting(batch, units));
        steady.is_none_or(|steady| steady.full >= HARDLY_FULL)
    }
}

/// Returns the batch sizes that are tried for a class.
pub(super) fn batches(site: &KindTables<'_>, class: &Class) -> Vec<u32> {
    let most = site.model(class).map_or(1, |model| site.predictor.max_batch(model).get());
    match class.server.max_batch {
        Some(fixed) => vec![fixed.get()],
        None => BATCHES.iter().copied().filter(|batch| *batch <= most).collect(),
    }
}
