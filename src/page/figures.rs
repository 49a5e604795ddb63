//! Embeds the pictures of the folder unchanged.

use super::{FoundPage, PageSource};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn write(page: &mut FoundPage, source: &PageSource<'_>) {
    if source.figures.is_empty() {
        return;
    }
    page.section("figures", "Figures");
    for figure in &source.figures {
        // An SVG in an `img` element cannot run scripts, whatever it contains.
        page.body.raw("<figure class=\"picture\"><img loading=\"lazy\" alt=\"").text(&figure.name);
        page.body.raw("\" src=\"data:image/svg+xml;base64,");
        page.body.raw(&STANDARD.encode(figure.svg.as_bytes())).raw("\"><figcaption>");
        page.body.text(&figure.name).raw("</figcaption></figure>\n");
    }
    page.end_section();
}
