//! Recipes: the combinations of a predictor and the measurements to which it is fitted.

/// The solo points of the profile that a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// All points, with self-pairs.
    Profile,
    /// The smallest and the largest batch size only, without self-pairs: six runs for each model.
    Ends,
}

/// The measured solo latencies that a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoloLatencies {
    /// None.
    None,
    /// Those of the configurations in the fitted co-located runs, only during the fit.
    OfRuns,
    /// All, also in predictions.
    All,
}

/// The co-located runs that a fit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// None.
    None,
    /// One for each pair, only to find its coupling; everything else is fitted as without runs.
    Couplings,
    /// This number of runs, chosen by [`chosen_runs`](super::chosen_runs).
    Chosen(usize),
    /// All that are not scored.
    All,
}

/// A predictor with a budget of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The name of the recipe in tables.
    pub label: &'static str,
    /// The predictor.
    pub predictor: &'static str,
    /// The points of the profile that the fit may use.
    pub points: Points,
    /// Whether the fit may use kernel lists.
    pub kernels: bool,
    /// The solo latencies that the fit may use.
    pub solo: SoloLatencies,
    /// The co-located runs that the fit may use.
    pub runs: Runs,
    /// Whether the constants of co-locations are taken from another GPU kind.
    pub other: bool,
}

/// Returns the recipes of an accuracy study, from the cheapest to the most expensive.
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
