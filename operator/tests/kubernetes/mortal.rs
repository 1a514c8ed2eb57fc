//! A process that dies at a write.
//!
//! What the API server cannot be made to do is put in by the client that the recipe is given: a write that
//! never leaves, one whose answer is lost, and silence after one that was answered. Requests to the servers
//! are heard of as they leave and as they are answered: there a process dies on the spot, and what it was
//! answered dies with it.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use svom_operator::kubernetes::controller::{Failure, Key, Next, Observed, Reconcile};
use svom_operator::kubernetes::lease::{Moment, Term};
use svom_operator::kubernetes::metrics::Buses;
use svom_operator::kubernetes::process::Tools;
use svom_operator::kubernetes::recipe::Recipe;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Where requests to the servers are heard of.
const SERVERS: &str = "svom_operator::nats";
/// Requests that read.
const READS: [&str; 4] = [
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.",
    "$JS.API.STREAM.MSG.GET.",
    "$JS.API.CONSUMER.LIST.",
];

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    BeforeTheWrite,
    BeforeTheAnswer,
    AfterTheAnswer,
}

pub const DEATHS: [Death; 3] = [
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
    /// The request to the servers whose answer it will not live to read.
    last: Option<String>,
    /// The write at which it died.
    died_at: Option<String>,
}

impl Life {
    /// Whether a call is sent, and whether its answer arrives.
    fn call(&mut self, request: &Request<Body>) -> (bool, bool) {
        if self.died_at.is_some() {
            return (false, false);
        }
        if *request.method() == Method::GET {
            return (true, true);
        }
        self.writes += 1;
        match self.end.filter(|(at, _)| *at == self.writes) {
            None => (true, true),
            Some((_, death)) => {
                self.died_at = Some(format!("{} {}", request.method(), request.uri().path()));
                (
                    death != Death::BeforeTheWrite,
                    death == Death::AfterTheAnswer,
                )
            }
        }
    }

    /// Whether it dies at a request to the servers that is about to leave.
    fn request(&mut self, subject: &str) -> bool {
        if READS.iter().any(|reads| subject.starts_with(reads)) {
            return self.died_at.is_some();
        }
        self.writes += 1;
        match self.end.filter(|(at, _)| *at == self.writes) {
            Some((_, Death::BeforeTheWrite)) => self.died_at = Some(subject.to_owned()),
            Some(_) => self.last = Some(subject.to_owned()),
            None => {}
        }
        self.died_at.is_some()
    }

    /// Whether it dies at the answer to a request to the servers.
    fn answer(&mut self, subject: &str) -> bool {
        if self.last.as_deref() == Some(subject) {
            self.died_at = self.last.take();
        }
        self.died_at.is_some()
    }
}

/// What a process comes to an end by.
struct Dead;

/// Hears of requests to the servers.
struct Hears(Arc<Mutex<Life>>);

impl Subscriber for Hears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(SERVERS)
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = Heard::default();
        event.record(&mut heard);
        let mut life = self.0.lock().unwrap();
        let dies = match heard.message.as_str() {
            "a request leaves" => life.request(&heard.subject),
            "a request is answered" => life.answer(&heard.subject),
            other => panic!("what is this: {other}"),
        };
        drop(life);
        if dies {
            resume_unwind(Box::new(Dead));
        }
    }

    // No span is enabled, so that none is ever made.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Heard {
    message: String,
    subject: String,
}

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "subject" => value.clone_into(&mut self.subject),
            other => panic!("what is this: {other}"),
        }
    }
}

/// A process that knows nothing when it begins, and may die.
pub struct Process {
    life: Arc<Mutex<Life>>,
    recipe: Recipe,
}

impl Process {
    /// One that dies at the write of this number, counted from 1, in this way; or not at all.
    pub fn new(server: &Client, end: Option<(usize, Death)>) -> Self {
        let life = Arc::new(Mutex::new(Life {
            end,
            ..Life::default()
        }));
        let tools = Tools {
            client: mortal(server, &life),
            identity: "mortal".to_owned(),
            buses: Buses::default(),
        };
        Self {
            life,
            recipe: Recipe::new(tools),
        }
    }

    /// One look at a bus, and what is done about it.
    pub async fn pass(
        &self,
        namespace: &str,
        name: &str,
        observed: &Observed,
    ) -> Result<Next, Failure> {
        let key = Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let (_term, leading) = Term::begin(Moment::NEVER);
        let hears = Hears(Arc::clone(&self.life));
        let pass = self.recipe.reconcile(&key, observed, &leading);
        match AssertUnwindSafe(pass.with_subscriber(hears))
            .catch_unwind()
            .await
        {
            Ok(done) => done,
            Err(end) if end.is::<Dead>() => Err(Failure {
                kind: "dead",
                error: anyhow::anyhow!("the process is dead"),
            }),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// How many writes it has made, or was about to make when it died.
    pub fn writes(&self) -> usize {
        self.life().writes
    }

    /// The write at which it died, as `PATCH /api/v1/...` or `$JS.API.STREAM.CREATE....`.
    pub fn died_at(&self) -> Option<String> {
        self.life().died_at.clone()
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap()
    }
}

/// The API server as a process has it that dies.
fn mortal(server: &Client, life: &Arc<Mutex<Life>>) -> Client {
    let (server, life) = (server.clone(), Arc::clone(life));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        let (sent, answered) = life.lock().unwrap().call(&request);
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
