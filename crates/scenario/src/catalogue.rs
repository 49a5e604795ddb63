//! Checks that the GPU kinds and models that a scenario names are known.

use super::ProfileChoice;
use super::raw::{RawGpu, RawWorkload};
use super::reader::{KeyRule, Problems, Read, quoted};
use super::suggest::nearest;
use std::collections::BTreeSet;

/// Knowledge from outside the scenario: the available GPU kinds and models.
pub trait Catalogue {
    /// Returns the models in the profile of a GPU kind.
    ///
    /// # Errors
    /// With the reason why the profile cannot be used, worded for the user.
    fn models(&self, kind: &ProfileChoice) -> Result<Vec<String>, String>;

    /// Returns the names of the GPU kinds that are always available.
    fn kinds(&self) -> Vec<String>;

    /// Whether the profiles are the ones that the scenario names.
    fn is_of_scenario(&self) -> bool;
}

/// Reports every unknown GPU kind and model.
pub(super) fn check(
    gpus: &[RawGpu],
    workloads: &[RawWorkload],
    catalogue: &dyn Catalogue,
    problems: &mut Problems<'_>,
) {
    let mut models: BTreeSet<String> = BTreeSet::new();
    let mut all_known = true;
    for gpu in gpus {
        let Read::Given(choice, place) = &gpu.profile else {
            all_known = false;
            continue;
        };
        match catalogue.models(choice) {
            Ok(known) => models.extend(known),
            // A bad profile from the command line is reported by the code that loads it.
            Err(_) if !catalogue.is_of_scenario() => all_known = false,
            Err(what) => {
                all_known = false;
                let kinds = catalogue.kinds();
                let names: Vec<&str> = kinds.iter().map(String::as_str).collect();
                let name = choice.to_string();
                let fix = match nearest(&name, &names) {
                    Some(near) if near != name => format!("did you mean \"{near}\"?"),
                    _ => "correct the name or the path".to_owned(),
                };
                let allowed =
                    format!("a GPU kind that has a profile: {}, or a path", quoted(&names));
                let what: Vec<&str> = what.lines().map(str::trim).collect();
                problems.add(place, what.join("; "), KeyRule { allowed: &allowed, fix: &fix });
            }
        }
    }
    if !all_known || models.is_empty() {
        return;
    }
    let names: Vec<&str> = models.iter().map(String::as_str).collect();
    for workload in workloads {
        let Read::Given(model, place) = &workload.model else { continue };
        if models.contains(model.as_str()) {
            continue;
        }
        let fix = match nearest(model.as_str(), &names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                "name a model of the profile, or measure this one: docs/add-your-gpu.md".to_owned()
            }
        };
        let allowed = format!("a model of the profile: {}", names.join(", "));
        let what = match &workload.name {
            Read::Given(name, _) => format!("workload {name}: no model {model} in the profile"),
            Read::Absent | Read::Bad => format!("no model {model} in the profile"),
        };
        problems.add(place, what, KeyRule { allowed: &allowed, fix: &fix });
    }
}
