//! Error bounds of a fitted predictor, by cross-conformal calibration on co-located runs.

use super::{FitData, FitError, members_of};
use crate::predictor::{ErrorBounds, LaunchBounds, Lead, Predictor};
use crate::profile::ColocatedRun;
use crate::stats::conformal_bound;

/// The minimum number of runs for a calibration: a 95 % bound needs at least 19 scores, and some more to be stable.
const LEAST_RUNS: usize = 20;
/// Number of folds: every run is scored by a fit that did not see its fifth of the runs.
const FOLDS: usize = 5;

/// Returns the bounds for a fit to `data`, or `default` where there are too few runs.
///
/// # Errors
/// Those of the fit.
pub(super) fn calibrate<P: Predictor>(
    data: &FitData<'_>,
    default: ErrorBounds,
    notes: &mut Vec<String>,
    fit: impl Fn(&FitData<'_>) -> Result<P, FitError>,
) -> Result<ErrorBounds, FitError> {
    let runs = data.colocated;
    if runs.len() < LEAST_RUNS {
        notes.push(format!(
            "the error bounds are a V100's or an A100's, not measured on this GPU: {} co-located runs are \
             fewer than the {LEAST_RUNS} that a calibration needs",
            runs.len()
        ));
        return Ok(default);
    }
    let mut scores = Vec::new();
    for fold in 0..FOLDS {
        let of_fold = |keep: bool| -> Vec<ColocatedRun> {
            let chosen = runs.iter().enumerate().filter(|(i, _)| (i % FOLDS == fold) == keep);
            chosen.map(|(_, run)| run.clone()).collect()
        };
        let predictor = fit(&data.with_colocated(&of_fold(false)))?;
        scores.extend(relative_errors(&predictor, &of_fold(true)));
    }
    let largest = runs.iter().map(|run| run.members.len()).max().unwrap_or(1);
    Ok(bounds(&scores, largest).unwrap_or(default))
}

/// Returns measured / predicted − 1 for every timed member, and whether the GPU or launching leads.
pub(super) fn relative_errors<P: Predictor + ?Sized>(
    predictor: &P,
    runs: &[ColocatedRun],
) -> Vec<(f64, Lead)> {
    let mut errors = Vec::new();
    for run in runs {
        let Ok(members) = members_of(predictor, run) else { continue };
        let predicted = predictor.predict(&members).members;
        for (i, (measured, predicted)) in run.members.iter().zip(predicted).enumerate() {
            let Some(latency) = measured.latency else { continue };
            let lead = predictor.uncertainty(&members, i).map_or(Lead::Gpu, |u| u.lead);
            errors.push((latency.get() / predicted.latency_ms() - 1.0, lead));
        }
    }
    errors
}

/// Computes bounds from relative errors (measured / predicted − 1) on runs that the fit did not see, separately for
/// members where the GPU leads and where launching leads. `None` when there are too few errors of the first group; with
/// too few of the second, the bounds for launching stay at their default.
#[must_use]
pub fn bounds(errors: &[(f64, Lead)], largest_co_location: usize) -> Option<ErrorBounds> {
    let of = |lead: Lead| -> Option<([f64; 2], usize)> {
        let own = errors.iter().filter(|(_, led)| *led == lead);
        let own: Vec<f64> = own.map(|(error, _)| *error).collect();
        let sizes: Vec<f64> = own.iter().map(|e| e.abs()).collect();
        let two_sided = 100.0 * conformal_bound(&sizes, ErrorBounds::LEVEL)?;
        let one_sided = 100.0 * conformal_bound(&own, ErrorBounds::LEVEL)?.max(0.0);
        Some(([two_sided, one_sided], own.len()))
    };
    let ([two_sided_pct, one_sided_pct], calibrated_on) = of(Lead::Gpu)?;
    let launch = of(Lead::Launch).map_or(LaunchBounds::DEFAULT, |(bounds, calibrated_on)| {
        let [two_sided_pct, one_sided_pct] = bounds;
        LaunchBounds { two_sided_pct, one_sided_pct, calibrated_on }
    });
    Some(ErrorBounds {
        two_sided_pct,
        one_sided_pct,
        launch,
        drift_pct: ErrorBounds::DEFAULT.drift_pct,
        calibrated_on,
        largest_co_location,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_by_hand() {
        // Errors −0.39 … −0.01 and one of +0.4: 40 scores, rank ⌈41 · 0.95⌉ = 39. Sizes 0.01 … 0.40: the
        // 39th is 0.39. One-sided: sorted from −0.39, the 39th is −0.01, and a margin is at least 0.
        let errors: Vec<(f64, Lead)> =
            (1..=39).map(|i| -f64::from(i) / 100.0).chain([0.4]).map(|e| (e, Lead::Gpu)).collect();
        let bounds = bounds(&errors, 2).unwrap();
        assert!((bounds.two_sided_pct - 39.0).abs() < 1e-9);
        assert!(bounds.one_sided_pct.abs() < 1e-9);
        assert_eq!(bounds.calibrated_on, 40);
        assert!(super::bounds(&errors[..5], 2).is_none());
    }
}
