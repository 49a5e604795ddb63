//! Synthetic comparisons of many shapes; `gallery` writes them to look at.

mod comparisons;
mod lanes;
mod others;

use super::*;
use comparisons::{SHAPES, adapted, overloaded};
use others::{other_figures, panels};

pub(crate) use comparisons::synthetic;

#[test]
#[ignore = "writes pictures to look at: set FIGURE_GALLERY to a directory"]
fn gallery() {
    let root = std::path::PathBuf::from(std::env::var("FIGURE_GALLERY").unwrap());
    for (name, workloads, gpus, strategies, hostile) in SHAPES {
        let figures = comparison_figures(&synthetic(workloads, gpus, strategies, hostile)).unwrap();
        let mut dir =
            OutputDir::open(&root.join(name), igniter_results::Existing::Replace).unwrap();
        write_figures(&mut dir, &figures).unwrap();
        if name == "paper" {
            let over = root.join("overloaded");
            let mut dir = OutputDir::open(&over, igniter_results::Existing::Replace).unwrap();
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

#[test]
fn values_below_zero_have_an_axis() {
    let low = panels(4).draw().unwrap();
    assert!(texts(low.svg()).iter().any(|(words, _)| words.starts_with('-')));
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
fn of_very_many_gpus_fewer_are_drawn() {
    let count = |gpus, stem: &str| {
        let figures = comparison_figures(&synthetic(1_000, gpus, 2, false)).unwrap();
        figures.iter().filter(|figure| figure.stem.starts_with(stem)).count()
    };
    // 24 GPUs a page of both plans; 20 panels a page, at most two for each strategy.
    assert_eq!((count(60, "plan"), count(60, "gpus_")), (4, 4));
    assert_eq!((count(400, "plan"), count(400, "gpus_")), (2, 2));
}

#[test]
fn a_thousand_workloads_take_at_most_thirty_figures() {
    let mut comparison = synthetic(1000, 120, 6, false);
    let figures = comparison_figures(&comparison).unwrap();
    assert!(figures.len() <= 30, "{}", figures.len());
    let p99 = figures.iter().find(|figure| figure.stem == "p99").unwrap();
    assert!(p99.caption.contains("40 of 1000 workloads"), "{}", p99.caption);
    // One that misses is shown, wherever it stands.
    for result in &mut comparison.strategies {
        for workload in &mut result.workloads {
            workload.verdict = igniter_sim::metrics::Verdict::Met;
        }
    }
    comparison.strategies[0].workloads[777].verdict = igniter_sim::metrics::Verdict::Missed;
    assert!(comparison.telling(60).contains(&777));
}

#[test]
fn no_figure_of_violations_without_any() {
    let mut comparison = synthetic(3, 1, 1, false);
    for workload in &mut comparison.strategies[0].workloads {
        workload.slo_violation_pct = Some(0.0);
    }
    let figures = comparison_figures(&comparison).unwrap();
    assert!(figures.iter().all(|figure| figure.stem != "violations"));
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
    result.details.cdf.iter_mut().for_each(|cdf| cdf.points.clear());
    result.details.series.iter_mut().for_each(|series| series.bins.clear());
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
