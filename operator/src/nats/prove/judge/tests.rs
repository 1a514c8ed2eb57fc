use super::*;

fn publish() -> Attempt {
    Attempt::Publish {
        subject: "data.vhf".to_owned(),
    }
}

fn ask() -> Attempt {
    Attempt::Request {
        subject: "$JS.svom.API.CONSUMER.INFO.DATA.desk_alerts".to_owned(),
        body: "",
    }
}

fn plain() -> Attempt {
    Attempt::Subscribe {
        subject: "data.*".to_owned(),
        group: None,
    }
}

fn grouped() -> Attempt {
    Attempt::Subscribe {
        subject: "data.*".to_owned(),
        group: Some("desk.one".to_owned()),
    }
}

fn error(err_code: u64) -> Answer {
    Answer::Error(ServerError {
        err_code,
        description: "words".to_owned(),
    })
}

type Made = fn() -> Attempt;

const REFUSED: [(Made, &str); 4] = [
    (publish, "Permissions Violation for Publish to \"data.vhf\""),
    (
        ask,
        "Permissions Violation for Publish to \"$JS.svom.API.CONSUMER.INFO.DATA.desk_alerts\"",
    ),
    (
        plain,
        "Permissions Violation for Subscription to \"data.*\"",
    ),
    (
        grouped,
        "Permissions Violation for Subscription to \"data.*\" using queue \"desk.one\"",
    ),
];

#[test]
fn a_refusal_is_the_servers_own_words_for_that_very_attempt() {
    for (attempt, words) in REFUSED {
        assert_eq!(refusal(&attempt()), words);
    }
    for (attempt, own) in REFUSED {
        let errors = |words: &str| BTreeSet::from([words.to_owned()]);
        assert_eq!(judge(&attempt(), false, &errors(own), None), Ok(()));
        for (_, other) in REFUSED.iter().filter(|(_, words)| *words != own) {
            let judged = judge(&attempt(), false, &errors(other), None);
            assert!(judged.is_err(), "{:?} is not refused by {other}", attempt());
        }
    }
}

#[test]
fn what_must_work_is_answered_as_it_should_be() {
    let cases: [(Attempt, Option<Answer>, Result<(), &str>); 11] = [
        (publish(), Some(error(10060)), Ok(())),
        (
            publish(),
            Some(error(10077)),
            Err("it is answered with words (error 10077)"),
        ),
        (
            publish(),
            Some(Answer::Other),
            Err("a message for a stream that does not exist is not refused by its stream"),
        ),
        (
            publish(),
            Some(Answer::NoResponders),
            Err("nobody takes it"),
        ),
        (publish(), None, Err("it is not answered")),
        (ask(), Some(Answer::Other), Ok(())),
        (
            ask(),
            Some(error(10014)),
            Err("it is answered with words (error 10014)"),
        ),
        (ask(), Some(Answer::NoResponders), Err("nobody takes it")),
        (ask(), None, Err("it is not answered")),
        (plain(), None, Ok(())),
        (grouped(), None, Ok(())),
    ];
    for (attempt, answer, expected) in cases {
        let judged = judge(&attempt, true, &BTreeSet::new(), answer.as_ref());
        assert_eq!(
            judged,
            expected.map_err(str::to_owned),
            "{attempt:?} {answer:?}"
        );

        let refused = BTreeSet::from([refusal(&attempt)]);
        assert_eq!(
            judge(&attempt, true, &refused, answer.as_ref()),
            Err("the server refuses it".to_owned())
        );
    }
}

#[test]
fn what_must_not_work_is_refused_and_nothing_else() {
    let cases = [
        (publish(), None, "the server neither refuses nor answers it"),
        (
            publish(),
            Some(Answer::NoResponders),
            "the server allows it, though nobody takes it",
        ),
        (
            publish(),
            Some(error(10060)),
            "the server allows it: words (error 10060)",
        ),
        (
            publish(),
            Some(Answer::Other),
            "the server allows it, and it is answered",
        ),
        (ask(), None, "the server neither refuses nor answers it"),
        (
            ask(),
            Some(Answer::Other),
            "the server allows it, and it is answered",
        ),
        (plain(), None, "the server allows it"),
        (grouped(), None, "the server allows it"),
    ];
    for (attempt, answer, why) in cases {
        let judged = judge(&attempt, false, &BTreeSet::new(), answer.as_ref());
        assert_eq!(judged, Err(why.to_owned()), "{attempt:?} {answer:?}");
    }
    let refused = BTreeSet::from([refusal(&publish())]);
    assert_eq!(
        judge(&publish(), false, &refused, Some(&error(10060))),
        Err("it is answered as well as refused".to_owned())
    );
}

#[test]
fn errors_of_jetstream_are_told_from_other_answers() {
    let refused =
        br#"{"error":{"code":400,"err_code":10060,"description":"words"},"stream":"DATA","seq":0}"#;
    assert_eq!(Answer::read(refused), error(10060));
    assert_eq!(Answer::read(br#"{"stream":"DATA","seq":7}"#), Answer::Other);
    assert_eq!(Answer::read(b""), Answer::Other);
}
