//! What a user asks of re-planning: the `[replan]` table.

/// Who decides what runs where after the first plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// One plan for the highest rate that each workload has in the run; it stays.
    Static,
    /// A new plan in each epoch. GPU j of the new plan is GPU j of the old one.
    Scratch,
    /// The same, with the new plan's GPUs matched to those of the old one so that most servers stay where they are.
    Matched,
    /// The old plan is changed where that pays.
    #[default]
    Sticky,
    /// Servers of one size for each workload, as many as its rate asks for: what the autoscalers of Knative and
    /// Kubernetes do.
    Replicas,
}

impl Policy {
    /// All of them with their words in files.
    pub const ALL: [(&'static str, Self); 5] = [
        ("static", Self::Static),
        ("scratch", Self::Scratch),
        ("matched", Self::Matched),
        ("sticky", Self::Sticky),
        ("replicas", Self::Replicas),
    ];

    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, policy)| *policy == self).map_or("", |(word, _)| word)
    }
}

/// Where the rates of an epoch are taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ForecastKind {
    /// From the epoch itself: what a perfect forecast would say.
    Oracle,
    /// From the epoch before.
    Last,
    /// The highest of so many epochs before (1 to 1000).
    Peak {
        /// How many.
        epochs: u32,
    },
    /// From the same epoch of the day before, scaled by how the epoch before compares with its own (0.5 to 2 times).
    Season {
        /// The length of a day, in s; a multiple of the epoch.
        period_s: f64,
    },
}

/// Which rate of an epoch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// That of the busiest window.
    Max,
    /// The mean of all windows.
    Mean,
}

/// How rates are forecast. All forecasts see counts of arrivals by window, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastSpec {
    /// Where rates are taken from.
    pub kind: ForecastKind,
    /// How much more than that is planned for, in percent (0 to 1000).
    pub headroom_pct: f64,
    /// Which rate of an epoch counts.
    pub statistic: Statistic,
    /// The windows in which arrivals are counted, in s (1 to 86400).
    pub window_s: f64,
}

/// How one plan is replaced by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverMode {
    /// The old and the new server of a workload run until the new one is ready, and their GPUs must have room for both.
    Room,
    /// The same, but shares of a GPU may exceed the whole meanwhile.
    Overlap,
    /// The old server goes first; requests wait until the new one is ready.
    Gap,
}

impl HandoverMode {
    /// All of them with their words in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("room", Self::Room), ("overlap", Self::Overlap), ("gap", Self::Gap)];
}

/// What a hand-over costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HandoverSpec {
    /// How plans replace each other.
    pub mode: HandoverMode,
    /// How long a server loads, in s (0 to 3600), where its workload says nothing else.
    pub load_s: f64,
    /// How long a GPU boots, in s (0 to 3600).
    pub boot_s: f64,
    /// GPUs are billed in units of so many seconds: 1, 60 or 3600.
    pub billing_s: u32,
}

/// What an autoscaler aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplicaTarget {
    /// So many percent (1 to 100) of a replica's throughput.
    ThroughputPct(f64),
    /// The highest rate with which a replica keeps its SLO.
    Slo,
}

/// The autoscalers of the Kubernetes HPA and of Knative: policy `replicas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicasSpec {
    /// What they aim at. Knative's default is 70 % (`container-concurrency-target-percentage`).
    pub target: ReplicaTarget,
    /// How many replicas there are at a workload's highest rate (1 to 64), which sets their size.
    pub at_peak: u32,
    /// Fewer replicas only once fewer would have done for so long, in s (0 to 3600). The default of the HPA is 300 s
    /// (`--horizontal-pod-autoscaler-downscale-stabilization`).
    pub scale_down_s: f64,
    /// The stable window, in s. Knative's default is 60 s.
    pub window_s: f64,
    /// The panic window, in percent of the stable one. Knative's default is 10 %.
    pub panic_window_pct: f64,
    /// It panics when the panic window asks for so many percent of the replicas that there are, and then never takes
    /// any away. Knative's default is 200 %.
    pub panic_threshold_pct: f64,
}

/// The `[replan]` table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplanSpec {
    /// Who decides.
    pub policy: Policy,
    /// The length of an epoch, in s (10 to 86400).
    pub period_s: f64,
    /// How rates are forecast.
    pub forecast: ForecastSpec,
    /// What a move costs, in seconds of a GPU (0 to 86400).
    pub move_cost_gpu_s: f64,
    /// A GPU is emptied only if its servers would also have had room elsewhere for so long, in s (0 to 86400).
    pub hold_s: f64,
    /// Whether servers are added within an epoch where a rate exceeds its forecast.
    pub early: bool,
    /// What a hand-over costs.
    pub handover: HandoverSpec,
    /// The autoscaler of policy `replicas`.
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
