//! Certificates: shown by clients, renewed, and signed by an authority of the user's own.

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};
use svom_cluster::scene::Scene;
use svom_cluster::wait::eventually;

use crate::clients::two_users;

pub fn certificates_are_shown_and_renewed_without_a_disconnect(scene: &Scene) -> Result<()> {
    let valid_for = |validity: &str| {
        json!({"users": two_users(), "tls": {
            "clientCertificates": "Required",
            "issuer": {"managed": {"validity": validity}},
        }})
    };
    scene.apply("fsc", &valid_for("2160h"))?;
    scene.ready("fsc")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    let said = scene.ask("publishes", &["publish", "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    let said = scene.ask(
        "publishes",
        &["publish-without-certificate", "data.vhf", "x"],
    )?;
    ensure!(said.starts_with("no"), "{said}");

    let before = ends(scene)?;
    let (begun, told) = ("/tmp/begun", "/tmp/told");
    scene.beside("publishes", &["hold", "data.vhf", begun, told], || {
        eventually("a client to be connected", || {
            scene.in_pod("publishes", &["cat", begun])
        })?;
        scene.apply("fsc", &valid_for("2159h"))?;
        scene.ready("fsc")
    })?;
    let told = scene.in_pod("publishes", &["cat", told])?;
    ensure!(told.trim() == "0 disconnects, 0 refused", "{told}");
    let after = ends(scene)?;
    ensure!(
        before.len() == after.len() && before.iter().zip(&after).all(|(was, is)| was != is),
        "not every certificate was renewed: {before:?}, {after:?}"
    );
    Ok(())
}

/// The certificates' names, each with when it ends, but the authorities'.
fn ends(scene: &Scene) -> Result<Vec<String>> {
    let found = scene.get(&["svm", "fsc"])?;
    let certificates = found["status"]["certificates"].as_array();
    let leaves = certificates
        .into_iter()
        .flatten()
        .filter(|certificate| !certificate["name"].to_string().contains("authority"));
    Ok(leaves.map(Value::to_string).collect())
}

pub fn an_authority_of_the_users_own_signs(scene: &Scene) -> Result<()> {
    let issuer = json!({"secretRef": {"name": "our-authority"}});
    scene.apply(
        "fsc",
        &json!({"users": two_users(), "tls": {"issuer": issuer}}),
    )?;
    scene.says("fsc", "Secret our-authority: it is not there")?;
    let key = KeyPair::generate()?;
    let certificate = authority().self_signed(&key)?.pem();
    let brought = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "our-authority", "namespace": scene.namespace},
        "stringData": {"tls.crt": certificate, "tls.key": key.serialize_pem()},
    });
    scene.kubectl().apply(&brought.to_string())?;
    scene.ready("fsc")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    let trusted = scene.in_pod("publishes", &["cat", "/etc/svom-messaging/ca.crt"])?;
    ensure!(trusted.trim() == certificate.trim(), "{trusted}");
    let said = scene.ask("publishes", &["publish", "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    let found = scene.get(&["svm", "fsc"])?;
    let certificates = found["status"]["certificates"].to_string();
    ensure!(certificates.contains("2100-01-01"), "{certificates}");
    Ok(())
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "ours");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
