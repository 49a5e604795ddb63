//! Reproduces the paper's evaluation with the built-in data, and adds experiments that the paper lacks:
//! every figure comes with its numbers, its command, and a caption that states what is measured,
//! predicted or simulated.
//!
//! The V100 profile and the paper's workloads are built in, so only the program is needed.
//! Everything that [`make`] returns depends on the version alone, byte for byte. The exceptions are
//! the wall-clock times of `overhead`, `queueing-time` and `replan-time`; these figures are made only when
//! they are named.

mod accuracy;
mod context;
mod control;
mod planning;
mod published;
mod queueing;
mod replanning;
mod serving;
mod uncertainty;
mod workloads;

use crate::figures::{Figure, PlotError};
use crate::run::RunError;
pub(crate) use accuracy::predicted_mark;
use context::Context;
use std::fmt::Write;

/// The reason why a figure cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
#[non_exhaustive]
pub enum ReproduceError {
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A plan cannot be made.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// A predictor cannot be fitted.
    #[error(transparent)]
    Fit(#[from] crate::fit::FitError),
    /// A profile cannot be read.
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
    /// A scenario cannot be read.
    #[error(transparent)]
    Scenario(#[from] crate::scenario::ScenarioError),
    /// A figure cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// No figure has that name.
    #[error("no figure {given:?}; the figures are: {known}")]
    Unknown { given: String, known: String },
}

/// The numbers of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The file name without `.csv`.
    pub stem: String,
    /// The column names, with units.
    pub header: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// One figure, with its numbers.
#[derive(Debug)]
pub struct ReproducedFigure {
    /// The name on the command line.
    pub name: &'static str,
    /// The heading.
    pub title: &'static str,
    /// States what is measured, predicted or simulated, and how.
    pub basis: String,
    /// The pages of the figure.
    pub figures: Vec<Figure>,
    /// The numbers that the figure shows.
    pub numbers: Vec<Numbers>,
}

/// A function that makes one figure.
type Make = fn(&Context) -> Result<ReproducedFigure, ReproduceError>;

/// A figure that can be requested by name.
struct FigureEntry {
    name: &'static str,
    make: Make,
    /// Whether the figure is made when none is named.
    usual: bool,
}

const ENTRIES: [FigureEntry; 20] = [
    FigureEntry { name: "accuracy", make: accuracy::solo, usual: true },
    FigureEntry { name: "experiments", make: accuracy::experiments, usual: true },
    FigureEntry { name: "published", make: published::published, usual: false },
    FigureEntry { name: "plans", make: planning::plans, usual: true },
    FigureEntry { name: "slo", make: serving::slo, usual: true },
    FigureEntry { name: "cost", make: planning::cost, usual: true },
    FigureEntry { name: "bound", make: planning::bound, usual: true },
    FigureEntry { name: "bursts", make: serving::bursts, usual: true },
    FigureEntry { name: "headroom", make: serving::headroom, usual: true },
    FigureEntry { name: "promise", make: queueing::promise, usual: false },
    FigureEntry { name: "forecasts", make: queueing::forecasts, usual: false },
    FigureEntry { name: "queueing-time", make: queueing::time, usual: false },
    FigureEntry { name: "replan", make: replanning::days, usual: false },
    FigureEntry { name: "replan-time", make: replanning::time, usual: false },
    FigureEntry { name: "energy", make: serving::energy, usual: true },
    FigureEntry { name: "breakdown", make: serving::breakdown, usual: true },
    FigureEntry { name: "adaptation", make: control::adaptation, usual: true },
    FigureEntry { name: "shadow", make: control::shadow, usual: true },
    FigureEntry { name: "uncertainty", make: uncertainty::draws, usual: true },
    FigureEntry { name: "overhead", make: planning::overhead, usual: false },
];

/// Returns the names of all figures.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ENTRIES.iter().map(|entry| entry.name).collect()
}

/// Returns the names of the figures that are made when none is named.
#[must_use]
pub fn usual() -> Vec<&'static str> {
    ENTRIES.iter().filter(|entry| entry.usual).map(|entry| entry.name).collect()
}

/// Resolves names of figures; an empty list stands for [`usual`].
///
/// # Errors
/// When no figure has one of the names.
pub fn chosen(given: &[String]) -> Result<Vec<&'static str>, ReproduceError> {
    if given.is_empty() {
        return Ok(usual());
    }
    let find = |name: &String| {
        let entry = ENTRIES.iter().find(|entry| entry.name == name);
        entry.map(|entry| entry.name).ok_or_else(|| ReproduceError::Unknown {
            given: name.clone(),
            known: names().join(", "),
        })
    };
    given.iter().map(find).collect()
}

/// Makes the named figures in the given order; `at` is called with each name before its figure is
/// made.
///
/// # Errors
/// When a figure cannot be made.
///
/// # Panics
/// When a name was not returned by [`chosen`].
pub fn make(names: &[&str], at: impl Fn(&str)) -> Result<Vec<ReproducedFigure>, ReproduceError> {
    let context = Context::default();
    let one = |name: &&str| {
        at(name);
        let entry = ENTRIES.iter().find(|entry| entry.name == *name);
        (entry.expect("names are resolved first").make)(&context)
    };
    names.iter().map(one).collect()
}

/// Returns the README page that goes with the figures.
#[must_use]
pub fn readme(made: &[ReproducedFigure]) -> String {
    let mut text = String::from(
        "# The paper's evaluation, and what it lacks\n\n\
         All of it is made by `igniter reproduce -o results/paper`; one figure by naming it. The CSV files \
         are the same byte for byte each time, on any machine and number of threads. Workloads, SLOs and \
         rates are those of the paper (`scenarios/paper-12.toml`), the GPU is a V100 at 3.06 $/h with the \
         profile that the authors measured (`profiles/v100`).\n",
    );
    for one in made {
        write!(text, "\n## {}\n\n", one.title).expect("a string takes all");
        for figure in &one.figures {
            writeln!(
                text,
                "![{}](figures/{}.png)\n\n{}\n",
                figure.caption, figure.stem, figure.caption
            )
            .expect("a string takes all");
        }
        let files: Vec<String> =
            one.numbers.iter().map(|n| format!("[`{0}.csv`]({0}.csv)", n.stem)).collect();
        let pictures: Vec<String> =
            one.figures.iter().map(|f| format!("[SVG](figures/{}.svg)", f.stem)).collect();
        writeln!(
            text,
            "{} Numbers: {}. Vector graphics: {}. Command: `igniter reproduce {} -o DIR`.",
            one.basis,
            files.join(", "),
            pictures.join(", "),
            one.name
        )
        .expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_before_anything_runs() {
        assert!(!chosen(&[]).unwrap().contains(&"overhead"), "its times differ from run to run");
        assert_eq!(chosen(&["overhead".to_owned()]).unwrap(), ["overhead"]);
        let error = chosen(&["acuracy".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("acuracy") && error.contains("accuracy, experiments"), "{error}");
    }

    #[test]
    fn every_figure_has_numbers_a_basis_and_is_in_the_page() {
        // The two that need no simulation.
        let made = make(&["accuracy", "experiments"], |_| {}).unwrap();
        for one in &made {
            assert!(!one.figures.is_empty() && one.numbers.iter().all(|n| !n.rows.is_empty()));
            let widths = one.numbers.iter().flat_map(|n| n.rows.iter().map(|r| (r, &n.header)));
            assert!(widths.into_iter().all(|(row, header)| row.len() == header.len()));
        }
        let text = readme(&made);
        for words in ["(figures/accuracy.png)", "accuracy.csv", "measured", "predicted"] {
            assert!(text.contains(words), "{words}");
        }
    }
}
