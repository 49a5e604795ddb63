//! Shortened names for axes and lists that stay distinct from each other.

/// Shortens each name to at most `limit` characters. Names that are too long are cut in the middle. Those that would
/// then look the same keep the part that differs instead, and as a last resort get their number.
#[must_use]
pub fn distinct_labels(names: &[&str], limit: usize) -> Vec<String> {
    let limit = limit.max(6);
    let all: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
    let mut labels: Vec<String> = all.iter().map(|name| cut(name, limit)).collect();
    // Each round reveals more of the differences by skipping shared prefixes.
    for _ in 0..3 {
        for group in alike(&labels, names) {
            let shared = shared_prefix(group.iter().map(|index| all[*index].as_slice()));
            for index in group {
                labels[index] = from(&all[index], shared, limit);
            }
        }
    }
    for group in alike(&labels, names) {
        for index in group {
            let number = format!("#{}", index + 1);
            let room = limit.saturating_sub(number.chars().count());
            let start: String = labels[index].chars().take(room).collect();
            labels[index] = start + &number;
        }
    }
    labels
}

/// Returns groups of different names with the same label.
fn alike(labels: &[String], names: &[&str]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| labels[*a].cmp(&labels[*b]).then(a.cmp(b)));
    let groups = order.chunk_by(|a, b| labels[*a] == labels[*b]);
    groups
        .filter(|group| group.iter().any(|index| names[*index] != names[group[0]]))
        .map(<[usize]>::to_vec)
        .collect()
}

fn shared_prefix<'a>(mut names: impl Iterator<Item = &'a [char]>) -> usize {
    let Some(first) = names.next() else { return 0 };
    names.fold(first.len(), |shared, name| {
        first[..shared].iter().zip(name).take_while(|(a, b)| a == b).count()
    })
}

/// Joins the start and the end of a name.
fn cut(name: &[char], limit: usize) -> String {
    if name.len() <= limit {
        return name.iter().collect();
    }
    let tail = limit / 3;
    let head = limit - 1 - tail;
    name[..head].iter().chain(&['…']).chain(&name[name.len() - tail..]).collect()
}

/// Returns the first characters of a name, then the text after the first `shared` ones.
fn from(name: &[char], shared: usize, limit: usize) -> String {
    let head = limit / 4;
    // Keep one or two shared characters to show where the rest belongs.
    let start = shared.saturating_sub(1).max(head);
    if name.len() <= limit || start >= name.len() {
        return cut(name, limit);
    }
    let rest = &name[start..];
    let room = limit - head - 1;
    let rest = if rest.len() <= room { rest.iter().collect() } else { cut(rest, room.max(4)) };
    name[..head].iter().chain(&['…']).collect::<String>() + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stay() {
        assert_eq!(distinct_labels(&["W1", "推荐"], 12), ["W1", "推荐"]);
        assert_eq!(distinct_labels(&["recommendation-europe-a"], 12), ["recomme…pe-a"]);
    }

    #[test]
    fn names_that_differ_in_the_middle_keep_what_differs() {
        let names = ["service-checkout-eu-1-production", "service-checkout-us-1-production"];
        let labels = distinct_labels(&names, 14);
        assert_ne!(labels[0], labels[1]);
        assert!(labels[0].contains("eu") && labels[1].contains("us"), "{labels:?}");
        assert!(labels.iter().all(|label| label.chars().count() <= 14), "{labels:?}");
    }

    #[test]
    fn many_names_are_all_different() {
        let names: Vec<String> =
            (0..1000).map(|i| format!("tenant-with-a-long-name-{i:04}-in-production-eu")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut labels = distinct_labels(&names, 14);
        assert!(labels.iter().all(|label| label.chars().count() <= 14));
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 1000);
    }
}
