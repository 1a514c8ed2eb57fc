//! What the servers of a bus on Kubernetes read, laid out as a kubelet lays it out, read by a real
//! nats-server: it takes the files, and reports the very digests that the plan foresees.
//!
//! The server is the one that SVOM_NATS_SERVER names, else the one on PATH.

// A test from end to end: what fails here shall panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use svom_crds::SvomMessaging;
use svom_operator::mint::mint;
use svom_operator::nats_server::PINNED;
use svom_plan::kubernetes::settings::TESTED_VERSION;
use svom_plan::kubernetes::{
    Bus, Identity, Object, Objects, Outside, Place, objects, settings, topology,
};
use svom_plan::material::Material;
use svom_plan::server_config::server_configs;
use svom_plan::topology::Topology;
use svom_plan::valid::validate;
use svom_plan::{Valid, wanted};

/// 2026-11-23T12:00:01Z.
const NOW: i64 = 1_795_435_201;

fn nats_server() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        std::env::split_paths(&path)
            .map(|folder| folder.join("nats-server"))
            .find(|file| file.is_file())
    };
    std::env::var_os("SVOM_NATS_SERVER")
        .map(PathBuf::from)
        .or_else(on_path)
        .expect("this test needs nats-server: on PATH, or its path in SVOM_NATS_SERVER")
}

/// Where a bus stands whose servers would see their files in `folder`.
fn topology_in(folder: &Path, identity: &Identity, valid: &Valid) -> Topology {
    let mut topology = topology(&Place {
        identity,
        replicas: valid.replicas,
        cluster_domain: Some("cluster.local"),
        outside: &Outside::default(),
    });
    let here = |file: &str| file.replace("/etc/nats", folder.to_str().unwrap());
    for server in &mut topology.servers {
        let files = &mut server.files;
        for file in [
            &mut files.client_pem,
            &mut files.client_ca,
            &mut files.route_pem,
            &mut files.route_ca,
        ] {
            *file = here(file);
        }
        files.store_dir = here("/etc/nats/data");
    }
    topology
}

/// All objects of the resource's bus, and the digests of its servers' configurations in one piece each.
fn made(folder: &Path, resource: &SvomMessaging) -> (Objects, BTreeMap<String, String>) {
    let valid = validate(resource).unwrap();
    let settings = settings(resource).unwrap();
    let identity = Identity {
        namespace: "svom".to_owned(),
        name: valid.name.clone(),
        uid: "1".to_owned(),
    };
    let topology = topology_in(folder, &identity, &valid);
    let mut material = Material::default();
    for want in wanted(&valid, &topology, &material, NOW).unwrap() {
        mint(&want, &material).unwrap().put_into(&mut material);
    }
    let bus = Bus {
        identity: &identity,
        valid: &valid,
        settings: &settings,
        version: "2.15.1",
    };
    let whole = server_configs(&valid, &topology, &material).unwrap();
    let whole = whole
        .into_iter()
        .map(|config| (config.server, config.digest));
    (
        objects(&bus, &topology, &material).unwrap(),
        whole.collect(),
    )
}

/// The files of a Secret volume: in a folder of their own, behind two links, so that all change at once.
fn mount(folder: &Path, objects: &Objects, secret: &str) {
    let files = objects.objects.iter().find_map(|object| match object {
        Object::Secret(found) if object.name() == secret => found.data.as_ref(),
        _ => None,
    });
    let version = folder.join("..2026_11_23_12_00_01.1");
    fs::create_dir(&version).unwrap();
    symlink(version.file_name().unwrap(), folder.join("..data")).unwrap();
    for (name, content) in files.expect("the Secret is there") {
        fs::write(version.join(name), &content.0).unwrap();
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
}

fn check(resource: &str) {
    let resource = svom_crds::read::read(resource.as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (objects, whole) = made(folder.path(), &resource);
    let name = resource.metadata.name.as_deref().unwrap();
    mount(folder.path(), &objects, &format!("{name}-servers"));
    assert_eq!(objects.digests, whole, "one piece or two, it is the same");
    for (server, digest) in &objects.digests {
        let output = Command::new(nats_server())
            .arg("--config")
            .arg(folder.path().join(format!("{server}.conf")))
            .arg("-t")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(digest.as_str()), "{said}, foreseen: {digest}");
    }
}

#[test]
fn a_server_takes_the_files_of_its_secret() {
    for example in ["minimal", "mission", "mutual-tls", "custom-domains"] {
        let path = format!(
            "{}/../manifests/examples/{example}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        check(&fs::read_to_string(path).unwrap());
    }
}

#[test]
fn a_single_server_does_too() {
    check(
        "{apiVersion: messaging.svom.eu/v1alpha1, kind: SvomMessaging, metadata: {name: one}, \
         spec: {replicas: 1, websocket: {enabled: true}, tls: {clientCertificates: Required}, users: [{name: ann, publish: [data.vhf], subscribe: [\"*.too\"]}]}}",
    );
}

#[test]
fn one_version_is_tested_everywhere() {
    assert_eq!(PINNED.to_string(), TESTED_VERSION);
}
