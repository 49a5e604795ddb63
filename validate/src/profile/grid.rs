//! What is measured, in which order.

use igniter::domain::ModelName;
use igniter::units::{BatchSize, SmUnits};
use serde::{Deserialize, Serialize};

/// One member of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMember {
    /// The model.
    pub model: ModelName,
    /// Requests in each batch.
    pub batch: BatchSize,
    /// The share, in allocation units of the GPU.
    pub units: SmUnits,
}

/// Models that are measured together; one alone is a solo point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRun {
    /// Who.
    pub members: Vec<RunMember>,
}

/// The points of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The models.
    pub models: Vec<ModelName>,
    /// The batch sizes of solo points.
    pub batches: Vec<BatchSize>,
    /// The shares of solo points.
    pub shares: Vec<SmUnits>,
    /// Half of a GPU: the share of each member of a pair.
    pub half: SmUnits,
    /// Whether pairs are measured: each model with itself and with each other one.
    pub pairs: bool,
}

impl Grid {
    /// All runs: solo points first, then the members of pairs alone, then the pairs.
    #[must_use]
    pub fn runs(&self) -> Vec<ProfileRun> {
        let mut runs: Vec<ProfileRun> = Vec::new();
        let mut add = |members: Vec<RunMember>| {
            let run = ProfileRun { members };
            if !runs.contains(&run) {
                runs.push(run);
            }
        };
        let member = |model: &ModelName, batch: BatchSize, units: SmUnits| RunMember {
            model: model.clone(),
            batch,
            units,
        };
        for model in &self.models {
            for &units in &self.shares {
                for &batch in &self.batches {
                    add(vec![member(model, batch, units)]);
                }
            }
        }
        // Pairs at the middle batch size: neither launch-bound nor saturated.
        let Some(&batch) = self.batches.get(self.batches.len() / 2) else { return runs };
        if self.pairs {
            for model in &self.models {
                add(vec![member(model, batch, self.half)]);
            }
            for (i, first) in self.models.iter().enumerate() {
                for second in &self.models[i..] {
                    let pair = [first, second].map(|model| member(model, batch, self.half));
                    add(pair.into());
                }
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_once_and_pairs_after_their_members() {
        let model = |name| ModelName::new(name).unwrap();
        let grid = Grid {
            models: vec![model("a"), model("b")],
            batches: [1, 8].map(|b| BatchSize::new(b).unwrap()).into(),
            shares: [10, 20].map(SmUnits::new).into(),
            half: SmUnits::new(20),
            pairs: true,
        };
        let runs = grid.runs();
        // 2 models × 2 shares × 2 batches hold the members of the pairs too; pairs aa, ab, bb.
        assert_eq!(runs.len(), 8 + 3);
        assert_eq!(runs.iter().filter(|run| run.members.len() == 2).count(), 3);
        assert!(runs[8..].iter().all(|run| run.members.len() == 2));
        let solo = Grid { pairs: false, ..grid };
        assert_eq!(solo.runs().len(), 8);
    }
}
