//! Resolves SLOs that are multiples of the solo latency.

use super::RunError;
use crate::domain::ModelName;
use crate::predictor::{Member, Predictor};
use crate::scenario::Scenario;
use crate::units::{BatchSize, Milliseconds};

/// Returns the solo latency of a model in ms: load, execution and feedback of a batch of one request, alone on the GPU
/// with all SMs. `None` for a model that the predictor does not know.
#[must_use]
pub fn solo_latency_ms(predictor: &dyn Predictor, model: &ModelName) -> Option<f64> {
    let model = predictor.model_id(model)?;
    let units = predictor.kind().units;
    let sm = units.to_percent(units)?;
    let alone = Member { model, batch: BatchSize::ONE, sm };
    predictor.predict(&[alone]).members.first().map(|member| member.latency_ms())
}

/// Replaces multiples of the solo latency (AlpaServe's SLO scale) by SLOs, rounded to whole microseconds.
pub(super) fn resolve(scenario: &mut Scenario, predictor: &dyn Predictor) -> Result<(), RunError> {
    for entry in &mut scenario.workloads {
        let Some(factor) = entry.slo_x_solo.take() else { continue };
        let workload = &mut entry.workload;
        let Some(solo_ms) = solo_latency_ms(predictor, &workload.model) else {
            return Err(RunError::NoSoloLatency {
                workload: workload.name.to_string(),
                factor,
                model: workload.model.to_string(),
                kind: predictor.kind().name.to_string(),
            });
        };
        let slo_ms = (factor * solo_ms * 1e3).round() / 1e3;
        let slo = Milliseconds::new(slo_ms).ok().filter(|_| (0.01..=3.6e6).contains(&slo_ms));
        workload.slo = slo.ok_or_else(|| RunError::SloXSolo {
            workload: workload.name.to_string(),
            factor,
            solo_ms,
            slo_ms,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Overrides, Study};
    use crate::scenario::Document;
    use std::path::Path;

    const TEXT: &str = "version = 1\nduration_s = 10\n[[gpu]]\nkind = 'v100'\n[[workload]]\n\
                        name = 'W1'\nmodel = 'alexnet'\nslo_x_solo = 5\nrate_rps = 100\n";

    fn study(text: &str) -> Result<Study, String> {
        let scenario = Scenario::parse(text, Path::new("s.toml")).map_err(|e| e.to_string())?;
        Study::new(scenario, &Overrides::default()).map_err(|e| e.to_string())
    }

    #[test]
    fn an_slo_is_so_many_times_the_latency_alone() {
        for (text, factor) in [(TEXT.to_owned(), 5.0), (format!("slo_scale = 0.5\n{TEXT}"), 2.5)] {
            let study = study(&text).unwrap();
            // The same as `igniter predict alexnet:1:100`.
            let model = study.workloads()[0].model.clone();
            let solo_ms = solo_latency_ms(study.predictors()[0], &model).unwrap();
            let measured_ms = 0.776;
            assert!((solo_ms / measured_ms - 1.0).abs() < 0.15, "{solo_ms}");
            let slo_ms = study.workloads()[0].slo.get();
            assert!((slo_ms - factor * solo_ms).abs() <= 5.1e-4, "{slo_ms} ms");
            // From here on it is an SLO like any other.
            let entry = &study.scenario().workloads[0];
            assert_eq!((entry.slo_x_solo, entry.workload.slo.get()), (None, slo_ms));
            assert!(study.scenario().to_toml().contains(&format!("slo_ms = {slo_ms}\n")));
        }
    }

    #[test]
    fn what_makes_no_slo_is_refused() {
        let both =
            study(&TEXT.replace("slo_x_solo = 5", "slo_ms = 10\nslo_x_solo = 5")).unwrap_err();
        assert!(
            both.contains("s.toml:9: workload[0].slo_x_solo: given 5 together with slo_ms"),
            "{both}"
        );
        let range = study(&TEXT.replace("solo = 5", "solo = 0")).unwrap_err();
        assert!(
            range.contains("allowed: a number from 0.01 to 10000 times the solo latency"),
            "{range}"
        );
        let tiny = study(&TEXT.replace("solo = 5", "solo = 0.01")).unwrap_err();
        assert!(tiny.contains("slo_x_solo = 0.01 times the solo latency of 0."), "{tiny}");
        let unknown = study(&TEXT.replace("alexnet", "nobody")).unwrap_err();
        assert!(unknown.contains("nobody alone on GPU kind v100"), "{unknown}");
    }

    #[test]
    fn what_is_set_later_wins() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.toml");
        std::fs::write(&base, TEXT.replace("slo_x_solo = 5", "slo_ms = 40")).unwrap();
        let over = folder.path().join("over.toml");
        std::fs::write(&over, "extends = 'base.toml'\n[[workload]]\nname = 'W1'\nslo_x_solo = 8\n")
            .unwrap();
        let mut document = Document::load(&over).unwrap();
        let factor = |document: &Document| document.scenario().unwrap().workloads[0].slo_x_solo;
        assert_eq!(factor(&document), Some(8.0));
        document.set("workload.*.slo_ms", 30).unwrap();
        assert_eq!(factor(&document), None);
        document.set("workload.W1.slo_x_solo", 3).unwrap();
        assert_eq!(factor(&document), Some(3.0));
    }
}
