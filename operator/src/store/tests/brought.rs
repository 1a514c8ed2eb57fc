//! Authorities and credentials that a person brings.

use std::fs;
use std::path::Path;

use expect_test::expect;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use svom_plan::material::{AuthorityName, Credential, LeafName};
use svom_plan::valid::{self, UserName};
use tempfile::TempDir;

use super::{files_in, open};
use crate::store::Files;
use crate::store::fixtures::{bring, bus, now, servers};

const PUBLIC: &str = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";

struct Made {
    certificate: String,
    params: CertificateParams,
    key: KeyPair,
}

fn authority(name: &str, above: Option<&Made>) -> Made {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = match above {
        None => params.self_signed(&key),
        Some(above) => params.signed_by(&key, &Issuer::from_params(&above.params, &above.key)),
    };
    let certificate = certificate.unwrap().pem();
    Made {
        certificate,
        params,
        key,
    }
}

fn lay(temporary: &TempDir, secret: &str, keys: &[(&str, &str)]) {
    let folder = temporary.path().join("brought").join(secret);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    for (key, value) in keys {
        fs::write(folder.join(key), value).unwrap();
    }
}

fn holds(folder: &Path, text: &str) -> bool {
    let found = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    files_in(folder).values().any(|bytes| found(bytes))
}

#[test]
fn credentials_are_used_and_not_copied() {
    let (mut valid, topology) = (bus(), servers(1));
    bring(&mut valid, "ann", "anns-own");
    bring(&mut valid, "bob", "bobs-own");
    let temporary = TempDir::new().unwrap();
    lay(&temporary, "anns-own", &[("password", "correct horse")]);
    lay(&temporary, "bobs-own", &[("nkey.pub", PUBLIC)]);
    let store = open(&temporary, Files::default());
    let material = store.complete(&valid, &topology, now()).unwrap();
    let Some(Credential::Password {
        password,
        brought: true,
        hash: Some(hash),
    }) = material.users.get(&UserName::new("ann"))
    else {
        panic!("{material:?}");
    };
    assert_eq!(
        (password.reveal(), &hash[..7]),
        ("correct horse", "$2b$10$")
    );
    let Some(Credential::Nkey {
        own,
        stand_in: Some(stand_in),
    }) = material.users.get(&UserName::new("bob"))
    else {
        panic!("{material:?}");
    };
    assert_eq!((own.public.as_str(), own.seed.is_some()), (PUBLIC, false));
    assert!(stand_in.seed.is_some() && stand_in.public != own.public);
    assert!(!holds(store.dir(), "correct horse"));

    let never = Files::asking(|step, path| panic!("{step:?} {}", path.display()));
    assert_eq!(
        open(&temporary, never)
            .complete(&valid, &topology, now())
            .unwrap(),
        material
    );

    // Another password: another hash and nothing else.
    let before = files_in(store.dir());
    lay(&temporary, "anns-own", &[("password", "battery staple")]);
    store.complete(&valid, &topology, now()).unwrap();
    let changed: Vec<_> = files_in(store.dir())
        .into_iter()
        .filter(|(path, bytes)| before.get(path) != Some(bytes))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        changed,
        [format!("{}/secrets/user.ann.hash", store.dir().display())]
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let (mut valid, topology) = (bus(), servers(1));
    bring(&mut valid, "ann", "anns-own");
    bring(&mut valid, "bob", "bobs-own");
    valid.tls.issuer = valid::Issuer::Brought {
        secret: "corp-ca".to_owned(),
    };
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let error = store
        .complete(&valid, &topology, now())
        .unwrap_err()
        .to_string();
    expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: it is not there; bring tls.crt (the authority's certificate, then those above it) and tls.key, and ca.crt where the certificate is not self-signed (on one machine: as files in the folder of this name under --secrets)
        spec.users[name=ann].secretRef: Secret anns-own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
        spec.users[name=bob].secretRef: Secret bobs-own: it is missing or empty: bring nkey.pub (its seed then stays with its owner) or nkey.seed (on one machine: as a file in the folder of this name under --secrets)"#]].assert_eq(&error);

    lay(&temporary, "anns-own", &[("password", "correct horse\n")]);
    lay(&temporary, "bobs-own", &[("nkey.seed", PUBLIC)]);
    lay(&temporary, "corp-ca", &[("tls.crt", "none")]);
    let error = store
        .complete(&valid, &topology, now())
        .unwrap_err()
        .to_string();
    expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: it has no tls.key; tls.crt (the authority's certificate, then those above it) and tls.key are needed
        spec.users[name=ann].secretRef: Secret anns-own: password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo)
        spec.users[name=bob].secretRef: Secret bobs-own: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)"#]].assert_eq(&error);
    assert_eq!(files_in(store.dir()), Default::default());
}

#[test]
fn an_authority_below_another_is_sent_along() {
    let (mut valid, topology) = (bus(), servers(1));
    valid.tls.issuer = valid::Issuer::Brought {
        secret: "corp-ca".to_owned(),
    };
    let root = authority("root", None);
    let middle = authority("middle", Some(&root));
    let below = authority("below", Some(&middle));
    let other = authority("other", None);
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let chain = |made: &[&Made]| {
        made.iter()
            .map(|made| made.certificate.as_str())
            .collect::<String>()
    };
    let key = below.key.serialize_pem();
    let try_with = |tls_crt: &str, tls_key: &str, ca_crt: Option<&str>| {
        let mut keys = vec![("tls.crt", tls_crt), ("tls.key", tls_key)];
        keys.extend(ca_crt.map(|ca_crt| ("ca.crt", ca_crt)));
        lay(&temporary, "corp-ca", &keys);
        store.complete(&valid, &topology, now())
    };

    let mut said = String::new();
    for (tls_crt, tls_key, ca_crt) in [
        (chain(&[&below, &middle]), key.as_str(), None),
        (chain(&[&below, &middle]), &key, Some(chain(&[&other]))),
        (chain(&[&below]), &key, Some(chain(&[&root]))),
        (chain(&[&middle, &below]), &key, Some(chain(&[&root]))),
        (
            chain(&[&below, &middle]),
            &other.key.serialize_pem(),
            Some(chain(&[&root])),
        ),
        (
            chain(&[&below, &middle]),
            "-----BEGIN RSA PRIVATE KEY-----\n",
            Some(chain(&[&root])),
        ),
        (
            chain(&[&below, &middle]).replacen("MII", "MIX", 1),
            &key,
            Some(chain(&[&root])),
        ),
    ] {
        let error = try_with(&tls_crt, tls_key, ca_crt.as_deref()).unwrap_err();
        said.push_str(&format!("{error}\n"));
    }
    expect![[r#"
        spec.tls.issuer.secretRef: Secret corp-ca: ca.crt is missing: the last certificate in tls.crt is not self-signed, so clients need the one that signed it
        spec.tls.issuer.secretRef: Secret corp-ca: its key is not the one of its certificate, or its signature is not of the certificate above it
        spec.tls.issuer.secretRef: Secret corp-ca: its key is not the one of its certificate, or its signature is not of the certificate above it
        spec.tls.issuer.secretRef: Secret corp-ca: its key is not the one of its certificate, or its signature is not of the certificate above it
        spec.tls.issuer.secretRef: Secret corp-ca: its key is not the one of its certificate, or its signature is not of the certificate above it
        spec.tls.issuer.secretRef: Secret corp-ca: tls.key is not an unencrypted private key in PKCS #8 PEM (openssl pkcs8 -topk8 -nocrypt makes one; ECDSA P-256 and P-384, Ed25519 and RSA from 2048 bits are supported), or is damaged
        spec.tls.issuer.secretRef: Secret corp-ca: tls.crt is not a certificate in PEM, or is damaged
    "#]].assert_eq(&said);

    let roots = chain(&[&other, &root]);
    let material = try_with(&chain(&[&below, &middle]), &key, Some(&roots)).unwrap();
    let server = &material.leaves[&LeafName::Server("fsc-0".to_owned())];
    assert!(server.chain_pem.ends_with(&chain(&[&below, &middle])));
    assert_eq!(server.chain_pem.matches("BEGIN CERTIFICATE").count(), 3);
    assert_eq!(
        material.authorities[&AuthorityName::Clients].trust_pem,
        roots
    );

    // A chain that goes on to the root, which clients have: it is not sent.
    let material = try_with(&chain(&[&below, &middle, &root]), &key, None).unwrap();
    let server = &material.leaves[&LeafName::Server("fsc-0".to_owned())];
    assert!(server.chain_pem.ends_with(&chain(&[&below, &middle])));
    assert_eq!(
        material.authorities[&AuthorityName::Clients].trust_pem,
        root.certificate
    );
}
