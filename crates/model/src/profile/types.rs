//! What a profile holds.

use super::{ColocatedRun, Slice, SoloTable};
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
    /// Where the kind is a slice of the GPU that all the rest describes.
    pub slice: Option<Slice>,
}

/// The measurements of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    pub name: ModelName,
    /// Kernels that one batch launches; 0 where nobody counted them.
    pub kernels: u32,
    /// Time within one batch in which no kernel of it runs, alone on the GPU.
    pub idle: Milliseconds,
    /// Bytes copied to the GPU for one request.
    pub input: Bytes,
    /// Bytes copied back for one request.
    pub output: Bytes,
    /// Device memory of one server process of the model, where known.
    pub memory: Option<Bytes>,
    /// Whether the host launches kernels more slowly than the GPU runs small batches of them; `None` leaves
    /// that to the solo points.
    pub launch_bound: Option<bool>,
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
    pub threads_per_block: u32,
    pub registers_per_thread: u32,
    /// Shared memory of a block.
    pub shared_memory: Bytes,
    /// The kernel's name; tells matrix products from other kernels.
    pub name: String,
}

/// A model alone on the GPU with one batch size and SM share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoloPoint {
    pub batch: BatchSize,
    /// SM share.
    pub sm: SmPercent,
    /// Time on the GPU, without copies, at the clock of this point. Where only the whole inference was
    /// measured, that (`with_copies`).
    pub gpu: Milliseconds,
    /// Whether `gpu` holds the copies, too.
    pub with_copies: bool,
    /// Whole inference with copies, where measured apart from the time on the GPU.
    pub latency: Option<Milliseconds>,
    /// Power of the whole GPU, where measured.
    pub power: Option<Watts>,
    /// SM clock, where measured; else it counts as the highest.
    pub clock: Option<Megahertz>,
    /// L2 utilisation in percent while a kernel runs, where measured.
    pub l2_pct: Option<f64>,
    /// DRAM utilisation in percent while a kernel runs, where measured.
    pub dram_pct: Option<f64>,
    /// Requests per second, where measured.
    pub throughput_img_s: Option<f64>,
}

impl SoloPoint {
    /// f / F: the clock over the highest of the kind, at most 1, and 1 where it was not measured.
    #[must_use]
    pub fn clock_ratio(&self, kind: &GpuKind) -> f64 {
        self.clock.map_or(1.0, |clock| (clock.get() / kind.max_clock.get()).min(1.0))
    }
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
    pub co_located: u32,
    /// Power of the whole GPU.
    pub power: Watts,
    /// SM clock.
    pub clock: Megahertz,
    /// Idle time between two kernels of one copy.
    pub idle_per_kernel: Milliseconds,
}
