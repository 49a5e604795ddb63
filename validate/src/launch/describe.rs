//! The model that a server serves, compared with the specification.

use super::model_config::{dimension, tensors};
use super::pbtxt::timeout_action;
use super::{Endpoint, LaunchError, LaunchSpec};
use crate::client::ServerClient;
use igniter::units::Milliseconds;
use serde_json::Value;

/// Requests the configuration of a model from a server, and compares it with the specification.
pub(super) fn describe(
    spec: &LaunchSpec,
    server: &ServerClient,
    served_as: &str,
) -> Result<Endpoint, LaunchError> {
    let unusable = |(reason, fix): (String, &str)| LaunchError::Unusable {
        url: server.url().to_owned(),
        workload: spec.workload.clone(),
        reason,
        fix: fix.to_owned(),
    };
    let config = server
        .config(served_as)
        .map_err(|reason| unusable((reason, "check the address and the name of the model")))?;
    compare(&config, spec).map_err(unusable)?;
    Ok(Endpoint {
        gpu: spec.gpu,
        workload: spec.workload.clone(),
        model: spec.model.clone(),
        max_batch: spec.max_batch(),
        batched: dimension(&config["max_batch_size"]) != Some(0),
        active: spec.active,
        replica: spec.replica,
        url: server.url().to_owned(),
        access: server.access().clone(),
        served_as: served_as.to_owned(),
        inputs: tensors(&config, "input"),
        outputs: tensors(&config, "output"),
        log: None,
        trace_file: None,
        seen_sm: None,
        instances: Vec::new(),
        pid: None,
        times_file: None,
        stages_file: None,
    })
}

/// Compares the settings that determine batches.
///
/// # Errors
/// The mismatch, and a suggested fix.
fn compare(config: &Value, spec: &LaunchSpec) -> Result<(), (String, &'static str)> {
    let batching = &spec.batching;
    let found = dimension(&config["max_batch_size"]);
    let planned = i64::from(spec.max_batch().get());
    // Such a model executes requests one by one, whatever its batcher settings.
    let one_by_one = found == Some(0) && spec.is_one_by_one();
    if found != Some(planned) && !one_by_one {
        return Err((
            format!("max_batch_size is {}, but the plan says {planned}", config["max_batch_size"]),
            "serve it with the planned batch size",
        ));
    }
    let batcher = &config["dynamic_batching"];
    let delay = dimension(&batcher["max_queue_delay_microseconds"]).unwrap_or(0);
    let no_batcher = config.get("dynamic_batching").is_none();
    if !one_by_one && (no_batcher || differ(delay, batching.max_queue_delay)) {
        return Err((
            format!(
                "its dynamic batcher waits {delay} µs, but the scenario says {} ms",
                batching.max_queue_delay
            ),
            "set dynamic_batching { max_queue_delay_microseconds } as in the scenario",
        ));
    }
    let policy = &batcher["default_queue_policy"];
    let of_policy = |key: &str| dimension(&policy[key]).unwrap_or(0);
    let (size, timeout) = (of_policy("max_queue_size"), of_policy("default_timeout_microseconds"));
    let action = policy["timeout_action"].as_str().unwrap_or("REJECT");
    let planned_action = timeout_action(batching.timeout_action);
    if size != i64::from(batching.max_queue_size)
        || differ(timeout, batching.timeout)
        || (timeout != 0 && action != planned_action)
    {
        return Err((
            format!(
                "its queue policy is max_queue_size {size}, timeout {timeout} µs, {action}; but the scenario says {}, \
                 {} ms, {planned_action}",
                batching.max_queue_size, batching.timeout
            ),
            "set dynamic_batching { default_queue_policy } as in the scenario",
        ));
    }
    others(config, spec)?;
    // An instance group has `count` instances on each GPU that it names.
    let instances = |group: &Value| {
        let gpus = group["gpus"].as_array().map_or(1, |gpus| gpus.len().max(1));
        dimension(&group["count"]).unwrap_or(1) * i64::try_from(gpus).unwrap_or(i64::MAX)
    };
    let groups = config["instance_group"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count: i64 = groups.iter().map(instances).sum();
    if !groups.is_empty() && count != i64::from(batching.instances) {
        return Err((
            format!("it has {count} instances, but the scenario says {}", batching.instances),
            "set instance_group { count } of the model, or `instances` of [batching], so that they are the same",
        ));
    }
    Ok(())
}

/// Checks all other settings that change how batches are formed; the simulator models none of them.
fn others(config: &Value, spec: &LaunchSpec) -> Result<(), (String, &'static str)> {
    let batcher = &config["dynamic_batching"];
    let preferred = |sizes: Vec<i64>| {
        // A size that no batch can exceed has no effect; Triton fills it in.
        let mut sizes: Vec<i64> =
            sizes.into_iter().filter(|&size| size != i64::from(spec.max_batch().get())).collect();
        sizes.sort_unstable();
        sizes
    };
    let own = batcher["preferred_batch_size"].as_array().into_iter().flatten();
    let own = preferred(own.filter_map(dimension).collect());
    let planned =
        preferred(spec.batching.preferred.iter().map(|&size| i64::from(size.get())).collect());
    if own != planned {
        return Err((
            format!("its preferred_batch_size is {own:?}, but the scenario says {planned:?}"),
            "set dynamic_batching { preferred_batch_size } and [batching] preferred to the same sizes",
        ));
    }
    let number = |value: &Value| dimension(value).unwrap_or(0);
    let true_at =
        |path: &str| config.pointer(path).is_some_and(|value| *value == Value::Bool(true));
    let differing = [
        (number(&batcher["priority_levels"]) > 0, "dynamic_batching { priority_levels }"),
        (
            batcher["priority_queue_policy"]
                .as_object()
                .is_some_and(|policies| !policies.is_empty()),
            "dynamic_batching { priority_queue_policy }",
        ),
        (config.get("sequence_batching").is_some(), "sequence_batching"),
        (config.get("ensemble_scheduling").is_some(), "ensemble_scheduling"),
        (true_at("/model_transaction_policy/decoupled"), "model_transaction_policy { decoupled }"),
        (true_at("/response_cache/enable"), "response_cache"),
        (true_at("/optimization/eager_batching"), "optimization { eager_batching }"),
        (
            config.pointer("/parameters/TRITON_BATCH_STRATEGY_PATH").is_some(),
            "parameters TRITON_BATCH_STRATEGY_PATH",
        ),
    ];
    match differing.into_iter().find(|(differs, _)| *differs) {
        Some((_, field)) => Err((
            format!("{field} changes how its batches are formed, which the simulator does not do"),
            "serve the model without it",
        )),
        None => Ok(()),
    }
}

/// Returns whether a time in µs differs from one in ms by more than rounding.
fn differ(us: i64, ms: Milliseconds) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "hours are still exact")]
    let difference_us = (us as f64 - ms.get() * 1e3).abs();
    difference_us > 1.0
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;
    use igniter::sim::TimeoutAction;
    use serde_json::json;

    #[test]
    fn a_server_that_batches_in_another_way_is_refused() {
        // As Triton answers: 64-bit numbers are strings.
        let config = |size: u32, policy: Value, groups: Value| {
            json!({
                "max_batch_size": size,
                "dynamic_batching": {
                    "max_queue_delay_microseconds": 2500, "default_queue_policy": policy
                },
                "instance_group": groups
            })
        };
        let none = || json!({"timeout_action": "REJECT", "default_timeout_microseconds": "0", "max_queue_size": 0});
        let one = || json!([{"count": 1, "kind": "KIND_GPU", "gpus": [0]}]);
        let spec = spec("alexnet", 5);
        let said = |config: Value, spec: &LaunchSpec| compare(&config, spec).unwrap_err().0;
        assert_eq!(compare(&config(5, none(), one()), &spec), Ok(()));
        assert_eq!(compare(&config(5, Value::Null, Value::Null), &spec), Ok(()));
        assert!(said(config(4, none(), one()), &spec).contains("max_batch_size is 4"));
        let two = json!([{"count": 2, "kind": "KIND_CPU"}]);
        assert!(said(config(5, none(), two.clone()), &spec).contains("2 instances"));
        let on_two = json!([{"count": 1, "kind": "KIND_GPU", "gpus": [0, 1]}]);
        assert!(said(config(5, none(), on_two), &spec).contains("2 instances"));
        let policy = || json!({"timeout_action": "DELAY", "default_timeout_microseconds": "4000", "max_queue_size": 8});
        assert!(said(config(5, policy(), one()), &spec).contains("max_queue_size 8"));
        let mut strict = spec.clone();
        strict.batching.max_queue_size = 8;
        strict.batching.timeout = Milliseconds::new(4.0).unwrap();
        assert!(
            said(config(5, policy(), one()), &strict).contains("DELAY; but the scenario says 8")
        );
        assert!(said(config(5, none(), one()), &strict).contains("max_queue_size 0"));
        strict.batching.timeout_action = TimeoutAction::Delay;
        strict.batching.instances = 2;
        assert_eq!(compare(&config(5, policy(), two), &strict), Ok(()));
        let mut with = config(5, none(), one());
        with["dynamic_batching"]["preferred_batch_size"] = json!([5]);
        assert_eq!(compare(&with, &spec), Ok(()), "as Triton fills it in");
        with["dynamic_batching"]["preferred_batch_size"] = json!([2, 5]);
        assert!(said(with, &spec).contains("preferred_batch_size is [2]"));
        for (path, value, field) in [
            ("sequence_batching", json!({}), "sequence_batching"),
            ("response_cache", json!({"enable": true}), "response_cache"),
            ("model_transaction_policy", json!({"decoupled": true}), "decoupled"),
            ("optimization", json!({"eager_batching": true}), "eager_batching"),
        ] {
            let mut with = config(5, none(), one());
            with[path] = value;
            assert!(said(with, &spec).contains(field), "{field}");
        }
        let mut priorities = config(5, none(), one());
        priorities["dynamic_batching"]["priority_levels"] = json!("2");
        assert!(said(priorities, &spec).contains("priority_levels"));
        // Where batches are of 1, a model that does not batch is as good.
        let mut alone = spec.clone();
        alone.batch = igniter::units::BatchSize::new(1).unwrap();
        let unbatched = || json!({"max_batch_size": 0, "instance_group": one()});
        assert_eq!(compare(&unbatched(), &alone), Ok(()));
        assert!(said(unbatched(), &spec).contains("max_batch_size is 0"));
        alone.batching.max_queue_size = 8;
        assert!(said(unbatched(), &alone).contains("max_batch_size is 0"));
        let mut hasty = spec;
        hasty.batching.max_queue_delay = Milliseconds::ZERO;
        assert!(said(config(5, none(), one()), &hasty).contains("waits 2500 µs"));
    }
}
