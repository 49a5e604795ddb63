//! `igniter capacity`

use super::Outcome;
use super::args::CapacityArgs;

pub(super) fn run(args: &CapacityArgs) -> anyhow::Result<Outcome> {
    let _ = args;
    anyhow::bail!("being written")
}
