//! TLS to those who collect entries: verified by name with roots that the operator names, and by nothing else.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};

/// What connections are made with.
pub(super) fn config(roots: &[u8], identity: Option<&SecretString>) -> Result<Arc<ClientConfig>, String> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        let root = root.map_err(|error| format!("tls_roots: {error}"))?;
        store.add(root).map_err(|error| format!("tls_roots: {error}"))?;
    }
    if store.is_empty() {
        return Err("tls_roots: no certificate in it".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let pem = pem.expose_secret().as_bytes();
            let said = |error| format!("tls_identity: {error}");
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(said)?;
            let identity = builder.with_client_auth_cert(chain.map_err(said)?, key);
            identity.map_err(|error| format!("tls_identity: {error}"))?
        }
    };
    Ok(Arc::new(config))
}
