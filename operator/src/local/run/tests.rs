//! A runner with a recipe that only starts one server, in a process of its own: the test itself, begun
//! anew. Ports 4730 to 4733.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::super::control::Request;
use super::super::control::client::{AskError, ask};
use super::super::lock::LockError;
use super::super::process::Program;
use super::super::test_servers::{binary, gone, until, write_plain};
use super::*;

const HELPER: &str = "SVOM_TEST_RUNNER";

/// Starts one server; applies a text by giving it back.
struct Plain {
    servers: Servers,
    status: watch::Sender<Value>,
    looks: u32,
}

impl Recipe for Plain {
    type Error = String;

    async fn begin(&mut self) -> Result<(), String> {
        self.servers
            .add("a-0")
            .await
            .map_err(|error| error.to_string())?;
        self.servers
            .start("a-0")
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn apply(
        &mut self,
        resource: Resource,
        progress: &Progress,
        _: &Further,
    ) -> Result<Value, String> {
        progress.say(format!("reading {}", resource.file));
        match resource.text.as_str() {
            "wrong" => Err("this is wrong".into()),
            "long" => {
                self.status.send_replace(json!("applying"));
                std::future::pending().await
            }
            text => Ok(json!(text)),
        }
    }

    async fn look(&mut self) -> Value {
        self.looks += 1;
        json!({ "looks": self.looks })
    }

    async fn servers_changed(&mut self, states: States) {
        self.status
            .send_replace(json!(format!("{:?}", states["a-0"])));
    }

    async fn moment_came(&mut self) {}

    fn next_moment(&self) -> Option<UnixSeconds> {
        None
    }
}

/// What the second process does: runs a bus in the folder and says how it ended.
fn be_the_runner(folder: &Path) {
    let port = std::env::var("SVOM_TEST_PORT").unwrap().parse().unwrap();
    let left = block_on(async {
        let folder = Folder::create(folder).unwrap();
        let lock = Lock::take(&folder).unwrap();
        write_plain(&folder, "a-0", port);
        let servers = Servers::new(Program {
            binary: binary(),
            folder: folder.clone(),
        });
        let (status, last_status) = watch::channel(json!("nothing yet"));
        let recipe = Plain {
            servers: servers.clone(),
            status,
            looks: 0,
        };
        run(
            Run {
                folder,
                lock,
                servers,
                last_status,
            },
            recipe,
        )
        .await
    });
    println!("\nleft {:?}", left.unwrap().unwrap());
}

struct Runner {
    process: Child,
    folder: Folder,
    _root: tempfile::TempDir,
}

impl Runner {
    /// The runner, when its server is ready.
    fn start(test: &str, port: u16) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(&root.path().join("state")).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                &format!("local::run::tests::{test}"),
                "--nocapture",
            ])
            .env(HELPER, folder.path())
            .env("SVOM_TEST_PORT", port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let runner = Self {
            process,
            folder,
            _root: root,
        };
        let log = runner.folder.server("a-0").join("log");
        until("server is ready", || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Server is ready"))
        });
        runner
    }

    fn ask(&self, request: Request) -> Result<Value, AskError> {
        ask(&self.folder, &request, &mut |_| {})
    }

    fn server_pid(&self) -> u32 {
        let said = self
            .ask(Request::Start {
                server: "a-0".into(),
            })
            .unwrap();
        let said = said.as_str().unwrap();
        let pid = said
            .strip_prefix("server a-0 runs already (process ")
            .unwrap();
        pid.trim_end_matches(')').parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        send(self.process.id(), signal);
    }

    /// Waits for its end, and how it says it was.
    fn left(mut self) -> (String, Folder, tempfile::TempDir) {
        let lines = BufReader::new(self.process.stdout.take().unwrap()).lines();
        // All of it: a process that cannot print fails.
        let lines: Vec<_> = lines.map(Result::unwrap).collect();
        let left = lines.iter().find_map(|line| line.strip_prefix("left "));
        assert!(self.process.wait().unwrap().success());
        let root = std::mem::replace(&mut self._root, tempfile::tempdir().unwrap());
        (left.unwrap().to_owned(), self.folder.clone(), root)
    }
}

fn apply(folder: &Folder, text: &str) -> (Vec<String>, Result<Value, AskError>) {
    let request = Request::Apply {
        file: "bus.yaml".into(),
        text: text.into(),
    };
    let mut lines = Vec::new();
    let result = ask(folder, &request, &mut |line| lines.push(line.to_owned()));
    (lines, result)
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended, and its servers end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Whether this is the second process, which has then done its part.
fn was_the_runner() -> bool {
    let folder = std::env::var_os(HELPER);
    folder.is_some_and(|folder| {
        be_the_runner(Path::new(&folder));
        true
    })
}

#[test]
fn requests_are_served_until_down() {
    if was_the_runner() {
        return;
    }
    let runner = Runner::start("requests_are_served_until_down", 4730);
    let held = Lock::take(&runner.folder).unwrap_err();
    assert!(matches!(held, LockError::Held { pid, .. } if pid == Some(runner.process.id())));

    let (lines, result) = apply(&runner.folder, "right");
    assert_eq!(
        (lines, result.unwrap()),
        (vec!["reading bus.yaml".into()], json!("right"))
    );
    expect!["this is wrong"].assert_eq(&apply(&runner.folder, "wrong").1.unwrap_err().to_string());
    assert_eq!(runner.ask(Request::Status {}).unwrap(), json!({"looks": 1}));
    let unknown = runner
        .ask(Request::Kill { server: "b".into() })
        .unwrap_err()
        .to_string();
    expect!["there is no server b: this bus has a-0"].assert_eq(&unknown);

    // While a change hangs, servers obey and the status is what was last known.
    let pid = runner.server_pid();
    let folder = runner.folder.clone();
    let hanging = std::thread::spawn(move || apply(&folder, "long"));
    until("it applies", || {
        runner.ask(Request::Status {}).unwrap() == json!("applying")
    });
    let killed = runner
        .ask(Request::Kill {
            server: "a-0".into(),
        })
        .unwrap();
    assert_eq!(killed, json!("server a-0 was killed and stays down"));
    assert!(gone(pid));
    assert_eq!(
        runner.ask(Request::Down { delete: true }).unwrap(),
        Value::Null
    );
    let (lines, cut_short) = hanging.join().unwrap();
    assert_eq!(lines, ["reading bus.yaml"]);
    expect!["the bus is ending"].assert_eq(&cut_short.unwrap_err().to_string());
    let (left, folder, _root) = runner.left();
    assert_eq!(left, "Down { deleted: true }");
    assert!(!folder.path().exists());
}

#[test]
fn a_signal_ends_servers_in_order_also_one_started_again() {
    if was_the_runner() {
        return;
    }
    let runner = Runner::start(
        "a_signal_ends_servers_in_order_also_one_started_again",
        4731,
    );
    send(runner.server_pid(), Signal::KILL);
    let log = runner.folder.server("a-0").join("log");
    until("server is ready again", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.matches("Server is ready").count() == 2)
    });
    runner.server_pid();
    runner.signal(Signal::TERM);
    let (left, folder, _root) = runner.left();
    assert_eq!(left, "Signal(\"SIGTERM\")");
    let log = std::fs::read_to_string(folder.server("a-0").join("log")).unwrap();
    assert!(
        log.contains("Trapped \"terminated\" signal") && log.contains("Server Exiting"),
        "{log}"
    );
    assert!(!folder.socket().exists());
    assert!(!Lock::take(&folder).unwrap().after_crash());
}

#[test]
fn a_second_signal_ends_what_hangs() {
    if was_the_runner() {
        return;
    }
    let runner = Runner::start("a_second_signal_ends_what_hangs", 4732);
    let server = runner.server_pid();
    send(server, Signal::STOP);
    // The others are ignored where the tests themselves run in the background.
    runner.signal(Signal::TERM);
    until("it is ending", || !runner.folder.socket().exists());
    assert!(!gone(server));
    runner.signal(Signal::TERM);
    let (left, _folder, _root) = runner.left();
    assert_eq!(left, "Signal(\"SIGTERM\")");
    assert!(gone(server));
}

#[test]
fn a_runner_that_is_killed_leaves_a_folder_that_works_again() {
    if was_the_runner() {
        return;
    }
    let mut runner = Runner::start(
        "a_runner_that_is_killed_leaves_a_folder_that_works_again",
        4733,
    );
    let server = runner.server_pid();
    runner.signal(Signal::KILL);
    runner.process.wait().unwrap();
    until("server is gone", || gone(server));
    let error = runner.ask(Request::Status {}).unwrap_err();
    assert!(matches!(error, AskError::NotRunning(_)), "{error}");
    assert!(Lock::take(&runner.folder).unwrap().after_crash());
}
