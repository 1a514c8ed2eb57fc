//! What a lower limit would cost. The server says OK to it and deletes at once what is above it
//! (measured), so the loss is counted before.

use std::time::Duration;

use super::{ObservedConsumer, ObservedQueues, ObservedStream};
use crate::UnixSeconds;
use crate::change::words::{age, count, grouped, measured_size, size, span};
use crate::change::{Change, Effect, domain_path};
use crate::names::stream;
use crate::valid::{Discard, Domain, DomainName};

/// A limit of a domain above which its stream deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// For how long a message is kept.
    MaxAge,
    /// How many bytes the stream keeps.
    MaxBytes,
    /// How many messages each queue keeps.
    MaxMessagesPerQueue,
    /// Whether what is above the limits of bytes is deleted or stays and nothing more is taken.
    Discard,
}

/// Numbers of a domain by which messages may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// For how long a message is kept.
    pub max_age: Duration,
    /// How many bytes the stream keeps.
    pub max_bytes: u64,
    /// How many messages each queue keeps.
    pub max_messages_per_queue: u64,
    /// What a full stream does.
    pub discard: Discard,
}

impl From<&Domain> for Limited {
    fn from(domain: &Domain) -> Self {
        Self {
            max_age: domain.max_age,
            max_bytes: domain.max_bytes,
            max_messages_per_queue: domain.max_messages_per_queue,
            discard: domain.discard,
        }
    }
}

impl From<&ObservedStream> for Limited {
    fn from(stream: &ObservedStream) -> Self {
        let config = &stream.config;
        // The server writes -1 (of bytes and messages) and 0 (of an age) for no limit.
        let unlimited = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            max_age: match u64::try_from(config.max_age) {
                Ok(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
                _ => Duration::MAX,
            },
            max_bytes: unlimited(config.max_bytes),
            max_messages_per_queue: unlimited(config.max_msgs_per_subject),
            discard: if config.discard == "new" {
                Discard::New
            } else {
                Discard::Old
            },
        }
    }
}

impl Limit {
    /// All of them, in the order of their fields' names.
    pub(crate) const ALL: [Self; 4] = [
        Self::Discard,
        Self::MaxAge,
        Self::MaxBytes,
        Self::MaxMessagesPerQueue,
    ];

    /// Name of the field in the resource.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::MaxAge => "maxAge",
            Self::MaxBytes => "maxBytes",
            Self::MaxMessagesPerQueue => "maxMessagesPerQueue",
            Self::Discard => "discard",
        }
    }

    /// Whether the limit is another one.
    pub(crate) fn differs(self, from: &Limited, to: &Limited) -> bool {
        match self {
            Self::MaxAge => from.max_age != to.max_age,
            Self::MaxBytes => from.max_bytes != to.max_bytes,
            Self::MaxMessagesPerQueue => from.max_messages_per_queue != to.max_messages_per_queue,
            Self::Discard => from.discard != to.discard,
        }
    }

    /// Whether the limit deletes more than before.
    fn is_tighter(self, from: &Limited, to: &Limited) -> bool {
        match self {
            Self::MaxAge => to.max_age < from.max_age,
            Self::MaxBytes => to.max_bytes < from.max_bytes,
            Self::MaxMessagesPerQueue => to.max_messages_per_queue < from.max_messages_per_queue,
            Self::Discard => from.discard == Discard::New && to.discard == Discard::Old,
        }
    }

    fn words(self, limits: &Limited) -> String {
        match self {
            Self::MaxAge if limits.max_age == Duration::MAX => "no limit".to_owned(),
            Self::MaxBytes if limits.max_bytes == u64::MAX => "no limit".to_owned(),
            Self::MaxMessagesPerQueue if limits.max_messages_per_queue == u64::MAX => {
                "no limit".to_owned()
            }
            Self::MaxAge => span(limits.max_age),
            Self::MaxBytes => size(limits.max_bytes),
            Self::MaxMessagesPerQueue => grouped(limits.max_messages_per_queue),
            Self::Discard => discard_word(limits.discard).to_owned(),
        }
    }

    /// What the stream would delete at once, in words; `None` where nothing.
    fn loss(self, to: &Limited, stored: &ObservedStream, now: UnixSeconds) -> Option<String> {
        let name = &stored.config.name;
        match self {
            Self::MaxAge => {
                let oldest = now.saturating_sub(stored.oldest?);
                let limit = i64::try_from(to.max_age.as_secs()).unwrap_or(i64::MAX);
                (stored.messages > 0 && oldest > limit).then(|| {
                    format!(
                        "stream {name} holds {}, the oldest for {}; those older than {}",
                        count(stored.messages, "message"),
                        age(oldest),
                        span(to.max_age),
                    )
                })
            }
            // A stream that refuses the next message when it is full deletes none (measured).
            Self::MaxBytes | Self::Discard if to.discard == Discard::New => None,
            Self::MaxBytes | Self::Discard => {
                let above = stored.bytes.saturating_sub(to.max_bytes);
                (above > 0).then(|| {
                    format!(
                        "stream {name} holds {} in {}; the oldest {} above {}",
                        measured_size(stored.bytes),
                        count(stored.messages, "message"),
                        measured_size(above),
                        size(to.max_bytes),
                    )
                })
            }
            Self::MaxMessagesPerQueue => {
                let above: Vec<(&String, u64)> = stored
                    .subjects
                    .iter()
                    .map(|(subject, held)| {
                        (subject, held.saturating_sub(to.max_messages_per_queue))
                    })
                    .filter(|(_, above)| *above > 0)
                    .collect();
                let total = above.iter().map(|(_, above)| above).sum();
                let worst = above.iter().max_by_key(|(_, above)| above)?;
                let held = stored.subjects.get(worst.0).copied().unwrap_or(0);
                Some(format!(
                    "{} above {} in {} of stream {name} (most in {}, which holds {})",
                    count(total, "message"),
                    grouped(to.max_messages_per_queue),
                    count(u64::try_from(above.len()).unwrap_or(u64::MAX), "queue"),
                    worst.0,
                    grouped(held),
                ))
            }
        }
    }
}

fn discard_word(discard: Discard) -> &'static str {
    match discard {
        Discard::Old => "Old",
        Discard::New => "New",
    }
}

/// A change of one limit, which is refused where it would delete messages that nobody gave up.
pub(crate) struct LimitChange<'a> {
    /// Domain.
    pub domain: &'a DomainName,
    /// Limit.
    pub limit: Limit,
    /// Limits in force.
    pub from: Limited,
    /// Limits that are wanted.
    pub to: Limited,
    /// What the servers report; absent where nobody asked them.
    pub observed: Option<&'a ObservedQueues>,
    /// Whether the resource says that the domain's messages may be lost.
    pub permitted: bool,
    /// The time.
    pub now: UnixSeconds,
}

/// What the change of a limit takes; `None` where it does not change.
pub(crate) fn limit_change(change: &LimitChange<'_>) -> Option<Change> {
    let LimitChange {
        domain,
        limit,
        ref from,
        ref to,
        observed,
        permitted,
        now,
    } = *change;
    if !limit.differs(from, to) {
        return None;
    }
    let path = format!("{}.{}", domain_path(domain), limit.field());
    let what = format!("{} -> {}", limit.words(from), limit.words(to));
    if !limit.is_tighter(from, to) {
        let why = "the stream is updated while it runs; it deletes nothing for it";
        return Some(Change::new(path, Effect::Reload, what, why));
    }
    let Some(observed) = observed else {
        let why = format!(
            "the stream is updated while it runs; where it holds messages above the new limit the change is held \
             until the annotation {} names domain/{domain}",
            svom_crds::ALLOW_LOSS,
        );
        return Some(Change::new(path, Effect::Reload, what, why));
    };
    let loss = observed
        .streams
        .get(&stream(domain))
        .and_then(|stored| limit.loss(to, stored, now));
    Some(match loss {
        None => {
            let why = "the stream is updated while it runs; it holds nothing above the new limit";
            Change::new(path, Effect::Reload, what, why)
        }
        Some(loss) if permitted => {
            let why = format!(
                "{loss} are deleted at once, which domain/{domain} in the annotation {} permits",
                svom_crds::ALLOW_LOSS
            );
            Change::new(path, Effect::Replace, what, why)
        }
        Some(loss) => Change::refused(
            path,
            what,
            format!("{loss} would be deleted at once"),
            format!(
                "wait until the messages are gone, or give them up with the annotation {}: domain/{domain}",
                svom_crds::ALLOW_LOSS,
            ),
        ),
    })
}

/// What a consumer still has for its readers, in words; `None` where it has nothing.
pub(crate) fn unread_words(consumer: &ObservedConsumer) -> Option<String> {
    match (consumer.unread, consumer.unacknowledged) {
        (0, 0) => None,
        (unread, 0) => Some(count(unread, "unread message")),
        (0, unacknowledged) => Some(count(unacknowledged, "unacknowledged message")),
        (unread, unacknowledged) => Some(format!(
            "{} unread and {}",
            grouped(unread),
            count(unacknowledged, "unacknowledged message")
        )),
    }
}
