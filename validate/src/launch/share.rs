//! Checks that a share of the SMs is in force. CUDA ignores it silently on failure, so each instance reports
//! what it sees.

use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The report that an instance wrote about itself (`python/igniter_instance.py`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The name that Triton gave the instance.
    pub instance: String,
    /// The version of its Python interpreter.
    pub python: Option<String>,
    /// The version of NumPy, where it is installed; likewise for the next two.
    pub numpy: Option<String>,
    /// The version of PyTorch.
    pub torch: Option<String>,
    pub torchvision: Option<String>,
    /// Whether the kernels of each batch size are launched together (`recorded`), or why not; only for models
    /// that try.
    pub graphs: Option<String>,
    sm_attribute: Option<u32>,
    sm_affinity: Option<u32>,
    sm_torch: Option<u32>,
    error: Option<String>,
}

impl InstanceReport {
    /// Returns the number of SMs that the instance may use: the least of the reported limits.
    #[must_use]
    pub fn seen_sm(&self) -> Option<u32> {
        [self.sm_attribute, self.sm_affinity, self.sm_torch].into_iter().flatten().min()
    }

    /// Describes its software as text.
    #[must_use]
    pub fn software(&self) -> String {
        let named = [
            ("python", &self.python),
            ("numpy", &self.numpy),
            ("torch", &self.torch),
            ("torchvision", &self.torchvision),
            ("graphs", &self.graphs),
        ];
        let found = named.into_iter().filter_map(|(name, found)| Some((name, found.as_ref()?)));
        found.map(|(name, found)| format!("{name} {found}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns why the kernels of a batch are launched one by one, where they should not be.
    #[must_use]
    pub fn without_graphs(&self) -> Option<&str> {
        self.graphs.as_deref().filter(|graphs| *graphs != "recorded")
    }

    /// Returns why the instance sees no SMs.
    pub(super) fn error(&self) -> &str {
        self.error.as_deref().unwrap_or("it reported no SM count")
    }
}

/// Reads all reports in a folder, by name.
///
/// # Errors
/// A description of what is wrong with a report: a share that no instance confirms may not be in force.
pub fn read_reports(folder: &Path) -> Result<Vec<InstanceReport>, String> {
    let unreadable = |path: &Path, error: &dyn Display| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        serde_json::from_str(&text).map_err(|error| unreadable(path, &error))
    };
    paths.iter().map(read).collect()
}

/// The share of a GPU that an instance should see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WantedShare {
    /// The share, in percent.
    pub(super) pct: f64,
    /// The share in SMs.
    pub(super) sms: f64,
    /// Number of SMs by which the seen share may differ.
    pub(super) tolerance: f64,
    /// Number of SMs of the whole GPU.
    pub(super) total: u32,
}

/// MPS allots pairs of SMs (TPCs) on all GPUs so far.
const PAIR: f64 = 2.0;

impl WantedShare {
    /// Creates a share as a percentage of a GPU's SMs. MPS rounds it down by less than one allocation unit of
    /// the plan, which is at least a pair of SMs.
    pub(super) fn percentage(pct: f64, unit_pct: f64, total: u32) -> Self {
        let of = |pct: f64| pct.min(100.0) / 100.0 * f64::from(total);
        Self { pct, sms: of(pct), tolerance: of(unit_pct).max(PAIR), total }
    }

    /// Compares the share with the number of SMs that an instance sees.
    ///
    /// # Errors
    /// A description of the mismatch.
    pub(super) fn check(&self, seen: u32) -> Result<(), String> {
        let seen_f = f64::from(seen);
        let asked = format!("{} % of {} SMs are {:.1}", percentage(self.pct), self.total, self.sms);
        // MPS rounds down, but always grants something.
        if seen_f > self.sms.max(PAIR) + 0.5 {
            return Err(format!("{asked}, but it sees {seen}"));
        }
        if seen_f < self.sms - self.tolerance - 0.01 {
            return Err(format!(
                "{asked}, but it sees only {seen}: more than one allocation unit ({:.1} SMs) is missing, so another \
                 limit is in force, or the GPU allots larger steps (`validate facts` measures them)",
                self.tolerance
            ));
        }
        Ok(())
    }
}

/// Checks that every instance has reported that it sees a GPU, and its share where the GPU is shared; returns
/// the least number of SMs.
///
/// # Errors
/// A description of the problem.
pub(super) fn check_all(
    reports: &[InstanceReport],
    instances: u32,
    wanted: Option<WantedShare>,
) -> Result<Option<u32>, String> {
    if reports.len() != instances as usize {
        return Err(format!(
            "{} of {instances} instances said how many SMs they see",
            reports.len()
        ));
    }
    let mut least = None;
    for report in reports {
        let Some(seen) = report.seen_sm() else {
            return Err(format!("{} sees no GPU: {}", report.instance, report.error()));
        };
        least = Some(least.map_or(seen, |least: u32| least.min(seen)));
        if let Some(wanted) = wanted {
            wanted.check(seen).map_err(|reason| format!("{}: {reason}", report.instance))?;
        }
    }
    Ok(least)
}

/// Returns the value of `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`. CUDA rounds the number of SMs down. The
/// percentage is therefore rounded up where it has more than three decimals: 24 of 132 SMs are 18.1818… %,
/// and 18.181 % would give 22.
#[must_use]
pub(super) fn percentage(sm_pct: f64) -> String {
    let exact = (sm_pct * 1000.0).round() / 1000.0;
    // A value that is a whole number of thousandths except for the last bits counts as that number.
    let rounded =
        if (exact - sm_pct).abs() < 1e-9 { exact } else { (sm_pct * 1000.0).ceil() / 1000.0 };
    format!("{}", rounded.min(100.0))
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
        let check = |pct, unit, total, seen| WantedShare::percentage(pct, unit, total).check(seen);
        let pair = 100.0 / 66.0;
        // 25 % of 132 SMs are 33.
        assert_eq!(check(25.0, pair, 132, 32), Ok(()));
        assert_eq!(check(25.0, pair, 132, 33), Ok(()));
        assert!(check(25.0, pair, 132, 132).unwrap_err().contains("are 33.0, but it sees 132"));
        // One unit of two SMs may be lost to rounding, two may not.
        assert_eq!(check(50.0, pair, 132, 64), Ok(()));
        assert!(check(50.0, pair, 132, 62).unwrap_err().contains("more than one allocation unit"));
        assert!(check(50.0, pair, 132, 13).unwrap_err().contains("another limit"));
        assert_eq!(check(100.0, pair, 132, 132), Ok(()));
        // Something is granted even for a share below one step.
        assert_eq!(check(1.0, pair, 132, 2), Ok(()));
        // A GPU that allots eight at a time, by a profile that says so.
        assert_eq!(check(50.0, 6.25, 132, 64), Ok(()));
        assert!(check(50.0, pair, 132, 56).is_err());
        let partition = WantedShare { pct: 20.0, sms: 24.0, tolerance: 0.0, total: 24 };
        assert_eq!(partition.check(24), Ok(()));
        assert!(partition.check(22).is_err() && partition.check(132).is_err());
    }

    #[test]
    fn a_share_that_nobody_confirms_is_not_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let report =
            r#"{"instance": "a_0_0", "pid": 1, "sm_attribute": 32, "graphs": "not recorded: no"}"#;
        let of = |pct| Some(WantedShare::percentage(pct, 1.5, 132));
        write("a_0_0-1.json", report);
        write("stages", "[]");
        let reports = read_reports(folder.path()).unwrap();
        assert_eq!(reports[0].without_graphs(), Some("not recorded: no"));
        assert_eq!(reports[0].software(), "graphs not recorded: no");
        assert_eq!(check_all(&reports, 1, of(25.0)), Ok(Some(32)));
        assert_eq!(check_all(&reports, 1, None), Ok(Some(32)));
        assert!(check_all(&reports, 1, of(50.0)).unwrap_err().starts_with("a_0_0: 50 %"));
        assert!(check_all(&reports, 2, of(25.0)).unwrap_err().starts_with("1 of 2"));
        assert!(check_all(&[], 1, None).is_err());
        write("a_0_1-2.json", r#"{"instance": "a_0_1", "error": "no libcuda"}"#);
        let error = check_all(&read_reports(folder.path()).unwrap(), 2, None).unwrap_err();
        assert_eq!(error, "a_0_1 sees no GPU: no libcuda");
        write("a_0_1-2.json", "{");
        assert!(read_reports(folder.path()).unwrap_err().contains("a_0_1-2.json"));
        assert!(read_reports(Path::new("/nowhere")).is_err());
    }
}
