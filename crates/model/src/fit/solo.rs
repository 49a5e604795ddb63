//! Fits of models alone on the GPU: GPU time, power, host copies, measured deviations.

use super::least_squares::{Minimum, Unknown, minimise, non_negative};
use super::occupancy;
use crate::domain::GpuKind;
use crate::predictor::Validity;
use crate::predictor::solo::{ClockLaw, PressureUnit, SoloCoefficients, SoloCurve, granted_units};
use crate::profile::{ModelProfile, SoloTable};
use crate::units::{BatchSize, SmPercent};
use libm::{exp, log};

/// The fit of one model alone.
pub(super) struct SoloFit {
    pub coefficients: SoloCoefficients,
    /// GPU time at full clock, or launch time where it is longer: (fitted, measured), in ms.
    pub residuals: Vec<(f64, f64)>,
    /// The optimum in ln(a, w, g, d), and ln(l) where there is a launch floor.
    pub minimum: Minimum,
    /// The origin of the copy times.
    pub copies: Copies,
    /// Whether launching leads at every solo point, so that the points do not determine the GPU time.
    pub launch_bound_everywhere: bool,
}

/// The origin of the times of host copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// Measured: the whole latency less the GPU time.
    Measured,
    /// Computed: bytes over bandwidth.
    Computed,
    /// Included in the GPU time, from which nothing separates them.
    Included,
}

/// Returns the percentage to which a share is rounded up.
pub(super) fn granted_pct(kind: &GpuKind, sm: SmPercent) -> f64 {
    f64::from(granted_units(kind, sm).get()) * 100.0 / f64::from(kind.units.get())
}

/// Returns the measured range of a model: that of its own solo points.
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

/// Fits the smooth curve to points (batch, granted share in %, GPU time in ms), minimising relative errors.
/// Non-negative least squares of A b/r + B/r + C + D b give the start for Levenberg-Marquardt in the logarithms of the
/// parameters. `None` with fewer than four points.
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
    let minimum = minimise(&unknowns, |u| {
        let curve = curve_of(u);
        points.iter().map(|(b, r, y)| log(curve.time_ms(*b, *r) / y)).collect()
    })?;
    Some((curve_of(&minimum.x), minimum))
}

fn curve_of(u: &[f64]) -> SoloCurve {
    SoloCurve {
        a_ms: exp(u[0]),
        w_ms_pct: exp(u[1]),
        g_ms_pct: exp(u[2]),
        d_ms: exp(u[3]),
        launch_ms: u.get(4).map_or(0.0, |u| exp(*u)),
    }
}

/// The relative residual of a solo latency that counts as one standard deviation.
const SCALE: f64 = 0.02;
/// The distance (in the logarithm) of the five numbers from their start that counts as one standard deviation. This
/// keeps numbers that the points do not determine from diverging.
const LEASH: f64 = 3.0;
/// From this number of points on, outliers get less weight: 2 (√(1 + e²) − 1) instead of e².
const MANY: usize = 13;

/// Fits curve and launch floor to points in the same form as for [`fit_curve_points`]. The better result of two starts
/// is used: with few points, the first start may take the floor for GPU time.
pub(super) fn fit_launch_points(points: &[(f64, f64, f64)]) -> Option<(SoloCurve, Minimum)> {
    if points.len() < 4 {
        return None;
    }
    let rows: Vec<([f64; 4], f64)> = points
        .iter()
        .map(|(b, r, y)| ([1.0 / y, b / (r * y), 1.0 / (r * y), b / y], 1.0))
        .collect();
    let [_, w, g, d] = non_negative(&rows)?;
    let least = points.iter().map(|p| p.2).fold(f64::INFINITY, f64::min);
    let hardest = points.iter().max_by(|x, y| (x.0 / x.1).total_cmp(&(y.0 / y.1)))?;
    let (batch, share, longest) = *hardest;
    let starts = [
        [0.3 * least, w.max(0.1), g.max(1e-2), d.max(1e-4), 0.97 * least],
        [0.2 * least, 0.8 * longest * share / batch, 0.1 * longest * share, 1e-3, 0.97 * least],
    ];
    let found = starts.iter().filter_map(|start| {
        let start = start.map(|v| log(v.max(1e-6)));
        let unknowns =
            start.map(|start| Unknown { start, lower: f64::NEG_INFINITY, upper: f64::INFINITY });
        minimise(&unknowns, |u| {
            let curve = curve_of(u);
            let misfit = points.iter().map(|(b, r, y)| {
                let e = log(curve.latency_ms(*b, *r) / y) / SCALE;
                if points.len() < MANY {
                    e
                } else {
                    e.signum() * (2.0 * ((1.0 + e * e).sqrt() - 1.0)).sqrt()
                }
            });
            misfit.chain(u.iter().zip(start).map(|(u, start)| (u - start) / LEASH)).collect()
        })
    });
    let best = found.min_by(|a, b| a.cost.total_cmp(&b.cost))?;
    Some((curve_of(&best.x), best))
}

/// The least ratio of the work per SM of two points at which they show whether latency follows it.
const LEVER: f64 = 2.0;
/// The same for the many rows of a solo table, where one wave more or less can hide a factor of two.
const LEVER_OF_TABLE: f64 = 4.0;
/// The slope d ln(latency) / d ln(batch / share) below which launching leads. Compiled engines on a V100 stay above 0.3
/// even where their work is least; kernels launched one by one give 0.
const FLAT: f64 = 0.15;
/// The improvement of the fit by a launch floor, in squared standard deviations, above which the floor is accepted
/// without flat points, and the number of points needed for that.
const EVIDENCE: f64 = 30.0;
const POINTS_FOR_EVIDENCE: usize = 6;

/// Returns whether latency hardly follows the work per SM between two of the points, one of which has at least
/// `least_lever` times as much work.
fn is_flat(points: &[(f64, f64, f64)], least_lever: f64) -> bool {
    points.iter().any(|easy| {
        points.iter().any(|hard| {
            let lever = (hard.0 / hard.1) / (easy.0 / easy.1);
            let harder = hard.0 >= easy.0 && hard.1 <= easy.1 && lever >= least_lever;
            harder && log(hard.2 / easy.2) / log(lever) < FLAT
        })
    })
}

/// Returns whether the points show a launch floor: latency that does not follow the work per SM, or a fit that is
/// clearly better with a floor.
fn is_launch_bound(points: &[(f64, f64, f64)], plain: &SoloCurve, floored: &SoloCurve) -> bool {
    let misfit = |curve: &SoloCurve| -> f64 {
        let squares =
            points.iter().map(|(b, r, y)| (log(curve.latency_ms(*b, *r) / y) / SCALE).powi(2));
        squares.sum()
    };
    let better = misfit(plain) - misfit(floored) > EVIDENCE;
    is_flat(points, LEVER) || (points.len() >= POINTS_FOR_EVIDENCE && better)
}

/// Fits one model alone, with its pressure in `unit`; `None` when its points do not determine a curve.
pub(super) fn fit_solo(
    model: &ModelProfile,
    kind: &GpuKind,
    clock: ClockLaw,
    unit: PressureUnit,
    table: &SoloTable,
) -> Option<SoloFit> {
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
            let time = p.gpu.get() * p.clock_ratio(kind);
            (p.batch.as_f64(), granted_pct(kind, p.sm), time, ratio(p.batch.get(), p.sm))
        })
        .collect();
    let smooth_points: Vec<(f64, f64, f64)> =
        points.iter().map(|(b, r, y, waves)| (*b, *r, y / waves)).collect();
    let (mut curve, mut minimum) = fit_curve_points(&smooth_points)?;
    if model.launch_bound != Some(false)
        && let Some((floored, better)) = fit_launch_points(&smooth_points)
        && (model.launch_bound == Some(true) || is_launch_bound(&smooth_points, &curve, &floored))
    {
        (curve, minimum) = (floored, better);
    }
    let (transfer_ms, copies) = fit_copies(model, kind);
    // Where the profile has no small batches, the solo table may still show a floor.
    if model.launch_bound.is_none() && curve.launch_ms <= 0.0 && waves.is_none() {
        let mut all = smooth_points.clone();
        all.extend(table.rows.iter().filter(|row| row.model == model.name).filter_map(|row| {
            let b = row.batch.as_f64();
            let execution = row.latency.get() - transfer_ms[0] - transfer_ms[1] * b;
            (execution > 0.0).then_some((b, granted_pct(kind, row.sm), execution))
        }));
        if is_flat(&all, LEVER_OF_TABLE)
            && let Some((floored, better)) = fit_launch_points(&all)
        {
            (curve, minimum) = (floored, better);
        }
    }
    let residuals =
        points.iter().map(|(b, r, y, waves)| (curve.latency_ms(*b, *r) * waves, *y)).collect();
    let launch_bound_everywhere =
        points.iter().all(|(b, r, ..)| curve.time_ms(*b, *r) < curve.launch_ms);
    let bytes = model.input.as_f64() + model.output.as_f64();
    let coefficients = SoloCoefficients {
        name: model.name.clone(),
        curve,
        pressure_unit: unit,
        load: fit_load(model, kind, clock, &curve, unit, table)?,
        transfer_ms,
        load_part: if bytes > 0.0 { model.input.as_f64() / bytes } else { 1.0 },
        kernels: if model.kernels > 0 { model.kernels } else { kernels_of(curve.launch_ms) },
        idle_ms: model.idle,
        memory_bytes: model.memory,
        validity: validity(model),
        waves,
        corrections: Vec::new(),
        pressure_corrections: Vec::new(),
    };
    Some(SoloFit { coefficients, residuals, minimum, copies, launch_bound_everywhere })
}

/// Returns the number of kernels that the host launches in this time, at 28 µs each: 27 to 32 µs were measured for four
/// models on a host with an A100 and kernels launched one by one.
fn kernels_of(launch_ms: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and times are not negative"
    )]
    let kernels = (launch_ms / 0.028).round() as u32;
    kernels
}

/// Chooses the quantity that represents the pressure of every model: power where it was measured, else L2 and DRAM
/// utilisation, else requests per second, else the share of the SMs' time. `None` where the `wanted` quantity was not
/// measured for every model.
pub(super) fn pressure_unit(
    models: &[ModelProfile],
    kind: &GpuKind,
    table: &SoloTable,
    wanted: Option<PressureUnit>,
) -> Option<PressureUnit> {
    let every = |has: &dyn Fn(&ModelProfile) -> bool| models.iter().all(has);
    let above_idle = |m: &ModelProfile| {
        m.solo.iter().any(|p| p.power.is_some_and(|power| power > kind.idle_power))
    };
    let is_measured = |unit: PressureUnit| match unit {
        PressureUnit::Power => every(&above_idle),
        PressureUnit::Utilisation => every(&|m| !utilisations(m, table).is_empty()),
        PressureUnit::Throughput => every(&|m| largest_rate(m, table) > 0.0),
        PressureUnit::Share => true,
    };
    let order = [
        PressureUnit::Power,
        PressureUnit::Utilisation,
        PressureUnit::Throughput,
        PressureUnit::Share,
    ];
    order
        .into_iter()
        .filter(|unit| wanted.is_none_or(|w| w == *unit))
        .find(|unit| is_measured(*unit))
}

/// Fits curve and launch floor to latencies alone (batch size, share in %, ms), with the same method as for a profile.
/// `None` with fewer than four points, or when they do not determine a curve.
#[must_use]
pub fn fit_latency_curve(points: &[(f64, f64, f64)]) -> Option<SoloCurve> {
    let (plain, _) = fit_curve_points(points)?;
    match fit_launch_points(points) {
        Some((floored, _)) if is_launch_bound(points, &plain, &floored) => Some(floored),
        _ => Some(plain),
    }
}

/// Returns (batch, share, mean of L2 and DRAM utilisation as a fraction) of every configuration for which both were
/// measured.
pub(super) fn utilisations(
    model: &ModelProfile,
    table: &SoloTable,
) -> Vec<(BatchSize, SmPercent, f64)> {
    let mean =
        |l2: Option<f64>, dram: Option<f64>| Some((l2? + dram?) / 200.0).filter(|u| *u > 0.0);
    let own = model.solo.iter().map(|p| (p.batch, p.sm, mean(p.l2_pct, p.dram_pct)));
    let rows = table.rows.iter().filter(|row| row.model == model.name);
    let further = rows.map(|row| (row.batch, row.sm, mean(row.l2_pct, row.dram_pct)));
    let mut found: Vec<(BatchSize, SmPercent, f64)> = Vec::new();
    for (batch, sm, used) in own.chain(further) {
        if let Some(used) = used
            && found.iter().all(|known| (known.0, known.1) != (batch, sm))
        {
            found.push((batch, sm, used));
        }
    }
    found
}

/// Returns the highest measured rate of a model alone, in requests per second; 0 where none was measured.
fn largest_rate(model: &ModelProfile, table: &SoloTable) -> f64 {
    let own = model.solo.iter().filter_map(|p| p.throughput_img_s);
    let rows = table.rows.iter().filter(|row| row.model == model.name);
    own.chain(rows.filter_map(|row| row.throughput_img_s)).fold(0.0, f64::max)
}

/// Fits e0 and e1 in the unit of the pressure.
fn fit_load(
    model: &ModelProfile,
    kind: &GpuKind,
    clock: ClockLaw,
    curve: &SoloCurve,
    unit: PressureUnit,
    table: &SoloTable,
) -> Option<[f64; 2]> {
    match unit {
        PressureUnit::Power => fit_energy(model, kind, clock, curve),
        PressureUnit::Utilisation => {
            let points: Vec<(f64, f64, f64)> = utilisations(model, table)
                .iter()
                .map(|(batch, sm, used)| {
                    let (b, r) = (batch.as_f64(), granted_pct(kind, *sm));
                    let alone = curve.latency_ms(b, r);
                    // Profilers measure while a kernel runs; pressure is an average over time.
                    (b, alone, used * curve.time_ms(b, r) / alone)
                })
                .collect();
            limited_load(&points, curve)
        }
        PressureUnit::Throughput => Some([0.0, 1000.0 / largest_rate(model, table)]),
        PressureUnit::Share => {
            let e1 = curve.w_ms_pct / 100.0;
            Some([(curve.g_ms_pct / 100.0).min(curve.largest_fixed_energy() * e1), e1])
        }
    }
}

/// Fits e0 and e1, which are non-negative, by relative least squares of (e0 + e1 b) / t on the power above idle.
/// Throttled points count with the power that they would draw without the cap, P_cap + (F − f) / (κ F). If the fixed
/// part is so large that power would fall with the batch size, it is limited ([`SoloCurve::largest_fixed_energy`]) and
/// the fit is repeated.
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
            let below = p.clock.map_or(0.0, |clock| full - clock.get());
            let demand = if below > 0.0 && clock.kappa_per_w > 0.0 {
                cap + below / (clock.kappa_per_w * full)
            } else {
                p.power?.get()
            };
            let dynamic = demand - kind.idle_power.get();
            let time = curve.latency_ms(p.batch.as_f64(), granted_pct(kind, p.sm));
            (dynamic > 0.0).then_some((p.batch.as_f64(), time, dynamic))
        })
        .collect();
    limited_load(&points, curve)
}

/// Fits e0 and e1, which are non-negative, to (batch, latency alone, pressure) by relative least squares; e0 is limited
/// by [`SoloCurve::largest_fixed_energy`].
fn limited_load(points: &[(f64, f64, f64)], curve: &SoloCurve) -> Option<[f64; 2]> {
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

/// Returns c0 and c1, and their origin: a non-negative relative least-squares line through (latency − GPU time) where
/// this was measured; zeros where the GPU time includes the copies; else the time computed from the bytes of a request
/// and the bandwidth.
fn fit_copies(model: &ModelProfile, kind: &GpuKind) -> ([f64; 2], Copies) {
    let rows: Vec<([f64; 2], f64)> = model
        .solo
        .iter()
        .filter_map(|p| {
            let copies = p.latency?.get() - p.gpu.get();
            (copies > 0.0).then(|| ([1.0 / copies, p.batch.as_f64() / copies], 1.0))
        })
        .collect();
    match non_negative(&rows) {
        Some(line) if rows.len() >= 2 => (line, Copies::Measured),
        _ if model.solo.iter().any(|p| p.with_copies) => ([0.0, 0.0], Copies::Included),
        _ => {
            let bytes = model.input.as_f64() + model.output.as_f64();
            ([0.0, kind.transfer_time(bytes).get()], Copies::Computed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_norm_curve_is_found_again() {
        let truth =
            SoloCurve { a_ms: 1.5, w_ms_pct: 60.0, g_ms_pct: 8.0, d_ms: 0.05, launch_ms: 0.0 };
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
        let table = SoloTable::default();
        let fit = |i: usize| {
            let model = &profile.models[i];
            fit_solo(model, &profile.kind, clock, PressureUnit::Power, &table).unwrap()
        };
        let of = |i: usize| fit(i).coefficients;
        assert!((0..4).all(|i| of(i).curve.launch_ms <= 0.0), "compiled engines have no floor");
        let curve = of(1).curve;
        assert!((curve.a_ms - 1.8495).abs() < 1e-3 && (curve.w_ms_pct - 55.126).abs() < 1e-2);
        assert!((curve.g_ms_pct - 8.499).abs() < 1e-2 && (curve.d_ms - 0.0809).abs() < 1e-3);
        let vgg19 = of(2);
        assert!((vgg19.load[0] - 109.5).abs() < 0.5, "{:?}", vgg19.load);
        assert!((vgg19.load[1] - 519.0).abs() < 0.5);
        assert!((vgg19.transfer_ms[1] - 0.05477).abs() < 1e-4);
    }
}
