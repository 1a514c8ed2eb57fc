//! The operator on a cluster, from one `kubectl apply` to a bus that has proven itself, and back.
//!
//! Each test has a namespace of its own with an operator in it, installed by the manifests as they are
//! but for the images. Several run at once; a test that takes from all, a node or the resource's definition,
//! runs alone.

#![allow(
    clippy::indexing_slicing,
    reason = "what an object of the API server lacks is null"
)]

mod audit;
mod changes;
mod clients;
mod deletion;
mod falls;
mod mistakes;
mod quiet;
mod tls;

use anyhow::{Context, Result};
use svom_cluster::notes::skip;
use svom_cluster::scene::{On, Scene};
use svom_cluster::slots::Slot;

/// Runs a test in a namespace of its own.
fn in_a_scene(name: &str, slot: Slot, on: On, test: fn(&Scene) -> Result<()>) -> Result<()> {
    // Given back last: when what the scene had on the cluster is gone.
    let _slot = slot;
    let scene = match Scene::prepare("operator", on)? {
        Ok(scene) => scene,
        Err(skipped) => return skip(&format!("operator::{name}"), skipped.why),
    };
    let result = test(&scene);
    if result.is_err() {
        scene.tell();
    }
    result.with_context(|| name.to_owned())
}

/// Tests in the order of their names, with what may run beside each and where it can: a scenario of the module beside it.
macro_rules! tests {
    ($($slot:ident $on:ident $module:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            in_a_scene(stringify!($name), Slot::$slot(), On::$on, $module::$name)
        })*
    };
}

tests! {
    shared Any clients::one_resource_one_wait_one_secret;
    shared Any clients::a_port_of_every_node_leads_in_from_outside;
    shared MadeHere clients::a_load_balancers_address_leads_in_from_outside;
    shared Any changes::users_rights_and_domains_change_while_the_bus_runs;
    shared Any changes::what_this_release_does_not_do_is_refused_by_name_and_the_rest_goes_on;
    shared Any changes::a_paused_resource_is_observed_and_nothing_is_changed;
    shared Any deletion::what_is_retained_is_taken_up_again_with_its_messages;
    shared Any deletion::what_is_not_retained_goes;
    alone MadeHere deletion::a_namespace_and_a_definition_go_while_the_operator_is_away;
    shared MadeHere falls::nothing_acknowledged_is_lost_when_a_server_is_killed;
    shared Any falls::nothing_acknowledged_is_lost_when_a_servers_pod_is_deleted;
    alone MadeHere falls::nothing_acknowledged_is_lost_when_a_servers_node_crashes;
    shared Any falls::another_operator_takes_over_and_mints_nothing_twice;
    shared Any mistakes::what_a_person_must_mend_is_told_and_acted_on_once_it_is_mended;
    shared Any mistakes::what_no_node_can_run_is_told_and_acted_on_once_it_is_mended;
    shared Any mistakes::an_object_of_somebody_else_is_never_touched;
    shared Any tls::certificates_are_shown_and_renewed_without_a_disconnect;
    shared Any tls::an_authority_of_the_users_own_signs;
    shared MadeHere quiet::nothing_is_written_while_nothing_happens;
    shared Any quiet::what_a_durable_gives_up_is_counted;
    shared MadeHere quiet::what_is_granted_is_what_is_asked_for;
}
