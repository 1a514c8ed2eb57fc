//! The answering end. In: connections to the socket. Out: each request with a [`Responder`], to the
//! one who serves them. Every connection has a task of its own and bounds on everything it waits for,
//! so a client that hangs or vanishes holds nobody up; what it asked for is still done.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::folder::Folder;
use super::{Envelope, Line, REQUEST_MAX, Request, VERSION};

/// How long a client may take to send its request, or to take in a line.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many clients are served at a time.
const CLIENTS_MAX: usize = 32;
/// Lines of progress that wait for a slow client; further ones are left out.
const LINES_MAX: usize = 256;

/// What is said to those whose request is not served any more.
const ENDING: &str = "the bus is ending";

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// Where its answer goes.
    pub responder: Responder,
}

/// Takes the answer to one request. Nothing here waits for the client. Dropped without an answer, it
/// says that the bus is ending.
#[derive(Debug)]
pub struct Responder {
    progress: Progress,
    end: oneshot::Sender<Result<Value, String>>,
}

/// Where the answer to one request comes out.
#[derive(Debug)]
pub struct Answer {
    lines: mpsc::Receiver<String>,
    end: oneshot::Receiver<Result<Value, String>>,
}

/// Takes lines about what is being done.
#[derive(Clone, Debug)]
pub struct Progress(mpsc::Sender<String>);

impl Progress {
    /// Says what is being done; lost where the client is gone or far behind.
    pub fn say(&self, what: impl Into<String>) {
        let _ = self.0.try_send(what.into());
    }
}

impl Answer {
    /// The next line; after the last one there is none.
    async fn next(&mut self) -> Line {
        tokio::select! {
            biased;
            Some(line) = self.lines.recv() => Line::Progress(line),
            end = &mut self.end => match end {
                Ok(Ok(result)) => Line::Done(result),
                Ok(Err(why)) => Line::Failed(why),
                Err(_) => Line::Failed(ENDING.into()),
            },
        }
    }

    /// The result alone.
    #[cfg(test)]
    pub async fn result(mut self) -> Result<Value, String> {
        loop {
            match self.next().await {
                Line::Progress(_) => {}
                Line::Done(result) => return Ok(result),
                Line::Failed(why) => return Err(why),
            }
        }
    }
}

impl Responder {
    /// Both ends.
    pub fn new() -> (Self, Answer) {
        let (progress, lines) = mpsc::channel(LINES_MAX);
        let (into_end, end) = oneshot::channel();
        let progress = Progress(progress);
        (
            Self {
                progress,
                end: into_end,
            },
            Answer { lines, end },
        )
    }

    /// Where lines of progress go.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether nobody waits for the answer.
    pub fn is_closed(&self) -> bool {
        self.end.is_closed()
    }

    /// The answer: a result, or why there is none.
    pub fn end(self, answer: Result<Value, String>) {
        // A client that is gone needs none.
        let _ = self.end.send(answer);
    }
}

/// The listening socket.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: JoinSet<()>,
}

impl Control {
    /// Listens in the folder, for its owner alone. The caller holds the folder's lock, so a socket that
    /// is there was left behind.
    pub fn listen(folder: &Folder) -> io::Result<Self> {
        let path = folder.socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path,
            clients: JoinSet::new(),
        })
    }

    /// Hands every request on, for ever. It is safe to drop while it waits.
    pub async fn serve(&mut self, asked: &mpsc::Sender<Asked>) -> Infallible {
        loop {
            tokio::select! {
                // With all places taken, the next client waits in the system's queue.
                accepted = self.listener.accept(), if self.clients.len() < CLIENTS_MAX => match accepted {
                    Ok((stream, _)) => {
                        self.clients.spawn(serve_one(stream, asked.clone()));
                    }
                    // Out of file descriptors: the client waits until there are some.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
    }

    /// Takes the socket's name away: a later command is told that no bus runs here. To be called
    /// before the lock goes, for then the name may be another runner's.
    pub fn close(&self) {
        // One that cannot be removed refuses connections once this process has ended.
        let _ = fs::remove_file(&self.path);
    }

    /// Lets those who still wait for an answer have it, within the bound.
    pub async fn finish(mut self, bound: Duration) {
        let all = async { while self.clients.join_next().await.is_some() {} };
        // Who has not taken it by then is cut off.
        let _ = timeout(bound, all).await;
    }
}

async fn serve_one(stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let ours = rustix::process::geteuid().as_raw();
    let theirs = stream.peer_cred().map(|peer| peer.uid());
    let (read, mut write) = stream.into_split();
    // The socket is 0600 in a folder of 0700; this holds where somebody has opened them up.
    if !theirs.is_ok_and(|uid| uid == ours || uid == 0) {
        send(
            &mut write,
            &Line::Failed("this bus belongs to another user".into()),
        )
        .await;
        return;
    }
    let mut line = Vec::new();
    let mut bounded = BufReader::new(read.take(REQUEST_MAX as u64));
    match timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await {
        Ok(Ok(_)) => {}
        // Nobody who could be told.
        Ok(Err(_)) | Err(_) => return,
    }
    match parse(&line) {
        Ok(request) => answer(request, asked, &mut write).await,
        Err(why) => {
            send(&mut write, &Line::Failed(why)).await;
        }
    }
}

/// The request in a line, whatever the line is.
fn parse(line: &[u8]) -> Result<Request, String> {
    if !line.ends_with(b"\n") {
        return Err(format!(
            "a request is one line of at most {REQUEST_MAX} bytes: this one is longer, or was cut off"
        ));
    }
    let said = |error: serde_json::Error| format!("this is not a request: {error}");
    // The version first: another version's request may have another form.
    let envelope: Envelope<Value> = serde_json::from_slice(line).map_err(said)?;
    if envelope.version != VERSION {
        return Err(format!(
            "this bus is run by svom-messaging {VERSION} and the command is of version {}: use the same version for both. To change it, end the bus with Ctrl-C in its terminal (or SIGTERM to process {}) and start it again; nothing is lost",
            envelope.version.escape_debug(),
            std::process::id(),
        ));
    }
    Request::deserialize(envelope.request).map_err(said)
}

async fn answer(request: Request, asked: mpsc::Sender<Asked>, write: &mut OwnedWriteHalf) {
    let (responder, mut answer) = Responder::new();
    if asked.send(Asked { request, responder }).await.is_err() {
        send(write, &Line::Failed(ENDING.into())).await;
        return;
    }
    drop(asked);
    loop {
        let line = answer.next().await;
        let taken = send(write, &line).await;
        if !taken || !matches!(line, Line::Progress(_)) {
            return;
        }
    }
}

/// Sends a line; whether the client took it.
async fn send(write: &mut OwnedWriteHalf, line: &Line) -> bool {
    let Ok(mut bytes) = serde_json::to_vec(line) else {
        return false;
    };
    bytes.push(b'\n');
    matches!(timeout(PATIENCE, write.write_all(&bytes)).await, Ok(Ok(())))
}
