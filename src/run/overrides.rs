//! What a command line changes of a scenario.

use crate::plan::{Margin, PlanOptions, Replicas};
use crate::predictor::ErrorDraw;
use crate::scenario::{Document, ProfileChoice, Scenario, ScenarioError, ScenarioGpu};
use std::path::PathBuf;

/// What a user can change of a scenario from the command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Values of the scenario's keys, by their paths as in sweeps: see [`Document::set`].
    pub set: Vec<(String, toml::Value)>,
    /// Another seed.
    pub seed: Option<u64>,
    /// Another profile: a name, a folder, or a file of coefficients. It takes the place of all GPU kinds.
    pub profile: Option<String>,
    /// Another predictor than the default.
    pub predictor: Option<String>,
    /// Another predictor for the simulation than for plans: a name (fitted to the same profile), or a
    /// file of coefficients.
    pub truth: Option<String>,
    /// Draw an error for each model, from the uncertainty of the predictor that is simulated with.
    pub prediction_error: bool,
    /// Other options for planners.
    pub plan: PlanOverrides,
}

impl Overrides {
    /// Sets the keys of a scenario that are to be set.
    ///
    /// # Errors
    /// For the first whose path leads nowhere.
    pub fn set_in(&self, document: &mut Document) -> Result<(), ScenarioError> {
        self.set.iter().try_for_each(|(path, value)| document.set(path, value.clone()))
    }

    /// Changes the scenario; what concerns predictors is left to those who load them.
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

/// What a user can change of a scenario's `[plan]` table; `None` keeps what stands there.
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
    /// `search_rounds`; takes the place of a time limit.
    pub search_rounds: Option<u32>,
    /// `time_limit_s`; takes the place of a number of rounds.
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

/// Puts one profile in the place of the GPU kinds of a scenario.
pub fn replace_kinds(scenario: &mut Scenario, profile: &str) {
    // A price belongs to the kind that it was written for.
    let one = <[ScenarioGpu; 1]>::try_from(std::mem::take(&mut scenario.gpus));
    let price_per_hour = one.ok().and_then(|[gpu]| gpu.price_per_hour);
    let profile = ProfileChoice::Path(PathBuf::from(profile));
    scenario.gpus = vec![ScenarioGpu { profile, price_per_hour }];
}
