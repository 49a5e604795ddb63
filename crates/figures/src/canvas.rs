//! Drawing in dots with plotters: produces SVG text, and PNG from that SVG.

use super::PlotError;
use super::fonts;
use super::sheet::Sheet;
use super::style::{DOTS_PER_INCH, INK, SHADE, dots};
use igniter_model::domain::escaped;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};
use std::sync::{Arc, OnceLock};

/// Font of every figure, with the fallback for viewers that lack it.
const FONT: &str = "DejaVu Sans, sans-serif";
/// Plotters divides font sizes by this factor when it writes SVG.
const PLOTTERS_FONT_SCALE: f64 = 1.24;

/// The area that everything is drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Result of a drawing operation.
pub(super) type DrawResult<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// A rectangle in dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl Frame {
    pub(super) const fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w, h }
    }

    pub(super) const fn right(&self) -> i32 {
        self.x + self.w
    }

    pub(super) const fn bottom(&self) -> i32 {
        self.y + self.h
    }
}

/// Horizontal alignment of a text at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Appearance of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Text {
    pub(super) size: f64,
    pub(super) align: Align,
    pub(super) bold: bool,
    pub(super) colour: RGBColor,
    /// Whether the text is rotated to read from bottom to top.
    pub(super) upright: bool,
}

impl Text {
    pub(super) const fn new(size: f64, align: Align) -> Self {
        Self { size, align, bold: false, colour: INK, upright: false }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) const fn colour(self, colour: RGBColor) -> Self {
        Self { colour, ..self }
    }

    pub(super) const fn upright(self) -> Self {
        Self { upright: true, ..self }
    }

    /// Converts the style for plotters, which positions text at its vertical middle.
    pub(super) fn style(&self) -> TextStyle<'static> {
        let mut font = (FONT, self.size * PLOTTERS_FONT_SCALE).into_font();
        if self.bold {
            font = font.style(FontStyle::Bold);
        }
        if self.upright {
            font = font.transform(FontTransform::Rotate270);
        }
        let horizontal = match self.align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        font.color(&self.colour).pos(Pos::new(horizontal, VPos::Center))
    }
}

/// Draws text, positioned at its vertical middle.
pub(super) fn text(area: &Area<'_>, at: (i32, i32), look: Text, words: &str) -> DrawResult {
    if words.is_empty() {
        return Ok(());
    }
    area.draw_text(&escaped(words), &look.style(), at)
}

/// Fills a rectangle.
pub(super) fn fill(area: &Area<'_>, frame: Frame, colour: RGBColor) -> DrawResult {
    let corners = [(frame.x, frame.y), (frame.right(), frame.bottom())];
    area.draw(&Rectangle::new(corners, colour.filled()))
}

/// Outlines a rectangle.
pub(super) fn outline(area: &Area<'_>, frame: Frame, colour: RGBColor, width: u32) -> DrawResult {
    let corners = [(frame.x, frame.y), (frame.right(), frame.bottom())];
    area.draw(&Rectangle::new(corners, colour.stroke_width(width)))
}

/// Draws a line through points, optionally dashed.
pub(super) fn line(
    area: &Area<'_>,
    points: &[(i32, i32)],
    colour: RGBColor,
    width: u32,
    dashes: Option<(i32, i32)>,
) -> DrawResult {
    if points.len() < 2 {
        return Ok(());
    }
    let style = colour.stroke_width(width);
    let Some(dashes) = dashes else {
        return area.draw(&PathElement::new(points.to_vec(), style));
    };
    for dash in dashed(points, dashes) {
        area.draw(&PathElement::new(dash, style))?;
    }
    Ok(())
}

/// Splits a line into dashes; `drawn` and `blank` are lengths in dots.
fn dashed(points: &[(i32, i32)], (drawn, blank): (i32, i32)) -> Vec<Vec<(i32, i32)>> {
    let (drawn, blank) = (f64::from(drawn.max(1)), f64::from(blank.max(1)));
    let mut dashes = Vec::new();
    let mut current = vec![points[0]];
    let mut left = drawn;
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
        let length = (x1 - x0).hypot(y1 - y0);
        let at = |done: f64| {
            (dots(x0 + (x1 - x0) * done / length), dots(y0 + (y1 - y0) * done / length))
        };
        let mut done = 0.0;
        while length - done > left {
            done += left;
            if current.is_empty() {
                current.push(at(done));
                left = drawn;
            } else {
                current.push(at(done));
                dashes.push(std::mem::take(&mut current));
                left = blank;
            }
        }
        left -= length - done;
        if !current.is_empty() {
            current.push(pair[1]);
        }
    }
    dashes.push(current);
    dashes.retain(|dash| dash.len() > 1);
    dashes
}

/// Draws a symbol at a point. The index selects its shape, so that series are distinct without colour.
pub(super) fn symbol(
    area: &Area<'_>,
    (x, y): (i32, i32),
    index: usize,
    colour: RGBColor,
    r: i32,
) -> DrawResult {
    let style = colour.mix(0.8).filled();
    let polygon = |points: &[(i32, i32)]| {
        let points: Vec<_> = points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        area.draw(&Polygon::new(points, style))
    };
    let s = r * 9 / 10;
    match index % 6 {
        0 => area.draw(&Circle::new((x, y), r, style)),
        1 => polygon(&[(-s, -s), (s, -s), (s, s), (-s, s)]),
        2 => polygon(&[(0, -r - 2), (r + 2, r), (-r - 2, r)]),
        3 => polygon(&[(0, -r - 3), (r + 3, 0), (0, r + 3), (-r - 3, 0)]),
        4 => polygon(&[(0, r + 2), (r + 2, -r), (-r - 2, -r)]),
        _ => {
            line(area, &[(x - r, y - r), (x + r, y + r)], colour, 4, None)?;
            line(area, &[(x - r, y + r), (x + r, y - r)], colour, 4, None)
        }
    }
}

/// Fills a bar. The index selects its hatching, so that bars are distinct without colour.
pub(super) fn hatched(area: &Area<'_>, frame: Frame, index: usize, colour: RGBColor) -> DrawResult {
    /// Distance between two hatching lines.
    const STEP: i32 = 11;
    fill(area, frame, colour)?;
    let Frame { x, y, w, h } = frame;
    let stroke = |from: (i32, i32), to: (i32, i32)| line(area, &[from, to], WHITE, 2, None);
    let (rising, falling) = (matches!(index % 6, 1 | 4), matches!(index % 6, 2 | 4));
    for offset in (STEP..w + h).step_by(STEP.unsigned_abs() as usize) {
        // The diagonal through all points whose distances from two sides sum to the offset.
        let (a, b) =
            ((offset.min(w), offset - offset.min(w)), (offset - offset.min(h), offset.min(h)));
        if rising {
            stroke((x + a.0, y + a.1), (x + b.0, y + b.1))?;
        }
        if falling {
            stroke((x + w - a.0, y + a.1), (x + w - b.0, y + b.1))?;
        }
        if index % 6 == 3 && offset < h {
            stroke((x, y + offset), (x + w, y + offset))?;
        }
        if index % 6 == 5 && offset < w {
            stroke((x + offset, y), (x + offset, y + h))?;
        }
    }
    Ok(())
}

/// Fills a frame with a pale background.
pub(super) fn shade(area: &Area<'_>, frame: Frame) -> DrawResult {
    if frame.w > 0 && frame.h > 0 { fill(area, frame, SHADE) } else { Ok(()) }
}

/// Draws a figure of the given size in dots and returns SVG text that states its size in inches.
pub(super) fn draw(
    (width, height): (i32, i32),
    paint: impl FnOnce(&Area<'_>) -> DrawResult,
) -> Result<String, PlotError> {
    let size = (width.unsigned_abs(), height.unsigned_abs());
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        paint(&area)?;
        area.present()?;
    }
    let inch = DOTS_PER_INCH / Sheet::current().scale();
    let (width_in, height_in) = (f64::from(width) / inch, f64::from(height) / inch);
    let dotted = format!("width=\"{width}\" height=\"{height}\"");
    let inches = format!("width=\"{width_in:.2}in\" height=\"{height_in:.2}in\"");
    // Plotters centres text on the x-height, which puts digits above their tick. Half the height of capitals and digits
    // is 0.36 em, and every viewer interprets `em` in the same way. Names cannot contain the replaced text, because
    // their quotes are escaped.
    Ok(svg.replacen(&dotted, &inches, 1).replace("dy=\"0.5ex\"", "dy=\"0.36em\""))
}

/// Renders SVG text to a PNG file with one pixel per dot.
///
/// The embedded font is preferred; an installed font is used only for characters that it lacks, such as Chinese.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, PlotError> {
    let tree = parse(svg)?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or(PlotError::Empty)?;
    // The background is white up to the edges, even where the size is rounded to whole dots.
    pixels.fill(tiny_skia::Color::WHITE);
    resvg::render(&tree, tiny_skia::Transform::default(), &mut pixels.as_mut());
    encode(&pixels).map_err(|error| PlotError::Png(error.to_string()))
}

/// Encodes an opaque image as PNG. Most rows of a figure resemble the one above, so a single filter and a low
/// compression level give files a third larger than the encoder's default in a fifth of the time.
fn encode(pixels: &tiny_skia::Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_filter(png::Filter::Up);
    encoder.set_deflate_compression(png::DeflateCompression::Level(3));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&without_alpha(pixels.data()))?;
    writer.finish()?;
    Ok(bytes)
}

/// Drops the alpha channel. Uses plain indices into slices because there are millions of pixels, and at low
/// optimisation levels iterators and indexing into a `Vec` compile to calls.
fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; rgba.len() / 4 * 3];
    let rgb = bytes.as_mut_slice();
    let (mut from, mut to) = (0, 0);
    while to < rgb.len() {
        rgb[to] = rgba[from];
        rgb[to + 1] = rgba[from + 1];
        rgb[to + 2] = rgba[from + 2];
        from += 4;
        to += 3;
    }
    bytes
}

/// Parses SVG text with the embedded font.
pub(super) fn parse(svg: &str) -> Result<usvg::Tree, PlotError> {
    Ok(usvg::Tree::from_str(svg, options())?)
}

fn options() -> &'static usvg::Options<'static> {
    static OPTIONS: OnceLock<usvg::Options<'static>> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(include_bytes!("fonts/DejaVuSans.ttf").to_vec());
        fonts.load_font_data(include_bytes!("fonts/DejaVuSans-Bold.ttf").to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        usvg::Options {
            dpi: 300.0,
            font_family: "DejaVu Sans".to_owned(),
            fontdb: Arc::new(fonts),
            font_resolver: usvg::FontResolver {
                select_fallback: fonts::fallback(),
                ..usvg::FontResolver::default()
            },
            ..usvg::Options::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_around_corners() {
        // 10 to the right, then 10 down; 8 drawn, 4 blank: [0, 8], [12, 20]
        let dashes = dashed(&[(0, 0), (10, 0), (10, 10)], (8, 4));
        assert_eq!(dashes, [vec![(0, 0), (8, 0)], vec![(10, 2), (10, 10)]]);
    }

    #[test]
    fn hostile_text_is_escaped_and_the_size_is_in_inches() {
        let svg = draw((300, 150), |area| {
            text(area, (0, 0), Text::new(20.0, Align::Left), "<script>&\"")
        })
        .unwrap();
        assert!(svg.contains("&lt;script&gt;&amp;") && !svg.contains("<script>"), "{svg}");
        assert!(svg.contains("width=\"1.00in\" height=\"0.50in\""), "{svg}");
        assert_eq!(png(&svg).unwrap(), png(&svg).unwrap());
    }
}
