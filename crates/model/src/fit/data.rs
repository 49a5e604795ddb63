//! What a fit is given.

use crate::domain::ModelName;
use crate::predictor::{Member, Predictor};
use crate::profile::{ColocatedRun, Profile, SoloTable};

/// What measured solo latencies are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoloUse {
    /// They replace the fitted curve where they were measured, in the fit and in predictions: for tables
    /// of the configurations that will be served.
    #[default]
    Everywhere,
    /// Only to separate interference from errors of the curve while fitting: for solo runs that were
    /// taken beside co-located runs and say little of other configurations.
    WhileFitting,
}

/// Everything measured that a fit may use.
#[derive(Debug, Clone, Copy)]
pub struct FitData<'d> {
    /// The profile: solo points, and whatever else it holds.
    pub profile: &'d Profile,
    /// Measured co-locations.
    pub colocated: &'d [ColocatedRun],
    /// Measured solo latencies.
    pub solo: &'d SoloTable,
    /// What they are used for.
    pub solo_use: SoloUse,
}

impl<'d> FitData<'d> {
    /// All that a profile folder holds.
    #[must_use]
    pub fn of(profile: &'d Profile) -> Self {
        Self {
            profile,
            colocated: &profile.colocated,
            solo: &profile.solo_table,
            solo_use: SoloUse::default(),
        }
    }

    /// The same with other co-located runs.
    #[must_use]
    pub fn with_colocated(self, colocated: &'d [ColocatedRun]) -> Self {
        Self { colocated, ..self }
    }

    /// The same with another solo table.
    #[must_use]
    pub fn with_solo(self, solo: &'d SoloTable, solo_use: SoloUse) -> Self {
        Self { solo, solo_use, ..self }
    }
}

/// The members of a run as a predictor sees them; the name of the model that it does not know otherwise.
///
/// # Errors
/// When a model of the run is none of the predictor's.
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
