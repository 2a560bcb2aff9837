//! Whom the bridge takes for the appliance. A pin stands beside the verification of the chain and never in its place.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::UpstreamFault;
use crate::config::Upstream;

/// Verifies chain, name and pin.
pub(super) fn verifier(settings: &Upstream) -> Result<Arc<dyn ServerCertVerifier>, UpstreamFault> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca {
        let unreadable = |why: String| UpstreamFault::Roots(format!("{}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|cause| unreadable(cause.to_string()))?;
        let all = pki::Certificate::parse_all(&pem).map_err(|fault| unreadable(fault.to_string()))?;
        for certificate in &all {
            roots
                .add(CertificateDer::from(certificate.der().to_vec()))
                .map_err(|fault| unreadable(fault.to_string()))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| UpstreamFault::NoRoots)?;
    Ok(Arc::new(Pinned {
        chain,
        pins: settings.pins.clone(),
    }))
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
            "the key of the appliance is none of upstream.pin".to_owned(),
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
