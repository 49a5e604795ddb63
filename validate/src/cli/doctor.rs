//! `validate doctor`.

use super::CommandOutcome;
use super::output::print;
use crate::doctor::{Diagnosis, DoctorOptions, MachineNeed, Status, examine};
use crate::gpu::{GpuError, GpuProbe, Nvml, Recording};
use crate::launch::DEFAULT_IMAGE;
use clap::Args;
use comfy_table::Table;
use serde_json::json;
use std::path::PathBuf;

/// The flags of `validate doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorCommand {
    /// What you want to use the machine for [default: gpu if there is any sign of one, else cpu]
    #[arg(long, value_enum)]
    need: Option<MachineNeed>,
    /// The program `tritonserver`
    #[arg(long, value_name = "FILE")]
    triton: Option<PathBuf>,
    /// The container image
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_IMAGE)]
    image: String,
    /// Do not start a server or an MPS daemon as a trial
    #[arg(long)]
    quick: bool,
    /// Read GPU data from this recording instead of the driver
    #[arg(long, value_name = "FILE", hide = true)]
    gpu_recording: Option<PathBuf>,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorCommand) -> anyhow::Result<CommandOutcome> {
    let diagnosis = examine(DoctorOptions {
        probe: probe(args).map_err(|error| error.to_string()),
        need: args.need,
        triton: args.triton.clone(),
        image: args.image.clone(),
        start: !args.quick,
        guard: crate::guard::program()?,
    });
    if args.json {
        let document = json!({
            "ready": diagnosis.ready(),
            "need": diagnosis.need,
            "machine": diagnosis.machine,
            "gpus": diagnosis.gpus,
            "checks": diagnosis.checks,
        });
        print(&serde_json::to_string_pretty(&document)?)?;
    } else {
        print(&text(&diagnosis))?;
    }
    Ok(CommandOutcome::of(diagnosis.ready()))
}

fn probe(args: &DoctorCommand) -> Result<Box<dyn GpuProbe>, GpuError> {
    Ok(match &args.gpu_recording {
        Some(file) => Box::new(Recording::read(file)?),
        None => Box::new(Nvml::load()?),
    })
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["", "what", "found"]);
    for check in &diagnosis.checks {
        let sign = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Missing => "MISSING",
            Status::Unneeded => "-",
        };
        table.add_row([sign, check.name, &check.found]);
        if let Some(fix) = &check.fix {
            table.add_row(["", "", &format!("→ {fix}")]);
        }
    }
    let use_at_hand = match diagnosis.need {
        MachineNeed::Cpu => "emulated models",
        MachineNeed::Gpu => "measuring GPUs",
    };
    let verdict = if diagnosis.ready() { "ready" } else { "not ready" };
    format!("{}\n\n{verdict} for {use_at_hand}", table.trim_fmt())
}
