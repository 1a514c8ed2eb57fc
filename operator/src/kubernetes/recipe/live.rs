//! The servers themselves: their configuration in force, queues, proofs, and what is found of them.

use std::collections::BTreeMap;
use std::time::Duration;

use svom_plan::kubernetes::observe::{Reason, Seen as ServerSeen, servers};
use svom_plan::kubernetes::{InForce, Object};
use svom_plan::pki;
use svom_plan::queues::{ObservedQueues, queue_plan};
use svom_plan::status::{Findings, ServerFinding};
use tokio::time::{Instant, sleep};

use super::apply::{Applied, Minted, bus, note, writer};
use super::{Pass, nothing_found};
use crate::bus::{Clients, Live, Looked, Presence, Presences, certificates_told};
use crate::kubernetes::api::ApiError;
use crate::kubernetes::gathered::Gathered;
use crate::nats::observe::Seen;
use crate::nats::system::{Accounts, SystemError};

/// How long a node may take until its server finds what was written for it; after the pod was annotated
/// it takes 0.3 s.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);
/// How long a server that runs may take to say what it has in force, beside others that have said it.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two tries.
const BETWEEN: Duration = Duration::from_millis(250);

fn silently(_: &str) {}

/// What came of having servers read what was written for them.
#[derive(Default)]
struct TakenUp {
    /// Whether all of them have it in force.
    all: bool,
    /// What they said of themselves, where nobody had anything to read.
    seen: Option<Seen>,
}

impl Pass<'_> {
    /// Puts in force what was written, as far as the servers can be reached, and looks at everything.
    ///
    /// What is in force is written down before the first message can be stored: a bus that is not known
    /// to have `formed` may be made anew.
    pub(super) async fn look(
        &mut self,
        applied: &mut Applied,
        gathered: &mut Gathered,
        formed: bool,
    ) -> Result<Findings, ApiError> {
        let state = applied.state.clone();
        let seen = servers(&bus(&self.identity, &state), &gathered.observed());
        let presences = presences(&seen);
        let reaches = self.known.live.is_some() || seen.iter().any(may_answer);
        let (mut is_noted, mut is_late, mut in_force) = (false, false, None);
        if let Some(minted) = applied.minted.take() {
            if reaches {
                self.keep_connected(&state, &minted, applied).await;
                let TakenUp { all, seen } =
                    self.take_up(&state, &minted, gathered, &presences).await?;
                is_noted = all && self.remember(&state, gathered, applied).await?;
                is_late = !all;
                in_force = seen;
            }
            applied.minted = Some(minted);
        }
        let minted = applied.minted.as_ref();
        let Some(live) = &mut self.known.live else {
            return Ok(without_connection(&seen, &state, minted, self.now));
        };
        let mut looked = Looked::default();
        if reaches && (formed || is_noted) {
            looked.queues = bring_about_queues_and_proof(live, &presences, self.now).await;
        }
        if looked.queues.is_some() {
            looked.seen = in_force;
        }
        let mut found = live.find_beside(looked, &presences, self.now).await;
        let seems_well = found.servers.iter().all(|server| server.trouble.is_none());
        if is_late && seems_well && !state.valid.paused {
            // What is in force is not written down yet; the next look does that.
            let late =
                "a server took its time to say which configuration it has, and is asked again";
            found.failures.push(late.to_owned());
        }
        Ok(found)
    }

    /// Has the servers read what was written for them.
    async fn take_up(
        &mut self,
        state: &InForce,
        minted: &Minted,
        gathered: &Gathered,
        presences: &Presences,
    ) -> Result<TakenUp, ApiError> {
        let anyone_runs = presences.values().any(|one| one.down.is_none());
        let Some(live) = &mut self.known.live else {
            return Ok(TakenUp::default());
        };
        aim_at(live, state, minted);
        if state.valid.paused {
            return Ok(TakenUp::default());
        }
        let seen = match live.seen(anyone_runs).await {
            Ok(seen) => seen,
            // The look that follows says so.
            Err(_) => return Ok(TakenUp::default()),
        };
        let behind = live.behind(&seen);
        let was_up = behind.is_empty();
        self.make_nodes_look(&behind, &minted.configuration, gathered)
            .await?;
        let Some(live) = &mut self.known.live else {
            return Ok(TakenUp::default());
        };
        let all_run = presences.values().all(|one| one.down.is_none());
        let settled = settle(live, seen, anyone_runs).await;
        let settled = match settled {
            Ok(seen) if all_run => wait_for_the_late(live, seen).await,
            settled => settled,
        };
        match settled {
            Ok(seen) => {
                let all = is_whole(live, &seen);
                let seen = (all && was_up).then_some(seen);
                Ok(TakenUp { all, seen })
            }
            Err(error) => {
                live.failures.reload.push(error.to_string());
                Ok(TakenUp::default())
            }
        }
    }

    async fn keep_connected(&mut self, state: &InForce, minted: &Minted, applied: &mut Applied) {
        let fits = |live: &Live| live.clients.fit(&minted.material);
        if self.known.live.as_ref().is_some_and(fits) {
            return;
        }
        self.known.live = None;
        let connected =
            Clients::keep_trying(&state.valid, &minted.topology, &minted.material, |_, _| {
                false
            });
        match connected.await {
            Ok(clients) => {
                self.known.live = Some(Live::new(
                    state.valid.clone(),
                    minted.topology.clone(),
                    minted.material.clone(),
                    minted.digests.clone(),
                    clients,
                ));
            }
            Err(error) => applied.failures.push(error.to_string()),
        }
    }

    /// Writes down what is in force: from now on a change is judged against it. Whether it could be.
    async fn remember(
        &mut self,
        state: &InForce,
        gathered: &mut Gathered,
        applied: &mut Applied,
    ) -> Result<bool, ApiError> {
        match state.secret(&self.identity) {
            Ok(secret) => {
                let object = Object::Secret(Box::new(secret));
                let written = writer(self.api, &self.identity, gathered, self.known)
                    .write(&object)
                    .await;
                let is_written = written.is_ok();
                note(written, applied)?;
                Ok(is_written)
            }
            Err(problem) => {
                applied.failures.push(problem.to_string());
                Ok(false)
            }
        }
    }
}

/// What is wanted from now on.
fn aim_at(live: &mut Live, state: &InForce, minted: &Minted) {
    if live.valid != state.valid {
        // What was proven was another state.
        live.access = svom_plan::status::ProofFinding::default();
    }
    live.valid = state.valid.clone();
    live.topology = minted.topology.clone();
    live.material = minted.material.clone();
    live.digests = minted.digests.clone();
}

/// Whether every server has in force what was written for it, and they are led.
fn is_whole(live: &Live, seen: &Seen) -> bool {
    let mut servers = live.digests.keys();
    let everyone = servers.all(|name| seen.servers.contains_key(name));
    let is_led = live.digests.len() == 1 || seen.meta_leader().is_some();
    everyone && is_led && live.behind(seen).is_empty()
}

/// Servers are told to read their configuration again until their digests say that they have. One that
/// was told before its node had brought the new files is told again; and one that took up new accounts
/// once more after that.
async fn settle(live: &mut Live, mut seen: Seen, anyone_runs: bool) -> Result<Seen, SystemError> {
    let deadline = Instant::now() + ARRIVES_WITHIN;
    let mut took_up = BTreeMap::new();
    loop {
        let behind = live.behind(&seen);
        if behind.is_empty() {
            live.unread = std::mem::take(&mut took_up);
            live.tell_to_reload(&seen, &silently).await;
            return Ok(seen);
        }
        if Instant::now() > deadline {
            let names: Vec<&str> = behind.iter().map(String::as_str).collect();
            live.failures.reload.push(format!(
                "{} did not get its new configuration from its node within {} s; it is told again",
                names.join(", "),
                ARRIVES_WITHIN.as_secs()
            ));
            return Ok(seen);
        }
        live.tell_to_reload(&seen, &silently).await;
        took_up.extend(behind.into_iter().map(|name| (name, Accounts::Known)));
        sleep(BETWEEN).await;
        seen = live.seen(anyone_runs).await?;
    }
}

/// Servers whose pods run are asked again, for a while, until all have said what they have in force.
async fn wait_for_the_late(live: &Live, mut seen: Seen) -> Result<Seen, SystemError> {
    let deadline = Instant::now() + SAID_WITHIN;
    while !is_whole(live, &seen) && Instant::now() < deadline {
        sleep(BETWEEN).await;
        seen = live.seen(true).await?;
    }
    Ok(seen)
}

/// Brings about what is missing; what there is, where nothing was.
async fn bring_about_queues_and_proof(
    live: &mut Live,
    presences: &Presences,
    now: i64,
) -> Option<ObservedQueues> {
    // Where it cannot be asked now, the look that follows says so.
    let observed = live.observe_queues().await.ok()?;
    let wants_steps = !queue_plan(&live.valid, &observed, now).steps.is_empty();
    let is_proven = live.is_proven();
    if !wants_steps && is_proven {
        return Some(observed);
    }
    if wants_steps || !is_proven {
        let all_run = presences.values().all(|one| one.down.is_none());
        live.sync_queues(all_run, &silently).await;
    }
    if !is_proven {
        live.prove(&silently).await;
    }
    None
}

fn presences(seen: &[ServerSeen]) -> Presences {
    let presence = |server: &ServerSeen| Presence {
        down: server
            .trouble
            .as_ref()
            .map(|trouble| trouble.message.clone()),
        node: server.node.clone(),
    };
    seen.iter()
        .map(|server| (server.name.clone(), presence(server)))
        .collect()
}

/// Whether a server can be connected to as far as Kubernetes knows: it runs, or a node that does not
/// report may still run it. One that only starts is not asked for: its name may not be known yet, and
/// that would be remembered by the cluster's name service for seconds.
fn may_answer(server: &ServerSeen) -> bool {
    server
        .trouble
        .as_ref()
        .is_none_or(|trouble| matches!(trouble.reason, Reason::NotReady | Reason::NodeNotReady))
}

/// What is known of servers that cannot be asked.
fn without_connection(
    seen: &[ServerSeen],
    state: &InForce,
    minted: Option<&Minted>,
    now: i64,
) -> Findings {
    let server = |server: &ServerSeen| ServerFinding {
        name: server.name.clone(),
        trouble: Some(match &server.trouble {
            Some(trouble) => trouble.message.clone(),
            None => "does not answer yet".to_owned(),
        }),
        node: server.node.clone(),
        ..ServerFinding::default()
    };
    let certificates =
        minted.map(|minted| pki::certificates(&state.valid, &minted.topology, &minted.material));
    Findings {
        servers: seen.iter().map(server).collect(),
        certificates: certificates_told(certificates.unwrap_or_default()),
        ..nothing_found(now)
    }
}
