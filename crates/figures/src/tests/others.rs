//! Synthetic figures of accuracy, studies, experiments, and of any numbers.

use super::super::*;
use super::comparisons::{PAPER, noise};
use igniter_model::domain::ModelName;

fn accuracy_points() -> Vec<PredictedPoint> {
    let point = |i: usize| {
        let row = &PAPER[i % PAPER.len()];
        let measured_ms = row.7 * (0.3 + 3.0 * noise(i * 13));
        PredictedPoint {
            model: ModelName::new(row.1).unwrap(),
            predicted_ms: measured_ms * (0.9 + 0.2 * noise(i * 17 + 5)),
            measured_ms,
        }
    };
    (0..120).map(point).collect()
}

/// Figures of accuracy, studies, experiments, and of any numbers.
pub(super) fn other_figures() -> Vec<Figure> {
    let mut figures = vec![accuracy_figure(&accuracy_points()).unwrap().unwrap()];
    let recipes =
        ["igniter", "gpulets", "A: profile", "B: + kernel list", "D: solo as served + all runs"];
    let series = |(index, name): (usize, &&str)| StudySeries {
        name: (*name).to_owned(),
        points: (0..200).map(|i| study_point(i, index)).collect(),
        coverage: if index < 2 {
            Vec::new()
        } else {
            let levels = [50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0];
            levels.map(|level| (level, (level + index as f64 - 3.0).min(100.0))).to_vec()
        },
    };
    let all: Vec<StudySeries> = recipes.iter().enumerate().map(series).collect();
    figures.extend(study_figures(&all).unwrap());
    for measured in [false, true] {
        figures.extend(experiment_figures(&experiment_marks(measured)).unwrap());
    }
    for n in [1, 4, 6] {
        figures.push(panels(n).draw().unwrap());
    }
    for (groups, series) in [(3, 1), (11, 1), (12, 4), (30, 2)] {
        figures.push(groups_of_bars(groups, series).draw().unwrap());
    }
    figures
}

fn study_point(i: usize, series: usize) -> StudyPoint {
    let row = &PAPER[i % PAPER.len()];
    let measured_ms = row.7 * (0.3 + 3.0 * noise(i * 13));
    let error = 0.02 * (5 - series) as f64 * (noise(i * 17 + series) - 0.4);
    StudyPoint {
        model: ModelName::new(row.1).unwrap(),
        batch: igniter_model::units::BatchSize::new([1, 2, 4, 8, 16, 32][i % 6]).unwrap(),
        members: 2 + i % 4,
        sm: igniter_model::units::SmPercent::new([20.0, 40.0, 50.0, 60.0, 80.0][i % 5]).unwrap(),
        predicted_ms: measured_ms * (1.0 + error),
        measured_ms,
        slowdowns: i.is_multiple_of(2).then_some((1.0 + 0.4 * noise(i), 1.0 + 0.5 * noise(i + 1))),
    }
}

fn experiment_marks(measured: bool) -> Vec<PredictedMark> {
    let mut marks = Vec::new();
    let settings: [(u8, [&str; 4]); 2] =
        [(1, ["20/80", "40/60", "60/40", "80/20"]), (2, ["1/1", "3/3", "9/9", "27/27"])];
    for (experiment, names) in settings {
        for (i, setting) in names.iter().enumerate() {
            for model in ["vgg19", "ssd"] {
                for predictor in ["igniter", "gpulets", "contention"] {
                    let size = if experiment == 1 {
                        10.0 * (4 - i) as f64
                    } else {
                        4.0 * 3_f64.powf(i as f64)
                    };
                    marks.push(PredictedMark {
                        experiment,
                        setting: (*setting).to_owned(),
                        predictor: predictor.to_owned(),
                        model: ModelName::new(model).unwrap(),
                        predicted_ms: size,
                        error_pct: (predictor == "contention").then_some(8.0),
                        measured_ms: measured.then_some(1.03 * size),
                    });
                }
            }
        }
    }
    marks
}

pub(super) fn panels(n: usize) -> PointsFigure {
    let names = ["igniter", "ffd", "gpulets", "gslice", "nexus", "optimal"];
    let series = names.iter().enumerate();
    let series =
        series.map(|(look, name)| Named { name: (*name).to_owned(), look, marks: Marks::Both });
    let panel = |p: usize| PointsPanel {
        title: if n == 1 { String::new() } else { format!("panel number {p}") },
        // Some lie below zero.
        series: (0..6)
            .map(|s| (0..5).map(|i| (i as f64, 10.0 * noise(p + s * 7 + i) - p as f64)).collect())
            .collect(),
    };
    PointsFigure {
        stem: format!("points-{n}"),
        caption: "Lines.".to_owned(),
        series: series.collect(),
        panels: (0..n).map(panel).collect(),
        axes: ("Coefficient of variation".to_owned(), "Requests over SLO (%)".to_owned()),
        log: (false, false),
    }
}

fn groups_of_bars(groups: usize, series: usize) -> BarsFigure {
    BarsFigure {
        stem: format!("bars-{groups}-{series}"),
        caption: "Bars.".to_owned(),
        groups: (0..groups)
            .map(|i| if i % 3 == 0 { format!("strategy-{i}") } else { format!("W{i}") })
            .collect(),
        series: (0..series)
            .map(|s| {
                let values = (0..groups).map(|i| (i != 1).then(|| 30.0 * noise(i * 5 + s)));
                (format!("series {s}"), values.collect())
            })
            .collect(),
        y: "Cost ($/h)".to_owned(),
        labels: Some(1),
        across: (groups == 12).then(|| (20.0, "limit".to_owned())),
    }
}
