//! A process dies at every write that it makes on the way from nothing to the servers' StatefulSet, and
//! another goes on: nothing that was persisted is minted again, and the same objects are there in the end.
//!
//! The API server is a real one. What it cannot be made to do is put in by the client that the recipe is
//! given: a write that never leaves, one whose answer is lost, and silence after one that was answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::client::Body;
use kube::core::ApiResource;
use svom_cluster::notes::figure;
use svom_crds::SvomMessaging;
use svom_operator::kubernetes::controller::{Key, Observed, Reconcile};
use svom_operator::kubernetes::lease::{Moment, Term};
use svom_operator::kubernetes::metrics::Buses;
use svom_operator::kubernetes::process::Tools;
use svom_operator::kubernetes::recipe::Recipe;

use crate::support::{apply, in_namespace, resource, shared};

const NAMESPACE: &str = "crash";
const SPEC: &str = "{users: [{name: gate, publish: [data.vhf]}, \
                    {name: desk, subscribe: [data.vhf], authentication: NKey}]}";
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    BeforeTheWrite,
    BeforeTheAnswer,
    AfterTheAnswer,
}

const DEATHS: [Death; 3] = [
    Death::BeforeTheWrite,
    Death::BeforeTheAnswer,
    Death::AfterTheAnswer,
];

/// What becomes of a process' calls.
#[derive(Debug, Default)]
struct Life {
    writes: usize,
    /// At which write it dies, and how.
    end: Option<(usize, Death)>,
    is_over: bool,
}

impl Life {
    /// Whether a call is sent, and whether its answer arrives.
    fn call(&mut self, method: &Method) -> (bool, bool) {
        if self.is_over {
            return (false, false);
        }
        if *method == Method::GET {
            return (true, true);
        }
        self.writes += 1;
        match self.end.filter(|(at, _)| *at == self.writes) {
            None => (true, true),
            Some((_, death)) => {
                self.is_over = true;
                (
                    death != Death::BeforeTheWrite,
                    death == Death::AfterTheAnswer,
                )
            }
        }
    }
}

/// The API server as a process has it that dies.
fn mortal(server: &Client, life: &Arc<Mutex<Life>>) -> Client {
    let (server, life) = (server.clone(), Arc::clone(life));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        let (sent, answered) = life.lock().unwrap().call(request.method());
        async move {
            let dead = || Problem::from("the process is dead");
            if !sent {
                return Err(dead());
            }
            let answer = server.send(request).await?;
            if answered { Ok(answer) } else { Err(dead()) }
        }
    });
    Client::new(service, "default")
}

/// A namespace, as one who may do anything sees it.
pub struct World<'a> {
    pub server: &'a Client,
    pub namespace: &'a str,
}

impl World<'_> {
    pub async fn observed(&self, name: &str) -> Observed {
        let kind = ApiResource::erase::<SvomMessaging>(&());
        let all: Api<DynamicObject> =
            Api::namespaced_with(self.server.clone(), self.namespace, &kind);
        let found = all.get(name).await.unwrap();
        Observed::read(serde_json::to_value(&found).unwrap()).unwrap()
    }

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
        let life = Arc::new(Mutex::new(Life {
            end,
            ..Life::default()
        }));
        let recipe = Recipe::new(Tools {
            client: mortal(self.server, &life),
            identity: "mortal".to_owned(),
            buses: Buses::default(),
        });
        let key = Key {
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
        };
        let (_term, leading) = Term::begin(Moment::NEVER);
        let done = recipe.reconcile(&key, &observed, &leading).await;
        let life = life.lock().unwrap();
        assert_eq!(life.is_over, end.is_some(), "{name}: {done:?}");
        if end.is_none() {
            done.unwrap();
        }
        life.writes
    }

    /// What is in the Secrets of a bus, by Secret and key.
    async fn secrets(&self, bus: &str) -> BTreeMap<String, Vec<u8>> {
        let secrets: Api<Secret> = Api::namespaced(self.server.clone(), self.namespace);
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={bus}"));
        let mut found = BTreeMap::new();
        for secret in secrets.list(&ours).await.unwrap() {
            let name = secret.metadata.name.unwrap();
            let name = name.strip_prefix(bus).unwrap();
            for (key, value) in secret.data.unwrap_or_default() {
                found.insert(format!("{name}/{key}"), value.0);
            }
        }
        found
    }

    /// The keys of all Secrets, and what else there is.
    async fn everything(&self, bus: &str) -> Vec<String> {
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={bus}"));
        let mut all: Vec<String> = self.secrets(bus).await.into_keys().collect();
        let services: Api<Service> = Api::namespaced(self.server.clone(), self.namespace);
        let sets: Api<StatefulSet> = Api::namespaced(self.server.clone(), self.namespace);
        let services = services.list(&ours).await.unwrap().into_iter();
        let sets = sets.list(&ours).await.unwrap().into_iter();
        let named = services
            .map(|one| one.metadata)
            .chain(sets.map(|one| one.metadata));
        all.extend(named.map(|metadata| metadata.name.unwrap().replacen(bus, "", 1)));
        // A server's files are named like the server.
        all.iter_mut()
            .for_each(|entry| *entry = entry.replace(bus, "BUS"));
        all.sort();
        all
    }
}

/// Whether a value is made once and for ever, and not worked out from others.
fn is_made_once(entry: &str) -> bool {
    !entry.starts_with("-servers/") && !entry.ends_with(".conf")
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
        writes > 15 && whole.contains(&String::new()),
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
