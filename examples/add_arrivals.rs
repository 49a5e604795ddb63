//! An arrival process of your own: a wave that doubles the rate at noon and halves it at night.
//!
//! ```sh
//! cargo run --example add_arrivals
//! ```
//! It is written to a trace, which any scenario can replay (`arrival = { process = "trace", path = … }`). A
//! process that should have a name in scenarios is one more variant of `ArrivalSpec`: `docs/extending.md` lists the places.

use igniter::arrivals::{ArrivalProcess, GeneratedArrivals, Purpose, Stream, stream};
use igniter::domain::WorkloadName;
use igniter::units::Nanoseconds;
use rand_distr::{Distribution, Exp1};
use std::io::Write;

/// A Poisson process whose rate is `mean × 2^sin(2π t / period)`.
#[derive(Debug)]
struct Wave {
    mean_rps: f64,
    period_s: f64,
    end: Nanoseconds,
    last_s: f64,
    random: Stream,
}

impl ArrivalProcess for Wave {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        // Thinning (Lewis and Shedler, 1979): draw at the highest rate, keep in proportion.
        let highest = 2.0 * self.mean_rps;
        loop {
            let gap: f64 = Exp1.sample(&mut self.random);
            self.last_s += gap / highest;
            let at = Nanoseconds::from_f64(self.last_s * 1e9);
            if at >= self.end {
                return None;
            }
            let angle = std::f64::consts::TAU * self.last_s / self.period_s;
            let rate = self.mean_rps * libm::exp2(libm::sin(angle));
            let dice: f64 = Exp1.sample(&mut self.random);
            // An exponential draw is above −ln(p) with probability p.
            if dice > -libm::log(rate / highest) {
                return Some(at);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let end = Nanoseconds::new(60_000_000_000);
    let name = WorkloadName::new("W1")?;
    // A stream of its own for each workload and purpose: adding a workload changes no other's arrivals.
    let random = stream(1, &name, Purpose::Arrivals);
    let mut wave = Wave { mean_rps: 400.0, period_s: 20.0, end, last_s: 0.0, random };
    let arrivals = GeneratedArrivals::collect(&mut wave, end);
    let path = std::env::temp_dir().join("igniter-wave.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    writeln!(file, "arrival_s")?;
    for time in &arrivals.times {
        writeln!(file, "{:.9}", time.as_seconds())?;
    }
    file.flush()?;
    println!(
        "{} arrivals, {:.1} a second on average, gaps vary by {:.2} (1 is Poisson): {}",
        arrivals.times.len(),
        arrivals.rate(),
        arrivals.gap_cv().unwrap_or(0.0),
        path.display()
    );
    Ok(())
}
