//! The servers' pods, as their template.

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, PodAffinityTerm, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, SecretVolumeSource, TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::container::{self, CONFIGURATION};
use crate::kubernetes::labels::{self, Component};
use crate::kubernetes::{Bus, names};
use crate::server_config::LAME_DUCK_SECONDS;

/// User and group of the servers; the volumes belong to the group.
const USER: i64 = 1000;
/// What the configuration's files may be used for: read, by the servers' group.
const READ_BY_GROUP: i32 = 0o440;
/// How long a server that is told to leave may take: twice what moving its leaderships and closing its
/// clients takes. A server that leaves ignores SIGTERM, so a shorter time would cut it short.
const GRACE_SECONDS: i64 = 2 * LAME_DUCK_SECONDS as i64;

pub(super) fn template(bus: &Bus<'_>) -> PodTemplateSpec {
    let pod = &bus.settings.pod;
    let mut labels = labels::labels(&bus.identity.name, Component::Server);
    labels.extend(pod.labels.clone());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: (!pod.annotations.is_empty()).then(|| pod.annotations.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(bus)),
    }
}

fn spec(bus: &Bus<'_>) -> PodSpec {
    let resource = &bus.identity.name;
    let placement = &bus.settings.pod.placement;
    let pull_secrets = bus.settings.image.pull_secrets.iter();
    let pull_secrets = pull_secrets.map(|name| LocalObjectReference { name: name.clone() });
    PodSpec {
        affinity: Some(affinity(resource, placement.affinity.clone())),
        // A server asks nothing of the API server, and learns nothing of other Services.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        containers: vec![container::container(bus)],
        image_pull_secrets: some(pull_secrets.collect()),
        node_selector: (!placement.node_selector.is_empty())
            .then(|| placement.node_selector.clone()),
        priority_class_name: placement.priority_class.clone(),
        security_context: Some(security()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        tolerations: some(placement.tolerations.clone()),
        topology_spread_constraints: some(spread(resource, &placement.spread)),
        volumes: Some(vec![Volume {
            name: CONFIGURATION.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(names::servers(resource)),
                default_mode: Some(READ_BY_GROUP),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }]),
        ..PodSpec::default()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// What was asked for, and besides that no two servers of the bus share a node: the fall of a node is
/// the fall of one server.
fn affinity(resource: &str, asked: Option<Affinity>) -> Affinity {
    let mut affinity = asked.unwrap_or_default();
    let apart = PodAffinityTerm {
        label_selector: Some(labels::selector(resource)),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    affinity
        .pod_anti_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .insert(0, apart);
    affinity
}

/// Constraints that name no pods are about the servers.
fn spread(resource: &str, asked: &[TopologySpreadConstraint]) -> Vec<TopologySpreadConstraint> {
    let about_servers = |constraint: &TopologySpreadConstraint| TopologySpreadConstraint {
        label_selector: constraint
            .label_selector
            .clone()
            .or_else(|| Some(labels::selector(resource))),
        ..constraint.clone()
    };
    asked.iter().map(about_servers).collect()
}

/// What Pod Security calls restricted, and volumes that the servers' group may write to.
fn security() -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: Some(USER),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}
