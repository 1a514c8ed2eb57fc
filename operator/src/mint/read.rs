//! Reads certificates: what they say, and whether they, their keys and their authorities belong
//! together. Whether that is what is wanted, the plan says.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{KeyPair, PublicKeyData};
use svom_plan::Secret;
use svom_plan::material::{Authority, CertificateAndKey, CertificateFacts};
use svom_plan::pki::BroughtAuthority;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a certificate or its key could not be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No certificate, or a damaged one.
    #[error("{0} is not a certificate in PEM, or is damaged")]
    Certificate(&'static str),
    /// No private key, a damaged one, or one of a kind that is not supported.
    #[error(
        "{0} is not an unencrypted private key in PKCS #8 PEM (openssl pkcs8 -topk8 -nocrypt makes one; ECDSA P-256 and P-384, Ed25519 and RSA from 2048 bits are supported), or is damaged"
    )]
    Key(&'static str),
    /// Clients would have nothing to check the chain with.
    #[error(
        "ca.crt is missing: the last certificate in tls.crt is not self-signed, so clients need the one that signed it"
    )]
    Root,
}

/// What is read, as messages name it.
#[derive(Clone, Copy)]
struct Parts {
    certificate: &'static str,
    key: &'static str,
    root: &'static str,
}

const STORED: Parts = Parts {
    certificate: "the certificate",
    key: "the key",
    root: "the authority",
};

const BROUGHT: Parts = Parts {
    certificate: "tls.crt",
    key: "tls.key",
    root: "ca.crt",
};

/// Reads an authority that signed itself.
///
/// # Errors
/// The certificate or its key is damaged.
pub fn managed_authority(certificate: &str, key: &Secret) -> Result<Authority, ReadError> {
    let own = Chain::read(certificate, STORED.certificate)?;
    let (first, key_fits) = own.with_key(key, STORED)?;
    let sound = key_fits && signed(&first, &first);
    Ok(Authority {
        own: CertificateAndKey {
            chain_pem: certificate.to_owned(),
            key_pem: key.clone(),
            facts: facts(&first, sound),
        },
        trust_pem: certificate.to_owned(),
    })
}

/// Reads an authority that its owner brings: each certificate of its chain is signed by the next,
/// and the last by one that clients trust.
///
/// # Errors
/// A part is damaged, or there is nothing for clients to trust.
pub fn brought_authority(brought: &BroughtAuthority) -> Result<Authority, ReadError> {
    let chain = Chain::read(&brought.tls_crt, BROUGHT.certificate)?;
    let (first, key_fits) = chain.with_key(&brought.tls_key, BROUGHT)?;
    let certificates = chain.certificates(BROUGHT.certificate)?;
    let last = certificates.last().unwrap_or(&first);
    let links = certificates
        .iter()
        .zip(certificates.iter().skip(1))
        .all(|(below, above)| signed(below, above));
    let (trust_pem, rooted) = match &brought.ca_crt {
        Some(roots) => {
            let trusted = Chain::read(roots, BROUGHT.root)?;
            let trusted_certificates = trusted.certificates(BROUGHT.root)?;
            let rooted = trusted_certificates.iter().any(|root| signed(last, root));
            (trusted.text(), rooted)
        }
        None if signed(last, last) => (chain.blocks.last().cloned().unwrap_or_default(), true),
        None => return Err(ReadError::Root),
    };
    Ok(Authority {
        own: CertificateAndKey {
            chain_pem: chain.text(),
            key_pem: brought.tls_key.clone(),
            facts: facts(&first, key_fits && links && rooted),
        },
        trust_pem,
    })
}

/// Reads a certificate that an authority signed, with those above it that are sent along.
///
/// # Errors
/// The certificate or its key is damaged.
pub fn leaf(chain: &str, key: &Secret, signer: &Authority) -> Result<CertificateAndKey, ReadError> {
    let own = Chain::read(chain, STORED.certificate)?;
    let (first, key_fits) = own.with_key(key, STORED)?;
    let above = Chain::read(&signer.own.chain_pem, STORED.root)?;
    let above = above.certificates(STORED.root)?;
    let signed = above.first().is_some_and(|above| signed(&first, above));
    let sent_along: String = own.blocks.iter().skip(1).map(String::as_str).collect();
    let sound = key_fits && signed && sent_along == self::sent_along(signer);
    Ok(CertificateAndKey {
        chain_pem: chain.to_owned(),
        key_pem: key.clone(),
        facts: facts(&first, sound),
    })
}

/// Whether a text is one certificate or more, all of them whole.
pub fn is_certificate(text: &str) -> bool {
    Chain::read(text, STORED.certificate)
        .is_ok_and(|chain| chain.certificates(STORED.certificate).is_ok())
}

/// The certificates of an authority that a server sends along with its own: all but one that signed
/// itself, which the other side trusts or not by itself.
pub(super) fn sent_along(signer: &Authority) -> String {
    let Ok(chain) = Chain::read(&signer.own.chain_pem, STORED.root) else {
        return String::new();
    };
    let Ok(certificates) = chain.certificates(STORED.root) else {
        return String::new();
    };
    chain
        .blocks
        .iter()
        .zip(&certificates)
        .filter(|(_, certificate)| certificate.subject() != certificate.issuer())
        .map(|(block, _)| block.as_str())
        .collect()
}

/// The certificates of a PEM text, each as text and decoded. What stands between them is dropped.
struct Chain {
    blocks: Vec<String>,
    decoded: Vec<Pem>,
}

impl Chain {
    fn read(text: &str, what: &'static str) -> Result<Self, ReadError> {
        let damaged = ReadError::Certificate(what);
        let mut blocks = Vec::new();
        let mut decoded = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(BEGIN) {
            let (body, after) = after.split_once(END).ok_or(damaged)?;
            let block = format!("{BEGIN}{}{END}\n", body.replace('\r', ""));
            let pem = Pem::iter_from_buffer(block.as_bytes()).next();
            decoded.push(pem.ok_or(damaged)?.map_err(|_| damaged)?);
            blocks.push(block);
            rest = after;
        }
        if blocks.is_empty() || rest.contains("-----BEGIN ") {
            return Err(damaged);
        }
        Ok(Self { blocks, decoded })
    }

    fn text(&self) -> String {
        self.blocks.concat()
    }

    fn certificates(&self, what: &'static str) -> Result<Vec<X509Certificate<'_>>, ReadError> {
        self.decoded
            .iter()
            .map(|pem| pem.parse_x509().map_err(|_| ReadError::Certificate(what)))
            .collect()
    }

    /// The first certificate, and whether the key is its own.
    fn with_key(
        &self,
        key: &Secret,
        parts: Parts,
    ) -> Result<(X509Certificate<'_>, bool), ReadError> {
        let damaged = ReadError::Certificate(parts.certificate);
        let first = self.certificates(parts.certificate)?.into_iter().next();
        let first = first.ok_or(damaged)?;
        let key = KeyPair::from_pem(key.reveal()).map_err(|_| ReadError::Key(parts.key))?;
        let fits = first.public_key().subject_public_key.data.as_ref() == key.der_bytes();
        Ok((first, fits))
    }
}

/// Whether a certificate names another as its issuer and was signed by its key.
fn signed(certificate: &X509Certificate<'_>, by: &X509Certificate<'_>) -> bool {
    certificate.issuer() == by.subject()
        && certificate.verify_signature(Some(by.public_key())).is_ok()
}

fn facts(certificate: &X509Certificate<'_>, sound: bool) -> CertificateFacts {
    let mut dns_names = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    let names = certificate.subject_alternative_name().ok().flatten();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => {
                dns_names.insert((*name).to_owned());
            }
            GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
            _ => {}
        }
    }
    let usage = certificate.extended_key_usage().ok().flatten();
    let usage = usage.map(|usage| usage.value);
    // Where there is no list of usages, every usage is allowed.
    let allowed = |server: bool| {
        usage.is_none_or(|usage| {
            usage.any
                || if server {
                    usage.server_auth
                } else {
                    usage.client_auth
                }
        })
    };
    let may_sign = certificate.key_usage().ok().flatten();
    let may_sign = may_sign.is_none_or(|usage| usage.value.key_cert_sign());
    let common_name = certificate
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default();
    CertificateFacts {
        common_name: common_name.to_owned(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        dns_names,
        addresses,
        authority: certificate.is_ca() && may_sign,
        server_auth: allowed(true),
        client_auth: allowed(false),
        sound,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
