//! Values that points share: fitted predictors, and plans of equal workloads.

use super::SweepError;
use crate::run::{Course, Extensions, KindPredictors, LoadedPredictor, RunError, Study};
use crate::scenario::{Scenario, ScenarioGpu};
use crate::units::Dollars;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Maximum number of cached plans. Neighbouring points share plans; distant ones rarely do.
const MOST_PLANS: usize = 256;
/// Maximum number of cached predictors. A sweep over the price makes a predictor for each value.
const MOST_PREDICTORS: usize = 64;

type CacheSlot<V> = Arc<OnceLock<Result<Arc<V>, String>>>;

/// A cache of values by key. Each value is made once, even if several threads request it; the oldest are dropped when
/// there are too many.
#[derive(Debug)]
struct KeyedCache<V> {
    most: usize,
    inner: Mutex<Kept<V>>,
}

#[derive(Debug)]
struct Kept<V> {
    slots: BTreeMap<String, CacheSlot<V>>,
    /// The keys, oldest first.
    order: VecDeque<String>,
}

impl<V> KeyedCache<V> {
    fn new(most: usize) -> Self {
        let kept = Kept { slots: BTreeMap::new(), order: VecDeque::new() };
        Self { most, inner: Mutex::new(kept) }
    }

    fn get(&self, key: &str, make: impl FnOnce() -> Result<V, String>) -> Result<Arc<V>, String> {
        let slot = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let Kept { slots, order } = &mut *inner;
            match slots.get(key) {
                Some(slot) => Arc::clone(slot),
                None => {
                    if order.len() >= self.most
                        && let Some(oldest) = order.pop_front()
                    {
                        slots.remove(&oldest);
                    }
                    let slot = CacheSlot::<V>::default();
                    slots.insert(key.to_owned(), Arc::clone(&slot));
                    order.push_back(key.to_owned());
                    slot
                }
            }
        };
        // Outside the lock, so that other threads can make other values meanwhile.
        slot.get_or_init(|| make().map(Arc::new)).clone()
    }
}

/// Values that points share.
#[derive(Debug)]
pub(super) struct Cache {
    predictors: KeyedCache<LoadedPredictor>,
    plans: KeyedCache<Course>,
    own: Extensions,
}

impl Cache {
    pub(super) fn new(own: Extensions) -> Self {
        let predictors = KeyedCache::new(MOST_PREDICTORS);
        Self { predictors, plans: KeyedCache::new(MOST_PLANS), own }
    }

    fn predictor(
        &self,
        profile: &str,
        predictor: Option<&str>,
        price: Option<Dollars>,
    ) -> Result<Arc<LoadedPredictor>, SweepError> {
        let key = format!("{profile}|{predictor:?}|{:?}", price.map(|p| p.get().to_bits()));
        let load = || self.own.load_predictor(profile, predictor, price);
        let make = || load().map_err(|e| described(&e));
        self.predictors.get(&key, make).map_err(SweepError::Search)
    }

    fn truth(
        &self,
        truth: &str,
        profile: &str,
        plans: &LoadedPredictor,
    ) -> Result<Arc<LoadedPredictor>, SweepError> {
        let price = plans.predictor.kind().price_per_hour.get().to_bits();
        let key = format!("truth {truth}|{profile}|{price}");
        let make = || self.own.load_truth(truth, profile, plans).map_err(|e| described(&e));
        self.predictors.get(&key, make).map_err(SweepError::Search)
    }

    /// Returns the predictors of each GPU kind of a scenario.
    pub(super) fn kinds(
        &self,
        scenario: &Scenario,
        predictor: Option<&str>,
        truth: Option<&str>,
    ) -> Result<Vec<KindPredictors>, SweepError> {
        let kind = |gpu: &ScenarioGpu| {
            let profile = gpu.profile.to_string();
            let source = self.predictor(&profile, predictor, gpu.price_per_hour)?;
            let truth = truth.map(|truth| self.truth(truth, &profile, &source)).transpose()?;
            Ok(KindPredictors { source, truth })
        };
        scenario.gpus.iter().map(kind).collect()
    }

    /// Returns the course that a strategy gives a study; `source` identifies the predictor that plans.
    pub(super) fn course(
        &self,
        study: &Study,
        name: &str,
        source: &str,
    ) -> Result<Arc<Course>, String> {
        let mut key = format!("{name}|{source}|{:?}", study.scenario().plan);
        for w in study.workloads() {
            let (slo, rate) = (w.slo.get().to_bits(), w.rate.get().to_bits());
            // Names may hold any characters but control characters, so line breaks are safe separators.
            key += &format!("\n{}\n{}\n{slo}\n{rate}", w.name, w.model);
        }
        self.plans.get(&key, || {
            let chosen = self.own.strategy(name).map_err(|error| error.to_string())?;
            Ok(study.course(chosen.as_ref()))
        })
    }
}

fn described(error: &RunError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_made_once_and_the_oldest_go() {
        let cache: KeyedCache<u32> = KeyedCache::new(2);
        let made = std::cell::Cell::new(0);
        let get = |key: &str| {
            cache.get(key, || {
                made.set(made.get() + 1);
                Ok(made.get())
            })
        };
        assert_eq!(*get("a").unwrap(), 1);
        assert_eq!(*get("a").unwrap(), 1);
        assert_eq!(*get("b").unwrap(), 2);
        assert_eq!(*get("c").unwrap(), 3);
        assert_eq!(*get("b").unwrap(), 2);
        assert_eq!(*get("a").unwrap(), 4, "it was the oldest of three");
    }
}
