//! Time and gap of planners from 10 to 100,000 workloads.
//!
//! `cargo run --release --example plan_scaling -- [STRATEGY…] [--most N]`

#![allow(clippy::disallowed_types, reason = "measuring time is its purpose")]

mod instances;

use igniter::plan::{PlanRequest, strategy};
use std::time::Instant;

fn main() {
    let predictor = instances::v100();
    let mut names: Vec<String> = Vec::new();
    let mut least = 10;
    let mut most = 1000;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--least" {
            least = arguments.next().and_then(|n| n.parse().ok()).expect("--least needs a number");
        } else if argument == "--most" {
            most = arguments.next().and_then(|n| n.parse().ok()).expect("--most needs a number");
        } else {
            names.push(argument);
        }
    }
    if names.is_empty() {
        names = ["igniter", "ffd"].map(str::to_owned).to_vec();
    }
    println!("| workloads | types | strategy | GPUs | bound | gap | seconds |");
    println!("|--:|--:|---|--:|--:|--:|--:|");
    for count in
        [10, 100, 1_000, 10_000, 100_000].into_iter().filter(|c| (least..=most).contains(c))
    {
        for types in [Some(12), Some(60), Some(120), None] {
            if types.is_some_and(|t| t > count) {
                continue;
            }
            let workloads = instances::noisy(5, count, types);
            let request = PlanRequest::new(&workloads, &predictor).expect("known models");
            for name in &names {
                let start = Instant::now();
                let plan = strategy(name).expect("a strategy").plan(&request);
                let seconds = start.elapsed().as_secs_f64();
                let types = types.map_or("all".to_owned(), |t| t.to_string());
                let bound = plan.bound.as_ref().map_or("–".to_owned(), |b| {
                    format!("{} ({}, {:.2})", b.gpus, b.method.as_str(), b.fractional_gpus)
                });
                let gap = plan.gap_pct().map_or("–".to_owned(), |gap| format!("{gap:.2} %"));
                let gpus = plan.gpus.len();
                println!(
                    "| {count} | {types} | {name} | {gpus} | {bound} | {gap} | {seconds:.4} |"
                );
            }
        }
    }
}
