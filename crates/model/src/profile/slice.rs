//! GPU kinds that are slices of another kind (MIG): a part of its SMs, memory and bandwidth.

use super::ProfileError;
use crate::domain::GpuKindName;
use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The table `[slice]` of a `profile.toml`; the numbers of the models are those of the whole GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The whole GPU: a kind, or the folder of its profile, relative to this folder.
    pub of: String,
    /// The part of the SMs in percent, above 0 and at most 100.
    pub sm_pct: f64,
    /// The device memory of the slice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    /// The part of the memory bandwidth in percent; bandwidth terms grow accordingly. Without it they stay those of the
    /// whole GPU, which is right where its solo points were measured in such slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_pct: Option<f64>,
    /// The name of the slice as a kind of its own.
    #[serde(skip)]
    pub kind: Option<GpuKindName>,
}

impl Slice {
    /// Rejects a slice with more memory than the whole GPU has.
    pub(super) fn check(&self, path: &Path, whole: Option<Bytes>) -> Result<(), ProfileError> {
        match (self.memory_bytes, whole) {
            (Some(own), Some(whole)) if own > whole => Err(ProfileError::file(
                path,
                format!(
                    "slice.memory_bytes = {}: must be at most the {} bytes of {}: a slice is a part of its GPU",
                    own.get(),
                    whole.get(),
                    self.of
                ),
            )),
            _ => Ok(()),
        }
    }
}
