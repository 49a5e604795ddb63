//! A folder of images as input data, in perf_analyzer's JSON format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::imageops::FilterType;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The order of the dimensions of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// Channel, row, column: PyTorch
    Chw,
    /// Row, column, channel: TensorFlow
    Hwc,
}

/// How images become tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageOptions {
    /// The model's input.
    pub input: String,
    /// Width and height, in pixels.
    pub size: (u32, u32),
    /// The order of the dimensions.
    pub layout: Layout,
    /// Subtracted from each channel, after scaling to 0 … 1.
    pub mean: [f32; 3],
    /// Divides each channel, after that.
    pub std: [f32; 3],
}

/// Images that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The folder or file cannot be read or written.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no image that can be read.
    #[error("{}: {source}; only PNG, JPEG and BMP images are read", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// No image in the folder.
    #[error("{}: holds no file that ends in .png, .jpg, .jpeg or .bmp", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// Converts every image of a folder, in the order of their names, and writes one JSON document; returns how
/// many there were.
///
/// Images are scaled so that the smaller side fits, and the middle is cut out, as for ImageNet.
///
/// # Errors
/// When the folder holds no image, one cannot be read, or the document cannot be written.
pub fn write_images(
    folder: &Path,
    options: &ImageOptions,
    out: &mut dyn Write,
) -> Result<usize, ImageError> {
    let failed = |source| ImageError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let known = path.extension().and_then(|e| e.to_str()).is_some_and(|extension| {
            ["png", "jpg", "jpeg", "bmp"].contains(&extension.to_ascii_lowercase().as_str())
        });
        if known {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(ImageError::Empty { path: folder.to_owned() });
    }
    let (width, height) = options.size;
    let shape = match options.layout {
        Layout::Chw => [3, height, width],
        Layout::Hwc => [height, width, 3],
    };
    out.write_all(b"{\"data\":[").map_err(failed)?;
    for (i, path) in files.iter().enumerate() {
        let image = image::open(path)
            .map_err(|source| ImageError::Image { path: path.clone(), source })?
            .resize_to_fill(width, height, FilterType::Triangle)
            .to_rgb8();
        let tensor = STANDARD.encode(tensor(&image, options));
        let mut entry = serde_json::Map::new();
        let content = serde_json::json!({ "b64": tensor, "shape": shape });
        entry.insert(options.input.clone(), content);
        let separator = if i == 0 { "\n" } else { ",\n" };
        write!(out, "{separator}{}", serde_json::Value::Object(entry)).map_err(failed)?;
    }
    out.write_all(b"\n]}\n").map_err(failed)?;
    Ok(files.len())
}

/// FP32 elements, little-endian.
fn tensor(image: &RgbImage, options: &ImageOptions) -> Vec<u8> {
    let element = |x: u32, y: u32, channel: usize| {
        let value = f32::from(image.get_pixel(x, y).0[channel]) / 255.0;
        ((value - options.mean[channel]) / options.std[channel]).to_le_bytes()
    };
    let (width, height) = image.dimensions();
    let mut bytes = Vec::with_capacity(width as usize * height as usize * 12);
    match options.layout {
        Layout::Chw => {
            for channel in 0..3 {
                for y in 0..height {
                    (0..width).for_each(|x| bytes.extend(element(x, y, channel)));
                }
            }
        }
        Layout::Hwc => {
            for y in 0..height {
                for x in 0..width {
                    (0..3).for_each(|channel| bytes.extend(element(x, y, channel)));
                }
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ModelInfo, Tensor};
    use crate::data::read_samples;
    use image::Rgb;

    #[test]
    fn a_folder_becomes_samples_that_read_back() {
        let root = tempfile::tempdir().unwrap();
        // Left half red, right half blue; twice as wide as high, so that the middle is cut out.
        let image =
            RgbImage::from_fn(8, 4, |x, _| if x < 4 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
        image.save(root.path().join("b.png")).unwrap();
        RgbImage::from_pixel(2, 2, Rgb([0, 51, 0])).save(root.path().join("a.bmp")).unwrap();
        std::fs::write(root.path().join("notes.txt"), "no image").unwrap();
        let mut options = ImageOptions {
            input: "IN".to_owned(),
            size: (2, 2),
            layout: Layout::Chw,
            mean: [0.0, 0.2, 0.0],
            std: [1.0, 1.0, 0.5],
        };
        let json = root.path().join("data.json");
        let mut file = std::fs::File::create(&json).unwrap();
        assert_eq!(write_images(root.path(), &options, &mut file).unwrap(), 2);
        let model = ModelInfo {
            name: "m".to_owned(),
            inputs: vec![Tensor {
                name: "IN".to_owned(),
                datatype: "FP32".to_owned(),
                shape: vec![-1, 3, 2, 2],
            }],
            outputs: vec![],
        };
        let floats = |bytes: &[u8]| -> Vec<f32> {
            bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
        };
        let samples = read_samples(&json, &model).unwrap();
        // a.bmp: red 0, green 51/255 − 0.2 = 0, blue 0
        assert!(floats(&samples[0].tensors[0]).iter().all(|value| value.abs() < 1e-6));
        // b.png, columns red and blue: red 1 0 1 0, green −0.2, blue (0, 1/0.5)
        let b = floats(&samples[1].tensors[0]);
        let expected = [1.0, 0.0, 1.0, 0.0, -0.2, -0.2, -0.2, -0.2, 0.0, 2.0, 0.0, 2.0];
        let near = |(a, b): (&f32, f32)| (a - b).abs() < 0.3;
        assert!(b.iter().zip(expected).all(near), "{b:?}");

        options.layout = Layout::Hwc;
        let mut text = Vec::new();
        write_images(root.path(), &options, &mut text).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["data"][0]["IN"]["shape"], serde_json::json!([2, 2, 3]));
        let empty = tempfile::tempdir().unwrap();
        let error = write_images(empty.path(), &options, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no file that ends in .png"));
    }
}
