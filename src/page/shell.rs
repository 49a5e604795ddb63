//! The document around the sections: style, scripts, and the content security policy.

use super::html::{Html, script_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = concat!(include_str!("assets/page.js"), include_str!("assets/sweep.js"));
/// Apache ECharts 6.1.0 (Apache License 2.0): see `assets/echarts/README.md`.
const ECHARTS: &str = include_str!("assets/echarts/echarts.common.min.js");
/// The notice of its licence, which must accompany it.
const ECHARTS_NOTICE: &str = include_str!("assets/echarts/NOTICE");

/// Returns the hash by which the content security policy allows a script: no other script runs.
fn source_hash(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script.as_bytes())))
}

/// The head of the page, above the sections.
#[derive(Debug)]
pub(super) struct PageHead<'a> {
    pub(super) title: &'a str,
    /// A lead of one sentence.
    pub(super) lead: &'a str,
    /// The command that made the results.
    pub(super) command: Option<String>,
    /// Whether the page reloads itself, as the page of a running sweep does.
    pub(super) live: bool,
}

pub(super) fn document(
    head: &PageHead<'_>,
    contents: &[(String, String)],
    body: &str,
    data: &Value,
) -> String {
    let PageHead { title, lead, command, live } = head;
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; ");
    html.raw("style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src ");
    html.raw(&source_hash(ECHARTS)).raw(" ").raw(&source_hash(SCRIPT)).raw("\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    if *live {
        html.raw("<meta http-equiv=\"refresh\" content=\"5\">\n");
    }
    html.raw("<link rel=\"icon\" href=\"data:,\">\n<title>").text(title).raw("</title>\n<style>\n");
    html.raw(STYLE).raw("</style>\n</head>\n<body>\n");
    html.raw("<a class=\"skip\" href=\"#summary\">To the summary</a>\n<header><h1>").text(title);
    html.raw("</h1><p>").text(lead).raw("</p>");
    if let Some(command) = command {
        html.raw("<p class=\"command\"><code>").text(command).raw("</code></p>");
    }
    html.raw("</header>\n<nav aria-label=\"Sections\"><ul>");
    for (id, name) in contents {
        html.raw("<li><a href=\"#").text(id).raw("\">").text(name).raw("</a></li>");
    }
    html.raw("</ul></nav>\n<main>\n<noscript><p class=\"note\">Charts, sorting and filters need scripts; ");
    html.raw("all numbers are in the tables.</p></noscript>\n")
        .raw(body)
        .raw("</main>\n<footer><p>");
    html.raw("Made by igniter. Charts by Apache ECharts 6.1.0.</p><pre>")
        .text(ECHARTS_NOTICE.trim());
    html.raw("\nLicensed under the Apache License 2.0.</pre></footer>\n");
    html.raw("<script type=\"application/json\" id=\"data\">").raw(&script_json(data));
    html.raw("</script>\n<script>").raw(ECHARTS).raw("</script>\n<script>").raw(SCRIPT);
    html.raw("</script>\n</body>\n</html>\n");
    html.as_str().to_owned()
}
