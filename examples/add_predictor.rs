//! A predictor of your own: the built-in one, with every execution slower by a part that grows with the
//! number of neighbours.
//!
//! ```sh
//! cargo run --example add_predictor
//! ```
//! It plans the paper's three workloads. A predictor that should have a name on the command line also needs a
//! fit and a coefficients file: `docs/extending.md` lists the places.

use igniter::domain::{GpuKind, ModelId, ModelName};
use igniter::plan::{PlanRequest, strategy};
use igniter::predictor::{CoLocationPrediction, Member, Predictor};
use igniter::run::{Overrides, Study};
use igniter::units::{BatchSize, Bytes};
use std::path::Path;

/// Slows what another predictor says by `per_neighbour` (a part of 1) for each neighbour.
#[derive(Debug)]
struct Crowded<'p> {
    base: &'p dyn Predictor,
    per_neighbour: f64,
}

impl Predictor for Crowded<'_> {
    fn name(&self) -> &'static str {
        "crowded"
    }

    fn kind(&self) -> &GpuKind {
        self.base.kind()
    }

    fn models(&self) -> &[ModelName] {
        self.base.models()
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.base.max_batch(model)
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.base.memory(model)
    }

    // Planners and engine call this in their inner loops: no allocation here.
    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        self.base.predict_into(members, out);
        let neighbours = members.len().saturating_sub(1) as f64;
        let slowdown = 1.0 + self.per_neighbour * neighbours;
        for (member, prediction) in members.iter().zip(&mut out.members) {
            prediction.gpu_ms *= slowdown;
            // Back-to-back batches: execution and feedback bound the throughput, loading overlaps.
            let busy_ms = prediction.gpu_ms + prediction.feedback_ms;
            prediction.throughput_rps = f64::from(member.batch.get()) / busy_ms * 1000.0;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let study = Study::load(Path::new("scenarios/paper-12.toml"), &Overrides::default())?;
    let base = study.predictors()[0];
    println!("slower for each neighbour   GPUs of igniter's strategy");
    for percent in [0, 2, 5, 10] {
        let predictor = Crowded { base, per_neighbour: f64::from(percent) / 100.0 };
        let request = PlanRequest::new(study.workloads(), &predictor)?;
        let plan = strategy("igniter")?.plan(&request);
        println!("{percent:>22} %   {:>4}, {} infeasible", plan.gpus.len(), plan.infeasible.len());
    }
    Ok(())
}
