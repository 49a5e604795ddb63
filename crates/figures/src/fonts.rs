//! SVG files with embedded fonts: they look the same everywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const REGULAR: &[u8] = include_bytes!("fonts/DejaVuSans-subset.woff2");
const BOLD: &[u8] = include_bytes!("fonts/DejaVuSans-Bold-subset.woff2");

/// The same figure with the faces that it uses, and what it shows as its title.
pub(super) fn standalone(svg: &str, caption: &str) -> String {
    let mut head = format!("<title>{}</title>\n<style>\n", escaped(caption));
    head += &face("normal", REGULAR);
    if svg.contains("font-weight=\"bold\"") {
        head += &face("bold", BOLD);
    }
    head += "</style>\n";
    // Behind the opening tag, which is our own and holds no text of others.
    match svg.find('>') {
        Some(end) => format!("{}\n{head}{}", &svg[..=end], &svg[end + 1..]),
        None => svg.to_owned(),
    }
}

fn face(weight: &str, font: &[u8]) -> String {
    format!(
        "@font-face{{font-family:\"DejaVu Sans\";font-weight:{weight};\
         src:url(data:font/woff2;base64,{}) format(\"woff2\")}}\n",
        STANDARD.encode(font)
    )
}

fn escaped(text: &str) -> String {
    igniter_model::domain::escaped(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_and_title_come_first_and_the_figure_stays() {
        let plain = "<svg width=\"1in\"><text>a</text></svg>";
        let svg = standalone(plain, "P99 < SLO");
        assert!(svg.starts_with("<svg width=\"1in\">\n<title>P99 &lt; SLO</title>\n<style>"));
        assert!(svg.ends_with("</style>\n<text>a</text></svg>"));
        assert_eq!(svg.matches("@font-face").count(), 1);
        let bold = standalone("<svg><text font-weight=\"bold\">a</text></svg>", "");
        assert_eq!(bold.matches("@font-face").count(), 2);
        resvg::usvg::Tree::from_str(
            &bold.replace(
                "<svg>",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">",
            ),
            &resvg::usvg::Options::default(),
        )
        .unwrap();
    }
}
