//! Where a bus's servers stand on one machine. In: the resource's name, the number of servers, the
//! first port and the state folder. Out: the [`Topology`] the plan works from. It looks at nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use svom_plan::names;
use svom_plan::topology::{Server, ServerFiles, Topology};

use super::folder::Folder;

/// Distance between a server's port for clients and its port for websockets: below that of the routes,
/// so that who enables websockets needs no other first port.
const WEBSOCKETS_ABOVE: u16 = 1000;
/// Distance between a server's port for clients and its port for routes.
const ROUTES_ABOVE: u16 = 2000;

/// What a bus on one machine is made from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Name of the resource.
    pub name: &'a str,
    /// Number of servers.
    pub replicas: u8,
    /// Port of the first server.
    pub port: u16,
    /// The state folder.
    pub folder: &'a Folder,
}

/// Why the servers find no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The ports leave what a port can be.
    #[error(
        "--port {port} leaves no room for {replicas} servers: clients' ports are {port} and up, those of routes are {ROUTES_ABOVE} higher, and both end at 65535. Choose a port from 1 to {highest}"
    )]
    Ports {
        /// The first port.
        port: u16,
        /// Number of servers.
        replicas: u8,
        /// The highest port that leaves room.
        highest: u16,
    },
}

/// Servers `NAME-0`, `NAME-1` and so on, on loopback.
///
/// Clients are told `127.0.0.1` and not `localhost`: the servers listen on IPv4's loopback alone,
/// and a resolver that gives `::1` first would send clients that try one address only to a port where
/// nobody, or somebody else, listens. Certificates carry all three names, so `localhost` works where
/// the machine resolves it so.
pub fn topology(place: Place<'_>) -> Result<Topology, PlaceError> {
    let Place {
        name,
        replicas,
        port,
        folder,
    } = place;
    let highest = u16::MAX - ROUTES_ABOVE - u16::from(replicas.saturating_sub(1));
    if port == 0 || port > highest {
        return Err(PlaceError::Ports {
            port,
            replicas,
            highest,
        });
    }
    // Numbers of servers are far below the distances: the ranges never meet.
    let servers = (0..replicas)
        .map(|i| server(name, i, port + u16::from(i), folder))
        .collect();
    Ok(Topology {
        cluster: name.to_owned(),
        servers,
    })
}

fn server(bus: &str, number: u8, port: u16, folder: &Folder) -> Server {
    let name = names::server(bus, number);
    let dir = folder.server(&name);
    // A folder's path is UTF-8, see `Folder`.
    let file = |file: &str| dir.join(file).to_string_lossy().into_owned();
    let files = ServerFiles {
        store_dir: file("store"),
        client_pem: file("client.pem"),
        client_ca: file("client-ca.crt"),
        route_pem: file("route.pem"),
        route_ca: file("route-ca.crt"),
        log: Some(file("log")),
    };
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Server {
        name,
        listen: loopback,
        client_host: loopback.to_string(),
        client_port: port,
        websocket_port: port + WEBSOCKETS_ABOVE,
        route_host: loopback.to_string(),
        route_port: port + ROUTES_ABOVE,
        monitor_port: None,
        dns_names: vec!["localhost".into()],
        addresses: vec![loopback, IpAddr::V6(Ipv6Addr::LOCALHOST)],
        files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn place(replicas: u8, port: u16) -> Result<Topology, PlaceError> {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        topology(Place {
            name: "fsc",
            replicas,
            port,
            folder: &folder,
        })
    }

    #[test]
    fn servers_stand_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        let found = topology(Place {
            name: "fsc",
            replicas: 3,
            port: 4222,
            folder: &folder,
        })
        .unwrap();
        let ports: Vec<_> = found
            .servers
            .iter()
            .map(|s| (s.name.as_str(), s.client_port, s.route_port))
            .collect();
        assert_eq!(
            ports,
            [
                ("fsc-0", 4222, 6222),
                ("fsc-1", 4223, 6223),
                ("fsc-2", 4224, 6224)
            ]
        );
        let shown =
            format!("{:#?}", found.servers[1]).replace(folder.path().to_str().unwrap(), "DIR");
        expect![[r#"
            Server {
                name: "fsc-1",
                listen: 127.0.0.1,
                client_host: "127.0.0.1",
                client_port: 4223,
                websocket_port: 5223,
                route_host: "127.0.0.1",
                route_port: 6223,
                monitor_port: None,
                dns_names: [
                    "localhost",
                ],
                addresses: [
                    127.0.0.1,
                    ::1,
                ],
                files: ServerFiles {
                    store_dir: "DIR/servers/fsc-1/store",
                    client_pem: "DIR/servers/fsc-1/client.pem",
                    client_ca: "DIR/servers/fsc-1/client-ca.crt",
                    route_pem: "DIR/servers/fsc-1/route.pem",
                    route_ca: "DIR/servers/fsc-1/route-ca.crt",
                    log: Some(
                        "DIR/servers/fsc-1/log",
                    ),
                },
            }"#]]
        .assert_eq(&shown);
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(place(3, 63533).unwrap().servers[2].route_port, 65535);
        assert_eq!(place(1, 63535).unwrap().servers[0].route_port, 65535);
        for (replicas, port) in [(3, 63534), (1, 63536), (5, 65535), (1, 0)] {
            let highest = 63536 - u16::from(replicas);
            assert_eq!(
                place(replicas, port),
                Err(PlaceError::Ports {
                    port,
                    replicas,
                    highest
                })
            );
        }
        expect!["--port 63534 leaves no room for 3 servers: clients' ports are 63534 and up, those of routes are 2000 higher, and both end at 65535. Choose a port from 1 to 63533"]
            .assert_eq(&place(3, 63534).unwrap_err().to_string());
    }
}
