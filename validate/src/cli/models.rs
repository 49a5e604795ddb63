//! `validate models`: the artifact's models, prepared.

use super::CommandOutcome;
use super::output::print;
use crate::facts::default_python;
use crate::models::{CHECKSUMS, MODELS, PrepareOptions, find_trtexec, prepare};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The weights of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Weights {
    /// Random, from a fixed seed: latency does not depend on weights
    Random,
    /// Torchvision's trained weights, which are downloaded
    Pretrained,
}

/// Whether TensorRT engines are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engines {
    /// If `trtexec` is installed
    Auto,
    /// Always; without `trtexec` that is an error
    Yes,
    /// Never: models stay ONNX
    No,
}

/// What serves ONNX files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    /// Triton's ONNX backend, which NVIDIA's images have
    Onnxruntime,
    /// Triton's Python backend with the package onnxruntime, as `scripts/setup_triton.sh --onnx` installs it
    Python,
}

/// The flags of `validate models`.
#[derive(Debug, Args)]
pub(super) struct ModelsCommand {
    /// The repository to write to; other models in it are kept
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// The models, separated by commas
    #[arg(long, value_name = "MODEL", value_delimiter = ',', default_values_t = MODELS.map(str::to_owned))]
    model: Vec<String>,
    /// The largest batch that engines are built for
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_batch: u32,
    /// The version of ONNX's operator set
    #[arg(long, value_name = "N", default_value_t = 17)]
    opset: u32,
    /// Which weights to export
    #[arg(long, value_enum, default_value_t = Weights::Random)]
    weights: Weights,
    /// Which backend of Triton serves the ONNX files
    #[arg(long, value_enum, default_value_t = Backend::Onnxruntime)]
    backend: Backend,
    /// Whether to build TensorRT engines with `trtexec`; build them on the GPU that will serve them
    #[arg(long, value_enum, default_value_t = Engines::Auto)]
    tensorrt: Engines,
    /// A Python that has torch, torchvision and onnx [default: python3]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Print errors only
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &ModelsCommand) -> anyhow::Result<CommandOutcome> {
    if let Some(unknown) = args.model.iter().find(|model| !MODELS.contains(&model.as_str())) {
        bail!("--model {unknown:?}: allowed: {}", MODELS.join(", "));
    }
    let by_python = args.backend == Backend::Python;
    if by_python && args.tensorrt == Engines::Yes {
        bail!(
            "--backend python serves ONNX files, not engines; fix: leave it or --tensorrt yes out"
        );
    }
    let trtexec = match args.tensorrt {
        _ if by_python => None,
        Engines::No => None,
        Engines::Auto => find_trtexec(),
        Engines::Yes => Some(find_trtexec().context(
            "--tensorrt yes: there is no trtexec; fix: run this in NVIDIA's TensorRT or Triton image, or leave the flag out",
        )?),
    };
    let python = args.python.clone().or_else(default_python);
    let options = PrepareOptions {
        models: args.model.clone(),
        max_batch: args.max_batch,
        opset: args.opset,
        pretrained: args.weights == Weights::Pretrained,
        python: python.context("no python3 in PATH; fix: name an interpreter with --python")?,
        trtexec,
        by_python,
    };
    let made = prepare(&args.output, &options)?;
    if !args.quiet {
        let lines = made.iter().map(|model| {
            format!("{}  {}  {} -> {}", model.name, model.file.display(), model.input, model.output)
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        print(&format!(
            "{text}\nchecksums in {}; serve them with --models {}",
            args.output.join(CHECKSUMS).display(),
            args.output.display()
        ))?;
    }
    Ok(CommandOutcome::Done)
}
