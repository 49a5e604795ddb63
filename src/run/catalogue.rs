//! The models and GPU kinds that profiles offer to a scenario.

use crate::fit::CoefficientsFile;
use crate::profile;
use crate::scenario::{Catalogue, ProfileChoice};
use std::path::Path;

/// The profiles that a scenario names, or the one that replaces them.
#[derive(Debug)]
pub(super) struct Profiles<'a> {
    /// `--profile`
    pub(super) instead: Option<&'a str>,
}

impl Catalogue for Profiles<'_> {
    fn models(&self, choice: &ProfileChoice) -> Result<Vec<String>, String> {
        // A bad profile on the command line is not an error of the scenario: the code that loads the profile reports
        // it.
        let name = self.instead.map_or_else(|| choice.to_string(), str::to_owned);
        if Path::new(&name).extension().is_some_and(|extension| extension == "json") {
            let file = CoefficientsFile::read(Path::new(&name)).map_err(|e| e.to_string())?;
            return Ok(file.predictor().models().iter().map(ToString::to_string).collect());
        }
        let profile = profile::load(&name).map_err(|error| error.to_string())?;
        Ok(profile.models.iter().map(|model| model.name.to_string()).collect())
    }

    fn kinds(&self) -> Vec<String> {
        profile::BUILTIN_KINDS.iter().map(ToString::to_string).collect()
    }

    fn is_of_scenario(&self) -> bool {
        self.instead.is_none()
    }
}
