//! The `accounts` section of the servers' configuration, as types. Empty lists are left out: with
//! hundreds of users the difference decides whether it fits into one Secret. Fields stand in the order of the alphabet, as
//! the servers' digest wants them.

use std::collections::BTreeMap;

use serde::Serialize;

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccountConfig {
    /// What other accounts may import from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Export>,
    /// What it imports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// `enabled` where it holds streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jetstream: Option<&'static str>,
    /// Subjects that are renamed when they are published.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<String, String>,
    /// Who may connect into it.
    pub users: Vec<UserConfig>,
}

/// What an account offers to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Export {
    /// Requests go in, answers come back.
    Service {
        /// How long an unanswered request is remembered.
        response_threshold: &'static str,
        /// Subject.
        service: String,
    },
    /// Messages go out.
    Stream {
        /// Subject.
        stream: String,
    },
}

/// What an account takes from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Import {
    /// Requests go out, answers come back.
    Service {
        /// Where they go.
        service: Source,
        /// Subject inside the importing account, where it is another.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Messages come in.
    Stream {
        /// Where they come from.
        stream: Source,
        /// Subject inside the importing account, where it is another.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
}

/// An exported subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Account that exports it.
    pub account: &'static str,
    /// Subject in that account.
    pub subject: String,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum UserConfig {
    /// By name and password.
    Password {
        /// bcrypt hash of the password.
        password: String,
        /// What it may do.
        permissions: Permissions,
        /// Name.
        user: String,
    },
    /// By key pair.
    Nkey {
        /// Public key.
        nkey: String,
        /// What it may do.
        permissions: Permissions,
    },
}

/// What a connection may do. A side that is absent would allow everything, so both are always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// Subjects that it may publish to.
    pub publish: SubjectRules,
    /// Subjects that it may subscribe to; with a space and a group, only within that group.
    pub subscribe: SubjectRules,
}

/// One side of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectRules {
    /// Only these; never empty.
    Allow(Vec<String>),
    /// Everything but these.
    Deny(Vec<String>),
}

impl SubjectRules {
    /// Allows exactly these subjects: where there are none, nothing. (An empty `allow` would let
    /// everything through.)
    pub fn exactly(subjects: impl IntoIterator<Item = String>) -> Self {
        let mut subjects: Vec<String> = subjects.into_iter().collect();
        subjects.sort();
        subjects.dedup();
        if subjects.is_empty() {
            Self::Deny(vec![">".to_owned()])
        } else {
            Self::Allow(subjects)
        }
    }
}
