//! The table of the states of one GPU: a row of speeds for each set of executing batches.

use crate::sim::speed::{BadPrediction, SetState, Speeds};
use crate::units::Nanoseconds;
use std::collections::BTreeMap;

/// How many states are remembered. More are computed anew, so that memory does not grow with the length
/// of a run.
const REMEMBERED: usize = 1 << 16;

/// The most sets that each get a place of their own: 256 KiB.
const DENSE: u64 = 1 << 16;

/// What the GPU does in a state, besides the speeds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub(super) running: u32,
    pub(super) busy_sm_pct: f64,
    pub(super) power_w: f64,
    pub(super) clock_mhz: f64,
}

/// The states that occurred, and the present set of executing batches.
#[derive(Debug)]
pub(super) struct States<'a> {
    speeds: Speeds<'a>,
    /// The batch size of each slot; 0 where none executes.
    sizes: Vec<u32>,
    /// The same as one number, if it fits.
    number: u64,
    index: Index,
    /// A row of `sizes.len()` execution times in ns for each state.
    exec_ns: Vec<f64>,
    draws: Vec<Draw>,
    /// How many states are remembered.
    limit: usize,
}

/// Where the state of a set is.
#[derive(Debug)]
enum Index {
    /// By mixed-radix number: 1 + the position at the place of each number, or 0.
    Dense { strides: Vec<u64>, table: Vec<u32> },
    /// By mixed-radix number, of which there are too many: a hash table of `(number + 1, position)` with open addressing, in which 0
    /// stands for an empty place. Its length is a power of two.
    Numbers { strides: Vec<u64>, table: Vec<(u64, u32)> },
    /// By sizes, for GPUs with more sets than a number has values.
    Sizes(BTreeMap<Box<[u32]>, u32>),
}

impl<'a> States<'a> {
    pub(super) fn new(speeds: Speeds<'a>) -> Self {
        let mut sets = Some(1_u64);
        let strides: Option<Vec<u64>> = speeds
            .max_sizes()
            .map(|max| {
                let stride = sets?;
                sets =
                    u64::try_from(max).ok().and_then(|max| stride.checked_mul(max.checked_add(1)?));
                sets.and(Some(stride))
            })
            .collect();
        let index = match (strides, sets) {
            (Some(strides), Some(sets @ ..=DENSE)) => {
                let sets = usize::try_from(sets).expect("no more than the limit");
                Index::Dense { strides, table: vec![0; sets] }
            }
            (Some(strides), _) => Index::Numbers { strides, table: vec![(0, 0); 64] },
            (None, _) => Index::Sizes(BTreeMap::new()),
        };
        let sizes = vec![0; speeds.slots()];
        let (exec_ns, draws) = (Vec::new(), Vec::new());
        Self { speeds, sizes, number: 0, index, exec_ns, draws, limit: REMEMBERED }
    }

    /// Load and feedback time of a batch of a server.
    pub(super) fn transfers(
        &self,
        server: usize,
        rows: usize,
    ) -> Result<(Nanoseconds, Nanoseconds), Box<BadPrediction>> {
        Ok(self.speeds.transfers(server, rows)?)
    }

    /// A batch of `rows` begins to execute in an idle slot.
    pub(super) fn start(&mut self, slot: usize, rows: u32) {
        self.sizes[slot] = rows;
        self.number += self.index.stride(slot) * u64::from(rows);
    }

    /// The batch of a slot ends.
    pub(super) fn end(&mut self, slot: usize) {
        let rows = std::mem::take(&mut self.sizes[slot]);
        self.number -= self.index.stride(slot) * u64::from(rows);
    }

    /// The position of the present state.
    #[inline]
    pub(super) fn find(&mut self) -> Result<usize, Box<BadPrediction>> {
        if let Index::Dense { table, .. } = &self.index {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a number below the length of a table"
            )]
            let entry = table[self.number as usize];
            if entry > 0 {
                return Ok(entry as usize - 1);
            }
        }
        self.find_sparse()
    }

    fn find_sparse(&mut self) -> Result<usize, Box<BadPrediction>> {
        let known = match &self.index {
            Index::Dense { .. } => None,
            Index::Numbers { table, .. } => {
                let (key, position) = table[place(table, self.number + 1)];
                (key != 0).then_some(position)
            }
            Index::Sizes(map) => map.get(self.sizes.as_slice()).copied(),
        };
        match known {
            Some(position) => Ok(position as usize),
            None => self.add(),
        }
    }

    /// The execution times of a state by slot, in ns.
    pub(super) fn exec_ns(&self, position: usize) -> &[f64] {
        let slots = self.sizes.len();
        &self.exec_ns[position * slots..(position + 1) * slots]
    }

    /// What the GPU draws in a state.
    pub(super) fn draw(&self, position: usize) -> Draw {
        self.draws[position]
    }

    /// Computes the present state.
    #[cold]
    fn add(&mut self) -> Result<usize, Box<BadPrediction>> {
        let state = self.speeds.compute(&self.sizes)?;
        if self.draws.len() == self.limit {
            self.forget();
        }
        let SetState { exec_ns, running, busy_sm_pct, power_w, clock_mhz } = state;
        let position = self.draws.len();
        self.exec_ns.extend_from_slice(&exec_ns);
        self.draws.push(Draw { running, busy_sm_pct, power_w, clock_mhz });
        let entry = u32::try_from(position).expect("no more than the limit");
        #[expect(clippy::cast_possible_truncation, reason = "a number below the length of a table")]
        match &mut self.index {
            Index::Dense { table, .. } => table[self.number as usize] = entry + 1,
            Index::Numbers { table, .. } => {
                if 2 * position >= table.len() {
                    let old = std::mem::take(table);
                    table.resize(2 * old.len(), (0, 0));
                    for (key, position) in old.into_iter().filter(|&(key, _)| key != 0) {
                        let place = place(table, key);
                        table[place] = (key, position);
                    }
                }
                let place = place(table, self.number + 1);
                table[place] = (self.number + 1, entry);
            }
            Index::Sizes(map) => {
                map.insert(self.sizes.as_slice().into(), entry);
            }
        }
        Ok(position)
    }

    fn forget(&mut self) {
        self.exec_ns.clear();
        self.draws.clear();
        match &mut self.index {
            Index::Dense { table, .. } => table.fill(0),
            Index::Numbers { table, .. } => table.fill((0, 0)),
            Index::Sizes(map) => map.clear(),
        }
    }
}

impl Index {
    /// What a request more in a slot adds to the number of a set.
    fn stride(&self, slot: usize) -> u64 {
        match self {
            Self::Dense { strides, .. } | Self::Numbers { strides, .. } => strides[slot],
            Self::Sizes(_) => 0,
        }
    }
}

/// The place of a key in a hash table, or the empty place where it belongs.
fn place(table: &[(u64, u32)], key: u64) -> usize {
    let mask = table.len() - 1;
    // Fibonacci hashing: the upper half of a product with 2⁶⁴ / golden ratio.
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let mut place = hash as usize & mask;
    while table[place].0 != key && table[place].0 != 0 {
        place = (place + 1) & mask;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ModelId;
    use crate::sim::Interference;
    use crate::sim::fake::{FakeModel, FakePredictor};
    use crate::sim::speed::PlannedServer;
    use crate::units::{BatchSize, SmPercent};

    #[test]
    fn every_index_gives_the_states_that_the_predictor_gives() {
        let model = FakeModel { fixed: 1.0, per_request: 0.3, ..FakeModel::default() };
        let predictor = FakePredictor::new(vec![model], 0.3);
        let speeds = |max_batch| {
            let server = PlannedServer {
                model: ModelId::new(0),
                batch: BatchSize::new(1).unwrap(),
                share: SmPercent::new(20.0).unwrap(),
                instances: 1,
                max_batch,
                batch_overhead_ms: 0.0,
                row_overhead_ms: 0.0,
            };
            Speeds::new(&predictor, Interference::Dynamic, vec![server; 5])
        };
        for (max, limit) in [(4, REMEMBERED), (4, 7), (40, REMEMBERED), (40, 7), (usize::MAX, 7)] {
            let mut states = States::new(speeds(max));
            let kind = match &states.index {
                Index::Dense { .. } => 4,
                Index::Numbers { .. } => 40,
                Index::Sizes(_) => usize::MAX,
            };
            assert_eq!(kind, max);
            states.limit = limit;
            // A walk over many sets that comes back to each of them.
            for step in 0..600_usize {
                let slot = step * step % 5;
                if states.sizes[slot] > 0 {
                    states.end(slot);
                } else {
                    states.start(slot, u32::try_from(1 + step % 4).unwrap());
                }
                let position = states.find().unwrap();
                let expected = states.speeds.compute(&states.sizes).unwrap();
                assert_eq!(states.exec_ns(position), &*expected.exec_ns);
                assert_eq!(states.draw(position).running, expected.running);
                assert!(states.draws.len() <= limit);
            }
        }
    }
}
