//! Strategies and predictors that a program adds, selectable by name beside the built-in ones.

use super::source::same_kind;
use super::{LoadedPredictor, RunError, load_predictor, load_truth};
use crate::plan::{PlanError, Strategy, strategy};
use crate::units::Dollars;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Makes a custom predictor for a profile.
pub trait PredictorSource: Debug + Send + Sync {
    /// Same as [`load_predictor`], for a custom predictor.
    ///
    /// # Errors
    /// When the predictor cannot be made from this profile.
    fn load(&self, profile: &str, price: Option<Dollars>) -> Result<LoadedPredictor, RunError>;
}

/// A program's own strategies and predictors. A name that is also built in means the built-in one.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    strategies: BTreeMap<String, Arc<dyn Strategy>>,
    predictors: BTreeMap<String, Arc<dyn PredictorSource>>,
    /// Text that distinguishes these extensions from others of the same names, for sweeps that are
    /// continued or merged.
    pub fingerprint: String,
}

impl Extensions {
    /// Adds a strategy under its name.
    pub fn add_strategy(&mut self, strategy: Arc<dyn Strategy>) {
        self.strategies.insert(strategy.name().to_owned(), strategy);
    }

    /// Adds a predictor.
    pub fn add_predictor(&mut self, name: &str, predictor: Arc<dyn PredictorSource>) {
        self.predictors.insert(name.to_owned(), predictor);
    }

    /// Returns whether there are no extensions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strategies.is_empty() && self.predictors.is_empty()
    }

    /// Returns the strategy of a name.
    ///
    /// # Errors
    /// When there is no strategy of that name.
    pub fn strategy(&self, name: &str) -> Result<Arc<dyn Strategy>, PlanError> {
        match self.strategies.get(name) {
            Some(own) => Ok(Arc::clone(own)),
            None => strategy(name).map(Arc::from),
        }
    }

    /// Same as [`load_predictor`], with the program's own predictors.
    ///
    /// # Errors
    /// Same as the function of that name for built-in predictors, and when a custom predictor
    /// cannot be made.
    pub fn load_predictor(
        &self,
        profile: &str,
        predictor: Option<&str>,
        price: Option<Dollars>,
    ) -> Result<LoadedPredictor, RunError> {
        match predictor.and_then(|name| self.predictors.get(name)) {
            Some(own) => own.load(profile, price),
            None => load_predictor(profile, predictor, price),
        }
    }

    /// Same as [`load_truth`], with the program's own predictors.
    ///
    /// # Errors
    /// Same as the function of that name for built-in predictors, and when a custom predictor
    /// cannot be made.
    pub fn load_truth(
        &self,
        truth: &str,
        profile: &str,
        plans: &LoadedPredictor,
    ) -> Result<LoadedPredictor, RunError> {
        match self.predictors.get(truth) {
            Some(own) => {
                let price = Some(plans.predictor.kind().price_per_hour);
                same_kind(own.load(profile, price)?, truth, plans)
            }
            None => load_truth(truth, profile, plans),
        }
    }
}
