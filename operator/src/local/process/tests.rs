//! Against the real server. Ports 4720 to 4729.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};

use super::super::test_servers::{binary, gone, until, write_plain};
use super::*;

struct Bus {
    servers: Servers,
    folder: Folder,
    _root: tempfile::TempDir,
}

impl Bus {
    async fn of(servers: &[(&str, u16)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        let program = Program {
            binary: binary(),
            folder: folder.clone(),
        };
        let bus = Self {
            servers: Servers::new(program),
            folder,
            _root: root,
        };
        for (name, port) in servers {
            write_plain(&bus.folder, name, *port);
            bus.servers.add(name).await.unwrap();
        }
        bus
    }

    /// Waits for a state that is as asked.
    async fn state(&self, name: &str, so: impl Fn(&State) -> bool) -> State {
        let mut watch = self.servers.watch();
        let waited = watch.wait_for(|states| states.get(name).is_some_and(&so));
        let found = tokio::time::timeout(Duration::from_secs(30), waited).await;
        let states = found.expect("the state does not come").unwrap();
        states[name].clone()
    }

    async fn started(&self, name: &str) -> u32 {
        match self.servers.start(name).await {
            Ok(Started::Now(pid)) => pid,
            other => panic!("{other:?}"),
        }
    }
}

fn crash(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// Waits until the server says that it is ready: before that it may end on a signal without a word.
fn ready(folder: &Folder, name: &str) {
    let log = folder.server(name).join("log");
    until("server is ready", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Server is ready"))
    });
}

/// A client that the server has greeted, counted and answered.
fn client(port: u16) -> TcpStream {
    until("server listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"CONNECT {}\r\nPING\r\n").unwrap();
    let lines = BufReader::new(client.try_clone().unwrap()).lines();
    lines
        .map(Result::unwrap)
        .find(|line| line == "PONG")
        .unwrap();
    client
}

#[tokio::test]
async fn a_server_that_dies_is_started_again() {
    let bus = Bus::of(&[("a-0", 4720)]).await;
    let first = bus.started("a-0").await;
    ready(&bus.folder, "a-0");
    crash(first);
    let paused = bus
        .state("a-0", |state| matches!(state, State::Restarting { .. }))
        .await;
    let State::Restarting {
        ended,
        times: 1,
        pause,
    } = paused
    else {
        panic!("{paused:?}")
    };
    assert_eq!(ended, "was ended by signal 9 from outside");
    assert_eq!(pause, Duration::from_millis(200));
    let again = bus
        .state("a-0", |state| matches!(state, State::Running { .. }))
        .await;
    assert_ne!(again, State::Running { pid: first });
    bus.servers.shutdown(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_server_killed_by_hand_stays_down_until_it_is_started() {
    let bus = Bus::of(&[("a-0", 4721), ("a-1", 4722)]).await;
    let first = bus.started("a-0").await;
    let other = bus.started("a-1").await;
    ready(&bus.folder, "a-0");
    assert_eq!(bus.servers.kill("a-0").await, Ok(Ended::AsTold));
    assert!(gone(first));
    let log = std::fs::read_to_string(bus.folder.server("a-0").join("log")).unwrap();
    assert!(
        !log.contains("Trapped"),
        "a crash comes without a word: {log}"
    );
    let expected = [
        ("a-0".into(), State::Down(Why::Killed)),
        ("a-1".into(), State::Running { pid: other }),
    ];
    assert_eq!(bus.servers.states(), States::from(expected));
    assert_eq!(bus.servers.kill("a-0").await, Ok(Ended::WasDown));
    let second = bus.started("a-0").await;
    assert_ne!(first, second);
    assert_eq!(bus.servers.start("a-0").await, Ok(Started::Already(second)));
    assert_eq!(
        bus.servers.remove("a-0").await,
        Err(ServersError::NotDown { name: "a-0".into() })
    );
    bus.servers.shutdown(Duration::from_secs(20)).await;
    assert!(gone(second) && gone(other));
    assert_eq!(bus.servers.start("a-0").await, Err(ServersError::Leaving));
}

#[tokio::test]
async fn a_stopped_server_leaves_in_lame_duck() {
    let bus = Bus::of(&[("a-0", 4723)]).await;
    bus.started("a-0").await;
    ready(&bus.folder, "a-0");
    assert_eq!(
        bus.servers.stop("a-0", LAME_DUCK_BOUND).await,
        Ok(Ended::AsTold)
    );
    assert_eq!(bus.servers.states()["a-0"], State::Down(Why::Stopped));
    let log = std::fs::read_to_string(bus.folder.server("a-0").join("log")).unwrap();
    assert!(log.contains("Entering lame duck mode"), "{log}");

    // With a client it goes on for its grace period; a bound ends that, and so does a shutdown.
    bus.started("a-0").await;
    let _client = client(4723);
    assert_eq!(
        bus.servers.stop("a-0", Duration::from_millis(50)).await,
        Ok(Ended::Forced)
    );

    bus.started("a-0").await;
    let _client = client(4723);
    let (stopped, ()) = tokio::join!(bus.servers.stop("a-0", LAME_DUCK_BOUND), async {
        bus.state("a-0", |state| matches!(state, State::Ending { .. }))
            .await;
        assert_eq!(
            bus.servers.start("a-0").await,
            Err(ServersError::StillEnding { name: "a-0".into() })
        );
        bus.servers.shutdown(LAME_DUCK_BOUND).await;
    });
    assert_eq!(stopped, Ok(Ended::AsTold));
}

#[tokio::test]
async fn a_server_that_cannot_run_says_why() {
    let bus = Bus::of(&[("a-0", 4724), ("a-1", 4724), ("a-2", 4725)]).await;
    bus.started("a-0").await;
    until("server listens", || {
        TcpStream::connect(("127.0.0.1", 4724)).is_ok()
    });
    std::fs::write(
        bus.folder.server("a-2").join("server.json"),
        r#"{"port": 4725, "nonsense": 1}"#,
    )
    .unwrap();
    let mut said = String::new();
    for name in ["a-1", "a-2"] {
        bus.started(name).await;
        let state = bus
            .state(name, |state| {
                matches!(state, State::Restarting { times: 2, .. })
            })
            .await;
        let State::Restarting { ended, .. } = state else {
            panic!("{state:?}")
        };
        said += &format!(
            "{name} {}\n",
            ended.replace(bus.folder.path().to_str().unwrap(), "DIR")
        );
        assert_eq!(bus.servers.kill(name).await, Ok(Ended::WasDown));
    }
    expect![[r#"
        a-1 ended by itself with code 1: Error listening on port: 127.0.0.1:4724, "listen tcp 127.0.0.1:4724: bind: address already in use"
        a-2 ended by itself with code 1: DIR/servers/a-2/server.json:1:16: unknown field "nonsense"
    "#]].assert_eq(&said);
    let unknown = bus.servers.start("../a").await.unwrap_err().to_string();
    expect!["there is no server ../a: this bus has a-0, a-1, a-2"].assert_eq(&unknown);
    bus.servers.shutdown(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_program_that_is_none_says_so() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    write_plain(&folder, "a-0", 4726);
    let servers = Servers::new(Program {
        binary: folder.path().join("no-such"),
        folder: folder.clone(),
    });
    servers.add("a-0").await.unwrap();
    let error = servers.start("a-0").await.unwrap_err().to_string();
    expect!["server a-0 cannot be started: DIR/no-such: No such file or directory (os error 2)"]
        .assert_eq(&error.replace(folder.path().to_str().unwrap(), "DIR"));
}

/// Kills the process when the test ends, however it ends.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The test starts this very test in a second process, which starts servers and is then killed.
#[tokio::test]
async fn servers_die_with_a_runner_that_is_killed() {
    const HELPER: &str = "SVOM_TEST_IN_THE_SECOND_PROCESS";
    if std::env::var_os(HELPER).is_some() {
        let bus = Bus::of(&[("a-0", 4727), ("a-1", 4728)]).await;
        println!(
            "\npids {} {}",
            bus.started("a-0").await,
            bus.started("a-1").await
        );
        return std::future::pending().await;
    }
    // The helper, killed, cannot clean up behind itself; its temporary folder lies in ours.
    let root = tempfile::tempdir().unwrap();
    let test = "local::process::tests::servers_die_with_a_runner_that_is_killed";
    let mut helper = Helper(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(HELPER, "1")
            .env("TMPDIR", root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(helper.0.stdout.take().unwrap()).lines();
    let said = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("pids ").map(str::to_owned));
    let pids: Vec<u32> = said
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.len() == 2 && !pids.iter().any(|pid| gone(*pid)));
    drop(helper);
    until("servers are gone", || pids.iter().all(|pid| gone(*pid)));
}
