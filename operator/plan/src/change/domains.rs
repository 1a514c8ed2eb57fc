//! Differences of domains and their programs.

use std::collections::BTreeSet;

use super::bus::arrow;
use super::path::{domain_field, domain_path};
use super::words::{count, grouped, list, span};
use super::{Change, Effect, Sides};
use crate::names::stream;
use crate::queues::{Limit, LimitChange, Limited, ObservedStream, limit_change};
use crate::valid::{Domain, DomainName, MayLose, OnDelete};

/// Every difference of domains.
pub(super) fn changes(sides: Sides<'_>) -> Vec<Change> {
    let Sides { old, new, .. } = sides;
    let names: BTreeSet<&DomainName> = old.domains.keys().chain(new.domains.keys()).collect();
    names
        .into_iter()
        .flat_map(
            |name| match (old.domains.get(name), new.domains.get(name)) {
                (None, Some(domain)) => added(sides, name, domain),
                (Some(domain), None) => vec![removed(sides, name, domain)],
                (Some(from), Some(to)) => changed(sides, name, from, to),
                (None, None) => Vec::new(),
            },
        )
        .collect()
}

fn stored<'a>(sides: Sides<'a>, name: &DomainName) -> Option<&'a ObservedStream> {
    sides
        .observed
        .and_then(|observed| observed.streams.get(&stream(name)))
}

fn added(sides: Sides<'_>, name: &DomainName, domain: &Domain) -> Vec<Change> {
    let queues = domain
        .programs
        .iter()
        .map(|program| format!("{name}.{program}"));
    let why = match stored(sides, name) {
        Some(there) => format!(
            "stream {} is there from before with {} and is taken up again",
            stream(name),
            count(there.messages, "message")
        ),
        None => format!("stream {} is made while everything runs", stream(name)),
    };
    let mut changes = vec![Change::new(
        domain_path(name),
        Effect::Reload,
        format!("added with {}", list(queues)),
        why,
    )];
    if domain.replicas > sides.old.replicas {
        changes.push(held_replicas(
            sides,
            name,
            sides.old.replicas,
            domain.replicas,
        ));
    }
    changes
}

fn removed(sides: Sides<'_>, name: &DomainName, domain: &Domain) -> Change {
    let stream = stream(name);
    let messages = stored(sides, name).map_or_else(
        || "its messages".to_owned(),
        |there| format!("its {}", count(there.messages, "message")),
    );
    // The stream may have been made before onDelete was changed in this very edit; what it carries
    // is what happens.
    let on_delete = stored(sides, name).map_or(domain.on_delete, |there| there.config.on_delete());
    let why = match on_delete {
        OnDelete::Retain => format!(
            "its onDelete is Retain: stream {stream} is kept with {messages}, nobody has rights on it, and a domain of \
             the same name takes it up again"
        ),
        OnDelete::Delete => {
            format!("its onDelete is Delete: stream {stream} is deleted with {messages}")
        }
    };
    Change::new(
        domain_path(name),
        Effect::Reload,
        format!(
            "removed with {}",
            list(
                domain
                    .programs
                    .iter()
                    .map(|program| format!("{name}.{program}"))
            )
        ),
        why,
    )
}

fn changed(sides: Sides<'_>, name: &DomainName, from: &Domain, to: &Domain) -> Vec<Change> {
    // Without `..`: a field that is added is not forgotten here.
    let Domain {
        programs,
        replicas,
        max_age: _,
        max_bytes: _,
        max_messages_per_queue: _,
        discard: _,
        duplicate_window,
        on_delete,
    } = from;
    let mut changes = limits(sides, name, from, to);
    changes.extend(to.programs.difference(programs).map(|program| {
        Change::new(
            format!("{}[{program}]", domain_field(name, "programs")),
            Effect::Reload,
            format!("queue {name}.{program} added"),
            format!("stream {} takes it while everything runs", stream(name)),
        )
    }));
    changes.extend(
        programs
            .difference(&to.programs)
            .map(|program| removed_program(sides, name, program)),
    );
    if *replicas != to.replicas {
        changes.push(replicas_change(sides, name, *replicas, to.replicas));
    }
    if *duplicate_window != to.duplicate_window {
        changes.push(Change::new(
            domain_field(name, "duplicateWindow"),
            Effect::Reload,
            arrow(span(*duplicate_window), span(to.duplicate_window)),
            "the stream is updated while it runs; no message is touched",
        ));
    }
    if *on_delete != to.on_delete {
        let (what, why) = match to.on_delete {
            OnDelete::Retain => (
                "Delete -> Retain",
                "noted at the stream: when the domain is removed, its messages stay",
            ),
            OnDelete::Delete => (
                "Retain -> Delete",
                "noted at the stream: when the domain is removed, its messages go",
            ),
        };
        changes.push(Change::new(
            domain_field(name, "onDelete"),
            Effect::Reload,
            what,
            why,
        ));
    }
    changes
}

fn limits(sides: Sides<'_>, name: &DomainName, from: &Domain, to: &Domain) -> Vec<Change> {
    Limit::ALL
        .into_iter()
        .filter_map(|limit| {
            limit_change(&LimitChange {
                domain: name,
                limit,
                from: Limited::from(from),
                to: Limited::from(to),
                observed: sides.observed,
                permitted: sides.new.may_lose.contains(&MayLose::Domain(name.clone())),
                now: sides.now,
            })
        })
        .collect()
}

fn removed_program(sides: Sides<'_>, name: &DomainName, program: &str) -> Change {
    let held = stored(sides, name)
        .and_then(|there| there.subjects.get(&format!("{name}.{program}")))
        .copied();
    let why = match held {
        Some(0) => "it holds no messages".to_owned(),
        Some(messages) => format!(
            "its {} stay in stream {} as long as the domain's limits keep them, and nobody has rights on them",
            count(messages, "message"),
            stream(name)
        ),
        None => format!(
            "its messages stay in stream {} as long as the domain's limits keep them, and nobody has rights on them",
            stream(name)
        ),
    };
    Change::new(
        format!("{}[{program}]", domain_field(name, "programs")),
        Effect::Reload,
        format!("queue {name}.{program} removed"),
        why,
    )
}

/// The servers follow while the stream runs. But the number of servers is held when it changes, and
/// what goes with it is held too: else a refused change would still cost messages their replicas.
fn replicas_change(sides: Sides<'_>, name: &DomainName, from: u8, to: u8) -> Change {
    if sides.old.replicas != sides.new.replicas {
        return held_replicas(sides, name, from, to);
    }
    let why = if to > from {
        format!(
            "the stream is copied to {} while it runs",
            count(u64::from(to - from), "more server")
        )
    } else {
        format!(
            "the stream leaves {} while it runs; it then survives the fall of {} at a time",
            count(u64::from(from - to), "server"),
            count(u64::from((to - 1) / 2), "server")
        )
    };
    Change::new(
        domain_field(name, "replicas"),
        Effect::Reload,
        arrow(from, to),
        why,
    )
}

fn held_replicas(sides: Sides<'_>, name: &DomainName, from: u8, to: u8) -> Change {
    Change::refused(
        domain_field(name, "replicas"),
        arrow(from, to),
        format!(
            "it goes with the number of servers, which stays {}",
            grouped(u64::from(sides.old.replicas))
        ),
        format!("write replicas: {from}"),
    )
}
