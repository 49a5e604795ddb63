//! Error bounds of a fitted predictor, by cross-conformal calibration on co-located runs.

use super::{FitData, FitError, members_of};
use crate::predictor::{ErrorBounds, Predictor};
use crate::profile::ColocatedRun;
use crate::stats::conformal_bound;

/// Fewer runs than this calibrate nothing: a 95 % bound needs at least 19 scores, and some more to be
/// stable.
const LEAST_RUNS: usize = 20;
/// Every run is scored by a fit that did not see its fifth of the runs.
const FOLDS: usize = 5;

/// The bounds for a fit to `data`.
///
/// # Errors
/// Those of the fit.
pub(super) fn calibrate<P: Predictor>(
    data: &FitData<'_>,
    notes: &mut Vec<String>,
    fit: impl Fn(&FitData<'_>) -> Result<P, FitError>,
) -> Result<ErrorBounds, FitError> {
    let runs = data.colocated;
    if runs.len() < LEAST_RUNS {
        notes.push(format!(
            "the error bounds are a V100's: {} co-located runs are fewer than the {LEAST_RUNS} that a \
             calibration needs",
            runs.len()
        ));
        return Ok(ErrorBounds::DEFAULT);
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
    Ok(bounds(&scores, largest).unwrap_or(ErrorBounds::DEFAULT))
}

/// measured / predicted − 1 for every member.
pub(super) fn relative_errors<P: Predictor + ?Sized>(
    predictor: &P,
    runs: &[ColocatedRun],
) -> Vec<f64> {
    let mut errors = Vec::new();
    for run in runs {
        let Ok(members) = members_of(predictor, run) else { continue };
        for (measured, predicted) in run.members.iter().zip(predictor.predict(&members).members) {
            errors.push(measured.latency.get() / predicted.latency_ms() - 1.0);
        }
    }
    errors
}

/// Bounds from relative errors (measured / predicted − 1) on runs that the fit did not see; `None` when
/// there are too few.
#[must_use]
pub fn bounds(errors: &[f64], largest_co_location: usize) -> Option<ErrorBounds> {
    let sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    Some(ErrorBounds {
        two_sided_pct: 100.0 * conformal_bound(&sizes, ErrorBounds::LEVEL)?,
        one_sided_pct: 100.0 * conformal_bound(errors, ErrorBounds::LEVEL)?.max(0.0),
        drift_pct: ErrorBounds::DEFAULT.drift_pct,
        calibrated_on: errors.len(),
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
        let errors: Vec<f64> = (1..=39).map(|i| -f64::from(i) / 100.0).chain([0.4]).collect();
        let bounds = bounds(&errors, 2).unwrap();
        assert!((bounds.two_sided_pct - 39.0).abs() < 1e-9);
        assert!(bounds.one_sided_pct.abs() < 1e-9);
        assert_eq!(bounds.calibrated_on, 40);
        assert!(super::bounds(&errors[..5], 2).is_none());
    }
}
