//! The ways from the machine to a bus's servers.
//!
//! Clients reach each server by itself: by a port of the cluster's nodes, which a Service for this one pod
//! opens, and from there by a port of the machine's loopback interface, whose names are in every
//! server's certificate. Other servers' port is closed to all but them: it is reached from within the pod.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use svom_cluster::forward::Way;
use svom_cluster::port_forward::PortForward;

use super::ClusterBus;
use crate::bus::RouteDoor;

const CLIENT_PORT: u16 = 4222;
const WEBSOCKET_PORT: u16 = 8080;
const ROUTE_PORT: u16 = 6222;

/// The Service that opens a server's port for clients.
pub(super) fn service(server: &str) -> String {
    format!("{server}-way-in")
}

/// The ways to a bus's servers, in their order.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// To the ports for clients.
    pub(super) clients: Vec<Way>,
    /// To those for websockets; none where there are none.
    pub(super) websockets: Vec<Way>,
}

/// Opens the ways to every port that servers have for clients.
pub(super) fn ways(bus: &ClusterBus, has_websockets: bool) -> Result<Ways> {
    let mut ports = vec![CLIENT_PORT];
    ports.extend(has_websockets.then_some(WEBSOCKET_PORT));
    let services = bus.servers.iter().map(|server| opened(bus, server, &ports));
    let services =
        json!({"apiVersion": "v1", "kind": "List", "items": services.collect::<Vec<_>>()});
    bus.scene.kubectl().apply(&services.to_string())?;
    // No fault of a server's node concerns this one.
    let nodes = bus.faults.nodes()?;
    let node = nodes.iter().find(|node| node.control_plane);
    let node = node.and_then(|node| node.addresses.first());
    let node = node.context("the control plane has no address")?;
    let engine = bus.scene.cluster.engine();
    let network = engine.and_then(svom_cluster::engine::Engine::first_process);
    let mut ways = Ways::default();
    for server in &bus.servers {
        let found = bus.scene.get(&["service", &service(server)])?;
        let way = |index: usize| {
            let port = found.pointer(&format!("/spec/ports/{index}/nodePort"));
            let port = port.and_then(Value::as_u64).map(u16::try_from);
            let port =
                port.with_context(|| format!("no port of the nodes leads to {server}"))??;
            Way::to(network, SocketAddr::new(*node, port))
        };
        ways.clients.push(way(0)?);
        if has_websockets {
            ways.websockets.push(way(1)?);
        }
    }
    Ok(ways)
}

/// It leads to the pod whether that is ready or not, as a server of one machine is reached.
fn opened(bus: &ClusterBus, server: &str, ports: &[u16]) -> Value {
    let port =
        |port: &u16| json!({"name": format!("port-{port}"), "port": port, "protocol": "TCP"});
    let ports: Vec<Value> = ports.iter().map(port).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service(server), "namespace": bus.scene.namespace},
        "spec": {
            "type": "NodePort",
            "publishNotReadyAddresses": true,
            "selector": {"statefulset.kubernetes.io/pod-name": server},
            "ports": ports,
        },
    })
}

/// The way to a server's port for other servers, and what those hold.
pub(super) fn route_door(bus: &ClusterBus, server: &str) -> Result<RouteDoor> {
    let namespace = &bus.scene.namespace;
    let secret = bus.secret(&format!("{}-servers", bus.name))?;
    let folder = bus.folder.path().join("servers").join(server);
    fs::create_dir_all(&folder)?;
    let file = |key: &str| -> Result<_> {
        let value = secret.get(key);
        let value = value.with_context(|| format!("the servers have no {key}"))?;
        super::served::write(&folder.join(Path::new(key)), value)
    };
    let way = PortForward::to(bus.scene.kubectl(), namespace, server, ROUTE_PORT)?;
    Ok(RouteDoor {
        address: format!("127.0.0.1:{}", way.port()),
        host: format!("{server}.{}-servers.{namespace}.svc", bus.name),
        authority: file("routes-ca.crt")?,
        certificate: file(&format!("{server}.route.pem"))?,
        shown_to_clients: file(&format!("{server}.client.pem"))?,
        configuration: serde_json::from_str(&bus.configuration(server)?)?,
        way: Some(way),
    })
}
