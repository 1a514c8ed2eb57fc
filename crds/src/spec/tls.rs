//! Certificates.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;
use crate::units::Span;

/// Whether clients must show a certificate besides their password or NKey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientCertificates {
    /// Clients show none.
    #[default]
    None,
    /// Every client shows one; each user's credentials then hold it. It is a setting of the whole
    /// bus: nats-server knows no "optional".
    Required,
}

/// Certificates. TLS itself cannot be switched off.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Who signs the certificates that clients see. The routes between servers always have an
    /// authority of their own. Left out: an authority that is made and kept for this bus.
    //
    // Skipped at its default so that the schema has none: a default that the API server had written
    // down as `managed` would stand beside a `secretRef` that is applied later, and be refused.
    #[serde(default, skip_serializing_if = "Issuer::is_default")]
    pub issuer: Issuer,

    /// Further names under which clients reach the servers, put into their certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    #[x_kube(validation = Rule::new("self.all(n, n.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))").message("write DNS names in lower case, such as bus.example.org or *.example.org"))]
    pub extra_dns_names: Vec<String>,

    /// Whether clients must show a certificate besides their password or NKey. `None`: they show
    /// none. `Required`: every client shows one, and each user's credentials hold it; it is a setting
    /// of the whole bus, since nats-server knows no "optional".
    #[serde(default)]
    pub client_certificates: ClientCertificates,
}

/// Who signs the certificates that clients see: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.managed) != has(self.secretRef)").message("write exactly one of managed and secretRef"))]
pub struct Issuer {
    /// An authority that is made and kept for this bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,

    /// An authority of one's own: a Secret with `tls.crt` (its certificate, then those above it)
    /// and `tls.key`, and, where the certificate is not self-signed, `ca.crt` (what clients trust).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

impl Issuer {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            managed: Some(Managed::default()),
            secret_ref: None,
        }
    }
}

/// Lifetimes of managed certificates. Each is valid from an hour before it is made, for clocks that
/// differ.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Managed {
    /// How long a server's or user's certificate is valid. A changed value renews them at once.
    #[serde(default = "ninety_days")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub validity: Span,

    /// How long before its end a certificate is renewed. Less than `validity`.
    #[serde(default = "thirty_days")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub renew_before: Span,

    /// How long a new authority is valid.
    #[serde(default = "ten_years")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub ca_validity: Span,
}

impl Default for Managed {
    fn default() -> Self {
        Self {
            validity: ninety_days(),
            renew_before: thirty_days(),
            ca_validity: ten_years(),
        }
    }
}

fn ninety_days() -> Span {
    Span::from("2160h")
}

fn thirty_days() -> Span {
    Span::from("720h")
}

fn ten_years() -> Span {
    Span::from("87600h")
}
