//! Vector output for papers: PDF, and PGF for LaTeX. Both are made from the same SVG as the PNG image.

use super::PlotError;
use super::canvas::parse;
use resvg::usvg::tiny_skia_path::{Path as Outline, PathSegment, Point, Transform};
use resvg::usvg::{self, FillRule, Group, Node, Paint, Text, TextAnchor};
use std::collections::BTreeMap;
use std::fmt::Write;

/// PDF units, of 1/72 in, in a dot of 1/300 in.
const UNITS: f32 = 72.0 / 300.0;

/// A drawing operation; operations are passed in drawing order.
enum Mark<'a> {
    Fill { path: &'a Outline, at: Transform, colour: [u8; 3], opacity: f32, even_odd: bool },
    Stroke { path: &'a Outline, at: Transform, colour: [u8; 3], opacity: f32, width: f32 },
    Text(&'a Text),
}

/// Calls `paint` with every mark of a group. Text is passed as text, or as outlines if `outlines` is set.
fn marks<'a>(group: &'a Group, opacity: f32, outlines: bool, paint: &mut dyn FnMut(Mark<'a>)) {
    let opacity = opacity * group.opacity().get();
    for node in group.children() {
        match node {
            Node::Group(inner) => marks(inner, opacity, outlines, paint),
            Node::Text(text) if outlines => marks(text.flattened(), opacity, outlines, paint),
            Node::Text(text) => paint(Mark::Text(text)),
            Node::Path(path) => {
                let (at, outline) = (path.abs_transform(), path.data());
                if let Some(fill) = path.fill() {
                    paint(Mark::Fill {
                        path: outline,
                        at,
                        colour: rgb(fill.paint()),
                        opacity: opacity * fill.opacity().get(),
                        even_odd: fill.rule() == FillRule::EvenOdd,
                    });
                }
                if let Some(stroke) = path.stroke() {
                    paint(Mark::Stroke {
                        path: outline,
                        at,
                        colour: rgb(stroke.paint()),
                        opacity: opacity * stroke.opacity().get(),
                        width: stroke.width().get(),
                    });
                }
            }
            // Figures contain no raster images.
            Node::Image(_) => {}
        }
    }
}

/// Returns the colour of a paint; figures use plain colours only.
fn rgb(paint: &Paint) -> [u8; 3] {
    match paint {
        Paint::Color(colour) => [colour.red, colour.green, colour.blue],
        _ => [0, 0, 0],
    }
}

/// Formats a number with at most three decimals.
fn number(value: f32) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn moved(at: Transform, mut point: Point) -> Point {
    at.map_point(&mut point);
    point
}

/// Returns the segments of a transformed path, with all curves as cubic ones.
fn segments(path: &Outline, at: Transform) -> Vec<PathSegment> {
    let mut last = Point::zero();
    let segment = |segment| match segment {
        PathSegment::MoveTo(to) => {
            last = moved(at, to);
            PathSegment::MoveTo(last)
        }
        PathSegment::LineTo(to) => {
            last = moved(at, to);
            PathSegment::LineTo(last)
        }
        PathSegment::QuadTo(control, to) => {
            let (control, to) = (moved(at, control), moved(at, to));
            let third = |end: Point| Point {
                x: end.x + (control.x - end.x) * 2.0 / 3.0,
                y: end.y + (control.y - end.y) * 2.0 / 3.0,
            };
            let made = PathSegment::CubicTo(third(last), third(to), to);
            last = to;
            made
        }
        PathSegment::CubicTo(a, b, to) => {
            last = moved(at, to);
            PathSegment::CubicTo(moved(at, a), moved(at, b), last)
        }
        PathSegment::Close => PathSegment::Close,
    };
    path.segments().map(segment).collect()
}

/// Creates a PDF file with one page from SVG text. Text is converted to outlines, so that no font has to be embedded.
pub(super) fn pdf(svg: &str, title: &str) -> Result<Vec<u8>, PlotError> {
    let tree = parse(svg)?;
    let (width, height) = (tree.size().width() * UNITS, tree.size().height() * UNITS);
    let mut content = format!("{UNITS} 0 0 {} 0 {} cm\n", -UNITS, number(height));
    // Each opacity needs its own dictionary.
    let mut opacities: BTreeMap<String, usize> = BTreeMap::new();
    let mut used = String::from("1");
    let mut set_opacity = |content: &mut String, opacity: f32| {
        let words = number(opacity);
        if words != used {
            let known = opacities.len();
            let index = *opacities.entry(words.clone()).or_insert(known);
            put(content, format_args!("/O{index} gs\n"));
            used = words;
        }
    };
    marks(tree.root(), 1.0, true, &mut |mark| match mark {
        Mark::Fill { path, at, colour, opacity, even_odd } => {
            set_opacity(&mut content, opacity);
            put(&mut content, format_args!("{} rg\n", channels(colour)));
            pdf_path(&mut content, path, at);
            content.push_str(if even_odd { "f*\n" } else { "f\n" });
        }
        Mark::Stroke { path, at, colour, opacity, width } => {
            set_opacity(&mut content, opacity);
            let width = number(width * at.get_scale().0);
            put(&mut content, format_args!("{} RG {width} w\n", channels(colour)));
            pdf_path(&mut content, path, at);
            content.push_str("S\n");
        }
        Mark::Text(_) => {}
    });
    let states: String = opacities.iter().fold(String::new(), |all, (opacity, index)| {
        all + &format!("/O{index} << /ca {opacity} /CA {opacity} >> ")
    });
    let (width, height) = (number(width), number(height));
    let packed = packed(content.as_bytes());
    let objects: [Vec<u8>; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R /Resources << /ExtGState << \
             {states}>> >> >>"
        )
        .into_bytes(),
        [
            format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", packed.len()).as_bytes(),
            &packed,
            b"\nendstream",
        ]
        .concat(),
        format!("<< /Title {} /Producer (igniter) >>", pdf_text(title)).into_bytes(),
    ];
    let mut file = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = String::new();
    for (index, object) in objects.iter().enumerate() {
        put(&mut table, format_args!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{} 0 obj\n", index + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    let n = objects.len() + 1;
    let end = format!(
        "xref\n0 {n}\n0000000000 65535 f \n{table}trailer\n<< /Size {n} /Root 1 0 R /Info 5 0 R \
         >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.extend(end.bytes());
    Ok(file)
}

fn put(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(part);
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory cannot fail.
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default()
}

/// Formats a PDF text string: UTF-16 in hexadecimal.
fn pdf_text(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    format!("<FEFF{units}>")
}

fn channels(colour: [u8; 3]) -> String {
    colour.map(|channel| number(f32::from(channel) / 255.0)).join(" ")
}

fn pdf_path(content: &mut String, path: &Outline, at: Transform) {
    let pair = |p: Point| format!("{} {}", number(p.x), number(p.y));
    for segment in segments(path, at) {
        match segment {
            PathSegment::MoveTo(to) => put(content, format_args!("{} m\n", pair(to))),
            PathSegment::LineTo(to) => put(content, format_args!("{} l\n", pair(to))),
            PathSegment::CubicTo(a, b, to) => {
                put(content, format_args!("{} {} {} c\n", pair(a), pair(b), pair(to)));
            }
            PathSegment::Close => content.push_str("h\n"),
            // `segments` converts these to cubic curves.
            PathSegment::QuadTo(..) => {}
        }
    }
}

/// Creates a PGF picture from SVG text for `\input`; LaTeX sets its text in the font of the document.
pub(super) fn pgf(svg: &str) -> Result<String, PlotError> {
    let tree = parse(svg)?;
    let high = tree.size().height();
    let at = |p: Point| {
        format!("\\pgfqpoint{{{}bp}}{{{}bp}}", number(p.x * UNITS), number((high - p.y) * UNITS))
    };
    let mut text = String::from(
        "% Made by igniter. Needs \\usepackage{pgf} (or tikz); use it with \\input{FILE}.\n\\begingroup\n\
         \\begin{pgfpicture}\n",
    );
    let corner = at(Point { x: tree.size().width(), y: 0.0 });
    put(
        &mut text,
        format_args!(
            "\\pgfpathrectangle{{\\pgfpointorigin}}{{{corner}}}\\pgfusepath{{use as bounding box}}\n"
        ),
    );
    let path = |text: &mut String, path: &Outline, by: Transform| {
        for segment in segments(path, by) {
            match segment {
                PathSegment::MoveTo(to) => put(text, format_args!("\\pgfpathmoveto{{{}}}", at(to))),
                PathSegment::LineTo(to) => put(text, format_args!("\\pgfpathlineto{{{}}}", at(to))),
                PathSegment::CubicTo(a, b, to) => put(
                    text,
                    format_args!("\\pgfpathcurveto{{{}}}{{{}}}{{{}}}", at(a), at(b), at(to)),
                ),
                PathSegment::Close => text.push_str("\\pgfpathclose"),
                PathSegment::QuadTo(..) => {}
            }
            text.push('\n');
        }
    };
    // Colours and opacities are set only when they change.
    let (mut colours, mut opacity_set) = ([None, None], String::new());
    let mut set = |text: &mut String, which: usize, colour: [u8; 3], opacity: f32| {
        let kind = ["fill", "stroke"][which];
        if colours[which] != Some(colour) {
            colours[which] = Some(colour);
            let [r, g, b] = colour;
            put(
                text,
                format_args!(
                    "\\definecolor{{igniter{kind}}}{{RGB}}{{{r},{g},{b}}}\\pgfset{kind}color{{igniter{kind}}}\n"
                ),
            );
        }
        let words = number(opacity);
        if opacity_set != words {
            put(
                text,
                format_args!("\\pgfsetfillopacity{{{words}}}\\pgfsetstrokeopacity{{{words}}}\n"),
            );
            opacity_set = words;
        }
    };
    marks(tree.root(), 1.0, false, &mut |mark| match mark {
        Mark::Fill { path: outline, at, colour, opacity, even_odd } => {
            set(&mut text, 0, colour, opacity);
            path(&mut text, outline, at);
            let rule = if even_odd { "\\pgfseteorule" } else { "" };
            put(&mut text, format_args!("{rule}\\pgfusepath{{fill}}\n"));
        }
        Mark::Stroke { path: outline, at, colour, opacity, width } => {
            set(&mut text, 1, colour, opacity);
            let width = number(width * at.get_scale().0 * UNITS);
            put(&mut text, format_args!("\\pgfsetlinewidth{{{width}bp}}\n"));
            path(&mut text, outline, at);
            text.push_str("\\pgfusepath{stroke}\n");
        }
        Mark::Text(words) => {
            // Text uses the opacity of fills.
            set(&mut text, 0, [0, 0, 0], 1.0);
            pgf_text(&mut text, words, high);
        }
    });
    text.push_str("\\end{pgfpicture}\n\\endgroup\n");
    Ok(text)
}

fn pgf_text(text: &mut String, words: &Text, high: f32) {
    for chunk in words.chunks() {
        let (Some(x), Some(y), Some(span)) = (chunk.x(), chunk.y(), chunk.spans().first()) else {
            continue;
        };
        let down = words.dy().first().copied().unwrap_or(0.0);
        let by = words.abs_transform();
        let at = moved(by, Point { x, y: y + down });
        let align = match chunk.anchor() {
            TextAnchor::Start => "left,",
            TextAnchor::Middle => "",
            TextAnchor::End => "right,",
        };
        // Text is horizontal or rotated by 90 degrees.
        let turn = (-by.ky).atan2(by.sx).to_degrees().round();
        let turn = if turn == 0.0 { String::new() } else { format!(",rotate={turn}") };
        let size = span.font_size().get() * by.get_scale().0 * UNITS;
        let bold = if span.font().weight() >= 600 { "\\bfseries" } else { "" };
        let [r, g, b] = span.fill().map_or([0, 0, 0], |fill| rgb(fill.paint()));
        put(
            text,
            format_args!(
                "\\pgftext[{align}base,x={}bp,y={}bp{turn}]{{\\definecolor{{ignitertext}}{{RGB}}{{{r},{g},{b}}}\\color{{ignitertext}}\\fontsize{{{}bp}}{{{}bp}}\\selectfont{bold} {}}}\n",
                number(at.x * UNITS),
                number((high - at.y) * UNITS),
                number(size),
                number(1.2 * size),
                igniter_results::latex_escape(chunk.text()),
            ),
        );
    }
}

/// Returns the characters of a figure that no available font can draw.
pub(super) fn undrawn(svg: &str) -> Result<Vec<char>, PlotError> {
    fn collect(group: &Group, found: &mut Vec<char>) {
        for node in group.children() {
            match node {
                Node::Group(inner) => collect(inner, found),
                Node::Text(text) => {
                    let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
                    let missing = glyphs.filter(|glyph| glyph.id == usvg::GlyphId(0));
                    found.extend(missing.flat_map(|glyph| glyph.text.chars()));
                }
                Node::Path(_) | Node::Image(_) => {}
            }
        }
    }
    if svg.is_ascii() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    collect(parse(svg)?.root(), &mut found);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::canvas::{Align, Text as Look, draw, fill, text};
    use super::*;
    use crate::canvas::Frame;
    use plotters::style::RGBColor;

    fn sample(words: &str) -> String {
        draw((300, 150), |area| {
            fill(area, Frame::new(10, 20, 30, 40), RGBColor(0, 114, 178))?;
            text(area, (150, 75), Look::new(25.0, Align::Centre), words)?;
            text(area, (20, 75), Look::new(25.0, Align::Right).upright(), "up")
        })
        .unwrap()
    }

    #[test]
    fn a_pdf_has_its_size_in_points_and_a_table_that_leads_to_every_object() {
        let file = pdf(&sample("P99"), "Größe").unwrap();
        assert_eq!(file, pdf(&sample("P99"), "Größe").unwrap());
        let text = String::from_utf8_lossy(&file);
        // 1 in by 0.5 in.
        assert!(text.contains("/MediaBox [0 0 72 36]"), "{text}");
        let bytes = |from: usize, what: &[u8]| file[from..].starts_with(what);
        let start: usize = {
            let tail = text.rsplit("startxref\n").next().unwrap();
            tail.lines().next().unwrap().parse().unwrap()
        };
        assert!(bytes(start, b"xref\n0 6\n"));
        let table = String::from_utf8(file[start..].to_vec()).unwrap();
        for (index, line) in table.lines().skip(3).take(5).enumerate() {
            let offset: usize = line[..10].parse().unwrap();
            assert!(bytes(offset, format!("{} 0 obj", index + 1).as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_pgf_picture_holds_text_that_latex_sets() {
        let picture = pgf(&sample("50 % of A_1")).unwrap();
        assert!(picture.contains("50 \\% of A\\_1"), "{picture}");
        assert!(picture.contains("\\fontsize{6bp}{7.2bp}"), "{picture}");
        assert!(picture.contains("right,base,") && picture.contains(",rotate=90]"), "{picture}");
        assert!(picture.contains("{RGB}{0,114,178}"), "{picture}");
        // The box begins 10 dots from the left and 20 below the top of 150.
        assert!(picture.contains("\\pgfqpoint{2.4bp}{31.2bp}"), "{picture}");
        assert_eq!(picture.matches('{').count(), picture.matches('}').count());
    }

    #[test]
    fn characters_that_no_font_has_are_found() {
        assert_eq!(undrawn(&sample("a – µ ≥")).unwrap(), []);
        // A character of a private plane, which no font has.
        assert_eq!(undrawn(&sample("a\u{f8fff}")).unwrap(), ['\u{f8fff}']);
    }
}
