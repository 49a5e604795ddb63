//! How a model's execution divides into copies and kernels, as reported by the model itself
//! (`python/igniter_instance.py`).

use std::path::Path;

/// Sums so far, by batch size.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StageSums(Vec<(u32, u64, f64, f64, f64)>);

impl StageSums {
    /// Reads the file of a model; empty where the model has not reported anything yet.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Returns the mean times of copies to the GPU, kernels, and copies back of batches of one size since an earlier
    /// snapshot, in ms.
    pub(super) fn since(&self, before: &Self, batch: u32) -> Option<[f64; 3]> {
        let of = |stages: &Self| stages.0.iter().find(|entry| entry.0 == batch).copied();
        let (_, count, load, kernels, back) = of(self)?;
        let (_, count0, load0, kernels0, back0) = of(before).unwrap_or((batch, 0, 0.0, 0.0, 0.0));
        let batches = count.checked_sub(count0).filter(|batches| *batches > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "few batches")]
        let mean = |now: f64, then: f64| (now - then) / batches as f64;
        Some([mean(load, load0), mean(kernels, kernels0), mean(back, back0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_came_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stages");
        assert_eq!(StageSums::read(&path), StageSums::default());
        std::fs::write(&path, "[[1, 9, 9.0, 9.0, 9.0], [4, 2, 1.0, 10.0, 0.5]]").unwrap();
        let before = StageSums::read(&path);
        std::fs::write(&path, "[[1, 9, 9.0, 9.0, 9.0], [4, 4, 2.0, 22.0, 1.5]]").unwrap();
        let after = StageSums::read(&path);
        // (2 − 1)/2, (22 − 10)/2, (1.5 − 0.5)/2
        assert_eq!(after.since(&before, 4), Some([0.5, 6.0, 0.5]));
        assert_eq!(after.since(&before, 1), None, "none since");
        assert_eq!(after.since(&StageSums::default(), 4), Some([0.5, 5.5, 0.375]));
        assert_eq!(after.since(&before, 8), None);
    }
}
