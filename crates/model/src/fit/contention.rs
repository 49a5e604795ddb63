//! Fits predictor `contention` from the available measurements.
//!
//! | budget | measurements | what they determine |
//! |---|---|---|
//! | A | solo points (six suffice), if possible self-pairs and 1, 2, 3 … copies of one model | curve, power, copies; γ; κ and δ |
//! | B | + a kernel list | waves |
//! | C | + co-located runs, best with solo latencies of the same configurations | γ, δ, ρ, couplings |
//! | D | + solo latencies of everything that will be served | measured deviations from the curve |
//!
//! Numbers that were not measured keep a default: a value between those of the two GPUs that were measured, or the
//! conservative extreme (couplings of 1). The report and every prediction state this.

use super::calibration::calibrate;
use super::corrections::{corrections, pressure_corrections};
use super::igniter::{fit_added_idle, fit_clock_slope};
use super::interference::{InterferenceFit, fit_interference};
use super::report::{
    CoefficientOrigin, CorrelatedTerms, ModelResiduals, NOTABLE_CORRELATION, TermReport,
};
use super::solo::{Copies, SoloFit, fit_solo, granted_pct, pressure_unit, utilisations};
use super::{DataUsed, FitData, FitError, FitReport, ResidualSummary, SoloUse, members_of};
use crate::domain::{GpuKind, ModelId};
use crate::predictor::contention::{
    ContentionCoefficients, ContentionConstants, ContentionModel, ContentionPredictor, Coupling,
    NAME,
};
use crate::predictor::solo::{ClockLaw, PressureUnit, SoloCoefficients, SoloModels};
use crate::predictor::{ErrorBounds, Predictor};
use crate::profile::{ModelProfile, Profile};

/// κ · P_cap of a V100: 6.70e-4 / W · 300 W.
const DEFAULT_KAPPA_OF_CAP: f64 = 0.201;
/// γ · P_cap where pressure is power. With the curves of six solo runs of a V100, the error is 2.71 % for 0.084, 2.79 %
/// for 0.10, 3.00 % for 0.118 and 3.42 % for 0.14; with measured solo latencies the best value is 0.118. Power was not
/// measured on any other GPU kind.
const DEFAULT_GAMMA_OF_CAP: f64 = 0.084;
/// γ for each unit of L2 and DRAM utilisation: the best value is 0.30 for a V100 and 0.60 for an A100.
const DEFAULT_GAMMA_OF_UTILISATION: f64 = 0.42;
/// γ for requests per second relative to their maximum, and for the share of the SMs' time, from the same pairs of an
/// A100: both pressures are about three times the utilisation.
const DEFAULT_GAMMA_OF_OTHERS: f64 = 0.14;

/// Fits predictor `contention`.
///
/// # Errors
/// When a model has fewer than four solo points or they do not determine a curve, or when a co-located run has a model
/// that is not in the profile.
pub fn fit_contention(data: &FitData<'_>) -> Result<(ContentionPredictor, FitReport), FitError> {
    let (predictor, mut report) = fit_contention_without_bounds(data)?;
    let mut coefficients = predictor.coefficients().clone();
    let default = coefficients.bounds;
    coefficients.bounds = calibrate(data, default, &mut report.notes, fit_uncalibrated_bare)?;
    Ok((ContentionPredictor::new(data.profile.kind.clone(), coefficients), report))
}

fn fit_uncalibrated_bare(data: &FitData<'_>) -> Result<ContentionPredictor, FitError> {
    fit_contention_without_bounds(data).map(|(predictor, _)| predictor)
}

/// The models alone, and the part of the report about them.
pub(super) struct SoloPart {
    pub kind: GpuKind,
    pub clock: ClockLaw,
    pub models: Vec<SoloCoefficients>,
    pub report: FitReport,
}

impl SoloPart {
    pub(super) fn tabulated(&self) -> SoloModels {
        SoloModels::new(self.kind.clone(), self.clock, self.models.clone())
    }
}

/// Fits all models alone; with `corrected`, measured solo latencies correct the curves.
pub(super) fn fit_solo_part(
    predictor: &'static str,
    data: &FitData<'_>,
    corrected: bool,
) -> Result<SoloPart, FitError> {
    let profile = data.profile;
    let kind = &profile.kind;
    let (clock, kappa_origin) = fit_clock(profile);
    let unit = pressure_unit(&profile.models, kind, data.solo, data.pressure).ok_or_else(|| {
        FitError::Missing {
            predictor,
            what: format!(
                "{} was not measured of every model",
                data.pressure.unwrap_or_default().described()
            ),
        }
    })?;
    let mut report = FitReport {
        data: data_used(data),
        terms: vec![term("kappa", clock.kappa_per_w, "1/W", kappa_origin, None)],
        correlations: Vec::new(),
        solo_residuals: Vec::new(),
        colocated_residuals: None,
        notes: Vec::new(),
    };
    if unit != PressureUnit::Power {
        report.notes.push(format!(
            "{} stands in for power as the pressure on the memory system, and power and clock are not predicted",
            unit.described()
        ));
    }
    let mut models = Vec::with_capacity(profile.models.len());
    for model in &profile.models {
        if model.solo.len() < 4 {
            let (name, points) = (&model.name, model.solo.len());
            return Err(FitError::Missing {
                predictor,
                what: format!("model {name} has {points} solo points; its curve needs at least 4"),
            });
        }
        let fit =
            fit_solo(model, kind, clock, unit, data.solo).ok_or_else(|| FitError::Degenerate {
                predictor,
                what: format!("the solo points of model {} determine no curve", model.name),
            })?;
        describe_solo(&fit, model, &mut report);
        models.push(fit.coefficients);
    }
    if corrected && !data.solo.rows.is_empty() {
        let bare = SoloModels::new(kind.clone(), clock, models.clone());
        for (i, model) in models.iter_mut().enumerate() {
            model.corrections = corrections(&bare, ModelId::new(i), data.solo);
            if unit == PressureUnit::Utilisation {
                let measured = utilisations(&profile.models[i], data.solo);
                model.pressure_corrections =
                    pressure_corrections(&bare, ModelId::new(i), &measured);
            }
        }
    }
    Ok(SoloPart { kind: kind.clone(), clock, models, report })
}

fn term(
    name: &str,
    value: f64,
    unit: &str,
    origin: CoefficientOrigin,
    standard_error: Option<f64>,
) -> TermReport {
    TermReport { term: name.to_owned(), value, unit: unit.to_owned(), origin, standard_error }
}

fn data_used(data: &FitData<'_>) -> DataUsed {
    let models = &data.profile.models;
    DataUsed {
        solo_points: models.iter().map(|m| m.solo.len()).sum(),
        self_pairs: models.iter().filter(|m| m.self_pair.is_some()).count(),
        copies_rows: data.profile.colocation.len(),
        kernel_lists: models.iter().filter(|m| !m.kernel_list.is_empty()).count(),
        solo_table_rows: data.solo.rows.len(),
        colocated_runs: data.colocated.len(),
    }
}

/// Fits κ = −α_f / F from the throttled rows of `colocation.csv`.
fn fit_clock(profile: &Profile) -> (ClockLaw, CoefficientOrigin) {
    let kind = &profile.kind;
    match fit_clock_slope(&profile.colocation, kind) {
        Ok(slope) => {
            (ClockLaw { kappa_per_w: -slope / kind.max_clock.get() }, CoefficientOrigin::Copies)
        }
        Err(_) => {
            let kappa_per_w = DEFAULT_KAPPA_OF_CAP / kind.power_cap.get();
            (ClockLaw { kappa_per_w }, CoefficientOrigin::Default)
        }
    }
}

/// The number of parameters of a solo curve that describe the GPU: a, w, g and d.
const GPU_TERMS: usize = 4;

fn describe_solo(fit: &SoloFit, model: &ModelProfile, report: &mut FitReport) {
    let name = &model.name;
    let c = &fit.coefficients;
    let mut values = vec![c.curve.a_ms, c.curve.w_ms_pct, c.curve.g_ms_pct, c.curve.d_ms];
    let mut symbols = vec![("a", "ms"), ("w", "ms %"), ("g", "ms %"), ("d", "ms")];
    if c.curve.launch_ms > 0.0 {
        values.push(c.curve.launch_ms);
        symbols.push(("l", "ms"));
    }
    let labels: Vec<(String, &str)> =
        symbols.into_iter().map(|(s, u)| (format!("{s} {name}"), u)).collect();
    // The scatter of the residuals estimates their unknown standard deviation; errors are relative.
    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    let freedom = (model.solo.len() as f64 - values.len() as f64).max(1.0);
    let scatter = (2.0 * fit.minimum.cost / freedom).sqrt();
    // With a launch floor, residuals are already in units of a standard deviation of 2 %.
    let scatter = if c.curve.launch_ms > 0.0 { 0.02 * scatter.max(1.0) } else { scatter };
    for (i, ((label, unit), value)) in labels.iter().zip(values).enumerate() {
        // Where launching leads at every point, the points determine only the launch time.
        if fit.launch_bound_everywhere && i < GPU_TERMS {
            report.terms.push(term(label, value, unit, CoefficientOrigin::Default, None));
            continue;
        }
        let error = fit.minimum.standard_error(i).map(|e| e * scatter * value);
        report.terms.push(term(label, value, unit, CoefficientOrigin::SoloPoints, error));
        let known = if fit.launch_bound_everywhere { GPU_TERMS } else { 0 };
        for (j, (other, _)) in labels.iter().enumerate().take(i).skip(known) {
            note_correlation(report, [other, label], fit.minimum.correlation(i, j));
        }
    }
    let copies = match fit.copies {
        Copies::Measured | Copies::Included => CoefficientOrigin::SoloPoints,
        Copies::Computed => CoefficientOrigin::Constants,
    };
    let of_load = c.pressure_unit.of_load();
    for (label, value, unit, origin) in [
        ("e0", c.load[0], of_load, CoefficientOrigin::SoloPoints),
        ("e1", c.load[1], of_load, CoefficientOrigin::SoloPoints),
        ("c0", c.transfer_ms[0], "ms", copies),
        ("c1", c.transfer_ms[1], "ms", copies),
    ] {
        report.terms.push(term(&format!("{label} {name}"), value, unit, origin, None));
    }
    let (fitted, measured): (Vec<f64>, Vec<f64>) = fit.residuals.iter().copied().unzip();
    report.solo_residuals.push(ModelResiduals {
        model: name.clone(),
        gpu_time: ResidualSummary::new(&fitted, &measured),
    });
    if fit.launch_bound_everywhere {
        report.notes.push(format!(
            "model {name} is launch-bound at every solo point: the host needs {:.2} ms for a batch whatever its \
             size and share, so the GPU terms (a, w, g, d) are unknown; measure larger batches with fewer SMs",
            c.curve.launch_ms
        ));
    }
    if c.curve.launch_ms > 0.0 && fit.copies == Copies::Included {
        report.notes.push(format!(
            "model {name}: host copies are not known apart from the GPU time and the launch time ({:.2} ms)",
            c.curve.launch_ms
        ));
    }
    if model.kernels == 0 {
        report.notes.push(if c.kernels == 0 {
            format!(
                "model {name}: nobody counted its kernels, so waiting for kernels of co-runners is left out"
            )
        } else {
            format!(
                "model {name}: nobody counted its kernels; {} are assumed from its launch time",
                c.kernels
            )
        });
    }
    if c.validity.batch[0].get() > 1 {
        report.notes.push(format!(
            "model {name} was not measured with batch 1: a and g are hardly determined, and small \
             batches are extrapolated"
        ));
    }
}

fn note_correlation(report: &mut FitReport, terms: [&str; 2], correlation: Option<f64>) {
    if let Some(correlation) = correlation.filter(|c| c.abs() >= NOTABLE_CORRELATION) {
        let terms = terms.map(str::to_owned);
        report.correlations.push(CorrelatedTerms { terms, correlation });
    }
}

/// Does the same as [`fit_contention`], but with the default error bounds, which takes a fifth of the work.
///
/// # Errors
/// As [`fit_contention`].
pub fn fit_contention_without_bounds(
    data: &FitData<'_>,
) -> Result<(ContentionPredictor, FitReport), FitError> {
    let mut part = fit_solo_part(NAME, data, data.solo_use == SoloUse::Everywhere)?;
    let solo = part.tabulated();
    let colocated = data.colocated.iter().any(|run| run.members.len() > 1);
    let unit = solo.pressure_unit();
    if let Some(of) = data.other.and_then(|other| other.models.first()) {
        let theirs = of.solo.pressure_unit;
        if theirs != unit {
            return Err(FitError::Missing {
                predictor: NAME,
                what: format!(
                    "the constants of the other GPU are per {}, and pressure is {} here: fit both with the same --pressure",
                    theirs.described(),
                    unit.described()
                ),
            });
        }
    }
    let Inferred { constants, launch_measured, gammas, pressure, launch_factor, couplings } =
        if colocated {
            let fitted = fit_interference(&solo, data.colocated, data.solo)?;
            describe_interference(&fitted, &mut part.report);
            Inferred {
                constants: fitted.constants,
                launch_measured: fitted.launch_measured,
                gammas: fitted.gamma,
                pressure: fitted.pressure,
                launch_factor: fitted.launch_factor,
                couplings: fitted.couplings,
            }
        } else {
            part.report.notes.push(
                "no co-location was measured: couplings are 1 and the slowdown of host copies is a V100's"
                    .to_owned(),
            );
            let models = solo.names().len();
            Inferred {
                constants: match data.other {
                    Some(other) => other.constants,
                    None => constants_of_copies(data.profile, &mut part.report),
                },
                launch_measured: false,
                gammas: vec![None; models],
                pressure: vec![1.0; models],
                launch_factor: vec![1.0; models],
                couplings: Vec::new(),
            }
        };
    let launch_bound: Vec<&str> =
        (part.models.iter()).filter(|m| m.curve.launch_ms > 0.0).map(|m| m.name.as_str()).collect();
    let mut assumed = Vec::new();
    if !launch_bound.is_empty() && !launch_measured {
        part.report.terms.push(term(
            "lambda",
            constants.launch,
            "1",
            CoefficientOrigin::Default,
            None,
        ));
        part.report.notes.push(format!(
            "launching in company (lambda) was not measured on this GPU's host; {} on the safe side is assumed, and \
             1.0 to 1.5 were measured elsewhere: measure {} with batch 1 beside anyone",
            constants.launch,
            launch_bound.join(", ")
        ));
        assumed.push("launching in company (lambda)".to_owned());
    }
    let fitted: Vec<f64> = gammas.iter().flatten().copied().collect();
    let mut models = Vec::with_capacity(part.models.len());
    for (i, (model, solo)) in data.profile.models.iter().zip(&part.models).enumerate() {
        let gamma = gammas[i].unwrap_or_else(|| {
            let (value, origin) = match data.other {
                Some(other) => (mean_gamma(other), CoefficientOrigin::Default),
                None => gamma_without_runs(model, solo, &part.kind, &fitted),
            };
            let label = format!("gamma {}", model.name);
            part.report.terms.push(term(&label, value, unit.of_gamma(), origin, None));
            if origin == CoefficientOrigin::Default {
                let label = "coupling to co-runners' pressure (gamma)".to_owned();
                if !assumed.contains(&label) {
                    assumed.push(label);
                }
            }
            value
        });
        let (pressure, launch_factor) = (pressure[i], launch_factor[i]);
        models.push(ContentionModel { solo: solo.clone(), gamma, pressure, launch_factor });
    }
    let bounds = if fitted.is_empty() && !assumed.is_empty() {
        ErrorBounds::ELSEWHERE
    } else {
        ErrorBounds::DEFAULT
    };
    let coefficients =
        ContentionCoefficients { clock: part.clock, constants, models, couplings, bounds, assumed };
    let predictor = ContentionPredictor::new(part.kind.clone(), coefficients);
    let mut report = part.report;
    if colocated {
        report.colocated_residuals = residuals(&predictor, data);
    }
    report.correlations.sort_by(|a, b| b.correlation.abs().total_cmp(&a.correlation.abs()));
    Ok((predictor, report))
}

/// The numbers that govern a co-location, measured or assumed.
struct Inferred {
    constants: ContentionConstants,
    launch_measured: bool,
    gammas: Vec<Option<f64>>,
    pressure: Vec<f64>,
    launch_factor: Vec<f64>,
    couplings: Vec<Coupling>,
}

/// Determines δ from the idle time that each further copy adds; ρ0 and ρ1 are those of a V100.
fn constants_of_copies(profile: &Profile, report: &mut FitReport) -> ContentionConstants {
    let slope = fit_added_idle(&profile.colocation, &profile.kind).map(|[slope, _]| slope);
    let (delta, origin) = match slope.filter(|slope| slope.is_finite() && *slope >= 0.0) {
        Some(slope) => (slope, CoefficientOrigin::Copies),
        None => (ContentionConstants::DEFAULT.delta_ms_per_kernel, CoefficientOrigin::Default),
    };
    let constants =
        ContentionConstants { delta_ms_per_kernel: delta, ..ContentionConstants::DEFAULT };
    report.terms.push(term("delta", delta, "ms per kernel", origin, None));
    report.terms.push(term("rho0", constants.rho0, "1", CoefficientOrigin::Default, None));
    report.terms.push(term("rho1", constants.rho1, "1", CoefficientOrigin::Default, None));
    constants
}

/// Returns the mean γ of another GPU kind.
fn mean_gamma(other: &ContentionCoefficients) -> f64 {
    let gammas: Vec<f64> = other.models.iter().map(|m| m.gamma).collect();
    crate::stats::mean(&gammas).unwrap_or(0.0)
}

/// Returns γ of a model that is in no co-located run: from its self-pair, else the mean of the other models, else the
/// default of the pressure unit.
fn gamma_without_runs(
    model: &ModelProfile,
    solo: &SoloCoefficients,
    kind: &GpuKind,
    others: &[f64],
) -> (f64, CoefficientOrigin) {
    if let Some(gamma) = gamma_of_self_pair(model, solo, kind) {
        return (gamma, CoefficientOrigin::SelfPair);
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of models")]
    let mean = others.iter().sum::<f64>() / others.len() as f64;
    if others.is_empty() {
        let gamma = match solo.pressure_unit {
            PressureUnit::Power => DEFAULT_GAMMA_OF_CAP / kind.power_cap.get(),
            PressureUnit::Utilisation => DEFAULT_GAMMA_OF_UTILISATION,
            PressureUnit::Throughput | PressureUnit::Share => DEFAULT_GAMMA_OF_OTHERS,
        };
        (gamma, CoefficientOrigin::Default)
    } else {
        (mean, CoefficientOrigin::OtherModels)
    }
}

/// Returns γ = (active time beside the copy · f/F / active time alone − 1) / (power of one copy − idle power); where
/// pressure is not power, the divisor is the pressure. Each copy has half of the SMs. The power of one copy is that of
/// the solo point whose share is nearest to one half and, among those, whose active time is nearest.
fn gamma_of_self_pair(
    model: &ModelProfile,
    solo: &SoloCoefficients,
    kind: &GpuKind,
) -> Option<f64> {
    let pair = model.self_pair?;
    let clock_ratio = pair.clock.get() / kind.max_clock.get();
    let slowdown = pair.active_pair.get() * clock_ratio / pair.active_alone.get() - 1.0;
    let distance = |p: &&crate::profile::SoloPoint| {
        let active = (p.gpu.get() - model.idle.get()).max(f64::MIN_POSITIVE);
        ((p.sm.get() - 50.0).abs(), libm::log(active / pair.active_alone.get()).abs())
    };
    let copy = model.solo.iter().min_by(|a, b| {
        let ((share_a, time_a), (share_b, time_b)) = (distance(a), distance(b));
        share_a.total_cmp(&share_b).then(time_a.total_cmp(&time_b))
    })?;
    let pressure = match solo.pressure_unit {
        PressureUnit::Power => copy.power?.get() - kind.idle_power.get(),
        _ => {
            let alone = solo.curve.latency_ms(copy.batch.as_f64(), granted_pct(kind, copy.sm));
            solo.load(copy.batch.get()) / alone
        }
    };
    let gamma = slowdown / pressure;
    (pressure > 0.0 && gamma.is_finite() && gamma >= 0.0).then_some(gamma)
}

fn describe_interference(fitted: &InterferenceFit, report: &mut FitReport) {
    for (i, (label, value, unit, error, origin)) in fitted.terms.iter().enumerate() {
        report.terms.push(term(label, *value, unit, *origin, *error));
        // Numbers that were fixed beforehand come last and are not unknowns of the minimum.
        let unknowns = if i < fitted.minimum.x.len() { i } else { 0 };
        for (j, other) in fitted.terms[..unknowns].iter().enumerate() {
            note_correlation(report, [&other.0, label], fitted.minimum.correlation(i, j));
        }
    }
}

/// Returns the errors on the runs to which the predictor was fitted.
fn residuals(predictor: &ContentionPredictor, data: &FitData<'_>) -> Option<ResidualSummary> {
    let (mut fitted, mut measured) = (Vec::new(), Vec::new());
    for run in data.colocated {
        let members = members_of(predictor, run).ok()?;
        let predicted = predictor.predict(&members).members;
        for (m, predicted) in run.members.iter().zip(predicted) {
            if let Some(latency) = m.latency {
                fitted.push(predicted.latency_ms());
                measured.push(latency.get());
            }
        }
    }
    if measured.is_empty() {
        return None;
    }
    Some(ResidualSummary::new(&fitted, &measured))
}
