//! An API server that stands alone, with its etcd: for tests of what talks to Kubernetes and needs no
//! pod to run. It is there in seconds, and can be stopped and started again.
//!
//! In: the programs, built from Kubernetes' own modules; a folder and ports of the loopback interface.
//! Out: a kubeconfig, kubectl, an audit log. No controller runs: what is deleted with its owner in a
//! cluster stays here, and no namespace is ever quite gone.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rcgen::KeyPair;
use tempfile::TempDir;

use crate::cache::Cache;
use crate::image::{api_server, ending_with_us};
use crate::kubectl::Kubectl;
use crate::progress::Progress;
use crate::versions::Versions;

/// Whoever shows this token may do anything.
const ADMIN: &str = "admin-of-the-tests";
/// Whoever shows this one is the user `limited`.
const LIMITED: &str = "limited-in-the-tests";
/// How long it may take to serve, on a machine that does much else.
const SERVES_WITHIN: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);

const AUDIT: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "Metadata"}]}"#;

/// An API server. It ends with its value, and with the process at the latest.
#[derive(Debug)]
pub struct ApiServer {
    folder: TempDir,
    kubectl: Kubectl,
    etcd: Running,
    server: Option<Running>,
    ports: Ports,
    programs: PathBuf,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    etcd: u16,
    peers: u16,
    server: u16,
}

impl ApiServer {
    /// Starts one, and returns when it serves.
    ///
    /// # Errors
    /// When its programs cannot be built, or it does not serve within minutes.
    pub fn start() -> Result<Self> {
        let versions = Versions::read()?;
        let kubernetes = versions.wanted_kubernetes()?;
        let programs = api_server(&Cache::open()?, kubernetes, &Progress::quiet())?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let ports = Ports::free()?;
        write_files(folder.path(), ports)?;
        let etcd = Running::start(
            etcd(&programs, folder.path(), ports),
            &folder.path().join("etcd.log"),
        )?;
        let kubeconfig = folder.path().join("kubeconfig");
        let kubectl = Kubectl::new(programs.join("kubectl"), kubeconfig);
        let mut server = Self {
            folder,
            kubectl,
            etcd,
            server: None,
            ports,
            programs,
        };
        server.go_on()?;
        Ok(server)
    }

    /// The kubeconfig of one who may do anything. Its context `limited` is one of a user of that name who
    /// has no rights but those that a test gives.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// kubectl of one who may do anything.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// A line for each request that was answered, as JSON.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// Kills the API server; etcd keeps what it knows.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it again, and returns when it serves.
    ///
    /// # Errors
    /// When it does not serve within minutes.
    pub fn go_on(&mut self) -> Result<()> {
        let log = self.folder.path().join("server.log");
        self.server = None;
        self.server = Some(Running::start(
            server(&self.programs, self.folder.path(), self.ports),
            &log,
        )?);
        let begun = Instant::now();
        while self.kubectl.run(["get", "--raw", "/readyz"]).is_err() {
            if begun.elapsed() > SERVES_WITHIN || self.has_ended() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = said.lines().collect();
                let last = lines
                    .get(lines.len().saturating_sub(20)..)
                    .unwrap_or_default();
                bail!(
                    "the API server does not serve; its last words:\n{}",
                    last.join("\n")
                );
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.etcd.has_ended() || self.server.as_ref().is_none_or(Running::has_ended)
    }
}

impl Ports {
    /// Ports that nobody has now. They are held until all are known, so that they differ.
    fn free() -> Result<Self> {
        let free = || TcpListener::bind(("127.0.0.1", 0)).context("no port is free");
        let listeners = [free()?, free()?, free()?];
        let mut ports = [0; 3];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr()?.port();
        }
        let [etcd, peers, server] = ports;
        Ok(Self {
            etcd,
            peers,
            server,
        })
    }
}

fn write_files(folder: &Path, ports: Ports) -> Result<()> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let kubeconfig = format!(
        r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "admin",
"clusters": [{{"name": "tests", "cluster": {{"server": "https://127.0.0.1:{}", "certificate-authority": "{}"}}}}],
"contexts": [{{"name": "admin", "context": {{"cluster": "tests", "user": "admin"}}}},
 {{"name": "limited", "context": {{"cluster": "tests", "user": "limited"}}}}],
"users": [{{"name": "admin", "user": {{"token": "{ADMIN}"}}}}, {{"name": "limited", "user": {{"token": "{LIMITED}"}}}}]}}"#,
        ports.server,
        folder.join("apiserver.crt").display(),
    );
    let files = [
        ("accounts.key", key.serialize_pem()),
        ("accounts.pub", key.public_key_pem()),
        (
            "tokens.csv",
            format!("{ADMIN},admin,1,system:masters\n{LIMITED},limited,2\n"),
        ),
        ("audit.json", AUDIT.to_owned()),
        ("kubeconfig", kubeconfig),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

fn etcd(programs: &Path, folder: &Path, ports: Ports) -> Command {
    let clients = format!("http://127.0.0.1:{}", ports.etcd);
    let peers = format!("http://127.0.0.1:{}", ports.peers);
    let mut etcd = ending_with_us(&programs.join("etcd"));
    etcd.arg("--data-dir").arg(folder.join("etcd"));
    // What it holds ends with the folder, so that no disk has to be waited for.
    etcd.args(["--unsafe-no-fsync", "--listen-client-urls", &clients]);
    etcd.args(["--advertise-client-urls", &clients]);
    etcd.args([
        "--listen-peer-urls",
        &peers,
        "--initial-advertise-peer-urls",
        &peers,
    ]);
    etcd.args(["--initial-cluster", &format!("default={peers}")]);
    etcd
}

fn server(programs: &Path, folder: &Path, ports: Ports) -> Command {
    let mut server = ending_with_us(&programs.join("kube-apiserver"));
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
    server.args([
        &format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        &format!("--secure-port={}", ports.server),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // There is nothing that would serve at a cluster's own addresses.
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://tests.invalid",
    ]);
    server.args([
        file("service-account-signing-key-file", "accounts.key"),
        file("service-account-key-file", "accounts.pub"),
        file("token-auth-file", "tokens.csv"),
        file("audit-policy-file", "audit.json"),
        file("audit-log-path", "audit.log"),
        format!("--cert-dir={}", folder.display()),
    ]);
    server
}

/// A process that runs. It is started by a thread of its own that stays, since the system ends such a
/// process with the thread that started it.
#[derive(Debug)]
struct Running {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let (started, start) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || match command.spawn() {
            Ok(child) => {
                // Who waits for the start is this thread's maker.
                let _ = started.send(Ok(()));
                attend(child, &stopped);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        });
        start
            .recv()
            .context("its thread ended")?
            .context("cannot start a program")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Until somebody drops the other end, or the child ends by itself.
fn attend(mut child: Child, stopped: &Receiver<()>) {
    while stopped.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
    }
    // It may have ended at this very moment, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has no process either.
            let _ = thread.join();
        }
    }
}
