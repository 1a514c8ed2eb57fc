//! Services: addresses of LoadBalancers, names, and the answer of a Service that is not there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_cluster::command;
use svom_cluster::kind::config::SERVICE_SUBNET;
use svom_cluster::notes::figure;

use crate::bench::{Bench, on_node, text};

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What curl says of a connection that was refused, and of one that got no answer.
const REFUSED: i32 = 7;

#[test]
fn load_balancers_have_addresses_that_nodes_and_pods_reach() -> Result<()> {
    let Some(bench) = Bench::new("load_balancers")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&bench.server_pod(namespace, "server"))?;
    let mut addresses = Vec::new();
    for (name, port) in [("one", "first"), ("two", "second")] {
        bench.apply(&service(
            namespace,
            name,
            port,
            &json!({"type": "LoadBalancer"}),
        ))?;
    }
    for name in ["one", "two"] {
        let address = bench.until("an address", || {
            let service = bench
                .kubectl()
                .get(&["--namespace", namespace, "service", name])?;
            Ok(text(&service, "/status/loadBalancer/ingress/0/ip").ok())
        })?;
        addresses.push(address);
    }
    ensure!(
        addresses[0] != addresses[1],
        "two Services have {}",
        addresses[0]
    );
    bench.ready(namespace, "server")?;
    for worker in bench.cluster.workers()? {
        bench.apply(&on_node(bench.idle_pod(namespace, &worker), &worker))?;
        bench.ready(namespace, &worker)?;
        for address in &addresses {
            bench.until(&format!("{address} to answer in {worker}"), || {
                let script = format!("curl -s -o /dev/null -m 5 http://{address}/");
                let outcome = bench.outcome(namespace, &worker, &script)?;
                Ok(outcome.status.success().then_some(()))
            })?;
        }
    }
    for address in &addresses {
        bench.until(&format!("{address} to answer outside"), || {
            Ok(answers_outside(&bench, address)?.then_some(()))
        })?;
    }
    Ok(())
}

/// Whether what is on the nodes' network, and is no node, gets an answer.
fn answers_outside(bench: &Bench, address: &str) -> Result<bool> {
    let engine = bench.cluster.engine().context("no engine")?;
    let script = format!(
        "exec 3<>/dev/tcp/{address}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
    );
    let mut ask = engine.command("timeout");
    ask.args(["5", "bash", "-c", &script]);
    let outcome = command::outcome(&mut ask, &[], ANSWERS_WITHIN)?;
    Ok(String::from_utf8_lossy(&outcome.stdout).contains("200 OK"))
}

#[test]
fn a_new_name_is_found_although_it_was_asked_for_before() -> Result<()> {
    let Some(bench) = Bench::new("new_name")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&bench.idle_pod(namespace, "asker"))?;
    bench.ready(namespace, "asker")?;
    let name = format!("server.late.{namespace}.svc.cluster.local");
    let ask = format!("python3 -c \"import socket; print(socket.gethostbyname('{name}.'))\"");
    for _ in 0..3 {
        let asked = bench.outcome(namespace, "asker", &ask)?;
        ensure!(!asked.status.success(), "{name} is known before it exists");
    }
    bench.apply(&service(
        namespace,
        "late",
        "first",
        &json!({"clusterIP": "None"}),
    ))?;
    let mut server = bench.server_pod(namespace, "server");
    server["spec"]["hostname"] = json!("server");
    server["spec"]["subdomain"] = json!("late");
    bench.apply(&server)?;
    let address = text(&bench.ready(namespace, "server")?, "/status/podIP")?;
    let began = Instant::now();
    bench.until("the name", || {
        let asked = bench.outcome(namespace, "asker", &ask)?;
        let found = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        Ok((found == address).then_some(()))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    figure(
        "a ready pod's name is found after",
        format!("{seconds:.1} s"),
    )
}

#[test]
fn a_service_that_is_not_there_refuses_at_once() -> Result<()> {
    let Some(bench) = Bench::new("no_service")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&bench.idle_pod(namespace, "asker"))?;
    bench.ready(namespace, "asker")?;
    // The last but one address of the Services, which none gets unless it asks for it.
    let (network, _) = SERVICE_SUBNET.split_once(".0.0/").context("no /16")?;
    let script = format!("curl -s -m 60 http://{network}.255.254:4222/");
    let outcome = bench.outcome(namespace, "asker", &script)?;
    ensure!(
        outcome.status.code() == Some(REFUSED),
        "curl ends with {:?}",
        outcome.status
    );
    Ok(())
}

fn service(namespace: &str, name: &str, port: &str, more: &Value) -> Value {
    let mut spec = json!({
        "selector": {"app": "server"},
        "ports": [{"port": 80, "targetPort": port}],
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}
