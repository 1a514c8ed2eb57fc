//! Services: the headless one that names the servers, the one that clients may use, and the one for
//! clients from outside.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use svom_crds::spec::ExternalType;

use super::identity::Identity;
use super::labels::{self, Component};
use super::names;
use super::settings::External;
use super::stateful_set::{CLIENT, ROUTES, WEBSOCKET};
use super::topology::{CLIENT_PORT, ROUTE_PORT, WEBSOCKET_PORT};
use crate::Valid;

/// Gives each server its DNS name, from the moment its pod is there: servers have to find one another
/// before any of them is ready.
pub fn headless(identity: &Identity, valid: &Valid) -> Service {
    let routes = port(ROUTES, ROUTE_PORT);
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(of_clients(valid).chain([routes]).collect()),
        ..spec(identity, "ClusterIP")
    };
    let metadata = identity.owned(names::servers(&identity.name), Component::Server);
    service(metadata, spec)
}

/// One address for all servers that are ready. Credentials name the servers themselves; this is for
/// people, and for clients that take one name only.
pub fn client(identity: &Identity, valid: &Valid) -> Service {
    let spec = ServiceSpec {
        ports: Some(of_clients(valid).collect()),
        ..spec(identity, "ClusterIP")
    };
    let metadata = identity.owned(names::bus(&identity.name), Component::Client);
    service(metadata, spec)
}

/// The way from outside.
pub fn external(identity: &Identity, valid: &Valid, external: &External) -> Service {
    let kind = match external.kind {
        ExternalType::LoadBalancer => "LoadBalancer",
        ExternalType::NodePort => "NodePort",
    };
    let ranges: Vec<String> = external.source_ranges.iter().cloned().collect();
    // Whose address a client has is seen by the pod only where no node stands in between.
    let policy = if ranges.is_empty() {
        "Cluster"
    } else {
        "Local"
    };
    let is_balanced = external.kind == ExternalType::LoadBalancer;
    let spec = ServiceSpec {
        external_traffic_policy: Some(policy.to_owned()),
        load_balancer_source_ranges: (is_balanced && !ranges.is_empty()).then_some(ranges),
        ports: Some(of_clients(valid).collect()),
        ..spec(identity, kind)
    };
    let mut metadata = identity.owned(names::external(&identity.name), Component::Client);
    if !external.annotations.is_empty() {
        metadata.annotations = Some(external.annotations.clone());
    }
    service(metadata, spec)
}

fn service(
    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    spec: ServiceSpec,
) -> Service {
    Service {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

fn spec(identity: &Identity, kind: &str) -> ServiceSpec {
    ServiceSpec {
        selector: labels::selector(&identity.name).match_labels,
        type_: Some(kind.to_owned()),
        ..ServiceSpec::default()
    }
}

/// The ports for clients.
fn of_clients(valid: &Valid) -> impl Iterator<Item = ServicePort> {
    let websocket = valid.websocket.then(|| port(WEBSOCKET, WEBSOCKET_PORT));
    std::iter::once(port(CLIENT, CLIENT_PORT)).chain(websocket)
}

fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: port.into(),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    }
}
