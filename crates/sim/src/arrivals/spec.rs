//! What a user can ask of the arrivals of a workload.

use super::RateShape;
use igniter_model::input::TraceLayout;
use igniter_model::units::Nanoseconds;
use std::path::PathBuf;
use std::sync::Arc;

/// How the requests of a workload arrive. The mean rate is the workload's own, where nothing else is said.
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
    /// Exactly rate · duration exponential gaps, stretched to fill the duration: bursty as Poisson, but
    /// without luck in the number of requests.
    Normalised,
    /// A Poisson process whose rate jumps between states (Markov-modulated).
    Mmpp {
        /// Two or more states; it starts in the first, and jumps to any other with equal probability.
        states: Vec<MmppState>,
    },
    /// Arrivals whose rate follows a shape: the process runs on a clock that goes as fast as the rate is high.
    Shaped {
        /// The process at the workload's own rate.
        gaps: Box<ArrivalSpec>,
        /// What the rate is multiplied by at each time.
        shape: RateShape,
    },
    /// Arrivals whose rate is that of a file. The workload's rate then only serves planning.
    Rates {
        /// The process.
        gaps: Box<ArrivalSpec>,
        /// A CSV file with the columns `start_s` and `rate_rps`; each row holds until the next.
        path: PathBuf,
        /// What the rates of the file are multiplied by (> 0).
        rate_scale: f64,
    },
    /// The arrival times of a file, in order. The workload's rate then only serves planning.
    Trace(TraceSpec),
    /// These very times, ascending, for callers that have them in memory. The workload's rate then only serves
    /// planning. A scenario file cannot ask for it.
    Times(Arc<[Nanoseconds]>),
    /// Several processes at once.
    Sum {
        /// One or more.
        parts: Vec<ArrivalPart>,
    },
    /// One process after another.
    Phases {
        /// One or more; the last one goes on until the end of the run.
        phases: Vec<ArrivalPhase>,
    },
    /// Clients that wait for their answers. The workload's rate then only serves planning. It is no process on
    /// its own, as it depends on who answers when: see [`Clients`](super::Clients).
    ClosedLoop(ClosedLoopSpec),
}

/// Clients of which each sends a request, waits for its answer, thinks, and sends the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedLoopSpec {
    /// How many (≥ 1).
    pub clients: u32,
    /// How long each thinks on average.
    pub think: Nanoseconds,
    /// How that varies.
    pub thinking: Thinking,
}

/// The distribution of think times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// Always the same.
    #[default]
    Constant,
    /// Exponential, as in the classic models of interactive systems.
    Exponential,
}

impl Thinking {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Constant, Self::Exponential];

    /// The word in files.
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
    /// Its rate in relation to the others (≥ 0); all are scaled so that their mean is the workload's rate.
    pub rate: f64,
    /// How long it lasts on average.
    pub mean: Nanoseconds,
}

/// One of the processes of [`ArrivalSpec::Sum`].
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalPart {
    /// Its part of the rate in relation to the others (> 0).
    pub share: f64,
    /// How its requests arrive.
    pub arrival: ArrivalSpec,
}

/// One of the processes of [`ArrivalSpec::Phases`].
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalPhase {
    /// How long it lasts.
    pub duration: Nanoseconds,
    /// What the workload's rate is multiplied by (≥ 0).
    pub rate_scale: f64,
    /// How requests arrive meanwhile.
    pub arrival: ArrivalSpec,
}

/// Which arrival times of a file to replay, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSpec {
    /// A file of any format that holds arrivals, packed or not.
    pub path: PathBuf,
    /// How it is read, where its first line does not tell.
    pub reading: TraceLayout,
    /// Only rows with this key: what its key column says (`workload` in this program's own form).
    pub workload: Option<String>,
    /// Where in the trace the run starts; earlier rows are left out.
    pub start: Nanoseconds,
    /// How much faster than recorded it is replayed (> 0).
    pub rate_scale: f64,
}

impl TraceSpec {
    /// All of a trace, as recorded, with times in a column.
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
    /// Whether its rate is that of a file, or of answers, and not the workload's.
    #[must_use]
    pub fn has_own_rate(&self) -> bool {
        self.any(&|spec| {
            matches!(
                spec,
                Self::Trace(_) | Self::Times(_) | Self::Rates { .. } | Self::ClosedLoop(_)
            )
        })
    }

    /// Whether it is a closed loop, or has one in it.
    #[must_use]
    pub fn waits_for_answers(&self) -> bool {
        self.any(&|spec| matches!(spec, Self::ClosedLoop(_)))
    }

    /// Whether something is true of it, or of one of those that it is made of.
    fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self) || self.parts().iter().any(|part| part.any(is))
    }

    /// Those that it is made of.
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

    /// The same with all rates that are its own (those of files) and the number of clients multiplied by a factor:
    /// what a scenario's `rate_scale` does beside the workload's rate. There is one client at least.
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

    /// The files that it reads.
    #[must_use]
    pub fn files(&self) -> Vec<&PathBuf> {
        let own = match self {
            Self::Trace(TraceSpec { path, .. }) | Self::Rates { path, .. } => Some(path),
            _ => None,
        };
        own.into_iter().chain(self.parts().into_iter().flat_map(Self::files)).collect()
    }
}
