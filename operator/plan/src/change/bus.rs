//! Differences that concern the bus as a whole.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use super::path::{ISSUER, MAY_LOSE, NAME, REPLICAS, STORAGE_SIZE, SYNC, VERSION, WEBSOCKET};
use super::words::{list_or_none, size, span};
use super::{Change, Effect, Sides};
use crate::valid::{Issuer, MayLose, OnDelete, Sync, Tls, Valid};

/// Every difference but those of domains and users.
pub(super) fn changes(sides: Sides<'_>) -> Vec<Change> {
    let Sides { old, new, .. } = sides;
    // Without `..`: a field that is added is not forgotten here.
    let Valid {
        name,
        generation: _,
        version,
        replicas,
        storage_size,
        sync,
        on_delete,
        tls,
        websocket,
        domains: _,
        users: _,
        max_wait_per_server,
        paused,
        may_lose,
        kubernetes_only,
    } = old;
    [
        name_change(name, &new.name),
        version_change(version.as_deref(), new.version.as_deref()),
        replicas_change(*replicas, new.replicas),
        storage_change(*storage_size, new.storage_size),
        sync_change(*sync, new.sync),
        websocket_change(*websocket, new.websocket),
        on_delete_change(*on_delete, new.on_delete),
        max_wait_change(*max_wait_per_server, new.max_wait_per_server),
        paused_change(*paused, new.paused),
        may_lose_change(may_lose, &new.may_lose),
        kubernetes_only_change(kubernetes_only, &new.kubernetes_only),
    ]
    .into_iter()
    .flatten()
    .chain(tls_changes(tls, &new.tls))
    .collect()
}

/// `from -> to`.
pub(super) fn arrow(from: impl Display, to: impl Display) -> String {
    format!("{from} -> {to}")
}

fn name_change(old: &str, new: &str) -> Option<Change> {
    (old != new).then(|| {
        Change::refused(
            NAME,
            arrow(old, new),
            "servers, Secrets and the cluster itself are named like the resource",
            "make a second resource with the new name and move the clients to it",
        )
    })
}

fn version_change(old: Option<&str>, new: Option<&str>) -> Option<Change> {
    if old == new {
        return None;
    }
    let what = arrow(old.unwrap_or("left out"), new.unwrap_or("left out"));
    Some(match new {
        None => Change::new(
            VERSION,
            Effect::Nothing,
            what,
            "a version that is left out stays what it was",
        ),
        Some(_) => Change::refused(
            VERSION,
            what,
            "this release does not exchange the nats-server of a bus that runs",
            old.map_or_else(
                || "leave version out: the bus keeps the one it was made with".to_owned(),
                |old| format!("write version: {old}, or leave it out"),
            ),
        ),
    })
}

fn replicas_change(old: u8, new: u8) -> Option<Change> {
    (old != new).then(|| {
        Change::refused(
            REPLICAS,
            arrow(old, new),
            "this release does not add servers to a bus that runs, nor take any from it",
            format!("write replicas: {old}, or make a second resource and move the clients to it"),
        )
    })
}

fn storage_change(old: u64, new: u64) -> Option<Change> {
    let what = arrow(size(old), size(new));
    match new.cmp(&old) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Change::new(
            STORAGE_SIZE,
            Effect::Reload,
            what,
            "the servers take a larger limit while they run",
        )),
        std::cmp::Ordering::Less => Some(Change::refused(
            STORAGE_SIZE,
            what,
            "volumes do not shrink, and the servers refuse a smaller limit while they run",
            format!(
                "write size: {}, and lower maxBytes of the domains to keep less",
                size(old)
            ),
        )),
    }
}

fn sync_change(old: Sync, new: Sync) -> Option<Change> {
    let word = |sync| match sync {
        Sync::Always => "Always".to_owned(),
        Sync::Every(interval) => span(interval),
    };
    let loss = match new {
        Sync::Always => "from then on a power cut loses nothing that was acknowledged".to_owned(),
        Sync::Every(interval) => format!(
            "from then on a power cut of all servers at once loses up to {} of acknowledged messages",
            span(interval)
        ),
    };
    (old != new).then(|| {
        Change::new(
            SYNC,
            Effect::Restart,
            arrow(word(old), word(new)),
            format!("the servers read it only when they start; {loss}"),
        )
    })
}

fn websocket_change(old: bool, new: bool) -> Option<Change> {
    let then = if new {
        "from then on clients may come by websocket too, each with its own credentials and rights"
    } else {
        "each server closes its connections by websocket as it goes, and takes no others"
    };
    (old != new).then(|| {
        Change::new(
            WEBSOCKET,
            Effect::Restart,
            arrow(old, new),
            format!("the servers read it only when they start; {then}"),
        )
    })
}

fn on_delete_change(old: OnDelete, new: OnDelete) -> Option<Change> {
    let word = |on_delete| match on_delete {
        OnDelete::Retain => "Retain",
        OnDelete::Delete => "Delete",
    };
    (old != new).then(|| {
        Change::new(
            "spec.storage.onDelete",
            Effect::Nothing,
            arrow(word(old), word(new)),
            "it says what becomes of volumes and credentials when the resource itself is deleted",
        )
    })
}

fn max_wait_change(old: Duration, new: Duration) -> Option<Change> {
    (old != new).then(|| {
        Change::new(
            "spec.rollout.maxWaitPerServer",
            Effect::Nothing,
            arrow(span(old), span(new)),
            "it holds from the next restart of a server on",
        )
    })
}

fn paused_change(old: bool, new: bool) -> Option<Change> {
    let why = if new {
        "from now on the bus is watched and reported on, and nothing is changed"
    } else {
        "what was changed in the meantime is applied now"
    };
    (old != new).then(|| Change::new("spec.paused", Effect::Nothing, arrow(old, new), why))
}

fn may_lose_change(old: &BTreeSet<MayLose>, new: &BTreeSet<MayLose>) -> Option<Change> {
    let words = |may_lose: &BTreeSet<MayLose>| {
        list_or_none(may_lose.iter().map(|loss| match loss {
            MayLose::Domain(domain) => format!("domain/{domain}"),
            MayLose::Durable(user, durable) => format!("durable/{user}.{durable}"),
        }))
    };
    (old != new).then(|| {
        Change::new(
            MAY_LOSE,
            Effect::Nothing,
            arrow(words(old), words(new)),
            "it permits losses and causes none; remove it once they are done",
        )
    })
}

fn kubernetes_only_change(old: &[String], new: &[String]) -> Option<Change> {
    (old != new).then(|| {
        Change::new(
            "spec",
            Effect::Nothing,
            format!(
                "fields for Kubernetes alone: {}",
                arrow(list_or_none(old), list_or_none(new))
            ),
            "they do not reach the servers' configuration",
        )
    })
}

fn tls_changes(old: &Tls, new: &Tls) -> impl Iterator<Item = Change> {
    let Tls {
        issuer,
        validity,
        renew_before,
        extra_dns_names,
        client_certificates,
    } = old;
    [
        issuer_change(issuer, &new.issuer),
        (*validity != new.validity).then(|| {
            Change::new(
                "spec.tls.issuer.managed.validity",
                Effect::Reload,
                arrow(span(*validity), span(new.validity)),
                "certificates of servers and users are renewed at once; connections stay",
            )
        }),
        (*renew_before != new.renew_before).then(|| {
            Change::new(
                "spec.tls.issuer.managed.renewBefore",
                Effect::Reload,
                arrow(span(*renew_before), span(new.renew_before)),
                "certificates that are due by it are renewed; connections stay",
            )
        }),
        (*extra_dns_names != new.extra_dns_names).then(|| {
            Change::new(
                "spec.tls.extraDnsNames",
                Effect::Reload,
                arrow(
                    list_or_none(extra_dns_names),
                    list_or_none(&new.extra_dns_names),
                ),
                "the servers' certificates are renewed with these names; connections stay",
            )
        }),
        (*client_certificates != new.client_certificates)
            .then(|| client_certificates_change(new.client_certificates)),
    ]
    .into_iter()
    .flatten()
}

/// Another authority is another trust: whoever holds the old `ca.crt` connects no more, all at once.
/// So who signs stays, and only the lifetime of the next managed authority may change.
fn issuer_change(old: &Issuer, new: &Issuer) -> Option<Change> {
    if old == new {
        return None;
    }
    if let (Issuer::Managed { ca_validity: from }, Issuer::Managed { ca_validity: to }) = (old, new)
    {
        return Some(Change::new(
            "spec.tls.issuer.managed.caValidity",
            Effect::Nothing,
            arrow(span(*from), span(*to)),
            "it holds for the next authority; the one at hand keeps its end",
        ));
    }
    let word = |issuer: &Issuer| match issuer {
        Issuer::Managed { .. } => "managed".to_owned(),
        Issuer::Brought { secret } => format!("secretRef {secret}"),
    };
    Some(Change::refused(
        ISSUER,
        arrow(word(old), word(new)),
        "every client trusts the authority in the ca.crt that it was handed; under another one none could connect until \
         it was handed the new one",
        "make a second resource with the new authority and move the clients to it",
    ))
}

fn client_certificates_change(required: bool) -> Change {
    let (what, why) = if required {
        (
            "None -> Required",
            "every user's credentials get a certificate; who is connected stays, who connects without one is refused",
        )
    } else {
        (
            "Required -> None",
            "clients need no certificate any more; who is connected stays",
        )
    };
    Change::new("spec.tls.clientCertificates", Effect::Reload, what, why)
}
