//! The strategies as values of flags, which completion and help list.

use super::output;
use crate::plan::{BUILT_IN, BuiltIn, STRATEGIES};
use crate::run::RunError;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// Returns a parser for one strategy.
pub(super) fn one() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(BUILT_IN.iter().map(value)).map(named)
}

/// Returns this program's name of a strategy, which may be given by its name in papers.
fn named(given: String) -> String {
    let known = BUILT_IN.iter().find(|row| row.in_papers.contains(&given.as_str()));
    known.map_or(given, |row| row.name.to_owned())
}

/// Returns a parser for one strategy of a list, or `all`.
pub(super) fn several() -> impl TypedValueParser<Value = String> {
    let all = PossibleValue::new("all")
        .help("All but exact, which takes few workloads, and those whose plans cannot run here");
    PossibleValuesParser::new(BUILT_IN.iter().map(value).chain([all])).map(named)
}

/// Returns whether a list contains `all`.
pub(super) fn are_all(names: &[String]) -> bool {
    names.iter().any(|name| name == "all")
}

/// Returns the names of the strategies in a list, with `all` expanded.
pub(super) fn chosen(names: &[String]) -> Vec<String> {
    if are_all(names) {
        return STRATEGIES
            .iter()
            .filter(|name| **name != "exact")
            .map(ToString::to_string)
            .collect();
    }
    names.to_vec()
}

/// Removes the strategies of `all` whose plans cannot run, and prints the reasons. `results` holds their results in the
/// same order. Returns an error where no strategy is left.
pub(super) fn without_unable<S, T>(
    strategies: &mut Vec<S>,
    name: impl Fn(&S) -> &str,
    results: Vec<anyhow::Result<T>>,
) -> anyhow::Result<Vec<T>> {
    let (mut able, mut made, mut unable) = (Vec::new(), Vec::new(), Vec::new());
    for (strategy, result) in std::mem::take(strategies).into_iter().zip(results) {
        match result {
            Ok(result) => {
                made.push(result);
                able.push(strategy);
            }
            Err(error) if error.downcast_ref().is_some_and(RunError::is_of_strategy) => {
                unable.push((strategy, error));
            }
            Err(error) => return Err(error),
        }
    }
    if made.is_empty()
        && let Some((_, error)) = unable.pop()
    {
        return Err(error);
    }
    for (strategy, error) in unable {
        output::tell(&format!("note: without {}: {error}", name(&strategy)));
    }
    *strategies = able;
    Ok(made)
}

fn value(strategy: &BuiltIn) -> PossibleValue {
    PossibleValue::new(strategy.name).aliases(strategy.in_papers).help(strategy.about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_papers_lead_to_strategies() {
        assert_eq!(named("FFD+".to_owned()), "ffd");
        assert_eq!(named("optimal".to_owned()), "optimal");
    }
}
