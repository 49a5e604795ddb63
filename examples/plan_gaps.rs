//! Every strategy on the paper's twelve workloads and on 30 random instances, against the proven optimum.
//!
//! `cargo run --release --example plan_gaps`

mod instances;

use igniter::domain::Workload;
use igniter::plan::{
    Margin, PlanOptions, PlanRequest, Replicas, STRATEGIES, Violation, check_plan, lower_bound,
    plans_by_half_of_slo, strategy,
};
use igniter::predictor::igniter::IgniterPredictor;
use std::collections::BTreeSet;

/// What a strategy makes of some instances.
#[derive(Default)]
struct Outcome {
    gpus: Vec<usize>,
    units: u32,
    slow: usize,
    unplaced: usize,
}

fn outcome(
    name: &str,
    sets: &[Vec<Workload>],
    predictor: &IgniterPredictor,
    options: PlanOptions,
) -> Outcome {
    let mut outcome = Outcome::default();
    for workloads in sets {
        let request =
            PlanRequest::with_options(workloads, predictor, options).expect("good options");
        let plan = strategy(name).expect("a strategy").plan(&request);
        outcome.gpus.push(plan.gpus.len());
        outcome.units += plan.gpus.iter().map(|gpu| gpu.total_sm().get()).sum::<u32>();
        outcome.unplaced += plan.infeasible.len();
        let slow: BTreeSet<String> = check_plan(&plan, &request)
            .into_iter()
            .filter_map(|violation| match violation {
                Violation::TooSlow { workload, .. }
                | Violation::MissesSlo { workload, .. }
                | Violation::TooLittleThroughput { workload, .. } => Some(workload),
                _ => None,
            })
            .collect();
        outcome.slow += slow.len();
    }
    outcome
}

fn table(title: &str, sets: &[Vec<Workload>], predictor: &IgniterPredictor) {
    let workloads: usize = sets.iter().map(Vec::len).sum();
    println!("\n{title}: {} instances, {workloads} workloads\n", sets.len());
    println!(
        "| strategy | GPUs | vs optimum | instances at optimum | total share | predicted violations | not placed |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let plain = PlanOptions::default();
    let best = outcome("exact", sets, predictor, plain);
    let row = |name: &str, label: &str, options: PlanOptions| {
        let made = outcome(name, sets, predictor, options);
        let total: usize = made.gpus.iter().sum();
        let optimum: usize = best.gpus.iter().sum();
        let equal = made.gpus.iter().zip(&best.gpus).filter(|(a, b)| a == b).count();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred GPUs")]
        let gap = (total as f64 / optimum as f64 - 1.0) * 100.0;
        println!(
            "| {label} | {total} | {gap:+.1} % | {equal} | {:.1} % | {} of {workloads} | {} |",
            f64::from(made.units) * 2.5,
            made.slow,
            made.unplaced,
        );
    };
    // Others may do with less than this optimum: they go by rules of their own.
    for name in STRATEGIES.iter().filter(|name| plans_by_half_of_slo(name)) {
        row(name, name, plain);
    }
    let replicas = PlanOptions { replicas: Replicas::Allowed, ..plain };
    for name in ["gpulets", "optimal"] {
        row(name, &format!("{name}, replicas"), replicas);
    }
    for margin_pct in [5.0, 10.0] {
        for name in ["igniter", "optimal"] {
            let options = PlanOptions { margin: Margin::Percent(margin_pct), ..plain };
            row(name, &format!("{name}, margin {margin_pct} %"), options);
        }
    }
}

fn main() {
    let predictor = instances::v100();
    let twelve = instances::paper_12();
    for margin_pct in [0.0, 10.0] {
        for replicas in [Replicas::Forbidden, Replicas::Allowed] {
            let options = PlanOptions {
                margin: Margin::Percent(margin_pct),
                replicas,
                ..PlanOptions::default()
            };
            let request =
                PlanRequest::with_options(&twelve, &predictor, options).expect("good options");
            let plan = strategy("optimal").expect("a strategy").plan(&request);
            let units: u32 = plan.gpus.iter().map(|gpu| gpu.total_sm().get()).sum();
            let bound = plan.bound.as_ref().expect("it proves one");
            println!(
                "paper-12, margin {margin_pct} %, replicas {replicas:?}: {} GPUs, {:.1} %; proven: at \
                 least {} GPUs ({}); quick bound {:.3}",
                plan.gpus.len(),
                f64::from(units) * 2.5,
                bound.gpus,
                bound.method.as_str(),
                lower_bound(&request).fractional_gpus,
            );
        }
    }
    table("The paper's twelve", &[twelve], &predictor);
    table("Random", &instances::thirty(&predictor), &predictor);
}
