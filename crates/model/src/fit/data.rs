//! The input of a fit.

use crate::domain::ModelName;
use crate::predictor::contention::ContentionCoefficients;
use crate::predictor::solo::PressureUnit;
use crate::predictor::{Member, Predictor};
use crate::profile::{ColocatedRun, Profile, SoloTable};

/// The use of measured solo latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoloUse {
    /// In the fit and in predictions: they replace the fitted curve where they were measured. For tables of the
    /// configurations that will be served.
    #[default]
    Everywhere,
    /// Only in the fit, to separate interference from errors of the curve. For solo runs that were measured together
    /// with co-located runs and tell little about other configurations.
    WhileFitting,
}

/// All measurements that a fit may use.
#[derive(Debug, Clone, Copy)]
pub struct FitData<'d> {
    /// The profile: solo points, and all else that it holds.
    pub profile: &'d Profile,
    /// Measured co-locations.
    pub colocated: &'d [ColocatedRun],
    /// Measured solo latencies.
    pub solo: &'d SoloTable,
    /// The use of the measured solo latencies.
    pub solo_use: SoloUse,
    /// The quantity that represents the pressure on the memory system; `None`: the best one that was measured.
    pub pressure: Option<PressureUnit>,
    /// Constants of another GPU kind, to be used instead of the defaults where no co-location was measured.
    pub other: Option<&'d ContentionCoefficients>,
}

impl<'d> FitData<'d> {
    /// Returns all data of a profile folder.
    #[must_use]
    pub fn of(profile: &'d Profile) -> Self {
        Self {
            profile,
            colocated: &profile.colocated,
            solo: &profile.solo_table,
            solo_use: SoloUse::default(),
            pressure: None,
            other: None,
        }
    }

    /// Returns the same data with other co-located runs.
    #[must_use]
    pub fn with_colocated(self, colocated: &'d [ColocatedRun]) -> Self {
        Self { colocated, ..self }
    }

    /// Returns the same data with another solo table.
    #[must_use]
    pub fn with_solo(self, solo: &'d SoloTable, solo_use: SoloUse) -> Self {
        Self { solo, solo_use, ..self }
    }
}

/// Returns the members of a run as a predictor takes them.
///
/// # Errors
/// When the predictor does not know a model of the run: with the name of that model.
pub fn members_of<P: Predictor + ?Sized>(
    predictor: &P,
    run: &ColocatedRun,
) -> Result<Vec<Member>, ModelName> {
    let member = |m: &crate::profile::ColocatedMember| {
        let model = predictor.model_id(&m.model).ok_or_else(|| m.model.clone())?;
        Ok(Member { model, batch: m.batch, sm: m.sm })
    };
    run.members.iter().map(member).collect()
}
