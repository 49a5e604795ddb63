//! Display names of strategies, models and workloads: `--display NAME=TEXT`.

use crate::domain::nearest;
use anyhow::bail;
use std::collections::BTreeMap;

/// Parses the pairs of `--display`.
pub(super) fn display(pairs: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut display = BTreeMap::new();
    for pair in pairs {
        let Some((name, text)) =
            pair.split_once('=').filter(|(name, text)| !name.is_empty() && !text.is_empty())
        else {
            bail!("--display {pair}: allowed: NAME=TEXT, such as gpulets=gpu-lets");
        };
        display.insert(name.to_owned(), text.to_owned());
    }
    Ok(display)
}

/// Returns the error for a name of `--display` that nothing in the output has.
pub(super) fn no_such_name(name: &str, known: &[String]) -> anyhow::Error {
    const LISTED: usize = 30;
    let mut all: Vec<&str> = Vec::new();
    for one in known {
        if one.parse::<f64>().is_err() && !all.contains(&one.as_str()) {
            all.push(one);
        }
    }
    let near = nearest(name, &all);
    let fix = near.map_or_else(String::new, |near| format!("; fix: did you mean {near}?"));
    let more = if all.len() > LISTED { ", …" } else { "" };
    all.truncate(LISTED);
    anyhow::anyhow!(
        "--display {name}: nothing is called so; allowed: {}{more}{fix}",
        all.join(", ")
    )
}
