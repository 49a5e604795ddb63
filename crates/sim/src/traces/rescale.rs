//! New arrivals with the character of a trace.

use super::{GapSums, ImportError, TraceStream};
use crate::arrivals::{ArrivalProcess, GammaArrivals, Purpose, Stream, stream};
use igniter_model::domain::WorkloadName;
use igniter_model::input::Time;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

/// The arrivals of a trace, replayed faster.
#[derive(Debug)]
pub struct Faster<S> {
    trace: S,
    rate_scale: f64,
}

impl<S: TraceStream> Faster<S> {
    /// Divides all times of a trace by `rate_scale`, which must be above 0.
    pub fn new(trace: S, rate_scale: f64) -> Self {
        Self { trace, rate_scale }
    }

    fn faster(&self, time: Nanoseconds) -> Nanoseconds {
        Nanoseconds::from_f64(time.as_f64() / self.rate_scale)
    }
}

impl<S: TraceStream> TraceStream for Faster<S> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        let next = self.trace.next_arrival()?;
        Ok(next.map(|(time, key)| (self.faster(time), key)))
    }

    fn keys(&self) -> &[String] {
        self.trace.keys()
    }

    fn length(&self) -> Nanoseconds {
        // The last arrival must stay inside the length.
        self.faster(self.trace.length()).saturating_add(Nanoseconds::new(1))
    }

    fn path(&self) -> &Path {
        self.trace.path()
    }

    fn notes(&self) -> Vec<String> {
        self.trace.notes()
    }
}

/// How new arrivals are drawn, as in AlpaServe's re-scaling of the Azure Functions traces: each window of each key gets
/// gamma gaps with the rate and the coefficient of variation that the trace has there, each multiplied by a scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Redraw {
    /// The length of a window.
    pub window: Nanoseconds,
    /// The factor of rates (> 0).
    pub rate_scale: f64,
    /// The factor of coefficients of variation (> 0).
    pub cv_scale: f64,
    /// The seed of the draws.
    pub seed: u64,
}

/// New arrivals that replace those of a trace, window by window. Windows of fewer than three requests give none, as
/// there are no two gaps to fit. A fitted rate of more than five times the counted rate is replaced by the counted
/// rate.
#[derive(Debug)]
pub struct Redrawn<S> {
    trace: S,
    how: Redraw,
    /// An arrival that was read but is after the current window.
    pending: Option<(Nanoseconds, u32)>,
    /// The start of the next window.
    start: Nanoseconds,
    ended: bool,
    /// For each key, the stream from which its windows draw, and the process of the current window.
    keys: Vec<(Stream, Option<WindowArrivals>)>,
    /// The next drawn arrival of each key, in seconds.
    next: BinaryHeap<Reverse<(Time, u32)>>,
    last: Option<Nanoseconds>,
}

/// The arrivals of a key in a window.
#[derive(Debug)]
struct WindowArrivals {
    start: f64,
    process: GammaArrivals,
}

impl WindowArrivals {
    fn next(&mut self) -> Option<Time> {
        self.process.next_arrival().map(|time| Time(self.start + time.as_seconds()))
    }
}

impl<S: TraceStream> Redrawn<S> {
    /// Creates the stream of new arrivals for a trace.
    pub fn new(trace: S, how: Redraw) -> Self {
        let (keys, next) = (Vec::new(), BinaryHeap::new());
        // A window of length 0 contains no gaps.
        let ended = how.window == Nanoseconds::ZERO;
        let start = Nanoseconds::ZERO;
        Self { trace, how, pending: None, start, ended, keys, next, last: None }
    }

    /// Skips to the window of the next arrival, if that arrival is known: nothing is drawn in the windows before it.
    fn skip_empty_windows(&mut self) {
        let Some((time, _)) = self.pending else { return };
        let whole = time.saturating_sub(self.start).get() / self.how.window.get();
        let skipped = Nanoseconds::new(whole.saturating_mul(self.how.window.get()));
        self.start = self.start.saturating_add(skipped);
    }

    /// Reads the next window of the trace and prepares the arrivals that are drawn in it.
    fn fit_window(&mut self) -> Result<(), ImportError> {
        self.skip_empty_windows();
        let (start, end) = (self.start, self.start.saturating_add(self.how.window));
        let mut sums: Vec<(Option<Nanoseconds>, GapSums)> = Vec::new();
        loop {
            let arrival = match self.pending.take() {
                None => self.trace.next_arrival()?,
                pending => pending,
            };
            match arrival {
                None => {
                    self.ended = true;
                    break;
                }
                Some((time, key)) if time < end => {
                    let key = key as usize;
                    sums.resize_with(sums.len().max(key + 1), Default::default);
                    let (last, sums) = &mut sums[key];
                    if let Some(last) = last.replace(time) {
                        sums.add(time.saturating_sub(last).as_seconds());
                    }
                }
                after => {
                    self.pending = after;
                    break;
                }
            }
        }
        self.start = end;
        let end = if self.ended { end.min(self.trace.length()) } else { end };
        let length = end.saturating_sub(start).as_seconds();
        let seed = self.how.seed;
        let new = (self.keys.len()..sums.len())
            .map(|key| (random(seed, &format!("key {key}")), None::<WindowArrivals>));
        self.keys.extend(new);
        for (key, ((random, drawn), (_, sums))) in (0..).zip(self.keys.iter_mut().zip(&sums)) {
            let Some(fit) = sums.fit() else { continue };
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
            let counted = fit.gaps as f64 / length;
            let rate = if fit.rate_rps > 5.0 * counted { counted } else { fit.rate_rps };
            let (rate, cv) = (rate * self.how.rate_scale, fit.cv * self.how.cv_scale);
            let Some(process) = draw(rate, cv, length, random) else { continue };
            let drawn = drawn.insert(WindowArrivals { start: start.as_seconds(), process });
            self.next.extend(drawn.next().map(|time| Reverse((time, key))));
        }
        Ok(())
    }
}

impl<S: TraceStream> TraceStream for Redrawn<S> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        loop {
            if let Some(Reverse((Time(seconds), key))) = self.next.pop() {
                let drawn = self.keys[key as usize].1.as_mut();
                self.next
                    .extend(drawn.and_then(WindowArrivals::next).map(|time| Reverse((time, key))));
                // When times are so large that a float cannot resolve nanoseconds, windows may overlap by one.
                let time = Nanoseconds::from_f64((seconds * 1e9).max(0.0));
                let time = self.last.map_or(time, |last| last.max(time));
                self.last = Some(time);
                return Ok(Some((time, key)));
            }
            if self.ended {
                return match self.last {
                    None => Err(ImportError::NothingDrawn { path: self.path().to_owned() }),
                    Some(_) => Ok(None),
                };
            }
            self.fit_window()?;
        }
    }

    fn keys(&self) -> &[String] {
        self.trace.keys()
    }

    fn length(&self) -> Nanoseconds {
        let past =
            self.last.map_or(Nanoseconds::ZERO, |last| last.saturating_add(Nanoseconds::new(1)));
        past.max(self.trace.length())
    }

    fn path(&self) -> &Path {
        self.trace.path()
    }

    fn notes(&self) -> Vec<String> {
        self.trace.notes()
    }
}

/// Creates a process of gamma gaps for `length` seconds; `None` if the rate is 0. The coefficient of variation is
/// clamped to the range of the distribution.
pub(super) fn draw(rate: f64, cv: f64, length: f64, random: &mut Stream) -> Option<GammaArrivals> {
    let range = GammaArrivals::CV_RANGE;
    let cv = cv.clamp(*range.start(), *range.end());
    let rate = RequestsPerSecond::new(rate).ok().filter(|rate| rate.get() > 0.0)?;
    GammaArrivals::new(rate, cv, Nanoseconds::from_f64(length * 1e9), split(random))
}

/// Returns the stream of a purpose within this module.
pub(super) fn random(seed: u64, purpose: &str) -> Stream {
    let name = WorkloadName::new(&format!("trace {purpose}")).expect("a short name");
    stream(seed, &name, Purpose::Arrivals)
}

/// Returns a stream that does not overlap with the future output of `random`.
pub(super) fn split(random: &mut Stream) -> Stream {
    let own = random.clone();
    random.jump();
    own
}
