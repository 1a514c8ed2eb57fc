//! The way from the machine to a port in an engine's network, by a port of the machine's loopback
//! interface.
//!
//! In: the engine's first process, whose network it is. Out: either a process that listens on the machine
//! and connects to the same port inside, so that one kubeconfig is right in both, and that ends with the
//! engine; or a [`Way`] to any address, for as long as a test holds it. Neither adds an interface or a rule
//! to the machine's network.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// An address within the cluster's network answers at once, or is gone.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A port of the machine's loopback interface that leads to an address, for as long as this lives. What
/// was connected by then stays connected.
#[derive(Debug)]
pub struct Way {
    port: u16,
    closed: Arc<AtomicBool>,
}

impl Way {
    /// To this address, as the engine with this first process sees it; without one, as the machine does.
    ///
    /// # Errors
    /// When no port is free, or the engine's network cannot be entered.
    pub fn to(engine: Option<u32>, target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let way = Self {
            port: listener.local_addr()?.port(),
            closed: Arc::default(),
        };
        let closed = Arc::clone(&way.closed);
        let (tell, entered) = mpsc::channel();
        // This thread alone is in the engine's network then, with those that it starts.
        thread::spawn(move || {
            let inside = engine.map_or(Ok(()), enter);
            let is_inside = inside.is_ok();
            // Whoever asked is there until it has heard.
            let _ = tell.send(inside);
            if is_inside {
                lead_all(&listener, target, &closed);
            }
        });
        entered.recv().context("the thread of a way has ended")??;
        Ok(way)
    }

    /// The port on the machine.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // It listens until somebody comes.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Until whoever comes finds it closed.
fn lead_all(listener: &TcpListener, target: SocketAddr, closed: &AtomicBool) {
    for outside in listener.incoming().flatten() {
        if closed.load(Ordering::SeqCst) {
            return;
        }
        thread::spawn(move || lead(outside, target));
    }
}

/// Nobody listens inside yet, or no more: the one outside sees its connection end.
fn lead(outside: TcpStream, target: SocketAddr) {
    if let Ok(inside) = TcpStream::connect_timeout(&target, ANSWERS_WITHIN) {
        // A connection that has ended already needs no way.
        let _ = join(outside, inside);
    }
}

/// Moves this thread into the network of a process. A socket stays in the network that it was made in:
/// what listens already in the machine's, and what is connected from here on in the engine's.
fn enter(engine: u32) -> Result<()> {
    let path = format!("/proc/{engine}/ns/net");
    let network = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("cannot enter {path}"))
}

/// Starts the process; the port that it listens on. `program` serves `forward` with [`serve`], and
/// `engine` is the process whose network is reached.
///
/// # Errors
/// When it cannot be started or cannot listen.
pub fn start(
    program: &Path,
    engine: u32,
    log: &Path,
    mark: impl FnOnce(&mut Command),
) -> Result<u16> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut forward = Command::new("setsid");
    forward
        .arg(program)
        .args(["forward", &engine.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file);
    mark(&mut forward);
    let mut child = forward.spawn().context("cannot start setsid")?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    // Where this process goes on, it must hear of the other's end for that to be gone.
    thread::spawn(move || child.wait());
    let port = line.trim().parse();
    port.with_context(|| format!("the forwarder does not listen: see {}", log.display()))
}

/// Listens on a free port of the machine's loopback interface, prints which, and connects whoever
/// comes to the same port in the network of this process, until that ends.
///
/// # Errors
/// When it cannot listen or enter the network.
pub fn serve(engine: u32) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    let port = listener.local_addr()?.port();
    end_with(engine)?;
    enter(engine)?;
    let mut output = io::stdout();
    writeln!(output, "{port}").and_then(|()| output.flush())?;
    for outside in listener.incoming() {
        let outside = match outside {
            Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => continue,
            outside => outside.context("cannot accept")?,
        };
        // Nobody listens inside yet, or no more: the one outside sees its connection end.
        if let Ok(inside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            join(outside, inside)?;
        }
    }
    Ok(())
}

/// Ends this process when that one ends: a network lasts while anyone is in it.
fn end_with(engine: u32) -> Result<()> {
    let ended = || format!("process {engine} is gone");
    let pid = i32::try_from(engine).ok().and_then(Pid::from_raw);
    let handle = pidfd_open(pid.with_context(ended)?, PidfdFlags::empty()).with_context(ended)?;
    thread::spawn(move || {
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        while poll(&mut watched, None).is_err() {}
        std::process::exit(0);
    });
    Ok(())
}

/// Copies both ways, each until its end.
fn join(outside: TcpStream, inside: TcpStream) -> Result<()> {
    for stream in [&outside, &inside] {
        stream.set_nodelay(true)?;
    }
    let ways = [
        (outside.try_clone()?, inside.try_clone()?),
        (inside, outside),
    ];
    for (mut from, mut to) in ways {
        thread::spawn(move || {
            // However it ends, the other side is told that nothing more comes.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_way_leads_both_ways_until_it_is_gone() {
        let there = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let way = Way::to(None, there.local_addr().unwrap()).unwrap();
        let port = way.port();
        let mut here = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (mut inside, _) = there.accept().unwrap();
        here.write_all(b"asked").unwrap();
        here.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        inside.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "asked");
        inside.write_all(b"answered").unwrap();
        drop(inside);
        heard.clear();
        here.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "answered");

        // Nobody listens there: whoever comes is told so.
        drop(there);
        let mut here = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(here.read(&mut [0]).unwrap(), 0);
        drop(way);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            thread::yield_now();
        }
    }
}
