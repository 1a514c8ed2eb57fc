//! Carries out the plan's steps.
//!
//! Neighbours of one kind run side by side, kinds in the plan's order; after a failure nothing
//! further is begun, since what comes later may rest on it. Each step can be repeated: what the
//! servers did although their answer was lost counts as done.

use std::mem::discriminant;

use async_nats::Client;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use svom_plan::queues::{ConsumerConfig, ConsumerId, QueueStep};
use thiserror::Error;
use tokio::time::Instant;

use crate::nats::request::{RequestError, request};

/// How many steps run at once.
const AT_ONCE: usize = 8;
/// "stream not found".
const NO_SUCH_STREAM: u64 = 10059;
/// "consumer not found".
const NO_SUCH_CONSUMER: u64 = 10014;

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}")]
pub struct StepError {
    /// What was to be done to which stream or consumer.
    pub what: String,
    /// Why it was not.
    pub why: RequestError,
}

/// How far the steps were carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many are done.
    pub done: usize,
    /// Those that failed.
    pub failed: Vec<StepError>,
    /// How many were not begun.
    pub left: usize,
}

/// Carries out the steps until the deadline.
pub async fn apply(client: &Client, steps: &[QueueStep], deadline: Instant) -> Applied {
    let mut applied = Applied {
        left: steps.len(),
        ..Applied::default()
    };
    for neighbours in steps.chunk_by(|one, next| discriminant(one) == discriminant(next)) {
        let results: Vec<Result<(), StepError>> = stream::iter(neighbours)
            .map(|step| carry_out(client, step, deadline))
            .buffered(AT_ONCE)
            .collect()
            .await;
        applied.left -= results.len();
        for result in results {
            match result {
                Ok(()) => applied.done += 1,
                Err(error) => applied.failed.push(error),
            }
        }
        if !applied.failed.is_empty() {
            break;
        }
    }
    applied
}

async fn carry_out(client: &Client, step: &QueueStep, deadline: Instant) -> Result<(), StepError> {
    let result = match step {
        QueueStep::CreateStream(config) => {
            ask(
                client,
                &format!("STREAM.CREATE.{}", config.name),
                &json!(config),
                deadline,
            )
            .await
        }
        QueueStep::UpdateStream(config) => {
            ask(
                client,
                &format!("STREAM.UPDATE.{}", config.name),
                &json!(config),
                deadline,
            )
            .await
        }
        QueueStep::DeleteStream { stream } => {
            let call = format!("STREAM.DELETE.{stream}");
            gone(
                ask(client, &call, &Value::Null, deadline).await,
                &[NO_SUCH_STREAM],
            )
        }
        QueueStep::CreateConsumer { id, config } => {
            put_consumer(client, id, config, "create", deadline).await
        }
        QueueStep::UpdateConsumer { id, config } => {
            put_consumer(client, id, config, "update", deadline).await
        }
        QueueStep::ReplaceConsumer { id, config } => {
            match delete_consumer(client, id, deadline).await {
                Ok(()) => put_consumer(client, id, config, "create", deadline).await,
                failed => failed,
            }
        }
        QueueStep::DeleteConsumer { id } => delete_consumer(client, id, deadline).await,
    };
    result.map_err(|why| StepError {
        what: words(step),
        why,
    })
}

/// The action says whether it must be new: a request that creates never changes one that is there.
async fn put_consumer(
    client: &Client,
    id: &ConsumerId,
    config: &ConsumerConfig,
    action: &str,
    deadline: Instant,
) -> Result<(), RequestError> {
    let ConsumerId { stream, consumer } = id;
    let body = json!({"stream_name": stream, "config": config, "action": action});
    ask(
        client,
        &format!("CONSUMER.CREATE.{stream}.{consumer}"),
        &body,
        deadline,
    )
    .await
}

async fn delete_consumer(
    client: &Client,
    id: &ConsumerId,
    deadline: Instant,
) -> Result<(), RequestError> {
    let ConsumerId { stream, consumer } = id;
    let call = format!("CONSUMER.DELETE.{stream}.{consumer}");
    let deleted = ask(client, &call, &Value::Null, deadline).await;
    gone(deleted, &[NO_SUCH_CONSUMER, NO_SUCH_STREAM])
}

async fn ask(
    client: &Client,
    call: &str,
    body: &Value,
    deadline: Instant,
) -> Result<(), RequestError> {
    let subject = format!("$JS.API.{call}");
    request::<Value>(client, &subject, body, deadline)
        .await
        .map(|_| ())
}

/// What is not there need not be deleted.
fn gone(result: Result<(), RequestError>, not_there: &[u64]) -> Result<(), RequestError> {
    match result {
        Err(RequestError::Refused(error)) if not_there.contains(&error.err_code) => Ok(()),
        other => other,
    }
}

fn words(step: &QueueStep) -> String {
    let consumer = |verb: &str, id: &ConsumerId| {
        format!("{verb} consumer {} of stream {}", id.consumer, id.stream)
    };
    match step {
        QueueStep::CreateStream(config) => format!("create stream {}", config.name),
        QueueStep::UpdateStream(config) => format!("update stream {}", config.name),
        QueueStep::DeleteStream { stream } => format!("delete stream {stream}"),
        QueueStep::CreateConsumer { id, .. } => consumer("create", id),
        QueueStep::UpdateConsumer { id, .. } => consumer("update", id),
        QueueStep::ReplaceConsumer { id, .. } => consumer("replace", id),
        QueueStep::DeleteConsumer { id } => consumer("delete", id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::request::ServerError;

    #[test]
    fn what_is_gone_already_is_deleted() {
        let refused = |err_code| {
            Err(RequestError::Refused(ServerError {
                err_code,
                description: "not found".to_owned(),
            }))
        };
        assert_eq!(gone(refused(10014), &[10014]), Ok(()));
        assert_eq!(gone(refused(10005), &[10014]), refused(10005));
        assert_eq!(gone(Ok(()), &[]), Ok(()));
    }

    #[test]
    fn a_failure_names_the_object_and_the_servers_words() {
        let id = ConsumerId {
            stream: "DATA".to_owned(),
            consumer: "desk_alerts".to_owned(),
        };
        let error = StepError {
            what: words(&QueueStep::DeleteConsumer { id }),
            why: RequestError::Refused(ServerError {
                err_code: 10008,
                description: "JetStream system temporarily unavailable".to_owned(),
            }),
        };
        assert_eq!(
            error.to_string(),
            "delete consumer desk_alerts of stream DATA: \
             JetStream system temporarily unavailable (error 10008)"
        );
    }
}
