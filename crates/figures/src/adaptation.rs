//! The effect of controllers and faults over time: P99, SM share and batch size of each workload, window by window.

use super::axis::Axis;
use super::panel::{Legend, LegendKey};
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::style::Look;
use super::text::shortened;
use super::{Figure, PlotError, of_strategies};
use igniter_model::domain::WorkloadName;
use igniter_results::{Comparison, StrategyResult, WindowRow};

const SLO: (i32, i32) = (9, 7);

/// One workload on one GPU.
#[derive(Debug)]
struct WorkloadOnGpu<'a> {
    workload: &'a WorkloadName,
    gpu: usize,
    slo_ms: f64,
    windows: Vec<&'a WindowRow>,
}

/// Draws one figure for each strategy with changes on its GPUs; it shows the workloads of those GPUs.
pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let draw = |result: &StrategyResult| {
        let courses = courses(result);
        (!courses.is_empty()).then(|| panels(comparison, result, &courses))
    };
    of_strategies(comparison, "adaptation", draw, |strategy| {
        format!(
            "P99 of each window in multiples of the SLO, SM share and largest batch under {strategy}; windows \
             without a completed request leave a gap."
        )
    })
}

fn courses(result: &StrategyResult) -> Vec<WorkloadOnGpu<'_>> {
    let mut courses: Vec<WorkloadOnGpu<'_>> = Vec::new();
    for summary in &result.workloads {
        for gpu in 0..result.gpu_count {
            if !result.actions.iter().any(|action| action.gpu == gpu) {
                continue;
            }
            let own = |row: &&WindowRow| row.gpu == gpu && row.workload == summary.workload;
            let windows: Vec<&WindowRow> = result.details.adaptation.iter().filter(own).collect();
            if !windows.is_empty() {
                let (workload, slo_ms) = (&summary.workload, summary.slo_ms);
                courses.push(WorkloadOnGpu { workload, gpu, slo_ms, windows });
            }
        }
    }
    courses
}

fn panels(
    comparison: &Comparison,
    result: &StrategyResult,
    courses: &[WorkloadOnGpu<'_>],
) -> Panels {
    let ratios = courses.iter().flat_map(|course| {
        course.windows.iter().filter_map(|row| Some(row.p99_ms? / course.slo_ms))
    });
    let (low, high) =
        ratios.fold((1.0_f64, 1.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
    let rows = || courses.iter().flat_map(|course| &course.windows);
    let shares = Axis::from_zero(rows().map(|row| row.sm_pct).fold(100.0, f64::max), 2);
    let batches = Axis::from_zero(rows().map(|row| f64::from(row.batch)).fold(1.0, f64::max), 2);
    let p99 = if high > 5.0 {
        Axis::log((0.7 * low).max(0.01), 1.3 * high, 4)
    } else {
        Axis::from_zero(high, 3)
    };
    let time = Axis::exactly(comparison.simulated_s, 4);
    let look = |index| Look { dashes: None, ..Look::at(index) };
    let (line, slo, share, batch) = (look(5), look(1), look(0), look(2));
    let mut legend = Legend::default();
    legend.add(LegendKey::Title, &result.strategy);
    legend.add(LegendKey::Line(line.colour, None), "P99 / SLO");
    legend.add(LegendKey::Line(slo.colour, Some(SLO)), "SLO");
    legend.add(LegendKey::Line(share.colour, None), "SM share");
    legend.add(LegendKey::Line(batch.colour, None), "largest batch");
    let cell = |course: &WorkloadOnGpu<'_>| {
        // Windows without a completed request break the line.
        let runs = course.windows.chunk_by(|a, b| a.p99_ms.is_some() == b.p99_ms.is_some());
        let ratio = |row: &&WindowRow| {
            let ratio = (row.p99_ms? / course.slo_ms).max(p99.low);
            Some((0.5 * (row.start_s + row.end_s), ratio))
        };
        let runs = runs.map(|run| run.iter().filter_map(ratio).collect::<Vec<_>>());
        let steps = |look, of: fn(&WindowRow) -> f64| {
            let ends = |row: &&WindowRow| [(row.start_s, of(row)), (row.end_s, of(row))];
            vec![Series::new(look, Marks::Line, course.windows.iter().flat_map(ends).collect())]
        };
        let runs = runs.map(|points| Series::new(line, Marks::Line, points)).collect();
        let chart = |y: &Axis, series| Plot::new(time.clone(), y.clone(), series);
        GridPlace {
            title: format!("{} (GPU {})", shortened(course.workload.as_str(), 16), course.gpu),
            charts: vec![
                chart(&p99, runs).across(1.0, slo.colour, SLO),
                chart(&shares, steps(share, |row| row.sm_pct)),
                chart(&batches, steps(batch, |row| f64::from(row.batch))),
            ],
        }
    };
    Panels {
        legend,
        cells: courses.iter().map(cell).collect(),
        columns: 3,
        rows: 4,
        heights: vec![0.7, 0.36, 0.36],
        x_title: "Time (s)".to_owned(),
        y_titles: ["P99 / SLO", "SM %", "Batch"].map(str::to_owned).to_vec(),
    }
}
