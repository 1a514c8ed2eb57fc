//! The container with a server.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
    Lifecycle, LifecycleHandler, ObjectFieldSelector, Probe, ResourceRequirements, SecurityContext,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use svom_crds::spec::PullPolicy;

use crate::kubernetes::quantity::Amount;
use crate::kubernetes::settings::Pod;
use crate::kubernetes::topology::{
    CLIENT_PORT, CONFIGURATION_FOLDER, DATA_FOLDER, MONITOR_PORT, ROUTE_PORT, WEBSOCKET_PORT,
    configuration,
};
use crate::kubernetes::{Bus, names};

/// Name of the container.
pub const CONTAINER: &str = "nats";
/// Name of the configuration volume.
pub(super) const CONFIGURATION: &str = "configuration";
/// Name of the port for clients.
pub(in crate::kubernetes) const CLIENT: &str = "client";
/// Name of the port for clients that speak over a websocket.
pub(in crate::kubernetes) const WEBSOCKET: &str = "websocket";
/// Name of the port for routes.
pub(in crate::kubernetes) const ROUTES: &str = "routes";
/// Name of the port of the health checks.
const MONITOR: &str = "monitor";
/// Variable with the name of the pod, which is the server's.
const POD_NAME: &str = "POD_NAME";

pub(super) fn container(bus: &Bus<'_>) -> Container {
    let pod = &bus.settings.pod;
    let image = &bus.settings.image;
    let own_file = configuration(&format!("$({POD_NAME})"));
    Container {
        name: CONTAINER.to_owned(),
        image: Some(image.reference(bus.version)),
        image_pull_policy: image
            .pull_policy
            .map(|policy| pull_policy(policy).to_owned()),
        // Found on the image's PATH, wherever the image keeps it.
        command: Some(vec!["nats-server".to_owned()]),
        args: Some(vec![
            "--config".to_owned(),
            format!("{CONFIGURATION_FOLDER}/{own_file}"),
        ]),
        env: Some(environment(pod)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(leave()),
            ..Lifecycle::default()
        }),
        ports: Some(ports(bus)),
        startup_probe: Some(started()),
        readiness_probe: Some(ready()),
        liveness_probe: Some(alive()),
        resources: Some(ResourceRequirements {
            requests: (!pod.requests.is_empty()).then(|| pod.requests.clone()),
            limits: (!pod.limits.is_empty()).then(|| pod.limits.clone()),
            claims: None,
        }),
        security_context: Some(security()),
        // The last that it said stands in the pod's status then, and is told from there.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount(CONFIGURATION, CONFIGURATION_FOLDER, Some(true)),
            mount(names::DATA, DATA_FOLDER, None),
        ]),
        ..Container::default()
    }
}

fn ports(bus: &Bus<'_>) -> Vec<ContainerPort> {
    let mut ports = vec![
        port(CLIENT, CLIENT_PORT),
        port(ROUTES, ROUTE_PORT),
        port(MONITOR, MONITOR_PORT),
    ];
    if bus.valid.websocket {
        ports.push(port(WEBSOCKET, WEBSOCKET_PORT));
    }
    ports
}

fn pull_policy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
}

fn environment(pod: &Pod) -> Vec<EnvVar> {
    let pod_name = EnvVar {
        name: POD_NAME.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: "metadata.name".to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let limit = pod.limits.get("memory");
    let limit = limit.and_then(|limit| Amount::read(&limit.0));
    // The server's memory is collected harder before it reaches the limit, at which it would be killed.
    let memory = limit.map(|limit| EnvVar {
        name: "GOMEMLIMIT".to_owned(),
        value: Some(format!("{}B", limit.whole() / 10 * 9)),
        ..EnvVar::default()
    });
    std::iter::once(pod_name).chain(memory).collect()
}

/// Lame duck: the server hands over what it leads, closes its clients one after another and ends. The
/// signal returns at once; the pod's grace period waits for the rest.
fn leave() -> LifecycleHandler {
    let command = ["nats-server", "--signal", "ldm=1"];
    LifecycleHandler {
        exec: Some(ExecAction {
            command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        }),
        ..LifecycleHandler::default()
    }
}

fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(volume: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    }
}

/// Asked every second, so that a bus is ready as soon as it can be, and for half an hour: a server
/// that recovers a large store after a crash must not be killed over it.
fn started() -> Probe {
    Probe {
        period_seconds: Some(1),
        failure_threshold: Some(1800),
        ..probe("/healthz?js-enabled-only=true")
    }
}

/// Whether clients may be sent to it. It does not ask for the meta group, which forms only when all
/// servers can reach one another.
fn ready() -> Probe {
    Probe {
        period_seconds: Some(5),
        failure_threshold: Some(2),
        ..probe("/healthz?js-server-only=true")
    }
}

/// Whether a restart could help. Without quorum it could not, so quorum is not asked for.
fn alive() -> Probe {
    Probe {
        period_seconds: Some(10),
        failure_threshold: Some(6),
        ..probe("/healthz?js-enabled-only=true")
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(MONITOR.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
