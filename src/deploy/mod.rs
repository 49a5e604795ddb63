//! Generates files that start the servers of a plan with Docker Compose or Kubernetes.
//!
//! Each placement becomes a separate Triton server, with the plan's batch size in the configuration of its model and
//! its share of SMs in its environment. Each GPU has an MPS daemon, whose clients are the servers on that GPU.

mod compose;
mod kubernetes;
mod yaml;

pub use compose::compose;
pub use kubernetes::kubernetes;

use crate::domain::{GpuKind, Placement, Plan};
use crate::scenario::Scenario;
use crate::sim::TimeoutAction;

/// The default image: the last one from NVIDIA whose TensorRT supports Volta.
pub const IMAGE: &str = "nvcr.io/nvidia/tritonserver:24.09-py3";

/// The environment variable that limits the SM share of an MPS client.
const SHARE: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
/// The environment variable with the folder of the MPS pipes.
const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// The environment variable with the folder of the MPS logs.
const LOGS: &str = "CUDA_MPS_LOG_DIRECTORY";
/// The HTTP port of Triton in its container.
const HTTP_PORT: u16 = 8000;

/// A server of a plan.
#[derive(Debug)]
struct DeployedServer<'p> {
    /// The index of the GPU in the plan.
    gpu: usize,
    /// The unique name of the server.
    name: String,
    placement: &'p Placement,
    /// The share of SMs in percent, as the value of [`SHARE`].
    share: String,
    /// The configuration of the model, from the plan; Triton completes the rest from the model itself.
    config: String,
}

/// Returns the servers of a plan, GPU by GPU.
///
/// # Panics
/// When the plan was not made or checked for this scenario.
fn servers<'p>(plan: &'p Plan, kinds: &[&GpuKind], scenario: &Scenario) -> Vec<DeployedServer<'p>> {
    let mut servers: Vec<DeployedServer<'p>> = Vec::new();
    for (gpu, placement) in plan.placements() {
        let kind = kinds.iter().find(|kind| kind.name == plan.gpus[gpu].kind);
        let units = kind.expect("a kind of the plan").units;
        let pct = placement.sm.to_percent(units).expect("shares of plans are not empty").get();
        let plain = plain(placement.workload.as_str());
        let twice = servers
            .iter()
            .filter(|server| server.name.starts_with(&format!("{plain}-gpu{gpu}")))
            .count();
        let again = if twice == 0 { String::new() } else { format!("-{twice}") };
        servers.push(DeployedServer {
            gpu,
            name: format!("{plain}-gpu{gpu}{again}"),
            placement,
            share: percentage(pct),
            config: config(placement, scenario),
        });
    }
    servers
}

/// Formats a percentage for MPS. MPS rounds the number of SMs down, so a percentage with more than three decimals is
/// rounded up.
fn percentage(pct: f64) -> String {
    let exact = (pct * 1000.0).round() / 1000.0;
    let rounded = if (exact - pct).abs() < 1e-9 { exact } else { (pct * 1000.0).ceil() / 1000.0 };
    format!("{}", rounded.min(100.0))
}

/// Returns a name for services and labels: lower-case letters, digits and hyphens.
fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(kept).collect();
    // Names have at most 63 letters, and more is appended to this one.
    let plain: String = plain.trim_matches('-').chars().take(40).collect();
    if plain.is_empty() { "w".to_owned() } else { plain }
}

fn config(placement: &Placement, scenario: &Scenario) -> String {
    let batching = (scenario.workloads.iter())
        .find(|entry| entry.workload.name == placement.workload)
        .map(|entry| &entry.batching)
        .expect("the plan serves workloads of the scenario");
    let largest = batching.max_batch.unwrap_or(placement.batch);
    let preferred: Vec<String> = batching.preferred.iter().map(ToString::to_string).collect();
    let mut dynamic = Vec::new();
    if !preferred.is_empty() {
        dynamic.push(format!("preferred_batch_size: [ {} ]", preferred.join(", ")));
    }
    dynamic
        .push(format!("max_queue_delay_microseconds: {:.0}", batching.max_queue_delay.get() * 1e3));
    let timeout_us = batching.timeout.get() * 1e3;
    if batching.max_queue_size > 0 || timeout_us > 0.0 {
        let action = match batching.timeout_action {
            TimeoutAction::Reject => "REJECT",
            TimeoutAction::Delay => "DELAY",
        };
        dynamic.push(format!(
            "default_queue_policy {{ timeout_action: {action} default_timeout_microseconds: {timeout_us:.0} \
             max_queue_size: {} }}",
            batching.max_queue_size
        ));
    }
    format!(
        "name: \"{}\"\nmax_batch_size: {largest}\ndynamic_batching {{ {} }}\n\
         instance_group [ {{ count: {} kind: KIND_GPU }} ]\n",
        placement.model,
        dynamic.join(" "),
        batching.instances
    )
}

/// Returns the flags of a server. Triton completes the configuration of the model, which is its default since 22.07.
fn triton_flags() -> Vec<String> {
    [
        "tritonserver".to_owned(),
        "--model-repository=/models".to_owned(),
        "--allow-grpc=true".to_owned(),
        "--allow-metrics=true".to_owned(),
        "--exit-timeout-secs=10".to_owned(),
        "--cuda-memory-pool-byte-size=0:0".to_owned(),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_services() {
        assert_eq!(plain("W1"), "w1");
        assert_eq!(plain("Vision/alex_net"), "vision-alex-net");
        assert_eq!(plain("__"), "w");
        assert_eq!(plain(&"x".repeat(80)).len(), 40);
        assert_eq!(
            (percentage(37.5), percentage(2400.0 / 132.0)),
            ("37.5".to_owned(), "18.182".to_owned())
        );
    }
}
