//! How long a fit of the built-in profile and a prediction of a 4-way co-location take:
//! `cargo bench --bench predictor`.
#![allow(clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use igniter::domain::ModelId;
use igniter::fit::{FitData, fit_predictor};
use igniter::predictor::{CoLocationPrediction, Member};
use igniter::profile;
use igniter::units::{BatchSize, SmPercent};
use std::hint::black_box;
use std::time::Instant;

const FITS: u32 = 20;
const PREDICTIONS: u32 = 2_000_000;

fn main() {
    let profile = profile::load("v100").unwrap();
    let data = FitData::of(&profile);
    for name in ["igniter", "contention", "solo"] {
        let start = Instant::now();
        for _ in 0..FITS {
            black_box(fit_predictor(name, black_box(&data)).unwrap());
        }
        let fit_ms = start.elapsed().as_secs_f64() * 1e3 / f64::from(FITS);

        let predictor = fit_predictor(name, &data).unwrap().0;
        let co_locations: Vec<[Member; 4]> = (0..64_u32)
            .map(|i| {
                [0, 1, 2, 3].map(|model| Member {
                    model: ModelId::new(model),
                    batch: BatchSize::new(1 + (i * 7 + u32::try_from(model).unwrap()) % 32)
                        .unwrap(),
                    sm: SmPercent::new(f64::from(4 + i % 7) * 2.5).unwrap(),
                })
            })
            .collect();
        let mut out = CoLocationPrediction::default();
        let start = Instant::now();
        for i in 0..PREDICTIONS {
            let members = &co_locations[i as usize % co_locations.len()];
            predictor.predict_into(black_box(members), &mut out);
            black_box(&out);
        }
        let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(PREDICTIONS);
        println!("{name}: fit of four models {fit_ms:.2} ms, 4-way prediction {ns:.0} ns");
    }
}
