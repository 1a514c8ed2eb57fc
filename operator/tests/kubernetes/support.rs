//! What the tests share: an API server, a reconciler that writes down what it is called for, and
//! conditions that are waited for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use svom_cluster::api_server::ApiServer;
use svom_operator::kubernetes::controller::{
    Failure, Key, Next, Observed, Reconcile, Setting, run,
};
use svom_operator::kubernetes::lease::{Leading, Moment, Term};
use svom_operator::kubernetes::metrics::Metrics;

/// Whatever is waited for, on a machine that does much else.
const WITHIN: Duration = Duration::from_secs(120);

/// The API server that tests share, with the definition of the resource. It ends with the last test
/// that uses it.
pub fn shared() -> Arc<ApiServer> {
    static SHARED: Mutex<Weak<ApiServer>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(ApiServer::start().unwrap());
    define(&server, &svom_crds::crd_yaml().unwrap());
    *shared = Arc::downgrade(&server);
    server
}

/// Applies a definition of the resource and waits until it is served.
pub fn define(server: &ApiServer, definition: &str) {
    server.kubectl().apply(definition).unwrap();
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    let wait = wait
        .into_iter()
        .chain(["crd/svommessagings.messaging.svom.eu"]);
    server.kubectl().run(wait).unwrap();
}

/// A namespace of a test's own.
pub fn namespace(server: &ApiServer, name: &str) {
    let made = server.kubectl().run(["create", "namespace", name]);
    made.unwrap();
}

/// A small resource.
pub fn resource(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
    )
}

pub async fn client(kubeconfig: &Path, context: &str) -> Client {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// What the reconciler was called for.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// How often.
    pub times: usize,
    /// What the resource says, or why it cannot be read.
    pub found: String,
    pub forgotten: bool,
}

/// What it answers, for resources of some names.
pub type Answers = fn(&str) -> Answer;

pub enum Answer {
    Done,
    Again(Duration),
    Fails,
    Panics,
    /// It never comes to an end.
    Hangs,
}

/// Writes down what it is called for.
pub struct Recorder {
    looked: RefCell<BTreeMap<String, Looked>>,
    answers: Answers,
}

impl Reconcile for Recorder {
    async fn reconcile(
        &self,
        key: &Key,
        resource: &Observed,
        leading: &Leading,
    ) -> Result<Next, Failure> {
        leading.check().unwrap();
        let found = match &resource.resource {
            Ok(resource) => format!("{} servers", resource.spec.replicas),
            Err(malformed) => malformed.to_string(),
        };
        {
            let mut looked = self.looked.borrow_mut();
            let looked = looked.entry(key.name.clone()).or_default();
            looked.times += 1;
            looked.found = found;
            looked.forgotten = false;
        }
        match (self.answers)(&key.name) {
            Answer::Done => Ok(Next::WhenSomethingChanges),
            Answer::Again(pause) => Ok(Next::After(pause)),
            Answer::Fails => Err(Failure {
                kind: "test",
                error: anyhow::anyhow!("the test says so"),
            }),
            Answer::Panics => panic!("the test says so"),
            Answer::Hangs => std::future::pending().await,
        }
    }

    async fn forget(&self, key: &Key) {
        self.looked
            .borrow_mut()
            .entry(key.name.clone())
            .or_default()
            .forgotten = true;
    }
}

/// A controller at work.
pub struct Work {
    recorder: Recorder,
    pub metrics: Metrics,
    pub ready: Cell<bool>,
}

impl Work {
    /// Waits until something holds of what the reconciler was called for.
    pub async fn until(&self, what: &str, holds: impl Fn(&BTreeMap<String, Looked>) -> bool) {
        wait_for(what, || holds(&self.recorder.looked.borrow())).await;
    }

    /// How often a resource was looked at.
    pub fn times(&self, name: &str) -> usize {
        self.looked(name).times
    }

    pub fn looked(&self, name: &str) -> Looked {
        let looked = self.recorder.looked.borrow();
        looked.get(name).cloned().unwrap_or_default()
    }

    /// Waits until nothing more happens to a resource because of what was done before: one that is made
    /// now is looked at.
    pub async fn quiet(&self, server: &ApiServer, namespace: &str) {
        static MARKS: Mutex<usize> = Mutex::new(0);
        let mark = {
            let mut marks = MARKS.lock().unwrap();
            *marks += 1;
            format!("mark-{marks}")
        };
        apply(server, &resource(namespace, &mark, "{}")).await;
        self.until(&mark, |looked| looked.contains_key(&mark)).await;
    }
}

/// Does something while a controller looks after namespaces.
pub async fn at_work<T>(
    client: &Client,
    namespaces: &[&str],
    answers: Answers,
    test: impl AsyncFnOnce(&Work) -> T,
) -> T {
    let work = Work {
        recorder: Recorder {
            looked: RefCell::default(),
            answers,
        },
        metrics: Metrics::default(),
        ready: Cell::new(false),
    };
    let namespaces: Vec<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
    let setting = Setting {
        client,
        namespaces: &namespaces,
        metrics: &work.metrics,
        ready: &work.ready,
    };
    let (_term, leading) = Term::begin(Moment::NEVER);
    tokio::select! {
        () = run(&setting, &work.recorder, &leading) => panic!("the controller ended"),
        done = test(&work) => done,
    }
}

/// Runs kubectl beside the controller, which has this thread.
pub async fn kubectl(server: &ApiServer, words: &[&str]) -> String {
    let kubectl = server.kubectl().clone();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || kubectl.run(words));
    ran.await.unwrap().unwrap()
}

/// A namespace of this name, and a client that may do anything there.
pub async fn in_namespace(server: &ApiServer, namespace: &str) -> Client {
    kubectl(server, &["create", "namespace", namespace]).await;
    client(&server.kubeconfig(), "admin").await
}

/// Applies manifests beside the controller.
pub async fn apply(server: &ApiServer, manifests: &str) {
    let (kubectl, manifests) = (server.kubectl().clone(), manifests.to_owned());
    let applied = tokio::task::spawn_blocking(move || kubectl.apply(&manifests));
    applied.await.unwrap().unwrap();
}

/// Waits for a condition.
pub async fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WITHIN, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The same, for tests that have a thread of their own.
pub fn wait_here(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WITHIN, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// This test program itself, to be run once more as another process.
pub fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}
