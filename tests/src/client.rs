//! A stock client library in a process of its own, so that a test can make it stop or kill it.
//!
//! The process speaks lines of JSON (`python/client.py` says how) and decides nothing; every library
//! is driven in the same way.

mod ear;
mod library;
mod words;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use self::ear::{Ear, Told, refused};
use self::words::{bind, publish};
use crate::bus::Credentials;

pub use self::library::Library;
pub use self::words::{Ack, Acknowledged, ConsumerInfo, Event, Message, connection, messages};

/// How long an answer may take that is not refused.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// Timeout that the library itself is given for what must succeed.
const PATIENT_MILLIS: u64 = 8_000;
/// Timeout that the library itself is given for what must be refused.
const BRIEF_MILLIS: u64 = 1_000;

/// A call that was made and not yet waited for.
#[derive(Debug)]
#[must_use]
pub struct Call(u64);

/// A client in a process of its own; the process ends with it.
#[derive(Debug)]
pub struct Client {
    name: String,
    process: Child,
    input: Mutex<ChildStdin>,
    ear: Arc<Ear>,
    calls: AtomicU64,
}

impl Client {
    /// Starts a client that is not connected.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub fn start(library: Library, name: &str) -> Result<Self> {
        let mut process = library
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", library.name()))?;
        let input = process.stdin.take().context("the client has no input")?;
        let output = process.stdout.take().context("the client has no output")?;
        let ear = Arc::new(Ear::default());
        let listener = Arc::clone(&ear);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                listener.hear(&line);
            }
            listener.close();
        });
        Ok(Self {
            name: format!("{name} ({})", library.name()),
            process,
            input: Mutex::new(input),
            ear,
            calls: AtomicU64::new(0),
        })
    }

    /// Starts a client and connects it as the user; it reconnects when it must.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn connect(library: Library, credentials: &Credentials) -> Result<Self> {
        let client = Self::start(library, &credentials.username)?;
        client.call(connection(credentials, true)?)?;
        Ok(client)
    }

    /// What the library says when it tries once to connect like this; nothing when it may.
    ///
    /// # Errors
    /// When the client itself fails.
    pub fn refusal(library: Library, credentials: &Credentials) -> Result<Option<String>> {
        Self::refusal_of(library, connection(credentials, false)?)
    }

    /// As [`Client::refusal`], with the words of the connection as they are.
    ///
    /// # Errors
    /// When the client itself fails.
    pub fn refusal_of(library: Library, connection: Value) -> Result<Option<String>> {
        let client = Self::start(library, "stranger")?;
        let call = client.begin(connection)?;
        Ok(client.answer(call)?.err())
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// When it is refused; with the library's words.
    pub fn call(&self, call: Value) -> Result<Value> {
        let what = call.get("op").cloned().unwrap_or_default();
        let call = self.begin(call)?;
        self.answer(call)?
            .map_err(|refusal| anyhow!("{}: {what}: {refusal}", self.name))
    }

    /// Makes a call without waiting.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn begin(&self, mut call: Value) -> Result<Call> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(fields) = call.as_object_mut() {
            fields.insert("call".to_owned(), number.into());
        }
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(input, "{call}").with_context(|| format!("{} is gone", self.name))?;
        Ok(Call(number))
    }

    /// Waits for the answer to a call: what it gave, or the library's refusal.
    ///
    /// # Errors
    /// When the client is gone or says nothing.
    pub fn answer(&self, call: Call) -> Result<Result<Value, String>> {
        self.wait("an answer", ANSWERS_WITHIN, |told| {
            let answer = told.answers.remove(&call.0);
            ensure!(answer.is_some() || !told.ended, "{} has ended", self.name);
            Ok(answer)
        })
    }

    /// Publishes a message whose text is its id, and returns its acknowledgement.
    ///
    /// # Errors
    /// When it is not acknowledged.
    pub fn publish(&self, queue: &str, id: &str) -> Result<Ack> {
        Ok(serde_json::from_value(self.call(publish(
            queue,
            id,
            PATIENT_MILLIS,
        ))?)?)
    }

    /// Begins a publish that must be acknowledged.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn begin_publish(&self, queue: &str, id: &str) -> Result<Call> {
        self.begin(publish(queue, id, PATIENT_MILLIS))
    }

    /// Begins a publish that must be refused: the library waits for an acknowledgement, briefly.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn begin_forbidden_publish(&self, queue: &str, id: &str) -> Result<Call> {
        self.begin(publish(queue, id, BRIEF_MILLIS))
    }

    /// Subscribes live. A refusal comes later, as an event: see [`Client::was_refused`].
    ///
    /// # Errors
    /// When the library itself refuses.
    pub fn subscribe(&self, subject: &str, group: Option<&str>) -> Result<()> {
        let call = json!({"op": "subscribe", "subject": subject, "group": group});
        self.call(call).map(|_| ())
    }

    /// Begins to read a durable subscription, acknowledging each message or none.
    ///
    /// # Errors
    /// When it is refused.
    pub fn bind(&self, stream: &str, consumer: &str, acknowledge: bool) -> Result<()> {
        self.call(bind(stream, consumer, acknowledge, PATIENT_MILLIS))
            .map(|_| ())
    }

    /// Begins to read a durable subscription that must be refused.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn begin_forbidden_bind(&self, stream: &str, consumer: &str) -> Result<Call> {
        self.begin(bind(stream, consumer, true, BRIEF_MILLIS))
    }

    /// State of a durable subscription.
    ///
    /// # Errors
    /// When it is refused.
    pub fn consumer_info(&self, stream: &str, consumer: &str) -> Result<ConsumerInfo> {
        let call = json!({"op": "consumer_info", "stream": stream, "consumer": consumer,
            "timeout_ms": PATIENT_MILLIS});
        Ok(serde_json::from_value(self.call(call)?)?)
    }

    /// What the server answers to a request.
    ///
    /// # Errors
    /// When nothing answers, briefly.
    pub fn request(&self, subject: &str, body: &str) -> Result<Value> {
        self.call(json!({"op": "request", "subject": subject, "data": body,
            "timeout_ms": BRIEF_MILLIS}))
    }

    /// Everything that the client told so far.
    pub fn events(&self) -> Vec<Event> {
        self.told().events.clone()
    }

    /// Every message that came so far.
    pub fn messages(&self) -> Vec<Message> {
        messages(&self.told().events).cloned().collect()
    }

    /// Every acknowledgement of a load that came so far.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        let events = self.told();
        let acknowledged = events.events.iter().filter_map(|event| match event {
            Event::Acknowledged(acknowledged) => Some(acknowledged.clone()),
            _ => None,
        });
        acknowledged.collect()
    }

    /// How often the connection was lost so far.
    pub fn disconnects(&self) -> usize {
        let told = self.told();
        let lost = told
            .events
            .iter()
            .filter(|event| **event == Event::Disconnected);
        lost.count()
    }

    /// Whether the server has told that it refuses this: `publish to "x"` or `subscription to "x"`.
    pub fn was_refused(&self, what: &str) -> bool {
        refused(&self.told().events, what)
    }

    /// Waits until the server tells that it refuses this.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_until_refused(&self, what: &str) -> Result<()> {
        self.wait(&format!("the refusal of {what}"), ANSWERS_WITHIN, |told| {
            Ok(refused(&told.events, what).then_some(()))
        })
    }

    /// Waits until what the client told says enough.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        enough: impl Fn(&[Event]) -> bool,
    ) -> Result<()> {
        self.wait(what, limit, |told| Ok(enough(&told.events).then_some(())))
    }

    /// Stops as a client should: the connection is closed, then the process ends.
    ///
    /// # Errors
    /// When it does not.
    pub fn close(mut self) -> Result<Vec<Event>> {
        self.call(json!({"op": "close"}))?;
        self.kill_process()?;
        Ok(self.events())
    }

    /// Kills the process (`SIGKILL`).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<Vec<Event>> {
        self.kill_process()?;
        Ok(self.events())
    }

    fn kill_process(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        // What it wrote before it ended is still to be heard.
        self.wait("its last words", ANSWERS_WITHIN, |told| {
            Ok(told.ended.then_some(()))
        })
    }

    fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl FnMut(&mut Told) -> Result<Option<T>>,
    ) -> Result<T> {
        let waited = self.ear.wait(what, limit, look);
        waited.with_context(|| self.name.clone())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.ear.told()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A process that has ended already is no error, and there is nobody to tell another.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
