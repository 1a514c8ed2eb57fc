//! What is told of servers, streams and rights.

use super::*;

#[test]
fn a_server_that_fell() {
    told(
        |_, findings| {
            findings.servers[1].trouble = Some("does not answer".to_owned());
            findings.servers[1].config_digest = None;
        },
        expect![[r#"
            Ready=False ServerDown: fsc-1: does not answer
            Reconciling=True Progressing: fsc-1: does not answer
            Settled=False ServerDown: fsc-1: does not answer
            UsersSynced=Unknown NotObserved: which configuration is in force on fsc-1 is not known"#]],
    );
}

#[test]
fn a_replica_that_catches_up() {
    told(
        |_, findings| findings.servers[2].behind = vec!["DATA".to_owned()],
        expect![[r#"
        Ready=False CatchingUp: fsc-2 does not hold everything yet of DATA
        Reconciling=True Progressing: fsc-2 does not hold everything yet of DATA
        Settled=False CatchingUp: fsc-2 does not hold everything yet of DATA"#]],
    );
}

#[test]
fn a_cluster_that_is_not_formed_yet() {
    told(
        |_, findings| {
            *findings = Findings {
                now: NOW,
                changing: Some("starting 3 servers".to_owned()),
                servers: findings.servers.clone(),
                ..Findings::default()
            };
        },
        expect![[r#"
            Ready=False Reconciling: starting 3 servers
            Reconciling=True Progressing: starting 3 servers
            ClusterFormed=False NoMetaLeader: the JetStream meta group has no leader; 3 of 3 servers answer (the first start needs all of them)
            QuorumAvailable=Unknown NotObserved: the streams could not be looked at
            QueuesSynced=False NotObserved: the streams could not be looked at
            AccessVerified=False NotProven: checks of users' rights were not proven yet
            DataPathVerified=False NotProven: checks of a message's way were not proven yet"#]],
    );
}

pub(super) fn without_leader(findings: &mut Findings) {
    let stream = findings.streams.get_mut("DATA").expect("there");
    stream.leader = None;
    stream.trouble = Some("has no leader".to_owned());
}

#[test]
fn a_stream_that_elects_a_leader() {
    told(
        |_, findings| without_leader(findings),
        expect![[r#"
        Ready=False NoLeader: no leader for DATA: publishing to it is refused until one is elected, which takes seconds where a majority of its servers answers
        Reconciling=True Progressing: no leader for DATA: publishing to it is refused until one is elected, which takes seconds where a majority of its servers answers
        QuorumAvailable=False NoLeader: no leader for DATA: publishing to it is refused until one is elected, which takes seconds where a majority of its servers answers
        QueuesSynced=False QueueTrouble: DATA: has no leader"#]],
    );
}

#[test]
fn a_stream_without_quorum() {
    told(
        |_, findings| {
            without_leader(findings);
            for server in &mut findings.servers[..2] {
                server.trouble = Some("does not answer".to_owned());
                server.config_digest = None;
            }
        },
        expect![[r#"
            Ready=False NoLeader: no leader for DATA: publishing to it is refused until a majority of its servers is back
            Reconciling=True Progressing: no leader for DATA: publishing to it is refused until a majority of its servers is back
            QuorumAvailable=False NoLeader: no leader for DATA: publishing to it is refused until a majority of its servers is back
            Settled=False ServerDown: fsc-0: does not answer; fsc-1: does not answer
            QueuesSynced=False QueueTrouble: DATA: has no leader
            UsersSynced=Unknown NotObserved: which configuration is in force on fsc-0, fsc-1 is not known"#]],
    );
}

#[test]
fn an_authority_that_ends_is_told_and_the_bus_stays_ready() {
    let status = told(
        |_, findings| findings.authority_warnings = vec!["the authority ends".to_owned()],
        expect!["Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven"],
    );
    let tls = status
        .conditions
        .iter()
        .find(|one| one.type_ == "TLSReady")
        .expect("there");
    assert_eq!(
        (tls.status, tls.reason.as_str(), tls.message.as_str()),
        (Truth::True, "AuthorityEnds", "the authority ends")
    );
}

#[test]
fn rights_that_do_not_hold() {
    let status = told(
        |_, findings| {
            findings.access.failed =
                vec![("desk".to_owned(), "live data.vhf is refused".to_owned())];
        },
        expect![[r#"
            Ready=False ProofFailed: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused
            Reconciling=True Progressing: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused
            AccessVerified=False ProofFailed: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused"#]],
    );
    assert!(!status.users[0].ready);
    assert_eq!(
        status.users[0].reason.as_deref(),
        Some("live data.vhf is refused")
    );
}

#[test]
fn the_version_is_the_lowest_that_runs() {
    let status = told(
        |_, findings| {
            for (server, version) in findings
                .servers
                .iter_mut()
                .zip(["2.15.10", "2.15.9", "2.16.0"])
            {
                server.version = Some(version.to_owned());
            }
        },
        expect!["Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven"],
    );
    assert_eq!(status.version.as_deref(), Some("2.15.9"));
}
