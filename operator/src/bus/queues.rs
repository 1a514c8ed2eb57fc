//! Streams and durable subscriptions of a live bus.

use std::time::Duration;

use svom_plan::queues::{ObservedQueues, consumers, queue_plan, streams};
use tokio::time::{Instant, sleep_until};

use super::{LOOK, Live, Say};
use crate::clock::now;
use crate::nats::queues;
use crate::nats::request::RequestError;

/// How long all steps on streams and consumers may take.
const QUEUES: Duration = Duration::from_secs(30);
/// Pauses between looks at streams and consumers on which steps failed.
const STEPS_AGAIN: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

impl Live {
    /// What streams and consumers there are.
    ///
    /// # Errors
    /// They cannot be read, in words.
    pub async fn observe_queues(&self) -> Result<ObservedQueues, String> {
        let look = || queues::observe(self.clients.jetstream(), Instant::now() + LOOK);
        let observed = match look().await {
            // The server that the operator is connected to may hang while the others are well.
            Err(error) if matches!(error.why, RequestError::Unanswered(_)) => {
                self.clients.leave_jetstream_server().await;
                look().await
            }
            answered => answered,
        };
        observed.map_err(|error| error.to_string())
    }

    /// Brings streams and consumers about and, where all servers run, waits until every replica is
    /// current: for one that is down nobody waits.
    pub async fn sync_queues(&mut self, all_run: bool, say: Say<'_>) {
        if self.valid.paused {
            return;
        }
        let deadline = Instant::now() + QUEUES;
        self.failures.queues = self.queue_steps(deadline, say).await.err();
        if !all_run {
            return;
        }
        let mut expected = self.expected();
        expected.streams = streams(&self.valid)
            .into_iter()
            .map(|(name, stream)| (name, stream.num_replicas.into()))
            .collect();
        expected.consumers = consumers(&self.valid)
            .into_iter()
            .map(|(id, consumer)| (id, consumer.num_replicas.into()))
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        // What is still missing is found again, and told, by the next look.
        self.wait_for(&expected, left, say).await;
    }

    /// Looks and acts until nothing is left to do: right after one step the servers may refuse
    /// another for a moment (a consumer's update after its stream got more replicas: error 10126).
    async fn queue_steps(&self, deadline: Instant, say: Say<'_>) -> Result<(), String> {
        let mut failures = Vec::new();
        for pause in STEPS_AGAIN {
            let observed = queues::observe(self.clients.jetstream(), deadline)
                .await
                .map_err(|error| error.to_string())?;
            let plan = queue_plan(&self.valid, &observed, now());
            if plan.steps.is_empty() {
                return Ok(());
            }
            let count = plan.steps.len();
            say(&format!(
                "{count} step(s) on streams and durable subscriptions"
            ));
            let applied = queues::apply(self.clients.jetstream(), &plan.steps, deadline).await;
            failures = applied.failed;
            if failures.is_empty() && applied.left == 0 {
                return Ok(());
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        Err(failures
            .first()
            .map(ToString::to_string)
            .unwrap_or_default())
    }
}
