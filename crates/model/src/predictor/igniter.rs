//! The performance model of the iGniter paper (Xu et al., TPDS 2022, §3), as predictor `igniter`.
//!
//! ```text
//! t_inf      = t_load + t_gpu + t_feedback            throughput h = b / (t_gpu + t_feedback)
//! t_load     = d_load b / B_pcie                      t_feedback   = d_feedback b / B_pcie
//! t_gpu      = (t_sch + t_act) / (f / F)
//! t_sch      = (k_sch + D_sch) n_k                    D_sch = 0 alone, else α_sch n + β_sch
//! t_act      = k_act (1 + α_cache Σ_others c)
//! k_act(b,r) = (k1 b² + k2 b + k3) / (r + k4) + k5
//! p(b, r)    = α_power b / k_act + β_power            (b / k_act in images per second)
//! c(b, r)    = α_util  b / k_act + β_util
//! f          = F while p_idle + Σ p ≤ P, else F + α_f (p_idle + Σ p − P)
//! ```
//! Symbols: b batch size, r SM share in %, n co-located workloads, n_k kernels of a batch, k_sch n_k the
//! idle time of the model alone, d bytes for one request, B_pcie PCIe bandwidth, f the SM clock, F its
//! maximum, P the power cap.
//!
//! Beyond the paper, the clock never falls below a tenth of F, so predictions stay finite and positive: with an
//! extrapolated power the formula can give a clock below zero.

use super::{Additive, CoLocationPrediction, Member, MemberPrediction, Predictor, Presence};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes, Milliseconds};
use serde::{Deserialize, Serialize};

/// Lower limit of the predicted clock, as a fraction of its maximum.
const CLOCK_FLOOR: f64 = 0.1;

/// The fitted numbers of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCoefficients {
    pub name: ModelName,
    /// The coefficients k1 … k5 of k_act (ms, with r in %).
    pub k: [f64; 5],
    /// α_power in W per image/s, β_power in W.
    pub power: [f64; 2],
    /// α_util in % of L2 per image/s, β_util in %.
    pub l2: [f64; 2],
    /// α_cache: relative slowdown for each % of L2 that the others use.
    pub alpha_cache: f64,
    /// n_k: number of kernels of a batch.
    pub kernels: u32,
    /// k_sch n_k: idle time of one batch, alone on the GPU.
    pub idle_ms: Milliseconds,
    /// d_load for one request.
    pub input_bytes: Bytes,
    /// d_feedback for one request.
    pub output_bytes: Bytes,
    /// Device memory of one server process, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    /// The largest batch size that was measured.
    pub max_batch: BatchSize,
}

/// The fitted numbers of the GPU kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareCoefficients {
    /// α_f in MHz per W above the cap (≤ 0).
    pub alpha_f_mhz_per_w: f64,
    /// α_sch in ms per kernel and co-located workload.
    pub alpha_sch_ms_per_kernel: f64,
    /// β_sch in ms per kernel.
    pub beta_sch_ms_per_kernel: f64,
}

/// iGniter's predictor with its coefficients.
#[derive(Debug, Clone, PartialEq)]
pub struct IgniterPredictor {
    kind: GpuKind,
    hardware: HardwareCoefficients,
    models: Vec<ModelCoefficients>,
    names: Vec<ModelName>,
}

impl IgniterPredictor {
    /// Creates a predictor from fitted numbers.
    #[must_use]
    pub fn new(
        kind: GpuKind,
        hardware: HardwareCoefficients,
        models: Vec<ModelCoefficients>,
    ) -> Self {
        let names = models.iter().map(|m| m.name.clone()).collect();
        Self { kind, hardware, models, names }
    }

    /// Returns the fitted numbers of the GPU kind.
    #[must_use]
    pub fn hardware(&self) -> &HardwareCoefficients {
        &self.hardware
    }

    /// Returns the fitted numbers of each model.
    #[must_use]
    pub fn coefficients(&self) -> &[ModelCoefficients] {
        &self.models
    }

    /// Returns D_sch, in ms for each kernel.
    fn extra_idle_ms_per_kernel(&self, members: usize) -> f64 {
        if members > 1 {
            #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
            let n = members as f64;
            self.hardware.alpha_sch_ms_per_kernel * n + self.hardware.beta_sch_ms_per_kernel
        } else {
            0.0
        }
    }

    /// Returns the clock at a power demand, in MHz.
    fn clock(&self, demand_w: f64) -> f64 {
        let max = self.kind.max_clock.get();
        let excess = demand_w - self.kind.power_cap.get();
        if excess > 0.0 {
            (max + self.hardware.alpha_f_mhz_per_w * excess).max(max * CLOCK_FLOOR)
        } else {
            max
        }
    }
}

/// Returns k_act in ms: the active time of a batch alone, at full clock.
#[must_use]
pub fn active_time(k: &[f64; 5], batch: f64, sm_pct: f64) -> f64 {
    (k[0] * batch * batch + k[1] * batch + k[2]) / (sm_pct + k[3]) + k[4]
}

impl Predictor for IgniterPredictor {
    fn name(&self) -> &'static str {
        "igniter"
    }

    fn kind(&self) -> &GpuKind {
        &self.kind
    }

    fn models(&self) -> &[ModelName] {
        &self.names
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.models[model.index()].max_batch
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.models[model.index()].memory_bytes
    }

    fn additive(&self) -> Option<&dyn Additive> {
        Some(self)
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        let mut demand = self.kind.idle_power.get();
        let mut l2_sum = 0.0;
        // First pass: the load of each member. `gpu_ms` holds k_act and `throughput_rps` the member's L2 utilisation
        // until the second pass.
        for member in members {
            let model = &self.models[member.model.index()];
            let batch = member.batch.as_f64();
            let active = active_time(&model.k, batch, member.sm.get());
            let images_per_s = batch / active * 1000.0;
            demand += model.power[0] * images_per_s + model.power[1];
            let l2 = model.l2[0] * images_per_s + model.l2[1];
            l2_sum += l2;
            out.members.push(MemberPrediction {
                gpu_ms: active,
                throughput_rps: l2,
                ..Default::default()
            });
        }
        let clock = self.clock(demand);
        let clock_ratio = clock / self.kind.max_clock.get();
        let extra_idle = self.extra_idle_ms_per_kernel(members.len());
        for (member, prediction) in members.iter().zip(&mut out.members) {
            let model = &self.models[member.model.index()];
            let batch = member.batch.as_f64();
            let scheduling = model.idle_ms.get() + extra_idle * f64::from(model.kernels);
            let others_l2 = l2_sum - prediction.throughput_rps;
            let active = prediction.gpu_ms * (1.0 + model.alpha_cache * others_l2);
            let gpu_ms = (scheduling + active) / clock_ratio;
            let bytes_per_ms = self.kind.pcie_bytes_per_ms;
            let feedback_ms = model.output_bytes.as_f64() * batch / bytes_per_ms;
            *prediction = MemberPrediction {
                load_ms: model.input_bytes.as_f64() * batch / bytes_per_ms,
                gpu_ms,
                feedback_ms,
                throughput_rps: batch / (gpu_ms + feedback_ms) * 1000.0,
            };
        }
        out.power_demand_w = demand;
        out.power_w = demand.min(self.kind.power_cap.get()).max(0.0);
        out.clock_mhz = clock;
    }
}

impl Additive for IgniterPredictor {
    fn presence(&self, member: &Member) -> Presence {
        let model = &self.models[member.model.index()];
        let batch = member.batch.as_f64();
        let active_ms = active_time(&model.k, batch, member.sm.get());
        let images_per_s = batch / active_ms * 1000.0;
        Presence {
            active_ms,
            disturbance: model.l2[0] * images_per_s + model.l2[1],
            power_w: model.power[0] * images_per_s + model.power[1],
        }
    }

    fn scheduling_ms(&self, model: ModelId, members: usize) -> f64 {
        let model = &self.models[model.index()];
        let extra_idle = self.extra_idle_ms_per_kernel(members);
        model.idle_ms.get() + extra_idle * f64::from(model.kernels)
    }

    fn sensitivity(&self, model: ModelId) -> f64 {
        self.models[model.index()].alpha_cache
    }

    fn clock_ratio(&self, demand_w: f64) -> f64 {
        self.clock(demand_w) / self.kind.max_clock.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GpuKindName;
    use crate::units::{Dollars, Megahertz, SmPercent, SmUnits, Watts};

    /// One model with round numbers: k_act = 100 b / r ms, 10 kernels, 1 ms idle, p = 0.1 W per
    /// image/s, c = 0.01 % per image/s, α_cache = 0.02, 1000 bytes in, 500 out at 1000 bytes/ms.
    fn predictor() -> IgniterPredictor {
        let kind = GpuKind {
            name: GpuKindName::new("toy").unwrap(),
            units: SmUnits::new(40),
            max_clock: Megahertz::new(1000.0).unwrap(),
            power_cap: Watts::new(200.0).unwrap(),
            idle_power: Watts::new(50.0).unwrap(),
            pcie_bytes_per_ms: 1000.0,
            memory: None,
            price_per_hour: Dollars::ZERO,
            noise_cv: std::collections::BTreeMap::new(),
            mps: crate::domain::SmSharing::default(),
        };
        let hardware = HardwareCoefficients {
            alpha_f_mhz_per_w: -2.0,
            alpha_sch_ms_per_kernel: 0.02,
            beta_sch_ms_per_kernel: -0.01,
        };
        let model = ModelCoefficients {
            name: ModelName::new("m").unwrap(),
            k: [0.0, 100.0, 0.0, 0.0, 0.0],
            power: [0.1, 0.0],
            l2: [0.01, 0.0],
            alpha_cache: 0.02,
            kernels: 10,
            idle_ms: Milliseconds::new(1.0).unwrap(),
            input_bytes: Bytes::new(1000),
            output_bytes: Bytes::new(500),
            memory_bytes: None,
            max_batch: BatchSize::new(32).unwrap(),
        };
        IgniterPredictor::new(kind, hardware, vec![model])
    }

    fn member(batch: u32, sm: f64) -> Member {
        Member {
            model: ModelId::new(0),
            batch: BatchSize::new(batch).unwrap(),
            sm: SmPercent::new(sm).unwrap(),
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn alone_by_hand() {
        // k_act = 100·2/50 = 4 ms → 500 images/s → 50 W; demand 100 W ≤ 200 W: full clock.
        // t_gpu = 1 + 4 = 5; load = 2·1000/1000 = 2; feedback = 1; h = 2/(5+1) per ms.
        let out = predictor().predict(&[member(2, 50.0)]);
        let m = out.members[0];
        close(m.load_ms, 2.0);
        close(m.gpu_ms, 5.0);
        close(m.feedback_ms, 1.0);
        close(m.latency_ms(), 8.0);
        close(m.throughput_rps, 1000.0 / 3.0);
        close(out.power_w, 100.0);
        close(out.clock_mhz, 1000.0);
    }

    #[test]
    fn together_by_hand() {
        // A: b 2, 50 %: k_act 4 ms, 500 images/s, 50 W, c = 5 %.
        // B: b 3, 25 %: k_act 12 ms, 250 images/s, 25 W, c = 2.5 %.
        // Extra idle: (0.02·2 − 0.01)·10 = 0.3 ms.
        // A: 1.3 + 4·(1 + 0.02·2.5) = 5.5;  B: 1.3 + 12·(1 + 0.02·5) = 14.5.
        let out = predictor().predict(&[member(2, 50.0), member(3, 25.0)]);
        close(out.members[0].gpu_ms, 5.5);
        close(out.members[1].gpu_ms, 14.5);
        close(out.power_demand_w, 125.0);
    }

    #[test]
    fn the_sums_say_the_same() {
        let predictor = predictor();
        for members in [
            vec![member(2, 50.0)],
            vec![member(2, 50.0), member(3, 25.0)],
            vec![member(2, 100.0), member(5, 70.0), member(1, 2.5), member(9, 90.0)],
        ] {
            let presences: Vec<Presence> = members.iter().map(|m| predictor.presence(m)).collect();
            let idle = predictor.kind().idle_power.get();
            let power = idle + presences.iter().map(|p| p.power_w).sum::<f64>();
            let all = presences.iter().map(|p| p.disturbance).sum::<f64>();
            let expected = predictor.predict(&members);
            close(power, expected.power_demand_w);
            for ((member, own), expected) in members.iter().zip(&presences).zip(expected.members) {
                let scheduling = predictor.scheduling_ms(member.model, members.len());
                let slower = 1.0 + predictor.sensitivity(member.model) * (all - own.disturbance);
                let gpu_ms = (scheduling + own.active_ms * slower) / predictor.clock_ratio(power);
                close(gpu_ms, expected.gpu_ms);
            }
        }
    }

    #[test]
    fn the_clock_falls_above_the_cap_but_not_below_its_floor() {
        // Three times (b 2, 100 %): k_act 2 ms → 1000 images/s → 100 W each; 350 W is 150 W too much:
        // f = 1000 − 2·150 = 700 MHz.
        let out = predictor().predict(&[member(2, 100.0); 3]);
        close(out.clock_mhz, 700.0);
        close(out.power_w, 200.0);
        let out = predictor().predict(&[member(2, 100.0); 30]);
        close(out.clock_mhz, 100.0);
    }

    #[test]
    fn nobody_leaves_the_gpu_idle() {
        let out = predictor().predict(&[]);
        assert!(out.members.is_empty());
        close(out.power_w, 50.0);
        close(out.clock_mhz, 1000.0);
    }
}
