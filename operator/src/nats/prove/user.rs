//! Makes the attempts of one user on one connection of that user.
//!
//! The client tells errors apart from answers and in no order with them, and has no ping of its own.
//! So a publish that nobody can be granted closes each batch: a server handles what a connection
//! sends in order, so once that publish is refused (or answered), every refusal before it is known.
//! Batches are small since the client keeps a limited number of errors and drops the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::{Client, Event, HeaderMap, Message, ServerError, StatusCode, Subscriber};
use futures::StreamExt;
use svom_plan::access::matrix::{Attempt, Cell};
use svom_plan::names::NO_SUCH_STREAM;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::judge::{Answer, judge, refusal};
use super::{Failure, Identity};
use crate::nats::connect::{Manner, connect};
use crate::nats::data_path::EXPECTED_STREAM_HEADER;

/// Attempts in a batch: together with the closing one fewer than the 128 errors the client keeps.
const BATCH: usize = 64;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the end of a batch, and the answers that should come, are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long errors may take through the client that the server sent before an answer.
const OTHER_PATH: Duration = Duration::from_millis(50);
/// Closes a batch. It has three parts and a queue has two, so no right can cover it.
const END: &str = "svom.rights.end";

/// What became of a user's cells.
pub struct Outcome {
    /// How many held.
    pub held: usize,
    /// Those that did not.
    pub failed: Vec<Failure>,
}

/// Tries the cells, each distinct attempt once; or says why they could not be tried.
pub async fn try_cells(identity: &Identity, cells: &[Cell]) -> Result<Outcome, String> {
    let mut by_attempt: BTreeMap<&Attempt, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        by_attempt.entry(&cell.attempt).or_default().push(cell);
    }
    let attempts: Vec<(&Attempt, Vec<&Cell>)> = by_attempt.into_iter().collect();
    let mut connection = Connection::open(identity).await?;
    let mut outcome = Outcome {
        held: 0,
        failed: Vec::new(),
    };
    for batch in attempts.chunks(BATCH) {
        let heard = connection.try_batch(batch).await?;
        if heard.errors.contains(&refusal(&connection.inbox())) {
            return Err("the server refuses it its own inbox, so no answer can arrive".to_owned());
        }
        for (number, (attempt, cells)) in batch.iter().enumerate() {
            let answer = heard.answers.get(&number);
            for cell in cells {
                match judge(attempt, cell.allowed, &heard.errors, answer) {
                    Ok(()) => outcome.held += 1,
                    Err(why) => outcome.failed.push(Failure {
                        cell: (*cell).clone(),
                        why,
                    }),
                }
            }
        }
    }
    connection.close().await;
    Ok(outcome)
}

struct Connection {
    client: Client,
    events: UnboundedReceiver<Event>,
    /// Where answers arrive: `PREFIX.BATCH.NUMBER`.
    prefix: String,
    answers: Subscriber,
    batches: usize,
}

/// What a batch brought.
#[derive(Default)]
struct Heard {
    errors: BTreeSet<String>,
    answers: BTreeMap<usize, Answer>,
}

impl Connection {
    async fn open(identity: &Identity) -> Result<Self, String> {
        let (sender, events) = unbounded_channel();
        let manner = Manner {
            patience: CONNECT,
            lasting: false,
            events: Some(sender),
        };
        let client = connect(&identity.endpoint, &identity.login, manner)
            .await
            .map_err(|why| why.to_string())?;
        let prefix = client.new_inbox();
        let answers = client
            .subscribe(inbox(&prefix))
            .await
            .map_err(|why| why.to_string())?;
        Ok(Self {
            client,
            events,
            prefix,
            answers,
            batches: 0,
        })
    }

    /// The subscription that answers come by, as if it were an attempt.
    fn inbox(&self) -> Attempt {
        Attempt::Subscribe {
            subject: inbox(&self.prefix),
            group: None,
        }
    }

    async fn try_batch(&mut self, batch: &[(&Attempt, Vec<&Cell>)]) -> Result<Heard, String> {
        self.batches += 1;
        let prefix = format!("{}.{}", self.prefix, self.batches);
        for (number, (attempt, _)) in batch.iter().enumerate() {
            self.send(attempt, format!("{prefix}.{number}")).await?;
        }
        let end = Attempt::Publish {
            subject: END.to_owned(),
        };
        self.send(&end, format!("{prefix}.{}", batch.len())).await?;
        self.hear(&prefix, batch, &refusal(&end)).await
    }

    async fn send(&self, attempt: &Attempt, reply: String) -> Result<(), String> {
        let client = &self.client;
        match attempt {
            Attempt::Publish { subject } => {
                let mut headers = HeaderMap::new();
                headers.insert(EXPECTED_STREAM_HEADER, NO_SUCH_STREAM);
                client
                    .publish_with_reply_and_headers(subject.clone(), reply, headers, "".into())
                    .await
                    .map_err(|why| why.to_string())
            }
            Attempt::Request { subject, body } => client
                .publish_with_reply(subject.clone(), reply, (*body).into())
                .await
                .map_err(|why| why.to_string()),
            Attempt::Subscribe { subject, group } => {
                let subscribed = match group {
                    None => client.subscribe(subject.clone()).await,
                    Some(group) => client.queue_subscribe(subject.clone(), group.clone()).await,
                };
                let mut subscriber = subscribed.map_err(|why| why.to_string())?;
                subscriber
                    .unsubscribe()
                    .await
                    .map_err(|why| why.to_string())
            }
        }
    }

    /// Listens until the batch's end has come back and every answer that should come is there.
    async fn hear(
        &mut self,
        prefix: &str,
        batch: &[(&Attempt, Vec<&Cell>)],
        end: &str,
    ) -> Result<Heard, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Heard::default();
        let mut ended = None;
        loop {
            let done = ended.filter(|_| all_answered(batch, &heard));
            if done.is_some_and(|at| at <= Instant::now()) {
                return Ok(heard);
            }
            let next = async {
                tokio::select! {
                    event = self.events.recv() => Next::Event(event),
                    message = self.answers.next() => Next::Message(message),
                }
            };
            match timeout_at(done.unwrap_or(deadline), next).await {
                Err(_) if ended.is_some() => return Ok(heard),
                Err(_) => return Err(silence(&heard)),
                Ok(Next::Event(Some(Event::ServerError(ServerError::Other(error))))) => {
                    if error == end {
                        ended = Some(Instant::now());
                    }
                    heard.errors.insert(error);
                }
                Ok(Next::Event(Some(Event::Disconnected) | None) | Next::Message(None)) => {
                    return Err("the connection broke".to_owned());
                }
                Ok(Next::Event(Some(_))) => {}
                Ok(Next::Message(Some(message))) => match number(prefix, &message.subject) {
                    Some(number) if number == batch.len() => {
                        ended = ended.or(Some(Instant::now() + OTHER_PATH));
                    }
                    Some(number) => {
                        heard.answers.insert(number, answer(&message));
                    }
                    None => {}
                },
            }
        }
    }

    async fn close(self) {
        let Self {
            client,
            mut events,
            answers,
            ..
        } = self;
        drop(answers);
        if client.drain().await.is_err() {
            return;
        }
        let closed = async {
            while let Some(event) = events.recv().await {
                if event == Event::Closed {
                    break;
                }
            }
        };
        // A server that does not take its leave in time is left without.
        let _ = timeout_at(Instant::now() + PATIENCE, closed).await;
    }
}

fn inbox(prefix: &str) -> String {
    format!("{prefix}.>")
}

enum Next {
    Event(Option<Event>),
    Message(Option<Message>),
}

/// The number of the attempt that a message answers; none where it answers an earlier batch.
fn number(prefix: &str, subject: &str) -> Option<usize> {
    subject
        .strip_prefix(prefix)?
        .strip_prefix('.')?
        .parse()
        .ok()
}

fn answer(message: &Message) -> Answer {
    match message.status {
        Some(StatusCode::NO_RESPONDERS) => Answer::NoResponders,
        _ => Answer::read(&message.payload),
    }
}

/// Whether everything has been answered that must be. What was refused will not be; what must not
/// be answered is not waited for, since the refusal itself is what proves it.
fn all_answered(batch: &[(&Attempt, Vec<&Cell>)], heard: &Heard) -> bool {
    batch.iter().enumerate().all(|(number, (attempt, cells))| {
        matches!(attempt, Attempt::Subscribe { .. })
            || cells.iter().all(|cell| !cell.allowed)
            || heard.answers.contains_key(&number)
            || heard.errors.contains(&refusal(attempt))
    })
}

/// Without its end a batch tells nothing. What the server complained of may say why.
fn silence(heard: &Heard) -> String {
    let seconds = PATIENCE.as_secs();
    match heard.errors.first() {
        None => format!("the server said nothing for {seconds} s"),
        Some(error) => {
            format!("the server did not come to the end within {seconds} s; it said {error}")
        }
    }
}
