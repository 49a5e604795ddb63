//! Order statistics of many integers.

/// Integers are spread over at most this many buckets, as a power of two.
const BUCKETS_LOG: u32 = 14;
const BUCKETS: usize = 1 << BUCKETS_LOG;
/// Fewer integers than this are sorted.
const MANY: usize = 1 << 10;

/// The integers that would stand at `positions` if `data` were sorted, in the order of `positions`.
///
/// The data is spread over buckets, of which only those that hold a wanted position are sorted: for a few
/// hundred quantiles of many latencies a fraction of the cost of sorting them all.
///
/// ```
/// use igniter_model::stats::order_statistics;
/// assert_eq!(order_statistics(&[5, 3, 9, 3], &[3, 0, 2]), [9, 3, 5]);
/// ```
///
/// # Panics
/// When a position is not below the length of the data.
#[must_use]
pub fn order_statistics(data: &[u64], positions: &[usize]) -> Vec<u64> {
    if data.len() < MANY || u32::try_from(data.len() + 1).is_err() {
        let mut sorted = data.to_vec();
        sorted.sort_unstable();
        return positions.iter().map(|&position| sorted[position]).collect();
    }
    let bits = data.iter().fold(0, |bits, &x| bits | x).checked_ilog2().map_or(0, |log| log + 1);
    // Two integers for each bucket, if they were spread evenly.
    let buckets_log = (data.len().ilog2() - 1).min(BUCKETS_LOG);
    let shift = bits.saturating_sub(buckets_log);
    // The mask spares the check of the bounds of an array.
    #[expect(clippy::cast_possible_truncation, reason = "no more than 14 bits are left")]
    let bucket_of = |x: u64| (x >> shift) as usize & (BUCKETS - 1);

    let mut counts = Box::new([0_u32; BUCKETS]);
    let (blocks, rest) = data.as_chunks::<4>();
    for &[a, b, c, d] in blocks {
        counts[bucket_of(a)] += 1;
        counts[bucket_of(b)] += 1;
        counts[bucket_of(c)] += 1;
        counts[bucket_of(d)] += 1;
    }
    for &x in rest {
        counts[bucket_of(x)] += 1;
    }
    let mut sum = 0;
    // How many integers are in the buckets before each.
    for count in &mut counts[..1 << buckets_log] {
        sum += std::mem::replace(count, sum);
    }
    let before = &counts[..1 << buckets_log];

    // The last bucket with no more than that many before it; empty ones have as many as the next.
    let bucket_at = |position: usize| {
        assert!(position < data.len(), "position {position} of {}", data.len());
        before.partition_point(|&count| count as usize <= position) - 1
    };
    let wanted: Vec<usize> = positions.iter().map(|&position| bucket_at(position)).collect();
    let mut sorted = wanted.clone();
    sorted.sort_unstable();
    sorted.dedup();
    // The integers of wanted buckets are copied, each to the place of its bucket, from 1 on.
    let mut end = 1;
    let places: Vec<Place> = (sorted.iter())
        .map(|&bucket| {
            let first = before[bucket];
            let until = before.get(bucket + 1).copied().unwrap_or(sum);
            let start = end;
            end += until - first;
            Place { bucket, first, start, end }
        })
        .collect();
    // From here on, where the next integer of a bucket goes, or 0.
    let mut next = counts;
    next[..1 << buckets_log].fill(0);
    for place in &places {
        next[place.bucket] = place.start;
    }
    let mut kept = vec![0; end as usize + 1];
    for &x in data {
        let next = &mut next[bucket_of(x)];
        // Without a branch, which would be foretold badly; place 0 belongs to no bucket.
        kept[*next as usize] = x;
        *next += u32::from(*next > 0);
    }
    for place in &places {
        kept[place.start as usize..place.end as usize].sort_unstable();
    }
    let at = |(&position, bucket): (&usize, usize)| {
        let place = &places[places.partition_point(|place| place.bucket < bucket)];
        kept[place.start as usize + position - place.first as usize]
    };
    positions.iter().zip(wanted).map(at).collect()
}

/// Where the integers of a wanted bucket are kept.
#[derive(Debug)]
struct Place {
    bucket: usize,
    /// How many integers are in the buckets before it.
    first: u32,
    start: u32,
    end: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn they_are_those_of_the_sorted_data(
            base in prop_oneof![Just(0), any::<u64>()],
            mask in prop_oneof![Just(0), Just(0xff), Just(0xff_ffff), Just(0xf000_ffff), any::<u64>()],
            seeds in prop::collection::vec(any::<u64>(), 1..90),
            copies in prop_oneof![Just(1_u64), Just(100)],
            shares in prop::collection::vec(0.0..1.0_f64, 0..40),
        ) {
            let mix = |x: u64, i: u64| x.wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ i).rotate_left(29);
            let data: Vec<u64> = seeds
                .iter()
                .flat_map(|&x| (0..copies).map(move |i| base.saturating_add(mix(x, i) & mask)))
                .collect();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position")]
            let inner = shares.iter().map(|share| (share * data.len() as f64) as usize);
            let positions: Vec<usize> = [0, data.len() - 1].into_iter().chain(inner).collect();
            let mut sorted = data.clone();
            sorted.sort_unstable();
            let expected: Vec<u64> = positions.iter().map(|&position| sorted[position]).collect();
            prop_assert_eq!(order_statistics(&data, &positions), expected);
        }
    }
}
