//! Fonts: embedded ones for SVG files, so that they look the same everywhere, and installed ones for missing
//! characters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{FallbackSelectionFn, FontResolver};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

const REGULAR: &[u8] = include_bytes!("fonts/DejaVuSans-subset.woff2");
const BOLD: &[u8] = include_bytes!("fonts/DejaVuSans-Bold-subset.woff2");

/// Returns the figure with the font faces that it uses embedded, and with its caption as title.
pub(super) fn standalone(svg: &str, caption: &str) -> String {
    let mut head = format!("<title>{}</title>\n<style>\n", escaped(caption));
    head += &face("normal", REGULAR);
    if svg.contains("font-weight=\"bold\"") {
        head += &face("bold", BOLD);
    }
    head += "</style>\n";
    // Insert after the opening tag; this crate writes that tag, so it contains no user text.
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

/// Parts of file names of fonts with Chinese, Japanese and Korean characters, and with symbols.
const NAMES: [&str; 20] = [
    "cjk",
    "wqy",
    "droidsansfallback",
    "ipa",
    "takao",
    "vlgothic",
    "nanum",
    "unbatang",
    "unifont",
    "symbola",
    "notoemoji",
    "notosans",
    "hiragino",
    "pingfang",
    "applesdgothic",
    "msyh",
    "meiryo",
    "yugoth",
    "malgun",
    "seguisym",
];
/// Maximum number and total size in bytes of the installed fonts that are read.
const FILES: usize = 24;
const BYTES: u64 = 400_000_000;

/// Selects an installed font, if there is one, for a character that the embedded fonts lack.
pub(super) fn fallback() -> FallbackSelectionFn<'static> {
    let known = FontResolver::default_fallback_selector();
    Box::new(move |character, used, fonts| {
        if let Some(found) = known(character, used, fonts) {
            return Some(found);
        }
        if fonts.len() > OURS {
            return None;
        }
        let installed = installed();
        if installed.is_empty() {
            return None;
        }
        let all: &mut Database = Arc::make_mut(fonts);
        for font in installed {
            all.load_font_source(Source::Binary(font.clone()));
        }
        known(character, used, fonts)
    })
}

/// Number of embedded font faces.
const OURS: usize = 2;

/// Returns the installed font files that may have characters the embedded fonts lack. They are read once, on first use.
fn installed() -> &'static [Arc<dyn AsRef<[u8]> + Send + Sync>] {
    static FOUND: OnceLock<Vec<Arc<dyn AsRef<[u8]> + Send + Sync>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let folders = [
            PathBuf::from("/usr/share/fonts"),
            PathBuf::from("/usr/local/share/fonts"),
            home.join(".fonts"),
            home.join(".local/share/fonts"),
            PathBuf::from("/System/Library/Fonts"),
            PathBuf::from("/Library/Fonts"),
            PathBuf::from("C:\\Windows\\Fonts"),
        ];
        let mut files = Vec::new();
        for folder in folders {
            collect(&folder, 4, &mut files);
        }
        files.sort();
        let mut left = BYTES;
        let mut read: Vec<Arc<dyn AsRef<[u8]> + Send + Sync>> = Vec::new();
        for file in files.into_iter().take(FILES) {
            let size = std::fs::metadata(&file).map_or(u64::MAX, |data| data.len());
            if size > left {
                continue;
            }
            // Fonts that cannot be read are ignored.
            if let Ok(bytes) = std::fs::read(&file) {
                left -= size;
                read.push(Arc::new(bytes));
            }
        }
        read
    })
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files);
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let name = name.unwrap_or_default().replace(['-', '_', ' '], "");
        let font = [".ttf", ".otf", ".ttc"].iter().any(|end| name.ends_with(end));
        // Coloured glyphs are raster images, which figures do not draw.
        let plain = !["bold", "italic", "color", "serif", "mono", "light", "thin", "black"]
            .iter()
            .any(|word| name.contains(word));
        if font && plain && NAMES.iter().any(|known| name.contains(known)) {
            files.push(path);
        }
    }
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
