//! The result of one check, and the results of all.

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

/// The status of a checked item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The item is as it should be.
    Ok,
    /// The item works, but results may suffer.
    Warning,
    /// The item is needed and missing.
    Missing,
    /// The item is missing, but the intended use does not need it.
    Unneeded,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorCheck {
    /// The name of the checked item.
    pub name: &'static str,
    /// The status of the item.
    pub status: Status,
    /// The finding.
    pub found: String,
    /// A suggested fix.
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

    /// Marks the item as missing where a GPU is to be measured, and as not needed otherwise.
    pub(super) fn for_gpus(self, need: MachineNeed) -> Self {
        let status = match (self.status, need) {
            (Status::Missing, MachineNeed::Cpu) => Status::Unneeded,
            (status, _) => status,
        };
        Self { status, ..self }
    }
}

/// The results of all checks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The intended use.
    pub need: MachineNeed,
    /// Facts about the driver.
    pub machine: Option<DriverFacts>,
    /// The GPUs.
    pub gpus: Vec<GpuFacts>,
    /// The results, one entry for each check.
    pub checks: Vec<DoctorCheck>,
}

impl Diagnosis {
    /// Returns whether nothing is missing.
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
