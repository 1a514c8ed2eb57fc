//! Differences of users and their rights.

use std::collections::{BTreeMap, BTreeSet};

use super::bus::arrow;
use super::path::user_path;
use super::words::list;
use super::{Change, Effect, Sides, durables};
use crate::valid::{Authentication, Queue, User, UserName};

/// Every difference of users.
pub(super) fn changes(sides: Sides<'_>) -> Vec<Change> {
    let Sides { old, new, .. } = sides;
    let names: BTreeSet<&UserName> = old.users.keys().chain(new.users.keys()).collect();
    let none = BTreeMap::new();
    names
        .into_iter()
        .flat_map(|name| match (old.users.get(name), new.users.get(name)) {
            (None, Some(user)) => {
                let durables = durables::changes(sides, name, &none, &user.durables);
                [vec![added(name, user)], durables].concat()
            }
            (Some(user), None) => {
                let durables = durables::changes(sides, name, &user.durables, &none);
                [vec![removed(name, user)], durables].concat()
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
    changes.extend(durables::changes(sides, name, durables, &to.durables));
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
pub(super) fn difference(from: &BTreeSet<Queue>, to: &BTreeSet<Queue>) -> String {
    let gained: Vec<&Queue> = to.difference(from).collect();
    let lost: Vec<&Queue> = from.difference(to).collect();
    match (gained.is_empty(), lost.is_empty()) {
        (false, true) => format!("gains {}", list(gained)),
        (true, false) => format!("loses {}", list(lost)),
        _ => format!("gains {}; loses {}", list(gained), list(lost)),
    }
}
