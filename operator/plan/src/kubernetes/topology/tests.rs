use expect_test::expect;
use k8s_openapi::api::core::v1::{LoadBalancerStatus, ServicePort, ServiceSpec, ServiceStatus};

use super::*;

fn identity() -> Identity {
    Identity {
        namespace: "svom".to_owned(),
        name: "fsc".to_owned(),
        uid: "1".to_owned(),
    }
}

fn external(kind: ExternalType, hostnames: &[&str]) -> External {
    let parsed = |name: &&str| name.parse().ok();
    External {
        kind,
        annotations: Default::default(),
        source_ranges: Default::default(),
        dns_names: hostnames
            .iter()
            .filter(|name| parsed(name).is_none())
            .map(|name| (*name).to_owned())
            .collect(),
        addresses: hostnames.iter().filter_map(parsed).collect(),
    }
}

fn service(ingress: &[(&str, &str)], node_port: Option<i32>) -> Service {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let ingress = ingress.iter().map(|(ip, hostname)| LoadBalancerIngress {
        ip: some(ip),
        hostname: some(hostname),
        ..LoadBalancerIngress::default()
    });
    Service {
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort {
                port: CLIENT_PORT.into(),
                node_port,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            load_balancer: Some(LoadBalancerStatus {
                ingress: Some(ingress.collect()),
            }),
            ..ServiceStatus::default()
        }),
        ..Service::default()
    }
}

#[test]
fn a_server_with_a_way_from_outside() {
    let external = external(
        ExternalType::LoadBalancer,
        &["bus.example.org", "192.0.2.9"],
    );
    let service = service(
        &[
            ("192.0.2.1", ""),
            ("", "LB-1.example.net"),
            ("2001:db8::1", ""),
        ],
        None,
    );
    let topology = topology(&Place {
        identity: &identity(),
        replicas: 3,
        cluster_domain: Some("cluster.local"),
        outside: &outside(Some(&external), Some(&service)),
    });
    assert_eq!(topology.servers.len(), 3);
    expect![[r#"
        Server {
            name: "fsc-1",
            listen: 0.0.0.0,
            client_host: "fsc-1.fsc-servers.svom.svc.cluster.local",
            client_port: 4222,
            websocket_port: 8080,
            route_host: "fsc-1.fsc-servers.svom.svc.cluster.local",
            route_port: 6222,
            monitor_port: Some(
                8222,
            ),
            dns_names: [
                "bus.example.org",
                "fsc",
                "fsc-1.fsc-servers",
                "fsc-1.fsc-servers.svom",
                "fsc-1.fsc-servers.svom.svc",
                "fsc-1.fsc-servers.svom.svc.cluster.local",
                "fsc.svom",
                "fsc.svom.svc",
                "fsc.svom.svc.cluster.local",
                "lb-1.example.net",
                "localhost",
            ],
            addresses: [
                127.0.0.1,
                192.0.2.1,
                192.0.2.9,
                ::1,
                2001:db8::1,
            ],
            files: ServerFiles {
                store_dir: "/data",
                client_pem: "/etc/nats/fsc-1.client.pem",
                client_ca: "/etc/nats/clients-ca.crt",
                route_pem: "/etc/nats/fsc-1.route.pem",
                route_ca: "/etc/nats/routes-ca.crt",
                log: None,
            },
        }"#]]
    .assert_eq(&format!("{:#?}", topology.servers[1]));
}

#[test]
fn a_server_that_is_reached_from_inside_only() {
    let topology = topology(&Place {
        identity: &identity(),
        replicas: 1,
        cluster_domain: None,
        outside: &Outside::default(),
    });
    let server = &topology.servers[0];
    let told = format!(
        "{}\n{}\n{:?}",
        server.client_host,
        server.dns_names.join(" "),
        server.addresses
    );
    expect![[r#"
        fsc-0.fsc-servers.svom.svc
        fsc fsc-0.fsc-servers fsc-0.fsc-servers.svom fsc-0.fsc-servers.svom.svc fsc.svom fsc.svom.svc localhost
        [127.0.0.1, ::1]"#]].assert_eq(&told);
}

#[test]
fn where_clients_connect_from_outside() {
    let given = service(
        &[
            ("192.0.2.1", ""),
            ("", "lb.example.net"),
            ("2001:db8::1", ""),
        ],
        Some(30422),
    );
    let nothing = service(&[], None);
    let balanced = external(ExternalType::LoadBalancer, &[]);
    let named = external(ExternalType::LoadBalancer, &["bus.example.org"]);
    let on_nodes = external(ExternalType::NodePort, &["node-1.example.org", "192.0.2.7"]);
    let table = [
        (
            &balanced,
            &given,
            Some("tls://lb.example.net:4222,tls://192.0.2.1:4222,tls://[2001:db8::1]:4222"),
        ),
        (&balanced, &nothing, None),
        (&named, &nothing, Some("tls://bus.example.org:4222")),
        (
            &on_nodes,
            &given,
            Some("tls://node-1.example.org:30422,tls://192.0.2.7:30422"),
        ),
        (&on_nodes, &nothing, None),
    ];
    for (external, service, expected) in table {
        assert_eq!(external_url(external, service).as_deref(), expected);
    }
    assert_eq!(outside(None, Some(&given)), Outside::default());
    assert!(
        outside(Some(&on_nodes), Some(&given)).addresses.len() == 1,
        "what a balancer gave is not a node's"
    );
}

#[test]
fn the_way_by_websocket_from_outside_is_told_where_the_service_has_a_port_for_it() {
    let named = external(ExternalType::LoadBalancer, &["bus.example.org"]);
    let on_nodes = external(ExternalType::NodePort, &["192.0.2.1"]);
    let given = service(&[("192.0.2.9", "")], Some(30_422));
    let mut both = given.clone();
    let ports = both.spec.as_mut().and_then(|spec| spec.ports.as_mut());
    ports.expect("ports").push(ServicePort {
        port: WEBSOCKET_PORT.into(),
        node_port: Some(30_808),
        ..ServicePort::default()
    });
    let table = [
        (&named, &given, None),
        (&named, &both, Some("wss://bus.example.org:8080")),
        (&on_nodes, &given, None),
        (&on_nodes, &both, Some("wss://192.0.2.1:30808")),
    ];
    for (external, service, expected) in table {
        assert_eq!(
            external_websocket_url(external, service).as_deref(),
            expected
        );
    }
    assert_eq!(
        external_url(&on_nodes, &both).as_deref(),
        Some("tls://192.0.2.1:30422")
    );
}
