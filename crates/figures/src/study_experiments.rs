//! The paper's accuracy experiments: predictions with error bars, one panel for each model.

use super::axis::Axis;
use super::canvas::{Align, Frame, Text, draw, line, symbol, text};
use super::panel::{LegendKey, Panel, below, left_of};
use super::style::{INK, LABEL, Looks, MARGIN, TICK, count, inches, two_columns};
use super::{Figure, PlotError, distinct, pages};
use igniter_model::domain::ModelName;

/// A predicted latency of one model in one setting of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedMark {
    /// The number of the experiment.
    pub experiment: u8,
    pub setting: String,
    pub predictor: String,
    pub model: ModelName,
    /// The predicted latency in ms.
    pub predicted_ms: f64,
    /// Half-width of the interval in percent of the prediction, if there is one.
    pub error_pct: Option<f64>,
    /// The measured latency in ms, if there is one.
    pub measured_ms: Option<f64>,
}

/// Draws one figure for each experiment.
///
/// # Errors
/// When one cannot be drawn.
pub fn experiment_figures(marks: &[PredictedMark]) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for number in distinct(marks.iter().map(|mark| &mark.experiment)) {
        let own: Vec<&PredictedMark> = marks.iter().filter(|m| m.experiment == *number).collect();
        let svg = experiment(&own)?;
        let measured = own.iter().any(|mark| mark.measured_ms.is_some());
        let caption = format!(
            "Accuracy experiment {number} of the paper: predicted latencies with 95 % intervals where \
             the predictor gives them{}.",
            if measured { ", and measured ones" } else { "; none of the settings was measured" }
        );
        figures.extend(pages(&format!("experiment{number}"), &caption, vec![svg]));
    }
    Ok(figures)
}

fn experiment(marks: &[&PredictedMark]) -> Result<String, PlotError> {
    let models = distinct(marks.iter().map(|mark| &mark.model));
    let settings = distinct(marks.iter().map(|mark| &mark.setting));
    let predictors = distinct(marks.iter().map(|mark| &mark.predictor));
    let looks = Looks::of_names(predictors.iter().copied());
    let mut legend = looks.symbols();
    if marks.iter().any(|mark| mark.measured_ms.is_some()) {
        legend.add(LegendKey::Symbol(INK, 5), "measured");
    }
    let ends = |mark: &&PredictedMark| {
        let part = mark.error_pct.unwrap_or(0.0) / 100.0;
        let measured = mark.measured_ms.unwrap_or(mark.predicted_ms);
        [mark.predicted_ms * (1.0 - part), mark.predicted_ms * (1.0 + part), measured]
    };
    let values = || marks.iter().flat_map(ends);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let y = if high > 8.0 * low {
        Axis::log(low.max(1e-3), high, 6)
    } else {
        Axis::from_zero(1.05 * high, 5)
    };
    let (titled, plain) = (y.clone().titled("Latency (ms)"), y.unlabelled());
    let title = if marks.iter().any(|m| m.experiment == 1) {
        "SMs of vgg19 / ssd (%)"
    } else {
        "Batch sizes of vgg19 / ssd"
    };
    let top = MARGIN + legend.height(two_columns() - 2 * MARGIN) + 58;
    let (height, left, gap) = (inches(1.6), MARGIN + left_of(&titled), 40);
    let panels = count(models.len()).max(1);
    let width = (two_columns() - left - MARGIN - (panels - 1) * gap) / panels;
    let foot = below(&Axis::exactly(1.0, 1).titled(title)) + 24;
    draw((two_columns(), top + height + foot), |area| {
        legend.draw(area, MARGIN, two_columns())?;
        for (place, model) in models.iter().enumerate() {
            let inner = Frame::new(left + count(place) * (width + gap), top, width, height);
            let x = Axis { ticks: Vec::new(), ..Axis::exactly(settings.len() as f64, 1) };
            let y = if place == 0 { titled.clone() } else { plain.clone() };
            let floor = y.low;
            let panel = Panel::open(area, inner, x, y)?;
            let centre = Text::new(LABEL, Align::Centre);
            text(area, (inner.x + width / 2, inner.y - 26), centre.bold(), model.as_str())?;
            text(area, (inner.x + width / 2, inner.bottom() + 76), centre, title)?;
            for (slot, setting) in settings.iter().enumerate() {
                let middle = slot as f64 + 0.5;
                let below = (panel.at(middle, floor).0, inner.bottom() + 26);
                text(area, below, Text::new(TICK, Align::Centre), setting)?;
                let here = |m: &&&PredictedMark| m.model == **model && m.setting == **setting;
                for mark in marks.iter().filter(here) {
                    let i = predictors.iter().position(|p| **p == mark.predictor).unwrap_or(0);
                    let look = looks.of(&mark.predictor);
                    let offset = (i as f64 + 0.5) / predictors.len() as f64 - 0.5;
                    let at = middle + 0.6 * offset;
                    if mark.error_pct.is_some() {
                        let [least, most, _] = ends(mark);
                        let (from, to) = (panel.at(at, least), panel.at(at, most));
                        line(area, &[from, to], look.colour, 4, None)?;
                        for end in [from, to] {
                            let cap = [(end.0 - 13, end.1), (end.0 + 13, end.1)];
                            line(area, &cap, look.colour, 4, None)?;
                        }
                    }
                    symbol(area, panel.at(at, mark.predicted_ms), look.symbol, look.colour, 6)?;
                }
                let measured = marks.iter().filter(here).find_map(|mark| mark.measured_ms);
                if let Some(measured) = measured {
                    symbol(area, panel.at(middle, measured), 5, INK, 10)?;
                }
            }
        }
        Ok(())
    })
}
