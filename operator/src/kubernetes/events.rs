//! Events: what turned, told beside the resource, for `kubectl describe`.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use svom_crds::status::{Condition, Truth};
use svom_plan::UnixSeconds;
use svom_plan::kubernetes::labels::MANAGER;

/// Longest note that the API server takes, bytes.
const NOTE: usize = 1024;

/// The event that a resource's `Ready` has turned to this.
pub fn turned(
    ready: &Condition,
    regarding: &ObjectReference,
    process: &str,
    now: UnixSeconds,
) -> Event {
    let is_good = ready.status == Truth::True || ready.reason == "Reconciling";
    let name = regarding.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Timestamp::from_second(now).ok().map(MicroTime),
        note: Some(shortened(&ready.message).to_owned()),
        reason: Some(ready.reason.clone()),
        regarding: Some(regarding.clone()),
        reporting_controller: Some(MANAGER.to_owned()),
        reporting_instance: Some(process.to_owned()),
        type_: Some(if is_good { "Normal" } else { "Warning" }.to_owned()),
        ..Event::default()
    }
}

fn shortened(message: &str) -> &str {
    let ends = (0..=NOTE.min(message.len())).rev();
    let end = ends.into_iter().find(|end| message.is_char_boundary(*end));
    message.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_note_ends_within_what_the_api_server_takes_and_between_two_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"x".repeat(2000)).len(), 1024);
        assert_eq!(shortened(&"\u{20ac}".repeat(400)).len(), 1023);
    }
}
