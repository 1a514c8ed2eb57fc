//! A bus for the tests of this crate.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use svom_plan::topology::{Server, ServerFiles, Topology};
use svom_plan::valid::UserName;
use svom_plan::{UnixSeconds, Valid};

use crate::resource::checked;

const RESOURCE: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  replicas: 1
  tls: {extraDnsNames: ['*.example.org'], clientCertificates: Required}
  users: [{name: ann}, {name: bob, authentication: NKey}]
";

pub(crate) fn now() -> UnixSeconds {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Ann with a password and Bob with an NKey, both generated; clients show certificates.
pub(crate) fn bus() -> Valid {
    static BUS: LazyLock<Valid> = LazyLock::new(|| checked(RESOURCE.as_bytes()).unwrap());
    BUS.clone()
}

/// Lets a user bring its credentials.
pub(crate) fn bring(valid: &mut Valid, user: &str, secret: &str) {
    valid.users.get_mut(&UserName::new(user)).unwrap().secret = Some(secret.to_owned());
}

/// Servers on loopback, clients from 4500 and routes from 6500 on.
pub(crate) fn servers(count: u16) -> Topology {
    let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = |i| Server {
        name: format!("fsc-{i}"),
        listen,
        client_host: "127.0.0.1".to_owned(),
        client_port: 4500 + i,
        websocket_port: 5500 + i,
        route_host: "127.0.0.1".to_owned(),
        route_port: 6500 + i,
        monitor_port: None,
        dns_names: vec!["localhost".to_owned()],
        addresses: vec![listen],
        files: ServerFiles {
            store_dir: String::new(),
            client_pem: String::new(),
            client_ca: String::new(),
            route_pem: String::new(),
            route_ca: String::new(),
            log: None,
        },
    };
    Topology {
        cluster: "fsc".to_owned(),
        servers: (0..count).map(server).collect(),
    }
}
