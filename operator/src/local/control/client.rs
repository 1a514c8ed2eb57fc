//! The asking end. In: the state folder and a request. Out: each line of progress as it comes, then
//! the result; or why there is none, in words for people. It blocks, and needs no runtime.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::super::folder::Folder;
use super::super::lock;
use super::{Envelope, Line, REQUEST_MAX, Request, VERSION};

/// How long the answer to a question may take. What acts takes the time it takes, and is cut short
/// with Ctrl-C.
const STATUS_PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no bus runs in {}: start one with `svom-messaging local up`, or name its folder with --dir", .0.display())]
    NotRunning(PathBuf),
    /// The request is larger than what is read.
    #[error(
        "the request is {0} bytes long and at most {REQUEST_MAX} are read: make the resource smaller"
    )]
    TooLong(usize),
    /// The runner said that it is not done.
    #[error("{0}")]
    Refused(String),
    /// The runner went away first.
    #[error("the runner in {} ended before it answered: its own terminal says why", .0.display())]
    Gone(PathBuf),
    /// The runner says nothing.
    #[error("the runner in {}{} does not answer: see its terminal; if it hangs, end it there with Ctrl-C twice", folder.display(), pid.map_or_else(String::new, |pid| format!(" (process {pid})")))]
    Silent {
        /// The state folder.
        folder: PathBuf,
        /// The runner's process.
        pid: Option<u32>,
    },
    /// The socket cannot be used.
    #[error("the runner in {} cannot be asked: {source}", folder.display())]
    Socket {
        /// The state folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Asks, and waits for the result.
pub fn ask(
    folder: &Folder,
    request: &Request,
    progress: &mut dyn FnMut(&str),
) -> Result<Value, AskError> {
    let failed = |source: io::Error| explain(folder, source);
    let envelope = Envelope {
        version: VERSION.to_owned(),
        request,
    };
    let mut bytes = serde_json::to_vec(&envelope).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    if bytes.len() > REQUEST_MAX {
        return Err(AskError::TooLong(bytes.len()));
    }
    let mut stream = UnixStream::connect(folder.socket()).map_err(failed)?;
    stream
        .set_write_timeout(Some(STATUS_PATIENCE))
        .map_err(failed)?;
    let patience = matches!(request, Request::Status {}).then_some(STATUS_PATIENCE);
    stream.set_read_timeout(patience).map_err(failed)?;
    // A runner that refuses before it has read everything closes; what it said is still read.
    match stream.write_all(&bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(failed(error)),
        _ => {}
    }
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line.map_err(failed)?).map_err(|error| failed(error.into()))? {
            Line::Progress(what) => progress(&what),
            Line::Done(result) => return Ok(result),
            Line::Failed(why) => return Err(AskError::Refused(why)),
        }
    }
    Err(AskError::Gone(folder.path().to_owned()))
}

fn explain(folder: &Folder, source: io::Error) -> AskError {
    let path = folder.path().to_owned();
    match source.kind() {
        // A socket at which nobody listens is what a runner that was killed leaves behind.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(path),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => AskError::Gone(path),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Silent {
            folder: path,
            pid: lock::holder_pid(folder),
        },
        _ => AskError::Socket {
            folder: path,
            source,
        },
    }
}
