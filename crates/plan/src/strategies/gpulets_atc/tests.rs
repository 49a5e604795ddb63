//! Against schedules of the original program for the same latency tables: its ratio 1 and no interference.

use super::*;
use crate::tests::tables::{TablePredictor, tables};
use crate::{PlanOptions, check_plan};

const PLAIN: GpuletsAtc = GpuletsAtc { factors: Factors { ratio: 1.0, beside: 1.0 } };

/// GPUs of gpu-lets of members: "A50x18" is model A with 50 % and batches of 18.
fn placed(strategy: GpuletsAtc, rates: [f64; 3]) -> Vec<Vec<String>> {
    let predictor = TablePredictor::new();
    let workloads = tables(&[("A", 40.0, rates[0]), ("B", 30.0, rates[1]), ("C", 20.0, rates[2])]);
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let plan = strategy.plan(&request);
    assert!(plan.infeasible.is_empty());
    assert!(check_plan(&plan, &request).is_empty(), "{:?}", check_plan(&plan, &request));
    let mut gpus: Vec<Vec<String>> = Vec::new();
    for gpu in &plan.gpus {
        let name = |p: &igniter_model::domain::Placement| {
            let turn = if p.time_slot.is_some() { "*" } else { "" };
            format!("{}{}x{}{turn}", p.model, p.sm.get(), p.batch)
        };
        let mut names: Vec<String> = gpu.placements.iter().map(name).collect();
        names.sort();
        gpus.push(names);
    }
    gpus.sort();
    gpus
}

#[test]
fn two_gpus_where_one_fails() {
    assert_eq!(
        placed(PLAIN, [1000.0, 1500.0, 800.0]),
        [vec!["A50x18", "B50x24"], vec!["A60x3", "C40x11"]]
    );
}

#[test]
fn a_gpu_let_shared_in_time() {
    assert_eq!(placed(PLAIN, [100.0; 3]), [vec!["A20x1*", "B80x2", "C20x1*"]]);
}

#[test]
fn a_gpu_let_that_stays_empty() {
    assert_eq!(placed(PLAIN, [300.0, 200.0, 200.0]), [vec!["A80x9", "C20x3"], vec!["B50x5"]]);
}

#[test]
fn four_gpus_of_saturated_and_residual_pieces() {
    assert_eq!(
        placed(PLAIN, [2500.0, 4000.0, 3000.0]),
        [
            vec!["A50x18", "B50x26"],
            vec!["A50x18", "B50x4"],
            vec!["A80x18", "C20x3"],
            vec!["B60x31", "C40x28"]
        ]
    );
}

#[test]
fn ratio_and_neighbours_cost_gpus() {
    // The original: 3, 1, 2 and 5. Its regression on L2 and DRAM use makes neighbours of the first set dearer than our
    // constant does.
    let gpus = |rates| placed(GpuletsAtc::default(), rates).len();
    assert_eq!(
        [[1000.0, 1500.0, 800.0], [100.0; 3], [300.0, 200.0, 200.0], [2500.0, 4000.0, 3000.0]]
            .map(gpus),
        [2, 1, 2, 5]
    );
}

#[test]
fn pieces_are_those_of_the_original() {
    let predictor = TablePredictor::new();
    let workloads = tables(&[("A", 40.0, 1000.0), ("B", 30.0, 1500.0), ("C", 20.0, 800.0)]);
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let demands: Vec<Demand> = workloads.iter().map(|w| request.demand(w)).collect();
    let latencies = GpuletLatencies::new(&request, &demands, PLAIN.factors);
    let pieces = |w: usize| -> Vec<(u32, f64, bool)> {
        let pieces = latencies.pieces(w, demands[w].rate_rps, true);
        pieces.iter().map(|p| (PARTS[p.part], p.rate_rps.round(), p.saturated)).collect()
    };
    assert_eq!(pieces(0), [(50, 900.0, true), (20, 100.0, false)]);
    assert_eq!(pieces(1), [(50, 1500.0, false)]);
    assert_eq!(pieces(2), [(40, 800.0, false)]);
    // Batches and duty cycles of the residual ones.
    let fit = |w, part, rate| latencies.residual(w, part, rate, 1.0).unwrap();
    assert_eq!(fit(1, 2, 1500.0), pieces::Fit { batch: 24, duty_ms: 16.0 });
    assert_eq!(fit(2, 1, 800.0), pieces::Fit { batch: 11, duty_ms: 13.75 });
    assert_eq!(fit(0, 3, 100.0), pieces::Fit { batch: 3, duty_ms: 30.0 });
}

#[test]
fn a_workload_that_may_not_be_divided_is_one_piece() {
    let predictor = TablePredictor::new();
    let workloads = tables(&[("A", 40.0, 1500.0), ("B", 30.0, 1500.0), ("C", 20.0, 5000.0)]);
    let options = PlanOptions { replicas: Replicas::Forbidden, ..PlanOptions::default() };
    let request = PlanRequest::with_options(&workloads, &predictor, options).unwrap();
    let plan = PLAIN.plan(&request);
    assert_eq!(plan.infeasible.len(), 1);
    assert!(plan.placements().all(|(_, p)| p.served.is_none()));
    assert!(check_plan(&plan, &request).is_empty());
}
