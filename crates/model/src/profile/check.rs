//! Checks across rows: measurements that contradict physics are refused before they reach a fit.

use super::{Profile, ProfileError, SoloPoint};
use std::path::Path;

/// How far a measured latency may go the wrong way before it counts as an error and not as noise.
const NOISE: f64 = 0.02;

/// Refuses a point that is faster than an earlier one with more SMs or a smaller batch (or slower
/// than one with fewer SMs or a larger batch), beyond 2 % of noise.
pub(super) fn check_monotone(
    path: &Path,
    line: u64,
    earlier: &[SoloPoint],
    point: &SoloPoint,
) -> Result<(), ProfileError> {
    for other in earlier {
        let easier = point.batch <= other.batch && point.sm >= other.sm;
        let harder = point.batch >= other.batch && point.sm <= other.sm;
        let (now, then) = (point.gpu.get(), other.gpu.get());
        let (wrong, word) = if easier && now > then * (1.0 + NOISE) {
            (true, "not be above")
        } else if harder && now < then * (1.0 - NOISE) {
            (true, "not be below")
        } else {
            (false, "")
        };
        if wrong {
            return Err(ProfileError::line(
                path,
                line,
                format!(
                    "gpu_ms = {now}: with batch {} and {} % of the SMs it must {word} the {then} ms of \
                     batch {} and {} %; latency falls with the share and grows with the batch",
                    point.batch, point.sm, other.batch, other.sm
                ),
            ));
        }
    }
    Ok(())
}

/// Checks that every model was measured at all, and that co-located runs name known models.
pub(super) fn check_profile(folder: &Path, profile: &Profile) -> Result<(), ProfileError> {
    for model in &profile.models {
        if model.solo.is_empty() {
            return Err(ProfileError::file(
                &folder.join("solo.csv"),
                format!("has no row for model {} of profile.toml", model.name),
            ));
        }
    }
    for run in &profile.colocated {
        for member in &run.members {
            if !profile.models.iter().any(|model| model.name == member.model) {
                return Err(ProfileError::file(
                    &folder.join("colocated.csv"),
                    format!("run {}: {} is no [[model]] of profile.toml", run.run, member.model),
                ));
            }
        }
    }
    Ok(())
}
