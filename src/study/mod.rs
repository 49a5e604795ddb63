//! Studies of predictors on measured co-locations: how accurate each one is on data that it did not see, and what
//! should be measured next.
//!
//! [`accuracy_study`] fits every [`Recipe`] (a predictor with a budget of measurements) on the same data and
//! scores it on rows that its fit never saw: all rows for a fit without co-located runs, else k-fold,
//! leave-one-pair-out, leave-one-model-out and a random split. [`next_measurements`] ranks the pairs and
//! configurations that reduce uncertainty most.

mod accuracy;
mod design;
mod experiments;
mod recipe;
mod score;
mod solo_curves;
mod split;

pub use accuracy::{
    AccuracyStudy, ScoredSet, StudyData, StudyOptions, StudyRow, accuracy_study, evaluate,
};
pub use design::{Reason, Suggestion, next_measurements};
pub use experiments::{ExperimentRow, experiments};
pub use recipe::{Points, Recipe, Runs, SoloLatencies, recipes};
pub use score::{Coverage, ErrorGroup, NoiseFloor, Score, Scored, coverage_curve, noise_floor};
pub use solo_curves::{CurveRow, solo_curves};
pub use split::{RunKind, Split, chosen_runs};
