//! User-given sizes of the dimensions that a model leaves open: perf_analyzer's `--shape`.

use std::collections::BTreeMap;

/// Sizes by the name of an input, without the batch.
pub type Shapes = BTreeMap<String, Vec<i64>>;

/// Parses `INPUT:4,3`, as in perf_analyzer, or `WORKLOAD=INPUT:4,3`; returns workload, input and sizes.
///
/// # Errors
/// When the text has another form; the error is text.
pub fn parse_shape(text: &str) -> Result<(Option<String>, String, Vec<i64>), String> {
    let wrong = || {
        format!(
            "{text:?}: allowed: INPUT:SIZE,SIZE or WORKLOAD=INPUT:SIZE,SIZE, without the batch, such as IN:3,224,224"
        )
    };
    let (name, sizes) = text.rsplit_once(':').ok_or_else(wrong)?;
    let sizes: Option<Vec<i64>> = sizes
        .split(',')
        .map(|size| size.trim().parse().ok().filter(|&size: &i64| size > 0))
        .collect();
    let sizes = sizes.ok_or_else(wrong)?;
    let (workload, input) = match name.split_once('=') {
        Some((workload, input)) => (Some(workload.to_owned()), input),
        None => (None, name),
    };
    if input.is_empty() {
        return Err(wrong());
    }
    Ok((workload, input.to_owned(), sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_as_perf_analyzer_has_them() {
        assert_eq!(parse_shape("IN:3,224").unwrap(), (None, "IN".to_owned(), vec![3, 224]));
        let of_one = parse_shape("W1=a:b:4").unwrap();
        assert_eq!(of_one, (Some("W1".to_owned()), "a:b".to_owned(), vec![4]));
        for wrong in ["IN", "IN:", "IN:0", "IN:-1", ":3", "IN:a"] {
            assert!(parse_shape(wrong).unwrap_err().contains("allowed: INPUT:SIZE"), "{wrong}");
        }
    }
}
