//! Order statistics of many integers.

/// Inputs shorter than this are sorted.
const SOME: usize = 1 << 7;
/// From this length on, more buckets pay off.
const MANY: usize = 1 << 11;

/// Returns the integers that would stand at `positions` if `data` were sorted, in the order of `positions`.
///
/// The data is spread over buckets, of which only those that hold a wanted position are sorted. For a few hundred
/// quantiles of many latencies, this takes a fraction of the time of a full sort.
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
    if data.len() < SOME || u32::try_from(data.len() + 1).is_err() {
        let mut sorted = data.to_vec();
        sorted.sort_unstable();
        return positions.iter().map(|&position| sorted[position]).collect();
    }
    if data.len() < MANY {
        by_buckets::<{ 1 << 9 }>(data, positions)
    } else {
        by_buckets::<{ 1 << 14 }>(data, positions)
    }
}

/// Does the same with at most `BUCKETS` buckets: a power of two, and at least four.
fn by_buckets<const BUCKETS: usize>(data: &[u64], positions: &[usize]) -> Vec<u64> {
    let bits = data.iter().fold(0, |bits, &x| bits | x).checked_ilog2().map_or(0, |log| log + 1);
    // One or two integers per bucket, if they are spread evenly.
    let buckets_log = data.len().ilog2().min(BUCKETS.ilog2());
    let shift = bits.saturating_sub(buckets_log);
    // The mask spares the bounds check. Overflow checks are spared here and below: the shift is below 63, and the sum
    // of all counts is the number of integers, which `order_statistics` has checked.
    #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits count")]
    let bucket_of = |x: u64| x.wrapping_shr(shift) as usize & (BUCKETS - 1);

    let mut counts = Box::new([0_u32; BUCKETS]);
    for_each(data, |x| {
        let count = &mut counts[bucket_of(x)];
        *count = count.wrapping_add(1);
    });
    // Only the integers of buckets with a wanted position are copied, each to the region of its bucket, from index 1
    // on.
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_unstable_by_key(|&wanted| positions[wanted]);
    let mut wanted = order.into_iter().peekable();
    // The first position whose bucket has not been found yet.
    let mut position = wanted.peek().map_or(usize::MAX, |&first| positions[first]);
    let mut places: Vec<BucketPlace> = Vec::new();
    let mut place_of = vec![0; positions.len()];
    let (mut before, mut end) = (0, 1);
    // The index for the next integer of each bucket, or 0 for buckets that are not wanted.
    let mut next = Box::new([0_u32; BUCKETS]);
    let (blocks, _) = counts.as_chunks::<4>();
    for (block, counts) in blocks[..(1 << buckets_log) / 4].iter().enumerate() {
        let sum = counts.iter().sum::<u32>() as usize;
        if position >= before + sum {
            before += sum;
            continue;
        }
        for (bucket, &count) in (4 * block..).zip(counts) {
            let first = before;
            before += count as usize;
            if position < before {
                next[bucket] = end;
                while let Some(i) = wanted.next_if(|&i| positions[i] < before) {
                    place_of[i] = places.len();
                }
                position = wanted.peek().map_or(usize::MAX, |&first| positions[first]);
                places.push(BucketPlace { first, start: end, end: end + count });
                end += count;
            }
        }
    }
    assert!(position == usize::MAX, "position {position} of {}", data.len());
    let mut kept = vec![0; end as usize + 1];
    if kept.len() < data.len() / 8 {
        // Few integers are kept, so the branch is predicted well.
        for_each(data, |x| {
            let next = &mut next[bucket_of(x)];
            if *next > 0 {
                kept[*next as usize] = x;
                *next = next.wrapping_add(1);
            }
        });
    } else {
        // No branch: integers of unwanted buckets go to index 0, which belongs to no bucket.
        for_each(data, |x| {
            let next = &mut next[bucket_of(x)];
            kept[*next as usize] = x;
            *next = next.wrapping_add(u32::from(*next > 0));
        });
    }
    for place in &places {
        kept[place.start as usize..place.end as usize].sort_unstable();
    }
    let at = |(&position, place): (&usize, usize)| {
        let BucketPlace { first, start, .. } = places[place];
        kept[start as usize + position - first]
    };
    positions.iter().zip(place_of).map(at).collect()
}

/// Calls `what` for each integer, four per iteration, so that counting costs little more than the loop.
#[inline(always)]
fn for_each(data: &[u64], mut what: impl FnMut(u64)) {
    let (blocks, rest) = data.as_chunks::<4>();
    for &[a, b, c, d] in blocks {
        what(a);
        what(b);
        what(c);
        what(d);
    }
    rest.iter().copied().for_each(what);
}

/// The region that holds the integers of a wanted bucket.
#[derive(Debug)]
struct BucketPlace {
    /// Number of integers in the buckets before this one.
    first: usize,
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
            copies in prop_oneof![Just(1_u64), Just(5), Just(100), Just(1_000)],
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
