//! Headers that would make a stream do more than store the message: each is refused, because what
//! they need is switched off.

use anyhow::Result;
use serde_json::json;
use svom_tests::audit::{Audit, Heard};
use svom_tests::client::{Client, Library};
use svom_tests::report::Cases;
use svom_tests::rights::Rights;
use svom_tests::serving;

use super::{at_first_server, resource};

const HEADERS: [(&str, &[(&str, &str)]); 9] = [
    ("rollup of the queue", &[("Nats-Rollup", "sub")]),
    ("rollup of the stream", &[("Nats-Rollup", "all")]),
    ("a lifetime", &[("Nats-TTL", "1s")]),
    (
        "a schedule",
        &[
            ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
            ("Nats-Schedule-Target", "science.too"),
        ],
    ),
    (
        "a repeated schedule",
        &[
            ("Nats-Schedule", "@every 1s"),
            ("Nats-Schedule-Target", "data.vhf"),
        ],
    ),
    ("a counter", &[("Nats-Incr", "+1")]),
    (
        "a batch",
        &[
            ("Nats-Batch-Id", "b"),
            ("Nats-Batch-Sequence", "1"),
            ("Nats-Batch-Commit", "1"),
        ],
    ),
    ("another stream", &[("Nats-Expected-Stream", "SCIENCE")]),
    ("a position", &[("Nats-Expected-Last-Sequence", "7777")]),
];

#[test]
fn headers_do_nothing_to_the_stream() -> Result<()> {
    let resource = resource("headers");
    serving::with(&resource, |bus| {
        let mut audit = Audit::begin(bus, &Rights::read(&resource)?)?;
        let mut cases = Cases::of("headers");
        audit.publish("data.vhf", "before")?;
        let gateway = Client::connect(Library::NatsPy, &at_first_server(bus, "gateway")?)?;
        for (number, (what, headers)) in HEADERS.into_iter().enumerate() {
            let headers: serde_json::Map<_, _> = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            let answer = gateway.call(
                json!({"op": "publish", "subject": "data.vhf", "id": format!("header-{number}"),
                "headers": headers, "timeout_ms": 1_500}),
            );
            cases.holds(what, answer.is_err(), || {
                format!("is acknowledged: {answer:?}")
            });
        }
        gateway.publish("data.vhf", "after")?;
        let heard = audit.heard()?;
        let expected = ["after", "before"].map(|text| Heard {
            queue: "data.vhf".to_owned(),
            text: text.to_owned(),
        });
        cases.holds("the stream afterwards", heard == expected, || {
            format!("stored or delivered {heard:?}")
        });
        cases.finish()
    })
}
