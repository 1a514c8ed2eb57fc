use std::collections::BTreeSet;

use expect_test::expect;

use super::fixture::{bus, material, mission};
use super::*;

fn small_bus() -> Valid {
    bus(&[("data", &["mdb", "vhf"]), ("science", &["too"])])
        .with_user("analyst", &["science.too"], &["data.*", "science.too"])
        .with_durable("analyst", "own", &["data.vhf"])
        .with_user("gateway", &["data.vhf"], &[])
        .with_user("nobody", &[], &[])
        .with_key_pair("nobody")
}

#[test]
fn the_whole_section() {
    let valid = small_bus();
    let accounts = accounts(&valid, &material(&valid)).expect("all credentials are there");
    let text = serde_json::to_string_pretty(&accounts).expect("accounts are JSON");
    expect![[r#"
        {
          "SVOM": {
            "exports": [
              {
                "response_threshold": "5s",
                "service": "data.mdb"
              },
              {
                "response_threshold": "5s",
                "service": "data.vhf"
              },
              {
                "response_threshold": "5s",
                "service": "science.too"
              },
              {
                "stream": "live.data.mdb"
              },
              {
                "stream": "live.data.vhf"
              },
              {
                "stream": "live.science.too"
              },
              {
                "response_threshold": "1s",
                "service": "$JS.ACK.*.*.>"
              },
              {
                "response_threshold": "5s",
                "service": "$JS.API.CONSUMER.INFO.*.*"
              },
              {
                "stream": "deliver.data.analyst.own"
              }
            ],
            "jetstream": "enabled",
            "users": [
              {
                "nkey": "U-OPERATOR-JETSTREAM",
                "permissions": {
                  "publish": {
                    "allow": [
                      "$JS.API.CONSUMER.CREATE.>",
                      "$JS.API.CONSUMER.DELETE.*.*",
                      "$JS.API.CONSUMER.LIST.*",
                      "$JS.API.STREAM.CREATE.*",
                      "$JS.API.STREAM.DELETE.*",
                      "$JS.API.STREAM.INFO.*",
                      "$JS.API.STREAM.MSG.GET.svom-probe",
                      "$JS.API.STREAM.NAMES",
                      "$JS.API.STREAM.UPDATE.*",
                      "data.mdb",
                      "data.vhf",
                      "science.too",
                      "svom.probe"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.*.*",
                      "_INBOX.>"
                    ]
                  }
                }
              }
            ]
          },
          "SYS": {
            "users": [
              {
                "nkey": "U-OPERATOR-SYSTEM",
                "permissions": {
                  "publish": {
                    "allow": [
                      "$SYS.REQ.SERVER.*.RELOAD",
                      "$SYS.REQ.SERVER.PING.HEALTHZ",
                      "$SYS.REQ.SERVER.PING.JSZ",
                      "$SYS.REQ.SERVER.PING.VARZ"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "_INBOX.>"
                    ]
                  }
                }
              }
            ]
          },
          "U_analyst": {
            "imports": [
              {
                "service": {
                  "account": "SVOM",
                  "subject": "science.too"
                },
                "to": "pub.science.too"
              },
              {
                "stream": {
                  "account": "SVOM",
                  "subject": "live.data.mdb"
                },
                "to": "data.mdb"
              },
              {
                "stream": {
                  "account": "SVOM",
                  "subject": "live.data.vhf"
                },
                "to": "data.vhf"
              },
              {
                "stream": {
                  "account": "SVOM",
                  "subject": "live.science.too"
                },
                "to": "science.too"
              },
              {
                "service": {
                  "account": "SVOM",
                  "subject": "$JS.API.CONSUMER.INFO.DATA.analyst_own"
                },
                "to": "$JS.svom.API.CONSUMER.INFO.DATA.analyst_own"
              },
              {
                "service": {
                  "account": "SVOM",
                  "subject": "$JS.ACK.DATA.analyst_own.>"
                }
              },
              {
                "stream": {
                  "account": "SVOM",
                  "subject": "deliver.data.analyst.own"
                }
              }
            ],
            "mappings": {
              "science.too": "pub.science.too"
            },
            "users": [
              {
                "password": "$2a$04$hash-of-analyst",
                "permissions": {
                  "publish": {
                    "allow": [
                      "$JS.ACK.DATA.analyst_own.>",
                      "$JS.svom.API.CONSUMER.INFO.DATA.analyst_own",
                      "pub.science.too"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "_INBOX.>",
                      "data.*",
                      "data.* analyst.*",
                      "deliver.data.analyst.own analyst.own",
                      "science.too",
                      "science.too analyst.*"
                    ]
                  }
                },
                "user": "analyst"
              }
            ]
          },
          "U_gateway": {
            "imports": [
              {
                "service": {
                  "account": "SVOM",
                  "subject": "data.vhf"
                }
              }
            ],
            "users": [
              {
                "password": "$2a$04$hash-of-gateway",
                "permissions": {
                  "publish": {
                    "allow": [
                      "data.vhf"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "_INBOX.>"
                    ]
                  }
                },
                "user": "gateway"
              }
            ]
          },
          "U_nobody": {
            "users": [
              {
                "nkey": "U-nobody",
                "permissions": {
                  "publish": {
                    "deny": [
                      ">"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "_INBOX.>"
                    ]
                  }
                }
              },
              {
                "nkey": "U-STAND-IN-nobody",
                "permissions": {
                  "publish": {
                    "deny": [
                      ">"
                    ]
                  },
                  "subscribe": {
                    "allow": [
                      "_INBOX.>"
                    ]
                  }
                }
              }
            ]
          }
        }"#]]
    .assert_eq(&text);
}

/// Every subject that a user could get a message to, or from, by its account's imports.
fn imported(account: &AccountConfig) -> BTreeSet<String> {
    account
        .imports
        .iter()
        .map(|import| match import {
            Import::Service { service, .. } => service.subject.clone(),
            Import::Stream { stream, .. } => stream.subject.clone(),
        })
        .collect()
}

fn exported(account: &AccountConfig) -> BTreeSet<String> {
    account
        .exports
        .iter()
        .map(|export| match export {
            Export::Service { service, .. } => service.clone(),
            Export::Stream { stream } => stream.clone(),
        })
        .collect()
}

#[test]
fn without_durables_nobody_sees_jetstream() {
    let valid = mission()
        .with_user("everything", &["*.too", "data.*"], &["science.*", "data.*"])
        .with_user("quiet", &[], &[]);
    let accounts = accounts(&valid, &material(&valid)).expect("all credentials are there");
    let jetstream = accounts
        .get(names::JETSTREAM_ACCOUNT)
        .expect("it is always there");
    let grants: Vec<String> = accounts
        .iter()
        .filter(|(name, _)| name.starts_with("U_"))
        .flat_map(|(_, account)| imported(account))
        .chain(exported(jetstream))
        .filter(|subject| subject.contains('$') || subject.starts_with("deliver"))
        .collect();
    assert_eq!(grants, Vec::<String>::new());
}

#[test]
fn similar_names_share_nothing() {
    let valid = mission()
        .with_user("a", &[], &["science.*"])
        .with_durable("a", "b-c", &["science.too"])
        .with_user("a-b", &[], &["science.*"])
        .with_durable("a-b", "c", &["science.too"]);
    let accounts = accounts(&valid, &material(&valid)).expect("all credentials are there");
    let of = |name: &str| imported(accounts.get(name).expect("it is there"));
    let shared: Vec<String> = of("U_a").intersection(&of("U_a-b")).cloned().collect();
    expect![[r#"
        [
            "live.science.calibration",
            "live.science.core_program",
            "live.science.general_program",
            "live.science.infrastructure",
            "live.science.too",
        ]
    "#]]
    .assert_debug_eq(&shared);
}

#[test]
fn a_key_pair_whose_seed_is_kept_elsewhere_has_a_stand_in_with_the_same_rights() {
    let valid = mission()
        .with_user("keyed", &["data.vhf"], &["data.*"])
        .with_key_pair("keyed");
    let accounts = accounts(&valid, &material(&valid)).expect("all credentials are there");
    let users = &accounts.get("U_keyed").expect("it is there").users;
    let permissions = user::permissions(
        &UserName::new("keyed"),
        valid
            .users
            .get(&UserName::new("keyed"))
            .expect("it is there"),
    );
    let with = |key: &str| UserConfig::Nkey {
        nkey: key.to_owned(),
        permissions: permissions.clone(),
    };
    assert_eq!(users, &vec![with("U-keyed"), with("U-STAND-IN-keyed")]);
}

#[test]
fn what_is_missing_is_named() {
    let valid = small_bus();
    let mut found = material(&valid);
    found.operator = None;
    found.users.remove(&UserName::new("gateway"));
    if let Some(Credential::Nkey { stand_in, .. }) = found.users.get_mut(&UserName::new("nobody")) {
        *stand_in = None;
    }
    let problems = accounts(&valid, &found).expect_err("credentials are missing");
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        [
            "spec: the operator's own keys are missing: they are minted before servers are configured",
            "spec.users: user gateway has no complete credential yet: it is minted or read before servers are configured",
            "spec.users: user nobody has no complete credential yet: it is minted or read before servers are configured",
        ]
    "#]].assert_debug_eq(&text);
}

#[test]
fn a_public_key_that_two_users_share_is_refused() {
    let valid = mission()
        .with_user("one", &[], &[])
        .with_key_pair("one")
        .with_user("two", &[], &[])
        .with_key_pair("two");
    let mut found = material(&valid);
    for (name, credential) in &mut found.users {
        if let Credential::Nkey { own, stand_in } = credential {
            own.public = "U-SAME".to_owned();
            *stand_in = (name.as_str() == "one").then(|| Nkey {
                public: "U-OPERATOR-SYSTEM".to_owned(),
                seed: None,
            });
            own.seed = Some(crate::Secret::new("seed"));
        }
    }
    let problems = accounts(&valid, &found).expect_err("keys are shared");
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        [
            "spec.users: the public key U-OPERATOR-SYSTEM is used by the operator and user one: give each a key pair of its own",
            "spec.users: the public key U-SAME is used by user one and user two: give each a key pair of its own",
        ]
    "#]].assert_debug_eq(&text);
}
