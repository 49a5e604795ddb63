//! Runs plan files of the iGniter artifact on their own: the scenario is derived from them.

use super::{Overrides, RunError, Study};
use crate::domain::Plan;
use crate::plan::{PlanError, artifact_entries, artifact_text, parse_igniter_plan};
use crate::scenario::Scenario;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The GPU kind that is assumed where none is named: that of the artifact.
const DEFAULT_KIND: &str = "v100";
/// The price of [`DEFAULT_KIND`] per hour on a p3.2xlarge, in dollars.
const DEFAULT_PRICE: f64 = 3.06;

/// A study of the workloads in plan files of the artifact, with the plan and the assumptions about what the files leave
/// out.
#[derive(Debug)]
pub struct ArtifactStudy {
    /// The workloads in the setting in which the artifact measures them.
    pub study: Study,
    /// The plan of the files.
    pub plan: Plan,
    /// The assumptions, in words.
    pub assumptions: Vec<String>,
}

impl ArtifactStudy {
    /// Reads plan files, each of which has its own GPUs, or folders of plan files.
    ///
    /// # Errors
    /// When a file is not a plan of the artifact, the GPU kind is unknown or lacks a model, or the plan cannot run on
    /// it.
    pub fn read(paths: &[PathBuf], overrides: &Overrides) -> Result<Self, RunError> {
        let (scenario, assumptions) = scenario_of(paths, overrides.profile.as_deref())?;
        let study = Study::new(scenario, overrides)?.read_from(paths);
        let plan = study.read_plans(paths)?;
        Ok(Self { study, plan, assumptions })
    }

    /// Same as [`ArtifactStudy::read`], from the concatenated text of plan files.
    ///
    /// # Errors
    /// Same as [`ArtifactStudy::read`].
    pub fn of_text(text: &str, name: &str, overrides: &Overrides) -> Result<Self, RunError> {
        let path = Path::new(name);
        let (scenario, assumptions) = scenario_of_text(text, path, overrides.profile.as_deref())?;
        let study = Study::new(scenario, overrides)?;
        let plan = parse_igniter_plan(text, study.kind(), study.workloads())
            .map_err(|message| PlanError::File { path: path.to_owned(), message })?;
        Ok(Self { study, plan, assumptions })
    }
}

/// Derives the scenario from plan files, and returns it with the assumptions that were made.
///
/// # Errors
/// When a file is not a plan of the artifact.
pub fn scenario_of(
    paths: &[PathBuf],
    profile: Option<&str>,
) -> Result<(Scenario, Vec<String>), RunError> {
    let mut text = String::new();
    for path in paths {
        text += &artifact_text(path)?;
        text.push('\n');
    }
    let first = paths.first().cloned().unwrap_or_default();
    scenario_of_text(&text, &first, profile)
}

fn scenario_of_text(
    text: &str,
    first: &Path,
    profile: Option<&str>,
) -> Result<(Scenario, Vec<String>), RunError> {
    let wrong = |message: String| PlanError::File { path: first.to_owned(), message };
    let gpus = artifact_entries(text).map_err(wrong)?;
    let toml = scenario_text(&gpus, first, profile);
    let scenario = Scenario::parse(&toml, Path::new("the scenario of the plan"))?;
    let shipped = profile.is_none().then(|| {
        format!("the GPUs are of the shipped kind {DEFAULT_KIND}, {DEFAULT_PRICE} $/h each; --profile names another")
    });
    let assumptions = [
        shipped,
        Some("requests are evenly spaced, as the artifact sends them".to_owned()),
        Some("each SLO is twice the file's, which holds half of it".to_owned()),
        Some(
            "Triton has the artifact's settings: max_batch_size is the planned batch (so is preferred_batch_size, which then \
             changes nothing), max_queue_delay is 100 ms"
                .to_owned(),
        ),
        Some("a run lasts 40 s, of which the first and the last 10 s do not count".to_owned()),
    ];
    Ok((scenario, assumptions.into_iter().flatten().collect()))
}

fn scenario_text(
    gpus: &[Vec<crate::plan::ArtifactEntry>],
    first: &Path,
    profile: Option<&str>,
) -> String {
    let name = first.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect();
    let mut text = format!(
        "version = 1\nname = \"{plain}\"\nseed = 1\nduration_s = 40\nwarmup_s = 10\ncooldown_s = 10\n\n"
    );
    // A named profile decides about the GPU kind and its price.
    let price = if profile.is_none() {
        format!("price_per_hour = {DEFAULT_PRICE}\n")
    } else {
        String::new()
    };
    let _ = write!(
        text,
        "[[gpu]]\nkind = \"{DEFAULT_KIND}\"\n{price}\n[batching]\nmax_queue_delay_ms = 100\n"
    );
    for (number, entry) in (1..).zip(gpus.iter().flatten()) {
        let _ = write!(
            text,
            "\n[[workload]]\nname = \"W{number}\"\nmodel = \"{}\"\nslo_ms = {}\nrate_rps = {}\n",
            entry.model,
            entry.slo.get(),
            entry.rate.get(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The motivating example as the artifact writes it, on two GPUs.
    const ONE: &str = r#"{"models": ["alexnet_dynamic", "resnet50_dynamic"], "rates": [500, 400], "slos": [7.5, 20],
        "resources": [10, 30], "batches": [4, 8]}"#;
    const TWO: &str = r#"{"models": ["vgg19_dynamic"], "rates": [200], "slos": [30], "resources": [37.5], "batches": [6]}"#;

    #[test]
    fn plan_files_alone_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, two) = (file("config_gpu1.json", ONE), file("config_gpu2.json", TWO));
        let of = |paths: &[PathBuf]| ArtifactStudy::read(paths, &Overrides::default());
        let read = of(&[one.clone(), two.clone()]).unwrap();
        let workloads: Vec<String> = read
            .study
            .workloads()
            .iter()
            .map(|w| format!("{} {} {} {}", w.name, w.model, w.slo, w.rate))
            .collect();
        assert_eq!(workloads, ["W1 alexnet 15 500", "W2 resnet50 40 400", "W3 vgg19 60 200"]);
        assert_eq!(read.plan.gpus.len(), 2);
        assert_eq!(read.plan.gpus[1].placements[0].batch.get(), 6);
        assert_eq!(read.assumptions.len(), 5);
        // The folder of both is the same.
        let whole = of(&[folder.path().to_owned()]).unwrap();
        assert_eq!(whole.plan, read.plan);
        // And the scenario can be written and read.
        let text = read.study.scenario().to_toml();
        let again = Scenario::parse(&text, Path::new("again.toml")).unwrap();
        assert_eq!(again.to_toml(), text);
        let other = file("other.json", "{\"strategy\": \"igniter\"}");
        let error = of(&[one, other]).unwrap_err().to_string();
        assert!(error.contains("no plan of the artifact"), "{error}");
    }
}
