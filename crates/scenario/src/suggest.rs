//! "Did you mean …?" for misspelt keys and values.

/// The candidate that a misspelt word most likely stands for, if one is near enough.
///
/// Near means an edit distance of at most a third of the longer word (but at least 2 for words of
/// more than 3 letters), or that one word begins with the other followed by `_`.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .iter()
        .filter_map(|&candidate| {
            let unit_forgotten = candidate.strip_prefix(word.as_str());
            if unit_forgotten.is_some_and(|rest| rest.starts_with('_')) {
                return Some((0, candidate));
            }
            let longer = word.chars().count().max(candidate.chars().count());
            let limit = if longer > 3 { (longer / 3).max(2) } else { 1 };
            let distance = edit_distance(&word, candidate);
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance: single-letter insertions, deletions and substitutions.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let substituted = diagonal + usize::from(letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_letter_edits() {
        // kitten → sitten → sittin → sitting
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn typical_slips_are_recognised() {
        let keys = ["name", "model", "slo_ms", "rate_rps", "arrival", "batching"];
        assert_eq!(nearest("slo", &keys), Some("slo_ms"));
        assert_eq!(nearest("rate", &keys), Some("rate_rps"));
        assert_eq!(nearest("SLO-ms", &keys), Some("slo_ms"));
        assert_eq!(nearest("arival", &keys), Some("arrival"));
        assert_eq!(nearest("modle", &keys), Some("model"));
        assert_eq!(nearest("colour", &keys), None);
    }
}
