//! `igniter frontier`

use super::Outcome;
use super::args::FrontierArgs;

pub(super) fn run(args: &FrontierArgs) -> anyhow::Result<Outcome> {
    let _ = args;
    anyhow::bail!("being written")
}
