//! Differences of durable subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use super::bus::arrow;
use super::path::durable_path;
use super::users::difference;
use super::words::{grouped, list, span};
use super::{Change, Effect, Sides};
use crate::names::{consumer as consumer_name, stream};
use crate::queues::{ConsumerId, ObservedConsumer, unread_words};
use crate::valid::{Deliver, Durable, DurableName, MayLose, UserName};

type Durables = BTreeMap<DurableName, Durable>;

/// Every difference of a user's durables.
pub(super) fn changes(
    sides: Sides<'_>,
    user: &UserName,
    old: &Durables,
    new: &Durables,
) -> Vec<Change> {
    let names: BTreeSet<&DurableName> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .flat_map(|name| match (old.get(name), new.get(name)) {
            (None, Some(entry)) => vec![added(sides, user, name, entry)],
            (Some(entry), None) => vec![removed(sides, user, name, entry)],
            (Some(from), Some(to)) => changed(sides, user, name, (from, to)),
            (None, None) => Vec::new(),
        })
        .collect()
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

fn added(sides: Sides<'_>, user: &UserName, durable: &DurableName, entry: &Durable) -> Change {
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

fn removed(sides: Sides<'_>, user: &UserName, durable: &DurableName, entry: &Durable) -> Change {
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

fn changed(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entries: (&Durable, &Durable),
) -> Vec<Change> {
    let (from, to) = entries;
    // Without `..`: a field that is added is not forgotten here.
    let Durable {
        domain: _,
        queues: _,
        ack_wait,
        max_deliver,
        max_ack_pending,
        deliver,
    } = from;
    let path = durable_path(user, durable);
    let count = |count: u32| grouped(u64::from(count));
    let settings = [
        ("ackWait", span(*ack_wait), span(to.ack_wait)),
        ("maxDeliver", count(*max_deliver), count(to.max_deliver)),
        (
            "maxAckPending",
            count(*max_ack_pending),
            count(to.max_ack_pending),
        ),
    ];
    let settings =
        settings
            .into_iter()
            .filter(|(_, from, to)| from != to)
            .map(|(field, from, to)| {
                let why = "the consumer is updated while it runs; it keeps its position";
                Change::new(
                    format!("{path}.{field}"),
                    Effect::Reload,
                    arrow(from, to),
                    why,
                )
            });
    let queues = queues_change(sides, user, durable, entries);
    let deliver = (*deliver != to.deliver).then(|| deliver_change(sides, user, durable, entries));
    settings.chain(queues).chain(deliver).collect()
}

fn queues_change(
    sides: Sides<'_>,
    user: &UserName,
    durable: &DurableName,
    entries: (&Durable, &Durable),
) -> Option<Change> {
    let (from, to) = entries;
    let (what, why) = if from.domain != to.domain {
        (
            arrow(list(&from.queues), list(&to.queues)),
            format!(
                "it reads another stream with a consumer of its own; {}",
                left_behind(sides, user, durable, from)
            ),
        )
    } else if from.queues != to.queues {
        (
            difference(&from.queues, &to.queues),
            "the consumer is updated while it runs and keeps its position; of a queue it gains it reads what comes after \
             that position"
                .to_owned(),
        )
    } else {
        return None;
    };
    let path = format!("{}.queues", durable_path(user, durable));
    Some(Change::new(path, Effect::Reload, what, why))
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
