//! Scores all predictors on the same data, each on runs that its fit did not see.

use super::recipe::{Points, Recipe, Runs, SoloLatencies, recipes};
use super::score::{Coverage, NoiseFloor, Score, Scored, noise_floor};
use super::split::{RunKind, Split, chosen_runs};
use crate::fit::{
    FitData, FitError, SoloUse, couplings_from, fit_contention_without_bounds, fit_gpulets,
    fit_igniter, fit_isolated, fit_scaled, members_of,
};
use crate::predictor::contention::{ContentionCoefficients, ContentionPredictor, Coupling};
use crate::predictor::solo::PressureUnit;
use crate::predictor::{Lead, Predictor};
use crate::profile::{ColocatedRun, Profile, SoloTable};
use rayon::prelude::*;
use serde::Serialize;

/// The input data of a study.
#[derive(Debug, Clone, Copy)]
pub struct StudyData<'d> {
    /// The profile, with kernel lists where known.
    pub profile: &'d Profile,
    /// Measured solo latencies; may be empty.
    pub solo: &'d SoloTable,
    /// Measured co-locations.
    pub colocated: &'d [ColocatedRun],
    /// The quantity that represents the pressure on the memory system; `None` takes the best one that was measured.
    pub pressure: Option<PressureUnit>,
    /// Coefficients of another GPU kind, whose constants of co-locations are tried on this one. With `None`, the
    /// recipes that need them are left out.
    pub other: Option<&'d ContentionCoefficients>,
}

/// The options of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StudyOptions {
    /// Seed of all random choices.
    pub seed: u64,
    /// Number of times that runs are chosen anew where a recipe takes only some of them; the errors are pooled.
    pub repeats: usize,
}

impl Default for StudyOptions {
    fn default() -> Self {
        Self { seed: 1, repeats: 5 }
    }
}

/// One row of a study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudyRow {
    /// The recipe.
    pub recipe: &'static str,
    /// The predictor of the recipe.
    pub predictor: &'static str,
    /// The split by which the scored runs were held out.
    pub split: &'static str,
    /// The errors.
    pub score: Score,
    /// Conformal bounds where the GPU leads, and their coverage on runs that did not calibrate them.
    pub coverage: Option<Coverage>,
    /// The same bounds where launching leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_coverage: Option<Coverage>,
}

/// The scored latencies behind a row of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSet {
    /// The recipe.
    pub recipe: &'static str,
    /// Every latency of the runs that the fit did not see.
    pub scored: Vec<Scored>,
}

/// All rows of a study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyStudy {
    /// One row for each recipe and split.
    pub rows: Vec<StudyRow>,
    /// The recipes whose data are missing, with the reason.
    pub skipped: Vec<(&'static str, String)>,
    /// The differences between repeats, where there are repeats.
    pub noise_floor: Option<NoiseFloor>,
    /// The latencies behind the first row of each recipe.
    #[serde(skip)]
    pub scored: Vec<ScoredSet>,
}

/// Fits and scores every recipe.
///
/// # Errors
/// When the profile cannot be fitted at all. A recipe that lacks data is listed as skipped.
pub fn accuracy_study(
    data: &StudyData<'_>,
    options: &StudyOptions,
) -> Result<AccuracyStudy, FitError> {
    let mut study = AccuracyStudy {
        rows: Vec::new(),
        skipped: Vec::new(),
        noise_floor: noise_floor(data.colocated),
        scored: Vec::new(),
    };
    let mut recipes = recipes();
    recipes.retain(|recipe| !recipe.other || data.other.is_some());
    let work: Vec<(&Recipe, Split)> =
        recipes.iter().flat_map(|r| splits(r).iter().map(move |split| (r, *split))).collect();
    let mut outcomes: Vec<_> = work
        .par_iter()
        .map(|(recipe, split)| Some(evaluate(recipe, *split, data, options)))
        .collect();
    for recipe in &recipes {
        for (place, (_, split)) in work.iter().enumerate().filter(|(_, (r, _))| *r == recipe) {
            match outcomes[place].take().expect("each is taken once") {
                Ok(scored) => {
                    if let Some(score) = Score::of(&scored) {
                        study.rows.push(StudyRow {
                            recipe: recipe.label,
                            predictor: recipe.predictor,
                            split: split.label(),
                            score,
                            coverage: Coverage::of(
                                &scored,
                                Lead::Gpu,
                                options.seed,
                                options.repeats,
                            ),
                            launch_coverage: Coverage::of(
                                &scored,
                                Lead::Launch,
                                options.seed,
                                options.repeats,
                            ),
                        });
                        if study.scored.iter().all(|set| set.recipe != recipe.label) {
                            study.scored.push(ScoredSet { recipe: recipe.label, scored });
                        }
                    }
                }
                Err(FitError::Missing { what, .. }) => {
                    study.skipped.push((recipe.label, what));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(study)
}

/// Returns the splits that are meaningful for a recipe: without co-located runs, all splits give the same result.
fn splits(recipe: &Recipe) -> &'static [Split] {
    use Split::{
        FiveFold, LeaveOneModelOut, LeaveOnePairOut, LeaveOnePairOutCouplingKnown, Random,
    };
    match (recipe.runs, recipe.predictor) {
        (Runs::None | Runs::Couplings, _) => &[FiveFold],
        (Runs::Chosen(_), _) => {
            &[FiveFold, LeaveOnePairOut, LeaveOnePairOutCouplingKnown, LeaveOneModelOut]
        }
        (Runs::All, "contention") => {
            &[FiveFold, LeaveOnePairOut, LeaveOnePairOutCouplingKnown, LeaveOneModelOut, Random]
        }
        (Runs::All, _) => &[FiveFold, LeaveOnePairOut, LeaveOneModelOut, Random],
    }
}

/// Fits a recipe and scores it on the runs that a split holds out.
///
/// # Errors
/// When the fit fails.
pub fn evaluate(
    recipe: &Recipe,
    split: Split,
    data: &StudyData<'_>,
    options: &StudyOptions,
) -> Result<Vec<Scored>, FitError> {
    let profile = profile_of(recipe, data.profile);
    let kinds = kinds_of_runs(data)?;
    let all: Vec<usize> = (0..data.colocated.len()).collect();
    let mut scored = Vec::new();
    let chosen_often = matches!(recipe.runs, Runs::Chosen(_) | Runs::Couplings);
    for repeat in 0..if chosen_often { options.repeats } else { 1 } {
        let seed = options.seed.wrapping_add(repeat as u64);
        let choose = |among: &[usize], n| chosen_runs(data.colocated, &kinds, among, n, seed);
        if recipe.runs == Runs::None {
            let predictor = fit(recipe, &profile, data, &[])?;
            scored.extend(score(&*predictor, data, &all)?);
        } else if recipe.runs == Runs::Couplings {
            let pairs = Split::LeaveOnePairOut.parts(data.colocated, seed).len();
            let known = choose(&all, pairs);
            let rest: Vec<usize> = all.iter().copied().filter(|i| !known.contains(i)).collect();
            let bare = fit_contention(recipe, &profile, data, &[])?;
            let predictor = with_couplings(&bare, recipe, data, &known);
            scored.extend(score(&predictor, data, &rest)?);
        } else if let (Runs::Chosen(n), Split::FiveFold) = (recipe.runs, split) {
            let fitted = choose(&all, n);
            let rest: Vec<usize> = all.iter().copied().filter(|i| !fitted.contains(i)).collect();
            scored.extend(score(&*fit(recipe, &profile, data, &fitted)?, data, &rest)?);
        } else {
            for (mut fitted, mut rest) in split.parts(data.colocated, seed) {
                if let Runs::Chosen(n) = recipe.runs {
                    fitted = choose(&fitted, n);
                }
                if split == Split::LeaveOnePairOutCouplingKnown {
                    let known = choose(&rest, 1);
                    rest.retain(|i| !known.contains(i));
                    let bare = fit_contention(recipe, &profile, data, &fitted)?;
                    let predictor = with_couplings(&bare, recipe, data, &known);
                    scored.extend(score(&predictor, data, &rest)?);
                } else {
                    scored.extend(score(&*fit(recipe, &profile, data, &fitted)?, data, &rest)?);
                }
            }
        }
    }
    Ok(scored)
}

/// Returns the kind of each run: whether it shows how launching slows down in company, or what happens on the GPU.
fn kinds_of_runs(data: &StudyData<'_>) -> Result<Vec<RunKind>, FitError> {
    let bare = FitData {
        colocated: &[],
        solo_use: SoloUse::WhileFitting,
        solo: data.solo,
        pressure: data.pressure,
        ..FitData::of(data.profile)
    };
    let (predictor, _) = fit_contention_without_bounds(&bare)?;
    Ok(data.colocated.iter().map(|run| RunKind::of(&predictor, run)).collect())
}

/// Returns the profile, reduced to the data that a recipe may use.
fn profile_of(recipe: &Recipe, profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    for model in &mut profile.models {
        if !recipe.kernels {
            model.kernel_list.clear();
        }
        if recipe.points == Points::Ends {
            let batches = model.solo.iter().map(|p| p.batch);
            let ends = [batches.clone().min(), batches.max()];
            model.solo.retain(|p| ends.contains(&Some(p.batch)));
            model.self_pair = None;
        }
    }
    profile
}

fn runs_at(data: &StudyData<'_>, positions: &[usize]) -> Vec<ColocatedRun> {
    positions.iter().map(|i| data.colocated[*i].clone()).collect()
}

/// Returns the solo latencies that a recipe may use with these runs.
fn solo_of(recipe: &Recipe, data: &StudyData<'_>, runs: &[ColocatedRun]) -> (SoloTable, SoloUse) {
    match recipe.solo {
        SoloLatencies::None => (SoloTable::default(), SoloUse::Everywhere),
        SoloLatencies::All => (data.solo.clone(), SoloUse::Everywhere),
        SoloLatencies::OfRuns => {
            let mut table = SoloTable::default();
            for m in runs.iter().flat_map(|run| &run.members) {
                if table.find(&m.model, m.batch, m.sm).is_none() {
                    table.rows.extend(data.solo.of(&m.model, m.batch, m.sm).cloned());
                }
            }
            (table, SoloUse::WhileFitting)
        }
    }
}

fn fit(
    recipe: &Recipe,
    profile: &Profile,
    data: &StudyData<'_>,
    fitted: &[usize],
) -> Result<Box<dyn Predictor>, FitError> {
    let runs = runs_at(data, fitted);
    let (solo, solo_use) = solo_of(recipe, data, &runs);
    let fit_data = FitData {
        colocated: &runs,
        solo: &solo,
        solo_use,
        pressure: data.pressure,
        ..FitData::of(profile)
    };
    Ok(match recipe.predictor {
        "igniter" => Box::new(fit_igniter(profile)?.0),
        "gpulets" => Box::new(fit_gpulets(&fit_data)?.0),
        "solo" => Box::new(fit_isolated(&fit_data)?.0),
        "solo_scaled" => Box::new(fit_scaled(&fit_data)?.0),
        _ => Box::new(fit_contention(recipe, profile, data, fitted)?),
    })
}

/// Fits the contention predictor. Coverage is computed from the scored errors, so the fit need not calibrate its own
/// bounds.
fn fit_contention(
    recipe: &Recipe,
    profile: &Profile,
    data: &StudyData<'_>,
    fitted: &[usize],
) -> Result<ContentionPredictor, FitError> {
    let runs = runs_at(data, fitted);
    let (solo, solo_use) = solo_of(recipe, data, &runs);
    let data = FitData {
        colocated: &runs,
        solo: &solo,
        solo_use,
        pressure: data.pressure,
        other: data.other.filter(|_| recipe.other),
        ..FitData::of(profile)
    };
    Ok(fit_contention_without_bounds(&data)?.0)
}

/// Returns the predictor with the couplings found from these runs.
fn with_couplings(
    predictor: &ContentionPredictor,
    recipe: &Recipe,
    data: &StudyData<'_>,
    runs: &[usize],
) -> ContentionPredictor {
    let runs = runs_at(data, runs);
    let (solo, _) = solo_of(recipe, data, &runs);
    let found = couplings_from(predictor, &runs, &solo);
    let mut coefficients = predictor.coefficients().clone();
    let replaced = |old: &Coupling| found.iter().any(|new| new.models == old.models);
    coefficients.couplings.retain(|old| !replaced(old));
    coefficients.couplings.extend(found);
    ContentionPredictor::new(predictor.kind().clone(), coefficients)
}

fn score(
    predictor: &dyn Predictor,
    data: &StudyData<'_>,
    positions: &[usize],
) -> Result<Vec<Scored>, FitError> {
    let mut scored = Vec::new();
    for &position in positions {
        let run = &data.colocated[position];
        let members = members_of(predictor, run).map_err(|model| FitError::Missing {
            predictor: predictor.name(),
            what: format!("run {}: model {model} is not in the profile", run.run),
        })?;
        let predicted = predictor.predict(&members);
        for (i, m) in run.members.iter().enumerate() {
            let Some(latency) = m.latency else { continue };
            let alone = predictor.predict(&members[i..=i]).members[0].latency_ms();
            let solo = data.solo.latency_ms(&m.model, m.batch, m.sm);
            let uncertainty = predictor.uncertainty(&members, i);
            scored.push(Scored {
                run: position,
                model: m.model.clone(),
                batch: m.batch,
                sm: m.sm,
                members: members.len(),
                measured_ms: latency.get(),
                predicted_ms: predicted.members[i].latency_ms(),
                measured_slowdown: solo.map(|solo| latency.get() / solo),
                predicted_slowdown: predicted.members[i].latency_ms() / alone,
                lead: uncertainty.map_or(Lead::Gpu, |u| u.lead),
            });
        }
    }
    Ok(scored)
}
