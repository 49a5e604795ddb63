//! Whether a share of the SMs is in force: failure is silent in CUDA, so each instance is asked.

use serde::Deserialize;
use std::path::Path;

/// What an instance wrote about itself (`python/igniter_instance.py`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InstanceReport {
    /// The name that Triton gave it.
    pub instance: String,
    /// The version of its interpreter.
    pub python: Option<String>,
    /// The version of NumPy, where it is there; the same for the next two.
    pub numpy: Option<String>,
    /// PyTorch.
    pub torch: Option<String>,
    /// Torchvision.
    pub torchvision: Option<String>,
    sm_attribute: Option<u32>,
    sm_affinity: Option<u32>,
    sm_torch: Option<u32>,
    error: Option<String>,
}

impl InstanceReport {
    /// How many SMs the instance may use: the least of what it was told.
    #[must_use]
    pub fn seen_sm(&self) -> Option<u32> {
        [self.sm_attribute, self.sm_affinity, self.sm_torch].into_iter().flatten().min()
    }

    /// Why it sees none.
    pub(super) fn error(&self) -> &str {
        self.error.as_deref().unwrap_or("it reported no SM count")
    }
}

/// All reports of a folder, by name.
#[must_use]
pub fn read_reports(folder: &Path) -> Vec<InstanceReport> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read =
        |path: &std::path::PathBuf| serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok();
    paths.iter().filter_map(read).collect()
}

/// The text of `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`. CUDA rounds the number of SMs down, so the percentage is
/// rounded up where it does not end after three digits: 24 of 132 SMs are 18.1818… %, and 18.181 % would give
/// 22.
#[must_use]
pub(super) fn percentage(sm_pct: f64) -> String {
    let exact = (sm_pct * 1000.0).round() / 1000.0;
    // What is a whole number of thousandths but for the last bits is that number.
    let rounded =
        if (exact - sm_pct).abs() < 1e-9 { exact } else { (sm_pct * 1000.0).ceil() / 1000.0 };
    format!("{}", rounded.min(100.0))
}

/// Allocation may be in steps of up to so many SMs (2 on Volta, up to 8 are thinkable on later GPUs).
const LARGEST_STEP: f64 = 8.0;

/// Checks what an instance sees against its share of a GPU with `total` SMs.
///
/// # Errors
/// Words for what is wrong.
pub(super) fn check(sm_pct: f64, total: u32, seen: u32) -> Result<(), String> {
    let asked = sm_pct.min(100.0) / 100.0 * f64::from(total);
    let seen_f = f64::from(seen);
    // Rounded down, except that something is always granted.
    if seen_f > asked.max(LARGEST_STEP) + 0.5 {
        return Err(format!(
            "{} % of {total} SMs are {asked:.1}, but it sees {seen}",
            percentage(sm_pct)
        ));
    }
    if seen_f < asked - LARGEST_STEP {
        return Err(format!(
            "{} % of {total} SMs are {asked:.1}, but it sees only {seen}: another limit is in force",
            percentage(sm_pct)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_never_lose_an_sm_to_rounding() {
        for (share, text) in [
            (50.0, "50"),
            (37.5, "37.5"),
            (2400.0 / 132.0, "18.182"),
            (0.1 + 0.2, "0.3"),
            (120.0, "100"),
        ] {
            assert_eq!(percentage(share), text);
        }
        // Every number of pairs of SMs of an H100 (132) and an A100 (108) survives CUDA's rounding down.
        for total in [80_u32, 108, 132] {
            for sms in (2..=total).step_by(2) {
                let text = percentage(f64::from(sms) * 100.0 / f64::from(total));
                let granted = text.parse::<f64>().unwrap() / 100.0 * f64::from(total);
                assert!(
                    granted >= f64::from(sms) - 1e-9 && granted < f64::from(sms) + 2.0,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_share_that_is_not_applied_is_seen() {
        // 25 % of 132 SMs are 33.
        assert!(check(25.0, 132, 32).is_ok());
        assert!(check(25.0, 132, 33).is_ok());
        assert!(check(25.0, 132, 132).unwrap_err().contains("are 33.0, but it sees 132"));
        assert!(check(50.0, 132, 13).unwrap_err().contains("another limit"));
        assert!(check(100.0, 132, 132).is_ok());
        // Something is granted even for a share below one step.
        assert!(check(1.0, 132, 2).is_ok());
    }
}
