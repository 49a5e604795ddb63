//! Which predictor is fitted from which measurements.

/// Which solo points of the profile a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// All, with self-pairs.
    Profile,
    /// The smallest and the largest batch size only, no self-pairs: six runs for each model.
    Ends,
}

/// Which measured solo latencies a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoloLatencies {
    /// None.
    None,
    /// Those of the configurations of the co-located runs that it is fitted to, while fitting only.
    OfRuns,
    /// All, in predictions too.
    All,
}

/// Which co-located runs a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// None.
    None,
    /// One for each pair, for its coupling alone: all else is as without.
    Couplings,
    /// This many, chosen by [`chosen_runs`](super::chosen_runs).
    Chosen(usize),
    /// All that are not scored.
    All,
}

/// A predictor with a budget of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Its name in tables.
    pub label: &'static str,
    /// The predictor.
    pub predictor: &'static str,
    /// Which points of the profile.
    pub points: Points,
    /// Whether the kernel lists.
    pub kernels: bool,
    /// Which solo latencies.
    pub solo: SoloLatencies,
    /// Which co-located runs.
    pub runs: Runs,
    /// Whether the constants of co-locations are those of another GPU kind.
    pub other: bool,
}

/// The recipes of an accuracy study, from the cheapest to the dearest.
#[must_use]
pub fn recipes() -> Vec<Recipe> {
    let base = Recipe {
        label: "",
        predictor: "contention",
        points: Points::Profile,
        kernels: false,
        solo: SoloLatencies::None,
        runs: Runs::None,
        other: false,
    };
    let chosen =
        |label, n, kernels, solo| Recipe { label, kernels, solo, runs: Runs::Chosen(n), ..base };
    let (of_runs, all) = (SoloLatencies::OfRuns, SoloLatencies::All);
    vec![
        Recipe { label: "igniter", predictor: "igniter", ..base },
        Recipe { label: "solo, fitted", predictor: "solo", ..base },
        Recipe { label: "solo, measured", predictor: "solo", solo: all, ..base },
        Recipe {
            label: "solo measured x constant",
            predictor: "solo_scaled",
            solo: all,
            runs: Runs::All,
            ..base
        },
        Recipe { label: "gpulets", predictor: "gpulets", solo: all, runs: Runs::All, ..base },
        Recipe { label: "A: six solo runs", points: Points::Ends, ..base },
        Recipe { label: "A: profile", ..base },
        Recipe {
            label: "A: profile, couplings known",
            runs: Runs::Couplings,
            solo: of_runs,
            ..base
        },
        Recipe { label: "B: + kernel list", kernels: true, ..base },
        Recipe { label: "A: constants of another GPU", other: true, ..base },
        Recipe { label: "A: profile + solo as served", solo: all, ..base },
        Recipe {
            label: "A: solo as served, constants of another GPU",
            solo: all,
            other: true,
            ..base
        },
        chosen("C: 6 runs", 6, false, of_runs),
        chosen("C: 12 runs", 12, false, of_runs),
        chosen("C: 24 runs", 24, false, of_runs),
        chosen("C: 24 runs, without their solo", 24, false, SoloLatencies::None),
        chosen("C: 24 runs + kernel list", 24, true, of_runs),
        chosen("C: 2 runs + solo as served", 2, false, all),
        chosen("C: 6 runs + solo as served", 6, false, all),
        chosen("C: 12 runs + solo as served", 12, false, all),
        chosen("C: 24 runs + solo as served", 24, false, all),
        Recipe { label: "D: solo as served + all runs", solo: all, runs: Runs::All, ..base },
        Recipe { label: "D: + kernel list", kernels: true, solo: all, runs: Runs::All, ..base },
    ]
}
