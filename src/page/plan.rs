//! A provisioning plan, drawn as GPUs with the shares of their workloads.

use super::html::Html;
use crate::domain::ModelName;
use crate::results::{PlanRow, StrategyResult, model_looks, trimmed};

/// GPUs that are drawn; the table of placements has all.
const DRAWN: usize = 60;

/// Background and text of each model in turn: the palette of the figures (Okabe and Ito), in shades on
/// which the text has a contrast of at least 4.5 to 1.
const COLOURS: [(&str, &str); 8] = [
    ("#0072b2", "#fff"),
    ("#e69f00", "#111"),
    ("#009e73", "#111"),
    ("#cc79a7", "#111"),
    ("#56b4e9", "#111"),
    ("#d55e00", "#111"),
    ("#9a9a9a", "#111"),
    ("#f0e442", "#111"),
];

fn colour(model: &ModelName, models: &[&ModelName]) -> (&'static str, &'static str) {
    let index = models.iter().position(|known| *known == model).unwrap_or(0);
    let looks = model_looks(&models.iter().map(|model| model.as_str()).collect::<Vec<_>>());
    COLOURS[looks[index] % COLOURS.len()]
}

/// The colours of the models.
pub(super) fn legend(html: &mut Html, models: &[&ModelName]) {
    html.raw("<ul class=\"legend\">");
    for model in models {
        let (background, _) = colour(model, models);
        html.raw("<li><span style=\"background:").raw(background).raw("\"></span>");
        html.text(model.as_str()).raw("</li>");
    }
    html.raw("<li><span class=\"free\"></span>free</li></ul>\n");
}

/// The GPUs of one strategy.
pub(super) fn write(html: &mut Html, result: &StrategyResult, models: &[&ModelName]) {
    html.raw("<ul class=\"plan\" aria-label=\"Plan of ").text(&result.strategy).raw("\">\n");
    for gpu in 0..result.gpu_count.min(DRAWN) {
        let rows: Vec<&PlanRow> = result.plan.iter().filter(|row| row.gpu == gpu).collect();
        // Who takes turns shares the height of the SMs that they share.
        let part = |row: &PlanRow| {
            let in_turn = |other: &&&PlanRow| other.time_slot == row.time_slot;
            let of = row.time_slot.map_or(1, |_| rows.iter().filter(in_turn).count());
            row.sm_pct / of as f64
        };
        let used: f64 = rows.iter().map(|row| part(row)).sum();
        // Shares that overlap, as without partitioning, are drawn side by side in the same height.
        let whole = used.max(100.0);
        let kind = rows.first().map_or("", |row| row.kind.as_str());
        html.raw("<li class=\"gpu\"><div class=\"gpu-name\">GPU ").text(&gpu.to_string());
        html.raw(" <small>").text(kind).raw("</small></div><div class=\"stack\">");
        for row in &rows {
            let (background, ink) = colour(&row.model, models);
            let height = 100.0 * part(row) / whole;
            // One line is all that a thin share has room for.
            let class = if height < 12.0 { "share thin" } else { "share" };
            html.raw(&format!(
                "<div class=\"{class}\" style=\"height:{height:.2}%;background:{background};color:{ink}\" "
            ));
            html.raw("title=\"").text(&spoken(row)).raw("\"><b>");
            html.text(row.workload.as_str()).raw("</b> ").text(row.model.as_str()).raw(" <span>");
            html.text(&trimmed(row.sm_pct)).raw("&nbsp;% b");
            html.text(&row.batch.to_string()).raw("</span></div>");
        }
        html.raw("</div><div class=\"gpu-foot\">");
        if used > 100.0 + 1e-9 {
            html.raw("shares overlap");
        } else if rows.iter().any(|row| row.time_slot.is_some()) {
            html.text(&trimmed(100.0 - used)).raw("&nbsp;% free, others in turn");
        } else {
            html.text(&trimmed(100.0 - used)).raw("&nbsp;% free");
        }
        html.raw("</div></li>\n");
    }
    html.raw("</ul>\n");
    if result.gpu_count > DRAWN {
        let rest = result.gpu_count - DRAWN;
        html.raw("<p class=\"note\">").text(&format!("{rest} more GPUs are in the table below."));
        html.raw("</p>\n");
    }
    for row in &result.infeasible {
        let fix = row.fix.as_ref().map_or(String::new(), |fix| format!(" Would help: {fix}."));
        html.raw("<p class=\"bad\">").text(row.workload.as_str()).raw(" is not served: ");
        html.text(&row.reason).raw(".").text(&fix).raw("</p>\n");
    }
}

fn spoken(row: &PlanRow) -> String {
    let mut text = format!(
        "{} ({}): {} % of the SMs, batches of {}",
        row.workload,
        row.model,
        trimmed(row.sm_pct),
        row.batch
    );
    if row.time_slot.is_some() {
        text += ", in turn with others";
    }
    if let Some(ms) = row.predicted_latency_ms {
        text += &format!(", predicted batch latency {} ms", trimmed(ms));
    }
    text
}
