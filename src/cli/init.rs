//! `igniter init`: writes a scenario to start from.

use super::CommandOutcome;
use super::args::InitArgs;
use super::files::write_file;
use super::output;
use crate::results::quoted;
use crate::run::scenario_of;
use anyhow::bail;
use std::fmt::Write;
use std::path::Path;

/// The settings of workloads, used in turn: a model of the shipped V100 profile, with an SLO in ms and a rate in
/// requests/s that the paper's evaluation uses for it.
const WORKLOADS: [(&str, u32, u32); 4] =
    [("alexnet", 15, 500), ("resnet50", 40, 400), ("vgg19", 60, 200), ("ssd", 55, 50)];

const HEAD: &str = r#"version = 1
seed = 1
# Simulated seconds; the first and the last are cut from the statistics.
duration_s = 60
warmup_s = 10
cooldown_s = 10

# How requests arrive: constant, poisson, gamma (with cv), trace (with a file) and more: docs/scenarios.md
arrival = { process = "poisson" }

# Kinds of GPU that plans may use: a shipped one, or a folder with your profile (docs/add-your-gpu.md).
[[gpu]]
kind = "v100"
price_per_hour = 3.06

# With no delay, a server that is free takes at once what waits. The iGniter paper has 100 ms and evenly spaced arrivals.
[batching]
max_queue_delay_ms = 0

# What the strategy queueing promises: this part of each workload's requests is answered within its SLO.
[plan]
attainment_pct = 99
"#;

pub(super) fn run(args: &InitArgs) -> anyhow::Result<CommandOutcome> {
    let path = &args.file;
    if path.exists() && !args.force {
        bail!("{}: is there already; fix: name another file, or add --force", path.display());
    }
    let text = if args.from_plan.is_empty() {
        template(path, args.workloads)?
    } else {
        let (scenario, assumptions) = scenario_of(&args.from_plan, None)?;
        let mut text = "# Made from plan files of the iGniter artifact. Assumed:\n".to_owned();
        for assumption in &assumptions {
            writeln!(text, "# {assumption}")?;
        }
        text + "\n" + &scenario.to_toml()
    };
    write_file(path, &text)?;
    let shown = quoted(&path.display().to_string());
    output::print(&format!(
        "{shown}\nnext: igniter check {shown}\n      igniter compare {shown} --strategies igniter,queueing -o results/first\n"
    ))?;
    Ok(CommandOutcome::Done)
}

fn template(path: &Path, workloads: u16) -> anyhow::Result<String> {
    let shown = quoted(&path.display().to_string());
    let mut text = format!(
        "# A scenario for igniter: what is to be served, on what, and how requests arrive.\n\
         #   igniter check {shown}      says what it asks for, and what is wrong\n\
         #   igniter compare {shown}    plans and simulates it with several strategies\n\
         # docs/scenarios.md has every key, `igniter schema` the same for editors.\n{HEAD}"
    );
    for (index, (model, slo_ms, rate_rps)) in
        WORKLOADS.iter().cycle().take(workloads.into()).enumerate()
    {
        let name = index + 1;
        text += "\n";
        if index == 0 {
            text += "# A model, how fast its requests must be answered, and how many come.\n";
        }
        write!(
            text,
            "[[workload]]\nname = \"W{name}\"\nmodel = \"{model}\"\nslo_ms = {slo_ms}\nrate_rps = {rate_rps}\n"
        )?;
    }
    Ok(text)
}
