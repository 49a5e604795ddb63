//! "Did you mean …?" for misspelt names, keys and values.

/// Returns the candidate that a misspelt word most likely stands for, if one is near enough.
///
/// Near means an edit distance of at most a third of the longer word (but at least 2 for words of
/// more than 3 letters), or that one word begins with the other followed by `_`.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
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
            let distance = strsim::osa_distance(&word, candidate);
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typical_slips_are_recognised() {
        let keys = ["name", "model", "slo_ms", "rate_rps", "arrival", "batching"];
        assert_eq!(nearest("slo", &keys), Some("slo_ms"));
        assert_eq!(nearest("rate", &keys), Some("rate_rps"));
        assert_eq!(nearest("SLO-ms", &keys), Some("slo_ms"));
        assert_eq!(nearest("arival", &keys), Some("arrival"));
        assert_eq!(nearest("modle", &keys), Some("model"));
        assert_eq!(nearest("fdf", &["ffd", "igniter"]), Some("ffd"));
        assert_eq!(nearest("colour", &keys), None);
    }
}
