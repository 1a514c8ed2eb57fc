//! Where the servers of a bus stand on Kubernetes.
//!
//! In: which resource, how many servers, and how the bus is reached from outside, as far as that is
//! known by now. Out: the [`Topology`] that everything else of the plan works from.
//!
//! A server is named like its pod, and has the pod's own DNS name under the headless Service. Clients
//! are told these names, so that they find another server when one falls; the client Service's names
//! are in every certificate too. `localhost` is, for `kubectl port-forward`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort};
use svom_crds::spec::ExternalType;

use super::identity::Identity;
use super::names;
use super::settings::External;
use crate::topology::{Server, ServerFiles, Topology};

/// Port for clients.
pub const CLIENT_PORT: u16 = 4222;
/// Port for clients that speak over a websocket: the one that the field's own charts give it.
pub const WEBSOCKET_PORT: u16 = 8080;
/// Port for routes.
pub const ROUTE_PORT: u16 = 6222;
/// Port of the health checks.
pub const MONITOR_PORT: u16 = 8222;

/// Where the configuration volume is mounted.
pub(super) const CONFIGURATION_FOLDER: &str = "/etc/nats";
/// Where the data volume is mounted.
pub(super) const DATA_FOLDER: &str = "/data";
/// File with the authority of what clients show.
pub(super) const CLIENT_CA: &str = "clients-ca.crt";
/// File with the authority of the routes.
pub(super) const ROUTE_CA: &str = "routes-ca.crt";
/// File with the accounts, which all servers share.
pub(super) const ACCOUNTS: &str = "accounts.json";

/// What a topology is made from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The resource.
    pub identity: &'a Identity,
    /// Number of servers.
    pub replicas: u8,
    /// Domain of the Kubernetes cluster's DNS, as `cluster.local`, where it is known. Without it names
    /// end with `svc`, which every pod's resolver completes.
    pub cluster_domain: Option<&'a str>,
    /// How the bus is reached from outside.
    pub outside: &'a Outside,
}

/// Names and addresses by which a bus is reached from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// DNS names.
    pub dns_names: BTreeSet<String>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
}

impl Outside {
    fn is_empty(&self) -> bool {
        self.dns_names.is_empty() && self.addresses.is_empty()
    }
}

/// What the resource says about the way from outside, and what the platform gave it so far.
pub fn outside(external: Option<&External>, service: Option<&Service>) -> Outside {
    let Some(external) = external else {
        return Outside::default();
    };
    let mut outside = said(external);
    if external.kind == ExternalType::LoadBalancer {
        let given = given(service);
        outside.dns_names.extend(given.dns_names);
        outside.addresses.extend(given.addresses);
    }
    outside
}

/// Where clients connect from outside: by the names that the resource says, else by what the platform
/// gave. Absent until that is known.
pub fn external_url(external: &External, service: &Service) -> Option<String> {
    external_urls(external, service, "tls", CLIENT_PORT)
}

/// The same for clients that speak over a websocket; absent too where the Service has no port for them.
pub fn external_websocket_url(external: &External, service: &Service) -> Option<String> {
    service_port(service, WEBSOCKET_PORT)?;
    external_urls(external, service, "wss", WEBSOCKET_PORT)
}

fn external_urls(
    external: &External,
    service: &Service,
    scheme: &str,
    port: u16,
) -> Option<String> {
    let said = said(external);
    let (hosts, port) = match external.kind {
        ExternalType::LoadBalancer if said.is_empty() => (given(Some(service)), port),
        ExternalType::LoadBalancer => (said, port),
        ExternalType::NodePort => (said, node_port(service, port)?),
    };
    let names = hosts.dns_names.into_iter();
    let addresses = hosts.addresses.iter().map(|address| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    });
    let urls: Vec<String> = names
        .chain(addresses)
        .map(|host| format!("{scheme}://{host}:{port}"))
        .collect();
    (!urls.is_empty()).then(|| urls.join(","))
}

fn said(external: &External) -> Outside {
    Outside {
        dns_names: external.dns_names.clone(),
        addresses: external.addresses.clone(),
    }
}

fn given(service: Option<&Service>) -> Outside {
    let ingress: &[LoadBalancerIngress] = service
        .and_then(|service| {
            service
                .status
                .as_ref()?
                .load_balancer
                .as_ref()?
                .ingress
                .as_deref()
        })
        .unwrap_or_default();
    let lower = |name: &String| name.to_ascii_lowercase();
    Outside {
        dns_names: ingress
            .iter()
            .filter_map(|one| one.hostname.as_ref().map(lower))
            .collect(),
        addresses: ingress
            .iter()
            .filter_map(|one| one.ip.as_ref()?.parse().ok())
            .collect(),
    }
}

fn node_port(service: &Service, port: u16) -> Option<u16> {
    u16::try_from(service_port(service, port)?.node_port?).ok()
}

fn service_port(service: &Service, port: u16) -> Option<&ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    ports.iter().find(|one| one.port == i32::from(port))
}

/// Servers `NAME-0`, `NAME-1` and so on, as the StatefulSet numbers its pods.
pub fn topology(place: &Place<'_>) -> Topology {
    Topology {
        cluster: place.identity.name.clone(),
        servers: (0..place.replicas)
            .map(|number| server(place, number))
            .collect(),
    }
}

fn server(place: &Place<'_>, number: u8) -> Server {
    let Identity {
        namespace, name, ..
    } = place.identity;
    let server = crate::names::server(name, number);
    let service = names::servers(name);
    let host = match place.cluster_domain {
        Some(domain) => format!("{server}.{service}.{namespace}.svc.{domain}"),
        None => format!("{server}.{service}.{namespace}.svc"),
    };
    let pod = format!("{server}.{service}");
    let client = names::bus(name);
    let mut dns_names: BTreeSet<String> = [pod, client]
        .iter()
        .flat_map(|short| inside(short, namespace, place.cluster_domain))
        .collect();
    dns_names.insert("localhost".to_owned());
    dns_names.extend(place.outside.dns_names.iter().cloned());
    let mut addresses = place.outside.addresses.clone();
    addresses.insert(Ipv4Addr::LOCALHOST.into());
    addresses.insert(Ipv6Addr::LOCALHOST.into());
    Server {
        // Both families: with this address the server listens on every address that the pod has.
        listen: Ipv4Addr::UNSPECIFIED.into(),
        client_host: host.clone(),
        client_port: CLIENT_PORT,
        websocket_port: WEBSOCKET_PORT,
        route_host: host,
        route_port: ROUTE_PORT,
        monitor_port: Some(MONITOR_PORT),
        dns_names: dns_names.into_iter().collect(),
        addresses: addresses.into_iter().collect(),
        files: files(&server),
        name: server,
    }
}

/// A name of this namespace in every form that resolves inside the cluster.
fn inside(short: &str, namespace: &str, domain: Option<&str>) -> Vec<String> {
    let service = format!("{short}.{namespace}.svc");
    let whole = domain.map(|domain| format!("{service}.{domain}"));
    let others = [short.to_owned(), format!("{short}.{namespace}"), service];
    others.into_iter().chain(whole).collect()
}

fn files(server: &str) -> ServerFiles {
    let file = |name: &str| format!("{CONFIGURATION_FOLDER}/{name}");
    ServerFiles {
        store_dir: DATA_FOLDER.to_owned(),
        client_pem: file(&client_pem(server)),
        client_ca: file(CLIENT_CA),
        route_pem: file(&route_pem(server)),
        route_ca: file(ROUTE_CA),
        // What it prints is collected by the container runtime, and has an end there.
        log: None,
    }
}

/// File with what clients see of the server.
pub(super) fn client_pem(server: &str) -> String {
    format!("{server}.client.pem")
}

/// File with what other servers see of the server.
pub(super) fn route_pem(server: &str) -> String {
    format!("{server}.route.pem")
}

/// File with the server's own configuration.
pub(super) fn configuration(server: &str) -> String {
    format!("{server}.conf")
}

#[cfg(test)]
mod tests;
