//! Wave quantisation: kernels run in whole waves of thread blocks, so GPU time is a step function of batch and share.
//!
//! ```text
//! blocks(b)  = ⌈B b / b0⌉,                 or B ⌈b/q⌉ / ⌈b0/q⌉ for a kernel whose blocks take q requests
//! x(b, n)    = ⌈blocks(b) / n⌉             blocks of the busiest of n SMs
//! g(x)       = ⌊x / o⌋ + [rem > 0] max(rem, o/2) / o        waves, o blocks at once on an SM
//! W(b, r)    = Σ_kernels d g(x(b, n(r))) / g(x(b0, n0))     n(r) = SMs of the granted share
//! ratio      = (W / smooth fit of W)^½
//! ```
//! B, d and b0 are the blocks, the duration and the batch size at which the kernel was recorded, on n0
//! SMs. A partly filled SM is faster than a full one, but counts as at least half a wave. The exponent is ½ because
//! waves of consecutive kernels partly overlap.

use super::SoloCurve;
use serde::{Deserialize, Serialize};

/// One kernel of a model, as input of the wave count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveKernel {
    /// Recorded duration in ms.
    pub duration_ms: f64,
    /// Thread blocks at the recorded batch size.
    pub blocks: u32,
    /// Number of its blocks that an SM runs at once.
    pub blocks_per_sm: u32,
    /// Number of requests that one block handles; `None` where blocks grow in proportion to the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_block: Option<u32>,
}

/// The kernels of one model, recorded at one batch size and share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waves {
    /// b0: the batch size at which the kernels were recorded.
    pub batch: u32,
    /// n0: number of SMs of the share at which the kernels were recorded.
    pub sms: u32,
    /// The kernels, in launch order.
    pub kernels: Vec<WaveKernel>,
    /// The smooth fit of W on the batch sizes and shares of the profile.
    pub smooth: SoloCurve,
}

impl WaveKernel {
    /// Returns the number of blocks at a batch size, in 64 bits: a GPU can launch a kernel of 2³¹ blocks, and batches
    /// multiply that number.
    fn blocks_at(&self, batch: u32, recorded: u32) -> u64 {
        let (batch, recorded) = match self.requests_per_block {
            None => (batch, recorded),
            Some(requests) => (batch.div_ceil(requests), recorded.div_ceil(requests)),
        };
        (u64::from(self.blocks) * u64::from(batch)).div_ceil(u64::from(recorded))
    }

    /// Returns the number of waves, g(⌈blocks / sms⌉).
    #[expect(clippy::cast_precision_loss, reason = "far fewer waves than 2^53")]
    fn waves(&self, blocks: u64, sms: u32) -> f64 {
        let on_busiest = blocks.div_ceil(u64::from(sms));
        let at_once = u64::from(self.blocks_per_sm);
        let (full, rest) = (on_busiest / at_once, on_busiest % at_once);
        let capacity = f64::from(self.blocks_per_sm);
        let partial = if rest > 0 { (rest as f64).max(capacity / 2.0) / capacity } else { 0.0 };
        full as f64 + partial
    }
}

impl Waves {
    /// Returns W in ms for a batch size on a number of SMs.
    #[must_use]
    pub fn time_ms(&self, batch: u32, sms: u32) -> f64 {
        let of = |k: &WaveKernel| {
            k.duration_ms * k.waves(k.blocks_at(batch, self.batch), sms)
                / k.waves(u64::from(k.blocks), self.sms)
        };
        self.kernels.iter().map(of).sum()
    }

    /// Returns the factor by which the steps raise (> 1) or lower (< 1) the GPU time at this point; `sm_pct` is the
    /// granted share and `sms` the SMs that it stands for.
    #[must_use]
    pub fn ratio(&self, batch: u32, sm_pct: f64, sms: u32) -> f64 {
        (self.time_ms(batch, sms) / self.smooth.time_ms(f64::from(batch), sm_pct)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOOTH: SoloCurve =
        SoloCurve { a_ms: 0.0, w_ms_pct: 100.0, g_ms_pct: 0.0, d_ms: 0.0, launch_ms: 0.0 };

    fn kernel(blocks: u32, blocks_per_sm: u32, requests_per_block: Option<u32>) -> WaveKernel {
        WaveKernel { duration_ms: 1.0, blocks, blocks_per_sm, requests_per_block }
    }

    fn waves(kernels: Vec<WaveKernel>) -> Waves {
        Waves { batch: 1, sms: 16, kernels, smooth: SMOOTH }
    }

    #[test]
    fn waves_by_hand() {
        let k = kernel(64, 4, None);
        // 64 blocks on 16 SMs: 4 each, one wave. 65: 5 each, 1 + max(1, 2)/4 = 1.5. 7 each: 1 + 3/4.
        assert!((k.waves(64, 16) - 1.0).abs() < 1e-12);
        assert!((k.waves(65, 16) - 1.5).abs() < 1e-12);
        assert!((k.waves(7 * 16, 16) - 1.75).abs() < 1e-12);
        // Batch 3: 192 blocks on 32 SMs are 6 each: 1.5 waves against 1 recorded: 1.5 ms.
        assert!((waves(vec![k]).time_ms(3, 32) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_product_grows_in_tiles_of_requests() {
        // Tiles of 32 requests: batches 1 to 32 launch the same 64 blocks, 33 twice as many.
        let k = kernel(64, 4, Some(32));
        assert_eq!([1, 32, 33].map(|b| k.blocks_at(b, 1)), [64, 64, 128]);
        // As many blocks and as large a batch as profiles may have.
        let most = WaveKernel { blocks: u32::MAX, requests_per_block: None, ..k };
        assert_eq!(most.blocks_at(1024, 1), 1024 * u64::from(u32::MAX));
    }

    #[test]
    fn the_ratio_is_the_root_of_what_the_smooth_curve_misses() {
        // W(4, 32 SMs) = 2 waves of 128 blocks... 256 blocks / 32 = 8 each = 2 waves = 2 ms; smooth:
        // 100·4/40 = 10 ms; √(2/10).
        let ratio = waves(vec![kernel(64, 4, None)]).ratio(4, 40.0, 32);
        assert!((ratio - 0.2_f64.sqrt()).abs() < 1e-12);
    }
}
