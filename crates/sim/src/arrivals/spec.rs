//! The descriptions of the arrivals of a workload that a user can choose from.

use super::RateShape;
use igniter_model::input::TraceLayout;
use igniter_model::units::Nanoseconds;
use std::path::PathBuf;
use std::sync::Arc;

/// The arrival process of a workload. Its mean rate is the workload's own, unless a variant states otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrivalSpec {
    /// Evenly spaced: request i arrives at i / rate.
    Constant,
    /// Exponential gaps.
    Poisson,
    /// Gamma-distributed gaps with this coefficient of variation (> 0); 1 is Poisson, more is bursty.
    Gamma {
        /// Standard deviation of the gaps divided by their mean.
        cv: f64,
    },
    /// Weibull-distributed gaps with this coefficient of variation; 1 is Poisson, more is bursty.
    Weibull {
        /// Standard deviation of the gaps divided by their mean.
        cv: f64,
    },
    /// Exactly rate · duration exponential gaps, stretched to fill the duration: as bursty as Poisson, but with a fixed
    /// number of requests.
    Normalised,
    /// A Poisson process whose rate jumps between states (Markov-modulated).
    Mmpp {
        /// Two or more states; the process starts in the first, and jumps to any other with equal probability.
        states: Vec<MmppState>,
    },
    /// Arrivals whose rate follows a shape: the process runs by a clock whose speed is proportional to the rate.
    Shaped {
        /// The process at the workload's own rate.
        gaps: Box<ArrivalSpec>,
        /// The factor of the rate at each time.
        shape: RateShape,
    },
    /// Arrivals whose rate is read from a file. The workload's rate is then used only for planning.
    Rates {
        /// The process.
        gaps: Box<ArrivalSpec>,
        /// A CSV file with the columns `start_s` and `rate_rps`; each row holds until the next.
        path: PathBuf,
        /// The factor by which the rates of the file are multiplied (> 0).
        rate_scale: f64,
    },
    /// The arrival times of a file, in order. The workload's rate is then used only for planning.
    Trace(TraceSpec),
    /// The given times, ascending, for callers that have them in memory. The workload's rate is then used only for
    /// planning. Not available in scenario files.
    Times(Arc<[Nanoseconds]>),
    /// The sum of several simultaneous processes.
    Sum {
        /// One or more processes.
        parts: Vec<ArrivalPart>,
    },
    /// Several processes, one after another.
    Phases {
        /// One or more phases; the last one lasts until the end of the run.
        phases: Vec<ArrivalPhase>,
    },
    /// Clients that wait for their answers. The workload's rate is then used only for planning. This is not an
    /// [`ArrivalProcess`](super::ArrivalProcess) on its own, as arrivals depend on when requests are answered: see
    /// [`Clients`](super::Clients).
    ClosedLoop(ClosedLoopSpec),
}

/// Clients, each of which sends a request, waits for its answer, thinks, and sends the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedLoopSpec {
    /// Number of clients (≥ 1).
    pub clients: u32,
    /// Mean think time of each client.
    pub think: Nanoseconds,
    /// The distribution of the think time.
    pub thinking: Thinking,
}

/// The distribution of think times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// The same time always.
    #[default]
    Constant,
    /// Exponential, as in the classic models of interactive systems.
    Exponential,
}

impl Thinking {
    /// All distributions.
    pub const ALL: [Self; 2] = [Self::Constant, Self::Exponential];

    /// Returns the name used in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Exponential => "exponential",
        }
    }
}

/// A state of [`ArrivalSpec::Mmpp`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmppState {
    /// The rate of this state relative to the other states (≥ 0); all rates are scaled so that their mean is the
    /// workload's rate.
    pub rate: f64,
    /// Mean duration of the state.
    pub mean: Nanoseconds,
}

/// One of the processes of [`ArrivalSpec::Sum`].
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalPart {
    /// The share of the rate relative to the other parts (> 0).
    pub share: f64,
    /// The arrival process of this part.
    pub arrival: ArrivalSpec,
}

/// One of the processes of [`ArrivalSpec::Phases`].
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalPhase {
    /// Duration of the phase.
    pub duration: Nanoseconds,
    /// The factor of the workload's rate (≥ 0).
    pub rate_scale: f64,
    /// The arrival process of this phase.
    pub arrival: ArrivalSpec,
}

/// The arrival times of a file to replay, and how to replay them.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSpec {
    /// A file of any format that holds arrivals, packed or not.
    pub path: PathBuf,
    /// How the file is read, where its first line does not say.
    pub reading: TraceLayout,
    /// The key whose rows are used, as in the key column (`workload` in this program's own format); `None` for all
    /// rows.
    pub workload: Option<String>,
    /// The time in the trace at which the run starts; earlier rows are left out.
    pub start: Nanoseconds,
    /// The factor by which the replay is faster than the recording (> 0).
    pub rate_scale: f64,
}

impl TraceSpec {
    /// Creates the description of a complete trace, as recorded, with times in the column `column`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, column: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reading: TraceLayout { time_column: Some(column.into()), ..TraceLayout::default() },
            workload: None,
            start: Nanoseconds::ZERO,
            rate_scale: 1.0,
        }
    }
}

impl ArrivalSpec {
    /// Returns whether the rate depends on a file, given times or answers, and not on the workload's rate.
    #[must_use]
    pub fn has_own_rate(&self) -> bool {
        self.any(&|spec| {
            matches!(
                spec,
                Self::Trace(_) | Self::Times(_) | Self::Rates { .. } | Self::ClosedLoop(_)
            )
        })
    }

    /// Returns whether this is a closed loop or contains one.
    #[must_use]
    pub fn waits_for_answers(&self) -> bool {
        self.any(&|spec| matches!(spec, Self::ClosedLoop(_)))
    }

    /// Returns whether `is` holds for this description or for any of its parts.
    fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self) || self.parts().iter().any(|part| part.any(is))
    }

    /// Returns the descriptions that this one consists of.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Shaped { gaps, .. } | Self::Rates { gaps, .. } => vec![gaps],
            Self::Sum { parts } => parts.iter().map(|part| &part.arrival).collect(),
            Self::Phases { phases } => phases.iter().map(|phase| &phase.arrival).collect(),
            Self::Constant
            | Self::Poisson
            | Self::Gamma { .. }
            | Self::Weibull { .. }
            | Self::Normalised
            | Self::Mmpp { .. }
            | Self::ClosedLoop(_)
            | Self::Times(_)
            | Self::Trace(_) => Vec::new(),
        }
    }

    /// Multiplies all rates that are independent of the workload's rate (those of files) and the number of clients by a
    /// factor. A scenario's `rate_scale` does this in addition to scaling the workload's rate. At least one client
    /// remains.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.scale(factor);
        self
    }

    fn scale(&mut self, factor: f64) {
        match self {
            Self::Trace(TraceSpec { rate_scale, .. }) | Self::Rates { rate_scale, .. } => {
                *rate_scale *= factor;
            }
            Self::ClosedLoop(ClosedLoopSpec { clients, .. }) => {
                let scaled = (f64::from(*clients) * factor).round().clamp(1.0, f64::from(u32::MAX));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number in range"
                )]
                let scaled = scaled as u32;
                *clients = scaled;
            }
            Self::Shaped { gaps, .. } => gaps.scale(factor),
            Self::Sum { parts } => parts.iter_mut().for_each(|part| part.arrival.scale(factor)),
            Self::Phases { phases } => {
                phases.iter_mut().for_each(|phase| phase.arrival.scale(factor));
            }
            Self::Constant
            | Self::Poisson
            | Self::Gamma { .. }
            | Self::Weibull { .. }
            | Self::Normalised
            | Self::Times(_)
            | Self::Mmpp { .. } => {}
        }
    }

    /// Returns the files that the arrivals are read from.
    #[must_use]
    pub fn files(&self) -> Vec<&PathBuf> {
        let own = match self {
            Self::Trace(TraceSpec { path, .. }) | Self::Rates { path, .. } => Some(path),
            _ => None,
        };
        own.into_iter().chain(self.parts().into_iter().flat_map(Self::files)).collect()
    }
}
