//! `validate data`: real input data from images.

use super::CommandOutcome;
use super::output::whole_file;
use crate::data::{ImageOptions, Preprocess, TensorLayout, write_images};
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;

/// The flags of `validate data`.
#[derive(Debug, Args)]
pub(super) struct DataCommand {
    /// A folder of PNG, JPEG or BMP images, with its subfolders
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
    /// How to prepare each image
    #[arg(long, value_enum, default_value_t = Preprocess::Torchvision)]
    preprocess: Preprocess,
    /// Scale the smaller side to this many pixels before the middle is cut out; torchvision's classifiers use 256
    /// [default: the size]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=8192))]
    resize: Option<u32>,
    /// Convert only the first N images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The order of the dimensions
    #[arg(long, value_enum, default_value_t = TensorLayout::Chw)]
    layout: TensorLayout,
    /// Subtracted from each channel after scaling to 0 … 1 [default: ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', default_value = "0.485,0.456,0.406")]
    mean: Vec<f32>,
    /// Divides each channel after that [default: ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', default_value = "0.229,0.224,0.225")]
    std: Vec<f32>,
    /// Print errors only
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &DataCommand) -> anyhow::Result<CommandOutcome> {
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
        preprocess: args.preprocess,
        resize: args.resize,
        count: args.count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        layout: args.layout,
        mean: three("mean", &args.mean)?,
        std,
    };
    let done = whole_file(&args.output, |file| Ok(write_images(&args.images, &options, file)?))?;
    if !args.quiet {
        let mut text = format!("{} images in {}", done.images, args.output.display());
        if done.beyond > 0 {
            text += &format!("; {} more were left out (--count)", done.beyond);
        }
        if done.others > 0 {
            text += &format!(
                "; {} of other formats (.webp, .gif, …) were left out: convert them",
                done.others
            );
        }
        super::output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}
