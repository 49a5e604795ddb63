//! The manifests for Kubernetes.

use super::yaml::yaml;
use super::{DeployedServer, HTTP_PORT, IMAGE, LOGS, PIPES, SHARE, plain, servers, triton_flags};
use crate::domain::{GpuKind, Plan};
use crate::scenario::Scenario;
use serde_json::{Map, Value, json};

/// Returns manifests for `kubectl apply`: for each GPU a deployment whose pod has the MPS daemon and one Triton
/// container for each placement, a service for each placement, and the configurations of their models.
///
/// # Panics
/// When the plan was not made or checked for this scenario.
#[must_use]
pub fn kubernetes(plan: &Plan, kinds: &[&GpuKind], scenario: &Scenario) -> String {
    let servers = servers(plan, kinds, scenario);
    let name = plain(&scenario.name);
    let mut documents = Vec::new();
    let configs: Map<String, Value> = servers
        .iter()
        .map(|server| (format!("{}.pbtxt", server.name), server.config.clone().into()))
        .collect();
    documents.push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("{name}-models"), "labels": labels(&name) },
        "data": configs,
    }));
    for gpu in 0..plan.gpus.len() {
        let own: Vec<(usize, &DeployedServer<'_>)> =
            servers.iter().filter(|server| server.gpu == gpu).enumerate().collect();
        documents.push(deployment(&name, gpu, &own));
        documents.extend(own.iter().map(|&(position, server)| service(&name, position, server)));
    }
    let head = format!(
        "# The servers of a plan of `igniter`: a pod for each GPU, a Triton container for each placement.\n\
         # Models come from the PersistentVolumeClaim `igniter-models` (MODEL/1/… for each model).\n\
         # The containers of a pod share its one GPU through the MPS daemon in it: nodes need NVIDIA's device plugin\n\
         # and the runtime class `nvidia` (whose NVIDIA_VISIBLE_DEVICES=all the servers use; MPS shows them the\n\
         # daemon's GPU alone), and Kubernetes 1.29 or later for the daemon as a sidecar. Image: {IMAGE}\n"
    );
    let texts: Vec<String> = documents.iter().map(yaml).collect();
    head + &texts.join("---\n")
}

fn labels(name: &str) -> Value {
    json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "igniter" })
}

fn of_gpu(name: &str, gpu: usize) -> Value {
    json!({ "app.kubernetes.io/name": name, "igniter/gpu": gpu.to_string() })
}

/// Returns the HTTP port of a server; the servers of one pod share a network, so each has ports of its own.
fn port(position: usize) -> usize {
    usize::from(HTTP_PORT) + 10 * position
}

fn service(name: &str, position: usize, server: &DeployedServer<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": server.name,
            "labels": labels(name),
            "annotations": { "igniter/workload": server.placement.workload.as_str() },
        },
        "spec": {
            "selector": of_gpu(name, server.gpu),
            "ports": [{ "name": "http", "port": HTTP_PORT, "targetPort": port(position), "protocol": "TCP" }],
        },
    })
}

fn deployment(name: &str, gpu: usize, own: &[(usize, &DeployedServer<'_>)]) -> Value {
    let containers: Vec<Value> =
        own.iter().map(|&(position, server)| container(position, server)).collect();
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": format!("{name}-gpu{gpu}"), "labels": labels(name) },
        "spec": {
            "replicas": 1,
            // Two pods would need two GPUs.
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": of_gpu(name, gpu) },
            "template": {
                "metadata": { "labels": of_gpu(name, gpu) },
                "spec": {
                    "runtimeClassName": "nvidia",
                    // MPS serves one user.
                    "securityContext": { "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000 },
                    "terminationGracePeriodSeconds": 30,
                    "initContainers": [daemon()],
                    "containers": containers,
                    "volumes": [
                        { "name": "mps", "emptyDir": {} },
                        { "name": "shm", "emptyDir": { "medium": "Memory", "sizeLimit": "2Gi" } },
                        { "name": "configs", "configMap": { "name": format!("{name}-models") } },
                        {
                            "name": "models",
                            "persistentVolumeClaim": { "claimName": "igniter-models", "readOnly": true },
                        },
                    ],
                },
            },
        },
    })
}

/// Returns the container of the MPS daemon, which holds the pod's GPU and runs beside the servers for as long as they
/// do.
fn daemon() -> Value {
    let start = "mkdir -p /mps/pipe /mps/log && exec nvidia-cuda-mps-control -f";
    let ask =
        "echo get_default_active_thread_percentage | nvidia-cuda-mps-control | grep -q '[0-9]'";
    json!({
        "name": "mps",
        "image": IMAGE,
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", start],
        "env": [
            { "name": PIPES, "value": "/mps/pipe" },
            { "name": LOGS, "value": "/mps/log" },
        ],
        "startupProbe": {
            "exec": { "command": ["/bin/sh", "-c", ask] },
            "periodSeconds": 2,
            "failureThreshold": 30,
        },
        "resources": {
            "requests": { "cpu": "100m", "memory": "256Mi", "nvidia.com/gpu": 1 },
            "limits": { "memory": "1Gi", "nvidia.com/gpu": 1 },
        },
        "volumeMounts": [
            { "name": "mps", "mountPath": "/mps" },
            { "name": "shm", "mountPath": "/dev/shm" },
        ],
    })
}

fn container(position: usize, server: &DeployedServer<'_>) -> Value {
    let model = server.placement.model.as_str();
    let port = port(position);
    let mut flags = triton_flags();
    // The containers of a pod have one network.
    flags.extend([
        format!("--http-port={port}"),
        format!("--grpc-port={}", port + 1),
        format!("--metrics-port={}", port + 2),
    ]);
    let ready = |period: u32, failures: u32| {
        json!({
            "httpGet": { "path": "/v2/health/ready", "port": port },
            "periodSeconds": period,
            "failureThreshold": failures,
        })
    };
    json!({
        "name": server.name,
        "image": IMAGE,
        "command": flags,
        "env": [
            { "name": "NVIDIA_VISIBLE_DEVICES", "value": "all" },
            { "name": PIPES, "value": "/mps/pipe" },
            { "name": LOGS, "value": "/mps/log" },
            { "name": SHARE, "value": server.share },
        ],
        "ports": [{ "name": format!("http-{position}"), "containerPort": port, "protocol": "TCP" }],
        "startupProbe": ready(2, 90),
        "readinessProbe": ready(5, 3),
        "livenessProbe": {
            "httpGet": { "path": "/v2/health/live", "port": port },
            "periodSeconds": 10,
            "failureThreshold": 6,
        },
        "resources": {
            "requests": { "cpu": "1", "memory": "2Gi" },
            "limits": { "memory": "8Gi" },
        },
        "volumeMounts": [
            { "name": "mps", "mountPath": "/mps" },
            { "name": "shm", "mountPath": "/dev/shm" },
            {
                "name": "configs",
                "mountPath": format!("/models/{model}/config.pbtxt"),
                "subPath": format!("{}.pbtxt", server.name),
                "readOnly": true,
            },
            {
                "name": "models",
                "mountPath": format!("/models/{model}/1"),
                "subPath": format!("{model}/1"),
                "readOnly": true,
            },
        ],
    })
}
