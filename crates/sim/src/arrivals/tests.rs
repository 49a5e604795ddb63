//! Every random process: its rate, its burstiness, its distribution.
#![expect(clippy::float_cmp, reason = "these numbers are exact")]

use super::*;
use igniter_model::domain::WorkloadName;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use statrs::distribution::{ContinuousCDF, StudentsT, Weibull};

const MINUTE: Nanoseconds = Nanoseconds::new(60_000_000_000);

fn s(seconds: f64) -> Nanoseconds {
    Nanoseconds::from_seconds(seconds).unwrap()
}

fn times(spec: &ArrivalSpec, rate: f64, duration: Nanoseconds, seed: u64) -> Vec<f64> {
    let name = WorkloadName::new("W1").unwrap();
    let rate = RequestsPerSecond::new(rate).unwrap();
    let mut process = spec.build(&name, rate, duration, seed).unwrap();
    let mut times = Vec::new();
    // In blocks, as the engine draws them.
    loop {
        let before = times.len();
        process.fill(7, &mut times);
        if times.len() < before + 7 {
            break;
        }
    }
    assert!(times.is_sorted(), "{spec:?}");
    assert!(times.iter().all(|time| *time < duration), "{spec:?}");
    times.into_iter().map(Nanoseconds::as_seconds).collect()
}

fn statistics(spec: &ArrivalSpec, rate: f64, seed: u64) -> ArrivalStatistics {
    let name = WorkloadName::new("W1").unwrap();
    let rate = RequestsPerSecond::new(rate).unwrap();
    ArrivalStatistics::of(spec.build(&name, rate, MINUTE, seed).unwrap().as_mut(), MINUTE)
}

/// Whether the mean of `samples` agrees with `expected` at 99.9 % confidence.
fn agrees(samples: &[f64], expected: f64) -> bool {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(0.9995);
    (mean - expected).abs() <= t * (variance / n).sqrt().max(1e-9)
}

/// The distance of Kolmogorov and Smirnov between samples and a distribution.
fn distance(samples: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let off = |(i, x): (usize, &f64)| {
        let (below, above, expected) = (i as f64 / n, (i + 1) as f64 / n, cdf(*x));
        (expected - below).abs().max((expected - above).abs())
    };
    samples.iter().enumerate().map(off).fold(0.0, f64::max)
}

fn gaps(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn state(rate: f64, mean: f64) -> MmppState {
    MmppState { rate, mean: s(mean) }
}

fn shaped(gaps: ArrivalSpec, shape: RateShape) -> ArrivalSpec {
    ArrivalSpec::Shaped { gaps: Box::new(gaps), shape }
}

#[test]
fn weibull_gaps_have_their_rate_their_cv_and_their_distribution() {
    for cv in [0.3, 1.0, 2.5] {
        let spec = ArrivalSpec::Weibull { cv };
        let runs: Vec<_> = (0..20).map(|seed| statistics(&spec, 500.0, seed)).collect();
        let rates: Vec<f64> = runs.iter().map(|run| run.rate_rps).collect();
        assert!(agrees(&rates, 500.0), "{cv}: {rates:?}");
        let cvs: Vec<f64> = runs.iter().map(|run| run.gap_cv.unwrap()).collect();
        // 30,000 gaps each: the sample CV is off by some tenths of a percent of its own, low for large ones.
        let mean = cvs.iter().sum::<f64>() / 20.0;
        assert!((mean / cv - 1.0).abs() < 0.02, "{cv}: {cvs:?}");

        let mut gaps = gaps(&times(&spec, 500.0, MINUTE, 1));
        let shape = 1.0 / inverse_shape(cv);
        let scale = 0.002 / libm::tgamma(1.0 + 1.0 / shape);
        let expected = Weibull::new(shape, scale).unwrap();
        // 1.95 / √n is exceeded by one sample in a thousand (Kolmogorov).
        let limit = 1.95 / (gaps.len() as f64).sqrt();
        let off = distance(&mut gaps, |gap| expected.cdf(gap));
        assert!(off < limit, "{cv}: {off} > {limit}");
    }
}

#[test]
fn normalised_arrivals_are_exactly_as_many_as_asked_for() {
    for (rate, expected) in [(500.0, 30_000), (0.5, 30), (1.01, 61), (0.001, 0)] {
        let times = times(&ArrivalSpec::Normalised, rate, MINUTE, 3);
        assert_eq!(times.len(), expected, "{rate}");
        assert!(times.first().is_none_or(|first| *first == 0.0));
    }
    // Exponential gaps with the mean 60 s / 30,000.
    let mut gaps = gaps(&times(&ArrivalSpec::Normalised, 500.0, MINUTE, 3));
    let limit = 1.95 / (gaps.len() as f64).sqrt();
    let off = distance(&mut gaps, |gap| 1.0 - libm::exp(-gap * 500.0));
    assert!(off < limit, "{off} > {limit}");
}

#[test]
fn the_mean_rate_of_an_mmpp_is_the_one_asked_for() {
    // States of 0.2 s and 0.05 s with rates 1 : 9, so that work is 0.2·1 + 0.05·9 = 0.65 in 0.25 s: a mean of
    // 2.6, and 300 requests/s come as 300/2.6 = 115.4 and 1038.5.
    let spec = ArrivalSpec::Mmpp { states: vec![state(1.0, 0.2), state(9.0, 0.05)] };
    let runs: Vec<_> = (0..40).map(|seed| statistics(&spec, 300.0, seed)).collect();
    let rates: Vec<f64> = runs.iter().map(|run| run.rate_rps).collect();
    assert!(agrees(&rates, 300.0), "{rates:?}");
    // Gaps are nearly a mix of exponentials. Of all gaps 0.2/0.65 are of the slow state: mean gap 1/300 s,
    // E[gap²] = 2 (0.3077/115.4² + 0.6923/1038.5²) = 4.75e-5, so cv² = 4.75e-5 · 300² − 1 = 3.27 and cv = 1.81;
    // gaps over a jump make it a little less.
    let cvs: Vec<f64> = runs.iter().map(|run| run.gap_cv.unwrap()).collect();
    let mean = cvs.iter().sum::<f64>() / 40.0;
    assert!((1.7..1.85).contains(&mean), "{mean}");
    assert!(runs.iter().all(|run| run.dispersion.unwrap() > 5.0), "{runs:?}");
}

#[test]
fn an_mmpp_of_three_states_visits_all_equally_often() {
    // Rates 0 and equal stays: a third of the time nothing comes. The rates are 0, 3/3, 6/3 of the mean.
    let spec =
        ArrivalSpec::Mmpp { states: vec![state(0.0, 0.1), state(1.0, 0.1), state(2.0, 0.1)] };
    let rates: Vec<f64> = (0..40).map(|seed| statistics(&spec, 200.0, seed).rate_rps).collect();
    assert!(agrees(&rates, 200.0), "{rates:?}");
}

/// How many arrivals fall between two times, in runs with these seeds.
fn counts(spec: &ArrivalSpec, rate: f64, from: f64, to: f64, seeds: u64) -> Vec<f64> {
    (0..seeds)
        .map(|seed| {
            let times = times(spec, rate, MINUTE, seed);
            times.iter().filter(|time| (from..to).contains(*time)).count() as f64
        })
        .collect()
}

#[test]
fn shapes_multiply_the_rate() {
    let cases = [
        // 100/s: 10 s before the spike, then 5 s of five times as much.
        (RateShape::Spike { start: s(10.0), end: s(15.0), factor: 5.0 }, [1000.0, 2500.0]),
        // From 1 to 3 between 10 and 20 s: in its first half 5 · (1 + 2)/2.
        (RateShape::Ramp { start: s(10.0), end: s(20.0), from: 1.0, to: 3.0 }, [1000.0, 750.0]),
        // Draining from 10 s to 15 s: half of 5 s.
        (RateShape::Ramp { start: s(10.0), end: s(15.0), from: 1.0, to: 0.0 }, [1000.0, 250.0]),
    ];
    for (shape, expected) in cases {
        for process in [ArrivalSpec::Poisson, ArrivalSpec::Gamma { cv: 2.0 }, ArrivalSpec::Constant]
        {
            let spec = shaped(process, shape.clone());
            for (i, (from, to)) in [(0.0, 10.0), (10.0, 15.0)].into_iter().enumerate() {
                let counts = counts(&spec, 100.0, from, to, 30);
                if matches!(&spec, ArrivalSpec::Shaped { gaps, .. } if **gaps == ArrivalSpec::Constant)
                {
                    assert!((counts[0] - expected[i]).abs() <= 1.0, "{spec:?}: {}", counts[0]);
                } else {
                    assert!(agrees(&counts, expected[i]), "{spec:?} {from}: {counts:?}");
                }
            }
        }
    }
}

#[test]
fn a_day_has_its_mean_and_its_peak() {
    // A period of 60 s with its peak at 15 s and 4 : 1 between peak and trough, so a swing of 3/5. In the half
    // around the peak come 100 · (30 + 0.6 · 60/π) = 4146 requests, of 6000 in all.
    let shape = RateShape::Diurnal { period: s(60.0), peak: s(15.0), peak_to_trough: 4.0 };
    let spec = shaped(ArrivalSpec::Poisson, shape);
    assert!(agrees(&counts(&spec, 100.0, 0.0, 30.0, 30), 4145.9));
    assert!(agrees(&counts(&spec, 100.0, 0.0, 60.0, 30), 6000.0));
}

#[test]
fn steps_repeat() {
    let step = |duration, factor| RateStep { duration: s(duration), factor };
    let steps = vec![step(1.0, 2.0), step(1.0, 0.0)];
    let spec = shaped(ArrivalSpec::Poisson, RateShape::Steps { steps, repeat: true });
    let odd: f64 = times(&spec, 100.0, MINUTE, 1).iter().filter(|t| t.fract() < 0.5).count() as f64;
    // 30 seconds with 200/s, of which the halves: 3000 ± 55.
    assert!((odd - 3000.0).abs() < 220.0, "{odd}");
    assert!(times(&spec, 100.0, MINUTE, 1).iter().all(|t| t.rem_euclid(2.0) < 1.0));
}

#[test]
fn the_sum_of_poisson_processes_is_one() {
    let part = |share| ArrivalPart { share, arrival: ArrivalSpec::Poisson };
    let spec = ArrivalSpec::Sum { parts: vec![part(1.0), part(2.0), part(1.0)] };
    let rates: Vec<f64> = (0..20).map(|seed| statistics(&spec, 500.0, seed).rate_rps).collect();
    assert!(agrees(&rates, 500.0), "{rates:?}");
    let mut gaps = gaps(&times(&spec, 500.0, MINUTE, 1));
    let limit = 1.95 / (gaps.len() as f64).sqrt();
    let off = distance(&mut gaps, |gap| 1.0 - libm::exp(-gap * 500.0));
    assert!(off < limit, "{off} > {limit}");
}

#[test]
fn parts_draw_from_streams_of_their_own() {
    let part = || ArrivalPart { share: 1.0, arrival: ArrivalSpec::Poisson };
    let both = times(&ArrivalSpec::Sum { parts: vec![part(), part()] }, 200.0, MINUTE, 1);
    // Two equal streams would give every time twice.
    assert!(both.windows(2).all(|pair| pair[0] < pair[1]));
    let alone = times(&ArrivalSpec::Poisson, 100.0, MINUTE, 1);
    assert!(alone.iter().filter(|time| both.contains(time)).count() < 10);
}

#[test]
fn phases_follow_each_other() {
    let phase =
        |duration, rate_scale, arrival| ArrivalPhase { duration: s(duration), rate_scale, arrival };
    let phases = vec![
        phase(10.0, 1.0, ArrivalSpec::Constant),
        phase(5.0, 0.0, ArrivalSpec::Poisson),
        phase(1.0, 2.0, ArrivalSpec::Constant),
    ];
    let found = times(&ArrivalSpec::Phases { phases }, 10.0, MINUTE, 1);
    // 10 s with 10/s, 5 s with nothing, and then 20/s for the 45 s that are left.
    assert_eq!(found.len(), 100 + 45 * 20);
    assert_eq!((found[99], found[100], found[101]), (9.9, 15.0, 15.05));
}

#[test]
fn rates_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rates.csv");
    std::fs::write(&path, "\u{feff}start_s,rate_rps\r\n10,5\r\n20,0\r\n30,10\r\n").unwrap();
    let spec = |rate_scale| ArrivalSpec::Rates {
        gaps: Box::new(ArrivalSpec::Constant),
        path: path.clone(),
        rate_scale,
    };
    // Nothing before 10 s, 50 requests, nothing, then 300; the workload's own rate does not matter.
    for rate in [1.0, 77.0] {
        let found = times(&spec(1.0), rate, MINUTE, 1);
        // Whether the last one still comes before the end is a matter of the last bit.
        assert!((350..=351).contains(&found.len()), "{rate}: {}", found.len());
        let early = found.iter().filter(|time| **time < 25.0).count();
        assert!((found[0] - 10.0).abs() < 1e-6 && (50..=51).contains(&early), "{early}");
        assert!((700..=701).contains(&times(&spec(2.0), rate, MINUTE, 1).len()));
    }
    for (text, message) in [
        ("start_s,rate_rps\n1,2\n1,3\n", "rates.csv:3: start_s 1 is not after the 1 above it"),
        ("start_s,rate_rps\n1,x\n", "rates.csv:2: rate_rps must be a number from 0 to 1e9"),
        ("start_s,rate_rps\n1,1e300\n", "rates.csv:2: rate_rps must be a number from 0 to 1e9"),
        ("start_s,rate_rps\n1e300,1\n", "rates.csv:2: start_s must be a number from 0 to 1e10"),
        ("start_s,rate\n1,2\n", "there is no column \"rate_rps\"; the file has: start_s, rate"),
        ("start_s,rate_rps\n1\n", "rates.csv:2: it has 1 fields, not 2"),
        ("start_s,rate_rps\n", "rates.csv:2: there is no rate below the header"),
        ("start_s;rate_rps\n0;1\n1,5;2\n1,25;3", "rates.csv:4: start_s 1,25 is not after the 1.5"),
    ] {
        std::fs::write(&path, text).unwrap();
        let name = WorkloadName::new("W1").unwrap();
        let rate = RequestsPerSecond::new(1.0).unwrap();
        let error = spec(1.0).build(&name, rate, MINUTE, 1).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_makes_no_process_is_refused() {
    let name = WorkloadName::new("W1").unwrap();
    let rate = RequestsPerSecond::new(1.0).unwrap();
    let refused = |spec: ArrivalSpec| spec.build(&name, rate, MINUTE, 1).unwrap_err().to_string();
    for states in [vec![state(1.0, 1.0)], vec![state(0.0, 1.0); 2], vec![state(1.0, 0.0); 2]] {
        assert!(refused(ArrivalSpec::Mmpp { states }).contains("mmpp arrivals need rates"));
    }
    assert!(refused(ArrivalSpec::Weibull { cv: 11.0 }).contains("between 0.01 and 10.4"));
}

#[test]
fn the_scale_of_a_scenario_reaches_the_rates_of_files() {
    let trace = ArrivalSpec::Trace(TraceSpec::new("t.csv", "t"));
    let part = |arrival| ArrivalPart { share: 1.0, arrival };
    let spec = ArrivalSpec::Sum { parts: vec![part(trace), part(ArrivalSpec::Poisson)] };
    let ArrivalSpec::Sum { parts } = spec.scaled(3.0) else { panic!() };
    assert!(matches!(&parts[0].arrival, ArrivalSpec::Trace(trace) if trace.rate_scale == 3.0));
    assert_eq!(parts[1].arrival, ArrivalSpec::Poisson);
}
