//! What there is in a scene's namespace, and what is told of its buses.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Scene;
use crate::notes::print;
use crate::wait::eventually;

/// What is shown of a scene where a test failed.
const SHOWN: [&[&str]; 4] = [
    &["get", "svm,pods,pvc,statefulsets,services", "--output=wide"],
    &[
        "get",
        "svm",
        "--output=jsonpath={range .items[*].status.conditions[*]}{.type}={.status} {.reason}: {.message}{'\\n'}{end}",
    ],
    &["get", "events", "--sort-by=.lastTimestamp"],
    &[
        "logs",
        "--selector=app.kubernetes.io/name=svom-messaging",
        "--tail=30",
        "--prefix",
    ],
];

impl Scene {
    /// An object of this namespace, or a list; `None` where there is none.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn find(&self, words: &[&str]) -> Result<Option<Value>> {
        let namespace = self.option();
        let words: Vec<&str> = [namespace.as_str()].iter().chain(words).copied().collect();
        self.kubectl().find(&words)
    }

    /// An object of this namespace, or a list.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, words: &[&str]) -> Result<Value> {
        let found = self.find(words)?;
        found.with_context(|| format!("there is no {}", words.join(" ")))
    }

    /// One condition of a resource: its status, reason and message.
    ///
    /// # Errors
    /// When it has none of this kind.
    pub fn condition(&self, name: &str, kind: &str) -> Result<(String, String, String)> {
        let found = self.get(&["svm", name])?;
        let conditions = found.pointer("/status/conditions");
        let text = |condition: &Value, key: &str| {
            let text = condition.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let conditions = conditions.and_then(Value::as_array).into_iter().flatten();
        let condition = conditions
            .into_iter()
            .find(|one| text(one, "type") == kind)
            .with_context(|| format!("no condition {kind}: {:?}", found.get("status")))?;
        Ok((
            text(condition, "status"),
            text(condition, "reason"),
            text(condition, "message"),
        ))
    }

    /// Waits until a resource says this of itself in one of its conditions.
    ///
    /// # Errors
    /// When it does not.
    pub fn says(&self, name: &str, words: &str) -> Result<()> {
        eventually(&format!("{name} to say {words:?}"), || {
            let found = self.get(&["svm", name])?;
            let conditions = found.pointer("/status/conditions");
            let conditions = conditions.map(Value::to_string).unwrap_or_default();
            ensure!(conditions.contains(words), "{conditions}");
            Ok(())
        })
    }

    /// Waits until so many servers of a bus are told to be ready.
    ///
    /// # Errors
    /// When they are not.
    pub fn ready_servers(&self, name: &str, count: i64) -> Result<()> {
        eventually(&format!("{count} servers of {name} to be ready"), || {
            let found = self.get(&["svm", name])?;
            let ready = found.pointer("/status/readyReplicas");
            ensure!(ready.and_then(Value::as_i64) == Some(count), "{ready:?}");
            Ok(())
        })
    }

    /// Waits until there is nothing that these words name.
    ///
    /// # Errors
    /// When there still is.
    pub fn wait_for_none(&self, words: &[&str]) -> Result<()> {
        eventually(&format!("no {}", words.join(" ")), || {
            let mut asked = vec!["get", "--output=name", "--ignore-not-found"];
            asked.extend(words);
            let found = self.run(&asked)?;
            ensure!(found.trim().is_empty(), "{found}");
            Ok(())
        })
    }

    /// The names of all Secrets with what each holds.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn secrets(&self) -> Result<Vec<(String, String)>> {
        let list = self.get(&["secrets"])?;
        let items = list.get("items").and_then(Value::as_array);
        let secret = |secret: &Value| {
            let name = secret.pointer("/metadata/name").and_then(Value::as_str);
            let data = secret.get("data").map(Value::to_string);
            (
                name.unwrap_or_default().to_owned(),
                data.unwrap_or_default(),
            )
        };
        Ok(items.into_iter().flatten().map(secret).collect())
    }

    /// Says how everything is, for whoever reads why a test failed.
    pub fn tell(&self) {
        for words in SHOWN {
            print(
                self.run(words)
                    .unwrap_or_else(|problem| format!("{problem:#}")),
            );
        }
    }
}
