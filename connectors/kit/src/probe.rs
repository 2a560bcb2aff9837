//! What a server serves: a handshake, and the fingerprint of the certificate that came.
//!
//! Nothing is trusted here and nothing is sent but the handshake. The question is which certificate is served, also when it is one that
//! nobody would accept; whether it is the right one is told by its fingerprint.

mod talk;

pub use talk::start_tls;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// So many looks in a row see it: for a moment after a reload the processes of before take connections, too.
const MATCHES: u32 = 5;
/// Longest single look.
const LOOK: Duration = Duration::from_secs(5);

/// What is said before the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// Nothing.
    #[default]
    None,
    /// SMTP (RFC 3207).
    Smtp,
    /// IMAP (RFC 3501 §6.2.1).
    Imap,
    /// POP3 (RFC 2595 §4).
    Pop3,
}

/// Where the served certificate is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Host and port.
    pub address: String,
    /// The name that is asked for (SNI).
    pub server_name: String,
    /// What is said before the handshake.
    pub start_tls: StartTls,
    /// SHA-256 of the certificate that has to be served.
    pub expected: [u8; 32],
    /// How long the server may take to serve it.
    pub timeout: Duration,
}

/// Why nothing was seen, or something else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeFault {
    /// No connection, or it broke.
    #[error("{address} cannot be looked at: {source}")]
    Io {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// It serves another certificate.
    #[error("{address} serves another certificate than the new one")]
    Other {
        /// Where.
        address: String,
    },
}

impl Probe {
    /// Looks until the expected certificate is served or the time is over.
    pub async fn wait(&self) -> Result<(), ProbeFault> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut matches = 0;
        loop {
            let seen = self.look().await;
            match seen {
                Ok(served) if served == self.expected => {
                    matches += 1;
                    if matches >= MATCHES {
                        return Ok(());
                    }
                }
                seen if tokio::time::Instant::now() >= deadline => {
                    let address = self.address.clone();
                    return Err(match seen {
                        Ok(_) => ProbeFault::Other { address },
                        Err(source) => ProbeFault::Io { address, source },
                    });
                }
                _ => {
                    matches = 0;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// SHA-256 of the certificate that is served now.
    pub async fn look(&self) -> std::io::Result<[u8; 32]> {
        tokio::time::timeout(LOOK, self.handshake())
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }

    async fn handshake(&self) -> std::io::Result<[u8; 32]> {
        let tcp = TcpStream::connect(&self.address).await?;
        let tcp = start_tls(self.start_tls, tcp).await?;
        let name = ServerName::try_from(self.server_name.clone()).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config()?));
        let stream = connector.connect(name, tcp).await?;
        let (_, connection) = stream.get_ref();
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        let leaf = leaf.ok_or(std::io::ErrorKind::InvalidData)?;
        let hash = digest(&SHA256, leaf);
        hash.as_ref().try_into().map_err(std::io::Error::other)
    }
}

fn config() -> std::io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Seen(Arc::clone(&provider)));
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Accepts every certificate whose key the server proves to have.
#[derive(Debug)]
struct Seen(Arc<CryptoProvider>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
