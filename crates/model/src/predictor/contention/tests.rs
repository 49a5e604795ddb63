//! Hand arithmetic for whole co-locations, and monotony.

use super::*;
use crate::predictor::solo::tests::{close, member, toy_kind, toy_model};
use crate::predictor::solo::{Correction, SoloCurve};
use crate::units::SmUnits;
use cases::cases;
use proptest::prelude::*;

#[path = "../../../../../tests/it/common/cases.rs"]
mod cases;

fn toy(couplings: Vec<Coupling>) -> ContentionPredictor {
    let model = |name| ContentionModel {
        solo: toy_model(name),
        gamma: 0.002,
        pressure: 1.0,
        launch_factor: 1.0,
    };
    let coefficients = ContentionCoefficients {
        clock: ClockLaw { kappa_per_w: 0.001 },
        constants: ContentionConstants {
            delta_ms_per_kernel: 0.02,
            rho0: 0.1,
            rho1: 0.4,
            ..ContentionConstants::DEFAULT
        },
        models: vec![model("a"), model("b")],
        couplings,
        bounds: ErrorBounds::DEFAULT,
        assumed: Vec::new(),
    };
    ContentionPredictor::new(toy_kind(), coefficients)
}

fn coupling(a: &str, b: &str, strength: f64) -> Coupling {
    Coupling { models: [a, b].map(|m| ModelName::new(m).unwrap()), strength }
}

#[test]
fn alone_by_hand() {
    // Batch 4 at 25 %: t = 16 ms, P = 200·4/16 = 50 W, demand 100 W: full clock; copies 1 + 0.5·4 = 3.
    let out = toy(Vec::new()).predict(&[member(0, 4, 25.0)]);
    let m = out.members[0];
    close(m.gpu_ms, 16.0);
    close(m.load_ms, 2.25);
    close(m.feedback_ms, 0.75);
    close(m.throughput_rps, 4000.0 / 16.75);
    close(out.power_w, 100.0);
    close(out.clock_mhz, 1000.0);
}

#[test]
fn a_coupled_pair_by_hand() {
    // a: batch 4 at 25 %: t 16 ms, 50 W. b: batch 2 at 50 %: t 4 ms, 100 W. Demand 200 W: at the cap.
    // Coupling 0.5. a: 0.5 + 15.5·(1 + 0.002·100) + 10·0.02·0.5 = 0.5 + 18.6 + 0.1 = 19.2 ms.
    // Copies of a: 3·(1 + 0.1 + 0.4·0.5) = 3.9 ms, three quarters of them there.
    // b: 0.5 + 3.5·(1 + 0.002·50) + 0.1 = 4.45 ms; copies 2·1.3 = 2.6.
    let toy = toy(vec![coupling("a", "b", 0.5)]);
    let out = toy.predict(&[member(0, 4, 25.0), member(1, 2, 50.0)]);
    close(out.members[0].gpu_ms, 19.2);
    close(out.members[0].latency_ms(), 23.1);
    close(out.members[0].load_ms, 2.925);
    close(out.members[1].gpu_ms, 4.45);
    close(out.members[1].latency_ms(), 7.05);
    close(out.power_demand_w, 200.0);
}

#[test]
fn pressure_weighs_the_watts_of_a_co_runner() {
    // As above with coupling 0, and b twice as disturbing: a: 0.5 + 15.5·(1 + 0.002·200) = 22.2 ms.
    // b sees a's 50 W as before: 0.5 + 3.5·1.1 = 4.35 ms.
    let mut coefficients = toy(vec![coupling("a", "b", 0.0)]).coefficients().clone();
    coefficients.models[1].pressure = 2.0;
    let toy = ContentionPredictor::new(toy_kind(), coefficients);
    let out = toy.predict(&[member(0, 4, 25.0), member(1, 2, 50.0)]);
    close(out.members[0].gpu_ms, 22.2);
    close(out.members[1].gpu_ms, 4.35);
    close(out.power_demand_w, 200.0);
}

#[test]
fn three_members_and_the_cap_by_hand() {
    // Three times batch 4 at 30 %: t 13.33 ms, 60 W each; demand 230 W, clock 1 − 0.001·30 = 0.97.
    // Unknown couplings are 1: S = 2. (0.5 + 12.83·(1 + 0.002·120) + 10·0.02·2) / 0.97.
    // Copies: the coupling counts up to 1: 3·(1 + 0.1 + 0.4) = 4.5.
    let out = toy(Vec::new()).predict(&[member(0, 4, 30.0); 3]);
    close(out.members[2].gpu_ms, (0.5 + (40.0 / 3.0 - 0.5) * 1.24 + 0.4) / 0.97);
    close(out.members[2].load_ms + out.members[2].feedback_ms, 4.5);
    close(out.clock_mhz, 970.0);
    close(out.power_w, 200.0);
    close(out.power_demand_w, 230.0);
}

#[test]
fn above_100_percent_everybody_gets_its_fair_part() {
    // Three times batch 4 at 50 %: a third of the GPU each, between 13 and 14 units: t = 100·4/33.33 = 12 ms,
    // 800/12 = 66.67 W; demand 250 W, clock 0.95. Nobody waits for kernels: (0.5 + 11.5·(1 + 0.002·133.33)) / 0.95.
    let out = toy(Vec::new()).predict(&[member(0, 4, 50.0); 3]);
    close(out.members[2].gpu_ms, (0.5 + 11.5 * (1.0 + 0.002 * 800.0 / 6.0)) / 0.95);
    close(out.members[2].load_ms + out.members[2].feedback_ms, 3.3);
    close(out.power_demand_w, 250.0);
    // Less than one unit each: the curve goes on below it. 50 copies of batch 1 with 100 %: 2 %, 50 ms.
    let out = toy(Vec::new()).predict(&[member(0, 1, 100.0); 50]);
    assert!(out.members[0].gpu_ms > 49.0, "{}", out.members[0].gpu_ms);
}

#[test]
fn launching_leads_for_small_batches() {
    // 20 ms to launch: batch 1 at 50 % needs 2 ms on the GPU. λ = 1.45: 29 ms beside another, where batch 16 at 50 %
    // (32 ms) is led by the GPU.
    let mut coefficients = toy(vec![coupling("a", "b", 0.0)]).coefficients().clone();
    coefficients.models[0].solo.curve.launch_ms = 20.0;
    let toy = ContentionPredictor::new(toy_kind(), coefficients);
    let alone = toy.predict(&[member(0, 1, 50.0)]).members[0].gpu_ms;
    assert!((alone - 20.0).abs() < 1e-3, "{alone}");
    let pair = [member(0, 1, 50.0), member(1, 2, 50.0)];
    assert!((toy.predict(&pair).members[0].gpu_ms - 29.0).abs() < 1e-3);
    let [launched, led] = [0, 1].map(|of| toy.uncertainty(&pair, of).unwrap());
    assert_eq!(
        (launched.lead, led.lead),
        (crate::predictor::Lead::Launch, crate::predictor::Lead::Gpu)
    );
    assert!((launched.two_sided_pct - 33.0).abs() < 1e-3 && (led.two_sided_pct - 7.6).abs() < 1e-9);
    assert!(!launched.calibrated);
    let pair = [member(0, 16, 50.0), member(1, 2, 50.0)];
    let uncertainty = toy.uncertainty(&pair, 0).unwrap();
    assert_eq!(uncertainty.lead, crate::predictor::Lead::Gpu);
    // Near the floor the margin lies between that of the GPU and that of launching, with 1 % of drift.
    assert!((5.8..34.0).contains(&uncertainty.one_sided_pct), "{uncertainty:?}");
}

#[test]
fn nobody_leaves_the_gpu_idle() {
    let out = toy(Vec::new()).predict(&[]);
    assert!(out.members.is_empty());
    close(out.power_w, 50.0);
}

#[test]
fn more_members_than_were_measured_are_flagged() {
    let toy = toy(Vec::new());
    let pair = toy.uncertainty(&[member(0, 4, 20.0); 2], 0).unwrap();
    let three = toy.uncertainty(&[member(0, 4, 20.0); 3], 0).unwrap();
    assert!(!pair.extrapolated && three.extrapolated);
    assert!(three.one_sided_pct > pair.one_sided_pct);
    assert!(
        toy.uncertainty(&[member(0, 9, 20.0)], 0).unwrap().extrapolated,
        "batch 9 of at most 8"
    );
}

/// Four models with curves like those of a V100, one of them with a rough correction.
fn rough(launch_ms: [f64; 3]) -> ContentionPredictor {
    let curves = [[0.38, 8.7, 24.0, 0.01], [1.85, 55.1, 8.5, 0.08], [0.89, 154.2, 50.6, 0.08]];
    let models = curves.iter().enumerate().map(|(i, [a, w, g, d])| {
        let mut solo = toy_model(["x", "y", "z"][i]);
        solo.curve =
            SoloCurve { a_ms: *a, w_ms_pct: *w, g_ms_pct: *g, d_ms: *d, launch_ms: launch_ms[i] };
        let e1 = [26.7, 170.0, 519.0][i];
        solo.load = [e1 * solo.curve.largest_fixed_energy(), e1];
        solo.transfer_ms = [0.015, 0.055];
        solo.idle_ms = crate::units::Milliseconds::new(0.03).unwrap();
        if i == 0 {
            let at = |b, u, weight| Correction {
                batch: BatchSize::new(b).unwrap(),
                units: SmUnits::new(u),
                weight,
            };
            solo.corrections = vec![at(2, 8, 0.06), at(4, 20, -0.08), at(8, 24, 0.05)];
            solo.pressure_corrections = vec![at(1, 8, 0.3), at(4, 20, -0.2)];
        }
        let pressure = [1.0, 0.8, 1.3][i];
        ContentionModel { solo, gamma: 2.8e-4, pressure, launch_factor: 1.0 }
    });
    let coefficients = ContentionCoefficients {
        clock: ClockLaw { kappa_per_w: 6.7e-4 },
        constants: ContentionConstants::DEFAULT,
        models: models.collect(),
        couplings: vec![coupling("x", "y", 0.1), coupling("x", "z", 0.0)],
        bounds: ErrorBounds::DEFAULT,
        assumed: Vec::new(),
    };
    let mut kind = toy_kind();
    kind.power_cap = crate::units::Watts::new(300.0).unwrap();
    ContentionPredictor::new(kind, coefficients)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(2_000)))]
    #[test]
    fn latency_is_monotone(
        mut members in prop::collection::vec((0_usize..3, 1_u32..20, 1_u32..=40), 1..6),
        of in any::<prop::sample::Index>(),
        what in 0..4,
        floor in 0..2,
    ) {
        let predictor = rough(if floor == 0 { [0.0; 3] } else { [1.2, 6.0, 0.9] });
        // Shares that sum to at most 100 %, before and after the change.
        let total: u32 = members.iter().map(|m| m.2).sum::<u32>() + 10;
        for m in &mut members {
            m.2 = (m.2 * 40 / total.max(40)).max(1);
        }
        let left = 40_u32.saturating_sub(members.iter().map(|m| m.2).sum());
        prop_assume!(left >= 1 && (what != 2 || left >= 10));
        let at = |m: &[(usize, u32, u32)]| {
            let m: Vec<Member> =
                m.iter().map(|&(i, b, u)| member(i, b, f64::from(u) * 2.5)).collect();
            predictor.predict(&m).members.iter().map(MemberPrediction::latency_ms).collect::<Vec<_>>()
        };
        let chosen = of.index(members.len());
        let before = at(&members);
        match what {
            0 => members[chosen].1 += 1,
            1 => members[chosen].2 += 1,
            2 => members.push((chosen % 3, 4, 10)),
            _ => members[chosen].1 += 7,
        }
        let after = at(&members);
        for (i, (b, a)) in before.iter().zip(&after).enumerate() {
            if what == 1 && i == chosen {
                prop_assert!(*a <= b * (1.0 + 1e-12), "own share: {b} → {a}");
            } else {
                prop_assert!(*a >= b * (1.0 - 1e-12), "member {i}, change {what}: {b} → {a}");
            }
        }
    }
}
