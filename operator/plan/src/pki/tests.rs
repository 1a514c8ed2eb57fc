use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::{Expect, expect};

use super::fixtures::{HOUR, NOW, bus, mint, one_server};
use super::{BACKDATE, certificates, next_renewal, warnings};
use crate::material::{AuthorityName, CertificateFacts, LeafName, Material};
use crate::status::rfc3339;
use crate::valid::Issuer;
use crate::want::{CertificateWanted, Want};
use crate::{UnixSeconds, Valid};

const DAY: i64 = 86_400;

fn minted(valid: &Valid) -> Material {
    let mut material = Material::default();
    mint(valid, &mut material, NOW);
    material
}

/// What is wanted, a line each: its name and its time, in days from [`NOW`].
fn wants(valid: &Valid, material: &Material, now: UnixSeconds) -> String {
    let line = |name: String, certificate: &CertificateWanted| {
        let CertificateWanted {
            common_name,
            not_before,
            not_after,
            dns_names,
            addresses,
            usage,
        } = certificate;
        format!(
            "{name}: {common_name}, {usage:?}, from {} h before, until {} d, {dns_names:?} {addresses:?}\n",
            (now - not_before) / 3600,
            (not_after - NOW) / DAY
        )
    };
    match super::wanted(valid, &one_server(), material, now) {
        Ok(wants) => wants
            .iter()
            .map(|want| match want {
                Want::Authority { name, certificate } => line(format!("{name:?}"), certificate),
                Want::Leaf { name, certificate } => line(super::leaf_title(name), certificate),
                other => panic!("not a certificate: {other:?}"),
            })
            .collect(),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect(),
    }
}

fn check(valid: &Valid, material: &Material, now: UnixSeconds, expected: Expect) {
    expected.assert_eq(&wants(valid, material, now));
}

#[test]
fn everything_is_wanted_at_first_and_nothing_twice() {
    let mut valid = bus();
    check(
        &valid,
        &Material::default(),
        NOW,
        expect![[r#"
        Clients: fsc clients, Authority, from 1 h before, until 3650 d, {} {}
        server/fsc-0: fsc-0, Server, from 1 h before, until 90 d, {"*.example.org", "localhost"} {127.0.0.1}
        Routes: fsc routes, Authority, from 1 h before, until 3650 d, {} {}
        route/fsc-0: fsc-0, Peer, from 1 h before, until 90 d, {} {127.0.0.1}
    "#]],
    );
    check(&valid, &minted(&valid), NOW, expect![[""]]);
    valid.tls.client_certificates = true;
    check(
        &valid,
        &Material::default(),
        NOW,
        expect![[r#"
        Clients: fsc clients, Authority, from 1 h before, until 3650 d, {} {}
        server/fsc-0: fsc-0, Server, from 1 h before, until 90 d, {"*.example.org", "localhost"} {127.0.0.1}
        user/ann: ann, Client, from 1 h before, until 90 d, {} {}
        user/bob: bob, Client, from 1 h before, until 90 d, {} {}
        operator: svom-operator, Client, from 1 h before, until 90 d, {} {}
        Routes: fsc routes, Authority, from 1 h before, until 3650 d, {} {}
        route/fsc-0: fsc-0, Peer, from 1 h before, until 90 d, {} {127.0.0.1}
    "#]],
    );
    check(&valid, &minted(&valid), NOW, expect![[""]]);
}

#[test]
fn a_leaf_that_is_not_as_it_would_be_made_is_made_anew() {
    type Damage = fn(&mut CertificateFacts);
    let server = LeafName::Server("fsc-0".to_owned());
    let damages: [(&str, Damage); 11] = [
        ("unsound", |facts| facts.sound = false),
        ("another name", |facts| {
            facts.common_name = "other".to_owned()
        }),
        ("a DNS name less", |facts| facts.dns_names = BTreeSet::new()),
        ("an address less", |facts| facts.addresses = BTreeSet::new()),
        ("an authority", |facts| facts.authority = true),
        ("not for servers", |facts| facts.server_auth = false),
        ("for clients too", |facts| facts.client_auth = true),
        ("expired", |facts| {
            (facts.not_before, facts.not_after) = (NOW - 91 * DAY, NOW - 1)
        }),
        ("not yet valid", |facts| {
            facts.not_before += BACKDATE + 1;
            facts.not_after += BACKDATE + 1;
        }),
        ("of another length", |facts| facts.not_after -= 1),
        ("longer than its authority", |facts| {
            facts.not_after = NOW + 87_600 * 3600 + 1
        }),
    ];
    let valid = bus();
    for (what, damage) in damages {
        let mut material = minted(&valid);
        damage(&mut material.leaves.get_mut(&server).unwrap().facts);
        let wanted = super::wanted(&valid, &one_server(), &material, NOW).unwrap();
        let names: Vec<_> = wanted
            .iter()
            .map(|want| match want {
                Want::Leaf { name, .. } => name.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, std::slice::from_ref(&server), "{what}");
    }
}

#[test]
fn a_new_authority_renews_what_the_old_one_signed() {
    let valid = bus();
    let mut material = minted(&valid);
    material.authorities.remove(&AuthorityName::Routes);
    check(
        &valid,
        &material,
        NOW,
        expect![[r#"
        Routes: fsc routes, Authority, from 1 h before, until 3650 d, {} {}
        route/fsc-0: fsc-0, Peer, from 1 h before, until 90 d, {} {127.0.0.1}
    "#]],
    );
}

#[test]
fn a_changed_validity_renews_at_once_and_then_rests() {
    let mut valid = bus();
    let mut material = minted(&valid);
    valid.tls.validity = Duration::from_secs(2400 * HOUR);
    check(
        &valid,
        &material,
        NOW + 5,
        expect![[r#"
        server/fsc-0: fsc-0, Server, from 1 h before, until 100 d, {"*.example.org", "localhost"} {127.0.0.1}
        route/fsc-0: fsc-0, Peer, from 1 h before, until 100 d, {} {127.0.0.1}
    "#]],
    );
    mint(&valid, &mut material, NOW + 5);
    check(&valid, &material, NOW + 6, expect![[""]]);
}

#[test]
fn the_next_renewal_is_the_first_second_at_which_something_is_wanted() {
    let mut valid = bus();
    valid.tls.client_certificates = true;
    let mut material = minted(&valid);
    let mut now = NOW;
    let mut times = 0;
    // Until the authorities end: no leaf outlives them, and none is renewed for ever.
    loop {
        let next = next_renewal(&valid, &one_server(), &material).unwrap();
        assert!(next > now, "{} after {}", rfc3339(next), rfc3339(now));
        assert_eq!(wants(&valid, &material, next - 1), "");
        assert_ne!(wants(&valid, &material, next), "");
        now = next;
        times += 1;
        if super::wanted(&valid, &one_server(), &material, now).is_err() {
            break;
        }
        mint(&valid, &mut material, now);
        assert_eq!(wants(&valid, &material, now), "");
    }
    assert_eq!(
        (times, now),
        (61, NOW + 87_600 * 3600 + 1),
        "a renewal each 60 days, then the authorities' end"
    );
}

#[test]
fn a_leaf_that_was_cut_by_its_authority_is_kept_until_another_length_is_asked_for() {
    let mut valid = bus();
    valid.tls.issuer = Issuer::Managed {
        ca_validity: Duration::from_secs(1000 * HOUR),
    };
    let material = minted(&valid);
    check(&valid, &material, NOW + 999 * 3600, expect![[""]]);
    valid.tls.validity = Duration::from_secs(900 * HOUR);
    let names: Vec<_> = super::wanted(&valid, &one_server(), &material, NOW).unwrap();
    assert_eq!(names.len(), 2);
}

#[test]
fn an_authority_is_never_replaced_by_itself() {
    let valid = bus();
    let end = NOW + 87_600 * 3600;
    let material = minted(&valid);
    check(
        &valid,
        &material,
        end + 1,
        expect![[r#"
        spec.tls.issuer: the authority that signs what clients see: it ended at 2036-11-20T14:20:01Z. It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt
        spec.tls.issuer: the authority that signs the routes between servers: it ended at 2036-11-20T14:20:01Z. It is not replaced by itself, since every server trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.routes.pem in the state folder), so that a new one is made, and restart all servers
    "#]],
    );
    check(
        &valid,
        &material,
        NOW - 2 * 3600,
        expect![[r#"
            spec.tls.issuer: the authority that signs what clients see: it begins only at 2026-11-23T13:20:01Z, and the clock here says 2026-11-23T12:20:01Z; set the clock if that is wrong. It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt
            spec.tls.issuer: the authority that signs the routes between servers: it begins only at 2026-11-23T13:20:01Z, and the clock here says 2026-11-23T12:20:01Z; set the clock if that is wrong. It is not replaced by itself, since every server trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.routes.pem in the state folder), so that a new one is made, and restart all servers
        "#]],
    );
    let mut damaged = material.clone();
    for authority in damaged.authorities.values_mut() {
        authority.own.facts.sound = false;
    }
    check(
        &valid,
        &damaged,
        NOW,
        expect![[r#"
        spec.tls.issuer: the authority that signs what clients see: its key is not the one of its certificate, or its signature is not of the certificate above it. It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt
        spec.tls.issuer: the authority that signs the routes between servers: its key is not the one of its certificate, or its signature is not of the certificate above it. It is not replaced by itself, since every server trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.routes.pem in the state folder), so that a new one is made, and restart all servers
    "#]],
    );

    assert_eq!(
        warnings(&valid, &material, end - 90 * DAY),
        Vec::<String>::new()
    );
    expect![[r#"
        the authority that signs what clients see ends at 2036-11-20T14:20:01Z, and every certificate it signs ends then at the latest. It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt
        the authority that signs the routes between servers ends at 2036-11-20T14:20:01Z, and every certificate it signs ends then at the latest. It is not replaced by itself, since every server trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.routes.pem in the state folder), so that a new one is made, and restart all servers"#]].assert_eq(&warnings(&valid, &material, end - 90 * DAY + 1).join("\n"));
}

#[test]
fn a_brought_authority_is_never_minted() {
    let mut valid = bus();
    valid.tls.issuer = Issuer::Brought {
        secret: "corp-ca".to_owned(),
    };
    check(
        &valid,
        &Material::default(),
        NOW,
        expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: it is not there; bring tls.crt (the authority's certificate, then those above it) and tls.key, and ca.crt where the certificate is not self-signed (on one machine: as files in the folder of this name under --secrets)
    "#]],
    );
    let mut material = minted(&bus());
    check(&valid, &material, NOW, expect![[""]]);
    let facts = |material: &mut Material, change: fn(&mut CertificateFacts)| {
        let authority = material
            .authorities
            .get_mut(&AuthorityName::Clients)
            .unwrap();
        change(&mut authority.own.facts);
    };
    facts(&mut material, |facts| facts.authority = false);
    check(
        &valid,
        &material,
        NOW,
        expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: its certificate may not sign others (basicConstraints without CA:TRUE, or a keyUsage without keyCertSign)
    "#]],
    );
    facts(&mut material, |facts| {
        facts.authority = true;
        facts.not_after = NOW + DAY;
    });
    check(
        &valid,
        &material,
        NOW,
        expect![[r#"
        server/fsc-0: fsc-0, Server, from 1 h before, until 1 d, {"*.example.org", "localhost"} {127.0.0.1}
    "#]],
    );
    expect!["the authority that signs what clients see ends at 2026-11-24T14:20:01Z, and every certificate it signs ends then at the latest; bring its successor in the Secret corp-ca before that"].assert_eq(&warnings(&valid, &material, NOW).join("\n"));
}

#[test]
fn a_brought_secret_names_what_is_missing() {
    let keys = |names: &[&str]| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), b"text".to_vec().into()))
            .collect::<BTreeMap<_, _>>()
    };
    let mut said = String::new();
    for names in [&["tls.key"][..], &["tls.crt"], &[]] {
        let problem = super::brought_authority("corp-ca", &keys(names)).unwrap_err();
        said.push_str(&format!("{problem}\n"));
    }
    let mut binary = keys(&["tls.crt", "tls.key"]);
    assert!(super::brought_authority("corp-ca", &binary).is_ok());
    binary.insert("ca.crt".to_owned(), vec![0x30, 0x82].into());
    let problem = super::brought_authority("corp-ca", &binary).unwrap_err();
    said.push_str(&format!("{problem}\n"));
    expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: it has no tls.crt; tls.crt (the authority's certificate, then those above it) and tls.key are needed
        spec.tls.issuer.secretRef: Secret corp-ca: it has no tls.key; tls.crt (the authority's certificate, then those above it) and tls.key are needed
        spec.tls.issuer.secretRef: Secret corp-ca: it has no tls.crt; tls.crt (the authority's certificate, then those above it) and tls.key are needed
        spec.tls.issuer.secretRef: Secret corp-ca: ca.crt is not text: write it as PEM
    "#]].assert_eq(&said);
}

#[test]
fn the_status_lists_every_certificate() {
    let mut valid = bus();
    valid.tls.client_certificates = true;
    let listed: String = certificates(&valid, &one_server(), &minted(&valid))
        .into_iter()
        .map(|one| {
            let renewed = one.renew_at.map_or("by its owner".to_owned(), rfc3339);
            format!(
                "{} until {}, renewed {renewed}\n",
                one.name,
                rfc3339(one.not_after)
            )
        })
        .collect();
    expect![[r#"
        authority/clients until 2036-11-20T14:20:01Z, renewed by its owner
        server/fsc-0 until 2027-02-21T14:20:01Z, renewed 2027-01-22T14:20:01Z
        user/ann until 2027-02-21T14:20:01Z, renewed 2027-01-22T14:20:01Z
        user/bob until 2027-02-21T14:20:01Z, renewed 2027-01-22T14:20:01Z
        operator until 2027-02-21T14:20:01Z, renewed 2027-01-22T14:20:01Z
        authority/routes until 2036-11-20T14:20:01Z, renewed by its owner
        route/fsc-0 until 2027-02-21T14:20:01Z, renewed 2027-01-22T14:20:01Z
    "#]]
    .assert_eq(&listed);
}
