//! The table of the states of one GPU: a row of speeds for each set of executing batches.

use crate::speed::{BadNumber, Speeds};
use igniter_model::units::Nanoseconds;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The limits on the number of cached states, and on the number of values in them. Beyond these, states are computed
/// again, so that memory use does not grow with the length of a run.
const REMEMBERED: usize = 1 << 16;
const NUMBERS: usize = 1 << 24;

/// The largest number of sets for which each set has an entry of its own: 256 KiB.
const DENSE: u64 = 1 << 16;

/// Number of values in a row before the execution times: SM share in use, power, clock.
pub(super) const DRAW: usize = 3;

/// The largest number of slots of an engine that uses rows of a fixed length.
pub(super) const FEW_SLOTS: usize = 16;

/// A row with space for [`FEW_SLOTS`] slots. Values beyond the existing slots have no meaning.
pub(super) type FewSlots = [f64; DRAW + FEW_SLOTS];

/// The states that have occurred.
#[derive(Debug)]
pub(super) struct States<'a> {
    speeds: Speeds<'a>,
    /// The amount by which one more request in a slot raises the number of a set; 0 if numbers are too small for all
    /// sets.
    strides: Vec<u64>,
    /// The length of a row.
    width: usize,
    /// The start of the row of each set, by its number, where there are few sets; 0 for sets that are not cached.
    dense: Vec<u32>,
    /// The same where there are many sets.
    index: Index,
    /// A row for each state: the load of the GPU, and the execution time of each slot in ns. The first value belongs to
    /// no row, so that no row begins at 0. Nor do the last [`FEW_SLOTS`] values, so that a longer row can be read from
    /// each start.
    rows: Vec<f64>,
    /// The largest number of cached states.
    limit: usize,
}

/// Tables of GPUs with the same servers. Each table is lent to one GPU at a time, so that later GPUs reuse the states
/// that earlier ones computed; a state does not depend on the GPU.
#[derive(Debug, Default)]
pub(crate) struct SharedStates<'a>(Mutex<Vec<States<'a>>>);

impl<'a> SharedStates<'a> {
    /// Takes a table that another GPU has returned, or creates an empty one.
    pub(super) fn take(&self, speeds: Speeds<'a>) -> States<'a> {
        self.tables().pop().unwrap_or_else(|| States::new(speeds))
    }

    /// Gives a table back, for use by other GPUs.
    pub(super) fn put(&self, states: States<'a>) {
        self.tables().push(states);
    }

    /// Ignores poisoning: a thread that panicked cannot have changed a table that is stored here.
    fn tables(&self) -> MutexGuard<'_, Vec<States<'a>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The current set of executing batches.
#[derive(Debug)]
pub(super) struct Present {
    /// Number of requests that execute in each slot; 0 where none does.
    sizes: Vec<u32>,
    /// The number of the set.
    number: u64,
}

impl Present {
    /// Creates the empty set.
    pub(super) fn new(slots: usize) -> Self {
        Self { sizes: vec![0; slots], number: 0 }
    }

    /// Adds a batch of `rows` requests that begins to execute in an idle slot.
    #[inline]
    pub(super) fn start(&mut self, slot: usize, rows: u32, states: &States<'_>) {
        self.sizes[slot] = rows;
        self.number += states.stride(slot) * u64::from(rows);
    }

    /// Removes the batch of a slot.
    #[inline]
    pub(super) fn end(&mut self, slot: usize, states: &States<'_>) {
        let rows = std::mem::take(&mut self.sizes[slot]);
        self.number -= states.stride(slot) * u64::from(rows);
    }
}

/// The load of the GPU in a state, and the speeds.
#[derive(Debug, Clone, Copy)]
pub(super) struct GpuState<'s> {
    pub(super) busy_sm_pct: f64,
    pub(super) power_w: f64,
    pub(super) clock_mhz: f64,
    /// The execution times by slot in ns, above 0 where a batch executes.
    pub(super) exec_ns: &'s [f64],
}

/// The index of the rows by set.
#[derive(Debug)]
enum Index {
    /// Not needed: `dense` is used.
    Dense,
    /// By mixed-radix number, where there are too many numbers for `dense`: a hash table of `(number + 1, row)` with
    /// open addressing, in which 0 marks an empty entry. Its length is a power of two.
    Numbers(Vec<(u64, u32)>),
    /// By sizes, for GPUs with more sets than a `u64` can number.
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
        let mut dense = Vec::new();
        let index = match (&strides, sets) {
            (Some(_), Some(sets @ ..=DENSE)) => {
                dense.resize(usize::try_from(sets).expect("no more than the limit"), 0);
                Index::Dense
            }
            (Some(_), _) => Index::Numbers(vec![(0, 0); 64]),
            (None, _) => Index::Sizes(BTreeMap::new()),
        };
        let strides = strides.unwrap_or_else(|| vec![0; speeds.slots()]);
        let width = DRAW + strides.len();
        let limit = REMEMBERED.min(NUMBERS / width).max(1);
        let rows = vec![0.0; 1 + FEW_SLOTS];
        Self { speeds, strides, width, dense, index, rows, limit }
    }

    /// Returns the amount by which one more request in a slot raises the number of a set.
    #[inline(always)]
    pub(super) fn stride(&self, slot: usize) -> u64 {
        self.strides[slot]
    }

    /// Returns the load and feedback times of a batch of a server.
    pub(super) fn transfers(
        &self,
        server: usize,
        rows: usize,
    ) -> Result<(Nanoseconds, Nanoseconds), Box<BadNumber>> {
        Ok(self.speeds.transfers(server, rows)?)
    }

    /// Returns the state of a set.
    #[inline(always)]
    pub(super) fn find(&mut self, present: &Present) -> Result<GpuState<'_>, Box<BadNumber>> {
        let Present { sizes, number } = present;
        let row = match self.known(*number) {
            Some(row) => row,
            None => self.look_up(*number, sizes)?,
        };
        let row = &self.rows[row..row + self.width];
        let (draw, exec_ns) = row.split_first_chunk::<DRAW>().expect("a row is complete");
        let [busy_sm_pct, power_w, clock_mhz] = *draw;
        Ok(GpuState { busy_sm_pct, power_w, clock_mhz, exec_ns })
    }

    /// Returns the start of the row of a set, if it is in `dense`. Starts returned earlier may no longer be valid.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a number below the length of a table")]
    pub(super) fn known(&self, number: u64) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(&row) if row > 0 => Some(row as usize),
            _ => None,
        }
    }

    /// Returns a row: SM share in use, power, clock, and execution times by slot in ns, above 0 where a batch executes.
    #[inline(always)]
    pub(super) fn few(&self, begin: usize) -> &FewSlots {
        self.rows[begin..].first_chunk().expect("there is room behind the last row")
    }

    /// Returns the start of the row of any set, which is computed if it is not cached.
    #[inline(never)]
    pub(super) fn look_up(&mut self, number: u64, sizes: &[u32]) -> Result<usize, Box<BadNumber>> {
        let known = match &self.index {
            Index::Dense => self.known(number),
            Index::Numbers(table) => {
                let (key, row) = table[place(table, number + 1)];
                (key != 0).then_some(row as usize)
            }
            Index::Sizes(map) => map.get(sizes).map(|&row| row as usize),
        };
        match known {
            Some(row) => Ok(row),
            None => self.add(number, sizes),
        }
    }

    /// Computes a state and adds its row.
    #[cold]
    fn add(&mut self, number: u64, sizes: &[u32]) -> Result<usize, Box<BadNumber>> {
        if self.remembered() == self.limit {
            self.forget();
        }
        let remembered = self.remembered();
        let begin = self.rows.len() - FEW_SLOTS;
        self.rows.resize(begin + self.width + FEW_SLOTS, 0.0);
        let row = &mut self.rows[begin..begin + self.width];
        let (draw, exec_ns) = row.split_at_mut(DRAW);
        exec_ns.fill(0.0);
        let state = match self.speeds.compute_into(sizes, exec_ns) {
            Ok(state) => state,
            Err(bad) => {
                self.rows.truncate(begin + FEW_SLOTS);
                return Err(Box::new(bad));
            }
        };
        draw.copy_from_slice(&[state.busy_sm_pct, state.power_w, state.clock_mhz]);
        // An execution time of 0 becomes the smallest positive value, by which one can divide; both round to 0 ns.
        exec_ns.iter_mut().for_each(|ns| *ns = ns.max(f64::MIN_POSITIVE));
        let row = u32::try_from(begin).expect("no more than the limit, each of few slots");
        #[expect(clippy::cast_possible_truncation, reason = "a number below the length of a table")]
        match &mut self.index {
            Index::Dense => self.dense[number as usize] = row,
            Index::Numbers(table) => {
                if 2 * remembered >= table.len() {
                    let old = std::mem::take(table);
                    table.resize(2 * old.len(), (0, 0));
                    for (key, row) in old.into_iter().filter(|&(key, _)| key != 0) {
                        let place = place(table, key);
                        table[place] = (key, row);
                    }
                }
                let place = place(table, number + 1);
                table[place] = (number + 1, row);
            }
            Index::Sizes(map) => {
                map.insert(sizes.into(), row);
            }
        }
        Ok(begin)
    }

    /// Returns the number of cached states.
    fn remembered(&self) -> usize {
        (self.rows.len() - 1 - FEW_SLOTS) / self.width
    }

    fn forget(&mut self) {
        self.rows.truncate(1 + FEW_SLOTS);
        self.dense.fill(0);
        match &mut self.index {
            Index::Dense => {}
            Index::Numbers(table) => table.fill((0, 0)),
            Index::Sizes(map) => map.clear(),
        }
    }
}

/// Returns the position of a key in a hash table, or the empty position where it belongs.
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
    use crate::Interference;
    use crate::fake::{FakeModel, FakePredictor};
    use crate::speed::PlannedServer;
    use igniter_model::domain::ModelId;
    use igniter_model::units::{BatchSize, SmPercent};

    fn predictor() -> FakePredictor {
        let model = FakeModel { fixed: 1.0, per_request: 0.3, ..FakeModel::default() };
        FakePredictor::new(vec![model], 0.3)
    }

    /// Those of five servers.
    fn speeds(predictor: &FakePredictor, max_batch: usize) -> Speeds<'_> {
        let server = PlannedServer {
            model: ModelId::new(0),
            batch: BatchSize::new(1).unwrap(),
            share: SmPercent::new(20.0).unwrap(),
            instances: 1,
            max_batch,
            batch_overhead_ms: 0.0,
            row_overhead_ms: 0.0,
            instance_slowdown: None,
            time_slot: None,
        };
        Speeds::new(predictor, Interference::Dynamic, vec![server; 5])
    }

    #[test]
    fn what_one_gpu_has_computed_another_one_knows() {
        let predictor = predictor();
        let shared = SharedStates::default();
        let (mut first, mut other) =
            (shared.take(speeds(&predictor, 4)), shared.take(speeds(&predictor, 4)));
        let mut present = Present::new(5);
        present.start(2, 3, &first);
        first.find(&present).unwrap();
        shared.put(first);
        assert_eq!(shared.take(speeds(&predictor, 4)).remembered(), 1);
        // One that is in use is nobody else's.
        assert_eq!(other.remembered(), 0);
        other.find(&present).unwrap();
        assert_eq!(shared.take(speeds(&predictor, 4)).remembered(), 0);
    }

    #[test]
    fn every_index_gives_the_states_that_the_predictor_gives() {
        let predictor = predictor();
        for (max, limit) in [(4, REMEMBERED), (4, 7), (40, REMEMBERED), (40, 7), (usize::MAX, 7)] {
            let mut states = States::new(speeds(&predictor, max));
            let kind = match &states.index {
                Index::Dense => 4,
                Index::Numbers(_) => 40,
                Index::Sizes(_) => usize::MAX,
            };
            assert_eq!(kind, max);
            states.limit = limit;
            let mut present = Present::new(5);
            // A walk over many sets that comes back to each of them.
            for step in 0..600_usize {
                let slot = step * step % 5;
                if present.sizes[slot] > 0 {
                    present.end(slot, &states);
                } else {
                    present.start(slot, u32::try_from(1 + step % 4).unwrap(), &states);
                }
                let sizes = present.sizes.clone();
                let expected = states.speeds.compute(&sizes).unwrap();
                let state = states.find(&present).unwrap();
                for ((&ns, &expected), size) in
                    state.exec_ns.iter().zip(&expected.exec_ns).zip(sizes)
                {
                    assert!(size == 0 || ns.to_bits() == expected.to_bits());
                }
                let (power, expected) = (state.power_w, expected.draw.power_w);
                assert_eq!(power.to_bits(), expected.to_bits());
                assert!(states.remembered() <= limit);
            }
        }
    }
}
