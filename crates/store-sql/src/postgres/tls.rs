//! Encrypted connections, as the URL's `sslmode` wants them.
//!
//! `disable`, `prefer` (the default) and `require` mean what they mean to every client of PostgreSQL: the last two
//! encrypt and don't ask who is at the other end. `verify-full` does: against the certificates of `sslrootcert`, a PEM
//! file, or those that browsers know.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How the other end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    Anybody,
    /// Certificates that browsers know.
    Public,
    /// Those of a PEM file.
    File(String),
}

/// The mode, and the trust that goes with it.
pub(super) fn mode(sslmode: Option<&str>, root: Option<String>) -> Result<(SslMode, Trust), String> {
    match (sslmode.unwrap_or("prefer"), root) {
        ("verify-full", None) => Ok((SslMode::Require, Trust::Public)),
        ("verify-full", Some(file)) => Ok((SslMode::Require, Trust::File(file))),
        (_, Some(_)) => Err("`sslrootcert` goes with `sslmode=verify-full`".to_owned()),
        ("disable", None) => Ok((SslMode::Disable, Trust::Anybody)),
        ("prefer", None) => Ok((SslMode::Prefer, Trust::Anybody)),
        ("require", None) => Ok((SslMode::Require, Trust::Anybody)),
        (other, None) => Err(format!(
            "`sslmode={other}` is none of `disable`, `prefer`, `require` and `verify-full`"
        )),
    }
}

pub(super) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match trust {
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            .with_no_client_auth(),
        Trust::Public => {
            let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::File(path) => builder.with_root_certificates(from_file(path)?).with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn from_file(path: &str) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{path} holds no certificates: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(format!("{path} holds no certificates"));
    }
    Ok(roots)
}

/// Whoever answers is believed; what is signed must still be signed by whoever answered.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
