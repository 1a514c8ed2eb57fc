//! What is looked at when.

use std::time::Duration;

use crate::support::{Answer, apply, at_work, client, kubectl, namespace, resource, shared};

const NAMING: &str = "{tls: {issuer: {secretRef: {name: corp-ca}}}}";

#[tokio::test]
async fn a_resource_is_looked_at_when_it_or_what_belongs_to_it_changes() {
    let server = shared();
    namespace(&server, "changes");
    namespace(&server, "elsewhere");
    let client = client(&server.kubeconfig(), "admin").await;
    let resources = resource("changes", "fsc", NAMING)
        + &resource("changes", "other", "{}")
        + &resource("elsewhere", "far", "{}");
    apply(&server, &resources).await;
    at_work(
        &client,
        &["changes"],
        |_| Answer::Done,
        async |work| {
            work.until("all are looked at", |looked| looked.len() == 2)
                .await;
            work.quiet(&server, "changes").await;
            assert_eq!((work.times("fsc"), work.times("other")), (1, 1));
            assert!(work.ready.get());
            assert_eq!(work.looked("fsc").found, "3 servers");

            // Its own status, an unlabelled object and a Secret that nobody names concern nobody.
            let status = r#"{"status": {"observedGeneration": 1}}"#;
            let patch = [
                "patch",
                "-n",
                "changes",
                "svm",
                "fsc",
                "--subresource=status",
            ];
            kubectl(
                &server,
                &[&patch[..], &["--type=merge", "-p", status]].concat(),
            )
            .await;
            kubectl(
                &server,
                &[
                    "create",
                    "-n",
                    "changes",
                    "service",
                    "clusterip",
                    "fsc",
                    "--tcp=1",
                ],
            )
            .await;
            kubectl(
                &server,
                &["create", "-n", "changes", "secret", "generic", "nobodys"],
            )
            .await;
            kubectl(
                &server,
                &["create", "-n", "elsewhere", "secret", "generic", "corp-ca"],
            )
            .await;
            work.quiet(&server, "changes").await;
            assert_eq!((work.times("fsc"), work.times("other")), (1, 1));

            let secret = [
                "-n",
                "changes",
                "secret",
                "generic",
                "corp-ca",
                "--from-literal=a=b",
            ];
            kubectl(&server, &[&["create"], &secret[..]].concat()).await;
            work.until("its Secret", |looked| looked["fsc"].times == 2)
                .await;
            apply(&server, &ours("changes", "fsc")).await;
            work.until("its objects", |looked| looked["fsc"].times >= 3)
                .await;
            work.quiet(&server, "changes").await;
            let (before, other) = (work.times("fsc"), work.times("other"));
            kubectl(&server, &["delete", "-n", "changes", "secret", "corp-ca"]).await;
            work.until("its Secret is gone", |looked| {
                looked["fsc"].times == before + 1
            })
            .await;
            kubectl(
                &server,
                &["delete", "-n", "changes", "service", "fsc-servers"],
            )
            .await;
            work.until("its object is gone", |looked| {
                looked["fsc"].times == before + 2
            })
            .await;
            let annotate = [
                "annotate",
                "-n",
                "changes",
                "svm",
                "fsc",
                "messaging.svom.eu/restart=1",
            ];
            kubectl(&server, &annotate).await;
            work.until("an annotation", |looked| looked["fsc"].times == before + 3)
                .await;
            assert_eq!((work.times("other"), other), (1, 1));

            kubectl(&server, &["delete", "-n", "changes", "svm", "fsc"]).await;
            work.until("it is gone", |looked| looked["fsc"].forgotten)
                .await;
            apply(&server, &resource("changes", "fsc", "{replicas: 1}")).await;
            work.until("another one", |looked| looked["fsc"].found == "1 servers")
                .await;
        },
    )
    .await;
}

/// Some of what is made for a resource.
fn ours(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}-servers\n  namespace: {namespace}\n  labels: \
         {{app.kubernetes.io/managed-by: svom-messaging, app.kubernetes.io/instance: {name}}}\n\
         spec: {{ports: [{{port: 1}}]}}\n---\n\
         apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data-{name}-0\n  namespace: {namespace}\n  labels: \
         {{app.kubernetes.io/managed-by: svom-messaging, app.kubernetes.io/instance: {name}}}\n\
         spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
    )
}

#[tokio::test]
async fn nobody_keeps_another_from_its_turn() {
    let server = shared();
    namespace(&server, "turns");
    let client = client(&server.kubeconfig(), "admin").await;
    let hanging: String = (0..20)
        .map(|number| resource("turns", &format!("hangs-{number}"), "{}"))
        .collect();
    let others = ["fails", "panics", "again", "well"].map(|name| resource("turns", name, "{}"));
    apply(&server, &(hanging + &others.concat())).await;
    let answers = |name: &str| match name.split('-').next() {
        Some("hangs") => Answer::Hangs,
        Some("fails") => Answer::Fails,
        Some("panics") => Answer::Panics,
        Some("again") => Answer::Again(Duration::from_millis(200)),
        _ => Answer::Done,
    };
    at_work(&client, &["turns"], answers, async |work| {
        work.until("all are looked at", |looked| looked.len() == 24)
            .await;
        work.until("some again and again", |looked| {
            ["fails", "panics", "again"]
                .iter()
                .all(|name| looked[*name].times >= 3)
        })
        .await;
        work.quiet(&server, "turns").await;
        assert_eq!((work.times("well"), work.times("hangs-0")), (1, 1));
        let text = work.metrics.text().unwrap();
        for kind in ["test", "panic"] {
            let counted = format!("svom_messaging_reconcile_errors_total{{kind=\"{kind}\"}}");
            assert!(text.contains(&counted), "{text}");
        }
        assert!(text.contains("svom_messaging_working 20\n"), "{text}");
    })
    .await;
}
