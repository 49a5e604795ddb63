//! Fits γ, π, δ, ρ, λ and couplings to measured co-locations, with priors (a maximum-a-posteriori fit).

use super::FitError;
use super::least_squares::{Minimum, Unknown, minimise};
use super::report::CoefficientOrigin;
use crate::domain::{ModelId, ModelName};
use crate::predictor::Member;
use crate::predictor::contention::{
    Company, ContentionConstants, ContentionModel, Coupling, NAME, Share, UNKNOWN_COUPLING,
};
use crate::predictor::solo::{PressureUnit, SoloModels, SoloTerm, longer};
use crate::profile::{ColocatedRun, SoloTable};
use libm::log;

/// The relative residual that counts as one standard deviation.
const SCALE: f64 = 0.012;
/// Beyond this many standard deviations, residuals get less weight: e / √(1 + |e| / 3).
const ROBUST: f64 = 3.0;
/// Priors, as (mean, standard deviation): γ in 10⁻⁴ / W (for a cap of 300 W; a watt of a larger GPU disturbs less), γ
/// for utilisation and for the quantities that replace it, δ in µs, ρ0, ρ1, ρ, λ, λ', the launch factor of single
/// models, π, and s; s lies in [0, 1.3].
const GAMMA_OF_POWER: (f64, f64) = (3.0, 0.8);
const GAMMA_CAP_W: f64 = 300.0;
const GAMMA_OF_UTILISATION: (f64, f64) = (0.5, 0.2);
const GAMMA_OF_OTHERS: (f64, f64) = (0.17, 0.1);
const DELTA: (f64, f64) = (5.0, 1.0);
const RHO0: (f64, f64) = (0.05, 0.1);
const RHO1: (f64, f64) = (0.33, 0.15);
const RHO: (f64, f64) = (0.03, 0.03);
const LAUNCH: (f64, f64) = (1.3, 0.25);
const LAUNCH_STEP: (f64, f64) = (0.02, 0.02);
const LAUNCH_FACTOR: (f64, f64) = (1.0, 0.08);
const PRESSURE: (f64, f64) = (1.0, 0.15);
const STRENGTH: (f64, f64) = (0.5, 0.5);
const LARGEST_STRENGTH: f64 = 1.3;
/// A member is deep below its launch floor where its GPU time is less than this part of the launch time.
const DEEP: f64 = 0.5;
/// With fewer runs than this, λ is set from the deep members alone and is the same for all models. If λ were fitted to
/// runs of which few are deep, it would absorb the errors of all other terms.
const RUNS_FOR_LAUNCH: usize = 24;

/// A member of a run, with everything that does not depend on the unknowns.
struct ObservedMember {
    model: usize,
    share: Share,
    /// Model and pressure of each co-runner.
    others: Vec<(usize, f64)>,
    /// The index of the coupling with each co-runner; empty where shares sum to more than 100 %.
    couplings: Vec<usize>,
    phi: f64,
    members: usize,
    measured_ms: f64,
}

impl ObservedMember {
    /// Returns the logarithm of predicted over measured latency, in standard deviations.
    fn misfit(
        &self,
        constants: &ContentionConstants,
        gamma: f64,
        launch_factor: f64,
        pressure: impl Fn(usize) -> f64,
        strength: impl Fn(usize) -> f64,
    ) -> f64 {
        let share = Share { gamma, launch_factor, ..self.share };
        let company = Company {
            members: self.members,
            pressure: self.others.iter().map(|(model, u)| pressure(*model) * u).sum(),
            coupling: self.couplings.iter().map(|pair| strength(*pair)).sum(),
            phi: self.phi,
        };
        let predicted = share.execution_ms(constants, &company)
            + share.copies_ms(constants, company.coupling, self.members);
        log(predicted / self.measured_ms) / SCALE
    }

    /// Returns whether the launch floor is far above the GPU time, so that the latency depends on λ and little else.
    fn is_deep(&self) -> bool {
        self.share.time_ms < DEEP * self.share.launch_ms
    }

    /// Returns the ratio of the execution time in company to that alone.
    fn slowdown(&self) -> f64 {
        let alone = longer(self.share.time_ms, self.share.launch_ms);
        (self.measured_ms - self.share.transfer_ms) / alone
    }
}

/// The result of a fit to co-located runs.
pub(super) struct InterferenceFit {
    pub constants: ContentionConstants,
    /// Whether λ was measured.
    pub launch_measured: bool,
    /// γ of each model; `None` for a model that no run contains.
    pub gamma: Vec<Option<f64>>,
    /// π of each model; 1 for a model that no run contains.
    pub pressure: Vec<f64>,
    /// The launch factor of each model; 1 where no run determines it.
    pub launch_factor: Vec<f64>,
    pub couplings: Vec<Coupling>,
    /// (term, value, unit, standard error, origin) of every unknown, in order.
    pub terms: Vec<(String, f64, &'static str, Option<f64>, CoefficientOrigin)>,
    pub minimum: Minimum,
}

/// The quantity that an unknown stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnknownQuantity {
    Gamma(usize),
    Delta,
    Rho0,
    Rho1,
    Rho,
    Launch,
    LaunchStep,
    Pressure(usize),
    LaunchFactor(usize),
    Strength(usize),
}

/// The unknowns of a fit, each with its prior (mean, standard deviation).
struct Unknowns(Vec<(UnknownQuantity, (f64, f64))>);

impl Unknowns {
    fn place(&self, number: UnknownQuantity) -> Option<usize> {
        self.0.iter().position(|(known, _)| *known == number)
    }

    /// Returns the indexes of one kind of unknown for models or pairs 0 … n − 1.
    fn places(&self, n: usize, of: impl Fn(usize) -> UnknownQuantity) -> Vec<Option<usize>> {
        (0..n).map(|i| self.place(of(i))).collect()
    }
}

/// Fits all unknowns to the runs. The GPU time of a member alone is the measured one where the solo table has exactly
/// its configuration, and that of the curve otherwise.
pub(super) fn fit_interference(
    solo: &SoloModels,
    runs: &[ColocatedRun],
    table: &SoloTable,
) -> Result<InterferenceFit, FitError> {
    let mut pairs: Vec<[usize; 2]> = Vec::new();
    let mut observed = Vec::new();
    for run in runs.iter().filter(|run| run.members.len() > 1) {
        observe(solo, run, table, &mut pairs, &mut observed)?;
    }
    let names = solo.names();
    let fixed = fixed_launch(&observed, runs.len());
    let unknowns = unknowns(solo, &observed, pairs.len(), fixed.is_some());
    let base = ContentionConstants {
        launch: fixed.unwrap_or(ContentionConstants::DEFAULT.launch),
        ..ContentionConstants::DEFAULT
    };
    let (models, numbers) = (names.len(), &unknowns);
    let gammas = numbers.places(models, UnknownQuantity::Gamma);
    let pressures = numbers.places(models, UnknownQuantity::Pressure);
    let factors = numbers.places(models, UnknownQuantity::LaunchFactor);
    let strengths = numbers.places(pairs.len(), UnknownQuantity::Strength);
    let constant = [
        UnknownQuantity::Delta,
        UnknownQuantity::Rho0,
        UnknownQuantity::Rho1,
        UnknownQuantity::Rho,
        UnknownQuantity::Launch,
        UnknownQuantity::LaunchStep,
    ]
    .map(|number| numbers.place(number));
    let constants = |x: &[f64]| {
        let at = |i: usize, default: f64| constant[i].map_or(default, |place| x[place]);
        ContentionConstants {
            delta_ms_per_kernel: at(0, base.delta_ms_per_kernel * 1e3) * 1e-3,
            rho0: at(1, base.rho0),
            rho1: at(2, base.rho1),
            rho: at(3, base.rho),
            launch: at(4, base.launch),
            launch_step: at(5, base.launch_step),
        }
    };
    let scale = gamma_scale(solo.pressure_unit());
    let problem: Vec<Unknown> = unknowns
        .0
        .iter()
        .map(|(number, (mean, _))| Unknown {
            start: *mean,
            lower: if *number == UnknownQuantity::Launch { 1.0 } else { 0.0 },
            upper: match number {
                UnknownQuantity::Strength(_) => LARGEST_STRENGTH,
                _ => f64::INFINITY,
            },
        })
        .collect();
    let minimum = minimise(&problem, |x| {
        let constants = constants(x);
        let or = |place: Option<usize>, default: f64| place.map_or(default, |place| x[place]);
        let misfit = observed.iter().map(|o| {
            let gamma = or(gammas[o.model], 0.0) * scale;
            let factor = or(factors[o.model], 1.0);
            let pressure = |model: usize| or(pressures[model], 1.0);
            let strength = |pair: usize| or(strengths[pair], UNKNOWN_COUPLING);
            let e = o.misfit(&constants, gamma, factor, pressure, strength);
            e / (1.0 + e.abs() / ROBUST).sqrt()
        });
        let from_prior =
            x.iter().zip(&unknowns.0).map(|(x, (_, (mean, deviation)))| (x - mean) / deviation);
        misfit.chain(from_prior).collect()
    })
    .ok_or_else(|| FitError::Degenerate {
        predictor: NAME,
        what: "the co-located runs give no finite residuals".to_owned(),
    })?;

    let x = &minimum.x;
    let or = |place: Option<usize>, default: f64| place.map_or(default, |place| x[place]);
    let pair_names: Vec<[ModelName; 2]> = pairs
        .iter()
        .map(|pair| {
            let mut pair = pair.map(|m| names[m].clone());
            pair.sort();
            pair
        })
        .collect();
    let of_gamma = solo.pressure_unit().of_gamma();
    let label = |number: UnknownQuantity| match number {
        UnknownQuantity::Gamma(m) => (format!("gamma {}", names[m]), scale, of_gamma),
        UnknownQuantity::Delta => ("delta".to_owned(), 1e-3, "ms per kernel"),
        UnknownQuantity::Rho0 => ("rho0".to_owned(), 1.0, "1"),
        UnknownQuantity::Rho1 => ("rho1".to_owned(), 1.0, "1"),
        UnknownQuantity::Rho => ("rho".to_owned(), 1.0, "1"),
        UnknownQuantity::Launch => ("lambda".to_owned(), 1.0, "1"),
        UnknownQuantity::LaunchStep => ("lambda'".to_owned(), 1.0, "1"),
        UnknownQuantity::Pressure(m) => (format!("pressure {}", names[m]), 1.0, "1"),
        UnknownQuantity::LaunchFactor(m) => (format!("lambda factor {}", names[m]), 1.0, "1"),
        UnknownQuantity::Strength(pair) => {
            let [a, b] = &pair_names[pair];
            (format!("coupling {a} + {b}"), 1.0, "1")
        }
    };
    let terms = unknowns.0.iter().enumerate().map(|(i, (number, _))| {
        let (term, scale, unit) = label(*number);
        let error = minimum.standard_error(i).map(|e| e * scale);
        (term, x[i] * scale, unit, error, CoefficientOrigin::Colocated)
    });
    let couplings = pair_names.iter().zip(&strengths).map(|(pair, place)| Coupling {
        models: pair.clone(),
        strength: or(*place, UNKNOWN_COUPLING),
    });
    let mut terms: Vec<_> = terms.collect();
    if let Some(launch) = fixed {
        terms.push(("lambda".to_owned(), launch, "1", None, CoefficientOrigin::Colocated));
    }
    Ok(InterferenceFit {
        constants: constants(x),
        launch_measured: fixed.is_some() || constant[4].is_some(),
        gamma: gammas.iter().map(|place| place.map(|place| x[place] * scale)).collect(),
        pressure: pressures.iter().map(|place| or(*place, 1.0)).collect(),
        launch_factor: factors.iter().map(|place| or(*place, 1.0)).collect(),
        couplings: couplings.collect(),
        terms,
        minimum: minimum.clone(),
    })
}

/// Returns the unit in which γ is fitted, so that its value is of the order of 1.
fn gamma_scale(unit: PressureUnit) -> f64 {
    if unit == PressureUnit::Power { 1e-4 } else { 1.0 }
}

/// Returns λ where runs are few: the lower median of the slowdowns of deep members of pairs, together with two copies
/// of the prior's mean. A mean would be pulled up by the slow mode that some models enter now and then.
fn fixed_launch(observed: &[ObservedMember], runs: usize) -> Option<f64> {
    let deep = observed.iter().filter(|o| o.members == 2 && o.is_deep());
    let mut slowdowns: Vec<f64> = deep.map(ObservedMember::slowdown).collect();
    if slowdowns.is_empty() || runs >= RUNS_FOR_LAUNCH {
        return None;
    }
    slowdowns.extend([LAUNCH.0; 2]);
    slowdowns.sort_by(f64::total_cmp);
    Some(slowdowns[(slowdowns.len() - 1) / 2].max(1.0))
}

fn unknowns(
    solo: &SoloModels,
    observed: &[ObservedMember],
    pairs: usize,
    launch_is_fixed: bool,
) -> Unknowns {
    let present: Vec<usize> = (0..solo.names().len())
        .filter(|m| observed.iter().any(|o| o.model == *m || o.others.iter().any(|(n, _)| n == m)))
        .collect();
    let victims = present.iter().filter(|m| observed.iter().any(|o| o.model == **m));
    let gamma = match solo.pressure_unit() {
        PressureUnit::Power => {
            let per_watt = GAMMA_CAP_W / solo.kind().power_cap.get();
            (GAMMA_OF_POWER.0 * per_watt, GAMMA_OF_POWER.1 * per_watt)
        }
        PressureUnit::Utilisation => GAMMA_OF_UTILISATION,
        PressureUnit::Throughput | PressureUnit::Share => GAMMA_OF_OTHERS,
    };
    let mut unknowns: Vec<(UnknownQuantity, (f64, f64))> =
        victims.map(|m| (UnknownQuantity::Gamma(*m), gamma)).collect();
    unknowns.push((UnknownQuantity::Delta, DELTA));
    // Where copies are not known separately, ρ takes the place of ρ0 and ρ1.
    if observed.iter().any(|o| o.share.transfer_ms > 0.0) {
        unknowns.extend([(UnknownQuantity::Rho0, RHO0), (UnknownQuantity::Rho1, RHO1)]);
    } else {
        unknowns.push((UnknownQuantity::Rho, RHO));
    }
    let deep_of = |m: usize| observed.iter().any(|o| o.model == m && o.is_deep());
    if !launch_is_fixed && observed.iter().any(|o| o.members == 2 && o.is_deep()) {
        unknowns.push((UnknownQuantity::Launch, LAUNCH));
    }
    if observed.iter().any(|o| o.members > 2 && o.is_deep()) {
        unknowns.push((UnknownQuantity::LaunchStep, LAUNCH_STEP));
    }
    unknowns.extend(present.iter().map(|m| (UnknownQuantity::Pressure(*m), PRESSURE)));
    if !launch_is_fixed {
        let of = present.iter().filter(|m| deep_of(**m));
        unknowns.extend(of.map(|m| (UnknownQuantity::LaunchFactor(*m), LAUNCH_FACTOR)));
    }
    let coupled = |pair: &usize| observed.iter().any(|o| o.couplings.contains(pair));
    let pairs = (0..pairs).filter(coupled);
    unknowns.extend(pairs.map(|pair| (UnknownQuantity::Strength(pair), STRENGTH)));
    Unknowns(unknowns)
}

fn observe(
    solo: &SoloModels,
    run: &ColocatedRun,
    table: &SoloTable,
    pairs: &mut Vec<[usize; 2]>,
    observed: &mut Vec<ObservedMember>,
) -> Result<(), FitError> {
    let mut members = Vec::with_capacity(run.members.len());
    for m in &run.members {
        let model = solo.names().iter().position(|name| name == &m.model).ok_or_else(|| {
            FitError::Missing {
                predictor: NAME,
                what: format!("run {}: model {} is not in the profile", run.run, m.model),
            }
        })?;
        members.push(Member { model: ModelId::new(model), batch: m.batch, sm: m.sm });
    }
    let total_pct: f64 = members.iter().map(|m| m.sm.get()).sum();
    let part = if total_pct > 100.0 + 1e-6 { 100.0 / total_pct } else { 1.0 };
    let term = |member: &Member| {
        if part < 1.0 { solo.term_of_part(member, part) } else { solo.term(member) }
    };
    let terms: Vec<SoloTerm> = members.iter().map(term).collect();
    let demand_w: f64 =
        terms.iter().fold(solo.kind().idle_power.get(), |sum, term| sum + solo.power_w(term));
    let phi = solo.clock_ratio(demand_w);
    for (i, member) in members.iter().enumerate() {
        let Some(latency) = run.members[i].latency else { continue };
        let measured = table
            .latency_ms(&run.members[i].model, member.batch, member.sm)
            .and_then(|ms| solo.term_from_latency(member, ms));
        let own = match measured {
            // The deviation from the curve is assumed to be the same with the whole share as with a part of it.
            Some(found) if part < 1.0 => {
                let curve = solo.term(member);
                let launch =
                    if curve.launch_ms > 0.0 { found.launch_ms / curve.launch_ms } else { 1.0 };
                SoloTerm {
                    time_ms: terms[i].time_ms * found.time_ms / curve.time_ms,
                    launch_ms: terms[i].launch_ms * launch,
                    ..terms[i]
                }
            }
            Some(found) => found,
            None => terms[i],
        };
        let coefficients = &solo.coefficients()[member.model.index()];
        let mut couplings = Vec::new();
        let mut beside = Vec::new();
        for (j, other) in members.iter().enumerate().filter(|(j, _)| *j != i) {
            beside.push((other.model.index(), terms[j].pressure));
            if part < 1.0 {
                continue;
            }
            let (a, b) = (member.model.index(), other.model.index());
            let pair = [a.min(b), a.max(b)];
            let known = pairs.iter().position(|p| *p == pair);
            couplings.push(known.unwrap_or_else(|| {
                pairs.push(pair);
                pairs.len() - 1
            }));
        }
        observed.push(ObservedMember {
            model: member.model.index(),
            share: Share {
                time_ms: own.time_ms,
                launch_ms: own.launch_ms,
                transfer_ms: coefficients.transfer(member.batch),
                idle_ms: coefficients.idle_ms.get(),
                kernels: f64::from(coefficients.kernels),
                gamma: 0.0,
                launch_factor: 1.0,
            },
            others: beside,
            couplings,
            phi,
            members: members.len(),
            measured_ms: latency.get(),
        });
    }
    Ok(())
}

/// Fits the strengths of single couplings and keeps all other coefficients fixed, for pairs that were measured after
/// the fit.
#[must_use]
pub fn couplings_from(
    predictor: &crate::predictor::contention::ContentionPredictor,
    runs: &[ColocatedRun],
    table: &SoloTable,
) -> Vec<Coupling> {
    let solo = predictor.solo();
    let constants = &predictor.coefficients().constants;
    let models: &[ContentionModel] = &predictor.coefficients().models;
    let (mut pairs, mut observed) = (Vec::new(), Vec::new());
    for run in runs.iter().filter(|run| run.members.len() == 2) {
        if observe(solo, run, table, &mut pairs, &mut observed).is_err() {
            return Vec::new();
        }
    }
    let unknown = Unknown { start: STRENGTH.0, lower: 0.0, upper: LARGEST_STRENGTH };
    let found = pairs.iter().enumerate().map(|(index, pair)| {
        let own: Vec<&ObservedMember> =
            observed.iter().filter(|o| o.couplings == [index]).collect();
        let minimum = minimise(&[unknown], |x| {
            let misfit = own.iter().map(|o| {
                let pressure = |model: usize| models[model].pressure;
                let ContentionModel { gamma, launch_factor, .. } = &models[o.model];
                o.misfit(constants, *gamma, *launch_factor, pressure, |_| x[0])
            });
            misfit.chain([(x[0] - STRENGTH.0) / STRENGTH.1]).collect()
        });
        let mut names = pair.map(|m| solo.names()[m].clone());
        names.sort();
        Coupling { models: names, strength: minimum.map_or(UNKNOWN_COUPLING, |m| m.x[0]) }
    });
    found.collect()
}
