//! What the operator itself may do on the bus: every subject with its reason, and nothing else. It
//! holds no right to read a mission queue or to acknowledge a message.

use crate::access::config::{Permissions, SubjectRules};
use crate::names;
use crate::valid::Valid;

/// A subject that the operator may use, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Subject, as it stands in the permissions.
    pub subject: &'static str,
    /// What the operator does with it.
    pub reason: &'static str,
}

const fn grant(subject: &'static str, reason: &'static str) -> Grant {
    Grant { subject, reason }
}

/// Where answers arrive; nobody else is in the operator's two accounts.
pub const INBOX: Grant = grant("_INBOX.>", "answers to its own requests");

/// Requests into the system account.
pub const SYSTEM_PUBLISH: [Grant; 4] = [
    grant(
        "$SYS.REQ.SERVER.PING.VARZ",
        "versions, and the digest of the configuration in force",
    ),
    grant(
        "$SYS.REQ.SERVER.PING.HEALTHZ",
        "whether each server says that it is healthy",
    ),
    grant(
        "$SYS.REQ.SERVER.PING.JSZ",
        "the meta group, and whether every replica is current",
    ),
    grant(
        "$SYS.REQ.SERVER.*.RELOAD",
        "puts a changed configuration in force without a restart",
    ),
];

/// Subjects in the system account that it listens to.
pub const SYSTEM_SUBSCRIBE: [Grant; 1] = [INBOX];

/// Requests into the JetStream account. Each queue is granted besides, for a publish that expects a
/// stream which does not exist: the queue's stream answers it and stores nothing.
pub const JETSTREAM_PUBLISH: [Grant; 10] = [
    grant("$JS.API.STREAM.CREATE.*", "makes the stream of a domain"),
    grant("$JS.API.STREAM.UPDATE.*", "changes the stream of a domain"),
    grant(
        "$JS.API.STREAM.DELETE.*",
        "deletes a removed domain's stream where onDelete says so",
    ),
    grant(
        "$JS.API.STREAM.INFO.*",
        "what a stream is now, and who leads it",
    ),
    grant("$JS.API.STREAM.NAMES", "which streams there are"),
    grant(
        "$JS.API.CONSUMER.CREATE.>",
        "makes and changes durable subscriptions",
    ),
    grant(
        "$JS.API.CONSUMER.DELETE.*.*",
        "deletes a durable subscription that was removed",
    ),
    grant(
        "$JS.API.CONSUMER.LIST.*",
        "what the durable subscriptions of a stream are now",
    ),
    grant(names::PROBE_SUBJECT, "writes to the probe's own stream"),
    grant(
        PROBE_READ,
        "reads back from the probe's own stream, and from no other",
    ),
];

/// Subjects in the JetStream account that it listens to.
pub const JETSTREAM_SUBSCRIBE: [Grant; 2] = [
    INBOX,
    grant(
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.*.*",
        "which durable subscription gave a message up; the message itself is not in it",
    ),
];

/// Reading one message of the probe's stream.
const PROBE_READ: &str = "$JS.API.STREAM.MSG.GET.svom-probe";

pub(super) fn system_permissions() -> Permissions {
    Permissions {
        publish: SubjectRules::exactly(subjects(&SYSTEM_PUBLISH)),
        subscribe: SubjectRules::exactly(subjects(&SYSTEM_SUBSCRIBE)),
    }
}

pub(super) fn jetstream_permissions(valid: &Valid) -> Permissions {
    let queues = valid.queues().map(|queue| queue.to_string());
    Permissions {
        publish: SubjectRules::exactly(subjects(&JETSTREAM_PUBLISH).chain(queues)),
        subscribe: SubjectRules::exactly(subjects(&JETSTREAM_SUBSCRIBE)),
    }
}

fn subjects(grants: &[Grant]) -> impl Iterator<Item = String> {
    grants.iter().map(|grant| grant.subject.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_read_from_its_own_stream() {
        assert_eq!(
            PROBE_READ,
            format!("$JS.API.STREAM.MSG.GET.{}", names::PROBE_STREAM)
        );
    }
}
