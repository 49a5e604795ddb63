//! The `[plan]` table: what is asked of planners besides the workloads. And `prediction_error`.

use super::reader::{FilePlace, KeyNeed, KeyRule, Problems, Read, TomlTable};
use super::rules::{Least, NumberRule, WholeRule};
use igniter_model::predictor::ErrorDraw;
use igniter_plan::{Margin, PlanOptions, Replicas};
use toml::de::DeValue;

const MARGIN: KeyRule<'_> = KeyRule {
    allowed: "a number from 0 to 99 %, or \"predictor\"",
    fix: "give how far planned latencies stay below half of the SLO, such as margin_pct = 10, or \
          margin_pct = \"predictor\" for the predictor's own error bound",
};
const MARGIN_NUMBER: NumberRule =
    NumberRule { least: Least::From(0.0), most: 99.0, unit: "%", fix: MARGIN.fix };
const HEADROOM: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 10_000.0,
    unit: "%",
    fix: "give by how much planned throughput exceeds the rate, such as headroom_pct = 20",
};
const REPLICAS: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true when a workload may be served by several GPUs, each with a part of its rate",
};
const ATTAINMENT: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 99.9999,
    unit: "%",
    fix: "give which part of each workload's requests `queueing` plans to answer within the SLO, such as \
          attainment_pct = 99; random arrivals can pile up without limit, so no plan is in time for all",
};
const CONFIDENCE: NumberRule = NumberRule {
    least: Least::From(50.0),
    most: 99.9999,
    unit: "%",
    fix: "give how likely a run as long as the scenario is to reach that part, such as confidence_pct = 95; with 50 \
          it is reached in the long run",
};
const PROCESS_LIMIT: WholeRule = WholeRule {
    least: 1,
    most: 10_000,
    fix: "give how many processes one GPU serves (48 under NVIDIA MPS since Volta, 60 on some newer kinds)",
};
const SEARCH_ROUNDS: WholeRule = WholeRule {
    least: 0,
    most: u32::MAX as u64,
    fix: "give rounds of local search for each 1,000 workloads",
};
const TIME_LIMIT: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: PlanOptions::LONGEST_SEARCH_S,
    unit: "s",
    fix: "give how long `optimal` may search, in seconds, or omit the key for a search that gives the \
          same plan on every machine",
};
const ONE_LIMIT: KeyRule<'_> = KeyRule {
    allowed: "search_rounds or time_limit_s, not both",
    fix: "keep search_rounds for a plan that is the same on every machine, time_limit_s for the best \
          within a time",
};
const PLAN: KeyRule<'_> =
    KeyRule { allowed: "a table", fix: "write [plan] and below it for example margin_pct = 10" };
const ERROR: KeyRule<'_> = KeyRule {
    allowed: "a table with one key: draw = \"uncertainty\", or std_pct",
    fix: "write for example prediction_error = { std_pct = 5 }",
};
const STD: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 50.0,
    unit: "%",
    fix: "give the standard deviation of a model's error in percent of its latency",
};

/// Reads the `[plan]` table; an absent one means the defaults.
pub(super) fn read(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<PlanOptions> {
    use KeyNeed::Optional;
    let default = PlanOptions::default();
    let Some(field) = parent.field("plan") else { return Some(default) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, PLAN);
        return None;
    };
    let t = &mut table;
    let margin = t.read(problems, "margin_pct", Optional, MARGIN, margin);
    let headroom = HEADROOM.read(t, problems, "headroom_pct", Optional);
    let replicas = t.read(problems, "replicas", Optional, REPLICAS, |value| {
        Some(if value.as_bool()? { Replicas::Allowed } else { Replicas::Forbidden })
    });
    let attainment = ATTAINMENT.read(t, problems, "attainment_pct", Optional);
    let confidence = CONFIDENCE.read(t, problems, "confidence_pct", Optional);
    let process_limit = PROCESS_LIMIT
        .read(t, problems, "process_limit", Optional)
        .convert(|limit| usize::try_from(limit).ok());
    let rounds = SEARCH_ROUNDS
        .read(t, problems, "search_rounds", Optional)
        .convert(|rounds| u32::try_from(rounds).ok());
    let time_limit = TIME_LIMIT.read(t, problems, "time_limit_s", Optional);
    table.finish(problems, |_| None);
    if let (Read::Given(..), Read::Given(_, place)) = (&rounds, &time_limit) {
        problems.add(place, "given together with search_rounds", ONE_LIMIT);
        return None;
    }
    Some(PlanOptions {
        margin: margin.or(default.margin)?,
        throughput_headroom_pct: headroom.or(default.throughput_headroom_pct)?,
        process_limit: process_limit.or(default.process_limit)?,
        replicas: replicas.or(default.replicas)?,
        attainment_pct: attainment.or(default.attainment_pct)?,
        confidence_pct: confidence.or(default.confidence_pct)?,
        search_rounds: rounds.or(default.search_rounds)?,
        time_limit_s: time_limit.convert(|limit| Some(Some(limit))).or(None)?,
        seed: default.seed,
    })
}

fn margin(value: &DeValue<'_>) -> Option<Margin> {
    if value.as_str() == Some("predictor") {
        return Some(Margin::Predictor);
    }
    MARGIN_NUMBER.accept(value).map(Margin::Percent)
}

/// Reads `prediction_error`.
pub(super) fn read_error(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
) -> Read<ErrorDraw> {
    let Some(field) = parent.field("prediction_error") else { return Read::Absent };
    let Some(mut table) = field.table() else { return field.refuse(problems, ERROR) };
    let place: FilePlace = table.place().clone();
    let draw = table.choice(problems, "draw", &[("uncertainty", ErrorDraw::Uncertainty)]);
    let std = STD
        .read(&mut table, problems, "std_pct", KeyNeed::Optional)
        .convert(|std| Some(ErrorDraw::StdPct(std)));
    table.finish(problems, |_| None);
    match (draw, std) {
        (Read::Given(draw, place), Read::Absent) | (Read::Absent, Read::Given(draw, place)) => {
            Read::Given(draw, place)
        }
        (Read::Bad, _) | (_, Read::Bad) => Read::Bad,
        (Read::Absent, Read::Absent) => {
            problems.add(&place, "is empty", ERROR);
            Read::Bad
        }
        (Read::Given(..), Read::Given(..)) => {
            problems.add(&place, "says two things", ERROR);
            Read::Bad
        }
    }
}
