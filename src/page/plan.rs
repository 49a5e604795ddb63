//! A provisioning plan, drawn as GPUs with the shares of their workloads.

use super::html::Html;
use crate::domain::ModelName;
use crate::results::{
    COLOURS, Comparison, PlanRow, StrategyResult, css_colour, model_looks, trimmed,
};

/// Returns every model of a comparison, in the order in which plans name them.
pub(super) fn models(comparison: &Comparison) -> Vec<&ModelName> {
    let mut models: Vec<&ModelName> = Vec::new();
    for row in comparison.strategies.iter().flat_map(|result| &result.plan) {
        if !models.contains(&&row.model) {
            models.push(&row.model);
        }
    }
    models
}

/// Returns the background and text colours of a model: on all colours of the palette but blue, dark
/// text reads better.
pub(super) fn colour(model: &ModelName, models: &[&ModelName]) -> (String, &'static str) {
    let index = models.iter().position(|known| *known == model).unwrap_or(0);
    let looks = model_looks(&models.iter().map(|model| model.as_str()).collect::<Vec<_>>());
    let look = looks[index] % COLOURS;
    (css_colour(look), if look == 0 { "#fff" } else { "#111" })
}

/// Writes the legend of the models' colours.
pub(super) fn legend(html: &mut Html, models: &[&ModelName]) {
    html.raw("<ul class=\"legend\">");
    for model in models {
        let (background, _) = colour(model, models);
        html.raw("<li><span style=\"background:").raw(&background).raw("\"></span>");
        html.text(model.as_str()).raw("</li>");
    }
    html.raw("<li><span class=\"free\"></span>free</li></ul>\n");
}

/// Draws the first GPUs of one strategy, one row each.
pub(super) fn write(html: &mut Html, result: &StrategyResult, models: &[&ModelName], most: usize) {
    html.raw("<ul class=\"plan\" aria-label=\"Plan of ").text(&result.strategy).raw("\">\n");
    for gpu in 0..result.gpu_count.min(most) {
        let rows: Vec<&PlanRow> = result.plan.iter().filter(|row| row.gpu == gpu).collect();
        // Placements that take turns divide the length of the SMs that they share.
        let part = |row: &PlanRow| {
            let in_turn = |other: &&&PlanRow| other.time_slot == row.time_slot;
            let of = row.time_slot.map_or(1, |_| rows.iter().filter(in_turn).count());
            row.sm_pct / of as f64
        };
        let used: f64 = rows.iter().map(|row| part(row)).sum();
        // Overlapping shares, as without partitioning, are drawn side by side in the same total length.
        let whole = used.max(100.0);
        let kind = rows.first().map_or("", |row| row.kind.as_str());
        html.raw("<li class=\"gpu\"><span class=\"gpu-name\">GPU ").text(&gpu.to_string());
        html.raw(" <small>").text(kind).raw("</small></span><span class=\"stack\">");
        for row in &rows {
            let (background, ink) = colour(&row.model, models);
            let length = 100.0 * part(row) / whole;
            html.raw(&format!(
                "<span class=\"share\" style=\"width:{length:.2}%;background:{background};color:{ink}\" "
            ));
            html.raw("title=\"").text(&spoken(row)).raw("\"><b>");
            html.text(row.workload.as_str()).raw("</b> ").text(row.model.as_str()).raw(" ");
            html.text(&trimmed(row.sm_pct)).raw("&nbsp;% b");
            html.text(&row.batch.to_string()).raw("</span>");
        }
        html.raw("</span><span class=\"gpu-foot\">");
        if used > 100.0 + 1e-9 {
            html.raw("shares overlap");
        } else if rows.iter().any(|row| row.time_slot.is_some()) {
            html.text(&trimmed(100.0 - used)).raw("&nbsp;% free, others in turn");
        } else {
            html.text(&trimmed(100.0 - used)).raw("&nbsp;% free");
        }
        html.raw("</span></li>\n");
    }
    html.raw("</ul>\n");
    if result.gpu_count > most {
        let rest = format!("{} more GPUs: see Plans.", result.gpu_count - most);
        html.raw("<p class=\"note\">").text(&rest).raw("</p>\n");
    }
}

/// Lists the workloads that a plan does not serve, with advice.
pub(super) fn infeasible(html: &mut Html, result: &StrategyResult) {
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
