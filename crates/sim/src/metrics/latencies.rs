//! The latencies of a workload: each one, or their histogram.

use igniter_model::stats::order_statistics;
use igniter_model::units::Nanoseconds;

/// How latencies are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Percentiles {
    /// Each latency is stored. Percentiles are latencies of actual requests; memory grows by 8 bytes with each request
    /// of the window.
    #[default]
    Exact,
    /// A log-linear histogram: percentiles and the points of distributions are within 0.05 % of the exact values, and
    /// the smallest and the largest latency are exact. For up to 8,192 latencies of a workload, all values are exact.
    /// Memory does not grow with the length of the run: up to some 100 to 200 kB for each workload. Counts, means and
    /// violations are always exact.
    Histogram,
}

/// The latencies of one workload, in ns.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    /// The single latencies, as long as there is no histogram.
    each: Vec<u64>,
    /// The largest number of latencies that take less memory than their histogram; beyond it they are turned into one.
    /// 0 when they have been.
    most: usize,
    histogram: Option<Box<Histogram>>,
    /// The latencies that a summary needs, when no more will be added.
    picked: Option<Box<Picked>>,
}

/// Some latencies of a workload whose latencies are complete.
#[derive(Debug, Clone)]
struct Picked {
    /// Number of all latencies.
    count: usize,
    /// Positions in the sorted list of all latencies, in order, each with its latency.
    at: Vec<(usize, u64)>,
}

/// The invariant after the end of a run.
const ENDED: &str = "nothing is reported after the end, and no other GPU serves the workload";

/// The largest size of [`Latencies::each`] if a histogram may replace it: 64 KiB.
const FEW: usize = 8_192;

/// The largest number of latencies for which memory is reserved ahead of time: 8 MiB, of which the system provides only
/// the part that is used.
const ROOM: usize = 1 << 20;

impl Latencies {
    pub(super) fn new(percentiles: Percentiles) -> Self {
        let most = match percentiles {
            Percentiles::Exact => usize::MAX,
            Percentiles::Histogram => FEW,
        };
        Self { each: Vec::new(), most, histogram: None, picked: None }
    }

    /// Reserves memory for `expected` latencies, up to a limit.
    pub(super) fn reserve(&mut self, expected: usize) {
        self.each.reserve(expected.min(self.most).min(ROOM));
    }

    /// Adds the latencies of a batch, whose arrivals are in order; returns their sum, which is below 2⁶⁴ ns.
    #[inline(always)]
    pub(super) fn add_batch(&mut self, done: Nanoseconds, arrivals: &[Nanoseconds]) -> u64 {
        debug_assert!(self.picked.is_none(), "{ENDED}");
        if self.each.len() + arrivals.len() > self.most {
            return self.add_to_histogram(done, arrivals);
        }
        let mut sum = 0;
        self.each.extend(arrivals.iter().map(|&arrival| {
            let latency = (done - arrival).get();
            sum += latency;
            latency
        }));
        sum
    }

    #[inline(never)]
    fn add_to_histogram(&mut self, done: Nanoseconds, arrivals: &[Nanoseconds]) -> u64 {
        let (Some(&first), Some(&last)) = (arrivals.first(), arrivals.last()) else { return 0 };
        if self.histogram.is_none() {
            self.condense();
        }
        let mut sum = 0;
        let latencies = arrivals.iter().map(|&arrival| {
            let latency = (done - arrival).get();
            sum += latency;
            latency
        });
        if let Some(histogram) = &mut self.histogram {
            histogram.add_between(latencies, (done - last).get(), (done - first).get());
        }
        sum
    }

    /// Keeps the latencies at these positions of the sorted list, and drops the others.
    pub(super) fn pick(&mut self, positions: &[usize]) {
        let values = self.at(positions);
        let mut at: Vec<_> = positions.iter().copied().zip(values).collect();
        at.sort_unstable();
        at.dedup();
        at.shrink_to_fit();
        let picked = Picked { count: self.count(), at };
        (self.each, self.histogram) = (Vec::new(), None);
        self.picked = Some(Box::new(picked));
    }

    /// Turns the stored latencies into a histogram.
    #[cold]
    #[inline(never)]
    fn condense(&mut self) {
        self.most = 0;
        let histogram = self.histogram.get_or_insert_default();
        std::mem::take(&mut self.each).into_iter().for_each(|latency| histogram.add(latency));
    }

    #[inline]
    pub(super) fn extend(&mut self, latencies: impl ExactSizeIterator<Item = u64>) {
        debug_assert!(self.picked.is_none(), "{ENDED}");
        match &mut self.histogram {
            Some(histogram) => latencies.for_each(|latency| histogram.add(latency)),
            None => {
                self.each.extend(latencies);
                if self.each.len() > self.most {
                    self.condense();
                }
            }
        }
    }

    /// Adds the latencies of another GPU. If one of the two may be a histogram, so may the sum.
    pub(super) fn merge(&mut self, other: Self) {
        if self.count() == 0 {
            *self = other;
            return;
        }
        if self.picked.is_some() || other.picked.is_some() {
            assert!(other.count() == 0, "{ENDED}");
            return;
        }
        self.most = self.most.min(other.most);
        match (&mut self.histogram, other.histogram) {
            (Some(sum), Some(more)) => sum.merge(&more),
            (None, Some(more)) => self.histogram = Some(more),
            (_, None) => {}
        }
        self.each.extend(other.each);
        if self.histogram.is_some() || self.each.len() > self.most {
            self.condense();
        }
    }

    pub(super) fn count(&self) -> usize {
        match (&self.picked, &self.histogram) {
            (Some(picked), _) => picked.count,
            (None, None) => self.each.len(),
            (None, Some(histogram)) => {
                usize::try_from(histogram.count).expect("a run has at most 2^32 requests")
            }
        }
    }

    /// Returns the latencies at these positions of the sorted list of all latencies; after [`Latencies::pick`], only
    /// positions that were picked are allowed.
    pub(super) fn at(&self, positions: &[usize]) -> Vec<u64> {
        let Some(picked) = &self.picked else {
            return match &self.histogram {
                None => order_statistics(&self.each, positions),
                Some(histogram) => histogram.at(positions),
            };
        };
        let of = |position: &usize| {
            let found = picked.at.binary_search_by_key(position, |&(position, _)| position);
            picked.at[found.expect("one of the positions that were picked")].1
        };
        positions.iter().map(of).collect()
    }
}

/// Counts in buckets of 1/1024 of their octave; below 2048 ns each value has its own bucket.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    least: u64,
    greatest: u64,
}

/// Number of buckets in an octave, as a power of two.
const PRECISION: u32 = 10;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Vec::new(), count: 0, least: u64::MAX, greatest: 0 }
    }
}

impl Histogram {
    #[inline]
    fn bucket(value: u64) -> usize {
        let octave = (value | 1 << PRECISION).ilog2() - PRECISION;
        #[expect(clippy::cast_possible_truncation, reason = "below 55 * 1024")]
        let bucket = (u64::from(octave << PRECISION) + (value >> octave)) as usize;
        bucket
    }

    /// Adds values, given the least and the greatest of them.
    #[inline(always)]
    fn add_between(
        &mut self,
        values: impl ExactSizeIterator<Item = u64>,
        least: u64,
        greatest: u64,
    ) {
        self.count += values.len() as u64;
        self.least = self.least.min(least);
        self.greatest = self.greatest.max(greatest);
        for value in values {
            let bucket = Self::bucket(value);
            match self.counts.get_mut(bucket) {
                Some(count) => *count += 1,
                None => self.add_first(bucket),
            }
        }
    }

    /// Adds the first value of a bucket beyond the existing ones.
    #[cold]
    fn add_first(&mut self, bucket: usize) {
        self.counts.resize(bucket + 1, 0);
        self.counts[bucket] = 1;
    }

    #[inline]
    fn add(&mut self, value: u64) {
        let bucket = Self::bucket(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.count += 1;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
    }

    /// Returns the middle of a bucket.
    fn value(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        let octave = (bucket >> PRECISION).saturating_sub(1);
        let width = 1 << octave;
        ((bucket - (octave << PRECISION)) << octave) + width / 2
    }

    fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    fn at(&self, positions: &[usize]) -> Vec<u64> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        let up_to: Vec<u64> = sums.collect();
        let at = |&position: &usize| match position as u64 {
            0 => self.least,
            last if last + 1 >= self.count => self.greatest,
            position => {
                let bucket = up_to.partition_point(|&sum| sum <= position);
                Self::value(bucket).clamp(self.least, self.greatest)
            }
        };
        positions.iter().map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_by_hand() {
        // 5000 has 13 bits: octave 12 − 10 = 2, buckets of 4 ns; 5000 / 4 = 1250; 2 · 1024 + 1250 = 3298.
        let mut histogram = Histogram::default();
        histogram.add(5000);
        assert_eq!((histogram.counts.len(), histogram.counts[3298]), (3299, 1));
        assert_eq!(Histogram::value(3298), 5002);
        // Each below 2048 has its own, and the last octave ends with u64::MAX.
        assert!((0..2048).all(|value| Histogram::value(value) == value as u64));
        histogram.add(u64::MAX);
        assert_eq!(histogram.counts.len(), 55 * 1024);
    }

    /// None yet, but in a histogram.
    fn as_histogram() -> Latencies {
        Latencies {
            histogram: Some(Box::default()),
            most: 0,
            ..Latencies::new(Percentiles::Histogram)
        }
    }

    #[test]
    fn many_latencies_become_a_histogram_whether_they_are_merged_or_added() {
        let values: Vec<u64> = (0..FEW as u64 + 1).map(|i| i * i * 1_000).collect();
        let mut histogram = as_histogram();
        histogram.extend(values.iter().copied());
        let mut added = Latencies::new(Percentiles::Histogram);
        added.extend(values.iter().copied());
        let half = |part: &[u64]| {
            let mut half = Latencies::new(Percentiles::Histogram);
            half.extend(part.iter().copied());
            assert!(half.histogram.is_none());
            half
        };
        let (one, two) = values.split_at(FEW / 2);
        let mut merged = half(one);
        merged.merge(half(two));
        let positions: Vec<usize> = (0..values.len()).collect();
        for latencies in [added, merged] {
            assert!(latencies.histogram.is_some());
            assert_eq!(latencies.at(&positions), histogram.at(&positions));
        }
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_precision(
            bits in prop::collection::vec((0..64_u32, any::<u64>()), 1..300), cut in 0..300_usize,
        ) {
            let values: Vec<u64> = bits.into_iter().map(|(bits, x)| x >> bits).collect();
            let positions: Vec<usize> = (0..values.len()).collect();
            let cut = cut.min(values.len());
            let of = |mut latencies: Latencies, values: &[u64]| {
                latencies.extend(values.iter().copied());
                latencies
            };
            let exact = || Latencies::new(Percentiles::Exact);
            let histogram = as_histogram;
            let whole = of(histogram(), &values);
            let few = of(Latencies::new(Percentiles::Histogram), &values);
            let exactly = of(exact(), &values).at(&positions);
            prop_assert_eq!(&few.at(&positions), &exactly);
            for (exact, near) in exactly.iter().zip(whole.at(&positions)) {
                prop_assert!(exact.abs_diff(near) <= exact / 2048 + 1, "{exact} {near}");
                prop_assert!(*exact >= 2048 || *exact == near);
            }
            // In two parts, in any of the two ways.
            let cut = cut.clamp(1, values.len());
            for (a, b) in [(histogram(), histogram()), (exact(), histogram()), (histogram(), exact())] {
                let mut sum = of(a, &values[..cut]);
                sum.merge(of(b, &values[cut..]));
                prop_assert_eq!(sum.count(), values.len());
                prop_assert_eq!(sum.at(&positions), whole.at(&positions));
            }
        }
    }
}
