//! Names of the objects, and why no two resources of a namespace ever want the same one.
//!
//! A name is made of the resource's and a fixed ending, or of the resource's, the word `user` and a
//! user's. Resources whose own name holds such an ending or the word are refused by the resource's
//! definition and by [`unfit`]: so each name is read in one way only. (`a-user-b-servers` could
//! otherwise be the servers' Secret of a resource `a-user-b` or the Secret of `a`'s user `b-servers`,
//! and `a-servers` the client Service of a resource of this name or the headless Service of `a`.)
//! Whatever else stands in the way is told by its labels and owner, and never touched.

use crate::valid::UserName;

/// Endings of Services beside the one that is named like its resource.
const SERVICE_ENDINGS: [&str; 2] = ["servers", "external"];
/// Stands between the names of a resource and of its user.
const USER: &str = "user";
/// Name of the volume of a server, in the template.
pub(super) const DATA: &str = "data";

/// Why a resource may not have this name, if so.
pub fn unfit(resource: &str) -> Option<String> {
    let parts: Vec<&str> = resource.split('-').collect();
    let (_, rest) = parts.split_first()?;
    let ending = rest.last().filter(|last| SERVICE_ENDINGS.contains(last));
    let why = match ending {
        Some(ending) => format!("ends with -{ending}"),
        None if rest.contains(&USER) => "has the part -user".to_owned(),
        None => return None,
    };
    Some(format!(
        "{resource} {why}, so that its Services or Secrets could be those of another resource: choose a name \
         that does not end with -servers or -external and has no part -user"
    ))
}

/// The StatefulSet, the PodDisruptionBudget and the NetworkPolicy; also the Service that clients may
/// use.
pub fn bus(resource: &str) -> String {
    resource.to_owned()
}

/// The headless Service, and the Secret that the servers read.
pub fn servers(resource: &str) -> String {
    format!("{resource}-servers")
}

/// The Service for clients from outside.
pub fn external(resource: &str) -> String {
    format!("{resource}-external")
}

/// The Secret of the authorities.
pub fn authorities(resource: &str) -> String {
    format!("{resource}-authorities")
}

/// The Secret with the certificate that clients trust, and nothing else.
pub fn trust(resource: &str) -> String {
    format!("{resource}-ca")
}

/// The Secret of the operator itself.
pub fn operator(resource: &str) -> String {
    format!("{resource}-operator")
}

/// The Secret with what is in force.
pub fn in_force(resource: &str) -> String {
    format!("{resource}-in-force")
}

/// The Secret of a user.
pub fn user(resource: &str, user: &UserName) -> String {
    format!("{resource}-{USER}-{user}")
}

/// The volume claim of a server.
pub fn claim(server: &str) -> String {
    format!("{DATA}-{server}")
}

/// Whether a Secret of this name is one of the resource's own, so that a person cannot bring one by
/// it.
pub fn is_own_secret(resource: &str, secret: &str) -> bool {
    let own = [
        servers(resource),
        authorities(resource),
        trust(resource),
        operator(resource),
        in_force(resource),
    ];
    own.iter().any(|own| own == secret) || secret.starts_with(&format!("{resource}-{USER}-"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_refused() {
        let told: Vec<String> = [
            "a",
            "fsc",
            "users",
            "user",
            "servers",
            "external",
            "fsc-2",
            "a-users",
            "a-operator",
            "a-servers",
            "a-external",
            "a-user",
            "a-user-b",
            "a--user",
        ]
        .into_iter()
        .map(|name| {
            format!(
                "{name}: {}",
                unfit(name).unwrap_or_else(|| "good".to_owned())
            )
        })
        .collect();
        expect![[r#"
            a: good
            fsc: good
            users: good
            user: good
            servers: good
            external: good
            fsc-2: good
            a-users: good
            a-operator: good
            a-servers: a-servers ends with -servers, so that its Services or Secrets could be those of another resource: choose a name that does not end with -servers or -external and has no part -user
            a-external: a-external ends with -external, so that its Services or Secrets could be those of another resource: choose a name that does not end with -servers or -external and has no part -user
            a-user: a-user has the part -user, so that its Services or Secrets could be those of another resource: choose a name that does not end with -servers or -external and has no part -user
            a-user-b: a-user-b has the part -user, so that its Services or Secrets could be those of another resource: choose a name that does not end with -servers or -external and has no part -user
            a--user: a--user has the part -user, so that its Services or Secrets could be those of another resource: choose a name that does not end with -servers or -external and has no part -user"#]].assert_eq(&told.join("\n"));
    }

    #[test]
    fn own_secrets_are_known() {
        for own in [
            "fsc-servers",
            "fsc-authorities",
            "fsc-ca",
            "fsc-operator",
            "fsc-in-force",
            "fsc-user-ann",
        ] {
            assert!(is_own_secret("fsc", own), "{own}");
        }
        for other in ["fsc", "fsc-user", "ann", "other-servers", "fsc-users"] {
            assert!(!is_own_secret("fsc", other), "{other}");
        }
    }

    /// Names of parts that are as dangerous as they get.
    fn dangerous() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "a",
            "b",
            "0",
            "user",
            "servers",
            "external",
            "operator",
            "ca",
            "in",
            "force",
            "authorities",
        ]);
        prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("-"))
    }

    fn objects(resource: &str, users: &BTreeSet<String>) -> Vec<(&'static str, String)> {
        let mut objects = vec![
            ("StatefulSet", bus(resource)),
            ("Service", bus(resource)),
            ("Service", servers(resource)),
            ("Service", external(resource)),
            ("Secret", servers(resource)),
            ("Secret", authorities(resource)),
            ("Secret", trust(resource)),
            ("Secret", operator(resource)),
            ("Secret", in_force(resource)),
        ];
        objects.extend((0..5).map(|number| ("Pod", crate::names::server(resource, number))));
        objects.extend(
            users
                .iter()
                .map(|name| ("Secret", user(resource, &UserName::new(name)))),
        );
        objects
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_two_resources_want_the_same_object(
            resources in prop::collection::btree_set(dangerous(), 2..6),
            users in prop::collection::btree_set(dangerous(), 1..6),
        ) {
            let mut owners: BTreeMap<(&str, String), String> = BTreeMap::new();
            for resource in resources.iter().filter(|name| unfit(name).is_none()) {
                for (kind, name) in objects(resource, &users) {
                    let before = owners.insert((kind, name.clone()), resource.clone());
                    prop_assert!(before.is_none(), "{kind} {name}: {before:?} and {resource}");
                }
            }
        }
    }
}
