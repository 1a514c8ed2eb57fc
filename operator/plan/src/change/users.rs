//! Differences of users, their rights and their durable subscriptions.

use std::collections::BTreeSet;

use super::bus::arrow;
use super::path::{durable_path, user_path};
use super::words::{grouped, list, span};
use super::{Change, Effect, Sides};
use crate::names::{consumer as consumer_name, stream};
use crate::queues::{ConsumerId, ObservedConsumer, unread_words};
use crate::valid::{Authentication, Deliver, Durable, DurableName, MayLose, Queue, User, UserName};

/// Every difference of users.
pub(super) fn changes(sides: Sides<'_>) -> Vec<Change> {
    let Sides { old, new, .. } = sides;
    let names: BTreeSet<&UserName> = old.users.keys().chain(new.users.keys()).collect();
    names
        .into_iter()
        .flat_map(|name| match (old.users.get(name), new.users.get(name)) {
            (None, Some(user)) => {
                let mut changes = vec![added(name, user)];
                changes.extend(
                    user.durables
                        .iter()
                        .map(|(durable, entry)| added_durable(sides, name, durable, entry)),
                );
                changes
            }
            (Some(user), None) => {
                let mut changes = vec![removed(name, user)];
                changes.extend(
                    user.durables
                        .iter()
                        .map(|(durable, entry)| removed_durable(sides, name, durable, entry)),
                );
                changes
            }
            (Some(from), Some(to)) => changed(sides, name, from, to),
            (None, None) => Vec::new(),
        })
        .collect()
}

fn added(name: &UserName, user: &User) -> Change {
    let credentials = match &user.secret {
        Some(secret) => format!("it proves itself with what is in {secret}"),
        None => "its credentials are made".to_owned(),
    };
    Change::new(
        user_path(name),
        Effect::Reload,
        format!(
            "added: publishes to {}; subscribes to {}",
            list(&user.publish),
            list(user.subscribe_patterns.iter().map(|pattern| &pattern.0))
        ),
        format!("{credentials}; nobody else is touched"),
    )
}

fn removed(name: &UserName, user: &User) -> Change {
    Change::new(
        user_path(name),
        Effect::Reload,
        format!(
            "removed: published to {}; subscribed to {}",
            list(&user.publish),
            list(user.subscribe_patterns.iter().map(|pattern| &pattern.0))
        ),
        "its connections are closed at once and it cannot connect again; nobody else is touched",
    )
}

fn changed(sides: Sides<'_>, name: &UserName, from: &User, to: &User) -> Vec<Change> {
    // Without `..`: a field that is added is not forgotten here.
    let User {
        publish,
        subscribe,
        subscribe_patterns,
        durables,
        authentication,
        secret,
    } = from;
    let path = user_path(name);
    let mut changes = Vec::new();
    if *publish != to.publish {
        changes.push(Change::new(
            format!("{path}.publish"),
            Effect::Reload,
            difference(publish, &to.publish),
            "in force on open connections; what it may no longer publish to is refused",
        ));
    }
    if *subscribe != to.subscribe {
        changes.push(Change::new(
            format!("{path}.subscribe"),
            Effect::Reload,
            difference(subscribe, &to.subscribe),
            "in force on open connections; a subscription that it may no longer have ends",
        ));
    } else if *subscribe_patterns != to.subscribe_patterns {
        let words = |user: &User| list(user.subscribe_patterns.iter().map(|pattern| &pattern.0));
        changes.push(Change::new(
            format!("{path}.subscribe"),
            Effect::Reload,
            arrow(words(from), words(to)),
            "the same queues; a subscription in a form that is no longer written ends",
        ));
    }
    changes.extend(credential_changes(
        &path,
        (*authentication, secret.as_deref()),
        to,
    ));
    let names: BTreeSet<&DurableName> = durables.keys().chain(to.durables.keys()).collect();
    for durable in names {
        match (durables.get(durable), to.durables.get(durable)) {
            (None, Some(entry)) => changes.push(added_durable(sides, name, durable, entry)),
            (Some(entry), None) => changes.push(removed_durable(sides, name, durable, entry)),
            (Some(from), Some(to)) => {
                changes.extend(changed_durable(sides, name, durable, from, to))
            }
            (None, None) => {}
        }
    }
    changes
}

fn credential_changes(path: &str, old: (Authentication, Option<&str>), to: &User) -> Vec<Change> {
    let (authentication, secret) = old;
    let method = |authentication| match authentication {
        Authentication::Password => "Password",
        Authentication::Nkey => "NKey",
    };
    let source = |secret: Option<&str>| secret.unwrap_or("generated").to_owned();
    let mut changes = Vec::new();
    if authentication != to.authentication {
        changes.push(Change::new(
            format!("{path}.authentication"),
            Effect::Reload,
            arrow(method(authentication), method(to.authentication)),
            "it gets new credentials; its connections are closed until it uses them; nobody else is touched",
        ));
    }
    if secret != to.secret.as_deref() {
        changes.push(Change::new(
            format!("{path}.secretRef"),
            Effect::Reload,
            arrow(source(secret), source(to.secret.as_deref())),
            "where its credentials are others, its connections are closed until it uses them; nobody else is touched",
        ));
    }
    changes
}

/// `gains data.vhf; loses science.too`.
fn difference(from: &BTreeSet<Queue>, to: &BTreeSet<Queue>) -> String {
    let gained: Vec<&Queue> = to.difference(from).collect();
    let lost: Vec<&Queue> = from.difference(to).collect();
    match (gained.is_empty(), lost.is_empty()) {
        (false, true) => format!("gains {}", list(gained)),
        (true, false) => format!("loses {}", list(lost)),
        _ => format!("gains {}; loses {}", list(gained), list(lost)),
    }
}

fn consumer<'a>(
    sides: Sides<'a>,
    user: &UserName,
    durable: &DurableName,
    entry: &Durable,
) -> Option<&'a ObservedConsumer> {
    let id = ConsumerId::new(&entry.domain, user, durable);
    sides
        .observed
        .and_then(|observed| observed.consumers.get(&id))
}

fn added_durable(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entry: &Durable,
) -> Change {
    let why = match consumer(sides, user, durable, entry).map(unread_words) {
        Some(Some(unread)) => {
            format!("its consumer was kept from before with {unread}; it goes on from there")
        }
        Some(None) => "its consumer was kept from before; it goes on from there".to_owned(),
        None => "its consumer is made while everything runs".to_owned(),
    };
    Change::new(
        durable_path(user, durable),
        Effect::Reload,
        format!("added: reads {}", list(&entry.queues)),
        why,
    )
}

fn removed_durable(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entry: &Durable,
) -> Change {
    Change::new(
        durable_path(user, durable),
        Effect::Reload,
        format!("removed: read {}", list(&entry.queues)),
        format!(
            "its readers lose access at once; {}",
            left_behind(sides, user, durable, entry)
        ),
    )
}

/// What becomes of the consumer of a durable that no longer reads there.
fn left_behind(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entry: &Durable,
) -> String {
    let its = format!(
        "consumer {} of stream {}",
        consumer_name(user, durable),
        stream(&entry.domain)
    );
    let token = format!(
        "durable/{user}.{durable} in the annotation {}",
        svom_crds::ALLOW_LOSS
    );
    let permitted = sides
        .new
        .may_lose
        .contains(&MayLose::Durable(user.clone(), durable.clone()));
    let unread = consumer(sides, user, durable, entry).map(unread_words);
    match (unread, sides.observed) {
        (Some(Some(unread)), _) if permitted => {
            format!("{its} is deleted with {unread}, which {token} permits")
        }
        (Some(Some(unread)), _) => {
            format!("{its} is kept with {unread} until {token} gives them up")
        }
        (Some(None), _) => format!("{its} has nothing unread and is deleted"),
        (None, Some(_)) => format!("there is no {its}"),
        (None, None) if permitted => format!("{its} is deleted, which {token} permits"),
        (None, None) => {
            format!(
                "{its} is deleted, or, where messages are unread, kept until {token} gives them up"
            )
        }
    }
}

fn changed_durable(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    from: &Durable,
    to: &Durable,
) -> Vec<Change> {
    // Without `..`: a field that is added is not forgotten here.
    let Durable {
        domain,
        queues,
        ack_wait,
        max_deliver,
        max_ack_pending,
        deliver,
    } = from;
    let path = durable_path(user, durable);
    let mut changes = Vec::new();
    let mut number = |field: &str, from: String, to: String, why: &str| {
        if from != to {
            changes.push(Change::new(
                format!("{path}.{field}"),
                Effect::Reload,
                arrow(from, to),
                why,
            ));
        }
    };
    number(
        "ackWait",
        span(*ack_wait),
        span(to.ack_wait),
        "the consumer is updated while it runs; it keeps its position",
    );
    number(
        "maxDeliver",
        grouped(u64::from(*max_deliver)),
        grouped(u64::from(to.max_deliver)),
        "the consumer is updated while it runs; it keeps its position",
    );
    number(
        "maxAckPending",
        grouped(u64::from(*max_ack_pending)),
        grouped(u64::from(to.max_ack_pending)),
        "the consumer is updated while it runs; it keeps its position",
    );
    if *domain != to.domain {
        changes.push(Change::new(
            format!("{path}.queues"),
            Effect::Reload,
            arrow(list(queues), list(&to.queues)),
            format!(
                "it reads another stream with a consumer of its own; {}",
                left_behind(sides, user, durable, from)
            ),
        ));
    } else if *queues != to.queues {
        changes.push(Change::new(
            format!("{path}.queues"),
            Effect::Reload,
            difference(queues, &to.queues),
            "the consumer is updated while it runs and keeps its position; of a queue it gains it reads what comes after \
             that position",
        ));
    }
    if *deliver != to.deliver {
        changes.push(deliver_change(sides, user, durable, (from, to)));
    }
    changes
}

fn deliver_change(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entries: (&Durable, &Durable),
) -> Change {
    let (from, to) = entries;
    let path = format!("{}.deliver", durable_path(user, durable));
    let what = arrow(deliver_word(from.deliver), deliver_word(to.deliver));
    let token = format!("{}: durable/{user}.{durable}", svom_crds::ALLOW_LOSS);
    let not_there = sides.observed.is_some() && consumer(sides, user, durable, to).is_none();
    if from.domain != to.domain || not_there {
        let why = "its consumer is made with it while everything runs";
        return Change::new(path, Effect::Reload, what, why);
    }
    if sides
        .new
        .may_lose
        .contains(&MayLose::Durable(user.clone(), durable.clone()))
    {
        let why = format!(
            "its consumer is deleted and made anew; its position is lost, which {token} permits"
        );
        return Change::new(path, Effect::Replace, what, why);
    }
    Change::refused(
        path,
        what,
        "it says where a new consumer begins, and the server never changes it on one that exists",
        format!(
            "write deliver: {}, take another name for the durable, or give up its position with the annotation {token}",
            deliver_word(from.deliver)
        ),
    )
}

fn deliver_word(deliver: Deliver) -> &'static str {
    match deliver {
        Deliver::All => "All",
        Deliver::Last => "Last",
        Deliver::New => "New",
    }
}
