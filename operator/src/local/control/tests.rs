use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::super::folder::Folder;
use super::client::{AskError, ask};
use super::server::{Asked, Control};
use super::*;

/// A runner that repeats what it is asked, with two lines of progress before.
async fn echo(mut control: Control) -> Infallible {
    let (asked, mut requests) = mpsc::channel::<Asked>(4);
    let answers = async {
        while let Some(Asked { request, responder }) = requests.recv().await {
            responder.progress().say("one");
            responder.progress().say("two");
            responder.end(match request {
                Request::Kill { server } => Err(format!("there is no {server}")),
                other => Ok(serde_json::to_value(other).unwrap()),
            });
        }
    };
    tokio::join!(control.serve(&asked), answers).0
}

fn folder() -> (tempfile::TempDir, Folder) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    (root, folder)
}

type Answer = (Vec<String>, Result<Value, AskError>);

fn ask_all(folder: &Folder, request: &Request) -> Answer {
    let mut lines = Vec::new();
    let result = ask(folder, request, &mut |line| lines.push(line.to_owned()));
    (lines, result)
}

/// Runs the clients in a thread of their own, beside the runner.
async fn beside<T: Send + 'static>(
    folder: &Folder,
    clients: impl FnOnce(Folder) -> T + Send + 'static,
) -> T {
    let control = Control::listen(folder).unwrap();
    let folder = folder.clone();
    tokio::select! {
        never = echo(control) => match never {},
        done = spawn_blocking(move || clients(folder)) => done.unwrap(),
    }
}

#[tokio::test]
async fn a_request_is_answered_with_progress_and_result() {
    let (_root, folder) = folder();
    // What a runner that was killed left behind is no obstacle.
    std::fs::write(folder.socket(), "").unwrap();
    let (lines, result) = beside(&folder, |folder| {
        let mode = std::fs::metadata(folder.socket())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = "spec: {}\n\u{1}\"é".repeat(60_000);
        ask_all(
            &folder,
            &Request::Apply {
                file: "bus.yaml".into(),
                text,
            },
        )
    })
    .await;
    assert_eq!(lines, ["one", "two"]);
    let text = "spec: {}\n\u{1}\"é".repeat(60_000);
    assert_eq!(
        result.unwrap(),
        json!({"apply": {"file": "bus.yaml", "text": text}})
    );
}

#[tokio::test]
async fn a_refusal_and_a_request_too_long_are_said() {
    let (_root, folder) = folder();
    let said = beside(&folder, |folder| {
        let kill = ask_all(
            &folder,
            &Request::Kill {
                server: "fsc-9".into(),
            },
        );
        let text = "x".repeat(REQUEST_MAX);
        let long = ask_all(
            &folder,
            &Request::Apply {
                file: "f".into(),
                text,
            },
        );
        [kill, long]
            .map(|(_, result)| result.unwrap_err().to_string())
            .join("\n")
    })
    .await;
    expect![[r#"
        there is no fsc-9
        the request is 2097215 bytes long and at most 2097152 are read: make the resource smaller"#]]
    .assert_eq(&said);
}

/// What comes back for bytes that no client of ours sends.
async fn raw(bytes: Vec<u8>, expected: Expect) {
    let (_root, folder) = folder();
    let said = beside(&folder, move |folder| {
        let mut stream = UnixStream::connect(folder.socket()).unwrap();
        // The runner may close before it has all.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = String::new();
        BufReader::new(stream).read_line(&mut said).unwrap();
        said
    })
    .await;
    expected.assert_eq(&said.replace(&std::process::id().to_string(), "PID"));
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    raw(
        b"hello\n".into(),
        expect![[r#"
        {"failed":"this is not a request: expected value at line 1 column 1"}
    "#]],
    )
    .await;
    raw(b"{\"version\":\"0.0.9\",\"request\":{\"explode\":1}}\n".into(), expect![[r#"
        {"failed":"this bus is run by svom-messaging 0.1.0 and the command is of version 0.0.9: use the same version for both. To change it, end the bus with Ctrl-C in its terminal (or SIGTERM to process PID) and start it again; nothing is lost"}
    "#]]).await;
    raw(b"{\"version\":\"0.1.0\",\"request\":{\"explode\":1}}\n".into(), expect![[r#"
        {"failed":"this is not a request: unknown variant `explode`, expected one of `status`, `apply`, `kill`, `stop`, `start`, `down`"}
    "#]]).await;
    raw(b"{\"version\":\"0.1.0\",\"requ".into(), expect![[r#"
        {"failed":"a request is one line of at most 2097152 bytes: this one is longer, or was cut off"}
    "#]]).await;
    let mut long = vec![b'x'; REQUEST_MAX];
    long.push(b'\n');
    raw(long, expect![[r#"
        {"failed":"a request is one line of at most 2097152 bytes: this one is longer, or was cut off"}
    "#]]).await;
}

#[tokio::test]
async fn clients_that_hang_or_vanish_hold_nobody_up() {
    let (_root, folder) = folder();
    let answer = beside(&folder, |folder| {
        let hanging: Vec<_> = (0..8)
            .map(|_| UnixStream::connect(folder.socket()).unwrap())
            .collect();
        for _ in 0..8 {
            let mut vanishing = UnixStream::connect(folder.socket()).unwrap();
            vanishing
                .write_all(b"{\"version\":\"0.1.0\",\"request\":{\"status\":{}}}\n")
                .unwrap();
        }
        let answer = ask_all(&folder, &Request::Status {});
        drop(hanging);
        answer
    })
    .await;
    assert_eq!(answer.0, ["one", "two"]);
    assert_eq!(answer.1.unwrap(), json!({"status": {}}));
}

#[tokio::test]
async fn without_a_runner_it_is_said_what_to_do() {
    let (_root, folder) = folder();
    let said = |folder: &Folder| {
        let error = ask_all(folder, &Request::Status {})
            .1
            .unwrap_err()
            .to_string();
        error.replace(folder.path().to_str().unwrap(), "DIR")
    };
    let expected = expect![
        "no bus runs in DIR: start one with `svom-messaging local up`, or name its folder with --dir"
    ];
    expected.assert_eq(&said(&folder));
    let listener = std::os::unix::net::UnixListener::bind(folder.socket()).unwrap();
    drop(listener);
    expected.assert_eq(&said(&folder));
    std::fs::remove_file(folder.socket()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.socket()).unwrap();
    let runner = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    });
    expect!["the runner in DIR ended before it answered: its own terminal says why"]
        .assert_eq(&said(&folder));
    runner.join().unwrap();
}

#[tokio::test]
async fn a_runner_that_ends_says_so_to_those_who_wait() {
    let (_root, folder) = folder();
    let mut control = Control::listen(&folder).unwrap();
    let client = folder.clone();
    let waiting = spawn_blocking(move || ask_all(&client, &Request::Status {}));
    let (asked, mut requests) = mpsc::channel(1);
    let request = tokio::select! {
        never = control.serve(&asked) => match never {},
        request = requests.recv() => request.unwrap(),
    };
    control.close();
    drop(request);
    control.finish(Duration::from_secs(20)).await;
    expect!["the bus is ending"].assert_eq(&waiting.await.unwrap().1.unwrap_err().to_string());
    assert!(!folder.socket().exists());
}
