//! It lives on, whatever goes wrong.

use svom_cluster::api_server::ApiServer;

use crate::support::{Answer, Work, apply, at_work, client, define, kubectl, namespace, resource};

/// The definition, but of a release that took everything.
fn careless() -> String {
    let mut crd = svom_crds::crd();
    let anything = serde_json::json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                       "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    });
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().unwrap();
        schema.open_api_v3_schema = serde_json::from_value(anything.clone()).unwrap();
    }
    serde_json::to_string(&crd).unwrap()
}

fn counted(work: &Work, kind: &str) -> bool {
    let text = work.metrics.text().unwrap();
    text.contains(&format!(
        "svom_messaging_watch_errors_total{{kind=\"{kind}\"}}"
    ))
}

#[tokio::test]
async fn it_lives_on_and_goes_on_when_what_was_wrong_is_mended() {
    let mut server = ApiServer::start().unwrap();
    namespace(&server, "away");
    let client = client(&server.kubeconfig(), "admin").await;
    at_work(
        &client,
        &["away"],
        |_| Answer::Done,
        async |work| {
            crate::support::wait_for("the definition is missed", || counted(work, "not_found"))
                .await;
            assert!(!work.ready.get());
            define(&server, &careless());

            // One that cannot be read beside one that can.
            let odd = resource("away", "odd", "{users: [{name: ann, publish: nothing}]}");
            apply(&server, &(odd + &resource("away", "well", "{replicas: 1}"))).await;
            work.until("both are looked at", |looked| looked.len() == 2)
                .await;
            assert_eq!(work.looked("well").found, "1 servers");
            let why =
                "spec.users[0].publish: invalid type: string \"nothing\", expected a sequence";
            assert_eq!(work.looked("odd").found, why);
            define(&server, &svom_crds::crd_yaml().unwrap());
            kubectl(&server, &["label", "-n", "away", "svm", "well", "again=1"]).await;
            work.until("the good one once more", |looked| looked["well"].times == 2)
                .await;
            assert_eq!(work.looked("odd").found, why);
            crate::support::wait_for("every watch has listed", || work.ready.get()).await;

            // The API server goes away, and comes back without one of them.
            server.stop();
            crate::support::wait_for("it is missed", || counted(work, "unreachable")).await;
            server.go_on().unwrap();
            kubectl(&server, &["delete", "-n", "away", "svm", "odd"]).await;
            apply(&server, &resource("away", "well", "{replicas: 5}")).await;
            work.until("what is gone is forgotten", |looked| {
                looked["odd"].forgotten
            })
            .await;
            work.until("what was changed is seen", |looked| {
                looked["well"].found == "5 servers"
            })
            .await;
        },
    )
    .await;
}

#[tokio::test]
async fn who_may_not_watch_one_kind_still_looks_at_what_it_may() {
    let server = crate::support::shared();
    namespace(&server, "rights");
    let client = client(&server.kubeconfig(), "limited").await;
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: some, namespace: rights}\n\
                rules: [{apiGroups: [messaging.svom.eu], resources: [svommessagings], verbs: [get, list, watch]}]\n";
    apply(
        &server,
        &(role.to_owned() + "---\n" + &resource("rights", "fsc", "{}")),
    )
    .await;
    at_work(
        &client,
        &["rights"],
        |_| Answer::Done,
        async |work| {
            crate::support::wait_for("it is refused", || counted(work, "forbidden")).await;
            let bind = [
                "create",
                "-n",
                "rights",
                "rolebinding",
                "some",
                "--role=some",
                "--user=limited",
            ];
            kubectl(&server, &bind).await;
            work.until("it is looked at", |looked| looked.contains_key("fsc"))
                .await;
            assert!(!work.ready.get());
            let more = ["create", "-n", "rights", "role", "all", "--verb=list,watch"];
            let kinds = "--resource=statefulsets.apps,pods,services,persistentvolumeclaims,secrets";
            kubectl(&server, &[&more[..], &[kinds]].concat()).await;
            let all = [
                "create",
                "-n",
                "rights",
                "rolebinding",
                "all",
                "--role=all",
                "--user=limited",
            ];
            kubectl(&server, &all).await;
            crate::support::wait_for("every watch has listed", || work.ready.get()).await;
        },
    )
    .await;
}
