//! The settings of re-planning: the `[replan]` table.

/// The method that decides on servers and GPUs after the first plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// One plan for the highest rate that each workload has in the run; it never changes.
    Static,
    /// A new plan in each epoch. GPU j of the new plan replaces GPU j of the old one.
    Scratch,
    /// As `Scratch`, with the new plan's GPUs matched to those of the old one so that most servers stay where they are.
    Matched,
    /// The old plan, changed where that pays.
    #[default]
    Sticky,
    /// Servers of one size for each workload, as many as its rate requires, like the autoscalers of Knative and
    /// Kubernetes.
    Replicas,
}

impl Policy {
    /// All variants with their names in files.
    pub const ALL: [(&'static str, Self); 5] = [
        ("static", Self::Static),
        ("scratch", Self::Scratch),
        ("matched", Self::Matched),
        ("sticky", Self::Sticky),
        ("replicas", Self::Replicas),
    ];

    /// Returns the name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, policy)| *policy == self).map_or("", |(word, _)| word)
    }
}

/// The source of the rates that are forecast for an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ForecastKind {
    /// The epoch itself, as in a perfect forecast.
    Oracle,
    /// The previous epoch.
    Last,
    /// The highest rate of a number of previous epochs (1 to 1000).
    Peak {
        /// Number of epochs.
        epochs: u32,
    },
    /// The same epoch of the previous day, scaled by the ratio of the previous epoch to its own counterpart on the day
    /// before (0.5 to 2).
    Season {
        /// The length of a day, in s; a multiple of the epoch.
        period_s: f64,
    },
}

/// The statistic that gives the rate of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The rate of the busiest window.
    Max,
    /// The mean rate of all windows.
    Mean,
}

/// How rates are forecast. Forecasts use only the counts of arrivals per window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastSpec {
    /// The source of the rates.
    pub kind: ForecastKind,
    /// Headroom on top of the forecast rate, in percent (0 to 1000).
    pub headroom_pct: f64,
    /// The statistic that gives the rate of an epoch.
    pub statistic: Statistic,
    /// Length of the windows in which arrivals are counted, in s (1 to 86400).
    pub window_s: f64,
}

/// How one plan is replaced by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverMode {
    /// The old and the new server of a workload both run until the new one is ready, and their GPUs must have room for
    /// both.
    Room,
    /// As `Room`, but the shares on a GPU may exceed 100 % during the hand-over.
    Overlap,
    /// The old server stops first; requests wait until the new one is ready.
    Gap,
}

impl HandoverMode {
    /// All variants with their names in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("room", Self::Room), ("overlap", Self::Overlap), ("gap", Self::Gap)];
}

/// The mode, delays and billing of hand-overs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HandoverSpec {
    /// How one plan is replaced by the next.
    pub mode: HandoverMode,
    /// Loading time of a server, in s (0 to 3600), unless its workload specifies another.
    pub load_s: f64,
    /// Boot time of a GPU, in s (0 to 3600).
    pub boot_s: f64,
    /// Billing unit of GPUs, in s: 1, 60 or 3600.
    pub billing_s: u32,
}

/// The target of an autoscaler: the rate per replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplicaTarget {
    /// A percentage (1 to 100) of a replica's throughput.
    ThroughputPct(f64),
    /// The highest rate at which a replica meets its SLO.
    Slo,
}

/// Settings of the autoscalers of the Kubernetes HPA and of Knative, for policy `replicas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicasSpec {
    /// The target rate per replica. Knative's default is 70 % (`container-concurrency-target-percentage`).
    pub target: ReplicaTarget,
    /// Number of replicas at a workload's highest rate (1 to 64), which sets their size.
    pub at_peak: u32,
    /// Time for which fewer replicas must have been sufficient before any are removed, in s (0 to 3600). The default of
    /// the HPA is 300 s (`--horizontal-pod-autoscaler-downscale-stabilization`).
    pub scale_down_s: f64,
    /// Length of the stable window, in s. Knative's default is 60 s.
    pub window_s: f64,
    /// Length of the panic window, in percent of the stable window. Knative's default is 10 %.
    pub panic_window_pct: f64,
    /// Panic threshold: panic starts when the panic window requires at least this percentage of the ready replicas;
    /// during panic, no replicas are removed. Knative's default is 200 %.
    pub panic_threshold_pct: f64,
}

/// The `[replan]` table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplanSpec {
    /// The policy.
    pub policy: Policy,
    /// The length of an epoch, in s (10 to 86400).
    pub period_s: f64,
    /// How rates are forecast.
    pub forecast: ForecastSpec,
    /// Cost of a move, in GPU-seconds (0 to 86400).
    pub move_cost_gpu_s: f64,
    /// Time for which the servers of a GPU must have had room elsewhere before it is emptied, in s (0 to 86400).
    pub hold_s: f64,
    /// Whether servers are added within an epoch where a rate exceeds its forecast.
    pub early: bool,
    /// Settings of hand-overs.
    pub handover: HandoverSpec,
    /// Settings of the autoscaler of policy `replicas`.
    pub replicas: ReplicasSpec,
}

impl Default for ReplanSpec {
    fn default() -> Self {
        Self {
            policy: Policy::Sticky,
            period_s: 900.0,
            forecast: ForecastSpec {
                kind: ForecastKind::Last,
                headroom_pct: 10.0,
                statistic: Statistic::Max,
                window_s: 60.0,
            },
            move_cost_gpu_s: 60.0,
            hold_s: 0.0,
            early: true,
            handover: HandoverSpec {
                mode: HandoverMode::Room,
                load_s: 20.0,
                boot_s: 120.0,
                billing_s: 1,
            },
            replicas: ReplicasSpec {
                target: ReplicaTarget::ThroughputPct(70.0),
                at_peak: 4,
                scale_down_s: 300.0,
                window_s: 60.0,
                panic_window_pct: 10.0,
                panic_threshold_pct: 200.0,
            },
        }
    }
}
