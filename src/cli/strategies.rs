//! The strategies as values of flags: completion and help list them.

use super::output;
use crate::plan::STRATEGIES;
use crate::run::RunError;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// What each strategy does, in a line.
const ABOUT: &[(&str, &str)] = &[
    ("igniter", "The iGniter paper's: least shares that meet half of the SLO with interference"),
    ("ffd", "The paper's FFD+: first fit by falling share, blind to interference"),
    ("gpulets", "gpu-lets: partitions of fixed sizes, one number for interference"),
    (
        "gpulets-atc",
        "gpu-lets as its authors schedule them: partitions shared in time by up to three",
    ),
    ("gslice", "GSLICE: batches and shares tuned by trial runs on the placement of ffd"),
    ("nexus", "Nexus: squishy bin packing of workloads that share GPUs in time"),
    ("infless", "INFless: the largest batch that fills in time, on the GPU that it leaves fullest"),
    ("parvagpu", "ParvaGPU: segments of sevenths of a GPU, each with several processes of a model"),
    ("dedicated", "A GPU for each workload: no sharing at all"),
    ("mps-default", "MPS without partitions: all processes may use the whole GPU"),
    ("greedy", "The first stage of optimal alone, for very many workloads"),
    ("exact", "The proven optimum of at most 14 workloads, by exhaustive search"),
    ("optimal", "Fewest GPUs by linear programming and local search, with a proven bound"),
    ("queueing", "Plans that hold under random arrivals, by the queue's own latency distribution"),
];

/// What papers and their figures call them.
const IN_PAPERS: [(&str, &str); 13] = [
    ("iGniter", "igniter"),
    ("FFD+", "ffd"),
    ("ffd+", "ffd"),
    ("FFD", "ffd"),
    ("gpu-lets", "gpulets"),
    ("gpu-lets+", "gpulets"),
    ("gpulets+", "gpulets"),
    ("GSLICE", "gslice"),
    ("gslice+", "gslice"),
    ("GSLICE+", "gslice"),
    ("Nexus", "nexus"),
    ("INFless", "infless"),
    ("ParvaGPU", "parvagpu"),
];

/// One strategy.
pub(super) fn one() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(STRATEGIES.iter().map(|name| value(name))).map(named)
}

/// The program's name of a strategy.
fn named(given: String) -> String {
    let known = IN_PAPERS.iter().find(|(name, _)| *name == given);
    known.map_or(given, |(_, name)| (*name).to_owned())
}

/// One of a list, or all of them.
pub(super) fn several() -> impl TypedValueParser<Value = String> {
    let all = PossibleValue::new("all")
        .help("All but exact, which takes few workloads, and those whose plans cannot run here");
    PossibleValuesParser::new(STRATEGIES.iter().map(|name| value(name)).chain([all])).map(named)
}

/// Whether a list asks for all of them.
pub(super) fn are_all(names: &[String]) -> bool {
    names.iter().any(|name| name == "all")
}

/// The names that a list means.
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

/// Leaves out the strategies of `all` whose plans cannot run, and says why; `results` are theirs, in the same order. Where
/// none is left, that is an error.
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

fn value(name: &'static str) -> PossibleValue {
    let about = ABOUT.iter().find(|(known, _)| *known == name).map(|(_, about)| *about);
    let aliases = IN_PAPERS.iter().filter(|(_, known)| *known == name).map(|(alias, _)| *alias);
    PossibleValue::new(name).aliases(aliases).help(about.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_papers_lead_to_strategies() {
        for (name, strategy) in IN_PAPERS {
            assert!(STRATEGIES.contains(&strategy) && !STRATEGIES.contains(&name), "{name}");
            assert_eq!(named(name.to_owned()), strategy);
        }
        assert_eq!(named("optimal".to_owned()), "optimal");
    }

    #[test]
    fn every_strategy_is_described_once_in_their_order() {
        let described: Vec<&str> = ABOUT.iter().map(|(name, _)| *name).collect();
        assert_eq!(described, STRATEGIES);
    }
}
