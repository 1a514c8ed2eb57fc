//! Websockets, as a real API server takes what is made for them, and what is told of them. No server runs
//! there; what one makes of its configuration is tried elsewhere.

use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::Api;

use crate::support::{apply, in_namespace, resource, shared};
use crate::world::World;

const NAMESPACE: &str = "websockets";
const SPEC: &str = "{websocket: {enabled: true}, external: {hostnames: [bus.example.org]}, \
                    users: [{name: gate, publish: [data.vhf]}]}";

#[tokio::test]
async fn there_is_a_port_for_them_wherever_there_is_one_for_clients() {
    let server = shared();
    let calls = in_namespace(&server, NAMESPACE).await;
    let world = World {
        server: &calls,
        namespace: NAMESPACE,
    };
    apply(&server, &resource(NAMESPACE, "fsc", SPEC)).await;
    world.settle("fsc").await;

    let services: Api<Service> = Api::namespaced(calls.clone(), NAMESPACE);
    for name in ["fsc", "fsc-servers", "fsc-external"] {
        let spec = services.get(name).await.unwrap().spec.unwrap();
        let ports = spec.ports.unwrap();
        let found = ports.iter().find(|port| port.port == 8080);
        let target = found.unwrap().target_port.clone();
        assert_eq!(
            target,
            Some(IntOrString::String("websocket".to_owned())),
            "{name}"
        );
    }

    let each = |port: u16, scheme: &str| {
        let one = |number| format!("{scheme}://fsc-{number}.fsc-servers.{NAMESPACE}.svc:{port}");
        [0, 1, 2].map(one).join(",")
    };
    let secrets: Api<Secret> = Api::namespaced(calls.clone(), NAMESPACE);
    let handed = secrets.get("fsc-user-gate").await.unwrap().data.unwrap();
    let text = |key: &str| String::from_utf8(handed[key].0.clone()).unwrap();
    assert_eq!(text("url"), each(4222, "tls"));
    assert_eq!(text("websocket-url"), each(8080, "wss"));

    let told = world.observed("fsc").await.status.unwrap();
    let endpoints = told.endpoints.unwrap();
    assert_eq!(endpoints.websocket, Some(each(8080, "wss")));
    assert_eq!(
        endpoints.websocket_external.as_deref(),
        Some("wss://bus.example.org:8080")
    );
}
