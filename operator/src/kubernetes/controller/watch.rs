//! One kind of objects in one namespace, watched as metadata alone: listed page by page, then followed
//! from there. It goes on for ever: whatever goes wrong is told, and tried again after a while.

use std::fmt;
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Error};
use tokio::time::{sleep, timeout};

use super::backoff;
use crate::kubernetes::random;

/// Objects on a page of a list: few are held in memory at once.
const PAGE: u32 = 100;
/// How long a page, or the begin of a watch, may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the API server lets a watch run, in seconds.
const RUN: u32 = 290;
/// With no word for so long the connection is dead: bookmarks come each minute, and a watch ends.
const SILENCE: Duration = Duration::from_secs(300);
/// A watch that ends sooner is refused in some way or other.
const SOON: Duration = Duration::from_secs(1);

/// What is seen.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A list is begun.
    Begun,
    /// An object is there, or was changed.
    There(&'a ObjectMeta),
    /// An object is gone.
    Gone(&'a ObjectMeta),
    /// The list is complete.
    Listed,
    /// It did not work this time.
    Trouble(&'a Trouble),
}

/// Why objects cannot be watched at the moment.
#[derive(Debug)]
pub enum Trouble {
    /// The API server says so.
    Refused(Error),
    /// There was no answer in time.
    Silent,
    /// It ends the watch as soon as it is begun.
    EndsAtOnce,
    /// It no longer knows what changed since: everything has to be listed again.
    TooOld,
}

/// Metadata of objects of any kind.
pub type Objects = Api<PartialObjectMeta>;

struct Watch<'a, S> {
    objects: &'a Objects,
    labels: Option<&'a str>,
    tell: S,
}

/// Watches objects, those with the labels where some are given, and tells what it sees.
pub async fn watch(objects: &Objects, labels: Option<&str>, tell: impl FnMut(Seen<'_>)) {
    let mut watch = Watch {
        objects,
        labels,
        tell,
    };
    let mut version = None;
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        let done = match version {
            None => watch.list(&mut version).await,
            Some(ref mut from) => watch.follow(from).await,
        };
        if done.is_ok() || begun.elapsed() > SILENCE / 10 {
            failures = 0;
        }
        if let Err(trouble) = done {
            (watch.tell)(Seen::Trouble(&trouble));
            if matches!(trouble, Trouble::TooOld) {
                version = None;
            }
            failures += 1;
            sleep(backoff::wait(failures, random::fraction())).await;
        }
    }
}

impl<S: FnMut(Seen<'_>)> Watch<'_, S> {
    /// Gives the version to follow on from, once the list is complete.
    async fn list(&mut self, version: &mut Option<String>) -> Result<(), Trouble> {
        (self.tell)(Seen::Begun);
        let mut params = ListParams {
            label_selector: self.labels.map(str::to_owned),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        loop {
            let page = timeout(ANSWER, self.objects.list(&params));
            let page = page.await.map_err(|_| Trouble::Silent)??;
            for object in &page.items {
                (self.tell)(Seen::There(&object.metadata));
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                (self.tell)(Seen::Listed);
                *version = page.metadata.resource_version;
                return Ok(());
            }
        }
    }

    /// Ends when the API server ends it, and leaves the version to follow on from.
    async fn follow(&mut self, version: &mut String) -> Result<(), Trouble> {
        let begun = Instant::now();
        let params = WatchParams {
            label_selector: self.labels.map(str::to_owned),
            timeout: Some(RUN),
            ..WatchParams::default()
        };
        let events = timeout(ANSWER, self.objects.watch(&params, version)).await;
        let events = events.map_err(|_| Trouble::Silent)??;
        pin_mut!(events);
        let mut quiet = true;
        while let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
            quiet = false;
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    (self.tell)(Seen::There(&object.metadata));
                    reached(version, object.metadata.resource_version);
                }
                WatchEvent::Deleted(object) => {
                    (self.tell)(Seen::Gone(&object.metadata));
                    reached(version, object.metadata.resource_version);
                }
                WatchEvent::Bookmark(mark) => *version = mark.metadata.resource_version,
                WatchEvent::Error(status) => return Err(Error::Api(status).into()),
            }
        }
        if quiet && begun.elapsed() < SOON {
            return Err(Trouble::EndsAtOnce);
        }
        Ok(())
    }
}

fn reached(version: &mut String, now: Option<String>) {
    if let Some(now) = now {
        *version = now;
    }
}

/// The version is too old to follow on from.
const GONE: u16 = 410;

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(status) if status.code == GONE => Self::TooOld,
            error => Self::Refused(error),
        }
    }
}

impl Trouble {
    /// As one of a few fixed words, for a label of a metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(Error::Api(status)) => match status.code {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                429 => "too_many_requests",
                500.. => "server_error",
                _ => "refused",
            },
            Self::Refused(_) => "unreachable",
            Self::Silent => "no_answer",
            Self::EndsAtOnce => "ends_at_once",
            Self::TooOld => "too_old",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Error::Api(status)) => match status.code {
                403 => write!(
                    f,
                    "{}: give the operator's service account this right",
                    status.message
                ),
                404 => write!(
                    f,
                    "{}: install the CustomResourceDefinition",
                    status.message
                ),
                code => write!(f, "{} ({code})", status.message),
            },
            Self::Refused(error) => write!(f, "the API server cannot be asked: {error}"),
            Self::Silent => write!(
                f,
                "the API server did not answer within {} s",
                ANSWER.as_secs()
            ),
            Self::EndsAtOnce => f.write_str("the API server ends the watch as soon as it is begun"),
            Self::TooOld => {
                f.write_str("the API server no longer knows all that changed: listing anew")
            }
        }
    }
}
