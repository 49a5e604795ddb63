//! The least share with which a server reaches its goal, for each slowdown by neighbours.
//!
//! Attainment rises with the share and falls with the slowdown, so one evaluation also answers for all settings
//! that are easier or harder: few are needed, and a table gives the same answers whoever asked before.

use super::class::Class;
use super::interference::Influence;
use super::server::Steady;
use super::site::{Setting, Site};
use std::collections::BTreeMap;

/// The batch sizes that are tried, as far as the profile goes. Among neighbouring sizes of larger batches the
/// least shares differ by less than a unit of allocation.
pub(super) const BATCHES: [u32; 12] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];

/// Once so small a part of all batches is full, larger ones make no difference.
const HARDLY_FULL: f64 = 3e-4;

/// A share with a batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub units: u32,
    pub batch: u32,
}

/// What is known of one setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    slow: u16,
    pub steady: Steady,
    pub influence: Influence,
}

/// What is known of a class divided over some number of replicas, on one GPU kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// By batch size and units; each by rising slowdown.
    known: BTreeMap<(u32, u32), Vec<Known>>,
    /// The goal that `least` is for.
    goal: f64,
    /// By slowdown; those that were asked for.
    least: Vec<Option<Option<Choice>>>,
}

impl Table {
    pub(super) fn known(&self, setting: &Setting) -> Option<&Known> {
        let row = self.known.get(&(setting.batch, setting.units))?;
        let place = row.binary_search_by_key(&setting.slow, |known| known.slow).ok()?;
        row.get(place)
    }

    pub(super) fn note(&mut self, setting: &Setting, steady: Steady, influence: Influence) {
        let row = self.known.entry((setting.batch, setting.units)).or_default();
        let place = row.partition_point(|known| known.slow < setting.slow);
        row.insert(place, Known { slow: setting.slow, steady, influence });
    }

    /// Whether a setting reaches a goal, where that follows from what is known.
    fn reaches(&self, setting: &Setting, goal: f64) -> Option<bool> {
        let row = self.known.get(&(setting.batch, setting.units))?;
        let place = row.partition_point(|known| known.slow < setting.slow);
        let harder = row[place..].iter().any(|known| known.steady.attained >= goal);
        let easier = row[..place].iter().any(|known| known.steady.attained < goal);
        match row.get(place) {
            Some(known) if known.slow == setting.slow => Some(known.steady.attained >= goal),
            _ if harder => Some(true),
            _ if easier => Some(false),
            _ => None,
        }
    }

    /// The least share for a slowdown, if it was found before for this goal.
    fn found(&mut self, slow: u16, goal: f64) -> Option<Option<Choice>> {
        if self.goal.to_bits() != goal.to_bits() {
            self.goal = goal;
            self.least.clear();
        }
        self.least.get(usize::from(slow)).copied().flatten()
    }

    fn note_least(&mut self, slow: u16, choice: Option<Choice>) {
        let place = usize::from(slow);
        if self.least.len() <= place {
            self.least.resize(place + 1, None);
        }
        self.least[place] = Some(choice);
    }
}

/// The least share for a slowdown, with the smallest batch size among those that need no more.
pub(super) fn least(
    site: &mut Site<'_>,
    class: (usize, &Class),
    replicas: u32,
    slow: u16,
    goal: f64,
) -> Option<Choice> {
    if let Some(found) = site.table(class.0, replicas).found(slow, goal) {
        return found;
    }
    // Whoever needs a share without neighbours needs no less with them.
    let before = match slow {
        0 => None,
        _ => Some(least(site, class, replicas, slow - 1, goal)),
    };
    let choice = match before {
        Some(None) => None,
        Some(Some(before)) => Search { class, replicas, slow, goal }.from(site, before),
        None => Search { class, replicas, slow, goal }.all(site),
    };
    site.table(class.0, replicas).note_least(slow, choice);
    choice
}

/// A search for the least share.
struct Search<'c> {
    class: (usize, &'c Class),
    replicas: u32,
    slow: u16,
    goal: f64,
}

impl Search<'_> {
    fn setting(&self, batch: u32, units: u32) -> Setting {
        Setting { replicas: self.replicas, batch, units, slow: self.slow }
    }

    fn reaches(&self, site: &mut Site<'_>, batch: u32, units: u32) -> bool {
        let setting = self.setting(batch, units);
        let table = site.table(self.class.0, self.replicas);
        match table.reaches(&setting, self.goal) {
            Some(known) => known,
            None => {
                site.steady(self.class, &setting).is_some_and(|steady| steady.attained >= self.goal)
            }
        }
    }

    /// Over all batch sizes.
    fn all(&self, site: &mut Site<'_>) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        let guess = self.guess(site);
        for batch in batches(site, self.class.1) {
            let most = best.map_or(site.whole, |best| best.units - 1);
            if most == 0 {
                break;
            }
            let mut units = most;
            if self.reaches(site, batch, most) {
                units = self.narrow(site, batch, guess.min(most), most);
                best = Some(Choice { batch, units });
            }
            let setting = self.setting(batch, units);
            let full = site.steady(self.class, &setting).map_or(1.0, |steady| steady.full);
            if full < HARDLY_FULL {
                break;
            }
        }
        best
    }

    /// About what is needed, from what one replica less needs.
    fn guess(&self, site: &mut Site<'_>) -> u32 {
        let fewer = self.replicas - 1;
        let known = match fewer {
            0 => None,
            _ => site.table(self.class.0, fewer).found(0, self.goal).flatten(),
        };
        known.map_or(site.whole / 3, |choice| choice.units * fewer / self.replicas).max(1)
    }

    /// The least share that is enough, of at most `enough`: with steps that double, from a guess on.
    fn narrow(&self, site: &mut Site<'_>, batch: u32, guess: u32, mut enough: u32) -> u32 {
        let mut below = 0;
        let (mut next, mut step) = (guess, 1);
        while next > below && next < enough {
            if self.reaches(site, batch, next) {
                enough = next;
                next = next.saturating_sub(step);
            } else {
                below = next;
                next += step;
            }
            step *= 2;
        }
        while enough - below > 1 {
            let middle = below + (enough - below) / 2;
            if self.reaches(site, batch, middle) { enough = middle } else { below = middle }
        }
        enough
    }

    /// From what is needed with a little less slowdown: the same batch size or one of its neighbours.
    fn from(&self, site: &mut Site<'_>, before: Choice) -> Option<Choice> {
        let batches = batches(site, self.class.1);
        let place = batches.iter().position(|batch| *batch == before.batch)?;
        let near = &batches[place.saturating_sub(1)..(place + 2).min(batches.len())];
        for units in before.units..=site.whole {
            // The smallest batch that does.
            let works = near.iter().find(|batch| self.reaches(site, **batch, units));
            if let Some(batch) = works {
                return Some(Choice { units, batch: *batch });
            }
        }
        None
    }
}

/// The batch sizes that are tried for a class.
pub(super) fn batches(site: &Site<'_>, class: &Class) -> Vec<u32> {
    let most = site.model(class).map_or(1, |model| site.predictor.max_batch(model).get());
    match class.server.max_batch {
        Some(fixed) => vec![fixed.get()],
        None => BATCHES.iter().copied().filter(|batch| *batch <= most).collect(),
    }
}
