//! What may be put in force of a changed resource.

use super::path::{ISSUER, NAME, REPLICAS, STORAGE_SIZE, VERSION, domain_field, durable_path};
use super::{Change, Effect};
use crate::queues::Limit;
use crate::valid::{Domain, Valid};

/// The wanted state with each field that is refused as it was. Users and rights are the wanted
/// ones, whatever else is refused: what takes rights away is never held up, and what is held never
/// brings one back.
pub fn in_force(old: &Valid, new: &Valid, changes: &[Change]) -> Valid {
    let refused = |path: &str| {
        changes
            .iter()
            .any(|change| change.effect == Effect::Refuse && change.path == path)
    };
    let mut valid = new.clone();
    if refused(NAME) {
        valid.name.clone_from(&old.name);
    }
    // A version that is left out stays what it was, which is not a refusal.
    if refused(VERSION) || new.version.is_none() {
        valid.version.clone_from(&old.version);
    }
    if refused(REPLICAS) {
        valid.replicas = old.replicas;
    }
    if refused(STORAGE_SIZE) {
        valid.storage_size = old.storage_size;
    }
    if refused(ISSUER) {
        valid.tls.issuer.clone_from(&old.tls.issuer);
    }
    for (name, domain) in &mut valid.domains {
        let held = |field: &str| refused(&domain_field(name, field));
        match old.domains.get(name) {
            Some(before) => hold_domain(before, domain, held),
            None if held("replicas") => domain.replicas = domain.replicas.min(old.replicas),
            None => {}
        }
    }
    for (user_name, user) in &mut valid.users {
        let before = old.users.get(user_name);
        for (name, durable) in &mut user.durables {
            let before = before.and_then(|user| user.durables.get(name));
            if let Some(before) = before
                && refused(&format!("{}.deliver", durable_path(user_name, name)))
            {
                durable.deliver = before.deliver;
            }
        }
    }
    valid
}

fn hold_domain(before: &Domain, domain: &mut Domain, held: impl Fn(&str) -> bool) {
    if held("replicas") {
        domain.replicas = before.replicas;
    }
    for limit in Limit::ALL.into_iter().filter(|limit| held(limit.field())) {
        match limit {
            Limit::MaxAge => domain.max_age = before.max_age,
            Limit::MaxBytes => domain.max_bytes = before.max_bytes,
            Limit::MaxMessagesPerQueue => {
                domain.max_messages_per_queue = before.max_messages_per_queue
            }
            Limit::Discard => domain.discard = before.discard,
        }
    }
}
