//! The content of a profile.

use super::{ColocatedRun, Slice, SoloTable};
use crate::domain::{GpuKind, ModelName};
use crate::units::{BatchSize, Bytes, Megahertz, Milliseconds, SmPercent, Watts};

/// The profile of one GPU kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The constants of the GPU kind.
    pub kind: GpuKind,
    /// The source of the numbers, and their terms of use.
    pub source: String,
    /// The profiled models, in file order.
    pub models: Vec<ModelProfile>,
    /// The GPU as a whole with 1, 2, 3 … co-located copies of one model; empty where not measured.
    pub colocation: Vec<ColocationPoint>,
    /// Measured co-locations; empty where not measured.
    pub colocated: Vec<ColocatedRun>,
    /// Measured solo latencies beyond the models' own points; empty where not measured.
    pub solo_table: SoloTable,
    /// The slice, where the kind is a slice of the GPU that all other fields describe.
    pub slice: Option<Slice>,
}

/// The measurements of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    pub name: ModelName,
    /// Number of kernels that one batch launches; 0 where it is unknown.
    pub kernels: u32,
    /// Time within one batch, alone on the GPU, in which none of its kernels runs.
    pub idle: Milliseconds,
    /// Bytes copied to the GPU for one request.
    pub input: Bytes,
    /// Bytes copied back for one request.
    pub output: Bytes,
    /// Device memory of one server process of the model, where known.
    pub memory: Option<Bytes>,
    /// Whether the host launches kernels more slowly than the GPU runs them for small batches; `None`: the fit decides
    /// by the solo points.
    pub launch_bound: Option<bool>,
    /// Measurements of the model alone on the GPU.
    pub solo: Vec<SoloPoint>,
    /// Two copies of the model side by side, where measured.
    pub self_pair: Option<SelfPair>,
    /// The kernels of one batch, in launch order; empty where there is no list.
    pub kernel_list: Vec<KernelLaunch>,
}

/// One kernel of a model, recorded alone on the GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelLaunch {
    /// The batch size at which the kernel was recorded; the same for all kernels of a model.
    pub batch: BatchSize,
    /// The SM share at which the kernel was recorded; the same for all kernels of a model.
    pub sm: SmPercent,
    /// Median duration.
    pub duration: Milliseconds,
    /// Number of thread blocks of the launch.
    pub blocks: u32,
    pub threads_per_block: u32,
    pub registers_per_thread: u32,
    /// Shared memory per block.
    pub shared_memory: Bytes,
    /// The kernel's name, which distinguishes matrix products from other kernels.
    pub name: String,
}

/// A model alone on the GPU with one batch size and SM share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoloPoint {
    pub batch: BatchSize,
    /// The SM share.
    pub sm: SmPercent,
    /// Time on the GPU, without copies, at the clock of this point. Where only the whole inference was measured
    /// (`with_copies`), its time.
    pub gpu: Milliseconds,
    /// Whether `gpu` includes the copies.
    pub with_copies: bool,
    /// Time of the whole inference with copies, where measured separately from the time on the GPU.
    pub latency: Option<Milliseconds>,
    /// Power of the whole GPU, where measured.
    pub power: Option<Watts>,
    /// SM clock, where measured; otherwise the highest clock is assumed.
    pub clock: Option<Megahertz>,
    /// L2 utilisation in percent while a kernel runs, where measured.
    pub l2_pct: Option<f64>,
    /// DRAM utilisation in percent while a kernel runs, where measured.
    pub dram_pct: Option<f64>,
    /// Requests per second, where measured.
    pub throughput_img_s: Option<f64>,
}

impl SoloPoint {
    /// Returns f / F: the ratio of the clock to the kind's highest, at most 1, and 1 where the clock was not measured.
    #[must_use]
    pub fn clock_ratio(&self, kind: &GpuKind) -> f64 {
        self.clock.map_or(1.0, |clock| (clock.get() / kind.max_clock.get()).min(1.0))
    }
}

/// Two copies of a model, each with half of the SMs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfPair {
    /// Time in which kernels run, for one copy alone with the same share.
    pub active_alone: Milliseconds,
    /// The same time beside the second copy.
    pub active_pair: Milliseconds,
    /// Power of the GPU with both copies.
    pub power: Watts,
    /// SM clock with both copies.
    pub clock: Megahertz,
    /// L2 utilisation of one copy in percent.
    pub l2_pct: f64,
}

/// The GPU with a number of co-located copies of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColocationPoint {
    pub co_located: u32,
    /// Power of the whole GPU.
    pub power: Watts,
    /// SM clock.
    pub clock: Megahertz,
    /// Idle time between two kernels of one copy.
    pub idle_per_kernel: Milliseconds,
}
