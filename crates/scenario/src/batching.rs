//! The `batching` tables: the default one, and those of workloads, which override it key by key.

use super::reader::{Field, KeyNeed, KeyRule, Problems, Read, TomlTable};
use super::rules::{Least, NumberRule, WholeRule};
use igniter_model::units::{BatchSize, Milliseconds};
use igniter_sim::{BatchingSpec, TimeoutAction, TritonRelease};
use toml::de::DeValue;

const MAX_QUEUE_DELAY: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3.6e6,
    unit: "ms",
    fix: "give how long a request may wait for its batch to fill, in milliseconds",
};
const MAX_BATCH: WholeRule = WholeRule {
    least: 1,
    most: 65_536,
    fix: "give the largest batch, or omit the key for the planned batch size",
};
const PREFERRED: WholeRule = WholeRule {
    least: 1,
    most: 65_536,
    fix: "give batch sizes, or omit the key for the largest batch alone",
};
const PREFERRED_LIST: KeyRule<'_> = KeyRule {
    allowed: "an array of at most 64 batch sizes",
    fix: "write for example preferred = [4, 8]",
};
const INSTANCES: WholeRule = WholeRule {
    least: 1,
    most: 1024,
    fix: "give how many instances of the model the server runs, normally 1",
};
const SHARED_THREAD: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true only for several instances of Triton's TensorRT backend",
};
const VARIABLE_SHAPE: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true only for a model with variable-size inputs (a -1 dimension)",
};
const MAX_QUEUE_SIZE: WholeRule = WholeRule {
    least: 0,
    most: 1_000_000,
    fix: "give how many requests may wait, or 0 for no limit",
};
const TIMEOUT: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3.6e6,
    unit: "ms",
    fix: "give how long a request may wait for its batch, in milliseconds, or 0 for no limit",
};
const RACE: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1.0,
    unit: "",
    fix: "give a probability; 0 lets the instance always come first, 0.2 is what busy hosts show",
};
const TABLE: KeyRule<'_> = KeyRule {
    allowed: "a table",
    fix: "write for example batching = { max_queue_delay_ms = 100 }",
};

super::layer::layer! {
    /// The values of one `batching` table; absent keys leave the base unchanged.
    pub(super) struct RawBatching {
        max_queue_delay: Milliseconds,
        max_batch: BatchSize,
        preferred: Vec<BatchSize>,
        instances: u32,
        shared_thread: bool,
        variable_shape: bool,
        max_queue_size: u32,
        timeout: Milliseconds,
        timeout_action: TimeoutAction,
        completion_race: f64,
        release: TritonRelease,
    }
}

/// Values of `triton`: releases with a known batcher. Files are written with the first release of each kind.
pub(super) const TRITON_RELEASES: [(&str, TritonRelease); 5] = [
    ("24.10", TritonRelease::Current),
    ("21.12", TritonRelease::Frozen),
    ("21.11", TritonRelease::Frozen),
    ("21.10", TritonRelease::Frozen),
    ("21.09", TritonRelease::Frozen),
];

/// Returns the batcher of a release that `triton` may name; `None` if its rules are not known.
#[must_use]
pub fn triton_release(word: &str) -> Option<TritonRelease> {
    TRITON_RELEASES.iter().find(|(known, _)| *known == word).map(|(_, release)| *release)
}

/// Values of `timeout_action`.
pub(super) const TIMEOUT_ACTIONS: [(&str, TimeoutAction); 2] =
    [("reject", TimeoutAction::Reject), ("delay", TimeoutAction::Delay)];

impl RawBatching {
    /// Reads the `batching` key of a table; an absent key gives an empty table.
    pub(super) fn read(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Self {
        let mut raw = Self::silent();
        let Some(field) = parent.field("batching") else { return raw };
        let Some(mut table) = field.table() else {
            let _: Read<()> = field.refuse(problems, TABLE);
            return raw;
        };
        let t = &mut table;
        raw.max_queue_delay =
            MAX_QUEUE_DELAY.read(t, problems, "max_queue_delay_ms", KeyNeed::Optional).convert(ms);
        raw.max_batch = MAX_BATCH.read(t, problems, "max_batch", KeyNeed::Optional).convert(batch);
        raw.preferred = read_preferred(t, problems);
        raw.instances = INSTANCES
            .read(t, problems, "instances", KeyNeed::Optional)
            .convert(|n| u32::try_from(n).ok());
        raw.shared_thread =
            t.read(problems, "shared_thread", KeyNeed::Optional, SHARED_THREAD, DeValue::as_bool);
        raw.variable_shape =
            t.read(problems, "variable_shape", KeyNeed::Optional, VARIABLE_SHAPE, DeValue::as_bool);
        raw.max_queue_size = MAX_QUEUE_SIZE
            .read(t, problems, "max_queue_size", KeyNeed::Optional)
            .convert(|n| u32::try_from(n).ok());
        raw.timeout = TIMEOUT.read(t, problems, "timeout_ms", KeyNeed::Optional).convert(ms);
        raw.timeout_action = t.choice(problems, "timeout_action", &TIMEOUT_ACTIONS);
        raw.completion_race = RACE.read(t, problems, "completion_race", KeyNeed::Optional);
        raw.release = t.choice(problems, "triton", &TRITON_RELEASES);
        table.finish(problems, |_| None);
        raw
    }

    /// Fills in the defaults and checks the keys against each other.
    pub(super) fn check(self, problems: &mut Problems<'_>) -> Option<BatchingSpec> {
        if let (Read::Given(sizes, place), Read::Given(max, _)) = (&self.preferred, &self.max_batch)
            && let Some(size) = sizes.iter().find(|size| *size > max)
        {
            let allowed = format!("batch sizes up to max_batch = {max}");
            let rule =
                KeyRule { allowed: &allowed, fix: "raise max_batch, or remove the larger size" };
            problems.add(place, format!("given {size}"), rule);
            return None;
        }
        let default = BatchingSpec::default();
        Some(BatchingSpec {
            max_queue_delay: self.max_queue_delay.or(default.max_queue_delay)?,
            max_batch: self.max_batch.convert(|size| Some(Some(size))).or(default.max_batch)?,
            preferred: self.preferred.or(default.preferred)?,
            instances: self.instances.or(default.instances)?,
            shared_thread: self.shared_thread.or(default.shared_thread)?,
            variable_shape: self.variable_shape.or(default.variable_shape)?,
            max_queue_size: self.max_queue_size.or(default.max_queue_size)?,
            timeout: self.timeout.or(default.timeout)?,
            timeout_action: self.timeout_action.or(default.timeout_action)?,
            completion_race: self.completion_race.or(default.completion_race)?,
            release: self.release.or(default.release)?,
        })
    }
}

fn read_preferred(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Read<Vec<BatchSize>> {
    let Some(field) = table.field("preferred") else { return Read::Absent };
    let Some(elements) = field.elements().filter(|elements| elements.len() <= 64) else {
        return field.refuse(problems, PREFERRED_LIST);
    };
    let mut read = |field: &Field<'_>| PREFERRED.read_element(field, problems).given();
    // Check every element so that all bad ones are reported.
    let sizes: Vec<Option<u64>> = elements.iter().map(&mut read).collect();
    let sizes = sizes.into_iter().map(|size| size.and_then(batch)).collect();
    match sizes {
        Some(sizes) => Read::Given(sizes, field.place),
        None => Read::Bad,
    }
}

fn batch(size: u64) -> Option<BatchSize> {
    BatchSize::new(u32::try_from(size).ok()?).ok()
}

fn ms(number: f64) -> Option<Milliseconds> {
    Milliseconds::new(number).ok()
}
