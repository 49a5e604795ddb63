//! The accuracy of iGniter's predictor on 750 measured pairs, against published figures.

use crate::common;
use igniter::accuracy::accuracy;
use igniter::fit::fit_igniter;
use igniter::profile::{self, read_colocated, read_solo_table};

#[test]
fn igniters_predictor_errs_by_3_66_percent_on_the_measured_pairs() {
    let Some(folder) = common::reference_data() else { return };
    let predictor = fit_igniter(&profile::load("v100").unwrap()).unwrap().0;
    let runs = read_colocated(&folder.join("colocated.csv")).unwrap();
    let solo = read_solo_table(&folder.join("solo.csv")).unwrap();
    let report = accuracy(&predictor, &runs, Some(&solo)).unwrap();
    let near = |what: &str, ours: f64, expected: f64, tolerance: f64| {
        assert!((ours - expected).abs() <= tolerance, "{what}: {ours} is not {expected}");
    };
    assert_eq!(report.errors.n, 1500);
    near("mean", report.errors.mape_pct, 3.66, 0.01);
    near("p95", report.errors.p95_pct, 9.7, 0.05);
    near("max", report.errors.max_pct, 18.4, 0.05);
    near("slowdown correlation", report.slowdown_correlation.unwrap(), 0.31, 0.005);
    let null =
        |name: &str| report.null_models.iter().find(|m| m.name == name).unwrap().errors.mape_pct;
    near("measured alone", null("measured_alone"), 8.7, 0.05);
    near("measured alone, scaled", null("measured_alone_scaled"), 3.3, 0.05);
}
