//! The strategies, one file each, and the list of all of them. They implement [`crate::Strategy`].

pub mod dedicated;
pub mod exact;
pub mod ffd;
pub mod gpulets;
pub mod gpulets_atc;
pub mod gslice;
pub mod igniter;
pub mod infless;
pub mod mps_default;
pub mod nexus;
pub mod optimal;
pub mod parvagpu;

use crate::queueing::Queueing;
use crate::{PlanError, Strategy};

/// A strategy that users choose by name, and the properties of its plans.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// The name by which users choose it.
    pub name: &'static str,
    /// A description in one line.
    pub about: &'static str,
    /// Names in papers and their figures.
    pub in_papers: &'static [&'static str],
    /// The latency rule of its plans.
    pub(crate) rule: LatencyRule,
    /// Whether bounds on plans by the rule of half of the SLO apply to its plans: a batch takes at most half of the
    /// SLO, no two workloads take turns on the same SMs, and a workload is divided only if the options allow it.
    pub(crate) bounded: bool,
    /// Whether the sticky re-planner supports its rules: each server has its own SMs, and its size follows from half of
    /// the SLO and the effects of neighbours.
    pub(crate) sticky: bool,
    make: fn() -> Box<dyn Strategy>,
}

/// The latency rule that a plan has to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatencyRule {
    /// A batch takes at most half of the SLO.
    HalfOfSlo,
    /// The same, but a batch of 1 may take all of the SLO, because no request waits for it to fill.
    SinglesTakeAll,
    /// No rule that a prediction could check.
    OwnQueues,
}

/// The defaults for rows of [`BUILT_IN`].
const USUAL: BuiltIn = BuiltIn {
    name: "",
    about: "",
    in_papers: &[],
    rule: LatencyRule::HalfOfSlo,
    bounded: true,
    sticky: false,
    make: || Box::new(igniter::Igniter),
};

/// All strategies, in the order in which they are listed.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "igniter",
        about: "The iGniter paper's: least shares that meet half of the SLO with interference",
        in_papers: &["iGniter"],
        sticky: true,
        make: || Box::new(igniter::Igniter),
        ..USUAL
    },
    BuiltIn {
        name: "ffd",
        about: "The paper's FFD+: first fit by falling share, blind to interference",
        in_papers: &["FFD+", "ffd+", "FFD"],
        sticky: true,
        make: || Box::new(ffd::Ffd),
        ..USUAL
    },
    BuiltIn {
        name: "gpulets",
        about: "gpu-lets: partitions of fixed sizes, one number for interference",
        in_papers: &["gpu-lets", "gpu-lets+", "gpulets+"],
        make: || Box::new(gpulets::Gpulets),
        ..USUAL
    },
    BuiltIn {
        name: "gpulets-atc",
        about: "gpu-lets as its authors schedule them: partitions shared in time by up to three",
        bounded: false,
        make: || Box::new(gpulets_atc::GpuletsAtc::default()),
        ..USUAL
    },
    BuiltIn {
        name: "gslice",
        about: "GSLICE: batches and shares tuned by trial runs on the placement of ffd",
        in_papers: &["GSLICE", "gslice+", "GSLICE+"],
        make: || Box::new(gslice::Gslice),
        ..USUAL
    },
    BuiltIn {
        name: "nexus",
        about: "Nexus: squishy bin packing of workloads that share GPUs in time",
        in_papers: &["Nexus"],
        bounded: false,
        make: || Box::new(nexus::Nexus),
        ..USUAL
    },
    BuiltIn {
        name: "infless",
        about: "INFless: the largest batch that fills in time, on the GPU that it leaves fullest",
        in_papers: &["INFless"],
        rule: LatencyRule::SinglesTakeAll,
        bounded: false,
        make: || Box::new(infless::Infless),
        ..USUAL
    },
    BuiltIn {
        name: "parvagpu",
        about: "ParvaGPU: segments of sevenths of a GPU, each with several processes of a model",
        in_papers: &["ParvaGPU"],
        bounded: false,
        make: || Box::new(parvagpu::Parvagpu),
        ..USUAL
    },
    BuiltIn {
        name: "dedicated",
        about: "A GPU for each workload: no sharing at all",
        make: || Box::new(dedicated::Dedicated),
        ..USUAL
    },
    BuiltIn {
        name: "mps-default",
        about: "MPS without partitions: all processes may use the whole GPU",
        make: || Box::new(mps_default::MpsDefault),
        ..USUAL
    },
    BuiltIn {
        name: "greedy",
        about: "The first stage of optimal alone, for very many workloads",
        sticky: true,
        make: || Box::new(optimal::Greedy),
        ..USUAL
    },
    BuiltIn {
        name: "exact",
        about: "The proven optimum of at most 14 workloads, by exhaustive search",
        sticky: true,
        make: || Box::new(exact::Exact),
        ..USUAL
    },
    BuiltIn {
        name: "optimal",
        about: "Fewest GPUs by linear programming and local search, with a proven bound",
        sticky: true,
        make: || Box::new(optimal::Optimal),
        ..USUAL
    },
    BuiltIn {
        name: "queueing",
        about: "Plans that hold under random arrivals, by the queue's own latency distribution",
        rule: LatencyRule::OwnQueues,
        bounded: false,
        sticky: true,
        make: || Box::new(Queueing),
        ..USUAL
    },
];

/// The names of all strategies, in the order of [`BUILT_IN`].
pub const STRATEGIES: &[&str] = &{
    let mut names = [""; BUILT_IN.len()];
    let mut row = 0;
    while row < names.len() {
        names[row] = BUILT_IN[row].name;
        row += 1;
    }
    names
};

/// Returns the row of a strategy, if one has that name.
fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|row| row.name == name)
}

/// Finds a strategy by name.
///
/// # Errors
/// If no strategy has that name.
pub fn strategy(name: &str) -> Result<Box<dyn Strategy>, PlanError> {
    let unknown =
        || PlanError::UnknownStrategy { given: name.to_owned(), known: STRATEGIES.join(", ") };
    built_in(name).map(|row| (row.make)()).ok_or_else(unknown)
}

/// Strategy name of refined plans. Simulation has changed their shares and batches, so no rule predicts them.
const REFINED: &str = "refined";

/// Returns the latency rule for the plans of a strategy or of a user-supplied program.
pub(crate) fn rule_of(name: &str) -> LatencyRule {
    if name == REFINED {
        return LatencyRule::OwnQueues;
    }
    built_in(name).map_or(LatencyRule::HalfOfSlo, |row| row.rule)
}

/// Returns whether bounds on plans by the rule of half of the SLO apply to the plans of a strategy or of a
/// user-supplied program: a batch takes at most half of the SLO, no two workloads take turns on the same SMs, and a
/// workload is divided only if the options allow it.
#[must_use]
pub fn plans_by_half_of_slo(name: &str) -> bool {
    name != REFINED && built_in(name).is_none_or(|row| row.bounded)
}

/// Returns whether the sticky re-planner supports the rules of a strategy: each server has its own SMs, and its size
/// follows from half of the SLO and the effects of neighbours.
#[must_use]
pub fn has_sticky_rules(name: &str) -> bool {
    built_in(name).is_some_and(|row| row.sticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_has_the_name_of_its_row_and_no_other() {
        for row in BUILT_IN {
            assert_eq!(strategy(row.name).unwrap().name(), row.name);
            assert!(!row.about.is_empty(), "{}", row.name);
            for name in row.in_papers {
                let has_it = |row: &&BuiltIn| row.name == *name || row.in_papers.contains(name);
                assert_eq!(BUILT_IN.iter().filter(has_it).count(), 1, "{name}");
            }
        }
    }
}
