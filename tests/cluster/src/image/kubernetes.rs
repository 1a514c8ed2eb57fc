//! The images that kubeadm starts a cluster from, under the names that it asks for.
//!
//! In: the programs, and a node's system for what kube-proxy calls. Out: an archive for each image.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::archive::{Config, Entry, ImageArchive};
use crate::command;
use crate::system;
use crate::versions::Kubernetes;

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// Under these names kube-proxy calls the one program that is all of iptables.
const IPTABLES: [&str; 6] = [
    "iptables",
    "iptables-restore",
    "iptables-save",
    "ip6tables",
    "ip6tables-restore",
    "ip6tables-save",
];

/// The images' names, in kubeadm's own words.
pub fn references(binaries: &Path, kubernetes: &Kubernetes) -> Result<Vec<String>> {
    let mut list = Command::new(binaries.join("kubeadm"));
    list.args(["config", "images", "list", "--kubernetes-version"])
        .arg(format!("v{}", kubernetes.version));
    let answer = command::output(&mut list, ANSWERS_WITHIN)?;
    Ok(answer.lines().map(str::to_owned).collect())
}

/// The image's own name without registry, folder and tag: `coredns`.
pub fn short_name(reference: &str) -> &str {
    let (_, name) = reference.rsplit_once('/').unwrap_or(("", reference));
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// Writes one image.
pub fn write(reference: &str, binaries: &Path, root: &Path, archive: &Path) -> Result<()> {
    let name = short_name(reference);
    let program = match name {
        "coredns" => "/coredns",
        "pause" => "/pause",
        "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-proxy" | "kube-scheduler" => {
            &format!("/usr/local/bin/{name}")
        }
        _ => bail!("kubeadm asks for {reference}, which is not built here: add it to this list"),
    };
    let config = Config {
        entrypoint: vec![program.to_owned()],
        environment: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ],
        ..Config::default()
    };
    let mut image = ImageArchive::new(reference, config);
    image.add(program, Entry::host_file(binaries.join(name)).mode(0o755))?;
    for folder in ["/dev", "/etc", "/proc", "/run", "/sys"] {
        image.add(folder, Entry::directory())?;
    }
    image.add("/tmp", Entry::directory().mode(0o1777))?;
    if name == "kube-proxy" {
        add_packet_filters(&mut image, root)?;
    }
    image.write(archive)
}

/// iptables with every extension, nft and conntrack, and all that each of them links.
fn add_packet_filters(image: &mut ImageArchive, root: &Path) -> Result<()> {
    let extensions = format!("/usr/lib/{ARCH}-linux-gnu/xtables");
    let mut files = Vec::new();
    for program in ["xtables-nft-multi", "nft", "conntrack"] {
        files.push(PathBuf::from(format!("/usr/sbin/{program}")));
    }
    let unreadable = || format!("cannot read {extensions} of {}", root.display());
    let folder = root.join(extensions.trim_start_matches('/'));
    for extension in fs::read_dir(&folder).with_context(unreadable)? {
        let name = extension.with_context(unreadable)?.file_name();
        files.push(Path::new(&extensions).join(name));
    }
    system::add_with_libraries(image, root, &files)?;
    for name in IPTABLES {
        let path = format!("/usr/sbin/{name}");
        image.add(path, Entry::symlink("xtables-nft-multi"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_images_short_name_is_its_programs() {
        let cases = [
            ("registry.k8s.io/kube-apiserver:v1.36.3", "kube-apiserver"),
            ("registry.k8s.io/coredns/coredns:v1.14.2", "coredns"),
            ("registry.k8s.io/etcd:3.6.8-0", "etcd"),
        ];
        for (reference, name) in cases {
            assert_eq!(short_name(reference), name);
        }
    }

    #[test]
    fn an_image_that_is_not_built_is_said_by_name() {
        let path = Path::new("");
        let refused = write("registry.k8s.io/new:v1", path, path, path);
        let text = refused.unwrap_err().to_string();
        assert!(
            text.starts_with("kubeadm asks for registry.k8s.io/new:v1"),
            "{text}"
        );
    }
}
