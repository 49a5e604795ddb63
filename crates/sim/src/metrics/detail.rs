//! The resolution of series and distributions.

/// The largest number of workloads for which series and distributions are kept in full. Beyond it they are
/// proportionally coarser: otherwise they would take more memory than all the rest, and give tables of millions of
/// rows.
const FULL: usize = 200;

/// The numbers of bins and points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Detail {
    /// Number of bins of the series of a GPU.
    pub(super) gpu_bins: usize,
    /// Number of bins of the latencies of a workload over time.
    pub(super) latency_bins: usize,
    /// Number of points of the distribution of the latencies of a workload.
    pub(super) cdf_points: usize,
}

impl Detail {
    /// Returns the resolution for a scenario with this number of workloads.
    pub(super) fn of(workloads: usize) -> Self {
        let part = |most: usize, least: usize| (most * FULL / workloads.max(1)).clamp(least, most);
        Self { gpu_bins: part(240, 48), latency_bins: part(120, 24), cdf_points: part(500, 50) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scenarios_of_hundreds_of_workloads_are_kept_less_finely() {
        let full = Detail { gpu_bins: 240, latency_bins: 120, cdf_points: 500 };
        assert_eq!([0, 12, 200].map(Detail::of), [full; 3]);
        let large = Detail { gpu_bins: 48, latency_bins: 24, cdf_points: 100 };
        assert_eq!(Detail::of(1_000), large);
    }
}
