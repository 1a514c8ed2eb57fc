//! The bus as a whole.

use super::*;

#[test]
fn the_bus() {
    check(
        |valid| {
            valid.name = "other".to_owned();
            valid.generation = 2;
            valid.replicas = 5;
            valid.storage_size = 5 << 30;
            valid.version = Some("2.15.9".to_owned());
            valid.tls.issuer = Issuer::Brought {
                secret: "our-ca".to_owned(),
            };
        },
        expect![[r#"
            refuse metadata.name: fsc -> other
              servers, Secrets and the cluster itself are named like the resource
              make a second resource with the new name and move the clients to it
            refuse spec.replicas: 3 -> 5
              this release does not add servers to a bus that runs, nor take any from it
              write replicas: 3, or make a second resource and move the clients to it
            refuse spec.storage.size: 10Gi -> 5Gi
              volumes do not shrink, and the servers refuse a smaller limit while they run
              write size: 10Gi, and lower maxBytes of the domains to keep less
            refuse spec.tls.issuer: managed -> secretRef our-ca
              every client trusts the authority in the ca.crt that it was handed; under another one none could connect until it was handed the new one
              make a second resource with the new authority and move the clients to it
            refuse spec.version: left out -> 2.15.9
              this release does not exchange the nats-server of a bus that runs
              leave version out: the bus keeps the one it was made with
        "#]],
    );
    check(
        |valid| {
            valid.storage_size = 20 << 30;
            valid.sync = Sync::Every(HOUR / 60);
            valid.websocket = true;
            valid.on_delete = OnDelete::Delete;
            valid.max_wait_per_server = HOUR;
            valid.paused = true;
            valid.kubernetes_only = vec!["spec.pod".to_owned()];
            may_lose_domain(valid, "science");
            may_lose_ingest(valid);
        },
        expect![[r#"
            nothing metadata.annotations[messaging.svom.eu/allow-loss]: none -> domain/science and durable/pipeline.ingest
              it permits losses and causes none; remove it once they are done
            nothing spec: fields for Kubernetes alone: none -> spec.pod
              they do not reach the servers' configuration
            nothing spec.paused: false -> true
              from now on the bus is watched and reported on, and nothing is changed
            nothing spec.rollout.maxWaitPerServer: 10m -> 1h
              it holds from the next restart of a server on
            nothing spec.storage.onDelete: Retain -> Delete
              it says what becomes of volumes and credentials when the resource itself is deleted
            reload spec.storage.size: 10Gi -> 20Gi
              the servers take a larger limit while they run
            restart spec.storage.sync: Always -> 1m
              the servers read it only when they start; from then on a power cut of all servers at once loses up to 1m of acknowledged messages
            restart spec.websocket.enabled: false -> true
              the servers read it only when they start; from then on clients may come by websocket too, each with its own credentials and rights
        "#]],
    );
}

#[test]
fn certificates() {
    check(
        |valid| {
            valid.tls.issuer = Issuer::Managed { ca_validity: HOUR };
            valid.tls.validity = HOUR * 24;
            valid.tls.renew_before = HOUR * 8;
            valid
                .tls
                .extra_dns_names
                .insert("bus.example.org".to_owned());
            valid.tls.client_certificates = true;
        },
        expect![[r#"
            reload spec.tls.clientCertificates: None -> Required
              every user's credentials get a certificate; who is connected stays, who connects without one is refused
            reload spec.tls.extraDnsNames: none -> bus.example.org
              the servers' certificates are renewed with these names; connections stay
            nothing spec.tls.issuer.managed.caValidity: 87600h -> 1h
              it holds for the next authority; the one at hand keeps its end
            reload spec.tls.issuer.managed.renewBefore: 720h -> 8h
              certificates that are due by it are renewed; connections stay
            reload spec.tls.issuer.managed.validity: 2160h -> 24h
              certificates of servers and users are renewed at once; connections stay
        "#]],
    );
}

#[test]
fn a_version_that_is_left_out_stays_what_it_was() {
    let old = after(|valid| valid.version = Some("2.15.1".to_owned()));
    let new = start();
    let found = changes(&old, &new, None, NOW);
    expect![[r#"
        nothing spec.version: 2.15.1 -> left out
          a version that is left out stays what it was
    "#]]
    .assert_eq(&told(&found));
    assert_eq!(in_force(&old, &new, &found), old);
}
