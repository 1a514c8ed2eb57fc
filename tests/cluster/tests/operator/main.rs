//! The operator on a cluster, from one `kubectl apply` to a bus that has proven itself, and back.
//!
//! Each test has a namespace of its own with an operator in it, installed by the manifests as they are
//! but for the images. They run one after another: each bus takes every worker.

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
mod scene;

use anyhow::{Context, Result};

use crate::scene::Scene;

/// Runs a test in a namespace of its own.
fn in_a_scene(name: &str, test: fn(&Scene) -> Result<()>) -> Result<()> {
    let Some(scene) = Scene::prepare(name)? else {
        return Ok(());
    };
    let result = test(&scene);
    if result.is_err() {
        scene.tell();
    }
    result.with_context(|| name.to_owned())
}

/// Tests in the order of their names, each a scenario of the module beside it.
macro_rules! tests {
    ($($module:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            in_a_scene(stringify!($name), $module::$name)
        })*
    };
}

tests! {
    clients::one_resource_one_wait_one_secret;
    clients::a_port_of_every_node_leads_in_from_outside;
    changes::users_rights_and_domains_change_while_the_bus_runs;
    changes::what_this_release_does_not_do_is_refused_by_name_and_the_rest_goes_on;
    changes::a_paused_resource_is_observed_and_nothing_is_changed;
    deletion::what_is_retained_is_taken_up_again_with_its_messages;
    deletion::what_is_not_retained_goes;
    deletion::a_namespace_and_a_definition_go_while_the_operator_is_away;
    falls::nothing_acknowledged_is_lost_when_servers_fall;
    falls::another_operator_takes_over_and_mints_nothing_twice;
    mistakes::what_a_person_must_mend_is_told_and_acted_on_once_it_is_mended;
    mistakes::what_no_node_can_run_is_told_and_acted_on_once_it_is_mended;
    mistakes::an_object_of_somebody_else_is_never_touched;
    quiet::nothing_is_written_while_nothing_happens;
    quiet::what_is_granted_is_what_is_asked_for;
}
