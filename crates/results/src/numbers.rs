//! Formats numbers for people. Machine-readable files contain the shortest text that reads back as the same number
//! instead.

/// Formats with about three significant digits and without an exponent: `0.012`, `3.21`, `45.7`, `812`.
#[must_use]
pub fn short(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size < 0.000_5 => 0,
        _ if size < 0.999_5 => 3,
        _ if size < 9.995 => 2,
        _ if size < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// Like [`short`], with a dash for an absent value.
#[must_use]
pub fn short_option(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

/// Formats with all digits for a file; empty for an absent value.
#[must_use]
pub fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Formats with at most two decimals and without trailing zeros: `37.5`, `60`.
#[must_use]
pub fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        let shown: Vec<String> =
            [0.0, 0.012_3, 0.999_4, 0.999_6, 3.206, 9.996, 45.67, 99.96, 812.4, 54_321.0]
                .into_iter()
                .map(short)
                .collect();
        let expected =
            ["0", "0.012", "0.999", "1.00", "3.21", "10.0", "45.7", "100", "812", "54321"];
        assert_eq!(shown, expected);
        assert_eq!(short_option(None), "–");
        assert_eq!(
            (trimmed(37.5), trimmed(60.0), trimmed(15.151_51)),
            ("37.5".into(), "60".into(), "15.15".into())
        );
    }
}
