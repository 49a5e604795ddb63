//! The types that every stage shares: GPU kinds, workloads, plans and request records.
//!
//! Nothing here computes; the stages pass these values to each other.

mod action;
mod gpu_kind;
mod names;
mod nearest;
mod plan;
mod plan_at;
mod record;
mod sharing;
mod timeline;
mod workload;

pub use action::{Action, ActionKind, ServerWindow};
pub use gpu_kind::GpuKind;
pub use names::{
    GpuId, GpuKindName, ModelId, ModelName, NameError, WorkloadId, WorkloadName, escaped,
    is_hidden, is_name,
};
pub use nearest::nearest;
pub use plan::{
    BoundMethod, CoLocation, GpuBound, Infeasible, Placement, Plan, PredictedService, WorkloadFix,
};
pub use plan_at::PlanAt;
pub use record::{BatchRecord, FailedRequest, Failure, GpuInterval, RecordSink, RequestRecord};
pub use sharing::SmSharing;
pub use timeline::{ServerSetting, Timeline, TimelineGpu, TimelineServer};
pub use workload::Workload;
