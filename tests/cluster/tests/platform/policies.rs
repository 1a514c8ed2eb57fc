//! NetworkPolicies: who reaches whom, by pod, namespace and port, on one node and across nodes, while
//! the kubelet's probes go on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bench::{Bench, on_node, text};

/// What each client reaches: `CLIENT PORT`, reached or not.
type Reach = BTreeMap<String, bool>;

struct Clients<'a> {
    bench: &'a Bench,
    /// Namespace and name.
    clients: Vec<(String, String)>,
    server: String,
}

impl Clients<'_> {
    /// Waits until each client reaches exactly what is named here: `CLIENT PORT`.
    fn reach(&self, what: &str, reached: &[&str]) -> Result<()> {
        let expected = self.every(|key| reached.contains(&key));
        let mut last = Reach::new();
        let done = self.bench.until(what, || {
            last = self.tried()?;
            Ok((last == expected).then_some(()))
        });
        done.with_context(|| format!("expected {expected:?}, found {last:?}"))
    }

    fn every(&self, is_reached: impl Fn(&str) -> bool) -> Reach {
        let keys = self
            .clients
            .iter()
            .flat_map(|(_, client)| ["8080", "9090"].map(|port| format!("{client} {port}")));
        keys.map(|key| (key.clone(), is_reached(&key))).collect()
    }

    fn tried(&self) -> Result<Reach> {
        let mut found = Reach::new();
        for (namespace, client) in &self.clients {
            let script = format!(
                "for port in 8080 9090; do \
                 curl -s -o /dev/null -m 2 http://{}:$port/ && echo yes || echo no; done",
                self.server
            );
            let answers = self.bench.sh(namespace, client, &script)?;
            for (port, answer) in ["8080", "9090"].iter().zip(answers.lines()) {
                found.insert(format!("{client} {port}"), answer == "yes");
            }
        }
        Ok(found)
    }
}

#[test]
fn what_enters_is_chosen_by_pod_namespace_and_port() -> Result<()> {
    let Some(mut bench) = Bench::new("ingress")? else {
        return Ok(());
    };
    let namespace = bench.namespace.clone();
    let outside = format!("{namespace}-outside");
    bench.create_namespace(&outside, &json!({"team": "science"}))?;
    let workers = bench.cluster.workers()?;
    let [here, there, ..] = workers.as_slice() else {
        anyhow::bail!("two workers are needed, there are {workers:?}");
    };
    // The policy is there before the server: the server becomes ready only if the kubelet's probe
    // passes the policy.
    bench.apply(&policy(&namespace, "server", &json!({"ingress": []})))?;
    bench.apply(&on_node(bench.server_pod(&namespace, "server"), here))?;
    let clients = [
        (&namespace, "neighbour", here),
        (&namespace, "friend", there),
        (&outside, "guest", here),
        (&outside, "stranger", there),
    ];
    for (namespace, name, node) in clients {
        bench.apply(&on_node(bench.idle_pod(namespace, name), node))?;
    }
    for (namespace, name, _) in clients {
        bench.ready(namespace, name)?;
    }
    let server = bench.ready(&namespace, "server")?;
    let bench = &bench;
    let clients = Clients {
        bench,
        clients: clients
            .map(|(namespace, name, _)| (namespace.clone(), name.to_owned()))
            .into(),
        server: text(&server, "/status/podIP")?,
    };
    clients.reach("nothing to enter", &[])?;

    let from = |peer: Value, port: u16| json!({"from": [peer], "ports": [{"port": port}]});
    let friends = json!({"podSelector": {"matchExpressions": [
        {"key": "app", "operator": "In", "values": ["friend", "neighbour"]},
    ]}});
    let guests = json!({
        "namespaceSelector": {"matchLabels": {"team": "science"}},
        "podSelector": {"matchLabels": {"app": "guest"}},
    });
    let both = json!({"ingress": [from(friends, 8080), from(guests, 9090)]});
    bench.apply(&policy(&namespace, "server", &both))?;
    clients.reach(
        "friends at one port and guests at the other",
        &["friend 8080", "guest 9090", "neighbour 8080"],
    )?;

    let everyone = json!({"namespaceSelector": {"matchLabels": {"team": "science"}}});
    bench.apply(&policy(
        &namespace,
        "server",
        &json!({"ingress": [from(everyone, 8080)]}),
    ))?;
    clients.reach(
        "the whole other namespace",
        &["guest 8080", "stranger 8080"],
    )?;

    bench.delete(&namespace, "networkpolicy", "server")?;
    let all = clients.every(|_| true).into_keys().collect::<Vec<_>>();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    clients.reach("everything without a policy", &all)?;
    let server = bench.ready(&namespace, "server")?;
    let restarts = server.pointer("/status/containerStatuses/0/restartCount");
    ensure!(
        restarts == Some(&json!(0)),
        "the probes have failed: {server}"
    );
    Ok(())
}

#[test]
fn what_leaves_is_chosen_by_pod_namespace_and_port() -> Result<()> {
    let Some(mut bench) = Bench::new("egress")? else {
        return Ok(());
    };
    let namespace = bench.namespace.clone();
    let servers = format!("{namespace}-servers");
    bench.create_namespace(&servers, &json!({"team": "platform"}))?;
    let workers = bench.cluster.workers()?;
    let [here, there, ..] = workers.as_slice() else {
        anyhow::bail!("two workers are needed, there are {workers:?}");
    };
    bench.apply(&on_node(bench.server_pod(&servers, "server"), here))?;
    for (name, node) in [("neighbour", here), ("distant", there)] {
        bench.apply(&on_node(bench.idle_pod(&namespace, name), node))?;
    }
    for name in ["neighbour", "distant"] {
        bench.ready(&namespace, name)?;
    }
    let server = bench.ready(&servers, "server")?;
    let bench = &bench;
    let clients = Clients {
        bench,
        clients: ["neighbour", "distant"]
            .map(|name| (namespace.clone(), name.to_owned()))
            .into(),
        server: text(&server, "/status/podIP")?,
    };
    let all = [
        "distant 8080",
        "distant 9090",
        "neighbour 8080",
        "neighbour 9090",
    ];
    clients.reach("everything without a policy", &all)?;

    let select =
        |rules: Value| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules});
    bench.apply(&policy_of(&namespace, "out", &select(json!([]))))?;
    clients.reach("nothing to leave", &[])?;

    let to = json!({
        "namespaceSelector": {"matchLabels": {"team": "platform"}},
        "podSelector": {"matchLabels": {"app": "server"}},
    });
    let named = json!([{"to": [to], "ports": [{"port": "first"}]}]);
    bench.apply(&policy_of(&namespace, "out", &select(named)))?;
    clients.reach(
        "the server's named port",
        &["distant 8080", "neighbour 8080"],
    )?;

    let range = json!([{
        "to": [{"ipBlock": {"cidr": format!("{}/32", clients.server)}}],
        "ports": [{"port": 9000, "endPort": 9100}],
    }]);
    bench.apply(&policy_of(&namespace, "out", &select(range)))?;
    clients.reach(
        "a range of ports at an address",
        &["distant 9090", "neighbour 9090"],
    )
}

fn policy(namespace: &str, app: &str, rules: &Value) -> Value {
    let mut spec =
        json!({"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"]});
    spec["ingress"] = rules["ingress"].clone();
    policy_of(namespace, app, &spec)
}

fn policy_of(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}
