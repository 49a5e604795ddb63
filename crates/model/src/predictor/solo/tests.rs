//! Hand arithmetic for the solo terms.

use super::*;
use crate::domain::{GpuKind, GpuKindName, ModelId};
use crate::predictor::Member;
use crate::units::{Dollars, Megahertz, SmPercent, Watts};

/// 40 units, F = 1000 MHz, cap 200 W, idle 50 W.
pub(in crate::predictor) fn toy_kind() -> GpuKind {
    GpuKind {
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
    }
}

/// t = 100 b / r, energy 200 mJ per request (so 2 W for each % of the SMs), copies 1 + 0.5 b ms of which
/// three quarters go to the GPU, 10 kernels, 0.5 ms idle; measured up to batch 8 and from 10 %.
pub(in crate::predictor) fn toy_model(name: &str) -> SoloCoefficients {
    SoloCoefficients {
        name: ModelName::new(name).unwrap(),
        curve: SoloCurve { a_ms: 0.0, w_ms_pct: 100.0, g_ms_pct: 0.0, d_ms: 0.0, launch_ms: 0.0 },
        pressure_unit: PressureUnit::Power,
        load: [0.0, 200.0],
        transfer_ms: [1.0, 0.5],
        load_part: 0.75,
        kernels: 10,
        idle_ms: Milliseconds::new(0.5).unwrap(),
        memory_bytes: None,
        validity: Validity {
            batch: [BatchSize::ONE, BatchSize::new(8).unwrap()],
            sm_pct: [10.0, 100.0],
        },
        waves: None,
        corrections: Vec::new(),
        pressure_corrections: Vec::new(),
    }
}

pub(in crate::predictor) fn member(model: usize, batch: u32, sm: f64) -> Member {
    Member {
        model: ModelId::new(model),
        batch: BatchSize::new(batch).unwrap(),
        sm: SmPercent::new(sm).unwrap(),
    }
}

#[track_caller]
pub(in crate::predictor) fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
}

fn toy() -> SoloModels {
    let clock = ClockLaw { kappa_per_w: 0.001 };
    SoloModels::new(toy_kind(), clock, vec![toy_model("m")])
}

#[test]
fn shares_are_rounded_up_to_units() {
    // One unit of 40 is 2.5 %.
    let units = [0.1, 2.5, 2.6, 37.5, 99.0, 100.0, 130.0]
        .map(|sm| toy().granted(SmPercent::new(sm).unwrap()).get());
    assert_eq!(units, [1, 1, 2, 15, 40, 40, 40]);
}

#[test]
fn time_and_power_by_hand() {
    // Batch 4 at 48 %, granted 50 %: t = 100·4/50 = 8 ms; P = 200·4/8 = 100 W.
    let term = toy().term(&member(0, 4, 48.0));
    close(term.time_ms, 8.0);
    close(term.pressure, 100.0);
    // The table ends at twice the largest measured batch; beyond it the curve goes on.
    close(toy().term(&member(0, 64, 50.0)).time_ms, 128.0);
}

#[test]
fn the_clock_by_hand() {
    let clock = ClockLaw { kappa_per_w: 0.001 };
    close(clock.ratio(-10.0), 1.0);
    close(clock.ratio(100.0), 0.9);
    // 750 W too much: loss 0.75, 0.5 past the linear part: 0.75² / (0.75 + 0.5) = 0.45.
    close(clock.ratio(750.0), 0.45);
    // Value and slope agree where the parts meet.
    close(clock.ratio(250.0), 0.75);
    let slope = (clock.ratio(250.001) - clock.ratio(250.0)) / 0.001;
    assert!((slope + 0.001).abs() < 1e-8);
}

#[test]
fn latency_alone_and_back_by_hand() {
    // Batch 8 at 100 %: t = 8 ms, P = 200 W, demand 250 W: 50 W too much, clock 0.95: 8 / 0.95 ms.
    let alone = toy().alone_ms(&member(0, 8, 100.0));
    close(alone, 8.0 / 0.95);
    // Copies 1 + 0.5·8 = 5 ms.
    close(toy().term_from_latency(&member(0, 8, 100.0), 5.0 + alone).unwrap().time_ms, 8.0);
    assert!(toy().term_from_latency(&member(0, 8, 100.0), 4.0).is_none());
}

#[test]
fn a_correction_is_full_at_its_point_and_fades_out() {
    let mut model = toy_model("m");
    let weight = libm::log(1.1);
    let (batch, units) = (BatchSize::new(4).unwrap(), SmUnits::new(20));
    model.corrections = vec![Correction { batch, units, weight }];
    let models = SoloModels::new(toy_kind(), ClockLaw { kappa_per_w: 0.0 }, vec![model]);
    close(models.term(&member(0, 4, 50.0)).time_ms, 8.8);
    // ln(5/4)/0.12 = 1.8595 lengths away: exp(−1.7289) = 0.1775 of it is left: 10 · 1.1^0.1775.
    let faded = models.term(&member(0, 5, 50.0)).time_ms;
    assert!((faded - 10.0 * libm::pow(1.1, 0.1775)).abs() < 1e-3, "{faded}");
    // The power does not follow.
    close(models.term(&member(0, 4, 50.0)).pressure, 100.0);
}

#[test]
fn corrections_leave_the_table_monotone() {
    // A deviation of −50 % at one point would make batch 4 faster than batch 3.
    let mut model = toy_model("m");
    let (batch, units) = (BatchSize::new(4).unwrap(), SmUnits::new(20));
    model.corrections = vec![Correction { batch, units, weight: -0.7 }];
    let models = SoloModels::new(toy_kind(), ClockLaw { kappa_per_w: 0.0 }, vec![model]);
    let time = |batch, unit: u32| models.term(&member(0, batch, f64::from(unit) * 2.5)).time_ms;
    for unit in 1..=40 {
        for batch in 1..=16 {
            assert!(time(batch + 1, unit) >= time(batch, unit), "batch {batch}, {unit} units");
            assert!(unit == 40 || time(batch, unit + 1) < time(batch, unit), "{batch}, {unit}");
        }
    }
}
