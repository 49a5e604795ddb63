//! Which servers are on which GPUs: the plan of an epoch as re-planners handle it.

/// Why a server is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Why {
    /// It is of the first plan.
    #[default]
    First,
    /// Its workload needs another number of servers.
    Replicas,
    /// Its GPU no longer had room for all.
    Evicted,
    /// It made room for another one.
    Pushed,
    /// Its GPU was emptied.
    Emptied,
    /// Several GPUs were packed anew.
    Repacked,
    /// The whole plan was made anew.
    Anew,
    /// An autoscaler added it.
    Scaled,
}

impl Why {
    /// In words.
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
    /// Its share, in units; 0 as long as it is not known.
    pub units: u32,
    /// Its largest batch; 0 as long as it is not known.
    pub batch: u32,
    /// Why it is where it is.
    pub why: Why,
    /// Which server of the timeline it is, once it has started.
    pub(super) started: Option<usize>,
}

impl ReplanServer {
    /// One that has no size yet.
    #[must_use]
    pub fn new(workload: usize, part: f64, why: Why) -> Self {
        Self { workload, part, units: 0, batch: 0, why, started: None }
    }

    /// The same with a size.
    #[must_use]
    pub fn sized(self, units: u32, batch: u32) -> Self {
        Self { units, batch, ..self }
    }

    /// The same as one that is put somewhere else.
    pub(super) fn moved(&self, why: Why) -> Self {
        Self::new(self.workload, self.part, why)
    }
}

/// A GPU with its servers.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuServers {
    /// A number that no other GPU of the run has, while it is rented.
    pub id: usize,
    /// Index of its kind.
    pub kind: usize,
    /// Its servers.
    pub servers: Vec<ReplanServer>,
}

impl GpuServers {
    /// The sum of all shares, in units.
    pub(super) fn units(&self) -> u32 {
        self.servers.iter().map(|server| server.units).sum()
    }

    pub(super) fn count(&self, workload: usize) -> usize {
        self.servers.iter().filter(|server| server.workload == workload).count()
    }
}

/// Numbers for new GPUs.
#[derive(Debug, Default)]
pub(super) struct Ids(usize);

impl Ids {
    pub(super) fn next(&mut self) -> usize {
        self.0 += 1;
        self.0 - 1
    }
}

/// How many servers each workload has.
pub(super) fn counts(machines: &[GpuServers], workloads: usize) -> Vec<u32> {
    let mut counts = vec![0; workloads];
    for server in machines.iter().flat_map(|machine| &machine.servers) {
        counts[server.workload] += 1;
    }
    counts
}

/// Who stays on a GPU: pairs of the places of a server before and after. Of several servers of a workload, those with
/// equal shares are paired first.
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

/// How many servers of the new plan are on GPUs where they were not.
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
