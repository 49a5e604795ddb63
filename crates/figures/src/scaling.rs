//! Planning time, and distance from the lower bound, against the number of workloads.

use super::axis::Axis;
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::style::Looks;
use super::{Figure, PlotError, distinct, pages};

/// One plan of one planner.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPoint {
    /// The planner and the kind of workloads.
    pub series: String,
    /// Number of workloads planned (≥ 1).
    pub workloads: f64,
    /// Planning time in seconds (> 0).
    pub seconds: f64,
    /// GPUs above the proven lower bound, in percent of the bound.
    pub gap_pct: Option<f64>,
}

/// Draws planning time and gap, one below the other. Returns `None` without any points.
///
/// # Errors
/// When it cannot be drawn.
pub fn scaling_figure(points: &[ScalingPoint]) -> Result<Option<Figure>, PlotError> {
    let shown: Vec<&ScalingPoint> =
        points.iter().filter(|p| p.workloads > 0.0 && p.seconds > 0.0).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let looks = Looks::of_names(distinct(shown.iter().map(|point| &point.series)));
    let range = |of: fn(&ScalingPoint) -> f64| {
        let values = shown.iter().map(|p| of(p));
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (least, most) = range(|p| p.workloads);
    let (quickest, slowest) = range(|p| p.seconds);
    let highest = shown.iter().filter_map(|p| p.gap_pct).fold(1.0, f64::max);
    let chart = |y: Axis, value: fn(&ScalingPoint) -> Option<f64>| {
        let series = looks.names().map(|name| {
            let own = shown.iter().filter(|p| p.series == name);
            let points = own.filter_map(|p| Some((p.workloads, value(p)?)));
            Series::new(looks.of(name), Marks::Both, points.collect())
        });
        Plot::new(Axis::log(least / 1.3, most * 1.3, 6), y, series.collect())
    };
    let time = Axis::log(quickest / 1.5, slowest * 1.5, 8);
    let gap = Axis::from_zero(highest, 5);
    let charts = vec![chart(time, |p| Some(p.seconds)), chart(gap, |p| p.gap_pct)];
    let grid = Panels {
        legend: looks.symbols(),
        cells: vec![GridPlace { title: String::new(), charts }],
        columns: 1,
        rows: 1,
        heights: vec![1.33, 1.33],
        x_title: "Workloads".to_owned(),
        y_titles: vec!["Planning time (s)".to_owned(), "Above the proven bound (%)".to_owned()],
    };
    let caption =
        "Planning time and gap to the proven lower bound against the number of workloads.";
    Ok(pages("planner-scaling", caption, grid.pages()?).pop())
}
