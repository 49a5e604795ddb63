//! Mechanisms by which servers share the SMs of a GPU.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The mechanism of NVIDIA MPS by which servers share the SMs of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmSharing {
    /// Each client is limited to a percentage of the SMs; the SMs of two clients may overlap.
    #[default]
    Percentage,
    /// Each client has a partition with SMs of its own.
    Static,
    /// No spatial sharing: servers take turns on the whole GPU.
    Off,
}

impl SmSharing {
    /// Returns the name used in profiles and on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Percentage => "percentage",
            Self::Static => "static",
        }
    }

    /// Returns whether this is the mechanism of a profile that names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for SmSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
