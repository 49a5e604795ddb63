//! `validate data`: real input data from images.

use super::Outcome;
use super::output::whole_file;
use crate::data::{ImageOptions, Layout, write_images};
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;

/// The flags of `validate data`.
#[derive(Debug, Args)]
pub(super) struct DataCommand {
    /// A folder of PNG, JPEG or BMP images
    images: PathBuf,
    /// Write the inputs to this file, in perf_analyzer's JSON format
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The name of the model's input
    #[arg(long, value_name = "NAME", default_value = "IN")]
    input: String,
    /// Width and height that images are scaled and cut to, in pixels
    #[arg(long, value_name = "WxH", default_value = "224x224")]
    size: String,
    /// The order of the dimensions
    #[arg(long, value_enum, default_value_t = Layout::Chw)]
    layout: Layout,
    /// Subtracted from each channel after scaling to 0 … 1 [default: ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', default_value = "0.485,0.456,0.406")]
    mean: Vec<f32>,
    /// Divides each channel after that [default: ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', default_value = "0.229,0.224,0.225")]
    std: Vec<f32>,
    /// Say nothing on stdout
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &DataCommand) -> anyhow::Result<Outcome> {
    let size =
        args.size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let Some(size @ (1..=8192, 1..=8192)) = size else {
        bail!("--size {:?}: allowed: WxH with numbers from 1 to 8192, such as 224x224", args.size);
    };
    let three = |name: &str, values: &[f32]| {
        <[f32; 3]>::try_from(values)
            .ok()
            .with_context(|| format!("--{name}: allowed: three numbers, such as 0.5,0.5,0.5"))
    };
    let std = three("std", &args.std)?;
    if std.iter().any(|&value| value <= 0.0 || !value.is_finite()) {
        bail!("--std: allowed: numbers above 0");
    }
    let options = ImageOptions {
        input: args.input.clone(),
        size,
        layout: args.layout,
        mean: three("mean", &args.mean)?,
        std,
    };
    let images = whole_file(&args.output, |file| Ok(write_images(&args.images, &options, file)?))?;
    if !args.quiet {
        super::output::print(&format!("{images} images in {}", args.output.display()))?;
    }
    Ok(Outcome::Done)
}
