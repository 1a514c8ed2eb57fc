//! What is told of a resource that is wrong, refused in part, or paused.

use super::*;

#[test]
fn a_resource_that_is_wrong() {
    told(
        |_, findings| {
            findings.problems = vec![
                Problem::new(
                    "spec.users[0].publish[0]",
                    "data.vfh names no declared queue",
                ),
                Problem::new("spec.users[1]", "x"),
            ];
        },
        expect![[r#"
            Ready=False InvalidSpec: spec.users[0].publish[0]: data.vfh names no declared queue (and 1 more); the last good state stays in force, less what this one takes away
            Stalled=True InvalidSpec: spec.users[0].publish[0]: data.vfh names no declared queue (and 1 more); the last good state stays in force, less what this one takes away"#]],
    );
}

#[test]
fn a_resource_that_is_wrong_while_it_is_paused() {
    told(
        |valid, findings| {
            valid.paused = true;
            findings.problems = vec![Problem::new("spec.users[1]", "x")];
        },
        expect![[r#"
            Ready=False InvalidSpec: spec.users[1]: x; it is paused, so nothing of it is applied
            Stalled=True InvalidSpec: spec.users[1]: x; it is paused, so nothing of it is applied
            Paused=True Paused: spec.paused is true: it is observed and nothing is changed"#]],
    );
}

#[test]
fn what_may_come_right_is_not_settled_and_what_a_person_must_mend_is() {
    let settled = |change: fn(&mut Findings)| {
        let mut findings = whole();
        change(&mut findings);
        let status = status(&setting(&bus(), None), &findings);
        (is_ready(&status), is_settled(&status))
    };
    assert_eq!(settled(|_| {}), (true, true));
    assert_eq!(
        settled(|findings| findings.refused = vec![refusal()]),
        (false, true)
    );
    assert_eq!(
        settled(|findings| findings.failures = vec!["the disk is full".to_owned()]),
        (false, false)
    );
}

#[test]
fn a_change_that_is_refused() {
    told(
        |_, findings| findings.refused = vec![refusal()],
        expect![[r#"
            Ready=False ChangeRefused: spec.replicas: 3 -> 5: the number of servers is decided once
            Stalled=True ChangeRefused: spec.replicas: 3 -> 5: the number of servers is decided once"#]],
    );
}

#[test]
fn paused_with_and_without_changes() {
    told(
        |valid, _| valid.paused = true,
        expect![[r#"
        Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven
        Paused=True Paused: spec.paused is true: it is observed and nothing is changed"#]],
    );
    told(
        |valid, findings| {
            valid.paused = true;
            findings.waiting = vec![refusal()];
        },
        expect![[r#"
            Ready=False PausedWithChanges: paused, and these changes wait: 3 -> 5
            Paused=True Paused: spec.paused is true: it is observed and nothing is changed"#]],
    );
}
