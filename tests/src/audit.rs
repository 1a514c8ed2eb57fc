//! An ear on the whole bus: what was stored or delivered that nobody should have been able to send.
//!
//! It needs two users in the resource ([`generated::herald_and_auditor`]): one hears every queue live
//! and counts every stream through its own durables, which are never read; the other sends markers,
//! so that "nothing more came" is known and not waited for.
//!
//! [`generated::herald_and_auditor`]: crate::generated::herald_and_auditor

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bus::Bus;
use crate::client::{ANSWERS_WITHIN, Client, Library, Message, messages};
use crate::poll;
use crate::rights::{AUDITOR, Durable, HERALD, Rights};

const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// A message that was heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard {
    /// Its queue.
    pub queue: String,
    /// Its text.
    pub text: String,
}

/// The ear.
#[derive(Debug)]
pub struct Audit {
    auditor: Client,
    herald: Client,
    durables: Vec<Durable>,
    markers: usize,
    looked_at: usize,
    stored: u64,
}

impl Audit {
    /// Begins to listen, on the first server.
    ///
    /// # Errors
    /// When the resource has no herald or auditor, or they may not do what they must.
    pub fn begin(bus: &dyn Bus, rights: &Rights) -> Result<Self> {
        let server = bus
            .servers()
            .into_iter()
            .next()
            .context("the bus has no server")?;
        let auditor = Client::connect(Library::NatsPy, &bus.credentials_at(AUDITOR, &server)?)?;
        for domain in rights.domains() {
            auditor.subscribe(&format!("{domain}.*"), None)?;
        }
        let rights = rights
            .users
            .get(AUDITOR)
            .context("the resource has no auditor")?;
        let mut audit = Self {
            auditor,
            herald: Client::connect(Library::NatsPy, &bus.credentials_at(HERALD, &server)?)?,
            durables: rights.durables.clone(),
            markers: 0,
            looked_at: 0,
            stored: 0,
        };
        audit.stored = audit.count()?;
        audit.heard()?;
        Ok(audit)
    }

    /// Number of messages in all streams.
    ///
    /// # Errors
    /// When a stream does not answer.
    pub fn count(&self) -> Result<u64> {
        let mut stored = 0;
        for durable in &self.durables {
            stored += self
                .auditor
                .consumer_info(&durable.stream, &durable.consumer)?
                .pending;
        }
        Ok(stored)
    }

    /// Publishes as the herald.
    ///
    /// # Errors
    /// When it is not acknowledged.
    pub fn publish(&self, queue: &str, id: &str) -> Result<()> {
        let ack = self.herald.publish(queue, id)?;
        ensure!(!ack.duplicate, "{id} was published before");
        Ok(())
    }

    /// Everything that was stored or delivered live since the last look, sorted. What was stored and
    /// not heard is in it as a queue named `stored, not heard`, and the reverse.
    ///
    /// # Errors
    /// When the ear itself does not work.
    pub fn heard(&mut self) -> Result<Vec<Heard>> {
        let markers = self.mark()?;
        let all = self.auditor.messages();
        let new: Vec<&Message> = all.iter().skip(self.looked_at).collect();
        self.looked_at = all.len();
        let stored_now = self.newly_stored(new.len() as u64)?;
        let mut heard: Vec<Heard> = new
            .iter()
            .filter(|message| !markers.contains(&message.data))
            .map(|message| Heard {
                queue: message.subject.clone(),
                text: message.data.clone(),
            })
            .collect();
        heard.sort();
        let heard_now = new.len() as u64;
        if stored_now != heard_now {
            heard.push(Heard {
                queue: if stored_now > heard_now {
                    "stored, not heard"
                } else {
                    "heard, not stored"
                }
                .to_owned(),
                text: format!("{}", stored_now.abs_diff(heard_now)),
            });
        }
        Ok(heard)
    }

    /// How many messages were stored since the last look. A durable's count follows its stream: it is
    /// given time to reach what was heard.
    fn newly_stored(&mut self, heard: u64) -> Result<u64> {
        let before = self.stored;
        // Whether it reached it or not is told by the count itself.
        let _ = poll::until("the count of what is stored", SETTLES_WITHIN, || {
            self.stored = self.count()?;
            Ok((self.stored == before + heard).then_some(()))
        });
        Ok(self.stored.saturating_sub(before))
    }

    /// Sends a marker through every stream and waits until each is heard: what was stored before is
    /// heard before.
    fn mark(&mut self) -> Result<BTreeSet<String>> {
        let mut markers = BTreeSet::new();
        for durable in &self.durables {
            self.markers += 1;
            let marker = format!("marker-{}", self.markers);
            let queue = durable.queues.first().context("a durable without queues")?;
            self.herald.publish(queue, &marker)?;
            markers.insert(marker);
        }
        self.auditor
            .wait_for("the markers", ANSWERS_WITHIN, |events| {
                let heard: BTreeSet<&str> = messages(events)
                    .map(|message| message.data.as_str())
                    .collect();
                markers.iter().all(|marker| heard.contains(marker.as_str()))
            })?;
        Ok(markers)
    }
}
