//! Order statistics of many integers.

/// Integers are spread over at most this many buckets.
const BUCKETS_LOG: u32 = 14;
/// Fewer integers than this are sorted.
const MANY: usize = 1 << 12;

/// The integers that would stand at `positions` if `data` were sorted, in the order of `positions`.
///
/// The data is spread over buckets, of which only those that hold a wanted position are sorted: for a few
/// hundred quantiles of many latencies a fraction of the cost of sorting them all.
///
/// ```
/// use igniter::stats::order_statistics;
/// assert_eq!(order_statistics(&[5, 3, 9, 3], &[3, 0, 2]), [9, 3, 5]);
/// ```
///
/// # Panics
/// When a position is not below the length of the data.
#[must_use]
pub fn order_statistics(data: &[u64], positions: &[usize]) -> Vec<u64> {
    if data.len() < MANY {
        let mut sorted = data.to_vec();
        sorted.sort_unstable();
        return positions.iter().map(|&position| sorted[position]).collect();
    }
    let (least, greatest) = data.iter().fold((u64::MAX, 0), |(a, b), &x| (a.min(x), b.max(x)));
    let bits = (greatest - least).checked_ilog2().map_or(0, |log| log + 1);
    let shift = bits.saturating_sub(BUCKETS_LOG);
    const MASK: usize = (1 << BUCKETS_LOG) - 1;
    #[expect(clippy::cast_possible_truncation, reason = "no more than 14 bits are left")]
    let bucket_of = |x: u64| ((x - least) >> shift) as usize & MASK;

    let mut before = vec![0_usize; MASK + 1];
    for &x in data {
        before[bucket_of(x)] += 1;
    }
    let mut sum = 0;
    for count in &mut before {
        sum += std::mem::replace(count, sum);
    }
    // The last bucket with no more than that many before it; empty ones have as many as the next.
    let bucket_at = |position| before.partition_point(|&count| count <= position) - 1;
    let mut wanted = vec![false; MASK + 1];
    for &position in positions {
        assert!(position < data.len(), "position {position} of {}", data.len());
        wanted[bucket_at(position)] = true;
    }
    let mut kept: Vec<u64> = data.iter().copied().filter(|&x| wanted[bucket_of(x)]).collect();
    kept.sort_unstable();
    let kept_before = |bucket| kept.partition_point(|&x| bucket_of(x) < bucket);
    let at = |&position: &usize| {
        let bucket = bucket_at(position);
        kept[kept_before(bucket) + position - before[bucket]]
    };
    positions.iter().map(at).collect()
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
