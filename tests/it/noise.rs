//! Noise that a profile holds: read, written, kept by coefficients, and used where a scenario asks for it.

use crate::common::{SHORT, file};
use igniter::domain::ModelName;
use igniter::fit::{CoefficientsFile, FitData, fit_predictor};
use igniter::plan::strategy;
use igniter::profile::{Profile, load, profile_files, read_profile};
use igniter::run::{Overrides, RunError, Study};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NOISE: [(&str, f64); 4] =
    [("alexnet", 0.02), ("resnet50", 0.1), ("vgg19", 0.0), ("ssd", 0.3)];

/// The V100 with noise that is invented here.
fn noisy() -> Profile {
    let mut profile = load("v100").unwrap();
    assert!(profile.kind.noise_cv.is_empty(), "the source does not say how single batches vary");
    profile.kind.noise_cv =
        NOISE.iter().map(|(model, cv)| (ModelName::new(model).unwrap(), *cv)).collect();
    profile
}

fn written(profile: &Profile, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in profile_files(profile) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder.to_owned()
}

fn scenario(root: &Path, name: &str, engine: &str, each: impl Fn(&str) -> String) -> PathBuf {
    let mut text = SHORT.replace("[[gpu]]", &format!("[engine]\n{engine}\n\n[[gpu]]"));
    for (model, _) in NOISE {
        let line = format!("model = \"{model}\"");
        text = text.replace(&line, &format!("{line}\n{}", each(model)));
    }
    file(root, name, text)
}

#[test]
fn a_profile_keeps_its_noise() {
    let root = TempDir::new().unwrap();
    let profile = noisy();
    let folder = written(&profile, &root.path().join("gpu"));
    assert_eq!(read_profile(&folder).unwrap(), profile);
    for predictor in ["igniter", "contention", "solo"] {
        let (fitted, file) = fit_predictor(predictor, &FitData::of(&profile)).unwrap();
        assert_eq!(fitted.kind().noise_cv, profile.kind.noise_cv, "{predictor}");
        let path = root.path().join(format!("{predictor}.json"));
        std::fs::write(&path, file.to_json()).unwrap();
        let read = CoefficientsFile::read(&path).unwrap();
        assert_eq!(read.predictor().kind().noise_cv, profile.kind.noise_cv, "{predictor}");
        std::fs::write(&path, file.to_json().replace("\"ssd\": 0.3", "\"ssd\": -0.3")).unwrap();
        let error = CoefficientsFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("kind.noise_cv.ssd = -0.3"), "{error}");
    }
    // Where nothing was measured, nothing is said: files are what they were.
    let silent = fit_predictor("igniter", &FitData::of(&load("v100").unwrap())).unwrap().1;
    assert!(!silent.to_json().contains("noise"));
}

#[test]
fn noise_of_the_profile_is_as_good_as_numbers() {
    let root = TempDir::new().unwrap();
    let folder = written(&noisy(), &root.path().join("gpu"));
    let overrides =
        Overrides { profile: Some(folder.display().to_string()), ..Overrides::default() };
    let run = |name: &str, engine: &str, each: &dyn Fn(&str) -> String| {
        let scenario = scenario(root.path(), name, engine, each);
        let study = Study::load(&scenario, &overrides).unwrap();
        let plan = study.plan(strategy("igniter").unwrap().as_ref());
        format!("{:?}", study.simulate(&plan).unwrap().workloads)
    };
    let nothing = |_: &str| String::new();
    let number = |model: &str| {
        let cv = NOISE.iter().find(|(name, _)| *name == model).unwrap().1;
        format!("engine = {{ noise_cv = {cv} }}")
    };
    let of_profile = run("profile.toml", "noise_cv = \"profile\"", &nothing);
    assert_eq!(of_profile, run("numbers.toml", "", &number));
    assert_ne!(of_profile, run("none.toml", "", &nothing));
    // A workload may differ.
    let none = |_: &str| "engine = { noise_cv = 0 }".to_owned();
    assert_eq!(
        run("overridden.toml", "noise_cv = \"profile\"", &none),
        run("none-again.toml", "", &nothing)
    );
}

#[test]
fn only_models_that_are_asked_for_need_noise() {
    let root = TempDir::new().unwrap();
    let mut profile = noisy();
    profile.kind.noise_cv.remove(&ModelName::new("ssd").unwrap());
    let folder = written(&profile, &root.path().join("gpu"));
    let scenario = scenario(root.path(), "s.toml", "noise_cv = \"profile\"", |_| String::new());
    let study = |folder: &Path| {
        let overrides =
            Overrides { profile: Some(folder.display().to_string()), ..Overrides::default() };
        Study::load(&scenario, &overrides)
    };
    assert!(study(&folder).is_ok(), "nobody serves ssd");
    profile.kind.noise_cv.remove(&ModelName::new("vgg19").unwrap());
    let error = study(&written(&profile, &root.path().join("other"))).unwrap_err();
    assert!(matches!(error, RunError::NoNoise { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("W3") && text.contains("vgg19") && text.contains("other"), "{text}");
}
