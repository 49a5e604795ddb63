//! A strategy of your own: one GPU for two workloads at most, the largest shares first.
//!
//! ```sh
//! cargo run --example add_strategy
//! ```
//! It is compared with `igniter` on the paper's three workloads. For a strategy that should have a name on the
//! command line, `docs/extending.md` lists the places.

use igniter::domain::{CoLocation, Infeasible, Placement, Plan, PredictedService};
use igniter::plan::{PlanRequest, Strategy, strategy};
use igniter::predictor::Member;
use igniter::results::{Screen, comparison_text};
use igniter::run::{Overrides, Study};
use igniter::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};
use std::path::Path;

/// Pairs of workloads with half of a GPU each.
#[derive(Debug)]
struct Halves;

impl Strategy for Halves {
    fn name(&self) -> &'static str {
        "halves"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let predictor = request.predictor();
        let kind = predictor.kind();
        let half = SmUnits::new(kind.units.get() / 2);
        let sm = half.to_percent(kind.units).expect("half of a GPU is a share");
        let mut plan = Plan {
            strategy: self.name().to_owned(),
            gpus: Vec::new(),
            infeasible: Vec::new(),
            bound: None,
        };
        for workload in request.workloads() {
            let model = predictor.model_id(&workload.model).expect("requests are checked");
            // The smallest batch that keeps up, beside a copy of itself, in half of the SLO.
            let fitting = (1..=32).find_map(|size| {
                let member = Member { model, batch: BatchSize::new(size).ok()?, sm };
                let alike = predictor.predict(&[member, member]).members[0];
                let in_time = alike.latency_ms() <= workload.slo.get() / 2.0;
                let keeps_up = alike.throughput_rps >= workload.rate.get();
                (in_time && keeps_up).then_some((member.batch, alike))
            });
            let Some((batch, alike)) = fitting else {
                plan.infeasible.push(Infeasible {
                    workload: workload.name.clone(),
                    reason: "half of a GPU is too slow".to_owned(),
                    fixes: Vec::new(),
                });
                continue;
            };
            let placement = Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch,
                sm: half,
                served: None,
                time_slot: None,
                predicted: Some(PredictedService {
                    latency: Milliseconds::new(alike.latency_ms()).expect("it is positive"),
                    throughput: RequestsPerSecond::new(alike.throughput_rps).expect("positive"),
                }),
            };
            match plan.gpus.last_mut().filter(|gpu| gpu.placements.len() < 2) {
                Some(gpu) => gpu.placements.push(placement),
                None => plan
                    .gpus
                    .push(CoLocation { kind: kind.name.clone(), placements: vec![placement] }),
            }
        }
        plan
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let study = Study::load(Path::new("scenarios/motivating-3.toml"), &Overrides::default())?;
    let plans = [study.plan(&Halves), study.plan(strategy("igniter")?.as_ref())];
    let mut results = Vec::new();
    for plan in &plans {
        // What is wrong with a plan, in words: shares above 100 %, a latency above its budget, …
        for violation in study.check(plan) {
            println!("{}: {violation}", plan.strategy);
        }
        results.push(study.simulate(plan)?);
    }
    print!("{}", comparison_text(&study.comparison(results), Screen::PLAIN));
    Ok(())
}
