//! A process dies at every write that it makes on the way from nothing to the servers' StatefulSet, and
//! another goes on: nothing that was persisted is minted again, and the same objects are there in the end.
//! No server runs here; the rest of the way is gone on a cluster.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use svom_cluster::notes::figure;

use crate::mortal::{DEATHS, Death, Process};
use crate::support::{apply, in_namespace, resource, shared};
use crate::world::{World, is_made_once};

const NAMESPACE: &str = "crash";
const SPEC: &str = "{users: [{name: gate, publish: [data.vhf]}, \
                    {name: desk, subscribe: [data.vhf], authentication: NKey}]}";

impl World<'_> {
    /// Why the resource waits for a person, if it does.
    async fn stalled(&self, name: &str) -> Option<String> {
        let status = self.observed(name).await.status.unwrap();
        let mut conditions = status.conditions.into_iter();
        let stalled = conditions.find(|one| one.type_ == "Stalled");
        stalled.map(|one| one.message)
    }

    /// Passes until one writes nothing.
    pub async fn settle(&self, name: &str) {
        let mut passes = 0;
        while self.pass(name, None).await > 0 {
            passes += 1;
            assert!(passes < 5, "{name}: it writes for ever");
        }
    }

    /// One pass of a process that knows nothing, which may die; how many writes it made.
    async fn pass(&self, name: &str, end: Option<(usize, Death)>) -> usize {
        let observed = self.observed(name).await;
        let process = Process::new(self.server, end);
        let done = process.pass(self.namespace, name, &observed).await;
        assert_eq!(
            process.died_at().is_some(),
            end.is_some(),
            "{name}: {done:?}"
        );
        if end.is_none() {
            done.unwrap();
        }
        process.writes()
    }
}

#[tokio::test]
async fn whoever_goes_on_mints_nothing_again_and_makes_the_same_objects() {
    let server = shared();
    let calls = in_namespace(&server, NAMESPACE).await;
    let world = World {
        server: &calls,
        namespace: NAMESPACE,
    };
    apply(&server, &resource(NAMESPACE, "whole", SPEC)).await;
    let writes = world.pass("whole", None).await;
    let whole = world.everything("whole").await;
    assert!(
        writes > 15 && whole.contains(&"StatefulSet ".to_owned()),
        "{writes} {whole:?}"
    );

    let mut buses = String::new();
    let points: Vec<(String, usize, Death)> = (1..=writes)
        .flat_map(|at| DEATHS.map(|death| (at, death)))
        .enumerate()
        .map(|(number, (at, death))| (format!("bus{number}"), at, death))
        .collect();
    for (name, ..) in &points {
        buses.push_str(&resource(NAMESPACE, name, SPEC));
    }
    apply(&server, &buses).await;
    for (name, at, death) in &points {
        world.pass(name, Some((*at, *death))).await;
        let persisted = world.secrets(name).await;
        world.settle(name).await;
        let after = world.secrets(name).await;
        for (entry, value) in persisted.iter().filter(|(entry, _)| is_made_once(entry)) {
            assert!(
                after.get(entry) == Some(value),
                "{entry}, {death:?} {at}: minted again"
            );
        }
        assert_eq!(world.everything(name).await, whole, "{death:?} {at}");
    }
    figure(
        "a process that dies at a write and another that goes on",
        format!("{} points, nothing minted twice", points.len()),
    )
    .unwrap();
}

#[tokio::test]
async fn a_credential_that_was_deleted_is_made_anew_wherever_a_process_dies() {
    const GONE: &str = "anew";
    let server = shared();
    let calls = in_namespace(&server, GONE).await;
    let world = World {
        server: &calls,
        namespace: GONE,
    };
    apply(&server, &resource(GONE, "fsc", SPEC)).await;
    world.settle("fsc").await;
    let all: Api<Secret> = Api::namespaced(calls.clone(), GONE);
    let delete = async || {
        for user in ["gate", "desk"] {
            let name = format!("fsc-user-{user}");
            all.delete(&name, &DeleteParams::default()).await.unwrap();
        }
    };
    delete().await;
    let writes = world.pass("fsc", None).await;
    assert!(writes >= 5, "{writes}");
    for at in 1..=writes {
        for death in DEATHS {
            delete().await;
            let before = world.secrets("fsc").await;
            world.pass("fsc", Some((at, death))).await;
            let persisted = world.secrets("fsc").await;
            world.settle("fsc").await;
            let after = world.secrets("fsc").await;
            for entry in ["-user-gate/password", "-user-desk/nkey.seed"] {
                let kept = persisted
                    .get(entry)
                    .is_none_or(|one| after.get(entry) == Some(one));
                assert!(kept, "{entry}, {death:?} {at}: minted again");
                assert!(
                    after.contains_key(entry),
                    "{entry}, {death:?} {at}: missing"
                );
            }
            // And everybody else's is as it was.
            for entry in ["-authorities/clients.pem", "-operator/system.nkey"] {
                assert_eq!(after.get(entry), before.get(entry), "{entry}");
            }
            let told = world.stalled("fsc").await;
            assert_eq!(told, None, "{death:?} {at}");
        }
    }
}
