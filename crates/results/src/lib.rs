//! Results of a run: tables, files and a readable report.
//!
//! [`Comparison`] holds everything that figures, JSON, CSV and the report are made from. [`OutputDir`] writes files so
//! that each is either complete or absent, and [`Manifest`] records how they were made. Only the manifest contains
//! clock time, host and command line: every other file depends on the scenario, its inputs and the seed alone.

mod cell;
mod charts;
mod column;
mod columns;
mod control;
mod files;
mod following;
mod labels;
mod lanes;
mod looks;
mod manifest;
mod markdown;
mod next_commands;
mod numbers;
mod output_dir;
mod paper;
mod parquet;
mod points;
mod request_columns;
mod request_log;
mod seeds;
mod series_tables;
mod staging;
mod tables;
mod terminal;
mod trace;
mod truth;
mod verdict;

pub use cell::{Cell, formula_note, number_value};
pub use charts::{Bars, LINEAR_RATIO, LineChart, STAGES, thinned};
pub use column::{Column, Digits, markdown_table, pick, write_csv};
pub use columns::{Of, WorkloadRow};
pub use control::{ActionRow, LOST_WAKE_UPS, WindowRow, failed_by_policy, failures_in_words};
pub use files::{ReadError, read_comparison, write_latencies, write_report, write_tables};
pub use following::{Following, PlanStep, Span};
pub use igniter_model::domain::PlanAt;
pub use labels::distinct_labels;
pub use lanes::{GpuLane, LanePiece, LanePlace, LaneServer, Lanes, MOST_ARROWS};
pub use looks::{COLOURS, MODELS, STRATEGY_LOOKS, colour, css_colour, model_looks, series_looks};
pub use manifest::hex;
pub use manifest::{FileHash, Host, Manifest, Stopwatch, SweepFacts};
pub use markdown::{escape as markdown_escape, report_markdown};
pub use next_commands::{ALONE, OF_FRONTIER, quoted, replan_again};
pub use numbers::{or_empty, short, short_option, trimmed};
pub use output_dir::{Existing, Identity, OutputDir, OutputError};
pub use paper::{PaperFormat, PaperTable, latex_escape};
pub use parquet::{Cells, ColumnType, ParquetTable};
pub use points::{PointTable, PointsError, arm_name, column_words};
pub use request_columns::{RequestChunk, RequestColumns};
pub use request_log::{RequestFormat, RequestLog};
pub use seeds::{MeansOf, SeedRow, means_words};
pub use staging::Staging;
pub use staging::{discard_unfinished, is_part};
pub use tables::{
    ArrivalRow, Comparison, Details, FigureFile, InfeasibleRow, PlanRow, StrategyResult,
};
pub use terminal::{Colours, Screen, comparison_text, fitted_lines, strategy_text};
pub use trace::{TraceLog, write_trace};
pub use truth::{PredictionError, Truth};
pub use verdict::{Advice, Recommendation, counted, plans_by_rule, signed, signed_cost};

/// Lets a file that tests of several crates share refer to everything as the facade does.
#[cfg(test)]
extern crate self as igniter;
#[cfg(test)]
use crate as results;
#[cfg(test)]
use igniter_model::{domain, units};
#[cfg(test)]
use igniter_sim::metrics;
#[cfg(test)]
mod sample;
