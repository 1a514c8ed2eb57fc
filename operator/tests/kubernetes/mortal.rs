//! A process that dies at a write.
//!
//! What the API server cannot be made to do is put in by the client that the recipe is given: a write that
//! never leaves, one whose answer is lost, and silence after one that was answered.

use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use svom_operator::kubernetes::controller::{Failure, Key, Next, Observed, Reconcile};
use svom_operator::kubernetes::lease::{Moment, Term};
use svom_operator::kubernetes::metrics::Buses;
use svom_operator::kubernetes::process::Tools;
use svom_operator::kubernetes::recipe::Recipe;

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
        self.recipe.reconcile(&key, observed, &leading).await
    }

    /// How many writes it has made, or was about to make when it died.
    pub fn writes(&self) -> usize {
        self.life().writes
    }

    /// The write at which it died, as `PATCH /api/v1/...`.
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
