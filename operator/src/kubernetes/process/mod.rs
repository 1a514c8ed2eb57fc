//! The operator as a process: `svom-messaging run`.
//!
//! In: options, an API server, signals, and something that makes a reconciler. Out: while it holds the
//! Lease, a controller at work; three pages over HTTP; a log. Told to end, it stops acting, gives the
//! Lease back, and ends well.

mod connect;
mod log;

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use kube::Client;
use tracing::{info, warn};

use super::controller::{self, Reconcile, Setting};
use super::http::{self, Pages};
use super::lease::{Election, Place, Timing};
use super::metrics::{Buses, Metrics};
use crate::signals::Signals;

pub use log::Format;

/// How the process is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespaces to look after; none: the own one.
    pub namespaces: Vec<String>,
    /// How the log is written.
    pub log: Format,
    /// Where the pages are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// What the process is called; left out, a name that no other has.
    pub identity: Option<String>,
    /// A kubeconfig, where it is not to be found by itself.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig, where it is not the current one.
    pub context: Option<String>,
    /// Name of the Lease, in the own namespace.
    pub lease: String,
}

/// What a reconciler is made with. It is made anew each time that the Lease is won, and dropped when it
/// is lost.
#[derive(Clone)]
pub struct Tools {
    /// The API server.
    pub client: Client,
    /// What this process is called.
    pub identity: String,
    /// Where it says what it read from the buses.
    pub buses: Buses,
}

/// Runs until a signal says to end.
///
/// # Errors
/// When there is no way to an API server, or the address is not to be had. What goes wrong later is
/// told in the log, and tried again.
pub async fn run<R: Reconcile>(options: Options, make: impl Fn(Tools) -> R) -> anyhow::Result<()> {
    log::install(options.log)?;
    let mut signals = Signals::new().context("signals cannot be received")?;
    let config = connect::config(options.kubeconfig.as_deref(), options.context.as_deref()).await?;
    let namespaces = connect::namespaces(&options.namespaces, &config.default_namespace);
    let place = Place {
        namespace: config.default_namespace.clone(),
        name: options.lease,
        identity: options.identity.map_or_else(identity, Ok)?,
    };
    let client = Client::try_from(config).context("no client for the API server can be made")?;
    let listener = match options.listen {
        Some(address) => Some(http::listen(address).await?),
        None => None,
    };
    let identity = place.identity.as_str();
    info!(
        identity,
        namespaces = namespaces.join(","),
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let metrics = Metrics::default();
    let process = Process {
        tools: Tools {
            client: client.clone(),
            identity: identity.to_owned(),
            buses: metrics.buses().clone(),
        },
        namespaces,
        metrics,
        standing: Cell::new(Standing::Starting),
        listed: Cell::new(false),
    };
    let mut election = Election::new(client, place, Timing::USUAL);
    let signal = tokio::select! {
        biased;
        signal = signals.next() => signal,
        never = process.take_part(&mut election, &make) => match never {},
        never = serve(listener.as_ref(), &process) => match never {},
    };
    info!(signal, "ending");
    election.release().await;
    Ok(())
}

async fn serve(listener: Option<&tokio::net::TcpListener>, process: &Process) -> Infallible {
    match listener {
        Some(listener) => http::serve(listener, process).await,
        None => std::future::pending().await,
    }
}

fn identity() -> anyhow::Result<String> {
    let random = getrandom::u64()
        .map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    let variable = |name| std::env::var(name).ok();
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    Ok(connect::identity(
        variable("POD_NAME"),
        variable("POD_UID"),
        &host,
        random,
    ))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It does not know yet who has the Lease.
    Starting,
    /// Another process has the Lease.
    Waits,
    Leads,
}

struct Process {
    tools: Tools,
    namespaces: Vec<String>,
    metrics: Metrics,
    standing: Cell<Standing>,
    /// Whether the watches have listed what there is.
    listed: Cell<bool>,
}

impl Process {
    /// Waits for the Lease, acts while it has it, and begins anew.
    async fn take_part<R: Reconcile>(
        &self,
        election: &mut Election,
        make: &impl Fn(Tools) -> R,
    ) -> Infallible {
        loop {
            let (term, leading) = election.win(|| self.standing.set(Standing::Waits)).await;
            self.standing.set(Standing::Leads);
            self.metrics.leads(true);
            let reconciler = make(self.tools.clone());
            let setting = Setting {
                client: &self.tools.client,
                namespaces: &self.namespaces,
                metrics: &self.metrics,
                ready: &self.listed,
            };
            tokio::select! {
                biased;
                () = leading.lost() => {}
                () = election.lead(&term) => {}
                () = controller::run(&setting, &reconciler, &leading) => {}
            }
            warn!("the Lease is lost: everything is stopped");
            self.standing.set(Standing::Starting);
            self.metrics.leads(false);
            self.metrics.queue(0, 0);
            self.tools.buses.clear();
        }
    }
}

impl Pages for Process {
    fn ready(&self) -> Result<(), &'static str> {
        match self.standing.get() {
            Standing::Waits => Ok(()),
            Standing::Leads if self.listed.get() => Ok(()),
            Standing::Leads => Err("not everything that is watched was listed yet"),
            Standing::Starting => Err("the Lease was not read yet"),
        }
    }

    fn metrics(&self) -> Option<String> {
        self.metrics.text().ok()
    }
}
