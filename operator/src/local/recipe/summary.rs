//! What `local up` says once the bus stands: endpoints, queues, users, and a command to try.

use svom_crds::SvomMessagingStatus;
use svom_plan::status::is_ready;

use super::standing::Standing;
use crate::store::Store;
use crate::table;

/// The text, in lines.
pub fn summary(standing: &Standing, status: &SvomMessagingStatus, store: &Store) -> String {
    let valid = &standing.live.valid;
    let mut lines = vec![String::new()];
    lines.push(if is_ready(status) {
        format!("{} is ready: {}", valid.name, why(status))
    } else {
        format!("{} is not ready: {}", valid.name, why(status))
    });
    let row = |what: &str, is: String| vec![format!("  {what}"), is];
    let mut rows = vec![row("clients connect to", standing.url())];
    let websocket = standing.websocket_url();
    rows.extend(websocket.map(|urls| row("or by websocket to", urls)));
    rows.push(row(
        "authority",
        store.authority_file().display().to_string(),
    ));
    for (name, domain) in &valid.domains {
        let queues: Vec<String> = domain
            .programs
            .iter()
            .map(|program| format!("{name}.{program}"))
            .collect();
        rows.push(row(
            &format!("stream {}", svom_plan::names::stream(name)),
            queues.join(" "),
        ));
    }
    for name in valid.users.keys() {
        rows.push(row(
            &format!("user {name}"),
            store.user_folder(name).display().to_string(),
        ));
    }
    if !valid.kubernetes_only.is_empty() {
        rows.push(row(
            "not used on one machine",
            valid.kubernetes_only.join(", "),
        ));
    }
    lines.push(table::columns(&[], &rows));
    lines.extend(to_try(standing, store));
    lines.push(String::new());
    lines.push(
        "  Interrupt (Ctrl-C) to stop the bus; messages and credentials are kept.".to_owned(),
    );
    lines.join("\n")
}

/// Why a bus is ready or not, in its status' own words.
pub fn why(status: &SvomMessagingStatus) -> String {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

fn to_try(standing: &Standing, store: &Store) -> Vec<String> {
    let publisher = standing
        .live
        .valid
        .users
        .iter()
        .find_map(|(name, user)| Some((name, user.publish.first()?)));
    let Some((name, queue)) = publisher else {
        return Vec::new();
    };
    let context = store.user_folder(name).join(svom_plan::handout::CONTEXT);
    vec![
        "  try, with the nats command:".to_owned(),
        format!(
            "    nats --context {} pub --jetstream {queue} 'a first message'",
            context.display()
        ),
    ]
}
