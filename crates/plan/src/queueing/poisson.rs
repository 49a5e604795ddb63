//! Probabilities of numbers of Poisson arrivals.

use std::ops::Range;

/// Probabilities below this are left out at both ends of a distribution.
const NEGLIGIBLE: f64 = 1e-9;

/// Up to this mean, the probability of no arrival at all is large enough for sums to start from it.
const MOST_FROM_NONE: f64 = 600.0;

/// Returns the probability of no arrival at all when `mean` are expected.
pub(super) fn none(mean: f64) -> f64 {
    libm::exp(-mean)
}

/// Returns the probability of no arrival in the rest of a period, where `mean` are expected, from those for all of it
/// and for its first part: an exponential costs more than a quotient.
pub(super) fn none_in_rest(mean: f64, none_in_all: f64, none_before: f64) -> f64 {
    // Close to underflow, the quotient would be meaningless.
    if none_in_all > f64::MIN_POSITIVE { none_in_all / none_before } else { none(mean) }
}

/// Inverses of the most frequent counts: a product is faster than a quotient.
const INVERSES: [f64; 256] = {
    let mut inverses = [f64::INFINITY; 256];
    let mut count = 1;
    while count < inverses.len() {
        inverses[count] = 1.0 / count as f64;
        count += 1;
    }
    inverses
};

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn inverse(count: usize) -> f64 {
    INVERSES.get(count).copied().unwrap_or_else(|| 1.0 / count as f64)
}

/// Returns the first count whose probability is not negligible, with that probability: the place where sums start.
fn first(mean: f64, none: f64) -> (usize, f64) {
    if mean <= MOST_FROM_NONE {
        return (0, none);
    }
    // Ten standard deviations below the mean, probabilities are negligible.
    let from = (mean - 10.0 * mean.sqrt()).floor();
    let logarithm = from * libm::log(mean) - mean - libm::lgamma(from + 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = from as usize;
    (count, libm::exp(logarithm))
}

/// Appends the probabilities of 0, 1, 2, … arrivals when `mean` are expected, until they become negligible or there
/// are `most` of them; returns their range in `out`.
pub(super) fn append(mean: f64, most: usize, out: &mut Vec<f64>) -> Range<usize> {
    append_from((mean, none(mean)), most, out)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn append_from((mean, none): (f64, f64), most: usize, out: &mut Vec<f64>) -> Range<usize> {
    let start = out.len();
    let (from, mut probability) = first(mean, none);
    out.resize(start + from.min(most), 0.0);
    for count in from + 1..=most {
        out.push(probability);
        probability *= mean * inverse(count);
        if probability < NEGLIGIBLE && count as f64 > mean {
            break;
        }
    }
    start..out.len()
}

/// Does the same as [`append`], but replaces the contents of `out`.
pub(super) fn probabilities(mean: f64, most: usize, out: &mut Vec<f64>) {
    probabilities_from((mean, none(mean)), most, out);
}

/// Does the same as [`probabilities`], where the probability of [`none`] is known.
pub(super) fn probabilities_from(mean_and_none: (f64, f64), most: usize, out: &mut Vec<f64>) {
    out.clear();
    append_from(mean_and_none, most, out);
}

/// Fills `out` with the probabilities of fewer than `step`, 2 `step`, … arrivals when `mean` are expected; `none` is
/// the probability of no arrival ([`none`]).
pub(super) fn fewer_than_multiples(step: usize, (mean, none): (f64, f64), out: &mut [f64]) {
    let (from, mut probability) = first(mean, none);
    let mut sum = 0.0;
    let mut count = 0;
    for place in out {
        for _ in 0..step {
            if count >= from {
                sum += probability;
                probability *= mean * inverse(count + 1);
            }
            count += 1;
        }
        *place = f64::min(sum, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut all = Vec::new();
        probabilities(2.0, usize::MAX, &mut all);
        let e = libm::exp(-2.0);
        for (given, expected) in all.iter().zip([e, 2.0 * e, 2.0 * e, 4.0 / 3.0 * e]) {
            assert!((given - expected).abs() < 1e-15);
        }
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        probabilities(2.0, 3, &mut all);
        assert_eq!(all.len(), 3);
        let mut fewer = [0.0; 2];
        fewer_than_multiples(3, (2.0, e), &mut fewer);
        assert!((fewer[0] - 5.0 * e).abs() < 1e-15, "{fewer:?}");
        assert!((fewer[1] - all_below(2.0, 6)).abs() < 1e-15, "{fewer:?}");
        probabilities(0.0, usize::MAX, &mut all);
        assert!((all[0] - 1.0).abs() < 1e-15 && all.len() == 1);
    }

    #[test]
    fn none_in_the_rest_of_a_time() {
        for (all, before) in
            [(5.0, 2.0), (0.0, 0.0), (690.0, 1.0), (5_000.0, 4_990.0), (900.0, 0.1)]
        {
            let expected = none(all - before);
            let found = none_in_rest(all - before, none(all), none(before));
            assert!((found - expected).abs() <= 1e-12 * expected, "{all} {before}: {found}");
        }
    }

    fn all_below(mean: f64, count: usize) -> f64 {
        let mut all = Vec::new();
        probabilities(mean, count, &mut all);
        all.iter().sum()
    }

    #[test]
    fn many_arrivals_are_counted_from_where_they_are_likely() {
        for mean in [599.0, 601.0, 5_000.0] {
            let mut all = Vec::new();
            probabilities(mean, usize::MAX, &mut all);
            let moment = |power: f64| -> f64 {
                (0_u32..).zip(&all).map(|(n, p)| libm::pow(f64::from(n), power) * p).sum()
            };
            assert!((moment(0.0) - 1.0).abs() < 1e-7, "{mean}: {}", moment(0.0));
            assert!((moment(1.0) / mean - 1.0).abs() < 1e-6);
            let variance = moment(2.0) - moment(1.0) * moment(1.0);
            assert!((variance / mean - 1.0).abs() < 1e-4, "{variance}");
            let mut fewer = [0.0; 1];
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            fewer_than_multiples(mean as usize, (mean, none(mean)), &mut fewer);
            assert!((fewer[0] - 0.5).abs() < 0.02, "{fewer:?}");
        }
    }
}
