//! Converts a folder of images to input data in perf_analyzer's JSON format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// The order of the dimensions of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TensorLayout {
    /// Channel, row, column: PyTorch
    Chw,
    /// Row, column, channel: TensorFlow
    Hwc,
}

/// How an image gets the size of the model, and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preprocess {
    /// As torchvision's weights: the smaller side is scaled, the middle is cut out, numbers are normalised
    Torchvision,
    /// As the iGniter artifact: stretched to the size, numbers from 0 to 255
    Raw,
}

/// Options for converting images to tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageOptions {
    /// The name of the model's input.
    pub input: String,
    /// Width and height, in pixels.
    pub size: (u32, u32),
    /// How images are resized and their values converted.
    pub preprocess: Preprocess,
    /// The length of the smaller side before the centre is cropped; `None`: that of `size`.
    pub resize: Option<u32>,
    /// The maximum number of images to use.
    pub count: Option<usize>,
    /// The order of the dimensions.
    pub layout: TensorLayout,
    /// Subtracted from each channel, after scaling to 0 … 1; not used for raw values.
    pub mean: [f32; 3],
    /// Divides each channel after the subtraction.
    pub std: [f32; 3],
}

/// Errors of converting images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    #[error("cannot use {}: {source}", .path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {why}; fix: remove it, or convert it to PNG or JPEG", .path.display())]
    Image { path: PathBuf, why: String },
    #[error(
        "{}: holds no file that ends in .png, .jpg, .jpeg or .bmp, in its subfolders neither{}", .path.display(),
        if *.others > 0 { format!(" ({others} of other formats, such as .webp or .gif, are not read: convert them)") } else { String::new() }
    )]
    Empty { path: PathBuf, others: usize },
}

/// The outcome of converting a folder of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Converted {
    /// Number of images written.
    pub images: usize,
    /// Number of images left out because there were enough.
    pub beyond: usize,
    /// Number of images in unsupported formats.
    pub others: usize,
}

const READ: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];
const OTHER: [&str; 8] = ["webp", "gif", "tif", "tiff", "avif", "heic", "jxl", "ppm"];
/// The maximum depth of nested folders; more means that a link leads back to a parent folder.
const DEEPEST: usize = 32;

/// Returns the images of a folder and its subfolders by path, and the number of images in other formats.
fn files_of(folder: &Path) -> Result<(Vec<PathBuf>, usize), ImageError> {
    let (mut files, mut others) = (Vec::new(), 0);
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |source| ImageError::File { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                if depth == DEEPEST {
                    return Err(failed(std::io::Error::other(
                        "folders in it are nested without end",
                    )));
                }
                folders.push((path, depth + 1));
                continue;
            }
            let extension =
                path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            if READ.contains(&extension.as_str()) {
                files.push(path);
            } else if OTHER.contains(&extension.as_str()) {
                others += 1;
            }
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(ImageError::Empty { path: folder.to_owned(), others });
    }
    Ok((files, others))
}

/// Converts the images of a folder and its subfolders, in the order of their paths, and writes one JSON
/// document. Only one image is in memory at a time.
///
/// # Errors
/// When the folder holds no image, an image cannot be read completely, or the document cannot be written.
pub fn write_images(
    folder: &Path,
    options: &ImageOptions,
    out: &mut dyn Write,
) -> Result<Converted, ImageError> {
    let failed = |source| ImageError::File { path: folder.to_owned(), source };
    let (mut files, others) = files_of(folder)?;
    let all = files.len();
    files.truncate(options.count.unwrap_or(usize::MAX));
    let (width, height) = options.size;
    let shape = match options.layout {
        TensorLayout::Chw => [3, height, width],
        TensorLayout::Hwc => [height, width, 3],
    };
    out.write_all(b"{\"data\":[").map_err(failed)?;
    for (i, path) in files.iter().enumerate() {
        let image =
            read_image(path).map_err(|why| ImageError::Image { path: path.clone(), why })?;
        let tensor = STANDARD.encode(tensor(&sized(&image, options), options));
        let mut entry = serde_json::Map::new();
        let content = serde_json::json!({ "b64": tensor, "shape": shape });
        entry.insert(options.input.clone(), content);
        let separator = if i == 0 { "\n" } else { ",\n" };
        write!(out, "{separator}{}", serde_json::Value::Object(entry)).map_err(failed)?;
    }
    out.write_all(b"\n]}\n").map_err(failed)?;
    Ok(Converted { images: files.len(), beyond: all - files.len(), others })
}

/// Reads an image in the orientation in which it is to be viewed, which cameras record in EXIF data.
fn read_image(path: &Path) -> Result<DynamicImage, String> {
    // Opening a pipe would wait for a writer.
    if !path.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if is_cut_off(&bytes) {
        return Err(CUT_OFF.to_owned());
    }
    let reader = ImageReader::new(Cursor::new(&bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    let mut decoder = reader.into_decoder().map_err(words)?;
    if decoder.total_bytes() > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes when it is unpacked"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(words)?;
    image.apply_orientation(orientation);
    Ok(image)
}

const CUT_OFF: &str = "the file ends before the image does";

/// The maximum size of an uncompressed image, in bytes: 1 GiB. A file of a few kilobytes may claim to be
/// larger.
const LARGEST: u64 = 1 << 30;

/// Returns the message of a decoder, with a clearer one where a file was cut off.
fn words(error: image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            CUT_OFF.to_owned()
        }
        other => other.to_string(),
    }
}

/// Returns whether a JPEG lacks its end. Decoders invent what is missing and report nothing. The two markers
/// cannot occur in the image data; an embedded thumbnail (EXIF) precedes it and has its own markers.
fn is_cut_off(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    let last = |marker: u8| bytes.windows(2).rposition(|two| two == [0xff, marker]);
    last(0xd9) < last(0xda) || last(0xda).is_none()
}

/// Resizes an image to the size of the model.
fn sized(image: &DynamicImage, options: &ImageOptions) -> RgbImage {
    let (width, height) = options.size;
    if options.preprocess == Preprocess::Raw {
        return image.resize_exact(width, height, FilterType::Triangle).to_rgb8();
    }
    // As in torchvision: the smaller side gets the given length, the other is truncated to whole pixels.
    let (from_width, from_height) = (u64::from(image.width()), u64::from(image.height()));
    let long = |short: u32, long: u64, of: u64| {
        u32::try_from(u64::from(short) * long / of.max(1)).unwrap_or(u32::MAX)
    };
    let (to_width, to_height) = match options.resize {
        Some(short) if from_width <= from_height => (short, long(short, from_height, from_width)),
        Some(short) => (long(short, from_width, from_height), short),
        // The size that covers the target.
        None if from_width * u64::from(height) <= from_height * u64::from(width) => {
            (width, long(width, from_height, from_width).max(height))
        }
        None => (long(height, from_width, from_height).max(width), height),
    };
    let resized =
        image.resize_exact(to_width.max(width), to_height.max(height), FilterType::Triangle);
    // Rounds like Python: halves to the even side.
    let middle = |all: u32, part: u32| {
        let spare = all - part;
        if spare % 2 == 1 && spare / 2 % 2 == 1 { spare / 2 + 1 } else { spare / 2 }
    };
    let (x, y) = (middle(resized.width(), width), middle(resized.height(), height));
    resized.crop_imm(x, y, width, height).to_rgb8()
}

/// Converts an image to FP32 elements, little-endian.
fn tensor(image: &RgbImage, options: &ImageOptions) -> Vec<u8> {
    let element = |x: u32, y: u32, channel: usize| {
        let value = f32::from(image.get_pixel(x, y).0[channel]);
        if options.preprocess == Preprocess::Raw {
            return value.to_le_bytes();
        }
        ((value / 255.0 - options.mean[channel]) / options.std[channel]).to_le_bytes()
    };
    let (width, height) = image.dimensions();
    let mut bytes = Vec::with_capacity(width as usize * height as usize * 12);
    match options.layout {
        TensorLayout::Chw => {
            for channel in 0..3 {
                for y in 0..height {
                    (0..width).for_each(|x| bytes.extend(element(x, y, channel)));
                }
            }
        }
        TensorLayout::Hwc => {
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
            preprocess: Preprocess::Torchvision,
            resize: None,
            count: None,
            layout: TensorLayout::Chw,
            mean: [0.0, 0.2, 0.0],
            std: [1.0, 1.0, 0.5],
        };
        let json = root.path().join("data.json");
        let mut file = std::fs::File::create(&json).unwrap();
        assert_eq!(write_images(root.path(), &options, &mut file).unwrap().images, 2);
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

        options.layout = TensorLayout::Hwc;
        let mut text = Vec::new();
        write_images(root.path(), &options, &mut text).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["data"][0]["IN"]["shape"], serde_json::json!([2, 2, 3]));
        let empty = tempfile::tempdir().unwrap();
        let error = write_images(empty.path(), &options, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no file that ends in .png"));
    }

    fn plain(preprocess: Preprocess) -> ImageOptions {
        ImageOptions {
            input: "IN".to_owned(),
            size: (4, 4),
            preprocess,
            resize: None,
            count: None,
            layout: TensorLayout::Hwc,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    fn first(folder: &Path, options: &ImageOptions) -> Vec<f32> {
        let mut text = Vec::new();
        write_images(folder, options, &mut text).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let bytes = STANDARD.decode(json["data"][0]["IN"]["b64"].as_str().unwrap()).unwrap();
        bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    #[test]
    fn subfolders_counts_and_other_formats() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("b/c");
        std::fs::create_dir_all(&deep).unwrap();
        for path in [root.path().join("z.png"), deep.join("a.png"), root.path().join("b/a.png")] {
            RgbImage::new(3, 3).save(path).unwrap();
        }
        std::fs::write(root.path().join("x.webp"), "").unwrap();
        let options = ImageOptions { count: Some(2), ..plain(Preprocess::Raw) };
        let done = write_images(root.path(), &options, &mut Vec::new()).unwrap();
        assert_eq!(done, Converted { images: 2, beyond: 1, others: 1 });
        let webp = tempfile::tempdir().unwrap();
        std::fs::write(webp.path().join("x.webp"), "").unwrap();
        let error = write_images(webp.path(), &options, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("1 of other formats") && error.contains("convert"), "{error}");
    }

    #[test]
    fn raw_pictures_are_stretched_and_others_are_cut() {
        let root = tempfile::tempdir().unwrap();
        // Five columns of 0, 50, 100, 150 and 200, four rows.
        let columns = RgbImage::from_fn(5, 4, |x, _| Rgb([u8::try_from(50 * x).unwrap(); 3]));
        columns.save(root.path().join("a.png")).unwrap();
        let row =
            |values: &[f32]| -> Vec<f32> { values[..12].iter().step_by(3).copied().collect() };
        // One column too many: torchvision leaves out the last, for it rounds a half to the even side.
        let cut = row(&first(root.path(), &plain(Preprocess::Torchvision)));
        for (value, expected) in cut.iter().zip([0.0, 50.0, 100.0, 150.0]) {
            assert!((value * 255.0 - expected).abs() < 0.01, "{cut:?}");
        }
        let raw = row(&first(root.path(), &plain(Preprocess::Raw)));
        assert!(
            raw[0] < 25.0 && raw[3] > 175.0 && raw[3] <= 255.0,
            "all five columns are in it: {raw:?}"
        );
    }

    #[test]
    fn a_picture_that_is_cut_off_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.jpg");
        RgbImage::from_fn(64, 64, |x, y| Rgb([u8::try_from(x * y % 256).unwrap(); 3]))
            .save(&path)
            .unwrap();
        let options = plain(Preprocess::Raw);
        write_images(root.path(), &options, &mut Vec::new()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = write_images(root.path(), &options, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("ends before"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = |name: &str, content: &[u8]| {
            let path = root.path().join(name);
            std::fs::write(&path, content).unwrap();
            let error = write_images(root.path(), &options, &mut Vec::new()).unwrap_err();
            std::fs::remove_file(path).unwrap();
            error.to_string()
        };
        for name in ["a.png", "a.bmp"] {
            let path = root.path().join(name);
            RgbImage::from_fn(64, 64, |x, y| Rgb([u8::try_from(x * y % 256).unwrap(); 3]))
                .save(&path)
                .unwrap();
            let whole = std::fs::read(&path).unwrap();
            let cut = error(name, &whole[..whole.len() / 2]);
            assert!(cut.contains(name) && cut.contains("ends before"), "{cut}");
        }
        // A header that says 30,000 by 30,000 dots, and nothing behind it.
        let side = 30_000_u32.to_le_bytes();
        let header = [
            b"BM".as_slice(),
            &[0; 8],
            &[54, 0, 0, 0, 40, 0, 0, 0],
            &side,
            &side,
            &[1, 0, 24, 0],
            &[0; 24],
        ];
        let huge = error("a.bmp", &header.concat());
        assert!(huge.contains("more than 1073741824 bytes"), "{huge}");
        let pipe = root.path().join("p.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = write_images(root.path(), &options, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("p.png: it is no regular file"), "{error}");
    }

    #[test]
    fn a_picture_is_turned_as_its_camera_was() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.jpg");
        // Dark above, bright below.
        RgbImage::from_fn(64, 64, |_, y| Rgb([if y < 32 { 0 } else { 255 }; 3]))
            .save(&path)
            .unwrap();
        let upright = first(root.path(), &plain(Preprocess::Raw));
        assert!(upright[0] < 10.0 && upright[47] > 245.0, "{upright:?}");
        // An EXIF block with the orientation 3: turned by half.
        let mut exif =
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0".to_vec();
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let jpeg = std::fs::read(&path).unwrap();
        let mut turned = vec![0xff, 0xd8, 0xff, 0xe1, length[0], length[1]];
        turned.append(&mut exif);
        turned.extend(&jpeg[2..]);
        std::fs::write(&path, turned).unwrap();
        let seen = first(root.path(), &plain(Preprocess::Raw));
        assert!(seen[0] > 245.0 && seen[47] < 10.0, "{seen:?}");
    }
}
