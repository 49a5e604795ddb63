//! The fit and the predictor against what the iGniter artifact's own code computes.

use crate::common;
use igniter::domain::{GpuKindName, ModelName};
use igniter::fit::fit_igniter;
use igniter::predictor::igniter::IgniterPredictor;
use igniter::predictor::{Member, Predictor};
use igniter::profile::{self, Imported, import_measurements};
use igniter::units::{BatchSize, SmPercent};
use serde_json::Value;
use std::collections::BTreeMap;

#[track_caller]
fn close(what: &str, ours: f64, reference: f64) {
    let error = (ours / reference - 1.0).abs();
    assert!(error <= 1e-6, "{what}: {ours} is not {reference} (relative error {error:e})");
}

fn fitted() -> IgniterPredictor {
    fit_igniter(&profile::load("v100").unwrap()).unwrap().0
}

#[test]
fn coefficients_equal_the_artifacts() {
    let Some(folder) = common::reference_data() else { return };
    let text = std::fs::read_to_string(folder.join("reference_coefficients.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    let ours = fitted();
    let hw = &reference["hardware"];
    close("α_f", ours.hardware().alpha_f_mhz_per_w, number(&hw["alpha_f_mhz_per_w"]));
    close("α_sch", ours.hardware().alpha_sch_ms_per_kernel, number(&hw["alpha_sch_ms_per_kernel"]));
    close("β_sch", ours.hardware().beta_sch_ms_per_kernel, number(&hw["beta_sch_ms_per_kernel"]));
    assert_eq!(ours.coefficients().len(), 4);
    for model in ours.coefficients() {
        let name = model.name.as_str();
        let expected = &reference["models"][name];
        for i in 0..5 {
            close(&format!("{name} k{}", i + 1), model.k[i], number(&expected["k1..k5"][i]));
        }
        // The reference counts images per millisecond in α; β is in W and %.
        for (key, ours) in [("power(alpha,beta)", model.power), ("l2(alpha,beta)", model.l2)] {
            close(&format!("{name} {key} α"), ours[0], number(&expected[key][0]));
            close(&format!("{name} {key} β"), ours[1], number(&expected[key][1]));
        }
        close(&format!("{name} α_cache"), model.alpha_cache, number(&expected["alpha_cache"]));
    }
}

#[test]
fn predictions_equal_the_artifacts() {
    let Some(folder) = common::reference_data() else { return };
    let ours = fitted();
    let mut reader = csv::Reader::from_path(folder.join("reference_predictions.csv")).unwrap();
    type Row = (u32, u32, String, u32, f64, f64, f64);
    let mut runs: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in reader.deserialize::<Row>() {
        let row = row.unwrap();
        runs.entry(row.0).or_default().push(row);
    }
    assert_eq!(runs.len(), 200);
    for (run, rows) in runs {
        let members: Vec<Member> = rows
            .iter()
            .map(|row| Member {
                model: ours.model_id(&ModelName::new(&row.2).unwrap()).unwrap(),
                batch: BatchSize::new(row.3).unwrap(),
                sm: SmPercent::new(row.4).unwrap(),
            })
            .collect();
        for (row, predicted) in rows.iter().zip(ours.predict(&members).members) {
            close(&format!("run {run} latency"), predicted.latency_ms(), row.5);
            close(&format!("run {run} throughput"), predicted.throughput_rps, row.6);
        }
    }
}

#[test]
fn the_shipped_profile_holds_the_artifacts_numbers() {
    let Some(folder) = common::reference_data() else { return };
    let kind = GpuKindName::new("v100").unwrap();
    let file = folder.join("igniter_profile.jsonl");
    let Imported::Profile(imported) = import_measurements(&file, &kind, None).unwrap() else {
        panic!("a profile")
    };
    let shipped = profile::load("v100").unwrap();
    assert_eq!(imported.colocation, shipped.colocation);
    assert_eq!(imported.models.len(), shipped.models.len());
    for (a, b) in imported.models.iter().zip(&shipped.models) {
        assert_eq!(a.self_pair, b.self_pair);
        let gpu = |m: &profile::ModelProfile| m.solo.iter().map(|p| p.gpu).collect::<Vec<_>>();
        assert_eq!(gpu(a), gpu(b), "{}", a.name);
    }
    // Fitted from the imported profile, the numbers are the same to the bit.
    assert_eq!(fit_igniter(&imported).unwrap().0.coefficients(), fitted().coefficients());
}

#[test]
fn gpulet_tables_are_read_whole() {
    let Some(folder) = common::reference_data() else { return };
    let kind = GpuKindName::new("v100").unwrap();
    let file = folder.join("gpulet_tables.jsonl");
    let Imported::Tables { solo, colocated } = import_measurements(&file, &kind, None).unwrap()
    else {
        panic!("tables")
    };
    assert_eq!(solo, profile_solo(&folder));
    assert_eq!(colocated, profile::read_colocated(&folder.join("colocated.csv")).unwrap());
}

/// solo.csv with its rows in the order of the import: by batch, then share.
fn profile_solo(folder: &std::path::Path) -> profile::SoloTable {
    let mut table = profile::read_solo_table(&folder.join("solo.csv")).unwrap();
    let order: Vec<ModelName> = table.rows.iter().map(|r| r.model.clone()).collect();
    let place = |m: &ModelName| order.iter().position(|o| o == m);
    table.rows.sort_by(|a, b| {
        place(&a.model)
            .cmp(&place(&b.model))
            .then(a.batch.cmp(&b.batch))
            .then(a.sm.total_cmp(&b.sm))
    });
    table
}
