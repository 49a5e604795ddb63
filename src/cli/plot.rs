//! `igniter plot`

use super::Outcome;
use super::args::PlotArgs;

pub(super) fn run(args: &PlotArgs) -> anyhow::Result<Outcome> {
    let _ = args;
    anyhow::bail!("being written")
}
