//! Whether an attempt's outcome is the one that was expected. Pure.
//!
//! Refused is only what the server itself calls a permissions violation, allowed only what was
//! answered as it should be. Silence proves nothing, so it never holds.

use std::collections::BTreeSet;

use serde::Deserialize;
use svom_plan::access::matrix::Attempt;

use crate::nats::data_path::EXPECTED_STREAM;
use crate::nats::request::ServerError;

/// What came back for a publish or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody takes it.
    NoResponders,
    /// An error of JetStream.
    Error(ServerError),
    /// Something else, of which nothing more is known.
    Other,
}

impl Answer {
    /// Reads a payload: an error as JetStream writes it, or something else.
    pub fn read(payload: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: ServerError,
        }
        serde_json::from_slice(payload).map_or(Self::Other, |body: Body| Self::Error(body.error))
    }
}

/// What the server calls the refusal of an attempt. Its own words; the names in them hold nothing
/// that would have to be escaped.
pub fn refusal(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Publish { subject } | Attempt::Request { subject, .. } => {
            format!("Permissions Violation for Publish to \"{subject}\"")
        }
        Attempt::Subscribe {
            subject,
            group: None,
        } => format!("Permissions Violation for Subscription to \"{subject}\""),
        Attempt::Subscribe {
            subject,
            group: Some(group),
        } => format!(
            "Permissions Violation for Subscription to \"{subject}\" using queue \"{group}\""
        ),
    }
}

/// Judges one attempt. `errors` are all errors that the server sent on the connection up to a point
/// after the attempt; `answer` is what came back for it.
pub fn judge(
    attempt: &Attempt,
    allowed: bool,
    errors: &BTreeSet<String>,
    answer: Option<&Answer>,
) -> Result<(), String> {
    let refused = errors.contains(&refusal(attempt));
    match (allowed, refused) {
        (true, true) => Err("the server refuses it".to_owned()),
        (true, false) => works(attempt, answer),
        (false, true) => match answer {
            None => Ok(()),
            Some(_) => Err("it is answered as well as refused".to_owned()),
        },
        (false, false) => Err(match (attempt, answer) {
            (Attempt::Subscribe { .. }, _) => "the server allows it".to_owned(),
            (_, None) => "the server neither refuses nor answers it".to_owned(),
            (_, Some(Answer::NoResponders)) => {
                "the server allows it, though nobody takes it".to_owned()
            }
            (_, Some(Answer::Error(error))) => format!("the server allows it: {error}"),
            (_, Some(Answer::Other)) => "the server allows it, and it is answered".to_owned(),
        }),
    }
}

fn works(attempt: &Attempt, answer: Option<&Answer>) -> Result<(), String> {
    let answer = match (attempt, answer) {
        (Attempt::Subscribe { .. }, _) => return Ok(()),
        (_, None) => return Err("it is not answered".to_owned()),
        (_, Some(answer)) => answer,
    };
    match (attempt, answer) {
        (Attempt::Publish { .. }, Answer::Error(error)) if error.err_code == EXPECTED_STREAM => {
            Ok(())
        }
        (Attempt::Request { .. }, Answer::Other) => Ok(()),
        (_, Answer::Other) => Err(
            "a message for a stream that does not exist is not refused by its stream".to_owned(),
        ),
        (_, Answer::NoResponders) => Err("nobody takes it".to_owned()),
        (_, Answer::Error(error)) => Err(format!("it is answered with {error}")),
    }
}

#[cfg(test)]
mod tests;
