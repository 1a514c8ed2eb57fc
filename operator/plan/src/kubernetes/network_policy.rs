//! Who may reach the servers: other servers their routes, clients the ports for clients, and nobody
//! the port of the health checks. (The kubelet's checks come from the pod's own node, which no policy
//! keeps out; the operator asks over NATS.)

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::identity::Identity;
use super::labels::{self, Component};
use super::names;
use super::settings::External;
use super::topology::{CLIENT_PORT, ROUTE_PORT, WEBSOCKET_PORT};
use crate::Valid;

/// The policy. Where the resource names the networks that may connect from outside, these and every
/// pod of the cluster reach the ports for clients; else everybody does, and proves who it is.
pub fn network_policy(
    identity: &Identity,
    valid: &Valid,
    external: Option<&External>,
) -> NetworkPolicy {
    let servers = NetworkPolicyPeer {
        pod_selector: Some(labels::selector(&identity.name)),
        ..NetworkPolicyPeer::default()
    };
    let websocket = valid.websocket.then_some(WEBSOCKET_PORT);
    let of_clients = std::iter::once(CLIENT_PORT).chain(websocket);
    let clients = rule(of_clients, external.and_then(clients));
    NetworkPolicy {
        metadata: identity.owned(names::bus(&identity.name), Component::Server),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::selector(&identity.name)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![clients, rule([ROUTE_PORT], Some(vec![servers]))]),
            egress: None,
        }),
    }
}

fn clients(external: &External) -> Option<Vec<NetworkPolicyPeer>> {
    if external.source_ranges.is_empty() {
        return None;
    }
    let pods = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    };
    let networks = external
        .source_ranges
        .iter()
        .map(|range| NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: range.clone(),
                except: None,
            }),
            ..NetworkPolicyPeer::default()
        });
    Some(std::iter::once(pods).chain(networks).collect())
}

fn rule(
    ports: impl IntoIterator<Item = u16>,
    from: Option<Vec<NetworkPolicyPeer>>,
) -> NetworkPolicyIngressRule {
    let port = |port: u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    };
    NetworkPolicyIngressRule {
        from,
        ports: Some(ports.into_iter().map(port).collect()),
    }
}
