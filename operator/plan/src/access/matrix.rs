//! What must work and what must not: for every user and every queue an attempt each at publishing,
//! at live delivery and at a durable read, and a few at what no user may reach.
//!
//! In: the resource. Out: attempts that a shell makes on a connection of the user (or of the
//! operator's stand-in for it), each with the outcome that proves the rights. No attempt stores,
//! delivers or moves anything that was there, even where a right is wrongly granted.
//!
//! How many: with `q` queues, `s` domains and a user with `p` patterns and `d` durables, of which
//! `r` (queue, durable) pairs are read by it, the user has `2q` cells for publish and live; for
//! durables `3r` for its own, and for each queue 2 where another user's durable reads it, else 1;
//! `3p` for its patterns and groups; and `7 + 3s + max(d, 1)` for what no user may reach. Ten users
//! without durables or patterns on the mission's 13 queues are 10 * (26 + 13 + 17) = 560.

use std::collections::BTreeMap;

use crate::names;
use crate::valid::{Domain, DomainName, DurableName, Queue, User, UserName, Valid};

/// What is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Publishing to a queue.
    Publish,
    /// Live delivery from a queue.
    Live,
    /// Reading a queue by a durable subscription.
    Durable,
    /// What no user may reach.
    Outside,
}

/// One thing to try. Refused means, for each of them, the server's word of a permissions violation,
/// and nothing else: an answer that says "error" came from behind the permissions, and no answer at
/// all proves nothing. The server's word comes on its own, not as an answer, so a shell waits for it
/// until the server has answered a ping that was sent after the attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// An empty message with the header `Nats-Expected-Stream` set to [`names::NO_SUCH_STREAM`] and
    /// a reply subject. Allowed: the stream answers with error 10060. Nothing is stored either way.
    Publish {
        /// Subject.
        subject: String,
    },
    /// A subscription that ends at once. Allowed: the server answers the next ping and has
    /// complained of nothing. What arrives meanwhile is a copy that nobody else misses.
    Subscribe {
        /// Subject.
        subject: String,
        /// Group.
        group: Option<String>,
    },
    /// A request. Allowed: an answer that is neither "no responders" nor an error.
    Request {
        /// Subject.
        subject: String,
        /// Body: empty, or one that no JetStream request understands.
        body: &'static str,
    },
}

/// One attempt and what must come of it. The same attempt can prove several cells (a durable that
/// reads three queues); a shell may make it once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The queue it is about, where it is about one.
    pub queue: Option<Queue>,
    /// What is proven.
    pub kind: Kind,
    /// What to try.
    pub attempt: Attempt,
    /// Whether it must work.
    pub allowed: bool,
}

/// Not JSON, so a request that got through would be answered with an error and do nothing.
const NONSENSE: &str = "rights";
/// A consumer that nobody has: no user's name holds `_`.
const NO_SUCH_CONSUMER: &str = "svom_rights_none";
/// Last part of a group that only this proof uses. No durable's group is like it, since no durable's
/// name holds `_`, so a subscription in it takes no message from a reader.
const PROOF_GROUP: &str = "svom_rights";

/// Every cell of every user, sorted.
pub fn matrix(valid: &Valid) -> BTreeMap<UserName, Vec<Cell>> {
    let readers = readers(valid);
    valid
        .users
        .iter()
        .map(|(name, user)| {
            let mut cells: Vec<Cell> = valid
                .queues()
                .flat_map(|queue| queue_cells(name, user, &queue, &readers))
                .chain(pattern_cells(name, user))
                .chain(outside_cells(name, user, &valid.domains))
                .collect();
            cells.sort();
            (name.clone(), cells)
        })
        .collect()
}

/// Durables by the queue they read, in the users' order.
type Readers<'a> = BTreeMap<&'a Queue, Vec<(&'a UserName, &'a DurableName)>>;

fn readers(valid: &Valid) -> Readers<'_> {
    let mut readers = Readers::new();
    for (name, user) in &valid.users {
        for (durable_name, durable) in &user.durables {
            for queue in &durable.queues {
                readers.entry(queue).or_default().push((name, durable_name));
            }
        }
    }
    readers
}

fn queue_cells(name: &UserName, user: &User, queue: &Queue, readers: &Readers<'_>) -> Vec<Cell> {
    let cell = |kind, attempt, allowed| Cell {
        queue: Some(queue.clone()),
        kind,
        attempt,
        allowed,
    };
    let mut cells = vec![
        cell(
            Kind::Publish,
            publish(queue.to_string()),
            user.publish.contains(queue),
        ),
        cell(
            Kind::Live,
            plain(queue.to_string()),
            user.subscribe.contains(queue),
        ),
    ];
    let stream = names::stream(&queue.domain);
    let read_by = readers.get(queue).map(Vec::as_slice).unwrap_or_default();
    for (_, durable) in read_by.iter().filter(|(reader, _)| *reader == name) {
        let consumer = names::consumer(name, durable);
        let deliver = names::deliver_subject(&queue.domain, name, durable);
        cells.push(cell(Kind::Durable, info(&stream, &consumer), true));
        cells.push(cell(
            Kind::Durable,
            acknowledge_nothing(&stream, &consumer),
            true,
        ));
        cells.push(cell(Kind::Durable, plain(deliver), false));
    }
    match next_reader(name, read_by) {
        Some((other, durable)) => {
            let consumer = names::consumer(other, durable);
            let deliver = names::deliver_subject(&queue.domain, other, durable);
            cells.push(cell(Kind::Durable, info(&stream, &consumer), false));
            cells.push(cell(Kind::Durable, plain(deliver), false));
        }
        None => cells.push(cell(Kind::Durable, create(&stream), false)),
    }
    cells
}

/// One durable of another user on the queue: the next user's in order, around the end. So the number
/// of cells grows with the users and not with their square, and every durable has somebody who must
/// not reach it.
fn next_reader<'a>(
    name: &UserName,
    read_by: &[(&'a UserName, &'a DurableName)],
) -> Option<(&'a UserName, &'a DurableName)> {
    let others = || read_by.iter().filter(|(reader, _)| *reader != name);
    others()
        .find(|(reader, _)| *reader > name)
        .or_else(|| others().next())
        .copied()
}

/// Each right to subscribe in the form it was written in: plain, in a group of the user's own, and
/// in one that is not.
fn pattern_cells(name: &UserName, user: &User) -> Vec<Cell> {
    let cell = |attempt, allowed| Cell {
        queue: None,
        kind: Kind::Live,
        attempt,
        allowed,
    };
    user.subscribe_patterns
        .iter()
        .flat_map(|pattern| {
            let grouped = |group: String| Attempt::Subscribe {
                subject: pattern.0.clone(),
                group: Some(group),
            };
            [
                cell(plain(pattern.0.clone()), true),
                cell(grouped(format!("{name}.{PROOF_GROUP}")), true),
                cell(grouped(format!("{PROOF_GROUP}.{PROOF_GROUP}")), false),
            ]
        })
        .collect()
}

fn outside_cells(
    name: &UserName,
    user: &User,
    domains: &BTreeMap<DomainName, Domain>,
) -> Vec<Cell> {
    let ask = |subject: &str| request(subject.to_owned(), "");
    let mut attempts = vec![
        plain(">".to_owned()),
        plain("$SYS.>".to_owned()),
        plain("$JS.EVENT.ADVISORY.>".to_owned()),
        ask("$SYS.REQ.SERVER.PING.VARZ"),
        ask("$SYS.REQ.ACCOUNT.PING.CONNZ"),
        ask("$JS.API.INFO"),
        publish(names::PROBE_SUBJECT.to_owned()),
    ];
    for domain in domains.keys() {
        let stream = names::stream(domain);
        attempts.push(request(
            client_api(&format!("STREAM.INFO.{stream}")),
            NONSENSE,
        ));
        attempts.push(request(
            client_api(&format!("STREAM.MSG.GET.{stream}")),
            NONSENSE,
        ));
        attempts.push(create(&stream));
    }
    let mut pulled: Vec<(String, String)> = user
        .durables
        .iter()
        .map(|(durable, of)| (names::stream(&of.domain), names::consumer(name, durable)))
        .collect();
    if pulled.is_empty() {
        let streams = domains.keys().map(names::stream).take(1);
        pulled.extend(streams.map(|stream| (stream, NO_SUCH_CONSUMER.to_owned())));
    }
    attempts.extend(pulled.into_iter().map(|(stream, consumer)| {
        request(
            client_api(&format!("CONSUMER.MSG.NEXT.{stream}.{consumer}")),
            NONSENSE,
        )
    }));
    attempts
        .into_iter()
        .map(|attempt| Cell {
            queue: None,
            kind: Kind::Outside,
            attempt,
            allowed: false,
        })
        .collect()
}

fn publish(subject: String) -> Attempt {
    Attempt::Publish { subject }
}

fn plain(subject: String) -> Attempt {
    Attempt::Subscribe {
        subject,
        group: None,
    }
}

fn request(subject: String, body: &'static str) -> Attempt {
    Attempt::Request { subject, body }
}

fn info(stream: &str, consumer: &str) -> Attempt {
    request(
        client_api(&format!("CONSUMER.INFO.{stream}.{consumer}")),
        "",
    )
}

/// Sequence 0 is no message's: the consumer answers and its position stays where it is.
fn acknowledge_nothing(stream: &str, consumer: &str) -> Attempt {
    request(format!("$JS.ACK.{stream}.{consumer}.0.0.0.0.0"), "")
}

fn create(stream: &str) -> Attempt {
    request(
        client_api(&format!("CONSUMER.CREATE.{stream}.{NO_SUCH_CONSUMER}")),
        NONSENSE,
    )
}

fn client_api(request: &str) -> String {
    format!("{}.{request}", names::CLIENT_API_PREFIX)
}

#[cfg(test)]
mod tests;
