//! Results that several figures share, computed once.

use super::ReproduceError;
use crate::plan::{STRATEGIES, Strategy, strategy};
use crate::results::Comparison;
use crate::run::{Overrides, RunError, Study};
use crate::scenario::Scenario;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::path::Path;

const PAPER: &str = include_str!("../../scenarios/paper-12.toml");
const POISSON: &str = include_str!("../../scenarios/paper-12-poisson.toml");

const MOTIVATING: &str = include_str!("../../scenarios/motivating-3.toml");

/// Results that several figures share.
#[derive(Debug, Default)]
pub(super) struct Context {
    all: OnceCell<Comparison>,
}

/// Returns the paper's workloads with its evenly spaced arrivals.
pub(super) fn paper() -> Result<Scenario, ReproduceError> {
    Ok(Scenario::parse(PAPER, Path::new("scenarios/paper-12.toml"))?)
}

/// Returns the same workloads with random arrivals and no queue delay.
pub(super) fn poisson() -> Result<Scenario, ReproduceError> {
    Ok(Scenario::parse(POISSON, Path::new("scenarios/paper-12-poisson.toml"))?)
}

/// Returns the three workloads of the paper's motivating example, on one GPU.
pub(super) fn motivating() -> Result<Scenario, ReproduceError> {
    Ok(Scenario::parse(MOTIVATING, Path::new("scenarios/motivating-3.toml"))?)
}

/// Looks up strategies by name.
pub(super) fn strategies(names: &[&str]) -> Result<Vec<Box<dyn Strategy>>, ReproduceError> {
    names.iter().map(|name| Ok(strategy(name)?)).collect()
}

/// Plans and simulates a study with each strategy.
pub(super) fn compared(study: &Study, names: &[&str]) -> Result<Comparison, ReproduceError> {
    let strategies = strategies(names)?;
    let results = strategies
        .par_iter()
        .map(|strategy| study.simulate(&study.plan(strategy.as_ref())))
        .collect::<Result<Vec<_>, RunError>>()?;
    Ok(study.comparison(results))
}

impl Context {
    /// Returns the paper's scenario under all strategies.
    pub(super) fn all(&self) -> Result<&Comparison, ReproduceError> {
        if let Some(known) = self.all.get() {
            return Ok(known);
        }
        let study = Study::new(paper()?, &Overrides::default())?;
        let comparison = compared(&study, STRATEGIES)?;
        Ok(self.all.get_or_init(|| comparison))
    }

    /// Returns the same for some of the strategies, in this order.
    pub(super) fn some(&self, names: &[&str]) -> Result<Comparison, ReproduceError> {
        let mut comparison = self.all()?.clone();
        let of = |name: &&str| comparison.strategies.iter().find(|r| r.strategy == *name).cloned();
        comparison.strategies = names.iter().filter_map(of).collect();
        Ok(comparison)
    }
}
