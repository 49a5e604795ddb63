//! The placement of servers on GPUs: the plan of an epoch as re-planners use it.

/// The reason for the place of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Why {
    /// It belongs to the first plan.
    #[default]
    First,
    /// The number of servers of its workload changed.
    Replicas,
    /// Its GPU no longer had room for all of its servers.
    Evicted,
    /// It made room for another server.
    Pushed,
    /// Its GPU was emptied.
    Emptied,
    /// Several GPUs were repacked.
    Repacked,
    /// The whole plan was made from scratch.
    Anew,
    /// An autoscaler added it.
    Scaled,
}

impl Why {
    /// Returns the reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first plan",
            Self::Replicas => "its workload needs another number of servers",
            Self::Evicted => "its GPU had no room for all of its servers",
            Self::Pushed => "it made room for another server",
            Self::Emptied => "its GPU was emptied",
            Self::Repacked => "a few GPUs were packed anew",
            Self::Anew => "the whole plan was made anew",
            Self::Scaled => "an autoscaler added it",
        }
    }
}

/// A server of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplanServer {
    /// Index of its workload.
    pub workload: usize,
    /// The part of the workload's rate that it serves (0 to 1).
    pub part: f64,
    /// Its share, in units; 0 while unknown.
    pub units: u32,
    /// Its largest batch; 0 while unknown.
    pub batch: u32,
    /// The reason for its place.
    pub why: Why,
    /// Index of the server in the timeline, once it has started.
    pub(super) started: Option<usize>,
}

impl ReplanServer {
    /// Creates a server without a size.
    #[must_use]
    pub fn new(workload: usize, part: f64, why: Why) -> Self {
        Self { workload, part, units: 0, batch: 0, why, started: None }
    }

    /// Returns the server with a size.
    #[must_use]
    pub fn sized(self, units: u32, batch: u32) -> Self {
        Self { units, batch, ..self }
    }

    /// Returns the server without its size and start, for another place.
    pub(super) fn moved(&self, why: Why) -> Self {
        Self::new(self.workload, self.part, why)
    }
}

/// A GPU with its servers.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuServers {
    /// A number that is unique among the GPUs of the run while it is rented.
    pub id: usize,
    /// Index of its kind.
    pub kind: usize,
    /// Its servers.
    pub servers: Vec<ReplanServer>,
}

impl GpuServers {
    /// Returns the sum of all shares, in units.
    pub(super) fn units(&self) -> u32 {
        self.servers.iter().map(|server| server.units).sum()
    }

    pub(super) fn count(&self, workload: usize) -> usize {
        self.servers.iter().filter(|server| server.workload == workload).count()
    }
}

/// Generator of numbers for new GPUs.
#[derive(Debug, Default)]
pub(super) struct Ids(usize);

impl Ids {
    pub(super) fn next(&mut self) -> usize {
        self.0 += 1;
        self.0 - 1
    }
}

/// Returns the number of servers of each workload.
pub(super) fn counts(machines: &[GpuServers], workloads: usize) -> Vec<u32> {
    let mut counts = vec![0; workloads];
    for server in machines.iter().flat_map(|machine| &machine.servers) {
        counts[server.workload] += 1;
    }
    counts
}

/// Returns the servers that stay on a GPU, as pairs of their places before and after. Of several servers of a
/// workload, those with equal shares are paired first.
pub(super) fn staying(old: &[ReplanServer], new: &[ReplanServer]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for same_share in [true, false] {
        for (after, server) in new.iter().enumerate() {
            if pairs.iter().any(|pair| pair.1 == after) {
                continue;
            }
            let before = old.iter().enumerate().position(|(before, known)| {
                known.workload == server.workload
                    && (!same_share || known.units == server.units)
                    && pairs.iter().all(|pair| pair.0 != before)
            });
            pairs.extend(before.map(|before| (before, after)));
        }
    }
    pairs
}

/// Returns the number of servers of the new plan on GPUs where they were not before.
pub(super) fn moves(old: &[GpuServers], new: &[GpuServers]) -> usize {
    let stays = |machine: &GpuServers| {
        let Some(before) = old.iter().find(|before| before.id == machine.id) else { return 0 };
        let mut left: Vec<usize> = before.servers.iter().map(|server| server.workload).collect();
        let mut stays = 0;
        for server in &machine.servers {
            if let Some(place) = left.iter().position(|workload| *workload == server.workload) {
                left.swap_remove(place);
                stays += 1;
            }
        }
        stays
    };
    new.iter().map(|machine| machine.servers.len() - stays(machine)).sum()
}
