//! γ, π, δ, ρ and couplings from measured co-locations, with priors (a maximum-a-posteriori fit).

use super::FitError;
use super::least_squares::{Minimum, Unknown, minimise};
use super::report::Origin;
use crate::domain::{ModelId, ModelName};
use crate::predictor::Member;
use crate::predictor::contention::{
    ContentionConstants, ContentionModel, Coupling, NAME, Share, UNKNOWN_COUPLING,
};
use crate::predictor::solo::SoloModels;
use crate::profile::{ColocatedRun, SoloTable};
use libm::log;

/// Relative size of a residual that counts as one standard deviation.
const SCALE: f64 = 0.012;
/// Beyond this many standard deviations a residual counts less and less: e / √(1 + |e| / 3).
const ROBUST: f64 = 3.0;
/// Priors, as (mean, standard deviation): γ in 10⁻⁴ / W (for a cap of 300 W; a watt of a larger GPU disturbs less), δ in µs,
/// ρ0, ρ1, π, s; s lies in [0, 1.3].
const GAMMA: (f64, f64) = (3.0, 0.8);
const GAMMA_CAP_W: f64 = 300.0;
const DELTA: (f64, f64) = (5.0, 1.0);
const RHO0: (f64, f64) = (0.05, 0.1);
const RHO1: (f64, f64) = (0.33, 0.15);
const PRESSURE: (f64, f64) = (1.0, 0.15);
const STRENGTH: (f64, f64) = (0.5, 0.5);
const LARGEST_STRENGTH: f64 = 1.3;

/// A member of a run with everything that does not depend on the unknowns.
struct Observed {
    model: usize,
    share: Share,
    /// Model and dynamic power in W of each co-runner.
    others: Vec<(usize, f64)>,
    /// For each co-runner the position of its coupling.
    couplings: Vec<usize>,
    phi: f64,
    members: usize,
    measured_ms: f64,
}

impl Observed {
    /// Latency in ms over the measured one, as a logarithm in standard deviations.
    fn misfit(
        &self,
        constants: &ContentionConstants,
        gamma_per_w: f64,
        pressure: impl Fn(usize) -> f64,
        strength: impl Fn(usize) -> f64,
    ) -> f64 {
        let share = Share { gamma_per_w, ..self.share };
        let others_w: f64 = self.others.iter().map(|(model, watts)| pressure(*model) * watts).sum();
        let coupling: f64 = self.couplings.iter().map(|pair| strength(*pair)).sum();
        let predicted = share.gpu_ms(constants, others_w, coupling, self.phi)
            + share.copies_ms(constants, coupling, self.members);
        log(predicted / self.measured_ms) / SCALE
    }
}

/// The numbers that co-located runs determine.
pub(super) struct Interference {
    pub constants: ContentionConstants,
    /// γ of each model; `None` for a model that no run contains.
    pub gamma_per_w: Vec<Option<f64>>,
    /// π of each model; 1 for a model that no run contains.
    pub pressure: Vec<f64>,
    pub couplings: Vec<Coupling>,
    /// (term, value, unit, standard error, origin) of every unknown, in their order.
    pub terms: Vec<(String, f64, &'static str, Option<f64>, Origin)>,
    pub minimum: Minimum,
}

/// Fits all unknowns to the runs. GPU times alone are the measured ones where the solo table has the very
/// configuration, and the curve's otherwise.
pub(super) fn fit_interference(
    solo: &SoloModels,
    runs: &[ColocatedRun],
    table: &SoloTable,
) -> Result<Interference, FitError> {
    let mut pairs: Vec<[usize; 2]> = Vec::new();
    let mut observed = Vec::new();
    for run in runs.iter().filter(|run| run.members.len() > 1) {
        observe(solo, run, table, &mut pairs, &mut observed)?;
    }
    let names = solo.names();
    let present: Vec<usize> =
        (0..names.len()).filter(|m| observed.iter().any(|o| o.model == *m)).collect();
    let first_constant = present.len();
    let first_pressure = first_constant + 3;
    let first_pair = first_pressure + present.len();

    let per_watt = GAMMA_CAP_W / solo.kind().power_cap.get();
    let mut priors = vec![(GAMMA.0 * per_watt, GAMMA.1 * per_watt); present.len()];
    priors.extend([DELTA, RHO0, RHO1]);
    priors.extend(vec![PRESSURE; present.len()]);
    priors.extend(vec![STRENGTH; pairs.len()]);
    let unknowns: Vec<Unknown> = priors
        .iter()
        .enumerate()
        .map(|(i, (mean, _))| Unknown {
            start: *mean,
            lower: 0.0,
            upper: if i >= first_pair { LARGEST_STRENGTH } else { f64::INFINITY },
        })
        .collect();
    let constants = |x: &[f64]| ContentionConstants {
        delta_ms_per_kernel: x[first_constant] * 1e-3,
        rho0: x[first_constant + 1],
        rho1: x[first_constant + 2],
    };
    let places: Vec<usize> =
        (0..names.len()).map(|m| present.iter().position(|p| *p == m).unwrap_or(0)).collect();
    let minimum = minimise(&unknowns, |x| {
        let constants = constants(x);
        let misfit = observed.iter().map(|o| {
            let gamma = x[places[o.model]] * 1e-4;
            let pressure = |model: usize| x[first_pressure + places[model]];
            let e = o.misfit(&constants, gamma, pressure, |pair| x[first_pair + pair]);
            e / (1.0 + e.abs() / ROBUST).sqrt()
        });
        let from_prior = x.iter().zip(&priors).map(|(x, (mean, deviation))| (x - mean) / deviation);
        misfit.chain(from_prior).collect()
    })
    .ok_or_else(|| FitError::Degenerate {
        predictor: NAME,
        what: "the co-located runs give no finite residuals".to_owned(),
    })?;

    let x = &minimum.x;
    let mut gamma_per_w = vec![None; names.len()];
    let mut pressure = vec![1.0; names.len()];
    for (i, model) in present.iter().enumerate() {
        gamma_per_w[*model] = Some(x[i] * 1e-4);
        pressure[*model] = x[first_pressure + i];
    }
    let pair_names: Vec<[ModelName; 2]> = pairs
        .iter()
        .map(|pair| {
            let mut pair = pair.map(|m| names[m].clone());
            pair.sort();
            pair
        })
        .collect();
    let label = |i: usize| {
        if i < first_constant {
            (format!("gamma {}", names[present[i]]), 1e-4, "1/W")
        } else if i < first_pressure {
            match i - first_constant {
                0 => ("delta".to_owned(), 1e-3, "ms per kernel"),
                1 => ("rho0".to_owned(), 1.0, "1"),
                _ => ("rho1".to_owned(), 1.0, "1"),
            }
        } else if i < first_pair {
            (format!("pressure {}", names[present[i - first_pressure]]), 1.0, "1")
        } else {
            let [a, b] = &pair_names[i - first_pair];
            (format!("coupling {a} + {b}"), 1.0, "1")
        }
    };
    let terms = (0..x.len()).map(|i| {
        let (term, scale, unit) = label(i);
        let error = minimum.standard_error(i).map(|e| e * scale);
        (term, x[i] * scale, unit, error, Origin::Colocated)
    });
    let couplings = pair_names
        .iter()
        .enumerate()
        .map(|(i, pair)| Coupling { models: pair.clone(), strength: x[first_pair + i] });
    Ok(Interference {
        constants: constants(x),
        gamma_per_w,
        pressure,
        couplings: couplings.collect(),
        terms: terms.collect(),
        minimum: minimum.clone(),
    })
}

fn observe(
    solo: &SoloModels,
    run: &ColocatedRun,
    table: &SoloTable,
    pairs: &mut Vec<[usize; 2]>,
    observed: &mut Vec<Observed>,
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
    let terms: Vec<_> = members.iter().map(|member| solo.term(member)).collect();
    let demand_w: f64 =
        terms.iter().fold(solo.kind().idle_power.get(), |sum, term| sum + term.power_w);
    let phi = solo.clock_ratio(demand_w);
    for (i, member) in members.iter().enumerate() {
        let measured = table
            .find(&run.members[i].model, member.batch, member.sm)
            .and_then(|row| solo.time_from_latency(member, row.latency.get()));
        let coefficients = &solo.coefficients()[member.model.index()];
        let mut couplings = Vec::new();
        let mut beside = Vec::new();
        for (j, other) in members.iter().enumerate().filter(|(j, _)| *j != i) {
            beside.push((other.model.index(), terms[j].power_w));
            let (a, b) = (member.model.index(), other.model.index());
            let pair = [a.min(b), a.max(b)];
            let known = pairs.iter().position(|p| *p == pair);
            couplings.push(known.unwrap_or_else(|| {
                pairs.push(pair);
                pairs.len() - 1
            }));
        }
        observed.push(Observed {
            model: member.model.index(),
            share: Share {
                time_ms: measured.unwrap_or(terms[i].time_ms),
                transfer_ms: coefficients.transfer(member.batch),
                idle_ms: coefficients.idle_ms.get(),
                kernels: f64::from(coefficients.kernels),
                gamma_per_w: 0.0,
            },
            others: beside,
            couplings,
            phi,
            members: members.len(),
            measured_ms: run.members[i].latency.get(),
        });
    }
    Ok(())
}

/// Finds the strength of single couplings while everything else stays as it is: for a pair that was
/// measured after the fit.
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
        let own: Vec<&Observed> = observed.iter().filter(|o| o.couplings == [index]).collect();
        let minimum = minimise(&[unknown], |x| {
            let misfit = own.iter().map(|o| {
                let pressure = |model: usize| models[model].pressure;
                o.misfit(constants, models[o.model].gamma_per_w, pressure, |_| x[0])
            });
            misfit.chain([(x[0] - STRENGTH.0) / STRENGTH.1]).collect()
        });
        let mut names = pair.map(|m| solo.names()[m].clone());
        names.sort();
        Coupling { models: names, strength: minimum.map_or(UNKNOWN_COUPLING, |m| m.x[0]) }
    });
    found.collect()
}
