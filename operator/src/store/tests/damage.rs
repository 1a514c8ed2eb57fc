//! A file is damaged: made anew where nobody notices, else refused by its name.

use std::fs;

use expect_test::expect;
use tempfile::TempDir;

use super::{files_in, open};
use crate::store::Files;
use crate::store::fixtures::{bus, now, servers};

#[test]
fn each_file_cut_short_or_overwritten() {
    let (valid, topology) = (bus(), servers(1));
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let whole = store.complete(&valid, &topology, now()).unwrap();
    let secrets = files_in(&store.dir().join("secrets"));
    let prefix = format!("{}/", store.dir().display());
    let mut said = String::new();
    for (path, bytes) in &secrets {
        let name = path.strip_prefix(&prefix).unwrap();
        let mut outcomes = Vec::new();
        let damages: [Vec<u8>; 5] = [
            vec![],
            bytes[..bytes.len() / 2].to_vec(),
            bytes[..bytes.len() - 2].to_vec(),
            vec![0; bytes.len()],
            vec![0xff; bytes.len()],
        ];
        for damage in damages {
            fs::write(path, &damage).unwrap();
            match store.complete(&valid, &topology, now()) {
                Ok(_) => {
                    assert_ne!(fs::read(path).unwrap(), damage, "{name} was not made anew");
                    outcomes.push("made anew".to_owned());
                }
                Err(error) => {
                    assert_eq!(fs::read(path).unwrap(), damage, "{name} was touched");
                    outcomes.push(error.to_string().replace(&prefix, ""));
                }
            }
            fs::write(path, bytes).unwrap();
        }
        outcomes.dedup();
        said.push_str(&format!("{name}: {}\n", outcomes.join(" | ")));
    }
    assert_eq!(store.complete(&valid, &topology, now()).unwrap(), whole);
    expect![[r#"
        secrets/authority.clients.pem: secrets/authority.clients.pem: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; every client then needs the new ca.crt
        secrets/authority.routes.pem: secrets/authority.routes.pem: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; all servers have to be restarted after that
        secrets/certificate.operator.pem: made anew
        secrets/certificate.route.fsc-0.pem: made anew
        secrets/certificate.server.fsc-0.pem: made anew
        secrets/certificate.user.ann.pem: made anew
        secrets/certificate.user.bob.pem: made anew
        secrets/operator.json: secrets/operator.json: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; all servers have to be restarted after that
        secrets/user.ann.hash: made anew
        secrets/user.ann.password: secrets/user.ann.password: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; user ann then needs the new one
        secrets/user.bob.nkey: secrets/user.bob.nkey: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; user bob then needs the new one
        secrets/user.bob.nkey.pub: made anew
    "#]].assert_eq(&said);
}

#[test]
fn keys_and_certificates_that_do_not_belong_together() {
    let (valid, topology) = (bus(), servers(1));
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    store.complete(&valid, &topology, now()).unwrap();
    let secrets = store.dir().join("secrets");
    let read = |name: &str| fs::read_to_string(secrets.join(name)).unwrap();
    let mixed = |certificate: &str, key: &str| {
        let at = |text: &str| text.find("-----BEGIN PRIVATE").unwrap();
        let (certificate, key) = (read(certificate), read(key));
        format!("{}{}", &certificate[..at(&certificate)], &key[at(&key)..])
    };
    let server = "certificate.server.fsc-0.pem";
    let route = "certificate.route.fsc-0.pem";
    let authority = "authority.clients.pem";

    for other in [mixed(server, route), read(route)] {
        fs::write(secrets.join(server), &other).unwrap();
        store.complete(&valid, &topology, now()).unwrap();
        assert_ne!(read(server), other);
    }
    fs::write(secrets.join(authority), mixed(authority, server)).unwrap();
    let error = store.complete(&valid, &topology, now()).unwrap_err();
    expect!["spec.tls.issuer: the authority that signs what clients see: its key is not the one of its certificate, or its signature is not of the certificate above it. It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt"].assert_eq(&error.to_string());
}
