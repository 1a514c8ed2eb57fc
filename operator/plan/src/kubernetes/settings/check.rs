//! From what a resource says for Kubernetes to [`Settings`]. What concerns one value and is not in the
//! resource's definition is checked here, so that it is told with its path before anything is applied.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use svom_crds::SvomMessaging;
use svom_crds::spec::{External as RawExternal, Image as RawImage, PodOptions, Resources};

use super::grammar::{
    is_digest, is_label_key, is_label_value, is_network, is_object_name, is_repository, is_tag,
};
use super::{External, ExternalType, Image, Pin, Placement, Pod, Settings};
use crate::Problem;
use crate::kubernetes::labels::is_reserved;
use crate::kubernetes::names;
use crate::kubernetes::quantity::Amount;

/// The official image of nats-server.
const REPOSITORY: &str = "docker.io/library/nats";
/// What is set aside for a server where the resource does not say it: a small bus idles far below, and
/// a busy one gets what the node has to spare.
const REQUESTS: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "256Mi")];

/// Checks what a resource says for Kubernetes alone.
///
/// # Errors
/// Every problem, with its path. Never empty.
pub fn settings(resource: &SvomMessaging) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::default();
    let spec = &resource.spec;
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    if let Some(why) = names::unfit(name) {
        problems.add("metadata.name", why);
    }
    check_brought(resource, name, &mut problems);
    let pod = spec.pod.clone().unwrap_or_default();
    let storage_class = spec.storage.storage_class_name.clone();
    if let Some(class) = &storage_class {
        problems.object_name("spec.storage.storageClassName", class, "storage class");
    }
    let settings = Settings {
        storage_class,
        image: image(spec.image.as_ref(), &mut problems),
        external: spec
            .external
            .as_ref()
            .map(|raw| external(raw, &spec.tls.extra_dns_names, &mut problems)),
        pod: self::pod(pod, &mut problems),
    };
    if problems.0.is_empty() {
        Ok(settings)
    } else {
        Err(problems.0)
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(path, message));
    }

    fn object_name(&mut self, path: &str, name: &str, kind: &str) {
        if !is_object_name(name) {
            self.add(
                path,
                format!("{name:?} cannot be the name of a {kind}: write lower-case letters, digits, '-' and '.'"),
            );
        }
    }

    fn map(&mut self, path: &str, map: &BTreeMap<String, String>, value_fits: fn(&str) -> bool) {
        for (key, value) in map {
            if !is_label_key(key) {
                self.add(path, format!("{key:?} cannot be a key: write NAME or DOMAIN/NAME, the name of at most 63 letters, digits, '-', '_' and '.'"));
            }
            if !value_fits(value) {
                self.add(path, format!("{value:?} cannot be the value of {key}: write at most 63 letters, digits, '-', '_' and '.'"));
            }
        }
    }

    /// A map for objects of which part is the operator's own affair.
    fn additions(
        &mut self,
        path: &str,
        map: &BTreeMap<String, String>,
        value_fits: fn(&str) -> bool,
    ) {
        self.map(path, map, value_fits);
        for key in map.keys().filter(|key| is_reserved(key)) {
            self.add(
                path,
                format!("{key} is set by the operator or by Kubernetes: choose another key"),
            );
        }
    }
}

/// Secrets that a person brings have names of their own: one of ours would be taken for it.
fn check_brought(resource: &SvomMessaging, name: &str, problems: &mut Problems) {
    let issuer = resource.spec.tls.issuer.secret_ref.as_ref();
    let issuer = issuer.map(|secret| ("spec.tls.issuer.secretRef".to_owned(), secret));
    let users = resource.spec.users.iter().filter_map(|user| {
        let secret = user.secret_ref.as_ref()?;
        Some((format!("spec.users[name={}].secretRef", user.name), secret))
    });
    for (path, secret) in issuer.into_iter().chain(users) {
        if names::is_own_secret(name, &secret.name) {
            problems.add(
                path,
                format!("{} is a name of the Secrets that are made for {name}: bring it under another name", secret.name),
            );
        }
    }
}

fn image(raw: Option<&RawImage>, problems: &mut Problems) -> Image {
    let raw = raw.cloned().unwrap_or_default();
    let repository = raw.repository.unwrap_or_else(|| REPOSITORY.to_owned());
    if !is_repository(&repository) {
        problems.add(
            "spec.image.repository",
            format!("{repository:?} is no repository: write REGISTRY/NAME in lower case, and tag or digest in fields of their own"),
        );
    }
    let pin = match (raw.tag, raw.digest) {
        (Some(_), Some(_)) => {
            problems.add("spec.image", "write tag or digest, not both");
            Pin::Version
        }
        (Some(tag), None) => {
            if !is_tag(&tag) {
                problems.add("spec.image.tag", format!("{tag:?} is no tag: write letters, digits, '_', '-' and '.', such as 2.15.1-alpine"));
            }
            Pin::Tag(tag)
        }
        (None, Some(digest)) => {
            if !is_digest(&digest) {
                problems.add(
                    "spec.image.digest",
                    "write sha256: and 64 hexadecimal digits",
                );
            }
            Pin::Digest(digest)
        }
        (None, None) => Pin::Version,
    };
    for secret in &raw.pull_secrets {
        problems.object_name("spec.image.pullSecrets", &secret.name, "Secret");
    }
    Image {
        repository,
        pin,
        pull_policy: raw.pull_policy,
        pull_secrets: raw
            .pull_secrets
            .into_iter()
            .map(|secret| secret.name)
            .collect(),
    }
}

fn external(raw: &RawExternal, extra_dns_names: &[String], problems: &mut Problems) -> External {
    problems.additions("spec.external.annotations", &raw.annotations, |_| true);
    for range in raw.source_ranges.iter().filter(|range| !is_network(range)) {
        problems.add(
            "spec.external.sourceRanges",
            format!("{range:?} is no network: write its first address and the length of its prefix, such as 192.0.2.0/24"),
        );
    }
    if raw.type_ == ExternalType::NodePort && raw.hostnames.is_empty() && extra_dns_names.is_empty()
    {
        problems.add(
            "spec.external.hostnames",
            "with type NodePort write the names or addresses of the nodes that clients are told: the servers' certificates must carry them",
        );
    }
    let parsed = || raw.hostnames.iter().map(|name| (name, name.parse().ok()));
    External {
        kind: raw.type_,
        annotations: raw.annotations.clone(),
        source_ranges: raw.source_ranges.iter().cloned().collect(),
        addresses: parsed().filter_map(|(_, address)| address).collect(),
        dns_names: parsed()
            .filter(|(_, address)| address.is_none())
            .map(|(name, _)| name.clone())
            .collect(),
    }
}

fn pod(raw: PodOptions, problems: &mut Problems) -> Pod {
    let PodOptions {
        resources,
        node_selector,
        tolerations,
        affinity,
        topology_spread_constraints,
        priority_class_name,
        labels,
        annotations,
    } = raw;
    problems.additions("spec.pod.labels", &labels, is_label_value);
    problems.additions("spec.pod.annotations", &annotations, |_| true);
    problems.map("spec.pod.nodeSelector", &node_selector, is_label_value);
    if let Some(class) = &priority_class_name {
        problems.object_name("spec.pod.priorityClassName", class, "priority class");
    }
    let (requests, limits) = self::resources(resources.unwrap_or_default(), problems);
    Pod {
        requests,
        limits,
        labels,
        annotations,
        placement: Placement {
            node_selector,
            tolerations,
            affinity,
            spread: topology_spread_constraints,
            priority_class: priority_class_name,
        },
    }
}

type Quantities = BTreeMap<String, Quantity>;

fn resources(raw: Resources, problems: &mut Problems) -> (Quantities, Quantities) {
    let Resources {
        mut requests,
        limits,
    } = raw;
    for (resource, quantity) in REQUESTS {
        // Where there is a limit alone, Kubernetes sets aside as much.
        if !limits.contains_key(resource) && !requests.contains_key(resource) {
            requests.insert(resource.to_owned(), Quantity(quantity.to_owned()));
        }
    }
    let requests = amounts("spec.pod.resources.requests", requests, problems);
    let limits = amounts("spec.pod.resources.limits", limits, problems);
    for (resource, limit) in &limits {
        if let Some(request) = requests
            .get(resource)
            .filter(|request| request.exceeds(*limit))
        {
            problems.add(
                "spec.pod.resources",
                format!(
                    "{resource}: {} is set aside and {} is the limit: raise the limit or lower the request",
                    request.canonical(),
                    limit.canonical()
                ),
            );
        }
    }
    (written(&requests), written(&limits))
}

fn amounts(
    path: &str,
    quantities: Quantities,
    problems: &mut Problems,
) -> BTreeMap<String, Amount> {
    let mut amounts = BTreeMap::new();
    for (resource, Quantity(text)) in quantities {
        match Amount::read(&text) {
            Some(amount) => {
                amounts.insert(resource, amount);
            }
            None => problems.add(
                path,
                format!("{text:?} of {resource} is no quantity: write a number with a unit, such as 500m of cpu or 512Mi of memory"),
            ),
        }
    }
    amounts
}

fn written(amounts: &BTreeMap<String, Amount>) -> Quantities {
    let quantity = |amount: &Amount| Quantity(amount.canonical());
    amounts
        .iter()
        .map(|(resource, amount)| (resource.clone(), quantity(amount)))
        .collect()
}
