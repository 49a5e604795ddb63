//! Computes the wave count of the predictor from recorded kernel launches.

use super::solo::fit_curve_points;
use crate::domain::GpuKind;
use crate::predictor::solo::{SoloCurve, WaveKernel, Waves};
use crate::profile::{KernelLaunch, ModelProfile};
use crate::units::SmPercent;

/// Limits of an SM of compute capability 7.x and 8.0 (CUDA C++ Programming Guide, table "Technical
/// Specifications per Compute Capability"): resident blocks, resident warps, registers, and the shared
/// memory of a V100 in bytes.
const BLOCKS: u32 = 32;
const WARPS: u32 = 64;
const REGISTERS: u32 = 65_536;
const SHARED_MEMORY: u32 = 98_304;
/// Registers are allocated to warps in steps of 256, shared memory to blocks in steps of 256 bytes.
const GRANULARITY: u32 = 256;

/// Returns the number of blocks of a kernel that an SM runs at once.
fn blocks_per_sm(kernel: &KernelLaunch) -> u32 {
    let warps = kernel.threads_per_block.div_ceil(32);
    let mut blocks = BLOCKS.min(WARPS / warps);
    let registers = (kernel.registers_per_thread * 32).next_multiple_of(GRANULARITY);
    if let Some(warps_by_registers) = REGISTERS.checked_div(registers) {
        blocks = blocks.min(warps_by_registers / warps);
    }
    let memory = u32::try_from(kernel.shared_memory.get()).unwrap_or(u32::MAX / 2);
    if let Some(by_memory) = SHARED_MEMORY.checked_div(memory.next_multiple_of(GRANULARITY)) {
        blocks = blocks.min(by_memory);
    }
    blocks.max(1)
}

/// Returns the number of requests that a block of a matrix product handles: the second number of its tile, `32` in
/// `sgemm_128x32`. Fully connected layers are products of a weight matrix with the batch, so they launch the same
/// number of blocks as long as the batch fits into one tile. Convolutions work on images, so their blocks grow with the
/// batch.
fn requests_per_block(name: &str) -> Option<u32> {
    const CONVOLUTIONS: [&str; 4] = ["conv", "winograd", "implicit", "cudnn"];
    if !name.contains("gemm") || CONVOLUTIONS.iter().any(|c| name.contains(c)) {
        return None;
    }
    let tile = name.split('_').find_map(|part| {
        let (rows, columns) = part.split_once('x')?;
        rows.parse::<u32>().ok()?;
        columns.parse::<u32>().ok()
    });
    tile.filter(|columns| *columns > 0)
}

/// Returns the number of SMs of a share: two for each granted unit.
fn sms(kind: &GpuKind, sm: SmPercent) -> u32 {
    2 * crate::predictor::solo::granted_units(kind, sm).get()
}

/// Returns the wave count of a model, with its smooth fit on the profile's own points. `None` without a kernel list, or
/// when the fit of W fails.
pub(super) fn waves(model: &ModelProfile, kind: &GpuKind) -> Option<Waves> {
    let first = model.kernel_list.first()?;
    let kernels = model.kernel_list.iter().map(|kernel| WaveKernel {
        duration_ms: kernel.duration.get(),
        blocks: kernel.blocks,
        blocks_per_sm: blocks_per_sm(kernel),
        requests_per_block: requests_per_block(&kernel.name),
    });
    let mut waves = Waves {
        batch: first.batch.get(),
        sms: sms(kind, first.sm),
        kernels: kernels.collect(),
        smooth: SoloCurve { a_ms: 0.0, w_ms_pct: 0.0, g_ms_pct: 0.0, d_ms: 0.0, launch_ms: 0.0 },
    };
    let points: Vec<(f64, f64, f64)> = model
        .solo
        .iter()
        .map(|p| {
            let share = super::solo::granted_pct(kind, p.sm);
            (p.batch.as_f64(), share, waves.time_ms(p.batch.get(), sms(kind, p.sm)))
        })
        .collect();
    waves.smooth = fit_curve_points(&points)?.0;
    Some(waves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BatchSize, Bytes, Milliseconds};

    fn launch(threads: u32, registers: u32, memory: u64, name: &str) -> KernelLaunch {
        KernelLaunch {
            batch: BatchSize::ONE,
            sm: SmPercent::new(20.0).unwrap(),
            duration: Milliseconds::new(1.0).unwrap(),
            blocks: 1,
            threads_per_block: threads,
            registers_per_thread: registers,
            shared_memory: Bytes::new(memory),
            name: name.to_owned(),
        }
    }

    #[test]
    fn occupancy_by_hand() {
        // 256 threads = 8 warps: 64/8 = 8 blocks; 126 registers: 126·32 = 4032 → 4096 a warp, 16 warps,
        // 2 blocks; 49152 bytes: 2 blocks.
        assert_eq!(blocks_per_sm(&launch(256, 126, 49_152, "")), 2);
        // 64 threads = 2 warps: at most 32 blocks, 32 from warps; 16 registers: 512 a warp, 128 warps.
        assert_eq!(blocks_per_sm(&launch(64, 16, 0, "")), 32);
        // 1017 threads = 32 warps: 2 blocks; 32 registers: 1024 a warp, 64 warps, 2 blocks; 24416 bytes:
        // 98304/24576 = 4.
        assert_eq!(blocks_per_sm(&launch(1017, 32, 24_416, "")), 2);
    }

    #[test]
    fn only_matrix_products_have_tiles_of_requests() {
        assert_eq!(requests_per_block("volta_sgemm_128x32_sliced1x4_nn"), Some(32));
        assert_eq!(requests_per_block("implicit_convolve_sgemm"), None);
        assert_eq!(requests_per_block("trt_volta_scudnn_128x32_relu_medium_nn_v1"), None);
        assert_eq!(requests_per_block("poolCHW_PQT"), None);
    }
}
