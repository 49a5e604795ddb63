//! The known trace formats, and their detection by the first line.

use super::time::TimeUnit;

/// A trace format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// This program's own format: `arrival_s`, and optionally `workload`.
    Igniter,
    /// Any other table with a header (or JSON objects, one per line) and a column of times.
    Table,
    /// Azure Functions 2019: requests per minute, one row per function.
    AzureFunctions2019,
    /// Azure Functions 2021: one row per invocation, with its end and its duration.
    AzureFunctions2021,
    /// Azure LLM inference 2023 and 2024, Azure multimodal 2025: one row per request, with date and time.
    AzureLlm,
    /// BurstGPT: one row per request, with its time in seconds.
    BurstGpt,
    /// Alibaba GPU cluster 2020 (PAI): one row per job, task or instance, mostly without a header.
    AlibabaPai2020,
    /// Alibaba GPU cluster 2023: one row per pod.
    AlibabaPods2023,
    /// Alibaba GPU cluster 2025: one row per instance of a recommendation service.
    AlibabaDlrm2025,
    /// Alibaba 2026, images: one row per request.
    AlibabaGenAi2026,
    /// Alibaba 2026, spot jobs: one row per job.
    AlibabaSpot2026,
    /// Google cluster 2011: events of jobs or tasks, without a header.
    Google2011,
    /// Google cluster 2019: events of collections or instances, as CSV or JSON.
    Google2019,
    /// Mooncake: a JSON object on each line, with a time in milliseconds.
    Mooncake,
    /// Qwen Bailian: a JSON object on each line, with a time in seconds.
    Bailian,
    /// ServeGen: the rate and burstiness of a client in windows of ten minutes.
    ServeGen,
    /// One gap per line and nothing else, in microseconds, as for perf_analyzer's `--request-intervals`.
    Intervals,
    /// One time per line and nothing else.
    Timestamps,
}

/// The layout of tables of a format with times on its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormatShape {
    /// The column of times.
    pub(super) time: &'static str,
    pub(super) unit: TimeUnit,
    /// The column that is subtracted from the time: an end less its duration is an arrival.
    pub(super) minus: Option<&'static str>,
    /// The columns that together form the key of a row, as far as the file has them.
    pub(super) keys: &'static [&'static str],
    /// A column and its words for arrivals; rows with any other word are not arrivals.
    pub(super) only: Option<(&'static str, &'static [&'static str])>,
    /// Values of the time column (including an empty one) that mark a row as outside the trace. Such rows are left out;
    /// in formats that do not list the value, it is an error.
    pub(super) no_time: &'static [&'static str],
    /// The names of the columns, for files without a header.
    pub(super) names: &'static [&'static str],
    /// Whether time 0 is that of the file, not that of the first request.
    pub(super) from_zero: bool,
    /// Whether files are not ordered by arrival, so that they are always sorted.
    pub(super) unsorted: bool,
}

const PLAIN: FormatShape = FormatShape {
    time: "",
    unit: TimeUnit::Auto,
    minus: None,
    keys: &[],
    only: None,
    no_time: &[],
    names: &[],
    from_zero: false,
    unsorted: false,
};

const SUBMITTED: &[&str] = &["SUBMIT", "0"];
/// The values that mean "before the trace" and "after the trace" in Google's traces.
const OUTSIDE: &[&str] = &["", "0", "9223372036854775807"];
const MISSING: &[&str] = &["", "NULL", "None", "nan", "NaN"];

const PAI_JOBS: &[&str] = &["job_name", "inst_id", "user", "status", "start_time", "end_time"];
const PAI_TASKS: &[&str] = &[
    "job_name",
    "task_name",
    "inst_num",
    "status",
    "start_time",
    "end_time",
    "plan_cpu",
    "plan_mem",
    "plan_gpu",
    "gpu_type",
];
const PAI_INSTANCES: &[&str] = &[
    "job_name",
    "task_name",
    "inst_name",
    "worker_name",
    "inst_id",
    "status",
    "start_time",
    "end_time",
    "machine",
];
const GOOGLE_JOBS: &[&str] = &[
    "time",
    "missing info",
    "job id",
    "type",
    "user",
    "scheduling_class",
    "job name",
    "logical job name",
];
const GOOGLE_TASKS: &[&str] = &[
    "time",
    "missing info",
    "job id",
    "task index",
    "machine id",
    "type",
    "user",
    "scheduling_class",
    "priority",
    "cpu request",
    "memory request",
    "disk space request",
    "different machines",
];

/// Names of time columns in tables of unknown formats, in lower case.
const TIMES: [&str; 19] = [
    "arrival_s",
    "timestamp",
    "time",
    "arrival_time",
    "arrived_at",
    "arrival",
    "arrivals",
    "ts",
    "t",
    "tstamp",
    "datetime",
    "date_time",
    "created_at",
    "creation_time",
    "submit_time",
    "request_time",
    "sent_s",
    "start_time",
    "time_s",
];

impl Format {
    /// All formats, each with its name.
    pub const ALL: [(&'static str, Self); 18] = [
        ("igniter", Self::Igniter),
        ("table", Self::Table),
        ("azure-functions-2019", Self::AzureFunctions2019),
        ("azure-functions-2021", Self::AzureFunctions2021),
        ("azure-llm", Self::AzureLlm),
        ("burstgpt", Self::BurstGpt),
        ("alibaba-pai-2020", Self::AlibabaPai2020),
        ("alibaba-pods-2023", Self::AlibabaPods2023),
        ("alibaba-dlrm-2025", Self::AlibabaDlrm2025),
        ("alibaba-genai-2026", Self::AlibabaGenAi2026),
        ("alibaba-spot-2026", Self::AlibabaSpot2026),
        ("google-2011", Self::Google2011),
        ("google-2019", Self::Google2019),
        ("mooncake", Self::Mooncake),
        ("bailian", Self::Bailian),
        ("servegen", Self::ServeGen),
        ("intervals", Self::Intervals),
        ("timestamps", Self::Timestamps),
    ];

    /// Returns the name of the format.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, format)| *format == self);
        found.map_or("", |(word, _)| word)
    }

    /// Returns the format with this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let word = if word == "perf-analyzer" { "intervals" } else { word };
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, format)| *format)
    }

    /// Returns all names, for a message.
    #[must_use]
    pub fn words() -> String {
        Self::ALL.map(|(word, _)| word).join(", ")
    }

    /// Returns whether files hold rates or counts instead of arrivals, so that arrivals are drawn.
    #[must_use]
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::AzureFunctions2019 | Self::ServeGen)
    }

    /// Returns whether files have no columns, only one number per line.
    pub(super) fn is_numbers(self) -> bool {
        matches!(self, Self::Intervals | Self::Timestamps)
    }

    /// Returns the layout of the format's tables; `fields` are those of the first line.
    pub(super) fn shape(self, fields: &[String]) -> FormatShape {
        match self {
            Self::Igniter => FormatShape {
                time: "arrival_s",
                unit: TimeUnit::Seconds,
                keys: &["workload"],
                from_zero: true,
                ..PLAIN
            },
            Self::Table => FormatShape {
                time: guessed(fields).unwrap_or(""),
                keys: &["workload"],
                from_zero: true,
                ..PLAIN
            },
            // The name of a function is unique only within its app.
            Self::AzureFunctions2021 => FormatShape {
                time: "end_timestamp",
                unit: TimeUnit::Seconds,
                minus: Some("duration"),
                keys: &["app", "func"],
                unsorted: true,
                ..PLAIN
            },
            Self::AzureLlm => FormatShape { time: "TIMESTAMP", ..PLAIN },
            Self::BurstGpt => FormatShape {
                time: "Timestamp",
                unit: TimeUnit::Seconds,
                keys: &["Model"],
                ..PLAIN
            },
            Self::AlibabaPai2020 => {
                let (names, keys): (_, &'static [&'static str]) = match fields.len() {
                    9 => (PAI_INSTANCES, &["task_name"]),
                    10 => (PAI_TASKS, &["task_name"]),
                    _ => (PAI_JOBS, &["user"]),
                };
                let (time, unit, no_time) = ("start_time", TimeUnit::Seconds, MISSING);
                FormatShape { time, unit, keys, names, no_time, unsorted: true, ..PLAIN }
            }
            Self::AlibabaPods2023 => FormatShape {
                time: "creation_time",
                unit: TimeUnit::Seconds,
                keys: &["qos"],
                no_time: MISSING,
                ..PLAIN
            },
            Self::AlibabaDlrm2025 => FormatShape {
                time: "creation_time",
                unit: TimeUnit::Seconds,
                keys: &["app_name"],
                no_time: MISSING,
                unsorted: true,
                ..PLAIN
            },
            Self::AlibabaGenAi2026 => FormatShape {
                time: "gmt_create",
                unit: TimeUnit::Date,
                keys: &["checkpoint_model_version_id"],
                no_time: MISSING,
                ..PLAIN
            },
            Self::AlibabaSpot2026 => FormatShape {
                time: "submit_time",
                unit: TimeUnit::Seconds,
                keys: &["gpu_model"],
                no_time: MISSING,
                ..PLAIN
            },
            Self::Google2011 => FormatShape {
                time: "time",
                unit: TimeUnit::Microseconds,
                keys: &["scheduling_class"],
                only: Some(("type", SUBMITTED)),
                no_time: OUTSIDE,
                names: if fields.len() == 13 { GOOGLE_TASKS } else { GOOGLE_JOBS },
                ..PLAIN
            },
            Self::Google2019 => FormatShape {
                time: "time",
                unit: TimeUnit::Microseconds,
                keys: &["scheduling_class"],
                only: Some(("type", SUBMITTED)),
                no_time: OUTSIDE,
                // The rows of a query export are in no order.
                unsorted: true,
                ..PLAIN
            },
            Self::Mooncake => {
                FormatShape { time: "timestamp", unit: TimeUnit::Milliseconds, ..PLAIN }
            }
            Self::Bailian => {
                FormatShape { time: "timestamp", unit: TimeUnit::Seconds, keys: &["type"], ..PLAIN }
            }
            Self::Intervals => FormatShape { unit: TimeUnit::Microseconds, ..PLAIN },
            Self::Timestamps | Self::AzureFunctions2019 | Self::ServeGen => PLAIN,
        }
    }

    /// Detects the format by the names of columns (or of the keys of a JSON object).
    pub(super) fn of_names(names: &[String], json: bool) -> Option<Self> {
        let has = |name: &str| names.iter().any(|found| found == name);
        let all = |wanted: &[&str]| wanted.iter().all(|name| has(name));
        Some(if all(&["time", "type", "collection_id"]) {
            Self::Google2019
        } else if json && all(&["timestamp", "chat_id"]) {
            Self::Bailian
        } else if json && has("timestamp") && (has("input_length") || has("hash_ids")) {
            Self::Mooncake
        } else if has("arrival_s") {
            Self::Igniter
        } else if all(&["HashFunction", "1"]) {
            Self::AzureFunctions2019
        } else if all(&["end_timestamp", "duration"]) {
            Self::AzureFunctions2021
        } else if all(&["Timestamp", "Model", "Response tokens"]) {
            Self::BurstGpt
        } else if all(&["job_name", "status", "start_time"]) {
            Self::AlibabaPai2020
        } else if all(&["qos", "creation_time"]) {
            Self::AlibabaPods2023
        } else if all(&["instance_sn", "app_name", "creation_time"]) {
            Self::AlibabaDlrm2025
        } else if all(&["gmt_create", "predict_status"]) {
            Self::AlibabaGenAi2026
        } else if all(&["job_name", "submit_time", "gpu_model"]) {
            Self::AlibabaSpot2026
        } else if has("TIMESTAMP") {
            Self::AzureLlm
        } else if guessed(names).is_some() {
            Self::Table
        } else {
            return None;
        })
    }

    /// Detects the format of a file without a header by the fields of its first row.
    pub(super) fn of_values(fields: &[String]) -> Option<Self> {
        let number = |i: usize| fields.get(i).is_some_and(|text| text.parse::<f64>().is_ok());
        let status = |i: usize| {
            fields.get(i).is_some_and(|word| {
                ["Terminated", "Failed", "Running", "Waiting", "Interrupted"]
                    .contains(&word.as_str())
            })
        };
        Some(match fields.len() {
            1 if number(0) => Self::Timestamps,
            6 if status(3) => Self::AlibabaPai2020,
            9 if status(5) => Self::AlibabaPai2020,
            10 if status(3) => Self::AlibabaPai2020,
            6 if number(0) => Self::ServeGen,
            8 if number(0) && number(2) && number(3) => Self::Google2011,
            13 if number(0) && number(2) && number(5) => Self::Google2011,
            _ => return None,
        })
    }
}

/// Returns the column whose name is that of a time column, if there is exactly one.
fn guessed(names: &[String]) -> Option<&'static str> {
    // `TimedRows` later prefers an exact match of the name to one in another case.
    let mut found = names.iter().filter_map(|name| {
        let name = name.to_ascii_lowercase();
        TIMES.iter().copied().find(|known| *known == name)
    });
    found.next().filter(|_| found.next().is_none())
}
