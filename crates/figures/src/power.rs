//! Power and utilisation of every GPU over time.

use super::axis::Axis;
use super::panel::{Legend, LegendKey};
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::style::{Look, SHADE};
use super::{Figure, PlotError, of_strategies};
use igniter_results::Comparison;
use igniter_sim::metrics::{GpuSeries, SeriesBin};

/// A metric of a GPU: its name, its look and its value in a bin.
type GpuNumber = (&'static str, Look, fn(&SeriesBin) -> f64);

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let power: GpuNumber = ("power", Look { dashes: None, ..Look::at(5) }, |bin| bin.power_w);
    let busy: [GpuNumber; 2] = [
        ("time with a batch executing", Look::at(0), |bin| 100.0 * bin.utilisation),
        ("busy SMs", Look { dashes: Some((14, 7)), ..Look::at(2) }, |bin| bin.sm_utilisation_pct),
    ];
    let draw = |result: &igniter_results::StrategyResult| {
        let gpus = &result.details.series;
        if gpus.iter().all(|gpu| gpu.bins.is_empty()) {
            return None;
        }
        let mut legend = Legend::default();
        legend.add(LegendKey::Title, &result.strategy);
        for (name, look, _) in [power].iter().chain(&busy) {
            legend.add(LegendKey::Line(look.colour, look.dashes), name);
        }
        legend.add(LegendKey::Box(SHADE), "not measured");
        let line = |gpu: &GpuSeries, (_, look, of): &GpuNumber| {
            let points = gpu.bins.iter().map(|bin| (0.5 * (bin.start_s + bin.end_s), of(bin)));
            Series::new(*look, Marks::Line, points.collect())
        };
        let time = Axis::exactly(comparison.simulated_s, 4);
        let all = gpus.iter().flat_map(|gpu| &gpu.bins);
        let watts = Axis::from_zero(all.map(|bin| bin.power_w).fold(0.0, f64::max), 3);
        let chart = |y: Axis, series: Vec<Series>| Plot {
            shaded: vec![
                (0.0, comparison.window_start_s),
                (comparison.window_end_s, comparison.simulated_s),
            ],
            ..Plot::new(time.clone(), y, series)
        };
        let cell = |gpu: &GpuSeries| GridPlace {
            title: format!("GPU {}", gpu.gpu),
            charts: vec![
                chart(watts.clone(), vec![line(gpu, &power)]),
                chart(
                    Axis::from_zero(100.0, 2),
                    busy.iter().map(|number| line(gpu, number)).collect(),
                ),
            ],
        };
        Some(Panels {
            legend,
            cells: gpus.iter().map(cell).collect(),
            columns: 3,
            rows: 4,
            heights: vec![0.75, 0.55],
            x_title: "Time (s)".to_owned(),
            y_titles: vec!["Power (W)".to_owned(), "Busy (%)".to_owned()],
        })
    };
    of_strategies(comparison, "gpus", draw, |strategy| {
        format!(
            "Power, busy time and busy SMs of each GPU under {strategy}; grey is outside the measured window."
        )
    })
}
