//! Changes to a scenario from the command line.

use crate::plan::{Margin, PlanOptions, Replicas};
use crate::predictor::ErrorDraw;
use crate::scenario::{Document, ProfileChoice, Scenario, ScenarioError, ScenarioGpu};
use std::path::PathBuf;

/// The changes to a scenario that a user can make on the command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Values for keys of the scenario, by their paths as in sweeps: see [`Document::set`].
    pub set: Vec<(String, toml::Value)>,
    /// Another seed.
    pub seed: Option<u64>,
    /// Another profile: a name, a folder, or a file of coefficients. It replaces all GPU kinds.
    pub profile: Option<String>,
    /// Another predictor than the default.
    pub predictor: Option<String>,
    /// Another predictor for the simulation than for planning: a name (fitted to the same profile), or a file of
    /// coefficients.
    pub truth: Option<String>,
    /// Whether to draw an error for each model from the uncertainty of the predictor used for the simulation.
    pub prediction_error: bool,
    /// Other options for planners.
    pub plan: PlanOverrides,
}

impl Overrides {
    /// Sets the keys of [`Self::set`] in a scenario.
    ///
    /// # Errors
    /// For the first key whose path does not exist.
    pub fn set_in(&self, document: &mut Document) -> Result<(), ScenarioError> {
        self.set.iter().try_for_each(|(path, value)| document.set(path, value.clone()))
    }

    /// Applies the changes to the scenario; those of predictors are left to the code that loads them.
    pub(super) fn apply(&self, scenario: &mut Scenario) {
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        scenario.plan = self.plan.apply(scenario.plan);
        if self.prediction_error {
            scenario.prediction_error = Some(ErrorDraw::Uncertainty);
        }
        if let Some(profile) = &self.profile {
            replace_kinds(scenario, profile);
        }
    }
}

/// The changes to a scenario's `[plan]` table that a user can make; `None` keeps the value of the scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PlanOverrides {
    /// `margin_pct`
    pub margin: Option<Margin>,
    /// `headroom_pct`
    pub headroom_pct: Option<f64>,
    /// `replicas`
    pub replicas: Option<Replicas>,
    /// `attainment_pct`
    pub attainment_pct: Option<f64>,
    /// `confidence_pct`
    pub confidence_pct: Option<f64>,
    /// `process_limit`
    pub process_limit: Option<usize>,
    /// `search_rounds`; replaces a time limit.
    pub search_rounds: Option<u32>,
    /// `time_limit_s`; replaces a number of rounds.
    pub time_limit_s: Option<f64>,
}

impl PlanOverrides {
    fn apply(&self, options: PlanOptions) -> PlanOptions {
        let time_limit_s = match (self.search_rounds, self.time_limit_s) {
            (_, Some(limit)) => Some(limit),
            (Some(_), None) => None,
            (None, None) => options.time_limit_s,
        };
        PlanOptions {
            margin: self.margin.unwrap_or(options.margin),
            throughput_headroom_pct: self.headroom_pct.unwrap_or(options.throughput_headroom_pct),
            replicas: self.replicas.unwrap_or(options.replicas),
            attainment_pct: self.attainment_pct.unwrap_or(options.attainment_pct),
            confidence_pct: self.confidence_pct.unwrap_or(options.confidence_pct),
            process_limit: self.process_limit.unwrap_or(options.process_limit),
            search_rounds: self.search_rounds.unwrap_or(options.search_rounds),
            time_limit_s,
            seed: options.seed,
        }
    }
}

/// Replaces the GPU kinds of a scenario by one profile.
pub fn replace_kinds(scenario: &mut Scenario, profile: &str) {
    // A price belongs to the kind for which it was written.
    let one = <[ScenarioGpu; 1]>::try_from(std::mem::take(&mut scenario.gpus));
    let price_per_hour = one.ok().and_then(|[gpu]| gpu.price_per_hour);
    let profile = ProfileChoice::Path(PathBuf::from(profile));
    scenario.gpus = vec![ScenarioGpu { profile, price_per_hour }];
}
