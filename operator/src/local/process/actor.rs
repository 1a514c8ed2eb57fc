//! The task that owns the servers' processes. In: commands, ends of children, moments that were
//! waited for. Out: acts on processes, and the states after each of them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::server::Server;
use super::{Ended, Program, ServersError, Started, States, Why};

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, ServersError>>;

/// What is asked of the servers.
pub enum Command {
    Add(String, oneshot::Sender<()>),
    Remove(String, Reply<()>),
    Start(String, Reply<Started>),
    Kill(String, Reply<Ended>),
    Stop(String, Duration, Reply<Ended>),
    Shutdown(Duration, oneshot::Sender<()>),
}

struct Actor {
    program: Program,
    servers: BTreeMap<String, Server>,
    /// Whoever waits for the end of all; set means that nothing starts any more.
    leaving: Option<Vec<oneshot::Sender<()>>>,
}

/// Serves until it was told to shut down and every server has ended, or nobody is left to ask.
pub async fn serve(
    program: Program,
    mut commands: mpsc::Receiver<Command>,
    states: watch::Sender<States>,
) {
    let mut actor = Actor {
        program,
        servers: BTreeMap::new(),
        leaving: None,
    };
    while !actor.finished() {
        let moment = actor.next_moment();
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => actor.obey(command),
                // Dropping the children kills them.
                None => return,
            },
            (name, status) = next_end(&mut actor.servers) => actor.ended(&name, status),
            () = sleep_until(moment.unwrap_or_else(Instant::now)), if moment.is_some() => actor.moment_came(),
        }
        let now = actor.states();
        states.send_if_modified(|shown| {
            let changed = *shown != now;
            *shown = now;
            changed
        });
    }
    for waiting in actor.leaving.into_iter().flatten() {
        // Who no longer waits needs no answer, here and below.
        let _ = waiting.send(());
    }
}

/// Waits for the end of any child. It is safe to drop: a child that was not returned is found again.
async fn next_end(servers: &mut BTreeMap<String, Server>) -> (String, io::Result<ExitStatus>) {
    poll_fn(|context| {
        for (name, server) in servers.iter_mut() {
            if let Poll::Ready(status) = server.poll_end(context) {
                return Poll::Ready((name.clone(), status));
            }
        }
        Poll::Pending
    })
    .await
}

impl Actor {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(name, reply) => {
                self.servers.entry(name).or_insert_with(Server::new);
                let _ = reply.send(());
            }
            Command::Remove(name, reply) => {
                let _ = reply.send(self.remove(&name));
            }
            Command::Start(name, reply) => {
                let _ = reply.send(self.start(&name));
            }
            Command::Kill(name, reply) => self.end(&name, Why::Killed, Duration::ZERO, reply),
            Command::Stop(name, bound, reply) => self.end(&name, Why::Stopped, bound, reply),
            Command::Shutdown(bound, reply) => self.shutdown(bound, reply),
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), ServersError> {
        if self.known(name)?.has_process() {
            return Err(ServersError::NotDown { name: name.into() });
        }
        self.servers.remove(name);
        Ok(())
    }

    fn start(&mut self, name: &str) -> Result<Started, ServersError> {
        if self.leaving.is_some() {
            return Err(ServersError::Leaving);
        }
        match self.servers.get_mut(name) {
            Some(server) => server.start(&self.program, name),
            None => Err(self.unknown(name)),
        }
    }

    fn end(&mut self, name: &str, why: Why, bound: Duration, reply: Reply<Ended>) {
        match self.known(name) {
            Ok(server) => server.end(why, bound, Some(reply)),
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    fn shutdown(&mut self, bound: Duration, reply: oneshot::Sender<()>) {
        for server in self.servers.values_mut() {
            server.end(Why::Shutdown, bound, None);
        }
        self.leaving.get_or_insert_default().push(reply);
    }

    fn known(&mut self, name: &str) -> Result<&mut Server, ServersError> {
        let unknown = self.unknown(name);
        self.servers.get_mut(name).ok_or(unknown)
    }

    fn unknown(&self, name: &str) -> ServersError {
        let known = self.servers.keys().cloned().collect();
        ServersError::Unknown {
            name: name.into(),
            known,
        }
    }

    fn finished(&self) -> bool {
        self.leaving.is_some() && !self.servers.values().any(Server::has_process)
    }

    fn next_moment(&self) -> Option<Instant> {
        self.servers.values().filter_map(Server::next_moment).min()
    }

    fn moment_came(&mut self) {
        let now = Instant::now();
        for (name, server) in &mut self.servers {
            server.moment_came(now, &self.program, name);
        }
    }

    fn ended(&mut self, name: &str, status: io::Result<ExitStatus>) {
        if let Some(server) = self.servers.get_mut(name) {
            server.ended(status);
        }
    }

    fn states(&self) -> States {
        self.servers
            .iter()
            .map(|(name, server)| (name.clone(), server.state()))
            .collect()
    }
}
