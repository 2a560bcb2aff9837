//! The TLS of the API: rustls on aws-lc-rs, hybrid post-quantum key exchange first, a certificate that can change while
//! connections go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ca::TlsCertificate;
use courier_wire::BRIDGE_PROTOCOL;
use rustls::ServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

/// The name of HTTP/2 in ALPN (RFC 7301, RFC 9113 §3.2).
pub(crate) const HTTP2: &[u8] = b"h2";

/// A server certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate or key cannot be used")]
pub struct TlsError(#[source] rustls::Error);

/// The certificate at work; changing it touches no open connection. All clones change together.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    current: Arc<ArcSwap<CertifiedKey>>,
}

impl TlsIdentity {
    /// From a chain (DER, leaf first) and a PKCS#8 key.
    pub fn new(chain: &[Vec<u8>], pkcs8: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(certified(chain, pkcs8)?)),
        })
    }

    /// From what the authority issued for its own server.
    pub fn of(certificate: &TlsCertificate) -> Result<Self, TlsError> {
        Self::new(&chain_of(certificate), &certificate.key_pkcs8)
    }

    /// Takes another certificate; when it cannot be used the old one stays.
    pub fn replace(&self, chain: &[Vec<u8>], pkcs8: &[u8]) -> Result<(), TlsError> {
        self.current.store(Arc::new(certified(chain, pkcs8)?));
        Ok(())
    }

    /// Takes another certificate that the authority issued for its own server.
    pub fn replace_by(&self, certificate: &TlsCertificate) -> Result<(), TlsError> {
        self.replace(&chain_of(certificate), &certificate.key_pkcs8)
    }

    /// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1. The default provider offers X25519MLKEM768 first. Who is asked for a certificate need not
    /// have one.
    fn server_config(&self, asks_for_certificates: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError)?;
        let builder = if asks_for_certificates {
            let is_needed = false;
            builder.with_client_cert_verifier(Arc::new(Possession { provider, is_needed }))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The same for bridges, which show a certificate each time; nothing is resumed.
    fn bridge_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError)?;
        let mut config = builder
            .with_client_cert_verifier(Arc::new(Possession {
                provider,
                is_needed: true,
            }))
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![BRIDGE_PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What connections are served with.
    pub(crate) fn configs(&self, asks_for_certificates: bool) -> Result<Configs, TlsError> {
        Ok(Configs {
            everybody: self.server_config(asks_for_certificates)?,
            bridges: self.bridge_config()?,
        })
    }
}

/// What connections are served with: who offers the protocol of bridges is asked for a certificate, all others where the settings say so.
#[derive(Clone, Debug)]
pub(crate) struct Configs {
    everybody: Arc<ServerConfig>,
    bridges: Arc<ServerConfig>,
}

impl Configs {
    /// By what a client offers.
    pub(crate) fn for_hello(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let mut offered = hello.alpn().into_iter().flatten();
        if offered.any(|protocol| protocol == BRIDGE_PROTOCOL) {
            Arc::clone(&self.bridges)
        } else {
            Arc::clone(&self.everybody)
        }
    }
}

/// Sees that whoever shows a certificate has its key. Whose it is, and whether it counts, is looked up with each request: what is
/// retired then has ended, also on open connections.
#[derive(Debug)]
struct Possession {
    provider: Arc<CryptoProvider>,
    /// Whether nobody gets in without one.
    is_needed: bool,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        self.is_needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn chain_of(certificate: &TlsCertificate) -> Vec<Vec<u8>> {
    std::iter::once(&certificate.certificate_der)
        .chain(&certificate.chain_der)
        .cloned()
        .collect()
}

fn certified(chain: &[Vec<u8>], pkcs8: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(TlsError)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(TlsError)?;
    Ok(certified)
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}
