//! A bus at work: publishers with every library, and a durable subscription that readers with every
//! library share. Something happens to the bus; at the end every acknowledged message must be there.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bus::Bus;
use crate::client::{Client, Library};
use crate::load::{Publisher, ids, redelivered, wait_for_all};
use crate::report::figure;
use crate::rights::AUDITOR;

/// User of a suite's resource that publishes.
pub const PRODUCER: &str = "producer";
/// User of a suite's resource that reads.
pub const READER: &str = "reader";

const READ_WITHIN: Duration = Duration::from_secs(120);
/// Stream, durable and the audit's durable of the messages under way.
const STREAM: &str = "DATA";
const DURABLE: &str = "reader_ingest";
const AUDIT: &str = "auditor_data";

/// The entries of the two users, one with a password and one with an NKey; the queues are those of
/// the mission.
pub fn users() -> String {
    format!(
        "    - {{name: {PRODUCER}, publish: [data.vhf, data.xband]}}
    - name: {READER}
      authentication: NKey
      subscribe: ['data.*']
      durables: [{{name: ingest, queues: ['data.*'], maxDeliver: 1000}}]
"
    )
}

/// What goes on while something happens.
#[derive(Debug)]
pub struct Traffic {
    publishers: Vec<Publisher>,
    readers: Vec<Client>,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// Ids of the acknowledged messages, each of which was read.
    pub acknowledged: BTreeSet<String>,
    /// What the readers of the durable were told until the end.
    pub disconnects: usize,
}

impl Traffic {
    /// Begins, with a publisher and a reader of every library.
    ///
    /// # Errors
    /// When one of the users may not do what it must.
    pub fn begin(bus: &dyn Bus) -> Result<Self> {
        let (mut publishers, mut readers) = (Vec::new(), Vec::new());
        for library in Library::ALL {
            let prefix = format!("{}-", library.name());
            let queues = ["data.vhf", "data.xband"];
            publishers.push(Publisher::begin(
                library,
                &bus.credentials(PRODUCER)?,
                &queues,
                &prefix,
            )?);
            let reader = Client::connect(library, &bus.credentials(READER)?)?;
            reader.bind(STREAM, DURABLE, true)?;
            readers.push(reader);
        }
        Ok(Self {
            publishers,
            readers,
        })
    }

    /// Waits until every publisher has so many more acknowledgements.
    ///
    /// # Errors
    /// When they do not come.
    pub fn wait_for_more(&self, more: usize) -> Result<()> {
        self.publishers
            .iter()
            .try_for_each(|publisher| publisher.wait_for_more(more))
    }

    /// How often a connection was lost so far.
    pub fn disconnects(&self) -> usize {
        let publishers = self.publishers.iter().map(|publisher| &publisher.client);
        publishers
            .chain(&self.readers)
            .map(Client::disconnects)
            .sum()
    }

    /// Stops publishing, and compares by id what was acknowledged with what the readers of the durable
    /// got and with what the stream holds.
    ///
    /// # Errors
    /// When an acknowledged message is lost.
    pub fn end(self, bus: &dyn Bus, what: &str) -> Result<Outcome> {
        let disconnects = self.disconnects();
        let mut acknowledged = BTreeSet::new();
        let mut retried = 0;
        for publisher in self.publishers {
            let messages = publisher.end()?;
            retried += messages.iter().filter(|message| message.tries > 1).count();
            acknowledged.extend(ids(&messages));
        }
        let readers: Vec<&Client> = self.readers.iter().collect();
        let read = wait_for_all(&readers, DURABLE, &acknowledged, READ_WITHIN)
            .with_context(|| format!("{what}: the readers of the durable"))?;
        stored(bus, &acknowledged).with_context(|| format!("{what}: the stream"))?;
        let (count, again) = (acknowledged.len(), redelivered(&read));
        let words =
            format!("{count} acknowledged, {retried} of them retried, 0 lost, {again} redelivered");
        figure(what, words)?;
        Ok(Outcome {
            acknowledged,
            disconnects,
        })
    }
}

/// Reads the whole stream as the auditor and looks for every id.
///
/// # Errors
/// When one is not there.
pub fn stored(bus: &dyn Bus, acknowledged: &BTreeSet<String>) -> Result<()> {
    let auditor = Client::connect(Library::AsyncNats, &bus.credentials(AUDITOR)?)?;
    auditor.bind(STREAM, AUDIT, false)?;
    wait_for_all(&[&auditor], AUDIT, acknowledged, READ_WITHIN).map(|_| ())
}
