//! Certificates: clients that must show one, and authorities that people bring. What does not fit is
//! refused, and what fits works with stock clients.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use expect_test::{Expect, expect};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use svom_cluster::slots::Slot;
use svom_tests::bus::{Bus, Credentials};
use svom_tests::client::{Client, Library};
use svom_tests::local::LocalBus;
use svom_tests::program::run;
use svom_tests::report::{Cases, skip};

use super::{refused_by, with};

/// Names the `nats` command.
const COMMAND_VARIABLE: &str = "SVOM_NATS_COMMAND";

#[test]
fn who_shows_no_certificate_is_refused_where_one_is_required() -> Result<()> {
    let resource = with(
        "  tls: {clientCertificates: Required}\n  users:\n    - {name: one, publish: [data.vhf]}\n    - {name: two, publish: [data.vhf]}\n",
    );
    LocalBus::with(&resource, |bus| {
        let mut cases = Cases::of("client certificates");
        let (one, two) = (bus.credentials("one")?, bus.credentials("two")?);
        ensure!(one.certificate.is_some(), "no certificate is handed out");
        for library in Library::ALL {
            let name = library.name();
            let publish =
                |who| -> Result<_> { Client::connect(library, who)?.publish("data.vhf", name) };
            cases.succeeds(
                format!("{name}: with certificate and password"),
                publish(&one),
            );
            let without = Credentials {
                certificate: None,
                ..one.clone()
            };
            cases.holds(
                format!("{name}: without a certificate"),
                Client::refusal(library, &without)?.is_some(),
                || "is let in".to_owned(),
            );
            let wrong = Credentials {
                proof: two.proof.clone(),
                ..one.clone()
            };
            cases.holds(
                format!("{name}: with a certificate and a wrong password"),
                Client::refusal(library, &wrong)?.is_some(),
                || "is let in".to_owned(),
            );
        }
        cases.finish()
    })
}

/// An authority as a person has one.
struct Authority {
    certificate: String,
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    /// One that signed itself.
    fn root(name: &str) -> Result<Self> {
        let (params, key) = (params(name), KeyPair::generate()?);
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            params,
            key,
        })
    }

    /// One that this one signed.
    fn below(&self, name: &str) -> Result<Self> {
        let (params, key) = (params(name), KeyPair::generate()?);
        let above = Issuer::from_params(&self.params, &self.key);
        Ok(Self {
            certificate: params.signed_by(&key, &above)?.pem(),
            params,
            key,
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

#[test]
fn a_brought_authority_works_and_a_damaged_one_is_refused() -> Result<()> {
    let resource = with(
        "  tls: {issuer: {secretRef: {name: our-ca}}}\n  users:\n    - {name: one, publish: [data.vhf]}\n",
    );
    let bus = LocalBus::prepare(&resource, Slot::shared())?;
    let ours = Authority::root("ours")?;
    let (certificate, key) = (ours.certificate, ours.key.serialize_pem());
    refused_by(
        &bus,
        &mut bus.up_command()?,
        &expect![[r#"
        exit code Some(1)
        making what is missing of keys, certificates and passwords
        error: spec.tls.issuer.secretRef: Secret our-ca: it is not there; bring tls.crt (the authority's certificate, then those above it) and tls.key, and ca.crt where the certificate is not self-signed (on one machine: as files in the folder of this name under --secrets)
    "#]],
    )?;
    damaged_ones_are_refused(&bus, &certificate, &key)?;
    bus.bring(
        "our-ca",
        &[
            ("tls.crt", certificate.as_bytes()),
            ("tls.key", key.as_bytes()),
        ],
    )?;
    bus.begin()?;
    let credentials = bus.credentials("one")?;
    ensure!(
        fs::read_to_string(&credentials.ca)?.trim() == certificate.trim(),
        "clients are handed another authority"
    );
    for library in Library::ALL {
        Client::connect(library, &credentials)?
            .publish("data.vhf", library.name())
            .context("a brought authority")?;
    }
    let no_key = fs::read_dir(bus.state().join("secrets"))?
        .flatten()
        .all(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| !text.contains(key.trim())));
    ensure!(
        no_key,
        "the key that was brought is copied into the state folder"
    );
    Ok(())
}

fn damaged_ones_are_refused(bus: &LocalBus, certificate: &str, key: &str) -> Result<()> {
    let other_key = Authority::root("theirs")?.key.serialize_pem();
    let cases: [(&[(&str, &[u8])], Expect); 4] = [
        (
            &[("tls.crt", certificate.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.tls.issuer.secretRef: Secret our-ca: it has no tls.key; tls.crt (the authority's certificate, then those above it) and tls.key are needed
        "#]],
        ),
        (
            &[("tls.crt", b"nonsense"), ("tls.key", key.as_bytes())],
            expect![[r#"
                exit code Some(1)
                making what is missing of keys, certificates and passwords
                error: spec.tls.issuer.secretRef: Secret our-ca: tls.crt is not a certificate in PEM, or is damaged
            "#]],
        ),
        (
            &[
                ("tls.crt", certificate.as_bytes()),
                ("tls.key", b"nonsense"),
            ],
            expect![[r#"
                exit code Some(1)
                making what is missing of keys, certificates and passwords
                error: spec.tls.issuer.secretRef: Secret our-ca: tls.key is not an unencrypted private key in PKCS #8 PEM (openssl pkcs8 -topk8 -nocrypt makes one; ECDSA P-256 and P-384, Ed25519 and RSA from 2048 bits are supported), or is damaged
            "#]],
        ),
        (
            &[
                ("tls.crt", certificate.as_bytes()),
                ("tls.key", other_key.as_bytes()),
            ],
            expect![[r#"
                exit code Some(1)
                making what is missing of keys, certificates and passwords
                error: spec.tls.issuer.secretRef: Secret our-ca: its key is not the one of its certificate, or its signature is not of the certificate above it
            "#]],
        ),
    ];
    for (keys, expected) in cases {
        bus.bring("our-ca", keys)?;
        refused_by(bus, &mut bus.up_command()?, &expected)?;
    }
    Ok(())
}

/// A bus whose certificates are signed by an authority that stands two below the one that clients
/// trust. Clients show certificates, so that both sides have to send the authorities between.
fn with_chain(attempt: impl FnOnce(&LocalBus) -> Result<()>) -> Result<()> {
    let resource = with(
        "  tls:\n    clientCertificates: Required\n    issuer: {secretRef: {name: our-ca}}\n  users:\n    - {name: one, publish: [data.vhf]}\n    - {name: two, subscribe: [data.vhf], authentication: NKey}\n",
    );
    let bus = LocalBus::prepare(&resource, Slot::shared())?;
    let (root, stranger) = (Authority::root("root")?, Authority::root("stranger")?);
    let middle = root.below("middle")?;
    let ours = middle.below("ours")?;
    let chain = format!("{}{}", ours.certificate, middle.certificate);
    let key = ours.key.serialize_pem();
    let own: [(&str, &[u8]); 2] = [("tls.crt", chain.as_bytes()), ("tls.key", key.as_bytes())];
    bus.bring("our-ca", &own)?;
    refused_by(
        &bus,
        &mut bus.up_command()?,
        &expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.tls.issuer.secretRef: Secret our-ca: ca.crt is missing: the last certificate in tls.crt is not self-signed, so clients need the one that signed it
        "#]],
    )?;
    bus.bring(
        "our-ca",
        &[own[0], own[1], ("ca.crt", root.certificate.as_bytes())],
    )?;
    fs::write(stranger_of(&bus), &stranger.certificate)?;
    bus.run(|bus| {
        let trusted = fs::read_to_string(bus.credentials("one")?.ca)?;
        ensure!(
            trusted.trim() == root.certificate.trim(),
            "clients are handed something else than the root: {trusted}"
        );
        attempt(bus)
    })
}

/// File of an authority that has nothing to do with the bus.
fn stranger_of(bus: &LocalBus) -> PathBuf {
    bus.secrets().join("stranger.crt")
}

#[test]
fn a_brought_authority_below_others_works_with_stock_clients() -> Result<()> {
    with_chain(|bus| {
        let mut cases = Cases::of("an authority below others");
        for library in Library::ALL {
            for user in ["one", "two"] {
                let credentials = bus.credentials(user)?;
                let case = format!("{} as {user}", library.name());
                let refusal = Client::refusal(library, &credentials)?;
                cases.count(&case, refusal.map(|words| format!("is refused: {words}")));
                let elsewhere = Credentials {
                    ca: stranger_of(bus),
                    ..credentials.clone()
                };
                let refusal = Client::refusal(library, &elsewhere)?;
                cases.holds(
                    format!("{case}, which trusts another authority"),
                    refusal.is_some(),
                    || "connects".to_owned(),
                );
                let without = leaf_alone(bus, &credentials)?;
                cases.holds(
                    format!("{case}, which does not send the authorities between"),
                    Client::refusal(library, &without)?.is_some(),
                    || "is let in".to_owned(),
                );
            }
            let one = Client::connect(library, &bus.credentials("one")?)?;
            cases.succeeds(
                format!("{} publishes", library.name()),
                one.publish("data.vhf", library.name()),
            );
        }
        cases.finish()
    })
}

/// The user's credentials with its own certificate alone, without those above it.
fn leaf_alone(bus: &LocalBus, credentials: &Credentials) -> Result<Credentials> {
    const END: &str = "-----END CERTIFICATE-----\n";
    let (chain, key) = credentials.certificate.clone().context("no certificate")?;
    let chain = fs::read_to_string(chain)?;
    let (own, above) = chain.split_once(END).context("no certificate in PEM")?;
    ensure!(
        above.matches(END).count() == 2,
        "the user is not handed both authorities between: {above}"
    );
    let file = bus.secrets().join("leaf.crt");
    fs::write(&file, format!("{own}{END}"))?;
    Ok(Credentials {
        certificate: Some((file, key)),
        ..credentials.clone()
    })
}

#[test]
fn a_brought_authority_below_others_works_with_the_nats_command() -> Result<()> {
    let Some(nats) = env::var_os(COMMAND_VARIABLE) else {
        return skip(
            "a_brought_authority_below_others_works_with_the_nats_command",
            format!("{COMMAND_VARIABLE} names no nats command"),
        );
    };
    with_chain(|bus| {
        let context = |user| -> Result<_> {
            let folder = bus.credentials(user)?.folder;
            Ok(folder.join("nats-context.json"))
        };
        let mut publish = Command::new(&nats);
        publish.arg("--context").arg(context("one")?).args([
            "pub",
            "--jetstream",
            "data.vhf",
            "by the command",
        ]);
        let said = run(&mut publish)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned()
            + &String::from_utf8_lossy(&said.stderr);
        ensure!(said.contains("Stored in Stream: DATA"), "{said}");
        Ok(())
    })
}
