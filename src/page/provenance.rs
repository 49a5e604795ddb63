//! The section about how the results were made.

use super::{FoundPage, Provenance};
use crate::results::FileHash;

pub(super) fn write(page: &mut FoundPage, provenance: &Provenance) {
    page.section("provenance", "How this was made");
    let mut pairs: Vec<(&str, String)> = Vec::new();
    pairs.extend(provenance.words().map(|words| ("Command", words)));
    if let Some(manifest) = &provenance.manifest {
        pairs.push(("Version", format!("{} {}", manifest.program, manifest.version)));
        pairs.push(("Started", manifest.started.clone()));
        pairs.push(("Took", format!("{:.2} s", manifest.wall_s)));
        let host = &manifest.host;
        let name = host.name.clone().map_or(String::new(), |name| format!("{name}, "));
        pairs.push(("Host", format!("{name}{} {}, {} threads", host.os, host.arch, host.threads)));
    }
    if let Some(seed) = provenance.seed {
        pairs.push(("Seed", seed.to_string()));
    }
    page.body.raw("<dl>");
    for (name, value) in pairs {
        page.body.raw("<dt>").text(name).raw("</dt><dd>").text(&value).raw("</dd>");
    }
    page.body.raw("</dl>\n");
    if provenance.manifest.is_none() {
        page.body.raw(
            "<p>When, where and by which exact command: <code>manifest.json</code> in the same folder. \
             <code>igniter report FOLDER</code> makes this page with it.</p>\n",
        );
    }
    files(page, "Files that were read", &provenance.inputs);
    if let Some(manifest) = &provenance.manifest {
        files(page, "Files that were written", &manifest.outputs);
    }
    if let Some(scenario) = &provenance.scenario {
        page.body.raw("<details><summary>The scenario with every default filled in</summary><pre>");
        page.body.text(scenario).raw("</pre></details>\n");
    }
    page.end_section();
}

fn files(page: &mut FoundPage, title: &str, files: &[FileHash]) {
    if files.is_empty() {
        return;
    }
    page.body.raw("<details><summary>").text(title).raw("</summary><ul class=\"files\">");
    for file in files {
        page.body.raw("<li>").text(&file.path).raw(" <small>");
        page.body.text(&format!("{} bytes, sha256 ", file.bytes)).raw("<code>");
        page.body.text(&file.sha256).raw("</code></small></li>");
    }
    page.body.raw("</ul></details>\n");
}
