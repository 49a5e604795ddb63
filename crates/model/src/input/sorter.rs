//! Sorting of arrivals, with memory that hardly depends on their number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// The number of arrivals that are sorted in memory (8 MiB); further ones are moved to a temporary
/// file.
const CHUNK: usize = 1 << 19;

/// The size of an arrival in this file, in bytes: its time and its key.
const BYTES: usize = 12;

/// The number of arrivals of a sorted run that are read from the file at once.
const BLOCK: usize = 1024;

/// Sorts arrivals by time; arrivals with equal times keep their order.
///
/// This is a merge sort with all runs in one temporary file, in the folder that `TMPDIR` names.
#[derive(Debug)]
pub struct Sorter {
    most: usize,
    chunk: Vec<(f64, u32)>,
    runs: Vec<SortedRun>,
    file: Option<BufWriter<File>>,
    written: u64,
}

/// A sorted run of arrivals: the first ones are in memory, the rest in a file.
#[derive(Debug)]
struct SortedRun {
    /// The next arrivals, in reverse.
    block: Vec<(f64, u32)>,
    /// The offset of the rest in the file, in bytes.
    offset: u64,
    /// The number of arrivals in the rest.
    rest: usize,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::new()
    }
}

impl Sorter {
    /// Creates an empty sorter.
    #[must_use]
    pub fn new() -> Self {
        Self::with_chunks_of(CHUNK)
    }

    pub(super) fn with_chunks_of(most: usize) -> Self {
        Self { most, chunk: Vec::new(), runs: Vec::new(), file: None, written: 0 }
    }

    /// Adds an arrival: its time in seconds and its key.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn push(&mut self, time: f64, key: u32) -> io::Result<()> {
        self.chunk.push((time, key));
        if self.chunk.len() == self.most { self.lay_aside() } else { Ok(()) }
    }

    fn lay_aside(&mut self) -> io::Result<()> {
        self.chunk.sort_by(|a, b| a.0.total_cmp(&b.0));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        for (time, key) in &self.chunk {
            file.write_all(&time.to_le_bytes())?;
            file.write_all(&key.to_le_bytes())?;
        }
        let rest = self.chunk.len();
        self.runs.push(SortedRun { block: Vec::new(), offset: self.written, rest });
        self.written += (rest * BYTES) as u64;
        self.chunk.clear();
        Ok(())
    }

    /// Returns all arrivals in order.
    ///
    /// # Errors
    /// When the temporary file cannot be written or read.
    pub fn finish(mut self) -> io::Result<Sorted> {
        let mut file = None;
        if let Some(laid_aside) = self.file {
            file = Some(laid_aside.into_inner().map_err(io::IntoInnerError::into_error)?);
        }
        self.chunk.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.chunk.reverse();
        self.runs.push(SortedRun { block: self.chunk, offset: 0, rest: 0 });
        let mut sorted = Sorted { runs: self.runs, file, next: BinaryHeap::new() };
        for run in 0..sorted.runs.len() {
            sorted.queue(run)?;
        }
        Ok(sorted)
    }
}

/// The sorted arrivals of a [`Sorter`].
#[derive(Debug)]
pub struct Sorted {
    runs: Vec<SortedRun>,
    file: Option<File>,
    /// The next arrival of each run. Of equal times, that of the earlier run comes first.
    next: BinaryHeap<Reverse<(Time, usize, u32)>>,
}

impl Sorted {
    /// Returns the next arrival.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> io::Result<Option<(f64, u32)>> {
        let Some(Reverse((Time(time), run, key))) = self.next.pop() else { return Ok(None) };
        self.queue(run)?;
        Ok(Some((time, key)))
    }

    /// Puts the next arrival of a run into the heap.
    fn queue(&mut self, number: usize) -> io::Result<()> {
        let run = &mut self.runs[number];
        if let (true, Some(file)) = (run.block.is_empty() && run.rest > 0, &mut self.file) {
            let count = run.rest.min(BLOCK);
            let mut bytes = vec![0; count * BYTES];
            file.seek(SeekFrom::Start(run.offset))?;
            file.read_exact(&mut bytes)?;
            run.offset += bytes.len() as u64;
            run.rest -= count;
            run.block.extend(bytes.chunks_exact(BYTES).rev().filter_map(|bytes| {
                let (time, key) = bytes.split_first_chunk()?;
                Some((f64::from_le_bytes(*time), u32::from_le_bytes(*key.first_chunk()?)))
            }));
        }
        self.next.extend(run.block.pop().map(|(time, key)| Reverse((Time(time), number, key))));
        Ok(())
    }
}

/// A time in seconds with a total order.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub f64);

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Time {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_of_any_size_are_one_stable_sort(
            times in prop::collection::vec(0_u32..40, 0..200),
            most in 1_usize..60,
        ) {
            let arrivals: Vec<(f64, u32)> =
                times.iter().zip(0..).map(|(time, key)| (f64::from(*time) - 7.5, key)).collect();
            let mut sorter = Sorter::with_chunks_of(most);
            for (time, key) in &arrivals {
                sorter.push(*time, *key).unwrap();
            }
            let mut sorted = sorter.finish().unwrap();
            let found: Vec<_> = std::iter::from_fn(|| sorted.next().unwrap()).collect();
            let mut expected = arrivals;
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn runs_longer_than_a_block_come_back_whole() {
        let most = 3 * BLOCK + 1;
        let count = u32::try_from(4 * most + 5).unwrap();
        let mut sorter = Sorter::with_chunks_of(most);
        // 7 and the count have no divisor in common, so that each time comes once.
        assert_ne!(count % 7, 0);
        for i in 0..count {
            sorter.push(f64::from(i * 7 % count), i).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        for expected in 0..count {
            let (time, key) = sorted.next().unwrap().unwrap();
            assert_eq!(
                (time.total_cmp(&f64::from(expected)).is_eq(), key * 7 % count),
                (true, expected)
            );
        }
        assert!(sorted.next().unwrap().is_none());
    }
}
