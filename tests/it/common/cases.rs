//! How many cases a property test runs.

/// 256 cases, or the full number with `IGNITER_FULL_TESTS=1`, which `.ci/run` sets.
pub(crate) fn cases(full: u32) -> u32 {
    if std::env::var("IGNITER_FULL_TESTS").is_ok_and(|value| value == "1") {
        full
    } else {
        full.min(256)
    }
}
