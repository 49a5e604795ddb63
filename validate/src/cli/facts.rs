//! `validate facts`.

use super::CommandOutcome;
use super::output::{print, write_whole};
use crate::facts::{
    AllocationUnit, Facts, Prober, allocation_step, base_profile, default_python, share_table,
    transfer_table,
};
use crate::gpu::{GpuProbe, Nvml, Recording, VisibleGpu, visible};
use crate::guard::ScratchFolder;
use crate::launch::{Device, MpsDaemon, Sharing, keep_logs};
use anyhow::{Context as _, bail};
use clap::Args;
use igniter::domain::GpuKindName;
use igniter::profile::{load, profile_files};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The flags of `validate facts`.
#[derive(Debug, Args)]
pub(super) struct FactsCommand {
    /// The GPU, as `nvidia-smi` counts it or by UUID [default: the first that CUDA_VISIBLE_DEVICES shows]
    #[arg(long, value_name = "INDEX|UUID")]
    gpu: Option<String>,
    /// Also measure which static partitions MPS makes; base/ then has their chunks as allocation units
    #[arg(long = "static")]
    partitions: bool,
    /// The name of this kind of GPU
    #[arg(long, value_name = "NAME", default_value = "gpu")]
    kind: String,
    /// The profile whose models you want to measure
    #[arg(long, value_name = "KIND|PATH", default_value = "v100")]
    from: String,
    /// The percentages, separated by commas [default: one for each pair of SMs, at most 100]
    #[arg(long, value_name = "PCT", value_delimiter = ',')]
    percentages: Option<Vec<f64>>,
    /// The Python interpreter that starts the MPS clients; it needs no packages [default: python3]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Write facts.json, sm_table.csv, transfers.csv and base/ (for `validate profile --from`) to this folder
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Read GPU data from this recording instead of the driver
    #[arg(long, value_name = "FILE", hide = true)]
    gpu_recording: Option<PathBuf>,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &FactsCommand) -> anyhow::Result<CommandOutcome> {
    let mut probe: Box<dyn GpuProbe> = match &args.gpu_recording {
        Some(file) => Box::new(Recording::read(file)?),
        None => Box::new(Nvml::load()?),
    };
    let machine = probe.machine()?;
    let inventory = probe.inventory()?;
    for (_, error) in &inventory.silent {
        eprintln!("validate: {error}; it is left out");
    }
    let [list, order] =
        ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"].map(|name| std::env::var(name).ok());
    let shown =
        visible(&inventory, list.as_deref(), order.as_deref()).map_err(anyhow::Error::msg)?;
    let asked = |choice: &&VisibleGpu| match &args.gpu {
        None => true,
        Some(asked) => {
            choice.gpu.index.to_string() == *asked || choice.uuid().starts_with(asked.as_str())
        }
    };
    let Some(choice) = shown.iter().find(asked) else {
        let asked = args.gpu.as_deref().unwrap_or("at all");
        bail!("there is no GPU {asked} that may be used; fix: see `validate doctor`");
    };
    let gpu = choice.gpu.clone();
    // Before anything runs there.
    let idle = probe.sample(gpu.index)?;
    let python = args
        .python
        .clone()
        .or_else(default_python)
        .context("no python3 in PATH; fix: name an interpreter with --python")?;
    let percentages = match &args.percentages {
        Some(given) => {
            if let Some(wrong) = given.iter().find(|pct| !(0.0..=100.0).contains(*pct)) {
                bail!("--percentages: given {wrong}; allowed: 0 to 100");
            }
            given.clone()
        }
        None => steps(choice.sms().unwrap_or(100)),
    };
    let guard = crate::guard::program()?;
    let scratch = ScratchFolder::create(&guard, "igniter-facts-")?;
    let device = Device {
        number: 0,
        index: gpu.index,
        uuid: choice.uuid().to_owned(),
        sms: choice.sms(),
        facts: Some(Box::new(gpu.clone())),
    };
    let mut facts = Prober {
        python,
        device: device.clone(),
        guard: guard.clone(),
        dir: scratch.path().to_owned(),
    }
    .ask_all(&percentages)?;
    let mut step = choice.sms().and_then(|sms| allocation_step(&facts.shares, sms));
    if args.partitions {
        let dir = scratch.path().join("static");
        fs::create_dir_all(&dir)?;
        let daemon = MpsDaemon::start(&guard, &device.uuid, &dir, scratch.path(), Sharing::Static)?;
        let table = daemon.table()?;
        let one = daemon.add_partition(&device.uuid, 1)?;
        step = Some(AllocationUnit { sms: one.sms, units: table.chunks() });
    }
    if facts.mps_error.is_some() || !facts.failures.is_empty() {
        let logs = args.output.join("logs");
        let kept = keep_logs(scratch.path(), &logs)
            .with_context(|| format!("cannot keep logs in {}", logs.display()))?;
        facts.mps_error = facts.mps_error.map(|error| kept.in_text(&error));
    }
    let sharing = if args.partitions { Sharing::Static } else { Sharing::Percentage };
    let document = json!({
        "machine": machine, "gpu": gpu, "facts": facts, "allocation_step": step,
        "sharing": sharing.as_str(),
    });
    let text = serde_json::to_string_pretty(&document)? + "\n";
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot use {}", args.output.display()))?;
    write_whole(&args.output, "sm_table.csv", &share_table(&facts.shares))?;
    write_whole(&args.output, "transfers.csv", &transfer_table(&facts.transfers))?;
    write_whole(&args.output, "facts.json", &text)?;
    let known = load(&args.from)?;
    let name = GpuKindName::new(&args.kind)?;
    let base = base_profile(&known, name, &gpu, &idle, &facts.transfer_fits, (step, sharing))?;
    let folder = args.output.join("base");
    fs::create_dir_all(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
    for (name, text) in profile_files(&base) {
        write_whole(&folder, name, &text)?;
    }
    print(&if args.json { text } else { summary(&facts) })?;
    Ok(CommandOutcome::of(facts.failures.is_empty() && facts.mps_error.is_none()))
}

/// Percentages in the middle of each pair of SMs, so that rounding cannot hide a step; then 100.
fn steps(sms: u32) -> Vec<f64> {
    let pairs = (sms / 2).clamp(1, 99);
    let step = |pair: u32| {
        let exact = (f64::from(pair) + 0.5) * 100.0 / f64::from(pairs);
        (exact * 1000.0).round() / 1000.0
    };
    (1..pairs).map(step).chain([100.0]).collect()
}

fn summary(facts: &Facts) -> String {
    let mut lines = Vec::new();
    match &facts.mps_error {
        Some(error) => lines.push(format!("MPS cannot be used: {error}")),
        None => {
            lines.push(format!("MPS: {} percentages asked, in sm_table.csv", facts.shares.len()))
        }
    }
    for overlap in &facts.overlap {
        lines.push(format!(
            "two processes {} MPS: {:.2} of the speed alone (1 = side by side, 0.5 = in turns)",
            if overlap.mps { "with" } else { "without" },
            overlap.together_per_s / overlap.alone_per_s
        ));
    }
    for fit in &facts.transfer_fits {
        lines.push(format!(
            "copies {} from {} memory: {:.1} µs + {:.1} GB/s",
            fit.direction.replace('_', " "),
            fit.memory,
            fit.constant_ms * 1e3,
            fit.bytes_per_ms / 1e6
        ));
    }
    lines.extend(facts.failures.iter().map(|failure| format!("failed: {failure}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_lie_between_the_steps_of_the_hardware() {
        // 8 SMs, 4 pairs: 1.5, 2.5 and 3.5 pairs of 25 %, then all
        assert_eq!(steps(8), [37.5, 62.5, 87.5, 100.0]);
        assert_eq!(steps(132).len(), 66);
        assert!(steps(132).iter().all(|pct| (0.0..=100.0).contains(pct)));
    }
}
