//! Triton's own statistics, which are cumulative: snapshots and their differences.

use serde::{Deserialize, Serialize};

/// The counters of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStatistics {
    /// Number of requests that succeeded.
    pub success: u64,
    /// Number of requests that failed.
    pub failed: u64,
    /// Number of rows that were executed.
    pub inferences: u64,
    /// Number of batches that were executed.
    pub executions: u64,
    /// Sums over requests: queue, compute input, compute infer, compute output, in ns.
    pub stage_ns: [u64; 4],
    /// For each batch size that occurred: the size, the number of executions, and the sums over executions of
    /// compute input, infer and output, in ns.
    pub batches: Vec<(u32, u64, [u64; 3])>,
}

impl ServerStatistics {
    /// Reads the answer of a server; missing counters count as 0.
    #[must_use]
    pub fn read(answer: &serde_json::Value) -> Self {
        let stats = &answer["inference_stats"];
        let count = |key: &str| stats[key]["count"].as_u64().unwrap_or(0);
        let ns = |key: &str| stats[key]["ns"].as_u64().unwrap_or(0);
        let sizes = answer["batch_stats"].as_array().map(Vec::as_slice).unwrap_or_default();
        let batch = |entry: &serde_json::Value| {
            let ns = |key: &str| entry[key]["ns"].as_u64().unwrap_or(0);
            let size = u32::try_from(entry["batch_size"].as_u64()?).ok()?;
            let count = entry["compute_infer"]["count"].as_u64()?;
            Some((size, count, ["compute_input", "compute_infer", "compute_output"].map(ns)))
        };
        Self {
            success: count("success"),
            failed: count("fail"),
            inferences: answer["inference_count"].as_u64().unwrap_or(0),
            executions: answer["execution_count"].as_u64().unwrap_or(0),
            stage_ns: ["queue", "compute_input", "compute_infer", "compute_output"].map(ns),
            batches: sizes.iter().filter_map(batch).collect(),
        }
    }

    /// Returns the difference from an earlier snapshot.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut batches = self.batches.clone();
        for (size, count, ns) in &mut batches {
            if let Some((_, old, old_ns)) = before.batches.iter().find(|(other, ..)| other == size)
            {
                *count = count.saturating_sub(*old);
                *ns = std::array::from_fn(|i| ns[i].saturating_sub(old_ns[i]));
            }
        }
        batches.retain(|(_, count, _)| *count > 0);
        let stage = |i: usize| self.stage_ns[i].saturating_sub(before.stage_ns[i]);
        Self {
            success: self.success.saturating_sub(before.success),
            failed: self.failed.saturating_sub(before.failed),
            inferences: self.inferences.saturating_sub(before.inferences),
            executions: self.executions.saturating_sub(before.executions),
            stage_ns: std::array::from_fn(stage),
            batches,
        }
    }

    /// Returns the sum of the counters of two servers.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.success += other.success;
        self.failed += other.failed;
        self.inferences += other.inferences;
        self.executions += other.executions;
        self.stage_ns = std::array::from_fn(|i| self.stage_ns[i] + other.stage_ns[i]);
        for (size, count, ns) in other.batches {
            match self.batches.iter_mut().find(|(own, ..)| *own == size) {
                Some((_, own_count, own_ns)) => {
                    *own_count += count;
                    *own_ns = std::array::from_fn(|i| own_ns[i] + ns[i]);
                }
                None => self.batches.push((size, count, ns)),
            }
        }
        self
    }

    /// Returns the mean over requests of some stages (queue, compute input, infer, output), in ms.
    #[must_use]
    pub fn per_request_ms(&self, stages: std::ops::Range<usize>) -> Option<f64> {
        let ns: u64 = self.stage_ns.get(stages)?.iter().sum();
        (self.success > 0).then(|| ns as f64 / 1e6 / self.success as f64)
    }

    /// Returns the mean compute input, infer and output times of batches of one size, in ms, and the number
    /// of batches.
    #[must_use]
    pub fn of_size(&self, size: u32) -> Option<([f64; 3], u64)> {
        let (_, count, ns) = self.batches.iter().find(|(other, ..)| *other == size)?;
        (*count > 0).then(|| (ns.map(|ns| ns as f64 / 1e6 / *count as f64), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_by_hand() {
        let answer = |scale: u64| {
            serde_json::json!({
                "inference_count": 8 * scale, "execution_count": 2 * scale,
                "inference_stats": {
                    "success": {"count": 8 * scale, "ns": 1}, "fail": {"count": 0, "ns": 0},
                    "queue": {"count": 8, "ns": 16_000_000 * scale},
                    "compute_infer": {"count": 8, "ns": 80_000_000 * scale}
                },
                "batch_stats": [{
                    "batch_size": 4,
                    "compute_input": {"count": 2 * scale, "ns": 2_000_000 * scale},
                    "compute_infer": {"count": 2 * scale, "ns": 20_000_000 * scale},
                    "compute_output": {"count": 2 * scale, "ns": 0}
                }]
            })
        };
        let before = ServerStatistics::read(&answer(1));
        let since = ServerStatistics::read(&answer(3)).since(&before);
        // 16 requests: queue 32 ms, infer 160 ms; 4 batches of 4.
        assert_eq!(since.stage_ns, [32_000_000, 0, 160_000_000, 0]);
        assert_eq!(since.of_size(4), Some(([1.0, 10.0, 0.0], 4)));
        assert_eq!((since.inferences, since.executions, since.of_size(3)), (16, 4, None));
        assert_eq!(before.since(&before).of_size(4), None);
    }
}
