//! Predictors by name.

use super::file::{ContentionFile, GpuletsFile, IsolatedFile, KindFile};
use super::{
    CoefficientsFile, FitData, FitError, fit_contention, fit_gpulets, fit_igniter, fit_isolated,
    fit_scaled,
};
use crate::predictor::Predictor;

/// The names of all predictors.
pub const PREDICTORS: &[&str] = &["igniter", "contention", "gpulets", "solo", "solo_scaled"];

/// Fits the predictor with this name. For a profile of a slice, it is fitted to the whole GPU and then converted to the
/// slice.
///
/// # Errors
/// For an unknown name, for errors of the predictor's own fit, and for a slice where the predictor does not support
/// slices.
pub fn fit_predictor(
    name: &str,
    data: &FitData<'_>,
) -> Result<(Box<dyn Predictor>, CoefficientsFile), FitError> {
    let (predictor, file) = fit_whole(name, data)?;
    match &data.profile.slice {
        None => Ok((predictor, file)),
        Some(slice) => {
            let file = super::slice::sliced(file, slice)?;
            Ok((file.predictor(), file))
        }
    }
}

fn fit_whole(
    name: &str,
    data: &FitData<'_>,
) -> Result<(Box<dyn Predictor>, CoefficientsFile), FitError> {
    let kind = KindFile::new(&data.profile.kind);
    let source = data.profile.source.clone();
    match name {
        "igniter" => {
            let (predictor, file) = fit_igniter(data.profile)?;
            Ok((Box::new(predictor), file))
        }
        "contention" => {
            let (predictor, report) = fit_contention(data)?;
            let coefficients = predictor.coefficients().clone();
            let file = ContentionFile { kind, source, coefficients, report };
            Ok((Box::new(predictor), CoefficientsFile::Contention(file)))
        }
        "gpulets" => {
            let (predictor, report) = fit_gpulets(data)?;
            let file = GpuletsFile {
                kind,
                source,
                clock: predictor.solo().clock(),
                models: predictor.solo().coefficients().to_vec(),
                coefficients: predictor.coefficients().clone(),
                report,
            };
            Ok((Box::new(predictor), CoefficientsFile::Gpulets(file)))
        }
        "solo" | "solo_scaled" => {
            let scaled = name == "solo_scaled";
            let (predictor, report) = if scaled { fit_scaled(data)? } else { fit_isolated(data)? };
            let file = IsolatedFile {
                kind,
                source,
                clock: predictor.solo().clock(),
                models: predictor.solo().coefficients().to_vec(),
                factor: predictor.factor(),
                bounds: predictor.bounds(),
                report,
            };
            let file = if scaled {
                CoefficientsFile::SoloScaled(file)
            } else {
                CoefficientsFile::Solo(file)
            };
            Ok((Box::new(predictor), file))
        }
        _ => Err(FitError::Unknown { name: name.to_owned(), known: PREDICTORS.join(", ") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    #[test]
    fn every_file_gives_back_its_predictor() {
        let profile = profile::load("v100").unwrap();
        let data = FitData::of(&profile);
        let folder = tempfile::tempdir().unwrap();
        for name in ["igniter", "contention", "solo"] {
            let (predictor, file) = fit_predictor(name, &data).unwrap();
            assert_eq!(file.name(), name);
            assert_eq!(predictor.name(), name);
            let path = folder.path().join("coefficients.json");
            std::fs::write(&path, file.to_json()).unwrap();
            let read = CoefficientsFile::read(&path).unwrap();
            assert_eq!(read, file);
            let again = read.predictor();
            let members: Vec<crate::predictor::Member> = predictor
                .models()
                .iter()
                .map(|m| crate::predictor::Member {
                    model: predictor.model_id(m).unwrap(),
                    batch: crate::units::BatchSize::new(5).unwrap(),
                    sm: crate::units::SmPercent::new(23.0).unwrap(),
                })
                .collect();
            assert_eq!(again.predict(&members), predictor.predict(&members));
            assert!(file.validity(&predictor.models()[0]).is_some());
        }
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let profile = profile::load("v100").unwrap();
        let data = FitData::of(&profile);
        assert!(matches!(fit_predictor("solo_scaled", &data), Err(FitError::Missing { .. })));
        assert!(matches!(fit_predictor("gpulets", &data), Err(FitError::Missing { .. })));
        assert!(matches!(fit_predictor("x", &data), Err(FitError::Unknown { .. })));
        let (_, report) = fit_contention(&data).unwrap();
        let undetermined: Vec<&str> = report.undetermined().map(|t| t.term.as_str()).collect();
        assert_eq!(undetermined, ["rho0", "rho1"]);
        assert_eq!(report.data.self_pairs, 4);
        // Without self-pairs and copies everything that is shared is a V100's.
        let mut bare = profile.clone();
        bare.colocation.clear();
        bare.models.iter_mut().for_each(|m| m.self_pair = None);
        let (predictor, report) = fit_contention(&FitData::of(&bare)).unwrap();
        assert!((predictor.coefficients().models[0].gamma - 0.084 / 300.0).abs() < 1e-12);
        assert_eq!(predictor.assumed().len(), 1, "{:?}", predictor.assumed());
        assert_eq!(report.undetermined().count(), 8, "κ, δ, ρ0, ρ1 and four γ");
    }
}
