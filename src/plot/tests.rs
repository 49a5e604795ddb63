//! Synthetic comparisons of many shapes; `gallery` writes them to look at.

use super::*;
use crate::domain::{GpuKindName, ModelName, WorkloadName};
use crate::metrics::{
    CdfPoint, GpuSeries, GpuSummary, LatencyCdf, SeriesBin, Verdict, WorkloadSummary,
};
use crate::report::{PlanRow, StrategyResult};

/// (workload, model, SLO in ms, rate in requests/s, GPU, batch, SM %, batch latency in ms)
type Row = (&'static str, &'static str, f64, f64, usize, u32, f64, f64);

/// The twelve workloads of the paper with a plan of six GPUs.
const PAPER: [Row; 12] = [
    ("W1", "alexnet", 10.0, 1200.0, 4, 6, 22.5, 4.4),
    ("W2", "resnet50", 20.0, 400.0, 2, 4, 32.5, 9.6),
    ("W3", "vgg19", 20.0, 300.0, 2, 3, 60.0, 9.8),
    ("W4", "ssd", 25.0, 150.0, 3, 2, 60.0, 11.9),
    ("W5", "alexnet", 15.0, 400.0, 5, 3, 7.5, 7.2),
    ("W6", "resnet50", 30.0, 600.0, 4, 9, 50.0, 14.7),
    ("W7", "vgg19", 30.0, 400.0, 1, 6, 75.0, 14.5),
    ("W8", "ssd", 40.0, 50.0, 1, 1, 15.0, 19.2),
    ("W9", "alexnet", 20.0, 800.0, 4, 8, 12.5, 9.7),
    ("W10", "resnet50", 40.0, 200.0, 4, 4, 15.0, 19.4),
    ("W11", "vgg19", 40.0, 200.0, 3, 4, 37.5, 19.1),
    ("W12", "ssd", 55.0, 300.0, 0, 8, 92.5, 26.3),
];

/// A repeatable number from 0 to 1.
fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64
        / (1_u64 << 53) as f64
}

fn workload(row: &Row, name: &str, slowdown: f64, gpu: Option<usize>) -> WorkloadSummary {
    let (_, model, slo_ms, rate_rps, _, batch, _, latency) = *row;
    let served = gpu.is_some();
    let exec = latency * 0.86 * slowdown;
    let queue = f64::from(batch) / rate_rps * 500.0 * slowdown * slowdown;
    let mean = latency * 0.14 + exec + queue;
    let p99 = mean * 1.25;
    let violations = if p99 > slo_ms { (100.0 * (p99 / slo_ms - 1.0)).min(100.0) } else { 0.02 };
    let some = |value: f64| served.then_some(value);
    WorkloadSummary {
        workload: WorkloadName::new(name).unwrap(),
        model: ModelName::new(model).unwrap(),
        gpu,
        served,
        slo_ms,
        rate_rps,
        requests: 10_000,
        completed: 10_000,
        failed: None,
        throughput_rps: rate_rps,
        mean_ms: some(mean),
        p50_ms: some(mean * 0.98),
        p90_ms: some(mean * 1.1),
        p95_ms: some(mean * 1.15),
        p99_ms: some(p99),
        p999_ms: some(p99 * 1.1),
        max_ms: some(p99 * 1.2),
        slo_violation_pct: some(violations),
        queue_ms: some(queue),
        load_ms: some(latency * 0.1),
        exec_ms: some(exec),
        feedback_ms: some(latency * 0.04),
        mean_batch: some(f64::from(batch)),
        verdict: match (served, violations > 1.0) {
            (false, _) => Verdict::NotServed,
            (true, true) => Verdict::Missed,
            (true, false) => Verdict::Met,
        },
    }
}

fn cdf(summary: &WorkloadSummary, seed: usize) -> LatencyCdf {
    let points = |mean: f64, p99: f64| {
        let point = |i: usize| {
            let fraction = (i + 1) as f64 / 200.0;
            let spread = (fraction / (1.0 - 0.98 * fraction)).ln() / 4.0 + 0.02 * noise(seed + i);
            CdfPoint { fraction, latency_ms: (mean + (p99 - mean) * spread).max(0.4 * mean) }
        };
        let mut points: Vec<CdfPoint> = (0..200).map(point).collect();
        points.sort_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms));
        for (i, point) in points.iter_mut().enumerate() {
            point.fraction = (i + 1) as f64 / 200.0;
        }
        points
    };
    LatencyCdf {
        workload: summary.workload.clone(),
        points: summary.mean_ms.zip(summary.p99_ms).map_or_else(Vec::new, |(m, p)| points(m, p)),
    }
}

fn series(gpu: usize) -> GpuSeries {
    let bin = |i: usize| {
        let busy = 0.75 + 0.2 * noise(gpu * 1000 + i);
        SeriesBin {
            start_s: i as f64 * 0.25,
            end_s: (i + 1) as f64 * 0.25,
            power_w: 60.0 + 200.0 * busy - 10.0 * gpu as f64,
            utilisation: busy,
            sm_utilisation_pct: 80.0 * busy - 3.0 * gpu as f64,
            clock_mhz: 1530.0,
        }
    };
    GpuSeries { gpu, bins: (0..240).map(bin).collect() }
}

/// A comparison of any size: the paper's workloads over and over, one more GPU for each strategy.
pub(crate) fn synthetic(
    workloads: usize,
    gpus: usize,
    strategies: usize,
    hostile: bool,
) -> Comparison {
    let names = ["igniter", "ffd", "gslice", "gpulets", "ffd++", "dedicated"];
    let row_of = |i: usize| &PAPER[i % PAPER.len()];
    let name_of = |i: usize| {
        if hostile {
            format!("<script>alert({i})</script>&\"{}", "x".repeat(35 - i.to_string().len()))
        } else {
            format!("W{}", i + 1)
        }
    };
    let result = |s: usize| {
        let gpu_count = gpus + s.min(2);
        let paper = workloads == 12 && gpus == 6 && s == 0;
        let gpu_of = |i: usize| if paper { row_of(i).4 } else { i % gpu_count };
        let share = |i: usize| {
            let mates = (0..workloads).filter(|other| gpu_of(*other) == gpu_of(i));
            let total: f64 = mates.map(|other| row_of(other).6).sum();
            if paper { row_of(i).6 } else { row_of(i).6 * (90.0 / total).min(1.0) }
        };
        let dropped = |i: usize| s == 1 && i % 7 == 4;
        let slowdown = |i: usize| 1.0 + 0.25 * s as f64 * noise(i * 31 + s);
        let summaries: Vec<WorkloadSummary> = (0..workloads)
            .map(|i| {
                let gpu = (!dropped(i)).then(|| gpu_of(i));
                workload(row_of(i), &name_of(i), slowdown(i), gpu)
            })
            .collect();
        let mut plan: Vec<PlanRow> = (0..workloads)
            .filter(|i| !dropped(*i))
            .map(|i| PlanRow {
                gpu: gpu_of(i),
                kind: GpuKindName::new("v100").unwrap(),
                workload: WorkloadName::new(&name_of(i)).unwrap(),
                model: ModelName::new(row_of(i).1).unwrap(),
                batch: row_of(i).5,
                sm_pct: share(i),
                predicted_latency_ms: Some(row_of(i).7 * (0.95 + 0.1 * noise(i))),
                predicted_throughput_rps: Some(row_of(i).3 * 1.1),
                slo_ms: row_of(i).2,
            })
            .collect();
        plan.sort_by_key(|row| row.gpu);
        let gpu = |gpu: usize| GpuSummary {
            gpu,
            kind: GpuKindName::new("v100").unwrap(),
            placements: 2,
            observed_s: 40.0,
            utilisation: 0.8,
            sm_utilisation_pct: 66.0,
            power_w: 210.0,
            peak_power_w: 260.0,
            energy_j: 8400.0,
            clock_mhz: 1510.0,
            min_clock_mhz: 1450.0,
        };
        StrategyResult {
            strategy: names[s].to_owned(),
            gpu_count,
            cost_per_hour: 3.06 * gpu_count as f64,
            gpu_bound: None,
            predicted_violations: 0,
            plan,
            infeasible: Vec::new(),
            cdf: summaries.iter().enumerate().map(|(i, w)| cdf(w, i * 7 + s)).collect(),
            workloads: summaries,
            actions: Vec::new(),
            adaptation: Vec::new(),
            arrivals: Vec::new(),
            latency_series: Vec::new(),
            batches: Vec::new(),
            gpus: (0..gpu_count).map(gpu).collect(),
            series: (0..gpu_count).map(series).collect(),
        }
    };
    Comparison {
        scenario: "synthetic".to_owned(),
        seed: 1,
        simulated_s: 60.0,
        window_start_s: 10.0,
        window_end_s: 50.0,
        truth: None,
        strategies: (0..strategies).map(result).collect(),
    }
}

pub(crate) fn accuracy_points() -> Vec<AccuracyPoint> {
    let point = |i: usize| {
        let row = &PAPER[i % PAPER.len()];
        let measured_ms = row.7 * (0.3 + 3.0 * noise(i * 13));
        AccuracyPoint {
            model: ModelName::new(row.1).unwrap(),
            predicted_ms: measured_ms * (0.9 + 0.2 * noise(i * 17 + 5)),
            measured_ms,
        }
    };
    (0..120).map(point).collect()
}

/// (name, workloads, GPUs of the first strategy, strategies, hostile names)
const SHAPES: [(&str, usize, usize, usize, bool); 6] = [
    ("paper", 12, 6, 2, false),
    ("one", 1, 1, 1, false),
    ("three", 3, 1, 3, false),
    ("many", 40, 12, 6, false),
    ("hostile", 12, 4, 2, true),
    ("six", 12, 6, 6, false),
];

#[test]
#[ignore = "writes pictures to look at: set FIGURE_GALLERY to a directory"]
fn gallery() {
    let root = std::path::PathBuf::from(std::env::var("FIGURE_GALLERY").unwrap());
    for (name, workloads, gpus, strategies, hostile) in SHAPES {
        let figures = comparison_figures(&synthetic(workloads, gpus, strategies, hostile)).unwrap();
        let mut dir = OutputDir::open(&root.join(name), crate::report::Existing::Replace).unwrap();
        write_figures(&mut dir, &figures).unwrap();
        if name == "paper" {
            let over = root.join("overloaded");
            let mut dir = OutputDir::open(&over, crate::report::Existing::Replace).unwrap();
            write_figures(&mut dir, &comparison_figures(&overloaded()).unwrap()).unwrap();
        }
        if name == "paper" {
            write_figures(&mut dir, &other_figures()).unwrap();
        }
    }
}

/// Every text of a figure with its box in dots, by the embedded font's own metrics.
fn texts(svg: &str) -> Vec<(String, resvg::usvg::Rect)> {
    fn walk(group: &resvg::usvg::Group, found: &mut Vec<(String, resvg::usvg::Rect)>) {
        for node in group.children() {
            match node {
                resvg::usvg::Node::Group(group) => walk(group, found),
                resvg::usvg::Node::Text(text) => {
                    let words = text.chunks().iter().map(|chunk| chunk.text()).collect();
                    found.push((words, text.abs_bounding_box()));
                }
                _ => {}
            }
        }
    }
    let tree = canvas::parse(svg).unwrap();
    let mut found = Vec::new();
    walk(tree.root(), &mut found);
    found
}

/// What is wrong with the texts of a figure: one is cut at the border, or two touch.
fn clash(svg: &str) -> Option<String> {
    let (size, texts) = (canvas::parse(svg).unwrap().size(), texts(svg));
    for (index, (words, area)) in texts.iter().enumerate() {
        let inside = area.left() >= 0.0
            && area.top() >= 0.0
            && area.right() <= size.width()
            && area.bottom() <= size.height();
        if !inside {
            return Some(format!("{words:?} is cut"));
        }
        for (other, beside) in &texts[index + 1..] {
            // Boxes are as high as the font; letters are not.
            let apart = area.right() <= beside.left() + 1.0
                || beside.right() <= area.left() + 1.0
                || area.bottom() <= beside.top() + 8.0
                || beside.bottom() <= area.top() + 8.0;
            if !apart {
                return Some(format!("{words:?} touches {other:?}"));
            }
        }
    }
    None
}

#[test]
fn no_text_leaves_its_figure_or_touches_another() {
    for (name, workloads, gpus, strategies, hostile) in SHAPES {
        for figure in comparison_figures(&synthetic(workloads, gpus, strategies, hostile)).unwrap()
        {
            assert!(texts(figure.svg()).len() > 5, "{name}/{}", figure.stem);
            assert_eq!(clash(figure.svg()), None, "{name}/{}", figure.stem);
        }
    }
    for figure in other_figures() {
        assert!(texts(figure.svg()).len() > 5, "{}", figure.stem);
        assert_eq!(clash(figure.svg()), None, "{}", figure.stem);
    }
}

/// Figures of accuracy, studies, experiments, and of any numbers.
fn other_figures() -> Vec<Figure> {
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
        batch: crate::units::BatchSize::new([1, 2, 4, 8, 16, 32][i % 6]).unwrap(),
        sm: crate::units::SmPercent::new([20.0, 40.0, 50.0, 60.0, 80.0][i % 5]).unwrap(),
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

fn panels(n: usize) -> PointsFigure {
    let names = ["igniter", "ffd", "gpulets", "gslice", "nexus", "optimal"];
    let series = names.iter().enumerate();
    let series =
        series.map(|(look, name)| Named { name: (*name).to_owned(), look, marks: Marks::Both });
    let panel = |p: usize| Points {
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

#[test]
fn values_below_zero_have_an_axis() {
    let low = panels(4).draw().unwrap();
    assert!(texts(low.svg()).iter().any(|(words, _)| words.starts_with('-')));
}

/// The second strategy falls behind without end: latencies hundreds of times the SLO.
fn overloaded() -> Comparison {
    let mut comparison = synthetic(12, 6, 2, false);
    let result = &mut comparison.strategies[1];
    for workload in &mut result.workloads {
        for value in [&mut workload.p99_ms, &mut workload.mean_ms, &mut workload.queue_ms] {
            *value = value.map(|ms| 300.0 * ms);
        }
        workload.slo_violation_pct = workload.slo_violation_pct.map(|_| 100.0);
    }
    for cdf in &mut result.cdf {
        for (i, point) in cdf.points.iter_mut().enumerate() {
            point.latency_ms *= 1.0 + 1.5 * i as f64;
        }
    }
    comparison
}

/// A controller changes shares and batches of every workload; one is down for a while.
fn adapted() -> Comparison {
    let mut comparison = synthetic(12, 6, 2, true);
    for (s, result) in comparison.strategies.iter_mut().enumerate() {
        for (i, workload) in result.workloads.iter().enumerate() {
            let Some(gpu) = workload.gpu else { continue };
            for second in 0..60_u32 {
                let (start_s, at) = (f64::from(second), (i * 60 + second as usize + s) * 3);
                let late = if s == 0 { 0.9 } else { 100.0 / f64::from(second + 1) };
                result.adaptation.push(crate::report::WindowRow {
                    start_s,
                    end_s: start_s + 1.0,
                    gpu,
                    workload: workload.workload.clone(),
                    sm_pct: 20.0 + 40.0 * noise(at),
                    batch: 1 + second / 4,
                    completed: 100,
                    failed: 0,
                    p99_ms: (second % 20 != 3).then(|| late * workload.slo_ms * noise(at)),
                });
            }
            result.actions.push(crate::report::ActionRow {
                decided_s: 1.0,
                effective_s: 1.0,
                gpu,
                workload: Some(workload.workload.clone()),
                action: "share".into(),
                from: Some(20.0),
                to: Some(25.0),
                reason: "a reason".into(),
            });
        }
    }
    comparison
}

#[test]
fn adaptation_is_drawn_where_something_changed() {
    let stems = |comparison: &Comparison| -> Vec<String> {
        let figures = comparison_figures(comparison).unwrap();
        assert!(figures.iter().all(|figure| clash(figure.svg()).is_none()));
        let stems = figures.iter().map(|figure| figure.stem.clone());
        stems.filter(|stem| stem.starts_with("adaptation")).collect()
    };
    let mut comparison = adapted();
    assert_eq!(stems(&comparison).len(), 2);
    comparison.strategies[0].actions.clear();
    assert_eq!(stems(&comparison).len(), 1);
}

#[test]
fn overload_is_shown_on_readable_axes() {
    for figure in comparison_figures(&overloaded()).unwrap() {
        assert_eq!(clash(figure.svg()), None, "{}", figure.stem);
    }
}

#[test]
fn clashes_are_noticed() {
    use canvas::{Align, Text, draw, text};
    let pair = |x: i32| {
        let look = Text::new(30.0, Align::Left);
        draw((300, 100), |area| {
            text(area, (10, 50), look, "W1")?;
            text(area, (x, 50), look, "W2")
        })
    };
    assert_eq!(clash(&pair(100).unwrap()), None);
    assert!(clash(&pair(50).unwrap()).unwrap().contains("touches"));
    assert!(clash(&pair(280).unwrap()).unwrap().contains("is cut"));
}

#[test]
fn figures_hold_no_markup_from_names_and_are_the_same_each_time() {
    let comparison = synthetic(12, 4, 2, true);
    let figures = comparison_figures(&comparison).unwrap();
    assert_eq!(figures, comparison_figures(&comparison).unwrap());
    assert!(figures.iter().all(|figure| !figure.svg().contains("<script>")));
    let figure = &figures[0];
    let image = figure.png().unwrap();
    assert!(image.starts_with(b"\x89PNG\r\n"));
    assert_eq!(image, figure.png().unwrap());
}

#[test]
fn large_comparisons_are_continued_on_more_pages() {
    let figures = comparison_figures(&synthetic(40, 12, 6, false)).unwrap();
    let pages = |stem: &str| figures.iter().filter(|f| f.stem.starts_with(stem)).count();
    // 40 panels at 20 a page; 12 bars rows (6 strategies × 2) at 3 a page.
    assert_eq!((pages("latency_cdf"), pages("plan"), pages("p99")), (2, 4, 1));
    assert!(figures.iter().any(|f| f.caption.ends_with("Part 2 of 2.")));
    let mut stems: Vec<&String> = figures.iter().map(|figure| &figure.stem).collect();
    stems.sort();
    stems.dedup();
    assert_eq!(stems.len(), figures.len(), "no figure overwrites another");
}

#[test]
fn nothing_to_show_is_no_error() {
    let mut comparison = synthetic(3, 1, 1, false);
    for workload in &mut comparison.strategies[0].workloads {
        (workload.p99_ms, workload.mean_ms, workload.exec_ms) = (None, None, None);
        (workload.queue_ms, workload.load_ms, workload.feedback_ms) = (None, None, None);
        workload.slo_violation_pct = None;
    }
    let result = &mut comparison.strategies[0];
    result.cdf.iter_mut().for_each(|cdf| cdf.points.clear());
    result.series.iter_mut().for_each(|series| series.bins.clear());
    (result.plan, result.gpu_count) = (Vec::new(), 0);
    comparison_figures(&comparison).unwrap();
    comparison.strategies.clear();
    assert!(comparison_figures(&comparison).unwrap().is_empty());
    assert!(accuracy_figure(&[]).unwrap().is_none());
}

#[test]
fn rows_are_balanced() {
    assert_eq!(rows_of(12, 8), [0..6, 6..12]);
    assert_eq!(rows_of(7, 8), vec![0..7]);
    assert!(rows_of(0, 8).is_empty());
    assert_eq!(file_stem("ffd++/../x"), "ffd------x");
}

#[test]
fn pictures_are_white_up_to_their_edges() {
    let figures = comparison_figures(&overloaded()).unwrap();
    let bytes = figures[0].png().unwrap();
    let pixels = resvg::tiny_skia::Pixmap::decode_png(&bytes).unwrap();
    assert!(pixels.pixels().iter().all(|pixel| pixel.alpha() == u8::MAX), "nothing shines through");
    let (w, h) = (pixels.width(), pixels.height());
    let white = |x, y| {
        let pixel = pixels.pixel(x, y).unwrap();
        pixel.red() > 250 && pixel.green() > 250 && pixel.blue() > 250
    };
    assert!((0..w).all(|x| white(x, 0) && white(x, h - 1)), "above and below");
    assert!((0..h).all(|y| white(0, y) && white(w - 1, y)), "left and right");
}
