//! New arrivals with the character of a trace.

use super::fit::{fit_gaps, gaps, windows};
use super::{Collector, Trace};
use crate::domain::WorkloadName;
use crate::units::{Nanoseconds, RequestsPerSecond};
use crate::workload::{ArrivalProcess, GammaArrivals, Purpose, Stream, stream};

/// What becomes of a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rescale {
    /// The same arrivals, faster: all times divided by this.
    Replay {
        /// How much faster (> 0).
        rate_scale: f64,
    },
    /// AlpaServe's re-scaling of the Azure Functions traces: in each window of each key, gamma gaps with the
    /// rate and the coefficient of variation that the trace has there, each times a scale.
    Gamma {
        /// The length of a window.
        window: Nanoseconds,
        /// What rates are multiplied by (> 0).
        rate_scale: f64,
        /// What coefficients of variation are multiplied by (> 0).
        cv_scale: f64,
        /// The seed of the draws.
        seed: u64,
    },
}

/// Makes the new trace. With [`Rescale::Gamma`], windows of fewer than three requests give none, as there are no
/// two gaps to fit; a fitted rate of more than five times the counted one gives way to that one.
#[must_use]
pub fn rescale(trace: &Trace, how: &Rescale) -> Trace {
    match *how {
        Rescale::Replay { rate_scale } => {
            let faster = |time: Nanoseconds| Nanoseconds::from_f64(time.as_f64() / rate_scale);
            let arrivals = trace.arrivals.iter().map(|(time, key)| (faster(*time), *key)).collect();
            // The last arrival must stay inside.
            let length = faster(trace.length).saturating_add(Nanoseconds::new(1));
            Trace { arrivals, keys: trace.keys.clone(), length }
        }
        Rescale::Gamma { window, rate_scale, cv_scale, seed } => {
            let mut collector = Collector::default();
            for name in &trace.keys {
                let key = collector.key(name);
                let times: Vec<Nanoseconds> = trace.of_key(key).collect();
                let mut random = random(seed, &format!("key {key}"));
                windows(&times, window, trace.length, |start, length, inside| {
                    let gaps = gaps(inside);
                    let Some(fit) = fit_gaps(&gaps) else { return };
                    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
                    let counted = gaps.len() as f64 / length;
                    let rate = if fit.rate_rps > 5.0 * counted { counted } else { fit.rate_rps };
                    draw(
                        rate * rate_scale,
                        fit.cv * cv_scale,
                        start,
                        length,
                        &mut random,
                        |time| {
                            collector.arrivals.push((time, key));
                        },
                    );
                });
            }
            collector.finish(0.0, Some(trace.length.as_seconds()))
        }
    }
}

/// Draws gamma gaps from `start` for `length` seconds, and calls with each arrival. The coefficient of
/// variation is brought into the range of the distribution.
pub(super) fn draw(
    rate: f64,
    cv: f64,
    start: f64,
    length: f64,
    random: &mut Stream,
    mut arrival: impl FnMut(f64),
) {
    let range = GammaArrivals::CV_RANGE;
    let cv = cv.clamp(*range.start(), *range.end());
    let Ok(rate) = RequestsPerSecond::new(rate) else { return };
    let end = Nanoseconds::from_f64(length * 1e9);
    if rate.get() <= 0.0 {
        return;
    }
    let Some(mut process) = GammaArrivals::new(rate, cv, end, split(random)) else { return };
    while let Some(time) = process.next_arrival() {
        arrival(start + time.as_seconds());
    }
}

/// The stream of a purpose of this room.
pub(super) fn random(seed: u64, purpose: &str) -> Stream {
    let name = WorkloadName::new(&format!("trace {purpose}")).expect("a short name");
    stream(seed, &name, Purpose::Arrivals)
}

/// A stream that does not overlap with what the other one will give.
pub(super) fn split(random: &mut Stream) -> Stream {
    let own = random.clone();
    random.jump();
    own
}
