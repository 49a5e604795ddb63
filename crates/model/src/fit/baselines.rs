//! Fits the baselines: `solo`, `solo_scaled` and `gpulets`.

use super::calibration::calibrate;
use super::contention::fit_solo_part;
use super::{FitData, FitError, FitReport, members_of};
use crate::domain::GpuKind;
use crate::predictor::gpulets::{self, GpuletsCoefficients, GpuletsPredictor, UtilisationPoint};
use crate::predictor::isolated::IsolatedPredictor;
use crate::predictor::solo::{SoloModels, granted_units};
use crate::predictor::{ErrorBounds, Member, Predictor};
use crate::profile::{ColocatedRun, SoloTable};
use nalgebra::{DMatrix, DVector};

/// Fits predictor `solo`: fitted solo latencies, or measured ones where the solo table has them.
///
/// # Errors
/// When a model has fewer than four solo points, or when they do not determine a curve.
pub fn fit_isolated(data: &FitData<'_>) -> Result<(IsolatedPredictor, FitReport), FitError> {
    let part = fit_solo_part("solo", data, true)?;
    let bare = |data: &FitData<'_>| {
        let part = fit_solo_part("solo", data, true)?;
        Ok(IsolatedPredictor::new(part.tabulated(), None, None))
    };
    // Without a calibration there are no bounds, so notes about default bounds do not apply.
    let bounds = calibrate(data, ErrorBounds::DEFAULT, &mut Vec::new(), bare)?;
    let bounds = (bounds.calibrated_on > 0).then_some(bounds);
    Ok((IsolatedPredictor::new(part.tabulated(), None, bounds), part.report))
}

/// Fits predictor `solo_scaled`. The constant is the median ratio of measured latency to solo latency over the
/// co-located runs of two or more members.
///
/// # Errors
/// As [`fit_isolated`], and when there are no co-located runs.
pub fn fit_scaled(data: &FitData<'_>) -> Result<(IsolatedPredictor, FitReport), FitError> {
    let mut part = fit_solo_part("solo_scaled", data, true)?;
    let bare = |data: &FitData<'_>| scaled(part.tabulated(), data, None);
    let bounds = calibrate(data, ErrorBounds::DEFAULT, &mut Vec::new(), bare)?;
    let bounds = (bounds.calibrated_on > 0).then_some(bounds);
    let predictor = scaled(part.tabulated(), data, bounds)?;
    part.report.notes.push(format!("factor {}", predictor.factor().unwrap_or(1.0)));
    Ok((predictor, part.report))
}

fn scaled(
    solo: SoloModels,
    data: &FitData<'_>,
    bounds: Option<ErrorBounds>,
) -> Result<IsolatedPredictor, FitError> {
    let alone = IsolatedPredictor::new(solo.clone(), None, None);
    let shared = data.colocated.iter().filter(|run| run.members.len() > 1);
    let shared: Vec<ColocatedRun> = shared.cloned().collect();
    let errors = super::calibration::relative_errors(&alone, &shared);
    let mut ratios: Vec<f64> = errors.iter().map(|(error, _)| *error).collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).ok_or_else(|| FitError::Missing {
        predictor: "solo_scaled",
        what: "it needs at least one run of two members or more (colocated.csv)".to_owned(),
    })?;
    Ok(IsolatedPredictor::new(solo, Some(1.0 + median), bounds))
}

/// Fits predictor `gpulets` by linear least squares on the slowdowns of the co-located runs.
///
/// # Errors
/// As [`fit_isolated`]; also when the solo table lacks L2 and DRAM utilisation of a model, or when there are fewer than
/// ten co-located latencies.
pub fn fit_gpulets(data: &FitData<'_>) -> Result<(GpuletsPredictor, FitReport), FitError> {
    let part = fit_solo_part(gpulets::NAME, data, true)?;
    let solo = part.tabulated();
    let fit = |data: &FitData<'_>| regression(&solo, data, ErrorBounds::DEFAULT);
    let mut report = part.report.clone();
    let bounds = calibrate(data, ErrorBounds::DEFAULT, &mut report.notes, fit)?;
    Ok((regression(&solo, data, bounds)?, report))
}

fn regression(
    solo: &SoloModels,
    data: &FitData<'_>,
    bounds: ErrorBounds,
) -> Result<GpuletsPredictor, FitError> {
    let missing = |what: String| FitError::Missing { predictor: gpulets::NAME, what };
    let utilisation: Vec<Vec<UtilisationPoint>> = solo
        .names()
        .iter()
        .map(|name| {
            let points = utilisation(data.solo, name, solo.kind());
            if points.is_empty() {
                Err(missing(format!(
                    "the solo table has no row of model {name} with l2_pct and dram_pct"
                )))
            } else {
                Ok(points)
            }
        })
        .collect::<Result<_, _>>()?;
    let coefficients = GpuletsCoefficients { regression: [0.0; 5], utilisation, bounds };
    let blank = GpuletsPredictor::new(solo.clone(), coefficients.clone());
    let alone = IsolatedPredictor::new(solo.clone(), None, None);
    let mut rows: Vec<([f64; 5], f64)> = Vec::new();
    for run in data.colocated.iter().filter(|run| run.members.len() > 1) {
        let members: Vec<Member> = members_of(&blank, run)
            .map_err(|name| missing(format!("run {}: model {name} is unknown", run.run)))?;
        for (i, member) in run.members.iter().enumerate() {
            let solo_ms = alone.predict(&members[i..=i]).members[0].latency_ms();
            if let Some(latency) = member.latency {
                rows.push((blank.features(&members, i), latency.get() / solo_ms - 1.0));
            }
        }
    }
    if rows.len() < 10 {
        return Err(missing(format!(
            "{} co-located latencies are too few for five coefficients; it needs at least 10",
            rows.len()
        )));
    }
    let matrix = DMatrix::from_fn(rows.len(), 5, |r, c| rows[r].0[c]);
    let right = DVector::from_fn(rows.len(), |r, _| rows[r].1);
    let found = matrix
        .svd(true, true)
        .solve(&right, 1e-9)
        .map_err(|e| FitError::Degenerate { predictor: gpulets::NAME, what: e.to_owned() })?;
    let regression = [found[0], found[1], found[2], found[3], found[4]];
    Ok(GpuletsPredictor::new(solo.clone(), GpuletsCoefficients { regression, ..coefficients }))
}

fn utilisation(
    table: &SoloTable,
    model: &crate::domain::ModelName,
    kind: &GpuKind,
) -> Vec<UtilisationPoint> {
    let rows = table.rows.iter().filter(|row| &row.model == model);
    let mut points: Vec<UtilisationPoint> = Vec::new();
    for row in rows {
        let units = granted_units(kind, row.sm);
        if let (Some(l2_pct), Some(dram_pct)) = (row.l2_pct, row.dram_pct)
            && points.iter().all(|p| (p.batch, p.units) != (row.batch, units))
        {
            points.push(UtilisationPoint { batch: row.batch, units, l2_pct, dram_pct });
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, ColocatedMember};
    use crate::units::{BatchSize, Milliseconds, SmPercent};

    #[test]
    fn only_what_is_co_located_scales() {
        let profile = profile::load("v100").unwrap();
        let data = FitData::of(&profile);
        let (solo, report) = fit_isolated(&data).unwrap();
        // Fewer runs than calibrate anything: no bounds, and no word of any.
        assert!(!report.notes.iter().any(|note| note.contains("bounds")), "{:?}", report.notes);
        let (batch, sm) = (BatchSize::new(4).unwrap(), SmPercent::new(50.0).unwrap());
        let member = |model: usize, slowdown: f64| {
            let name = &solo.models()[model];
            let id = solo.model_id(name).unwrap();
            let alone = solo.predict(&[Member { model: id, batch, sm }]).members[0].latency_ms();
            let latency = Milliseconds::new(alone * slowdown).unwrap();
            ColocatedMember { model: name.clone(), batch, sm, latency: Some(latency), std: None }
        };
        assert_eq!(solo.uncertainty(&[], 0), None);
        let alone = |run| ColocatedRun { run, members: vec![member(0, 1.0)], makespan: None };
        let pair = |run| ColocatedRun {
            run,
            members: vec![member(0, 1.2), member(1, 1.2)],
            makespan: None,
        };
        let runs: Vec<ColocatedRun> = (0..9).map(alone).chain((9..12).map(pair)).collect();
        let (scaled, _) = fit_scaled(&data.with_colocated(&runs)).unwrap();
        assert!((scaled.factor().unwrap() - 1.2).abs() < 1e-9, "{:?}", scaled.factor());
        assert!(fit_scaled(&data.with_colocated(&runs[..9])).is_err(), "nothing is co-located");
    }
}
