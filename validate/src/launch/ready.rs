//! Ready models: adapts their configuration to the plan, and checks what cannot be adapted.

use super::LaunchSpec;
use super::pbtxt;
use super::prototext::{Message, TextValue};
use std::fmt::Write as _;

/// A configuration that serves the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adapted {
    /// The text of the configuration.
    pub(super) text: String,
    /// The changes, as text.
    pub(super) changes: Vec<String>,
}

/// The reason why a model is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) fix: String,
}

fn refused<T>(reason: impl Into<String>, fix: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { reason: reason.into(), fix: fix.into() })
}

/// Calls `adapted` and returns plain values, for the fuzzer: the configuration and its changes.
///
/// # Errors
/// The reason why the model is not served.
pub fn adapted_config(text: &str, spec: &LaunchSpec) -> Result<(String, Vec<String>), String> {
    let adapted = adapted(text, spec);
    adapted.map(|a| (a.text, a.changes)).map_err(|refusal| refusal.reason)
}

/// Returns the configuration of a ready model with the plan's name, batch size, delay and number of
/// instances. All other settings stay unchanged, and have to be compatible.
///
/// # Errors
/// When the text is not a configuration, or the model forms batches in a way that the plan and the simulator
/// do not cover.
pub(super) fn adapted(text: &str, spec: &LaunchSpec) -> Result<Adapted, Refusal> {
    let config = match Message::read(text) {
        Ok(config) => config,
        Err(reason) => return refused(reason, "make it a configuration that Triton accepts"),
    };
    check(&config, spec)?;
    let mut changes = Vec::new();
    let mut replaced = vec!["name", "dynamic_batching"];
    let planned = i64::from(spec.max_batch().get());
    let mut head = format!("name: \"{}\"\n", spec.model);
    if does_not_batch(&config) {
        changes.push(
            "max_batch_size stays 0: requests are executed one by one, as the plan means"
                .to_owned(),
        );
    } else {
        let own = config.number("max_batch_size");
        if own != Some(planned) {
            let was = own.map_or_else(|| "nothing".to_owned(), |own| own.to_string());
            changes.push(format!("max_batch_size is {planned} (was {was})"));
        }
        replaced.push("max_batch_size");
        let _ = writeln!(head, "max_batch_size: {planned}");
        let batching = pbtxt::dynamic_batching(spec);
        head.push_str(&batching);
        changes.extend(batching_changes(&config, &batching));
    }
    if let Some((group, change)) = instances(text, &config, spec) {
        replaced.push("instance_group");
        head.push_str(&group);
        changes.extend(change);
    }
    let largest_warm_up =
        config.messages("model_warmup").filter_map(|w| w.number("batch_size")).max();
    if largest_warm_up.is_some_and(|size| size > planned) {
        replaced.push("model_warmup");
        changes.push(format!("model_warmup is left out: its batches are larger than {planned}"));
    }
    let mut rest = text.to_owned();
    for field in config.0.iter().rev().filter(|field| replaced.contains(&field.name.as_str())) {
        // Includes the separator that may follow.
        let after = rest[field.place.end..].trim_start();
        let separator = after.starts_with([',', ';']).then(|| rest.len() - after.len() + 1);
        rest.replace_range(field.place.start..separator.unwrap_or(field.place.end), "");
    }
    Ok(Adapted { text: head + rest.trim_start(), changes })
}

/// Returns whether the tensors of a model have no batch dimension, so that each request is executed alone.
fn does_not_batch(config: &Message) -> bool {
    config.number("max_batch_size") == Some(0)
        || (config.get("max_batch_size").is_none() && config.get("input").is_some())
}

/// Refuses models that form batches in another way than the plan and the simulator. Fields that are not named
/// here do not affect batches, according to a review of Triton's `model_config.proto`.
fn check(config: &Message, spec: &LaunchSpec) -> Result<(), Refusal> {
    let is_ensemble = config.text("platform").as_deref() == Some("ensemble");
    if is_ensemble || config.get("ensemble_scheduling").is_some() {
        let scheduling = config.messages("ensemble_scheduling");
        let steps: Vec<String> = scheduling
            .flat_map(|scheduling| scheduling.messages("step"))
            .filter_map(|step| step.text("model_name"))
            .collect();
        return refused(
            "it is an ensemble: its steps form batches of their own, and the simulator has one batcher for a model",
            format!(
                "serve the model that does the work ({}) under this name",
                if steps.is_empty() { "one of its steps".to_owned() } else { steps.join(", ") }
            ),
        );
    }
    for (field, why) in [
        (
            "sequence_batching",
            "requests of one sequence keep their instance, and batches are formed from sequences",
        ),
        ("scheduling_choice", "its scheduler is not Triton's dynamic batcher"),
    ] {
        if config.get(field).is_some() {
            return refused(
                format!("{field}: {why}; the simulator has Triton's dynamic batcher"),
                "serve a model without state, or measure this one with a client that knows sequences (perf_analyzer)",
            );
        }
    }
    if does_not_batch(config) && !spec.is_one_by_one() {
        return refused(
            "max_batch_size is 0 (or missing): the model does not batch, and its tensors have no batch dimension",
            "plan batches of 1 without a queue policy; or export it with a batch dimension of its own, leave that out of \
             `dims`, and set max_batch_size to 1 or more",
        );
    }
    let decoupled =
        config.messages("model_transaction_policy").any(|policy| policy.is_true("decoupled"));
    if decoupled {
        return refused(
            "model_transaction_policy { decoupled: true }: a request may have any number of answers",
            "serve a model that answers each request once",
        );
    }
    if config.messages("response_cache").any(|cache| cache.is_true("enable")) {
        return refused(
            "response_cache { enable: true }: the same input is answered without the model",
            "switch the cache off in its configuration",
        );
    }
    if config.messages("optimization").any(|optimization| optimization.is_true("eager_batching")) {
        return refused(
            "optimization { eager_batching: true }: the next batch is made before the instance is free, and may be \
             smaller than it could be",
            "leave eager_batching out of its configuration",
        );
    }
    let custom = config
        .messages("parameters")
        .any(|parameter| parameter.text("key").as_deref() == Some("TRITON_BATCH_STRATEGY_PATH"));
    if custom {
        return refused(
            "parameters TRITON_BATCH_STRATEGY_PATH: a batcher of its own decides about batches",
            "leave that parameter out of its configuration",
        );
    }
    Ok(())
}

/// Describes which of the model's own batching settings are replaced.
fn batching_changes(config: &Message, planned: &str) -> Option<String> {
    let own = config.messages("dynamic_batching").last()?;
    let planned = Message::read(planned).ok()?;
    let planned = planned.messages("dynamic_batching").last()?.clone();
    let same = |name: &str| {
        let values = |message: &Message| -> Vec<String> {
            message
                .all(name)
                .map(|value| match value {
                    TextValue::Word(word, _) => word.clone(),
                    other => format!("{other:?}"),
                })
                .collect()
        };
        let zero = |values: Vec<String>| {
            values.into_iter().filter(|value| value != "0").collect::<Vec<_>>()
        };
        zero(values(own)) == zero(values(&planned))
    };
    let names: std::collections::BTreeSet<&str> =
        own.0.iter().map(|field| field.name.as_str()).collect();
    let differing: Vec<&str> = names.into_iter().filter(|name| !same(name)).collect();
    if differing.is_empty() {
        return None;
    }
    Some(format!(
        "dynamic_batching is the scenario's (its own {} is replaced)",
        differing.join(", ")
    ))
}

/// Returns the model's instance groups where they differ from the plan: the first group with the planned
/// count.
fn instances(text: &str, config: &Message, spec: &LaunchSpec) -> Option<(String, Option<String>)> {
    let planned = i64::from(spec.batching.instances);
    let groups: Vec<&Message> = config.messages("instance_group").collect();
    let count = |group: &&Message| {
        let gpus = group.all("gpus").count().max(1);
        let gpus = i64::try_from(gpus).unwrap_or(i64::MAX);
        group.number("count").unwrap_or(1).max(1).saturating_mul(gpus)
    };
    let active = groups.iter().filter(|group| !group.is_true("passive"));
    let own = active.map(count).fold(0, i64::saturating_add);
    let Some(first) = groups.first() else {
        let place = if spec.device.is_some() { "KIND_GPU, gpus: [0]" } else { "KIND_CPU" };
        return Some((format!("instance_group [{{ count: {planned}, kind: {place} }}]\n"), None));
    };
    // A server started by this program sees only one GPU, which has number 0.
    let other_gpu = groups.iter().any(|group| {
        group.all("gpus").any(|gpu| !matches!(gpu, TextValue::Word(word, _) if word == "0"))
    });
    if own == planned && !other_gpu {
        return None;
    }
    let mut group = format!("instance_group [{{ count: {planned}");
    let mut has_gpu = false;
    for field in &first.0 {
        match field.name.as_str() {
            "count" | "passive" => {}
            "gpus" => {
                // Only once: each further number would add as many instances again.
                if !std::mem::replace(&mut has_gpu, true) {
                    group.push_str(" gpus: [0]");
                }
            }
            _ => {
                let _ = write!(group, " {}", &text[field.place.clone()]);
            }
        }
    }
    group.push_str(" }]\n");
    let others = if groups.len() > 1 { ", and the first of its groups is used" } else { "" };
    let change = if own == planned {
        format!("instance_group is on the server's own GPU{others}")
    } else {
        format!("instance_group has the plan's {planned} instances (was {own}){others}")
    };
    Some((group, Some(change)))
}

/// Returns the configuration for a model that brings none: the settings of the plan. The server completes the
/// rest.
pub(super) fn completed_by_server(spec: &LaunchSpec) -> Adapted {
    let place = if spec.device.is_some() { "KIND_GPU, gpus: [0]" } else { "KIND_CPU" };
    let text = format!(
        "name: \"{}\"\nmax_batch_size: {}\n{}instance_group [{{ count: {}, kind: {place} }}]\n",
        spec.model,
        spec.max_batch(),
        pbtxt::dynamic_batching(spec),
        spec.batching.instances
    );
    let change = "there is no config.pbtxt: Triton completes what the plan does not say".to_owned();
    Adapted { text, changes: vec![change] }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;
    use igniter::sim::TimeoutAction;
    use igniter::units::Milliseconds;

    const READY: &str = "# a TensorRT engine { not a bracket\n\
        name: \"other\" platform: \"tensorrt_plan\"\nmax_batch_size : 64\n\
        input [\n  { name: \"a}\\\"b\" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n]\n\
        dynamic_batching { preferred_batch_size: [ 4 ]\n max_queue_delay_microseconds: 100 }\n\
        optimization { cuda { graphs: true } }\n";

    #[test]
    fn a_ready_model_keeps_all_but_the_plan() {
        let adapted = adapted(READY, &spec("alexnet", 5)).unwrap();
        let expected = "name: \"alexnet\"\nmax_batch_size: 5\n\
            dynamic_batching { max_queue_delay_microseconds: 2500 }\n\
            instance_group [{ count: 1, kind: KIND_CPU }]\n\
            # a TensorRT engine { not a bracket\n \
            platform: \"tensorrt_plan\"\n\n\
            input [\n  { name: \"a}\\\"b\" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n]\n\n\
            optimization { cuda { graphs: true } }\n";
        assert_eq!(adapted.text, expected);
        let said = adapted.changes.join("; ");
        assert_eq!(
            said,
            "max_batch_size is 5 (was 64); dynamic_batching is the scenario's (its own \
             max_queue_delay_microseconds, preferred_batch_size is replaced)"
        );
    }

    #[test]
    fn a_queue_policy_is_served() {
        let mut spec = spec("alexnet", 5);
        assert!(!pbtxt::dynamic_batching(&spec).contains("policy"));
        spec.batching.max_queue_size = 8;
        let size = "default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 0 max_queue_size: 8 } }";
        assert!(pbtxt::dynamic_batching(&spec).contains(size));
        spec.batching.timeout = Milliseconds::new(12.5).unwrap();
        spec.batching.timeout_action = TimeoutAction::Delay;
        let both =
            "{ timeout_action: DELAY default_timeout_microseconds: 12500 max_queue_size: 8 }";
        assert!(adapted(READY, &spec).unwrap().text.contains(both));
    }

    #[test]
    fn instances_are_the_plans() {
        let served = |text: &str, instances: u32, device| {
            let mut spec = spec("alexnet", 5);
            (spec.batching.instances, spec.device) = (instances, device);
            adapted(&format!("max_batch_size: 5 {text}"), &spec).unwrap()
        };
        let stays = served("instance_group [{ kind: KIND_MODEL }]", 1, None);
        assert!(stays.text.contains("kind: KIND_MODEL }]"), "{stays:?}");
        let two = "instance_group [ { count: 2 kind: KIND_CPU host_policy: \"a\" } ]";
        let one = served(two, 1, None);
        assert!(
            one.text.contains("instance_group [{ count: 1 kind: KIND_CPU host_policy: \"a\" }]"),
            "{one:?}"
        );
        assert!(one.changes.join("; ").contains("the plan's 1 instances (was 2)"), "{one:?}");
        assert_eq!(served(two, 2, None).text.matches("count: 2").count(), 1);
        let on_three = served("instance_group [{ count: 1 kind: KIND_GPU gpus: [3] }]", 1, Some(0));
        assert!(
            on_three.text.contains("gpus: [0]") && !on_three.text.contains("[3]"),
            "{on_three:?}"
        );
        // Each number is a field of its own.
        let on_two = served("instance_group { count: 1 gpus: 0 gpus: 1 }", 1, Some(0));
        assert_eq!(on_two.text.matches("gpus: [0]").count(), 1, "{on_two:?}");
        let several = "instance_group [{ count: 1 gpus: [0, 1] }, { count: 1 kind: KIND_CPU }]";
        let merged = served(several, 2, Some(0));
        assert!(
            merged.changes.join("").contains("(was 3), and the first of its groups"),
            "{merged:?}"
        );
    }

    #[test]
    fn what_batches_in_another_way_is_refused_with_the_one_reason() {
        let head = "max_batch_size: 4 input [{ name: \"X\" data_type: TYPE_FP32 dims: [4] }]\n";
        for (text, reason) in [
            ("sequence_batching { direct { } }", "sequence_batching"),
            ("ensemble_scheduling { step [{ model_name: \"inner\" }] }", "ensemble"),
            ("platform: \"ensemble\"", "ensemble"),
            ("model_transaction_policy { decoupled: true }", "decoupled"),
            ("response_cache { enable: true }", "response_cache"),
            ("optimization { eager_batching: true }", "eager_batching"),
            (
                "parameters { key: \"TRITON_BATCH_STRATEGY_PATH\" value { string_value: \"b.so\" } }",
                "STRATEGY",
            ),
        ] {
            let refusal = adapted(&format!("{head}{text}"), &spec("alexnet", 4)).unwrap_err();
            assert!(refusal.reason.contains(reason), "{text}: {refusal:?}");
        }
        for text in ["max_batch_size: 0", "input { name: \"X\" dims: [ -1, 4 ] }"] {
            let refusal = adapted(text, &spec("alexnet", 4)).unwrap_err();
            assert!(refusal.reason.contains("does not batch"), "{text}: {refusal:?}");
        }
        // Where the plan has no batches either, it is served as it is.
        let text = "max_batch_size: 0 dynamic_batching { } input { name: \"X\" dims: [ 3 ] }";
        let alone = adapted(text, &spec("alexnet", 1)).unwrap();
        assert_eq!(
            alone.text,
            "name: \"alexnet\"\ninstance_group [{ count: 1, kind: KIND_CPU }]\nmax_batch_size: 0  input { name: \"X\" dims: [ 3 ] }"
        );
        assert!(alone.changes[0].contains("stays 0"), "{alone:?}");
        let allowed =
            "model_transaction_policy { decoupled: false } response_cache { enable: false }";
        assert!(adapted(&format!("{head}{allowed}"), &spec("alexnet", 4)).is_ok());
        assert!(adapted("input [ {", &spec("alexnet", 1)).unwrap_err().reason.contains("line 1"));
    }

    #[test]
    fn a_changed_configuration_is_consistent_as_a_whole() {
        let text = "max_batch_size: 8; model_warmup [{ name: \"w\" batch_size: 8 }], version_policy: { all { }}";
        let small = adapted(text, &spec("alexnet", 2)).unwrap();
        assert!(
            !small.text.contains("model_warmup")
                && small.text.contains("version_policy: { all { }}"),
            "{small:?}"
        );
        assert!(Message::read(&small.text).is_ok(), "{small:?}");
        assert!(adapted(text, &spec("alexnet", 8)).unwrap().text.contains("model_warmup"));
    }
}
