//! The way from the machine to a port in a private engine's network: the same port on the machine's
//! loopback interface, so that one kubeconfig is right in both.
//!
//! In: a network namespace. Out: a process that listens on the machine and connects inside. It adds
//! no interface and no rule to the machine's network, and ends with the engine.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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
    let path = format!("/proc/{engine}/ns/net");
    let network = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    // A socket stays in the network that it was made in: the listener in the machine's, and what
    // is connected from here on in the engine's.
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("cannot enter {path}"))?;
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
