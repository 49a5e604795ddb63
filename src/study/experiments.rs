//! The accuracy experiments of the iGniter paper: vgg19 beside ssd, over SM shares and over batch sizes.

use super::accuracy::StudyData;
use crate::domain::ModelName;
use crate::fit::{FitData, FitError, SoloUse, fit_predictor};
use crate::predictor::Member;
use crate::profile::ColocatedRun;
use crate::units::{BatchSize, SmPercent};
use serde::Serialize;

/// The models of both experiments.
const MODELS: [&str; 2] = ["vgg19", "ssd"];
/// The compared predictors: that of the paper, its rival, and the one of this project.
const COMPARED: [&str; 3] = ["igniter", "gpulets", "contention"];

/// A prediction for one member of one setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentRow {
    /// The number of the experiment. 1: batches of 3, shares from 20/80 to 80/20 %. 2: shares of 50/50 %, batches of 1,
    /// 3, 9 and 27.
    pub experiment: u8,
    /// Shares (1) or batch sizes (2) of vgg19 and ssd.
    pub setting: String,
    /// The predictor.
    pub predictor: &'static str,
    /// The member.
    pub model: ModelName,
    /// The batch size of the member.
    pub batch: BatchSize,
    /// The share of SMs of the member.
    pub sm: SmPercent,
    /// Predicted latency in ms.
    pub predicted_ms: f64,
    /// Half-width of the predictor's 95 % interval in percent, where it gives one.
    pub two_sided_pct: Option<f64>,
    /// Mean measured latency of exactly this co-location in ms, where it was measured.
    pub measured_ms: Option<f64>,
}

/// One setting: batch sizes and shares of both models.
struct ExperimentSetting {
    experiment: u8,
    name: String,
    members: [(ModelName, BatchSize, SmPercent); 2],
}

fn settings() -> Vec<ExperimentSetting> {
    let setting = |experiment, name: String, batch: u32, share: f64| {
        let member = |model: &str, share: f64| {
            (
                ModelName::new(model).expect("a name"),
                BatchSize::new(batch).expect("a batch size"),
                SmPercent::new(share).expect("a share"),
            )
        };
        let members = [member(MODELS[0], share), member(MODELS[1], 100.0 - share)];
        ExperimentSetting { experiment, name, members }
    };
    let shares = [20.0, 40.0, 60.0, 80.0];
    let batches = [1, 3, 9, 27];
    let first = shares.map(|share| setting(1, format!("{share}/{}", 100.0 - share), 3, share));
    let second = batches.map(|batch| setting(2, format!("{batch}/{batch}"), batch, 50.0));
    first.into_iter().chain(second).collect()
}

impl ExperimentSetting {
    fn is_measured_by(&self, run: &ColocatedRun) -> bool {
        run.members.len() == 2 && self.members.iter().all(|m| latency_in(run, m).is_some())
    }
}

fn latency_in(
    run: &ColocatedRun,
    (model, batch, sm): &(ModelName, BatchSize, SmPercent),
) -> Option<f64> {
    let same = |m: &&crate::profile::ColocatedMember| {
        m.model == *model && m.batch == *batch && (m.sm.get() - sm.get()).abs() < 1e-9
    };
    run.members.iter().find(same)?.latency.map(|ms| ms.get())
}

/// Returns the predictions of all settings, with each predictor fitted to all measurements except the settings
/// themselves. A predictor that lacks data is left out; without both models there are no rows.
///
/// # Errors
/// When a fit fails for another reason than missing data.
pub fn experiments(data: &StudyData<'_>) -> Result<Vec<ExperimentRow>, FitError> {
    let settings = settings();
    let is_scored = |run: &ColocatedRun| settings.iter().any(|s| s.is_measured_by(run));
    let fitted: Vec<ColocatedRun> =
        data.colocated.iter().filter(|run| !is_scored(run)).cloned().collect();
    let fit_data =
        FitData::of(data.profile).with_colocated(&fitted).with_solo(data.solo, SoloUse::Everywhere);
    let mut rows = Vec::new();
    for name in COMPARED {
        let predictor = match fit_predictor(name, &fit_data) {
            Ok((predictor, _)) => predictor,
            Err(FitError::Missing { .. }) => continue,
            Err(error) => return Err(error),
        };
        for setting in &settings {
            let member = |(model, batch, sm): &(ModelName, BatchSize, SmPercent)| {
                predictor.model_id(model).map(|model| Member { model, batch: *batch, sm: *sm })
            };
            let Some(members) = setting.members.iter().map(member).collect::<Option<Vec<_>>>()
            else {
                return Ok(Vec::new());
            };
            let prediction = predictor.predict(&members);
            for (place, m) in setting.members.iter().enumerate() {
                let two_sided_pct = predictor.uncertainty(&members, place).map(|u| u.two_sided_pct);
                let runs = data.colocated.iter().filter(|run| setting.is_measured_by(run));
                let measured: Vec<f64> = runs.filter_map(|run| latency_in(run, m)).collect();
                rows.push(ExperimentRow {
                    experiment: setting.experiment,
                    setting: setting.name.clone(),
                    predictor: name,
                    model: m.0.clone(),
                    batch: m.1,
                    sm: m.2,
                    predicted_ms: prediction.members[place].latency_ms(),
                    two_sided_pct,
                    measured_ms: crate::stats::mean(&measured),
                });
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, SoloTable};

    #[test]
    fn eight_settings_and_predictors_that_have_their_data() {
        // Without co-located runs gpulets cannot be fitted: 2 predictors × 8 settings × 2 members.
        let profile = profile::load("v100").unwrap();
        let solo = SoloTable::default();
        let data = StudyData {
            profile: &profile,
            solo: &solo,
            colocated: &[],
            pressure: None,
            other: None,
        };
        let rows = experiments(&data).unwrap();
        assert_eq!(rows.len(), 32);
        assert!(rows.iter().all(|row| row.measured_ms.is_none() && row.predicted_ms > 0.0));
        assert!(rows.iter().all(|r| r.two_sided_pct.is_some() == (r.predictor == "contention")));
        let row = rows.iter().find(|r| r.experiment == 1 && r.setting == "40/60").unwrap();
        assert_eq!((row.model.as_str(), row.batch.get()), ("vgg19", 3));
    }
}
