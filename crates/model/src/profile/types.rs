//! What a profile holds.

use super::{ColocatedRun, SoloTable};
use crate::domain::{GpuKind, ModelName};
use crate::units::{BatchSize, Bytes, Megahertz, Milliseconds, SmPercent, Watts};

/// The profile of one GPU kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The constants of the GPU kind.
    pub kind: GpuKind,
    /// Where the numbers come from, and on what terms.
    pub source: String,
    /// The profiled models, in file order.
    pub models: Vec<ModelProfile>,
    /// The GPU as a whole with 1, 2, 3 … co-located copies of one model; empty when not measured.
    pub colocation: Vec<ColocationPoint>,
    /// Measured co-locations; empty when not measured.
    pub colocated: Vec<ColocatedRun>,
    /// Measured solo latencies beyond the models' own points; empty when not measured.
    pub solo_table: SoloTable,
}

/// The measurements of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    /// The model.
    pub name: ModelName,
    /// Kernels that one batch launches.
    pub kernels: u32,
    /// Time within one batch in which no kernel of it runs, alone on the GPU.
    pub idle: Milliseconds,
    /// Bytes copied to the GPU for one request.
    pub input: Bytes,
    /// Bytes copied back for one request.
    pub output: Bytes,
    /// Device memory of one server process of the model, where known.
    pub memory: Option<Bytes>,
    /// The model alone on the GPU.
    pub solo: Vec<SoloPoint>,
    /// Two copies of the model beside each other, where measured.
    pub self_pair: Option<SelfPair>,
    /// The kernels of one batch, in launch order; empty when not listed.
    pub kernel_list: Vec<KernelLaunch>,
}

/// One kernel of a model, recorded alone on the GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelLaunch {
    /// Batch size at which it was recorded; the same for all kernels of a model.
    pub batch: BatchSize,
    /// SM share at which it was recorded; the same for all kernels of a model.
    pub sm: SmPercent,
    /// Median duration.
    pub duration: Milliseconds,
    /// Thread blocks of the launch.
    pub blocks: u32,
    /// Threads of a block.
    pub threads_per_block: u32,
    /// Registers of a thread.
    pub registers_per_thread: u32,
    /// Shared memory of a block.
    pub shared_memory: Bytes,
    /// The kernel's name; tells matrix products from other kernels.
    pub name: String,
}

/// A model alone on the GPU with one batch size and SM share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoloPoint {
    /// Batch size.
    pub batch: BatchSize,
    /// SM share.
    pub sm: SmPercent,
    /// Time on the GPU, without copies, at the clock of this point.
    pub gpu: Milliseconds,
    /// Whole inference with copies, where measured.
    pub latency: Option<Milliseconds>,
    /// Power of the whole GPU.
    pub power: Watts,
    /// SM clock.
    pub clock: Megahertz,
    /// L2 utilisation in percent, where measured.
    pub l2_pct: Option<f64>,
}

/// Two copies of a model, each with half of the SMs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfPair {
    /// Time with kernels running, of one copy alone with the same share.
    pub active_alone: Milliseconds,
    /// The same beside the second copy.
    pub active_pair: Milliseconds,
    /// Power of the GPU with both.
    pub power: Watts,
    /// SM clock with both.
    pub clock: Megahertz,
    /// L2 utilisation of one copy in percent.
    pub l2_pct: f64,
}

/// The GPU with a number of co-located copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColocationPoint {
    /// How many.
    pub co_located: u32,
    /// Power of the whole GPU.
    pub power: Watts,
    /// SM clock.
    pub clock: Megahertz,
    /// Idle time between two kernels of one copy.
    pub idle_per_kernel: Milliseconds,
}
