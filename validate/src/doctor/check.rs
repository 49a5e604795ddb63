//! One thing that was looked at, and all of them.

use crate::gpu::{DriverFacts, GpuFacts};
use serde::Serialize;

/// What the machine is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MachineNeed {
    /// Emulated models
    Cpu,
    /// Measuring GPUs
    Gpu,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but results may suffer.
    Warning,
    /// It is needed and not there.
    Missing,
    /// It is not there, and not needed for the use at hand.
    Unneeded,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorCheck {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl DoctorCheck {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), fix: None }
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, status: Status::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn missing(
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, status: Status::Missing, found: found.into(), fix: Some(fix.into()) }
    }

    /// Missing where a GPU is to be measured, and not needed otherwise.
    pub(super) fn for_gpus(self, need: MachineNeed) -> Self {
        let status = match (self.status, need) {
            (Status::Missing, MachineNeed::Cpu) => Status::Unneeded,
            (status, _) => status,
        };
        Self { status, ..self }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The use at hand.
    pub need: MachineNeed,
    /// The driver.
    pub machine: Option<DriverFacts>,
    /// The GPUs.
    pub gpus: Vec<GpuFacts>,
    /// One entry for each thing.
    pub checks: Vec<DoctorCheck>,
}

impl Diagnosis {
    /// Whether nothing is missing.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_gpus_need_is_missing_only_for_them() {
        let missing = || DoctorCheck::missing("driver", "none", "install it");
        let diagnosis = |need| Diagnosis {
            need,
            machine: None,
            gpus: Vec::new(),
            checks: vec![DoctorCheck::ok("a", "b"), missing().for_gpus(need)],
        };
        assert!(diagnosis(MachineNeed::Cpu).ready());
        assert!(!diagnosis(MachineNeed::Gpu).ready());
        assert_eq!(missing().for_gpus(MachineNeed::Cpu).status, Status::Unneeded);
    }
}
