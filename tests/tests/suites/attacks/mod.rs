//! Attacks on a bus by users who may do something and try more. Each is tried with a control: where
//! it must succeed, or by one who may.

mod control;
mod durables;
mod flood;
mod forbidden;
mod headers;
mod injection;
mod routes;

use anyhow::Result;
use svom_tests::bus::{Bus, Credentials};
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::raw::Raw;

/// Two who attack and whom they attack, beside the herald and the auditor; and two users and durables
/// whose names together are spelt alike.
fn resource(name: &str) -> String {
    format!(
        "{}spec:\n  users:\n{}{}",
        head(name),
        herald_and_auditor(&["activity", "science", "data"]),
        "
    - {name: gateway, publish: [data.vhf]}
    - name: analyst
      publish: [science.too]
      subscribe: ['data.*', science.too]
      durables: [{name: data, queues: ['data.*']}]
    - name: victim
      publish: [science.calibration]
      subscribe: ['science.*']
      durables: [{name: own, queues: ['science.*'], ackWait: 10m}]
    - name: a-b
      subscribe: ['data.*']
      durables: [{name: c, queues: ['data.*']}]
    - name: a
      subscribe: ['data.*']
      durables: [{name: b-c, queues: ['data.*']}]
"
    )
}

/// Credentials for the first server. Attacker and audit share it, so that what is injected live is
/// heard in its order.
fn at_first_server(bus: &dyn Bus, user: &str) -> Result<Credentials> {
    bus.credentials_at(user, bus.servers().first().map_or("", String::as_str))
}

fn raw(bus: &dyn Bus, user: &str) -> Result<Raw> {
    Raw::connect(&at_first_server(bus, user)?)
}
