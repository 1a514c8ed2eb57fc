//! TLS as the raw connections need it.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A connection over TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts this authority and shows this certificate, if any.
///
/// # Errors
/// When a file cannot be read.
pub fn client(ca: &Path, certificate: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for root in certificates(ca)? {
        roots.add(root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match certificate {
        Some((chain, key)) => {
            let pem = fs::read(key).with_context(|| format!("cannot read {}", key.display()))?;
            config
                .with_client_auth_cert(certificates(chain)?, PrivateKeyDer::from_pem_slice(&pem)?)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Makes TLS of a connection whose server has said its first line.
///
/// # Errors
/// When the handshake fails. (With TLS 1.3 a server refuses a client's certificate only after it:
/// the first read fails then.)
pub fn upgrade(mut socket: TcpStream, host: &str, client: Arc<ClientConfig>) -> Result<TlsStream> {
    let name = ServerName::try_from(host.to_owned())?;
    let mut connection = ClientConnection::new(client, name)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// The certificates in a PEM file.
///
/// # Errors
/// When the file cannot be read.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?)
}
