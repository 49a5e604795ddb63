//! The performance model of a GPU kind: from a co-location to latency, throughput, power and clock.
//!
//! [`Predictor`] is the plug-in point. Its implementations:
//!
//! | name | module | what slows a member down |
//! |---|---|---|
//! | `igniter` | [`igniter`] | the form of the iGniter paper |
//! | `contention` | [`contention`] | pressure of the others, kernel scheduling, launching, host copies, clock |
//! | `gpulets` | [`gpulets`] | a linear regression on L2 and DRAM utilisation |
//! | `solo` | [`isolated`] | nothing |
//! | `solo_scaled` | [`isolated`] | one constant factor |
//!
//! All but `igniter` share the description of a model alone on the GPU in [`solo`].
//!
//! Predictors are pure: the same co-location always gives the same numbers, on every machine. Powers,
//! exponentials and logarithms come from the `libm` crate, since those of the system's library differ
//! in the last bit from one machine to the next.

/// Used within `impl Predictor`: takes kind and models from the field `solo`.
macro_rules! kind_and_models_of_solo {
    ($self:ident) => {
        fn kind(&$self) -> &GpuKind {
            $self.solo.kind()
        }

        fn models(&$self) -> &[ModelName] {
            $self.solo.names()
        }

        fn max_batch(&$self, model: ModelId) -> BatchSize {
            $self.solo.max_batch(model)
        }

        fn memory(&$self, model: ModelId) -> Option<Bytes> {
            $self.solo.coefficients()[model.index()].memory_bytes
        }
    };
}

/// Used within `impl Predictor`: forwards everything but the predictions to the field `inner`.
macro_rules! as_inner_but_for_predictions {
    ($self:ident) => {
        fn name(&$self) -> &'static str {
            $self.inner.name()
        }

        fn kind(&$self) -> &GpuKind {
            $self.inner.kind()
        }

        fn models(&$self) -> &[ModelName] {
            $self.inner.models()
        }

        fn max_batch(&$self, model: ModelId) -> BatchSize {
            $self.inner.max_batch(model)
        }

        fn memory(&$self, model: ModelId) -> Option<Bytes> {
            $self.inner.memory(model)
        }

        fn assumed(&$self) -> &[String] {
            $self.inner.assumed()
        }

        fn uncertainty(&$self, members: &[Member], of: usize) -> Option<Uncertainty> {
            $self.inner.uncertainty(members, of)
        }
    };
}

mod additive;
pub mod contention;
mod contract;
pub mod gpulets;
pub mod igniter;
pub mod isolated;
mod perturbed;
mod slowed;
pub mod solo;
mod turns;
mod uncertainty;
mod validity;

pub use additive::{Additive, Presence};
pub use contract::{CoLocationPrediction, Member, MemberPrediction, Predictor};
pub use perturbed::{ErrorDraw, PerturbedPredictor};
pub use slowed::SlowedPredictor;
pub use turns::{executing_beside, predict_in_turns, round_ms};
pub use uncertainty::{ErrorBounds, LaunchBounds, Lead, Uncertainty, Validity};
pub use validity::{BadPrediction, check_prediction, try_predictor};
