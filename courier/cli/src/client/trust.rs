//! Whom the courier trusts: the roots of the system and those that the settings add, a pin of the server's key, and what TLS is spoken.
//!
//! A pin stands beside the verification of the chain and never in its place.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::settings::{Clock, MinTls, Settings};

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustFault {
    /// A text holds no certificate, or one that cannot be an anchor.
    #[error("the trust anchors cannot be read: {0}")]
    Anchors(String),
    /// The certificate of the courier cannot be shown.
    #[error(transparent)]
    Identity(#[from] crate::auth::Fault),
    /// TLS cannot be set up with them.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The verifier cannot be made: there is no root at all.
    #[error("there is no trust anchor, neither of the system nor in the settings")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// The anchors in a text in PEM.
pub fn anchors(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustFault> {
    let blocks = pki::pem::decode(pem).map_err(|fault| TrustFault::Anchors(fault.to_string()))?;
    let found: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.der))
        .collect();
    if found.is_empty() {
        return Err(TrustFault::Anchors("there is no certificate".to_owned()));
    }
    Ok(found)
}

/// TLS towards others than the appliance: the roots of the system and these.
pub(crate) fn ordinary(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, TrustFault> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots(extra)?)
        .with_no_client_auth())
}

/// TLS towards the appliance.
pub(super) fn towards_appliance(settings: &Settings) -> Result<ClientConfig, TrustFault> {
    let versions: &[_] = match settings.min_tls {
        MinTls::Tls12 => &[&TLS13, &TLS12],
        MinTls::Tls13 => &[&TLS13],
    };
    let roots = Arc::new(roots(&settings.anchors)?);
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
    let verifier = Pinned {
        chain,
        pins: settings.pins.clone(),
    };
    let time = Arc::new(ClockTime(settings.clock.clone()));
    let builder = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match &settings.identity {
        Some(identity) => {
            let (chain, key) = identity.tls_identity()?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The roots of the system, which may be none, and these, which must all be good.
fn roots(extra: &[CertificateDer<'static>]) -> Result<RootCertStore, TrustFault> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    for anchor in extra {
        roots
            .add(anchor.clone())
            .map_err(|cause| TrustFault::Anchors(cause.to_string()))?;
    }
    Ok(roots)
}

/// The verification of the chain, and after it that of the pin.
#[derive(Debug)]
struct Pinned {
    chain: Arc<WebPkiServerVerifier>,
    /// SHA-256 of subject public keys; none means any.
    pins: Vec<[u8; 32]>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chain
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if self.pins.is_empty() {
            return Ok(verified);
        }
        let certificate = pki::Certificate::from_der(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
        let spki = digest::digest(&digest::SHA256, certificate.public_key().spki_der());
        // A public key is no secret: nothing is learnt from how long this takes.
        if self.pins.iter().any(|pin| pin == spki.as_ref()) {
            return Ok(verified);
        }
        Err(rustls::Error::General(
            "the key of the server is none of pin_spki_sha256".to_owned(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// The clock of the run, for the validity of certificates.
#[derive(Debug)]
struct ClockTime(Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(since)))
    }
}
