//! Loads predictors, either by fitting them to a profile or from a file of coefficients.

use super::RunError;
use crate::fit::{CoefficientsFile, FitData, PREDICTORS, fit_predictor};
use crate::predictor::{Predictor, try_predictor};
use crate::profile::{self, profile_files};
use crate::units::Dollars;
use std::path::{Path, PathBuf};

/// The predictor that is fitted to a profile by default.
pub const DEFAULT_PREDICTOR: &str = "igniter";

/// A predictor with the inputs from which it was made.
#[derive(Debug)]
pub struct LoadedPredictor {
    /// The predictor.
    pub predictor: Box<dyn Predictor>,
    /// The coefficients, residuals and range of validity of the predictor.
    pub file: CoefficientsFile,
    /// The input texts, with the names under which a manifest lists them.
    pub inputs: Vec<(PathBuf, String)>,
}

/// Makes a predictor.
///
/// `source` is the name of a GPU kind, the folder of a profile, or a `.json` file written by `igniter fit`. If
/// `predictor` is `None`, a profile is fitted for [`DEFAULT_PREDICTOR`], and a file gives the predictor whose
/// coefficients it holds. `price` replaces the price of the GPU kind. With a profile, a predictor is fitted to all data
/// in the folder.
///
/// # Errors
/// When there is no such predictor or source, the source cannot be used, or the file holds the coefficients of another
/// predictor.
pub fn load_predictor(
    source: &str,
    predictor: Option<&str>,
    price: Option<Dollars>,
) -> Result<LoadedPredictor, RunError> {
    if let Some(name) = predictor.filter(|name| !PREDICTORS.contains(name)) {
        return Err(RunError::UnknownPredictor {
            given: name.to_owned(),
            known: PREDICTORS.join(", "),
        });
    }
    let path = Path::new(source);
    let (mut file, inputs) = if path.extension().is_some_and(|e| e == "json") {
        let (file, text) = CoefficientsFile::read_text(path)?;
        if let Some(asked) = predictor.filter(|asked| *asked != file.name()) {
            return Err(RunError::OtherPredictor {
                path: path.to_owned(),
                found: file.name(),
                asked: asked.to_owned(),
            });
        }
        (file, vec![(path.to_owned(), text)])
    } else {
        let profile = profile::load(source)?;
        let folder = Path::new("profile").join(profile.kind.name.as_str());
        let texts = profile_files(&profile);
        let inputs = texts.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
        let name = predictor.unwrap_or(DEFAULT_PREDICTOR);
        (fit_predictor(name, &FitData::of(&profile))?.1, inputs)
    };
    if let Some(price) = price {
        file.set_price(price);
    }
    let predictor = file.predictor();
    try_predictor(predictor.as_ref())?;
    Ok(LoadedPredictor { predictor, file, inputs })
}

/// Makes the predictor for the simulation: by name, fitted to the profile of the plans, or from a file of coefficients.
/// `plans` is the predictor used for planning, and `profile` is its source.
///
/// # Errors
/// When there is no such predictor, the predictor cannot be used, or it is for another GPU kind.
pub fn load_truth(
    truth: &str,
    profile: &str,
    plans: &LoadedPredictor,
) -> Result<LoadedPredictor, RunError> {
    let price = Some(plans.predictor.kind().price_per_hour);
    let loaded = if Path::new(truth).extension().is_some_and(|e| e == "json") {
        load_predictor(truth, None, price)?
    } else {
        load_predictor(profile, Some(truth), price)?
    };
    same_kind(loaded, truth, plans)
}

/// Rejects a simulation predictor for another GPU kind than that of the plans.
pub(super) fn same_kind(
    loaded: LoadedPredictor,
    truth: &str,
    plans: &LoadedPredictor,
) -> Result<LoadedPredictor, RunError> {
    let (found, expected) = (loaded.predictor.kind(), plans.predictor.kind());
    if found.name == expected.name && found.units == expected.units {
        return Ok(loaded);
    }
    Err(RunError::OtherKind {
        truth: truth.to_owned(),
        found: found.name.to_string(),
        expected: expected.name.to_string(),
    })
}
