//! X.509: ECDSA P-256 keys, and certificates that say what the plan wants.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use svom_plan::Secret;
use svom_plan::material::{Authority, CertificateAndKey};
use svom_plan::want::{CertificateWanted, Usage};
use x509_parser::time::ASN1Time;

use super::read::{self, ReadError};
use super::{MintError, random_bytes};

/// Makes an authority that signs itself.
pub(super) fn authority(wanted: &CertificateWanted) -> Result<Authority, MintError> {
    let made = |source| failed(wanted, source);
    let key = KeyPair::generate().map_err(made)?;
    let certificate = params(wanted)?.self_signed(&key).map_err(made)?;
    let key_pem = Secret::new(key.serialize_pem());
    read::managed_authority(&certificate.pem(), &key_pem).map_err(|source| unread(wanted, source))
}

/// Makes a certificate that an authority signs.
pub(super) fn leaf(
    wanted: &CertificateWanted,
    signer: &Authority,
) -> Result<CertificateAndKey, MintError> {
    let made = |source| failed(wanted, source);
    let signer_key = KeyPair::from_pem(signer.own.key_pem.reveal()).map_err(made)?;
    let issuer = Issuer::from_ca_cert_pem(&signer.own.chain_pem, signer_key).map_err(made)?;
    let key = KeyPair::generate().map_err(made)?;
    let certificate = params(wanted)?.signed_by(&key, &issuer).map_err(made)?;
    let chain = format!("{}{}", certificate.pem(), read::sent_along(signer));
    let key_pem = Secret::new(key.serialize_pem());
    read::leaf(&chain, &key_pem, signer).map_err(|source| unread(wanted, source))
}

fn failed(wanted: &CertificateWanted, source: rcgen::Error) -> MintError {
    MintError::Certificate {
        name: wanted.common_name.clone(),
        source,
    }
}

fn unread(wanted: &CertificateWanted, source: ReadError) -> MintError {
    MintError::ReadBack {
        name: wanted.common_name.clone(),
        source,
    }
}

fn params(wanted: &CertificateWanted) -> Result<CertificateParams, MintError> {
    let CertificateWanted {
        common_name,
        not_before,
        not_after,
        dns_names,
        addresses,
        usage,
    } = wanted;
    let mut params = CertificateParams::default();
    // The library's own type of a moment is not in its interface; the reader's gives the same.
    let moment = |at| ASN1Time::from_timestamp(at).map(|at| at.to_datetime());
    params.not_before = moment(*not_before).map_err(|_| MintError::Date(*not_before))?;
    params.not_after = moment(*not_after).map_err(|_| MintError::Date(*not_after))?;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name.as_str());
    for name in dns_names {
        let name = name.as_str().try_into().map_err(|e| failed(wanted, e))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    let addresses = addresses.iter().copied().map(SanType::IpAddress);
    params.subject_alt_names.extend(addresses);
    if *usage == Usage::Authority {
        // It signs leaves, and none of them signs another.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
    }
    if usage.server() {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if usage.client() {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
    }
    Ok(params)
}

/// 127 random bits: positive, and never the same twice.
fn serial_number() -> Result<SerialNumber, MintError> {
    let mut bytes = random_bytes::<16>()?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(bytes.as_slice()))
}
