use expect_test::expect;

use super::*;

const MINE: &str = "me";

fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

fn spec(holder: Option<&str>, duration: Option<i32>) -> LeaseSpec {
    LeaseSpec {
        holder_identity: holder.map(str::to_owned),
        lease_duration_seconds: duration,
        ..LeaseSpec::default()
    }
}

fn clock(seconds: i64) -> MicroTime {
    serde_json::from_value(serde_json::json!(format!(
        "2026-01-01T00:00:{seconds:02}.000000Z"
    )))
    .expect("a time")
}

/// Seen first at 100 s.
fn lease(holder: Option<&str>, duration: Option<i32>) -> Seen {
    let mut seen = Seen::Never;
    seen.lease(spec(holder, duration), "7".to_owned(), at(100));
    seen
}

fn deleted(holder: Option<&str>) -> Seen {
    let mut seen = lease(holder, Some(15));
    seen.missing();
    seen
}

#[test]
fn every_case() {
    let cases: [(&str, Seen, Option<u64>, u64); 26] = [
        ("none, ever", Seen::Never, None, 100),
        ("nobody's", lease(None, Some(15)), None, 100),
        ("an empty name's", lease(Some(""), Some(15)), None, 100),
        ("mine, from before", lease(Some(MINE), Some(15)), None, 100),
        (
            "another's, just seen",
            lease(Some("you"), Some(15)),
            None,
            100,
        ),
        (
            "another's, nearly over",
            lease(Some("you"), Some(15)),
            None,
            114,
        ),
        ("another's, over", lease(Some("you"), Some(15)), None, 115),
        (
            "another's, who says more",
            lease(Some("you"), Some(60)),
            None,
            159,
        ),
        (
            "another's, who said more",
            lease(Some("you"), Some(60)),
            None,
            160,
        ),
        (
            "another's, who says less",
            lease(Some("you"), Some(1)),
            None,
            114,
        ),
        (
            "another's, who says nothing",
            lease(Some("you"), None),
            None,
            114,
        ),
        (
            "another's, who said nothing",
            lease(Some("you"), None),
            None,
            115,
        ),
        (
            "another's, with nonsense",
            lease(Some("you"), Some(-1)),
            None,
            114,
        ),
        ("another's, deleted", deleted(Some("you")), None, 114),
        ("another's, deleted, over", deleted(Some("you")), None, 115),
        ("nobody's, deleted", deleted(None), None, 100),
        ("mine, deleted", deleted(Some(MINE)), None, 100),
        ("leading", lease(Some(MINE), Some(15)), Some(110), 102),
        (
            "leading, to the last",
            lease(Some(MINE), Some(15)),
            Some(110),
            109,
        ),
        ("leading, over", lease(Some(MINE), Some(15)), Some(110), 110),
        (
            "leading, long over",
            lease(Some(MINE), Some(15)),
            Some(110),
            1000,
        ),
        (
            "leading, taken",
            lease(Some("you"), Some(15)),
            Some(110),
            102,
        ),
        ("leading, taken out", lease(None, Some(15)), Some(110), 102),
        ("leading, deleted", deleted(Some(MINE)), Some(110), 102),
        (
            "leading, deleted, over",
            deleted(Some(MINE)),
            Some(110),
            110,
        ),
        ("leading, nothing seen", Seen::Never, Some(110), 102),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(what, seen, leading, now)| {
            let decision = decide(MINE, &Timing::USUAL, seen, leading.map(at), at(*now));
            format!("{what}: {decision:?}")
        })
        .collect();
    expect![[r#"
        none, ever: Create
        nobody's: Write("7")
        an empty name's: Write("7")
        mine, from before: Write("7")
        another's, just seen: Wait
        another's, nearly over: Wait
        another's, over: Write("7")
        another's, who says more: Wait
        another's, who said more: Write("7")
        another's, who says less: Wait
        another's, who says nothing: Wait
        another's, who said nothing: Write("7")
        another's, with nonsense: Wait
        another's, deleted: Wait
        another's, deleted, over: Create
        nobody's, deleted: Create
        mine, deleted: Create
        leading: Write("7")
        leading, to the last: Write("7")
        leading, over: StepDown
        leading, long over: StepDown
        leading, taken: StepDown
        leading, taken out: StepDown
        leading, deleted: Create
        leading, deleted, over: StepDown
        leading, nothing seen: StepDown"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn time_counts_from_the_first_sight_of_what_it_says() {
    let mut seen = lease(Some("you"), Some(15));
    seen.lease(spec(Some("you"), Some(15)), "8".to_owned(), at(110));
    let decision = |seen: &Seen, now| decide(MINE, &Timing::USUAL, seen, None, at(now));
    assert_eq!(decision(&seen, 114), Decision::Wait);
    assert_eq!(decision(&seen, 115), Decision::Write("8".to_owned()));

    let mut renewed = spec(Some("you"), Some(15));
    renewed.renew_time = Some(clock(1));
    seen.lease(renewed.clone(), "9".to_owned(), at(114));
    assert_eq!(decision(&seen, 128), Decision::Wait);
    assert_eq!(decision(&seen, 129), Decision::Write("9".to_owned()));

    seen.missing();
    seen.missing();
    assert_eq!(decision(&seen, 128), Decision::Wait);
    seen.lease(renewed, "10".to_owned(), at(120));
    assert_eq!(decision(&seen, 129), Decision::Write("10".to_owned()));
}

#[test]
fn what_is_written() {
    let timing = &Timing::USUAL;
    let made = held(MINE, timing, None, clock(1));
    let renewed = held(MINE, timing, Some(&made), clock(2));
    let given_back = released(&renewed, clock(3));
    let taken = held("you", timing, Some(&given_back), clock(4));
    let stolen = held(MINE, timing, Some(&taken), clock(5));
    let told = [made, renewed, given_back, taken, stolen]
        .map(|spec| serde_json::to_string(&spec).expect("JSON"));
    expect![[r#"
        {"acquireTime":"2026-01-01T00:00:01.000000Z","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":0,"renewTime":"2026-01-01T00:00:01.000000Z"}
        {"acquireTime":"2026-01-01T00:00:01.000000Z","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":0,"renewTime":"2026-01-01T00:00:02.000000Z"}
        {"acquireTime":"2026-01-01T00:00:01.000000Z","leaseDurationSeconds":15,"leaseTransitions":0,"renewTime":"2026-01-01T00:00:03.000000Z"}
        {"acquireTime":"2026-01-01T00:00:04.000000Z","holderIdentity":"you","leaseDurationSeconds":15,"leaseTransitions":1,"renewTime":"2026-01-01T00:00:04.000000Z"}
        {"acquireTime":"2026-01-01T00:00:05.000000Z","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":2,"renewTime":"2026-01-01T00:00:05.000000Z"}"#]]
    .assert_eq(&told.join("\n"));
}
