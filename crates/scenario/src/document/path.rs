//! Dotted paths in a scenario.

/// Splits a dotted path into its parts: `workload.W1.rate_rps`, `workload."a.b".slo_ms`, `gpu[0].kind`.
///
/// `None` for a path with an empty part or an open quote.
pub(super) fn parts(path: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut was_quoted = false;
    let mut end = |part: &mut String, was_quoted: &mut bool| {
        let whole = *was_quoted || !part.is_empty();
        parts.push(std::mem::take(part));
        *was_quoted = false;
        whole.then_some(())
    };
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            letter if quoted => part.push(letter),
            '.' => end(&mut part, &mut was_quoted)?,
            '[' => end(&mut part, &mut was_quoted)?,
            // Only the next part, or the end, may follow.
            ']' => match letters.peek() {
                None | Some('.' | '[') => {}
                Some(_) => return None,
            },
            letter => part.push(letter),
        }
    }
    end(&mut part, &mut was_quoted)?;
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::parts;

    fn joined(path: &str) -> Option<String> {
        parts(path).map(|parts| parts.join("|"))
    }

    #[test]
    fn paths_come_apart_at_dots_and_brackets() {
        assert_eq!(joined("seed").unwrap(), "seed");
        assert_eq!(joined("workload.W1.rate_rps").unwrap(), "workload|W1|rate_rps");
        assert_eq!(joined("workload.\"a.b\".slo_ms").unwrap(), "workload|a.b|slo_ms");
        assert_eq!(joined("gpu[0].kind").unwrap(), "gpu|0|kind");
        assert_eq!(joined("workload.*.arrival.cv").unwrap(), "workload|*|arrival|cv");
    }

    #[test]
    fn paths_with_holes_are_none() {
        for path in ["", ".", "a.", ".a", "a..b", "workload.\"W1", "gpu[0]x"] {
            assert_eq!(joined(path), None, "{path}");
        }
    }
}
