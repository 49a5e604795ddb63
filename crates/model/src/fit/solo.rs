//! Models alone on the GPU: GPU time, power, host copies, measured deviations.

use super::least_squares::{Minimum, Unknown, minimise, non_negative};
use super::occupancy;
use crate::domain::GpuKind;
use crate::predictor::Validity;
use crate::predictor::solo::{ClockLaw, SoloCoefficients, SoloCurve, granted_units};
use crate::profile::ModelProfile;
use crate::units::SmPercent;
use libm::{exp, log};

/// The fit of one model alone.
pub(super) struct SoloFit {
    pub coefficients: SoloCoefficients,
    /// GPU time at full clock: (fitted, measured), in ms.
    pub residuals: Vec<(f64, f64)>,
    /// The optimum in ln(a, w, g, d).
    pub minimum: Minimum,
    /// Whether copies were measured (else they come from bytes and bandwidth).
    pub copies_measured: bool,
}

/// The percentage that a share is rounded up to.
pub(super) fn granted_pct(kind: &GpuKind, sm: SmPercent) -> f64 {
    f64::from(granted_units(kind, sm).get()) * 100.0 / f64::from(kind.units.get())
}

/// The measured rectangle of a model: its own points, and further configurations.
pub(super) fn validity(model: &ModelProfile) -> Validity {
    let batches = model.solo.iter().map(|p| p.batch);
    let shares = model.solo.iter().map(|p| p.sm.get());
    Validity {
        batch: [
            batches.clone().min().expect("a profile has points"),
            batches.max().expect("a profile has points"),
        ],
        sm_pct: [
            shares.clone().fold(f64::INFINITY, f64::min),
            shares.fold(f64::NEG_INFINITY, f64::max),
        ],
    }
}

/// Fits the smooth curve to points (batch, granted share in %, GPU time in ms), minimising relative
/// errors: non-negative least squares of A b/r + B/r + C + D b as the start, then Levenberg-Marquardt
/// in the logarithms of the parameters. `None` with fewer than four points.
pub(super) fn fit_curve_points(points: &[(f64, f64, f64)]) -> Option<(SoloCurve, Minimum)> {
    const FLOOR: [f64; 4] = [1e-3, 1e-1, 1e-2, 1e-4];
    if points.len() < 4 {
        return None;
    }
    let rows: Vec<([f64; 4], f64)> = points
        .iter()
        .map(|(b, r, y)| ([1.0 / y, b / (r * y), 1.0 / (r * y), b / y], 1.0))
        .collect();
    let start = non_negative(&rows)?;
    let unknowns: Vec<Unknown> = start
        .iter()
        .zip(FLOOR)
        .map(|(start, floor)| Unknown {
            start: log(start.max(floor)),
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
        })
        .collect();
    let curve = |u: &[f64]| SoloCurve {
        a_ms: exp(u[0]),
        w_ms_pct: exp(u[1]),
        g_ms_pct: exp(u[2]),
        d_ms: exp(u[3]),
    };
    let minimum = minimise(&unknowns, |u| {
        let curve = curve(u);
        points.iter().map(|(b, r, y)| log(curve.time_ms(*b, *r) / y)).collect()
    })?;
    Some((curve(&minimum.x), minimum))
}

/// Fits one model alone; `None` when its points determine no curve.
pub(super) fn fit_solo(model: &ModelProfile, kind: &GpuKind, clock: ClockLaw) -> Option<SoloFit> {
    let waves = occupancy::waves(model, kind);
    let ratio = |batch: u32, sm: SmPercent| {
        let (share, sms) = (granted_pct(kind, sm), 2 * granted_units(kind, sm).get());
        waves.as_ref().map_or(1.0, |waves| waves.ratio(batch, share, sms))
    };
    // (batch, granted share, GPU time at full clock, effect of waves)
    let points: Vec<(f64, f64, f64, f64)> = model
        .solo
        .iter()
        .map(|p| {
            let clock_ratio = (p.clock.get() / kind.max_clock.get()).min(1.0);
            let time = p.gpu.get() * clock_ratio;
            (p.batch.as_f64(), granted_pct(kind, p.sm), time, ratio(p.batch.get(), p.sm))
        })
        .collect();
    let smooth_points: Vec<(f64, f64, f64)> =
        points.iter().map(|(b, r, y, waves)| (*b, *r, y / waves)).collect();
    let (curve, minimum) = fit_curve_points(&smooth_points)?;
    let residuals =
        points.iter().map(|(b, r, y, waves)| (curve.time_ms(*b, *r) * waves, *y)).collect();
    let (transfer_ms, copies_measured) = fit_copies(model, kind);
    let bytes = model.input.as_f64() + model.output.as_f64();
    let coefficients = SoloCoefficients {
        name: model.name.clone(),
        curve,
        energy_mj: fit_energy(model, kind, clock, &curve)?,
        transfer_ms,
        load_part: if bytes > 0.0 { model.input.as_f64() / bytes } else { 1.0 },
        kernels: model.kernels,
        idle_ms: model.idle,
        memory_bytes: model.memory,
        validity: validity(model),
        waves,
        corrections: Vec::new(),
    };
    Some(SoloFit { coefficients, residuals, minimum, copies_measured })
}

/// e0 and e1: non-negative, by relative least squares of (e0 + e1 b) / t on the power above idle.
/// Throttled points count with the power that they would draw without the cap, P_cap + (F − f) / (κ F).
/// If the fixed part is so large that power would fall with the batch size, it is limited
/// ([`SoloCurve::largest_fixed_energy`]) and the fit repeated.
fn fit_energy(
    model: &ModelProfile,
    kind: &GpuKind,
    clock: ClockLaw,
    curve: &SoloCurve,
) -> Option<[f64; 2]> {
    let (cap, full) = (kind.power_cap.get(), kind.max_clock.get());
    let points: Vec<(f64, f64, f64)> = model
        .solo
        .iter()
        .filter_map(|p| {
            let demand = if p.clock.get() < full && clock.kappa_per_w > 0.0 {
                cap + (full - p.clock.get()) / (clock.kappa_per_w * full)
            } else {
                p.power.get()
            };
            let dynamic = demand - kind.idle_power.get();
            let time = curve.time_ms(p.batch.as_f64(), granted_pct(kind, p.sm));
            (dynamic > 0.0).then_some((p.batch.as_f64(), time, dynamic))
        })
        .collect();
    let rows: Vec<([f64; 2], f64)> =
        points.iter().map(|(b, t, p)| ([1.0 / (t * p), b / (t * p)], 1.0)).collect();
    let [e0, e1] = non_negative(&rows)?;
    let largest = curve.largest_fixed_energy();
    if e0 <= largest * e1 {
        return Some([e0, e1]);
    }
    let rows: Vec<([f64; 1], f64)> =
        points.iter().map(|(b, t, p)| ([(largest + b) / (t * p)], 1.0)).collect();
    let [e1] = non_negative(&rows)?;
    Some([largest * e1, e1])
}

/// c0 and c1: a non-negative relative least-squares line through (latency − GPU time), and whether that
/// was measured; else from the bytes of a request and the bandwidth.
fn fit_copies(model: &ModelProfile, kind: &GpuKind) -> ([f64; 2], bool) {
    let rows: Vec<([f64; 2], f64)> = model
        .solo
        .iter()
        .filter_map(|p| {
            let copies = p.latency?.get() - p.gpu.get();
            (copies > 0.0).then(|| ([1.0 / copies, p.batch.as_f64() / copies], 1.0))
        })
        .collect();
    match non_negative(&rows) {
        Some(line) if rows.len() >= 2 => (line, true),
        _ => {
            let bytes = model.input.as_f64() + model.output.as_f64();
            ([0.0, kind.transfer_time(bytes).get()], false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_norm_curve_is_found_again() {
        let truth = SoloCurve { a_ms: 1.5, w_ms_pct: 60.0, g_ms_pct: 8.0, d_ms: 0.05 };
        let mut points = Vec::new();
        for b in [1.0, 16.0, 32.0] {
            for r in [10.0, 50.0, 100.0] {
                points.push((b, r, truth.time_ms(b, r)));
            }
        }
        let (found, minimum) = fit_curve_points(&points).unwrap();
        assert!((found.a_ms / truth.a_ms - 1.0).abs() < 1e-5, "{found:?}");
        assert!((found.w_ms_pct / truth.w_ms_pct - 1.0).abs() < 1e-5);
        assert!((found.g_ms_pct / truth.g_ms_pct - 1.0).abs() < 1e-4);
        assert!((found.d_ms / truth.d_ms - 1.0).abs() < 1e-4);
        assert!(minimum.cost < 1e-10);
        assert!(fit_curve_points(&points[..3]).is_none());
    }

    #[test]
    fn the_v100_gives_the_published_numbers() {
        // Solo points of profiles/v100: a, w, g, d of resnet50 are 1.8495, 55.126, 8.499, 0.0809 and
        // vgg19 has e0 = 109.5, e1 = 519.0 mJ, copies 0.0156 + 0.05477 b ms.
        let profile = crate::profile::load("v100").unwrap();
        let clock = ClockLaw { kappa_per_w: 6.70e-4 };
        let of =
            |i: usize| fit_solo(&profile.models[i], &profile.kind, clock).unwrap().coefficients;
        let curve = of(1).curve;
        assert!((curve.a_ms - 1.8495).abs() < 1e-3 && (curve.w_ms_pct - 55.126).abs() < 1e-2);
        assert!((curve.g_ms_pct - 8.499).abs() < 1e-2 && (curve.d_ms - 0.0809).abs() < 1e-3);
        let vgg19 = of(2);
        assert!((vgg19.energy_mj[0] - 109.5).abs() < 0.5, "{:?}", vgg19.energy_mj);
        assert!((vgg19.energy_mj[1] - 519.0).abs() < 0.5);
        assert!((vgg19.transfer_ms[1] - 0.05477).abs() < 1e-4);
    }
}
