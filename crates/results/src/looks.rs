//! Look numbers of series: the same in every figure and page, whatever else is drawn.

use crate::STAGES;

/// Strategies in the order of their looks; the most frequently compared ones are easiest to distinguish.
pub const STRATEGY_LOOKS: &[&str] = &[
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

/// Colour-blind-safe palette of Okabe and Ito (2008). Black is replaced by grey because text and axes are already
/// black; yellow is late because it has little contrast on white.
const OKABE_ITO: [[u8; 3]; 8] = [
    [0x00, 0x72, 0xb2], // blue
    [0xe6, 0x9f, 0x00], // orange
    [0x00, 0x9e, 0x73], // bluish green
    [0xcc, 0x79, 0xa7], // reddish purple
    [0x56, 0xb4, 0xe9], // sky blue
    [0xd5, 0x5e, 0x00], // vermilion
    [0x80, 0x80, 0x80], // grey
    [0xf0, 0xe4, 0x42], // yellow
];

/// Number of looks with distinct colours.
pub const COLOURS: usize = 2 * OKABE_ITO.len();

/// Returns the colour of the i-th look, as red, green and blue. After eight colours the palette repeats, half-way to
/// white.
#[must_use]
pub fn colour(look: usize) -> [u8; 3] {
    let pale = look / OKABE_ITO.len() % 2 == 1;
    OKABE_ITO[look % OKABE_ITO.len()].map(|channel| if pale { channel / 2 + 127 } else { channel })
}

/// Returns the colour of the i-th look in CSS syntax: `#0072b2`.
#[must_use]
pub fn css_colour(look: usize) -> String {
    let [r, g, b] = colour(look);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Models in the order of their looks.
pub const MODELS: [&str; 4] = ["alexnet", "resnet50", "vgg19", "ssd"];

/// The looks of the stages of a request.
const OF_STAGES: [usize; STAGES.len()] = [6, 4, 0, 1];

/// Returns the looks of series. Those of strategies and stages are fixed; other series get the first free ones.
#[must_use]
pub fn series_looks(names: &[&str]) -> Vec<usize> {
    let stage = |name: &&str| STAGES.iter().position(|(known, _)| known == name);
    match names.iter().map(stage).collect::<Option<Vec<usize>>>() {
        Some(stages) => stages.into_iter().map(|stage| OF_STAGES[stage]).collect(),
        None => looks(STRATEGY_LOOKS, names),
    }
}

/// Returns the looks of models.
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
    fn every_strategy_has_a_colour_of_its_own() {
        let mut colours: Vec<[u8; 3]> = (0..STRATEGY_LOOKS.len()).map(colour).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), STRATEGY_LOOKS.len());
        assert_eq!((css_colour(0), css_colour(8)), ("#0072b2".into(), "#7fb8d8".into()));
        assert_eq!(colour(COLOURS), colour(0));
    }

    #[test]
    fn what_is_known_keeps_its_look_and_no_two_share_one() {
        assert_eq!(series_looks(&["ffd"]), [1]);
        assert_eq!(series_looks(&["mine", "ffd", "igniter", "other"]), [2, 1, 0, 3]);
        assert_eq!(series_looks(&["GPU 0", "GPU 1"]), [0, 1]);
        assert_eq!(series_looks(&["queue", "execution"]), [6, 0]);
        assert_eq!(model_looks(&["bert", "ssd"]), [0, 3]);
    }
}
