//! Whether the ports of all servers are free, before any of them starts, and that of a listener which
//! one gets as it is restarted. In: the topology. Out: nothing, or the first port that is not to be had,
//! and for which server. It keeps no port.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use svom_plan::topology::{Server, Topology};

/// How long servers of a run that was killed may take to be gone.
const AFTER_CRASH: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A port that is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("port {port} on {address}, where {server} is to listen for {purpose}, {}", why(.source, *.port))]
pub struct PortError {
    /// The port.
    pub port: u16,
    /// The address.
    pub address: IpAddr,
    /// The server that wants it.
    pub server: String,
    /// What it wants it for: `clients`, `routes` or `websockets`.
    pub purpose: &'static str,
    /// What the system says.
    pub source: io::Error,
}

fn why(source: &io::Error, port: u16) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("is in use by another program: end that one (`ss -ltnp 'sport = :{port}'` names it), or choose another first port with --port")
        }
        io::ErrorKind::PermissionDenied => {
            "is not yours to use: ports below 1024 belong to root. Choose a higher first port with --port".into()
        }
        _ => format!("cannot be used: {source}. Choose another first port with --port"),
    }
}

/// Looks at every port once; after a crash again and again for a few seconds, because the servers of
/// the run that was killed may just be ending.
pub async fn all_free(
    topology: &Topology,
    websocket: bool,
    after_crash: bool,
) -> Result<(), PortError> {
    let patience = if after_crash {
        AFTER_CRASH
    } else {
        Duration::ZERO
    };
    let until = tokio::time::Instant::now() + patience;
    loop {
        match look(topology, websocket) {
            Err(taken) if in_use(&taken) && tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            found => return found,
        }
    }
}

fn in_use(error: &PortError) -> bool {
    error.source.kind() == io::ErrorKind::AddrInUse
}

fn look(topology: &Topology, websocket: bool) -> Result<(), PortError> {
    for server in &topology.servers {
        free(server, "clients", server.client_port)?;
        free(server, "routes", server.route_port)?;
        if websocket {
            websocket_free(server)?;
        }
    }
    Ok(())
}

/// Looks at the port of a server that does not listen for websockets yet.
pub fn websocket_free(server: &Server) -> Result<(), PortError> {
    free(server, "websockets", server.websocket_port)
}

fn free(server: &Server, purpose: &'static str, port: u16) -> Result<(), PortError> {
    let bound = TcpListener::bind((server.listen, port));
    bound.map(drop).map_err(|source| PortError {
        port,
        address: server.listen,
        server: server.name.clone(),
        purpose,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::folder::Folder;
    use super::super::topology::{Place, topology};
    use super::*;
    use expect_test::expect;

    fn three_from(port: u16) -> Topology {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        topology(Place {
            name: "fsc",
            replicas: 3,
            port,
            folder: &folder,
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_server() {
        let topology = three_from(4710);
        all_free(&topology, true, false).await.unwrap();
        let taken = TcpListener::bind(("127.0.0.1", 6711)).unwrap();
        let error = all_free(&topology, true, false).await.unwrap_err();
        expect!["port 6711 on 127.0.0.1, where fsc-1 is to listen for routes, is in use by another program: end that one (`ss -ltnp 'sport = :6711'` names it), or choose another first port with --port"].assert_eq(&error.to_string());
        drop(taken);
        all_free(&topology, true, false).await.unwrap();
    }

    #[tokio::test]
    async fn the_ports_of_websockets_are_looked_at_where_there_are_any() {
        let topology = three_from(4717);
        let _taken = TcpListener::bind(("127.0.0.1", 5719)).unwrap();
        all_free(&topology, false, false).await.unwrap();
        let error = all_free(&topology, true, false).await.unwrap_err();
        expect!["port 5719 on 127.0.0.1, where fsc-2 is to listen for websockets, is in use by another program: end that one (`ss -ltnp 'sport = :5719'` names it), or choose another first port with --port"].assert_eq(&error.to_string());
    }

    #[tokio::test]
    async fn after_a_crash_it_waits_for_what_is_ending() {
        let topology = three_from(4713);
        let taken = TcpListener::bind(("127.0.0.1", 4714)).unwrap();
        let (free, ()) = tokio::join!(all_free(&topology, false, true), async {
            tokio::task::yield_now().await;
            drop(taken);
        });
        free.unwrap();
    }
}
