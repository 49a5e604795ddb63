//! Fits iGniter's predictor to a profile, with the same steps as the paper's artifact.

use super::curve::{fit_curve, fit_line};
use super::{CoefficientsFile, FitError, ResidualSummary};
use crate::domain::GpuKind;
use crate::predictor::igniter::{
    HardwareCoefficients, IgniterPredictor, ModelCoefficients, active_time,
};
use crate::profile::{ColocationPoint, ModelProfile, Profile, SoloPoint};

const PREDICTOR: &str = "igniter";

/// Fits iGniter's predictor.
///
/// 1. k1 … k5: unweighted least squares on the solo points, after scaling the GPU time to full clock
///    and subtracting the model's idle time.
/// 2. power and L2: straight lines in images per second of active time; power only from points at full
///    clock.
/// 3. α_cache: the slowdown of a self-pair at full clock, for each % of L2 of the other copy.
/// 4. α_sch, β_sch: a line through the idle time between kernels that co-location adds, n = 2, 3, ….
/// 5. α_f: one-parameter least squares through (P, F) on the throttled points, after replacing their
///    capped power by the linear growth of the points before.
///
/// # Errors
/// When the profile lacks a measurement that a step needs, or when a step does not give finite numbers.
pub fn fit_igniter(profile: &Profile) -> Result<(IgniterPredictor, CoefficientsFile), FitError> {
    let hardware = fit_hardware(profile)?;
    let mut models = Vec::new();
    let mut residuals = Vec::new();
    for model in &profile.models {
        let (coefficients, residual) = fit_model(model, &profile.kind)?;
        models.push(coefficients);
        residuals.push(residual);
    }
    let predictor = IgniterPredictor::new(profile.kind.clone(), hardware, models);
    let file = CoefficientsFile::igniter(&predictor, profile, residuals);
    Ok((predictor, file))
}

fn missing(what: String) -> FitError {
    FitError::Missing { predictor: PREDICTOR, what }
}

fn degenerate(what: String) -> FitError {
    FitError::Degenerate { predictor: PREDICTOR, what }
}

/// Returns the ratio of the clock to the full clock: f / F.
fn clock_ratio(clock_mhz: f64, kind: &GpuKind) -> f64 {
    clock_mhz / kind.max_clock.get()
}

fn fit_hardware(profile: &Profile) -> Result<HardwareCoefficients, FitError> {
    let kind = &profile.kind;
    let points = &profile.colocation;
    if points.len() < 3 {
        return Err(missing(format!(
            "colocation.csv must measure at least 1, 2 and 3 co-located copies; it has {} rows",
            points.len()
        )));
    }
    let [alpha_sch, beta_sch] = fit_added_idle(points, kind)
        .ok_or_else(|| degenerate("the idle times of colocation.csv determine no line".into()))?;
    Ok(HardwareCoefficients {
        alpha_f_mhz_per_w: fit_clock_slope(points, kind)?,
        alpha_sch_ms_per_kernel: alpha_sch,
        beta_sch_ms_per_kernel: beta_sch,
    })
}

/// Returns slope and intercept of the line through the additional idle time between kernels (in ms, at full clock) of n
/// = 2, 3, … co-located copies.
pub(super) fn fit_added_idle(points: &[ColocationPoint], kind: &GpuKind) -> Option<[f64; 2]> {
    let alone = points.first()?.idle_per_kernel.get();
    let added: Vec<(f64, f64)> = points[1..]
        .iter()
        .map(|p| {
            let at_full_clock = p.idle_per_kernel.get() * clock_ratio(p.clock.get(), kind);
            (f64::from(p.co_located), at_full_clock - alone)
        })
        .collect();
    fit_line(&added)
}

/// Fits α_f. Points below the maximum clock are throttled: their power is the cap, not the demand, so the demand is
/// extrapolated from the preceding points by their mean growth.
pub(super) fn fit_clock_slope(points: &[ColocationPoint], kind: &GpuKind) -> Result<f64, FitError> {
    let full = points.iter().take_while(|p| p.clock >= kind.max_clock).count();
    if full < 2 || full == points.len() {
        return Err(missing(format!(
            "colocation.csv needs at least two rows at full clock, followed by at least one below it \
             (power cap reached); it has {full} and {}",
            points.len() - full
        )));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    let growth = (points[full - 1].power.get() - points[0].power.get()) / (full - 1) as f64;
    let (mut xy, mut xx) = (0.0, 0.0);
    let mut demand = points[full - 1].power.get();
    for point in &points[full..] {
        demand += growth;
        let x = demand - kind.power_cap.get();
        xy += x * (point.clock.get() - kind.max_clock.get());
        xx += x * x;
    }
    let slope = xy / xx;
    if slope.is_finite() && slope <= 0.0 {
        Ok(slope)
    } else {
        Err(degenerate(format!(
            "colocation.csv gives a clock slope of {slope} MHz/W; it must be ≤ 0"
        )))
    }
}

fn fit_model(
    model: &ModelProfile,
    kind: &GpuKind,
) -> Result<(ModelCoefficients, ResidualSummary), FitError> {
    let name = &model.name;
    let idle = model.idle.get();
    // ((batch, share in %), active time in ms at full clock)
    let active: Vec<((f64, f64), f64)> = model
        .solo
        .iter()
        .map(|p| {
            let at_full_clock =
                p.gpu.get() * p.clock.map_or(1.0, |clock| clock_ratio(clock.get(), kind));
            ((p.batch.as_f64(), p.sm.get()), at_full_clock - idle)
        })
        .collect();
    if active.len() < 5 {
        return Err(missing(format!(
            "model {name} has {} solo points; five coefficients need at least 5",
            active.len()
        )));
    }
    if let Some(((batch, share), _)) = active.iter().find(|(_, time)| *time <= 0.0) {
        return Err(degenerate(format!(
            "model {name}, batch {batch}, {share} %: gpu_ms does not exceed the model's idle_ms = {idle}"
        )));
    }
    let k = fit_curve(&active, |(batch, share), k| {
        (k[0] * batch * batch + k[1] * batch + k[2]) / (share + k[3]) + k[4]
    })
    .ok_or_else(|| degenerate(format!("the fit of k1 … k5 of model {name} does not converge")))?;

    let images_per_s = |p: &SoloPoint| p.batch.as_f64() / (p.gpu.get() - idle) * 1000.0;
    let power_points: Vec<(f64, f64)> = model
        .solo
        .iter()
        .filter(|p| p.clock.is_none_or(|clock| clock >= kind.max_clock))
        .filter_map(|p| Some((images_per_s(p), p.power?.get() - kind.idle_power.get())))
        .collect();
    // Where no power was measured at all, the model draws none, so that no cap is ever reached.
    let unmeasured = model.solo.iter().all(|p| p.power.is_none());
    let power = if unmeasured { Some([0.0, 0.0]) } else { fit_line(&power_points) };
    let power = power.ok_or_else(|| {
        missing(format!("model {name} needs at least two solo points at full clock for its power"))
    })?;
    if model.kernels == 0 {
        return Err(missing(format!("model {name} needs `kernels` in profile.toml")));
    }
    let l2_points: Vec<(f64, f64)> =
        model.solo.iter().filter_map(|p| Some((images_per_s(p), p.l2_pct?))).collect();
    let l2 = fit_line(&l2_points).ok_or_else(|| {
        missing(format!("model {name} needs l2_pct at two or more points of solo.csv"))
    })?;
    let pair = model
        .self_pair
        .ok_or_else(|| missing(format!("self_pairs.csv has no row for model {name}")))?;
    let slowdown =
        pair.active_pair.get() * clock_ratio(pair.clock.get(), kind) / pair.active_alone.get();

    let coefficients = ModelCoefficients {
        name: name.clone(),
        k,
        power,
        l2,
        alpha_cache: (slowdown - 1.0) / pair.l2_pct,
        kernels: model.kernels,
        idle_ms: model.idle,
        input_bytes: model.input,
        output_bytes: model.output,
        memory_bytes: model.memory,
        max_batch: model.solo.iter().map(|p| p.batch).max().expect("there are at least 5 points"),
    };
    let fitted: Vec<f64> = active.iter().map(|((b, r), _)| active_time(&k, *b, *r)).collect();
    let measured: Vec<f64> = active.iter().map(|(_, time)| *time).collect();
    let residual = ResidualSummary::new(&fitted, &measured);
    Ok((coefficients, residual))
}
