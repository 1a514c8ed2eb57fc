//! Every right of every user, live, with stock clients: what is granted works, what is not granted is
//! refused. The expected answer comes from the resource's text alone.

mod proving;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use svom_tests::audit::{Audit, Heard};
use svom_tests::bus::Bus;
use svom_tests::client::{ANSWERS_WITHIN, Call, Client, Event, Library, messages};
use svom_tests::generated;
use svom_tests::load::received;
use svom_tests::poll;
use svom_tests::report::Cases;
use svom_tests::rights::{AUDITOR, Durable, Rights, UserRights, stream_of};
use svom_tests::serving;
use svom_tests::sizes::sizes;

/// A user's client with one library, and what the user may do.
struct Participant<'a> {
    user: &'a str,
    library: Library,
    rights: &'a UserRights,
    client: Client,
}

impl Participant<'_> {
    fn case(&self, what: &str) -> String {
        format!("{} ({}) {what}", self.user, self.library.name())
    }

    fn message_in(&self, queue: &str) -> String {
        format!("{}/{}/{queue}", self.user, self.library.name())
    }
}

#[test]
fn every_right_is_granted_and_no_other() -> Result<()> {
    let sizes = sizes();
    for seed in 0..sizes.generated_resources {
        let resource = generated::resource(seed, sizes.generated_users);
        serving::with(&resource, |bus| {
            whole_matrix(bus, &Rights::read(&resource)?)
        })?;
    }
    Ok(())
}

fn whole_matrix(bus: &dyn Bus, rights: &Rights) -> Result<()> {
    let mut cases = Cases::of("rights");
    let mut audit = Audit::begin(bus, rights)?;
    let participants = participants(bus, rights)?;
    begin_to_listen(&participants, rights)?;
    let published = try_every_publish(&participants, rights, &mut cases)?;
    nothing_else_was_stored(&mut audit, &published, &mut cases)?;
    compare_what_was_heard(&participants, rights, &published, &mut cases)?;
    try_every_durable(&participants, rights, &published, &mut cases)?;
    nothing_else_was_stored(&mut audit, &BTreeMap::new(), &mut cases)?;
    ensure!(
        cases.tried() >= 1_000,
        "only {} cells were tried",
        cases.tried()
    );
    cases.finish()
}

fn participants<'a>(bus: &dyn Bus, rights: &'a Rights) -> Result<Vec<Participant<'a>>> {
    let mut participants = Vec::new();
    for (user, rights) in rights.users.iter().filter(|(user, _)| *user != AUDITOR) {
        let credentials = bus.credentials(user)?;
        for library in Library::ALL {
            let client = Client::connect(library, &credentials)?;
            participants.push(Participant {
                user,
                library,
                rights,
                client,
            });
        }
    }
    Ok(participants)
}

/// Everybody subscribes to every queue by its name, to what its rights say as they are written, and
/// to what nobody is granted.
fn begin_to_listen(participants: &[Participant<'_>], rights: &Rights) -> Result<()> {
    for Participant {
        client,
        rights: own,
        ..
    } in participants
    {
        for subject in rights.queues.union(&own.patterns) {
            client.subscribe(subject, None)?;
        }
        for subject in TOO_WIDE {
            client.subscribe(subject, None)?;
        }
    }
    Ok(())
}

const TOO_WIDE: [&str; 3] = [">", "*.*", "*.>"];

/// Returns the messages that must be stored, with their queues.
fn try_every_publish(
    participants: &[Participant<'_>],
    rights: &Rights,
    cases: &mut Cases,
) -> Result<BTreeMap<String, String>> {
    // All begin before the first is waited for: a forbidden publish is known to the library only by
    // the acknowledgement that does not come.
    let mut calls = Vec::new();
    for participant in participants {
        for queue in &rights.queues {
            let (client, id) = (&participant.client, participant.message_in(queue));
            let call = match participant.rights.publish.contains(queue) {
                true => client.begin_publish(queue, &id)?,
                false => client.begin_forbidden_publish(queue, &id)?,
            };
            calls.push((participant, queue, call));
        }
    }
    let mut stored = BTreeMap::new();
    for (participant, queue, call) in calls {
        let Participant {
            client,
            rights: own,
            ..
        } = participant;
        let answer = client.answer(call)?;
        let case = participant.case(&format!("publishes to {queue}"));
        if own.publish.contains(queue) {
            let stream = answer.map(|ack| ack.get("stream").cloned());
            let right = Ok(Some(stream_of(queue).into()));
            cases.holds(case, stream == right, || format!("{stream:?}"));
            stored.insert(participant.message_in(queue), queue.clone());
        } else {
            let refused = client.wait_until_refused(&format!("publish to \"{queue}\""));
            let acknowledged = answer.is_ok().then(|| "is acknowledged".to_owned());
            cases.count(
                case,
                refused
                    .err()
                    .map(|problem| problem.to_string())
                    .or(acknowledged),
            );
        }
    }
    Ok(stored)
}

fn nothing_else_was_stored(
    audit: &mut Audit,
    published: &BTreeMap<String, String>,
    cases: &mut Cases,
) -> Result<()> {
    let expected: BTreeSet<Heard> = published
        .iter()
        .map(|(text, queue)| Heard {
            queue: queue.clone(),
            text: text.clone(),
        })
        .collect();
    let heard: BTreeSet<Heard> = audit.heard()?.into_iter().collect();
    cases.holds(
        "what the whole bus stored and delivered",
        heard == expected,
        || {
            format!(
                "besides or instead: {:?}",
                heard.symmetric_difference(&expected).collect::<Vec<_>>()
            )
        },
    );
    Ok(())
}

fn compare_what_was_heard(
    participants: &[Participant<'_>],
    rights: &Rights,
    published: &BTreeMap<String, String>,
    cases: &mut Cases,
) -> Result<()> {
    for participant in participants {
        let Participant {
            client,
            rights: own,
            ..
        } = participant;
        for subject in rights.queues.union(&own.patterns) {
            let case = participant.case(&format!("listens to {subject}"));
            let granted = own.patterns.contains(subject) || own.subscribe.contains(subject);
            if !granted {
                cases.succeeds(
                    &case,
                    client.wait_until_refused(&format!("subscription to \"{subject}\"")),
                );
            }
            let expected = match granted {
                true => published
                    .iter()
                    .filter(|(_, queue)| covers(subject, queue))
                    .map(|(id, _)| (id.clone(), 1))
                    .collect(),
                false => BTreeMap::new(),
            };
            let enough = |events: &[Event]| received(events, subject).len() >= expected.len();
            cases.succeeds(
                &case,
                client.wait_for("every message", ANSWERS_WITHIN, enough),
            );
            let mut heard = received(&client.events(), subject);
            heard.retain(|id, _| published.contains_key(id));
            cases.holds(case, heard == expected, || {
                format!("hears {} messages, not {}", heard.len(), expected.len())
            });
        }
        for subject in TOO_WIDE {
            let case = participant.case(&format!("listens to {subject}"));
            cases.succeeds(
                case,
                client.wait_until_refused(&format!("subscription to \"{subject}\"")),
            );
        }
    }
    Ok(())
}

fn covers(subject: &str, queue: &str) -> bool {
    subject
        .split('.')
        .zip(queue.split('.'))
        .all(|(wanted, given)| wanted == "*" || wanted == given)
}

/// For each user and queue: through its own durables it reads all of it, through no other's anything.
fn try_every_durable(
    participants: &[Participant<'_>],
    rights: &Rights,
    published: &BTreeMap<String, String>,
    cases: &mut Cases,
) -> Result<()> {
    let mut calls = Vec::new();
    for (index, participant) in participants.iter().enumerate() {
        for (number, queue) in rights.queues.iter().enumerate() {
            let others = rights.durables_of_others(participant.user, queue);
            // Another one each time, so that every durable is attacked by somebody.
            if let Some(durable) = others.get((index + number) % others.len().max(1)).copied() {
                let client = &participant.client;
                let call = client.begin_forbidden_bind(&durable.stream, &durable.consumer)?;
                client.subscribe(&durable.deliver_subject, None)?;
                client.subscribe(&durable.deliver_subject, Some(&durable.group))?;
                calls.push((participant, queue, durable, call));
            }
        }
    }
    for (participant, queue, durable, call) in calls {
        let case = participant.case(&format!("reads {queue} through {}", durable.consumer));
        cases.count(case, way_into(participant, durable, call)?);
    }
    // Both libraries of a user read its durable together, as one service with two instances.
    for pair in participants.chunk_by(|one, next| one.user == next.user) {
        for durable in pair
            .first()
            .map(|first| &first.rights.durables)
            .into_iter()
            .flatten()
        {
            for Participant { client, .. } in pair {
                client.bind(&durable.stream, &durable.consumer, true)?;
            }
            own_durable_gives_everything(pair, durable, published, cases)?;
        }
    }
    Ok(())
}

/// How the participant comes at another's durable; nothing when every way is closed.
fn way_into(
    participant: &Participant<'_>,
    durable: &Durable,
    call: Call,
) -> Result<Option<String>> {
    let Participant { client, .. } = participant;
    let Durable {
        stream,
        consumer,
        deliver_subject,
        group,
        ..
    } = durable;
    let refused = [
        format!("publish to \"$JS.svom.API.CONSUMER.INFO.{stream}.{consumer}\""),
        format!("subscription to \"{deliver_subject}\""),
        format!("subscription to \"{deliver_subject}\" using queue \"{group}\""),
    ];
    for what in refused {
        if let Err(problem) = client.wait_until_refused(&what) {
            return Ok(Some(problem.to_string()));
        }
    }
    if client.answer(call)?.is_ok() {
        return Ok(Some("is let in".to_owned()));
    }
    let events = client.events();
    let got = messages(&events)
        .filter(|message| message.subscription == *deliver_subject)
        .count();
    Ok((got > 0).then(|| format!("gets {got} messages")))
}

fn own_durable_gives_everything(
    readers: &[Participant<'_>],
    durable: &Durable,
    published: &BTreeMap<String, String>,
    cases: &mut Cases,
) -> Result<()> {
    let first = readers.first().context("nobody reads")?;
    let wanted = published
        .iter()
        .filter(|(_, queue)| durable.queues.contains(*queue));
    let wanted: BTreeMap<String, usize> = wanted.map(|(id, _)| (id.clone(), 1)).collect();
    let collect = || {
        let counts = readers
            .iter()
            .map(|reader| received(&reader.client.events(), &durable.consumer));
        let mut counts = svom_tests::load::together(counts);
        counts.retain(|id, _| published.contains_key(id));
        counts
    };
    let case = first.case(&format!("reads {}", durable.consumer));
    // The markers of the audit are read, too; what is looked for is each published message, once.
    cases.succeeds(
        &case,
        poll::until("every message", ANSWERS_WITHIN, || {
            Ok((collect().len() >= wanted.len()).then_some(()))
        }),
    );
    let got = collect();
    for queue in &durable.queues {
        let case = first.case(&format!("reads {queue} through {}", durable.consumer));
        let of_queue = |counts: &BTreeMap<String, usize>| -> BTreeMap<String, usize> {
            let mine = counts
                .iter()
                .filter(|(id, _)| published.get(*id) == Some(queue));
            mine.map(|(id, count)| (id.clone(), *count)).collect()
        };
        let (got, wanted) = (of_queue(&got), of_queue(&wanted));
        cases.holds(case, got == wanted, || {
            format!("gets {} messages, not {}", got.len(), wanted.len())
        });
    }
    cases.holds(case, got == wanted, || {
        "gets a message that it should not".to_owned()
    });
    Ok(())
}
