//! The program itself: what it says of itself over HTTP, what it writes when there is nothing to do, and
//! how it ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use svom_cluster::api_server::ApiServer;

use crate::support::{namespace, resource, shared, wait_here};

const NAMESPACE: &str = "process";
/// Renewals of the Lease during which nothing else is written.
const RENEWALS: usize = 5;

const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator, namespace: process}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator, namespace: process}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
---
";

struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(server: &ApiServer, folder: &std::path::Path) -> Self {
        let log = folder.join("log");
        // It ends with this thread, and so with this program, at the latest.
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                env!("CARGO_BIN_EXE_svom-messaging"),
            ])
            .args([
                "run",
                "--log=json",
                "--listen=127.0.0.1:0",
                "--identity=alone",
            ])
            .args(["--kubeconfig", &kubeconfig(server, folder)])
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn said(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn says(&self, message: &str) -> bool {
        self.said().iter().any(|line| line["message"] == message)
    }

    /// The body of a page with its status, once there is a server.
    fn page(&self, path: &str) -> Option<String> {
        let said = self.said();
        let address = said.iter().find_map(|line| line["listening"].as_str())?;
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        Some(format!("{status} {body}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kubeconfig, as of the user who has only the rights that a test gives, in the namespace.
fn kubeconfig(server: &ApiServer, folder: &std::path::Path) -> String {
    let text = fs::read_to_string(server.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["current-context"] = "limited".into();
    for context in config["contexts"].as_array_mut().unwrap() {
        context["context"]["namespace"] = NAMESPACE.into();
    }
    let file = folder.join("kubeconfig");
    fs::write(&file, config.to_string()).unwrap();
    file.display().to_string()
}

/// What the program asked the API server for: the verb and the path.
fn asked(server: &ApiServer) -> Vec<(String, String)> {
    let log = fs::read_to_string(server.audit_log()).unwrap();
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let its = events.filter(|event| event["user"]["username"] == "limited");
    let its = its.filter(|event| {
        let uri = event["requestURI"].as_str().unwrap_or_default();
        uri.contains("/namespaces/process/")
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    its.map(|event| (text(&event["verb"]), text(&event["requestURI"])))
        .collect()
}

fn is_write(verb: &str) -> bool {
    !["get", "list", "watch"].contains(&verb)
}

#[test]
fn it_says_how_it_is_writes_nothing_at_rest_and_ends_well() {
    let server = shared();
    namespace(&server, NAMESPACE);
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&server, folder.path());

    // Without rights it cannot even look at the Lease, and says so.
    let refused = "the Lease cannot be read or written; trying again";
    wait_here("it is refused", || program.says(refused));
    assert_eq!(
        program.page("/readyz").unwrap(),
        "503 the Lease was not read yet\n"
    );
    assert_eq!(program.page("/healthz").unwrap(), "200 ok\n");
    assert!(
        program
            .page("/metrics")
            .unwrap()
            .contains("\nsvom_messaging_leader 0\n")
    );

    server
        .kubectl()
        .apply(&(RIGHTS.to_owned() + &resource(NAMESPACE, "fsc", "{paused: true}")))
        .unwrap();
    wait_here("it leads", || program.says("this process leads"));
    wait_here("it is ready", || {
        program.page("/readyz").unwrap() == "200 ok\n"
    });
    wait_here("the resource is looked at", || {
        let metrics = program.page("/metrics").unwrap();
        metrics.contains("\nsvom_messaging_leader 1\n")
            && metrics.contains("svom_messaging_reconciles_total{result=\"done\"}")
    });

    // From now on it writes its Lease, and nothing else.
    let before = asked(&server).len();
    let since = || asked(&server).split_off(before);
    let renewals = |asked: &[(String, String)]| {
        asked
            .iter()
            .filter(|(verb, uri)| is_write(verb) && uri.contains("/leases/"))
            .count()
    };
    wait_here("it renews its Lease", || renewals(&since()) >= RENEWALS);
    let other: Vec<_> = since()
        .into_iter()
        .filter(|(verb, uri)| is_write(verb) && !uri.contains("/leases/"))
        .collect();
    assert!(other.is_empty(), "{other:?}");

    let id = i32::try_from(program.child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    assert!(program.child.wait().unwrap().success());
    let lease = ["-n", NAMESPACE, "lease", "svom-messaging"];
    let lease = server.kubectl().get(&lease).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], Value::Null);
    assert!(program.says("the Lease is given back"));
}
