//! Clients that whatever is applied must not disturb: connected to every server with every library,
//! they publish and hear one another.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use svom_tests::bus::Bus;
use svom_tests::client::{ANSWERS_WITHIN, Client, Library};
use svom_tests::load::received;
use svom_tests::local::LocalBus;
use svom_tests::traffic::stored;

/// Their entry in the resource.
pub const USER: &str = "    - {name: witness, publish: [data.mdb], subscribe: [data.mdb]}\n";
const QUEUE: &str = "data.mdb";

/// The clients, and what they published so far.
pub struct Witnesses {
    clients: Vec<(String, Client)>,
    published: BTreeSet<String>,
}

impl Witnesses {
    /// Connects them to these servers.
    pub fn at(bus: &LocalBus, servers: &[String]) -> Result<Self> {
        let mut clients = Vec::new();
        for server in servers {
            for library in Library::ALL {
                let client = Client::connect(library, &bus.credentials_at("witness", server)?)?;
                client.subscribe(QUEUE, None)?;
                clients.push((format!("{} at {server}", library.name()), client));
            }
        }
        Ok(Self {
            clients,
            published: BTreeSet::new(),
        })
    }

    /// Connects them to every server.
    pub fn of(bus: &LocalBus) -> Result<Self> {
        Self::at(bus, &bus.servers())
    }

    /// Each publishes a message that all of them hear, and none was ever disconnected.
    pub fn are_undisturbed(&mut self, after: &str) -> Result<()> {
        for (name, client) in &self.clients {
            let id = format!("{name}, after {after}");
            client.publish(QUEUE, &id).with_context(|| id.clone())?;
            self.published.insert(id);
        }
        for (name, client) in &self.clients {
            let heard = client.wait_for("every message", ANSWERS_WITHIN, |events| {
                let got = received(events, QUEUE);
                self.published.iter().all(|id| got.contains_key(id))
            });
            heard.with_context(|| format!("{name}, after {after}"))?;
            let lost = client.disconnects();
            ensure!(lost == 0, "{name} was disconnected {lost} times: {after}");
        }
        Ok(())
    }

    /// None of their messages is lost.
    pub fn lost_nothing(&self, bus: &LocalBus) -> Result<()> {
        stored(bus, &self.published)
    }
}
