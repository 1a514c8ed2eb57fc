//! The log: a line for each thing that happened, on standard error, for people or for programs.
//!
//! It holds what this program says, and nothing that libraries do: kube's client, for one, logs the
//! whole of an answer that it cannot read, and that may be a Secret.

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::table;

/// How lines are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// A JSON object for each.
    Json,
}

/// Prefix of the targets of this project's own crates.
const OURS: &str = "svom_";
/// The field with the text itself.
const MESSAGE: &str = "message";

struct Log {
    format: Format,
}

/// From now on, what this program says goes to standard error.
///
/// # Errors
/// When that was decided before.
pub fn install(format: Format) -> Result<(), tracing::dispatcher::SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(Log { format })
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with(OURS)
            && *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level();
        table::tell(&line(self.format, &now(), *level, fields.0));
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
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or_default();
    let now = Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{now:.3}")
}

fn line(format: Format, time: &str, level: Level, mut fields: Map<String, Value>) -> String {
    match format {
        Format::Json => {
            fields.insert("time".to_owned(), time.into());
            fields.insert("level".to_owned(), level.as_str().to_lowercase().into());
            Value::Object(fields).to_string()
        }
        Format::Text => {
            let message = fields.remove(MESSAGE).unwrap_or_default();
            let message = message.as_str().map(one_line).unwrap_or_default();
            let mut line = format!("{time} {level:<5} {message}");
            for (name, value) in fields {
                // Writing to a string cannot fail.
                let _ = write!(line, " {name}={}", told(&value));
            }
            line
        }
    }
}

/// What somebody else wrote begins no line of its own.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

fn told(value: &Value) -> String {
    let plain = |text: &&str| {
        let plain = |character: char| character.is_ascii_graphic() && !"\"=".contains(character);
        !text.is_empty() && text.chars().all(plain)
    };
    match value.as_str() {
        Some(text) if plain(&text) => text.to_owned(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::expect;
    use tracing::{debug, info, warn};

    use super::*;

    fn lines(format: Format) -> String {
        let fields = |value: Value| value.as_object().cloned().expect("an object");
        let said = [
            (
                Level::INFO,
                serde_json::json!({"message": "this process leads", "identity": "a_b-1"}),
            ),
            (
                Level::WARN,
                serde_json::json!({"message": "two\nlines\u{1b}[31m", "why": "a b=\"c\"\n", "empty": "", "code": 403, "yes": true}),
            ),
            (Level::ERROR, serde_json::json!({})),
        ];
        let line = |(level, value)| line(format, "2026-01-01T00:00:00.000Z", level, fields(value));
        said.map(line).join("\n")
    }

    #[test]
    fn lines_for_people_and_for_programs() {
        expect![[r#"
            2026-01-01T00:00:00.000Z INFO  this process leads identity=a_b-1
            2026-01-01T00:00:00.000Z WARN  two\nlines\u{1b}[31m code=403 empty="" why="a b=\"c\"\n" yes=true
            2026-01-01T00:00:00.000Z ERROR "#]].assert_eq(&lines(Format::Text));
        expect![[r#"
            {"identity":"a_b-1","level":"info","message":"this process leads","time":"2026-01-01T00:00:00.000Z"}
            {"code":403,"empty":"","level":"warn","message":"two\nlines\u001b[31m","time":"2026-01-01T00:00:00.000Z","why":"a b=\"c\"\n","yes":true}
            {"level":"error","time":"2026-01-01T00:00:00.000Z"}"#]].assert_eq(&lines(Format::Json));
    }

    struct Kept(Log, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.0.enabled(metadata)
        }
        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            if let Ok(mut kept) = self.1.lock() {
                kept.push(Value::Object(fields.0).to_string());
            }
        }
        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.0.new_span(span)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn libraries_say_nothing() {
        let kept = Arc::default();
        let log = Kept(
            Log {
                format: Format::Text,
            },
            Arc::clone(&kept),
        );
        tracing::subscriber::with_default(log, || {
            info!(count = 2, "ours");
            debug!("too much");
            warn!(target: "kube_client::client", "the whole of a Secret");
            tracing::info_span!("span").in_scope(|| info!("in a span"));
        });
        let kept = kept.lock().expect("lines").clone();
        assert_eq!(
            kept,
            [
                r#"{"count":2,"message":"ours"}"#,
                r#"{"message":"in a span"}"#
            ]
        );
    }

    #[test]
    fn times_are_of_one_length() {
        assert_eq!(now().len(), "2026-01-01T00:00:00.000Z".len());
    }
}
