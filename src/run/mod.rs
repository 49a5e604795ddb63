//! Connects the stages of a run: a scenario and a predictor make a [`Study`], which plans and
//! simulates.

mod advice;
mod arrivals;
mod artifact;
mod catalogue;
mod command;
mod error;
mod extensions;
mod folder;
mod follow;
mod following;
mod kind;
mod notes;
mod overrides;
mod prediction_error;
mod refine;
mod replan;
mod simulate;
mod solo;
mod source;
mod sources;
mod study;
mod traffic;

pub use artifact::{ArtifactStudy, scenario_of};
pub use command::CommandStrategy;
pub use error::RunError;
pub use extensions::{Extensions, PredictorSource};
pub use folder::write_results;
pub use follow::FollowedPlans;
pub use kind::KindPredictors;
pub use overrides::{Overrides, PlanOverrides, replace_kinds};
pub use refine::{Refined, RefinedNeed};
pub use replan::{Course, JUDGED_WINDOW, Lateness, ReplannedStudy, lateness};
pub use simulate::Logging;
pub use solo::solo_latency_ms;
pub use source::{DEFAULT_PREDICTOR, LoadedPredictor, load_predictor, load_truth};
pub use sources::StudySources;
pub use study::Study;
