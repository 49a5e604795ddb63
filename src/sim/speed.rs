//! How fast each batch of a GPU runs, and what the GPU draws, for any set of executing batches.
//!
//! The predictor is asked once for each set that occurs; after that it is a table look-up, so the
//! cost of the event loop does not depend on the form of the predictor.

use super::Interference;
use crate::domain::ModelId;
use crate::predictor::{CoLocationPrediction, Member, MemberPrediction, Predictor};
use crate::units::{BatchSize, Milliseconds, Nanoseconds, SmPercent};
use std::collections::BTreeMap;

/// The largest table with a place for every possible set: 4 MiB.
const DENSE_LIMIT: usize = 1 << 20;

/// A server as the table sees it. Each instance of a server is a *slot*, numbered server by server.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedServer {
    pub(super) model: ModelId,
    /// The planned batch size.
    pub(super) batch: BatchSize,
    /// The share of all its instances together.
    pub(super) share: SmPercent,
    pub(super) instances: u32,
    /// The largest batch that its batcher forms.
    pub(super) max_batch: usize,
}

/// What holds while one set of batches executes.
#[derive(Debug)]
pub(super) struct SetState {
    /// The time of a whole batch of each slot, in ns; 0 where none executes.
    pub(super) exec_ns: Box<[f64]>,
    /// How many execute.
    pub(super) running: u32,
    /// The shares of the servers that execute, in percent.
    pub(super) busy_sm_pct: f64,
    pub(super) power_w: f64,
    pub(super) clock_mhz: f64,
}

/// A number of the predictor that is no time or no power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BadPrediction {
    pub(super) server: Option<usize>,
    pub(super) batch: usize,
    pub(super) what: &'static str,
    pub(super) value: f64,
}

/// The states of one GPU, computed on demand.
#[derive(Debug)]
pub(super) struct SpeedTable<'a> {
    predictor: &'a dyn Predictor,
    interference: Interference,
    servers: Vec<PlannedServer>,
    /// The server of each slot.
    slot_server: Vec<usize>,
    index: StateIndex,
    states: Vec<SetState>,
}

/// Finds the state of a set, given the batch size of each slot (0: none executes).
#[derive(Debug)]
enum StateIndex {
    /// A mixed-radix number over all sets; an entry is 1 + the position of the state, or 0.
    Dense { strides: Vec<usize>, table: Vec<u32> },
    /// For GPUs with more sets than fit.
    Sparse(BTreeMap<Box<[u32]>, u32>),
}

impl<'a> SpeedTable<'a> {
    pub(super) fn new(
        predictor: &'a dyn Predictor,
        interference: Interference,
        servers: Vec<PlannedServer>,
    ) -> Self {
        let slot_server: Vec<usize> = servers
            .iter()
            .enumerate()
            .flat_map(|(i, server)| (0..server.instances).map(move |_| i))
            .collect();
        let index = StateIndex::new(slot_server.iter().map(|&server| servers[server].max_batch));
        Self { predictor, interference, servers, slot_server, index, states: Vec::new() }
    }

    pub(super) fn slots(&self) -> usize {
        self.slot_server.len()
    }

    pub(super) fn state(&self, position: usize) -> &SetState {
        &self.states[position]
    }

    /// The position of the state in which the slots execute batches of these sizes.
    pub(super) fn find(&mut self, sizes: &[u32]) -> Result<usize, BadPrediction> {
        if let Some(position) = self.index.get(sizes) {
            return Ok(position);
        }
        let state = self.compute(sizes)?;
        self.index.insert(sizes, self.states.len());
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// Copies of a batch of `rows` to the GPU and back (t_load and t_feedback of the iGniter paper).
    ///
    /// A copy is no execution, so it has no set of batches executing with it; where a predictor lets
    /// the co-location slow the copies, the planned one counts, or none with
    /// [`Interference::None`].
    pub(super) fn transfers(
        &self,
        server: usize,
        rows: usize,
    ) -> Result<(Nanoseconds, Nanoseconds), BadPrediction> {
        let prediction = match self.interference {
            Interference::Dynamic | Interference::Static => self.in_plan(server, rows),
            Interference::None => self.alone(server, rows, 1),
        };
        let check = |what, ms| {
            let bad = BadPrediction { server: Some(server), batch: rows, what, value: ms };
            Milliseconds::new(ms).map(Milliseconds::to_nanoseconds).map_err(|_| bad)
        };
        Ok((check("load_ms", prediction.load_ms)?, check("feedback_ms", prediction.feedback_ms)?))
    }

    fn compute(&self, sizes: &[u32]) -> Result<SetState, BadPrediction> {
        let mut executing = vec![0_u32; self.servers.len()];
        let running: Vec<(usize, usize)> = sizes
            .iter()
            .enumerate()
            .filter(|(_, size)| **size > 0)
            .map(|(slot, size)| (slot, *size as usize))
            .collect();
        for (slot, _) in &running {
            executing[self.slot_server[*slot]] += 1;
        }
        let members: Vec<Member> = running
            .iter()
            .map(|(slot, rows)| {
                let server = self.slot_server[*slot];
                self.member(server, *rows, executing[server])
            })
            .collect();
        let now = self.predictor.predict(&members);

        let mut exec_ns = vec![0.0; sizes.len()].into_boxed_slice();
        for (i, (slot, rows)) in running.iter().enumerate() {
            let server = self.slot_server[*slot];
            let ms = match self.interference {
                Interference::Dynamic => now.members[i].gpu_ms,
                Interference::Static => self.in_plan(server, *rows).gpu_ms,
                Interference::None => self.alone(server, *rows, executing[server]).gpu_ms,
            };
            if Milliseconds::new(ms).is_err() {
                let what = "gpu_ms";
                return Err(BadPrediction { server: Some(server), batch: *rows, what, value: ms });
            }
            exec_ns[*slot] = ms * 1e6;
        }
        let CoLocationPrediction { power_w, clock_mhz, .. } = now;
        for (what, value) in [("power_w", power_w), ("clock_mhz", clock_mhz)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(BadPrediction { server: None, batch: 0, what, value });
            }
        }
        let busy = self.servers.iter().zip(&executing).filter(|(_, executing)| **executing > 0);
        Ok(SetState {
            exec_ns,
            running: executing.iter().sum(),
            busy_sm_pct: busy.map(|(server, _)| server.share.get()).sum(),
            power_w,
            clock_mhz,
        })
    }

    /// A batch of a server of which `executing` instances share the SMs.
    fn member(&self, server: usize, rows: usize, executing: u32) -> Member {
        let server = &self.servers[server];
        let share = server.share.get() / f64::from(executing);
        Member {
            model: server.model,
            batch: u32::try_from(rows).ok().and_then(|rows| BatchSize::new(rows).ok()).expect(
                "a batch has at least one request and at most the maximum batch size of its server",
            ),
            sm: SmPercent::new(share).expect("a part of a positive share is positive"),
        }
    }

    /// A batch among all instances of all servers at their planned batch sizes.
    fn in_plan(&self, server: usize, rows: usize) -> MemberPrediction {
        let mut members: Vec<Member> = self
            .slot_server
            .iter()
            .map(|&other| {
                let planned = &self.servers[other];
                self.member(other, planned.batch.get() as usize, planned.instances)
            })
            .collect();
        let slot = self.slot_server.partition_point(|&other| other < server);
        members[slot] = self.member(server, rows, self.servers[server].instances);
        self.predictor.predict(&members).members[slot]
    }

    /// A batch alone on the GPU, but for `executing − 1` other instances that share its SMs.
    fn alone(&self, server: usize, rows: usize, executing: u32) -> MemberPrediction {
        self.predictor.predict(&[self.member(server, rows, executing)]).members[0]
    }
}

impl StateIndex {
    fn new(max_sizes: impl Iterator<Item = usize>) -> Self {
        let mut strides = Vec::new();
        let mut sets = 1_usize;
        for max in max_sizes {
            strides.push(sets);
            sets = sets.saturating_mul(max.saturating_add(1));
        }
        if sets <= DENSE_LIMIT {
            Self::Dense { strides, table: vec![0; sets] }
        } else {
            Self::Sparse(BTreeMap::new())
        }
    }

    fn get(&self, sizes: &[u32]) -> Option<usize> {
        let entry = match self {
            Self::Dense { strides, table } => table[Self::number(strides, sizes)],
            Self::Sparse(map) => map.get(sizes).copied().unwrap_or(0),
        };
        entry.checked_sub(1).map(|position| position as usize)
    }

    fn insert(&mut self, sizes: &[u32], position: usize) {
        let entry = u32::try_from(position + 1).expect("fewer than 2^32 sets occur");
        match self {
            Self::Dense { strides, table } => table[Self::number(strides, sizes)] = entry,
            Self::Sparse(map) => {
                map.insert(sizes.into(), entry);
            }
        }
    }

    fn number(strides: &[usize], sizes: &[u32]) -> usize {
        strides.iter().zip(sizes).map(|(stride, size)| stride * *size as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_sparse_indices_agree() {
        let max = [3, 1, 4];
        let mut dense = StateIndex::new(max.into_iter());
        assert!(matches!(&dense, StateIndex::Dense { table, .. } if table.len() == 4 * 2 * 5));
        let mut sparse = StateIndex::Sparse(BTreeMap::new());
        let sets = [[0, 0, 0], [3, 1, 4], [0, 1, 0], [3, 0, 0], [0, 0, 1], [1, 1, 1]];
        for (position, sizes) in sets.into_iter().enumerate() {
            assert_eq!((dense.get(&sizes), sparse.get(&sizes)), (None, None));
            dense.insert(&sizes, position);
            sparse.insert(&sizes, position);
            assert_eq!((dense.get(&sizes), sparse.get(&sizes)), (Some(position), Some(position)));
        }
        assert!(matches!(StateIndex::new([usize::MAX; 3].into_iter()), StateIndex::Sparse(_)));
    }
}
