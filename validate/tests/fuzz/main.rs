//! Fuzzes the readers of `validate`, as `tests/fuzz` of the workspace does those of the library.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::disallowed_types, reason = "how long an execution takes is what is tested")]

#[path = "../../../tests/fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/outcome.rs"]
mod outcome;

use igniter::domain::{ModelName, WorkloadName};
use igniter::profile::{Profile, load};
use igniter::sim::BatchingSpec;
use igniter::units::{BatchSize, SmPercent};
use outcome::{Outcome, about, clean, file};
use std::sync::OnceLock;
use validate::client::{ModelInfo, Tensor, answer_sizes};
use validate::data::each_sample;
use validate::launch::{LaunchSpec, ModelSource, adapted_config};
use validate::measure::read_trace;
use validate::profile::{Campaign, Journal, read_runs};

fn spec() -> LaunchSpec {
    let share = SmPercent::new(50.0).unwrap();
    LaunchSpec {
        gpu: 0,
        device: Some(0),
        workload: WorkloadName::new("W1").unwrap(),
        model: ModelName::new("alexnet").unwrap(),
        batch: BatchSize::new(5).unwrap(),
        sm: share,
        unit: share,
        batching: BatchingSpec::default(),
        source: ModelSource::Torchvision { half: false },
        active: true,
        replica: 0,
    }
}

/// A model's `config.pbtxt`. What is made of it is a configuration too, and needs no further change.
fn model_config(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::NOTHING };
    let spec = spec();
    let adapted = adapted_config(text, &spec);
    if let Ok((text, _)) = &adapted {
        let again = adapted_config(text, &spec);
        assert_eq!(again.as_ref(), Ok(&(text.clone(), Vec::new())), "{text}");
    }
    Outcome::result(&adapted, |(_, changes)| about(changes.len()))
}

/// A server's answers. Pieces of other sizes make no difference.
fn answers(bytes: &[u8]) -> Outcome {
    let whole = answer_sizes(bytes, bytes.len());
    if whole.is_ok() {
        assert_eq!(answer_sizes(bytes, 7), whole);
    }
    Outcome::result(&whole, |answers| {
        about(answers.len()) * 2 + u64::from(answers.iter().any(Result::is_err))
    })
}

/// perf_analyzer's `--input-data`.
fn samples(bytes: &[u8]) -> Outcome {
    static MODEL: OnceLock<ModelInfo> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let tensor = |name: &str, datatype: &str, shape: &[i64]| Tensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        };
        ModelInfo {
            name: "m".to_owned(),
            inputs: vec![tensor("IN", "FP32", &[-1, 2]), tensor("TEXT", "BYTES", &[-1, 1])],
            outputs: vec![tensor("OUT", "FP32", &[-1, 1])],
        }
    });
    let mut count = 0;
    let read = each_sample(&file("samples.json", bytes), model, &mut |_| count += 1);
    Outcome::result(&read, |()| about(count))
}

/// Runs that `igniter design` or a user lists.
fn run_list(bytes: &[u8]) -> Outcome {
    static BASE: OnceLock<Profile> = OnceLock::new();
    let base = BASE.get_or_init(|| load("v100").unwrap());
    let read = read_runs(&file("runs.csv", bytes), base);
    Outcome::result(&read, |runs| about(runs.len()))
}

/// What a profiling campaign has finished.
fn run_journal(bytes: &[u8]) -> Outcome {
    let campaign = Campaign {
        kind: "v100".to_owned(),
        models: "emulated".to_owned(),
        times: None,
        units: 40,
        gpu: None,
        mps: false,
        sharing: None,
        shared_memory: false,
    };
    let opened = Journal::open(&file("journal.jsonl", bytes), &campaign);
    Outcome::result(&opened, |journal| u64::from(journal.seconds().is_some()))
}

/// A trace that Triton wrote.
fn server_trace(bytes: &[u8]) -> Outcome {
    let read = read_trace(&file("trace.json", bytes));
    Outcome::result(&read, |stamps| about(stamps.len()))
}

macro_rules! targets {
    ($($name:ident)*) => { $( mod $name {
        #[test]
        fn is_sound_on_any_bytes() {
            super::harness::fuzz(stringify!($name), super::$name, super::clean);
        }
    } )* };
}

targets! { model_config answers samples run_list run_journal server_trace }
