//! The file for Docker Compose.

use super::yaml::yaml;
use super::{HTTP_PORT, IMAGE, LOGS, PIPES, SHARE, servers, triton_flags};
use crate::domain::{GpuKind, Plan};
use crate::scenario::Scenario;
use serde_json::{Map, Value, json};

/// Returns a file for `docker compose up`: a service for each placement, and one with the MPS daemon for each GPU.
///
/// # Panics
/// When the plan was not made or checked for this scenario.
#[must_use]
pub fn compose(plan: &Plan, kinds: &[&GpuKind], scenario: &Scenario) -> String {
    let servers = servers(plan, kinds, scenario);
    let (mut services, mut configs, mut volumes) = (Map::new(), Map::new(), Map::new());
    for gpu in 0..plan.gpus.len() {
        services.insert(format!("mps-gpu{gpu}"), daemon(gpu));
        volumes.insert(format!("mps-gpu{gpu}"), json!({}));
    }
    for (number, server) in servers.iter().enumerate() {
        let (gpu, model) = (server.gpu, &server.placement.model);
        let port = usize::from(HTTP_PORT) + 10 * number;
        configs.insert(server.name.clone(), json!({ "content": server.config }));
        let service = json!({
            "image": image(),
            "command": triton_flags(),
            "user": "${IGNITER_USER:-1000:1000}",
            // The server shares the IPC namespace of its MPS daemon, which provides the shared memory.
            "ipc": format!("service:mps-gpu{gpu}"),
            "environment": {
                PIPES: "/mps/pipe",
                LOGS: "/mps/log",
                SHARE: server.share,
            },
            "volumes": [
                format!("mps-gpu{gpu}:/mps"),
                format!("${{IGNITER_MODELS:-./models}}/{model}/1:/models/{model}/1:ro"),
            ],
            "configs": [{
                "source": server.name,
                "target": format!("/models/{model}/config.pbtxt"),
            }],
            "ports": [format!("127.0.0.1:{port}:{HTTP_PORT}")],
            "depends_on": { format!("mps-gpu{gpu}"): { "condition": "service_healthy" } },
            "healthcheck": {
                "test": ["CMD", "curl", "-sf", format!("http://127.0.0.1:{HTTP_PORT}/v2/health/ready")],
                "interval": "5s",
                "timeout": "3s",
                "start_period": "180s",
                "retries": 3,
            },
            "stop_grace_period": "20s",
            "ulimits": { "memlock": -1, "stack": 67_108_864 },
            "deploy": devices(gpu),
            "labels": {
                "igniter.workload": server.placement.workload.as_str(),
                "igniter.batch": server.placement.batch.to_string(),
            },
        });
        services.insert(server.name.clone(), service);
    }
    let document = json!({
        "name": super::plain(&scenario.name),
        "services": services,
        "configs": configs,
        "volumes": volumes,
    });
    format!(
        "# The servers of a plan of `igniter`, one for each placement. Start: docker compose -f FILE up --wait\n\
         #   IGNITER_MODELS  the folder with MODEL/1/… for each model (default ./models)\n\
         #   IGNITER_GPUn    the GPU that stands for the plan's GPU n: index or UUID (default n)\n\
         #   IGNITER_IMAGE   the image (default {IMAGE})\n\
         #   IGNITER_USER    user and group of all processes, which MPS wants to be one (default 1000:1000)\n\
         {}",
        yaml(&document)
    )
}

fn image() -> String {
    format!("${{IGNITER_IMAGE:-{IMAGE}}}")
}

fn devices(gpu: usize) -> Value {
    json!({ "resources": { "reservations": { "devices": [{
        "driver": "nvidia",
        "device_ids": [format!("${{IGNITER_GPU{gpu}:-{gpu}}}")],
        "capabilities": ["gpu", "compute", "utility"],
    }] } } })
}

fn daemon(gpu: usize) -> Value {
    let start = "mkdir -p /mps/pipe /mps/log && exec nvidia-cuda-mps-control -f";
    json!({
        "image": image(),
        "entrypoint": ["/bin/sh", "-c", start],
        "user": "${IGNITER_USER:-1000:1000}",
        "ipc": "shareable",
        "environment": { PIPES: "/mps/pipe", LOGS: "/mps/log" },
        "volumes": [format!("mps-gpu{gpu}:/mps")],
        "healthcheck": {
            "test": ["CMD-SHELL", "echo get_default_active_thread_percentage | nvidia-cuda-mps-control | grep -q '[0-9]'"],
            "interval": "2s",
            "timeout": "3s",
            "retries": 15,
        },
        "deploy": devices(gpu),
    })
}
