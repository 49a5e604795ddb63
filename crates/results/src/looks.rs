//! Which look each thing has, by number: the same in every figure and page, whatever is drawn beside it.

use crate::STAGES;

/// Strategies in the order of their looks. Those that are compared most are easiest to tell apart.
pub const STRATEGIES: [&str; 14] = [
    "igniter",
    "ffd",
    "gpulets",
    "gslice",
    "queueing",
    "optimal",
    "infless",
    "greedy",
    "nexus",
    "dedicated",
    "mps-default",
    "exact",
    "gpulets-atc",
    "parvagpu",
];

/// Models in the order of their looks.
pub const MODELS: [&str; 4] = ["alexnet", "resnet50", "vgg19", "ssd"];

/// The looks of the stages of a request.
const OF_STAGES: [usize; STAGES.len()] = [6, 4, 0, 1];

/// The looks of series: those of strategies and stages are known, others have the first that are free.
#[must_use]
pub fn series_looks(names: &[&str]) -> Vec<usize> {
    let stage = |name: &&str| STAGES.iter().position(|(known, _)| known == name);
    match names.iter().map(stage).collect::<Option<Vec<usize>>>() {
        Some(stages) => stages.into_iter().map(|stage| OF_STAGES[stage]).collect(),
        None => looks(&STRATEGIES, names),
    }
}

/// The looks of models.
#[must_use]
pub fn model_looks(names: &[&str]) -> Vec<usize> {
    looks(&MODELS, names)
}

fn looks(known: &[&str], names: &[&str]) -> Vec<usize> {
    let place = |name: &str| known.iter().position(|known| *known == name);
    let mut taken: Vec<usize> = names.iter().filter_map(|name| place(name)).collect();
    let look = |name: &&str| {
        place(name).unwrap_or_else(|| {
            let free = (0..).find(|index| !taken.contains(index)).unwrap_or(0);
            taken.push(free);
            free
        })
    };
    names.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_keeps_its_look_and_no_two_share_one() {
        assert_eq!(series_looks(&["ffd"]), [1]);
        assert_eq!(series_looks(&["mine", "ffd", "igniter", "other"]), [2, 1, 0, 3]);
        assert_eq!(series_looks(&["GPU 0", "GPU 1"]), [0, 1]);
        assert_eq!(series_looks(&["queue", "execution"]), [6, 0]);
        assert_eq!(model_looks(&["bert", "ssd"]), [0, 3]);
    }
}
