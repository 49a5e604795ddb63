//! The coefficients of a slice of a GPU (MIG) from those of the whole GPU.
//!
//! At a share r, a slice with the part f of the SMs behaves like the whole GPU at a share f r, so the terms w / r and g
//! / r grow by the factor 1/f. Where the part of the memory bandwidth is given, the bandwidth term d and the
//! disturbance that co-runners cause through bandwidth grow by its inverse. Power cap, idle power and price are divided
//! in proportion to the SMs, which is an assumption.

use super::FitError;
use super::file::{CoefficientsFile, KindFile};
use crate::predictor::Validity;
use crate::predictor::contention::ContentionModel;
use crate::predictor::solo::{PressureUnit, SoloCoefficients};
use crate::profile::Slice;
use crate::units::{Dollars, SmUnits, Watts};

/// Converts the coefficients of the whole GPU to those of a slice.
///
/// # Errors
/// For a predictor that does not support slices.
pub(super) fn sliced(file: CoefficientsFile, slice: &Slice) -> Result<CoefficientsFile, FitError> {
    Ok(match file {
        CoefficientsFile::Contention(mut file) => {
            let part = part_of(&mut file.kind, slice)?;
            file.coefficients.models.iter_mut().for_each(|model| in_slice(model, part, slice));
            file.coefficients
                .assumed
                .push(format!("that a slice is a GPU with {:.0} % of the SMs", 100.0 * part));
            CoefficientsFile::Contention(file)
        }
        CoefficientsFile::Solo(mut file) => {
            let part = part_of(&mut file.kind, slice)?;
            file.models.iter_mut().for_each(|model| alone_in_slice(model, part, slice));
            CoefficientsFile::Solo(file)
        }
        CoefficientsFile::SoloScaled(mut file) => {
            let part = part_of(&mut file.kind, slice)?;
            file.models.iter_mut().for_each(|model| alone_in_slice(model, part, slice));
            CoefficientsFile::SoloScaled(file)
        }
        CoefficientsFile::Igniter(_) => return Err(unknown("igniter")),
        CoefficientsFile::Gpulets(_) => return Err(unknown("gpulets")),
    })
}

fn unknown(predictor: &'static str) -> FitError {
    FitError::Missing {
        predictor,
        what: "its form knows no slices of a GPU; use contention, or measure the slice as a GPU of its own"
            .to_owned(),
    }
}

/// Turns the kind into that of the slice; returns the slice's part of the SMs, rounded to whole units.
fn part_of(kind: &mut KindFile, slice: &Slice) -> Result<f64, FitError> {
    let whole = kind.units().get();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the units of a GPU"
    )]
    let units = (f64::from(whole) * slice.sm_pct / 100.0).round() as u32;
    let units = units.clamp(1, whole);
    let part = f64::from(units) / f64::from(whole);
    let watts = |value: Watts| Watts::new(value.get() * part);
    let changed = kind.in_slice(slice, SmUnits::new(units), |kind| {
        Ok((
            watts(kind.power_cap)?,
            watts(kind.idle_power)?,
            Dollars::new(kind.price_per_hour.get() * part)?,
        ))
    });
    changed.map_err(|e: crate::units::UnitError| FitError::Degenerate {
        predictor: "contention",
        what: e.to_string(),
    })?;
    Ok(part)
}

fn in_slice(model: &mut ContentionModel, part: f64, slice: &Slice) {
    alone_in_slice(&mut model.solo, part, slice);
    if model.solo.pressure_unit == PressureUnit::Power {
        model.gamma /= bandwidth(slice);
    }
}

fn bandwidth(slice: &Slice) -> f64 {
    slice.bandwidth_pct.unwrap_or(100.0) / 100.0
}

fn alone_in_slice(model: &mut SoloCoefficients, part: f64, slice: &Slice) {
    let smaller = |curve: &mut crate::predictor::solo::SoloCurve| {
        curve.w_ms_pct /= part;
        curve.g_ms_pct /= part;
        curve.d_ms /= bandwidth(slice);
    };
    smaller(&mut model.curve);
    if let Some(waves) = &mut model.waves {
        smaller(&mut waves.smooth);
    }
    let load = match model.pressure_unit {
        PressureUnit::Power => 1.0,
        PressureUnit::Utilisation => 1.0 / bandwidth(slice),
        PressureUnit::Throughput | PressureUnit::Share => 1.0 / part,
    };
    model.load = model.load.map(|value| value * load);
    let Validity { batch, sm_pct } = model.validity;
    model.validity = Validity { batch, sm_pct: sm_pct.map(|share| (share / part).min(100.0)) };
}
