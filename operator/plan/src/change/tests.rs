//! The words for every kind of difference, and what is put in force.

mod bus;
mod domains;
mod users;

use expect_test::{Expect, expect};

use super::{Change, Effect, changes, in_force};
use crate::queues::ObservedQueues;
use crate::queues::fixtures::{
    HOUR, NOW, domain, domain_of, durable, edited, in_use, ingest, ingest_id, may_lose_domain,
    may_lose_ingest, queues, user, user_of,
};
use crate::valid::{
    Authentication, Deliver, Discard, DomainName, DurableName, Issuer, OnDelete, Pattern, Sync,
    UserName, Valid,
};

fn told(changes: &[Change]) -> String {
    changes
        .iter()
        .map(|change| {
            let Change {
                path,
                effect,
                what,
                why,
                instead,
            } = change;
            let instead = instead
                .as_deref()
                .map_or_else(String::new, |instead| format!("\n  {instead}"));
            format!("{} {path}: {what}\n  {why}{instead}\n", effect.as_str())
        })
        .collect()
}

/// The bus as `in_use` has it.
fn start() -> Valid {
    edited(|valid| domain_of(valid, "data").max_bytes = 2 << 30)
}

fn after(edit: impl FnOnce(&mut Valid)) -> Valid {
    let mut valid = start();
    edit(&mut valid);
    valid
}

fn check_with(observed: Option<&ObservedQueues>, edit: impl FnOnce(&mut Valid), wanted: Expect) {
    let new = after(edit);
    let found = changes(&start(), &new, observed, NOW);
    wanted.assert_eq(&told(&found));
    let refused = found.iter().any(|change| change.effect == Effect::Refuse);
    assert_eq!(in_force(&start(), &new, &found) != new, refused);
}

fn check(edit: impl FnOnce(&mut Valid), wanted: Expect) {
    check_with(Some(&in_use()), edit, wanted);
}

#[test]
fn what_goes_with_a_refused_number_of_servers_is_held_with_it() {
    check(
        |valid| {
            valid.replicas = 5;
            domain_of(valid, "data").replicas = 5;
            let wide = crate::valid::Domain {
                replicas: 5,
                ..domain(&["too"])
            };
            valid.domains.insert(DomainName::new("activity"), wide);
        },
        expect![[r#"
            reload spec.domains[activity]: added with activity.too
              stream ACTIVITY is made while everything runs
            refuse spec.domains[activity].replicas: 3 -> 5
              it goes with the number of servers, which stays 3
              write replicas: 3
            refuse spec.domains[data].replicas: 3 -> 5
              it goes with the number of servers, which stays 3
              write replicas: 3
            refuse spec.replicas: 3 -> 5
              this release does not add servers to a bus that runs, nor take any from it
              write replicas: 3, or make a second resource and move the clients to it
        "#]],
    );
}

#[test]
fn what_is_refused_is_held_and_revocations_of_the_same_edit_are_not() {
    let new = after(|valid| {
        valid.replicas = 1;
        valid.storage_size = 1 << 30;
        let data = domain_of(valid, "data");
        data.replicas = 1;
        data.max_age = HOUR * 48;
        valid.users.remove(&UserName::new("gateway"));
        ingest(valid).deliver = Deliver::New;
        ingest(valid).queues = queues(&["data.vhf"]);
    });
    let found = changes(&start(), &new, Some(&in_use()), NOW);
    let wanted = after(|valid| {
        valid.users.remove(&UserName::new("gateway"));
        ingest(valid).queues = queues(&["data.vhf"]);
    });
    assert_eq!(in_force(&start(), &new, &found), wanted);
}
