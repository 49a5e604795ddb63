//! Renders any folder of results as one self-contained HTML page.
//!
//! A page needs no network and no other file: style, scripts, data and the chart library (Apache ECharts,
//! in `assets/echarts`) are embedded in it. The text is readable without scripts; scripts add sorting,
//! filters, charts and the explorer. All text from outside this program is escaped, and a content security
//! policy allows only the two embedded scripts to run.
//!
//! The page of a [`Comparison`](crate::results::Comparison) has a summary in words, the plans, charts, and
//! a section for each workload. The page of a sweep has its explorer; the pages of a validation and of
//! measured accuracy have their charts; the page of any other folder has its tables, figures and single
//! numbers. A page without a manifest depends on the results alone, byte for byte.

mod accuracy;
mod charts;
mod comparison;
mod figures;
mod first_screen;
mod following;
mod html;
mod load;
mod part;
mod plan;
mod provenance;
mod shell;
mod source;
mod sweep;
mod table;
mod tables;
mod validation;
mod words;
mod workloads;

pub use crate::results::Cell;
pub use accuracy::Accuracy;
pub use load::{PageError, read_source};
pub use part::PagePart;
pub use source::{EmbeddedFigure, FileValues, PageSource, Provenance};
pub use table::SortableTable;
pub use validation::Validation;

use crate::results::{COLOURS, MODELS, STRATEGY_LOOKS, SweepFacts, css_colour};
use html::Html;
use serde_json::{Map, Value, json};

/// The name of the page that commands write beside their tables.
pub const PAGE: &str = "report.html";

/// The page under construction: its sections, and the data that its scripts look up.
#[derive(Debug, Default)]
struct FoundPage {
    /// The sections in order.
    body: Html,
    /// (id, title) of each section, for the navigation.
    contents: Vec<(String, String)>,
    /// The data that charts draw.
    charts: Vec<Value>,
    /// The contents of the tables.
    tables: Vec<Value>,
    /// The data of the sweep explorer; null without a sweep.
    sweep: Value,
    /// The charts of each workload that has any, by workload name.
    workloads: Map<String, Value>,
}

impl FoundPage {
    /// Opens a section that the navigation lists.
    fn section(&mut self, id: &str, title: &str) {
        self.contents.push((id.to_owned(), title.to_owned()));
        self.body.raw("<section id=\"").text(id).raw("\"><h2>").text(title).raw("</h2>\n");
    }

    fn end_section(&mut self) {
        self.body.raw("</section>\n");
    }

    /// Writes the verdict in one line.
    fn verdict(&mut self, words: &str) {
        self.body.raw("<p class=\"verdict\">").text(words).raw("</p>\n");
    }

    /// Opens a part that readers can unfold.
    fn fold(&mut self, title: &str, open: bool) {
        self.body.raw(if open {
            "<details class=\"fold\" open>"
        } else {
            "<details class=\"fold\">"
        });
        self.body.raw("<summary>").text(title).raw("</summary>\n");
    }

    fn end_fold(&mut self) {
        self.body.raw("</details>\n");
    }

    /// Reserves space for a chart, which the script draws.
    fn chart(&mut self, chart: charts::Chart, caption: &str) {
        let id = format!("chart-{}", self.charts.len());
        self.body.raw("<figure><div class=\"chart\" role=\"img\" tabindex=\"0\" id=\"").text(&id);
        self.body.raw("\" aria-label=\"").text(caption).raw("\"></div><figcaption>");
        self.body.text(caption).raw("</figcaption></figure>\n");
        self.charts.push(chart.value(&id));
    }

    /// Writes a table that readers can sort and filter.
    fn table(&mut self, table: &SortableTable) {
        let id = format!("table-{}", self.tables.len());
        table.write(&id, &mut self.body);
        self.tables.push(table.value(&id));
    }
}

/// Renders the page of a sweep that is still running; `points` are its means so far, in the format of
/// `points.csv`.
///
/// # Errors
/// When `points` is not a valid table.
pub fn live_page(facts: SweepFacts, points: &[u8]) -> std::io::Result<String> {
    let table = load::table_of(points, sweep::POINTS, load::CELLS_OF_POINTS)?;
    let source = PageSource {
        title: facts.name.clone(),
        live: Some((facts.points, facts.total_points)),
        sweep: Some(facts),
        tables: vec![table],
        ..PageSource::default()
    };
    Ok(page(&source))
}

/// Renders the page of a folder of results.
#[must_use]
pub fn page(source: &PageSource<'_>) -> String {
    let mut page = FoundPage::default();
    let lead = words::lead(source);
    page.section("summary", "Summary");
    if let Some(comparison) = &source.comparison {
        first_screen::write(&mut page, comparison, &source.provenance.command);
    }
    if let Some((done, all)) = source.live {
        page.verdict(&format!("{done} of {all} points are done; this page loads itself again."));
    }
    for part in source.parts.iter().filter(|part| !part.verdict.is_empty()) {
        page.verdict(&part.verdict);
    }
    if let Some(verdict) = source.sweep.as_ref().and_then(|f| sweep::verdict(f, &source.tables)) {
        page.verdict(&verdict);
    }
    let mut sentences = words::summary(source);
    // The pages of a validation and of measured accuracy begin with the verdict.
    if (source.validation.is_some() || source.accuracy.is_some()) && !sentences.is_empty() {
        page.verdict(&sentences.remove(0));
    }
    page.body.raw("<div class=\"prose\">");
    for sentence in sentences {
        page.body.raw("<p>").text(&sentence).raw("</p>\n");
    }
    page.body.raw("</div>\n");
    page.end_section();
    if let Some(comparison) = &source.comparison {
        comparison::write(&mut page, comparison);
    }
    if let Some(facts) = &source.sweep {
        sweep::write(&mut page, facts, &source.tables);
    }
    if let Some(run) = &source.validation {
        validation::write(&mut page, run);
    }
    if let Some(accuracy) = &source.accuracy {
        accuracy::write(&mut page, accuracy);
    }
    part::write(&mut page, &source.parts);
    tables::write(&mut page, source);
    figures::write(&mut page, source);
    page.section("explorer", "Explorer");
    page.body.raw(
        "<p>Choose what is drawn against what, split it by a column, and filter by the others.</p>\n\
         <div id=\"explorer-controls\" class=\"controls\"></div>\n\
         <figure><div class=\"chart\" id=\"explorer-chart\" role=\"img\" tabindex=\"0\" \
         aria-label=\"The chart that is chosen above\"></div>\
         <figcaption id=\"explorer-caption\" aria-live=\"polite\"></figcaption></figure>\n",
    );
    page.end_section();
    provenance::write(&mut page, &source.provenance);
    let data = json!({
        "charts": page.charts, "tables": page.tables, "sweep": page.sweep,
        "workloads": page.workloads, "strategies": STRATEGY_LOOKS, "models": MODELS,
        "colours": (0..COLOURS).map(css_colour).collect::<Vec<_>>(),
    });
    let head = shell::PageHead {
        title: &source.title,
        lead: &lead,
        command: source.provenance.words(),
        live: source.live.is_some(),
    };
    shell::document(&head, &page.contents, page.body.as_str(), &data)
}

#[cfg(test)]
mod tests;
