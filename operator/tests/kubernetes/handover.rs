//! Of several processes one acts: after a kill, a stop and a clean exit of the one that does.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use svom_cluster::api_server::ApiServer;
use svom_operator::kubernetes::controller::{Failure, Key, Next, Observed, Reconcile};
use svom_operator::kubernetes::lease::Leading;
use svom_operator::kubernetes::process::{Format, Options, run};

use crate::support::{namespace, resource, shared, this_program, wait_here};

/// Where it is set, this program is one of the processes: the file in which it signs each of its acts.
const ACTS: &str = "SVOM_TEST_ACTS";
const NAME: &str = "SVOM_TEST_NAME";
const KUBECONFIG: &str = "KUBECONFIG";
const LEASE_SECONDS: f64 = 15.0;

/// Acts all the time.
struct Signs {
    file: PathBuf,
    name: String,
}

impl Reconcile for Signs {
    async fn reconcile(&self, _: &Key, _: &Observed, leading: &Leading) -> Result<Next, Failure> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.file)
            .unwrap();
        while leading.check().is_ok() {
            writeln!(file, "{}", self.name).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Next::WhenSomethingChanges)
    }

    async fn forget(&self, _: &Key) {}
}

/// One of the processes.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(server: &ApiServer, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        // It ends with this thread, and so with this program, at the latest.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(this_program())
            .args(["--exact", "handover::one_acts_at_a_time", "--nocapture"])
            .env(ACTS, folder.join("acts"))
            .env(NAME, name)
            .env(KUBECONFIG, server.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn says(&self, message: &str) -> bool {
        let log = fs::read_to_string(&self.log).unwrap();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.any(|line| line["message"] == message)
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the Lease says.
struct Lease(Value);

impl Lease {
    fn read(server: &ApiServer) -> Self {
        let lease = server
            .kubectl()
            .get(&["-n", "default", "lease", "tests"])
            .unwrap();
        Self(lease["spec"].clone())
    }

    fn holder(&self) -> &str {
        self.0["holderIdentity"].as_str().unwrap_or_default()
    }

    fn seconds(&self, field: &str) -> f64 {
        let time: jiff::Timestamp = self.0[field].as_str().unwrap().parse().unwrap();
        time.as_duration().as_secs_f64()
    }
}

#[test]
fn one_acts_at_a_time() {
    if let (Ok(acts), Ok(name)) = (std::env::var(ACTS), std::env::var(NAME)) {
        return be_one(acts.into(), name);
    }
    let server = shared();
    namespace(&server, "handover");
    server
        .kubectl()
        .apply(&resource("handover", "fsc", "{}"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let acts = folder.path().join("acts");
    let acted = || fs::read_to_string(&acts).unwrap_or_default();
    let acts_of = |name: &str| acted().lines().filter(|line| *line == name).count();
    let start = |name: &str| Process::start(&server, folder.path(), name);

    let mut first = start("first");
    wait_here("the first acts", || acts_of("first") > 0);
    let second = start("second");
    wait_here("the second waits", || second.says("waiting for the Lease"));

    // Killed, it cannot give the Lease back: it has to run out.
    first.signal(Signal::KILL);
    first.ended();
    let left = Lease::read(&server);
    assert_eq!(left.holder(), "first");
    wait_here("the second acts", || acts_of("second") > 0);
    let taken = Lease::read(&server);
    assert_eq!(taken.holder(), "second");
    let waited = taken.seconds("acquireTime") - left.seconds("renewTime");
    assert!(waited >= LEASE_SECONDS, "taken after {waited} s");

    // Stopped, it does not even know that time goes by; going on, it must not act.
    let mut third = start("third");
    wait_here("the third waits", || third.says("waiting for the Lease"));
    second.signal(Signal::STOP);
    wait_here("the third acts", || acts_of("third") > 0);
    let before = acts_of("second");
    second.signal(Signal::CONT);
    wait_here("the second has understood", || {
        second.says("the Lease is lost: everything is stopped")
    });
    assert_eq!(acts_of("second"), before);

    // Told to end, it gives the Lease back.
    third.signal(Signal::TERM);
    assert!(third.ended().success());
    assert!(third.says("the Lease is given back"));
    wait_here("the second acts again", || acts_of("second") > before);

    let mut order: Vec<String> = acted().lines().map(str::to_owned).collect();
    order.dedup();
    assert_eq!(order, ["first", "second", "third", "second"]);
}

/// One of the processes, until it is told to end.
fn be_one(file: PathBuf, name: String) {
    let options = Options {
        namespaces: vec!["handover".to_owned()],
        log: Format::Json,
        listen: None,
        identity: Some(name.clone()),
        kubeconfig: None,
        context: None,
        lease: "tests".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let make = |_| Signs {
        file: file.clone(),
        name: name.clone(),
    };
    runtime.block_on(run(options, make)).unwrap();
}
