//! Split-conformal calibration: bounds that hold with a given probability, whatever the distribution.

/// Returns the bound below which a further score of the same kind stays with probability `level`:
///
/// ```text
/// the ⌈(n + 1) level⌉-th smallest of n calibration scores        (Lei et al., JASA 2018)
/// ```
/// `None` without scores, for a level outside of (0, 1), and when n is too small for the level
/// (fewer than 19 scores for 0.95): no finite bound is then known.
///
/// ```
/// use igniter_model::stats::conformal_bound;
/// let scores: Vec<f64> = (1..=19).map(f64::from).collect();
/// assert_eq!(conformal_bound(&scores, 0.95), Some(19.0)); // ⌈20 · 0.95⌉ = 19
/// assert_eq!(conformal_bound(&scores[1..], 0.95), None);
/// ```
#[must_use]
pub fn conformal_bound(scores: &[f64], level: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    // 1e-9: (19 + 1) · 0.95 is 19, not a rounding error above it.
    let rank = ((sorted.len() + 1) as f64 * level - 1e-9).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rank ≥ 0")]
    let index = (rank as usize).saturating_sub(1);
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        // n = 39: ⌈40 · 0.95⌉ = 38; n = 40: ⌈41 · 0.95⌉ = ⌈38.95⌉ = 39.
        let scores: Vec<f64> = (1..=40).rev().map(f64::from).collect();
        assert_eq!(conformal_bound(&scores[1..], 0.95), Some(38.0));
        assert_eq!(conformal_bound(&scores, 0.95), Some(39.0));
        assert_eq!(conformal_bound(&scores, 1.0), None);
        assert_eq!(conformal_bound(&[], 0.5), None);
    }
}
