//! Where a predictor comes from: a profile that is fitted, or a file of coefficients.

use super::RunError;
use crate::fit::{CoefficientsFile, fit_igniter};
use crate::predictor::Predictor;
use crate::profile::{self, profile_files};
use crate::units::Dollars;
use std::path::{Path, PathBuf};

/// The names of all predictors.
pub const PREDICTORS: &[&str] = &["igniter"];

/// A predictor with what it was made from.
#[derive(Debug)]
pub struct LoadedPredictor {
    /// The predictor.
    pub predictor: Box<dyn Predictor>,
    /// Its coefficients, residuals and range of validity.
    pub file: CoefficientsFile,
    /// The texts that it was made from, with the names under which a manifest lists them.
    pub inputs: Vec<(PathBuf, String)>,
}

/// Makes a predictor.
///
/// `source` is the name of a GPU kind, the folder of a profile, or a `.json` file that `igniter fit`
/// wrote. `price` replaces the price of the GPU kind.
///
/// # Errors
/// When there is no such predictor or source, or the source cannot be used.
pub fn load_predictor(
    source: &str,
    predictor: &str,
    price: Option<Dollars>,
) -> Result<LoadedPredictor, RunError> {
    if !PREDICTORS.contains(&predictor) {
        return Err(RunError::UnknownPredictor {
            given: predictor.to_owned(),
            known: PREDICTORS.join(", "),
        });
    }
    let path = Path::new(source);
    let (mut file, inputs) = if path.extension().is_some_and(|e| e == "json") {
        let file = CoefficientsFile::read(path)?;
        let text = file.to_json();
        (file, vec![(path.to_owned(), text)])
    } else {
        let profile = profile::load(source)?;
        let folder = Path::new("profile").join(profile.kind.name.as_str());
        let texts = profile_files(&profile);
        let inputs = texts.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
        (fit_igniter(&profile)?.1, inputs)
    };
    if let Some(price) = price {
        file.set_price(price);
    }
    Ok(LoadedPredictor { predictor: Box::new(file.predictor()), file, inputs })
}
