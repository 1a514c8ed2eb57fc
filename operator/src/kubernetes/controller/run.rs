//! The controller at work: watches on one side, reconciles on the other, and the queue between them.
//! All of it is one future of one thread; dropped, everything stops where it waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use kube::core::{ApiResource, DynamicObject, Resource};
use kube::{Api, Client, Error};
use serde_json::Value;
use svom_crds::SvomMessaging;
use svom_plan::kubernetes::labels::{MANAGED_BY, MANAGER};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use super::interest::{Interest, Kind, Woken};
use super::queue::{Outcome, Queue};
use super::watch::{Seen, Trouble, watch};
use super::{Failure, Key, LONGEST, Observed, Reconcile};
use crate::kubernetes::lease::Leading;
use crate::kubernetes::metrics::Metrics;
use crate::kubernetes::random;

/// How long the API server may take to hand a resource over.
const READ: Duration = Duration::from_secs(10);
/// So long the first reconciles wait for watches that have not even failed.
const FIRST_LISTS: Duration = Duration::from_secs(5);

/// What is worked on, and with what.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The API server.
    pub client: &'a Client,
    /// The namespaces whose resources are looked after.
    pub namespaces: &'a [String],
    /// Where it is counted what is done.
    pub metrics: &'a Metrics,
    /// Set when every watch has listed what there is.
    pub ready: &'a Cell<bool>,
}

/// Looks after all resources of the namespaces, for ever.
pub async fn run<R: Reconcile>(setting: &Setting<'_>, reconciler: &R, leading: &Leading) {
    setting.ready.set(false);
    let desk = Desk::new(setting);
    let mut watches: FuturesUnordered<_> = desk
        .watched
        .iter()
        .map(|watched| desk.watch(watched))
        .collect();
    tokio::select! {
        _ = watches.next() => {}
        () = desk.work(reconciler, leading) => {}
    }
}

/// One kind of objects in one namespace.
struct Watched {
    namespace: String,
    kind: Kind,
    resource: ApiResource,
    selector: Option<String>,
    progress: Cell<Progress>,
    /// What was last told to be in the way.
    told: RefCell<Option<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Begun,
    /// It did not work, and is tried again.
    Failed,
    Listed,
}

/// Everything that the watches and the work share.
struct Desk<'a> {
    setting: &'a Setting<'a>,
    watched: Vec<Watched>,
    interest: RefCell<Interest>,
    queue: RefCell<Queue>,
    news: Notify,
}

impl<'a> Desk<'a> {
    fn new(setting: &'a Setting<'a>) -> Self {
        Self {
            setting,
            watched: setting
                .namespaces
                .iter()
                .flat_map(|namespace| watched(namespace))
                .collect(),
            interest: RefCell::default(),
            queue: RefCell::default(),
            news: Notify::new(),
        }
    }

    async fn watch(&self, watched: &Watched) {
        let client = self.setting.client.clone();
        let objects = Api::namespaced_with(client, &watched.namespace, &watched.resource);
        watch(&objects, watched.selector.as_deref(), |seen| {
            self.see(watched, &seen)
        })
        .await;
    }

    fn see(&self, watched: &Watched, seen: &Seen<'_>) {
        let (kind, namespace) = (watched.kind, watched.namespace.as_str());
        let mut interest = self.interest.borrow_mut();
        let woken = match seen {
            Seen::Begun => {
                if kind == Kind::Resource {
                    interest.list_begun(namespace);
                }
                return;
            }
            Seen::There(metadata) => interest.seen(kind, namespace, metadata),
            Seen::Gone(metadata) => interest.gone(kind, namespace, metadata),
            Seen::Listed => self.listed(watched, &mut interest),
            Seen::Trouble(trouble) => {
                self.troubled(watched, trouble);
                Woken::new()
            }
        };
        let mut queue = self.queue.borrow_mut();
        for (key, wake) in woken {
            queue.wake(key, wake, Instant::now());
        }
        self.news.notify_one();
    }

    fn listed(&self, watched: &Watched, interest: &mut Interest) -> Woken {
        if watched.told.borrow_mut().take().is_some() {
            info!(
                namespace = watched.namespace,
                kind = watched.resource.kind,
                "watching again"
            );
        }
        // A list that is not the first may hide what happened before it.
        let anew = watched.progress.replace(Progress::Listed) == Progress::Listed;
        let all = self
            .watched
            .iter()
            .all(|watched| watched.progress.get() == Progress::Listed);
        if all {
            self.setting.ready.set(true);
        }
        let mut woken = match watched.kind {
            Kind::Resource => interest.list_done(&watched.namespace),
            Kind::Object | Kind::Secret => Woken::new(),
        };
        if anew || self.has_begun() {
            woken.extend(interest.all(&watched.namespace));
        }
        woken
    }

    fn troubled(&self, watched: &Watched, trouble: &Trouble) {
        let (namespace, kind) = (&watched.namespace, &watched.resource.kind);
        self.setting.metrics.watch_failed(trouble.kind());
        watched
            .progress
            .set(watched.progress.get().max(Progress::Failed));
        let told = trouble.to_string();
        if matches!(trouble, Trouble::TooOld) {
            info!(%namespace, %kind, "{told}");
        } else if watched.told.borrow().as_ref() != Some(&told) {
            warn!(%namespace, %kind, "cannot watch, trying again: {told}");
            watched.told.replace(Some(told));
        }
    }

    /// Every watch has listed what there is or failed to: what is read from here on is not older than
    /// what the watches tell.
    fn has_begun(&self) -> bool {
        self.watched
            .iter()
            .all(|watched| watched.progress.get() != Progress::Begun)
    }

    async fn work<R: Reconcile>(&self, reconciler: &R, leading: &Leading) {
        let waited = async {
            while !self.has_begun() {
                self.news.notified().await;
            }
        };
        // Whatever holds them up, it is not a reason to do nothing.
        let _ = timeout(FIRST_LISTS, waited).await;
        let mut told = BTreeMap::new();
        let mut working = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            while let Some(key) = self.take(now) {
                working.push(self.turn(reconciler, leading, key));
            }
            let next = self.queue.borrow().next(now);
            self.setting
                .metrics
                .queue(self.queue.borrow().depth(now), working.len());
            tokio::select! {
                Some((key, done)) = working.next() => self.done(&key, done, &mut told),
                () = self.news.notified() => {}
                () = moment(next) => {}
            }
        }
    }

    fn take(&self, now: Instant) -> Option<Key> {
        self.queue.borrow_mut().take(now)
    }

    async fn turn<R: Reconcile>(
        &self,
        reconciler: &R,
        leading: &Leading,
        key: Key,
    ) -> (Key, Result<Outcome, Failure>) {
        let begun = Instant::now();
        let turn = AssertUnwindSafe(self.reconcile(reconciler, leading, &key)).catch_unwind();
        let done = match timeout(LONGEST, turn).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Failure {
                kind: "panic",
                error: anyhow::anyhow!("a defect of this program: please report what it printed"),
            }),
            Err(_) => Err(Failure {
                kind: "too_long",
                error: anyhow::anyhow!("it came to no end within {} s", LONGEST.as_secs()),
            }),
        };
        self.setting.metrics.reconciled(
            begun.elapsed(),
            done.as_ref().err().map(|failure| failure.kind),
        );
        (key, done)
    }

    async fn reconcile<R: Reconcile>(
        &self,
        reconciler: &R,
        leading: &Leading,
        key: &Key,
    ) -> Result<Outcome, Failure> {
        let Some(observed) = read(self.setting.client, key).await? else {
            self.interest.borrow_mut().forget(key);
            reconciler.forget(key).await;
            return Ok(Outcome::Gone);
        };
        if let Ok(resource) = &observed.resource {
            self.interest.borrow_mut().read(key, resource);
        }
        reconciler
            .reconcile(key, &observed, leading)
            .await
            .map(Outcome::Done)
    }

    /// `told` holds what was last said about each that fails: it is said once.
    fn done(&self, key: &Key, done: Result<Outcome, Failure>, told: &mut BTreeMap<Key, String>) {
        let outcome = match done {
            Ok(outcome) => {
                if told.remove(key).is_some() {
                    info!(resource = %key, "it works again");
                }
                outcome
            }
            Err(failure) => {
                let why = format!("{:#}", failure.error);
                if told.get(key) != Some(&why) {
                    warn!(resource = %key, kind = failure.kind, "trying again: {why}");
                    told.insert(key.clone(), why);
                }
                Outcome::Failed
            }
        };
        self.queue
            .borrow_mut()
            .done(key, outcome, Instant::now(), random::fraction());
    }
}

/// What is watched in a namespace.
fn watched(namespace: &str) -> Vec<Watched> {
    let ours = format!("{MANAGED_BY}={MANAGER}");
    let watched = |kind, resource, selector| Watched {
        namespace: namespace.to_owned(),
        kind,
        resource,
        selector,
        progress: Cell::new(Progress::Begun),
        told: RefCell::default(),
    };
    vec![
        watched(Kind::Resource, erased::<SvomMessaging>(), None),
        watched(Kind::Object, erased::<StatefulSet>(), Some(ours.clone())),
        watched(Kind::Object, erased::<Pod>(), Some(ours.clone())),
        watched(Kind::Object, erased::<Service>(), Some(ours.clone())),
        watched(Kind::Object, erased::<PersistentVolumeClaim>(), Some(ours)),
        // Those that a person brings have no label.
        watched(Kind::Secret, erased::<Secret>(), None),
    ]
}

fn erased<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

/// The resource as it is now; nothing where it is gone.
async fn read(client: &Client, key: &Key) -> Result<Option<Observed>, Failure> {
    let failed = |kind, error| Failure { kind, error };
    let path = DynamicObject::url_path(&erased::<SvomMessaging>(), Some(&key.namespace));
    let request = kube::core::Request::new(path).get(&key.name, &kube::api::GetParams::default());
    let request = request.map_err(|error| failed("read", error.into()))?;
    let answer = timeout(READ, client.request::<Value>(request)).await;
    match answer {
        Ok(Ok(object)) => Observed::read(object)
            .map(Some)
            .map_err(|error| failed("read", error.into())),
        Ok(Err(Error::Api(status))) if status.code == 404 => Ok(None),
        Ok(Err(error)) => Err(failed("read", error.into())),
        Err(_) => Err(failed(
            "read",
            anyhow::anyhow!("the API server did not answer in time"),
        )),
    }
}

async fn moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
